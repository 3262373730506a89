"""Fixtures every test may ask for: the codecs, and the servers.

`make test` runs the suite once for each implementation the connections can use (PGFAST_IMPL). With
`--only-implementation` the second run leaves out what would be the same again: tests that take the fixtures `codec` or
`codecs` see both modules anyway, those marked `same_for_both` no codec at all, or both, and what is the second event
loop's own, uvloop beside asyncio, the first run has shown.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from .poolers import POOLERS
from .poolers import missing as missing_for_poolers
from .since import wanted

if TYPE_CHECKING:
    from pgfast.embedded import EmbeddedServer

    from .kerberos import Realm
    from .servers import TlsServer

# A pure build has one codec; everywhere else a missing compiled one is a failure, not a skip.
CODECS = ["python"] if os.environ.get("PGFAST_BUILD") == "skip" else ["c", "python"]

#: Files that take a minute and more, the longest first: place in this list.
LONGEST_FIRST = {
    name: place
    for place, name in enumerate(
        (
            "test_catalogue.py",
            "test_cli.py",
            "test_cut.py",
            "test_export_types.py",
            "test_load_memory.py",
            "test_load_killed.py",
            "test_poolers.py",
            "test_benchmarks.py",
            "test_export.py",
            "test_copy_tables.py",
            "test_load_csv.py",
            "test_embedded.py",
        )
    )
}

#: What the summary says about tests that were left out.
LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--only-implementation",
        action="store_true",
        help="leave out what another run has: tests of both codecs, marked same_for_both, or of the second event loop",
    )
    parser.addoption(
        "--versions",
        default="14,15,16,17,18",
        help="major versions of the servers that tests of every version run against (default: %(default)s)",
    )
    parser.addoption(
        "--server",
        type=int,
        help="major version of the ordinary server and of the one with TLS (default: 18 and 17, by pip)",
    )
    parser.addoption(
        "--poolers",
        default=",".join(POOLERS),
        help="connection poolers that their tests run against (default: %(default)s)",
    )


def pytest_configure(config: pytest.Config) -> None:
    # The tickets of whoever runs the tests would change how connections begin.
    os.environ["KRB5CCNAME"] = "MEMORY:none"
    major = config.getoption("--server")
    if major is not None:
        from .versions import installation

        directory = str(installation(major).bin)
        os.environ.update(PGFAST_SERVER_BIN=directory, PGFAST_TLS_SERVER_BIN=directory)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "version" in metafunc.fixturenames:
        wanted = [int(major) for major in metafunc.config.getoption("--versions").split(",") if major]
        if metafunc.definition.get_closest_marker("first_and_last_version"):
            wanted = wanted[:1] + wanted[1:][-1:]
        metafunc.parametrize("version", wanted, scope="session", ids=[f"pg{major}" for major in wanted])
    if "pooler_name" in metafunc.fixturenames:
        names = [name for name in metafunc.config.getoption("--poolers").split(",") if name]
        metafunc.parametrize("pooler_name", names, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--only-implementation"):
        _leave_out(config, items, _is_same_for_both)
    major = config.getoption("--server")
    if major is not None:
        _leave_out(config, items, lambda item: wanted(item.path.name, item.name) > major)
    said = config.stash.setdefault(LEFT_OUT, [])
    if os.environ.get("PGFAST_TEST_KERBEROS") != "require":
        said += _leave_out_wanting(config, items, "realm", "GSSAPI", _missing_for_kerberos)
    if os.environ.get("PGFAST_TEST_POOLERS") != "require":
        said += _leave_out_wanting(config, items, "pooler_name", "poolers", missing_for_poolers)
    # The longest files first, so that the processes end together; their tests stay together, in their order.
    items.sort(key=lambda item: LONGEST_FIRST.get(item.path.name, len(LONGEST_FIRST)))


def _is_same_for_both(item: pytest.Item) -> bool:
    taken = set(getattr(item, "fixturenames", ()))
    if {"codec", "codecs"} & taken or item.get_closest_marker("same_for_both") is not None:
        return True
    given = getattr(item, "callspec", None)
    return given is not None and "uvloop" in (given.params.get("face"), given.params.get("loop"))


def _missing_for_kerberos() -> list[str]:
    from .kerberos import missing

    return missing()


def _leave_out_wanting(
    config: pytest.Config, items: list[pytest.Item], fixture: str, subject: str, missing: Callable[[], list[str]]
) -> list[str]:
    """Leave out the tests that want this fixture where something is missing for it, and give back what to say of it."""
    wanting = {item for item in items if fixture in getattr(item, "fixturenames", ())}
    lacking = missing() if wanting else []
    if not lacking:
        return []
    _leave_out(config, items, lambda item: item in wanting)
    return [f"{len(wanting)} tests of {subject} were left out; missing: {', '.join(lacking)}."]


def pytest_sessionfinish(session: pytest.Session) -> None:
    # A process beside others tells the one that started it.
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = session.config.stash.get(LEFT_OUT, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    said = node.config.stash.setdefault(LEFT_OUT, [])
    said += [line for line in getattr(node, "workeroutput", {}).get("left_out", []) if line not in said]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    said = config.stash.get(LEFT_OUT, [])
    if said:
        terminalreporter.section("left out")
        for line in said:
            terminalreporter.write_line(line)
        terminalreporter.write_line("CONTRIBUTING.md tells how to have them. PGFAST_TEST_KERBEROS=require and")
        terminalreporter.write_line("PGFAST_TEST_POOLERS=require make them fail instead.")


def _leave_out(config: pytest.Config, items: list[pytest.Item], leaves: Callable[[pytest.Item], bool]) -> None:
    left = [item for item in items if leaves(item)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in set(left)]


@pytest.fixture(scope="session", params=CODECS)
def codec(request: pytest.FixtureRequest) -> ModuleType:
    """Each codec module in turn."""
    return importlib.import_module({"c": "pgfast._codec", "python": "pgfast._codec_py"}[request.param])


@pytest.fixture(scope="session")
def codecs() -> tuple[ModuleType, ...]:
    """All codec modules at once, for tests that compare them."""
    names = {"c": "pgfast._codec", "python": "pgfast._codec_py"}
    return tuple([importlib.import_module(names[name]) for name in CODECS])


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """The ordinary server, PostgreSQL 18, trust for everybody."""
    from .servers import start_server  # here, because it needs more libraries than tests without servers do

    with start_server() as started:
        yield started


@pytest.fixture(scope="session")
def version_server(version: int) -> Iterator[EmbeddedServer]:
    """A server of each major version in turn; one runs at a time."""
    from .versions import start_version

    with start_version(version) as started:
        yield started


@pytest.fixture(scope="session")
def dsn(server: EmbeddedServer) -> str:
    """A connection URI for the ordinary server's superuser."""
    return server.dsn


@pytest.fixture(scope="session")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    """The server with TLS and every way of logging in, PostgreSQL 17."""
    from .servers import start_tls_server

    started = start_tls_server(tmp_path_factory.mktemp("certificates"))
    with started.server:
        yield started


@pytest.fixture(scope="session")
def realm() -> Iterator[Realm]:
    """A Kerberos realm with a key distribution centre. Tests that take it are left out where there are no programs."""
    from .kerberos import Realm, missing

    assert not missing(), f"missing: {', '.join(missing())}; on Debian and Ubuntu, as root: python3 -m tools.kerberos"
    with Realm() as started:
        yield started
