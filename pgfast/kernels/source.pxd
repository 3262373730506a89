# cython: cdivision=True, boundscheck=False, wraparound=False
# Columns in memory -> fields on the wire, without the GIL.
#
# Law of this file: a source column is somebody else's memory. Its buffers were measured against its length before the
# first row (`_codec.pyx`, measure), and every offset, index and view in it is checked where it is used. Each row
# reserves ROOM bytes a column before it begins, so stores of fixed width need no check of their own; values of any
# width reserve theirs.
#
# Sources: the Arrow columnar format; the server's *_recv functions.

from libc.math cimport isinf
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy, memset

from pgfast.kernels.numeric cimport U128, U256, negate_wide, put_decimal, put_int_numeric, put_wide_decimal
from pgfast.kernels.wire cimport *

cdef enum:
    ROOM = 64  # length word, and the longest fixed or numeric value: 8 + 2 * 22 bytes
    WIRE = 100  # a layout of our own: fields already encoded, each behind its length word

# Pairs of layout and kind that `put_rows` writes itself, within the ROOM of the column.
cdef enum Quick:
    QUICK_NONE = 0
    QUICK_INT4
    QUICK_INT8
    QUICK_REAL8
    QUICK_DATE
    QUICK_TIMESTAMP
    QUICK_MIDNIGHT
    QUICK_DECIMAL
    QUICK_TEXT32
    QUICK_VIEW

cdef struct SourceColumn:
    int layout
    int kind
    int quick  # Quick
    Py_ssize_t offset
    const uint8_t* validity
    const uint8_t* values
    Py_ssize_t values_size
    const uint8_t* offsets  # offsets, or views
    int64_t scale
    const uint8_t** variadic
    Py_ssize_t* variadic_sizes
    Py_ssize_t variadic_count
    SourceColumn* dictionary
    Py_ssize_t dictionary_length
    Block wire  # WIRE: the encoded fields
    Py_ssize_t* wire_ends  # WIRE: where field i ends
    Py_ssize_t wire_count  # WIRE: fields encoded; the next one is a fault that Python has raised
    Py_ssize_t wire_start

cdef inline int64_t load_index(const uint8_t* values, int layout, Py_ssize_t index) noexcept nogil:
    """An integer of any width; those beyond int64 come out negative, which as an index is out of range too."""
    cdef int16_t i16
    cdef uint16_t u16
    cdef int32_t i32
    cdef uint32_t u32
    cdef int64_t i64
    if layout == LAYOUT_I32 or layout == LAYOUT_DATE32 or layout == LAYOUT_TIME32:
        memcpy(&i32, values + 4 * index, 4)
        return i32
    if layout == LAYOUT_I8:
        return (<const int8_t*>values)[index]
    if layout == LAYOUT_U8:
        return values[index]
    if layout == LAYOUT_I16:
        memcpy(&i16, values + 2 * index, 2)
        return i16
    if layout == LAYOUT_U16:
        memcpy(&u16, values + 2 * index, 2)
        return u16
    if layout == LAYOUT_U32:
        memcpy(&u32, values + 4 * index, 4)
        return u32
    memcpy(&i64, values + 8 * index, 8)
    return i64

cdef inline int bad_number(
    Fault* fault, int code, const SourceColumn* column, Py_ssize_t row, Py_ssize_t index, int64_t value
) noexcept nogil:
    stop_number(fault, code, row, index, value)
    if column.layout == LAYOUT_U64:
        fault.shown = 2
    return code

cdef inline int bad_real(Fault* fault, Py_ssize_t row, Py_ssize_t index, double value) noexcept nogil:
    stop(fault, FAULT_VALUE_RANGE, row, index)
    fault.shown = 3
    fault.real = value
    return FAULT_VALUE_RANGE

cdef inline uint8_t* tail(Block* out, int32_t size) noexcept nogil:
    """Where a field of `size` bytes goes, its length word written; the row's reserve made the room."""
    cdef uint8_t* p = out.data + out.size
    store_i32(p, size)
    out.size += 4 + size
    return p + 4

cdef inline int put_integer(
    Block* out, const SourceColumn* column, Py_ssize_t at, Py_ssize_t row, Py_ssize_t index, Fault* fault
) noexcept nogil:
    cdef int64_t value = load_index(column.values, column.layout, at)
    cdef bint huge = column.layout == LAYOUT_U64 and value < 0  # beyond int64
    cdef int kind = column.kind
    cdef int size
    if kind == KIND_INT4:
        if huge or value != <int32_t>value:
            return bad_number(fault, FAULT_VALUE_RANGE, column, row, index, value)
        store_i32(tail(out, 4), <int32_t>value)
    elif kind == KIND_INT8:
        if huge:
            return bad_number(fault, FAULT_VALUE_RANGE, column, row, index, value)
        store_i64(tail(out, 8), value)
    elif kind == KIND_INT2:
        if huge or value != <int16_t>value:
            return bad_number(fault, FAULT_VALUE_RANGE, column, row, index, value)
        store_u16(tail(out, 2), <uint16_t>value)
    elif kind == KIND_OID:
        if huge or value < 0 or value > <int64_t>LOW32:
            return bad_number(fault, FAULT_VALUE_RANGE, column, row, index, value)
        store_u32(tail(out, 4), <uint32_t>value)
    elif kind == KIND_UINT8:
        if value < 0 and not huge:
            return bad_number(fault, FAULT_VALUE_RANGE, column, row, index, value)
        store_u64(tail(out, 8), <uint64_t>value)
    elif kind == KIND_FLOAT8:
        store_f64(tail(out, 8), <double><uint64_t>value if huge else <double>value)
    elif huge or value >= 0:  # KIND_NUMERIC
        size = put_int_numeric(out.data + out.size + 4, <uint64_t>value, False)
        tail(out, size)
    else:
        size = put_int_numeric(out.data + out.size + 4, ~<uint64_t>value + 1, True)
        tail(out, size)
    return 0

cdef inline int put_real(
    Block* out, const SourceColumn* column, Py_ssize_t at, Py_ssize_t row, Py_ssize_t index, Fault* fault
) noexcept nogil:
    cdef float single
    cdef double real
    cdef uint32_t bits32
    cdef uint64_t bits64
    if column.layout == LAYOUT_F64:
        if column.kind == KIND_FLOAT8:
            memcpy(&bits64, column.values + 8 * at, 8)
            store_u64(tail(out, 8), bits64)
            return 0
        memcpy(&real, column.values + 8 * at, 8)
        single = <float>real
        if isinf(single) and not isinf(real):
            return bad_real(fault, row, index, real)
        store_f32(tail(out, 4), single)
    elif column.kind == KIND_FLOAT4:
        memcpy(&bits32, column.values + 4 * at, 4)
        store_u32(tail(out, 4), bits32)
    else:
        memcpy(&single, column.values + 4 * at, 4)
        store_f64(tail(out, 8), <double>single)
    return 0

cdef inline int microseconds(
    int64_t units, int64_t scale, int64_t* us
) noexcept nogil:
    """0 with `us` filled, FAULT_SUBMICROSECOND, or FAULT_VALUE_RANGE where int64 cannot hold it."""
    cdef int64_t factor
    if scale > 1000000:
        factor = scale // 1000000
        if units % factor:
            return FAULT_SUBMICROSECOND
        us[0] = units // factor
        return 0
    factor = 1000000 // scale
    if units > INT64_MAX // factor or units < INT64_MIN // factor:
        return FAULT_VALUE_RANGE
    us[0] = units * factor
    return 0

cdef inline int put_temporal(
    Block* out, const SourceColumn* column, Py_ssize_t at, Py_ssize_t row, Py_ssize_t index, Fault* fault
) noexcept nogil:
    cdef int layout = column.layout
    cdef int64_t units = load_index(column.values, layout, at)
    cdef int64_t us = 0
    cdef int code
    cdef uint8_t* p
    if layout == LAYOUT_DATE32:
        if units != INT32_MIN and units != INT32_MAX:
            if units - EPOCH_DAYS < INT32_MIN:
                return bad_number(fault, FAULT_VALUE_RANGE, column, row, index, units)
            units -= EPOCH_DAYS
        store_i32(tail(out, 4), <int32_t>units)
        return 0
    if layout == LAYOUT_DATE64:
        us = units // 86400000 - EPOCH_DAYS
        if units % 86400000 or us <= INT32_MIN or us >= INT32_MAX:
            return bad_number(fault, FAULT_VALUE_RANGE, column, row, index, units)
        store_i32(tail(out, 4), <int32_t>us)
        return 0
    if layout == LAYOUT_TIMESTAMP and column.kind == KIND_DATE:
        if units == INT64_MIN or units == INT64_MAX:
            us = INT32_MIN if units < 0 else INT32_MAX
        elif units % (column.scale * SECONDS_PER_DAY):
            return bad_number(fault, FAULT_TIME_OF_DAY, column, row, index, units)
        else:
            us = units // (column.scale * SECONDS_PER_DAY) - EPOCH_DAYS
            if us <= INT32_MIN or us >= INT32_MAX:
                return bad_number(fault, FAULT_VALUE_RANGE, column, row, index, units)
        store_i32(tail(out, 4), <int32_t>us)
        return 0
    if layout == LAYOUT_TIMESTAMP and (units == INT64_MIN or units == INT64_MAX):
        store_i64(tail(out, 8), units)
        return 0
    code = microseconds(units, column.scale, &us)
    if code:
        return bad_number(fault, code, column, row, index, units)
    if layout == LAYOUT_TIMESTAMP:
        if us <= INT64_MIN + EPOCH_US:
            return bad_number(fault, FAULT_VALUE_RANGE, column, row, index, units)
        us -= EPOCH_US
        store_i64(tail(out, 8), us)
    elif layout == LAYOUT_DURATION:  # whole days and a rest of the same sign, as of a timedelta
        p = tail(out, 16)
        store_i64(p, us % US_PER_DAY)
        store_i32(p + 8, <int32_t>(us // US_PER_DAY))
        store_i32(p + 12, 0)
    else:
        if us < 0 or us > US_PER_DAY:
            return bad_number(fault, FAULT_VALUE_RANGE, column, row, index, units)
        store_i64(tail(out, 8), us)
    return 0

cdef inline int put_interval(
    Block* out, const SourceColumn* column, Py_ssize_t at, Py_ssize_t row, Py_ssize_t index, Fault* fault
) noexcept nogil:
    cdef int32_t months, days
    cdef int64_t ns
    cdef uint8_t* p
    memcpy(&months, column.values + 16 * at, 4)
    memcpy(&days, column.values + 16 * at + 4, 4)
    memcpy(&ns, column.values + 16 * at + 8, 8)
    if ns % 1000:
        return bad_number(fault, FAULT_SUBMICROSECOND, column, row, index, ns)
    p = tail(out, 16)
    store_i64(p, ns // 1000)
    store_i32(p + 8, days)
    store_i32(p + 12, months)
    return 0

cdef inline int decimal128_field(uint8_t* to, const uint8_t* p, int scale) noexcept nogil:
    """Bytes written: a decimal128 as a numeric behind its length word."""
    cdef U128 value
    cdef bint negative
    cdef int size
    value.low = load_u64_little(p)
    value.high = load_u64_little(p + 8)
    negative = value.high >> 63
    if negative:
        value.low = ~value.low + 1
        value.high = ~value.high + (1 if value.low == 0 else 0)
    size = put_decimal(to + 4, value, negative, scale)
    store_i32(to, size)
    return 4 + size

cdef inline int put_decimal128(Block* out, const SourceColumn* column, Py_ssize_t at) noexcept nogil:
    out.size += decimal128_field(out.data + out.size, column.values + 16 * at, <int>column.scale)
    return 0

cdef inline int put_decimal256(Block* out, const SourceColumn* column, Py_ssize_t at) noexcept nogil:
    cdef U256 value
    cdef const uint8_t* p = column.values + 32 * at
    cdef bint negative
    cdef int size, i, byte
    for i in range(8):
        value.words[i] = 0
        for byte in range(4):
            value.words[i] |= <uint32_t>p[4 * i + byte] << (8 * byte)
    negative = value.words[7] >> 31
    if negative:
        negate_wide(&value)
    size = put_wide_decimal(out.data + out.size + 4, &value, negative, <int>column.scale)
    tail(out, size)
    return 0

cdef inline int extent(
    const SourceColumn* column, Py_ssize_t at, const uint8_t** start, Py_ssize_t* size
) noexcept nogil:
    """0 with the bytes of a value of any width, or FAULT_SOURCE_BUFFER."""
    cdef int32_t first32, last32, which, begin
    cdef int64_t first, last
    cdef const uint8_t* view
    if column.layout == LAYOUT_VAR32:
        memcpy(&first32, column.offsets + 4 * at, 4)
        memcpy(&last32, column.offsets + 4 * at + 4, 4)
        first = first32
        last = last32
    elif column.layout == LAYOUT_VAR64:
        memcpy(&first, column.offsets + 8 * at, 8)
        memcpy(&last, column.offsets + 8 * at + 8, 8)
    else:
        view = column.offsets + 16 * at
        memcpy(&first32, view, 4)
        if 0 <= first32 <= 12:
            start[0] = view + 4
            size[0] = first32
            return 0
        memcpy(&which, view + 8, 4)
        memcpy(&begin, view + 12, 4)
        if first32 < 0 or which < 0 or which >= column.variadic_count or begin < 0:
            return FAULT_SOURCE_BUFFER
        if <int64_t>begin + first32 > column.variadic_sizes[which]:
            return FAULT_SOURCE_BUFFER
        start[0] = column.variadic[which] + begin
        size[0] = first32
        return 0
    if first < 0 or last < first or last > column.values_size:
        return FAULT_SOURCE_BUFFER
    start[0] = column.values + first
    size[0] = <Py_ssize_t>(last - first)
    return 0

cdef inline bint is_space(uint8_t code) noexcept nogil:
    return code == 32 or 9 <= code <= 13

cdef inline bint spells(const uint8_t* p, Py_ssize_t size, const char* word, Py_ssize_t length) noexcept nogil:
    """Whether the text is the word, which is in lower case."""
    cdef Py_ssize_t i
    if size != length:
        return False
    for i in range(size):
        if (p[i] | 0x20) != <uint8_t>word[i]:
            return False
    return True

cdef inline int put_special_numeric(Block* out, const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """0 for NaN and the infinities, else FAULT_NUMERIC_TEXT; the row's reserve made the room."""
    cdef int sign = NUMERIC_PINF
    cdef uint8_t* to
    if spells(p, size, b"nan", 3):
        sign = NUMERIC_NAN
    else:
        if size and (p[0] == 43 or p[0] == 45):
            sign = NUMERIC_NINF if p[0] == 45 else NUMERIC_PINF
            p += 1
            size -= 1
        if not spells(p, size, b"inf", 3) and not spells(p, size, b"infinity", 8):
            return FAULT_NUMERIC_TEXT
    to = tail(out, 8)
    memset(to, 0, 8)
    store_u16(to + 4, <uint32_t>sign)
    return 0

cdef inline int put_number_text(Block* out, const uint8_t* p, Py_ssize_t size, Py_ssize_t room) noexcept nogil:
    """The numeric of decimal text as numeric_in reads it; 0, FAULT_NUMERIC_TEXT, FAULT_VALUE_RANGE or OUT_OF_MEMORY."""
    cdef Py_ssize_t at = 0, whole_at, whole, fraction_at, fraction = 0, digits, scale, power = 0, exponent_at = 0
    cdef Py_ssize_t i, first, before, lead, count
    cdef bint negative = False, exponent_negative = False
    cdef int acc = 0
    cdef uint8_t* to
    while size and is_space(p[0]):
        p += 1
        size -= 1
    while size and is_space(p[size - 1]):
        size -= 1
    if size and (p[0] == 43 or p[0] == 45):
        negative = p[0] == 45
        at = 1
    whole_at = at
    while at < size and 48 <= p[at] <= 57:
        at += 1
    whole = at - whole_at
    fraction_at = at + 1
    if at < size and p[at] == 46:
        at += 1
        while at < size and 48 <= p[at] <= 57:
            at += 1
        fraction = at - fraction_at
    digits = whole + fraction
    if digits == 0:
        return put_special_numeric(out, p, size)
    if at < size and (p[at] | 0x20) == 101:
        at += 1
        if at < size and (p[at] == 43 or p[at] == 45):
            exponent_negative = p[at] == 45
            at += 1
        exponent_at = at
        while at < size and 48 <= p[at] <= 57:
            if at - exponent_at < 8:
                power = power * 10 + (p[at] - 48)
            at += 1
        if at == exponent_at:
            return FAULT_NUMERIC_TEXT
    if at != size:
        return FAULT_NUMERIC_TEXT
    if exponent_at and size - exponent_at > 8:
        return FAULT_VALUE_RANGE
    scale = fraction + power if exponent_negative else fraction - power
    first = 0
    while first < digits and (p[whole_at + first] if first < whole else p[fraction_at + first - whole]) == 48:
        first += 1
    digits -= first
    if digits and -scale > NUMERIC_MAX_WHOLE_DIGITS:
        return FAULT_VALUE_RANGE
    before = digits - scale  # digits before the point; negative: zeros behind it come first
    if scale < 0:
        scale = 0
    if scale > NUMERIC_MAX_SCALE or (digits and before > NUMERIC_MAX_WHOLE_DIGITS):  # 0 is 0 with any exponent
        return FAULT_VALUE_RANGE
    if digits == 0:
        to = tail(out, 8)
        memset(to, 0, 8)
        store_u16(to + 6, <uint32_t>scale)
        return 0
    lead = (4 - before % 4) % 4 if before >= 0 else -before % 4
    count = (lead + digits + 3) // 4
    if reserve(out, 12 + 2 * count + room):
        return OUT_OF_MEMORY
    to = out.data + out.size + 4
    for i in range(4 * count - lead):
        if i < digits:
            acc = acc * 10 - 48
            acc += p[whole_at + first + i] if first + i < whole else p[fraction_at + first + i - whole]
        else:
            acc = acc * 10
        if (lead + i) & 3 == 3:
            store_u16(to + 8 + 2 * ((lead + i) >> 2), <uint32_t>acc)
            acc = 0
    while load_u16(to + 6 + 2 * count) == 0:  # the first group is not zero
        count -= 1
    store_u16(to, <uint32_t>count)
    store_u16(to + 2, <uint32_t>((before + lead) // 4 - 1))
    store_u16(to + 4, NUMERIC_NEGATIVE if negative else NUMERIC_POSITIVE)
    store_u16(to + 6, <uint32_t>scale)
    tail(out, <int32_t>(8 + 2 * count))
    return 0

cdef inline int put_variable(
    Block* out, const SourceColumn* column, Py_ssize_t at, Py_ssize_t row, Py_ssize_t index, Py_ssize_t room,
    Fault* fault
) noexcept nogil:
    """A value of any width; `room` is what the rest of the row reserved."""
    cdef const uint8_t* start = NULL
    cdef Py_ssize_t size = 0
    cdef int lead = 1 if column.kind == KIND_JSONB else 0
    cdef uint8_t* p
    cdef int code
    if extent(column, at, &start, &size):
        return stop(fault, FAULT_SOURCE_BUFFER, row, index)
    if column.kind == KIND_NUMERIC:
        code = put_number_text(out, start, size, room)
        if code:
            stop(fault, code, row, index)
            fault.shown = 5
            fault.text = start
            fault.text_size = size
        return code
    if column.kind != KIND_BYTES and size and memchr(start, 0, size) != NULL:
        stop(fault, FAULT_NUL, row, index)
        fault.shown = 4
        fault.text = start
        fault.text_size = size
        return FAULT_NUL
    if size + lead > INT32_MAX:
        return stop(fault, FAULT_MESSAGE_SIZE, row, index)
    if reserve(out, size + lead + room):
        return stop(fault, OUT_OF_MEMORY, row, index)
    p = tail(out, <int32_t>(size + lead))
    if lead:
        p[0] = 1
        p += 1
    copy(p, start, size)
    return 0

cdef inline int put_wire(
    Block* out, const SourceColumn* column, Py_ssize_t row, Py_ssize_t room, Fault* fault, Py_ssize_t index
) noexcept nogil:
    cdef Py_ssize_t i = row - column.wire_start, begin, size
    if i >= column.wire_count:
        return stop(fault, FAULT_COERCE, i, index)  # the exception itself is kept by the caller
    begin = column.wire_ends[i - 1] if i else 0
    size = column.wire_ends[i] - begin
    if reserve(out, size + room):
        return stop(fault, OUT_OF_MEMORY, row, index)
    memcpy(out.data + out.size, column.wire.data + begin, size)
    out.size += size
    return 0

cdef inline int put_null(Block* out) noexcept nogil:
    store_i32(out.data + out.size, -1)
    out.size += 4
    return 0

cdef inline int put_field(
    Block* out, const SourceColumn* column, Py_ssize_t at, Py_ssize_t row, Py_ssize_t index, Py_ssize_t room,
    Fault* fault
) noexcept nogil:
    """The field at place `at` of the column's memory; `row` is how a fault counts it. 0 or the code `fault` holds."""
    cdef int layout
    cdef int64_t entry
    if column.validity != NULL and not (column.validity[at >> 3] >> (at & 7)) & 1:
        return put_null(out)
    if column.dictionary != NULL:
        entry = load_index(column.values, column.layout, at)
        if entry < 0 or entry >= column.dictionary_length:
            return stop(fault, FAULT_SOURCE_BUFFER, row, index)
        column = column.dictionary
        at = column.offset + <Py_ssize_t>entry
        if column.validity != NULL and not (column.validity[at >> 3] >> (at & 7)) & 1:
            return put_null(out)
    layout = column.layout
    if LAYOUT_I8 <= layout <= LAYOUT_U64:
        return put_integer(out, column, at, row, index, fault)
    if LAYOUT_VAR32 <= layout <= LAYOUT_VIEW:
        return put_variable(out, column, at, row, index, room, fault)
    if layout == LAYOUT_DECIMAL128:
        return put_decimal128(out, column, at)
    if layout == LAYOUT_DECIMAL256:
        return put_decimal256(out, column, at)
    if LAYOUT_DATE32 <= layout <= LAYOUT_DURATION:
        return put_temporal(out, column, at, row, index, fault)
    if layout == LAYOUT_F64 or layout == LAYOUT_F32:
        return put_real(out, column, at, row, index, fault)
    if layout == LAYOUT_BOOL_BITS:
        tail(out, 1)[0] = (column.values[at >> 3] >> (at & 7)) & 1
        return 0
    if layout == LAYOUT_BOOL_BYTES:
        tail(out, 1)[0] = 1 if column.values[at] else 0
        return 0
    if layout == LAYOUT_MONTH_DAY_NANO:
        return put_interval(out, column, at, row, index, fault)
    if layout == LAYOUT_FIXED:
        if reserve(out, <Py_ssize_t>column.scale + room):
            return stop(fault, OUT_OF_MEMORY, row, index)
        copy(tail(out, <int32_t>column.scale), column.values + at * <Py_ssize_t>column.scale, <Py_ssize_t>column.scale)
        return 0
    return put_null(out)  # LAYOUT_NULL

cdef inline int quick_of(const SourceColumn* column) noexcept nogil:
    """How `put_rows` writes the values of a column itself."""
    cdef int layout = column.layout, kind = column.kind
    if column.dictionary != NULL:
        return QUICK_NONE
    if layout == LAYOUT_I32 and kind == KIND_INT4:
        return QUICK_INT4
    if layout == LAYOUT_I64 and kind == KIND_INT8:
        return QUICK_INT8
    if layout == LAYOUT_F64 and kind == KIND_FLOAT8:
        return QUICK_REAL8
    if layout == LAYOUT_DATE32:
        return QUICK_DATE
    if layout == LAYOUT_TIMESTAMP:
        if kind == KIND_DATE:
            return QUICK_MIDNIGHT
        return QUICK_TIMESTAMP if column.scale == 1000000 else QUICK_NONE
    if layout == LAYOUT_DECIMAL128:
        return QUICK_DECIMAL
    if kind == KIND_STR or kind == KIND_ENUM or kind == KIND_JSON:
        if layout == LAYOUT_VAR32:
            return QUICK_TEXT32
        if layout == LAYOUT_VIEW:
            return QUICK_VIEW
    return QUICK_NONE

cdef inline int quick_field(const SourceColumn* column, Py_ssize_t at, uint8_t* to) noexcept nogil:
    """Bytes written at `to`, at most ROOM; 0 for what `put_field` must write or refuse."""
    cdef uint64_t bits64
    cdef int64_t units, day
    cdef int32_t number, last, which
    cdef const uint8_t* text
    cdef int quick = column.quick
    if quick == QUICK_INT8 or quick == QUICK_REAL8:
        memcpy(&bits64, column.values + 8 * at, 8)
        store_i32(to, 8)
        store_u64(to + 4, bits64)
        return 12
    elif quick == QUICK_DECIMAL:
        return decimal128_field(to, column.values + 16 * at, <int>column.scale)
    elif quick == QUICK_TEXT32:
        memcpy(&number, column.offsets + 4 * at, 4)
        memcpy(&last, column.offsets + 4 * at + 4, 4)
        if number < 0 or last < number or last > column.values_size or last - number > SHORT:
            return 0
        last -= number
        store_i32(to, last)
        return 4 + last if copy_short(to + 4, column.values + number, last, True, False) else 0
    elif quick == QUICK_DATE:
        memcpy(&number, column.values + 4 * at, 4)
        if number < INT32_MIN + EPOCH_DAYS or number == INT32_MAX:
            return 0
        store_i32(to, 4)
        store_i32(to + 4, number - EPOCH_DAYS)
        return 8
    elif quick == QUICK_INT4:
        memcpy(&number, column.values + 4 * at, 4)
        store_i32(to, 4)
        store_i32(to + 4, number)
        return 8
    elif quick == QUICK_TIMESTAMP:
        memcpy(&units, column.values + 8 * at, 8)
        if units <= INT64_MIN + EPOCH_US or units == INT64_MAX:
            return 0
        store_i32(to, 8)
        store_i64(to + 4, units - EPOCH_US)
        return 12
    elif quick == QUICK_MIDNIGHT:
        memcpy(&units, column.values + 8 * at, 8)
        day = column.scale * SECONDS_PER_DAY
        if units % day or units == INT64_MIN or units == INT64_MAX:
            return 0
        units = units // day - EPOCH_DAYS
        if units <= INT32_MIN or units >= INT32_MAX:
            return 0
        store_i32(to, 4)
        store_i32(to + 4, <int32_t>units)
        return 8
    elif quick == QUICK_VIEW:
        memcpy(&number, column.offsets + 16 * at, 4)
        text = column.offsets + 16 * at + 4
        if number < 0 or number > SHORT:
            return 0
        if number > 12:
            memcpy(&which, text + 4, 4)
            memcpy(&last, text + 8, 4)
            if which < 0 or which >= column.variadic_count or last < 0:
                return 0
            if <int64_t>last + number > column.variadic_sizes[which]:
                return 0
            text = column.variadic[which] + last
        store_i32(to, number)
        return 4 + number if copy_short(to + 4, text, number, True, False) else 0
    return 0

cdef inline int put_rows(
    Block* out, const SourceColumn* columns, Py_ssize_t width, Py_ssize_t start, Py_ssize_t stop_row,
    Py_ssize_t limit_bytes, Py_ssize_t* reached, Fault* fault
) noexcept nogil:
    """Rows start:stop_row as binary COPY tuples, until `out` holds `limit_bytes`; on a fault the row is taken back."""
    cdef Py_ssize_t row, index, before, at
    cdef Py_ssize_t room = 2 + width * ROOM
    cdef const SourceColumn* column
    cdef uint8_t* to
    cdef int code, size
    for row in range(start, stop_row):
        if out.size >= limit_bytes:
            reached[0] = row
            return 0
        before = out.size
        if reserve(out, room):
            return stop(fault, OUT_OF_MEMORY, row - start, -1)
        to = out.data + out.size
        store_u16(to, <uint32_t>width)
        to += 2
        for index in range(width):
            column = &columns[index]
            if column.quick:
                at = column.offset + row
                if column.validity != NULL and not (column.validity[at >> 3] >> (at & 7)) & 1:
                    store_i32(to, -1)
                    to += 4
                    continue
                size = quick_field(column, at, to)
                if size:
                    to += size
                    continue
            out.size = to - out.data
            if column.layout == WIRE:
                code = put_wire(out, column, row, room, fault, index)
            else:
                code = put_field(out, column, column.offset + row, row - start, index, room, fault)
            if code:
                out.size = before
                reached[0] = row
                return code
            to = out.data + out.size
        out.size = to - out.data
    reached[0] = stop_row
    return 0
