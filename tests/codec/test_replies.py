"""Replies, encode_binds and the frames ready for use: whole answers and many Binds at once, in both codecs."""

from __future__ import annotations

import itertools
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgfast import _codec, _codec_py, const
from pgfast.errors import DataError, InterfaceError, ProtocolError, faults

from . import reference

BOUND = reference.frame(const.BIND_COMPLETE, b"")
EMPTY = reference.frame(const.EMPTY_QUERY_RESPONSE, b"")
READY = reference.frame(const.READY_FOR_QUERY, b"I")
INT4 = (const.KIND_INT4, 0, None, ())


def data_row(*values: int | None) -> bytes:
    fields = [None if value is None else value.to_bytes(4, "big", signed=True) for value in values]
    return reference.frame(const.DATA_ROW, reference.row(fields))


def complete(tag: bytes) -> bytes:
    return reference.frame(const.COMMAND_COMPLETE, tag + b"\0")


def feed(buffer: Any, data: bytes) -> None:
    view = buffer.get_buffer()
    view[: len(data)] = data
    buffer.commit(len(data))


def answer(*values: int) -> bytes:
    return BOUND + b"".join(map(data_row, values)) + complete(b"SELECT %d" % len(values))


def test_whole_answers_are_taken_together(codec: ModuleType) -> None:
    buffer = codec.ReadBuffer()
    replies = codec.Replies(buffer)
    feed(buffer, answer(1, 2) + BOUND + complete(b"INSERT 0 3") + BOUND + EMPTY + READY)
    assert replies.take(codec.Plan([INT4]), 10) == (["SELECT 2", "INSERT 0 3", ""], [(1,), (2,)], [2, 2, 2])
    assert buffer.next_tag == const.READY_FOR_QUERY
    assert not replies.bound


def test_no_more_are_taken_than_wanted(codec: ModuleType) -> None:
    buffer, plan = codec.ReadBuffer(), codec.Plan([INT4])
    replies = codec.Replies(buffer)
    feed(buffer, answer(1) * 5)
    one = ("SELECT 1", (1,))
    for most, count in ((0, 0), (2, 2), (1, 1), (9, 2), (9, 0)):
        tags, rows, ends = replies.take(plan, most)
        assert list(zip(tags, rows, strict=True)) == [one] * count
        assert ends == list(range(1, count + 1))


def test_an_answer_may_come_in_any_pieces(codec: ModuleType) -> None:
    stream = answer(1, 2, 3) + answer(4)
    for step in (1, 3, 11):
        buffer, plan = codec.ReadBuffer(), codec.Plan([INT4])
        replies = codec.Replies(buffer)
        found: list[Any] = []
        for at in range(0, len(stream), step):
            feed(buffer, stream[at : at + step])
            found.append(replies.take(plan, 9))
        assert [one for one in found if one != ([], [], [])] == [
            (["SELECT 3"], [(1,), (2,), (3,)], [3]),
            (["SELECT 1"], [(4,)], [1]),
        ]


def test_rows_of_an_answer_without_its_end_stay_for_the_next_call(codec: ModuleType) -> None:
    buffer, plan = codec.ReadBuffer(), codec.Plan([INT4])
    replies = codec.Replies(buffer)
    feed(buffer, answer(1, 2) + BOUND + data_row(3))
    assert replies.take(plan, 9) == (["SELECT 2"], [(1,), (2,)], [2])
    assert replies.bound
    feed(buffer, data_row(4) + complete(b"SELECT 2") + answer(5))
    assert replies.take(plan, 9) == (["SELECT 2", "SELECT 1"], [(3,), (4,), (5,)], [2, 3])


def test_what_is_not_of_an_answer_is_left_where_it_is(codec: ModuleType) -> None:
    for stray in (
        READY,
        reference.frame(const.NOTICE_RESPONSE, b"SNOTICE\0\0"),
        reference.frame(const.BIND_COMPLETE, b"x"),
        reference.frame(const.COMMAND_COMPLETE, b"SELECT 1"),
        reference.frame(const.COMMAND_COMPLETE, b"SELECT\0 1\0"),
        reference.frame(const.COMMAND_COMPLETE, b"\xff\0"),
        reference.frame(const.COMMAND_COMPLETE, b""),
        reference.frame(const.EMPTY_QUERY_RESPONSE, b"x"),
    ):
        buffer = codec.ReadBuffer()
        replies = codec.Replies(buffer)
        feed(buffer, BOUND + data_row(1) + stray)
        if stray[0] != const.BIND_COMPLETE:
            assert replies.take(codec.Plan([INT4]), 9) == ([], [], [])
            assert replies.bound
        else:
            replies.take(codec.Plan([INT4]), 9)
        assert buffer.next_frame() == (stray[0], stray[5:])


def test_rows_of_a_statement_that_gives_none_are_left(codec: ModuleType) -> None:
    buffer = codec.ReadBuffer()
    replies = codec.Replies(buffer)
    feed(buffer, answer(1))
    assert replies.take(None, 9) == ([], [], [])
    assert buffer.next_tag == const.DATA_ROW


def test_a_row_that_cannot_be_read_is_raised_when_those_before_it_were_given(codec: ModuleType) -> None:
    buffer, plan = codec.ReadBuffer(), codec.Plan([INT4])
    replies = codec.Replies(buffer)
    bad = reference.frame(const.DATA_ROW, reference.row([b"xx"]))
    feed(buffer, answer(1) + BOUND + data_row(5) + bad + data_row(6) + complete(b"SELECT 3"))
    assert replies.take(plan, 9) == (["SELECT 1"], [(1,)], [1])
    assert replies.bound
    with pytest.raises(ProtocolError) as caught:
        replies.take(plan, 9)
    assert caught.value.fault is not None
    assert caught.value.fault.code == faults.FAULT_FIELD_WIDTH
    assert buffer.next_frame() == (const.DATA_ROW, data_row(6)[5:])
    replies.reset()
    assert not replies.bound


def test_what_a_call_raises_leaves_the_row_behind(codec: ModuleType) -> None:
    def refuse(value: bytes) -> Any:
        raise ValueError(value)

    buffer = codec.ReadBuffer()
    replies = codec.Replies(buffer)
    feed(buffer, answer(1))
    with pytest.raises(DataError, match="could not be read"):
        replies.take(codec.Plan([(const.KIND_CALL, 0, refuse, ())]), 9)
    assert buffer.next_tag == const.COMMAND_COMPLETE


@pytest.mark.parametrize("length", [3, -1, 0, const.MAX_MESSAGE_SIZE + 1])
def test_a_length_that_cannot_be_is_a_fault(codec: ModuleType, length: int) -> None:
    buffer = codec.ReadBuffer()
    replies = codec.Replies(buffer)
    feed(buffer, BOUND + bytes([const.DATA_ROW]) + (length & 0xFFFFFFFF).to_bytes(4, "big") + b"....")
    with pytest.raises(ProtocolError):
        replies.take(codec.Plan([INT4]), 9)
    with pytest.raises(ProtocolError):
        _ = buffer.next_tag


def test_the_next_tag_is_told_when_the_frame_is_whole(codec: ModuleType) -> None:
    buffer = codec.ReadBuffer()
    seen = []
    for at in range(len(READY)):
        seen.append(buffer.next_tag)
        feed(buffer, READY[at : at + 1])
    assert seen == [-1] * len(READY)
    assert buffer.next_tag == const.READY_FOR_QUERY


_PIECES = st.one_of(
    st.sampled_from([BOUND, EMPTY, READY, complete(b"SELECT 1"), complete(b"INSERT 0 1"), complete(b"\xff")]),
    st.lists(st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)), max_size=3).map(lambda row: data_row(*row)),
    st.binary(max_size=7),
)


@given(st.lists(_PIECES, max_size=12), st.integers(0, 2), st.integers(0, 4), st.data())
def test_both_codecs_take_alike(pieces: list[bytes], width: int, most: int, data: st.DataObject) -> None:
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))

    def run(module: ModuleType) -> list[Any]:
        buffer = module.ReadBuffer()
        replies = module.Replies(buffer)
        plan = module.Plan([INT4] * width) if width else None
        seen: list[Any] = []
        for start, stop in itertools.pairwise([0, *cuts, len(stream)]):
            feed(buffer, stream[start:stop])
            for _ in range(3):
                try:
                    seen.append(replies.take(plan, most))
                    seen.append(buffer.next_tag)
                except (ProtocolError, DataError) as exc:
                    seen.append((type(exc), str(exc), exc.fault))
                seen += [replies.bound, buffer.pending]
        return seen

    assert run(_codec) == run(_codec_py)


# ---------------------------------------------------------------- Binds


def test_binds_carry_head_values_tail_and_what_follows(codec: ModuleType) -> None:
    out = codec.WriteBuffer()
    plan = codec.Plan([INT4, (const.KIND_NUMERIC, 0, None, ())])
    rows = iter([(1, None), [2, Decimal("1.5")]])
    assert codec.encode_binds(out, plan, b"<head>", b"<tail>", b"<after>", rows, 99999) == (2, True)
    first = b"<head>" + reference.field(b"\0\0\0\1") + reference.field(None) + b"<tail>"
    second = b"<head>" + reference.field(b"\0\0\0\2") + reference.field(reference.numeric(Decimal("1.5"))) + b"<tail>"
    expected = b"".join([reference.frame(const.BIND, payload) + b"<after>" for payload in (first, second)])
    assert bytes(out.take()) == expected


def test_binds_stop_at_the_limit_and_go_on_from_there(codec: ModuleType) -> None:
    out, plan = codec.WriteBuffer(), codec.Plan([INT4])
    rows = iter([(number,) for number in range(10)])
    counts = []
    ended = False
    while not ended:
        count, ended = codec.encode_binds(out, plan, b"", b"", b"", rows, 30)
        counts.append(count)
        assert out.size_bytes < 30 + 13
        if out.size_bytes:
            out.take()
    assert sum(counts) == 10
    assert max(counts) == 3


def test_a_refused_row_leaves_those_before_it(codec: ModuleType) -> None:
    for wrong in (("x",), (1, 2), 5, "text", (2**40,)):
        out, plan = codec.WriteBuffer(), codec.Plan([INT4])
        with pytest.raises(DataError) as caught:
            codec.encode_binds(out, plan, b"", b"", b"E", iter([(1,), (2,), wrong, (3,)]), 1 << 40)
        assert caught.value.fault is not None
        assert caught.value.fault.at == 2
        assert out.size_bytes == 2 * (5 + 8 + 1)
        out.begin(1)  # no message has stayed open


def test_what_the_rows_raise_passes_through(codec: ModuleType) -> None:
    def rows() -> Any:
        yield (1,)
        raise KeyError("mine")

    out, plan = codec.WriteBuffer(), codec.Plan([INT4])
    with pytest.raises(KeyError, match="mine"):
        codec.encode_binds(out, plan, b"", b"", b"", rows(), 1 << 40)
    with pytest.raises(InterfaceError):
        codec.encode_binds(out, plan, b"", b"", b"", [(1,)], 1 << 40)


def test_messages_made_before_are_put_between_others(codec: ModuleType) -> None:
    out = codec.WriteBuffer()
    out.put_messages(READY)
    out.begin(1)
    with pytest.raises(InterfaceError, match="open"):
        out.put_messages(READY)
    out.end()
    assert bytes(out.take()) == READY + reference.frame(1, b"")


# ---------------------------------------------------------------- one answer with its end


def test_a_single_answer_is_taken_with_the_end_of_its_exchange(codec: ModuleType) -> None:
    for status in "ITE":
        ready = reference.frame(const.READY_FOR_QUERY, status.encode())
        for stream, plan, expected in (
            (answer(1, 2), codec.Plan([INT4]), ("SELECT 2", [(1,), (2,)], status)),
            (BOUND + complete(b"INSERT 0 1"), None, ("INSERT 0 1", [], status)),
            (BOUND + EMPTY, None, ("", [], status)),
        ):
            buffer = codec.ReadBuffer()
            replies = codec.Replies(buffer)
            feed(buffer, stream + ready + READY)
            assert replies.take_single(plan) == expected
            assert buffer.pending == len(READY)


@pytest.mark.parametrize(
    "stream",
    [
        answer(1),
        answer(1) + READY[:-1],
        answer(1) + reference.frame(const.READY_FOR_QUERY, b"X"),
        answer(1) + reference.frame(const.NOTICE_RESPONSE, b"\0") + READY,
        BOUND + data_row(1) + data_row(1, 2) + complete(b"SELECT 2") + READY,
        BOUND + data_row(1) + complete(b"\xff") + READY,
        BOUND[:3],
        reference.frame(const.ERROR_RESPONSE, b"\0") + READY,
        READY,
        b"",
    ],
)
def test_a_single_answer_that_is_not_whole_or_not_in_order_is_left(codec: ModuleType, stream: bytes) -> None:
    buffer = codec.ReadBuffer()
    replies = codec.Replies(buffer)
    feed(buffer, stream)
    assert replies.take_single(codec.Plan([INT4])) is None
    assert buffer.pending == len(stream)
    assert not replies.bound


@given(st.lists(_PIECES, max_size=6), st.integers(0, 2))
def test_both_codecs_take_a_single_answer_alike(pieces: list[bytes], width: int) -> None:
    stream = BOUND + b"".join(pieces) + complete(b"SELECT 1") + READY

    def run(module: ModuleType) -> Any:
        buffer = module.ReadBuffer()
        replies = module.Replies(buffer)
        feed(buffer, stream)
        return replies.take_single(module.Plan([INT4] * width) if width else None), buffer.pending

    assert run(_codec) == run(_codec_py)
