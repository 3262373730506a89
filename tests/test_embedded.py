"""The embedded server: found in the right place, started as whoever we are, and always stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from pgfast import embedded
from pgfast.embedded import EmbeddedServer, Installation, find_installation
from pgfast.errors import OperationalError

pytestmark = pytest.mark.same_for_both("the server's programs are started, and no session")

ROOT = sys.platform != "win32" and os.geteuid() == 0


def ask_for_tls(port: int) -> bytes:
    """The server's answer to SSLRequest: proof that a PostgreSQL server listens."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(bytes.fromhex("0000000804d2162f"))
        return client.recv(1)


def refuses(port: int) -> bool:
    """Whether nothing listens any more."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # taken by a server that is just going down
        return False
    return False


def run_python(code: str) -> subprocess.Popen[str]:
    """A Python process that does what `code` says, with os, sys and EmbeddedServer at hand."""
    program = "import os, sys\nfrom pgfast.embedded import EmbeddedServer\n" + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def reported(process: subprocess.Popen[str]) -> tuple[int, Path]:
    """(port, directory) that the process printed."""
    assert process.stdout is not None
    words = process.stdout.readline().split()
    if len(words) != 2:
        raise AssertionError(process.communicate())
    return int(words[0]), Path(words[1])


def wait_until_gone(port: int, directory: Path) -> None:
    """Returns when neither the server nor its directory is there; fails after half a minute."""
    deadline = time.monotonic() + 30
    while not refuses(port) or directory.exists():
        assert time.monotonic() < deadline, f"server on port {port} or {directory} is still there"


def test_server_listens_on_its_port_and_socket_and_leaves_nothing_behind() -> None:
    with EmbeddedServer() as server:
        assert ask_for_tls(server.port) == b"N"
        directory = server.directory
        assert directory is not None and (directory / "data" / "PG_VERSION").exists()
        if sys.platform != "win32":
            path = Path(server.socket_directory, f".s.PGSQL.{server.port}")
            assert stat.S_ISSOCK(path.stat().st_mode)
        assert "database system is ready" in server.log
        port = server.port
    assert refuses(port)
    assert not directory.exists()


def test_server_stops_when_the_block_raises() -> None:
    server = EmbeddedServer()
    with pytest.raises(ZeroDivisionError), server:
        port = server.port
        raise ZeroDivisionError
    assert refuses(port)


def test_stop_twice_does_nothing_and_start_after_stop_works() -> None:
    server = EmbeddedServer().start()
    server.stop()
    server.stop()
    with server.start():
        assert ask_for_tls(server.port) == b"N"


def test_start_twice_is_refused() -> None:
    with EmbeddedServer() as server, pytest.raises(OperationalError, match="running already"):
        server.start()


def test_using_a_server_that_is_not_running_is_refused() -> None:
    with pytest.raises(OperationalError, match="not running"):
        _ = EmbeddedServer().log


def test_bad_setting_is_reported_with_the_servers_words_and_leaves_nothing() -> None:
    server = EmbeddedServer(settings={"no_such_setting": "1"})
    with pytest.raises(OperationalError, match="no_such_setting"):
        server.start()
    assert server.directory is None


def test_failing_init_sql_is_reported() -> None:
    with pytest.raises(OperationalError, match="no_such_table"):
        EmbeddedServer(init_sql="select * from no_such_table;").start()


def test_files_and_settings_reach_the_server() -> None:
    with EmbeddedServer(files={"motd": b"hello"}, settings={"hba_file": "{data}/pg_hba.conf"}) as server:
        path = server.data / "motd"
        assert path.read_bytes() == b"hello"
        if sys.platform != "win32":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert path.stat().st_uid == (server.data / "PG_VERSION").stat().st_uid


def test_server_stops_at_exit_without_a_with_block() -> None:
    with run_python(
        """
        server = EmbeddedServer().start()
        print(server.port, server.directory, flush=True)
        """
    ) as process:
        port, directory = reported(process)
        assert process.wait(60) == 0
    wait_until_gone(port, directory)


@pytest.mark.skipif(sys.platform == "win32", reason="the guard process is a Unix shell's")
@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "os._exit"])
def test_server_stops_when_its_owner_dies_without_a_word(how: str) -> None:
    with run_python(
        """
        server = EmbeddedServer().start()
        print(server.port, server.directory, flush=True)
        sys.stdin.readline()
        os._exit(3)
        """
    ) as process:
        port, directory = reported(process)
        assert ask_for_tls(port) == b"N"
        if how == "os._exit":
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        else:
            process.send_signal(signal.Signals[how])
        process.wait(60)
        wait_until_gone(port, directory)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_does_not_stop_its_parents_server() -> None:
    with run_python(
        """
        import socket
        with EmbeddedServer() as server:
            pid = os.fork()
            if pid == 0:
                sys.exit(0)  # runs the exit handlers
            os.waitpid(pid, 0)
            socket.create_connection(("127.0.0.1", server.port)).close()
            print(server.port, server.directory, flush=True)
        """
    ) as process:
        reported(process)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, (out, err)


def copy_installation(installation: Installation, target: Path) -> Path:
    """A copy of the installation's files below `target`; its bin directory."""
    for tree in installation.trees:
        shutil.copytree(tree, target / tree.relative_to(installation.base), symlinks=True)
    return target / installation.bin.relative_to(installation.base)


def run_as(name: str, installation: Installation) -> dict[str, object]:
    """What a forked child found out that became the account `name` and started a server."""
    import pwd

    account = pwd.getpwnam(name)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            with EmbeddedServer(installation=installation) as server:
                owner = (server.data / "PG_VERSION").stat().st_uid
                found = {"answer": ask_for_tls(server.port).decode(), "owner": owner, "port": server.port}
            os.write(writer, json.dumps(found).encode())
            status = 0
        except BaseException as exc:
            os.write(writer, json.dumps({"error": repr(exc)}).encode())
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    result: dict[str, object] = json.loads(answer)
    return result


@pytest.mark.skipif(
    not ROOT, reason="only root can become somebody else; every other test here runs as somebody else then"
)
def test_server_runs_for_an_ordinary_account_too() -> None:
    place = Path(tempfile.mkdtemp(prefix="pgfast-test-", dir="/tmp"))
    try:
        place.chmod(0o755)
        bin_ = copy_installation(find_installation(), place)
        found = run_as("nobody", Installation(bin_, "copy", place, (place,)))
    finally:
        shutil.rmtree(place)
    assert found.get("answer") == "N", found
    assert found["owner"] == pwd_uid("nobody")
    assert refuses(int(str(found["port"])))


def pwd_uid(name: str) -> int:
    import pwd

    return pwd.getpwnam(name).pw_uid


@pytest.mark.skipif(not ROOT, reason="only root runs the programs as another account")
@pytest.mark.parametrize("what", ["directory on the way", "library"])
def test_programs_that_the_account_cannot_read_are_copied(what: str, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    bin_ = copy_installation(find_installation(), closed)
    tree = bin_.parent
    if what == "library":
        next((tree / "share").rglob("postgres.bki")).chmod(0o600)
    else:
        closed.chmod(0o700)
    with EmbeddedServer(installation=Installation(bin_, "closed", closed, tuple(closed.iterdir()))) as server:
        assert ask_for_tls(server.port) == b"N"
        assert server.installation is not None and server.directory is not None
        assert server.directory in server.installation.bin.parents


def test_environment_variable_names_the_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGFAST_SERVER_BIN", str(find_installation().bin))
    assert find_installation().source.startswith("PGFAST_SERVER_BIN=")
    monkeypatch.setenv("PGFAST_SERVER_BIN", str(tmp_path))
    with pytest.raises(OperationalError, match="PGFAST_SERVER_BIN=.*no initdb"):
        find_installation()


def test_nothing_to_start_tells_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGFAST_SERVER_BIN", raising=False)
    monkeypatch.setattr(embedded, "_system_directories", lambda: iter(()))
    monkeypatch.setattr(embedded, "WHEELS", {"no-such-wheel": ("no_such_module_anywhere", ("bin",))})
    with pytest.raises(
        OperationalError, match="pip install no-such-wheel, or install PostgreSQL, or set PGFAST_SERVER_BIN"
    ):
        find_installation(("no-such-wheel",))


def test_system_install_is_taken_when_there_is_no_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGFAST_SERVER_BIN", raising=False)
    for name in ("initdb", "pg_ctl", "postgres"):
        (tmp_path / name).write_text("")
        (tmp_path / f"{name}.exe").write_text("")
    monkeypatch.setattr(embedded, "_system_directories", lambda: iter((tmp_path / "absent", tmp_path)))
    found = find_installation(())
    assert (found.bin, found.source) == (tmp_path, f"system install {tmp_path}")


def test_a_taken_port_is_tried_again_with_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        free = embedded.free_port
        ports = iter([taken])
        monkeypatch.setattr(embedded, "free_port", lambda: next(ports, 0) or free())
        with EmbeddedServer() as server:
            assert server.port != taken
            assert ask_for_tls(server.port) == b"N"
