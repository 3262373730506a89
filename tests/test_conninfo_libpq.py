"""Connection strings are read as libpq reads them, here the libpq that psycopg brings.

Where pgfast is stricter on purpose, no such string is made: an unescaped `@` in a password, which libpq takes for the
host's name, blanks in a URI, escapes that are not UTF-8, and ports that are no numbers, which libpq refuses later.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from psycopg import OperationalError, pq

from pgfast.errors import Error
from pgfast.net.conntext import parse_text

KEYWORDS = ("host", "port", "dbname", "user", "password", "application_name", "sslmode", "hostaddr", "nonsense", "ssl")
PIECES = ("a", "b.c", "%20", "%2F", "%zz", "é", "'", "\\", "=", ":", "#", "true", "5432", "::1", "-")

words = st.lists(st.sampled_from(PIECES), max_size=3).map("".join)
blanks = st.sampled_from(["", "", " ", "  ", "\t", "\n"])
quoted = st.text("ab '\\=\n€", max_size=6).map(lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'")
raw = st.text("ab'\\=,", max_size=6)
pairs = st.tuples(blanks, st.sampled_from(KEYWORDS), blanks, st.sampled_from(["=", "=", "=", ""]), blanks, quoted | raw)
strings = st.lists(pairs.map("".join), max_size=4).flatmap(
    lambda found: blanks.map(lambda blank: (blank or " ").join(found))
)

names = st.sampled_from(["h", "a.b", "[::1]", "%2Frun%2Fpg", "10.0.0.1", ""])
ports = st.sampled_from(["", "", ":1", ":65535", ":"])
places = st.lists(st.tuples(names, ports).map("".join), min_size=0, max_size=3).map(",".join)
users = st.sampled_from(["", "@", "u@", "u:p@", "u:@", ":p@", "u%40:p%3A@", "u:p:q@"])
queries = st.lists(
    st.tuples(st.sampled_from(KEYWORDS), st.sampled_from(["=", "=", "=", ""]), words).map("".join), max_size=3
)
uris = st.tuples(
    st.sampled_from(["postgresql://", "postgres://"]),
    users,
    places,
    st.sampled_from(["", "/", "/db", "/d%20b", "/d/b"]),
    st.just("") | queries.map(lambda found: "?" + "&".join(found)),
).map("".join)


def by_libpq(text: str) -> dict[str, str] | None:
    try:
        found = pq.Conninfo.parse(text.encode())
    except OperationalError:
        return None
    return {option.keyword.decode(): option.val.decode() for option in found if option.val}


def by_pgfast(text: str) -> dict[str, str] | None:
    try:
        found = parse_text(text)
    except Error:
        return None
    return {name: value for name, value in found.items() if value}


@given(strings)
def test_pairs_are_read_as_libpq_reads_them(text: str) -> None:
    assert by_pgfast(text) == by_libpq(text)


@given(uris)
def test_uris_are_read_as_libpq_reads_them(text: str) -> None:
    assert by_pgfast(text) == by_libpq(text)
