# cython: cdivision=True, boundscheck=False, wraparound=False
# Forms of CSV that not every file has: an escape before quotes, decimal commas, days in another order.
#
# Law of this file: what is written otherwise is first written as the server writes it, so that one kernel reads both.
# Text that cannot be written so is a fault; nothing is guessed.
#
# Sources: docs, COPY, ESCAPE; server: copyfromparse.c (CopyReadLineText, CopyReadAttributesCSV).

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memchr, memcmp, memcpy

from pgfast.kernels.wire cimport *

cdef enum:  # how a field is written
    PLAIN = 0
    ENCLOSED = 1  # in quotes, with none inside
    MIXED = 2  # with quotes in other places
    ABSENT = 3  # not at all: the record ends before it

cdef enum:
    CSV_USUAL = 0
    CSV_COMMA = 1
    CSV_DMY = 2
    CSV_MDY = 3
    CSV_YMD = 4

cdef struct CsvNull:
    const uint8_t* text
    Py_ssize_t size

# What is made of a field. `limit` is the longest text in bytes, of a numeric the digits before the point; `places` is
# how many digits a numeric has behind it; `nulls` are the texts that mean NULL without a quote.
cdef struct CsvColumn:
    Py_ssize_t field
    int kind
    int64_t limit
    int64_t places
    int form
    const CsvNull* nulls
    Py_ssize_t null_count

cdef struct CsvField:
    const uint8_t* start
    Py_ssize_t size
    int written

cdef inline bint stands_for_null(const CsvColumn* column, const CsvField* field) noexcept nogil:
    """Whether the field means NULL: it is not there, or one of the column's texts stands there without a quote."""
    cdef Py_ssize_t i
    cdef const CsvNull* null
    if field.written != PLAIN:
        return field.written == ABSENT
    for i in range(column.null_count):
        null = &column.nulls[i]
        if field.size == null.size and (field.size == 0 or memcmp(field.start, null.text, <size_t>field.size) == 0):
            return True
    return False

cdef inline int unquote(Block* scratch, CsvField* field, uint8_t quote, uint8_t escape) noexcept nogil:
    """The field without its quotes, put behind what the scratch memory holds, where it may move what came before."""
    cdef const uint8_t* at = field.start
    cdef const uint8_t* stop = at + field.size
    cdef bint inside = False
    cdef uint8_t* to
    if reserve(scratch, field.size):
        return OUT_OF_MEMORY
    to = scratch.data + scratch.size
    while at < stop:
        if inside and at[0] == escape and at + 1 < stop and (at[1] == quote or at[1] == escape):
            to[0] = at[1]
            to += 1
            at += 1
        elif at[0] == quote:
            inside = not inside
        else:
            to[0] = at[0]
            to += 1
        at += 1
    field.start = scratch.data + scratch.size
    field.size = to - field.start
    field.written = ENCLOSED
    scratch.size += field.size
    return 0

# ---------------------------------------------------------------- numbers and days

cdef inline bint is_digit(uint8_t code) noexcept nogil:
    return 48 <= code <= 57

cdef inline int lay_out_day(
    int form, const uint8_t* p, Py_ssize_t size, uint8_t* made, Py_ssize_t* used
) noexcept nogil:
    """The ten bytes of YYYY-MM-DD for a day at the beginning of the text and how many bytes it takes, or FAULT_CSV_DAY.
    """
    cdef Py_ssize_t starts[3]
    cdef Py_ssize_t sizes[3]
    cdef Py_ssize_t at = 0
    cdef int part, year, month, day, number
    cdef uint8_t mark = 0
    for part in range(3):
        starts[part] = at
        while at < size and is_digit(p[at]):
            at += 1
        sizes[part] = at - starts[part]
        if part < 2:
            if at == size or (p[at] != 45 and p[at] != 46 and p[at] != 47) or (part and p[at] != mark):
                return FAULT_CSV_DAY
            mark = p[at]
            at += 1
    if at < size and p[at] != 32 and p[at] != 84:
        return FAULT_CSV_DAY
    year = 0 if form == CSV_YMD else 2
    month = 0 if form == CSV_MDY else 1
    day = 3 - year - month
    if sizes[year] != 4:
        return FAULT_CSV_DAY
    memcpy(made, b"0000-00-00", 10)
    memcpy(made, p + starts[year], 4)
    for part in range(2):
        number = month if part == 0 else day
        if not 1 <= sizes[number] <= 2:
            return FAULT_CSV_DAY
        memcpy(made + 7 + 3 * part - sizes[number], p + starts[number], <size_t>sizes[number])
    used[0] = at
    return 0

cdef inline int usual_form(Block* scratch, CsvField* field, int form) noexcept nogil:
    """The field as the server writes it, put behind what the scratch memory holds where it is written otherwise: 0, or
    the code of a fault. A day that begins with no digit (infinity) is left as it is."""
    cdef const uint8_t* p = field.start
    cdef Py_ssize_t size = field.size, used = 0
    cdef const uint8_t* comma
    cdef uint8_t made[10]
    cdef uint8_t* to
    if size == 0:
        return 0
    if form == CSV_COMMA:
        if memchr(p, 46, <size_t>size) != NULL:
            return FAULT_CSV_COMMA
        comma = <const uint8_t*>memchr(p, 44, <size_t>size)
        if comma == NULL:
            return 0
        used = comma - p
        if memchr(comma + 1, 44, <size_t>(size - used - 1)) != NULL:
            return FAULT_CSV_COMMA
    else:
        if not is_digit(p[0]):
            return 0
        if lay_out_day(form, p, size, made, &used):
            return FAULT_CSV_DAY
    to = scratch.data + scratch.size  # room for size + 10 bytes is the caller's
    if form == CSV_COMMA:
        memcpy(to, p, <size_t>size)
        to[used] = 46
    else:
        memcpy(to, made, 10)
        if size > used:
            memcpy(to + 10, p + used, <size_t>(size - used))
        size += 10 - used
    field.start = to
    field.size = size
    return 0
