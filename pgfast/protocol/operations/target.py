"""What kind of server a session has come to, as target_session_attrs asks.

Law of this file: what a server reports by itself (14 and later) is believed, an older one is asked.
(docs: target_session_attrs)
"""

from __future__ import annotations

from ..session import Session
from .binding import fetch
from .steps import Operation


def why_not(session: Session, wanted: str) -> Operation[str | None]:
    """Why the server is not what is wanted; None where it is."""
    if wanted == "any":
        return None
    if wanted in ("read-write", "read-only"):
        read_only = yield from _is_read_only(session)
        if read_only == (wanted == "read-only"):
            return None
        return "the session is read-only" if read_only else "the session is not read-only"
    standby = yield from _is_standby(session)
    if standby == (wanted == "standby"):
        return None
    return "the server is a standby" if standby else "the server is not a standby"


def _is_standby(session: Session) -> Operation[bool]:
    reported = session.parameters.get("in_hot_standby")
    if reported is not None:
        return reported == "on"
    rows = yield from fetch(session, "SELECT pg_catalog.pg_is_in_recovery()", classes=(bool,), count=1)
    return rows[0][0] is True


def _is_read_only(session: Session) -> Operation[bool]:
    default = session.parameters.get("default_transaction_read_only")
    if default is not None and "in_hot_standby" in session.parameters:
        return default == "on" or session.parameters["in_hot_standby"] == "on"
    sql = "SELECT pg_catalog.current_setting('transaction_read_only')"
    rows = yield from fetch(session, sql, classes=(str,), count=1)
    return bool(rows[0][0] == "on")
