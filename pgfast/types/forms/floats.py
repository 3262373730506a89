"""Floats as the server writes them inside other types' text forms.

Law of this file: the shortest digits that are read back as the same float, in the layout of the server. A decimal
that lies exactly between two floats is not taken, although Python's reading would round it to the right one; there
Python's own repr is one or more digits shorter.

Sources: server: float.c (float8out_internal), common/d2s.c (STRICTLY_SHORTEST), common/f2s.c.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from struct import Struct
from typing import Final

_F32: Final = Struct("<f")
#: From these exponents of ten on, digits are written as d.ddde+XX.
_FIXED_DIGITS_8: Final = 15
_FIXED_DIGITS_4: Final = 6
#: Only between these can a decimal of 17 digits lie exactly between two doubles.
_HALFWAY_8: Final = (2.0**52, 1e40)
#: Below it float32 has a fixed distance between values, and 6 digits may be more than it needs.
_NORMAL_4: Final = 2.0**-126
_HALFWAY_4: Final = 2.0**23
_EXACT: Final = Context(prec=1200, Emax=10000, Emin=-10000)


def render_float8(value: float) -> str:
    """The text of a double precision value."""
    size = abs(value)
    if 1e-4 <= size < 1e15:
        return repr(value).removesuffix(".0")
    if value == 0 or not math.isfinite(value):
        return _special(value)
    shown = repr(value)
    if _HALFWAY_8[0] <= size < _HALFWAY_8[1]:
        shown = _checked(shown, value)
    return _layout(shown, _FIXED_DIGITS_8)


def render_float4(value: float) -> str:
    """The text of a single precision value; a double is rounded to one first. Raises OverflowError beyond its range."""
    value = _F32.unpack(_F32.pack(value))[0]
    size = abs(value)
    if value == 0 or not math.isfinite(value):
        return _special(value)
    if _NORMAL_4 <= size < _HALFWAY_4 and math.frexp(size)[0] != 0.5:
        for digits in range(5, 9):
            shown = f"{value:.{digits}e}"
            if _F32.unpack(_F32.pack(float(shown)))[0] == value:
                return _layout(shown, _FIXED_DIGITS_4)
    mantissa, exponent = math.frexp(size)
    above = math.ldexp(1.0, max(exponent - 24, -149) - 1)
    below = above / 2 if mantissa == 0.5 and exponent - 24 > -149 else above
    return _layout(_shortest(value, Decimal(size - below), Decimal(size + above), 1), _FIXED_DIGITS_4)


def _special(value: float) -> str:
    if value != value:
        return "NaN"
    if value == 0:
        return "-0" if math.copysign(1.0, value) < 0 else "0"
    return "Infinity" if value > 0 else "-Infinity"


def _checked(shown: str, value: float) -> str:
    """The digits of repr, or more of them where they name the middle between two doubles."""
    size = abs(value)
    exact = Decimal(size)
    mantissa, exponent = math.frexp(size)
    above = Decimal(2 ** (exponent - 53)) / 2  # exponent is 53 at least
    below = above / 2 if mantissa == 0.5 else above
    low, high = _EXACT.subtract(exact, below), _EXACT.add(exact, above)
    if low < Decimal(shown.lstrip("-")) < high:
        return shown
    return _shortest(value, low, high, 2)


def _shortest(value: float, low: Decimal, high: Decimal, digits: int) -> str:
    """The fewest digits, at least `digits`, strictly between the bounds; of several the nearest, then the even one."""
    exact = Decimal(abs(value))
    while True:
        found = [
            near
            for rounding in (ROUND_FLOOR, ROUND_CEILING)
            if low < (near := Context(prec=digits, rounding=rounding, Emax=10000, Emin=-10000).plus(exact)) < high
        ]
        if found:
            best = min(found, key=lambda near: (abs(_EXACT.subtract(near, exact)), near.as_tuple().digits[-1] % 2))
            return f"{'-' if value < 0 else ''}{best:e}"
        digits += 1


def _layout(shown: str, fixed_digits: int) -> str:
    """The digits and exponent of a Python number, laid out as the server does."""
    head, _, tail = shown.lower().partition("e")
    sign = "-" if head[0] == "-" else ""
    whole, _, fraction = head.lstrip("-").partition(".")
    exponent = int(tail or 0) + len(whole) - 1
    digits = whole + fraction
    exponent -= len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    if not -4 <= exponent < fixed_digits:
        return f"{sign}{digits[0]}{'.' if len(digits) > 1 else ''}{digits[1:]}e{exponent:+03d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    digits = digits.ljust(exponent + 1, "0")
    whole, fraction = digits[: exponent + 1], digits[exponent + 1 :]
    return f"{sign}{whole}{'.' if fraction else ''}{fraction}"
