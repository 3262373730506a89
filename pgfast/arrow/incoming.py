"""Arrow data that comes in: objects with `__arrow_c_stream__` or `__arrow_c_array__` as batches of array views.

Law of this file: nothing is copied. A view is addresses and lengths; the memory lives while the batch it came from
does, and every view of it keeps the batch alive. The producer's release callbacks are called exactly once, by
`cdata.Owned`.

Sources: Arrow, "The Arrow PyCapsule Interface", "The Arrow C stream interface".
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from .. import const
from ..errors import DataError, InterfaceError
from .cdata import GET, GET_LAST_ERROR, ArrowArray, ArrowArrayStream, ArrowSchema, Owned, memory, move, pointers
from .schema import ArrowField, ArrowType, arrow_type, read_schema

_SINGLE_COLUMN: Final = (
    "the Arrow source is a single column; give a table, such as a record batch or a data frame with named columns"
)
_OFFSET_WIDTHS: Final = {const.LAYOUT_VAR32: 4, const.LAYOUT_VAR64: 8}


def is_arrow(source: object) -> bool:
    """Whether the object speaks the Arrow PyCapsule interface."""
    return hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__")


@dataclass(frozen=True, slots=True)
class ArrayView:
    """One array: `length` values from `offset` on, buffers as addresses (0: absent), children and dictionary."""

    field: ArrowField
    length: int
    offset: int
    null_count: int
    buffers: tuple[int, ...]
    children: tuple[ArrayView, ...]
    dictionary: ArrayView | None
    owner: object

    @property
    def type(self) -> ArrowType:
        """The type of the values, the dictionary's where there is one."""
        return arrow_type(self.field)

    @property
    def stop(self) -> int:
        """The first index, counted from the start of the buffers, that is not part of the array."""
        return self.offset + self.length

    def buffer(self, index: int, size_bytes: int) -> memoryview:
        """A buffer of which the array's type says how long it is."""
        address = self.buffers[index] if index < len(self.buffers) else 0
        if size_bytes and not address:
            raise DataError(f"column {self.field.name}: buffer {index} of the Arrow array is missing")
        return memory(address, size_bytes, self.owner)

    def validity(self) -> memoryview | None:
        """The bitmap of values that are not NULL, None where all are there."""
        if self.null_count == 0 or not self.buffers or not self.buffers[0]:
            return None
        return self.buffer(0, (self.stop + 7) // 8)

    def offsets(self, width: int) -> memoryview:
        """The offsets of a variable-width or list array, `width` bytes each."""
        if self.length == 0 and (len(self.buffers) < 2 or not self.buffers[1]):
            return memoryview(bytes((self.stop + 1) * width))
        return self.buffer(1, (self.stop + 1) * width)

    def data_spans(self, layout: int) -> tuple[memoryview, memoryview]:
        """(data, offsets) of a variable-width array."""
        width = _OFFSET_WIDTHS[layout]
        offsets = self.offsets(width)
        end = int.from_bytes(offsets[-width:], sys.byteorder, signed=True)
        return self.buffer(2, max(end, 0)), offsets

    def variadic(self) -> tuple[memoryview, ...]:
        """The data buffers of a view array; their sizes stand in the last buffer (Arrow 1.4, binary view)."""
        count = len(self.buffers) - 3
        if count <= 0:
            return ()
        sizes = self.buffer(len(self.buffers) - 1, 8 * count).cast("q")
        return tuple([self.buffer(2 + index, sizes[index]) for index in range(count)])


class ArrowBatch:
    """One record batch: its number of rows and a view of each column."""

    __slots__ = ("columns", "rows")

    def __init__(self, schema: ArrowField, owned: Owned) -> None:
        view = _view(schema, owned.struct, owned)
        if schema.format != "+s":
            raise InterfaceError(_SINGLE_COLUMN)
        if view.validity() is not None:
            raise DataError("the Arrow source is a struct array with NULL rows, which a table cannot have")
        self.rows = view.length
        # The struct's own offset holds for its children too (Arrow columnar format, Struct Layout).
        self.columns = tuple([_sliced(child, view.offset, view.length) for child in view.children])


def _sliced(view: ArrayView, offset: int, length: int) -> ArrayView:
    if offset + length > view.length:
        raise DataError(f"column {view.field.name}: the Arrow array is shorter than its batch")
    if offset == 0 and length == view.length:
        return view
    return ArrayView(
        view.field,
        length,
        view.offset + offset,
        -1 if view.null_count else 0,
        view.buffers,
        view.children,
        view.dictionary,
        view.owner,
    )


def _view(field: ArrowField, struct: Any, owner: Owned) -> ArrayView:
    children = [ArrowArray.from_address(address) for address in pointers(struct.children, struct.n_children)]
    if len(children) != len(field.children):
        raise DataError(f"column {field.name}: the Arrow array and its schema differ in the number of children")
    if struct.length < 0 or struct.offset < 0 or (field.dictionary is not None and not struct.dictionary):
        raise DataError(f"column {field.name}: the Arrow array is malformed")
    dictionary = None
    if field.dictionary is not None:
        dictionary = _view(field.dictionary, ArrowArray.from_address(struct.dictionary), owner)
    return ArrayView(
        field,
        struct.length,
        struct.offset,
        struct.null_count,
        tuple(pointers(struct.buffers, struct.n_buffers)),
        tuple([_view(child, array, owner) for child, array in zip(field.children, children, strict=True)]),
        dictionary,
        owner,
    )


class ArrowReader:
    """The batches of an Arrow source, in order, and the fields of its schema.

    It can be read once; closing it releases the source.
    """

    __slots__ = ("_array", "_stream", "schema")

    def __init__(self, source: Any) -> None:
        self._stream: Owned | None = None
        self._array: Owned | None = None
        if hasattr(source, "__arrow_c_stream__"):
            self._stream = move(source.__arrow_c_stream__(), ArrowArrayStream)
            self.schema = read_schema(self._filled("get_schema", ArrowSchema))
        else:
            schema, array = source.__arrow_c_array__()
            self._array = move(array, ArrowArray)
            self.schema = read_schema(move(schema, ArrowSchema))
        if self.schema.format != "+s":
            self.close()
            raise InterfaceError(_SINGLE_COLUMN)

    @property
    def fields(self) -> tuple[ArrowField, ...]:
        """The columns' fields."""
        return self.schema.children

    def __iter__(self) -> Iterator[ArrowBatch]:
        return self

    def __next__(self) -> ArrowBatch:
        """The next batch, which nobody else holds."""
        if self._stream is not None:
            array: Owned | None = self._filled("get_next", ArrowArray)
        else:
            array, self._array = self._array, None
        if array is None or not array.struct.release:  # the end of a stream is a released array
            raise StopIteration
        return ArrowBatch(self.schema, array)

    def _filled(self, callback: str, kind: type[ctypes.Structure]) -> Owned:
        """The struct that a callback of the stream fills. Raises DataError with the producer's message."""
        assert self._stream is not None
        stream = self._stream.struct
        made: Any = kind()
        code = GET(getattr(stream, callback))(ctypes.addressof(stream), ctypes.addressof(made))
        if code:
            said = GET_LAST_ERROR(stream.get_last_error)(ctypes.addressof(stream)) if stream.get_last_error else None
            text = ctypes.string_at(said).decode("utf-8", "replace") if said else f"error number {code}"
            raise DataError(f"the Arrow source failed: {text}")
        return Owned(made)

    def close(self) -> None:
        """Release the source."""
        for owned in (self._stream, self._array):
            if owned is not None:
                owned.release()
        self._stream = self._array = None
