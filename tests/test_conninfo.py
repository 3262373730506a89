"""Connection settings from keywords, strings, URIs and the environment."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgfast.errors import NotSupportedError, ProgrammingError
from pgfast.net import conninfo as module
from pgfast.net.conninfo import ConnInfo
from pgfast.protocol.oauth import OAuth
from pgfast.protocol.operations.login import METHODS

SECRET = "s3cr3t"


def parse(*args: Any, **keywords: Any) -> ConnInfo:
    """The settings of the one host there is."""
    (info,) = module.parse(*args, **keywords)
    return info


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("PG") and not name.startswith("PGFAST")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path))


def checking_no_name() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    return context


def quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def test_keywords_win_over_the_string_which_wins_over_variables_which_win_over_defaults() -> None:
    environ = {"PGHOST": "env", "PGPORT": "1", "PGUSER": "env", "PGDATABASE": "env", "PGAPPNAME": "env"}
    info = parse("host=text port=2 user=text", environ=environ, host="word")
    assert (info.host, info.port, info.user, info.dbname, info.application_name) == ("word", 2, "text", "env", "env")
    assert info.sslmode == "prefer"


def test_keywords_that_are_none_count_as_absent() -> None:
    assert parse("host=a port=5", port=None, host=None).port == 5


def test_defaults_are_the_operating_system_user_and_a_database_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SOCKET_DIRECTORIES", ())
    info = parse()
    assert (info.host, info.port, info.connect_timeout, info.password) == ("localhost", 5432, None, None)
    assert info.user == info.dbname
    if sys.platform == "win32":
        assert info.user == getpass.getuser()


@pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets are named by port only on Unix")
def test_default_host_is_the_unix_socket_directory_that_has_a_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "SOCKET_DIRECTORIES", ("/nowhere", str(tmp_path)))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / ".s.PGSQL.7777"))
        assert parse(port=7777).socket_path == f"{tmp_path}/.s.PGSQL.7777"
        assert parse(port=7778).host == "localhost"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("postgresql://", {}),
        ("postgres://h", {"host": "h"}),
        ("postgresql://u@h:1/d", {"user": "u", "host": "h", "port": 1, "dbname": "d"}),
        ("postgresql://u:p%40%2F%3a@h/d%20b", {"user": "u", "password": "p@/:", "host": "h", "dbname": "d b"}),
        ("postgresql:///d?host=/tmp&port=7", {"dbname": "d", "host": "/tmp", "port": 7}),
        ("postgresql://%2Fvar%2Frun/d", {"host": "/var/run", "dbname": "d"}),
        ("postgresql://[::1]:9/d", {"host": "::1", "port": 9}),
        ("postgresql://[::1]", {"host": "::1"}),
        ("postgresql://h?ssl=true", {"sslmode": "require"}),
        ("postgresql://h/?connect_timeout=2.5&application_name=a%26b", {"connect_timeout": 2.5}),
        ("postgresql://u:%C3%A9@h", {"password": "é"}),
        ("postgresql://u:@h", {"user": "u", "password": None}),
        ("postgresql://h/d?options=-c%20geqo%3Doff", {"options": "-c geqo=off"}),
    ],
)
def test_uri_is_taken_apart(uri: str, expected: dict[str, object]) -> None:
    info = parse(uri)
    assert {name: getattr(info, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("  host = h   port= 1 dbname =d ", {"host": "h", "port": 1, "dbname": "d"}),
        (r"host='a b' password='it\'s \\ here' user=x\ y", {"host": "a b", "password": r"it's \ here", "user": "x y"}),
        ("application_name=''", {"application_name": None}),
        ("keepalives=0 keepalives_idle=3 tcp_user_timeout=9", {"keepalives": False, "keepalives_idle": 3}),
        ("connect_timeout=0", {"connect_timeout": None}),
        ("connect_timeout=-1", {"connect_timeout": None}),
        ("options='-c x=y'", {"options": "-c x=y"}),
        ("fallback_application_name=f", {"application_name": "f"}),
        ("fallback_application_name=f application_name=a", {"application_name": "a"}),
    ],
)
def test_keyword_value_string_is_taken_apart(text: str, expected: dict[str, object]) -> None:
    info = parse(text)
    assert {name: getattr(info, name) for name in expected} == expected


@given(st.dictionaries(st.sampled_from(["user", "dbname", "password", "application_name"]), st.text(min_size=1)))
def test_quoted_values_come_back_as_they_were(settings: dict[str, str]) -> None:
    settings = {name: value.replace("\0", "") or "x" for name, value in settings.items()}
    info = parse(" ".join(f"{name}={quote(value)}" for name, value in settings.items()), host="h", environ={})
    assert {name: getattr(info, name) for name in settings} == settings


@given(st.text())
def test_any_text_is_read_or_refused_with_a_pgfast_error(text: str) -> None:
    for candidate in (text, "postgresql://" + text):
        # Whatever else comes out fails the test.
        with contextlib.suppress(ProgrammingError, NotSupportedError):
            for info in module.parse(candidate, environ={}):
                assert isinstance(info, ConnInfo)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("hots=h", "unknown connection keyword 'hots', character 1 .*did you mean host?"),
        ("host=h prot=1", "'prot', character 8 .*did you mean port?"),
        ("database=d", "did you mean dbname"),
        ("host", "character 1: '=' is missing"),
        ("host='h", "character 6: the quote"),
        ("port=0", "port='0' is not an integer from 1 to 65535"),
        ("port=65536", "not an integer"),
        ("port=٣", "not an integer"),
        ("sslmode=always", "sslmode='always' is not one of disable"),
        ("connect_timeout=soon", "not a number of seconds"),
        ("connect_timeout=nan", "not a number of seconds"),
        ("keepalives=yes", "keepalives='yes' is not one of"),
        ("ssl_min_protocol_version=SSLv3", "is not one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3"),
        ("sslrootcert=system sslmode=require", "verify-full"),
        ("postgresql://h:x1", "character 16: the port is not a number"),
        ("postgresql://[::1", "IPv6"),
        ("postgresql://[]", "IPv6"),
        ("postgresql://[::1]x", "IPv6"),
        ("postgresql://h/%zz", "character 16: '%' without"),
        ("postgresql://h/%4", "'%' without"),
        ("postgresql://h/%00", "%00"),
        ("postgresql://h/%ff", "not UTF-8"),
        ("postgresql://h?sslmode", "character 16: '=' is missing"),
        ("postgresql://h?a=b=c", "%3D"),
        ("postgresql://h?nope=1", "'nope', character 16"),
    ],
)
def test_bad_setting_is_refused_by_name_or_position(text: str, error: str) -> None:
    with pytest.raises(ProgrammingError, match=error):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "gsslib=sspi",
        "client_encoding=latin1",
    ],
)
def test_what_libpq_can_and_pgfast_cannot_is_refused(text: str) -> None:
    with pytest.raises(NotSupportedError, match="not supported"):
        parse(text)


def test_harmless_values_of_unsupported_keywords_are_taken() -> None:
    parse("gsslib=gssapi channel_binding=prefer target_session_attrs=any client_encoding=utf-8 sslsni=1")


def test_unsupported_variable_is_named() -> None:
    with pytest.raises(NotSupportedError, match="PGGSSLIB"):
        parse(environ={"PGGSSLIB": "sspi"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("host=a,b", [("a", None, 5432), ("b", None, 5432)]),
        ("host=a,b port=1,2", [("a", None, 1), ("b", None, 2)]),
        ("host=a,b,c port=7", [("a", None, 7), ("b", None, 7), ("c", None, 7)]),
        ("host=a,b port=,2", [("a", None, 5432), ("b", None, 2)]),
        ("hostaddr=127.0.0.1,::1", [("", "127.0.0.1", 5432), ("", "::1", 5432)]),
        ("host=a,b hostaddr=127.0.0.1,", [("a", "127.0.0.1", 5432), ("b", None, 5432)]),
        ("postgresql://a:1,b:2/d", [("a", None, 1), ("b", None, 2)]),
        ("postgresql://a,[::1]:2/d", [("a", None, 5432), ("::1", None, 2)]),
        ("postgresql://u:p@a,b/d?port=9", [("a", None, 9), ("b", None, 9)]),
    ],
)
def test_several_hosts_are_settings_of_each(text: str, found: list[tuple[str, str | None, int]]) -> None:
    infos = module.parse(text, environ={}, user="u")
    assert [(info.host, info.hostaddr, info.port) for info in infos] == found


@pytest.mark.parametrize("text", ["host=a,b port=1,2,3", "host=a,b hostaddr=127.0.0.1", "host=a port=1,2"])
def test_lists_of_hosts_that_do_not_fit_are_refused(text: str) -> None:
    with pytest.raises(ProgrammingError, match="entries for"):
        module.parse(text, environ={})


def test_each_host_has_its_own_password_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text("a:1:*:*:first\nb:*:*:*:second\n")
    file.chmod(0o600)
    infos = module.parse("host=a,b,c port=1", environ={}, user="u", passfile=str(file))
    assert [info.password for info in infos] == ["first", "second", None]


@pytest.mark.parametrize(
    ("settings", "field", "value"),
    [
        ({}, "max_protocol_version", (3, 0)),
        ({"max_protocol_version": "latest"}, "max_protocol_version", (3, 2)),
        ({"max_protocol_version": "3.2", "min_protocol_version": "3.2"}, "min_protocol_version", (3, 2)),
        ({"max_protocol_version": "2.0"}, "min_protocol_version", (2, 0)),
        ({"require_auth": "md5, password"}, "require_auth", frozenset(("md5", "password"))),
        ({"require_auth": "!none,!gss"}, "require_auth", frozenset(METHODS) - {"none", "gss"}),
        ({"channel_binding": "require"}, "channel_binding", "require"),
        ({}, "gssencmode", "prefer"),
        ({"gssencmode": "require"}, "gssencmode", "require"),
        ({}, "krbsrvname", "postgres"),
        ({"krbsrvname": "pg"}, "krbsrvname", "pg"),
        ({"gssdelegation": "1"}, "gssdelegation", True),
        ({"gssdelegation": "0"}, "gssdelegation", False),
        ({"sslnegotiation": "direct"}, "sslmode", "require"),
        ({"scram_max_iterations": "4096"}, "scram_max_iterations", 4096),
        ({"sslsni": "0"}, "sslsni", False),
        ({"replication": "database"}, "replication", "database"),
        ({"replication": "on"}, "replication", "true"),
        ({"replication": "0"}, "replication", None),
        (
            {"oauth_token": "abc", "oauth_issuer": "https://i", "oauth_scope": "s"},
            "oauth",
            OAuth("abc", "https://i", "s"),
        ),
    ],
)
def test_demands_on_the_log_in_are_read(settings: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(parse(host="h", user="u", environ={}, **settings), field) == value


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"min_protocol_version": "3.2"}, "newer than max_protocol_version"),
        ({"max_protocol_version": "3.1"}, "not one of 2.0, 3.0, 3.2, latest"),
        ({"require_auth": "md5,!none"}, "use one way"),
        ({"require_auth": "md5,md5"}, "lists md5 twice"),
        ({"require_auth": "magic"}, "'magic' is not one of none, password"),
        ({"sslnegotiation": "direct", "sslmode": "prefer"}, "wants sslmode=require or more"),
        ({"gssencmode": "allow"}, "gssencmode='allow' is not one of disable, prefer, require"),
        ({"gssdelegation": "yes"}, "gssdelegation='yes' is not one of 0, 1"),
        ({"scram_max_iterations": "0"}, "integer from 1"),
        ({"oauth_token": 5}, "str or a callable, not int"),
        ({"ssl_context": "context"}, "an ssl.SSLContext, not str"),
        ({"ssl_context": ssl.create_default_context(), "sslrootcert": "f"}, "exclude each other"),
        ({"ssl_context": ssl._create_unverified_context(), "sslmode": "verify-ca"}, "does not check as much"),
        ({"ssl_context": checking_no_name(), "sslmode": "verify-full"}, "does not check as much"),
        ({"ssl_max_protocol_version": "TLSv1.1"}, "older than the oldest version to take, TLSv1.2"),
        ({"ssl_min_protocol_version": "TLSv1.3", "ssl_max_protocol_version": "TLSv1.2"}, "older than the oldest"),
    ],
)
def test_demands_that_contradict_themselves_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ProgrammingError, match=words):
        parse(host="h", user="u", environ={}, **settings)


def test_the_variables_of_gssapi_are_read() -> None:
    variables = {"PGGSSENCMODE": "require", "PGKRBSRVNAME": "pg", "PGGSSDELEGATION": "1", "PGGSSLIB": "gssapi"}
    info = parse(host="h", user="u", environ=variables)
    assert (info.gssencmode, info.krbsrvname, info.gssdelegation) == ("require", "pg", True)


def test_secrets_do_not_show() -> None:
    info = parse(host="h", user="u", environ={}, password=lambda: SECRET, oauth_token=SECRET)
    assert SECRET not in repr(info) and SECRET not in str(info)


def test_unknown_python_keyword_is_refused() -> None:
    with pytest.raises(ProgrammingError, match="unknown connection keyword 'passwd'"):
        parse(passwd=SECRET)


def test_nul_is_refused() -> None:
    with pytest.raises(ProgrammingError, match="user holds a NUL"):
        parse(user="a\0b")


@pytest.mark.parametrize(
    "text",
    [
        f"host=h port=bad password={SECRET}",
        f"password=one {SECRET}",
        f"password=one {SECRET}=x",
        f"password='{SECRET}",
        f"postgresql://u:{SECRET}@x@h/d",
        f"postgresql://u:x@{SECRET}@h/d",
        f"postgresql://u:{SECRET}/x@h/d",
        f"postgresql://u:x/{SECRET}@h/d",
        f"postgresql://u:{SECRET}?x@h/d",
        f"postgresql://u:12?{SECRET}=x@h/d",
        f"postgresql://u:{SECRET}%zz@h/d",
        f"postgresql://u:{SECRET}%ff@h/d",
        f"postgresql://u:{SECRET}@h:bad/d",
        f"postgresql://u:{SECRET}@h?nope=1",
    ],
)
def test_no_part_of_a_password_is_in_an_error(text: str) -> None:
    with pytest.raises((ProgrammingError, NotSupportedError)) as caught:
        parse(text)
    exc: BaseException | None = caught.value
    while exc is not None:
        assert SECRET not in repr(exc)
        exc = exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)


def test_no_password_is_in_repr_or_str() -> None:
    info = parse(host="h", user="u", password=SECRET, sslpassword=SECRET)
    assert info.password == info.sslpassword == SECRET
    assert SECRET not in repr(info) + str(info)
    assert str(info) == "h:5432, database 'u', user 'u'"
    assert str(parse(hostaddr="::1", user="u", dbname="d")) == "[::1]:5432, database 'd', user 'u'"


def test_socket_path_is_made_of_directory_and_port() -> None:
    assert parse(host="/run/pg", port=99).socket_path == "/run/pg/.s.PGSQL.99"
    assert parse(host="@abstract", port=99).socket_path == "\0abstract/.s.PGSQL.99"
    assert parse(host="name").socket_path is None
    assert parse(host="/run/pg", hostaddr="127.0.0.1").socket_path is None


def test_startup_parameters_hold_what_the_server_should_set() -> None:
    environ = {"PGTZ": "UTC", "PGDATESTYLE": "ISO", "PGGEQO": "off"}
    info = parse("user=u dbname=d application_name=a options='-c x=1' host=h", environ=environ)
    assert info.startup_parameters == {
        "user": "u",
        "database": "d",
        "client_encoding": "UTF8",
        "application_name": "a",
        "options": "-c x=1",
        "datestyle": "ISO",
        "timezone": "UTC",
        "geqo": "off",
    }


# ---------------------------------------------------------------- password file


def write_passfile(path: Path, text: str, mode: int = 0o600) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


PASSFILE = "# comment\nshort:line\nh:5432:d:u:plain\n*:7:*:*:a\\:b\\\\c\nlocalhost:*:*:*:local\n"


def test_password_file_gives_the_first_line_that_fits(tmp_path: Path) -> None:
    path = write_passfile(tmp_path / "pass", PASSFILE)
    assert parse(passfile=path, host="h", dbname="d", user="u").password == "plain"
    assert parse(passfile=path, host="x", port=7, dbname="d", user="u").password == "a:b\\c"
    assert parse(passfile=path, host="/tmp", dbname="d", user="u").password == "local"
    assert parse(passfile=path, host="h", dbname="other", user="u").password is None
    assert parse(passfile=path, host="h", dbname="d", user="u", password="given").password == "given"


def test_the_place_in_the_password_file_is_host_else_hostaddr_else_localhost(tmp_path: Path) -> None:
    path = write_passfile(tmp_path / "pass", "127.0.0.1:*:*:*:address\nlocalhost:*:*:*:local\nh:*:*:*:name\n")
    assert parse(passfile=path, host="h", hostaddr="127.0.0.1", user="u").password == "name"
    assert parse(passfile=path, hostaddr="127.0.0.1", user="u").password == "address"
    assert parse(passfile=path, sock=lambda: None, user="u").password == "local"


def test_only_the_end_of_a_line_ends_a_password(tmp_path: Path) -> None:
    """Python takes more characters for ends of lines than libpq does."""
    path = write_passfile(tmp_path / "pass", "h:*:*:*:be\x85fore\x0c \u2028after\r\nx:*:*:*:last")
    assert parse(passfile=path, host="h", user="u").password == "be\x85fore\x0c \u2028after"
    assert parse(passfile=path, host="x", user="u").password == "last"


def test_password_file_is_found_at_its_default_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "win32":
        (tmp_path / "postgresql").mkdir()
        write_passfile(tmp_path / "postgresql" / "pgpass.conf", PASSFILE)
    else:
        write_passfile(tmp_path / ".pgpass", PASSFILE)
    assert parse(host="h", dbname="d", user="u").password == "plain"
    monkeypatch.setenv("PGPASSFILE", write_passfile(tmp_path / "other", "*:*:*:*:other"))
    assert parse(host="h", dbname="d", user="u").password == "other"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits to look at")
def test_password_file_open_to_others_is_left_alone_with_a_warning(tmp_path: Path) -> None:
    path = write_passfile(tmp_path / "pass", PASSFILE, 0o644)
    with pytest.warns(UserWarning, match="chmod 600"):
        assert parse(passfile=path, host="h", dbname="d", user="u").password is None


def test_missing_password_file_that_was_named_warns(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="No such file"):
        assert parse(passfile=str(tmp_path / "none"), host="h").password is None
