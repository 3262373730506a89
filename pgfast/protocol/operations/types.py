"""Types that are not known yet: looked up in the server's catalogue when a statement brings them.

Law of this file: what is asked and what comes of the answer stands in `types.discovery`; here is only when it is asked.
A lookup is a query of its own, made while the session is at rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from struct import Struct
from typing import Any, Final

from ... import const
from ...codec import Plan, decode_rows
from ...errors import DatabaseError, DataError, ProtocolError, faults, shorten
from ...errors.sqlstates import lookup
from ...types.catalogue import TypeInfo
from ...types.discovery import NAMES_SQL, TYPES_SHAPE, TYPES_SQL
from ...types.discovery import answer as types_of
from ...types.registration import type_key
from ...types.registry import Registry, Rules, UnknownInRecord
from ..backend import Field
from ..prepared import Prepared
from ..session import Session
from .binding import Execution, fetch, find_statement, prepare_statement
from .simple import Result, Results, run_query
from .steps import Operation, settle

#: How often the types of a statement are looked up before it is executed with those that are known.
_LOOKUPS: Final = 3
#: Faults and SQLSTATEs that a composite brings about that is not what it was when it was looked up: other attributes,
#: a wrong number of them, wrong types (server: record_recv), malformed binary data, a type that is gone.
_ALTERED_FAULTS: Final = frozenset(
    (faults.FAULT_COMPOSITE_SHAPE, faults.FAULT_COMPOSITE_WIDTH, faults.FAULT_CALL, faults.FAULT_COERCE)
)
_ALTERED_STATES: Final = frozenset(("42804", "22P03", "42704", "XX000"))
_UNDEFINED: Final = "42704"
#: DataRow with one field: tag, length, fields, the field's length.
_ROW: Final = Struct("!BIHI")


def resolve(session: Session, oids: Iterable[int]) -> Operation[None]:
    """Look up these types, and all they are made of, in the server's catalogue, and keep what it says.

    A type that is not there is text from then on, for this connection.
    """
    wanted = sorted(set(oids))
    rows = yield from fetch(session, TYPES_SQL, (wanted,), TYPES_SHAPE)
    try:
        found = types_of(wanted, rows)
    except ProtocolError as exc:
        session.die(exc)
        raise
    session.registry.lookups.take(found)


def known_rules(session: Session, registry: Registry, oids: Iterable[int]) -> Operation[Rules]:
    """The rules, after these types have been looked up where they were not known."""
    asked: set[int] = set()
    for _ in range(_LOOKUPS):
        rules = registry.rules
        unknown = rules.unknown(oids)
        if not unknown:
            return rules
        asked.update(unknown)  # again what was asked for before: others may make the process forget it meanwhile
        yield from resolve(session, asked)
    return registry.rules


def known_statement(
    session: Session, sql: str, prepare: bool | None, registry: Registry, asking: bool = False
) -> Operation[tuple[Prepared, Rules]]:
    """The statement, after the types of its parameters and columns have been looked up where they were not known.

    See `prepare_statement` for `asking`.
    """
    statement = yield from find_statement(session, sql, prepare, asking)
    rules = registry.rules
    for _ in range(_LOOKUPS):
        if not rules.unknown(statement.oids):
            break
        yield from settle(session)  # Parse and Describe stand there without a Sync
        rules = yield from known_rules(session, registry, statement.oids)
        if session.prepared.find(sql) is not statement:  # the lookup has taken the place of the unnamed one
            statement = yield from prepare_statement(session, sql, b"")
    return statement, rules


def read_records(session: Session, statement: Prepared, execution: Execution, registry: Registry) -> Operation[None]:
    """Look up the types of the fields of records, and read those that waited for it."""
    wanted = set(statement.oids)
    while (unknown := execution.unknown) is not None:
        again = wanted.issuperset(unknown.oids)
        wanted.update(unknown.oids)
        rules = yield from known_rules(session, registry, wanted)
        if again or rules.unknown(wanted):
            raise unknown  # others make the process forget them as often as they are looked up
        execution.go_on(rules)


def learn(session: Session, type_oids: Iterable[int], exc: Exception) -> Operation[None]:
    """What a failure of a statement with these types says about what was looked up.

    A composite may have been altered since, and a record may hold types that were not looked up yet. The next execution
    has it right.
    """
    if not isinstance(exc, DatabaseError) or session.dead is not None:
        return
    cause = exc.__cause__
    if isinstance(cause, UnknownInRecord):
        if session.transaction_status != "E":
            yield from resolve(session, cause.oids)
        return
    code = None if exc.fault is None else exc.fault.code
    if code in _ALTERED_FAULTS or exc.sqlstate in _ALTERED_STATES:
        lookups = session.registry.lookups
        changeable = [oid for oid in type_oids if (info := lookups.get(oid)) is not None and info.is_made]
        if changeable:
            lookups.forget(changeable)
            if code == faults.FAULT_COMPOSITE_SHAPE:
                exc.args = (f"{exc}; it was altered since, and the next execution looks it up anew",)


def load_types(session: Session, names: Sequence[str | int]) -> Operation[list[TypeInfo]]:
    """The types of these names or OIDs, looked up anew unless they are built in.

    Raises UndefinedObject for a name that the server does not know.
    """
    oids = yield from _oids_of(session, names)
    registry = session.registry
    registry.lookups.forget(oids)
    unknown = registry.unknown(oids)
    if unknown:
        yield from resolve(session, unknown)
    return [info for oid in oids if (info := registry.info(oid)) is not None]


def find_types(session: Session, registry: Registry, names: Sequence[str | int]) -> Operation[list[int]]:
    """The OIDs of these types, which are known afterwards; those that were not are looked up.

    What a name without a schema means is the server's to say, for its search_path decides.
    """
    keys = [type_key(name) for name in names]
    known = [
        None if isinstance(key, tuple) and key[0] is None else registry.find(name)
        for name, key in zip(names, keys, strict=True)
    ]
    asked = [name for name, info in zip(names, known, strict=True) if info is None]
    found = iter((yield from _oids_of(session, asked)))
    oids = [next(found) if info is None else info.oid for info in known]
    unknown = registry.unknown(oids)
    if unknown:
        yield from resolve(session, unknown)
    return oids


def _oids_of(session: Session, names: Sequence[str | int]) -> Operation[list[int]]:
    keys = [type_key(name) for name in names]
    asked = [str(name) for name, key in zip(names, keys, strict=True) if not isinstance(key, int)]
    rows: list[tuple[Any, ...]] = []
    if asked:
        rows = yield from fetch(session, NAMES_SQL, (asked,), ((int, type(None)),), len(asked))
    found = iter([row[0] for row in rows])
    oids = [key if isinstance(key, int) else next(found) for key in keys]
    for name, oid in zip(names, oids, strict=True):
        if oid is None:
            missing = lookup(_UNDEFINED)(
                f"there is no type {shorten(name)} in the database, or its schema is not in the search_path"
            )
            missing.sqlstate = _UNDEFINED
            raise missing
    return oids


# ---------------------------------------------------------------- results of the simple protocol


def query(session: Session, sql: str, registry: Registry | None = None) -> Operation[list[Result]]:
    """The result of every statement in `sql`.

    Values of types that are not known are converted afterwards, when these can be looked up. Raises the first error;
    the statements before it may have been executed.
    """
    taken = session.registry if registry is None else registry
    found = Results(taken.rules)
    try:
        yield from run_query(session, sql, found)
    except DatabaseError as exc:
        yield from learn(session, found.type_oids, exc)
        raise
    if found.unknown and session.transaction_status != "E":
        rules = yield from known_rules(session, taken, found.unknown)
        for result in found.results:
            _convert(result, found.unknown, rules)
    return found.results


def _convert(result: Result, unknown: Iterable[int], rules: Rules) -> None:
    """Read the values that were left as they came, now that their types are known."""
    readers = [
        (column, _reader(field, rules)) for column, field in enumerate(result.fields or ()) if field.type_oid in unknown
    ]
    for column, read in readers:
        if read is None:
            continue
        for at, row in enumerate(result.rows):
            if row[column] is not None:
                result.rows[at] = (*row[:column], _read(read, row[column], column), *row[column + 1 :])


def _read(read: Callable[[Any], Any], value: Any, column: int) -> Any:
    try:
        return read(value)
    except Exception as exc:  # a parser, or a function the program has registered
        raise DataError(f"column {column + 1}: the value could not be read: {exc}") from exc


def _reader(field: Field, rules: Rules) -> Callable[[Any], Any] | None:
    if field.format == const.TEXT:
        return rules.text_parser(field.type_oid)
    plan = Plan([rules.decode_spec(field.type_oid, const.BINARY)])

    def decode(data: bytes) -> Any:
        """The value of a binary field, by way of a DataRow of its own."""
        frame = bytearray(_ROW.pack(const.DATA_ROW, 10 + len(data), 1, len(data)) + data)
        return decode_rows(plan, frame, 0, len(frame), 1)[0][0]

    return decode
