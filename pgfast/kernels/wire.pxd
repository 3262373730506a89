# cython: cdivision=True, boundscheck=False, wraparound=False
# Loads, stores and growing memory; what every other kernel stands on.
#
# Law of this file: no Python objects, no errors but a returned -1 for memory that is not to be had. Unaligned
# access is a memcpy, and the order of bytes is turned by what each compiler has for it: not every one recognises the
# shifts of eight bytes, and GCC loses sight of them where it has joined their parts.

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy

# Twins of pgfast/const.py; a structure test compares them.
cdef enum Kind:
    KIND_CALL = 0
    KIND_TEXT_CALL = 1
    KIND_STR = 2
    KIND_BYTES = 3
    KIND_BOOL = 4
    KIND_INT2 = 5
    KIND_INT4 = 6
    KIND_INT8 = 7
    KIND_OID = 8
    KIND_FLOAT4 = 9
    KIND_FLOAT8 = 10
    KIND_NUMERIC = 11
    KIND_DATE = 12
    KIND_TIME = 13
    KIND_TIMETZ = 14
    KIND_TIMESTAMP = 15
    KIND_TIMESTAMPTZ = 16
    KIND_INTERVAL = 17
    KIND_UUID = 18
    KIND_JSON = 19
    KIND_JSONB = 20
    KIND_CHAR = 21
    KIND_ARRAY = 22
    KIND_VECTOR = 23
    KIND_ENUM = 24
    KIND_COMPOSITE = 25
    KIND_RECORD = 26
    KIND_RANGE = 27
    KIND_MULTIRANGE = 28
    KIND_UINT8 = 29

cdef enum Layout:
    LAYOUT_NULL = 0
    LAYOUT_OBJECT = 1
    LAYOUT_BOOL_BITS = 2
    LAYOUT_BOOL_BYTES = 3
    LAYOUT_I8 = 4
    LAYOUT_I16 = 5
    LAYOUT_I32 = 6
    LAYOUT_I64 = 7
    LAYOUT_U8 = 8
    LAYOUT_U16 = 9
    LAYOUT_U32 = 10
    LAYOUT_U64 = 11
    LAYOUT_F32 = 12
    LAYOUT_F64 = 13
    LAYOUT_DECIMAL128 = 14
    LAYOUT_DATE32 = 15
    LAYOUT_DATE64 = 16
    LAYOUT_TIME32 = 17
    LAYOUT_TIME64 = 18
    LAYOUT_TIMESTAMP = 19
    LAYOUT_DURATION = 20
    LAYOUT_MONTH_DAY_NANO = 21
    LAYOUT_VAR32 = 22
    LAYOUT_VAR64 = 23
    LAYOUT_VIEW = 24
    LAYOUT_FIXED = 25
    LAYOUT_DECIMAL256 = 26

# Twins of pgfast/errors/faults.py.
cdef enum FaultCode:
    FAULT_FRAME_LENGTH = 1
    FAULT_FRAME_SIZE = 2
    FAULT_FRAME_KIND = 29
    FAULT_ROW_SHORT = 3
    FAULT_FIELD_COUNT = 4
    FAULT_FIELD_LENGTH = 5
    FAULT_FIELD_OVERRUN = 6
    FAULT_ROW_TAIL = 7
    FAULT_FIELD_WIDTH = 8
    FAULT_TEXT = 9
    FAULT_NUMERIC = 10
    FAULT_ARRAY = 11
    FAULT_VALUE = 12
    FAULT_COPY_SIGNATURE = 13
    FAULT_COPY_AFTER_TRAILER = 14
    FAULT_COPY_UNFINISHED = 15
    FAULT_DATE_RANGE = 16
    FAULT_TIME_RANGE = 17
    FAULT_CALL = 18
    FAULT_DECIMAL_RANGE = 19
    FAULT_INTERVAL_RANGE = 20
    FAULT_DIMENSIONS = 21
    FAULT_COLUMN_SIZE = 22
    FAULT_COMPOSITE = 23
    FAULT_COMPOSITE_SHAPE = 24
    FAULT_RANGE = 25
    FAULT_RANGE_BOUND = 26
    FAULT_LOWER_BOUND = 27
    FAULT_NESTING = 28
    FAULT_VALUE_TYPE = 32
    FAULT_VALUE_RANGE = 33
    FAULT_NUL = 34
    FAULT_TEXT_ENCODE = 35
    FAULT_ROW_WIDTH = 36
    FAULT_ROW_TYPE = 37
    FAULT_ROW_KEY = 38
    FAULT_MESSAGE_SIZE = 39
    FAULT_ARRAY_SHAPE = 40
    FAULT_COERCE = 41
    FAULT_SOURCE_BUFFER = 42
    FAULT_SUBMICROSECOND = 43
    FAULT_TIME_OF_DAY = 51
    FAULT_CSV_COMMA = 52
    FAULT_CSV_DAY = 53
    FAULT_TIMEZONE = 44
    FAULT_NUMERIC_TEXT = 45
    FAULT_COMPOSITE_WIDTH = 46
    FAULT_LOWER_BOUNDS = 47
    FAULT_CSV_FIELD = 48
    FAULT_CSV_RECORD = 49
    FAULT_CSV_UTF8 = 50

cdef enum:
    OUT_OF_MEMORY = -1  # stands where a fault code would

cdef enum:
    MAX_SHORT_MESSAGE = 65536
    EPOCH_DAYS = 10957
    SECONDS_PER_DAY = 86400
    EPOCH_ORDINAL = 730120
    NUMERIC_MAX_SCALE = 0x3FFF
    NUMERIC_MAX_WHOLE_DIGITS = 131072
    NUMERIC_POSITIVE = 0x0000
    NUMERIC_NEGATIVE = 0x4000
    NUMERIC_NAN = 0xC000
    NUMERIC_PINF = 0xD000
    NUMERIC_NINF = 0xF000
    MAX_DIMENSIONS = 6
    MAX_NESTING = 32  # of specs, of columns, and of records
    RANGE_EMPTY = 0x01
    RANGE_LB_INC = 0x02
    RANGE_UB_INC = 0x04
    RANGE_LB_INF = 0x08
    RANGE_UB_INF = 0x10

cdef extern from *:
    """
    #include <stdint.h>
    #define PGF_US_PER_DAY INT64_C(86400000000)
    #define PGF_EPOCH_US (INT64_C(10957) * PGF_US_PER_DAY)
    #define PGF_LOW32 UINT64_C(0xFFFFFFFF)
    #define PGF_HIGH_BITS UINT64_C(0x8080808080808080)

    #if defined(__BYTE_ORDER__) && defined(__ORDER_BIG_ENDIAN__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #define PGF_BIG_ENDIAN 1
    #else
    #define PGF_BIG_ENDIAN 0
    #endif

    static inline uint32_t pgf_turned32(uint32_t value) {
    #if defined(__GNUC__) || defined(__clang__)
        return __builtin_bswap32(value);
    #else
        return value >> 24 | (value >> 8 & 0xFF00) | (value << 8 & 0xFF0000) | value << 24;
    #endif
    }

    static inline uint64_t pgf_turned64(uint64_t value) {
    #if defined(__GNUC__) || defined(__clang__)
        return __builtin_bswap64(value);
    #else
        return (uint64_t)pgf_turned32((uint32_t)value) << 32 | pgf_turned32((uint32_t)(value >> 32));
    #endif
    }

    /* Between the order of this machine and that of the network, and that of Arrow. */
    static inline uint32_t pgf_big32(uint32_t value) { return PGF_BIG_ENDIAN ? value : pgf_turned32(value); }
    static inline uint64_t pgf_big64(uint64_t value) { return PGF_BIG_ENDIAN ? value : pgf_turned64(value); }
    static inline uint64_t pgf_little64(uint64_t value) { return PGF_BIG_ENDIAN ? pgf_turned64(value) : value; }
    """
    uint32_t big32 "pgf_big32"(uint32_t) noexcept nogil
    uint64_t big64 "pgf_big64"(uint64_t) noexcept nogil
    uint64_t little64 "pgf_little64"(uint64_t) noexcept nogil
    const int64_t US_PER_DAY "PGF_US_PER_DAY"
    const int64_t EPOCH_US "PGF_EPOCH_US"
    const uint64_t LOW32 "PGF_LOW32"
    const uint64_t HIGH_BITS "PGF_HIGH_BITS"  # the top bit of each of eight bytes
    const int32_t INT32_MIN
    const int32_t INT32_MAX
    const int64_t INT64_MIN
    const int64_t INT64_MAX

# What a kernel says of the place where it stopped. `detail` is the number a fault's text shows; the other fields tell
# how to show it.
cdef struct Fault:
    int code
    Py_ssize_t at
    Py_ssize_t column
    int64_t detail
    int shown  # 0: nothing, 1: detail signed, 2: detail unsigned, 3: real, 4: bytes at `text`, 5: str at `text`
    double real
    const uint8_t* text
    Py_ssize_t text_size

# Whether a message with this tag may be longer than MAX_SHORT_MESSAGE: the twin of LONG_MESSAGES in pgfast/const.py.
cdef inline bint is_long(int tag) noexcept nogil:
    return (
        tag == 0x44 or tag == 0x64  # DataRow, CopyData
        or tag == 0x54 or tag == 0x74  # RowDescription, ParameterDescription
        or tag == 0x56  # FunctionCallResponse
        or tag == 0x45 or tag == 0x4E  # ErrorResponse, NoticeResponse
    )

cdef inline int stop(Fault* fault, int code, Py_ssize_t at, Py_ssize_t column) noexcept nogil:
    fault.code = code
    fault.at = at
    fault.column = column
    fault.shown = 0
    return code

cdef inline int stop_number(Fault* fault, int code, Py_ssize_t at, Py_ssize_t column, int64_t detail) noexcept nogil:
    stop(fault, code, at, column)
    fault.shown = 1
    fault.detail = detail
    return code

cdef inline uint16_t load_u16(const uint8_t* p) noexcept nogil:
    return <uint16_t>((<uint32_t>p[0] << 8) | p[1])

cdef inline int16_t load_i16(const uint8_t* p) noexcept nogil:
    return <int16_t>load_u16(p)

cdef inline uint32_t load_u32(const uint8_t* p) noexcept nogil:
    cdef uint32_t bits
    memcpy(&bits, p, 4)
    return big32(bits)

cdef inline int32_t load_i32(const uint8_t* p) noexcept nogil:
    return <int32_t>load_u32(p)

cdef inline uint64_t load_u64(const uint8_t* p) noexcept nogil:
    cdef uint64_t bits
    memcpy(&bits, p, 8)
    return big64(bits)

cdef inline int64_t load_i64(const uint8_t* p) noexcept nogil:
    return <int64_t>load_u64(p)

cdef inline uint64_t load_u64_little(const uint8_t* p) noexcept nogil:
    cdef uint64_t bits
    memcpy(&bits, p, 8)
    return little64(bits)

cdef inline void store_u16(uint8_t* p, uint32_t value) noexcept nogil:
    p[0] = <uint8_t>(value >> 8)
    p[1] = <uint8_t>value

cdef inline void store_u32(uint8_t* p, uint32_t value) noexcept nogil:
    value = big32(value)
    memcpy(p, &value, 4)

cdef inline void store_i32(uint8_t* p, int32_t value) noexcept nogil:
    store_u32(p, <uint32_t>value)

cdef inline void store_u64(uint8_t* p, uint64_t value) noexcept nogil:
    value = big64(value)
    memcpy(p, &value, 8)

cdef inline void store_i64(uint8_t* p, int64_t value) noexcept nogil:
    store_u64(p, <uint64_t>value)

cdef inline void store_u64_little(uint8_t* p, uint64_t value) noexcept nogil:
    value = little64(value)
    memcpy(p, &value, 8)

cdef inline float load_f32(const uint8_t* p) noexcept nogil:
    cdef uint32_t bits = load_u32(p)
    cdef float value
    memcpy(&value, &bits, 4)
    return value

cdef inline double load_f64(const uint8_t* p) noexcept nogil:
    cdef uint64_t bits = load_u64(p)
    cdef double value
    memcpy(&value, &bits, 8)
    return value

cdef inline void store_f32(uint8_t* p, float value) noexcept nogil:
    cdef uint32_t bits
    memcpy(&bits, &value, 4)
    store_u32(p, bits)

cdef inline void store_f64(uint8_t* p, double value) noexcept nogil:
    cdef uint64_t bits
    memcpy(&bits, &value, 8)
    store_u64(p, bits)

# ---------------------------------------------------------------- growing memory

cdef struct Block:
    uint8_t* data
    Py_ssize_t size
    Py_ssize_t capacity

cdef inline int grow(Block* block, Py_ssize_t extra) noexcept nogil:
    """Room for `extra` bytes behind `size`, at least doubling; -1 where memory is not to be had."""
    cdef Py_ssize_t wanted
    cdef uint8_t* data
    if extra > (<Py_ssize_t>1 << 62) - block.size:
        return OUT_OF_MEMORY
    wanted = block.size + extra
    if wanted < 2 * block.capacity:
        wanted = 2 * block.capacity
    if wanted < 256:
        wanted = 256
    data = <uint8_t*>realloc(block.data, wanted)
    if data == NULL:
        return OUT_OF_MEMORY
    block.data = data
    block.capacity = wanted
    return 0

cdef inline int reserve(Block* block, Py_ssize_t extra) noexcept nogil:
    if block.capacity - block.size >= extra:
        return 0
    return grow(block, extra)

cdef inline void copy(void* to, const void* source, Py_ssize_t size) noexcept nogil:
    """memcpy that may be given NULL for nothing, which C leaves undefined."""
    if size:
        memcpy(to, source, <size_t>size)

cdef inline void put(Block* block, const void* source, Py_ssize_t size) noexcept nogil:
    """Append bytes for which `reserve` has made room; a block without memory may be given nothing."""
    if size:
        memcpy(block.data + block.size, source, <size_t>size)
        block.size += size

# ---------------------------------------------------------------- text

# Bytes that `copy_short` copies at most.
cdef enum:
    SHORT = 56

cdef inline uint64_t zeros(uint64_t word) noexcept nogil:
    """Not 0 where one of the eight bytes is 0."""
    return (word - 0x0101010101010101ULL) & ~word & HIGH_BITS

cdef inline bint copy_short(
    uint8_t* to, const uint8_t* p, Py_ssize_t size, bint refuse_nul, bint refuse_high
) noexcept nogil:
    """Copy up to SHORT bytes; whether there was no NUL, and nothing but ASCII, where that is refused."""
    cdef uint64_t word, bad = 0
    cdef uint32_t half
    cdef uint64_t nul = HIGH_BITS if refuse_nul else 0, high = HIGH_BITS if refuse_high else 0
    cdef Py_ssize_t at = 0
    if size >= 8:
        while at + 8 <= size:
            memcpy(&word, p + at, 8)
            memcpy(to + at, &word, 8)
            bad |= (zeros(word) & nul) | (word & high)
            at += 8
        memcpy(&word, p + size - 8, 8)
        memcpy(to + size - 8, &word, 8)
        bad |= (zeros(word) & nul) | (word & high)
        return bad == 0
    if size >= 4:
        memcpy(&half, p, 4)
        memcpy(to, &half, 4)
        word = half
        memcpy(&half, p + size - 4, 4)
        memcpy(to + size - 4, &half, 4)
        word = word << 32 | half
        return ((zeros(word) & nul) | (word & high)) == 0
    while at < size:
        to[at] = p[at]
        if (refuse_nul and p[at] == 0) or (refuse_high and p[at] >= 128):
            return False
        at += 1
    return True

cdef inline bint utf8_valid(const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """Whether the bytes are UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF."""
    cdef Py_ssize_t at = 0
    cdef uint64_t word
    cdef uint8_t lead, second, low, high
    cdef int more
    while at < size:
        if size - at >= 8:
            memcpy(&word, p + at, 8)
            if not word & HIGH_BITS:
                at += 8
                continue
        lead = p[at]
        at += 1
        if lead < 0x80:
            continue
        low = 0x80
        high = 0xBF
        if 0xC2 <= lead <= 0xDF:
            more = 1
        elif 0xE0 <= lead <= 0xEF:
            more = 2
            if lead == 0xE0:
                low = 0xA0
            elif lead == 0xED:
                high = 0x9F
        elif 0xF0 <= lead <= 0xF4:
            more = 3
            if lead == 0xF0:
                low = 0x90
            elif lead == 0xF4:
                high = 0x8F
        else:
            return False
        if size - at < more:
            return False
        second = p[at]
        if second < low or second > high:
            return False
        at += 1
        while more > 1:
            if p[at] & 0xC0 != 0x80:
                return False
            at += 1
            more -= 1
    return True
