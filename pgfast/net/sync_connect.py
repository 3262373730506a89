"""Connecting, for threads: carries out the attempts.

Law of this file: every way out but the last leaves no socket open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError

from ..errors import ConnectionTimeout, Error, OperationalError, TimeoutError
from ..protocol import operations
from ..protocol.gss import GssError
from ..protocol.operations import Encryption
from ..protocol.session import Session
from . import attempts, sockets, tls
from .attempts import Attempt
from .conninfo import ConnInfo
from .deadline import Deadline
from .sync import Link, connected


def connect(infos: Sequence[ConnInfo], make_session: Callable[[], Session], timeout: float | None) -> Link:
    """A link whose session is ready for queries, to the first host that is what is asked for.

    Each host has its connect_timeout for name lookup, connecting, TLS and authentication; `timeout`, in seconds, is in
    its place where it is given, and for all hosts together. Each address of a host is tried until one takes the
    connection. Raises OperationalError or the server's refusal.
    """
    hosts = attempts.over_hosts(infos)
    info, wanted = next(hosts)
    whole = None if timeout is None else Deadline(timeout)
    left = attempts.most(infos)
    while True:
        try:
            deadline = Deadline(info.connect_timeout) if whole is None else whole.part(left)
            link = _at_host(info, wanted, make_session, deadline)
            hosts.close()
            return link
        except Error as exc:
            info, wanted = hosts.send(exc)
            left -= 1


def _at_host(info: ConnInfo, wanted: str, make_session: Callable[[], Session], deadline: Deadline) -> Link:
    try:
        addresses = sockets.resolve(info).result(deadline.remaining())
    except FutureTimeoutError as exc:
        raise ConnectionTimeout(str(deadline.passed())) from exc
    addresses = attempts.addresses_in_order(info, addresses)
    failures: list[Error] = []
    for index, address in enumerate(addresses):
        ways = attempts.at_server(info)
        attempt = next(ways)
        try:
            sock = connected(address, info, deadline.part(len(addresses) - index))
        except OperationalError as exc:
            failures.append(exc)
            continue
        while True:
            link = Link(sock, make_session(), info, address)
            try:
                _begin(link, attempt, wanted, deadline)
                ways.close()  # it keeps the errors of what failed before, and they keep this frame
                return link
            except Error as exc:
                attempt = ways.send((exc, link.encryption))
                sock = connected(address, info, deadline)
    raise sockets.all_failed(failures)


def _begin(link: Link, attempt: Attempt, wanted: str, deadline: Deadline) -> None:
    """Begin the session as this attempt says; the link is closed where that fails."""
    info, address = link.info, link.address
    try:
        deadline = attempts.limit(attempt, info, deadline)
        encryption = sockets.encryption(info, attempt.gss, tls.settings(info) if attempt.encrypted else None)
        sealed = _seal(link, encryption, deadline)
        opening = sockets.opening(info, address, encryption, sealed, attempt.version, attempt.oauth)
        link.run(operations.connect(link.session, opening), deadline)
        reason = link.run(operations.why_not(link.session, wanted), deadline)
        if reason is not None:
            raise attempts.WrongTarget(f"{address.name}: {reason}, and target_session_attrs={wanted}")
    except TimeoutError as exc:
        link.close()
        raise ConnectionTimeout(f"could not connect to {address.name}: {exc}") from exc
    except BaseException:
        link.close()
        raise


def _seal(link: Link, encryption: Encryption, deadline: Deadline) -> bool:
    """Whether GSSAPI encrypts the connection now."""
    if encryption.gss is None:
        return False
    try:
        return link.run(operations.seal(link.session, encryption), attempts.limit_of_gss(link.info, deadline))
    except OperationalError as exc:
        if not attempts.may_do_without_gss(link.info, exc, link.session.dead is not None):
            raise
        raise GssError(f"GSSAPI encryption could not be begun: {exc}") from exc
