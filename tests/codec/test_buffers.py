"""ReadBuffer and WriteBuffer: framing, memory and misuse, in both codecs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import pytest

from pgfast import const
from pgfast.errors import DataError, InterfaceError, ProtocolError, faults

from . import reference

STREAM = (
    reference.frame(84, b"row description") + reference.frame(68, b"one") + reference.frame(68, b"") + b"Z\0\0\0\5I"
)


def filled(codec: ModuleType, data: bytes, **sizes: int) -> Any:
    buffer = codec.ReadBuffer(**sizes)
    receive(buffer, data)
    return buffer


def receive(buffer: Any, data: bytes) -> None:
    while data:
        view = buffer.get_buffer()
        size = min(len(view), len(data))
        view[:size] = data[:size]
        buffer.commit(size)
        data = data[size:]


def drain(buffer: Any) -> list[Any]:
    taken: list[Any] = []
    while True:
        run = buffer.take_run(68)
        found = (bytes(run[0][run[1] : run[2]]), run[3]) if run else buffer.next_frame()
        if found is None:
            return taken
        taken.append(found)


def take_run(tag: int, buffer: Any) -> Any:
    return buffer.take_run(tag)


EXPECTED = [(84, b"row description"), (reference.frame(68, b"one") + reference.frame(68, b""), 2), (90, b"I")]


def test_frames_arriving_whole(codec: ModuleType) -> None:
    buffer = filled(codec, STREAM)
    assert drain(buffer) == EXPECTED
    assert buffer.pending == 0


def test_frames_arriving_byte_by_byte(codec: ModuleType) -> None:
    buffer = codec.ReadBuffer(64)
    taken: list[Any] = []
    for i in range(len(STREAM)):
        receive(buffer, STREAM[i : i + 1])
        taken += drain(buffer)
    assert taken == [EXPECTED[0], (reference.frame(68, b"one"), 1), (reference.frame(68, b""), 1), EXPECTED[2]]


def test_frames_with_trailing_bytes_leave_them_pending(codec: ModuleType) -> None:
    buffer = filled(codec, STREAM + b"D\0\0\1")
    assert drain(buffer) == EXPECTED
    assert buffer.pending == 4
    receive(buffer, b"\0" + b"x" * 252)
    assert drain(buffer) == [(reference.frame(68, b"x" * 252), 1)]


def test_take_run_stops_at_another_tag_and_at_an_incomplete_frame(codec: ModuleType) -> None:
    buffer = filled(codec, reference.frame(68, b"a") + reference.frame(67, b"") + reference.frame(68, b"bc")[:-1])
    assert buffer.take_run(68)[3] == 1
    assert buffer.take_run(68) is None
    assert buffer.next_frame() == (67, b"")
    assert buffer.take_run(68) is None


@pytest.mark.parametrize(
    ("length", "code"),
    [(3, 1), (0, 1), (-1, 1), (-(2**31), 1), (2**31 - 1, 2), (1001, 2)],
)
def test_a_bad_length_word_is_a_protocol_error(codec: ModuleType, length: int, code: int) -> None:
    bad = b"D" + length.to_bytes(4, "big", signed=True)
    reads: list[Callable[[Any], Any]] = [lambda buffer: buffer.next_frame(), lambda buffer: buffer.take_run(68)]
    for read in reads:
        with pytest.raises(ProtocolError) as caught:
            read(filled(codec, bad, max_message_size=1000))
        assert caught.value.fault is not None
        assert (caught.value.fault.code, caught.value.fault.at, caught.value.fault.value) == (code, 1, length)


def test_only_messages_that_may_be_long_are(codec: ModuleType) -> None:
    most = const.MAX_SHORT_MESSAGE
    for tag in range(256):
        reads: list[Callable[[Any], Any]] = [lambda buffer: buffer.next_frame(), partial(take_run, tag)]
        for read in reads:
            assert read(filled(codec, bytes([tag]) + most.to_bytes(4, "big"))) is None
            head = bytes([tag]) + (most + 1).to_bytes(4, "big")
            if tag in const.LONG_MESSAGES:
                assert read(filled(codec, head)) is None
                continue
            buffer = filled(codec, head)
            with pytest.raises(ProtocolError, match="beyond what a message with this tag can have") as caught:
                read(buffer)
            assert caught.value.fault is not None
            assert (caught.value.fault.code, caught.value.fault.at) == (faults.FAULT_FRAME_KIND, 1)
            assert buffer.pending == 5


def test_a_good_run_before_a_bad_length_is_handed_out_first(codec: ModuleType) -> None:
    buffer = filled(codec, reference.frame(68, b"good") + b"D\0\0\0\1")
    assert buffer.take_run(68)[3] == 1
    with pytest.raises(ProtocolError):
        buffer.take_run(68)


def test_memory_follows_what_arrived_not_what_was_announced(codec: ModuleType) -> None:
    buffer = codec.ReadBuffer(1024)
    receive(buffer, b"E\x3f\xff\xff\xff" + bytes(3000))
    assert buffer.next_frame() is None
    assert len(buffer.get_buffer()) < 16 * 1024


def test_a_message_larger_than_many_blocks_arrives_whole(codec: ModuleType) -> None:
    payload = bytes(range(256)) * 4000
    buffer = filled(codec, reference.frame(68, payload) + reference.frame(90, b"I"), block_size=256)
    block, start, stop, count = buffer.take_run(68)
    assert bytes(block[start + 5 : stop]) == payload and count == 1
    assert buffer.next_frame() == (90, b"I")
    assert len(buffer.get_buffer()) == 256  # the large block is not kept for small messages


def test_a_lent_block_is_never_written_again(codec: ModuleType) -> None:
    buffer = filled(codec, reference.frame(68, b"mine"), block_size=64)
    block, start, stop, _ = buffer.take_run(68)
    buffer.lend()
    receive(buffer, reference.frame(68, b"other") * 30)
    assert bytes(block[start + 5 : stop]) == b"mine"


def test_a_block_that_was_not_lent_is_used_again(codec: ModuleType) -> None:
    buffer = filled(codec, reference.frame(68, b"mine"), block_size=64)
    block = buffer.take_run(68)[0]
    receive(buffer, reference.frame(68, b"next"))
    assert buffer.take_run(68)[0] is block


def test_commit_beyond_the_view_is_refused(codec: ModuleType) -> None:
    buffer = codec.ReadBuffer(64)
    for size in (-1, 65):
        with pytest.raises(InterfaceError):
            buffer.commit(size)


def test_messages_are_written_with_their_lengths(codec: ModuleType) -> None:
    out = codec.WriteBuffer()
    out.begin(0)
    out.put_i32(const.PROTOCOL_3_0)
    out.put_cstr(b"user")
    out.put_bytes(bytearray(b"\0"))
    out.end()
    out.begin(const.EXECUTE)
    out.put_i8(-1)
    out.put_i8(255)
    out.put_i16(-2)
    out.put_i16(65535)
    out.put_i32(-3)
    out.put_i32(2**32 - 1)
    out.put_bytes(memoryview(b"xyz")[1:])
    out.end()
    expected = b"\0\0\0\x0e\0\3\0\0user\0\0" + reference.frame(
        const.EXECUTE, b"\xff\xff\xff\xfe\xff\xff\xff\xff\xff\xfd\xff\xff\xff\xffyz"
    )
    assert out.size_bytes == len(expected)
    assert bytes(out.take()) == expected
    assert out.size_bytes == 0 and bytes(out.take()) == b""


def test_what_was_taken_is_never_touched_again(codec: ModuleType) -> None:
    out = codec.WriteBuffer(32)
    views = []
    for i in range(5):
        out.begin(68)
        out.put_bytes(bytes([i]) * 40)
        out.end()
        views.append(out.take())
    assert [bytes(view) for view in views] == [reference.frame(68, bytes([i]) * 40) for i in range(5)]


def test_what_is_short_is_taken_as_a_copy(codec: ModuleType) -> None:
    out = codec.WriteBuffer()
    assert out.take_short() == b""
    taken = []
    for size in (1, 4091, 4092, 200_000, 3):
        out.begin(68)
        out.put_bytes(b"x" * size)
        out.end()
        taken.append((size, out.take_short()))
        assert out.size_bytes == 0
    for size, block in taken:
        assert bytes(block) == reference.frame(68, b"x" * size)
        assert type(block) is (bytes if size + 5 <= 4096 else memoryview)
    out.begin(68)
    with pytest.raises(InterfaceError, match="open"):
        out.take_short()


def test_the_view_of_a_whole_block_may_be_had_again_and_again(codec: ModuleType) -> None:
    buffer = codec.ReadBuffer(64)
    for number in range(5):
        view = buffer.get_buffer()
        assert len(view) == 64
        view[:5] = reference.frame(65 + number, b"")
        buffer.commit(5)
        assert len(buffer.get_buffer()) == 59
        assert buffer.next_frame() == (65 + number, b"")
    view = buffer.get_buffer()
    view[:6] = reference.frame(65, b"x")
    buffer.commit(6)
    block, start, stop, _ = buffer.take_run(65)
    buffer.lend()
    buffer.get_buffer()[:6] = b"y" * 6
    assert bytes(block[start:stop]) == reference.frame(65, b"x")


def test_a_message_that_cannot_be_written_is_taken_back_whole(codec: ModuleType) -> None:
    out = codec.WriteBuffer()
    out.begin(const.SYNC)
    out.end()
    puts: list[Callable[[], Any]] = [
        lambda: out.put_cstr(b"select '\0'"),
        lambda: out.put_i16(65536),
        lambda: out.put_i16(-32769),
        lambda: out.put_i8(256),
        lambda: out.put_i32(2**32),
    ]
    for put in puts:
        out.begin(const.QUERY)
        out.put_i32(7)
        with pytest.raises(DataError) as caught:
            put()
        assert caught.value.fault is not None
        assert caught.value.fault.code in (faults.FAULT_NUL, faults.FAULT_VALUE_RANGE)
    out.begin(const.FLUSH)
    out.end()
    assert bytes(out.take()) == b"S\0\0\0\4H\0\0\0\4"


def test_an_empty_copy_data_vanishes(codec: ModuleType) -> None:
    out = codec.WriteBuffer()
    out.begin_copy()
    out.end_copy()
    out.begin_copy()
    out.put_bytes(b"1\n")
    out.end_copy()
    assert bytes(out.take()) == reference.frame(const.COPY_DATA, b"1\n")


@pytest.mark.parametrize(
    "misuse", ["end", "end_copy", "put", "begin twice", "take open", "copy rows", "tag", "iterator"]
)
def test_messages_out_of_order_are_refused(codec: ModuleType, misuse: str) -> None:
    out = codec.WriteBuffer()
    if misuse in ("begin twice", "take open", "iterator"):
        out.begin(68)
    plan = codec.Plan([])
    action = {
        "end": out.end,
        "end_copy": out.end_copy,
        "put": lambda: out.put_i8(1),
        "begin twice": lambda: out.begin(68),
        "take open": out.take,
        "copy rows": lambda: codec.encode_copy_rows(out, plan, iter([]), 10),
        "tag": lambda: out.begin(256),
        "iterator": lambda: codec.encode_copy_rows(out, plan, [()], 10),
    }[misuse]
    with pytest.raises(InterfaceError):
        action()


@pytest.mark.parametrize("run", [(1, 0), (-1, 3), (0, 99), (0, 3), (0, 8)])
def test_a_span_that_is_no_run_is_refused(codec: ModuleType, run: tuple[int, int]) -> None:
    block = bytearray(b"D\0\0\0\6\0\0D\0\0\0")
    state = codec.CopyState()
    decodes: list[Callable[[], Any]] = [
        lambda: codec.decode_rows(codec.Plan([]), block, *run, 1),
        lambda: codec.decode_columns(codec.ColumnSink([]), block, *run, 1),
        lambda: codec.decode_copy_rows(codec.Plan([]), state, block, *run, 1),
        lambda: codec.decode_copy_text(codec.CopyState(False), block, *run, 1),
        lambda: codec.decode_copy_data(block, *run, 1),
    ]
    for decode in decodes:
        with pytest.raises((InterfaceError, ProtocolError)):
            decode()


def test_an_exception_of_the_row_iterator_passes_and_keeps_the_rows_before(codec: ModuleType) -> None:
    class Mine(Exception):
        pass

    def rows() -> Any:
        yield (1,)
        raise Mine

    out = codec.WriteBuffer()
    out.begin_copy()
    with pytest.raises(Mine):
        codec.encode_copy_rows(out, codec.Plan([(const.KIND_INT4, 0, None, ())]), rows(), 1000)
    out.end_copy()
    assert bytes(out.take())[5:] == reference.row([b"\0\0\0\1"])


def test_source_columns_stop_at_the_limit_and_go_on_from_there(codec: ModuleType) -> None:
    numbers = b"".join(i.to_bytes(4, "little") for i in range(100))
    column = (const.LAYOUT_I32, (const.KIND_INT8, 0, None, ()), 100, 0, None, numbers, None, 0, (), None)
    stream, at, calls = b"", 0, 0
    while at < 100:
        out = codec.WriteBuffer()
        out.begin_copy()
        at = codec.encode_copy_columns(out, [column], at, 100, 200)
        out.end_copy()
        stream += bytes(out.take())[5:]
        calls += 1
    assert calls > 5
    assert stream == b"".join(reference.row([i.to_bytes(8, "big")]) for i in range(100))


def test_a_sink_hands_out_batches_that_it_never_touches_again(codec: ModuleType) -> None:
    spec = [(const.KIND_STR, 0, 0, 0, (), ()), (const.KIND_BOOL, 0, 0, 0, (), ())]
    stream = b"".join(reference.frame(68, reference.row([str(i).encode(), bytes([i % 2])])) for i in range(20))
    buffer = filled(codec, stream)
    block, start, stop, count = buffer.take_run(68)
    sink, batches = codec.ColumnSink(spec, 8, 1 << 20), []
    while start < stop:
        start = codec.decode_columns(sink, block, start, stop, count)
        batches.append(sink.cut())
    assert [rows for rows, _ in batches] == [8, 8, 4]
    texts = [bytes(columns[0][4]) for _, columns in batches]
    assert texts == [b"01234567", b"89101112131415", b"16171819"]
    assert sink.rows == 0 and not sink.full
