"""Texts that the seeds begin with, written by hand.

Law of this file: bytes only; `make_seeds` says how the harnesses take them.
"""

from __future__ import annotations

from typing import Final

from pgfast import const

from .sessions import CERTIFICATE

#: The parser of types without a kernel, which all are tried with the same texts.
FORM: Final = 9
#: What the parsers of the harness `parsers` read, by their place in its table.
TEXTS: Final[dict[int, list[bytes]]] = {
    0: [
        b"R\0\0\0\3R\0\0\0\5saltR\0\0\0\0K\0\0\0\1\0\0\0\2ZPblank\0ISELECT\0NNOTICE:  x\n\0A\0\0\0\7c\0EERROR:  y\n\0Z",
        b"VG\0\0\0\4abcd0ZV0ZGCCOPY\0ZH1\t2\n\\.\nCCOPY\0Z",
        b"T\0\2a\0\0\0\0\x17\0\4\xff\xff\xff\xffb\0\0\0\0\x19\xff\xff\xff\xff\xff\xff"
        b"B\xc0\0\0\0\4\0\0\0\1\0\0\0\1xD\x40\0\0\0\5yCSELECT\0Z",
    ],
    1: [
        b"Q\x0dbegin; abort\0d\4a\tb\nc\0Qacommit\0F\x12\0\0\0\1\0\1\0\1\0\1\0\0\0\1x\0\1X\0",
        b"p\7secret\0d\3\\.\nc\0",
    ],
    2: [
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096\0"
        b"v=6rriTRBi23WpRR/wtup+mMhUZUn=",
        b"m=x,r=rOprNGfwEbe1,s=,i=1\0e=other-error",
    ],
    3: [
        b'{"openid-configuration":"https://issuer.example/.well-known/openid-configuration","scope":"a b"}',
        b'{"openid-configuration":"https://issuer.example/.well-known/oauth-authorization-server/a","x":[1,{}]}',
    ],
    4: [
        CERTIFICATE,
        bytes.fromhex("304c30003048060a2a864886f70d01010a303aa00f300d06096086480165030402010500"),
    ],
    6: [
        b"host=a,b port=1,2 dbname='x y' user=u password=p\\'w sslmode=require target_session_attrs=standby",
        b"postgresql://u:p%20w@[::1]:5433,h2/db?sslmode=disable&application_name=x&options=-c%20a%3Db",
        b"host=/tmp hostaddr=127.0.0.1 require_auth=!password,!md5 min_protocol_version=2.0",
        b"replication=true keepalives=0 tcp_user_timeout=1 load_balance_hosts=random channel_binding=require",
    ],
    9: [
        b"\0\0\0\2\0\0\0\1a\0\0\0\1b\0\0\0\1c\xff\xff\xff\xff",
        b'"a"=>"b", c=>NULL',
        b"(1,2),(3,4)",
        b"[1.5,-2,3e10]",
        b"{1:1.5,3:-2}/5",
        b"0101000020E6100000000000000000F03F0000000000000040",
        bytes.fromhex("0101000020e6100000000000000000f03f0000000000000040"),
        b"'a':1A,2 'b' & !('c' | 'd':*)",
        b"::ffff:1.2.3.4/96",
        b"10:20:10,14,15",
        b"<(1,2),3>",
    ],
    7: [
        b"select %s, %(name)s, %%, $1, 'a''b', e'\\'', $tag$x$tag$, \"q\" -- c\n/* a /* b */ */; copy t from stdin",
        b"select ?, :name::int, a ? b; begin; abort; U&'x' B'1' X'f' 1.5e3 \\ [1:2]",
    ],
}


#: CSV of one column by kind, and of several.
RECORDS: Final[dict[int, bytes]] = {
    const.KIND_STR: b'a\n"b ""c""\n"\n\\.x\n\n',
    const.KIND_BYTES: b"\\x00ff\na\\\\b\\001\n",
    const.KIND_BOOL: b"t\nfalse\nyes\noff\n1\n on \n",
    const.KIND_INT4: b"1\n-2147483648\n 007 \n+5\n0x1F\n1_000\n",
    const.KIND_INT8: b"9223372036854775807\n-1\n",
    const.KIND_OID: b"4294967295\n0\n",
    const.KIND_FLOAT8: b"1.5e300\n-0\n.5\nInfinity\nnan\n1e-320\n",
    const.KIND_FLOAT4: b"3.4028235e38\n0.1\n16777217\n",
    const.KIND_NUMERIC: b"1.50\n-0.00001\n1e5\n12345678901234567890.123\nNaN\n",
    const.KIND_DATE: b"2024-02-29\n0001-01-01\n1999-12-31\n",
    const.KIND_TIME: b"23:59:59.999999\n00:00\n12:34:56\n",
    const.KIND_TIMESTAMP: b"2024-02-29 12:34:56.789\n1999-12-31T00:00:00\n",
    const.KIND_TIMESTAMPTZ: b"2024-02-29 12:34:56+05:30\n2024-02-29T12:34:56Z\n2000-01-01 00:00:00-00\n",
    const.KIND_UUID: b"12345678-1234-5678-1234-567812345678\n{12345678123456781234567812345678}\n",
    const.KIND_JSON: b'"{""a"":[1,null]}"\n1\n',
    const.KIND_JSONB: b'"{""a"":[1,null]}"\n1\n',
    const.KIND_CHAR: b'x\n\xc3\xa9\n""\n',
    const.KIND_ENUM: b"glad\nsad\n",
}
