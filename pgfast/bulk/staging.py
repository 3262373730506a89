"""Rows that go to the table by way of another: for ON CONFLICT, which COPY does not know, and for many bad rows.

Law of this file: the staging table has the columns that are loaded and nothing else, no constraint and no index, so a
COPY into it fails for values alone. What the table itself refuses is then found where the rows are: one function of the
server's inserts them in runs, each in a subtransaction, halves a run that fails and doubles one that does not.

Which of several rows with one key counts: with "update" the last one that is good, with "ignore" the first one. They
are counted as if each had been written in its turn: the others are updates of the first with "update", and skipped with
"ignore". Rows with a NULL in their key conflict with none, as in the server.

Sources: docs, INSERT ("ON CONFLICT Clause"), PL/pgSQL ("Trapping Errors"); server: nodeModifyTable.c.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn, TypeVar

from ..errors import DatabaseError, InterfaceError, OperationalError
from ..protocol.operations import Operation, command, fetch, identifier, release, rollback_to, savepoint
from ..protocol.session import Session
from ..types.discovery import qualified
from .feed import Why
from .foreseen import Foreseen, Reason, alone, foresee, key_is_there
from .rejects import first_line
from .target import UNDEFINED_COLUMN, Target, coded_error

T = TypeVar("T")

_SAVEPOINT: Final = "pgfast_merge"
_STAGE: Final = "pgfast_stage"
_SUSPECTS: Final = "pg_temp.pgfast_suspects"
_SETTLE: Final = "pg_temp.pgfast_settle"
_NUMBER: Final = "pgfast_row"
#: Whether a row that INSERT ... ON CONFLICT gives back was inserted: one that was updated had been locked before.
_FRESH: Final = "(xmax OPERATOR(pg_catalog.=) 0)"
#: Kinds of tables that do not tell it: partitioned ones and views.
_UNTOLD: Final = ("p", "v")
#: The staged rows of a run, in the function that inserts run by run.
_IN_RUN: Final = (
    f"s.{_NUMBER} OPERATOR(pg_catalog.>=) pgfast.low AND s.{_NUMBER} OPERATOR(pg_catalog.<) "
    "(pgfast.low OPERATOR(pg_catalog.+) pgfast.span)"
)
_INSUFFICIENT_PRIVILEGE: Final = "42501"
_TWICE: Final = "21000"  # ON CONFLICT DO UPDATE command cannot affect row a second time

_PRIMARY_KEY: Final = qualified("""
SELECT a.attname::pg_catalog.text
FROM pg_catalog.pg_index i
CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(attnum, number)
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisprimary
ORDER BY k.number""")


#: Whether a key takes one NULL for the other (NULLS NOT DISTINCT).
_NULLS_ALIKE: Final = qualified("""
SELECT EXISTS (SELECT FROM pg_catalog.pg_index i
    WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisunique
        AND pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct' = 'true'
        AND ARRAY(SELECT a.attname::pg_catalog.text COLLATE pg_catalog."C"
            FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(attnum, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE k.place <= i.indnkeyatts ORDER BY 1) = $2::pg_catalog.text[])""")


@dataclass(frozen=True, slots=True)
class Conflict:
    """What becomes of a row whose key is in the table: "ignore" leaves it out, "update" writes its values over.

    `key` are the columns of a unique index or constraint; an empty one stands for any ("ignore" alone). `same` is the
    condition that a row `o` of the table has the key of a staged row `s`, where it is asked for.
    """

    action: str
    key: tuple[str, ...]
    same: str = ""


def conflict_of(
    session: Session, target: Target, action: str | None, key: Sequence[str] | None
) -> Operation[Conflict | None]:
    """What the caller wants, the primary key being the key where none is named; None where a conflict is an error.

    Raises InterfaceError where there is no key, UndefinedColumn for one that is not loaded.
    """
    if action not in ("ignore", "update"):
        return None
    names = tuple(key) if key is not None else ()
    if key is None and action == "update":
        rows = yield from fetch(session, _PRIMARY_KEY, (target.sql,), (str,))
        names = tuple([row[0] for row in rows])
        if not names:
            raise InterfaceError(
                f"COPY {target.table}: the table has no primary key; name the columns of a unique index by key="
            )
    for name in names:
        if name not in target.names:
            raise coded_error(
                UNDEFINED_COLUMN, f"COPY {target.table}: the key's column {name!r} is not among those loaded"
            )
    same = (yield from key_is_there(session, target, names)) if names and target.kind in _UNTOLD else ""
    return Conflict(action, names, same)


@dataclass(slots=True)
class Merged:
    """What came of the rows in the staging table; `errors` says why the table has refused some, by their place."""

    inserted: int = 0
    updated: int = 0
    errors: dict[int, Why] | None = None


class Stage:
    """The staging table of a load, a temporary one that ends with the transaction."""

    def __init__(self, session: Session, target: Target, conflict: Conflict | None, numbered: bool) -> None:
        """`numbered`: the rows have numbers, so that bad ones can be told."""
        self._session = session
        self._target = target
        self._conflict = conflict
        self._numbered = numbered
        self._foreseen: Foreseen | None = None  # once it was asked for, and there is a place for suspects
        self._runs = False  # whether the function that inserts run by run is there, and the index it wants
        self._sql = f"pg_temp.{_STAGE}"
        #: The staging table as the target of a COPY.
        self.target = replace(target, sql=self._sql, relation=_STAGE, kind="r")

    def create(self) -> Operation[None]:
        """Make the table."""
        columns = ", ".join([identifier(name) for name in self._target.names])
        number = (
            f"ALTER TABLE {self._sql} ADD {_NUMBER} bigint GENERATED ALWAYS AS IDENTITY; " if self._numbered else ""
        )
        yield from command(
            self._session,
            f"DROP TABLE IF EXISTS {self._sql}; CREATE TEMPORARY TABLE {_STAGE} ON COMMIT DROP AS "
            f"SELECT {columns} FROM {self._target.sql} WITH NO DATA; {number}",
        )
        self._foreseen = None
        self._runs = False

    def empty(self) -> Operation[None]:
        """Throw the rows away; those that come next are numbered from 1."""
        yield from command(self._session, f"TRUNCATE {self._sql} RESTART IDENTITY")

    # ---------------------------------------------------------------- all of them

    def merge(self) -> Operation[Merged]:
        """Put all rows into the table. Raises the server's error where it refuses one."""
        session = self._session
        yield from savepoint(session, _SAVEPOINT)
        try:
            made = yield from self._merge()
        except DatabaseError as exc:
            if session.dead is not None or exc.sqlstate != _TWICE or self._conflict is None:
                raise
            yield from rollback_to(session, _SAVEPOINT)
            superseded = yield from self._drop_superseded()
            made = yield from self._merge()
            made.updated += superseded  # as if each had been written in its turn
            return made
        yield from release(session, _SAVEPOINT)
        return made

    def _merge(self) -> Operation[Merged]:
        sql = self._insert("")
        if self._updates and self._target.kind in _UNTOLD:
            ((there,),) = yield from fetch(self._session, self._counted_there(""), (), (int,))
            tag = yield from command(self._session, sql)
            taken = int(tag.rsplit(" ", 1)[-1])
            return Merged(taken - there, there)
        if self._updates:
            counted = f"WITH merged AS ({sql} RETURNING {_FRESH} AS fresh) "
            counted += "SELECT count(*) FILTER (WHERE fresh), count(*) FILTER (WHERE NOT fresh) FROM merged"
            ((inserted, updated),) = yield from fetch(self._session, counted, (), (int, int))
            return Merged(inserted, updated)
        tag = yield from command(self._session, sql)
        return Merged(int(tag.rsplit(" ", 1)[-1]))

    @property
    def _updates(self) -> bool:
        return self._conflict is not None and self._conflict.action == "update"

    def _counted_there(self, where: str) -> str:
        """How many staged rows have their key in the table: a partitioned table does not tell it of what it took."""
        assert self._conflict is not None
        same = self._conflict.same
        there = f"EXISTS (SELECT FROM {self._target.sql} AS o WHERE {same})"
        return f"SELECT pg_catalog.count(*) FROM {self._sql} AS s{where or ' WHERE true'} AND {there}"

    def _insert(self, where: str) -> str:
        columns = ", ".join([identifier(name) for name in self._target.names])
        return (
            f"INSERT INTO {self._target.sql} ({columns}) OVERRIDING SYSTEM VALUE "
            f"SELECT {columns} FROM {self._sql}{where}{self._clause()}"
        )

    def _clause(self) -> str:
        if self._conflict is None:
            return ""
        key = self._conflict.key
        where = f" ({', '.join([identifier(name) for name in key])})" if key else ""
        others = [identifier(name) for name in self._target.names if name not in key]
        if self._conflict.action == "ignore" or not others:
            return f" ON CONFLICT{where} DO NOTHING"
        return f" ON CONFLICT{where} DO UPDATE SET {', '.join([f'{name} = excluded.{name}' for name in others])}"

    def _drop_superseded(self) -> Operation[int]:
        """Of rows with one key leave the last; how many others they were."""
        assert self._conflict is not None
        key = [identifier(name) for name in self._conflict.key]
        asked = self._target.sql, sorted(self._conflict.key, key=str.encode)
        ((alike,),) = yield from fetch(self._session, _NULLS_ALIKE, asked, (bool,))
        whole = "true" if alike else " AND ".join([f"{name} IS NOT NULL" for name in key])
        numbered = (
            f"SELECT ctid AS place, row_number() OVER (PARTITION BY {', '.join(key)} ORDER BY ctid DESC) AS number"
        )
        superseded = f"{numbered} FROM {self._sql} WHERE {whole}"
        where = qualified("WHERE s.ctid = d.place AND d.number > 1")
        tag = yield from command(self._session, f"DELETE FROM {self._sql} AS s USING ({superseded}) AS d {where}")
        return int(tag.rsplit(" ", 1)[-1])

    # ---------------------------------------------------------------- those that go

    def settle(self, gaps: bool) -> Operation[Merged]:
        """Put into the table whatever it takes; the errors of the others are told by their place among the rows.

        `gaps`: a COPY into the staging table has failed since it was empty, and numbers are missing.
        """
        made = yield from self._whole()
        if made is not None:
            return made
        session, made = self._session, Merged(errors={})
        if self._foreseen is None:
            self._foreseen = yield from foresee(session, self._target, self._conflict is None)
            yield from command(
                session,
                f"DROP TABLE IF EXISTS {_SUSPECTS}; CREATE TEMPORARY TABLE {_SUSPECTS.partition('.')[2]} "
                f"ON COMMIT DROP AS SELECT * FROM {self._sql} WITH NO DATA",
            )
        places = (yield from self._places()) if gaps else _place_before
        yield from self._refused(self._sql, made, places, self._foreseen.refused)
        suspects = yield from self._set_aside()
        taken = yield from self._whole()
        if taken is None:
            yield from self._run(made, places, _FIRST_RUN)
        else:
            made.inserted, made.updated = taken.inserted, taken.updated
        if suspects:
            suspects -= yield from self._refused(_SUSPECTS, made, places, self._foreseen.known)
        if suspects:
            back = f"INSERT INTO {self._sql} OVERRIDING SYSTEM VALUE SELECT * FROM {_SUSPECTS}"
            yield from command(session, f"TRUNCATE {self._sql}; {back}")
            yield from self._run(made, places, 1)
        return made

    def _whole(self) -> Operation[Merged | None]:
        """Put all rows into the table; None where it refuses one, and is as it was."""
        session = self._session
        yield from savepoint(session, _SAVEPOINT)
        try:
            made = yield from self._merge()
        except DatabaseError as exc:
            if session.dead is not None or not (is_about_rows(exc) or exc.sqlstate == _INSUFFICIENT_PRIVILEGE):
                # What row security says is told from missing privileges by the function.
                give_up(session, exc)
            yield from rollback_to(session, _SAVEPOINT)
            return None
        yield from release(session, _SAVEPOINT)
        return made

    def _places(self) -> Operation[Callable[[int], int]]:
        """The place of a row among the staged ones by its number: there are gaps where a COPY had failed."""
        runs = yield from fetch(
            self._session,
            f"SELECT min({_NUMBER}), min(place) - 1 FROM "
            f"(SELECT {_NUMBER}, row_number() OVER (ORDER BY {_NUMBER}) AS place FROM {self._sql}) AS n "
            f"GROUP BY {_NUMBER} OPERATOR(pg_catalog.-) place ORDER BY 1",
            (),
            (int, int),
        )
        firsts = [number for number, _place in runs]

        def place_of(number: int) -> int:
            first, place = runs[bisect_right(firsts, number) - 1]
            return int(place + number - first)

        return place_of

    def _set_aside(self) -> Operation[int]:
        """Take the rows out of the staging table whose key may be there before them; how many they are."""
        assert self._foreseen is not None
        suspects = 0
        if self._foreseen.twice:
            yield from command(self._session, f"TRUNCATE {_SUSPECTS}")
        for columns, same in self._foreseen.twice:
            names = [identifier(name) for name in columns]
            given = " AND ".join([f"s.{name} IS NOT NULL" for name in names])
            ranked = f"row_number() OVER (PARTITION BY {', '.join(names)} ORDER BY {_NUMBER}) AS number"
            later = f"SELECT c.place FROM (SELECT s.ctid AS place, {ranked} FROM {self._sql} AS s WHERE {given}) AS c "
            later += qualified("WHERE c.number > 1")
            there = f"SELECT s.ctid FROM {self._sql} AS s WHERE {given} "
            there += f"AND EXISTS (SELECT FROM {alone(self._target)} AS o WHERE {same})"
            # By their places in the file, rows are found without a join.
            those = f"s.ctid OPERATOR(pg_catalog.=) ANY (ARRAY({later} UNION ALL {there}))"
            moved = (
                f"WITH gone AS (DELETE FROM {self._sql} AS s WHERE {those} RETURNING s.*) "
                f"INSERT INTO {_SUSPECTS} OVERRIDING SYSTEM VALUE SELECT * FROM gone"
            )
            tag = yield from self._tried(command(self._session, moved))
            suspects += int(tag.rsplit(" ", 1)[-1]) if tag is not None else 0
        return suspects

    def _refused(
        self, table: str, made: Merged, places: Callable[[int], int], reasons: tuple[Reason, ...]
    ) -> Operation[int]:
        """Take the rows out of a table that are bad for one of the reasons, the first that holds; how many they are."""
        if not reasons:
            return 0
        cases = " ".join([f"WHEN {reason.condition} THEN {index}" for index, reason in enumerate(reasons)])
        judged = f"DELETE FROM {table} AS s WHERE CASE {cases} END IS NOT NULL RETURNING s.{_NUMBER}, CASE {cases} END"
        found = (yield from self._tried(fetch(self._session, judged, (), (int, int)))) or []
        assert made.errors is not None
        told = [(reason.column or None, reason.sqlstate, reason.message) for reason in reasons]
        made.errors.update([(places(number), told[why]) for number, why in found])
        return len(found)

    def _tried(self, statement: Operation[T]) -> Operation[T | None]:
        """What a statement gives that only saves time; None where it fails for a row, or cannot be asked at all: a
        table must not be read, or an operator is not found. The rows are then left to the server, one by one."""
        session = self._session
        yield from savepoint(session, _SAVEPOINT)
        try:
            found = yield from statement
        except DatabaseError as exc:
            if session.dead is not None or not (is_about_rows(exc) or (exc.sqlstate or "").startswith("42")):
                give_up(session, exc)
            yield from rollback_to(session, _SAVEPOINT)
            return None
        yield from release(session, _SAVEPOINT)
        return found

    def _run(self, made: Merged, places: Callable[[int], int], width: int) -> Operation[None]:
        """Insert what is in the staging table run by run, the first of so many rows; note errors and counts."""
        if not self._runs:
            yield from command(self._session, self._functions())
            self._runs = True
        found = yield from fetch(self._session, f"SELECT * FROM {_SETTLE}({width})", (), _SETTLED)
        assert made.errors is not None
        for number, state, message, column, inserted, updated in found:
            if number is None:
                made.inserted += inserted
                made.updated += updated
            else:
                made.errors[places(number)] = column or None, state, first_line(message)

    def _functions(self) -> str:
        """The function that inserts run by run, and the index of numbers.

        The function's last row has no number and tells how many rows it has written.
        """
        counted = self._insert(f" AS s WHERE {_IN_RUN}")
        if self._updates and self._target.kind in _UNTOLD:
            there = self._counted_there(f" WHERE {_IN_RUN}")
            take = f"old_rows := ({there}); {counted}; GET DIAGNOSTICS fresh_rows = ROW_COUNT; "
            take += "fresh_rows := fresh_rows OPERATOR(pg_catalog.-) old_rows;"
        elif self._updates:
            take = (
                f"WITH merged AS ({counted} RETURNING {_FRESH} AS fresh) SELECT count(*) FILTER (WHERE fresh), "
                "count(*) FILTER (WHERE NOT fresh) INTO fresh_rows, old_rows FROM merged;"
            )
        else:
            take = f"{counted}; GET DIAGNOSTICS fresh_rows = ROW_COUNT;"
        tag = "$pgfast$"
        while tag in take:  # a name may hold it
            tag = f"{tag[:-1]}_$"
        plans = "SET plan_cache_mode = force_generic_plan" if self._session.server_version >= 120000 else ""
        kinds = ",".join(sorted(ABOUT_ROWS))
        about = f"pg_catalog.left(state, 2) OPERATOR(pg_catalog.=) ANY ('{{{kinds}}}'::pg_catalog.text[])"
        # Row security says no by the same code as missing privileges do, which are about no row.
        allowed = f"pg_catalog.has_any_column_privilege({_quoted(self._target.sql)}, 'INSERT')"
        about += f" OR state OPERATOR(pg_catalog.=) '{_INSUFFICIENT_PRIVILEGE}' AND {allowed}"
        return f"""
CREATE UNIQUE INDEX ON {self._sql} ({_NUMBER});
CREATE OR REPLACE FUNCTION {_SETTLE}(width bigint, OUT number bigint, OUT state text, OUT message text,
    OUT of_column text, OUT inserted bigint, OUT updated bigint)
RETURNS SETOF record LANGUAGE plpgsql SET enable_seqscan = off {plans} AS {tag}
#variable_conflict use_column
<<pgfast>>
DECLARE
    low bigint; span bigint := width; high bigint; fresh_rows bigint := 0; old_rows bigint := 0;
    all_fresh bigint := 0; all_old bigint := 0;
BEGIN
    SELECT pg_catalog.min(s.{_NUMBER}), pg_catalog.max(s.{_NUMBER}) INTO low, high FROM {self._sql} AS s;
    WHILE low OPERATOR(pg_catalog.<=) high LOOP
        BEGIN
            {take}
            all_fresh := all_fresh OPERATOR(pg_catalog.+) fresh_rows;
            all_old := all_old OPERATOR(pg_catalog.+) old_rows;
            low := low OPERATOR(pg_catalog.+) span; span := span OPERATOR(pg_catalog.*) 2;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, of_column = COLUMN_NAME;
            IF NOT ({about}) THEN
                RAISE;
            END IF;
            IF span OPERATOR(pg_catalog.=) 1 THEN
                number := low; RETURN NEXT;
                low := low OPERATOR(pg_catalog.+) 1;
            ELSE
                span := pg_catalog.int8larger(span OPERATOR(pg_catalog./) 4, 1);
            END IF;
        END;
    END LOOP;
    number := NULL; inserted := all_fresh; updated := all_old; RETURN NEXT;
END {tag}"""


def _place_before(number: int) -> int:
    """The place of a row by its number where none is missing."""
    return number - 1


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_FIRST_RUN: Final = 4096
_TEXT: Final = (str, type(None))
_COUNT: Final = (int, type(None))
_SETTLED: Final[tuple[Any, ...]] = (_COUNT, _TEXT, _TEXT, _TEXT, _COUNT, _COUNT)

#: Classes of errors that are about a row, whether or not the server says which.
ABOUT_ROWS: Final = frozenset(("21", "22", "23", "38", "39", "44", "54", "P0"))


def is_about_rows(exc: DatabaseError) -> bool:
    """Whether the error's class is one of those that values, constraints and triggers raise."""
    return exc.fault is None and (exc.sqlstate or "")[:2] in ABOUT_ROWS


def give_up(session: Session, exc: DatabaseError) -> NoReturn:
    """Raise the error by which a load with rejects fails; where the session has ended just behind an error about a row,
    that it has."""
    if session.dead is None or not is_about_rows(exc):
        raise exc
    raise OperationalError(f"the connection is closed: {session.dead}") from exc
