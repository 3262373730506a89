"""The peers' cases: each work as the client's own documentation would do it, by its quickest ordinary way.

Law of this package: it is run by the peers' interpreter; nothing of pgfast is imported here, and a peer's own library
only inside the functions.
"""
