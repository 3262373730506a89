"""The shapes of what goes into the codecs and comes out of them, for type checkers and readers.

Law of this file: names for tuples, nothing that runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from typing_extensions import Buffer

#: A type in a Plan: kind, OID (as its container writes it; 0: not checked), call, what it is made of.
Spec: TypeAlias = "tuple[int, int, Callable[[Any], Any] | None, tuple[Spec, ...]]"
#: A column of a ColumnSink: kind, OID (as its container writes it; 0: not checked), precision, scale, what it is made
#: of, labels (enums only).
SinkSpec: TypeAlias = "tuple[int, int, int, int, tuple[SinkSpec, ...], tuple[bytes, ...]]"
#: A row of CSV that was left out: its number among those of the call, and its fault's code, column and value.
Refused: TypeAlias = "tuple[int, int, int, Any]"
#: A finished column: length, null count, validity, offsets, data, children, dictionary.
ColumnBuffers: TypeAlias = (
    "tuple[int, int, memoryview | None, memoryview | None, memoryview | None, tuple[ColumnBuffers, ...], "
    "ColumnBuffers | None]"
)
#: A column to be encoded: layout, spec, length, offset, validity, values, offsets, scale, variadic, dictionary.
SourceColumn: TypeAlias = (
    "tuple[int, Spec, int, int, Buffer | None, Buffer | list[Any] | None, Buffer | None, int, "
    "tuple[Buffer, ...], SourceColumn | None]"
)
