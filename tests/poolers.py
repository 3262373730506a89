"""Real connection poolers in front of the tests' servers, out of Debian's packages.

They lie in build/servers, fetched and unpacked once for a checkout. `PGFAST_POOLER_PGBOUNCER_1_24` names another
program to run in the place of that one, and so on, where apt cannot be had. Each hands its few server connections from
client to client after every transaction, as widely used ones do.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

import pytest

from pgfast.embedded import EmbeddedServer, find_account, free_port, temporary_parent
from tools import debian

from .versions import CACHE

_PGBOUNCER: Final = """\
[databases]
postgres = host={host} port={server} dbname=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {directory}/users.txt
pool_mode = transaction
default_pool_size = {connections}
"""
_PGPOOL: Final = """\
listen_addresses = '127.0.0.1'
port = {port}
socket_dir = '{directory}'
unix_socket_directories = '{directory}'
pcp_socket_dir = '{directory}'
pcp_port = {second_port}
wd_ipc_socket_dir = '{directory}'
backend_clustering_mode = 'raw'
backend_hostname0 = '{host}'
backend_port0 = {server}
num_init_children = 8
pid_file_name = '{directory}/pid'
logdir = '{directory}'
failover_on_backend_error = off
failover_on_backend_shutdown = off
"""
_ODYSSEY: Final = """\
daemonize no
log_format "%p %t %l %c %m\\n"
log_to_stdout yes
locks_dir "{directory}"
workers 1
listen {{
    host "127.0.0.1"
    port {port}
}}
storage "server" {{
    type "remote"
    host "{host}"
    port {server}
}}
database default {{
    user default {{
        authentication "none"
        storage "server"
        storage_user "postgres"
        pool "transaction"
        pool_size {connections}
        pool_reserve_prepared_statement yes
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Pooler:
    """A pooler: where its program comes from, its configuration, the words to start it with.

    `prepares` says whether it follows prepared statements from server to server, `suspends` whether it passes on that a
    portal has more rows.
    """

    suite: str
    package: str
    path: str
    configuration: str
    arguments: Callable[[Path], tuple[str, ...]]
    prepares: bool
    suspends: bool = True
    more: str = ""


def _pgpool(directory: Path) -> tuple[str, ...]:
    return ("-n", "-f", f"{directory}/conf", "-F", f"{directory}/empty", "-a", f"{directory}/empty")


def _file(directory: Path) -> tuple[str, ...]:
    return (f"{directory}/conf",)


POOLERS: Final[dict[str, Pooler]] = {
    "pgbouncer-1.18": Pooler("bookworm", "pgbouncer", "usr/sbin/pgbouncer", _PGBOUNCER, _file, False),
    "pgbouncer-1.24": Pooler(
        "trixie", "pgbouncer", "usr/sbin/pgbouncer", _PGBOUNCER, _file, True, more="max_prepared_statements = 200\n"
    ),
    "pgpool-4.3": Pooler("bookworm", "pgpool2", "usr/sbin/pgpool", _PGPOOL, _pgpool, True, suspends=False),
    "pgpool-4.6": Pooler("trixie", "pgpool2", "usr/sbin/pgpool", _PGPOOL, _pgpool, True),
    "odyssey": Pooler("sid", "odyssey", "usr/bin/odyssey", _ODYSSEY, _file, True),
}


class RunningPooler:
    """A pooler in front of a server, on a free port of 127.0.0.1; stopped at the end of its `with` block."""

    def __init__(self, name: str, server: EmbeddedServer, connections: int = 1) -> None:
        self.name = name
        self.pooler = POOLERS[name]
        self.server = server
        self._connections = connections
        self._process: subprocess.Popen[bytes] | None = None
        self._directory = Path()
        self.port = 0

    @property
    def dsn(self) -> str:
        """A connection URI through the pooler."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def log(self) -> str:
        """What it has written so far."""
        return (self._directory / "log").read_text(encoding="utf-8", errors="replace")

    def __enter__(self) -> RunningPooler:
        account = find_account()
        named = os.environ.get(_variable(self.name))
        program = None if named else _fetched(self.name)
        self._directory = Path(tempfile.mkdtemp(prefix="pgfast-pooler-", dir=temporary_parent(account)))
        if account.name is not None and program is not None:  # root it refuses, and others may not reach the checkout
            program = debian.Program(self._directory / "program", program.name)
            shutil.copytree(_fetched(self.name).directory, program.directory)
        arguments = self.pooler.arguments(self._directory)
        self.port = free_port()
        words = {
            "host": self.server.host,
            "server": self.server.port,
            "port": self.port,
            "second_port": free_port(),
            "directory": self._directory,
            "connections": self._connections,
        }
        texts = {
            "conf": self.pooler.configuration.format(**words) + self.pooler.more,
            "users.txt": '"postgres" ""\n',
            "empty": "",
        }
        for name, text in texts.items():
            (self._directory / name).write_text(text)
        for path in (self._directory, *(self._directory / name for name in texts)):
            account.own(path)
        with open(self._directory / "log", "wb") as log:
            self._process = subprocess.Popen(
                [str(named), *arguments] if program is None else program.command(*arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **account.options(),
            )
        self._wait()
        return self

    def _wait(self) -> None:
        """Return when it listens; fail the test where it has ended, or does not within 30 s."""
        assert self._process is not None
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.stop()
        pytest.fail(f"{self.name} did not start: {self.log}")

    def stop(self) -> None:
        """Stop it and all processes it has made."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)


def missing() -> list[str]:
    """What is not there that poolers are fetched by, where they have not been fetched yet."""
    if all((CACHE / f"{pooler.suite}-{pooler.package}").is_dir() for pooler in POOLERS.values()):
        return []
    try:
        debian.mirror()
    except RuntimeError as exc:
        return [str(exc)]
    return []


def _variable(name: str) -> str:
    return "PGFAST_POOLER_" + name.upper().replace("-", "_").replace(".", "_")


def _fetched(name: str) -> debian.Program:
    pooler = POOLERS[name]
    try:
        return debian.fetch(pooler.suite, pooler.package, pooler.path, CACHE / f"{pooler.suite}-{pooler.package}")
    except RuntimeError as exc:
        pytest.fail(
            f"{name} cannot be fetched: {exc}; name its program in {_variable(name)}, or leave it out with --poolers"
        )
