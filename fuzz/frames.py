"""The stream as it comes: pieces of any size, framed, every message parsed, answers to executions taken whole.

Input: a few choices, then the bytes of a server.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from pgfast import const
from pgfast.errors import Error
from pgfast.protocol import backend

from .both import agree, outcome
from .choices import Choices
from .wire import OIDS, SpecTree, spec_of

#: Bytes of choices in front of the stream.
HEAD: Final = 12
#: What stands behind them are messages (see `mutate`).
MESSAGES: Final = True
_LIMITS: Final = (const.MAX_MESSAGE_SIZE, 4096, 200)
_MOST: Final = 200


def run(data: bytes) -> None:
    """One stream, as frames and runs, or as answers to executions."""
    c = Choices(data[:HEAD])
    stream = data[HEAD:]
    how, block, limit = c.below(3), c.pick((32, 64, 4096)), c.pick(_LIMITS)
    cuts = [1 + c.number(1), 1 + c.number(1)]
    tag = c.pick((const.DATA_ROW, const.COPY_DATA))
    lends = c.flag()
    if how < 2:
        agree(lambda module: _messages(module, stream, block, limit, cuts, tag if how else -1, lends))
        return
    oids = [(c.pick(OIDS), c.below(2)) for _ in range(2)][: c.below(3)]
    agree(lambda module: _replies(module, stream, (block, limit), cuts, oids))


def _parsed(tag: int, payload: bytes) -> Any:
    if tag in (const.DATA_ROW, const.COPY_DATA):
        return payload
    return repr(outcome(lambda: backend.parse(tag, payload)))


def _put(buffer: Any, stream: bytes, at: int, cut: int) -> int:
    view = buffer.get_buffer()
    assert len(view) > 0, "there is room for something"
    size = min(cut, len(view), len(stream) - at)
    view[:size] = stream[at : at + size]
    buffer.commit(size)
    return at + size


def _messages(
    module: ModuleType, stream: bytes, block: int, limit: int, cuts: list[int], tag: int, lends: bool
) -> list[Any]:
    """Everything a ReadBuffer gives, and the message that each frame is."""
    buffer = module.ReadBuffer(block, limit)
    found: list[Any] = []
    at = turn = 0
    while True:
        run = buffer.take_run(tag) if tag >= 0 else None
        if run is not None:
            if lends:
                buffer.lend()
            found.append((bytes(run[0][run[1] : run[2]]), run[3]))
            continue
        found.append(buffer.next_tag)
        frame = buffer.next_frame()
        if frame is not None:
            found.append(_parsed(*frame))
            continue
        if at >= len(stream):
            return [*found, buffer.pending]
        at = _put(buffer, stream, at, cuts[turn % 2])
        turn += 1


def _replies(
    module: ModuleType, stream: bytes, sizes: tuple[int, int], cuts: list[int], oids: list[tuple[int, int]]
) -> list[Any]:
    """Answers to executions, taken whole where they can be and message by message where not."""
    buffer = module.ReadBuffer(*sizes)
    replies = module.Replies(buffer)
    specs: list[SpecTree] = [spec_of(column, module) for column in oids]
    plan = module.Plan(specs) if specs else None
    found: list[Any] = []
    at = turn = 0
    while len(found) < _MOST:
        single = replies.take_single(plan)
        if single is not None:
            found.append(single)
            continue
        try:
            tags, rows, ends = replies.take(plan, 3)
        except Error as exc:
            found.append((type(exc), str(exc), replies.bound))
            replies.reset()
            continue
        found.append((tags, rows, ends, replies.bound))
        if tags:
            continue
        frame = buffer.next_frame()
        if frame is not None:
            found.append(frame)
            continue
        if at >= len(stream):
            break
        at = _put(buffer, stream, at, cuts[turn % 2])
        turn += 1
    return found
