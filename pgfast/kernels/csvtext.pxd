# cython: cdivision=True, boundscheck=False, wraparound=False
# Records of COPY's CSV format -> tuples of its binary format, or lines of its text format, without the GIL.
#
# Law of this file: a field is read only where it is surely read as the server's input function would read it; every
# other one is a fault that says which. A record is first cut into fields and its width compared, then its columns are
# made of them, so that nothing is written beyond the fields there are. Each row reserves ROOM bytes a column before it
# begins, as in `source.pxd`; values of any width reserve theirs.
#
# Sources: docs, COPY, "CSV Format"; server: copyfromparse.c (CopyReadLineText, CopyReadAttributesCSV), numutils.c,
# float.c, bool.c, datetime.c, uuid.c, varlena.c, char.c.

from libc.math cimport isinf
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy

from pgfast.kernels.calendar cimport days_in, ordinal_of
from pgfast.kernels.csvforms cimport (
    ABSENT, ENCLOSED, MIXED, PLAIN, CsvColumn, CsvField, stands_for_null, unquote, usual_form
)
from pgfast.kernels.numeric cimport U128, put_decimal
from pgfast.kernels.source cimport ROOM, put_null, put_number_text, spells, tail
from pgfast.kernels.wire cimport *

cdef enum:
    EOL_UNKNOWN = 0
    EOL_LF = 1
    EOL_CR = 2
    EOL_CRLF = 3

cdef enum:  # what became of a record
    COMPLETE = 0
    INCOMPLETE = -2

cdef enum:
    FLOAT_TEXT = 512  # bytes of a float's text that are read at most
    EXACT_POWER = 22  # 10 to this power is a double

cdef extern from *:
    """
    #include <float.h>
    #define PGF_ONES UINT64_C(0x0101010101010101)
    #define PGF_LOW_BITS UINT64_C(0x7F7F7F7F7F7F7F7F)
    /* Whether a product of two doubles is rounded once, to a double. */
    #if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD == 0
    #define PGF_ROUNDS_ONCE 1
    #else
    #define PGF_ROUNDS_ONCE 0
    #endif
    static const double pgf_powers[23] = {
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22};
    """
    const uint64_t ONES "PGF_ONES"
    const uint64_t LOW_BITS "PGF_LOW_BITS"
    const bint ROUNDS_ONCE "PGF_ROUNDS_ONCE"
    const double* POWERS "pgf_powers"
    const double SMALLEST_FLOAT4 "FLT_MIN"

cdef extern from "Python.h":
    double PyOS_string_to_double(const char*, char**, void*) except? -1.0

cdef struct CsvForm:
    uint8_t delimiter
    uint8_t quote
    uint8_t escape
    Py_ssize_t width
    bint fill  # a record may have fewer fields
    bint utc
    bint binary
    bint header  # the next record is not data
    int eol

# ---------------------------------------------------------------- records

cdef inline uint64_t load_word(const uint8_t* p) noexcept nogil:
    """Eight bytes, the first one lowest."""
    return (
        <uint64_t>p[0] | <uint64_t>p[1] << 8 | <uint64_t>p[2] << 16 | <uint64_t>p[3] << 24
        | <uint64_t>p[4] << 32 | <uint64_t>p[5] << 40 | <uint64_t>p[6] << 48 | <uint64_t>p[7] << 56
    )

cdef inline uint64_t equal_bytes(uint64_t word, uint64_t pattern) noexcept nogil:
    """The top bit of each byte of `word` that is as in `pattern`, and no other bit."""
    cdef uint64_t x = word ^ pattern
    return ~(((x & LOW_BITS) + LOW_BITS) | x) & HIGH_BITS

cdef inline int first_byte(uint64_t mask) noexcept nogil:
    """Which byte has the lowest of the bits, all of which are top bits and of which there is one."""
    return <int>(((((mask & (~mask + 1)) - 1) & ONES) * ONES) >> 56) - 1

cdef inline int end_line(CsvForm* form, const uint8_t* at, const uint8_t* stop, bint final) noexcept nogil:
    """Bytes of the line's end at `at`, INCOMPLETE, or a fault where the lines before it end otherwise."""
    if at[0] == 10:
        if form.eol == EOL_UNKNOWN:
            form.eol = EOL_LF
        return 1 if form.eol == EOL_LF else FAULT_CSV_RECORD
    if form.eol == EOL_CR:
        return 1
    if form.eol == EOL_LF:
        return FAULT_CSV_RECORD
    if at + 1 == stop and not final:
        return INCOMPLETE
    if at + 1 < stop and at[1] == 10:
        form.eol = EOL_CRLF
        return 2
    if form.eol == EOL_CRLF:
        return FAULT_CSV_RECORD
    form.eol = EOL_CR
    return 1

cdef inline void put_cut(
    CsvField* field, const uint8_t* start, const uint8_t* end, Py_ssize_t quotes, uint8_t quote
) noexcept nogil:
    """The field between two marks, in which so many quotes are."""
    field.start = start
    field.size = end - start
    field.written = PLAIN
    if quotes:
        field.written = MIXED
        if quotes == 2 and start[0] == quote and (end - 1)[0] == quote:
            field.start = start + 1
            field.size -= 2
            field.written = ENCLOSED

cdef inline int cut_record(
    CsvForm* form, const uint8_t* p, const uint8_t* stop, bint final, CsvField* fields, Py_ssize_t* count,
    const uint8_t** next_record, bint* odd
) noexcept nogil:
    """COMPLETE with the fields of the record at `p`, how many there are and where the next one begins; INCOMPLETE, or
    FAULT_CSV_RECORD.

    Only the first `form.width` fields are kept. `odd` says that a byte of the record may be NUL or not ASCII.
    """
    cdef uint64_t delimiters = ONES * form.delimiter, all_quotes = ONES * form.quote
    cdef uint64_t word, marks, strange = 0
    cdef const uint8_t* at = p
    cdef const uint8_t* start = p
    cdef const uint8_t* mark
    cdef Py_ssize_t found = 0, quotes = 0
    cdef bint inside = False
    cdef uint8_t code
    cdef uint8_t rest[8]
    cdef int length
    while at < stop:
        if stop - at >= 8:
            word = load_word(at)
            marks = HIGH_BITS
        else:
            memcpy(rest, b"        ", 8)
            memcpy(rest, at, stop - at)
            word = load_word(rest)
            marks = HIGH_BITS >> (8 * (8 - (stop - at)))
        strange |= ((word - ONES) & ~word) | word
        marks &= (
            equal_bytes(word, delimiters) | equal_bytes(word, all_quotes)
            | equal_bytes(word, ONES * 10) | equal_bytes(word, ONES * 13)
        )
        while marks:
            mark = at + first_byte(marks)
            marks &= marks - 1
            code = mark[0]
            if code == form.quote:
                quotes += 1
                inside = not inside
            elif not inside:
                if code == form.delimiter:
                    if found < form.width:
                        put_cut(&fields[found], start, mark, quotes, form.quote)
                    found += 1
                    start = mark + 1
                    quotes = 0
                    continue
                length = end_line(form, mark, stop, final)
                if length <= 0 or length == FAULT_CSV_RECORD:
                    return length
                next_record[0] = mark + length
                if found < form.width:
                    put_cut(&fields[found], start, mark, quotes, form.quote)
                count[0] = found + 1
                odd[0] = strange & HIGH_BITS != 0
                return COMPLETE
        at += 8
    if not final:
        return INCOMPLETE
    if inside:
        return FAULT_CSV_RECORD
    next_record[0] = stop
    if found < form.width:
        put_cut(&fields[found], start, stop, quotes, form.quote)
    count[0] = found + 1
    odd[0] = strange & HIGH_BITS != 0
    return COMPLETE

cdef inline int cut_escaped_record(
    CsvForm* form, const uint8_t* p, const uint8_t* stop, bint final, CsvField* fields, Py_ssize_t* count,
    const uint8_t** next_record, bint* odd
) noexcept nogil:
    """As `cut_record`, where another character than the quote makes a quote a part of its field."""
    cdef const uint8_t* at = p
    cdef const uint8_t* start = p
    cdef Py_ssize_t found = 0, quotes = 0
    cdef bint inside = False, escaped = False, strange = False, ended = False
    cdef int length = 0
    while at < stop and not ended:
        if at[0] == 0 or at[0] > 127:
            strange = True
        if inside and at[0] == form.escape:
            escaped = not escaped
        else:
            if at[0] == form.quote:
                quotes += 1
                inside ^= not escaped
            elif not inside:
                if at[0] == form.delimiter:
                    if found < form.width:
                        put_cut(&fields[found], start, at, 3 if quotes else 0, form.quote)
                    found += 1
                    start = at + 1
                    quotes = 0
                elif at[0] == 10 or at[0] == 13:
                    length = end_line(form, at, stop, final)
                    if length <= 0 or length == FAULT_CSV_RECORD:
                        return length
                    ended = True
            escaped = False
        at += not ended
    if not ended and not final:
        return INCOMPLETE
    if inside:
        return FAULT_CSV_RECORD
    next_record[0] = at + length
    if found < form.width:
        put_cut(&fields[found], start, at, 3 if quotes else 0, form.quote)
    count[0] = found + 1
    odd[0] = strange
    return COMPLETE

# ---------------------------------------------------------------- numbers

cdef inline int read_integer(const uint8_t* p, Py_ssize_t size, uint64_t* value, bint* negative) noexcept nogil:
    """0 for a sign, if any, and digits whose number is below 2 to the power of 64, else FAULT_CSV_FIELD."""
    cdef uint64_t made = 0
    cdef uint32_t digit
    cdef Py_ssize_t i = 0
    negative[0] = False
    if size and (p[0] == 45 or p[0] == 43):
        negative[0] = p[0] == 45
        i = 1
    if i == size or size - i > 19:
        return FAULT_CSV_FIELD
    while i < size:
        digit = <uint32_t>p[i] - 48
        if digit > 9:
            return FAULT_CSV_FIELD
        made = made * 10 + digit
        i += 1
    value[0] = made
    return 0

cdef inline int put_integer_text(Block* out, int kind, const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """An int2, int4, int8, or an oid, of which the server takes 010 for an octal number."""
    cdef uint64_t value = 0
    cdef bint negative = False
    cdef uint64_t bound
    if read_integer(p, size, &value, &negative):
        return FAULT_CSV_FIELD
    if kind == KIND_OID:
        if value > LOW32 or p[0] < 48 or (p[0] == 48 and size > 1):
            return FAULT_CSV_FIELD
        store_u32(tail(out, 4), <uint32_t>value)
        return 0
    bound = <uint64_t>1 << (31 if kind == KIND_INT4 else 63 if kind == KIND_INT8 else 15)
    if value >= bound and not (negative and value == bound):
        return FAULT_CSV_FIELD
    if negative:
        value = ~value + 1
    if kind == KIND_INT4:
        store_u32(tail(out, 4), <uint32_t>value)
    elif kind == KIND_INT8:
        store_u64(tail(out, 8), value)
    else:
        store_u16(tail(out, 2), <uint32_t>value)
    return 0

cdef inline int put_decimal_field(
    Block* out, const CsvColumn* column, const uint8_t* p, Py_ssize_t size, Py_ssize_t room
) noexcept nogil:
    """A numeric; one that its precision might not hold is a doubt."""
    cdef U128 value
    cdef Py_ssize_t at = 0, first, point = -1, whole, behind
    cdef uint32_t digit
    cdef bint negative = False, plain = True
    cdef int code
    value.low = 0
    value.high = 0
    if size and (p[0] == 45 or p[0] == 43):
        negative = p[0] == 45
        at = 1
    first = at
    while first < size and p[first] == 48:
        first += 1
    at = first
    while at < size:
        digit = <uint32_t>p[at] - 48
        if digit <= 9:
            value.low = value.low * 10 + digit  # read only where there are few enough digits
        elif p[at] == 46 and point < 0:
            point = at
        else:
            plain = False
            break
        at += 1
    if plain:
        whole = (point if point >= 0 else size) - first
        behind = size - point - 1 if point >= 0 else 0
        # Rounded to its places it may have one digit more.
        if whole > column.limit or (whole == column.limit and behind > column.places):
            return FAULT_CSV_FIELD
        if whole + behind <= 18 and (whole + behind or (first and p[first - 1] == 48)):
            code = put_decimal(out.data + out.size + 4, value, negative, <int>behind)
            tail(out, code)
            return 0
    elif column.limit < NUMERIC_MAX_WHOLE_DIGITS:
        return FAULT_CSV_FIELD
    code = put_number_text(out, p, size, room)
    return code if code <= 0 else FAULT_CSV_FIELD

cdef inline double exact_double(const char* text) noexcept with gil:
    """The double next to a decimal number that is not 0, as the language reads its own; 0 where memory is short, and
    the server then reads it."""
    cdef double value
    try:
        value = PyOS_string_to_double(text, NULL, NULL)
    except MemoryError:
        return 0.0
    return value

cdef inline int read_float(const uint8_t* p, Py_ssize_t size, double* value) noexcept nogil:
    """0 with the double next to the number, correctly rounded, else FAULT_CSV_FIELD."""
    cdef char text[FLOAT_TEXT + 1]
    cdef uint64_t mantissa = 0
    cdef Py_ssize_t at = 0, digits = 0, held = 0, behind = 0, begun
    cdef int64_t power = 0
    cdef bint negative = False, down = False, point = False
    if size == 0 or size > FLOAT_TEXT:
        return FAULT_CSV_FIELD
    if p[0] == 45 or p[0] == 43:
        negative = p[0] == 45
        at = 1
    while at < size:
        if 48 <= p[at] <= 57:
            digits += 1
            behind += point
            if held or p[at] != 48:
                held += 1
            if held <= 19:
                mantissa = mantissa * 10 + (p[at] - 48)
        elif p[at] == 46 and not point:
            point = True
        else:
            break
        at += 1
    if digits == 0:
        return special_float(p, size, value)
    if at < size:
        if p[at] | 0x20 != 101:
            return FAULT_CSV_FIELD
        at += 1
        if at < size and (p[at] == 45 or p[at] == 43):
            down = p[at] == 45
            at += 1
        begun = at
        while at < size and 48 <= p[at] <= 57:
            if at - begun < 8:
                power = power * 10 + (p[at] - 48)
            at += 1
        if at < size or at == begun or at - begun > 8:
            return FAULT_CSV_FIELD
    power = (-power if down else power) - behind
    if held == 0:
        value[0] = -0.0 if negative else 0.0
        return 0
    if ROUNDS_ONCE and held <= 19 and mantissa <= <uint64_t>1 << 53 and -EXACT_POWER <= power <= EXACT_POWER:
        value[0] = <double>mantissa * POWERS[power] if power >= 0 else <double>mantissa / POWERS[-power]
        if negative:
            value[0] = -value[0]
        return 0
    memcpy(text, p, size)
    text[size] = 0
    value[0] = exact_double(text)
    return FAULT_CSV_FIELD if value[0] == 0 or isinf(value[0]) else 0

cdef inline int special_float(const uint8_t* p, Py_ssize_t size, double* value) noexcept nogil:
    """0 for NaN and the infinities in any case of letters, else FAULT_CSV_FIELD."""
    cdef uint64_t bits = 0x7FF8000000000000
    if not spells(p, size, b"nan", 3):
        bits = 0x7FF0000000000000
        if p[0] == 45 or p[0] == 43:
            if p[0] == 45:
                bits |= <uint64_t>1 << 63
            p += 1
            size -= 1
        if not spells(p, size, b"inf", 3) and not spells(p, size, b"infinity", 8):
            return FAULT_CSV_FIELD
    memcpy(value, &bits, 8)
    return 0

cdef inline int put_float_text(Block* out, int kind, const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """A float8; a float4 where a double between brings it to the same one as a single rounding would."""
    cdef double value = 0, plain
    cdef float single
    cdef uint64_t bits
    if read_float(p, size, &value):
        return FAULT_CSV_FIELD
    if kind == KIND_FLOAT8:
        store_f64(tail(out, 8), value)
        return 0
    memcpy(&bits, &value, 8)
    if value != value:
        store_u32(tail(out, 4), 0x7FC00000)
        return 0
    plain = -value if value < 0 else value
    single = <float>value
    # Halfway between two of them, or with fewer bits: the digits beyond the double would decide.
    if plain != 0 and not isinf(plain):
        if bits & 0x1FFFFFFF == 0x10000000 or plain < SMALLEST_FLOAT4 or isinf(single):
            return FAULT_CSV_FIELD
    store_f32(tail(out, 4), single)
    return 0

# ---------------------------------------------------------------- dates and times

cdef inline int two_digits(const uint8_t* p) noexcept nogil:
    """The number of two digits, or one beyond 99."""
    cdef uint32_t tens = <uint32_t>p[0] - 48
    cdef uint32_t ones = <uint32_t>p[1] - 48
    if tens > 9 or ones > 9:
        return 100
    return <int>(tens * 10 + ones)

cdef inline int read_day(const uint8_t* p, int32_t* days) noexcept nogil:
    """0 with days since 2000-01-01 for the ten bytes of YYYY-MM-DD of the years 1 to 9999, else FAULT_CSV_FIELD."""
    cdef int century = two_digits(p), of_century = two_digits(p + 2)
    cdef int month = two_digits(p + 5), day = two_digits(p + 8), year
    if century > 99 or of_century > 99 or p[4] != 45 or p[7] != 45:
        return FAULT_CSV_FIELD
    year = 100 * century + of_century
    if year == 0 or month < 1 or month > 12 or day < 1 or day > days_in(year, month):
        return FAULT_CSV_FIELD
    days[0] = <int32_t>(ordinal_of(year, month, day) - EPOCH_ORDINAL)
    return 0

cdef inline Py_ssize_t read_clock(const uint8_t* p, Py_ssize_t size, int64_t* us) noexcept nogil:
    """Bytes of HH:MM[:SS[.f to .ffffff]] before 24:00, with microseconds since midnight; 0 where there is none."""
    cdef int hour, minute, second = 0, fraction = 0
    cdef Py_ssize_t at = 5, begun
    if size < 5 or p[2] != 58:
        return 0
    hour = two_digits(p)
    minute = two_digits(p + 3)
    if size > 5 and p[5] == 58:
        if size < 8:
            return 0
        second = two_digits(p + 6)
        at = 8
        if size > 8 and p[8] == 46:
            at = 9
            begun = at
            while at < size and at - begun < 6 and 48 <= p[at] <= 57:
                fraction = fraction * 10 + (p[at] - 48)
                at += 1
            if at == begun:
                return 0
            while begun + 6 > at:
                fraction *= 10
                begun -= 1
    if hour > 23 or minute > 59 or second > 59:
        return 0
    us[0] = ((<int64_t>hour * 60 + minute) * 60 + second) * 1000000 + fraction
    return at

cdef inline int read_offset(const uint8_t* p, Py_ssize_t size, int64_t* us) noexcept nogil:
    """0 with microseconds east of UTC for Z, +HH, +HHMM and +HH:MM below 16 hours, else FAULT_CSV_FIELD."""
    cdef int hours, minutes = 0
    us[0] = 0
    if size == 1 and p[0] == 90:
        return 0
    if size < 3 or (p[0] != 43 and p[0] != 45):
        return FAULT_CSV_FIELD
    hours = two_digits(p + 1)
    if size == 5:
        minutes = two_digits(p + 3)
    elif size == 6 and p[3] == 58:
        minutes = two_digits(p + 4)
    elif size != 3:
        return FAULT_CSV_FIELD
    if hours > 15 or minutes > 59:
        return FAULT_CSV_FIELD
    us[0] = <int64_t>(hours * 60 + minutes) * 60000000
    if p[0] == 45:
        us[0] = -us[0]
    return 0

cdef inline int put_timestamp_text(Block* out, bint zoned, bint utc, const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """A timestamp; one with time zone where it names its offset, or where the session's zone is UTC."""
    cdef int32_t days = 0
    cdef int64_t us = 0, east = 0
    cdef Py_ssize_t at = 10
    if size < 10 or read_day(p, &days):
        return FAULT_CSV_FIELD
    if size > 10:
        if p[10] != 32 and p[10] != 84:
            return FAULT_CSV_FIELD
        at = read_clock(p + 11, size - 11, &us)
        if at == 0:
            return FAULT_CSV_FIELD
        at += 11
    if at < size:
        if not zoned or read_offset(p + at, size - at, &east):
            return FAULT_CSV_FIELD
    elif zoned and not utc:
        return FAULT_CSV_FIELD
    store_i64(tail(out, 8), days * US_PER_DAY + us - east)
    return 0

# ---------------------------------------------------------------- other values

cdef inline bint begins(const uint8_t* p, Py_ssize_t size, const char* word, Py_ssize_t length) noexcept nogil:
    """Whether the text is a beginning of the word, which is in lower case."""
    return size <= length and spells(p, size, word, size)

cdef inline int put_bool_text(Block* out, const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """A boolean: a word, or a beginning that is one word's alone."""
    cdef bint value
    if size == 0:
        return FAULT_CSV_FIELD
    if size == 1 and (p[0] == 48 or p[0] == 49):
        value = p[0] == 49
    elif begins(p, size, b"true", 4) or begins(p, size, b"yes", 3) or spells(p, size, b"on", 2):
        value = True
    elif begins(p, size, b"false", 5) or begins(p, size, b"no", 2) or (size > 1 and begins(p, size, b"off", 3)):
        value = False
    else:
        return FAULT_CSV_FIELD
    tail(out, 1)[0] = value
    return 0

cdef inline int nibble(uint8_t code) noexcept nogil:
    """The number of a hexadecimal digit, or one beyond 15."""
    if 48 <= code <= 57:
        return code - 48
    code |= 0x20
    return code - 87 if 97 <= code <= 102 else 16

cdef inline int put_uuid_text(Block* out, const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """A UUID, in braces or not, with a hyphen behind any four digits or none."""
    cdef uint8_t made[16]
    cdef Py_ssize_t at = 0
    cdef bint braces = size and p[0] == 123
    cdef int i, high, low
    if braces:
        at = 1
    for i in range(16):
        if size - at < 2:
            return FAULT_CSV_FIELD
        high = nibble(p[at])
        low = nibble(p[at + 1])
        if high > 15 or low > 15:
            return FAULT_CSV_FIELD
        made[i] = <uint8_t>(high << 4 | low)
        at += 2
        if i & 1 and i < 15 and at < size and p[at] == 45:
            at += 1
    if braces:
        if at == size or p[at] != 125:
            return FAULT_CSV_FIELD
        at += 1
    if at != size:
        return FAULT_CSV_FIELD
    memcpy(tail(out, 16), made, 16)
    return 0

cdef inline int put_bytea_text(Block* out, const uint8_t* p, Py_ssize_t size, Py_ssize_t room) noexcept nogil:
    """Bytes in hex form, or ASCII without a backslash."""
    cdef Py_ssize_t i
    cdef int high, low
    cdef uint8_t* to
    if size < 2 or p[0] != 92 or p[1] != 120:
        for i in range(size):
            if p[i] == 92 or p[i] == 0 or p[i] > 127:
                return FAULT_CSV_FIELD
        if reserve(out, size + room):
            return OUT_OF_MEMORY
        copy(tail(out, <int32_t>size), p, size)
        return 0
    if size & 1:
        return FAULT_CSV_FIELD
    size = (size - 2) >> 1
    if reserve(out, size + room):
        return OUT_OF_MEMORY
    to = out.data + out.size + 4
    for i in range(size):
        high = nibble(p[2 + 2 * i])
        low = nibble(p[3 + 2 * i])
        if high > 15 or low > 15:
            return FAULT_CSV_FIELD
        to[i] = <uint8_t>(high << 4 | low)
    tail(out, <int32_t>size)
    return 0

cdef inline int check_text(const uint8_t* p, Py_ssize_t size) noexcept nogil:
    if size and memchr(p, 0, <size_t>size) != NULL:
        return FAULT_NUL
    return 0 if utf8_valid(p, size) else FAULT_CSV_UTF8

cdef inline int put_plain_text(
    Block* out, const CsvColumn* column, const uint8_t* p, Py_ssize_t size, Py_ssize_t room, bint odd
) noexcept nogil:
    """Text as it is, behind jsonb's version byte where that is wanted."""
    cdef int lead = 1 if column.kind == KIND_JSONB else 0
    cdef int code
    cdef uint8_t* to
    if odd:
        code = check_text(p, size)
        if code:
            return code
    if size > column.limit:
        return FAULT_CSV_FIELD
    if reserve(out, size + lead + room):
        return OUT_OF_MEMORY
    to = tail(out, <int32_t>(size + lead))
    if lead:
        to[0] = 1
        to += 1
    copy(to, p, size)
    return 0

cdef inline int put_csv_field(
    Block* out, const CsvColumn* column, const uint8_t* p, Py_ssize_t size, Py_ssize_t room, bint utc, bint odd
) noexcept nogil:
    """The field as the kind's binary form: 0, the code of a fault, or OUT_OF_MEMORY. The row's reserve made the room.
    """
    cdef int kind = column.kind
    cdef int32_t days = 0
    cdef int64_t us = 0
    if kind == KIND_STR or kind == KIND_ENUM or kind == KIND_JSON or kind == KIND_JSONB:
        return put_plain_text(out, column, p, size, room, odd)
    if kind == KIND_NUMERIC:
        return put_decimal_field(out, column, p, size, room)
    if kind == KIND_INT4 or kind == KIND_INT8 or kind == KIND_INT2 or kind == KIND_OID:
        return put_integer_text(out, kind, p, size)
    if kind == KIND_DATE:
        if size != 10 or read_day(p, &days):
            return FAULT_CSV_FIELD
        store_i32(tail(out, 4), days)
        return 0
    if kind == KIND_TIMESTAMP or kind == KIND_TIMESTAMPTZ:
        return put_timestamp_text(out, kind == KIND_TIMESTAMPTZ, utc, p, size)
    if kind == KIND_FLOAT8 or kind == KIND_FLOAT4:
        return put_float_text(out, kind, p, size)
    if kind == KIND_BOOL:
        return put_bool_text(out, p, size)
    if kind == KIND_UUID:
        return put_uuid_text(out, p, size)
    if kind == KIND_BYTES:
        return put_bytea_text(out, p, size, room)
    if kind == KIND_TIME:
        if size == 0 or read_clock(p, size, &us) != size:
            return FAULT_CSV_FIELD
        store_i64(tail(out, 8), us)
        return 0
    if size != 1 or p[0] == 0 or p[0] == 92 or p[0] > 127:  # KIND_CHAR
        return FAULT_CSV_FIELD
    tail(out, 1)[0] = p[0]
    return 0

cdef inline int put_escaped_field(
    Block* out, const uint8_t* p, Py_ssize_t size, bint odd
) noexcept nogil:
    """The field as a field of text COPY: 0, the code of a fault, or OUT_OF_MEMORY."""
    cdef Py_ssize_t i
    cdef uint8_t code
    cdef uint8_t* to
    cdef int status = check_text(p, size) if odd else 0
    if status:
        return status
    if reserve(out, 2 * size + 3):
        return OUT_OF_MEMORY
    to = out.data + out.size
    for i in range(size):
        code = p[i]
        if code == 92 or 8 <= code <= 13:
            to[0] = 92
            to[1] = code if code == 92 else <uint8_t>(b"btnvfr"[code - 8])
            to += 2
        else:
            to[0] = code
            to += 1
    out.size = to - out.data
    return 0

# ---------------------------------------------------------------- rows

cdef inline int put_csv_row(
    Block* out, const CsvForm* form, const CsvColumn* columns, Py_ssize_t count, CsvField* fields, Block* scratch,
    bint odd, Py_ssize_t row, Fault* fault
) noexcept nogil:
    """The record's columns as a tuple or a line; 0 or the code that `fault` holds."""
    cdef Py_ssize_t index, room = 2 + count * ROOM
    cdef const CsvColumn* column
    cdef CsvField* field
    cdef int code
    if reserve(out, room):
        return stop(fault, OUT_OF_MEMORY, row, -1)
    if form.binary:
        store_u16(out.data + out.size, <uint32_t>count)
        out.size += 2
    for index in range(count):
        column = &columns[index]
        field = &fields[column.field]
        scratch.size = 0
        if column.form and reserve(scratch, 2 * field.size + 16):
            return stop(fault, OUT_OF_MEMORY, row, index)
        if field.written == MIXED and unquote(scratch, field, form.quote, form.escape):
            return stop(fault, OUT_OF_MEMORY, row, index)
        code = 0
        if stands_for_null(column, field):
            if form.binary:
                code = put_null(out)
            else:
                code = reserve(out, 3)
                if code == 0:
                    memcpy(out.data + out.size, b"\\N", 2)
                    out.size += 2
        else:
            if column.form:
                code = usual_form(scratch, field, column.form)
            if code == 0 and form.binary:
                code = put_csv_field(out, column, field.start, field.size, room, form.utc, odd)
            elif code == 0:
                code = put_escaped_field(out, field.start, field.size, odd)
        if code:
            stop(fault, code, row, index)
            fault.shown = 4 if code == FAULT_NUL or code == FAULT_CSV_UTF8 else 5
            fault.text = field.start
            fault.text_size = field.size
            return code
        if not form.binary:  # each field left room for the mark behind it
            out.data[out.size] = 10 if index + 1 == count else 9
            out.size += 1
    return 0

cdef inline int next_row(
    CsvForm* form, const uint8_t* at, const uint8_t* end, bint final, CsvField* fields, const uint8_t** behind,
    bint* odd, Py_ssize_t row, Fault* fault
) noexcept nogil:
    """0 with the fields of a record and where the next one begins; 1 for what is no row (the header, a blank line);
    INCOMPLETE, or the code that `fault` holds."""
    cdef Py_ssize_t found = 0
    cdef int code
    if form.escape == form.quote:
        code = cut_record(form, at, end, final, fields, &found, behind, odd)
    else:
        code = cut_escaped_record(form, at, end, final, fields, &found, behind, odd)
    if code == INCOMPLETE:
        return code
    if code:
        return stop(fault, code, row, -1)
    if form.header:
        form.header = False
        return 1
    if found == 1 and fields[0].size == 0 and fields[0].written == PLAIN and form.width > 1:
        return 1
    while form.fill and found < form.width:
        fields[found].start = at
        fields[found].size = 0
        fields[found].written = ABSENT
        found += 1
    if found != form.width:
        stop(fault, FAULT_ROW_WIDTH, row, -1)
        fault.detail = found
        return FAULT_ROW_WIDTH
    return 0

cdef inline int put_csv_rows(
    Block* out, CsvForm* form, const CsvColumn* columns, Py_ssize_t count, CsvField* fields, Block* scratch,
    const uint8_t** place, const uint8_t* end, bint final, Py_ssize_t limit_bytes, Py_ssize_t* rows, Fault* fault,
    const uint8_t** next_record
) noexcept nogil:
    """Records from `place` on, until `out` holds `limit_bytes`; on a fault the row is taken back.

    `next_record` is then where the next one begins, NULL where that is not known.
    """
    cdef const uint8_t* behind = place[0]
    cdef Py_ssize_t before
    cdef bint odd = False
    cdef int code
    next_record[0] = NULL
    while place[0] < end and out.size < limit_bytes:
        code = next_row(form, place[0], end, final, fields, &behind, &odd, rows[0], fault)
        if code < 0:
            break
        if code > 1:
            if code == FAULT_ROW_WIDTH:
                next_record[0] = behind
            return code
        if code == 0:
            before = out.size
            code = put_csv_row(out, form, columns, count, fields, scratch, odd, rows[0], fault)
            if code:
                out.size = before
                next_record[0] = behind
                return code
            rows[0] += 1
        place[0] = behind
    return 0
