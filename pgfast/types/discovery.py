"""Types that only the server knows: what is asked of its catalogue, what comes of the answer, and where that is kept.

How it works. One query gives the types asked for and all they are made of. What it says is kept for the process, once
for each database of each server (the key comes with the answer), and a connection joins that when it first asks. What
was looked up while a transaction had written something may be that transaction's own: the connection keeps it to
itself until the commit. money is the connection's own always, because its scale is the session's lc_monetary's.

Sources: docs, pg_type, pg_enum, pg_range, pg_attribute; server: typcache.c.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any, Final, NamedTuple, TypeAlias

from .. import const
from ..errors import ProtocolError
from .builtins import BY_OID, OID_MONEY, OID_MONEY_ARRAY
from .catalogue import Named, TypeInfo, array_of
from .forms import EXTENSIONS, money_form
from .forms.form import Form

#: What a server with several databases, restored and restarted at will, tells apart: a database's OID, and when the
#: server was started.
Key: TypeAlias = tuple[int, datetime]

#: A type that is made of more types than these, or has more of them in one another, is the server's text: what is made
#: for reading and writing it would grow beyond all bounds, because a type that comes twice is there twice.
_MOST_PARTS: Final = 32768
_MOST_LEVELS: Final = 100
#: Databases whose types are kept; when full, the one asked longest ago goes.
_KEPT: Final = 64
#: The point of `$0.00` and the digits behind it.
_ZERO: Final = re.compile(r"0([^0-9\s]+)(0+)")
#: Send functions that write the value's text: such a type is read and written by the text kernel.
_TEXT_SENDERS: Final = frozenset(("textsend", "citextsend"))


def qualified(sql: str) -> str:
    """The query with its operators taken from pg_catalog.

    A plain `=` between two regproc, say, is looked for in the search_path too, and found where somebody has put one.
    """
    return re.sub(r"(?<= )(=|<>|>|\|\||->>)(?= )", r"OPERATOR(pg_catalog.\1)", sql)


#: $1: oid[]. The first four columns are the same in every row; the others are NULL where nothing was found.
TYPES_SQL: Final = qualified("""
WITH RECURSIVE wanted (oid) AS (
  SELECT pg_catalog.unnest($1::pg_catalog.oid[])
  UNION
  SELECT part.oid
  FROM wanted w JOIN pg_catalog.pg_type t ON t.oid = w.oid CROSS JOIN LATERAL (
    SELECT t.typbasetype WHERE t.typtype = 'd'
    UNION ALL
    SELECT t.typelem WHERE t.typsend = 'pg_catalog.array_send'::pg_catalog.regproc
    UNION ALL
    SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE t.typtype = 'r' AND r.rngtypid = t.oid
    UNION ALL
    SELECT r.rngtypid FROM pg_catalog.pg_range r
    WHERE t.typtype = 'm' AND (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::pg_catalog.oid = t.oid
    UNION ALL
    SELECT a.atttypid FROM pg_catalog.pg_attribute a
    WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
  ) part (oid)
)
SELECT (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()),
       pg_catalog.pg_postmaster_start_time(),
       pg_catalog.txid_current_if_assigned() IS NOT NULL,
       0::pg_catalog.money::pg_catalog.text,
       t.oid, t.typname::pg_catalog.text, n.nspname::pg_catalog.text,
       CASE WHEN n.nspname = 'pg_catalog' THEN pg_catalog.quote_ident(t.typname)
            ELSE pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname) END,
       t.typtype::pg_catalog.text, t.typarray, t.typdelim::pg_catalog.text,
       (SELECT p.proname::pg_catalog.text FROM pg_catalog.pg_proc p WHERE p.oid = t.typsend),
       CASE WHEN t.typtype = 'd' THEN t.typbasetype
            WHEN t.typtype = 'r' THEN (SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid)
            WHEN t.typtype = 'm' THEN (
              SELECT r.rngtypid FROM pg_catalog.pg_range r
              WHERE (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::pg_catalog.oid = t.oid)
            WHEN t.typsend = 'pg_catalog.array_send'::pg_catalog.regproc THEN t.typelem
            ELSE 0 END,
       CASE WHEN t.typtype = 'e' THEN ARRAY (
              SELECT e.enumlabel::pg_catalog.text FROM pg_catalog.pg_enum e
              WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
            ELSE ARRAY (
              SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a
              WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
              ORDER BY a.attnum) END,
       ARRAY (
         SELECT a.atttypid FROM pg_catalog.pg_attribute a
         WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
         ORDER BY a.attnum),
       ARRAY (
         SELECT a.atttypmod FROM pg_catalog.pg_attribute a
         WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
         ORDER BY a.attnum),
       t.typtypmod
FROM (SELECT) one
LEFT JOIN (
  pg_catalog.pg_type t
  JOIN wanted w ON w.oid = t.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
) ON true""")

#: $1: text[] of names as in SQL. Their OIDs in that order, NULL where there is no such type.
NAMES_SQL: Final = """
SELECT pg_catalog.to_regtype(name.name)::pg_catalog.oid
FROM pg_catalog.unnest($1::pg_catalog.text[]) WITH ORDINALITY AS name (name, at) ORDER BY name.at"""


class Found(NamedTuple):
    """One row of TYPES_SQL, behind its first four columns. `part` is the base, the element, the bound or the range."""

    oid: int
    name: str
    schema: str
    sql: str
    typtype: str
    array_oid: int
    delimiter: str
    send: str | None
    part: int
    names: list[str]
    attributes: list[int]
    typmods: list[int]
    typmod: int


class Answer(NamedTuple):
    """What the server answered: the key of its database, and the types; `own` are not for other connections."""

    key: Key
    types: dict[int, TypeInfo]
    own: dict[int, TypeInfo]


def answer(oids: Iterable[int], rows: Sequence[Sequence[Any]]) -> Answer:
    """The types of an answer to TYPES_SQL. A type the server does not have is the text it is written in.

    Raises ProtocolError for an answer that makes no sense.
    """
    if not rows:
        raise ProtocolError("the server's catalogue gave no answer to a question for types")
    if any(len(row) != len(_HEAD) + len(Found._fields) for row in rows) or not _fits(rows[0], _HEAD):
        raise ProtocolError("the server's catalogue gave another answer than one to a question for types")
    database, started, writing, zero = rows[0][: len(_HEAD)]
    found = {row[4]: _found(row[len(_HEAD) :]) for row in rows if row[4] is not None}
    made = _Builder(found, zero)
    for oid in [*found, *oids]:
        made.add(oid)
    if writing:
        return Answer((database, started), {}, made.types)
    common = {oid: info for oid, info in made.types.items() if oid not in made.private}
    return Answer((database, started), common, {oid: made.types[oid] for oid in made.private})


#: Classes of the columns that stand in every row, and of Found.
_HEAD: Final = (int, datetime, bool, str)
_FOUND: Final[tuple[type | tuple[type, ...], ...]] = (
    int,
    str,
    str,
    str,
    str,
    int,
    str,
    (str, type(None)),
    (int, type(None)),
    list,
    list,
    list,
    int,
)


def _or_none(kind: type | tuple[type, ...]) -> tuple[type, ...]:
    return (*kind, type(None)) if isinstance(kind, tuple) else (kind, type(None))


#: The classes of the columns of TYPES_SQL; where a type is none all behind the first four are NULL.
TYPES_SHAPE: Final[tuple[type | tuple[type, ...], ...]] = (*_HEAD, *map(_or_none, _FOUND))


def _fits(values: Sequence[Any], classes: Sequence[Any]) -> bool:
    return all(isinstance(value, wanted) for value, wanted in zip(values, classes, strict=False))


def _found(values: Sequence[Any]) -> Found:
    """The row; a part that went while the server answered is NULL, and no type."""
    row = Found(*values)
    if not (
        _fits(row, _FOUND)
        and all(isinstance(name, str) for name in row.names)
        and all(isinstance(number, int) for number in (*row.attributes, *row.typmods))
        and (row.typtype != "c" or len(row.names) == len(row.attributes) == len(row.typmods))
    ):
        raise ProtocolError("the server's catalogue describes a type in a way that makes no sense")
    return row._replace(part=row.part or 0)


#: A type that is not made of others, in `_Builder`.
_SIMPLE: Final = (1, 1)


class _Builder:
    """TypeInfos out of rows, parts before wholes. `private` are those no other connection may see."""

    def __init__(self, found: Mapping[int, Found], zero: str) -> None:
        self.types: dict[int, TypeInfo] = {}
        self.private: set[int] = set()
        self._found = found
        self._zero = zero
        #: (types it is made of, itself included; how many are in one another, domains too)
        self._sizes: dict[int, tuple[int, int]] = {}

    def add(self, oid: int) -> None:
        """Make the type and all that it is made of, each with its array type."""
        begun: set[int] = set()
        todo = [oid]
        while todo:
            missing = [] if self._known(todo[-1]) else [one for one in self._made_of(todo[-1]) if not self._known(one)]
            if missing and todo[-1] in begun:
                raise ProtocolError(f"the server's catalogue says that the type with OID {todo[-1]} is made of itself")
            begun.add(todo[-1])
            todo += missing
            if not missing:
                self._add(todo.pop())

    def _known(self, oid: int) -> TypeInfo | None:
        return BY_OID.get(oid) or self.types.get(oid)

    def _part(self, oid: int) -> TypeInfo:
        known = self._known(oid)
        assert known is not None, "parts are made before wholes"
        return known

    def _made_of(self, oid: int) -> Sequence[int]:
        """The OIDs of what a type is made of itself."""
        row = self._found.get(oid)
        if row is None or oid == OID_MONEY:
            return ()
        if row.typtype == "c":
            return row.attributes
        return (row.part,) if row.part or row.typtype in ("d", "r", "m") else ()

    def _add(self, oid: int) -> None:
        if self._known(oid):
            return
        sizes = [self._sizes.get(part, _SIMPLE) for part in self._made_of(oid)]
        parts, levels = 1 + sum([size[0] for size in sizes]), 1 + max([size[1] for size in sizes], default=0)
        bounded = parts <= _MOST_PARTS and levels <= _MOST_LEVELS
        made = self._make(oid) if bounded else self._named(self._found[oid]).by_form(None)
        size = (parts, levels) if bounded else _SIMPLE
        self._keep(made, size)
        if made.array_oid:
            self._keep(array_of(made, made.array_oid), (size[0] + 1, size[1] + 1))

    def _keep(self, made: TypeInfo, size: tuple[int, int]) -> None:
        self.types[made.oid] = made
        self._sizes[made.oid] = size
        if made.oid == OID_MONEY or _is_missing(made) or any(part.oid in self.private for part in _parts(made)):
            self.private.add(made.oid)

    def _make(self, oid: int) -> TypeInfo:
        if oid == OID_MONEY:
            return Named("money", OID_MONEY, OID_MONEY_ARRAY, "money").by_form(_money(self._zero))
        row = self._found.get(oid)
        if row is None:
            return Named(_missing(oid), oid, 0, _missing(oid)).by_form(None)
        named = self._named(row)
        if row.typtype == "e":
            return named.enum(row.names)
        if row.typtype == "c":
            return named.composite(row.names, [self._part(part) for part in row.attributes], row.typmods)
        if row.typtype == "d":
            return named.domain(self._part(row.part), row.typmod)
        if row.typtype == "r":
            return named.range(self._part(row.part))
        if row.typtype == "m":
            return named.multirange(self._part(row.part))
        if row.part:
            return array_of(self._part(row.part), oid)
        if row.send in _TEXT_SENDERS:
            return named.info(const.KIND_STR, "u")
        form = EXTENSIONS.get((row.name, row.send or ""))
        if form is None or isinstance(form, Form):
            return named.by_form(form)
        return named.by_form(form(None), maker=form)

    @staticmethod
    def _named(row: Found) -> Named:
        return Named(row.name, row.oid, row.array_oid, row.sql, row.schema, row.delimiter)


def _money(zero: str) -> Form:
    """The form of money by what no money is in the session's locale: `$0.00`, `0,00 EUR`, `0`."""
    match = _ZERO.search(zero)
    return money_form(len(match[2]), match[1]) if match else money_form(0)


def _missing(oid: int) -> str:
    return f"type with OID {oid}"


def _is_missing(info: TypeInfo) -> bool:
    return info.name == _missing(info.oid)


def _parts(info: TypeInfo) -> tuple[TypeInfo, ...]:
    return info.children if info.base is None else (info.base,)


# ---------------------------------------------------------------- where it is kept


class Changes:
    """Numbers for the changes of anything that plans are made from, so that the highest of several tells of each.

    `last` is another number after every change, wherever it was made: while it is the same, nothing has changed.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self.last = 0

    def next(self) -> int:
        """The number of a change that has been made; whoever holds it calls `tell` when it can be seen."""
        return next(self._numbers)

    def tell(self, number: int) -> None:
        """Let everybody look again."""
        self.last = number


CHANGES: Final = Changes()


class Catalogue:
    """The types looked up in one database, for every connection to it.

    Connections of several threads change it without a lock, by operations of a dict that cannot be divided; who needs
    it to stay as it is, takes a copy.
    """

    def __init__(self) -> None:
        self.types: dict[int, TypeInfo] = {}
        self.version = 0

    def add(self, types: Mapping[int, TypeInfo]) -> None:
        """Add types, or replace them."""
        if types:
            self.types.update(types)
            self.version = CHANGES.next()
            CHANGES.tell(self.version)

    def drop(self, oids: Iterable[int] | None = None) -> None:
        """Forget these types and all that are made of them, or every one."""
        types = self.types.copy()
        gone = types.keys() - (() if oids is None else without(types, oids).keys())
        for oid in gone:
            self.types.pop(oid, None)
        if gone:
            self.version = CHANGES.next()
            CHANGES.tell(self.version)


def without(types: Mapping[int, TypeInfo], oids: Iterable[int]) -> dict[int, TypeInfo]:
    """The types that are none of these and not made of any."""
    gone = set(oids)

    def goes(info: TypeInfo) -> bool:
        return info.oid in gone or any(goes(part) for part in _parts(info))

    return {oid: info for oid, info in types.items() if not goes(info)}


class Catalogues:
    """The catalogues of the process, by database."""

    def __init__(self) -> None:
        self._by_key: OrderedDict[Key, Catalogue] = OrderedDict()

    def of(self, key: Key) -> Catalogue:
        """The catalogue of this database."""
        found = self._by_key.setdefault(key, Catalogue())
        self._by_key.move_to_end(key)
        while len(self._by_key) > _KEPT:
            self._by_key.popitem(last=False)
        return found


CATALOGUES: Final = Catalogues()

#: Command tags after which what was looked up may not hold any more, and those that end a transaction.
ALTERING: Final = frozenset(("ALTER TYPE", "ALTER TABLE", "ALTER DOMAIN", "ALTER EXTENSION", "DROP TYPE", "DROP TABLE"))
_SETTING: Final = frozenset(("SET", "RESET", "DISCARD ALL"))
_UNDOING: Final = frozenset(("ROLLBACK", "PREPARE TRANSACTION"))
#: Every command tag that `Lookups.heed` wants to know.
HEEDED: Final = ALTERING | _SETTING | _UNDOING | {"COMMIT"}


class Lookups:
    """What one connection has looked up: the catalogue it has joined, and what is its own.

    `version` changes with anything that is the connection's own.
    """

    def __init__(self, catalogues: Catalogues = CATALOGUES) -> None:
        self._catalogues = catalogues
        self._shared = Catalogue()  # of no database, until the first answer names one
        self._key: Key | None = None
        self._own: dict[int, TypeInfo] = {}
        self._altered = self._set = self._forgetting = False
        self._version = 0

    @property
    def version(self) -> int:
        """The highest number of a change."""
        return max(self._version, self._shared.version)

    def get(self, oid: int) -> TypeInfo | None:
        """The type, None where it has not been looked up."""
        return self._own.get(oid) or self._shared.types.get(oid)

    def all(self) -> list[TypeInfo]:
        """Every type that is known."""
        return [*self._shared.types.copy().values(), *self._own.values()]

    def known(self) -> Callable[[int], TypeInfo | None]:
        """`get` of what is known now, whatever other connections look up or forget from now on."""
        own, shared = self._own, self._shared.types.copy()
        return lambda oid: own.get(oid) or shared.get(oid)

    def take(self, found: Answer) -> None:
        """Keep an answer of the server."""
        if found.key != self._key:
            self._key, self._shared = found.key, self._catalogues.of(found.key)
            if self._forgetting:
                self._shared.drop()
                self._forgetting = False
        self._shared.add(found.types)
        self._own = {**self._own, **found.own}
        self._version = CHANGES.next()
        CHANGES.tell(self._version)

    def forget(self, oids: Iterable[int] | None = None) -> None:
        """Forget these types and all that are made of them, or every one, for all connections to the database.

        A connection that has not joined a catalogue yet does not know which one that is, and forgets when it does.
        """
        self._forgetting = self._key is None
        self._shared.drop(oids)
        self._own = {} if oids is None else without(self._own, oids)
        self._version = CHANGES.next()
        CHANGES.tell(self._version)

    def heed(self, tag: str) -> None:
        """Draw the consequences of a command that the server has completed (one of HEEDED)."""
        if tag in ALTERING:
            self._altered = True
            self.forget()
        elif tag in _SETTING:
            self._set = True
            self._keep_own(without(self._own, (OID_MONEY,)))
        elif self._own or self._altered:
            self._end_transaction(tag == "COMMIT")

    def _end_transaction(self, committed: bool) -> None:
        """What was altered is so now for everybody, and what was looked up may be known to them; or all is undone.

        A setting that was changed in the transaction may be as it was before.
        """
        if self._altered:
            self._shared.drop()
        common = without(self._own, (OID_MONEY,))
        if committed:
            self._shared.add({oid: info for oid, info in common.items() if not _is_missing(info)})
        scaled = {} if self._set else {oid: info for oid, info in self._own.items() if oid not in common}
        self._altered = self._set = False
        self._keep_own(scaled)

    def _keep_own(self, own: dict[int, TypeInfo]) -> None:
        if len(own) < len(self._own):
            self._version = CHANGES.next()
            CHANGES.tell(self._version)
        self._own = own
