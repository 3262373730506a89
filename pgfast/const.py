"""Numbers that the protocol, the server's catalogue and the two codecs agree on.

Law of this file: names and numbers only. It imports nothing, so every floor may import it.

Sources: PostgreSQL docs, "Message Formats" and "Message Flow"; the server's
pg_type.dat (OIDs), numeric.c (numeric signs and limits), timestamp.h (infinities).
"""

from __future__ import annotations

from typing import Final

# ---------------------------------------------------------------- message tags (one byte)
# Backend (docs: Message Formats). Values are ints because frames hand their tag out as an int.
AUTHENTICATION: Final = 0x52  # R
BACKEND_KEY_DATA: Final = 0x4B  # K
BIND_COMPLETE: Final = 0x32  # 2
CLOSE_COMPLETE: Final = 0x33  # 3
COMMAND_COMPLETE: Final = 0x43  # C
COPY_DATA: Final = 0x64  # d
COPY_DONE: Final = 0x63  # c
COPY_IN_RESPONSE: Final = 0x47  # G
COPY_OUT_RESPONSE: Final = 0x48  # H
COPY_BOTH_RESPONSE: Final = 0x57  # W
DATA_ROW: Final = 0x44  # D
EMPTY_QUERY_RESPONSE: Final = 0x49  # I
ERROR_RESPONSE: Final = 0x45  # E
FUNCTION_CALL_RESPONSE: Final = 0x56  # V
NEGOTIATE_PROTOCOL_VERSION: Final = 0x76  # v
NO_DATA: Final = 0x6E  # n
NOTICE_RESPONSE: Final = 0x4E  # N
NOTIFICATION_RESPONSE: Final = 0x41  # A
PARAMETER_DESCRIPTION: Final = 0x74  # t
PARAMETER_STATUS: Final = 0x53  # S
PARSE_COMPLETE: Final = 0x31  # 1
PORTAL_SUSPENDED: Final = 0x73  # s
READY_FOR_QUERY: Final = 0x5A  # Z
ROW_DESCRIPTION: Final = 0x54  # T

# Frontend.
BIND: Final = 0x42  # B
CLOSE: Final = 0x43  # C
COPY_FAIL: Final = 0x66  # f
DESCRIBE: Final = 0x44  # D
EXECUTE: Final = 0x45  # E
FLUSH: Final = 0x48  # H
FUNCTION_CALL: Final = 0x46  # F
PARSE: Final = 0x50  # P
PASSWORD: Final = 0x70  # p: PasswordMessage, SASLInitialResponse, SASLResponse, GSSResponse
QUERY: Final = 0x51  # Q
SYNC: Final = 0x53  # S
TERMINATE: Final = 0x58  # X

# First packets, which carry no tag (docs: StartupMessage, SSLRequest, GSSENCRequest, CancelRequest).
PROTOCOL_3_0: Final = 0x0003_0000
SSL_REQUEST: Final = 80877103
GSSENC_REQUEST: Final = 80877104
CANCEL_REQUEST: Final = 80877102

# ---------------------------------------------------------------- limits
MAX_INT32: Final = 0x7FFF_FFFF
MIN_INT64: Final = -(2**63)
MAX_INT64: Final = 2**63 - 1
#: Server's own limit for one message (MaxAllocSize in memutils.h), our default for `max_message_size`.
MAX_MESSAGE_SIZE: Final = 0x3FFF_FFFF
#: Messages that may be as long as `max_message_size`. All others are short by what they hold, and a length beyond
#: MAX_SHORT_MESSAGE in one of them says that the peer is no server, or means harm (libpq: VALID_LONG_MESSAGE_TYPE, with
#: 30000). The longest honest ones: tokens of GSSAPI, and notifications of a server with blocks of 32 KiB.
LONG_MESSAGES: Final = frozenset(
    {
        *(DATA_ROW, COPY_DATA, ROW_DESCRIPTION, PARAMETER_DESCRIPTION, FUNCTION_CALL_RESPONSE),
        *(ERROR_RESPONSE, NOTICE_RESPONSE),
    }
)
MAX_SHORT_MESSAGE: Final = 65536
#: Parameters in one Bind (Int16, read as unsigned by the server since 7.4).
MAX_PARAMETERS: Final = 65535
#: Dimensions of an array (MAXDIM in c.h).
MAX_DIMENSIONS: Final = 6
#: Size of a fresh read block; measured best between 128 KiB and 1 MiB on loopback.
READ_BLOCK_SIZE: Final = 256 * 1024
#: Bytes gathered into one CopyData before it is handed to the socket.
COPY_BLOCK_SIZE: Final = 128 * 1024
#: Rows after which a ColumnSink is full and wants `cut()`.
BATCH_ROWS: Final = 65536
#: Bytes in one variable-width column after which a ColumnSink is full (int32 offsets end at 2^31-1).
BATCH_BYTES: Final = 256 * 1024 * 1024

# ---------------------------------------------------------------- format codes
TEXT: Final = 0
BINARY: Final = 1

# ---------------------------------------------------------------- time
#: Days from 1970-01-01 (Python, Arrow) to 2000-01-01 (PostgreSQL).
EPOCH_DAYS: Final = 10957
#: Proleptic ordinal of 2000-01-01, as `datetime.date.toordinal` counts.
EPOCH_ORDINAL: Final = 730120
SECONDS_PER_DAY: Final = 86_400
US_PER_SECOND: Final = 1_000_000
US_PER_DAY: Final = 86_400_000_000
#: Microseconds from the Unix epoch to the PostgreSQL epoch.
EPOCH_US: Final = EPOCH_DAYS * US_PER_DAY

# ---------------------------------------------------------------- numeric (numeric.c)
NUMERIC_POSITIVE: Final = 0x0000
NUMERIC_NEGATIVE: Final = 0x4000
NUMERIC_NAN: Final = 0xC000
NUMERIC_PINF: Final = 0xD000
NUMERIC_NINF: Final = 0xF000
#: Largest display scale in the wire format (NUMERIC_DSCALE_MASK).
NUMERIC_MAX_SCALE: Final = 0x3FFF
#: Digits allowed before the decimal point (docs: Numeric Types).
NUMERIC_MAX_WHOLE_DIGITS: Final = 131072

# ---------------------------------------------------------------- ranges (rangetypes.h)
RANGE_EMPTY: Final = 0x01
RANGE_LB_INC: Final = 0x02
RANGE_UB_INC: Final = 0x04
RANGE_LB_INF: Final = 0x08
RANGE_UB_INF: Final = 0x10

# ---------------------------------------------------------------- binary COPY (docs: COPY, Binary Format)
COPY_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
#: Signature, flags 0, no header extension: what `encode_copy_*` expects to have been written first.
COPY_HEADER: Final = COPY_SIGNATURE + bytes(8)
COPY_TRAILER: Final = b"\xff\xff"

# ---------------------------------------------------------------- kinds
# What a codec kernel does with one column. A kind names a wire layout, not a PostgreSQL type:
# text, varchar, bpchar and name are all KIND_STR.
KIND_CALL: Final = 0  # binary; bytes -> call -> value, value -> call -> bytes
KIND_TEXT_CALL: Final = 1  # text format; str -> call -> value, value -> call -> str
KIND_STR: Final = 2
KIND_BYTES: Final = 3
KIND_BOOL: Final = 4
KIND_INT2: Final = 5
KIND_INT4: Final = 6
KIND_INT8: Final = 7
KIND_OID: Final = 8  # unsigned 32 bits
KIND_FLOAT4: Final = 9
KIND_FLOAT8: Final = 10
KIND_NUMERIC: Final = 11
KIND_DATE: Final = 12
KIND_TIME: Final = 13
KIND_TIMETZ: Final = 14
KIND_TIMESTAMP: Final = 15
KIND_TIMESTAMPTZ: Final = 16
KIND_INTERVAL: Final = 17
KIND_UUID: Final = 18
KIND_JSON: Final = 19  # text through call (loads / dumps)
KIND_JSONB: Final = 20  # version byte 1, then as KIND_JSON
KIND_CHAR: Final = 21  # "char", one byte
KIND_ARRAY: Final = 22  # of the spec's one child
KIND_VECTOR: Final = 23  # int2vector, oidvector: an array of one dimension that begins at 0
KIND_ENUM: Final = 24  # text through call
KIND_COMPOSITE: Final = 25  # an attribute for each child
KIND_RECORD: Final = 26  # a composite that says itself what it is made of
KIND_RANGE: Final = 27  # of the spec's one child
KIND_MULTIRANGE: Final = 28  # of ranges, which are the spec's one child
KIND_UINT8: Final = 29  # unsigned 64 bits

# ---------------------------------------------------------------- layouts
# How the values of a source column of `encode_copy_columns` lie in memory (Arrow columnar format).
LAYOUT_NULL: Final = 0  # no buffers, every value NULL
LAYOUT_OBJECT: Final = 1  # `values` is a list of Python objects, None is NULL
LAYOUT_BOOL_BITS: Final = 2  # bitmap, least significant bit first
LAYOUT_BOOL_BYTES: Final = 3  # one byte each, 0 or 1 (NumPy)
LAYOUT_I8: Final = 4
LAYOUT_I16: Final = 5
LAYOUT_I32: Final = 6
LAYOUT_I64: Final = 7
LAYOUT_U8: Final = 8
LAYOUT_U16: Final = 9
LAYOUT_U32: Final = 10
LAYOUT_U64: Final = 11
LAYOUT_F32: Final = 12
LAYOUT_F64: Final = 13
LAYOUT_DECIMAL128: Final = 14  # little-endian two's complement, `scale` decimal places (0 to 38)
LAYOUT_DATE32: Final = 15  # int32 days since 1970
LAYOUT_DATE64: Final = 16  # int64 milliseconds since 1970, whole days
LAYOUT_TIME32: Final = 17  # int32, `scale` units in a second (1 or 1000)
LAYOUT_TIME64: Final = 18  # int64, `scale` units in a second (10**6 or 10**9)
LAYOUT_TIMESTAMP: Final = 19  # int64 since 1970, `scale` units in a second (1, 10**3, 10**6, 10**9)
LAYOUT_DURATION: Final = 20  # int64, `scale` units in a second
LAYOUT_MONTH_DAY_NANO: Final = 21  # int32 months, int32 days, int64 nanoseconds
LAYOUT_VAR32: Final = 22  # int32 offsets[n+1] + bytes (utf8, binary)
LAYOUT_VAR64: Final = 23  # int64 offsets[n+1] + bytes
LAYOUT_VIEW: Final = 24  # 16-byte views in `offsets`, long values in `variadic`
LAYOUT_FIXED: Final = 25  # `scale` bytes each
LAYOUT_DECIMAL256: Final = 26  # as LAYOUT_DECIMAL128, 32 bytes, `scale` 0 to 76

_INTEGERS: Final = (LAYOUT_I8, LAYOUT_I16, LAYOUT_I32, LAYOUT_I64, LAYOUT_U8, LAYOUT_U16, LAYOUT_U32, LAYOUT_U64)
_BYTES: Final = (LAYOUT_VAR32, LAYOUT_VAR64, LAYOUT_VIEW)

#: Pairs (layout, kind) that `encode_copy_columns` stores natively. LAYOUT_NULL and LAYOUT_OBJECT go with every
#: kind and are not listed; any other pair must be turned into LAYOUT_OBJECT by the caller.
COLUMN_PAIRS: Final[frozenset[tuple[int, int]]] = frozenset(
    {
        *((layout, kind) for layout in (LAYOUT_BOOL_BITS, LAYOUT_BOOL_BYTES) for kind in (KIND_BOOL,)),
        *(
            (layout, kind)
            for layout in _INTEGERS
            for kind in (KIND_INT2, KIND_INT4, KIND_INT8, KIND_OID, KIND_UINT8, KIND_FLOAT8, KIND_NUMERIC)
        ),
        *((layout, kind) for layout in (LAYOUT_F32, LAYOUT_F64) for kind in (KIND_FLOAT4, KIND_FLOAT8)),
        (LAYOUT_DECIMAL128, KIND_NUMERIC),
        (LAYOUT_DECIMAL256, KIND_NUMERIC),
        (LAYOUT_DATE32, KIND_DATE),
        (LAYOUT_DATE64, KIND_DATE),
        (LAYOUT_TIME32, KIND_TIME),
        (LAYOUT_TIME64, KIND_TIME),
        (LAYOUT_TIMESTAMP, KIND_TIMESTAMP),
        (LAYOUT_TIMESTAMP, KIND_TIMESTAMPTZ),
        (LAYOUT_TIMESTAMP, KIND_DATE),  # midnights
        (LAYOUT_DURATION, KIND_INTERVAL),
        (LAYOUT_MONTH_DAY_NANO, KIND_INTERVAL),
        *((layout, kind) for layout in _BYTES for kind in (KIND_STR, KIND_ENUM, KIND_BYTES, KIND_JSON, KIND_JSONB)),
        *((layout, KIND_NUMERIC) for layout in _BYTES),  # decimal text, as numeric_in reads it
        (LAYOUT_FIXED, KIND_BYTES),
        (LAYOUT_FIXED, KIND_UUID),
    }
)

# How the text of a CSV field is written: as the server writes it, with a decimal comma, or with a day's parts in this
# order between points, strokes or hyphens.
CSV_USUAL: Final = 0
CSV_COMMA: Final = 1
CSV_DMY: Final = 2
CSV_MDY: Final = 3
CSV_YMD: Final = 4

# What the text of a CSV field looks like; `survey_csv` gives the sum for a column. A long number has more digits than a
# float keeps.
SEEN_NULL: Final = 1
SEEN_BOOL: Final = 2
SEEN_BIGINT: Final = 4
SEEN_NUMERIC: Final = 8
SEEN_FLOAT: Final = 16
SEEN_LONG: Final = 32
SEEN_DATE: Final = 64
SEEN_TIMESTAMP: Final = 128
SEEN_TIMESTAMPTZ: Final = 256
SEEN_TIME: Final = 512
SEEN_UUID: Final = 1024
SEEN_TEXT: Final = 2048

#: Kinds that `encode_copy_csv` makes of text.
CSV_KINDS: Final[frozenset[int]] = frozenset(
    {
        *(KIND_STR, KIND_BYTES, KIND_BOOL, KIND_INT2, KIND_INT4, KIND_INT8, KIND_OID, KIND_FLOAT4, KIND_FLOAT8),
        *(KIND_NUMERIC, KIND_DATE, KIND_TIME, KIND_TIMESTAMP, KIND_TIMESTAMPTZ, KIND_UUID, KIND_JSON, KIND_JSONB),
        *(KIND_CHAR, KIND_ENUM),
    }
)

# ---------------------------------------------------------------- type OIDs (pg_type.dat), the first set
OID_BOOL: Final = 16
OID_BYTEA: Final = 17
OID_CHAR: Final = 18
OID_NAME: Final = 19
OID_INT8: Final = 20
OID_INT2: Final = 21
OID_INT4: Final = 23
OID_TEXT: Final = 25
OID_OID: Final = 26
OID_JSON: Final = 114
OID_FLOAT4: Final = 700
OID_FLOAT8: Final = 701
OID_UNKNOWN: Final = 705
OID_BPCHAR: Final = 1042
OID_VARCHAR: Final = 1043
OID_DATE: Final = 1082
OID_TIME: Final = 1083
OID_TIMESTAMP: Final = 1114
OID_TIMESTAMPTZ: Final = 1184
OID_INTERVAL: Final = 1186
OID_TIMETZ: Final = 1266
OID_NUMERIC: Final = 1700
OID_UUID: Final = 2950
OID_JSONB: Final = 3802
