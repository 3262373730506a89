"""TLS settings: what each mode verifies, shown by handshakes with a real server and by files that do not fit."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

from pgfast.errors import OperationalError
from pgfast.net import conninfo, tls
from pgfast.net.conninfo import ConnInfo

from .servers import Authority, TlsServer


def parse(**keywords: Any) -> ConnInfo:
    """The settings of the one host there is."""
    (info,) = conninfo.parse(**keywords)
    return info


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty home, so that no certificates of the person who runs the tests come in; its .postgresql directory."""
    for name in [name for name in os.environ if name.startswith("PGSSL")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path))
    directory = tls.default_directory()
    directory.mkdir()
    return directory


def handshake(server: TlsServer, user: str = "u_trust", **settings: Any) -> str:
    """The TLS version agreed on with the server, or ssl.SSLError."""
    info = parse(**server.keywords(user, **settings))
    with socket.create_connection(("127.0.0.1", info.port), timeout=10) as plain:
        plain.sendall(bytes.fromhex("0000000804d2162f"))
        assert plain.recv(1) == b"S"
        with tls.context(info).wrap_socket(plain, server_hostname=tls.server_hostname(info)) as wrapped:
            # With TLS 1.3 the server judges the client's certificate after the handshake: make it answer something.
            wrapped.sendall(bytes.fromhex("0000000804d2162f"))
            wrapped.recv(1)
            return wrapped.version() or ""


@pytest.mark.parametrize("sslmode", ["allow", "prefer", "require"])
def test_modes_that_do_not_verify_take_any_certificate(tls_server: TlsServer, sslmode: str) -> None:
    assert handshake(tls_server, sslmode=sslmode) == "TLSv1.3"


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
def test_modes_that_verify_take_the_authority_they_were_given(tls_server: TlsServer, sslmode: str) -> None:
    assert handshake(tls_server, sslmode=sslmode, sslrootcert=tls_server.ca) == "TLSv1.3"


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
def test_modes_that_verify_refuse_another_authority(tls_server: TlsServer, sslmode: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tls_server, sslmode=sslmode, sslrootcert=tls_server.other_ca)


def test_only_verify_full_looks_at_the_name(tls_server: TlsServer) -> None:
    assert handshake(tls_server, sslmode="verify-ca", sslrootcert=tls_server.ca, host="elsewhere.example")
    with pytest.raises(ssl.SSLCertVerificationError, match="elsewhere.example"):
        handshake(tls_server, sslmode="verify-full", sslrootcert=tls_server.ca, host="elsewhere.example")


def test_verify_full_takes_an_address_that_is_in_the_certificate(tls_server: TlsServer) -> None:
    settings = {"sslmode": "verify-full", "sslrootcert": tls_server.ca}
    assert handshake(tls_server, host="127.0.0.1", **settings)
    with pytest.raises(ssl.SSLCertVerificationError, match="127.0.0.2"):
        handshake(tls_server, host="127.0.0.2", **settings)


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
def test_root_certificate_at_its_default_place_is_used(tls_server: TlsServer, sslmode: str, home: Path) -> None:
    shutil.copy(tls_server.other_ca, home / "root.crt")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tls_server, sslmode=sslmode)
    shutil.copy(tls_server.ca, home / "root.crt")
    assert handshake(tls_server, sslmode=sslmode)


def test_opportunistic_modes_leave_the_default_root_certificate_alone(tls_server: TlsServer, home: Path) -> None:
    shutil.copy(tls_server.other_ca, home / "root.crt")
    assert handshake(tls_server, sslmode="prefer")


def test_system_authorities_do_not_vouch_for_a_certificate_of_our_own(tls_server: TlsServer) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tls_server, sslrootcert="system")


def test_revocation_lists_are_obeyed(tls_server: TlsServer, home: Path) -> None:
    settings = {"sslmode": "verify-ca", "sslrootcert": tls_server.ca}
    assert handshake(tls_server, sslcrl=tls_server.empty_crl, **settings)
    with pytest.raises(ssl.SSLCertVerificationError, match="revoked"):
        handshake(tls_server, sslcrl=tls_server.revoking_crl, **settings)
    shutil.copy(tls_server.revoking_crl, home / "root.crl")
    with pytest.raises(ssl.SSLCertVerificationError, match="revoked"):
        handshake(tls_server, **settings)


def test_tls_versions_are_bounded(tls_server: TlsServer) -> None:
    assert handshake(tls_server, sslmode="require", ssl_max_protocol_version="TLSv1.2") == "TLSv1.2"
    lowest = tls.context(parse(host="h", sslmode="require")).minimum_version
    assert lowest == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("encrypted", [False, True])
def test_client_certificate_is_presented(tls_server: TlsServer, encrypted: bool) -> None:
    assert handshake(tls_server, "u_cert", sslmode="require", **tls_server.client(encrypted))


def test_client_certificate_at_its_default_place_is_presented(tls_server: TlsServer, home: Path) -> None:
    client = tls_server.client()
    (home / "postgresql.crt").write_bytes(Authority("a stranger").issue("u_cert").certificate)
    with pytest.raises(OperationalError, match=r"postgresql\.key"):
        handshake(tls_server, "u_cert", sslmode="require")
    shutil.copy(client["sslcert"], home / "postgresql.crt")
    shutil.copy(client["sslkey"], home / "postgresql.key")
    assert handshake(tls_server, "u_cert", sslmode="require")


def test_client_certificate_of_a_stranger_is_refused_by_the_server(tls_server: TlsServer, tmp_path: Path) -> None:
    stranger = Authority("a stranger").issue("u_cert")
    files = {"sslcert": tmp_path / "s.crt", "sslkey": tmp_path / "s.key"}
    files["sslcert"].write_bytes(stranger.certificate)
    files["sslkey"].write_bytes(stranger.key)
    files["sslkey"].chmod(0o600)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(tls_server, "u_cert", sslmode="require", **{name: str(path) for name, path in files.items()})


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits to look at")
@pytest.mark.parametrize(
    ("mode", "fits"), [(0o600, True), (0o400, True), (0o640, None), (0o644, False), (0o660, False)]
)
def test_private_key_that_others_can_read_is_refused(tls_server: TlsServer, mode: int, fits: bool | None) -> None:
    client = tls_server.client()
    key = Path(client["sslkey"])
    if fits is None:  # a group may read what root owns
        fits = key.stat().st_uid == 0
    key.chmod(mode)
    try:
        if fits:
            assert handshake(tls_server, "u_cert", sslmode="require", **client)
        else:
            with pytest.raises(OperationalError, match="chmod 600"):
                tls.context(parse(host="h", sslmode="require", **client))
    finally:
        key.chmod(0o600)


def test_encrypted_key_without_its_password_is_an_error_and_not_a_prompt(tls_server: TlsServer) -> None:
    client = tls_server.client(encrypted=True)
    with pytest.raises(OperationalError, match="is encrypted: give sslpassword"):
        tls.context(parse(host="h", sslmode="require", **{**client, "sslpassword": None}))
    with pytest.raises(OperationalError, match="sslkey") as caught:
        tls.context(parse(host="h", sslmode="require", **{**client, "sslpassword": "wrong-guess"}))
    assert "wrong-guess" not in repr(caught.value) + repr(caught.value.__cause__)


@pytest.mark.parametrize("sslmode", ["verify-ca", "verify-full"])
def test_verification_without_any_root_certificate_is_refused(sslmode: str) -> None:
    with pytest.raises(OperationalError, match=r"root\.crt does not exist: give sslrootcert"):
        tls.context(parse(host="h", sslmode=sslmode))


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
def test_root_certificate_that_was_named_must_exist(sslmode: str, tmp_path: Path) -> None:
    with pytest.raises(OperationalError, match="sslrootcert .*none: No such file"):
        tls.context(parse(host="h", sslmode=sslmode, sslrootcert=str(tmp_path / "none")))


def test_files_that_are_not_what_they_should_be_are_named(tmp_path: Path, tls_server: TlsServer) -> None:
    junk = tmp_path / "junk"
    junk.write_text("nothing of use")
    junk.chmod(0o600)
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"sslrootcert": str(junk), "sslmode": "verify-ca"}, "sslrootcert .*junk"),
        ({"sslcert": str(junk), "sslkey": str(junk)}, "sslcert .*junk"),
        ({"sslcert": tls_server.client()["sslcert"], "sslkey": str(junk)}, "sslkey .*junk"),
        ({"sslcert": str(tmp_path / "none"), "sslkey": str(junk)}, "sslcert .*none: No such file"),
        ({"sslrootcert": tls_server.ca, "sslcrl": str(junk), "sslmode": "verify-ca"}, "sslcrl .*junk"),
    )
    for settings, text in cases:
        with pytest.raises(OperationalError, match=text):
            tls.context(parse(host="h", **settings))


def test_verify_full_needs_a_name(tls_server: TlsServer) -> None:
    with pytest.raises(OperationalError, match="needs host"):
        tls.context(parse(hostaddr="127.0.0.1", sslmode="verify-full", sslrootcert=tls_server.ca))


def test_a_context_that_checks_the_name_needs_one() -> None:
    own = ssl.create_default_context()
    for settings in ({"host": "/run"}, {"sock": socket.socket}):
        with pytest.raises(OperationalError, match="checks the name in the server's certificate"):
            tls.settings(parse(ssl_context=own, **settings))
    assert tls.settings(parse(ssl_context=own, hostaddr="127.0.0.1")).hostname == "127.0.0.1"


def test_revocations_count_with_public_authorities_too(tls_server: TlsServer) -> None:
    settings = {"host": "h", "sslmode": "verify-full", "sslrootcert": "system"}
    assert not tls.context(parse(**settings)).verify_flags & ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN
    with pytest.raises(OperationalError, match="sslcrl"):
        tls.context(parse(**settings, sslcrl="none"))


def test_server_hostname_is_the_host_then_the_address() -> None:
    assert tls.server_hostname(parse(host="a", hostaddr="127.0.0.1")) == "a"
    assert tls.server_hostname(parse(hostaddr="127.0.0.1")) == "127.0.0.1"
    assert tls.server_hostname(parse(host="/run")) is None
