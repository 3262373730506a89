"""Rows that are gathered before they are written: what they are does not depend on when they are written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pgfast.bulk import rows as module
from pgfast.bulk.rows import Ahead, Paced

NAMES = ("a", "b")


def taken(ahead: Paced, blocks: int = 1000) -> list[Any]:
    """The rows of so many blocks, each written when it is complete."""
    made: list[Any] = []
    for _ in range(blocks):
        ahead.restart()
        while True:
            some = list(ahead.next_rows())
            made += some
            ahead.took(len(some), 100 * len(some))
            if ahead.exhausted or ahead.paused:
                break
        if ahead.exhausted and not ahead.paused:
            break
    return made


@pytest.mark.parametrize("make", [dict, list, tuple])
def test_a_row_that_is_filled_anew_is_what_it_was(make: type) -> None:
    def rows() -> Iterator[Any]:
        kept: Any = {"b": 0, "a": 0} if make is dict else [0, 0]
        for number in range(200):
            for key in kept if make is dict else (0, 1):
                kept[key] = number
            yield kept

    found = taken(Ahead(rows(), False, NAMES))
    assert [dict(row) if make is dict else tuple(row) for row in found] == [
        {"a": number, "b": number} if make is dict else (number, number) for number in range(200)
    ]


def test_keys_in_the_order_of_the_columns_are_values_in_their_order() -> None:
    found = taken(Ahead(iter([{"a": 1, "b": 2}, {"b": 4, "a": 3}, {"a": 5}, {"a": 6, "c": 7}]), False, NAMES))
    assert found == [(1, 2), {"b": 4, "a": 3}, {"a": 5}, {"a": 6, "c": 7}]


def test_what_may_change_is_written_before_the_next_row_is_asked_for() -> None:
    value, asked = [0], []

    def rows() -> Iterator[Any]:
        for number in range(50):
            asked.append(number)
            value[0] = number
            yield (number, value)

    ahead, found = Ahead(rows(), False, NAMES), []
    ahead.restart()
    while not ahead.exhausted:
        some = list(ahead.next_rows())
        ahead.took(len(some), 10)
        found += [(number, *held) for number, held in some]
    assert found == [(number, number) for number in range(50)] and asked == list(range(50))


def test_what_the_iterator_raises_comes_behind_its_rows() -> None:
    def rows() -> Iterator[Any]:
        for number in range(10):
            yield (number, 0)
        raise KeyError("behind the tenth")

    ahead, found = Ahead(rows(), False, NAMES), []
    ahead.restart()
    with pytest.raises(KeyError, match="behind the tenth"):
        while True:
            some = list(ahead.next_rows())
            ahead.took(len(some), 10)
            found += some
    assert found == [(number, 0) for number in range(10)]


def test_a_block_is_handed_over_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr(module, "monotonic", lambda: next(clock) / 100)
    ahead = Ahead(iter([(number, 0) for number in range(1000)]), False, NAMES)
    sizes = [len(taken(ahead, 1)) for _ in range(5)]
    assert max(sizes) <= 11 and min(sizes) >= 9


def test_fewer_rows_are_gathered_where_they_are_long() -> None:
    ahead = Ahead(iter([(number, 0) for number in range(1000)]), False, NAMES)
    ahead.restart()
    sizes = []
    for size_bytes in (100, 100, 100, 100, 100, 100, 1 << 20, 1 << 20):
        sizes.append(len(list(ahead.next_rows())))
        ahead.took(sizes[-1], sizes[-1] * size_bytes)
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 1]


def test_rows_in_memory_end_where_they_end() -> None:
    for count in (0, 1, 1023, 1024, 1025, 3000):
        rows = [(number, 0) for number in range(count)]
        assert taken(Ahead(iter(rows), True, NAMES)) == rows
