# cython: cdivision=True, boundscheck=False, wraparound=False
# numeric on the wire <-> decimal text, 128-bit and 256-bit integers.
#
# Law of this file: base-10000 digits are checked before they are used, and nothing is computed in a type that could
# overflow unseen: 128-bit values are two 64-bit halves, 256-bit values eight words, so that every compiler can build
# them.
#
# Source: the server's numeric.c (numeric_recv, numeric_send, numeric_out).

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from pgfast.kernels.wire cimport (
    FAULT_DECIMAL_RANGE, FAULT_NUMERIC, LOW32, NUMERIC_MAX_SCALE, NUMERIC_NAN, NUMERIC_NEGATIVE, NUMERIC_NINF,
    NUMERIC_PINF, NUMERIC_POSITIVE, load_i16, load_u16, store_u16,
    store_u64,
)

cdef struct Numeric:
    int ndigits
    int weight
    int sign
    int dscale

cdef inline uint32_t small_power(int exponent) noexcept nogil:
    """10 to the power of 0 to 4."""
    if exponent == 0:
        return 1
    if exponent == 1:
        return 10
    if exponent == 2:
        return 100
    if exponent == 3:
        return 1000
    return 10000

cdef inline int numeric_head(const uint8_t* p, Py_ssize_t size, Numeric* head) noexcept nogil:
    """0 with `head` filled when every part of the numeric is well-formed, else FAULT_NUMERIC."""
    cdef int i, fraction_at, group
    if size < 8:
        return FAULT_NUMERIC
    head.ndigits = load_u16(p)
    head.weight = load_i16(p + 2)
    head.sign = load_u16(p + 4)
    head.dscale = load_u16(p + 6)
    if size != 8 + 2 * <Py_ssize_t>head.ndigits:
        return FAULT_NUMERIC
    if head.sign != NUMERIC_POSITIVE and head.sign != NUMERIC_NEGATIVE:
        if head.ndigits or head.sign not in (NUMERIC_NAN, NUMERIC_PINF, NUMERIC_NINF):
            return FAULT_NUMERIC
        return 0
    if head.dscale > NUMERIC_MAX_SCALE:
        return FAULT_NUMERIC
    for i in range(head.ndigits):
        group = load_u16(p + 8 + 2 * i)
        if group > 9999:
            return FAULT_NUMERIC
        fraction_at = 4 * (i - head.weight - 1)  # place of the group's first digit behind the point
        if group and fraction_at + 4 > head.dscale:
            if fraction_at >= head.dscale or group % small_power(fraction_at + 4 - head.dscale):
                return FAULT_NUMERIC
    return 0

cdef inline Py_ssize_t numeric_text_bound(const Numeric* head) noexcept nogil:
    """Bytes that `numeric_text` may write, one group to spare on either side of the point."""
    return (4 * (head.weight + 1) if head.weight >= 0 else 0) + head.dscale + 16

cdef inline Py_ssize_t numeric_text(const uint8_t* p, const Numeric* head, uint8_t* out) noexcept nogil:
    """Bytes written: the numeric as numeric_out has it. `head` is numeric_head's, `out` has room for the bound."""
    cdef Py_ssize_t n = 0, mark
    cdef int i, group, left, first
    cdef bint zero = True
    if head.sign == NUMERIC_NAN:
        memcpy(out, b"NaN", 3)
        return 3
    if head.sign == NUMERIC_PINF:
        memcpy(out, b"Infinity", 8)
        return 8
    if head.sign == NUMERIC_NINF:
        memcpy(out, b"-Infinity", 9)
        return 9
    for i in range(head.ndigits):
        if load_u16(p + 8 + 2 * i):
            zero = False
            break
    if head.sign == NUMERIC_NEGATIVE and not zero:
        out[n] = 45
        n += 1
    mark = n
    for i in range(head.weight + 1):
        group = load_u16(p + 8 + 2 * i) if i < head.ndigits else 0
        if n == mark:
            if group == 0:
                continue
            first = 0 if group >= 1000 else 1 if group >= 100 else 2 if group >= 10 else 3
            n += put_group(out + n, group, first, 4)
        else:
            n += put_group(out + n, group, 0, 4)
    if n == mark:
        out[n] = 48
        n += 1
    if head.dscale:
        out[n] = 46
        n += 1
        left = head.dscale
        i = head.weight + 1
        while left > 0:
            group = load_u16(p + 8 + 2 * i) if 0 <= i < head.ndigits else 0
            n += put_group(out + n, group, 0, left if left < 4 else 4)
            left -= 4
            i += 1
    return n

cdef inline int put_group(uint8_t* out, int group, int start, int stop) noexcept nogil:
    """Digits start:stop of the four of a group, as ASCII."""
    cdef uint8_t digits[4]
    cdef int i
    digits[0] = <uint8_t>(48 + group // 1000)
    digits[1] = <uint8_t>(48 + group // 100 % 10)
    digits[2] = <uint8_t>(48 + group // 10 % 10)
    digits[3] = <uint8_t>(48 + group % 10)
    for i in range(start, stop):
        out[i - start] = digits[i]
    return stop - start

# ---------------------------------------------------------------- numbers of one word

cdef struct SmallNumeric:
    uint64_t value  # below 10 ** 19, in units of the last place
    int scale
    bint negative

cdef inline uint64_t power64(int exponent) noexcept nogil:
    """10 to the power of 0 to 19."""
    cdef uint64_t value = 1
    while exponent >= 4:
        value *= 10000
        exponent -= 4
    return value * small_power(exponent)

cdef inline int digits_of(uint64_t value) noexcept nogil:
    """Decimal digits of a number below 10 ** 19; 0 has one."""
    cdef int count = 1
    if value >= 10000000000000000ULL:
        value //= 10000000000000000ULL
        count = 17
    elif value >= 1000000000000ULL:
        value //= 1000000000000ULL
        count = 13
    elif value >= 100000000:
        value //= 100000000
        count = 9
    elif value >= 10000:
        value //= 10000
        count = 5
    if value >= 100:
        return count + (3 if value >= 1000 else 2)
    return count + (1 if value >= 10 else 0)

cdef inline bint numeric_small(const uint8_t* p, Py_ssize_t size, SmallNumeric* number) noexcept nogil:
    """Whether the numeric is well-formed, no NaN, and below 10 ** 19 in units of its last place.

    False says nothing about the rest: `numeric_head` finds what is wrong with it, if anything is.
    """
    cdef uint64_t value = 0
    cdef uint32_t group
    cdef int ndigits, weight, sign, dscale, i, shift
    if size < 8 or size > 16:
        return False
    ndigits = load_u16(p)
    weight = load_i16(p + 2)
    sign = load_u16(p + 4)
    dscale = load_u16(p + 6)
    if size != 8 + 2 * ndigits or (sign & ~NUMERIC_NEGATIVE) or weight < -5 or weight > 4:
        return False
    if dscale + (4 * (weight + 1) if weight > 0 else 4) > 19:
        return False
    for i in range(ndigits):
        group = load_u16(p + 8 + 2 * i)
        if group > 9999:
            return False
        value = value * 10000 + group
    if value:
        shift = 4 * (weight - ndigits + 1) + dscale  # places from the last group's last digit to the last place
        if shift >= 0:
            value *= power64(shift)
        elif shift == -2:
            if value % 100:
                return False
            value //= 100
        elif shift > -4:
            group = small_power(-shift)
            if value % group:
                return False
            value //= group
        else:
            return False
    number.value = value
    number.scale = dscale
    number.negative = sign == NUMERIC_NEGATIVE and value != 0
    return True

# ---------------------------------------------------------------- 128 bits in two halves

cdef struct U128:
    uint64_t high
    uint64_t low

cdef inline bint times(U128* value, uint32_t factor, uint32_t addend) noexcept nogil:
    """value = value * factor + addend; False where that does not fit."""
    cdef uint64_t a = (value.low & LOW32) * factor + addend
    cdef uint64_t b = (value.low >> 32) * factor + (a >> 32)
    cdef uint64_t c = (value.high & LOW32) * factor + (b >> 32)
    cdef uint64_t d = (value.high >> 32) * factor + (c >> 32)
    value.low = (b << 32) | (a & LOW32)
    value.high = (d << 32) | (c & LOW32)
    return (d >> 32) == 0

cdef inline uint32_t divide(U128* value, uint32_t divisor) noexcept nogil:
    """The remainder; value becomes the quotient."""
    cdef uint64_t part = value.high >> 32
    cdef uint64_t quotient, rest
    quotient = part // divisor
    rest = ((part % divisor) << 32) | (value.high & LOW32)
    value.high = (quotient << 32) | (rest // divisor)
    rest = ((rest % divisor) << 32) | (value.low >> 32)
    quotient = rest // divisor
    rest = ((rest % divisor) << 32) | (value.low & LOW32)
    value.low = (quotient << 32) | (rest // divisor)
    return <uint32_t>(rest % divisor)

cdef inline U128 power_of_ten(int exponent) noexcept nogil:
    """10 to the power of 0 to 38."""
    cdef U128 value
    value.high = 0
    value.low = 1
    while exponent >= 4:
        times(&value, 10000, 0)
        exponent -= 4
    times(&value, small_power(exponent), 0)
    return value

cdef inline int numeric_decimal128(
    const uint8_t* p, Py_ssize_t size, int scale, const U128* limit, uint8_t* out
) noexcept nogil:
    """The numeric as 16 little-endian bytes with `scale` places, below `limit`; 0 or the fault code."""
    cdef Numeric head
    cdef U128 value
    cdef uint64_t small = 0
    cdef int i, group, place, code = numeric_head(p, size, &head)
    if code:
        return code
    if head.sign != NUMERIC_POSITIVE and head.sign != NUMERIC_NEGATIVE:
        return FAULT_DECIMAL_RANGE
    value.high = 0
    value.low = 0
    place = 0
    if head.ndigits <= 4:  # at most 16 digits before the last shift: one word is enough
        for i in range(head.ndigits):
            group = load_u16(p + 8 + 2 * i)
            place = 4 * (head.weight - i) + scale
            if place >= 0:
                small = small * 10000 + <uint64_t>group
            elif place > -4:
                if group % small_power(-place):
                    return FAULT_DECIMAL_RANGE
                small = small * small_power(4 + place) + <uint64_t>group // small_power(-place)
            elif group:
                return FAULT_DECIMAL_RANGE
        value.low = small
    else:
        for i in range(head.ndigits):
            group = load_u16(p + 8 + 2 * i)
            place = 4 * (head.weight - i) + scale
            if place >= 0:
                if not times(&value, 10000, <uint32_t>group):
                    return FAULT_DECIMAL_RANGE
            elif place > -4:
                if group % small_power(-place):
                    return FAULT_DECIMAL_RANGE
                if not times(&value, small_power(4 + place), <uint32_t>(group // small_power(-place))):
                    return FAULT_DECIMAL_RANGE
            elif group:
                return FAULT_DECIMAL_RANGE
    if value.low or value.high:
        while place > 0:
            if not times(&value, small_power(place if place < 4 else 4), 0):
                return FAULT_DECIMAL_RANGE
            place -= 4
    if value.high > limit.high or (value.high == limit.high and value.low >= limit.low):
        return FAULT_DECIMAL_RANGE
    if head.sign == NUMERIC_NEGATIVE:
        value.low = ~value.low + 1
        value.high = ~value.high + (1 if value.low == 0 else 0)
    for i in range(8):
        out[i] = <uint8_t>(value.low >> (8 * i))
        out[8 + i] = <uint8_t>(value.high >> (8 * i))
    return 0

# ---------------------------------------------------------------- 256 bits in eight words

cdef struct U256:
    uint32_t words[8]  # least significant first

cdef inline bint times_wide(U256* value, uint32_t factor, uint32_t addend) noexcept nogil:
    """value = value * factor + addend; False where that does not fit."""
    cdef uint64_t carry = addend
    cdef int i
    for i in range(8):
        carry += <uint64_t>value.words[i] * factor
        value.words[i] = <uint32_t>carry
        carry >>= 32
    return carry == 0

cdef inline uint32_t divide_wide(U256* value, uint32_t divisor) noexcept nogil:
    """The remainder; value becomes the quotient."""
    cdef uint64_t rest = 0
    cdef int i
    for i in range(7, -1, -1):
        rest = (rest << 32) | value.words[i]
        value.words[i] = <uint32_t>(rest // divisor)
        rest = rest % divisor
    return <uint32_t>rest

cdef inline void negate_wide(U256* value) noexcept nogil:
    cdef uint64_t carry = 1
    cdef int i
    for i in range(8):
        carry += <uint64_t>(~value.words[i] & LOW32)
        value.words[i] = <uint32_t>carry
        carry >>= 32

cdef inline bint is_zero_wide(const U256* value) noexcept nogil:
    cdef int i
    for i in range(8):
        if value.words[i]:
            return False
    return True

cdef inline U256 wide_power_of_ten(int exponent) noexcept nogil:
    """10 to the power of 0 to 76."""
    cdef U256 value
    memset(&value, 0, sizeof(U256))
    value.words[0] = 1
    while exponent >= 4:
        times_wide(&value, 10000, 0)
        exponent -= 4
    times_wide(&value, small_power(exponent), 0)
    return value

cdef inline int numeric_decimal256(
    const uint8_t* p, Py_ssize_t size, int scale, const U256* limit, uint8_t* out
) noexcept nogil:
    """The numeric as 32 little-endian bytes with `scale` places, below `limit`; 0 or the fault code."""
    cdef Numeric head
    cdef U256 value
    cdef int i, byte, group, place = 0, code = numeric_head(p, size, &head)
    if code:
        return code
    if head.sign != NUMERIC_POSITIVE and head.sign != NUMERIC_NEGATIVE:
        return FAULT_DECIMAL_RANGE
    memset(&value, 0, sizeof(U256))
    for i in range(head.ndigits):
        group = load_u16(p + 8 + 2 * i)
        place = 4 * (head.weight - i) + scale
        if place >= 0:
            if not times_wide(&value, 10000, <uint32_t>group):
                return FAULT_DECIMAL_RANGE
        elif place > -4:
            if group % small_power(-place):
                return FAULT_DECIMAL_RANGE
            if not times_wide(&value, small_power(4 + place), <uint32_t>(group // small_power(-place))):
                return FAULT_DECIMAL_RANGE
        elif group:
            return FAULT_DECIMAL_RANGE
    if not is_zero_wide(&value):
        while place > 0:
            if not times_wide(&value, small_power(place if place < 4 else 4), 0):
                return FAULT_DECIMAL_RANGE
            place -= 4
    for i in range(7, -1, -1):
        if value.words[i] != limit.words[i]:
            break
    if value.words[i] >= limit.words[i]:
        return FAULT_DECIMAL_RANGE
    if head.sign == NUMERIC_NEGATIVE:
        negate_wide(&value)
    for i in range(8):
        for byte in range(4):
            out[4 * i + byte] = <uint8_t>(value.words[i] >> (8 * byte))
    return 0

# ---------------------------------------------------------------- to the wire

cdef inline int put_numeric(
    uint8_t* out, const uint16_t* groups, int count, int weight, bint negative, int scale
) noexcept nogil:
    """Bytes written: the numeric of `count` base-10000 digits, most significant first, without zeros at the ends."""
    cdef int first = 0, i
    while first < count and groups[first] == 0:
        first += 1
    while count > first and groups[count - 1] == 0:
        count -= 1
    if first == count:
        memset(out, 0, 8)
        store_u16(out + 6, scale)
        return 8
    store_u16(out, count - first)
    store_u16(out + 2, <uint32_t>(weight - first))
    store_u16(out + 4, NUMERIC_NEGATIVE if negative else NUMERIC_POSITIVE)
    store_u16(out + 6, scale)
    for i in range(first, count):
        store_u16(out + 8 + 2 * (i - first), groups[i])
    return 8 + 2 * (count - first)

cdef inline int put_four_groups(uint8_t* out, uint64_t value, int weight, bint negative, int scale) noexcept nogil:
    """Bytes of the numeric of a number of one to sixteen digits whose last group has this weight; 16 are written."""
    cdef uint64_t groups
    cdef uint32_t high = <uint32_t>(value // 100000000)
    cdef uint32_t low = <uint32_t>(value - <uint64_t>high * 100000000)
    cdef uint32_t upper = low // 10000
    cdef uint32_t count = 1
    groups = upper << 16 | (low - upper * 10000)
    if high:
        upper = high // 10000
        groups |= <uint64_t>(upper << 16 | (high - upper * 10000)) << 32
        count = 4 if upper else 3
    elif upper:
        count = 2
    weight += <int>count - 1
    while not groups & 0xFFFF:
        groups >>= 16
        count -= 1
    store_u64(
        out,
        <uint64_t>count << 48 | <uint64_t>(weight & 0xFFFF) << 32
        | <uint64_t>((NUMERIC_NEGATIVE if negative else NUMERIC_POSITIVE) << 16 | scale),
    )
    store_u64(out + 8, groups << (64 - 16 * count))
    return <int>(8 + 2 * count)

cdef inline int put_decimal64(uint8_t* out, uint64_t value, bint negative, int scale) noexcept nogil:
    """Bytes of the numeric of an integer of 64 bits with `scale` places, 0 to 38; at most 20, 16 may be written."""
    cdef uint16_t groups[6]
    cdef int at = 6, cut = scale & 3, weight = -((scale + 3) >> 2), i
    cdef uint64_t rest
    cdef uint32_t whole
    cdef uint8_t* to
    if value == 0:
        memset(out, 0, 8)
        store_u16(out + 6, scale)
        return 8
    if value < 10000000000000ULL:
        if cut:
            value *= 100 if cut == 2 else small_power(4 - cut)
        return put_four_groups(out, value, weight, negative, scale)
    if cut:  # the last group holds fewer than four digits: they stand at its left
        if cut == 2:
            rest = value // 100
            groups[5] = <uint16_t>((value - rest * 100) * 100)
        else:
            rest = value // small_power(cut)
            groups[5] = <uint16_t>((value - rest * small_power(cut)) * small_power(4 - cut))
        value = rest
        at = 5
    while value > LOW32:
        at -= 1
        rest = value // 10000
        groups[at] = <uint16_t>(value - rest * 10000)
        value = rest
    whole = <uint32_t>value
    while whole:
        at -= 1
        groups[at] = <uint16_t>(whole % 10000)
        whole = whole // 10000
    weight += 5 - at
    i = 6
    while groups[i - 1] == 0:  # the first group is not zero
        i -= 1
    store_u16(out, <uint32_t>(i - at))
    store_u16(out + 2, <uint32_t>weight)
    store_u16(out + 4, NUMERIC_NEGATIVE if negative else NUMERIC_POSITIVE)
    store_u16(out + 6, <uint32_t>scale)
    to = out + 8
    while at < i:
        store_u16(to, groups[at])
        to += 2
        at += 1
    return <int>(to - out)

cdef inline int put_decimal(uint8_t* out, U128 value, bint negative, int scale) noexcept nogil:
    """Bytes written, at most 40: the numeric of an integer with `scale` places, 0 to 38."""
    cdef uint16_t groups[16]
    cdef int at = 16, cut = scale & 3, behind = (scale + 3) >> 2
    cdef uint64_t low
    if value.high == 0:
        return put_decimal64(out, value.low, negative, scale)
    if cut:  # the last group holds fewer than four digits: they stand at its left
        at -= 1
        groups[at] = <uint16_t>(divide(&value, small_power(cut)) * small_power(4 - cut))
    while value.high:
        at -= 1
        groups[at] = <uint16_t>divide(&value, 10000)
    low = value.low
    while low:
        at -= 1
        groups[at] = <uint16_t>(low % 10000)
        low = low // 10000
    return put_numeric(out, &groups[at], 16 - at, 16 - at - behind - 1, negative, scale)

cdef inline int put_wide_decimal(uint8_t* out, U256* value, bint negative, int scale) noexcept nogil:
    """Bytes written, at most 52: the numeric of an integer with `scale` places, 0 to 76. `value` is used up."""
    cdef uint16_t groups[24]
    cdef int at = 24, cut = scale & 3, behind = (scale + 3) >> 2
    if cut:
        at -= 1
        groups[at] = <uint16_t>(divide_wide(value, small_power(cut)) * small_power(4 - cut))
    while not is_zero_wide(value):
        at -= 1
        groups[at] = <uint16_t>divide_wide(value, 10000)
    return put_numeric(out, &groups[at], 24 - at, 24 - at - behind - 1, negative, scale)

cdef inline int put_int_numeric(uint8_t* out, uint64_t value, bint negative) noexcept nogil:
    """Bytes written, at most 18: the numeric of an integer."""
    cdef U128 wide
    wide.high = 0
    wide.low = value
    return put_decimal(out, wide, negative, 0)
