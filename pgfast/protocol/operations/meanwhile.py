"""Work that is done while the server has its own: an operation is waited for in pieces.

Law of this file: the operation sees what it would have seen; its waits alone are filled, and no longer than there is
work. Work is done in portions of some milliseconds, for as long the server's answer may lie there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from ..session import Session
from .steps import Ask, Operation, Read, Step, Write

T = TypeVar("T")

#: Seconds in which an answer is looked for between two portions.
_GLANCE_S: Final = 0.0005
_NOTHING_CAME: Final = -1


def meanwhile(session: Session, operation: Operation[T], work: Callable[[], bool]) -> Operation[T]:
    """What the operation gives. `work` does a portion whenever the operation waits, and says whether there was one.

    Raises as the operation does, and then what the work has raised, which is done no more after that.
    """
    failures: list[Exception] = []

    def portion() -> bool:
        try:
            return not failures and work()
        except Exception as exc:  # raised below: the operation must come to its end, or nobody knows where it stands
            failures.append(exc)
            return False

    advance: Callable[[Any], Step] = operation.send
    answer: Any = None
    try:
        while True:
            try:
                step = advance(answer)
            except StopIteration as ended:
                made: T = ended.value
                break
            try:
                answer = yield from _filled(session, step, portion)
                advance = operation.send
            except Exception as exc:
                advance, answer = operation.throw, exc
    finally:
        operation.close()
    if failures:
        raise failures[0]
    return made


def _filled(session: Session, step: Step, work: Callable[[], bool]) -> Operation[Any]:
    """The answer to a step, with work done where it is a wait."""
    if isinstance(step, Ask):
        left = yield Write([session.out.take()])
        if left:
            return left
        yield from _filled(session, Read(), work)
        return []
    if isinstance(step, Read) and not step.raw and step.patience is None:
        while work():
            came = yield Read(patience=_GLANCE_S)
            if came != _NOTHING_CAME:
                return came
    return (yield step)
