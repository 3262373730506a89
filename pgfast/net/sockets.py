"""Sockets to servers: the addresses of a host, a socket's options, and in which order TLS is tried.

Law of this file: what both drivers need and neither waits for. Sockets are made here, non-blocking; connecting them is
the drivers' business.
"""

from __future__ import annotations

import ipaddress
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from ..errors import Error, NotSupportedError, OperationalError
from ..protocol.gss import GssContext
from ..protocol.oauth import OAuth
from ..protocol.operations import Credentials, Encryption, Opening
from . import gss
from .conninfo import ConnInfo, SocketSource
from .tls import Settings, TlsError

T = TypeVar("T")

#: How long, in seconds, an interrupted operation may take to cancel what the server does and to bring the session to
#: rest. Then the connection is closed.
GRACE_S: Final = 2.0
#: Seconds after which the cancelling is asked for again, because a request may come at a moment when it is forgotten.
CANCEL_AGAIN_S: Final = 0.25
#: The SQLSTATE with which a server refuses by pg_hba.conf, where another encryption may be let in
#: (invalid_authorization_specification).
_REFUSED: Final = "28000"


@dataclass(frozen=True, slots=True)
class Address:
    """One place to connect to: a socket's family and address, and how to name it in an error.

    `given` holds the program's own socket until it is taken, `source` is its function that makes one each time.
    """

    family: int
    sockaddr: Any
    name: str
    given: list[socket.socket] = field(default_factory=list, compare=False)
    source: SocketSource | None = None


def is_quiet(descriptor: int) -> bool:
    """Whether there is nothing to be read from a socket, not even the end of the stream."""
    if descriptor < 0:
        return False
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return not poll.poll(0)
    return not select.select([descriptor], [], [], 0)[0]


def resolve(info: ConnInfo) -> Future[list[Address]]:
    """The addresses of the server, as a future that a thread of its own fulfils.

    A name lookup cannot be interrupted, so whoever waits gives up on the future and leaves the thread to itself; it is
    a daemon and keeps no process alive.
    """
    future: Future[list[Address]] = Future()
    path = info.socket_path
    host = info.hostaddr or info.host
    if isinstance(info.sock, socket.socket):
        try:
            future.set_result([Address(info.sock.family, info.sock.getpeername(), str(info), [info.sock])])
        except OSError as exc:
            raise OperationalError(f"sock is not connected: {exc.strerror or exc}") from exc
    elif info.sock is not None:
        future.set_result([Address(socket.AF_UNSPEC, None, str(info), source=info.sock)])
    elif path is not None:
        if not hasattr(socket, "AF_UNIX"):
            raise NotSupportedError(f"host {info.host!r} means a Unix socket, which this platform does not have")
        future.set_result([Address(socket.AF_UNIX, path, str(info))])
    elif _is_literal(host):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        future.set_result([Address(family, (host, info.port), str(info))])
    else:
        threading.Thread(target=_look_up, args=(future, host, info), name="pgfast name lookup", daemon=True).start()
    return future


def in_thread(function: Callable[[], T]) -> Future[T]:
    """What a function gives that may wait for the network by itself, as a future that a thread of its own fulfils.

    Whoever waits may give up on it, as on a name lookup.
    """
    future: Future[T] = Future()

    future.set_running_or_notify_cancel()  # from here on nobody can cancel it under the thread's hands

    def work(promised: Future[T]) -> None:
        try:
            promised.set_result(function())
        except BaseException as exc:  # whoever waits gets it
            promised.set_exception(exc)
        finally:
            del promised  # the error has this frame in its traceback

    threading.Thread(target=work, args=(future,), name="pgfast consulting", daemon=True).start()
    return future


def _is_literal(host: str) -> bool:
    """Whether this is an IP address.

    One with a scope (fe80::1%eth0) goes through the name lookup, which knows the scope's number.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def _look_up(future: Future[list[Address]], host: str, info: ConnInfo) -> None:
    future.set_running_or_notify_cancel()  # from here on nobody can cancel it under this thread's hands
    try:
        found = socket.getaddrinfo(host, info.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        error = OperationalError(f"could not find the address of host {host!r}: {reason}")
        error.__cause__ = exc
        future.set_exception(error)
        return
    addresses = [Address(family, sockaddr, f"{info} (address {sockaddr[0]})") for family, _, _, _, sockaddr in found]
    future.set_result(addresses)


def open_socket(address: Address, info: ConnInfo) -> socket.socket:
    """A non-blocking socket for the address, its options set and not connected yet."""
    return prepared(socket.socket(address.family, socket.SOCK_STREAM), info)


def prepared(made: socket.socket, info: ConnInfo) -> socket.socket:
    """The socket, non-blocking and with its options set; closed where that fails."""
    try:
        made.setblocking(False)
        if made.family in (socket.AF_INET, socket.AF_INET6):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for level, option, value in _keepalive(info):
                made.setsockopt(level, option, value)
    except BaseException:
        made.close()
        raise
    return made


def _keepalive(info: ConnInfo) -> list[tuple[int, int, int]]:
    """Socket options for finding out that the peer is gone (docs: keepalives).

    Zero and options the platform lacks are left to the system.
    """
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1 if info.keepalives else 0)]
    idle = "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE"
    wanted = [("TCP_USER_TIMEOUT", info.tcp_user_timeout_ms)]
    if info.keepalives:
        wanted += [
            (idle, info.keepalives_idle),
            ("TCP_KEEPINTVL", info.keepalives_interval),
            ("TCP_KEEPCNT", info.keepalives_count),
        ]
    for name, value in wanted:
        if value and hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


def encryptions(info: ConnInfo) -> tuple[bool, ...]:
    """Whether to ask for TLS, in the order of the attempts (docs:

    Protection Provided in Different Modes). Never on a Unix socket.
    """
    if info.sslmode == "disable" or info.is_local:
        return (False,)
    return {"allow": (False, True), "prefer": (True, False)}.get(info.sslmode, (True,))


def tls_required(info: ConnInfo) -> bool:
    """Whether a connection without TLS is out of the question."""
    return info.sslmode in ("require", "verify-ca", "verify-full")


def may_try_other_encryption(exc: Error) -> bool:
    """Whether an attempt failed in a way the other encryption may not: by the handshake, or by pg_hba.conf.

    A wrong password is none.
    """
    return isinstance(exc, TlsError) or exc.sqlstate == _REFUSED


def check_peer(sock: socket.socket, info: ConnInfo) -> None:
    """Raise OperationalError where the server at the other end of a Unix socket runs as another user than
    requirepeer."""
    if info.requirepeer is None or sock.family != getattr(socket, "AF_UNIX", None):
        return
    if not hasattr(socket, "SO_PEERCRED"):
        raise OperationalError("requirepeer: this platform does not tell who is at the other end of a socket")
    import pwd

    _pid, user_id, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        name = pwd.getpwuid(user_id).pw_name
    except KeyError:
        name = str(user_id)
    if name != info.requirepeer:
        raise OperationalError(f"requirepeer is {info.requirepeer!r}, but the server runs as user {name!r}")


def connect_failed(address: Address, exc: OSError) -> OperationalError:
    """The exception for a socket that could not be connected."""
    hint = ""
    if isinstance(exc, (ConnectionRefusedError, FileNotFoundError)):
        hint = "; is the server running there and accepting connections?"
    return OperationalError(f"could not connect to {address.name}: {exc.strerror or exc}{hint}")


def all_failed(failures: Sequence[Error]) -> Error:
    """One exception for an attempt at every address."""
    if len(failures) == 1:
        return failures[0]
    error = OperationalError("\n".join(str(failure) for failure in failures))
    error.__cause__ = failures[0]
    return error


def handshake_failed(exc: OSError, sslmode: str) -> TlsError:
    """The exception for a failed TLS handshake, with what to do about an unknown certificate."""
    verify = getattr(exc, "verify_message", "")
    reason = verify or getattr(exc, "reason", None) or exc.strerror or str(exc) or type(exc).__name__
    hint = ""
    if verify:
        hint = f"; sslmode={sslmode} checks the server's certificate: give the authority that signed it as sslrootcert"
    return TlsError(f"the TLS handshake failed: {reason}{hint}")


def private(address: Address) -> bool:
    """Whether what goes to this address stays on this machine: a Unix socket, a loopback address."""
    if address.family not in (socket.AF_INET, socket.AF_INET6):
        return address.source is None
    return ipaddress.ip_address(address.sockaddr[0].partition("%")[0]).is_loopback


def encryption(info: ConnInfo, sealing: gss.Settings | None, settings: Settings | None) -> Encryption:
    """How a connection is to be encrypted, by GSSAPI or over TLS where there are settings for it."""
    return Encryption(
        gss=None if sealing is None else sealing.begin_sealing,
        gss_required=info.gssencmode == "require",
        tls=settings,
        tls_required=tls_required(info),
        tls_direct=settings is not None and settings.direct,
    )


def same_encryption(info: ConnInfo, kind: str | None, settings: Settings | None) -> Encryption:
    """The encryption of a connection that is there, required of another to the same server."""
    if kind == "gss":
        return Encryption(gss=gss.settings(info).begin_sealing, gss_required=True)
    if settings is None:
        return Encryption()
    return Encryption(tls=settings, tls_required=True, tls_direct=settings.direct)


def opening(
    info: ConnInfo,
    address: Address,
    encryption: Encryption,
    sealed: bool = False,
    version: tuple[int, int] | None = None,
    oauth: OAuth | None = None,
) -> Opening:
    """How a session with this server is to begin, over a connection that GSSAPI encrypts already (`sealed`) or not.

    `version` and `oauth` take the places of what the ConnInfo has.
    """

    def begin_gss() -> GssContext:
        return gss.settings(info).begin()

    credentials = Credentials(
        user=info.user,
        password=info.password,
        require_auth=info.require_auth,
        channel_binding=info.channel_binding,
        scram_max_iterations=info.scram_max_iterations,
        scram_keys=(info.scram_client_key, info.scram_server_key),
        oauth=oauth or info.oauth,
        gss=begin_gss,
    )
    return Opening(
        parameters=info.startup_parameters,
        credentials=credentials,
        version=version or info.max_protocol_version,
        least_version=info.min_protocol_version,
        encryption=encryption,
        sealed=sealed,
        private=private(address),
    )
