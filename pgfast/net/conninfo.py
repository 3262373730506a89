"""Where and how to connect: keywords, a URI, a keyword=value string and the PG* variables, made into one ConnInfo.

Law of this file: text in, settings out. It opens no socket and reads no files but the password file and the
service file. A word that could
be part of a password never comes into an error; positions do. Names and meanings: PostgreSQL docs, "Database
Connection Control Functions".
"""

from __future__ import annotations

import base64
import getpass
import os
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from ..errors import Error, NotSupportedError, ProgrammingError, shorten
from ..protocol.oauth import OAuth, TokenSource
from ..protocol.operations.login import METHODS, PasswordSource
from ..protocol.scram import KEY_BYTES, MAX_ITERATIONS
from .conntext import parse_text
from .keywords import OBJECTS, ONLY, SETTINGS, VARIABLES, check_keyword
from .passfile import find_password
from .service import read_service

SSLMODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
TLS_VERSIONS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
#: Protocol versions that can be asked for.
VERSIONS: Final = {"2.0": (2, 0), "3.0": (3, 0), "3.2": (3, 2), "latest": (3, 2)}
#: What target_session_attrs may ask for.
TARGETS: Final = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
#: Where servers put their Unix socket by default: Debian's place, then the one of the source code.
SOCKET_DIRECTORIES: Final = ("/var/run/postgresql", "/tmp")

_YES: Final = ("on", "true", "yes", "1")
_NO: Final = ("off", "false", "no", "0")
_TLS_LIMITS: Final = ("ssl_min_protocol_version", "ssl_max_protocol_version")
#: What a keyword may be given: text and numbers, a callable for the password, and the objects of `OBJECTS`.
Setting: TypeAlias = "str | float | bool | PasswordSource | TokenSource | ssl.SSLContext | socket.socket | None"
#: A function that gives a connected socket.
SocketSource: TypeAlias = Callable[[], "socket.socket | Awaitable[socket.socket]"]


@dataclass(frozen=True, slots=True)
class ConnInfo:
    """Everything that is decided before the first byte is sent. Times are in seconds unless the name says otherwise.

    `host` is a name, an address or, beginning with `/` or `@`, the directory of a Unix socket; `hostaddr` spares the
    name lookup. `connect_timeout` is None for no limit. `extra` holds further settings for the StartupMessage.
    """

    host: str
    port: int
    dbname: str
    user: str
    hostaddr: str | None = None
    password: str | PasswordSource | None = field(default=None, repr=False)
    connect_timeout: float | None = None
    application_name: str | None = None
    options: str | None = None
    sslmode: str = "prefer"
    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None
    sslpassword: str | None = field(default=None, repr=False)
    sslcrl: str | None = None
    ssl_min_protocol_version: str = "TLSv1.2"
    ssl_max_protocol_version: str | None = None
    keepalives: bool = True
    keepalives_idle: int | None = None
    keepalives_interval: int | None = None
    keepalives_count: int | None = None
    tcp_user_timeout_ms: int | None = None
    max_protocol_version: tuple[int, int] = (3, 0)
    min_protocol_version: tuple[int, int] = (3, 0)
    require_auth: frozenset[str] = frozenset(METHODS)
    channel_binding: str = "prefer"
    scram_max_iterations: int = MAX_ITERATIONS
    scram_client_key: bytes | None = field(default=None, repr=False)
    scram_server_key: bytes | None = field(default=None, repr=False)
    oauth: OAuth | None = None
    gssencmode: str = "prefer"
    krbsrvname: str = "postgres"
    gssdelegation: bool = False
    sslcrldir: str | None = None
    sslkeylogfile: str | None = None
    sslnegotiation: str = "postgres"
    sslsni: bool = True
    sslcertmode: str = "allow"
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)
    target_session_attrs: str = "any"
    load_balance_hosts: bool = False
    requirepeer: str | None = None
    sock: socket.socket | SocketSource | None = field(default=None, repr=False)
    replication: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def socket_path(self) -> str | None:
        """The path of the Unix socket to connect to, None for TCP and for a socket of the program's own.

        A leading NUL means an abstract socket (Linux).
        """
        if self.sock is not None or self.hostaddr or not self.host.startswith(("/", "@")):
            return None
        path = f"{self.host}/.s.PGSQL.{self.port}"
        return "\0" + path[1:] if path.startswith("@") else path

    @property
    def is_local(self) -> bool:
        """Whether it surely goes over a Unix socket, where there is no encryption.

        What a function of the program's will give is not known, so it is not believed to be one.
        """
        if isinstance(self.sock, socket.socket):
            return self.sock.family == getattr(socket, "AF_UNIX", None)
        return self.socket_path is not None

    @property
    def host_name(self) -> str | None:
        """The name of the server's host as a certificate or a ticket has it; None where none is given."""
        return None if self.host.startswith(("/", "@")) else self.host or None

    @property
    def startup_parameters(self) -> dict[str, str]:
        """What the StartupMessage carries, in order (docs: StartupMessage)."""
        known = {
            "application_name": self.application_name,
            "options": self.options,
            "replication": self.replication,
        }
        return {
            "user": self.user,
            "database": self.dbname,
            "client_encoding": "UTF8",
            **{name: value for name, value in known.items() if value},
            **self.extra,
        }

    def __str__(self) -> str:
        """Where it goes, for error texts: never the password."""
        where = self.socket_path
        if where is None:
            name = self.host or self.hostaddr or ""
            where = f"[{name}]:{self.port}" if ":" in name else f"{name}:{self.port}" if name else "the given socket"
        return f"{where.replace(chr(0), '@', 1)}, database {self.dbname!r}, user {self.user!r}"


def parse(
    conninfo: str | None = None, *, environ: Mapping[str, str] | None = None, **keywords: Setting
) -> tuple[ConnInfo, ...]:
    """The ConnInfo of each host that may be tried, in the order given.

    Each setting comes from the first place that has it: the keywords, the string (a URI or keyword=value pairs), the
    service, the PG* variable, the default. Keywords that are None count as not given.

    Raises ProgrammingError naming the keyword or the position in the string, NotSupportedError for what libpq can do
    and pgfast cannot; with no frame of what was done here, because its variables hold the password.
    """
    try:
        return _parse(conninfo, environ, keywords)
    except Error as exc:
        failure = exc.with_traceback(None)
    finally:
        del conninfo, environ, keywords
    failure.__cause__ = failure.__context__ = None
    raise failure


def _parse(
    conninfo: str | None, environ: Mapping[str, str] | None, keywords: dict[str, Setting]
) -> tuple[ConnInfo, ...]:
    given = parse_text(conninfo or "")
    objects = {name: keywords.pop(name, None) for name in OBJECTS}
    if callable(keywords.get("password")):
        objects["password"] = keywords.pop("password")
    for name, value in keywords.items():
        check_keyword(name)
        if value is not None:
            given[name] = ("1" if value else "0") if isinstance(value, bool) else str(value)
    variables = os.environ if environ is None else environ
    service = given.get("service") or variables.get("PGSERVICE")
    if service:
        file = given.get("servicefile") or variables.get("PGSERVICEFILE")
        given = {**read_service(service, file, variables), **given}
    known = dict(VARIABLES)
    known.update({name: only[0] for name, only in ONLY.items()})
    for name, variable in known.items():
        if variable and name not in given and variables.get(variable):
            given[name] = variables[variable]
    for name, value in given.items():
        if "\0" in value:
            raise ProgrammingError(f"connection setting {name} holds a NUL character")
    _refuse_unsupported(given)
    extra = {setting: variables[name] for name, setting in SETTINGS.items() if variables.get(name)}
    whole = {name: value for name, value in given.items() if value or name == "password"}
    return tuple([_build(one, extra, objects) for one in _hosts(whole)])


def _hosts(given: dict[str, str]) -> list[dict[str, str]]:
    """The settings of each host: the entries of host, hostaddr and port that belong together.

    As in libpq, an empty entry is the default, and one port is the port of all.
    """
    lists = {name: given[name].split(",") for name in ("host", "hostaddr", "port") if name in given}
    count = max((len(entries) for entries in lists.values()), default=1)
    places = max((len(lists[name]) for name in ("host", "hostaddr") if name in lists), default=1)
    for name, entries in lists.items():
        if len(entries) == count == places or (name == "port" and len(entries) == 1):
            continue
        raise ProgrammingError(f"connection setting {name} has {len(entries)} entries for {places} hosts")
    rest = {name: value for name, value in given.items() if name not in lists}
    made = []
    for at in range(count):
        one = dict(rest)
        for name, entries in lists.items():
            entry = entries[at if len(entries) > 1 else 0].strip()
            if entry:
                one[name] = entry
        made.append(one)
    return made


def _build(given: dict[str, str], extra: dict[str, str], objects: Mapping[str, Any]) -> ConnInfo:
    """The ConnInfo of checked settings, with defaults for those that are absent."""
    port = _integer(given, "port", 1, 65535) or 5432
    hostaddr = given.get("hostaddr")
    sock = _sock(objects.get("sock"))
    host = given.get("host") or ("" if hostaddr or sock is not None else _default_host(port))
    user = given.get("user") or _operating_system_user()
    dbname = given.get("dbname") or user
    password = objects.get("password") or given.get("password")
    if not password:
        place = "localhost" if _is_default(host) else host or hostaddr or "localhost"
        password = find_password(given.get("passfile"), place, port, dbname, user)
    context = objects.get("ssl_context")
    oldest_tls, newest_tls = _tls_versions(given)
    negotiation = _choice(given, "sslnegotiation", ("postgres", "direct"), "postgres")
    newest = VERSIONS[_choice(given, "max_protocol_version", tuple(VERSIONS), "3.0")]
    oldest = VERSIONS[_choice(given, "min_protocol_version", tuple(VERSIONS), "2.0" if newest[0] == 2 else "3.0")]
    if newest < oldest:
        raise ProgrammingError("min_protocol_version is newer than max_protocol_version (default: 3.0)")
    return ConnInfo(
        host=host,
        port=port,
        dbname=dbname,
        user=user,
        hostaddr=hostaddr,
        password=password,
        connect_timeout=_seconds(given, "connect_timeout"),
        application_name=given.get("application_name") or given.get("fallback_application_name"),
        options=given.get("options"),
        sslmode=_sslmode(given, context, negotiation),
        sslrootcert=given.get("sslrootcert"),
        sslcert=given.get("sslcert"),
        sslkey=given.get("sslkey"),
        sslpassword=given.get("sslpassword"),
        sslcrl=given.get("sslcrl"),
        ssl_min_protocol_version=oldest_tls,
        ssl_max_protocol_version=newest_tls,
        keepalives=_choice(given, "keepalives", ("0", "1"), "1") == "1",
        keepalives_idle=_integer(given, "keepalives_idle", 0, 2**31 - 1),
        keepalives_interval=_integer(given, "keepalives_interval", 0, 2**31 - 1),
        keepalives_count=_integer(given, "keepalives_count", 0, 2**31 - 1),
        tcp_user_timeout_ms=_integer(given, "tcp_user_timeout", 0, 2**31 - 1),
        max_protocol_version=newest,
        min_protocol_version=oldest,
        require_auth=_methods(given.get("require_auth")),
        channel_binding=_choice(given, "channel_binding", ("disable", "prefer", "require"), "prefer"),
        scram_max_iterations=_integer(given, "scram_max_iterations", 1, 2**31 - 1) or MAX_ITERATIONS,
        scram_client_key=_scram_key(given, "scram_client_key"),
        scram_server_key=_scram_key(given, "scram_server_key"),
        oauth=_oauth(given, objects.get("oauth_token")),
        gssencmode=_choice(given, "gssencmode", ("disable", "prefer", "require"), "prefer"),
        krbsrvname=given.get("krbsrvname", "postgres"),
        gssdelegation=_choice(given, "gssdelegation", ("0", "1"), "0") == "1",
        sslcrldir=given.get("sslcrldir"),
        sslkeylogfile=given.get("sslkeylogfile"),
        sslnegotiation=negotiation,
        sslsni=_choice(given, "sslsni", ("0", "1"), "1") == "1",
        sslcertmode=given.get("sslcertmode", "allow"),
        ssl_context=context,
        target_session_attrs=_choice(given, "target_session_attrs", TARGETS, "any"),
        load_balance_hosts=_choice(given, "load_balance_hosts", ("disable", "random"), "disable") == "random",
        requirepeer=given.get("requirepeer"),
        sock=sock,
        replication=_replication(given),
        extra=extra,
    )


def _sslmode(given: dict[str, str], context: Any, negotiation: str) -> str:
    """The sslmode, of which other settings want a least degree."""
    system = given.get("sslrootcert") == "system"
    default = "verify-full" if system else "require" if context is not None or negotiation == "direct" else "prefer"
    sslmode = _choice(given, "sslmode", SSLMODES, default)
    if system and sslmode != "verify-full":
        raise ProgrammingError("sslrootcert=system trusts every public authority, so it wants sslmode=verify-full")
    if negotiation == "direct" and sslmode in SSLMODES[:3]:
        raise ProgrammingError(
            f"sslnegotiation=direct begins with TLS, so it wants sslmode=require or more, not {sslmode}"
        )
    if context is not None:
        _check_context(context, sslmode, given)
    elif sslmode == "verify-full" and given.get("sslsni") == "0":
        raise ProgrammingError("sslsni=0 and sslmode=verify-full exclude each other: the name is checked as it is sent")
    return sslmode


def _tls_versions(given: Mapping[str, str]) -> tuple[str, str | None]:
    """The oldest and the newest version of TLS to take."""
    oldest = _choice(given, _TLS_LIMITS[0], TLS_VERSIONS, "TLSv1.2")
    newest = _choice(given, _TLS_LIMITS[1], TLS_VERSIONS, "") or None
    if newest is not None and TLS_VERSIONS.index(newest) < TLS_VERSIONS.index(oldest):
        raise ProgrammingError(f"ssl_max_protocol_version={newest} is older than the oldest version to take, {oldest}")
    return oldest, newest


def _replication(given: Mapping[str, str]) -> str | None:
    """What the StartupMessage says about replication: "database", "true", or None for an ordinary session."""
    wanted = _choice(given, "replication", (*_YES, *_NO, "database"), "off").lower()
    return "database" if wanted == "database" else "true" if wanted in _YES else None


def _sock(sock: Any) -> Any:
    """The program's own socket, or what makes one."""
    if sock is None or isinstance(sock, socket.socket) or callable(sock):
        return sock
    raise ProgrammingError(f"sock is a connected socket or a callable that gives one, not {type(sock).__name__}")


def _methods(text: str | None) -> frozenset[str]:
    """The methods that require_auth allows: those it lists, or all but those it lists behind `!`."""
    if text is None:
        return frozenset(METHODS)
    listed = [word.strip() for word in text.split(",")]
    negated = [word.startswith("!") for word in listed]
    if any(negated) and not all(negated):
        raise ProgrammingError("require_auth lists methods with and without '!'; use one way")
    names = [word.removeprefix("!") for word in listed]
    for name in names:
        if name not in METHODS:
            raise ProgrammingError(f"require_auth: {shorten(name)} is not one of {', '.join(METHODS)}")
        if names.count(name) > 1:
            raise ProgrammingError(f"require_auth lists {name} twice")
    return frozenset(METHODS).difference(names) if any(negated) else frozenset(names)


def _oauth(given: Mapping[str, str], token: str | TokenSource | None) -> OAuth | None:
    """How tokens are got, None where none is given."""
    if token is None:
        return None
    if not callable(token) and not isinstance(token, str):
        raise ProgrammingError(f"oauth_token is a str or a callable, not {type(token).__name__}")
    return OAuth(
        token,
        given.get("oauth_issuer"),
        given.get("oauth_scope"),
        given.get("oauth_client_id"),
        given.get("oauth_client_secret"),
    )


def _scram_key(given: Mapping[str, str], name: str) -> bytes | None:
    """A key that stands for the password in SCRAM, from base64; the error does not show it."""
    text = given.get(name)
    if text is None:
        return None
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ProgrammingError(f"{name} is not {KEY_BYTES} bytes in base64")
    return key


def _check_context(context: Any, sslmode: str, given: Mapping[str, str]) -> None:
    """Refuse an ssl_context together with settings of which it is the bearer, and one that checks less than sslmode."""
    if not isinstance(context, ssl.SSLContext):
        raise ProgrammingError(f"ssl_context is an ssl.SSLContext, not {type(context).__name__}")
    for name in (*("sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslcrldir"), *_TLS_LIMITS):
        if name in given:
            raise ProgrammingError(f"{name} and ssl_context exclude each other: set up the context")
    named = context.check_hostname or sslmode != "verify-full"
    if sslmode in SSLMODES[4:] and not (named and context.verify_mode is ssl.CERT_REQUIRED):
        raise ProgrammingError(f"sslmode={sslmode}, but the ssl_context does not check as much")


# ---------------------------------------------------------------- checks and defaults


def _refuse_unsupported(given: Mapping[str, str]) -> None:
    for name, (variable, allowed) in ONLY.items():
        value = given.get(name)
        if value and value not in allowed:
            instead = f"only {' or '.join(allowed)} is" if allowed else "leave it out"
            also = f" (or the variable {variable})" if variable else ""
            raise NotSupportedError(f"connection setting {name}={shorten(value)}{also} is not supported, {instead}")
    encoding = given.get("client_encoding")
    if encoding and encoding.lower().replace("-", "").replace("_", "") not in ("utf8", "unicode", "auto"):
        raise NotSupportedError(
            f"client_encoding {shorten(encoding)} is not supported, pgfast speaks UTF8 to the server"
        )


def _choice(given: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = given.get(name, default)
    if value != default and value not in allowed:
        raise ProgrammingError(f"connection setting {name}={shorten(value)} is not one of {', '.join(allowed)}")
    return value


def _integer(given: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    if name not in given:
        return None
    text = given[name].strip()
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 12 and low <= int(text) <= high):
        raise ProgrammingError(
            f"connection setting {name}={shorten(given[name])} is not an integer from {low} to {high}"
        )
    return int(text)


def _seconds(given: Mapping[str, str], name: str) -> float | None:
    """Seconds; zero, a negative number and an absent setting mean no limit, as in libpq."""
    if name not in given:
        return None
    try:
        seconds = float(given[name])
    except ValueError:
        seconds = float("nan")
    if seconds != seconds:
        raise ProgrammingError(f"connection setting {name}={shorten(given[name])} is not a number of seconds")
    return seconds if 0 < seconds < float("inf") else None


def _default_host(port: int) -> str:
    """The directory of a server's Unix socket for this port where there is one, else localhost."""
    for directory in SOCKET_DIRECTORIES if sys.platform != "win32" else ():
        if os.path.exists(f"{directory}/.s.PGSQL.{port}"):
            return directory
    return "localhost"


def _is_default(host: str) -> bool:
    return host in SOCKET_DIRECTORIES


def _operating_system_user() -> str:
    """The name of the user this process runs as, which servers take for the role's name too."""
    try:
        if sys.platform != "win32":
            import pwd

            return pwd.getpwuid(os.geteuid()).pw_name
        return getpass.getuser()
    except (KeyError, OSError, ImportError) as exc:
        raise ProgrammingError(
            "connection setting user is not given, and the operating system has no name either"
        ) from exc
