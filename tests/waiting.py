"""Waiting for what others do, which the server or the system shows sooner or later."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

#: Seconds after which it will not come any more, however busy the machine is.
_PATIENCE_S = 30


def until(condition: Callable[[], bool], what: str) -> None:
    """Return when the condition holds; fail, saying what was waited for, when it never does."""
    give_up = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > give_up:
            pytest.fail(f"never: {what}")
        time.sleep(0.005)  # whoever is waited for needs the processor too
