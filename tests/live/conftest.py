"""Fixtures of the tests against real servers: the faces, and connections of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pgfast

from ..faces import NAMES, Face
from ..servers import Authority
from ..waiting import until


@pytest.fixture(params=NAMES)
def face(request: pytest.FixtureRequest) -> Iterator[Face]:
    """The synchronous face, and the asynchronous one on two event loops."""
    made = Face(request.param)
    yield made
    made.close()


@pytest.fixture
def conn(face: Face, dsn: str) -> Any:
    """A connection of each face, not in autocommit mode."""
    return face.connect(dsn)


@pytest.fixture
def auto(face: Face, dsn: str) -> Any:
    """A connection of each face, in autocommit mode."""
    return face.connect(dsn, autocommit=True)


@pytest.fixture
def until_waiting(dsn: str) -> Iterator[Callable[[int, str], None]]:
    """`wait_until_waiting` by an observer of the ordinary server."""
    with pgfast.connect(dsn, autocommit=True) as observer:
        yield lambda pid, event: wait_until_waiting(observer, pid, event)


def wait_until_waiting(observer: pgfast.Connection, pid: int, event: str) -> None:
    """Return when a backend waits for an event (docs: Wait Events)."""
    asked = "select wait_event from pg_stat_activity where pid = %s"
    until(lambda: observer.execute(asked, (pid,)).fetchone() == (event,), f"backend {pid} waits for {event}")


@pytest.fixture
def own_certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for localhost and its key, as files, of an authority that nobody knows."""
    made = Authority("somebody in between").issue("localhost", names=("localhost",), server=True)
    files = tmp_path / "own.crt", tmp_path / "own.key"
    files[0].write_bytes(made.certificate)
    files[1].write_bytes(made.key)
    return files
