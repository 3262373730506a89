"""vector, halfvec and sparsevec of pgvector.

Law of this file: NumPy is imported by the first value that becomes an array, not before. What is given is rounded to
the type's precision, as the server would round its text; what is not finite or beyond its range is refused, as there.

Sources: pgvector: vector.c, halfvec.c, sparsevec.c (the in, out, send and recv functions).
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Sequence
from itertools import pairwise
from struct import Struct, error, pack, unpack
from typing import Any, Final

from ...values.sparse import SparseVector
from ..coerce import to_float, to_str
from ..text import parse_float
from .floats import render_float4
from .form import Form, wants
from .reader import Reader

_HEAD: Final = Struct(">HH")
_SPARSE_HEAD: Final = Struct(">3i")
_MAX_DIMENSIONS: Final = 16_000
_MAX_SPARSE_ELEMENTS: Final = 16_000
_SPARSE: Final = re.compile(r"\s*\{([^{}]*)\}\s*/\s*([0-9]{1,10})\s*", re.ASCII)
_ELEMENT: Final = re.compile(r"\s*([0-9]{1,10})\s*:([^:]*)", re.ASCII)
_SPARSE_WRONG: Final = "not a sparsevec such as {1:0.5,3:2}/5"


def _round(numbers: Sequence[float], code: str, what: str) -> tuple[float, ...]:
    """The numbers as the type keeps them."""
    layout = f">{len(numbers)}{code}"
    try:
        found: tuple[float, ...] = unpack(layout, pack(layout, *numbers))
    except (OverflowError, error):
        raise ValueError(f"a number is out of range for {what}") from None
    if not all(map(math.isfinite, found)):
        raise ValueError(f"{what} cannot hold NaN or infinity")
    return found


def _numbers(value: Any, code: str, what: str) -> tuple[float, ...]:
    """The elements of a list, tuple or NumPy array, or of the text form."""
    if isinstance(value, str):
        return _round(_parse(to_str(value), what), code, what)
    if getattr(value, "ndim", 1) != 1:
        raise ValueError(f"{what} has one dimension")
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        raise wants(f"{what} (a list of numbers or a NumPy array)", value)
    if not 0 < len(value) <= _MAX_DIMENSIONS:
        raise ValueError(f"{what} has 1 to {_MAX_DIMENSIONS} elements")
    return _round([one if type(one) is float else to_float(one) for one in value], code, what)


def _parse(text: str, what: str) -> list[float]:
    word = text.strip()
    if word[:1] != "[" or word[-1:] != "]" or len(word) < 3:
        raise ValueError(f"not {what} such as [1,2,3]")
    words = word[1:-1].split(",")
    if len(words) > _MAX_DIMENSIONS:
        raise ValueError(f"{what} has 1 to {_MAX_DIMENSIONS} elements")
    return [parse_float(one) for one in words]


def _show(numbers: Sequence[float]) -> str:
    return f"[{','.join(map(render_float4, numbers))}]"


def _dense(what: str, name: str, code: str, dtype: str, as_array: bool) -> Form:
    """The form of vector or halfvec; `dtype` is NumPy's name of the elements, big-endian."""
    size = 4 if code == "f" else 2

    def read(data: bytes) -> Reader:
        reader = Reader(data, name)
        dimensions, unused = reader.unpack(_HEAD)
        if unused or not dimensions or size * dimensions != reader.left:
            raise reader.wrong("its binary form has not the number of elements it says")
        return reader

    def decode_list(data: bytes) -> list[float]:
        reader = read(data)
        return list(reader.array(code, reader.left // size))

    def decode_array(data: bytes) -> Any:
        import numpy as np

        reader = read(data)
        return np.frombuffer(reader.data, dtype, offset=_HEAD.size).astype(dtype[1:])

    def parse_list(text: str) -> list[float]:
        return list(_round(_parse(text, what), code, what))

    def parse_array(text: str) -> Any:
        import numpy as np

        return np.array(parse_list(text), dtype[1:])

    def encode(value: Any) -> bytes:
        numbers = _numbers(value, code, what)
        return pack(f">HH{len(numbers)}{code}", len(numbers), 0, *numbers)

    return Form(
        parse_array if as_array else parse_list,
        lambda value: to_str(value) if isinstance(value, str) else _show(_numbers(value, code, what)),
        decode_array if as_array else decode_list,
        encode,
    )


def _as_arrays(choice: str | None) -> bool:
    if choice not in (None, "numpy", "list"):
        raise ValueError(f"vectors must be 'numpy' or 'list', not {choice!r}")
    installed = importlib.util.find_spec("numpy") is not None
    if choice == "numpy" and not installed:
        raise ImportError("vectors='numpy' needs NumPy; pip install 'pgfast[numpy]'")
    return installed and choice != "list"


def vector_form(choice: str | None = None) -> Form:
    """vector as a float32 array ("numpy") or a "list" of float; None: an array where NumPy is installed.

    Raises ImportError for "numpy" where it is missing.
    """
    return _dense("a vector", "vector", "f", ">f4", _as_arrays(choice))


def halfvec_form(choice: str | None = None) -> Form:
    """halfvec as a float16 array or a list, chosen as `vector_form` does."""
    return _dense("a halfvec", "halfvec", "e", ">f2", _as_arrays(choice))


def parse_sparsevec(text: str) -> SparseVector:
    """The vector of `{index:value,...}/dimensions`, where indices count from 1."""
    match = _SPARSE.fullmatch(text)
    if match is None:
        raise ValueError(_SPARSE_WRONG)
    indices, values = [], []
    for word in match[1].split(",") if match[1].strip() else ():
        element = _ELEMENT.fullmatch(word)
        if element is None:
            raise ValueError(_SPARSE_WRONG)
        indices.append(int(element[1]) - 1)
        values.append(parse_float(element[2]))
    if len(set(indices)) != len(indices):
        raise ValueError("not a sparsevec: an index comes twice")
    return SparseVector(int(match[2]), zip(indices, _round(values, "f", "a sparsevec"), strict=True))


def _sparse(value: Any) -> SparseVector:
    if isinstance(value, str):
        return parse_sparsevec(to_str(value))
    if not isinstance(value, SparseVector):
        raise wants("a sparse vector (pgfast.SparseVector)", value)
    rounded = _round(tuple(value.elements.values()), "f", "a sparsevec")
    found = SparseVector(value.dimensions, zip(value.elements, rounded, strict=True))
    if len(found.elements) > _MAX_SPARSE_ELEMENTS:
        raise ValueError(f"a sparsevec has at most {_MAX_SPARSE_ELEMENTS} elements that are not zero")
    return found


def render_sparsevec(value: Any) -> str:
    """The text form."""
    if isinstance(value, str):
        return to_str(value)
    found = _sparse(value)
    shown = [f"{index + 1}:{render_float4(number)}" for index, number in found.elements.items()]
    return f"{{{','.join(shown)}}}/{found.dimensions}"


def decode_sparsevec(data: bytes) -> SparseVector:
    """The vector of the wire form."""
    reader = Reader(data, "sparsevec")
    dimensions, number, unused = reader.unpack(_SPARSE_HEAD)
    if unused or number < 0 or 8 * number != reader.left:
        raise reader.wrong("its binary form has not the number of elements it says")
    indices = reader.array("i", number)
    values = reader.array("f", number)
    if any(one >= two for one, two in pairwise(indices)):
        raise reader.wrong("its indices are not in order")
    if 0.0 in values:
        raise reader.wrong("it holds zeros")
    try:
        return SparseVector(dimensions, zip(indices, values, strict=True))
    except ValueError:
        raise reader.wrong("its indices or dimensions are out of range") from None


def encode_sparsevec(value: Any) -> bytes:
    """The wire form."""
    found = _sparse(value)
    number = len(found.elements)
    head = _SPARSE_HEAD.pack(found.dimensions, number, 0)
    return head + pack(f">{number}i{number}f", *found.elements, *found.elements.values())


SPARSEVEC: Final = Form(parse_sparsevec, render_sparsevec, decode_sparsevec, encode_sparsevec)
