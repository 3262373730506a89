"""Arrow data that goes out: the codec's column buffers as schema, array and stream capsules.

Law of this file: nothing is copied. Every struct holds a reference to the memory it points at, its children included,
so that a consumer may move any of them out and release them in any order and on any thread.

Sources: Arrow, "The Arrow C data interface", "The Arrow C stream interface"; `ColumnSink.cut` for the buffers.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Mapping, Sequence
from ctypes import c_void_p
from struct import pack
from typing import TYPE_CHECKING, Any, Final

from .cdata import (
    FLAG_NULLABLE,
    GET,
    GET_LAST_ERROR,
    ArrowArray,
    ArrowArrayStream,
    ArrowSchema,
    address_of,
    arm,
    capsule,
)
from .schema import ArrowField

if TYPE_CHECKING:
    from ..codec import ColumnBuffers

    Batch = tuple[int, list[ColumnBuffers]]


def schema_capsule(field: ArrowField) -> object:
    """A capsule 'arrow_schema' of the field and its children."""
    return capsule(_schema(field))


def array_capsule(rows: int, columns: Sequence[ColumnBuffers]) -> object:
    """A capsule 'arrow_array' of one record batch, as the codec cut it."""
    return capsule(_struct_array(rows, columns))


def stream_capsule(field: ArrowField, batches: Sequence[Batch]) -> object:
    """A capsule 'arrow_array_stream' of the batches; `field` is the struct of all columns."""
    return capsule(_stream(field, batches))


def _moved(made: Any, address: int) -> None:
    """Move a struct of ours into memory that the consumer gave."""
    ctypes.memmove(address, ctypes.addressof(made), ctypes.sizeof(made))


def _pointer_array(structs: Sequence[Any]) -> Any:
    return (c_void_p * len(structs))(*[ctypes.addressof(struct) for struct in structs])


def _metadata(pairs: Mapping[str, str]) -> bytes:
    parts = [pack("=i", len(pairs))]
    for text in (text for pair in pairs.items() for text in pair):
        data = text.encode()
        parts.append(pack("=i", len(data)) + data)
    return b"".join(parts)


def _schema(field: ArrowField) -> Any:
    made: Any = ArrowSchema()
    children = [_schema(child) for child in field.children]
    dictionary = None if field.dictionary is None else _schema(field.dictionary)
    pointers = _pointer_array(children)
    names = (ctypes.create_string_buffer(field.format.encode()), ctypes.create_string_buffer(field.name.encode()))
    metadata = ctypes.create_string_buffer(_metadata(field.metadata)) if field.metadata else None
    made.format = ctypes.addressof(names[0])
    made.name = ctypes.addressof(names[1])
    made.metadata = ctypes.addressof(metadata) if metadata is not None else None
    made.flags = FLAG_NULLABLE if field.nullable else 0
    made.n_children = len(children)
    made.children = ctypes.addressof(pointers) if children else None
    made.dictionary = None if dictionary is None else ctypes.addressof(dictionary)
    arm(made, _Holder(names, metadata, children, pointers, dictionary))
    return made


class _Holder:
    """What a struct that went out keeps alive."""

    __slots__ = ("kept",)

    def __init__(self, *kept: object) -> None:
        self.kept = kept


def _array(buffers: ColumnBuffers) -> Any:
    length, null_count, validity, offsets, data, children, labels = buffers
    views = [view for view in (offsets, data) if view is not None]
    addresses = [address_of(validity) if validity is not None else 0, *[address_of(view) for view in views]]
    made = [_array(child) for child in children]
    return _filled(length, null_count, addresses, made, (validity, *views), None if labels is None else _array(labels))


def _struct_array(rows: int, columns: Sequence[ColumnBuffers]) -> Any:
    return _filled(rows, 0, [0], [_array(column) for column in columns], ())


def _filled(
    length: int,
    null_count: int,
    addresses: list[int],
    children: list[Any],
    kept: tuple[object, ...],
    dictionary: Any = None,
) -> Any:
    made: Any = ArrowArray()
    buffers = (c_void_p * len(addresses))(*addresses)
    pointers = _pointer_array(children)
    made.length = length
    made.null_count = null_count
    made.n_buffers = len(addresses)
    made.buffers = ctypes.addressof(buffers)
    made.n_children = len(children)
    made.children = ctypes.addressof(pointers) if children else None
    made.dictionary = None if dictionary is None else ctypes.addressof(dictionary)
    arm(made, _Holder(kept, buffers, children, pointers, dictionary))
    return made


class _Stream:
    """The state behind a stream that went out: what is still to come, and the last error's text."""

    __slots__ = ("batches", "error", "field", "next")

    def __init__(self, field: ArrowField, batches: Sequence[Batch]) -> None:
        self.field = field
        self.batches = tuple(batches)
        self.next = 0
        self.error: Any = None


def _state(address: int) -> _Stream:
    held = ArrowArrayStream.from_address(address).private_data
    state: _Stream = ctypes.cast(held, ctypes.py_object).value
    return state


def _get_schema(address: int, out: int) -> int:
    return _answered(address, out, lambda state: _schema(state.field))


def _get_next(address: int, out: int) -> int:
    def made(state: _Stream) -> Any:
        if state.next == len(state.batches):
            return ArrowArray()  # released: the end of the stream
        rows, columns = state.batches[state.next]
        state.next += 1
        return _struct_array(rows, columns)

    return _answered(address, out, made)


def _answered(address: int, out: int, make: Any) -> int:
    """0 and the struct in the consumer's memory, or an errno and the error's text kept for `get_last_error`."""
    state = _state(address)
    try:
        _moved(make(state), out)
    except Exception as exc:  # told to the consumer through the interface, which knows no exceptions
        state.error = ctypes.create_string_buffer(f"{type(exc).__name__}: {exc}".encode())
        return errno.ENOMEM if isinstance(exc, MemoryError) else errno.EIO
    return 0


def _get_last_error(address: int) -> int | None:
    error = _state(address).error
    return None if error is None else ctypes.addressof(error)


_GET_SCHEMA: Final = GET(_get_schema)
_GET_NEXT: Final = GET(_get_next)
_LAST_ERROR: Final = GET_LAST_ERROR(_get_last_error)


def _stream(field: ArrowField, batches: Sequence[Batch]) -> Any:
    made: Any = ArrowArrayStream()
    made.get_schema = ctypes.cast(_GET_SCHEMA, c_void_p).value
    made.get_next = ctypes.cast(_GET_NEXT, c_void_p).value
    made.get_last_error = ctypes.cast(_LAST_ERROR, c_void_p).value
    arm(made, _Stream(field, batches))
    return made
