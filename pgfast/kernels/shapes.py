"""The shapes of what goes into the codecs and comes out of them, for type checkers and readers.

Law of this file: names for tuples, nothing that runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from typing_extensions import Buffer

#: A column of a Plan: kind, element kind and element OID (arrays only), call.
Spec: TypeAlias = "tuple[int, int, int, Callable[[Any], Any] | None]"
#: A column of a ColumnSink: kind, element kind, precision, scale.
SinkSpec: TypeAlias = "tuple[int, int, int, int]"
#: A finished column: length, null count, validity, offsets, data, child.
ColumnBuffers: TypeAlias = (
    "tuple[int, int, memoryview | None, memoryview | None, memoryview | None, ColumnBuffers | None]"
)
#: A column to be encoded: layout, spec, length, offset, validity, values, offsets, scale, variadic, dictionary.
SourceColumn: TypeAlias = (
    "tuple[int, Spec, int, int, Buffer | None, Buffer | list[Any] | None, Buffer | None, int, "
    "tuple[Buffer, ...], SourceColumn | None]"
)
