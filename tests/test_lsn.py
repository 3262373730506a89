"""Positions in the log: ints that show themselves as the server writes them."""

from __future__ import annotations

import pytest

from pgfast.replication import LSN


@pytest.mark.parametrize(
    ("text", "number"),
    [("0/0", 0), ("16/B374D848", 0x16B374D848), ("FFFFFFFF/FFFFFFFF", 2**64 - 1), ("1/0", 2**32), ("0/a", 10)],
)
def test_text_and_number_are_one(text: str, number: int) -> None:
    assert LSN(text) == number == LSN(number)
    assert str(LSN(text)) == text.upper()
    assert repr(LSN(number)) == f"LSN('{text.upper()}')"


@pytest.mark.parametrize("text", ["", "0", "0/", "/0", "0/0/0", "x/0", "-1/0", "123456789/0", "0/0 ", "٠/0"])
def test_other_text_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a log sequence number"):
        LSN(text)


@pytest.mark.parametrize("number", [-1, 2**64])
def test_other_numbers_are_none(number: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        LSN(number)
