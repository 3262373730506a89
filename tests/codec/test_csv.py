"""CSV text as binary and text COPY: values, records, marks, and what is left to the server."""

from __future__ import annotations

import struct
from types import ModuleType
from typing import Any

import pytest

from pgfast import const
from pgfast.errors import DataError, InterfaceError, faults

LIMIT = const.MAX_INT32
Column = tuple[int, int, int, int]


def columns(*kinds: int) -> list[Column]:
    return [(field, kind, LIMIT, 0) for field, kind in enumerate(kinds)]


def numeric(whole: int = const.NUMERIC_MAX_WHOLE_DIGITS, places: int = const.NUMERIC_MAX_SCALE) -> list[Column]:
    return [(0, const.KIND_NUMERIC, whole, places)]


def taken(codec: ModuleType, text: bytes, specs: list[Column], width: int = 0, **form: Any) -> bytes:
    """What is written of a whole text, without the head of its message."""
    state, buffer = codec.CsvState(width or len(specs), specs, **form), codec.WriteBuffer()
    buffer.begin_copy()
    reached, _rows = codec.encode_copy_csv(buffer, state, text, 0, len(text), True, 1 << 30)
    assert reached == len(text)
    buffer.put_i8(0)  # so that nothing at all is a message too
    buffer.end_copy()
    return bytes(buffer.take())[5:-1]


def tuples(data: bytes) -> list[list[bytes | None]]:
    """The fields of binary COPY tuples."""
    rows, at = [], 0
    while at < len(data):
        row: list[bytes | None] = []
        (count,) = struct.unpack_from(">h", data, at)
        at += 2
        for _ in range(count):
            (size,) = struct.unpack_from(">i", data, at)
            at += 4
            row.append(None if size < 0 else data[at : at + size])
            at += max(size, 0)
        rows.append(row)
    return rows


def texts(codec: ModuleType, text: bytes, width: int, **form: Any) -> list[list[bytes | None]]:
    return tuples(taken(codec, text, columns(*[const.KIND_STR] * width), **form))


def refused(codec: ModuleType, text: bytes, specs: list[Column], width: int = 0, **form: Any) -> Any:
    with pytest.raises(DataError) as e:
        taken(codec, text, specs, width, **form)
    assert e.value.fault is not None
    return e.value.fault


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (b"a,b\nc,d\n", [[b"a", b"b"], [b"c", b"d"]]),
        (b"a,b\r\nc,d", [[b"a", b"b"], [b"c", b"d"]]),
        (b"a,b\rc,d\r", [[b"a", b"b"], [b"c", b"d"]]),
        (b",\n", [[None, None]]),
        (b'"",""\n', [[b"", b""]]),
        (b'"a""b","""c"""\n', [[b'a"b', b'"c"']]),
        (b'"a\nb","\r\n"\n', [[b"a\nb", b"\r\n"]]),
        (b'a"b,c"d,e\n', [[b"ab,cd", b"e"]]),
        (b'"a"b,c""\n', [[b"ab", b"c"]]),
        (b'"""",a""""b\n', [[b'"', b'a"b']]),
        (b"\na,b\n\n\nc,d\n\n", [[b"a", b"b"], [b"c", b"d"]]),
        (b"longer than a word,and one more\n", [[b"longer than a word", b"and one more"]]),
        (b"", []),
    ],
)
def test_records_are_cut_as_by_the_server(codec: ModuleType, text: bytes, rows: list[list[bytes | None]]) -> None:
    assert texts(codec, text, 2) == rows


def test_a_blank_line_is_a_record_of_one_field(codec: ModuleType) -> None:
    assert texts(codec, b'a\n\n""\n', 1) == [[b"a"], [None], [b""]]


def test_other_marks_are_taken(codec: ModuleType) -> None:
    marks = (b"\t", b"'", b"NULL")
    assert texts(codec, b"NULL\t'NULL'\n\t'it''s'\n", 2, marks=marks) == [[None, b"NULL"], [b"", b"it's"]]


def test_a_header_is_no_data_however_it_looks(codec: ModuleType) -> None:
    assert texts(codec, b'"a\nb",c,d\nx,y\n', 2, header=True) == [[b"x", b"y"]]


def test_columns_are_written_in_their_own_order(codec: ModuleType) -> None:
    specs = [(2, const.KIND_INT2, LIMIT, 0), (0, const.KIND_STR, LIMIT, 0)]
    assert tuples(taken(codec, b"a,!,1\nb,!,2\n", specs, 3)) == [[b"\0\1", b"a"], [b"\0\2", b"b"]]


def test_lines_of_text_copy_are_written(codec: ModuleType) -> None:
    text = b'a\tb,"c\nd\\"\n,"\x08\x0b\x0c\r"\n'
    assert taken(codec, text, columns(const.KIND_INT4, const.KIND_STR), binary=False) == (
        b"a\\tb\tc\\nd\\\\\n\\N\t\\b\\v\\f\\r\n"
    )


DAY, HOUR = 86_400_000_000, 3_600_000_000
NOON = 12 * HOUR

VALUES = [
    (const.KIND_INT2, b"-32768", struct.pack(">h", -(2**15))),
    (const.KIND_INT4, b"+007", struct.pack(">i", 7)),
    (const.KIND_INT4, b"2147483647", struct.pack(">i", 2**31 - 1)),
    (const.KIND_INT8, b"-9223372036854775808", struct.pack(">q", -(2**63))),
    (const.KIND_OID, b"4294967295", b"\xff" * 4),
    (const.KIND_BOOL, b"YES", b"\1"),
    (const.KIND_BOOL, b"of", b"\0"),
    (const.KIND_FLOAT8, b"0.1", struct.pack(">d", 0.1)),
    (const.KIND_FLOAT8, b"-0", struct.pack(">d", -0.0)),
    (const.KIND_FLOAT8, b"1.7976931348623157e308", struct.pack(">d", 1.7976931348623157e308)),
    (const.KIND_FLOAT8, b"9007199254740993", struct.pack(">d", 9007199254740992.0)),
    (const.KIND_FLOAT8, b"5e-324", struct.pack(">d", 5e-324)),
    (const.KIND_FLOAT8, b"-Infinity", struct.pack(">d", float("-inf"))),
    (const.KIND_FLOAT8, b"nan", b"\x7f\xf8" + bytes(6)),
    (const.KIND_FLOAT4, b"16777216.5", struct.pack(">f", 16777216.0)),
    (const.KIND_FLOAT4, b"nan", b"\x7f\xc0\0\0"),
    (const.KIND_DATE, b"2000-02-29", struct.pack(">i", 59)),
    (const.KIND_DATE, b"0001-01-01", struct.pack(">i", -730119)),
    (const.KIND_TIME, b"12:00", struct.pack(">q", NOON)),
    (const.KIND_TIME, b"12:00:00.05", struct.pack(">q", NOON + 50_000)),
    (const.KIND_TIMESTAMP, b"2000-01-02", struct.pack(">q", DAY)),
    (const.KIND_TIMESTAMP, b"2000-01-01T12:00:01.000001", struct.pack(">q", NOON + 1_000_001)),
    (const.KIND_TIMESTAMPTZ, b"2000-01-01 12:00Z", struct.pack(">q", NOON)),
    (const.KIND_TIMESTAMPTZ, b"2000-01-01 12:00:00-0130", struct.pack(">q", NOON + HOUR * 3 // 2)),
    (const.KIND_UUID, b"{a0eebc99-9c0b4ef8bb6d-6bb9bd380A11}", bytes.fromhex("a0eebc999c0b4ef8bb6d6bb9bd380a11")),
    (const.KIND_BYTES, b"\\x00Ff", b"\0\xff"),
    (const.KIND_BYTES, b"plain", b"plain"),
    (const.KIND_CHAR, b"x", b"x"),
    (const.KIND_JSONB, b"{}", b"\1{}"),
    (const.KIND_STR, "é€😀".encode(), "é€😀".encode()),
]


@pytest.mark.parametrize(("kind", "text", "wire"), VALUES)
def test_a_value_that_is_sure_is_made(codec: ModuleType, kind: int, text: bytes, wire: bytes) -> None:
    assert tuples(taken(codec, text + b"\n", columns(kind))) == [[wire]]
    assert tuples(taken(codec, b'"' + text + b'"\n', columns(kind))) == [[wire]]


DOUBTS = [
    (const.KIND_INT2, b"32768 -32769 1.0 0x1 1_0 - + 1e2 99999999999999999999"),
    (const.KIND_INT4, b"2147483648"),
    (const.KIND_INT8, b"9223372036854775808 -9223372036854775809 18446744073709551616"),
    (const.KIND_OID, b"010 +1 -1 4294967296"),
    (const.KIND_BOOL, b"o ye! truex 2 00"),
    (const.KIND_FLOAT8, b"1e400 1e-400 0x1p3 1_0 . e5 1e 1e+ 1e999999999 +nan infin 1.2.3"),
    (const.KIND_FLOAT4, b"1e39 1e-39 16777217 1e-50"),
    (const.KIND_DATE, b"2001-02-29 0000-01-01 2000-13-01 2000-00-01 2000-01-00 20000101 infinity 2000-1-01"),
    (const.KIND_TIME, b"24:00 12 12:60 12:00:60 12:00: 12:00:00. 12:00:00.1234567 12:00Z"),
    (const.KIND_TIMESTAMP, b"2000-01-01T 2000-01-01Z 2000-01-01t10:00 2000-01-01T10:00Z 2000-01-01T10:00BC"),
    (const.KIND_TIMESTAMPTZ, b"2000-01-01 2000-01-01T10:00 2000-01-01T10:00+16 2000-01-01T10:00+1 2000-01-01T10:00z"),
    (const.KIND_UUID, b"a0eebc99 a-0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 {a0eebc999c0b4ef8bb6d6bb9bd380a11"),
    (const.KIND_BYTES, b"\\x0 \\x0g \\X00 a\\b \\001"),
    (const.KIND_CHAR, b"ab \\ \\101"),
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, line in DOUBTS for text in line.split(b" ")])
def test_a_value_that_is_not_sure_is_left_to_the_server(codec: ModuleType, kind: int, text: bytes) -> None:
    found = refused(codec, b'"x",\n"x","' + text + b'"\n', columns(const.KIND_STR, kind))
    assert (found.code, found.at, found.column) == (faults.FAULT_CSV_FIELD, 1, 1)
    assert found.value == text.decode()


def test_an_empty_text_is_no_value_but_of_texts_and_bytes(codec: ModuleType) -> None:
    for kind in const.CSV_KINDS:
        if kind in (const.KIND_STR, const.KIND_ENUM, const.KIND_JSON, const.KIND_JSONB, const.KIND_BYTES):
            assert len(taken(codec, b'""\n', columns(kind))) == (7 if kind == const.KIND_JSONB else 6)
        else:
            assert refused(codec, b'""\n', columns(kind)).value == ""


def test_a_numeric_that_its_precision_may_not_hold_is_left_to_the_server(codec: ModuleType) -> None:
    for text in (b"123.45", b"-99.999", b"0012.3456", b"5.", b".5", b"0", b"nan", b"1e2", b" 1 "):
        assert taken(codec, text, numeric())
    for text in (b"123.45", b"-99.999", b"0012.3456"):
        assert taken(codec, text, numeric(3, 2))
    for text in (b"1234", b"123.456", b"nan", b"1e1", b"."):
        assert refused(codec, text, numeric(3, 2)).code == faults.FAULT_CSV_FIELD


def test_nought_is_nought_with_any_exponent(codec: ModuleType) -> None:
    for text in (b"0e816730\n", b"-00.e+9999999\n"):
        assert tuples(taken(codec, text, numeric())) == [[bytes(8)]]


def test_a_text_beyond_its_limit_is_left_to_the_server(codec: ModuleType) -> None:
    assert taken(codec, b"abc\n", [(0, const.KIND_STR, 3, 0)])
    assert refused(codec, b"abcd\n", [(0, const.KIND_STR, 3, 0)]).code == faults.FAULT_CSV_FIELD


def test_bytes_that_are_no_text_are_refused(codec: ModuleType) -> None:
    for binary in (True, False):
        found = refused(codec, b"a,b\nc,\xc3(\n", columns(const.KIND_STR, const.KIND_STR), binary=binary)
        assert (found.code, found.at, found.column, found.value) == (faults.FAULT_CSV_UTF8, 1, 1, b"\xc3(")
        found = refused(codec, b"a,b\0\n", columns(const.KIND_STR, const.KIND_STR), binary=binary)
        assert (found.code, found.at, found.column, found.value) == (faults.FAULT_NUL, 0, 1, b"b\0")


def test_a_record_of_another_width_is_refused(codec: ModuleType) -> None:
    for text, count in ((b"a,b\nc\n", 1), (b"a,b\nc,d,e\n", 3), (b"a,b\n" + b"," * 99, 100)):
        found = refused(codec, text, columns(const.KIND_STR, const.KIND_STR))
        assert (found.code, found.at, found.column) == (faults.FAULT_ROW_WIDTH, 1, -1)
        assert found.value == (count, 2)


@pytest.mark.parametrize("text", [b"a\nb\r\n", b"a\nb\r", b"a\r\nb\n", b"a\r\nb\r", b"a\rb\n", b'a\nb"'])
def test_a_record_that_is_not_sure_is_told(codec: ModuleType, text: bytes) -> None:
    found = refused(codec, text, columns(const.KIND_STR))
    assert (found.code, found.at, found.column, found.value) == (faults.FAULT_CSV_RECORD, 1, -1, None)


def test_a_backslash_and_a_point_alone_are_data(codec: ModuleType) -> None:
    assert texts(codec, b"a\n\\.\nb\n\\.", 1) == [[b"a"], [b"\\."], [b"b"], [b"\\."]]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (rb"""'a\'b,',c""", [[b"a'b,", b"c"]]),
        (rb"""'a\\',c""", [[b"a\\", b"c"]]),
        (rb"""'\a\',\\''x',\b""", [[b"\\a',\\x", b"\\b"]]),
        (rb"""\'a',b'c'""", [[b"\\a", b"bc"]]),
        (b"'a\n\\'\n',b\nc,d\n", [[b"a\n'\n", b"b"], [b"c", b"d"]]),
        (b"'a''b',c\n", [[b"ab", b"c"]]),
    ],
)
def test_an_escape_makes_a_quote_a_part_of_its_field(
    codec: ModuleType, text: bytes, rows: list[list[bytes | None]]
) -> None:
    assert texts(codec, text, 2, marks=(b",", b"'", b""), escape=b"\\") == rows


def test_an_escaped_quote_closes_nothing(codec: ModuleType) -> None:
    found = refused(codec, rb"'a\'", columns(const.KIND_STR), marks=(b",", b"'", b""), escape=b"\\")
    assert found.code == faults.FAULT_CSV_RECORD


def test_each_column_has_texts_that_mean_null(codec: ModuleType) -> None:
    made = texts(codec, b'NA,NA\n-,-\n,\n"NA",""\n', 2, nulls=[[b"NA", b""], [b"-"]])
    assert made == [[None, b"NA"], [b"-", None], [None, b""], [b"NA", b""]]
    lines = taken(codec, b"NA,NA\n", columns(const.KIND_STR, const.KIND_STR), nulls=[[b"NA"], []], binary=False)
    assert lines == b"\\N\tNA\n"


def test_fields_that_a_record_lacks_are_null_where_they_may_be(codec: ModuleType) -> None:
    assert texts(codec, b'a\n"b",c\n"d"\n\n', 3, fill=True, nulls=[[]] * 3) == [
        [b"a", None, None],
        [b"b", b"c", None],
        [b"d", None, None],
    ]
    found = refused(codec, b"a,b\na,b,c\n", columns(const.KIND_STR, const.KIND_STR), fill=True)
    assert (found.code, found.at, found.value) == (faults.FAULT_ROW_WIDTH, 1, (3, 2))


def test_numbers_with_a_decimal_comma_are_read(codec: ModuleType) -> None:
    specs = [(0, const.KIND_FLOAT8, LIMIT, 0)]
    form: dict[str, Any] = {"marks": (b";", b'"', b""), "forms": [const.CSV_COMMA]}
    assert tuples(taken(codec, b'1,5\n"-0,25"\n7\n\n', specs, **form)) == [
        *([struct.pack(">d", value)] for value in (1.5, -0.25, 7)),
        [None],
    ]
    assert taken(codec, b'"1,5"\n', columns(const.KIND_STR), binary=False, **form) == b"1.5\n"
    for text in (b"1.5", b"1,234,5", b"1.234,5", b'"1.5"'):
        found = refused(codec, text, specs, **form)
        assert (found.code, found.value) == (faults.FAULT_CSV_COMMA, text.strip(b'"').decode())


@pytest.mark.parametrize(
    ("form", "text", "usual"),
    [
        (const.CSV_DMY, b"31.12.1999", b"1999-12-31"),
        (const.CSV_DMY, b"1/2/2003 10:00", b"2003-02-01 10:00"),
        (const.CSV_MDY, b"12-31-1999T10:00Z", b"1999-12-31T10:00Z"),
        (const.CSV_MDY, b"1.2.2003", b"2003-01-02"),
        (const.CSV_YMD, b"2003/1/2", b"2003-01-02"),
        (const.CSV_DMY, b"infinity", b"infinity"),
        (const.CSV_DMY, b"99.99.9999", b"9999-99-99"),
        (const.CSV_USUAL, b"1/2/2003", b"1/2/2003"),
    ],
)
def test_days_are_read_in_the_order_that_is_said(codec: ModuleType, form: int, text: bytes, usual: bytes) -> None:
    for written in (text, b'"' + text + b'"', text[:3] + b'"' + text[3:] + b'"'):
        assert taken(codec, written, columns(const.KIND_STR), binary=False, forms=[form]) == usual + b"\n"


def test_days_in_another_order_are_refused(codec: ModuleType) -> None:
    for form in (const.CSV_DMY, const.CSV_MDY):
        for text in (
            b"1.2.03",
            b"2003-01-02",
            b"1.2/2003",
            b"1.2.2003x",
            b"1..2003",
            b"001.2.2003",
            b"1.2.20033",
            b"1",
        ):
            found = refused(codec, text, columns(const.KIND_DATE), forms=[form])
            assert (found.code, found.value) == (faults.FAULT_CSV_DAY, text.decode())
    assert refused(codec, b"1.2.2003", columns(const.KIND_DATE), forms=[const.CSV_YMD]).code == faults.FAULT_CSV_DAY


STREAM = 'i,s\r\n1,"a\r\n""b"""\r\n\r\n2,é\r\n3,"",\r\n'.encode().replace(b'"",', b'""')


def test_a_stream_may_be_cut_anywhere(codec: ModuleType) -> None:
    specs = columns(const.KIND_INT4, const.KIND_STR)
    whole = taken(codec, STREAM, specs, header=True)
    for size in range(1, len(STREAM) + 1):
        state, buffer = codec.CsvState(2, specs, header=True), codec.WriteBuffer()
        buffer.begin_copy()
        start = stop = rows = 0
        final = False
        while not final:
            final = stop == len(STREAM)
            stop = min(stop + size, len(STREAM))
            start, more = codec.encode_copy_csv(buffer, state, STREAM, start, stop, final, 1 << 30)
            rows += more
        buffer.end_copy()
        assert (start, rows, bytes(buffer.take())[5:]) == (len(STREAM), 3, whole)


def test_it_stops_at_the_limit_and_goes_on(codec: ModuleType) -> None:
    text = b"1\n" * 10
    state, buffer = codec.CsvState(1, columns(const.KIND_INT2)), codec.WriteBuffer()
    buffer.begin_copy()
    assert codec.encode_copy_csv(buffer, state, text, 0, 20, True, 5) == (0, 0)  # the message's head fills it
    assert codec.encode_copy_csv(buffer, state, text, 0, 20, True, 6) == (2, 1)
    assert codec.encode_copy_csv(buffer, state, text, 2, 20, True, 6 + 8) == (4, 1)
    assert codec.encode_copy_csv(buffer, state, text, 4, 20, True, 1000) == (20, 8)


def test_a_fault_leaves_the_rows_before_it(codec: ModuleType) -> None:
    state, buffer = codec.CsvState(1, columns(const.KIND_INT2)), codec.WriteBuffer()
    buffer.begin_copy()
    with pytest.raises(DataError, match="row 3, column 1: 'x' is nothing that is surely read"):
        codec.encode_copy_csv(buffer, state, b"1\n2\nx\n", 0, 6, True, 1000)
    assert buffer.size_bytes == 5 + 2 * 8


def test_rows_are_refused_where_a_list_is_given(codec: ModuleType) -> None:
    text = b"0,a\n1,a\nx,a\n3,a\n4\n5,a,b\n6,\xff\n7,a\n8,a\n"
    state, buffer = codec.CsvState(2, columns(const.KIND_INT2, const.KIND_STR)), codec.WriteBuffer()
    buffer.begin_copy()
    refused: list[Any] = []
    assert codec.encode_copy_csv(buffer, state, text, 0, len(text), True, 1000, refused) == (len(text), 9)
    assert refused == [
        (2, faults.FAULT_CSV_FIELD, 0, "x"),
        (4, faults.FAULT_ROW_WIDTH, -1, (1, 2)),
        (5, faults.FAULT_ROW_WIDTH, -1, (3, 2)),
        (6, faults.FAULT_CSV_UTF8, 1, b"\xff"),
    ]
    assert buffer.size_bytes == 5 + 5 * (2 + 6 + 5)


def test_what_is_no_record_is_a_fault_behind_rows_that_are_refused(codec: ModuleType) -> None:
    state, buffer = codec.CsvState(1, columns(const.KIND_INT2)), codec.WriteBuffer()
    buffer.begin_copy()
    refused: list[Any] = []
    with pytest.raises(DataError, match="row 4: the record ends otherwise"):
        codec.encode_copy_csv(buffer, state, b'x\n1\ny\n"2', 0, 8, True, 1000, refused)
    assert [each[0] for each in refused] == [0, 2]
    assert buffer.size_bytes == 5 + 8


def test_misuse_is_refused(codec: ModuleType) -> None:
    for width, specs, marks in (
        (0, [], (b",", b'"', b"")),
        (1, [(1, const.KIND_STR, 1, 0)], (b",", b'"', b"")),
        (2, [(0, const.KIND_STR, 1, 0), (0, const.KIND_STR, 1, 0)], (b",", b'"', b"")),
        (1, [(0, const.KIND_ARRAY, 1, 0)], (b",", b'"', b"")),
        (1, [(0, const.KIND_STR, 2**63, 0)], (b",", b'"', b"")),
        (1, [(0, const.KIND_STR, 1, 0)], (b",", b",", b"")),
        (1, [(0, const.KIND_STR, 1, 0)], (b"\n", b'"', b"")),
        (1, [(0, const.KIND_STR, 1, 0)], (b",,", b'"', b"")),
        (1, [(0, const.KIND_STR, 1, 0)], (b",", b"\xff", b"")),
        (1 << 21, [(0, const.KIND_STR, 1, 0)], (b",", b'"', b"")),
    ):
        with pytest.raises(InterfaceError):
            codec.CsvState(width, specs, marks)
    one: list[Column] = [(0, const.KIND_STR, 1, 0)]
    form: dict[str, Any]
    for form in ({"escape": b","}, {"escape": b"\n"}, {"escape": b"ab"}, {"nulls": [[], []]}, {"forms": [5]}):
        with pytest.raises(InterfaceError):
            codec.CsvState(1, one, **form)
    state, buffer = codec.CsvState(1, columns(const.KIND_STR)), codec.WriteBuffer()
    with pytest.raises(InterfaceError, match="no message is open"):
        codec.encode_copy_csv(buffer, state, b"a\n", 0, 2, True, 100)
    buffer.begin_copy()
    for start, stop in ((-1, 1), (2, 1), (0, 3)):
        with pytest.raises(InterfaceError, match="outside their block"):
            codec.encode_copy_csv(buffer, state, b"a\n", start, stop, True, 100)


# ---------------------------------------------------------------- surveys

SEEN = [
    ("", const.SEEN_NULL),
    ('""', const.SEEN_TEXT),
    ("t TRUE f False", const.SEEN_BOOL),
    ("0 -1 9223372036854775807 -9223372036854775808", const.SEEN_BIGINT),
    ("9223372036854775808 -9223372036854775809 99999999999999999999", const.SEEN_NUMERIC | const.SEEN_LONG),
    ("0.5 .5 -1.50 123456789012.345", const.SEEN_NUMERIC),
    ("1e5 1.5E-10 inf -Infinity Infinity NaN 0e250", const.SEEN_FLOAT),
    ("1234567890123456e1", const.SEEN_FLOAT | const.SEEN_LONG),
    ("2020-02-29 0001-01-01", const.SEEN_DATE),
    ("2020-01-01T10:00", const.SEEN_TIMESTAMP),
    ("2020-01-01T10:00:00.123456Z 2020-01-01T10:00+02 2020-01-01T10:00-0230", const.SEEN_TIMESTAMPTZ),
    ("10:00 23:59:59.5", const.SEEN_TIME),
    ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", const.SEEN_UUID),
    ("007 -01 +5 1. . - -. 1e 1e+ 1e251 1e1000 .5e1 00 2020-02-30 24:00 10:0 yes a0eebc999c0b4ef8bb6d6bb9bd380a11 1,5",
     const.SEEN_TEXT),
    ("2020-01-01T10:00+16 2020-01-01Z 2020-01-01T 31.12.1999 -nan infinit x \u00e9", const.SEEN_TEXT),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kinds"), [(text, kinds) for line, kinds in SEEN for text in line.split(" ")])
def test_a_text_is_of_the_narrowest_kind(codec: ModuleType, text: str, kinds: int) -> None:
    for data in [text.encode()] if text in ("", '""') else [text.encode(), b'"' + text.encode() + b'"']:
        state = codec.CsvState(1, columns(const.KIND_STR), (b";", b'"', b""))
        found = codec.survey_csv(state, data + b"\n", 0, len(data) + 1, True)
        if kinds & (const.SEEN_BIGINT | const.SEEN_NUMERIC):
            kinds |= const.SEEN_LONG if len(text.strip("-").replace(".", "")) > 15 else 0
        assert found == (len(data) + 1, 1, [(kinds, len(text.strip('"').encode()))])


@pytest.mark.parametrize(("texts", "kinds"), SEEN, ids=[texts or "null" for texts, _kinds in SEEN])
def test_a_column_is_of_the_kinds_of_its_texts(
    codec: ModuleType, monkeypatch: pytest.MonkeyPatch, texts: str, kinds: int
) -> None:
    monkeypatch.setattr("pgfast.kernels.csvsurvey_py._FEW", 0)  # the pure one looks at all of them together
    for text in [*texts.split(" "), texts.replace(" ", "\n")]:
        data = b"?\n" + text.encode() + b"\n"
        state = codec.CsvState(1, columns(const.KIND_STR), (b";", b'"', b""), nulls=[[b"?", b""]])
        _reached, _rows, ((found, _longest),) = codec.survey_csv(state, data, 0, len(data), True)
        assert found & ~const.SEEN_LONG == (kinds | const.SEEN_NULL) & ~const.SEEN_LONG


def test_a_survey_goes_by_the_dialect(codec: ModuleType) -> None:
    text = b"a;b\n1,5;31.12.1999\n-7;10:00\nNA;1/1/2000T10:00\n1.5;\n"
    specs = columns(const.KIND_STR, const.KIND_STR)
    state = codec.CsvState(2, specs, (b";", b'"', b""), True, nulls=[[b"NA"], [b""]])
    dates = const.SEEN_DATE | const.SEEN_TIME | const.SEEN_TIMESTAMP | const.SEEN_NULL
    numbers = const.SEEN_NUMERIC | const.SEEN_BIGINT | const.SEEN_NULL | const.SEEN_TEXT
    found = codec.survey_csv(state, text, 0, len(text), True, True, const.CSV_DMY)
    assert found == (len(text), 4, [(numbers, 3), (dates, 14)])


def test_a_survey_refuses_what_are_no_records(codec: ModuleType) -> None:
    specs = columns(const.KIND_STR, const.KIND_STR)
    with pytest.raises(DataError) as e:
        codec.survey_csv(codec.CsvState(2, specs), b'a,b\n"', 0, 5, True)
    assert e.value.fault is not None
    assert (e.value.fault.code, e.value.fault.at) == (faults.FAULT_CSV_RECORD, 1)
    found = codec.survey_csv(codec.CsvState(2, specs), b"a,1\nccc\n1,2,3\nb,2\n", 0, 18, True)
    assert found == (18, 4, [(const.SEEN_TEXT, 1), (const.SEEN_BIGINT, 1)])
    for arguments in ((0, 5, True), (0, 1, True, False, 1), (0, 1, True, False, 9)):
        with pytest.raises(InterfaceError):
            codec.survey_csv(codec.CsvState(2, specs), b"a,b\n", *arguments)
