"""Connection settings in a string: keyword=value pairs, or a URI.

Law of this file: text in, settings by name out. A word that could be part of a password never comes into an error;
positions do. (docs: Connection Strings)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from ..errors import ProgrammingError
from .keywords import SECRET, check_keyword, is_known

_SCHEMES: Final = ("postgresql://", "postgres://")


def parse_text(text: str) -> dict[str, str]:
    """The settings of a URI or of keyword=value pairs. Raises ProgrammingError with the position of what is wrong."""
    return _parse_uri(text) if text.startswith(_SCHEMES) else _parse_pairs(text)


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
        unquoted_secret = previous in SECRET
        if at >= len(text) or text[at] != "=":
            hint = "; a value with blanks must stand in quotes: password='...'" if unquoted_secret else ""
            raise ProgrammingError(f"connection string, character {start + 1}: '=' is missing after the keyword{hint}")
        if unquoted_secret and not is_known(keyword):
            raise ProgrammingError(
                f"connection string, character {start + 1}: not a known keyword; "
                "a value with blanks must stand in quotes: password='...'"
            )
        check_keyword(keyword, f", character {start + 1} of the connection string")
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
        if char == "\\":
            at += 1
            if at == len(text):  # a backslash that nothing follows is dropped, as libpq does
                break
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
    main, _, query = uri[start:].partition("?")
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
    if query:
        # Without '@' before it, the '?' may stand in a password: `user:what?secret@host`.
        given.update(_parse_query(query, uri, start + len(main) + 1, bool(at_sign) or "@" not in query))
    return {name: value for name, value in given.items() if value or name == "password"}


def _parse_hostspec(hostspec: str, uri: str, at: int) -> dict[str, str]:
    """host and port of `name:port`, `[v6 address]:port` or a percent-encoded socket directory; lists of several."""
    hosts, ports = [], []
    for each in hostspec.split(","):
        host, port = _parse_host(each, uri, at)
        hosts.append(host)
        ports.append(port)
        at += len(each) + 1
    return {"host": ",".join(hosts), "port": ",".join(ports)}


def _parse_host(text: str, uri: str, at: int) -> tuple[str, str]:
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or not host or (rest and not rest.startswith(":")):
            raise ProgrammingError(
                f"connection URI, character {at + 1}: not an IPv6 address in brackets, [address]:port"
            )
        port = rest[1:]
    else:
        host, _, port = text.partition(":")
    if port and not (port.isascii() and port.isdigit()):
        # Not shown: with an unescaped '/' in the password, its first half stands where the port is.
        where = at + len(text) - len(port) + 1
        raise ProgrammingError(f"connection URI, character {where}: the port is not a number")
    return _unquote(host, uri, at), port


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
        if not showable and not is_known(name):
            raise ProgrammingError(
                f"connection URI, character {at + 1}: not a known keyword; a '?' in a password must be written %3F"
            )
        check_keyword(name, f", character {at + 1} of the connection URI")
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


# ---------------------------------------------------------------- settings -> text


def make_text(settings: Mapping[str, object]) -> str:
    """The keyword=value string of these settings, each quoted where that is needed."""
    return " ".join(f"{keyword}={_quoted(str(value))}" for keyword, value in settings.items())


def _quoted(value: str) -> str:
    if value and not any(char.isspace() or char in "\\'" for char in value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
