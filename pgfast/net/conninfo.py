"""Where and how to connect: keywords, a URI, a keyword=value string and the PG* variables, made into one ConnInfo.

Law of this file: text in, settings out. It opens no socket and reads no file but the password file. A word that could
be part of a password never comes into an error; positions do. Names and meanings: PostgreSQL docs, "Database
Connection Control Functions".
"""

from __future__ import annotations

import difflib
import getpass
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from ..errors import NotSupportedError, ProgrammingError, shorten
from .passfile import find_password

SSLMODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
TLS_VERSIONS: Final = ("TLSv1.2", "TLSv1.3")
#: Where servers put their Unix socket by default: Debian's place, then the one of the source code.
SOCKET_DIRECTORIES: Final = ("/var/run/postgresql", "/tmp")

#: Keywords that have a field of their own in ConnInfo, and the variable each one falls back to.
_VARIABLES: Final[dict[str, str | None]] = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "client_encoding": "PGCLIENTENCODING",
    "application_name": "PGAPPNAME",
    "fallback_application_name": None,
    "options": "PGOPTIONS",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslpassword": None,
    "sslcrl": "PGSSLCRL",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "keepalives": None,
    "keepalives_idle": None,
    "keepalives_interval": None,
    "keepalives_count": None,
    "tcp_user_timeout": None,
}
#: Keywords libpq knows whose other values would change what happens: only the harmless ones are taken.
_ONLY: Final[dict[str, tuple[str | None, tuple[str, ...]]]] = {
    "channel_binding": ("PGCHANNELBINDING", ("prefer", "disable")),
    "gssencmode": ("PGGSSENCMODE", ("prefer", "disable")),
    "load_balance_hosts": ("PGLOADBALANCEHOSTS", ("disable",)),
    "max_protocol_version": ("PGMAXPROTOCOLVERSION", ("3.0",)),
    "min_protocol_version": ("PGMINPROTOCOLVERSION", ("3.0",)),
    "replication": (None, ("false", "off", "no", "0")),
    "require_auth": ("PGREQUIREAUTH", ()),
    "requirepeer": ("PGREQUIREPEER", ()),
    "service": ("PGSERVICE", ()),
    "sslcertmode": ("PGSSLCERTMODE", ("allow",)),
    "sslcompression": ("PGSSLCOMPRESSION", ("0",)),
    "sslcrldir": ("PGSSLCRLDIR", ()),
    "sslnegotiation": ("PGSSLNEGOTIATION", ("postgres",)),
    "sslsni": ("PGSSLSNI", ("1",)),
    "target_session_attrs": ("PGTARGETSESSIONATTRS", ("any",)),
}
#: Variables that libpq turns into server settings of the session.
_SETTINGS: Final = {"PGDATESTYLE": "datestyle", "PGTZ": "timezone", "PGGEQO": "geqo"}
_SECRET: Final = ("password", "sslpassword")


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
    password: str | None = field(default=None, repr=False)
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
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def socket_path(self) -> str | None:
        """The path of the Unix socket, None for TCP. A leading NUL means an abstract socket (Linux)."""
        if self.hostaddr or not self.host.startswith(("/", "@")):
            return None
        path = f"{self.host}/.s.PGSQL.{self.port}"
        return "\0" + path[1:] if path.startswith("@") else path

    @property
    def startup_parameters(self) -> dict[str, str]:
        """What the StartupMessage carries, in order (docs: StartupMessage)."""
        known = {"application_name": self.application_name, "options": self.options}
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
            where = f"[{name}]:{self.port}" if ":" in name else f"{name}:{self.port}"
        return f"{where.replace(chr(0), '@', 1)}, database {self.dbname!r}, user {self.user!r}"


def parse(
    conninfo: str | None = None, *, environ: Mapping[str, str] | None = None, **keywords: str | float | None
) -> ConnInfo:
    """The ConnInfo of a call.

    Each setting comes from the first place that has it: the keywords, the string (a URI or keyword=value pairs), the
    PG* variable, the default. Keywords that are None count as not given.

    Raises ProgrammingError naming the keyword or the position in the string, NotSupportedError for what libpq can do
    and pgfast cannot.
    """
    text = conninfo or ""
    given = _parse_uri(text) if text.startswith(("postgresql://", "postgres://")) else _parse_pairs(text)
    for name, value in keywords.items():
        _check_keyword(name)
        if value is not None:
            given[name] = ("1" if value else "0") if isinstance(value, bool) else str(value)
    variables = os.environ if environ is None else environ
    for name, variable in {**_VARIABLES, **{name: only[0] for name, only in _ONLY.items()}}.items():
        if variable and name not in given and variables.get(variable):
            given[name] = variables[variable]
    for name, value in given.items():
        if "\0" in value:
            raise ProgrammingError(f"connection setting {name} holds a NUL character")
    _refuse_unsupported(given)
    extra = {setting: variables[name] for name, setting in _SETTINGS.items() if variables.get(name)}
    return _build({name: value for name, value in given.items() if value or name == "password"}, extra)


def _build(given: dict[str, str], extra: dict[str, str]) -> ConnInfo:
    """The ConnInfo of checked settings, with defaults for those that are absent."""
    port = _integer(given, "port", 1, 65535) or 5432
    hostaddr = given.get("hostaddr")
    host = given.get("host") or ("" if hostaddr else _default_host(port))
    user = given.get("user") or _operating_system_user()
    dbname = given.get("dbname") or user
    password = given.get("password")
    if not password:
        password = find_password(given.get("passfile"), "localhost" if _is_default(host) else host, port, dbname, user)
    sslrootcert = given.get("sslrootcert")
    system = sslrootcert == "system"
    sslmode = _choice(given, "sslmode", SSLMODES, "verify-full" if system else "prefer")
    if system and sslmode != "verify-full":
        raise ProgrammingError("sslrootcert=system trusts every public authority, so it wants sslmode=verify-full")
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
        sslmode=sslmode,
        sslrootcert=sslrootcert,
        sslcert=given.get("sslcert"),
        sslkey=given.get("sslkey"),
        sslpassword=given.get("sslpassword"),
        sslcrl=given.get("sslcrl"),
        ssl_min_protocol_version=_choice(given, "ssl_min_protocol_version", TLS_VERSIONS, "TLSv1.2"),
        ssl_max_protocol_version=_choice(given, "ssl_max_protocol_version", TLS_VERSIONS, "") or None,
        keepalives=_choice(given, "keepalives", ("0", "1"), "1") == "1",
        keepalives_idle=_integer(given, "keepalives_idle", 0, 2**31 - 1),
        keepalives_interval=_integer(given, "keepalives_interval", 0, 2**31 - 1),
        keepalives_count=_integer(given, "keepalives_count", 0, 2**31 - 1),
        tcp_user_timeout_ms=_integer(given, "tcp_user_timeout", 0, 2**31 - 1),
        extra=extra,
    )


# ---------------------------------------------------------------- keyword=value


def _parse_pairs(text: str) -> dict[str, str]:
    """Settings of a keyword=value string: blanks around `=` allowed, values may be quoted by `'`, backslash escapes."""
    given: dict[str, str] = {}
    at = _skip_blanks(text, 0)
    previous = ""
    while at < len(text):
        start = at
        while at < len(text) and not text[at].isspace() and text[at] != "=":
            at += 1
        keyword = text[start:at]
        at = _skip_blanks(text, at)
        # The word may be the second half of a password with a blank, so it is not shown after one.
        unquoted_secret = previous in _SECRET
        if at >= len(text) or text[at] != "=":
            hint = "; a value with blanks must stand in quotes: password='...'" if unquoted_secret else ""
            raise ProgrammingError(f"connection string, character {start + 1}: '=' is missing after the keyword{hint}")
        if unquoted_secret and not _is_known(keyword):
            raise ProgrammingError(
                f"connection string, character {start + 1}: not a known keyword; "
                "a value with blanks must stand in quotes: password='...'"
            )
        _check_keyword(keyword, f", character {start + 1} of the connection string")
        value, at = _read_value(text, _skip_blanks(text, at + 1))
        given[keyword] = value
        previous = keyword
        at = _skip_blanks(text, at)
    return given


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _read_value(text: str, at: int) -> tuple[str, int]:
    """(value, position after it) of the value that begins at `at`."""
    quoted = at < len(text) and text[at] == "'"
    start = at
    at += quoted
    out: list[str] = []
    while at < len(text):
        char = text[at]
        if quoted and char == "'":
            return "".join(out), at + 1
        if not quoted and char.isspace():
            break
        if char == "\\" and at + 1 < len(text):
            at += 1
            char = text[at]
        out.append(char)
        at += 1
    if quoted:
        raise ProgrammingError(f"connection string, character {start + 1}: the quote that begins here is not closed")
    return "".join(out), at


# ---------------------------------------------------------------- URI


def _parse_uri(uri: str) -> dict[str, str]:
    """Settings of `postgresql://user:password@host:port/dbname?keyword=value&...`; every part may be absent."""
    start = uri.index("://") + 3
    main, mark, query = uri[start:].partition("?")
    authority, _, dbname = main.partition("/")
    userinfo, at_sign, hostspec = authority.rpartition("@")
    if "@" in userinfo or "@" in dbname:
        raise ProgrammingError("connection URI: an '@' or '/' in the user name or password must be written %40 or %2F")
    given: dict[str, str] = {}
    if at_sign:
        user, colon, password = userinfo.partition(":")
        given["user"] = _unquote(user, uri, start)
        if colon:
            given["password"] = _unquote(password, uri, start + len(user) + 1)
    host_at = start + (len(userinfo) + 1 if at_sign else 0)
    given.update(_parse_hostspec(hostspec, uri, host_at))
    given["dbname"] = _unquote(dbname, uri, start + len(authority) + 1)
    if mark:
        # Without '@' before it, the '?' may stand in a password: `user:what?secret@host`.
        given.update(_parse_query(query, uri, start + len(main) + 1, bool(at_sign) or "@" not in query))
    return {name: value for name, value in given.items() if value or name == "password"}


def _parse_hostspec(hostspec: str, uri: str, at: int) -> dict[str, str]:
    """host and port of `name:port`, `[v6 address]:port` or a percent-encoded socket directory."""
    if "," in hostspec:
        raise NotSupportedError("connection URI: several hosts are not supported, name one")
    if hostspec.startswith("["):
        host, closed, rest = hostspec[1:].partition("]")
        if not closed or not host or (rest and not rest.startswith(":")):
            raise ProgrammingError(
                f"connection URI, character {at + 1}: not an IPv6 address in brackets, [address]:port"
            )
        port = rest[1:]
    else:
        host, _, port = hostspec.partition(":")
    if port and not (port.isascii() and port.isdigit()):
        # Not shown: with an unescaped '/' in the password, its first half stands where the port is.
        where = at + len(hostspec) - len(port) + 1
        raise ProgrammingError(f"connection URI, character {where}: the port is not a number")
    return {"host": _unquote(host, uri, at), "port": port}


def _parse_query(query: str, uri: str, at: int, showable: bool) -> dict[str, str]:
    """Settings of `keyword=value&...`; a keyword that is not known is shown when it is surely one."""
    given: dict[str, str] = {}
    for pair in query.split("&"):
        keyword, equals, value = pair.partition("=")
        if not equals or "=" in value:
            problem = "'=' is missing" if not equals else "an '=' in a value must be written %3D"
            raise ProgrammingError(f"connection URI, character {at + 1}: {problem} in this query parameter")
        name, decoded = _unquote(keyword, uri, at), _unquote(value, uri, at + len(keyword) + 1)
        if (name, decoded) == ("ssl", "true"):  # as JDBC writes it
            name, decoded = "sslmode", "require"
        if not showable and not _is_known(name):
            raise ProgrammingError(
                f"connection URI, character {at + 1}: not a known keyword; a '?' in a password must be written %3F"
            )
        _check_keyword(name, f", character {at + 1} of the connection URI")
        given[name] = decoded
        at += len(pair) + 1
    return given


def _unquote(text: str, uri: str, at: int) -> str:
    """The text with %XX resolved; errors tell the position in `uri`, where the text begins at `at`."""
    mark = text.find("%")
    while mark >= 0:
        digits = text[mark + 1 : mark + 3]
        if len(digits) < 2 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
            raise ProgrammingError(f"connection URI, character {at + mark + 1}: '%' without two hexadecimal digits")
        if digits == "00":
            raise ProgrammingError(f"connection URI, character {at + mark + 1}: %00 is not allowed")
        mark = text.find("%", mark + 3)
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        # The exception quotes the bytes, which may be a password's, so it must not be chained.
        raise ProgrammingError(f"connection URI, character {at + 1}: not UTF-8 after decoding '%'") from None


# ---------------------------------------------------------------- checks and defaults


def _is_known(keyword: str) -> bool:
    return keyword in _VARIABLES or keyword in _ONLY


def _check_keyword(keyword: str, where: str = "") -> None:
    if _is_known(keyword):
        return
    close = difflib.get_close_matches(keyword, [*_VARIABLES, *_ONLY, "database"], 1)
    meant = "" if not close else f"; did you mean {'dbname' if close[0] == 'database' else close[0]}?"
    raise ProgrammingError(f"unknown connection keyword {shorten(keyword)}{where}{meant}")


def _refuse_unsupported(given: Mapping[str, str]) -> None:
    for name in ("host", "hostaddr", "port"):
        if "," in given.get(name, ""):
            raise NotSupportedError(f"connection setting {name}: several hosts are not supported, name one")
    for name, (variable, allowed) in _ONLY.items():
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
