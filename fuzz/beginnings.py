"""How a session begins: every way of logging in, protocol 2.0, encryption, and the streams of a walsender.

Law of this file: that of `flows`, which come later.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any, Final

from pgfast.errors import ProtocolError
from pgfast.protocol import operations as ops
from pgfast.protocol.backend import RowDescription
from pgfast.protocol.gss import GssError
from pgfast.protocol.oauth import OAuth
from pgfast.protocol.operations import Operation
from pgfast.protocol.session import Run, Session, State
from pgfast.replication import streams
from pgfast.replication.pgoutput import Decoder
from pgfast.types.registry import PLAIN
from pgfast.values.lsn import LSN

from .flows import Flow, copy_in, copy_in_text, copy_out_text

_SLOT: Final = "fuzzed"
#: What stands in front of sealed bytes.
SEALED: Final = b"!"
_MOST: Final = 200
_READS: Final = 12
_WORK: Final = (
    "begin; insert into things values (7, 'seven'); update things set name = 'eight' where id = 7; savepoint s; "
    "delete from things where id = 7; truncate copied; commit"
)


def opening(version: tuple[int, int], **parameters: str) -> ops.Opening:
    """How the session begins: the user of the servers, with a password and a token."""
    return ops.Opening(
        {"user": "postgres", "database": "postgres", "client_encoding": "UTF8", **parameters},
        ops.Credentials("postgres", "secret", scram_max_iterations=5000, oauth=OAuth("token"), gss=Seal),
        version,
        private=True,
    )


class Seal:
    """The context of GSSAPI: one token in each direction, and a mark in front of what is sealed."""

    def __init__(self) -> None:
        self._steps = 0

    @property
    def complete(self) -> bool:
        """Whether the server's token has come."""
        return self._steps > 1

    def step(self, token: bytes | None) -> bytes | None:
        """A first token, and none after it."""
        self._steps += 1
        return b"token" if token is None else None

    def room(self, size_bytes: int) -> int:
        """How much fits into so much."""
        return size_bytes - len(SEALED)

    def wrap(self, data: bytes) -> bytes:
        """The bytes behind the mark."""
        return SEALED + data

    def unwrap(self, packet: bytes) -> bytes:
        """The bytes behind the mark."""
        if not packet.startswith(SEALED):
            raise GssError("it is not sealed")
        return packet[len(SEALED) :]


def shown(session: Session) -> Any:
    """What the server has said of itself."""
    return sorted(session.parameters.items()), session.protocol_version, session.backend_pid, session.secret_key


def connect(session: Session) -> Operation[Any]:
    """Protocol 3.0."""
    yield from ops.connect(session, opening((3, 0)))
    return shown(session)


def connect_newest(session: Session) -> Operation[Any]:
    """Protocol 3.2, or what the server makes of it."""
    yield from ops.connect(session, opening((3, 2)))
    return shown(session)


def connect_walsender(session: Session) -> Operation[Any]:
    """A session of replication."""
    yield from ops.connect(session, opening((3, 0), replication="database"))
    return shown(session)


def connect_old(session: Session) -> Operation[Any]:
    """Protocol 2.0, then a query, and a COPY in each direction."""
    yield from ops.connect(session, opening((2, 0)))
    found = [shown(session), (yield from ops.query(session, "select 1 as a, 'x' as b, null::int as c"))]
    found.append((yield from ops.query(session, "begin; declare d binary cursor for select 1, 2.5; fetch d; end")))
    yield from ops.query(session, "create temp table copied (a int, b text, c numeric)")
    found.append((yield from copy_in_text(session)))
    found.append((yield from copy_out_text(session)))
    found.append((yield from ops.call_function(session, 177, [b"\0\0\0\1", b"\0\0\0\2"])))
    found.append((yield from ops.execute_query(session, "select %s::int, %s", (1, "it's"))))
    found.append((yield from copy_in(session)))  # which ends the session: there is no way to give a COPY up
    return found


def secured(session: Session) -> Operation[Any]:
    """TLS asked for, and the password bound to its certificate."""
    wanted = ops.Opening(
        {"user": "postgres"},
        ops.Credentials("postgres", "secret", scram_max_iterations=5000),
        encryption=ops.Encryption(tls="settings", tls_required=True),
    )
    yield from ops.connect(session, wanted)
    return shown(session)


def cancelled(session: Session) -> Operation[Any]:
    """The request to cancel, which is a connection of its own."""
    yield from ops.request_cancel(session, Session())
    return None


def sealed(session: Session) -> Operation[Any]:
    """Encryption by GSSAPI, then a password; the server may ask for authentication by it as well."""
    if not (yield from ops.seal(session, ops.Encryption(gss=Seal, gss_required=True))):
        return "it was not sealed"
    yield from ops.connect(session, replace(opening((3, 0)), sealed=True))
    return shown(session)


class _Bearer:
    """The connection of a stream, which has nothing to close."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def _condemn(self, exc: ProtocolError) -> None:
        self._session.die(exc)


def followed(session: Session) -> Operation[Any]:
    """A logical stream of a walsender, its changes decoded."""
    yield from ops.connect(session, opening((3, 0), replication="database"))
    told = streams.identity((yield from ops.query(session, "IDENTIFY_SYSTEM")))
    made = f"CREATE_REPLICATION_SLOT {_SLOT} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'nothing')"
    slot = streams.slot((yield from ops.query(session, made)))
    yield from ops.query(session, _WORK)
    options = "proto_version '4', publication_names 'everything', streaming 'on', messages 'true'"
    start = f"START_REPLICATION SLOT {_SLOT} LOGICAL {slot.consistent_point} ({options})"
    yield from ops.start_replication(session, start)
    stream = streams.BaseStream(_Bearer(session), Decoder(streams.readers(PLAIN)), LSN(0), 10.0)
    found: list[Any] = []
    for _ in range(_READS):
        run = yield from ops.next_copied(session, 0.5)
        if not isinstance(run, Run):
            break
        stream._take(run)
        while (item := stream._next_ready()) is not None:
            found.append(item)
    if session.state is State.COPY_BOTH:
        yield from ops.tell(session, b"r" + bytes(33))
    if session.state is State.COPY_BOTH:
        yield from ops.end_replication(session)
    return told, slot, found, stream.received, stream.server_end


def backed_up(session: Session) -> Operation[Any]:
    """A base backup."""
    yield from ops.connect(session, opening((3, 0), replication="database"))
    yield from ops.start_backup(session, "BASE_BACKUP (WAL false, PROGRESS, MANIFEST 'no')")
    backup = streams.BaseBackupStream(_Bearer(session))
    found: list[Any] = []
    while (event := (yield from ops.next_backup_event(session))) is not None:
        backup._take(event)
        found += [(name, bytes(piece)) for name, piece in islice(backup._ready, _MOST)]
        backup._ready.clear()
        if isinstance(event, RowDescription):
            found.append(event)
    return backup.start, backup.end, backup.timeline, backup.tablespaces, backup.progress_bytes, found


#: All of them, by their numbers in the harness.
BEGINNINGS: Final[tuple[Flow, ...]] = (
    *(connect, connect_newest, connect_walsender, connect_old, secured, cancelled, followed, backed_up, sealed),
)
