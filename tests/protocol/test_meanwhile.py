"""Work beside an operation that waits: the operation sees what it would have seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pgfast.protocol import frontend
from pgfast.protocol.operations import Ask, Operation, Pull, Read, Step, Write, meanwhile
from pgfast.protocol.session import Session

SOURCE = iter(())


def _talk(seen: list[Any]) -> Operation[str]:
    """One of each step, and what was answered."""
    seen += [(yield Read()), (yield Ask()), (yield Pull(SOURCE)), (yield Read(raw=True)), (yield Read())]
    return "made"


def _run(operation: Operation[str], answer: Callable[[Step], Any]) -> str:
    given: Any = None
    while True:
        try:
            step = operation.send(given)
        except StopIteration as ended:
            return str(ended.value)
        given = answer(step)


def _portions(count: int, done: list[int]) -> Callable[[], bool]:
    def work() -> bool:
        done.append(len(done))
        return len(done) < count

    return work


@pytest.mark.parametrize("portions", [1, 2, 3, 100])
def test_an_operation_is_answered_as_without(portions: int) -> None:
    """Nothing comes at two glances in three; what is asked is written, and then read."""
    session, seen, done, glances, steps = Session(), list[Any](), list[int](), 0, list[Step]()
    frontend.query(session.out, "asked")

    def answer(step: Step) -> Any:
        nonlocal glances
        steps.append(step)
        if isinstance(step, Read) and step.patience is not None:
            glances += 1
            return 7 if glances % 3 == 0 else -1
        if isinstance(step, Write):
            assert b"asked" in bytes(step.blocks[0])
            return []
        return {Read(): 7, Read(raw=True): b"S"}.get(step, "row") if isinstance(step, Read) else "row"

    assert _run(meanwhile(session, _talk(seen), _portions(portions, done)), answer) == "made"
    assert seen == [7, [], "row", b"S", 7]
    assert not any(isinstance(step, Ask) for step in steps)
    assert glances == min(portions - 1, 9)  # none behind the last portion, three for each of three waits


def test_blocks_that_were_not_sent_are_the_answer() -> None:
    session, seen = Session(), list[Any]()
    left = [memoryview(b"left")]

    def ask() -> Operation[str]:
        seen.append((yield Ask()))
        return "made"

    assert _run(meanwhile(session, ask(), lambda: True), lambda step: left) == "made"
    assert seen == [left]


def test_a_failure_of_the_work_is_raised_behind_the_operation() -> None:
    seen, tried = list[Any](), list[int]()

    def work() -> bool:
        tried.append(1)
        raise OSError("no space")

    def two() -> Operation[str]:
        seen.append((yield Read()))
        seen.append((yield Read()))
        return "made"

    with pytest.raises(OSError, match="no space"):
        _run(meanwhile(Session(), two(), work), lambda step: 7)
    assert (seen, tried) == ([7, 7], [1])


def test_what_a_driver_raises_reaches_the_operation() -> None:
    seen: list[Exception] = []

    def lost() -> Operation[str]:
        try:
            yield Read()
        except ConnectionError as exc:
            seen.append(exc)
        return "made"

    def answer(operation: Operation[str]) -> str:
        operation.send(None)
        with pytest.raises(StopIteration) as ended:
            operation.throw(ConnectionResetError())
        return str(ended.value.value)

    assert answer(meanwhile(Session(), lost(), lambda: False)) == "made"
    assert len(seen) == 1


def test_an_operation_that_is_given_up_is_closed() -> None:
    closed: list[bool] = []

    def waits() -> Operation[str]:
        try:
            yield Read()
        finally:
            closed.append(True)
        return "made"

    operation = meanwhile(Session(), waits(), lambda: True)
    operation.send(None)
    operation.close()
    assert closed == [True]
