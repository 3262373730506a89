# cython: cdivision=True, boundscheck=False, wraparound=False
# The proleptic Gregorian calendar: ordinals (1 is 0001-01-01) to and from year, month and day.
#
# Law of this file: years are counted from March and in cycles of 400, so that leap days come last and nothing loops.

from libc.stdint cimport int64_t

cdef inline void civil(int64_t ordinal, int* year, int* month, int* day) noexcept nogil:
    """Year, month and day of a proleptic Gregorian ordinal (1 is 0001-01-01), by 400-year cycles counted from March."""
    cdef int64_t z = ordinal + 305  # days since 0000-03-01
    cdef int64_t era = z // 146097
    cdef int of_era = <int>(z - era * 146097)
    cdef int of_cycle = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    cdef int of_year = of_era - (365 * of_cycle + of_cycle // 4 - of_cycle // 100)
    cdef int shifted = (5 * of_year + 2) // 153
    day[0] = of_year - (153 * shifted + 2) // 5 + 1
    month[0] = shifted + 3 if shifted < 10 else shifted - 9
    year[0] = <int>(of_cycle + era * 400) + (1 if month[0] <= 2 else 0)

cdef inline int64_t ordinal_of(int year, int month, int day) noexcept nogil:
    """The proleptic Gregorian ordinal of a date of the years 1 to 9999."""
    cdef int y = year - 1 if month <= 2 else year
    cdef int era = y // 400
    cdef int of_cycle = y - era * 400
    cdef int of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return <int64_t>era * 146097 + of_cycle * 365 + of_cycle // 4 - of_cycle // 100 + of_year - 305

cdef inline int days_in(int year, int month) noexcept nogil:
    """Days of a month, 1 to 12."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31
