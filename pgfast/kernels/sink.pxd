# cython: cdivision=True, boundscheck=False, wraparound=False
# Fields on the wire -> columns in Arrow layout, without the GIL.
#
# Law of this file: a column only grows, at row edges, by one value at a time; room for a row's fixed-width values is
# made before the row, room for a value of any width at the value. A kernel returns 0, a fault code, or OUT_OF_MEMORY.
#
# Sources: the Arrow columnar format; the server's *_send functions (arrayfuncs.c, rowtypes.c, enum.c among them).

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memset

from pgfast.kernels.numeric cimport (
    Numeric, SmallNumeric, U128, U256, numeric_decimal128, numeric_decimal256, numeric_head, numeric_small,
    numeric_text, numeric_text_bound,
)
from pgfast.kernels.wire cimport *

# The labels of an enum, in the order of their indices, and a hash table of them by open addressing.
cdef struct Labels:
    Block bytes
    int32_t* ends  # where label i ends in `bytes`
    int32_t* slots  # index + 1 of the label that hashes here, 0 for none
    Py_ssize_t count
    Py_ssize_t room  # slots, a power of two; `ends` has half as many

cdef struct SinkColumn:
    int kind
    uint32_t oid  # as an array or composite writes it, 0 where it is not checked
    int width  # bytes of a fixed-width value, 0 for bits, variable width, lists and structs
    int turned  # 4 or 8 where a value has nothing but its bytes turned round, else 0
    int scale
    int decimal  # bytes of a decimal, 0 for what is none
    U128 limit  # 10 ** precision of a decimal128
    U256 wide_limit  # and of a decimal256
    bint has_offsets
    bint is_list
    Labels* labels  # of an enum
    SinkColumn* children
    Py_ssize_t child_count
    Py_ssize_t length
    Py_ssize_t nulls
    Py_ssize_t capacity  # rows there is room for
    Py_ssize_t rows_before  # of the last batch, which the next one will hardly exceed
    Py_ssize_t bytes_before
    uint8_t* validity  # a bit for each value once one was NULL; before that it is not written
    int32_t* offsets
    Block data  # for fixed widths `size` is not kept: it is length * width

cdef inline void sink_free(SinkColumn* column) noexcept nogil:
    """Let go of what was gathered, not of what the column is made of."""
    cdef Py_ssize_t i
    column.rows_before = column.length
    column.bytes_before = column.data.size
    free(column.validity)
    free(column.offsets)
    free(column.data.data)
    column.validity = NULL
    column.offsets = NULL
    column.data.data = NULL
    column.data.size = 0
    column.data.capacity = 0
    column.length = 0
    column.nulls = 0
    column.capacity = 0
    for i in range(column.child_count):
        sink_free(&column.children[i])

cdef inline int sink_grow(SinkColumn* column) noexcept nogil:
    """Room for at least one more row in every per-row buffer."""
    cdef Py_ssize_t rows = 2 * column.capacity if column.capacity else 256
    cdef void* memory
    if column.capacity == 0:
        if column.rows_before > rows:
            rows = column.rows_before
        if column.has_offsets and column.bytes_before and reserve(&column.data, column.bytes_before):
            return OUT_OF_MEMORY
    memory = realloc(column.validity, (rows + 7) // 8)
    if memory == NULL:
        return OUT_OF_MEMORY
    column.validity = <uint8_t*>memory
    if column.has_offsets:
        memory = realloc(column.offsets, (rows + 1) * 4)
        if memory == NULL:
            return OUT_OF_MEMORY
        column.offsets = <int32_t*>memory
        column.offsets[0] = 0
    elif column.width:
        memory = realloc(column.data.data, rows * column.width)
        if memory == NULL:
            return OUT_OF_MEMORY
        column.data.data = <uint8_t*>memory
    elif column.kind == KIND_BOOL:
        memory = realloc(column.data.data, (rows + 7) // 8)
        if memory == NULL:
            return OUT_OF_MEMORY
        column.data.data = <uint8_t*>memory
    column.capacity = rows
    return 0

cdef inline void mark_valid(SinkColumn* column, bint valid) noexcept nogil:
    cdef Py_ssize_t index = column.length >> 3
    cdef int bit = column.length & 7
    if bit == 0 and column.kind == KIND_BOOL:
        column.data.data[index] = 0
    if valid:
        if column.nulls:
            if bit == 0:
                column.validity[index] = 0
            column.validity[index] |= <uint8_t>(1 << bit)
        return
    if column.nulls == 0:  # the first: those before it are valid
        memset(column.validity, 0xFF, index)
        column.validity[index] = <uint8_t>((1 << bit) - 1)
    elif bit == 0:
        column.validity[index] = 0
    column.nulls += 1

cdef inline int sink_null(SinkColumn* column) noexcept nogil:
    cdef Py_ssize_t i
    if column.length == column.capacity and sink_grow(column):
        return OUT_OF_MEMORY
    mark_valid(column, False)
    if column.kind == KIND_COMPOSITE:
        for i in range(column.child_count):
            if sink_null(&column.children[i]):
                return OUT_OF_MEMORY
    if column.has_offsets:
        column.offsets[column.length + 1] = column.offsets[column.length]
    elif column.width:
        memset(column.data.data + column.length * column.width, 0, column.width)
    column.length += 1
    return 0

cdef inline int append_bytes(SinkColumn* column, const uint8_t* p, Py_ssize_t size) noexcept nogil:
    if column.data.size + size > INT32_MAX:
        return FAULT_COLUMN_SIZE
    if reserve(&column.data, size):
        return OUT_OF_MEMORY
    put(&column.data, p, size)
    return 0

cdef inline int append_numeric(SinkColumn* column, const uint8_t* p, Py_ssize_t size) noexcept nogil:
    cdef Numeric head
    cdef int code = numeric_head(p, size, &head)
    cdef Py_ssize_t written
    if code:
        return code
    if reserve(&column.data, numeric_text_bound(&head)):
        return OUT_OF_MEMORY
    written = numeric_text(p, &head, column.data.data + column.data.size)
    if column.data.size + written > INT32_MAX:
        return FAULT_COLUMN_SIZE
    column.data.size += written
    return 0

cdef inline uint8_t* two_digits(uint8_t* out, int value) noexcept nogil:
    out[0] = <uint8_t>(48 + value // 10)
    out[1] = <uint8_t>(48 + value % 10)
    return out + 2

cdef inline int append_timetz(SinkColumn* column, const uint8_t* p) noexcept nogil:
    """HH:MM:SS[.ffffff]+HH[:MM[:SS]]."""
    cdef int64_t us = load_i64(p)
    cdef int32_t west = load_i32(p + 8)
    cdef uint8_t text[40]
    cdef uint8_t* out = text
    cdef int seconds, micro, east, power
    if us < 0 or us > US_PER_DAY or west <= -86400 or west >= 86400:
        return FAULT_VALUE
    seconds = <int>(us // 1000000)
    micro = <int>(us % 1000000)
    out = two_digits(out, seconds // 3600)
    out[0] = 58
    out = two_digits(out + 1, seconds // 60 % 60)
    out[0] = 58
    out = two_digits(out + 1, seconds % 60)
    if micro:
        out[0] = 46
        out += 1
        power = 100000
        while micro:
            out[0] = <uint8_t>(48 + micro // power)
            micro = micro % power
            power = power // 10
            out += 1
    east = west if west >= 0 else -west
    out[0] = 45 if west > 0 else 43
    out = two_digits(out + 1, east // 3600)
    if east % 3600:
        out[0] = 58
        out = two_digits(out + 1, east // 60 % 60)
    if east % 60:
        out[0] = 58
        out = two_digits(out + 1, east % 60)
    return append_bytes(column, text, out - text)

cdef inline int append_char(SinkColumn* column, uint8_t code) noexcept nogil:
    """Nothing for NUL, the character, or a backslash and three octal digits."""
    cdef uint8_t text[4]
    if code == 0:
        return 0
    if code < 128:
        return append_bytes(column, &code, 1)
    text[0] = 92
    text[1] = 48 + (code >> 6)
    text[2] = 48 + ((code >> 3) & 7)
    text[3] = 48 + (code & 7)
    return append_bytes(column, text, 4)

cdef inline int store_fixed(SinkColumn* column, const uint8_t* p) noexcept nogil:
    """A value of the column's own wire width into its slot."""
    cdef uint8_t* out = column.data.data + column.length * column.width
    cdef int kind = column.kind
    cdef int16_t v16
    cdef uint32_t v32
    cdef uint64_t v64
    cdef int64_t us
    cdef int32_t days
    if kind == KIND_INT4 or kind == KIND_OID or kind == KIND_FLOAT4:
        v32 = load_u32(p)
        memcpy(out, &v32, 4)
    elif kind == KIND_INT8 or kind == KIND_FLOAT8 or kind == KIND_UINT8:
        v64 = load_u64(p)
        memcpy(out, &v64, 8)
    elif kind == KIND_DATE:
        days = load_i32(p)
        if days != INT32_MIN and days != INT32_MAX:
            if days > INT32_MAX - EPOCH_DAYS:
                return FAULT_DATE_RANGE
            days += EPOCH_DAYS
        memcpy(out, &days, 4)
    elif kind == KIND_TIMESTAMP or kind == KIND_TIMESTAMPTZ:
        us = load_i64(p)
        if us != INT64_MIN and us != INT64_MAX:
            if us > INT64_MAX - EPOCH_US:
                return FAULT_DATE_RANGE
            us += EPOCH_US
        memcpy(out, &us, 8)
    elif kind == KIND_INT2:
        v16 = load_i16(p)
        memcpy(out, &v16, 2)
    elif kind == KIND_TIME:
        us = load_i64(p)
        if us == US_PER_DAY:
            return FAULT_TIME_RANGE
        if us < 0 or us > US_PER_DAY:
            return FAULT_VALUE
        memcpy(out, &us, 8)
    elif kind == KIND_UUID:
        memcpy(out, p, 16)
    else:  # KIND_INTERVAL
        us = load_i64(p)
        if us > INT64_MAX // 1000 or us < -(INT64_MAX // 1000):
            return FAULT_INTERVAL_RANGE
        us *= 1000
        days = load_i32(p + 12)
        memcpy(out, &days, 4)
        days = load_i32(p + 8)
        memcpy(out + 4, &days, 4)
        memcpy(out + 8, &us, 8)
    return 0

cdef inline int append_variable(SinkColumn* column, const uint8_t* p, Py_ssize_t size) noexcept nogil:
    cdef int kind = column.kind
    if kind == KIND_BYTES or kind == KIND_CALL:
        return append_bytes(column, p, size)
    if kind == KIND_NUMERIC:
        return append_numeric(column, p, size)
    if kind == KIND_CHAR:
        return append_char(column, p[0]) if size == 1 else FAULT_FIELD_WIDTH
    if kind == KIND_TIMETZ:
        return append_timetz(column, p) if size == 12 else FAULT_FIELD_WIDTH
    if kind == KIND_JSONB:
        if size < 1 or p[0] != 1:
            return FAULT_VALUE
        p += 1
        size -= 1
    if not utf8_valid(p, size):
        return FAULT_TEXT
    return append_bytes(column, p, size)

# ---------------------------------------------------------------- enums

cdef inline uint32_t label_hash(const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """FNV-1a."""
    cdef uint32_t hash = 2166136261
    cdef Py_ssize_t i
    for i in range(size):
        hash = (hash ^ p[i]) * 16777619
    return hash

cdef inline Py_ssize_t label_slot(const Labels* labels, const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """The slot that holds the label, or the free one it would go to."""
    cdef Py_ssize_t slot = label_hash(p, size) & (labels.room - 1)
    cdef int32_t index, begin
    while labels.slots[slot]:
        index = labels.slots[slot] - 1
        begin = labels.ends[index - 1] if index else 0
        if labels.ends[index] - begin == size and (size == 0 or memcmp(labels.bytes.data + begin, p, size) == 0):
            break
        slot = (slot + 1) & (labels.room - 1)
    return slot

cdef inline void labels_free(Labels* labels) noexcept nogil:
    if labels != NULL:
        free(labels.bytes.data)
        free(labels.ends)
        free(labels.slots)
        free(labels)

cdef inline int32_t label_find(const Labels* labels, const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """The index of the label, -1 where it is not known."""
    return labels.slots[label_slot(labels, p, size)] - 1

cdef inline int labels_grow(Labels* labels) noexcept nogil:
    """Room for more labels; half of the slots stay free."""
    cdef Py_ssize_t room = 2 * labels.room if labels.room else 64, i
    cdef int32_t begin = 0
    cdef void* memory = realloc(labels.ends, (room // 2) * sizeof(int32_t))
    if memory == NULL:
        return OUT_OF_MEMORY
    labels.ends = <int32_t*>memory
    memory = realloc(labels.slots, room * sizeof(int32_t))
    if memory == NULL:
        return OUT_OF_MEMORY
    labels.slots = <int32_t*>memory
    labels.room = room
    memset(labels.slots, 0, room * sizeof(int32_t))
    for i in range(labels.count):
        labels.slots[label_slot(labels, labels.bytes.data + begin, labels.ends[i] - begin)] = <int32_t>(i + 1)
        begin = labels.ends[i]
    return 0

cdef inline int label_index(Labels* labels, const uint8_t* p, Py_ssize_t size, int32_t* index) noexcept nogil:
    """0 with the index of the label, which becomes a new one where it is not known; else the fault code."""
    cdef Py_ssize_t slot
    if 2 * labels.count >= labels.room and labels_grow(labels):
        return OUT_OF_MEMORY
    slot = label_slot(labels, p, size)
    if labels.slots[slot] == 0:
        if not utf8_valid(p, size):
            return FAULT_TEXT
        if labels.bytes.size + size > INT32_MAX:
            return FAULT_COLUMN_SIZE
        if reserve(&labels.bytes, size):
            return OUT_OF_MEMORY
        put(&labels.bytes, p, size)
        labels.ends[labels.count] = <int32_t>labels.bytes.size
        labels.count += 1
        labels.slots[slot] = <int32_t>labels.count
    index[0] = labels.slots[slot] - 1
    return 0

# ---------------------------------------------------------------- one field

cdef inline int sink_value(
    SinkColumn* column, const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t index, Fault* fault
) noexcept nogil:
    """Take one field that is not NULL and made of nothing else; 0 or the code that `fault` holds."""
    cdef int code = 0
    cdef int32_t label = 0
    if column.length == column.capacity and sink_grow(column):
        return stop(fault, OUT_OF_MEMORY, at, index)
    mark_valid(column, True)
    if column.width:
        if column.decimal == 16:
            code = numeric_decimal128(
                p, size, column.scale, &column.limit, column.data.data + column.length * 16
            )
        elif column.decimal:
            code = numeric_decimal256(
                p, size, column.scale, &column.wide_limit, column.data.data + column.length * 32
            )
        elif column.labels != NULL:
            code = label_index(column.labels, p, size, &label)
            memcpy(column.data.data + column.length * 4, &label, 4)
        elif size == column.width:
            code = store_fixed(column, p)
        else:
            code = FAULT_FIELD_WIDTH
    elif column.has_offsets:
        code = append_variable(column, p, size)
        column.offsets[column.length + 1] = <int32_t>column.data.size
    else:  # bool
        if size != 1:
            code = FAULT_FIELD_WIDTH
        elif p[0] > 1:
            code = FAULT_VALUE
        elif p[0]:
            column.data.data[column.length >> 3] |= <uint8_t>(1 << (column.length & 7))
    if code:
        if code == FAULT_FIELD_WIDTH:
            return stop_number(fault, code, at, index, size)
        return stop(fault, code, at, index)
    column.length += 1
    return 0

cdef inline int array_head(
    const uint8_t* p, Py_ssize_t size, uint32_t oid, bint vector, Py_ssize_t at, Py_ssize_t index,
    int* ndim, Py_ssize_t* dims, int32_t* bounds, Fault* fault
) noexcept nogil:
    """0 with the dimensions filled in, every count checked against the bytes left, else the code `fault` holds."""
    cdef Py_ssize_t total = 1, head, left
    cdef int32_t count, length
    cdef int i
    if size < 12:
        return stop(fault, FAULT_ARRAY, at, index)
    count = load_i32(p)
    if count < 0 or count > MAX_DIMENSIONS or load_u32(p + 4) > 1 or size < 12 + 8 * count:
        return stop(fault, FAULT_ARRAY, at, index)
    if oid and load_u32(p + 8) != oid:
        return stop(fault, FAULT_ARRAY, at, index)
    head = 12 + 8 * count
    left = (size - head) // 4
    for i in range(count):
        length = load_i32(p + 12 + 8 * i)
        bounds[i] = load_i32(p + 16 + 8 * i)
        if length < (0 if vector else 1) or <int64_t>length * total > left:
            return stop(fault, FAULT_ARRAY, at, index)
        if <int64_t>bounds[i] + length > INT32_MAX:
            return stop(fault, FAULT_ARRAY, at, index)
        total *= length
        dims[i] = length
    if vector and count > 1:
        return stop(fault, FAULT_ARRAY, at, index)
    if count == 0 and size != head:
        return stop(fault, FAULT_ARRAY, at + head, index)
    ndim[0] = count
    return 0

cdef inline int part(
    const uint8_t* p, Py_ssize_t size, Py_ssize_t pos, int cut, Py_ssize_t at, Py_ssize_t index, int32_t* length,
    Fault* fault
) noexcept nogil:
    """0 with the length of the part of a container whose length word is at `pos`, -1 for NULL.

    `cut` is the fault where the length word itself is cut off.
    """
    if size - pos < 4:
        return stop(fault, cut, at + pos, index)
    length[0] = load_i32(p + pos)
    if length[0] < -1:
        return stop_number(fault, FAULT_FIELD_LENGTH, at + pos, index, length[0])
    if length[0] > size - pos - 4:
        return stop_number(fault, FAULT_FIELD_OVERRUN, at + pos, index, length[0])
    return 0

cdef inline int composite_parts(
    const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t index, int32_t* count, Fault* fault
) noexcept nogil:
    """0 with the number of attributes, each of which has its OID and its length and lies within the bytes."""
    cdef Py_ssize_t pos = 4
    cdef int32_t length = 0, _i
    cdef int code
    if size < 4:
        return stop(fault, FAULT_COMPOSITE, at, index)
    count[0] = load_i32(p)
    if count[0] < 0 or count[0] > (size - 4) // 8:
        return stop(fault, FAULT_COMPOSITE, at, index)
    for _i in range(count[0]):
        if size - pos < 4:
            return stop(fault, FAULT_COMPOSITE, at + pos, index)
        code = part(p, size, pos + 4, FAULT_COMPOSITE, at, index, &length, fault)
        if code:
            return code
        pos += 8 + (length if length > 0 else 0)
    if pos != size:
        return stop(fault, FAULT_COMPOSITE, at + pos, index)
    return 0

# The bounds of a range: -1 as a size stands for a bound that is not there.
cdef struct RangeParts:
    int flags
    Py_ssize_t lower
    Py_ssize_t lower_size
    Py_ssize_t upper
    Py_ssize_t upper_size

cdef inline int range_parts(
    const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t index, RangeParts* parts, Fault* fault
) noexcept nogil:
    """0 with the flags and where the bounds are (range_send)."""
    cdef Py_ssize_t pos = 1
    cdef int32_t length = 0
    cdef int code
    parts.lower = 0
    parts.upper = 0
    parts.lower_size = -1
    parts.upper_size = -1
    if size < 1 or p[0] > 0x1F:
        return stop(fault, FAULT_RANGE, at, index)
    parts.flags = p[0]
    if parts.flags & RANGE_EMPTY and parts.flags != RANGE_EMPTY:
        return stop(fault, FAULT_RANGE, at, index)
    if not parts.flags & (RANGE_LB_INF | RANGE_EMPTY):
        code = part(p, size, pos, FAULT_RANGE, at, index, &length, fault)
        if code:
            return code
        if length < 0:
            return stop(fault, FAULT_RANGE, at + pos, index)
        parts.lower = pos + 4
        parts.lower_size = length
        pos += 4 + length
    if not parts.flags & (RANGE_UB_INF | RANGE_EMPTY):
        code = part(p, size, pos, FAULT_RANGE, at, index, &length, fault)
        if code:
            return code
        if length < 0:
            return stop(fault, FAULT_RANGE, at + pos, index)
        parts.upper = pos + 4
        parts.upper_size = length
        pos += 4 + length
    if pos != size:
        return stop(fault, FAULT_RANGE, at + pos, index)
    return 0

cdef inline int sink_field(
    SinkColumn* column, const uint8_t* p, int32_t length, Py_ssize_t at, Py_ssize_t index, Fault* fault
) noexcept nogil:
    """Take one field of any kind, NULL where its length is -1."""
    if length < 0:
        if sink_null(column):
            return stop(fault, OUT_OF_MEMORY, at, index)
        return 0
    if column.is_list:
        return sink_list(column, p, length, at, index, fault)
    if column.kind == KIND_COMPOSITE:
        return sink_struct(column, p, length, at, index, fault)
    return sink_value(column, p, length, at, index, fault)

cdef inline int sink_list(
    SinkColumn* column, const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t index, Fault* fault
) noexcept nogil:
    """Take one array of at most one dimension."""
    cdef int ndim = 0, code
    cdef Py_ssize_t dims[MAX_DIMENSIONS]
    cdef int32_t bounds[MAX_DIMENSIONS]
    cdef Py_ssize_t pos, _i
    cdef int32_t length = 0
    cdef bint vector = column.kind == KIND_VECTOR
    code = array_head(p, size, column.children[0].oid, vector, at, index, &ndim, dims, bounds, fault)
    if code:
        return code
    if ndim > 1:
        return stop_number(fault, FAULT_DIMENSIONS, at, index, ndim)
    if ndim and not vector and bounds[0] != 1:
        return stop_number(fault, FAULT_LOWER_BOUND, at, index, bounds[0])
    if column.length == column.capacity and sink_grow(column):
        return stop(fault, OUT_OF_MEMORY, at, index)
    if ndim:
        pos = 20
        for _i in range(dims[0]):
            code = part(p, size, pos, FAULT_ARRAY, at, index, &length, fault)
            if code:
                return code
            pos += 4
            code = sink_field(&column.children[0], p + pos, length, at + pos, index, fault)
            if code:
                return code
            if length > 0:
                pos += length
        if pos != size:
            return stop(fault, FAULT_ARRAY, at + pos, index)
    mark_valid(column, True)
    column.length += 1
    column.offsets[column.length] = <int32_t>column.children[0].length
    return 0

cdef inline int sink_struct(
    SinkColumn* column, const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t index, Fault* fault
) noexcept nogil:
    """Take one composite, its attributes into the children."""
    cdef int32_t count = 0, length
    cdef Py_ssize_t pos = 4, i
    cdef int code = composite_parts(p, size, at, index, &count, fault)
    if code:
        return code
    if count != column.child_count:
        return stop_number(fault, FAULT_COMPOSITE_SHAPE, at, index, count)
    for i in range(count):
        if column.children[i].oid and load_u32(p + pos) != column.children[i].oid:
            return stop_number(fault, FAULT_COMPOSITE_SHAPE, at + pos, index, load_u32(p + pos))
        length = load_i32(p + pos + 4)
        pos += 8 + (length if length > 0 else 0)
    pos = 4
    if column.length == column.capacity and sink_grow(column):
        return stop(fault, OUT_OF_MEMORY, at, index)
    for i in range(count):
        length = load_i32(p + pos + 4)
        pos += 8
        code = sink_field(&column.children[i], p + pos, length, at + pos, index, fault)
        if code:
            return code
        if length > 0:
            pos += length
    mark_valid(column, True)
    column.length += 1
    return 0

cdef inline bint quick_value(SinkColumn* column, const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """Whether a value of the commonest shapes was taken; what was not is for `sink_field`, which knows all of them."""
    cdef Py_ssize_t length = column.length
    cdef SmallNumeric number
    cdef uint32_t bits32
    cdef uint64_t bits64
    cdef int32_t days
    cdef uint8_t* out
    if length == column.capacity or column.nulls:
        return False
    if column.turned == 8:
        if size != 8:
            return False
        bits64 = load_u64(p)
        memcpy(column.data.data + 8 * length, &bits64, 8)
    elif column.decimal == 16:
        if not numeric_small(p, size, &number) or number.scale != column.scale:
            return False
        if column.limit.high == 0 and number.value >= column.limit.low:
            return False
        out = column.data.data + 16 * length
        store_u64_little(out, ~number.value + 1 if number.negative else number.value)
        store_u64_little(out + 8, ~<uint64_t>0 if number.negative else 0)
    elif column.kind == KIND_STR:
        if size > SHORT or column.data.size > INT32_MAX - SHORT:
            return False
        if column.data.capacity - column.data.size < SHORT and grow(&column.data, SHORT):
            return False
        if not copy_short(column.data.data + column.data.size, p, size, False, True):
            return False
        column.data.size += size
        column.offsets[length + 1] = <int32_t>column.data.size
    elif column.kind == KIND_DATE:
        days = load_i32(p) if size == 4 else INT32_MAX
        if days == INT32_MIN or days > INT32_MAX - EPOCH_DAYS:
            return False
        days += EPOCH_DAYS
        memcpy(column.data.data + 4 * length, &days, 4)
    elif column.turned == 4:
        if size != 4:
            return False
        bits32 = load_u32(p)
        memcpy(column.data.data + 4 * length, &bits32, 4)
    else:
        return False
    column.length = length + 1
    return True

cdef inline int sink_tuple(
    SinkColumn* columns, Py_ssize_t width, const uint8_t* p, Py_ssize_t size, Py_ssize_t base, Fault* fault
) noexcept nogil:
    """Take the tuple of `size` bytes at p; `base` is the offset of its first byte in a fault."""
    cdef Py_ssize_t at = 2, index
    cdef int32_t length
    cdef int code
    if size < 2:
        return stop(fault, FAULT_ROW_SHORT, base, -1)
    if load_i16(p) != width:
        return stop_number(fault, FAULT_FIELD_COUNT, base, -1, load_i16(p))
    for index in range(width):
        if size - at < 4:
            return stop(fault, FAULT_ROW_SHORT, at + base, index)
        length = load_i32(p + at)
        at += 4
        if length < -1:
            return stop_number(fault, FAULT_FIELD_LENGTH, at - 4 + base, index, length)
        if length > size - at:
            return stop_number(fault, FAULT_FIELD_OVERRUN, at - 4 + base, index, length)
        if length > 0 and quick_value(&columns[index], p + at, length):
            at += length
            continue
        code = sink_field(&columns[index], p + at, length, at + base, index, fault)
        if code:
            return code
        if length > 0:
            at += length
    if at != size:
        return stop_number(fault, FAULT_ROW_TAIL, at + base, -1, size - at)
    return 0

cdef inline Py_ssize_t sink_size(const SinkColumn* column) noexcept nogil:
    """Bytes that count against `batch_bytes`."""
    cdef Py_ssize_t total, i
    if column.child_count:
        total = 4 * column.children[0].length
        for i in range(column.child_count):
            total += sink_size(&column.children[i])
        return total
    return column.data.size if column.has_offsets else 0
