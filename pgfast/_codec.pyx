# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=True
# cython: freethreading_compatible=True
"""The compiled codec: buffers, framing, and the runs of rows and columns in both directions.

Law of this file: it does what `_codec_py.py` does, to the last exception; the contracts stand there and a docstring
here repeats its first line. Loops that need no Python object run without the GIL, in `kernels/*.pxd`; those that make
or read Python objects are here. Rare shapes (numerics with an exponent, integers beyond 64 bits, intervals with
months) are handed to the pure kernels, which then are the same by construction.
"""

cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.datetime cimport (
    date_day, date_month, date_new, date_year, datetime_day, datetime_hour, datetime_microsecond, datetime_minute,
    datetime_month, datetime_new, datetime_second, datetime_tzinfo, datetime_year, import_datetime, time_hour,
    time_microsecond, time_minute, time_new, time_second, time_tzinfo, timedelta_days, timedelta_microseconds,
    timedelta_new, timedelta_seconds,
)
from cpython.dict cimport PyDict_Next, PyDict_Size
from cpython.list cimport PyList_GET_SIZE, PyList_New, PyList_SET_ITEM
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE, PyTuple_New, PyTuple_SET_ITEM
from libc.math cimport isinf
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memcmp, memcpy

from pgfast.kernels.calendar cimport *
from pgfast.kernels.csvforms cimport CsvColumn, CsvField, CsvNull
from pgfast.kernels.csvsurvey cimport CsvSeen, survey_rows
from pgfast.kernels.csvtext cimport *
from pgfast.kernels.numeric cimport *
from pgfast.kernels.sink cimport *
from pgfast.kernels.source cimport *
from pgfast.kernels.wire cimport *

import datetime
from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID, SafeUUID

from . import const
from .errors import fault
from .errors.faults import buffer_misuse
from .values import Array, Interval, Multirange, Range
from .kernels import csvtext_py, decode_py, encode_py

cdef extern from "Python.h":
    PyObject* PyIter_Next(object) except? NULL
    bint PyIter_Check(object)
    bint PyUnicode_IS_ASCII(object)
    const uint8_t* PyUnicode_1BYTE_DATA(object)
    uint8_t* ascii_data "PyUnicode_1BYTE_DATA"(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)
    bytes PyUnicode_AsUTF8String(object)
    object PyUnicode_DecodeUTF8(const char*, Py_ssize_t, const char*)
    PyObject* decode_utf8 "PyUnicode_DecodeUTF8"(const char*, Py_ssize_t, const char*)
    bint PyErr_ExceptionMatches(object)
    void PyErr_Clear()
    object PyUnicode_FromOrdinal(int)
    object PyUnicode_New(Py_ssize_t, Py_UCS4)
    void drop "Py_DECREF"(PyObject*)
    PyObject* new_int64 "PyLong_FromLongLong"(long long) except NULL
    PyObject* new_float "PyFloat_FromDouble"(double) except NULL
    PyObject* new_letter "PyUnicode_FromOrdinal"(int) except NULL
    void set_item "PyTuple_SET_ITEM"(object, Py_ssize_t, PyObject*)
    void hold "Py_INCREF"(PyObject*)
    const uint8_t* text_data "PyUnicode_1BYTE_DATA"(PyObject*)
    void set_list_item "PyList_SET_ITEM"(list, Py_ssize_t, PyObject*)
    object PyLong_FromUnsignedLongLong(unsigned long long)

cdef extern from "datetime.h":
    PyObject* new_date "PyDate_FromDate"(int, int, int) except NULL

cdef extern from *:
    """
    #include <structmember.h>

    /* Where instances of a class keep a slot, -1 with TypeError where they have no such slot. */
    static Py_ssize_t pgf_slot_offset(PyObject *type, const char *name) {
        PyObject *found = PyObject_GetAttrString(type, name);
        Py_ssize_t offset = -1;
        if (found == NULL)
            return -1;
        if (Py_TYPE(found) == &PyMemberDescr_Type && ((PyMemberDescrObject *)found)->d_member->type == T_OBJECT_EX)
            offset = ((PyMemberDescrObject *)found)->d_member->offset;
        else
            PyErr_Format(PyExc_TypeError, "%S has no slot %s", type, name);
        Py_DECREF(found);
        return offset;
    }

    /* An instance of a class with all its slots empty. */
    static PyObject *pgf_blank(PyObject *type) {
        return PyType_GenericAlloc((PyTypeObject *)type, 0);
    }

    /* The int of big-endian bytes, unsigned. */
    static PyObject *pgf_unsigned(const unsigned char *bytes, size_t size) {
    #if PY_VERSION_HEX >= 0x030D0000
        return PyLong_FromUnsignedNativeBytes(bytes, size, Py_ASNATIVEBYTES_BIG_ENDIAN);
    #else
        return _PyLong_FromByteArray(bytes, size, 0, 0);
    #endif
    }

    /* The bytes of an int, big-endian and unsigned; -1 with OverflowError where they are too few. */
    static int pgf_store_unsigned(PyObject *value, unsigned char *bytes, size_t size) {
    #if PY_VERSION_HEX >= 0x030D0000
        Py_ssize_t wanted = PyLong_AsNativeBytes(
            value, bytes, size, Py_ASNATIVEBYTES_BIG_ENDIAN | Py_ASNATIVEBYTES_UNSIGNED_BUFFER |
            Py_ASNATIVEBYTES_REJECT_NEGATIVE);
        if (wanted > (Py_ssize_t)size)
            PyErr_SetString(PyExc_OverflowError, "int too big to convert");
        return wanted < 0 || wanted > (Py_ssize_t)size ? -1 : 0;
    #else
        return _PyLong_AsByteArray((PyLongObject *)value, bytes, size, 0, 0);
    #endif
    }

    /* A Decimal of the C implementation as _decimal.c and libmpdec's mpd_t have it on 64-bit machines: base 10**19
       words, least significant first. `pgf_decimal_fits` compares it with Decimals as they are before it is used. */
    typedef struct {
        PyObject_HEAD
        Py_hash_t hash;
        uint8_t flags;
        Py_ssize_t exp;
        Py_ssize_t digits;
        Py_ssize_t len;
        Py_ssize_t alloc;
        uint64_t *data;
        uint64_t words[4];
    } pgf_decimal;

    #define PGF_DECIMAL_NEGATIVE 1
    #define PGF_DECIMAL_SPECIAL 14 /* infinite, NaN, signalling NaN */

    /* Whether the Decimal of a text lies in memory as it should, -1 with an exception. */
    static int pgf_decimal_is(PyObject *type, const char *text, int negative, Py_ssize_t exp, Py_ssize_t digits,
                              uint64_t low, uint64_t high) {
        pgf_decimal *made = (pgf_decimal *)PyObject_CallFunction(type, "s", text);
        pgf_decimal *plain = made == NULL ? NULL : (pgf_decimal *)PyObject_CallFunction(type, "i", 1);
        int fits = -1;
        if (plain != NULL) {
            fits = Py_TYPE(made) == (PyTypeObject *)type && made->hash == -1 && made->exp == exp &&
                made->digits == digits && made->len == (high ? 2 : 1) && made->alloc == 4 &&
                made->data == made->words && made->words[0] == low && (high == 0 || made->words[1] == high) &&
                (plain->flags & (PGF_DECIMAL_SPECIAL | PGF_DECIMAL_NEGATIVE)) == 0 &&
                made->flags == (plain->flags | (negative ? PGF_DECIMAL_NEGATIVE : 0));
        }
        Py_XDECREF((PyObject *)made);
        Py_XDECREF((PyObject *)plain);
        return fits;
    }

    /* Whether Decimals may be made and read in place, -1 with an exception. Another implementation than the one above
       has another size, and is never looked into. */
    static int pgf_decimal_fits(PyObject *type) {
        static const struct {
            const char *text;
            int negative;
            Py_ssize_t exp, digits;
            uint64_t low, high;
        } known[] = {
            {"0.00", 0, -2, 1, 0, 0},
            {"-12.50", 1, -2, 4, 1250, 0},
            {"9999999999999999999", 0, 0, 19, 9999999999999999999u, 0},
            {"-12345.678901234567890123", 1, -18, 23, 5678901234567890123u, 1234},
            {"7E+3", 0, 3, 1, 7, 0},
        };
        size_t i;
        if (!PyType_Check(type) || ((PyTypeObject *)type)->tp_basicsize != (Py_ssize_t)sizeof(pgf_decimal) ||
            ((PyTypeObject *)type)->tp_itemsize != 0 || ((PyTypeObject *)type)->tp_dictoffset != 0)
            return 0;
        for (i = 0; i < sizeof known / sizeof known[0]; i++) {
            int fits = pgf_decimal_is(type, known[i].text, known[i].negative, known[i].exp, known[i].digits,
                                      known[i].low, known[i].high);
            if (fits != 1)
                return fits;
        }
        return 1;
    }

    /* The flags of a Decimal that holds its words itself. */
    static int pgf_decimal_flags(PyObject *one) {
        return ((pgf_decimal *)one)->flags;
    }

    /* The Decimal of a number below 10**19 with so many of its digits behind the point. */
    static PyObject *pgf_decimal_make(PyObject *type, int flags, int negative, uint64_t value, int digits, int scale) {
        pgf_decimal *made = (pgf_decimal *)((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
        if (made == NULL)
            return NULL;
        if (PyObject_IS_GC((PyObject *)made))
            PyObject_GC_UnTrack((PyObject *)made); /* it refers to nothing but its class */
        made->hash = -1;
        made->flags = (uint8_t)(flags | (negative ? PGF_DECIMAL_NEGATIVE : 0));
        made->exp = -(Py_ssize_t)scale;
        made->digits = digits;
        made->len = 1;
        made->alloc = 4;
        made->data = made->words;
        made->words[0] = value;
        return (PyObject *)made;
    }

    /* Whether a Decimal is a number below 10**19 with at most 38 digits behind the point, which are then filled in. */
    static int pgf_decimal_read(PyObject *value, uint64_t *number, int *negative, int *scale) {
        const pgf_decimal *it = (const pgf_decimal *)value;
        if (it->flags & PGF_DECIMAL_SPECIAL || it->len != 1 || it->exp > 0 || it->exp < -38)
            return 0;
        *number = it->data[0];
        *negative = it->flags & PGF_DECIMAL_NEGATIVE;
        *scale = (int)-it->exp;
        return 1;
    }

    /* What has been raised goes on. */
    static PyObject *pgf_pending(void) {
        return NULL;
    }
    """
    object pending "pgf_pending"()
    Py_ssize_t slot_offset "pgf_slot_offset"(object, const char*) except -1
    object unsigned_of "pgf_unsigned"(const uint8_t*, size_t)
    object blank "pgf_blank"(object)
    int store_unsigned "pgf_store_unsigned"(object, uint8_t*, size_t) except -1
    int decimal_fits "pgf_decimal_fits"(object) except -1
    int decimal_flags "pgf_decimal_flags"(object) noexcept
    object decimal_make "pgf_decimal_make"(object, int, bint, uint64_t, int, int)
    bint decimal_read "pgf_decimal_read"(object, uint64_t*, int*, int*) noexcept
    void PyObject_GC_UnTrack(object)
    bint PyObject_GC_IsTracked(object)
    bint PyObject_IS_GC(object)

__all__ = [
    "IMPLEMENTATION",
    "ColumnSink",
    "CopyState",
    "CsvState",
    "Plan",
    "ReadBuffer",
    "Replies",
    "WriteBuffer",
    "decode_columns",
    "decode_copy_columns",
    "decode_copy_data",
    "decode_copy_rows",
    "decode_copy_text",
    "decode_rows",
    "encode_binds",
    "encode_copy_columns",
    "encode_copy_csv",
    "encode_copy_rows",
    "encode_copy_text",
    "survey_csv",
]

IMPLEMENTATION = "c"

import_datetime()

cdef object date_type = datetime.date
cdef object datetime_type = datetime.datetime
cdef object time_type = datetime.time
cdef object timedelta_type = datetime.timedelta
cdef object timezone_type = datetime.timezone
cdef object utc = datetime.timezone.utc
cdef object decimal_type = Decimal
cdef object uuid_type = UUID
cdef object interval_type = Interval
cdef object array_type = Array
cdef object range_type = Range
cdef object multirange_type = Multirange
cdef object unknown_safety = SafeUUID.unknown
cdef object open_records = decode_py.OPEN_RECORDS

# Where the slots of classes lie whose objects are made without their constructors.
cdef Py_ssize_t uuid_int = slot_offset(UUID, "int")
cdef Py_ssize_t uuid_is_safe = slot_offset(UUID, "is_safe")
cdef Py_ssize_t range_lower = slot_offset(Range, "lower")
cdef Py_ssize_t range_upper = slot_offset(Range, "upper")
cdef Py_ssize_t range_bounds = slot_offset(Range, "bounds")
cdef Py_ssize_t range_isempty = slot_offset(Range, "isempty")
# Decimals are made and read in place where they lie in memory as libmpdec has them, by their text where not.
cdef bint decimals_in_place = decimal_fits(Decimal)
cdef int plain_decimal = decimal_flags(Decimal(1)) if decimals_in_place else 0
cdef object pairs = const.COLUMN_PAIRS

cdef enum:
    HEAD = 5  # tag and length word of a frame
    LITTLE = 4096  # most bytes that `take_short` copies
    OBJECT_ROWS = 4096
    KNOWN_INTS = 4096  # from 0 on, kept for the process
    TYPICAL_ROW = 64  # bytes, to guess by how many rows are in a buffer
    MAX_LABELS = 1024  # of an enum, for which a plan keeps what stands for them
    MAX_ORDINAL = 3652059
    CACHED_TEXT = 32  # most bytes of a text that is kept in a cache
    CACHE_RUN = 32  # fewest rows of a run that looks into a cache
    FEW_SLOTS = 256  # of a cache to begin with, and when it has proved too small
    MANY_SLOTS = 4096
    LOOKS = 256  # after which is judged whether a column's values repeat
    LONGEST_PAUSE = 65536  # most values that a column whose values do not repeat makes before it looks again

cdef Py_ssize_t READ_BLOCK_SIZE = const.READ_BLOCK_SIZE
cdef int32_t MAX_MESSAGE_SIZE = const.MAX_MESSAGE_SIZE
cdef bytes signature = const.COPY_SIGNATURE


cdef object shown_by(Fault* found):
    """The value of what a kernel reported."""
    if found.shown == 1:
        return found.detail
    if found.shown == 2:
        return <uint64_t>found.detail
    if found.shown == 3:
        return found.real
    if found.shown == 4:
        return PyBytes_FromStringAndSize(<const char*>found.text, found.text_size)
    if found.shown == 5:
        return PyUnicode_DecodeUTF8(<const char*>found.text, found.text_size, "replace")
    return None


cdef object fault_of(Fault* found):
    """The exception for what a kernel reported."""
    if found.code == OUT_OF_MEMORY:
        return MemoryError()
    return fault(found.code, found.at, found.column, shown_by(found))


@cython.final
@cython.auto_pickle(False)
cdef class _Memory:
    """Memory given away for good: a buffer that frees itself when its last view dies."""

    cdef uint8_t* data
    cdef Py_ssize_t size

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.data if self.data != NULL else &no_bytes, self.size, 0, flags)

    def __dealloc__(self):
        free(self.data)


cdef uint8_t no_bytes = 0


cdef object give(uint8_t* data, Py_ssize_t size):
    """A memoryview that owns `data`."""
    cdef _Memory memory = _Memory.__new__(_Memory)
    memory.data = data
    memory.size = size
    return memoryview(memory)


# ---------------------------------------------------------------- buffers

@cython.final
@cython.auto_pickle(False)
cdef class ReadBuffer:
    """Bytes from a socket, handed out as frames and runs."""

    cdef bytearray block
    cdef object whole  # the view of the whole block, made once
    cdef Py_ssize_t block_size, start, end, limit
    cdef bint lent

    def __init__(self, Py_ssize_t block_size=const.READ_BLOCK_SIZE, Py_ssize_t max_message_size=const.MAX_MESSAGE_SIZE):
        if block_size < 16:
            raise buffer_misuse("block_size must be at least 16 bytes")
        self.block_size = block_size
        self.limit = max_message_size
        self.block = bytearray(block_size)
        self.whole = memoryview(self.block)
        self.start = 0
        self.end = 0
        self.lent = False

    @property
    def pending(self):
        """Bytes that have arrived and were not taken yet."""
        return self.end - self.start

    def get_buffer(self, Py_ssize_t size_hint=-1):
        """A writable view of the free tail, never empty; it and runs taken before, unless lent, die at the next one."""
        cdef Py_ssize_t unread = self.end - self.start
        cdef Py_ssize_t size = PyByteArray_GET_SIZE(self.block)
        if unread == 0 and not self.lent and size <= 4 * self.block_size:
            self.start = 0
            self.end = 0
        elif self.lent or unread == 0 or size - self.end < self.block_size // 4:
            self._make_room(unread)
        return self.whole[self.end :] if self.end else self.whole

    cdef int _make_room(self, Py_ssize_t unread) except -1:
        cdef bytes rest = PyBytes_FromStringAndSize(PyByteArray_AS_STRING(self.block) + self.start, unread)
        if self.lent or unread == 0 or unread > PyByteArray_GET_SIZE(self.block) // 2:
            self.block = bytearray(max(self.block_size, 2 * unread))
            self.whole = memoryview(self.block)
            self.lent = False
        memcpy(PyByteArray_AS_STRING(self.block), PyBytes_AS_STRING(rest), unread)
        self.start = 0
        self.end = unread
        return 0

    def commit(self, Py_ssize_t size_bytes):
        """Say that `size_bytes` were written to the start of the view `get_buffer` gave."""
        cdef Py_ssize_t room = PyByteArray_GET_SIZE(self.block) - self.end
        if size_bytes < 0 or size_bytes > room:
            raise buffer_misuse(f"commit of {size_bytes} bytes, {room} were free")
        self.end += size_bytes

    cdef Py_ssize_t frame_length(self, Py_ssize_t start) except -1:
        cdef int32_t length
        if self.end - start < HEAD:
            return 0
        length = load_i32(<const uint8_t*>PyByteArray_AS_STRING(self.block) + start + 1)
        if length < 4:
            raise fault(FAULT_FRAME_LENGTH, 1, -1, length)
        if length > self.limit:
            raise fault(FAULT_FRAME_SIZE, 1, -1, length)
        if length > MAX_SHORT_MESSAGE and not is_long(<uint8_t>PyByteArray_AS_STRING(self.block)[start]):
            raise fault(FAULT_FRAME_KIND, 1, -1, length)
        return 1 + <Py_ssize_t>length

    def next_frame(self):
        """The next complete frame as (tag, payload), the payload a copy; None while it is incomplete."""
        cdef Py_ssize_t start = self.start
        cdef Py_ssize_t length = self.frame_length(start)
        cdef const char* p
        if length == 0 or self.end - start < length:
            return None
        self.start = start + length
        p = PyByteArray_AS_STRING(self.block) + start
        return <uint8_t>p[0], PyBytes_FromStringAndSize(p + HEAD, length - HEAD)

    @property
    def next_tag(self):
        """The tag of the frame that `next_frame` would give, -1 while it is incomplete."""
        cdef Py_ssize_t length = self.frame_length(self.start)
        if length == 0 or self.end - self.start < length:
            return -1
        return <uint8_t>PyByteArray_AS_STRING(self.block)[self.start]

    def take_run(self, int tag):
        """All complete consecutive frames of `tag` from here on, as (block, start, stop, count), or None."""
        cdef const uint8_t* p = <const uint8_t*>PyByteArray_AS_STRING(self.block)
        cdef Py_ssize_t at = self.start, count = 0, start, end = self.end, most = self.limit
        cdef int32_t length
        if most > MAX_SHORT_MESSAGE and not is_long(tag):
            most = MAX_SHORT_MESSAGE
        with nogil:
            while end - at >= HEAD and p[at] == tag:
                length = load_i32(p + at + 1)
                if length < 4 or length > most or end - at < 1 + <Py_ssize_t>length:
                    break
                at += 1 + <Py_ssize_t>length
                count += 1
        if count == 0:
            if end - at >= HEAD and p[at] == tag:
                self.frame_length(at)
            return None
        start = self.start
        self.start = at
        return self.block, start, at, count

    def lend(self):
        """Keep the block of the runs taken so far from being written again: the next `get_buffer` makes a new one."""
        self.lent = True


@cython.final
@cython.auto_pickle(False)
cdef class WriteBuffer:
    """Messages on their way to a socket, gathered in one block until `take`."""

    cdef Block out
    cdef Py_ssize_t block_size, message_at, length_at

    def __init__(self, Py_ssize_t block_size=const.COPY_BLOCK_SIZE):
        if block_size < 16:
            raise buffer_misuse("block_size must be at least 16 bytes")
        self.block_size = block_size
        self.message_at = -1

    def __dealloc__(self):
        free(self.out.data)

    cdef int room(self, Py_ssize_t extra) except -1:
        if self.out.data == NULL and extra < self.block_size:
            # The first reserve of a block is the usual size of one, and an eighth for the row that goes beyond it:
            # without that each block would move when it is full.
            extra = self.block_size + (self.block_size >> 3)
        if reserve(&self.out, extra):
            raise MemoryError()
        return 0

    cdef int opened(self) except -1:
        if self.message_at < 0:
            raise buffer_misuse("no message is open")
        return 0

    cdef void discard(self) noexcept:
        self.out.size = self.message_at
        self.message_at = -1

    @property
    def size_bytes(self):
        """Bytes not taken yet, those of an open message included."""
        return self.out.size

    def begin(self, Py_ssize_t tag):
        """Open a message; tag 0 stands for none (StartupMessage, SSLRequest, CancelRequest)."""
        self.open_message(tag)

    cdef int open_message(self, Py_ssize_t tag) except -1:
        if self.message_at >= 0:
            raise buffer_misuse("a message is open already")
        if tag < 0 or tag > 255:
            raise buffer_misuse(f"{tag} is not a tag")
        self.room(HEAD)
        self.message_at = self.out.size
        if tag:
            self.out.data[self.out.size] = <uint8_t>tag
            self.out.size += 1
        self.length_at = self.out.size
        self.out.size += 4
        return 0

    def end(self):
        """Close the open message and write its length."""
        self.close_message()

    cdef int close_message(self) except -1:
        cdef Py_ssize_t length
        self.opened()
        length = self.out.size - self.length_at
        if length > INT32_MAX:
            self.discard()
            raise fault(FAULT_MESSAGE_SIZE, 0, -1)
        store_i32(self.out.data + self.length_at, <int32_t>length)
        self.message_at = -1
        return 0

    cdef int put_int(self, object value, int width) except -1:
        cdef int overflow = 0, i
        cdef long long number
        self.opened()
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow or number < -(<long long>1 << (8 * width - 1)) or number >= <long long>1 << (8 * width):
            self.discard()
            raise fault(FAULT_VALUE_RANGE, 0, -1, value)
        self.room(width)
        for i in range(width):
            self.out.data[self.out.size + i] = <uint8_t>(number >> (8 * (width - 1 - i)))
        self.out.size += width
        return 0

    def put_i8(self, value):
        """Append one byte; -128 to 255."""
        self.put_int(value, 1)

    def put_i16(self, value):
        """Append two bytes, big-endian; -32768 to 65535."""
        self.put_int(value, 2)

    def put_i32(self, value):
        """Append four bytes, big-endian; -2147483648 to 4294967295."""
        self.put_int(value, 4)

    cdef int check_size(self, Py_ssize_t extra) except -1:
        if extra > INT32_MAX - (self.out.size - self.length_at):
            self.discard()
            raise fault(FAULT_MESSAGE_SIZE, 0, -1)
        return 0

    def put_bytes(self, value):
        """Append the bytes of any buffer. A message that would be too long is refused before it is copied."""
        cdef Py_buffer view
        self.opened()
        PyObject_GetBuffer(value, &view, PyBUF_SIMPLE)
        try:
            self.check_size(view.len)
            self.room(view.len)
            copy(self.out.data + self.out.size, view.buf, view.len)
            self.out.size += view.len
        finally:
            PyBuffer_Release(&view)

    def put_cstr(self, bytes value not None):
        """Append the bytes and a NUL; a NUL inside is a fault."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(value)
        self.opened()
        self.check_size(size + 1)
        if memchr(PyBytes_AS_STRING(value), 0, size) != NULL:
            self.discard()
            raise fault(FAULT_NUL, 0, -1, value)
        self.room(size + 1)
        memcpy(self.out.data + self.out.size, PyBytes_AS_STRING(value), size + 1)  # bytes end with a NUL
        self.out.size += size + 1

    cdef int append(self, const char* data, Py_ssize_t size) except -1:
        self.room(size)
        if size:
            memcpy(self.out.data + self.out.size, data, size)
        self.out.size += size
        return 0

    def put_messages(self, bytes messages not None):
        """Append whole messages that were made before; none may be open."""
        if self.message_at >= 0:
            raise buffer_misuse("a message is open already")
        self.append(PyBytes_AS_STRING(messages), PyBytes_GET_SIZE(messages))

    def begin_copy(self):
        """Open a CopyData message."""
        self.open_message(0x64)

    def end_copy(self):
        """Close the CopyData message; an empty one vanishes."""
        self.opened()
        if self.out.size - self.length_at == 4:
            self.discard()
        else:
            self.close_message()

    def take(self):
        """Everything gathered, given away for good; the buffer goes on in a fresh block."""
        cdef uint8_t* data = self.out.data
        cdef Py_ssize_t size = self.out.size
        if self.message_at >= 0:
            raise buffer_misuse("a message is still open")
        self.out.data = NULL
        self.out.size = 0
        self.out.capacity = 0
        return give(data, size)

    def take_short(self):
        """As `take`, but a copy, as bytes, where it is little: the block then goes on being used."""
        cdef Py_ssize_t size = self.out.size
        if size > LITTLE or self.message_at >= 0 or self.out.capacity > 2 * self.block_size + LITTLE:
            return self.take()
        self.out.size = 0
        return PyBytes_FromStringAndSize(<const char*>self.out.data, size) if size else b""


# ---------------------------------------------------------------- plans

cdef struct Node:
    int kind
    uint32_t oid
    PyObject* call  # borrowed from Plan.calls, NULL for none
    Py_ssize_t count
    Node* children
    Labels* labels  # of an enum: those that came up
    PyObject* known  # and the list of what stands for them, borrowed from Plan.calls


cdef int node_fill(Node* node, object spec, list calls, int depth) except -1:
    """Take a spec apart; the calls stay alive in `calls`."""
    cdef Py_ssize_t i
    cdef int kind
    decode_py.check_spec(spec, depth)
    kind, oid, call, children = spec
    node.kind = kind
    node.oid = oid
    node.call = NULL if call is None else <PyObject*>call
    calls.append(call)
    node.children = <Node*>calloc(len(children) + 1, sizeof(Node))
    if node.children == NULL:
        raise MemoryError()
    node.count = len(children)
    for i in range(node.count):
        node_fill(&node.children[i], children[i], calls, depth + 1)
    if kind == KIND_ENUM:
        known = []
        calls.append(known)
        node.known = <PyObject*>known
        node.labels = <Labels*>calloc(1, sizeof(Labels))
        if node.labels == NULL:
            raise MemoryError()
    return 0


cdef void node_free(Node* node) noexcept:
    cdef Py_ssize_t i
    for i in range(node.count):
        node_free(&node.children[i])
    free(node.children)
    labels_free(node.labels)


# ---------------------------------------------------------------- values that come again

# A value and the field it was made of. The key is the field's first and last eight bytes, which are all of it up to
# sixteen; a longer text is compared with the value itself.
cdef struct Slot:
    uint64_t first
    uint64_t last
    PyObject* value  # owned; NULL where nothing is kept
    uint32_t tag  # kind and size of the field

# How the values of one column repeat.
cdef struct Watch:
    int32_t left  # looks until they are judged; negative: values until it looks again
    int32_t found  # of the looks since then
    int32_t pause  # how long it did not look the last time

# Values of one plan by their bytes, each in the one slot where it may be. Only what is immutable and made by the codec
# alone is kept: numbers, dates, short texts, never what a call made. It belongs to one run at a time, so a
# run of another thread, or one begun by a call of this run, goes without; its size is bounded whatever comes.
cdef struct Cache:
    Slot* slots
    Py_ssize_t count  # a power of two
    Py_ssize_t replaced  # values since the run before the last growth, that had to give way to others
    Watch* columns


cdef Cache* cache_new(Py_ssize_t width) noexcept:
    """A cache without values, NULL where memory is not to be had: then it goes without."""
    cdef Cache* cache = <Cache*>calloc(1, sizeof(Cache))
    cdef Py_ssize_t i
    if cache == NULL:
        return NULL
    cache.count = FEW_SLOTS
    cache.slots = <Slot*>calloc(FEW_SLOTS, sizeof(Slot))
    cache.columns = <Watch*>calloc(width + 1, sizeof(Watch))
    if cache.slots == NULL or cache.columns == NULL:
        cache_free(cache)
        return NULL
    for i in range(width):
        cache.columns[i].left = LOOKS
    return cache


cdef void cache_free(Cache* cache) noexcept:
    cdef Py_ssize_t i
    if cache == NULL:
        return
    if cache.slots != NULL:
        for i in range(cache.count):
            if cache.slots[i].value != NULL:
                drop(cache.slots[i].value)
    free(cache.slots)
    free(cache.columns)
    free(cache)


cdef void cache_grow(Cache* cache) noexcept:
    """Give a cache in which values gave way to others its second size; where memory is short it stays as it is."""
    cdef Slot* slots
    cdef Slot* old = cache.slots
    cdef Slot* slot
    cdef Py_ssize_t i
    slots = <Slot*>calloc(MANY_SLOTS, sizeof(Slot))
    if slots == NULL:
        return
    for i in range(cache.count):
        if old[i].value != NULL:
            slot = &slots[slot_index(old[i].first, old[i].last, old[i].tag, MANY_SLOTS - 1)]
            if slot.value != NULL:
                drop(slot.value)
            slot[0] = old[i]
    cache.slots = slots
    cache.count = MANY_SLOTS
    free(old)


cdef inline Py_ssize_t slot_index(uint64_t first, uint64_t last, uint32_t tag, Py_ssize_t mask) noexcept nogil:
    cdef uint64_t mixed
    if tag >> 16 == KIND_DATE:  # days that follow each other do not meet
        return <Py_ssize_t>(first & <uint64_t>mask)
    mixed = (first ^ (last >> 29) ^ tag) * 0x9E3779B97F4A7C15ULL
    mixed = (mixed ^ last ^ (mixed >> 32)) * 0xD6E8FEB86659FD93ULL
    return <Py_ssize_t>((mixed >> 40) & <uint64_t>mask)


cdef inline bint may_repeat(int kind, const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """Whether a field, of a kind that has no call, makes a value that may be kept."""
    if kind == KIND_NUMERIC:
        return 8 <= size <= 16
    if kind == KIND_STR:
        return 2 <= size <= CACHED_TEXT
    if kind == KIND_TIMESTAMP or kind == KIND_TIMESTAMPTZ:
        return size == 8 and (
            (1 - EPOCH_ORDINAL) * US_PER_DAY <= load_i64(p) < (MAX_ORDINAL + 1 - EPOCH_ORDINAL) * US_PER_DAY
        )
    return size == 16 and kind == KIND_UUID


cdef PyObject* remembered(
    Cache* cache, Watch* watch, Node* spec, const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column
) except NULL:
    """The value of a field that may repeat: the one kept, or a new one, which then is kept."""
    cdef uint64_t first = 0, last = 0
    cdef uint32_t tag = (<uint32_t>spec.kind << 16) | <uint32_t>size
    cdef Slot* slot
    cdef PyObject* value
    cdef PyObject* before
    cdef object made
    if spec.kind == KIND_DATE:
        first = load_u32(p)
    elif size >= 8:
        memcpy(&first, p, 8)
        memcpy(&last, p + size - 8, 8)
    elif size >= 4:
        first = <uint64_t>load_u32(p) << 32 | load_u32(p + size - 4)
    else:  # two or three
        first = <uint64_t>p[0] << 16 | <uint64_t>p[1] << 8 | p[size - 1]
    slot = &cache.slots[slot_index(first, last, tag, cache.count - 1)]
    value = slot.value
    watch.left -= 1
    if (
        value != NULL and slot.first == first and slot.last == last and slot.tag == tag
        and (size <= 16 or memcmp(text_data(value), p, size) == 0)
    ):
        watch.found += 1
        if watch.left == 0:
            judge(watch)
        hold(value)
        return value
    made = decode_scalar(spec.kind, spec.call, p, size, at, column)
    value = <PyObject*>made
    hold(value)
    if watch.left == 0:
        judge(watch)
    if size <= 16 or PyUnicode_IS_ASCII(made):
        before = slot.value
        slot.first = first
        slot.last = last
        slot.tag = tag
        slot.value = value
        hold(value)
        if before != NULL:
            cache.replaced += 1
            drop(before)  # last: what watches a value that dies may run any code
    return value


cdef inline void judge(Watch* watch) noexcept nogil:
    """Let a column look on where a quarter of its values were found, else pause, each time twice as long."""
    if 4 * watch.found >= LOOKS:
        watch.left = LOOKS
        watch.pause = 0
    else:
        watch.pause = 2 * watch.pause if watch.pause else LOOKS
        if watch.pause > LONGEST_PAUSE:
            watch.pause = LONGEST_PAUSE
        watch.left = -watch.pause
    watch.found = 0


cdef inline bint looks(Watch* watch) noexcept nogil:
    """Whether the column's next value is looked for."""
    if watch.left > 0:
        return True
    watch.left += 1
    if watch.left == 0:
        watch.left = LOOKS
    return False


@cython.final
@cython.auto_pickle(False)
cdef class Plan:
    """What to do with each column, decided once for a statement."""

    cdef Node* columns
    cdef Py_ssize_t count
    cdef list calls
    cdef tuple keys
    cdef bytes codes
    cdef Cache* cache
    cdef bint cache_taken  # by a run that goes on

    def __init__(self, specs, keys=()):
        cdef Py_ssize_t i
        cdef bytearray codes = bytearray()
        specs = list(specs)
        if self.columns != NULL:
            raise buffer_misuse("a plan is made once")
        self.calls = []
        self.columns = <Node*>calloc(len(specs) + 1, sizeof(Node))
        if self.columns == NULL:
            raise MemoryError()
        self.count = len(specs)
        for i in range(self.count):
            node_fill(&self.columns[i], specs[i], self.calls, 0)
            codes += b"\0\0" if self.columns[i].kind == KIND_TEXT_CALL else b"\0\1"
        if keys and len(keys) != len(specs):
            raise buffer_misuse(f"{len(keys)} keys for {len(specs)} columns")
        self.keys = tuple(keys)
        self.codes = bytes(codes)

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.columns != NULL:
            for i in range(self.count):
                node_free(&self.columns[i])
            free(self.columns)
        cache_free(self.cache)

    cdef Cache* take_cache(self, Py_ssize_t rows) noexcept:
        """The cache for a run of its own, to be given back; NULL for a short run, and while another one has it."""
        cdef Cache* cache = NULL
        if rows < CACHE_RUN:
            return NULL
        with cython.critical_section(self):
            if not self.cache_taken:
                if self.cache == NULL:
                    self.cache = cache_new(self.count)
                cache = self.cache
                self.cache_taken = cache != NULL
        return cache

    cdef void give_cache(self, Cache* cache) noexcept:
        if cache != NULL:
            if cache.count == FEW_SLOTS and 2 * cache.replaced > FEW_SLOTS:
                cache_grow(cache)
            cache.replaced = 0
            with cython.critical_section(self):
                self.cache_taken = False

    @property
    def width(self):
        """Number of columns."""
        return self.count

    @property
    def formats(self):
        """The format code of each column, int16 big-endian: 0 for KIND_TEXT_CALL, else 1."""
        return self.codes


# ---------------------------------------------------------------- one field -> one Python value

cdef inline PyObject* int_of(int64_t value) except NULL:
    """A new reference to the int. Small ones, which data is full of, are made once for the process."""
    cdef PyObject* known
    if 0 <= value < KNOWN_INTS:
        known = known_ints[value]
        hold(known)
        return known
    return new_int64(value)


cdef inline object taken(PyObject* value):
    """The object of a new reference."""
    cdef object made = <object>value
    drop(value)
    return made


cdef PyObject* known_ints[KNOWN_INTS]
cdef tuple known_ints_held = tuple(range(KNOWN_INTS))
cdef Py_ssize_t known_at
for known_at in range(KNOWN_INTS):
    known_ints[known_at] = PyTuple_GET_ITEM(known_ints_held, known_at)


cdef object called(PyObject* call, object value, Py_ssize_t at, Py_ssize_t column):
    if call == NULL:
        return value
    try:
        return (<object>call)(value)
    except Exception as exc:
        raise fault(FAULT_CALL, at, column, exc) from exc


cdef object text_of(const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column):
    """The text, strictly UTF-8. Without try, which would put the pending exception aside for every value."""
    cdef object made
    cdef PyObject* decoded
    if 1 < size <= 64 and is_ascii(p, size):
        made = PyUnicode_New(size, 127)
        memcpy(ascii_data(made), p, size)
        return made
    decoded = decode_utf8(<const char*>p, size, NULL)
    if decoded == NULL:
        if not PyErr_ExceptionMatches(UnicodeDecodeError):
            pending()
        PyErr_Clear()
        raise fault(FAULT_TEXT, at, column)
    made = <object>decoded
    drop(decoded)
    return made


cdef inline bint is_ascii(const uint8_t* p, Py_ssize_t size) noexcept nogil:
    cdef uint64_t word
    cdef uint8_t bits = 0
    while size >= 8:
        memcpy(&word, p, 8)
        if word & HIGH_BITS:
            return False
        p += 8
        size -= 8
    while size:
        size -= 1
        bits |= p[size]
    return bits < 128


cdef object label_of(Node* spec, const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column):
    """What stands for an enum's label, made once for each."""
    cdef int32_t index = 0
    cdef int code = 0
    cdef object made
    cdef list known = <list>spec.known
    with cython.critical_section(known):  # threads share plans
        if spec.labels.count < MAX_LABELS:
            code = label_index(spec.labels, p, size, &index)
        else:
            index = label_find(spec.labels, p, size)
        if code == 0:
            while len(known) <= index:
                known.append(None)
    if code == OUT_OF_MEMORY:
        raise MemoryError()
    if code:
        raise fault(code, at, column)
    if index < 0:
        return called(spec.call, text_of(p, size, at, column), at, column)
    made = known[index]
    if made is None:
        made = called(spec.call, text_of(p, size, at, column), at, column)
        known[index] = made
    return made


cdef object numeric_of(const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column):
    cdef SmallNumeric number
    if decimals_in_place and numeric_small(p, size, &number):
        return decimal_make(
            decimal_type, plain_decimal, number.negative, number.value, digits_of(number.value), number.scale
        )
    return numeric_by_text(p, size, at, column)


cdef object numeric_by_text(const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column):
    cdef Numeric head
    cdef uint8_t small[256]
    cdef uint8_t* out = small
    cdef Py_ssize_t bound, n
    cdef object text
    if numeric_head(p, size, &head):
        raise fault(FAULT_NUMERIC, at, column)
    bound = numeric_text_bound(&head)
    if bound > 256:
        out = <uint8_t*>malloc(bound)
        if out == NULL:
            raise MemoryError()
    try:
        n = numeric_text(p, &head, out)
        text = PyUnicode_New(n, 127)
        memcpy(ascii_data(text), out, n)
    finally:
        if out != small:
            free(out)
    return decimal_type(text)


cdef object held(PyObject* call, object raw, int code, Py_ssize_t at, Py_ssize_t column):
    """What `call` makes of a value that Python cannot hold; a fault where there is no call."""
    if call == NULL:
        raise fault(code, at, column)
    return called(call, raw, at, column)


cdef object time_of(PyObject* call, int64_t us, Py_ssize_t at, Py_ssize_t column):
    if us == US_PER_DAY:
        return held(call, us, FAULT_TIME_RANGE, at, column)
    if us < 0 or us > US_PER_DAY:
        raise fault(FAULT_VALUE, at, column)
    return clock(us, None)


cdef object timetz_of(PyObject* call, const uint8_t* p, Py_ssize_t at, Py_ssize_t column):
    cdef int64_t us = load_i64(p)
    cdef int32_t west = load_i32(p + 8)
    if west <= -86400 or west >= 86400 or us < 0 or us > US_PER_DAY:
        raise fault(FAULT_VALUE, at, column)
    if us == US_PER_DAY:
        return held(call, (us, west), FAULT_TIME_RANGE, at, column)
    return clock(us, timezone_type(timedelta_new(0, -west, 0)))


cdef object clock(int64_t us, object zone):
    cdef int seconds
    seconds = <int>(us // 1000000)
    return time_new(seconds // 3600, seconds // 60 % 60, seconds % 60, <int>(us % 1000000), zone)


cdef object datetime_of(PyObject* call, int64_t us, object zone, Py_ssize_t at, Py_ssize_t column):
    cdef int64_t days = us // US_PER_DAY
    cdef int64_t rest = us - days * US_PER_DAY
    cdef int year, month, day, seconds
    if rest < 0:
        rest += US_PER_DAY
        days -= 1
    days += EPOCH_ORDINAL
    if days < 1 or days > MAX_ORDINAL:
        return held(call, us, FAULT_DATE_RANGE, at, column)
    civil(days, &year, &month, &day)
    seconds = <int>(rest // 1000000)
    return datetime_new(
        year, month, day, seconds // 3600, seconds // 60 % 60, seconds % 60, <int>(rest % 1000000), zone
    )


cdef object interval_of(PyObject* call, const uint8_t* p, Py_ssize_t at, Py_ssize_t column):
    cdef int64_t us = load_i64(p)
    cdef int32_t days = load_i32(p + 8)
    cdef int32_t months = load_i32(p + 12)
    cdef int64_t whole = days
    if call != NULL:
        return called(call, (months, days, us), at, column)
    if months == 0 and -US_PER_DAY < us < US_PER_DAY and -999999999 < days < 999999999:
        if us >= 0 and days >= 0:
            return timedelta_new(days, <int>(us // 1000000), <int>(us % 1000000))
        if us <= 0 and days <= 0:
            if us < 0:
                us += US_PER_DAY
                whole -= 1
            return timedelta_new(<int>whole, <int>(us // 1000000), <int>(us % 1000000))
    return interval_type(months, days, us)


cdef inline void fill_slot(object made, Py_ssize_t offset, object value) noexcept:
    """Put the value into an empty slot of an object that nobody else has seen yet."""
    Py_INCREF(value)
    (<PyObject**>(<char*><PyObject*>made + offset))[0] = <PyObject*>value


cdef object uuid_of(const uint8_t* p):
    """The UUID, made as its constructor makes it but without that constructor's choices."""
    cdef object made = blank(uuid_type)
    fill_slot(made, uuid_int, unsigned_of(p, 16))
    fill_slot(made, uuid_is_safe, unknown_safety)
    PyObject_GC_UnTrack(made)  # it holds an int and an enum's member: nothing the collector could be needed for
    return made


cdef object range_of(object lower, object upper, int flags):
    """The Range, as its constructor makes it."""
    cdef object made = blank(range_type)
    cdef bint left = lower is not None and flags & RANGE_LB_INC
    cdef bint right = upper is not None and flags & RANGE_UB_INC
    fill_slot(made, range_lower, lower)
    fill_slot(made, range_upper, upper)
    if left:
        fill_slot(made, range_bounds, "[]" if right else "[)")
    else:
        fill_slot(made, range_bounds, "(]" if right else "()")
    fill_slot(made, range_isempty, (flags & RANGE_EMPTY) != 0)
    return made


cdef object decode_scalar(
    int kind, PyObject* call, const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column
):
    """The value of a field that is not NULL and made of nothing else."""
    cdef int year, month, day
    cdef int64_t days
    cdef Py_ssize_t width
    if kind == KIND_STR and call == NULL:
        return text_of(p, size, at, column)
    if kind == KIND_NUMERIC:
        return numeric_of(p, size, at, column)
    if kind == KIND_BYTES:
        return PyBytes_FromStringAndSize(<const char*>p, size)
    if kind == KIND_STR or kind == KIND_TEXT_CALL or kind == KIND_JSON:
        return called(call, text_of(p, size, at, column), at, column)
    if kind == KIND_JSONB:
        if size < 1 or p[0] != 1:
            raise fault(FAULT_VALUE, at, column)
        return called(call, text_of(p + 1, size - 1, at, column), at, column)
    if kind == KIND_CALL:
        return called(call, PyBytes_FromStringAndSize(<const char*>p, size), at, column)
    width = wire_width(kind)
    if size != width:
        raise fault(FAULT_FIELD_WIDTH, at, column, size)
    if kind == KIND_INT4:
        return taken(int_of(load_i32(p)))
    if kind == KIND_INT8:
        return taken(int_of(load_i64(p)))
    if kind == KIND_FLOAT8:
        return load_f64(p)
    if kind == KIND_INT2:
        return taken(int_of(load_i16(p)))
    if kind == KIND_FLOAT4:
        return <double>load_f32(p)
    if kind == KIND_BOOL:
        if p[0] > 1:
            raise fault(FAULT_VALUE, at, column)
        return p[0] == 1
    if kind == KIND_OID:
        return taken(int_of(load_u32(p)))
    if kind == KIND_DATE:
        days = <int64_t>load_i32(p) + EPOCH_ORDINAL
        if days < 1 or days > MAX_ORDINAL:
            return held(call, load_i32(p), FAULT_DATE_RANGE, at, column)
        civil(days, &year, &month, &day)
        return date_new(year, month, day)
    if kind == KIND_TIMESTAMP:
        return datetime_of(call, load_i64(p), None, at, column)
    if kind == KIND_TIMESTAMPTZ:
        return datetime_of(call, load_i64(p), utc, at, column)
    if kind == KIND_TIME:
        return time_of(call, load_i64(p), at, column)
    if kind == KIND_UUID:
        return uuid_of(p)
    if kind == KIND_INTERVAL:
        return interval_of(call, p, at, column)
    if kind == KIND_TIMETZ:
        return timetz_of(call, p, at, column)
    if kind == KIND_UINT8:
        return PyLong_FromUnsignedLongLong(load_u64(p))
    if p[0] < 128:
        return PyUnicode_FromOrdinal(p[0]) if p[0] else ""
    return decode_py.decode_char(PyBytes_FromStringAndSize(<const char*>p, size), at, column)


cdef inline Py_ssize_t wire_width(int kind) noexcept nogil:
    """Bytes of a field of a kind of fixed width."""
    if kind == KIND_BOOL or kind == KIND_CHAR:
        return 1
    if kind == KIND_INT2:
        return 2
    if kind == KIND_INT4 or kind == KIND_OID or kind == KIND_FLOAT4 or kind == KIND_DATE:
        return 4
    if kind == KIND_TIMETZ:
        return 12
    if kind == KIND_INTERVAL or kind == KIND_UUID:
        return 16
    return 8


cdef inline object decode_value(Node* spec, const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column):
    """The value of a field that is not NULL."""
    if spec.kind < KIND_ARRAY:
        return decode_scalar(spec.kind, spec.call, p, size, at, column)
    return decode_container(spec, p, size, at, column)


cdef object decode_container(Node* spec, const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column):
    if spec.kind == KIND_ARRAY or spec.kind == KIND_VECTOR:
        return decode_array(spec, p, size, at, column)
    if spec.kind == KIND_COMPOSITE:
        return decode_composite(spec, p, size, at, column)
    if spec.kind == KIND_RANGE:
        return decode_range(spec, p, size, at, column)
    if spec.kind == KIND_MULTIRANGE:
        return decode_multirange(spec, p, size, at, column)
    if spec.kind == KIND_RECORD:
        return decode_record(spec, p, size, at, column)
    if spec.kind == KIND_ENUM:
        return label_of(spec, p, size, at, column)
    return decode_scalar(spec.kind, spec.call, p, size, at, column)


cdef inline bint opaque(int element) noexcept nogil:
    """Whether elements of the kind may be lists themselves."""
    return element == KIND_JSON or element == KIND_JSONB or element == KIND_ARRAY or element == KIND_VECTOR


cdef Py_ssize_t int4_elements(
    list made, Py_ssize_t count, const uint8_t* p, Py_ssize_t size, Py_ssize_t* pos
) except -1:
    """How many elements in front are plain int4, and have been put into the list."""
    cdef Py_ssize_t i = 0, at = pos[0]
    while i < count and size - at >= 8 and load_i32(p + at) == 4:
        set_list_item(made, i, int_of(load_i32(p + at + 4)))
        at += 8
        i += 1
    pos[0] = at
    return i


cdef list decode_level(
    Node* element, const uint8_t* p, Py_ssize_t size, Py_ssize_t* pos, Py_ssize_t* dims, int depth, int ndim,
    Py_ssize_t at, Py_ssize_t column
):
    """One dimension of an array as a list, beginning at pos[0]."""
    cdef Fault found
    cdef Py_ssize_t i
    cdef int32_t length = 0
    cdef object value
    cdef list made = PyList_New(dims[depth])
    cdef Py_ssize_t begin = 0
    if depth + 1 == ndim and element.kind == KIND_INT4:
        begin = int4_elements(made, dims[depth], p, size, pos)
    for i in range(begin, dims[depth]):
        if depth + 1 < ndim:
            value = decode_level(element, p, size, pos, dims, depth + 1, ndim, at, column)
        else:
            if part(p, size, pos[0], FAULT_ARRAY, at, column, &length, &found):
                raise fault_of(&found)
            pos[0] += 4
            if length < 0:
                value = None
            elif element.kind == KIND_STR and element.call == NULL:
                value = text_of(p + pos[0], length, at + pos[0], column)
                pos[0] += length
            else:
                value = decode_value(element, p + pos[0], length, at + pos[0], column)
                pos[0] += length
        Py_INCREF(value)
        PyList_SET_ITEM(made, i, value)
    return made


cdef object decode_array(Node* spec, const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column):
    """Nested lists; an Array where a lower bound is not 1, or where elements may be lists; a vector is a list."""
    cdef Fault found
    cdef int ndim = 0, i
    cdef Py_ssize_t dims[MAX_DIMENSIONS]
    cdef int32_t bounds[MAX_DIMENSIONS]
    cdef Py_ssize_t pos
    cdef list value
    cdef bint vector = spec.kind == KIND_VECTOR
    if array_head(p, size, spec.children[0].oid, vector, at, column, &ndim, dims, bounds, &found):
        raise fault_of(&found)
    if ndim == 0:
        return []
    pos = 12 + 8 * ndim
    value = decode_level(&spec.children[0], p, size, &pos, dims, 0, ndim, at, column)
    if pos != size:
        raise fault(FAULT_ARRAY, at + pos, column)
    if not vector:
        for i in range(ndim):
            if bounds[i] != 1 or (ndim > 1 and opaque(spec.children[0].kind)):
                return array_type(value, [bounds[i] for i in range(ndim)])
    return value


cdef tuple decode_attributes(
    Node* children, Py_ssize_t count, const uint8_t* p, Py_ssize_t at, Py_ssize_t column
):
    """The values of a composite whose parts were checked."""
    cdef Py_ssize_t i, pos = 4
    cdef int32_t length
    cdef object value
    cdef tuple made = PyTuple_New(count)
    for i in range(count):
        length = load_i32(p + pos + 4)
        pos += 8
        if length < 0:
            value = None
        else:
            value = decode_value(&children[i], p + pos, length, at + pos, column)
            pos += length
        Py_INCREF(value)
        PyTuple_SET_ITEM(made, i, value)
    return made


cdef object decode_composite(Node* spec, const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column):
    """What `call` makes of the tuple of the attributes, or that tuple."""
    cdef Fault found
    cdef int32_t count = 0, length
    cdef Py_ssize_t i, pos = 4
    if composite_parts(p, size, at, column, &count, &found):
        raise fault_of(&found)
    if count != spec.count:
        raise fault(FAULT_COMPOSITE_SHAPE, at, column, count)
    for i in range(count):
        if spec.children[i].oid and load_u32(p + pos) != spec.children[i].oid:
            raise fault(FAULT_COMPOSITE_SHAPE, at + pos, column, load_u32(p + pos))
        length = load_i32(p + pos + 4)
        pos += 8 + (length if length > 0 else 0)
    return called(spec.call, decode_attributes(spec.children, count, p, at, column), at, column)


cdef object decode_record(Node* spec, const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column):
    """The tuple of an anonymous record's fields; `call` gives the Plan for their OIDs."""
    cdef Fault found
    cdef int32_t count = 0, length, _i
    cdef Py_ssize_t pos = 4
    cdef list oids = []
    cdef Plan plan
    cdef int depth
    if composite_parts(p, size, at, column, &count, &found):
        raise fault_of(&found)
    for _i in range(count):
        oids.append(load_u32(p + pos))
        length = load_i32(p + pos + 4)
        pos += 8 + (length if length > 0 else 0)
    plan = called(spec.call, tuple(oids), at, column)
    if plan.count != count:
        raise buffer_misuse(f"a plan of {plan.count} columns for a record of {count} fields")
    depth = open_records.get()
    if depth == MAX_NESTING:
        raise fault(FAULT_NESTING, at, column)
    open_records.set(depth + 1)
    try:
        return decode_attributes(plan.columns, count, p, at, column)
    finally:
        open_records.set(depth)


cdef inline bint ordered(int kind) noexcept nogil:
    """Whether the order of a kind's values can be read from the wire: signed integers."""
    return (
        kind == KIND_INT2 or kind == KIND_INT4 or kind == KIND_INT8 or kind == KIND_DATE or kind == KIND_TIME
        or kind == KIND_TIMESTAMP or kind == KIND_TIMESTAMPTZ
    )


cdef inline int64_t wire_int(const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """A signed integer of 2, 4 or 8 bytes."""
    if size == 8:
        return load_i64(p)
    return load_i32(p) if size == 4 else load_i16(p)


cdef object bound_of(
    Node* spec, const uint8_t* p, Py_ssize_t start, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column
):
    cdef object value
    if size < 0:
        return None
    value = decode_value(spec, p + start, size, at + start, column)
    if value is None:
        raise fault(FAULT_RANGE_BOUND, at + start, column)
    return value


cdef object decode_range(Node* spec, const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column):
    """What `call` makes of the Range, or the Range."""
    cdef Fault found
    cdef RangeParts parts
    cdef int64_t first, last
    cdef bint closed
    cdef object lower, upper
    if range_parts(p, size, at, column, &parts, &found):
        raise fault_of(&found)
    lower = bound_of(&spec.children[0], p, parts.lower, parts.lower_size, at, column)
    upper = bound_of(&spec.children[0], p, parts.upper, parts.upper_size, at, column)
    closed = parts.flags & RANGE_LB_INC and parts.flags & RANGE_UB_INC
    if ordered(spec.children[0].kind) and parts.lower_size >= 0 and parts.upper_size >= 0:
        first = wire_int(p + parts.lower, parts.lower_size)
        last = wire_int(p + parts.upper, parts.upper_size)
        if first > last or (first == last and not closed):
            raise fault(FAULT_RANGE, at, column)
    return called(spec.call, range_of(lower, upper, parts.flags), at, column)


cdef object decode_multirange(Node* spec, const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column):
    """What `call` makes of the Multirange, or the Multirange."""
    cdef Fault found
    cdef RangeParts parts
    cdef int32_t count, length = 0, i
    cdef int64_t first, last = 0
    cdef bint known = False, closed = False, in_order = ordered(spec.children[0].children[0].kind)
    cdef Py_ssize_t pos = 4
    cdef list ranges = []
    if size < 4:
        raise fault(FAULT_RANGE, at, column)
    count = load_i32(p)
    if count < 0 or count > (size - 4) // 5:
        raise fault(FAULT_RANGE, at, column)
    for i in range(count):
        if part(p, size, pos, FAULT_RANGE, at, column, &length, &found):
            raise fault_of(&found)
        pos += 4
        if length < 0:
            raise fault(FAULT_RANGE, at + pos - 4, column)
        ranges.append(decode_range(&spec.children[0], p + pos, length, at + pos, column))
        if range_parts(p + pos, length, at + pos, column, &parts, &found):
            raise fault_of(&found)
        if (
            parts.flags & RANGE_EMPTY or (parts.lower_size < 0 and i) or (parts.upper_size < 0 and i != count - 1)
        ):
            raise fault(FAULT_RANGE, at + pos, column)
        if in_order and parts.lower_size >= 0 and known:
            first = wire_int(p + pos + parts.lower, parts.lower_size)
            if first < last or (first == last and (closed or parts.flags & RANGE_LB_INC)):
                raise fault(FAULT_RANGE, at + pos, column)
        known = in_order and parts.upper_size >= 0
        if known:
            last = wire_int(p + pos + parts.upper, parts.upper_size)
            closed = (parts.flags & RANGE_UB_INC) != 0
        pos += length
    if pos != size:
        raise fault(FAULT_RANGE, at + pos, column)
    return called(spec.call, called(<PyObject*>multirange_type, ranges, at, column), at, column)


cdef inline bint may_be_tracked(object value):
    """Whether the collector must know who holds the value: it is a container, now or later.

    A tuple that is not tracked never will be, a UUID holds an int alone, and a Decimal nothing.
    """
    if not PyObject_IS_GC(value) or type(value) is uuid_type or type(value) is decimal_type:
        return False
    return type(value) is not tuple or PyObject_GC_IsTracked(value)


cdef inline PyObject* new_ref(object value) noexcept:
    hold(<PyObject*>value)
    return <PyObject*>value


cdef inline PyObject* field_of(
    Node* spec, Cache* cache, const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column, bint* tracked
) except NULL:
    """The value of a field that is not NULL, the commonest kinds first; says where the collector must know it."""
    cdef int year, month, day
    cdef int64_t days
    cdef int kind = spec.kind
    if kind == KIND_INT4:
        if size == 4:
            return int_of(load_i32(p))
    elif kind == KIND_INT8:
        if size == 8:
            return int_of(load_i64(p))
    elif kind == KIND_FLOAT8:
        if size == 8:
            return new_float(load_f64(p))
    elif kind == KIND_OID:
        if size == 4:
            return int_of(load_u32(p))
    elif kind == KIND_BOOL:
        if size == 1 and p[0] <= 1:
            return new_ref(True) if p[0] else new_ref(False)
    elif kind == KIND_INT2:
        if size == 2:
            return int_of(load_i16(p))
    elif kind == KIND_CHAR:
        if size == 1 and 0 < p[0] < 128:
            return new_letter(p[0])
    elif kind == KIND_DATE:
        if size == 4:
            days = <int64_t>load_i32(p) + EPOCH_ORDINAL
            if 1 <= days <= MAX_ORDINAL:
                if cache != NULL and looks(&cache.columns[column]):
                    return remembered(cache, &cache.columns[column], spec, p, size, at, column)
                civil(days, &year, &month, &day)
                return new_date(year, month, day)
    elif kind == KIND_STR:
        if spec.call == NULL:
            if cache != NULL and may_repeat(KIND_STR, p, size) and looks(&cache.columns[column]):
                return remembered(cache, &cache.columns[column], spec, p, size, at, column)
            return new_ref(text_of(p, size, at, column))
    elif kind == KIND_NUMERIC or kind == KIND_TIMESTAMP or kind == KIND_TIMESTAMPTZ or kind == KIND_UUID:
        if cache != NULL and may_repeat(kind, p, size) and looks(&cache.columns[column]):
            return remembered(cache, &cache.columns[column], spec, p, size, at, column)
        if kind == KIND_NUMERIC:
            return new_ref(numeric_of(p, size, at, column))
    return other_of(spec, p, size, at, column, tracked)


cdef PyObject* other_of(
    Node* spec, const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column, bint* tracked
) except NULL:
    cdef object value = decode_value(spec, p, size, at, column)
    tracked[0] = tracked[0] or may_be_tracked(value)
    return new_ref(value)


cdef tuple decode_tuple(Plan plan, Cache* cache, const uint8_t* p, Py_ssize_t size, Py_ssize_t base):
    """The values of the tuple of `size` bytes at p; `base` is the offset of its first byte in a fault."""
    cdef Py_ssize_t at = 2, column, width = plan.count
    cdef int32_t length
    cdef tuple row
    cdef bint tracked = False
    if size < 2:
        raise fault(FAULT_ROW_SHORT, base, -1)
    if load_i16(p) != width:
        raise fault(FAULT_FIELD_COUNT, base, -1, load_i16(p))
    row = PyTuple_New(width)
    for column in range(width):
        if size - at < 4:
            raise fault(FAULT_ROW_SHORT, at + base, column)
        length = load_i32(p + at)
        at += 4
        if length < 0:
            if length != -1:
                raise fault(FAULT_FIELD_LENGTH, at - 4 + base, column, length)
            set_item(row, column, new_ref(None))
            continue
        if length > size - at:
            raise fault(FAULT_FIELD_OVERRUN, at - 4 + base, column, length)
        set_item(row, column, field_of(&plan.columns[column], cache, p + at, length, at + base, column, &tracked))
        at += length
    if at != size:
        raise fault(FAULT_ROW_TAIL, at + base, -1, size - at)
    if not tracked:
        PyObject_GC_UnTrack(row)  # as the collector does itself when it first meets a tuple of such values
    return row


# ---------------------------------------------------------------- runs of DataRow

cdef inline Py_ssize_t frame_at(const uint8_t* p, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    """Where the frame at `at` ends; -1 where the run ends inside it."""
    cdef int32_t length
    if stop - at < HEAD:
        return -1
    length = load_i32(p + at + 1)
    if length < 4 or length > stop - at - 1:
        return -1
    return at + 1 + length


@cython.final
@cython.auto_pickle(False)
cdef class _Run:
    """The frames of a run, one after the other. The block is pinned: a call on the way may run any code."""

    cdef Py_buffer view
    cdef bint held
    cdef const uint8_t* base
    cdef Py_ssize_t at, stop
    cdef const uint8_t* payload  # of the frame that `next` found
    cdef Py_ssize_t size

    def __cinit__(self, bytearray block not None, Py_ssize_t start, Py_ssize_t stop):
        PyObject_GetBuffer(block, &self.view, PyBUF_SIMPLE)
        self.held = True
        if not 0 <= start <= stop <= self.view.len:
            raise buffer_misuse(f"run {start}:{stop} lies outside its block of {self.view.len} bytes")
        self.base = <const uint8_t*>self.view.buf
        self.at = start
        self.stop = stop

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)

    cdef bint next(self) except -1:
        """Whether there is another frame, whose payload is then at hand."""
        cdef Py_ssize_t end
        if self.at == self.stop:
            return False
        end = frame_at(self.base, self.at, self.stop)
        if end < 0:
            raise buffer_misuse("the run ends inside a frame")
        self.payload = self.base + self.at + HEAD
        self.size = end - self.at - HEAD
        self.at = end
        return True


cdef list decode_frames(Plan plan, const uint8_t* p, Py_ssize_t at, Py_ssize_t stop, Py_ssize_t count):
    """The rows of the frames from `at` to `stop`, about `count` of them, in a block that is pinned."""
    cdef list rows = []
    cdef Cache* cache = plan.take_cache(count)
    cdef Py_ssize_t end
    try:
        while at < stop:
            end = frame_at(p, at, stop)
            if end < 0:
                raise buffer_misuse("the run ends inside a frame")
            rows.append(decode_tuple(plan, cache, p + at + HEAD, end - at - HEAD, HEAD))
            at = end
    finally:
        plan.give_cache(cache)
    return rows


def decode_rows(Plan plan not None, bytearray block not None, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t count):
    """The rows of a run of DataRow, one tuple each."""
    cdef _Run run = _Run(block, start, stop)
    return decode_frames(plan, run.base, start, stop, count)


# ---------------------------------------------------------------- the answers to executions

@cython.final
@cython.auto_pickle(False)
cdef class Replies:
    """The answers to executions, taken from a ReadBuffer as they come: BindComplete, rows, CommandComplete."""

    cdef ReadBuffer buffer
    cdef list rows  # of the executions that `take` has not given back
    cdef bint is_bound
    cdef bytes tag_bytes  # of the last command tag, and its text: they repeat
    cdef object tag_text, failure

    def __init__(self, ReadBuffer buffer not None):
        self.buffer = buffer
        self.rows = []
        self.reset()

    @property
    def bound(self):
        """Whether the BindComplete of an execution has been taken and its end has not."""
        return self.is_bound

    def reset(self):
        """Forget what was taken of an execution that has not ended."""
        if PyList_GET_SIZE(self.rows):
            self.rows = []
        self.is_bound = False
        self.failure = None

    cdef object text_of_tag(self, const uint8_t* p, Py_ssize_t size):
        """The command tag, None where it is malformed; `size` bytes with the NUL behind it."""
        if size < 1 or p[size - 1] != 0 or memchr(p, 0, size - 1) != NULL:
            return None
        if (
            self.tag_bytes is None or PyBytes_GET_SIZE(self.tag_bytes) != size - 1
            or memcmp(PyBytes_AS_STRING(self.tag_bytes), p, size - 1)
        ):
            try:
                self.tag_text = PyUnicode_DecodeUTF8(<const char*>p, size - 1, NULL)
            except UnicodeDecodeError:
                return None
            self.tag_bytes = PyBytes_FromStringAndSize(<const char*>p, size - 1)
        return self.tag_text

    cdef int end(self, list tags, list ends, object tag) except -1:
        ends.append(taken(int_of(PyList_GET_SIZE(self.rows))))
        tags.append(tag)
        self.is_bound = False
        return 0

    def take(self, Plan plan, Py_ssize_t most):
        """(command tags, rows, where each one's rows end) of the executions whose answers end in the buffer."""
        cdef list tags = [], ends = [], rows
        cdef Py_ssize_t count
        cdef Py_buffer view
        cdef ReadBuffer buffer = self.buffer
        cdef bytearray block = buffer.block
        cdef const uint8_t* p
        cdef Cache* cache = NULL
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        PyObject_GetBuffer(block, &view, PyBUF_SIMPLE)  # a call on the way may run any code
        p = <const uint8_t*>view.buf
        if plan is not None:
            cache = plan.take_cache((buffer.end - buffer.start) // TYPICAL_ROW)
        try:
            while PyList_GET_SIZE(tags) < most and self.take_frame(buffer, p, plan, cache, tags, ends):
                pass
        except BaseException as exc:
            if not tags:
                raise
            self.failure = exc
        finally:
            if cache != NULL:
                plan.give_cache(cache)
            PyBuffer_Release(&view)
        if not tags:
            return tags, [], ends
        rows = self.rows
        count = ends[PyList_GET_SIZE(ends) - 1]
        self.rows = rows[count:]
        if self.rows:
            del rows[count:]
        return tags, rows, ends

    def take_single(self, Plan plan):
        """(command tag, rows, transaction status) of an execution and the ReadyForQuery behind it, or None."""
        cdef ReadBuffer buffer = self.buffer
        cdef bytearray block = buffer.block
        cdef Py_buffer view
        cdef const uint8_t* p
        cdef Py_ssize_t rows_at = buffer.start + HEAD, at = rows_at, stop, end = buffer.end, count = 0
        cdef object tag, status
        cdef list rows
        p = <const uint8_t*>PyByteArray_AS_STRING(block)
        if self.is_bound or end - buffer.start < HEAD or p[buffer.start] != 0x32 or load_i32(p + buffer.start + 1) != 4:
            return None
        while end - at >= HEAD and p[at] == 0x44:
            stop = frame_at(p, at, end)
            if stop < 0 or stop - at - 1 > buffer.limit:
                return None
            at = stop
            count += 1
        if count and plan is None:
            return None
        stop = frame_at(p, at, end)
        if stop < 0 or stop - at - 1 > buffer.limit or stop - at - 1 > MAX_SHORT_MESSAGE:
            return None
        if p[at] == 0x43:
            tag = self.text_of_tag(p + at + HEAD, stop - at - HEAD)
        else:
            tag = "" if p[at] == 0x49 and stop - at == HEAD else None
        if tag is None or end - stop < HEAD + 1 or p[stop] != 0x5A or load_i32(p + stop + 1) != 5:
            return None
        if p[stop + HEAD] == 0x49:
            status = "I"
        elif p[stop + HEAD] == 0x54:
            status = "T"
        elif p[stop + HEAD] == 0x45:
            status = "E"
        else:
            return None
        if count:
            PyObject_GetBuffer(block, &view, PyBUF_SIMPLE)  # a call on the way may run any code
            try:
                rows = decode_frames(plan, p, rows_at, at, count)
            except Exception:
                return None  # `take` comes to it again, and says how far it came
            finally:
                PyBuffer_Release(&view)
        else:
            rows = []
        buffer.start = stop + HEAD + 1
        return tag, rows, status

    cdef bint take_frame(
        self, ReadBuffer buffer, const uint8_t* p, Plan plan, Cache* cache, list tags, list ends
    ) except -1:
        """Whether the next frame was one to take; it has then been taken, whatever is raised for it."""
        cdef Py_ssize_t at = buffer.start, length = buffer.frame_length(at)
        cdef uint8_t tag
        if length == 0 or buffer.end - at < length:
            return False
        tag = p[at]
        if not self.is_bound:
            if tag != 0x32 or length != HEAD:  # BindComplete
                return False
            self.is_bound = True
        elif tag == 0x44:  # DataRow
            if plan is None:
                return False
            buffer.start = at + length
            self.rows.append(decode_tuple(plan, cache, p + at + HEAD, length - HEAD, HEAD))
            return True
        elif tag == 0x43:  # CommandComplete
            text = self.text_of_tag(p + at + HEAD, length - HEAD)
            if text is None:
                return False
            self.end(tags, ends, text)
        elif tag == 0x49 and length == HEAD:  # EmptyQueryResponse
            self.end(tags, ends, "")
        else:
            return False
        buffer.start = at + length
        return True


# ---------------------------------------------------------------- columns

cdef int sink_init(SinkColumn* column, object spec, int depth) except -1:
    """Make a column of a sink, and those it is made of."""
    cdef Py_ssize_t i, wanted
    kind, oid, precision, scale, children, labels = spec
    column.kind = kind
    column.is_list = kind == KIND_ARRAY or kind == KIND_VECTOR
    wanted = len(children) if kind == KIND_COMPOSITE else 1 if column.is_list else 0
    if len(children) != wanted or depth == MAX_NESTING or (labels and kind != KIND_ENUM):
        raise buffer_misuse(f"kind {kind} of {len(children)} children is no column")
    if not 0 <= oid <= LOW32:
        raise buffer_misuse(f"{oid} is no OID")
    column.oid = oid
    if wanted:
        column.children = <SinkColumn*>calloc(wanted, sizeof(SinkColumn))
        if column.children == NULL:
            raise MemoryError()
        column.child_count = wanted
        for i in range(wanted):
            sink_init(&column.children[i], children[i], depth + 1)
    if column.is_list:
        column.has_offsets = True
    elif kind == KIND_NUMERIC and precision:
        if not (1 <= precision <= 76 and 0 <= scale <= precision):
            raise buffer_misuse(f"a decimal of {precision} digits, {scale} of them after the point, is no layout")
        column.scale = scale
        column.decimal = 16 if precision <= 38 else 32
        column.width = column.decimal
        if precision <= 38:
            column.limit = power_of_ten(precision)
        else:
            column.wide_limit = wide_power_of_ten(precision)
    elif kind == KIND_ENUM:
        sink_labels(column, labels)
    elif kind == KIND_BOOL or kind == KIND_COMPOSITE:
        pass
    elif kind in (
        KIND_STR, KIND_TEXT_CALL, KIND_JSON, KIND_JSONB, KIND_CHAR, KIND_TIMETZ, KIND_NUMERIC, KIND_BYTES, KIND_CALL
    ):
        column.has_offsets = True
    elif KIND_CALL < kind < KIND_ARRAY or kind == KIND_UINT8:
        column.width = <int>wire_width(kind)
        if kind == KIND_INT4 or kind == KIND_OID or kind == KIND_FLOAT4:
            column.turned = 4
        elif kind == KIND_INT8 or kind == KIND_UINT8 or kind == KIND_FLOAT8:
            column.turned = 8
    else:
        raise buffer_misuse(f"kind {kind} is unknown")
    return 0


cdef int sink_labels(SinkColumn* column, object labels) except -1:
    """Make the label table of an enum's column."""
    cdef Py_ssize_t i
    cdef int32_t index = 0
    cdef bytes label
    column.width = 4
    column.labels = <Labels*>calloc(1, sizeof(Labels))
    if column.labels == NULL:
        raise MemoryError()
    for i, label in enumerate(labels):
        if label_index(column.labels, <const uint8_t*>PyBytes_AS_STRING(label), PyBytes_GET_SIZE(label), &index):
            raise buffer_misuse("a label of an enum is not UTF-8")
        if index != i:
            raise buffer_misuse("two labels of an enum are the same")
    return 0


cdef void sink_close(SinkColumn* column) noexcept:
    """Let go of a column for good."""
    cdef Py_ssize_t i
    sink_free(column)
    for i in range(column.child_count):
        sink_close(&column.children[i])
    free(column.children)
    labels_free(column.labels)


cdef tuple dictionary_of(Labels* labels):
    """The labels as a column of text."""
    cdef bytes ends = PyBytes_FromStringAndSize(NULL, 4 * (labels.count + 1))
    cdef int32_t* to = <int32_t*>PyBytes_AS_STRING(ends)
    to[0] = 0
    if labels.count:
        memcpy(to + 1, labels.ends, 4 * labels.count)
    text = PyBytes_FromStringAndSize(<const char*>labels.bytes.data, labels.bytes.size) if labels.bytes.size else b""
    return (labels.count, 0, None, memoryview(ends), memoryview(text), (), None)


cdef object sink_cut(SinkColumn* column):
    """The column's memory as ColumnBuffers; the column begins anew."""
    cdef object validity = None, offsets = None, data = None
    cdef int32_t* zero
    cdef tuple buffers, children
    if column.nulls:
        validity = give(column.validity, (column.length + 7) // 8)
        column.validity = NULL
    if column.has_offsets:
        if column.offsets == NULL:
            zero = <int32_t*>calloc(1, 4)
            if zero == NULL:
                raise MemoryError()
            column.offsets = zero
        offsets = give(<uint8_t*>column.offsets, 4 * (column.length + 1))
        column.offsets = NULL
    children = tuple([sink_cut(&column.children[i]) for i in range(column.child_count)])
    if not column.is_list and column.kind != KIND_COMPOSITE:
        if column.has_offsets:
            data = give(column.data.data, column.data.size)
        elif column.width:
            data = give(column.data.data, column.length * column.width)
        else:
            data = give(column.data.data, (column.length + 7) // 8)
        column.data.data = NULL
    buffers = (
        column.length, column.nulls, validity, offsets, data, children,
        None if column.labels == NULL else dictionary_of(column.labels),
    )
    sink_free(column)
    return buffers


@cython.final
@cython.auto_pickle(False)
cdef class ColumnSink:
    """Columns in Arrow layout, grown row by row and cut into batches."""

    cdef SinkColumn* columns
    cdef SinkColumn** growing  # those whose size is not said by their rows
    cdef Py_ssize_t count, growing_count, gathered, batch_rows, batch_bytes

    def __init__(self, specs, Py_ssize_t batch_rows=const.BATCH_ROWS, Py_ssize_t batch_bytes=const.BATCH_BYTES):
        cdef Py_ssize_t i
        if batch_rows < 1 or batch_bytes < 1:
            raise buffer_misuse("batch_rows and batch_bytes must be at least 1")
        if self.columns != NULL:
            raise buffer_misuse("a sink is made once")
        specs = list(specs)
        self.columns = <SinkColumn*>calloc(len(specs) + 1, sizeof(SinkColumn))
        if self.columns == NULL:
            raise MemoryError()
        self.count = len(specs)
        self.growing = <SinkColumn**>calloc(len(specs) + 1, sizeof(SinkColumn*))
        if self.growing == NULL:
            raise MemoryError()
        for i in range(self.count):
            sink_init(&self.columns[i], specs[i], 0)
            if self.columns[i].has_offsets or self.columns[i].child_count:
                self.growing[self.growing_count] = &self.columns[i]
                self.growing_count += 1
        self.batch_rows = batch_rows
        self.batch_bytes = batch_bytes

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.columns != NULL:
            for i in range(self.count):
                sink_close(&self.columns[i])
            free(self.columns)
        free(self.growing)

    @property
    def rows(self):
        """Rows gathered since the last cut."""
        return self.gathered

    cdef bint is_full(self) noexcept nogil:
        cdef Py_ssize_t i
        if self.gathered >= self.batch_rows:
            return True
        for i in range(self.growing_count):
            if sink_size(self.growing[i]) >= self.batch_bytes:
                return True
        return False

    @property
    def full(self):
        """Whether the batch should be cut before another row comes."""
        return self.is_full()

    def cut(self):
        """The batch as (rows, [ColumnBuffers]), given away for good; the sink begins a new one."""
        cdef Py_ssize_t rows = self.gathered, i
        self.gathered = 0
        return rows, [sink_cut(&self.columns[i]) for i in range(self.count)]


def decode_columns(
    ColumnSink sink not None, bytearray block not None, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t count
):
    """The position reached in a run of DataRow whose rows went into the sink."""
    cdef _Run run = _Run(block, start, stop)
    cdef Fault found
    cdef const uint8_t* p = run.base
    cdef Py_ssize_t end = 0
    cdef int code = 0
    with nogil:
        while start < stop:
            end = frame_at(p, start, stop)
            if end < 0 or sink.is_full():
                break
            code = sink_tuple(sink.columns, sink.count, p + start + HEAD, end - start - HEAD, HEAD, &found)
            if code:
                break
            sink.gathered += 1
            start = end
    if code:
        raise fault_of(&found)
    if end < 0:
        raise buffer_misuse("the run ends inside a frame")
    return start


# ---------------------------------------------------------------- COPY OUT

@cython.final
@cython.auto_pickle(False)
cdef class CopyState:
    """Where a COPY OUT stream stands between two runs: header and trailer seen, and the bytes of a row that was cut."""

    cdef bint binary, header, trailer
    cdef bytearray carry

    def __cinit__(self):
        self.carry = bytearray()

    def __init__(self, bint binary=True):
        self.binary = binary

    def finish(self):
        """Check that the stream is complete: no row begun, and in binary the trailer seen."""
        if self.carry or (self.binary and not self.trailer):
            raise fault(FAULT_COPY_UNFINISHED, 0, -1)

    cdef Py_ssize_t skip_header(self, const uint8_t* p, Py_ssize_t size) except -2:
        """Where the first tuple begins; -1 while the header is incomplete."""
        cdef int32_t extension
        if memcmp(p, PyBytes_AS_STRING(signature), size if size < 11 else 11):
            raise fault(FAULT_COPY_SIGNATURE, 0, -1)
        if size < 19:
            return -1
        extension = load_i32(p + 15)
        if load_u32(p + 11) >> 16 or extension < 0:
            raise fault(FAULT_COPY_SIGNATURE, 0, -1)
        if size - 19 < extension:
            return -1
        self.header = True
        return 19 + <Py_ssize_t>extension

    cdef Py_ssize_t extent(self, const uint8_t* p, Py_ssize_t size, Py_ssize_t width, Fault* found) noexcept nogil:
        """Bytes of the tuple at p; -1 while incomplete, -2 for a fault. A trailer is taken for a tuple."""
        cdef Py_ssize_t at = 2, column
        cdef int32_t length
        if self.trailer:
            stop(found, FAULT_COPY_AFTER_TRAILER, 0, -1)
            return -2
        if size < 2:
            return -1
        if load_i16(p) == -1:
            self.trailer = True
            return 2
        if load_i16(p) != width:
            stop_number(found, FAULT_FIELD_COUNT, 0, -1, load_i16(p))
            return -2
        for column in range(width):
            if size - at < 4:
                return -1
            length = load_i32(p + at)
            if length < -1:
                stop_number(found, FAULT_FIELD_LENGTH, at, column, length)
                return -2
            if length > MAX_MESSAGE_SIZE:
                stop_number(found, FAULT_FIELD_OVERRUN, at, column, length)
                return -2
            at += 4 + (length if length > 0 else 0)
            if at > size:
                return -1
        return at

    cdef bytearray join(self, const uint8_t* p, Py_ssize_t size):
        """What was carried over with the new payload behind it; nothing is carried any more."""
        cdef bytearray data = self.carry
        data += PyBytes_FromStringAndSize(<const char*>p, size)
        self.carry = bytearray()
        return data

    cdef int keep(self, const uint8_t* p, Py_ssize_t size) except -1:
        if size:
            self.carry += PyBytes_FromStringAndSize(<const char*>p, size)
        return 0


cdef int copy_payload(
    CopyState state, Plan plan, Cache* cache, list rows, ColumnSink sink, const uint8_t* p, Py_ssize_t size
) except -1:
    """One payload of any shape: complete tuples go to `rows` or into the sink, the rest is carried over."""
    cdef Py_ssize_t at = 0, length, width = plan.count if plan is not None else sink.count
    cdef Fault found
    cdef bytearray joined = None
    if PyByteArray_GET_SIZE(state.carry):
        joined = state.join(p, size)
        p = <const uint8_t*>PyByteArray_AS_STRING(joined)
        size = PyByteArray_GET_SIZE(joined)
    if not state.header:
        at = state.skip_header(p, size)
        if at < 0:
            return state.keep(p, size)
    while at < size:
        length = state.extent(p + at, size - at, width, &found)
        if length == -1:
            return state.keep(p + at, size - at)
        if length == -2:
            raise fault_of(&found)
        if not state.trailer:
            if plan is not None:
                rows.append(decode_tuple(plan, cache, p + at, length, 0))
            else:
                if sink_tuple(sink.columns, sink.count, p + at, length, 0, &found):
                    raise fault_of(&found)
                sink.gathered += 1
        at += length
    return 0


def decode_copy_rows(
    Plan plan not None, CopyState state not None, bytearray block not None, Py_ssize_t start, Py_ssize_t stop,
    Py_ssize_t count
):
    """The rows completed by a run of CopyData in binary COPY format."""
    cdef _Run run = _Run(block, start, stop)
    cdef list rows = []
    cdef Cache* cache = plan.take_cache(count)
    try:
        while run.next():
            copy_payload(state, plan, cache, rows, None, run.payload, run.size)
    finally:
        plan.give_cache(cache)
    return rows


cdef inline Py_ssize_t copy_fast(
    CopyState state, ColumnSink sink, bint plain, const uint8_t* p, Py_ssize_t start, Py_ssize_t stop_at, Fault* found,
    int* code
) noexcept nogil:
    """The position reached by messages that hold exactly one tuple each and follow the header, the server's way."""
    cdef Py_ssize_t end, length
    while plain and start < stop_at:
        end = frame_at(p, start, stop_at)
        if end < 0 or sink.is_full() or end - start - HEAD < 2 or load_i16(p + start + HEAD) == -1:
            return start
        length = state.extent(p + start + HEAD, end - start - HEAD, sink.count, found)
        if length != end - start - HEAD:
            return start
        code[0] = sink_tuple(sink.columns, sink.count, p + start + HEAD, length, 0, found)
        if code[0]:
            return start
        sink.gathered += 1
        start = end
    return start


def decode_copy_columns(
    ColumnSink sink not None, CopyState state not None, bytearray block not None, Py_ssize_t start, Py_ssize_t stop,
    Py_ssize_t count
):
    """The position reached in a run of CopyData in binary COPY format whose rows went into the sink."""
    cdef _Run run = _Run(block, start, stop)
    cdef Fault found
    cdef bint plain
    cdef int code = 0
    while True:
        plain = state.header and not state.trailer and PyByteArray_GET_SIZE(state.carry) == 0
        with nogil:
            run.at = copy_fast(state, sink, plain, run.base, run.at, stop, &found, &code)
        if code:
            raise fault_of(&found)
        start = run.at
        if not run.next() or sink.is_full():
            return start
        copy_payload(state, None, NULL, None, sink, run.payload, run.size)


cdef inline int octal(uint8_t code) noexcept nogil:
    return code - 48 if 48 <= code <= 55 else -1


cdef inline int hexadecimal(uint8_t code) noexcept nogil:
    if 48 <= code <= 57:
        return code - 48
    if 97 <= code <= 102:
        return code - 87
    if 65 <= code <= 70:
        return code - 55
    return -1


cdef inline uint8_t unescaped(uint8_t code) noexcept nogil:
    if code == 98:
        return 8
    if code == 102:
        return 12
    if code == 110:
        return 10
    if code == 114:
        return 13
    if code == 116:
        return 9
    if code == 118:
        return 11
    return code


cdef Py_ssize_t unescape(const uint8_t* p, Py_ssize_t size, uint8_t* out) noexcept nogil:
    """Bytes written: one field of text COPY without its backslashes; `out` has room for `size`."""
    cdef Py_ssize_t at = 0, n = 0
    cdef int value, digits
    while at < size:
        if p[at] != 92 or at + 1 == size:
            out[n] = p[at]
            n += 1
            at += 1
            continue
        at += 1
        if octal(p[at]) >= 0:
            value = 0
            digits = 0
            while digits < 3 and at < size and octal(p[at]) >= 0:
                value = 8 * value + octal(p[at])
                at += 1
                digits += 1
            out[n] = <uint8_t>value
        elif p[at] == 120 and at + 1 < size and hexadecimal(p[at + 1]) >= 0:
            value = hexadecimal(p[at + 1])
            at += 2
            if at < size and hexadecimal(p[at]) >= 0:
                value = 16 * value + hexadecimal(p[at])
                at += 1
            out[n] = <uint8_t>value
        else:
            out[n] = unescaped(p[at])
            at += 1
        n += 1
    return n


cdef object text_field(const uint8_t* p, Py_ssize_t size, Py_ssize_t at, Py_ssize_t column):
    cdef uint8_t* plain
    cdef Py_ssize_t n
    if size == 0 or memchr(p, 92, size) == NULL:
        return text_of(p, size, at, column)
    plain = <uint8_t*>malloc(size)
    if plain == NULL:
        raise MemoryError()
    try:
        n = unescape(p, size, plain)
        made = text_of(plain, n, at, column)
    finally:
        free(plain)
    return None if size == 2 and p[0] == 92 and p[1] == 78 else made


cdef tuple text_line(const uint8_t* p, Py_ssize_t size):
    """The fields of one line of text COPY."""
    cdef list fields = []
    cdef Py_ssize_t at = 0, end
    cdef const uint8_t* mark
    while True:
        mark = <const uint8_t*>memchr(p + at, 9, size - at) if at < size else NULL
        end = mark - p if mark != NULL else size
        fields.append(text_field(p + at, end - at, at, len(fields)))
        if mark == NULL:
            return tuple(fields)
        at = end + 1


cdef int text_payload(CopyState state, list rows, const uint8_t* p, Py_ssize_t size) except -1:
    cdef Py_ssize_t at = 0
    cdef const uint8_t* mark
    cdef bytearray joined = None
    if PyByteArray_GET_SIZE(state.carry):
        joined = state.join(p, size)
        p = <const uint8_t*>PyByteArray_AS_STRING(joined)
        size = PyByteArray_GET_SIZE(joined)
    while at < size:
        mark = <const uint8_t*>memchr(p + at, 10, size - at)
        if mark == NULL:
            break
        rows.append(text_line(p + at, mark - p - at))
        at = mark - p + 1
    return state.keep(p + at, size - at)


def decode_copy_text(
    CopyState state not None, bytearray block not None, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t count
):
    """The lines completed by a run of CopyData in text COPY format, each a tuple of str, None for `\\N`."""
    cdef _Run run = _Run(block, start, stop)
    cdef list rows = []
    while run.next():
        text_payload(state, rows, run.payload, run.size)
    return rows


def decode_copy_data(bytearray block not None, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t count):
    """The data of a run of CopyData, joined, whatever its format."""
    cdef _Run run = _Run(block, start, stop)
    cdef Py_ssize_t size = 0
    while run.next():
        size += run.size
    cdef bytes made = PyBytes_FromStringAndSize(NULL, size)
    cdef char* to = PyBytes_AS_STRING(made)
    run.at = start
    while run.next():  # the same frames again, whose sizes add up to the room: the block is pinned
        memcpy(to, run.payload, run.size)
        to += run.size
    return made


# ---------------------------------------------------------------- one Python value -> one field

cdef int put_raw(Block* out, const uint8_t* data, Py_ssize_t size, Py_ssize_t row, Py_ssize_t column) except -1:
    """A field of `size` bytes behind its length word."""
    if size > INT32_MAX:
        raise fault(FAULT_MESSAGE_SIZE, row, column)
    if reserve(out, 4 + size):
        raise MemoryError()
    copy(tail(out, <int32_t>size), data, size)
    return 1


cdef int put_object_bytes(Block* out, object data, Py_ssize_t row, Py_ssize_t column) except -1:
    return put_raw(out, <const uint8_t*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), row, column)


cdef int put_text(Block* out, object value, int lead, Py_ssize_t row, Py_ssize_t column) except -1:
    """A str as UTF-8 without NUL, behind jsonb's version byte when `lead` is 1."""
    cdef const uint8_t* data
    cdef Py_ssize_t size
    cdef bytes encoded
    cdef uint8_t* p
    if PyUnicode_IS_ASCII(value):
        data = PyUnicode_1BYTE_DATA(value)
        size = PyUnicode_GET_LENGTH(value)
    else:
        try:
            encoded = PyUnicode_AsUTF8String(value)  # not AsUTF8: that would keep a copy in the user's str
        except UnicodeEncodeError:
            raise fault(FAULT_TEXT_ENCODE, row, column, value) from None
        data = <const uint8_t*>PyBytes_AS_STRING(encoded)
        size = PyBytes_GET_SIZE(encoded)
    if memchr(data, 0, size) != NULL:
        raise fault(FAULT_NUL, row, column, value)
    if size + lead > INT32_MAX:
        raise fault(FAULT_MESSAGE_SIZE, row, column)
    if reserve(out, 4 + size + lead):
        raise MemoryError()
    p = tail(out, <int32_t>(size + lead))
    if lead:
        p[0] = 1
        p += 1
    memcpy(p, data, size)
    return 1


cdef int put_decimal_text(Block* out, const uint8_t* p, Py_ssize_t size) except -2:
    """1 where the digits were written, 0 where the text has an exponent, no digits, or too many of them."""
    cdef uint16_t groups[260]
    cdef Py_ssize_t at = 0, point = -1, i
    cdef int count = 0, filled, acc = 0, weight, whole, behind
    cdef bint negative = False
    if size and p[0] == 45:
        negative = True
        at = 1
    if size - at > 1000:
        return 0
    for i in range(at, size):
        if p[i] == 46:
            point = i
        elif p[i] < 48 or p[i] > 57:
            return 0
    whole = <int>((point if point >= 0 else size) - at)
    behind = <int>(size - point - 1) if point >= 0 else 0
    weight = (whole + 3) // 4 - 1
    filled = (4 - whole % 4) % 4
    for i in range(at, at + whole):
        acc = acc * 10 + (p[i] - 48)
        filled += 1
        if filled == 4:
            groups[count] = <uint16_t>acc
            count += 1
            acc = 0
            filled = 0
    for i in range(size - behind, size):
        acc = acc * 10 + (p[i] - 48)
        filled += 1
        if filled == 4:
            groups[count] = <uint16_t>acc
            count += 1
            acc = 0
            filled = 0
    if filled:
        groups[count] = <uint16_t>(acc * <int>small_power(4 - filled))
        count += 1
    if reserve(out, 12 + 2 * count):
        raise MemoryError()
    filled = put_numeric(out.data + out.size + 4, groups, count, weight, negative, behind)
    tail(out, filled)
    return 1


cdef int put_number(Block* out, object value, Py_ssize_t row, Py_ssize_t column) except -1:
    """A numeric from a Decimal or an int."""
    cdef int overflow = 0, size, negative = 0, scale = 0
    cdef long long number
    cdef uint64_t small = 0
    cdef object text
    if type(value) is int:
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow:
            if reserve(out, ROOM):
                raise MemoryError()
            size = put_int_numeric(
                out.data + out.size + 4, ~<uint64_t>number + 1 if number < 0 else <uint64_t>number, number < 0
            )
            tail(out, size)
            return 1
    else:
        if decimals_in_place and decimal_read(value, &small, &negative, &scale):
            if reserve(out, ROOM):
                raise MemoryError()
            size = put_decimal64(out.data + out.size + 4, small, negative, scale)
            tail(out, size)
            return 1
        text = str(value)
        if put_decimal_text(out, PyUnicode_1BYTE_DATA(text), PyUnicode_GET_LENGTH(text)):
            return 1
    return put_object_bytes(out, encode_py.encode_numeric(value, row, column), row, column)


cdef inline int64_t time_us(int hour, int minute, int second, int micro) noexcept nogil:
    return ((<int64_t>hour * 60 + minute) * 60 + second) * 1000000 + micro


cdef int put_datetime(Block* out, object value, bint zoned, Py_ssize_t row, Py_ssize_t column) except -1:
    cdef int64_t us = (
        (ordinal_of(datetime_year(value), datetime_month(value), datetime_day(value)) - EPOCH_ORDINAL) * US_PER_DAY
        + time_us(
            datetime_hour(value), datetime_minute(value), datetime_second(value), datetime_microsecond(value)
        )
    )
    cdef object zone = datetime_tzinfo(value)
    if zoned:
        if zone is not utc:
            us -= offset_us(value, row, column)
    elif zone is not None:
        raise fault(FAULT_TIMEZONE, row, column, value)
    if reserve(out, 12):
        raise MemoryError()
    store_i64(tail(out, 8), us)
    return 1


cdef int64_t offset_us(object value, Py_ssize_t row, Py_ssize_t column) except? -1:
    """Microseconds east of UTC of a value that must have an offset."""
    try:
        offset = value.utcoffset()
    except Exception as exc:
        raise fault(FAULT_COERCE, row, column, (value, exc)) from exc
    if offset is None:
        raise fault(FAULT_TIMEZONE, row, column, value)
    return (
        (<int64_t>timedelta_days(offset) * 86400 + timedelta_seconds(offset)) * 1000000
        + timedelta_microseconds(offset)
    )


cdef int put_time(Block* out, object value, bint zoned, Py_ssize_t row, Py_ssize_t column) except -1:
    cdef int64_t us = time_us(time_hour(value), time_minute(value), time_second(value), time_microsecond(value))
    cdef int64_t east
    cdef uint8_t* p
    if reserve(out, 16):
        raise MemoryError()
    if zoned:
        east = offset_us(value, row, column)
        if east % 1000000:
            raise fault(FAULT_VALUE_RANGE, row, column, value)
        p = tail(out, 12)
        store_i64(p, us)
        store_i32(p + 8, <int32_t>(-(east // 1000000)))
    else:
        if time_tzinfo(value) is not None:
            raise fault(FAULT_TIMEZONE, row, column, value)
        store_i64(tail(out, 8), us)
    return 1


cdef int put_whole(Block* out, int kind, object value, Py_ssize_t row, Py_ssize_t column) except -1:
    """An int as int2, int4, int8, oid or an unsigned one of 64 bits."""
    cdef uint64_t huge
    cdef int overflow = 0
    cdef long long number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if reserve(out, 12):
        raise MemoryError()
    if kind == KIND_INT4:
        if not overflow and number == <int32_t>number:
            store_i32(tail(out, 4), <int32_t>number)
            return 1
    elif kind == KIND_INT8:
        if not overflow:
            store_i64(tail(out, 8), number)
            return 1
    elif kind == KIND_INT2:
        if not overflow and number == <int16_t>number:
            store_u16(tail(out, 2), <uint16_t>number)
            return 1
    elif kind == KIND_UINT8:
        if not overflow and number >= 0:
            store_u64(tail(out, 8), <uint64_t>number)
            return 1
        if overflow > 0 and value.bit_length() <= 64:
            huge = value
            store_u64(tail(out, 8), huge)
            return 1
    elif not overflow and 0 <= number <= <long long>LOW32:
        store_u32(tail(out, 4), <uint32_t>number)
        return 1
    raise fault(FAULT_VALUE_RANGE, row, column, value)


cdef int put_float(Block* out, int kind, double value, object given, Py_ssize_t row, Py_ssize_t column) except -1:
    cdef float single
    if reserve(out, 12):
        raise MemoryError()
    if kind == KIND_FLOAT8:
        store_f64(tail(out, 8), value)
        return 1
    single = <float>value
    if isinf(single) and not isinf(value):
        raise fault(FAULT_VALUE_RANGE, row, column, given)
    store_f32(tail(out, 4), single)
    return 1


cdef int put_uuid(Block* out, object value, Py_ssize_t row, Py_ssize_t column) except -1:
    """The sixteen bytes of a UUID's number."""
    cdef PyObject* number = (<PyObject**>(<char*><PyObject*>value + uuid_int))[0]
    if number == NULL or type(<object>number) is not int:
        return put_object_bytes(out, value.bytes, row, column)
    if reserve(out, 20):
        raise MemoryError()
    store_unsigned(<object>number, out.data + out.size + 4, 16)
    tail(out, 16)
    return 1


cdef int put_own(Block* out, int kind, object value, Py_ssize_t row, Py_ssize_t column) except -1:
    """1 where the value is of the kind's own Python type and was written, 0 where it is of another type."""
    cdef object given = type(value)
    cdef uint8_t* p
    cdef int64_t us
    cdef int days
    if kind == KIND_STR or kind == KIND_ENUM:
        return put_text(out, value, 0, row, column) if given is str else 0
    if kind == KIND_INT4 or kind == KIND_INT8 or kind == KIND_INT2 or kind == KIND_OID or kind == KIND_UINT8:
        return put_whole(out, kind, value, row, column) if given is int else 0
    if kind == KIND_NUMERIC:
        if given is decimal_type or given is int:
            return put_number(out, value, row, column)
        return 0
    if kind == KIND_FLOAT8 or kind == KIND_FLOAT4:
        return put_float(out, kind, <double>value, value, row, column) if given is float else 0
    if kind == KIND_DATE:
        if given is not date_type:
            return 0
        if reserve(out, 8):
            raise MemoryError()
        store_i32(
            tail(out, 4), <int32_t>(ordinal_of(date_year(value), date_month(value), date_day(value)) - EPOCH_ORDINAL)
        )
        return 1
    if kind == KIND_TIMESTAMP or kind == KIND_TIMESTAMPTZ:
        return put_datetime(out, value, kind == KIND_TIMESTAMPTZ, row, column) if given is datetime_type else 0
    if kind == KIND_BOOL:
        if given is not bool:
            return 0
        if reserve(out, 8):
            raise MemoryError()
        tail(out, 1)[0] = 1 if value is True else 0
        return 1
    if kind == KIND_UUID:
        return put_uuid(out, value, row, column) if given is uuid_type else 0
    if kind == KIND_BYTES:
        if given is bytes:
            return put_object_bytes(out, value, row, column)
        if given is bytearray or given is memoryview:
            if (value.nbytes if given is memoryview else len(value)) > INT32_MAX:
                raise fault(FAULT_MESSAGE_SIZE, row, column)  # before it is copied
            return put_object_bytes(out, bytes(value), row, column)
        return 0
    if kind == KIND_TIME or kind == KIND_TIMETZ:
        return put_time(out, value, kind == KIND_TIMETZ, row, column) if given is time_type else 0
    if kind == KIND_INTERVAL:
        if given is timedelta_type:
            if reserve(out, 20):
                raise MemoryError()
            p = tail(out, 16)
            days = timedelta_days(value)
            us = <int64_t>timedelta_seconds(value) * 1000000 + timedelta_microseconds(value)
            if days < 0 and us > 0:  # whole days and a rest of the same sign
                days += 1
                us -= US_PER_DAY
            store_i64(p, us)
            store_i32(p + 8, days)
            store_i32(p + 12, 0)
            return 1
        if given is interval_type:
            return put_object_bytes(out, encode_py.encode_interval(value, row, column), row, column)
        return 0
    if given is str:  # KIND_CHAR
        return put_object_bytes(out, encode_py.encode_char(value, row, column), row, column)
    return 0


cdef object coerced(PyObject* call, object value, Py_ssize_t row, Py_ssize_t column):
    try:
        return (<object>call)(value)
    except Exception as exc:
        raise fault(FAULT_COERCE, row, column, (value, exc)) from exc


cdef int put_empty(Block* out) except -1:
    """The length word of NULL."""
    if reserve(out, 4):
        raise MemoryError()
    return put_null(out)


cdef int put_called(Block* out, int kind, PyObject* call, object value, Py_ssize_t row, Py_ssize_t column) except -1:
    """A value of the kinds whose hook makes the wire form: bytes (CALL), str (TEXT_CALL), either (JSON, JSONB)."""
    cdef object made = value if call == NULL else coerced(call, value, row, column)
    cdef object given = type(made)
    cdef bytes data
    if made is None:
        return put_empty(out)
    if given is str and kind != KIND_CALL:
        return put_text(out, made, 1 if kind == KIND_JSONB else 0, row, column)
    if (given is bytes or given is bytearray or given is memoryview) and kind != KIND_TEXT_CALL:
        data = bytes(made)
        if kind != KIND_CALL and memchr(PyBytes_AS_STRING(data), 0, PyBytes_GET_SIZE(data)) != NULL:
            raise fault(FAULT_NUL, row, column, made)
        return put_object_bytes(out, b"\1" + data if kind == KIND_JSONB else data, row, column)
    raise fault(FAULT_VALUE_TYPE, row, column, value)


cdef int put_held(Block* out, int kind, object made, Py_ssize_t row, Py_ssize_t column) except -1:
    """1 where the hook gave the number of a value that Python cannot hold and it was written, else 0."""
    cdef int overflow = 0
    cdef long long number
    if kind == KIND_TIMETZ:
        if type(made) is not tuple:
            return 0
        return put_object_bytes(out, encode_py.raw_timetz(made, row, column), row, column)
    if kind != KIND_DATE and kind != KIND_TIME and kind != KIND_TIMESTAMP and kind != KIND_TIMESTAMPTZ:
        return 0
    if type(made) is not int:
        return 0
    number = PyLong_AsLongLongAndOverflow(made, &overflow)
    if reserve(out, 12):
        raise MemoryError()
    if overflow or (kind == KIND_DATE and number != <int32_t>number):
        raise fault(FAULT_VALUE_RANGE, row, column, made)
    if kind == KIND_TIME and not 0 <= number <= US_PER_DAY:
        raise fault(FAULT_VALUE_RANGE, row, column, made)
    if kind == KIND_DATE:
        store_i32(tail(out, 4), <int32_t>number)
    else:
        store_i64(tail(out, 8), number)
    return 1


cdef int put_scalar(Block* out, int kind, PyObject* call, object value, Py_ssize_t row, Py_ssize_t column) except -1:
    """A value that is not None and no array."""
    cdef object made
    if kind == KIND_CALL or kind == KIND_TEXT_CALL or kind == KIND_JSON or kind == KIND_JSONB:
        return put_called(out, kind, call, value, row, column)
    if put_own(out, kind, value, row, column):
        return 1
    if call == NULL:
        raise fault(FAULT_VALUE_TYPE, row, column, value)
    made = coerced(call, value, row, column)
    if made is None:
        return put_empty(out)
    if not put_own(out, kind, made, row, column) and not put_held(out, kind, made, row, column):
        raise fault(FAULT_VALUE_TYPE, row, column, value)
    return 1


cdef inline bint is_list(object value):
    return type(value) is list or type(value) is tuple


cdef inline bint nests(int element, object value):
    """Whether a value inside an array stands for a dimension, where it is not an element."""
    if opaque(element):
        return False
    return type(value) is list or (type(value) is tuple and element != KIND_COMPOSITE and element != KIND_CALL)


cdef bint flatten(int element, object value, int depth, Py_ssize_t* dims, int ndim, list into) except -1:
    """Append the leaves of one nested list; False where it is not the rectangle `dims` says."""
    if len(value) != dims[depth]:
        return False
    if depth == ndim - 1:
        for item in value:
            if nests(element, item):
                return False
        into.extend(value)
        return True
    for item in value:
        if not (is_list(item) if opaque(element) else nests(element, item)):
            return False
        if not flatten(element, item, depth + 1, dims, ndim, into):
            return False
    return True


cdef Py_ssize_t begin_part(Block* out) except -1:
    """Where the length word of a value of unknown length stands."""
    if reserve(out, 4):
        raise MemoryError()
    out.size += 4
    return out.size - 4


cdef int end_part(Block* out, Py_ssize_t at, Py_ssize_t row, Py_ssize_t column) except -1:
    """Write the length word at `at` of the value that ends here."""
    if out.size - at - 4 > INT32_MAX:
        raise fault(FAULT_MESSAGE_SIZE, row, column)
    store_i32(out.data + at, <int32_t>(out.size - at - 4))
    return 1


cdef int put_i32(Block* out, uint32_t value) except -1:
    if reserve(out, 4):
        raise MemoryError()
    store_u32(out.data + out.size, value)
    out.size += 4
    return 0


cdef int put_elements(
    Block* out, Node* element, list flat, Py_ssize_t* dims, int32_t* bounds, int ndim, Py_ssize_t row,
    Py_ssize_t column
) except -1:
    """The array's header and elements, without its length word."""
    cdef Py_ssize_t begin = out.size
    cdef Py_ssize_t at
    cdef uint32_t nulls = 0
    cdef int i
    if not flat:
        ndim = 0
    if reserve(out, 12 + 8 * ndim):
        raise MemoryError()
    store_u32(out.data + begin, <uint32_t>ndim)
    store_u32(out.data + begin + 8, element.oid)
    for i in range(ndim):
        store_u32(out.data + begin + 12 + 8 * i, <uint32_t>dims[i])
        store_i32(out.data + begin + 16 + 8 * i, bounds[i])
    out.size += 12 + 8 * ndim
    for item in flat:
        at = out.size
        put_value(out, element, item, row, column)
        if load_i32(out.data + at) < 0:
            nulls = 1
    store_u32(out.data + begin + 4, nulls)
    return 0


cdef int lower_bounds(
    object value, Py_ssize_t* dims, int ndim, int32_t* bounds, Py_ssize_t row, Py_ssize_t column
) except -1:
    """The lower bounds of an Array of these dimensions."""
    cdef object given = value.lower_bounds
    cdef int i
    if type(given) is not tuple or len(given) != ndim:
        raise fault(FAULT_LOWER_BOUNDS, row, column, value)
    for i in range(ndim):
        if type(given[i]) is not int or not INT32_MIN <= given[i] <= INT32_MAX - dims[i]:
            raise fault(FAULT_LOWER_BOUNDS, row, column, value)
    for i in range(ndim):
        bounds[i] = given[i]
    return 0


cdef int put_array(Block* out, Node* spec, object value, Py_ssize_t row, Py_ssize_t column) except -1:
    """A list, a tuple or an Array, nested once for each dimension, or what `call` or `tolist()` gives."""
    cdef Node* element = &spec.children[0]
    cdef object items = value, first
    cdef Py_ssize_t dims[MAX_DIMENSIONS + 1]
    cdef int32_t bounds[MAX_DIMENSIONS + 1]
    cdef Py_ssize_t length_at
    cdef int ndim = 1, i
    cdef Py_ssize_t most = MAX_DIMENSIONS + 1
    cdef list flat = []
    if not is_list(items) and type(items) is not array_type:
        if spec.call != NULL:
            items = coerced(spec.call, items, row, column)
            if items is None:
                return put_empty(out)
        elif hasattr(items, "tolist"):
            method = type(items).tolist
            items = coerced(<PyObject*>method, items, row, column)
    if not is_list(items) and type(items) is not array_type:
        raise fault(FAULT_VALUE_TYPE, row, column, value)
    dims[0] = len(items)
    first = items
    if opaque(element.kind):
        most = 1
        if type(items) is array_type and type(items.lower_bounds) is tuple:
            most = min(len(items.lower_bounds), MAX_DIMENSIONS + 1)
    while dims[ndim - 1] and ndim < most:
        if not (is_list(first[0]) if opaque(element.kind) else nests(element.kind, first[0])):
            break
        first = first[0]
        dims[ndim] = len(first)
        ndim += 1
    if ndim > MAX_DIMENSIONS or not flatten(element.kind, items, 0, dims, ndim, flat):
        raise fault(FAULT_ARRAY_SHAPE, row, column, value)
    for i in range(ndim):
        bounds[i] = 1
    if flat:
        if spec.kind == KIND_VECTOR:
            if ndim > 1:
                raise fault(FAULT_ARRAY_SHAPE, row, column, value)
            bounds[0] = 0
        elif type(items) is array_type:
            lower_bounds(items, dims, ndim, bounds, row, column)
    length_at = begin_part(out)
    put_elements(out, element, flat, dims, bounds, ndim, row, column)
    return end_part(out, length_at, row, column)


cdef int put_attributes(Block* out, Node* spec, object value, Py_ssize_t row, Py_ssize_t column) except -1:
    """A composite from a tuple or list."""
    cdef tuple values = tuple(value)
    cdef Py_ssize_t i, length_at
    if len(values) != spec.count:
        raise fault(FAULT_COMPOSITE_WIDTH, row, column, (len(values), spec.count))
    length_at = begin_part(out)
    put_i32(out, <uint32_t>spec.count)
    for i in range(spec.count):
        put_i32(out, spec.children[i].oid)
        put_value(out, &spec.children[i], values[i], row, column)
    return end_part(out, length_at, row, column)


cdef int put_range(Block* out, Node* spec, object value, Py_ssize_t row, Py_ssize_t column) except -1:
    """A Range. A bound that its type's hook turns into NULL is refused."""
    cdef object lower = value.lower, upper = value.upper, bounds = value.bounds
    cdef Py_ssize_t length_at = begin_part(out), at
    cdef int flags = 0
    if reserve(out, 1):
        raise MemoryError()
    at = out.size
    out.size += 1
    if value.isempty:
        flags = RANGE_EMPTY
    else:
        if bounds[0] == "[":
            flags |= RANGE_LB_INC
        if bounds[1] == "]":
            flags |= RANGE_UB_INC
        flags |= put_bound(out, spec, lower, RANGE_LB_INF, value, row, column)
        flags |= put_bound(out, spec, upper, RANGE_UB_INF, value, row, column)
    out.data[at] = <uint8_t>flags
    return end_part(out, length_at, row, column)


cdef int put_bound(
    Block* out, Node* spec, object limit, int infinite, object value, Py_ssize_t row, Py_ssize_t column
) except -1:
    """The flag of a bound that is not there, 0 for one that was written."""
    cdef Py_ssize_t at = out.size
    if limit is None:
        return infinite
    put_value(out, &spec.children[0], limit, row, column)
    if load_i32(out.data + at) < 0:
        raise fault(FAULT_VALUE_TYPE, row, column, value)
    return 0


cdef int put_multirange(Block* out, Node* spec, object value, Py_ssize_t row, Py_ssize_t column) except -1:
    """A Multirange; the server sorts and joins its ranges."""
    cdef Py_ssize_t length_at = begin_part(out)
    put_i32(out, <uint32_t>len(value))
    for one in value:
        put_value(out, &spec.children[0], one, row, column)
    return end_part(out, length_at, row, column)


cdef int put_made(Block* out, Node* spec, object value, Py_ssize_t row, Py_ssize_t column) except -1:
    """1 where the value is of the container's own Python type and was written, 0 where it is of another type."""
    if spec.kind == KIND_COMPOSITE:
        return put_attributes(out, spec, value, row, column) if is_list(value) else 0
    if spec.kind == KIND_RANGE:
        return put_range(out, spec, value, row, column) if type(value) is range_type else 0
    return put_multirange(out, spec, value, row, column) if type(value) is multirange_type else 0


cdef int put_container(Block* out, Node* spec, object value, Py_ssize_t row, Py_ssize_t column) except -1:
    """A value of a kind from KIND_ARRAY on, not None."""
    cdef object made
    if spec.kind == KIND_ARRAY or spec.kind == KIND_VECTOR:
        return put_array(out, spec, value, row, column)
    if spec.kind == KIND_ENUM or spec.kind == KIND_UINT8:
        return put_scalar(out, spec.kind, spec.call, value, row, column)
    if spec.kind == KIND_RECORD:  # the server reads no anonymous records (record_recv)
        raise fault(FAULT_VALUE_TYPE, row, column, value)
    if put_made(out, spec, value, row, column):
        return 1
    if spec.call == NULL:
        raise fault(FAULT_VALUE_TYPE, row, column, value)
    made = coerced(spec.call, value, row, column)
    if made is None:
        return put_empty(out)
    if not put_made(out, spec, made, row, column):
        raise fault(FAULT_VALUE_TYPE, row, column, value)
    return 1


cdef inline int put_value(Block* out, Node* spec, object value, Py_ssize_t row, Py_ssize_t column) except -1:
    """One field with its length word."""
    if value is None:
        return put_empty(out)
    if spec.kind < KIND_ARRAY:
        return put_scalar(out, spec.kind, spec.call, value, row, column)
    return put_container(out, spec, value, row, column)


cdef inline int quick_put(Block* out, int kind, object value) noexcept:
    """Bytes written of a value of the commonest types, which fits within ROOM; 0 for what `put_value` must see."""
    cdef uint8_t* to = out.data + out.size
    cdef long long number
    cdef uint64_t digits = 0
    cdef int overflow = 0, negative = 0, scale = 0
    cdef Py_ssize_t size
    if kind == KIND_INT8 or kind == KIND_INT4:
        if type(value) is not int:
            return 0
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow:
            return 0
        if kind == KIND_INT8:
            store_i32(to, 8)
            store_i64(to + 4, number)
            return 12
        if number != <int32_t>number:
            return 0
        store_i32(to, 4)
        store_i32(to + 4, <int32_t>number)
        return 8
    elif kind == KIND_STR:
        if type(value) is not str or not PyUnicode_IS_ASCII(value):
            return 0
        size = PyUnicode_GET_LENGTH(value)
        if size > SHORT or not copy_short(to + 4, PyUnicode_1BYTE_DATA(value), size, True, False):
            return 0
        store_i32(to, <int32_t>size)
        return <int>(4 + size)
    elif kind == KIND_NUMERIC:
        if not decimals_in_place or type(value) is not decimal_type:
            return 0
        if not decimal_read(value, &digits, &negative, &scale):
            return 0
        size = put_decimal64(to + 4, digits, negative, scale)
        store_i32(to, <int32_t>size)
        return <int>(4 + size)
    elif kind == KIND_DATE:
        if type(value) is not date_type:
            return 0
        store_i32(to, 4)
        store_i32(
            to + 4, <int32_t>(ordinal_of(date_year(value), date_month(value), date_day(value)) - EPOCH_ORDINAL)
        )
        return 8
    elif kind == KIND_FLOAT8:
        if type(value) is not float:
            return 0
        store_i32(to, 8)
        store_f64(to + 4, <double>value)
        return 12
    return 0


cdef int put_values(Block* out, Plan plan, tuple values, Py_ssize_t row) except -1:
    """The fields of one row, each with its length word; what was written stays there on a fault."""
    cdef Py_ssize_t column
    cdef Node* spec
    cdef int size
    for column in range(plan.count):
        spec = &plan.columns[column]
        if out.capacity - out.size >= ROOM:
            size = quick_put(out, spec.kind, <object>PyTuple_GET_ITEM(values, column))
            if size:
                out.size += size
                continue
        put_value(out, spec, <object>PyTuple_GET_ITEM(values, column), row, column)
    return 0


cdef object values_in_order(tuple keys, dict row):
    """The values of a dict that has these keys, all of them plain str, in this order; None for any other dict."""
    cdef Py_ssize_t position = 0, column = 0, count = PyTuple_GET_SIZE(keys)
    cdef PyObject* key
    cdef PyObject* value
    cdef tuple made
    if PyDict_Size(row) != count:
        return None
    made = PyTuple_New(count)
    # Another thread may change the dict, so that no more is taken from it than there is room for.
    with cython.critical_section(row):
        while column < count and PyDict_Next(row, &position, &key, &value):
            if key != PyTuple_GET_ITEM(keys, column):
                if type(<object>key) is not str or type(<object>PyTuple_GET_ITEM(keys, column)) is not str:
                    break
                if <str>key != <str>PyTuple_GET_ITEM(keys, column):
                    break
            Py_INCREF(<object>value)
            PyTuple_SET_ITEM(made, column, <object>value)
            column += 1
    return made if column == count else None


cdef tuple row_values(Plan plan, object row, Py_ssize_t at):
    """The values of a row in column order, its width checked."""
    cdef Py_ssize_t column
    cdef list values
    cdef tuple made
    cdef object found
    if isinstance(row, (tuple, list)):
        made = <tuple>row if type(row) is tuple else tuple(row)
        if PyTuple_GET_SIZE(made) != plan.count:
            raise fault(FAULT_ROW_WIDTH, at, -1, (PyTuple_GET_SIZE(made), plan.count))
        return made
    if plan.keys and type(row) is dict:
        found = values_in_order(plan.keys, <dict>row)
        if found is not None:
            return <tuple>found
    elif not plan.keys or not isinstance(row, Mapping):
        raise fault(FAULT_ROW_TYPE, at, -1, row)
    values = []
    for column in range(plan.count):
        try:
            values.append(row[plan.keys[column]])
        except KeyError:
            raise fault(FAULT_ROW_KEY, at, column, plan.keys[column]) from None
    if len(row) != plan.count:
        raise fault(FAULT_ROW_WIDTH, at, -1, (len(row), plan.count))
    return tuple(values)


def encode_binds(
    WriteBuffer buffer not None, Plan plan not None, bytes head not None, bytes tail not None, bytes after not None,
    rows, Py_ssize_t limit_bytes
):
    """(Bind messages written, whether the iterator ended): one for each row of parameters, `after` behind each."""
    cdef Py_ssize_t count = 0
    cdef PyObject* found
    cdef object row
    cdef tuple values
    if not PyIter_Check(rows):
        raise buffer_misuse("rows must be an iterator")
    while buffer.out.size < limit_bytes:
        found = PyIter_Next(rows)
        if found == NULL:
            return count, True
        row = <object>found
        drop(found)
        values = row_values(plan, row, count)
        buffer.open_message(0x42)
        try:
            buffer.append(PyBytes_AS_STRING(head), PyBytes_GET_SIZE(head))
            put_values(&buffer.out, plan, values, count)
            buffer.append(PyBytes_AS_STRING(tail), PyBytes_GET_SIZE(tail))
            buffer.close_message()
        except BaseException:
            if buffer.message_at >= 0:
                buffer.discard()
            raise
        buffer.append(PyBytes_AS_STRING(after), PyBytes_GET_SIZE(after))
        count += 1
    return count, False


def encode_copy_rows(WriteBuffer buffer not None, Plan plan not None, rows, Py_ssize_t limit_bytes):
    """(rows written, whether the iterator ended): tuples in binary COPY format appended to the open CopyData."""
    cdef Py_ssize_t count = 0, before
    cdef PyObject* found
    cdef object row
    buffer.opened()
    if not PyIter_Check(rows):
        raise buffer_misuse("rows must be an iterator")
    while buffer.out.size < limit_bytes:
        found = PyIter_Next(rows)
        if found == NULL:
            return count, True
        row = <object>found
        drop(found)
        before = buffer.out.size
        try:
            values = row_values(plan, row, count)
            if reserve(&buffer.out, 2):
                raise MemoryError()
            store_u16(buffer.out.data + buffer.out.size, <uint32_t>plan.count)
            buffer.out.size += 2
            put_values(&buffer.out, plan, values, count)
        except BaseException:
            buffer.out.size = before
            raise
        count += 1
    return count, False


# ---------------------------------------------------------------- source columns

@cython.final
@cython.auto_pickle(False)
cdef class _Sources:
    """The source columns of one call: their buffers held and measured, their Python objects already encoded."""

    cdef SourceColumn* columns
    cdef SourceColumn* dictionaries
    cdef Py_buffer* views
    cdef Py_ssize_t count, view_count, view_room
    cdef list broken  # for each column of Python objects, the exception of the row that could not be encoded
    cdef bint has_objects

    def __cinit__(self, Py_ssize_t count, Py_ssize_t view_room):
        self.columns = <SourceColumn*>calloc(count + 1, sizeof(SourceColumn))
        self.dictionaries = <SourceColumn*>calloc(count + 1, sizeof(SourceColumn))
        self.views = <Py_buffer*>calloc(view_room + 1, sizeof(Py_buffer))
        if self.columns == NULL or self.dictionaries == NULL or self.views == NULL:
            raise MemoryError()
        self.count = count
        self.view_room = view_room
        self.broken = [None] * count

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.view_count):
            PyBuffer_Release(&self.views[i])
        for i in range(self.count):
            self.release(&self.columns[i])
            self.release(&self.dictionaries[i])
        free(self.columns)
        free(self.dictionaries)
        free(self.views)

    cdef void release(self, SourceColumn* column) noexcept:
        free(column.variadic)
        free(column.variadic_sizes)
        free(column.wire.data)
        free(column.wire_ends)

    cdef Py_buffer* hold(self, object buffer) except NULL:
        """The buffer, held until this object dies."""
        cdef Py_buffer* view = &self.views[self.view_count]
        if self.view_count == self.view_room:
            raise buffer_misuse("more buffers than were counted")
        PyObject_GetBuffer(buffer, view, PyBUF_SIMPLE)
        self.view_count += 1
        return view

    cdef const uint8_t* measured(self, object buffer, int64_t count, int64_t width, Py_ssize_t index) except? NULL:
        """The memory of a buffer that holds at least `count` values of `width` bytes."""
        cdef Py_buffer* view
        if buffer is None:
            if count * width > 0:
                raise fault(FAULT_SOURCE_BUFFER, 0, index)
            return &no_bytes
        view = self.hold(buffer)
        if width and count > view.len // width:
            raise fault(FAULT_SOURCE_BUFFER, 0, index)
        return <const uint8_t*>view.buf

    cdef int fill(self, SourceColumn* column, tuple source, Py_ssize_t stop, Py_ssize_t index) except -1:
        """Take one source column apart and measure its buffers."""
        layout, spec, length, offset, validity, values, offsets, scale, variadic, dictionary = source
        cdef int64_t need
        cdef Py_buffer* view
        if not 0 <= stop <= length or offset < 0:
            raise fault(FAULT_SOURCE_BUFFER, 0, index)
        column.layout = layout
        column.kind = spec[0]
        column.offset = offset
        column.scale = scale
        need = column.offset + stop
        if validity is not None:
            column.validity = self.measured(validity, (need + 7) // 8, 1, index)
        if dictionary is not None:
            if (
                not LAYOUT_I8 <= column.layout <= LAYOUT_U64
                or dictionary[9] is not None
                or dictionary[0] == LAYOUT_OBJECT
            ):
                raise fault(FAULT_SOURCE_BUFFER, 0, index)
            column.dictionary = &self.dictionaries[index]
            column.dictionary_length = dictionary[2]
            self.fill(column.dictionary, dictionary, column.dictionary_length, index)
            column.values = self.measured(values, need, integer_width(column.layout), index)
            return 0
        if column.layout == LAYOUT_NULL:
            return 0
        if column.layout == LAYOUT_OBJECT:
            if type(values) is not list or len(values) < need:
                raise fault(FAULT_SOURCE_BUFFER, 0, index)
            self.has_objects = True
            return 0
        if (layout, spec[0]) not in pairs:
            raise fault(FAULT_SOURCE_BUFFER, 0, index)
        if column.layout == LAYOUT_VIEW:
            self.views_of(column, variadic)
            column.offsets = self.measured(offsets, need, 16, index)
        elif column.layout == LAYOUT_VAR32 or column.layout == LAYOUT_VAR64:
            column.values = &no_bytes
            if values is not None:
                view = self.hold(values)
                column.values = <const uint8_t*>view.buf
                column.values_size = view.len
            column.offsets = self.measured(offsets, need + 1, 4 if column.layout == LAYOUT_VAR32 else 8, index)
        elif column.layout == LAYOUT_BOOL_BITS:
            column.values = self.measured(values, (need + 7) // 8, 1, index)
        else:
            self.check_scale(column, index)
            column.values = self.measured(values, need, fixed_width(column), index)
        return 0

    cdef int check_scale(self, SourceColumn* column, Py_ssize_t index) except -1:
        cdef int layout = column.layout
        cdef int64_t scale = column.scale
        cdef bint good = True
        if layout == LAYOUT_DECIMAL128:
            good = 0 <= scale <= 38
        elif layout == LAYOUT_DECIMAL256:
            good = 0 <= scale <= 76
        elif LAYOUT_TIME32 <= layout <= LAYOUT_DURATION:
            good = scale == 1 or scale == 1000 or scale == 1000000 or scale == 1000000000
        elif layout == LAYOUT_FIXED:
            good = scale == 16 if column.kind == KIND_UUID else 0 <= scale <= INT32_MAX
        if not good:
            raise fault(FAULT_SOURCE_BUFFER, 0, index)
        return 0

    cdef int views_of(self, SourceColumn* column, object variadic) except -1:
        cdef Py_ssize_t n = len(variadic), i
        cdef Py_buffer* view
        column.variadic = <const uint8_t**>calloc(n + 1, sizeof(void*))
        column.variadic_sizes = <Py_ssize_t*>calloc(n + 1, sizeof(Py_ssize_t))
        if column.variadic == NULL or column.variadic_sizes == NULL:
            raise MemoryError()
        for i in range(n):
            view = self.hold(variadic[i])
            column.variadic[i] = <const uint8_t*>view.buf
            column.variadic_sizes[i] = view.len
        column.variadic_count = n
        return 0

    cdef int encode_objects(self, tuple source, Py_ssize_t index, Py_ssize_t start, Py_ssize_t stop) except -1:
        """Rows start:stop of a column of Python objects, each as a field behind its length word."""
        cdef SourceColumn* column = &self.columns[index]
        cdef list values = source[5]
        cdef Plan plan = Plan([source[1]])
        cdef Py_ssize_t row, at
        cdef int size
        cdef object value
        column.layout = WIRE
        column.wire_start = start
        column.wire_ends = <Py_ssize_t*>malloc((stop - start + 1) * sizeof(Py_ssize_t))
        if column.wire_ends == NULL:
            raise MemoryError()
        for row in range(start, stop):
            at = column.offset + row
            value = values[at]
            if column.validity != NULL and not (column.validity[at >> 3] >> (at & 7)) & 1:
                value = None
            if reserve(&column.wire, ROOM):
                raise MemoryError()
            size = quick_put(&column.wire, plan.columns.kind, value)
            column.wire.size += size
            if size == 0:
                try:
                    put_value(&column.wire, plan.columns, value, row - start, index)
                except Exception as exc:  # raised when the rows before it have been written
                    self.broken[index] = exc
                    return 0
            column.wire_ends[row - start] = column.wire.size
            column.wire_count += 1
        return 0


cdef inline int64_t integer_width(int layout) noexcept nogil:
    """Bytes of one value of an integer layout."""
    if layout == LAYOUT_I8 or layout == LAYOUT_U8:
        return 1
    if layout == LAYOUT_I16 or layout == LAYOUT_U16:
        return 2
    if layout == LAYOUT_I32 or layout == LAYOUT_U32:
        return 4
    return 8


cdef inline int64_t fixed_width(const SourceColumn* column) noexcept nogil:
    """Bytes of one value of a layout of fixed width."""
    cdef int layout = column.layout
    if LAYOUT_I8 <= layout <= LAYOUT_U64:
        return integer_width(layout)
    if layout == LAYOUT_BOOL_BYTES:
        return 1
    if layout == LAYOUT_F32 or layout == LAYOUT_DATE32 or layout == LAYOUT_TIME32:
        return 4
    if layout == LAYOUT_DECIMAL128 or layout == LAYOUT_MONTH_DAY_NANO:
        return 16
    if layout == LAYOUT_DECIMAL256:
        return 32
    if layout == LAYOUT_FIXED:
        return column.scale
    return 8


cdef Py_ssize_t buffers_in(tuple source) except -1:
    """Buffers that a source column may hold, its dictionary's included."""
    cdef Py_ssize_t count = 3 + len(source[8])
    if source[9] is not None:
        count += buffers_in(source[9])
    return count


def encode_copy_columns(
    WriteBuffer buffer not None, columns, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t limit_bytes
):
    """The row to go on with: rows start:stop appended as tuples in binary COPY format to the open CopyData."""
    cdef _Sources sources
    cdef Fault found
    cdef Py_ssize_t index, reached = start, room = 0
    cdef int code
    buffer.opened()
    if start < 0 or start > stop:
        raise buffer_misuse(f"rows {start}:{stop} are not a span")
    columns = [tuple(source) for source in columns]
    for source in columns:
        room += buffers_in(source)
    sources = _Sources(len(columns), room)
    for index in range(sources.count):
        sources.fill(&sources.columns[index], columns[index], stop, index)
    if sources.has_objects:
        stop = min(stop, start + OBJECT_ROWS)
        for index in range(sources.count):
            if sources.columns[index].layout == LAYOUT_OBJECT:
                sources.encode_objects(columns[index], index, start, stop)
    for index in range(sources.count):
        sources.columns[index].quick = quick_of(&sources.columns[index])
    with nogil:
        code = put_rows(
            &buffer.out, sources.columns, sources.count, start, stop, limit_bytes, &reached, &found
        )
    if code == FAULT_COERCE:
        raise sources.broken[found.column]
    if code:
        raise fault_of(&found)
    return reached


# ---------------------------------------------------------------- text COPY in

cdef int put_escaped(Block* out, object value, Py_ssize_t row, Py_ssize_t column) except -1:
    """A str as a field of text COPY."""
    cdef const uint8_t* p
    cdef Py_ssize_t size, i, n
    cdef bytes encoded
    cdef uint8_t code
    cdef uint8_t* to
    if PyUnicode_IS_ASCII(value):
        p = PyUnicode_1BYTE_DATA(value)
        size = PyUnicode_GET_LENGTH(value)
    else:
        try:
            encoded = PyUnicode_AsUTF8String(value)
        except UnicodeEncodeError:
            raise fault(FAULT_TEXT_ENCODE, row, column, value) from None
        p = <const uint8_t*>PyBytes_AS_STRING(encoded)
        size = PyBytes_GET_SIZE(encoded)
    if memchr(p, 0, size) != NULL:
        raise fault(FAULT_NUL, row, column, value)
    if reserve(out, 2 * size + 2):
        raise MemoryError()
    with nogil:
        to = out.data + out.size
        n = 0
        for i in range(size):
            code = p[i]
            if code == 92 or 8 <= code <= 13:
                to[n] = 92
                to[n + 1] = code if code == 92 else <uint8_t>(b"btnvfr"[code - 8])
                n += 2
            else:
                to[n] = code
                n += 1
        out.size += n
    return 0


def encode_copy_text(WriteBuffer buffer not None, rows):
    """Rows written: lines in text COPY format appended to the open CopyData, None as `\\N`."""
    cdef Py_ssize_t count = 0, before, column
    cdef Block* out = &buffer.out
    buffer.opened()
    for row in rows:
        if not isinstance(row, (tuple, list)):
            raise fault(FAULT_ROW_TYPE, count, -1, row)
        before = out.size
        column = 0
        try:
            if reserve(out, 4 * len(row) + 1):
                raise MemoryError()
            for value in row:
                if column:
                    put_byte(out, 9)
                if value is None:
                    put_byte(out, 92)
                    put_byte(out, 78)
                elif type(value) is str:
                    put_escaped(out, value, count, column)
                else:
                    raise fault(FAULT_VALUE_TYPE, count, column, value)
                column += 1
            put_byte(out, 10)
        except BaseException:
            out.size = before
            raise
        count += 1
    return count


cdef int put_byte(Block* out, uint8_t code) except -1:
    if reserve(out, 1):
        raise MemoryError()
    out.data[out.size] = code
    out.size += 1
    return 0


# ---------------------------------------------------------------- CSV in

@cython.final
@cython.auto_pickle(False)
cdef class CsvState:
    """Where a stream of CSV stands between two blocks, and what is made of the fields of its records."""

    cdef CsvColumn* columns
    cdef CsvNull* tokens
    cdef Py_ssize_t count
    cdef CsvForm form
    cdef list nulls

    def __init__(self, Py_ssize_t width, columns, marks=(b",", b'"', b""), bint header=False, bint utc=False,
                 bint binary=True, bytes escape=b"", nulls=(), forms=(), bint fill=False):
        cdef CsvColumn* column
        cdef CsvNull* token
        cdef bytes delimiter, quote, text
        columns = list(columns)
        if self.columns != NULL:
            raise buffer_misuse("a state is made once")
        delimiter, quote, _null = marks
        nulls, forms = csvtext_py.check_form(width, columns, marks, escape, nulls, forms)
        self.nulls = [text for column_nulls in nulls for text in column_nulls]
        self.columns = <CsvColumn*>calloc(len(columns), sizeof(CsvColumn))
        self.tokens = <CsvNull*>calloc(len(self.nulls) + 1, sizeof(CsvNull))
        if self.columns == NULL or self.tokens == NULL:
            raise MemoryError()
        token = self.tokens
        for text in self.nulls:
            token.text = <const uint8_t*>PyBytes_AS_STRING(text)
            token.size = PyBytes_GET_SIZE(text)
            token += 1
        token = self.tokens
        for (field, kind, limit, places), column_nulls, form in zip(columns, nulls, forms):
            column = &self.columns[self.count]
            column.form = form
            column.nulls = token
            column.null_count = len(column_nulls)
            token += column.null_count
            column.field = field
            column.kind = kind
            column.limit = limit
            column.places = places
            self.count += 1
        self.form.delimiter = delimiter[0]
        self.form.quote = quote[0]
        self.form.escape = escape[0] if escape else quote[0]
        self.form.width = width
        self.form.fill = fill
        self.form.header = header
        self.form.utc = utc
        self.form.binary = binary

    def __dealloc__(self):
        free(self.columns)
        free(self.tokens)


@cython.final
@cython.auto_pickle(False)
cdef class _Csv:
    """What one call reads and works with: the block held, a state of its own, and memory for fields."""

    cdef Py_buffer view
    cdef bint held
    cdef CsvForm form
    cdef CsvField* fields
    cdef Block scratch

    def __cinit__(self, block, CsvState state not None):
        PyObject_GetBuffer(block, &self.view, PyBUF_SIMPLE)
        self.held = True
        self.form = state.form
        self.fields = <CsvField*>calloc(state.form.width + 1, sizeof(CsvField))
        if self.fields == NULL:
            raise MemoryError()

    def __dealloc__(self):
        free(self.fields)
        free(self.scratch.data)
        if self.held:
            PyBuffer_Release(&self.view)


def encode_copy_csv(
    WriteBuffer buffer not None, CsvState state not None, block, Py_ssize_t start, Py_ssize_t stop, bint final,
    Py_ssize_t limit_bytes, list refused=None
):
    """(the position reached, rows written or refused): records of CSV text appended to the open CopyData."""
    cdef _Csv csv = _Csv(block, state)
    cdef const uint8_t* base = <const uint8_t*>csv.view.buf
    cdef const uint8_t* place
    cdef const uint8_t* behind
    cdef Py_ssize_t rows = 0
    cdef Fault found
    cdef int code
    buffer.opened()
    if state.columns == NULL:
        raise buffer_misuse("the state was not made")
    if not 0 <= start <= stop <= csv.view.len:
        raise buffer_misuse(f"bytes {start}:{stop} lie outside their block of {csv.view.len}")
    place = base + start
    while True:
        with nogil:
            code = put_csv_rows(
                &buffer.out, &csv.form, state.columns, state.count, csv.fields, &csv.scratch, &place, base + stop,
                final, limit_bytes, &rows, &found, &behind
            )
        if code == 0 or code == OUT_OF_MEMORY:
            break
        value = (found.detail, csv.form.width) if code == FAULT_ROW_WIDTH else shown_by(&found)
        if refused is None or behind == NULL:
            raise fault(code, found.at, found.column, value)
        refused.append((found.at, code, found.column, value))
        rows += 1
        place = behind
    if code:
        raise MemoryError()
    state.form = csv.form
    return place - base, rows


def survey_csv(
    CsvState state not None, block, Py_ssize_t start, Py_ssize_t stop, bint final, bint comma=False, int days=0
):
    """(the position reached, rows seen, (kinds, longest text in bytes) of each column) of records of CSV text."""
    cdef _Csv csv = _Csv(block, state)
    cdef const uint8_t* base = <const uint8_t*>csv.view.buf
    cdef const uint8_t* place
    cdef CsvSeen* seen
    cdef Py_ssize_t rows = 0
    cdef Fault found
    cdef int code
    if state.columns == NULL:
        raise buffer_misuse("the state was not made")
    csvtext_py.check_survey(start, stop, csv.view.len, days)
    seen = <CsvSeen*>calloc(state.count, sizeof(CsvSeen))
    if seen == NULL:
        raise MemoryError()
    try:
        place = base + start
        with nogil:
            code = survey_rows(
                &csv.form, state.columns, state.count, csv.fields, &csv.scratch, comma, days, &place, base + stop,
                final, seen, &rows, &found
            )
        if code:
            raise fault_of(&found)
        state.form = csv.form
        return place - base, rows, [(seen[i].kinds, seen[i].longest) for i in range(state.count)]
    finally:
        free(seen)
