"""The Arrow C interfaces by ctypes: ownership above all. A producer of our own counts what is released."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import weakref
from typing import Any

import pyarrow as pa
import pytest

from pgfast.arrow import ArrowField, ArrowReader, array_capsule, arrow_type, cdata, schema_capsule, stream_capsule
from pgfast.arrow.cdata import GET, GET_LAST_ERROR, RELEASE, ArrowArray, ArrowArrayStream, ArrowSchema
from pgfast.arrow.objects import objects
from pgfast.errors import DataError, InterfaceError, NotSupportedError


class Producer:
    """A stream of batches with one int32 column, written by hand: every struct notes its release in `released`."""

    def __init__(self, batches: list[list[int]], fail_at: int | None = None) -> None:
        self.released: list[str] = []
        self._batches = batches
        self._fail_at = fail_at
        self._sent = 0
        self._kept: list[Any] = []
        self._error = ctypes.create_string_buffer(b"out of ink")

    def _release(self, name: str, kind: type[ctypes.Structure]) -> int:
        def release(address: int) -> None:
            self.released.append(name)
            struct: Any = kind.from_address(address)
            assert struct.release, "released twice"
            if kind is not ArrowArrayStream:
                for child in cdata.pointers(struct.children, struct.n_children):
                    inner: Any = kind.from_address(child)
                    if inner.release:
                        RELEASE(inner.release)(child)
            struct.release = None

        callback = RELEASE(release)
        self._kept.append(callback)
        return ctypes.cast(callback, ctypes.c_void_p).value or 0

    def _schema(self, address: int, out: int) -> int:
        child: Any = ArrowSchema(format=b"i", name=b"n", flags=2, release=self._release("schema child", ArrowSchema))
        pointers = (ctypes.c_void_p * 1)(ctypes.addressof(child))
        made: Any = ArrowSchema(format=b"+s", name=b"", n_children=1, release=self._release("schema", ArrowSchema))
        made.children = ctypes.addressof(pointers)
        self._kept += [child, pointers, made]
        ctypes.memmove(out, ctypes.addressof(made), ctypes.sizeof(made))
        return 0

    def _next(self, address: int, out: int) -> int:
        if self._sent == self._fail_at:
            return 5
        made: Any = ArrowArray()
        if self._sent < len(self._batches):
            made = self._array(self._batches[self._sent])
            self._sent += 1
        ctypes.memmove(out, ctypes.addressof(made), ctypes.sizeof(made))
        return 0

    def _array(self, numbers: list[int]) -> Any:
        values = (ctypes.c_int32 * len(numbers))(*numbers)
        buffers = (ctypes.c_void_p * 2)(None, ctypes.addressof(values))
        child: Any = ArrowArray(length=len(numbers), n_buffers=2, release=self._release("child", ArrowArray))
        child.buffers = ctypes.addressof(buffers)
        pointers = (ctypes.c_void_p * 1)(ctypes.addressof(child))
        none = (ctypes.c_void_p * 1)(None)
        made: Any = ArrowArray(
            length=len(numbers), n_buffers=1, n_children=1, release=self._release("array", ArrowArray)
        )
        made.buffers, made.children = ctypes.addressof(none), ctypes.addressof(pointers)
        self._kept += [values, buffers, child, pointers, none, made]
        return made

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        callbacks = (GET(self._schema), GET(self._next), GET_LAST_ERROR(lambda address: ctypes.addressof(self._error)))
        stream: Any = ArrowArrayStream(*[ctypes.cast(each, ctypes.c_void_p).value for each in callbacks])
        stream.release = self._release("stream", ArrowArrayStream)
        self._kept += [*callbacks, stream]
        return cdata.capsule(stream)


def test_every_struct_of_a_stream_is_released_once() -> None:
    producer = Producer([[1, 2], [3]])
    reader = ArrowReader(producer)
    found = [objects(batch.columns[0], 0, batch.rows) for batch in reader]
    reader.close()
    reader.close()
    del reader
    gc.collect()
    assert found == [[1, 2], [3]]
    assert sorted(producer.released) == sorted(["schema", "schema child", *["array", "child"] * 2, "stream"])


def test_a_batch_is_released_when_nobody_looks_at_it_any_more() -> None:
    producer = Producer([[1, 2], [3]])
    reader = ArrowReader(producer)
    batches = iter(reader)
    first = next(batches)
    view = first.columns[0].buffer(1, 8)
    del first
    next(batches)
    assert producer.released.count("array") == 1  # the second, which was dropped at once
    assert bytes(view) == bytes((ctypes.c_int32 * 2)(1, 2))
    del view
    gc.collect()
    assert producer.released.count("array") == 2


def test_a_stream_that_is_not_read_to_its_end_is_released() -> None:
    producer = Producer([[1]] * 5)
    reader = ArrowReader(producer)
    next(iter(reader))
    del reader
    gc.collect()
    assert producer.released.count("stream") == 1
    assert producer.released.count("array") == 1


def test_a_capsule_nobody_imports_is_released() -> None:
    producer = Producer([[1]])
    producer.__arrow_c_stream__()
    assert producer.released == ["stream"]


def test_a_failing_stream_is_released_and_its_words_are_kept() -> None:
    producer = Producer([[1], [2]], fail_at=1)
    reader = ArrowReader(producer)
    with pytest.raises(DataError, match="the Arrow source failed: out of ink"):
        list(reader)
    reader.close()
    gc.collect()
    assert producer.released.count("stream") == 1
    assert producer.released.count("array") == 1


def test_a_capsule_is_consumed_once() -> None:
    class Twice:
        def __init__(self) -> None:
            self.capsule = Producer([[1]]).__arrow_c_stream__()

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return self.capsule

    source = Twice()
    ArrowReader(source).close()
    with pytest.raises(InterfaceError, match="consumed already"):
        ArrowReader(source)


def test_what_is_no_capsule_is_refused() -> None:
    class Wrong:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return "not a capsule"

    with pytest.raises(InterfaceError, match="gave str where a capsule 'arrow_array_stream' is wanted"):
        ArrowReader(Wrong())


# ---------------------------------------------------------------- what goes out


class Memory(bytearray):
    """Memory whose end can be seen."""


INT = ArrowField("n", "i")
LIST = ArrowField("l", "+l", children=(ArrowField("item", "u"),))
TABLE = ArrowField("", "+s", nullable=False, children=(INT, LIST))


def buffers(seen: list[Any]) -> list[Any]:
    """Columns (1, NULL) and (['a', 'bc'], []), noting the end of their memory in `seen`."""

    def view(data: bytes) -> memoryview:
        held = Memory(data)
        weakref.finalize(held, seen.append, len(data))
        return memoryview(held)

    def ints(*numbers: int) -> bytes:
        return bytes((ctypes.c_int32 * len(numbers))(*numbers))

    text = (2, 0, None, view(ints(0, 1, 3)), view(b"abc"), (), None)
    return [
        (2, 1, view(b"\x01"), None, view(ints(1, 0)), (), None),
        (2, 0, None, view(ints(0, 2, 2)), None, (text,), None),
    ]


class Exporter:
    def __init__(self, seen: list[Any]) -> None:
        self._columns = buffers(seen)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return stream_capsule(TABLE, [(2, self._columns)] * 2)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return schema_capsule(TABLE), array_capsule(2, self._columns)


ROWS = [{"n": 1, "l": ["a", "bc"]}, {"n": None, "l": []}]


def test_a_table_keeps_the_memory_and_lets_it_go() -> None:
    seen: list[Any] = []
    table = pa.table(Exporter(seen))
    gc.collect()
    table.validate(full=True)
    assert table.to_pylist() == ROWS * 2
    assert seen == []
    del table
    gc.collect()
    assert len(seen) == 5


def test_children_may_be_moved_out_and_outlive_the_batch() -> None:
    seen: list[Any] = []
    batch = pa.record_batch(Exporter(seen))
    column = batch.column("l")
    del batch
    gc.collect()
    assert column.to_pylist() == [["a", "bc"], []]
    del column
    gc.collect()
    assert len(seen) == 5


@pytest.mark.parametrize("make", ["__arrow_c_stream__", "__arrow_c_array__"])
def test_a_capsule_that_is_dropped_releases_what_was_not_moved(make: str) -> None:
    seen: list[Any] = []
    exporter = Exporter(seen)
    made = getattr(exporter, make)()
    del exporter
    gc.collect()
    assert seen == []
    del made
    gc.collect()
    assert len(seen) == 5


def test_what_goes_out_may_be_released_on_any_thread() -> None:
    seen: list[Any] = []
    held = [pa.table(Exporter(seen)) for _ in range(20)]
    threads = [threading.Thread(target=held.pop) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert len(seen) == 100


def test_memory_is_let_go_while_an_exception_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: told.append(found.exc_value))
    seen: list[Any] = []
    # The capsule dies while int() raises; ctypes cannot put the exception back, so it is printed.
    with pytest.raises((TypeError, SystemError)):
        int(Exporter(seen).__arrow_c_stream__())  # type: ignore[call-overload]
    gc.collect()
    assert len(seen) == 5
    assert all("PyCapsule" in str(each) for each in told)


def test_a_schema_keeps_names_nullability_and_metadata() -> None:
    class Schema:
        def __arrow_c_schema__(self) -> object:
            uuid = ArrowField(
                "ü", "w:16", metadata={"ARROW:extension:name": "arrow.uuid", "ARROW:extension:metadata": ""}
            )
            return schema_capsule(ArrowField("", "+s", children=(uuid, ArrowField("k", "l", nullable=False))))

    schema = pa.schema(Schema())
    assert schema == pa.schema([("ü", pa.uuid()), pa.field("k", pa.int64(), nullable=False)])


# ---------------------------------------------------------------- schemas that come in


def test_a_schema_without_end_is_refused() -> None:
    kind: Any = pa.int32()
    for _ in range(70):
        kind = pa.list_(kind)
    deep = pa.table({"deep": pa.array([], kind)})
    with pytest.raises(InterfaceError, match="nests deeper"):
        ArrowReader(deep)


@pytest.mark.parametrize("text", ["", "x", "w:", "w:abc", "d:1", "d:1,2,77", "ts", "tsx:", "+ud:0", "+m", "+r", "+vl"])
def test_formats_without_counterpart_are_refused_by_name(text: str) -> None:
    with pytest.raises(NotSupportedError, match="column c: the Arrow type .* has no PostgreSQL counterpart"):
        arrow_type(ArrowField("c", text))


def test_metadata_of_a_schema_is_read() -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({"k": "v"})
    field = pa.field("a", pa.int64(), metadata={"one": "1", "zwei": "zwö"})
    reader = ArrowReader(table.cast(pa.schema([field])))
    assert dict(reader.fields[0].metadata) == {"one": "1", "zwei": "zwö"}
    reader.close()
