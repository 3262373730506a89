"""bit and varbit: text of the digits 0 and 1.

Sources: server: varbit.c (bit_in, varbit_send, varbit_recv).
"""

from __future__ import annotations

import re
from typing import Any, Final

from ..coerce import to_str
from .form import Form, same
from .reader import Reader

_DIGITS: Final = re.compile(r"[bB]?([01]*)|[xX]([0-9a-fA-F]*)", re.ASCII)


def decode_bits(data: bytes) -> str:
    """The digits, from their number and their bytes."""
    reader = Reader(data, "bit string")
    length = reader.i32()
    if length < 0 or (length + 7) // 8 != reader.left:
        raise reader.wrong("its binary form has not the number of bits it says")
    if not length:
        return ""
    number = int.from_bytes(reader.take(reader.left), "big") >> (-length % 8)
    return f"{number:0{length}b}"


def encode_bits(value: Any) -> bytes:
    """The wire form of digits, which may follow a b, or of hexadecimal digits behind an x."""
    match = _DIGITS.fullmatch(to_str(value))
    if match is None:
        raise ValueError("not a bit string: digits 0 and 1 are wanted")
    digits, hexadecimal = match.groups()
    if hexadecimal is not None:
        length, number = 4 * len(hexadecimal), int(hexadecimal or "0", 16)
    else:
        length, number = len(digits), int(digits or "0", 2)
    if length > 0x7FFF_FFF8:
        raise ValueError("a bit string is too long")
    size = (length + 7) // 8
    return length.to_bytes(4, "big") + (number << (-length % 8)).to_bytes(size, "big")


BITS: Final = Form(same, to_str, decode_bits, encode_bits)
