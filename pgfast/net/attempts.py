"""In which order a connection is tried: hosts, and at each host encryption, protocol version and OAuth token.

Law of this file: it decides and waits for nothing. A generator yields what to try next and is sent the error of what
has failed; it raises the last one where nothing is left to try. (docs: Specifying Multiple Hosts; libpq: fe-connect.c)
"""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..errors import AuthenticationError, Error, OperationalError, ProtocolError, TimeoutError
from ..protocol.gss import GssError
from ..protocol.oauth import OAuth, OAuthDiscovered
from . import gss, sockets
from .conninfo import ConnInfo
from .deadline import Deadline
from .sockets import Address
from .tls import TlsError

#: Seconds that a server may take to answer a protocol version it may not know, before an older one is tried; also
#: those that GSSAPI may take before it is done without.
VERSION_S: Final = 10.0
#: The server is starting or shutting down; another host may be up (cannot_connect_now).
_NOT_NOW: Final = "57P03"
#: Classes of SQLSTATEs with which servers refuse a version they do not know; most say nothing at all.
_VERSION_CLASSES: Final = ("08", "0A", "XX")
_THREE: Final = (3, 0)


class WrongTarget(OperationalError):
    """The server is none that target_session_attrs asks for."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to begin a session: encrypted by GSSAPI where the server agrees, else over TLS or not; by which version,
    with which OAuth token."""

    gss: gss.Settings | None
    encrypted: bool
    version: tuple[int, int]
    oauth: OAuth | None


def at_server(info: ConnInfo) -> Generator[Attempt, tuple[Error, str | None], None]:
    """The attempts at one address of a server. It is sent what encrypted the connection that failed besides the error.

    GSSAPI encryption comes first, as in libpq. A server that does not offer it goes on with the first choice of
    sslmode on the same connection. Raises GssError where that encryption is required and impossible.
    """
    sealing = gss.for_encryption(info)
    required = info.gssencmode == "require"
    encryptions = [False] if required else list(sockets.encryptions(info))
    attempt = Attempt(sealing, encryptions.pop(0), info.max_protocol_version, info.oauth)
    while True:
        exc, encryption = yield attempt
        if isinstance(exc, OAuthDiscovered) and attempt.oauth is not None:
            attempt = replace(attempt, oauth=replace(attempt.oauth, discovered=exc.request))
        elif attempt.gss is not None and not required and _may_be_gss(exc, encryption):
            attempt = replace(attempt, gss=None)
        elif encryptions and sockets.may_try_other_encryption(exc):
            attempt = replace(attempt, gss=None, encrypted=encryptions.pop(0))
        elif attempt.version > _THREE >= info.min_protocol_version and _may_be_the_version(exc):
            attempt = replace(attempt, version=_THREE)
        else:
            raise exc


def _may_be_gss(exc: Error, encryption: str | None) -> bool:
    """Whether GSSAPI encryption may be what has failed: its beginning, or pg_hba.conf does not let in over it."""
    return isinstance(exc, GssError) or (encryption == "gss" and sockets.may_try_other_encryption(exc))


def _may_be_the_version(exc: Error) -> bool:
    """Whether the server may have meant the protocol version: it refused without a reason of another kind, it hung up,
    or it has not answered in time."""
    if isinstance(exc, (AuthenticationError, TlsError, GssError)):
        return False
    if exc.sqlstate is None:
        return isinstance(exc, (OperationalError, ProtocolError))
    return exc.sqlstate.startswith(_VERSION_CLASSES)


def limit(attempt: Attempt, info: ConnInfo, deadline: Deadline) -> Deadline:
    """The deadline of an attempt: sooner where an older version is left to try."""
    if attempt.version > _THREE >= info.min_protocol_version:
        return deadline.part(2).sooner(VERSION_S)
    return deadline


def limit_of_gss(info: ConnInfo, deadline: Deadline) -> Deadline:
    """The deadline of GSSAPI's part of an attempt: sooner where it can be done without."""
    return deadline if info.gssencmode == "require" else deadline.part(2).sooner(VERSION_S)


def may_do_without_gss(info: ConnInfo, exc: OperationalError, lost: bool) -> bool:
    """Whether GSSAPI's part of an attempt was late or ended with the connection (`lost`), as with a server that does
    not know the request."""
    return info.gssencmode != "require" and (lost or isinstance(exc, TimeoutError))


def _asked(info: ConnInfo) -> tuple[str, ...]:
    """What is asked of the servers in the first round over all hosts, and in the second where there is one."""
    wanted = info.target_session_attrs
    return ("standby", "any") if wanted == "prefer-standby" else (wanted,)


def most(infos: Sequence[ConnInfo]) -> int:
    """How many hosts `over_hosts` gives at most, among which the time is divided."""
    return len(infos) * len(_asked(infos[0]))


def over_hosts(infos: Sequence[ConnInfo]) -> Generator[tuple[ConnInfo, str], Error, None]:
    """Each host to try, with what is asked of its server (a value of target_session_attrs)."""
    order = list(infos)
    if infos[0].load_balance_hosts:
        random.shuffle(order)
    failures: list[Error] = []
    for asked in _asked(infos[0]):
        for info in order:
            exc = yield info, asked
            if not _may_try_next(exc):
                raise exc
            failures.append(exc)
    raise sockets.all_failed(failures)


def _may_try_next(exc: Error) -> bool:
    """Whether another host may do better: this one could not be reached, is not ready, or is not what is asked for.

    Where a server has answered, a refusal is final.
    """
    if isinstance(exc, WrongTarget):
        return True
    if not isinstance(exc, OperationalError) or isinstance(exc, AuthenticationError):
        return False
    return exc.sqlstate in (None, _NOT_NOW)


def addresses_in_order(info: ConnInfo, addresses: list[Address]) -> list[Address]:
    """The addresses of a host, shuffled where hosts are."""
    return random.sample(addresses, len(addresses)) if info.load_balance_hosts else addresses
