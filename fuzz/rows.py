"""Rows as tuples: DataRow and binary COPY by every type of the registry and by trees of kinds, and text COPY.

Input: choices; see `wire`.
"""

from __future__ import annotations

import struct
from functools import partial
from types import ModuleType
from typing import Any

from pgfast import const

from .both import Disagreement, alike, compare, implementations, outcome
from .choices import Choices
from .wire import POLICIES, SpecTree, as_run, bent, made_columns, recut, rows, spec_of


def run(data: bytes) -> None:
    """One table read."""
    c = Choices(data)
    how, size = c.below(4), 1 + c.below(64)
    if how == 3:
        stream = c.rest()
        _all(lambda module: _copied_text(module, recut(stream, size)))
        return
    columns = made_columns(c, 4)
    policies = c.below(len(POLICIES))
    made: list[bytes] = []
    outcomes: list[tuple[Any, ...]] = []
    for module in implementations():
        specs = [spec_of(column, module, policies) for column in columns]
        if not outcomes:  # the bytes are the same for both
            made = rows(c, specs, 4)
            if how == 0:
                made = made * (20 if c.rarely() else 1)
            head = const.COPY_HEADER if not c.rarely() else const.COPY_SIGNATURE + struct.pack(">ii", 0, 3) + b"xyz"
            stream = head + b"".join(made) + (b"" if c.rarely() else const.COPY_TRAILER)
            if c.rarely():
                stream = bent(c, stream)
        if how == 0:
            outcomes.append(outcome(partial(_decoded, module, specs, made)))
        else:
            whole = outcome(partial(_copied, module, specs, [stream]))
            pieces = outcome(partial(_copied, module, specs, recut(stream, size)))
            if not alike(whole, pieces):
                raise Disagreement(f"\nwhole: {whole!r}\nin pieces: {pieces!r}")
            outcomes.append(whole)
    compare(outcomes)


def _all(action: Any) -> None:
    compare([outcome(partial(action, module)) for module in implementations()])


def _decoded(module: ModuleType, specs: list[SpecTree], made: list[bytes]) -> Any:
    plan = module.Plan(specs)
    return module.decode_rows(plan, *as_run(module, const.DATA_ROW, made))


def _copied(module: ModuleType, specs: list[SpecTree], payloads: list[bytes]) -> Any:
    state = module.CopyState()
    plan = module.Plan(specs)
    found = module.decode_copy_rows(plan, state, *as_run(module, const.COPY_DATA, payloads))
    state.finish()
    return found


def _copied_text(module: ModuleType, payloads: list[bytes]) -> Any:
    state = module.CopyState(binary=False)
    found = module.decode_copy_text(state, *as_run(module, const.COPY_DATA, payloads))
    state.finish()
    return found
