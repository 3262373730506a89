"""CSV in: where a stream stands between two blocks, and what is made of its records.

Law of this file: the contracts of the codec's names for CSV; the work is done by `csvtext_py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from ..errors.faults import buffer_misuse
from .buffers_py import WriteBuffer
from .csvsurvey_py import Seen
from .csvtext_py import CsvColumn, CsvReader, Marks, check_form, check_survey
from .shapes import Refused


@final
class CsvState:
    """Where a stream of CSV stands between two blocks, and what is made of the fields of its records.

    A record has `width` fields. `columns`: one (field, kind, limit, places) for each column that is written, in order;
    no field twice, kinds as const.CSV_KINDS. `limit` is the longest text in bytes, of a numeric the most digits before
    the point; `places` is how many digits a numeric has behind it. `marks`: the delimiter and the quote, an ASCII
    character each, and the text that means NULL where no quote is in the field. `header`: the first record is no data.
    `utc`: a timestamp with time zone may be without offset. `binary`: tuples of binary COPY are written, else lines of
    text COPY, of which every field is text. `escape`: the character that makes a quote, or itself, a part of a quoted
    field; b"" is the quote. `nulls`: of each column the texts that mean NULL, instead of the one in `marks`. `forms`:
    of each column how its text is written, const.CSV_COMMA, CSV_DMY ... `fill`: fields that a record lacks at its end
    are NULL. A fault leaves it as it was before the call.
    """

    __slots__ = ("_nulls", "_reader", "_seen", "_which")

    def __init__(
        self,
        width: int,
        columns: Sequence[CsvColumn],
        marks: Marks = (b",", b'"', b""),
        header: bool = False,
        utc: bool = False,
        binary: bool = True,
        escape: bytes = b"",
        nulls: Sequence[Sequence[bytes]] = (),
        forms: Sequence[int] = (),
        fill: bool = False,
    ) -> None:
        columns = list(columns)
        nulls, forms = check_form(width, columns, marks, escape, nulls, forms)
        self._nulls = [frozenset(texts) for texts in nulls]
        self._which = [column[0] for column in columns]
        self._seen: dict[tuple[bool, int], list[Seen]] = {}
        self._reader = CsvReader(width, columns, marks, header, utc, binary, escape, nulls, forms, fill)


def encode_copy_csv(
    buffer: WriteBuffer,
    state: CsvState,
    block: Any,
    start: int,
    stop: int,
    final: bool,
    limit_bytes: int,
    refused: list[Refused] | None = None,
) -> tuple[int, int]:
    """(the position reached, rows written or refused): records of CSV text appended to the open CopyData.

    Reads bytes start:stop of any buffer, of which `final` says that they are the last ones. Stops at the first record
    edge where the write buffer holds `limit_bytes` or more, and before a record that is not complete: it must come
    again at the beginning of the next block. A quote opens or closes wherever it stands, and two of them inside of
    quotes are one; lines end as the first one does; a blank line is a record only where records have one field.
    Only what the server surely reads so is written; `\\.` alone on a line is data, as it is for servers since 18.
    Anything else is a DataError whose fault counts the rows of this call, and nothing of that row remains:
    FAULT_ROW_WIDTH, FAULT_CSV_FIELD, FAULT_CSV_COMMA, FAULT_CSV_DAY, FAULT_NUL and FAULT_CSV_UTF8 for fields, and
    FAULT_CSV_RECORD where a line ends otherwise or a quote is not closed at the end. Where a list of those `refused` is
    given, a row with a fault of a field or of its width is left out instead, and told there: its number among the rows
    of this call, and the fault's code, column and value.
    (docs: COPY, CSV Format; server: copyfromparse.c)
    """
    if buffer._message_at < 0:
        raise buffer_misuse("no message is open")
    view = memoryview(block).cast("B")
    if not 0 <= start <= stop <= len(view):
        raise buffer_misuse(f"bytes {start}:{stop} lie outside their block of {len(view)}")
    return state._reader.write(buffer._data, view, start, stop, final, limit_bytes, refused)


def survey_csv(
    state: CsvState, block: Any, start: int, stop: int, final: bool, comma: bool = False, days: int = 0
) -> tuple[int, int, list[tuple[int, int]]]:
    """(the position reached, rows seen, (kinds, longest text in bytes) of each column) of records of CSV text.

    Reads as `encode_copy_csv` does, all of bytes start:stop, and writes nothing. The kinds are a sum of const.SEEN_...:
    of each field the narrowest kind from which its text comes back, with a decimal comma (`comma`) and the parts of a
    day in this order (`days`, const.CSV_DMY ...). The state's columns say which fields are looked at and what means
    NULL. Records of another width are not looked at. The fault is FAULT_CSV_RECORD, and leaves the state as it was.
    """
    view = memoryview(block).cast("B")
    check_survey(start, stop, len(view), days)
    seen = state._seen.get((comma, days)) or [Seen(nulls, comma, days) for nulls in state._nulls]
    state._seen[comma, days] = seen  # which know what such columns look like
    for each in seen:
        each.begin()
    reached, rows = state._reader.survey(view, start, stop, final, seen, state._which)
    return reached, rows, [(each.kinds, each.longest) for each in seen]
