# cython: cdivision=True, boundscheck=False, wraparound=False
# What the fields of CSV look like, column by column: the kinds that are seen and the longest text, without the GIL.
#
# Law of this file: a text is of the narrowest kind from which it comes back as it was written; a number that begins
# with a superfluous zero or a plus, and whatever a type would not hold, is text. Nothing is written but sums.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from pgfast.kernels.csvforms cimport (
    CSV_COMMA, CSV_USUAL, MIXED, CsvColumn, CsvField, stands_for_null, unquote, usual_form
)
from pgfast.kernels.csvtext cimport CsvForm, next_row, nibble, read_clock, read_day, read_offset
from pgfast.kernels.source cimport spells
from pgfast.kernels.wire cimport *

cdef enum:
    SEEN_NULL = 1
    SEEN_BOOL = 2
    SEEN_BIGINT = 4
    SEEN_NUMERIC = 8
    SEEN_FLOAT = 16
    SEEN_LONG = 32
    SEEN_DATE = 64
    SEEN_TIMESTAMP = 128
    SEEN_TIMESTAMPTZ = 256
    SEEN_TIME = 512
    SEEN_UUID = 1024
    SEEN_TEXT = 2048

cdef enum:
    NUMBER_TEXT = 400  # bytes of a number's text at most
    FLOAT_DIGITS = 15  # that every float keeps
    FLOAT_EXPONENT = 250

cdef struct CsvSeen:
    uint32_t kinds
    Py_ssize_t longest

cdef inline int seen_number(const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """What a number is, 0 for what is none; the text is not empty."""
    cdef Py_ssize_t at = 0, first, digits, zeros
    cdef bint whole = True, negative = p[0] == 45
    cdef int exponent = 0, kind, places = 0
    if negative:
        at = 1
    if spells(p + at, size - at, b"inf", 3) or spells(p + at, size - at, b"infinity", 8):
        return SEEN_FLOAT
    if not negative and spells(p, size, b"nan", 3):
        return SEEN_FLOAT
    if size > NUMBER_TEXT:
        return 0
    first = at
    while at < size and 48 <= p[at] <= 57:
        at += 1
    digits = at - first
    if digits > 1 and p[first] == 48:
        return 0
    zeros = 1 if digits == 1 and p[first] == 48 else 0
    if at < size and p[at] == 46:
        whole = False
        at += 1
        while at < size and 48 <= p[at] <= 57:
            at += 1
            places += 1
        if places == 0:
            return 0
    if digits + places == 0:
        return 0
    kind = SEEN_LONG if digits + places - zeros > FLOAT_DIGITS else 0
    if at == size:
        if not whole:
            return kind | SEEN_NUMERIC
        return kind | (SEEN_BIGINT if fits_bigint(p + first, digits, negative) else SEEN_NUMERIC)
    if digits == 0 or (p[at] | 0x20) != 101:
        return 0
    at += 1
    if at < size and (p[at] == 43 or p[at] == 45):
        at += 1
    if at == size or size - at > 3:
        return 0
    while at < size:
        if not 48 <= p[at] <= 57:
            return 0
        exponent = exponent * 10 + (p[at] - 48)
        at += 1
    if exponent > FLOAT_EXPONENT or digits > 40:
        return 0
    return kind | SEEN_FLOAT

cdef inline bint fits_bigint(const uint8_t* p, Py_ssize_t digits, bint negative) noexcept nogil:
    """Whether so many digits are a number of 64 bits with its sign."""
    cdef const uint8_t* bound = b"9223372036854775808"
    cdef Py_ssize_t i
    if digits != 19:
        return digits < 19
    for i in range(19):
        if p[i] != bound[i]:
            return p[i] < bound[i]
    return negative

cdef inline int seen_time(const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """What a day or a time of the day is, 0 for what is neither."""
    cdef int32_t days = 0
    cdef int64_t us = 0, east = 0
    cdef Py_ssize_t at
    if size >= 5 and p[2] == 58:
        return SEEN_TIME if read_clock(p, size, &us) == size else 0
    if size < 10 or read_day(p, &days):
        return 0
    if size == 10:
        return SEEN_DATE
    if p[10] != 32 and p[10] != 84:
        return 0
    at = read_clock(p + 11, size - 11, &us)
    if at == 0:
        return 0
    at += 11
    if at == size:
        return SEEN_TIMESTAMP
    return 0 if read_offset(p + at, size - at, &east) else SEEN_TIMESTAMPTZ

cdef inline bint is_uuid(const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """Whether this is a UUID in its usual form."""
    cdef Py_ssize_t i
    if size != 36:
        return False
    for i in range(36):
        if i == 8 or i == 13 or i == 18 or i == 23:
            if p[i] != 45:
                return False
        elif nibble(p[i]) > 15:
            return False
    return True

cdef inline int seen_as(Block* scratch, CsvField* field, bint comma, int days) noexcept nogil:
    """What the field looks like; days are in this order. Room for its other form is the caller's."""
    cdef const uint8_t* p = field.start
    cdef Py_ssize_t size = field.size
    cdef CsvField other
    cdef int kind = 0
    if size == 0:
        return SEEN_TEXT
    if (
        spells(p, size, b"t", 1) or spells(p, size, b"f", 1)
        or spells(p, size, b"true", 4) or spells(p, size, b"false", 5)
    ):
        return SEEN_BOOL
    other = field[0]
    if not comma or usual_form(scratch, &other, CSV_COMMA) == 0:
        kind = seen_number(other.start, other.size)
    if kind == 0 and size <= 64:
        other = field[0]
        if days == CSV_USUAL or usual_form(scratch, &other, days) == 0:
            kind = seen_time(other.start, other.size)
        elif size >= 5 and p[2] == 58:
            kind = seen_time(p, size)
    if kind == 0 and is_uuid(p, size):
        kind = SEEN_UUID
    return kind if kind else SEEN_TEXT

cdef inline int survey_rows(
    CsvForm* form, const CsvColumn* columns, Py_ssize_t count, CsvField* fields, Block* scratch, bint comma, int days,
    const uint8_t** place, const uint8_t* end, bint final, CsvSeen* seen, Py_ssize_t* rows, Fault* fault
) noexcept nogil:
    """All records from `place` on, of which those of another width are left out; 0 or the code that `fault` holds."""
    cdef const uint8_t* behind = place[0]
    cdef Py_ssize_t index
    cdef CsvField* field
    cdef bint odd = False
    cdef int code
    while place[0] < end:
        code = next_row(form, place[0], end, final, fields, &behind, &odd, rows[0], fault)
        if code < 0:
            break
        if code > 1 and code != FAULT_ROW_WIDTH:
            return code
        if code == 0:
            for index in range(count):
                field = &fields[columns[index].field]
                if stands_for_null(&columns[index], field):
                    seen[index].kinds |= SEEN_NULL
                    continue
                scratch.size = 0
                if reserve(scratch, 3 * field.size + 48):
                    return stop(fault, OUT_OF_MEMORY, rows[0], index)
                if field.written == MIXED and unquote(scratch, field, form.quote, form.escape):
                    return stop(fault, OUT_OF_MEMORY, rows[0], index)
                seen[index].kinds |= seen_as(scratch, field, comma, days)
                if field.size > seen[index].longest:
                    seen[index].longest = field.size
        rows[0] += code != 1
        place[0] = behind
    return 0
