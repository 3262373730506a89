"""Every seed of the fuzzer through its harness, without the fuzzer: what it has found stays mended.

Each harness compares the codecs itself, so this file takes the fixture that says so.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from fuzz import HARNESSES

SEEDS = Path(__file__).resolve().parent.parent / "fuzz" / "seeds"


@pytest.mark.parametrize("name", sorted(HARNESSES))
def test_every_seed_ends_as_it_must(name: str, codecs: tuple[ModuleType, ...]) -> None:
    harness = importlib.import_module(f"fuzz.{name}")
    both = importlib.import_module("fuzz.both")
    assert codecs == both.MODULES
    seeds = sorted((SEEDS / name).iterdir())
    assert seeds
    for seed in seeds:
        try:
            harness.run(seed.read_bytes())
        except BaseException as exc:
            raise AssertionError(f"{seed.name}: {type(exc).__name__}: {exc}"[:4000]) from exc


def test_every_harness_is_run_and_no_seed_is_left_over() -> None:
    assert {path.name for path in SEEDS.iterdir()} == set(HARNESSES)
