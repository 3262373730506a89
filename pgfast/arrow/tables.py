"""The codec's column buffers as pyarrow's own tables, where pyarrow is there.

Law of this file: nothing is copied, and pyarrow's buffers hold the memory, so that no callback into Python is needed
to let it go.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .outgoing import schema_capsule
from .schema import ArrowField

if TYPE_CHECKING:
    from ..codec import ColumnBuffers


class _Schema:
    """A schema for whoever asks by the Arrow interface."""

    def __init__(self, field: ArrowField) -> None:
        self._field = field

    def __arrow_c_schema__(self) -> object:
        return schema_capsule(self._field)


def arrow_batches(field: ArrowField, batches: Sequence[tuple[int, Sequence[ColumnBuffers]]]) -> tuple[Any, list[Any]]:
    """(pyarrow.Schema, list of pyarrow.RecordBatch) over the memory of the batches.

    `field` is the struct of all columns.
    """
    pa: Any = import_module("pyarrow")
    schema = pa.schema(_Schema(field))
    made = []
    for rows, columns in batches:
        arrays = [_array(pa, kind.type, buffers) for kind, buffers in zip(schema, columns, strict=True)]
        struct = pa.Array.from_buffers(pa.struct(list(schema)), rows, [None], 0, 0, arrays)
        made.append(pa.RecordBatch.from_struct_array(struct))
    return schema, made


def _array(pa: Any, kind: Any, buffers: ColumnBuffers) -> Any:
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, _array(pa, kind.storage_type, buffers))
    length, null_count, validity, offsets, data, children, labels = buffers
    held = [None if validity is None else pa.py_buffer(validity)]
    held += [pa.py_buffer(view) for view in (offsets, data) if view is not None]
    if labels is not None:
        indices = pa.Array.from_buffers(kind.index_type, length, held, null_count, 0)
        return pa.DictionaryArray.from_arrays(indices, _array(pa, kind.value_type, labels), safe=False)
    inner = [kind.field(index).type for index in range(kind.num_fields)]
    made = [_array(pa, part, child) for part, child in zip(inner, children, strict=True)]
    return pa.Array.from_buffers(kind, length, held, null_count, 0, made or None)
