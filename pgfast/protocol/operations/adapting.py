"""Parameters whose values are not what the server takes them for: sent as text, or declared by their Python classes.

How it works. The server is asked first which types it gives the parameters of a statement. Where a value does not fit
its type, a str goes as text, which the server reads as it would a literal, and for a value of another class the
statement is parsed once more, its parameter declared to be of the type the class stands for. The same is done where the
server cannot tell the types at all. What came of it is remembered for the statement and the classes of its values.

Law of this file: nothing is rounded on the way into a table. In an INSERT, UPDATE or MERGE, within a WITH too, a number
that does not fit where the server has numbers, or a date or time where it has dates or times, stays an error of the
client; a float that is whole goes as the float it is.

In a transaction the first Parse of a statement stands behind a savepoint, so that a refusal spoils nothing; see
`binding.prepare_statement`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final, TypeVar

from ... import const
from ...codec import WriteBuffer, encode_binds
from ...errors import DatabaseError, DataError, faults
from ...types.classes import cast_for, is_text
from ...types.coerce import underlying
from ...types.registry import AS_BYTES, AS_TEXT, Registry, Rules
from ...types.standing import standing_for
from ...values import Multirange, Range
from ..prepared import Adaptation, Declared
from ..session import Session
from ..statements import modifies
from .binding import Undecided
from .steps import Operation

T = TypeVar("T")
#: What an execution does with a statement's text and its parameters, of which some go as text.
Run = Callable[[str, tuple[int, ...]], Operation[T]]

#: The server could not tell a parameter's type: indeterminate, or no function, operator or conversion for what it took
#: it for (docs: Error Codes).
_UNDECIDED: Final = frozenset(("42P18", "42725", "42883", "42804", "42846"))
#: How often a statement may be tried: as the server has it, with some parameters declared, with all of them, and once
#: more where the values call for other types than those of an earlier execution.
_ATTEMPTS: Final = 4

_RANGES: Final = (const.KIND_RANGE, const.KIND_MULTIRANGE)
_INTEGERS: Final = frozenset((const.OID_INT2, const.OID_INT4, const.OID_INT8, const.OID_OID))
_NUMBERS: Final = _INTEGERS | {const.OID_FLOAT4, const.OID_FLOAT8, const.OID_NUMERIC}
_TIMES: Final = frozenset(
    (const.OID_DATE, const.OID_TIME, const.OID_TIMETZ, const.OID_TIMESTAMP, const.OID_TIMESTAMPTZ)
)


def adapted(
    session: Session,
    sql: str,
    params: Sequence[Any],
    registry: Registry,
    run: Run[T],
) -> Operation[T]:
    """What `run` gives for the statement as the server takes it, or else as the classes of the values declare it.

    Where `run` raises Undecided, the server is asked again; of anything else that it refuses it is not. Raises what
    `run` raises, the refusal itself for Undecided.
    """
    adaptations = session.prepared.adaptations
    key = (sql, tuple(map(type, params)))
    known = first_adaptation(session, registry, sql, params)
    tried = {known}
    prepared = session.prepared.find(known.sql) is not None
    while True:
        try:
            found = yield from run(known.sql, known.texts)
        except (DatabaseError, Undecided) as exc:
            refusal = exc.refusal if isinstance(exc, Undecided) else exc
            if prepared and refusal.parameter_types is not None:  # the parameters may be of other types by now
                session.prepared.drop(known.sql)
                prepared = False
                continue
            again = _adaptation(session, registry, known, params, exc)
            if again is None and refusal.parameter_types is not None and adaptations.pop(key, None) is known:
                again = Adaptation(sql, ())  # it was remembered, and another value of the class may go otherwise
            if again is None or again in tried or len(tried) == _ATTEMPTS:
                adaptations.pop(key, None)
                raise refusal from refusal.__cause__
            if isinstance(exc, Undecided):
                yield from exc.take_back(session)
            tried.add(again)
            known = again
        else:
            if len(tried) > 1 and not registry.rules.dumps:
                session.prepared.adapt(key, known)
            return found


def is_adapted(session: Session, registry: Registry, sql: str, params: Sequence[Any]) -> bool:
    """Whether the statement goes otherwise than as the server has it with values of these classes."""
    adaptations = session.prepared.adaptations
    if adaptations and (sql, tuple(map(type, params))) in adaptations:
        return True
    rules = registry.rules
    return rules.dumps and any(rules.dump_of(value) is not None for value in params)


def first_adaptation(session: Session, registry: Registry, sql: str, params: Sequence[Any]) -> Adaptation:
    """How the statement is tried first: as the program writes these values, or as it has gone before."""
    rules = registry.rules
    if rules.dumps:
        dumps = [rules.dump_of(value) for value in params]
        if any(dumps):
            texts = tuple([0 if dump is None else AS_BYTES if dump.binary else AS_TEXT for dump in dumps])
            oids = [0 if dump is None else dump.oid for dump in dumps]
            return Adaptation(Declared(sql, oids) if any(oids) else sql, texts)
        return Adaptation(sql, ())
    return session.prepared.adaptations.get((sql, tuple(map(type, params)))) or Adaptation(sql, ())


def next_adaptation(
    session: Session, registry: Registry, known: Adaptation, params: Sequence[Any], exc: DatabaseError | Undecided
) -> Adaptation | None:
    """How values that were refused may go after all; None where they may not, or where nothing would be different."""
    again = _adaptation(session, registry, known, params, exc)
    return None if again == known else again


def _adaptation(
    session: Session,
    registry: Registry,
    known: Adaptation,
    params: Sequence[Any],
    exc: DatabaseError | Undecided,
) -> Adaptation | None:
    rules = registry.rules
    if not rules.adapts or session.dead is not None:
        return None
    refusal = exc.refusal if isinstance(exc, Undecided) else exc
    if isinstance(refusal, DataError) and refusal.fault is not None and refusal.fault.code == faults.FAULT_MESSAGE_SIZE:
        return None  # no type makes it shorter, and looking for one would copy gigabytes
    if refusal.parameter_types is not None:
        return _for_refused(registry, known, refusal.parameter_types, params)
    if isinstance(exc, Undecided) and refusal.sqlstate in _UNDECIDED:  # what has been executed is not tried again
        return _for_undecided(registry, known, params)
    return None


def _for_undecided(registry: Registry, known: Adaptation, params: Sequence[Any]) -> Adaptation | None:
    """The parameters declared by their classes: first those that are no text, then these too."""
    declared = getattr(known.sql, "type_oids", ())
    oids = [_type_of(value, registry) or 0 for value in params]
    if not any(declared):
        oids_without_text = [0 if is_text(value) else oid for oid, value in zip(oids, params, strict=True)]
        oids = oids_without_text if any(oids_without_text) else oids
    return Adaptation(Declared(known.sql, oids), known.texts) if any(oids) else None


def _type_of(value: Any, registry: Registry) -> int | None:
    """The OID of the type a value stands for, None where there is none."""
    dump = registry.rules.dump_of(value)
    if dump is not None:
        return dump.oid or None
    if is_text(value) and not isinstance(value, (list, tuple)):
        return const.OID_TEXT
    try:
        standing = standing_for(value, registry)
    except (TypeError, ValueError):  # it stands for nothing, or its text cannot say what it is
        return None
    name = (None if standing is None else standing[1]) or cast_for(value)
    info = None if name is None else registry.find(name)
    return None if info is None else info.oid


def _for_refused(
    registry: Registry, known: Adaptation, oids: Sequence[int], params: Sequence[Any]
) -> Adaptation | None:
    """The parameters that fit left as they are, the others sent as text or declared by their classes."""
    if len(oids) != len(params):
        return None
    rules, modifying = registry.rules, modifies(known.sql)
    declared = list(getattr(known.sql, "type_oids", None) or [0] * len(params))
    texts = [0] * len(params)
    for at, (oid, value) in enumerate(zip(oids, params, strict=True)):
        if rules.dump_of(value) is not None:
            texts[at] = known.texts[at] if known.texts else AS_TEXT
            continue
        if _fits(rules, oid, value):
            continue
        if modifying and _would_be_rounded(rules, oid, value):
            return None
        if (is_text(value) or _is_range_for(rules, oid, value)) and rules.may_take_text(oid):
            texts[at] = AS_TEXT
            declared[at] = 0
            continue
        found = _type_of(value, registry)
        if found is None or found == oid:
            return None
        declared[at] = found
    sql = Declared(str(known.sql), declared) if any(declared) else known.sql
    return Adaptation(sql, tuple(texts) if any(texts) else ())


def _is_range_for(rules: Rules, oid: int, value: Any) -> bool:
    """Whether a range goes as text to a type of ranges: the server casts none to another.

    It does where text says of its bounds all that they are: numbers, text, and for times those without a zone.
    """
    info = rules.info(oid)
    if not isinstance(value, (Range, Multirange)) or info is None or info.kind not in _RANGES:
        return False
    ranges = [value] if isinstance(value, Range) else list(value)
    bounds = [bound for one in ranges for bound in (one.lower, one.upper) if bound is not None]
    plain = all(isinstance(bound, (int, str)) for bound in bounds)
    return plain or (
        info.name.removesuffix("range").removesuffix("multi") in ("ts", "tstz")
        and all(isinstance(bound, datetime) and bound.tzinfo is None for bound in bounds)
    )


def _fits(rules: Rules, oid: int, value: Any) -> bool:
    try:
        encode_binds(WriteBuffer(), rules.encode_plan((oid,), (), True), b"", b"", b"", iter(((value,),)), 1)
    except DataError as exc:
        if exc.fault is None or exc.fault.code == faults.FAULT_ROW_WIDTH:
            raise
        return False
    return True


def _would_be_rounded(rules: Rules, oid: int, value: Any) -> bool:
    """Whether an assignment might lose something of the value, or bend it: a fraction, a zone, a time of day."""
    info = rules.info(oid)
    while info is not None and info.base is not None:
        info = info.base
    base = oid if info is None else info.oid
    value = underlying(value)
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return base in _NUMBERS and not (base in _INTEGERS and _is_whole(value))
    if isinstance(value, datetime):  # one without a zone is, for a timestamptz, in the session's
        return base in _TIMES and not (base == const.OID_TIMESTAMPTZ and value.tzinfo is None)
    return base in (_TIMES - {const.OID_TIMESTAMP, const.OID_TIMESTAMPTZ}) and isinstance(value, (date, time))


def _is_whole(value: float | Decimal) -> bool:
    """Whether a float or Decimal has no fraction, and is one of the integers that the server has."""
    if isinstance(value, int) or not (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)):
        return False
    return -(2**63) <= value < 2**63 and value == int(value)


def may_be_undecided(registry: Registry, params: Sequence[Any]) -> bool:
    """Whether the statement may be parsed once more where the server cannot tell its types: values may declare them."""
    return registry.rules.adapts and any(value is not None for value in params)
