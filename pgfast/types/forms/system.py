"""Types of the server's own bookkeeping (pg_lsn, tid, snapshots), money, and those that only have text.

Sources: server: pg_lsn.c, tid.c, xid8funcs.c (pg_snapshot_send, pg_snapshot_recv), cash.c, jsonpath.c.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from struct import Struct
from typing import Any, Final

from ... import const
from ..coerce import to_numeric, to_str
from .form import TEXT_ONLY, Form, decoded, same, utf8, versioned
from .reader import Reader, fields

_LSN: Final = Struct(">2I")
_TID: Final = Struct(">IH")
_INT64: Final = Struct(">q")
_LSN_TEXT: Final = re.compile(r"([0-9a-fA-F]{1,8})/([0-9a-fA-F]{1,8})")
_TID_TEXT: Final = re.compile(r"\(([0-9]{1,10}),([0-9]{1,5})\)")
_SNAPSHOT_TEXT: Final = re.compile(r"([0-9]{1,20}):([0-9]{1,20}):((?:[0-9]{1,20}(?:,[0-9]{1,20})*)?)")
_SPACE: Final = " \t\n\v\f\r"
_MAX_UINT32: Final = 2**32 - 1


def decode_lsn(data: bytes) -> str:
    """`XXXXXXXX/XXXXXXXX` in hexadecimal."""
    high, low = fields(_LSN, data, "pg_lsn")
    return f"{high:X}/{low:X}"


def encode_lsn(value: Any) -> bytes:
    """The wire form of the text form."""
    match = _LSN_TEXT.fullmatch(to_str(value))
    if match is None:
        raise ValueError("not a pg_lsn such as 16/B374D848")
    return _LSN.pack(int(match[1], 16), int(match[2], 16))


def decode_tid(data: bytes) -> str:
    """`(block,offset)`."""
    block, offset = fields(_TID, data, "tid")
    return f"({block},{offset})"


def encode_tid(value: Any) -> bytes:
    """The wire form of the text form."""
    match = _TID_TEXT.fullmatch(to_str(value).strip(_SPACE))
    if match is None or int(match[1]) > _MAX_UINT32 or int(match[2]) > 0xFFFF:
        raise ValueError("not a tid such as (0,1)")
    return _TID.pack(int(match[1]), int(match[2]))


def _checked_snapshot(lowest: int, next_id: int, running: tuple[int, ...]) -> None:
    """Raises ValueError for what the server would not take for a snapshot."""
    last = lowest
    if not 0 < lowest <= next_id <= const.MAX_INT64:
        raise ValueError("not a snapshot: its first numbers are not transaction ids in order")
    for xid in running:
        if not last <= xid < next_id:
            raise ValueError("not a snapshot: its running transactions are not in order")
        last = xid


def decode_snapshot(data: bytes) -> str:
    """`xmin:xmax:xip,xip`."""
    reader = Reader(data, "snapshot")
    number = reader.i32()
    lowest, next_id = reader.u64(), reader.u64()
    if number < 0 or 8 * number != reader.left:
        raise reader.wrong("its binary form has not the number of transactions it says")
    running = reader.array("Q", number)
    _checked_snapshot(lowest, next_id, running)
    return f"{lowest}:{next_id}:{','.join(map(str, running))}"


def encode_snapshot(value: Any) -> bytes:
    """The wire form of the text form, each transaction once."""
    match = _SNAPSHOT_TEXT.fullmatch(to_str(value))
    if match is None:
        raise ValueError("not a snapshot such as 10:20:10,14,15")
    lowest, next_id = int(match[1]), int(match[2])
    running = tuple(int(word) for word in match[3].split(",")) if match[3] else ()
    _checked_snapshot(lowest, next_id, running)
    running = tuple(dict.fromkeys(running))
    return Struct(f">i{2 + len(running)}Q").pack(len(running), lowest, next_id, *running)


def money_form(scale: int, point: str = ".") -> Form:
    """The form of money where `lc_monetary` has `scale` digits behind the decimal point: a Decimal with that scale.

    What the server writes is read by its digits and a minus (also U+2212) or parentheses, whatever else the locale
    puts there. What is sent as text is a plain number with the locale's `point`. A str to be sent must have either
    form, with the point where it belongs: a point taken for a separator of thousands would make it a hundredfold.
    """
    if not 0 <= scale <= 10:
        raise ValueError("money has 0 to 10 digits behind the point")
    context = Context(prec=40)
    dot = re.escape(point)
    plain = re.compile(rf"[+-]?[0-9]+(?:{dot}[0-9]+)?" if scale else "[+-]?[0-9]+")
    shown = re.compile(
        rf"[^0-9{dot}]*[0-9][^{dot}]*{dot}[0-9]{{{scale}}}[^0-9{dot}]*"
        if scale
        else r"\D*[0-9]{1,3}(?:\D[0-9]{3})*\D*",
        re.ASCII,
    )

    def amount(units: int) -> Decimal:
        return Decimal(units).scaleb(-scale, context)

    def parse(text: str) -> Decimal:
        digits = "".join([mark for mark in text if "0" <= mark <= "9"])
        if not 0 < len(digits) <= 20:
            raise ValueError("not an amount of money")
        return amount(-int(digits) if any(mark in text for mark in "-\u2212(") else int(digits))

    def units(value: Any) -> int:
        if isinstance(value, str):
            word = to_str(value).strip(_SPACE)
            if plain.fullmatch(word):
                value = Decimal(word.replace(point, "."))
            elif shown.fullmatch(word):
                value = parse(word)
            else:
                raise ValueError("not an amount of money; pass a Decimal")
        number = to_numeric(value)
        if not isinstance(number, Decimal):
            number = Decimal(number)
        if not number.is_finite():
            raise ValueError("not an amount of money")
        if number.adjusted() > 20:
            raise ValueError("out of range for money")
        below = bool(number) and number.adjusted() < -scale  # an exponent may be beyond what contexts can hold
        scaled = (
            Decimal(0) if below or not number else number.scaleb(scale, Context(prec=len(number.as_tuple().digits)))
        )
        if below or scaled != scaled.to_integral_value():
            raise ValueError(f"money has {scale} digits behind the point here; round it first")
        if not const.MIN_INT64 <= scaled <= const.MAX_INT64:
            raise ValueError("out of range for money")
        return int(scaled)

    def render(value: Any) -> str:
        return to_str(value) if isinstance(value, str) else f"{amount(units(value)):f}".replace(".", point)

    return Form(
        parse,
        render,
        lambda data: amount(fields(_INT64, data, "money")[0]),
        lambda value: _INT64.pack(units(value)),
    )


PG_LSN: Final = Form(same, to_str, decode_lsn, encode_lsn)
TID: Final = Form(same, to_str, decode_tid, encode_tid)
SNAPSHOT: Final = Form(same, to_str, decode_snapshot, encode_snapshot)
JSONPATH: Final = versioned("jsonpath")
REFCURSOR: Final = Form(same, to_str, lambda data: decoded(data, "refcursor"), lambda value: utf8(to_str(value)))
#: Types whose binary form is none at all, a bare OID, or (xml) not the text; and those that take no values.
ONLY_TEXT: Final = dict.fromkeys(
    (
        "aclitem",
        "gtsvector",
        "pg_brin_bloom_summary",
        "pg_brin_minmax_multi_summary",
        "pg_ddl_command",
        "pg_dependencies",
        "pg_mcv_list",
        "pg_ndistinct",
        "pg_node_tree",
        "regclass",
        "regcollation",
        "regconfig",
        "regdictionary",
        "regnamespace",
        "regoper",
        "regoperator",
        "regproc",
        "regprocedure",
        "regrole",
        "regtype",
        "xml",
    ),
    TEXT_ONLY,
)
