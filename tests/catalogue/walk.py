"""Every row of pg_type on one server, each type with a table of its values.

Law of this file: SQL only, through any connection that has `execute`; it decodes nothing. Types come from the
catalogue itself, values from the corpus; arrays, and the row types of the server's own relations, get theirs by SQL.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, Final

from .corpus import NEVER, RESULTS, VALUES, Value, quote
from .made import EXTENSIONS, SETUP, VALUES_OF_EXTENSIONS, VALUES_OF_USERS

#: Types whose input functions refuse every value; a row that has one can be read only.
_UNWRITABLE: Final = ("pg_node_tree", "pg_ndistinct", "pg_dependencies", "pg_mcv_list")

#: An element as array_in reads it.
_QUOTED: Final = r"""
create function corpus.quoted(element text) returns text language sql immutable as $$
  select '"' || replace(replace(element, '\', '\\'), '"', '\"') || '"'
$$
"""

#: OIDs below are the server's own (access/transam.h, FirstNormalObjectId).
_FIRST_USER_OID: Final = 16384

_TYPES: Final = """
with recursive parts(oid, part) as (
  select oid, oid from pg_type
  union
  select parts.oid, found.part from parts join pg_type t on t.oid = parts.part
  cross join lateral (
    select t.typelem where t.typelem <> 0
    union all select t.typbasetype where t.typbasetype <> 0
    union all select a.atttypid from pg_attribute a
      where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    union all select r.rngsubtype from pg_range r where r.rngtypid = t.oid
    union all select r.rngtypid from pg_range r where r.rngmultitypid = t.oid
  ) as found(part)
)
select t.oid::int8, t.typname::text, t.typnamespace::regnamespace::text, format_type(t.oid, -1), t.typtype::text,
       c.relkind::text, c.oid::regclass::text,
       coalesce(e.oid, 0)::int8, coalesce(e.typcategory = 'A', false),
       case when t.typsend <> 0 then t.typsend::regproc::text else '' end,
       case when t.typbasetype <> 0 then format_type(t.typbasetype, -1) else 'text' end,
       x.extname::text,
       (select array_agg(distinct p.typname::text) from parts join pg_type p on p.oid = parts.part
         where parts.oid = t.oid),
       exists (select from parts join pg_type p on p.oid = parts.part
               where parts.oid = t.oid and p.typtype = 'p'),
       not exists (select from parts join pg_type p on p.oid = parts.part
               where parts.oid = t.oid and p.typsend = 0 and p.typtype <> 'p')
from pg_type t
left join pg_class c on c.oid = t.typrelid
left join pg_type e on e.typarray = t.oid
left join pg_depend d on d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e'
left join pg_extension x on d.refclassid = 'pg_extension'::regclass and x.oid = d.refobjid
order by e.oid is not null, t.typtype = 'c', t.oid
"""


@dataclass(slots=True)
class Walked:
    """One row of pg_type. `sql` is its name in SQL, `parts` the names of all types it is made of, itself included.

    `element` is the OID of the elements of an array type, else 0. `relation` is the server's own relation whose rows
    are of the type. `storable`: a table can have a column of it, which is then `table` with the columns n and v.
    `expressions` are its values where it is not. `as_bytes` is what `bytes_of`
    writes. `group` is the part of the table that it stands in.
    """

    oid: int
    name: str
    builtin: bool
    sql: str
    typtype: str
    element: int
    element_is_list: bool
    extension: str | None
    relation: str | None
    parts: frozenset[str]
    storable: bool
    as_bytes: str
    group: str
    values: list[Value] = field(default_factory=list)
    expressions: list[str] = field(default_factory=list)
    comparable: bool = False

    @property
    def key(self) -> str:
        """Its short name where it is built in, else its name in SQL."""
        if not self.builtin:
            return self.sql
        return self.name.removeprefix("_") + "[]" if self.element else self.name

    @property
    def table(self) -> str:
        """The table of its values."""
        return f"corpus.t{self.oid}"

    @property
    def copy(self) -> str:
        """The table that takes what is sent back."""
        return f"corpus.b{self.oid}"

    @property
    def any_payload(self) -> bool:
        """Whether there is a value whose text does not tell everything."""
        return any(value.payload for value in self.values)

    def bytes_of(self, column: str) -> str:
        """SQL for the binary form of a column, or for its text form where the type has no binary one."""
        return self.as_bytes.format(column)

    @property
    def writable(self) -> bool:
        """Whether the server takes values of it."""
        return self.storable and self.name not in _UNWRITABLE

    @property
    def covered(self) -> bool:
        """Whether there is anything to test, or a reason why not."""
        return bool(self.values or self.expressions) or self.name.removeprefix("_") in NEVER


def types_of(conn: Any) -> list[Walked]:
    """Makes the users' and extensions' types; every row of pg_type."""
    available = {name for (name,) in conn.execute("select name::text from pg_available_extensions").fetchall()}
    for extension in EXTENSIONS:
        if extension in available:
            conn.execute(f"create extension {extension}")
    conn.execute(SETUP)
    found = []
    for row in conn.execute(_TYPES).fetchall():
        (
            oid,
            name,
            schema,
            sql,
            typtype,
            relkind,
            relation,
            element,
            is_list,
            send,
            base,
            extension,
            parts,
            pseudo,
            sends,
        ) = row
        if typtype == "d" or name == "refcursor":  # polymorphic functions take no domains
            as_bytes = f"{send}({{}}::{base})"
        else:
            as_bytes = f"{send}({{}})" if send and sends else "format('%s', {})"
        own = relation if typtype == "c" and relkind != "c" and name not in VALUES_OF_USERS else None
        storable = not pseudo and name not in (*NEVER, *_UNWRITABLE)
        made = Walked(
            oid,
            name,
            schema == "pg_catalog",
            sql,
            typtype,
            element,
            is_list,
            extension,
            own,
            frozenset(parts),
            storable,
            as_bytes,
            _group(name, oid, typtype, element, extension, own, storable),
        )
        found.append(made)
    groups = {each.oid: each.group for each in found}
    for each in found:
        if each.storable and groups.get(each.element) in ("base", "range"):
            each.group = "array"
    return found


def _group(
    name: str, oid: int, typtype: str, element: int, extension: str | None, relation: str | None, storable: bool
) -> str:
    if name.removeprefix("_") in NEVER:
        return "never"
    if relation:
        return "relation"
    if not storable and name in RESULTS:
        return "result"
    if element:
        return "other array"  # until it is known of what
    if extension:
        return "extension"
    if typtype in "dec" or oid >= _FIRST_USER_OID:
        return "user"
    return "range" if typtype in "rm" else "base"


def fill(conn: Any, types: list[Walked], version: int) -> None:
    """Makes the table of each type that one can have, and gives every type its values."""
    conn.execute("create schema corpus")
    conn.execute(_QUOTED)
    by_oid = {each.oid: each for each in types}
    for each in types:
        if each.name in NEVER:
            continue
        if not each.storable:
            each.expressions = list(RESULTS.get(each.name, ()))
            if each.relation:
                each.expressions = [f"(select x from {each.relation} x limit 1)", f"null::{each.sql}"]
            elif each.element and by_oid[each.element].relation:
                each.expressions = [
                    f"(select array_agg(x) from (select x from {by_oid[each.element].relation} x limit 1) y)"
                ]
            continue
        conn.execute(f"create table {each.table} (n int4, v {each.sql})")
        if each.element:
            _fill_array(conn, each, by_oid[each.element])
        elif each.relation:
            _fill_rows(conn, each)
        else:
            _fill_from_corpus(conn, each, version)
        try:
            with conn.transaction():
                conn.execute(f"select v is not distinct from v from {each.table}")
            each.comparable = True
        except Exception as exc:
            if "could not identify an equality operator" not in str(exc) and "operator does not exist" not in str(exc):
                raise


def _fill_from_corpus(conn: Any, each: Walked, version: int) -> None:
    values = (VALUES_OF_EXTENSIONS if each.extension else VALUES_OF_USERS).get(each.name) or VALUES.get(each.name, [])
    each.values = [value for value in values if value.since <= version]
    sent = [(n, value) for n, value in enumerate(each.values) if value.wire is None]
    for start in range(0, len(sent), 500):
        rows = ", ".join(f"({n}, {value.sql(each.sql)})" for n, value in sent[start : start + 500])
        conn.execute(f"insert into {each.table} values {rows}")
    wires = [(n, value.wire) for n, value in enumerate(each.values) if value.wire is not None]
    if wires:
        with conn.cursor() as cursor, cursor.copy(f"copy {each.table} from stdin (format binary)") as copy:
            copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            for n, wire in wires:
                copy.write(struct.pack(">hiii", 2, 4, n, len(wire)) + wire)
            copy.write(b"\xff\xff")


def _fill_rows(conn: Any, each: Walked) -> None:
    """A row of NULLs, and two rows of the relation where it is a table."""
    columns = conn.execute(
        "select attname::text, atttypid::regtype::text from pg_attribute "
        f"where attrelid = {quote(each.relation or '')}::regclass and attnum > 0 and not attisdropped"
    ).fetchall()
    conn.execute(f"insert into {each.table} values (0, {quote('(' + ',' * (len(columns) - 1) + ')')})")
    conditions = [f'x."{name}" is null' for name, kind in columns if kind in _UNWRITABLE]
    # The text of a function that shares its name with another is refused by the server that wrote it.
    conditions += [
        f'(x."{name}" = 0 or to_regproc(x."{name}"::text) = x."{name}")' for name, kind in columns if kind == "regproc"
    ]
    readable = " and ".join(conditions) or "true"
    kind = conn.execute(
        f"select relkind::text from pg_class where oid = {quote(each.relation or '')}::regclass"
    ).fetchall()
    if kind == [("r",)]:
        conn.execute(
            f"insert into {each.table} select row_number() over (), x from {each.relation} x where {readable} limit 2"
        )
    each.values = [Value(f"row {n}") for (n,) in conn.execute(f"select n from {each.table} order by n").fetchall()]


def _fill_array(conn: Any, each: Walked, element: Walked) -> None:
    """Arrays of the element's values in every shape."""
    if not element.values:
        return
    held = [n for n, value in enumerate(element.values) if not value.beyond]
    level = [n for n in held if element.values[n].columns]
    first, second = (level[:1] or held[:1])[0], (level[1:2] or level[:1] or held[:1])[0]
    one, two = (f"(select v from {element.table} where n = {n})" for n in (first, second))

    def gathered(numbers: list[int]) -> str:
        chosen = f"from {element.table} where n = any('{{{','.join(map(str, numbers))}}}')"
        if element.element_is_list or each.element_is_list:  # array_agg would make one array of them
            return f"(select ('{{' || string_agg(corpus.quoted(v::text), ',' order by n) || '}}') {chosen})"
        return f"(select array_agg(v order by n) {chosen})"

    flat, payload = not each.element_is_list, element.any_payload
    shapes: list[tuple[str, Value]] = [
        ("'{}'", Value("none")),
        ("'{NULL}'", Value("NULL alone")),
        (gathered(level), Value("all that columns hold", payload=payload)),
        (gathered(held), Value("all that Python holds", columns=len(held) == len(level), payload=payload)),
    ]
    if len(held) < len(element.values):
        columns = all(value.columns for value in element.values)
        shapes.append(
            (gathered(list(range(len(element.values)))), Value("all", beyond=True, columns=columns, payload=payload))
        )
    if flat:
        shapes += [
            (f"array[{one}, null, {two}, null]", Value("with NULL")),
            (
                f"array[[{one}, {two}], [null, {one}], [{two}, null]]",
                Value("of two dimensions", columns=False),
            ),
            (f"array_fill({one}, array[2], array[-3])", Value("from -3", columns=False)),
            (
                f"array_fill({two}, array[2, 1, 2], array[0, 1, 2147483644])",
                Value("from 0, 1 and 2^31-4", columns=False),
            ),
            (
                f"array_fill({one}, array[1, 1, 1, 1, 1, 2])",
                Value("of six dimensions", columns=False),
            ),
            (
                f"array_fill(null::{element.sql}, array[1, 2], array[1, -2147483648])",
                Value("from -2^31", columns=False),
            ),
        ]
    for n, (expression, value) in enumerate(shapes):
        conn.execute(f"insert into {each.table} select {n}, ({expression})::{each.sql}")
        each.values.append(value)
