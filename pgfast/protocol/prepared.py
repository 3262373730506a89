"""Which statements the server has prepared for this session, and which should be.

Law of this file: bookkeeping only. It says which name to use, what to prepare and what to close; the messages are
written by the operations.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from .. import const
from .backend import Field

if TYPE_CHECKING:
    from .plans import StatementPlan

#: The threshold that depends on the server: THRESHOLD, or None behind a pooler that shares server connections.
AUTOMATIC: Final = -1
THRESHOLD: Final = 5
#: How often a statement may be stale before it is prepared no more.
_MOST_STALE: Final = 2
#: Random bytes in the names of a session's statements.
_MARK_BYTES: Final = 6


class Ready(NamedTuple):
    """A prepared statement as a program asks for it: its SQL, how many parameters it takes, and the last plan made."""

    sql: str
    parameters: int
    plan: StatementPlan


class Declared(str):
    """A statement's text whose parameters are declared to be of these types, 0 where the server is to tell.

    It equals no other text, so that it is prepared and kept by itself.
    """

    __slots__ = ("type_oids",)
    type_oids: tuple[int, ...]

    def __new__(cls, sql: str, type_oids: Iterable[int]) -> Declared:
        made = super().__new__(cls, sql)
        made.type_oids = tuple(type_oids)
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Declared) and self.type_oids == other.type_oids and str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((str.__hash__(self), self.type_oids))


class Adaptation(NamedTuple):
    """How values of certain classes go to a statement: the text it is parsed by, and which of them go as text."""

    sql: str
    texts: tuple[int, ...]


@dataclass(slots=True)
class Prepared:
    """A statement the server has parsed: its name (empty: the unnamed one), its parameters' types, its columns.

    `fields` is None for a statement that gives no rows. `plan` is the last one made for it.
    """

    name: bytes
    type_oids: tuple[int, ...]
    fields: tuple[Field, ...] | None
    plan: StatementPlan | None = None
    _formatted: dict[bytes, tuple[Field, ...]] = field(default_factory=dict)
    _oids: tuple[int, ...] | None = None

    @property
    def oids(self) -> tuple[int, ...]:
        """The types of its parameters and of its columns."""
        if self._oids is None:
            self._oids = (*self.type_oids, *[one.type_oid for one in self.fields or ()])
        return self._oids

    def formatted(self, formats: bytes) -> tuple[Field, ...]:
        """The columns as they come when asked for in these formats (int16 big-endian each)."""
        found = self._formatted.get(formats)
        if found is None:
            fields = self.fields or ()
            codes = [const.BINARY if code else const.TEXT for code in formats[1::2]]
            found = tuple([replace(one, format=code) for one, code in zip(fields, codes, strict=True)])
            self._formatted[formats] = found
        return found


class PreparedStatements:
    """The prepared statements of a session, least recently used first, keyed by their SQL.

    A statement is prepared once it has been executed `threshold` times (0: at once, None: never, AUTOMATIC), at most
    `maximum` are kept. Their names are this client's alone: behind a pooler that changes servers another client's
    statement of the same name would be executed. The descriptions of statements that were executed without being
    prepared are kept too, as many: with one at hand a statement goes to the server in a single write.

    `ready` are prepared statements by the very text that a program has given, with a sequence of parameters, and
    `plain` those without parameters; what is there need not be read again. Both are emptied when a statement comes or
    goes. `latest` is the SQL of the statement used last. `adaptations` are those of statements by their SQL and the
    classes of the values. `doubted` are those that give rows and have not been executed since there was reason to
    think that others may have changed their columns; see the operation `doubted`, for which `savepoint_ready` says that
    its commands are prepared.
    """

    def __init__(self, threshold: int | None = AUTOMATIC, maximum: int = 100) -> None:
        self._automatic = threshold == AUTOMATIC
        self.threshold = THRESHOLD if self._automatic else threshold
        self.maximum = maximum
        self._prepared: OrderedDict[str, Prepared] = OrderedDict()
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._described: OrderedDict[str, Prepared] = OrderedDict()
        self._stale: OrderedDict[str, int] = OrderedDict()
        self._dropped: list[bytes] = []
        self._mark = secrets.token_hex(_MARK_BYTES).encode("ascii")
        self._serial = 0
        self.ready: dict[str, Ready] = {}
        self.plain: dict[str, Ready] = {}
        self.latest = ""
        self.adaptations: dict[tuple[str, tuple[type, ...]], Adaptation] = {}
        self.doubted: set[str] = set()
        self.savepoint_ready = False

    def __len__(self) -> int:
        return len(self._prepared)

    @property
    def serial(self) -> int:
        """How many statements have been given a name, to be prepared."""
        return self._serial

    def heed_sharing(self) -> None:
        """A pooler shares server connections among its clients: it may or may not follow prepared statements."""
        if self._automatic:
            self.threshold = None

    def find(self, sql: str) -> Prepared | None:
        """The prepared statement for this SQL, now the most recently used one; None where there is none."""
        found = self._prepared.get(sql)
        if found is not None:
            self.use(sql)
        return found

    def use(self, sql: str) -> None:
        """This prepared statement is the most recently used one now."""
        self._prepared.move_to_end(sql)
        self.latest = sql

    def forget_ready(self) -> None:
        """What was ready may not be any more."""
        self.ready.clear()
        self.plain.clear()
        self.latest = ""

    def name_for(self, sql: str, prepare: bool | None) -> bytes:
        """The name to parse this SQL under: empty where it is not to be prepared (yet). Counts the execution.

        `prepare` overrules the threshold, but nothing is prepared where the threshold is None.
        """
        count = self._counts.pop(sql, 0)
        if self._stale.get(sql, 0) >= _MOST_STALE:
            prepare = False
        if prepare is not False and self.threshold is not None and (prepare or count >= self.threshold):
            self._serial += 1
            return b"_pgfast_%b_%d" % (self._mark, self._serial)
        self._counts[sql] = count + 1
        if len(self._counts) > self.maximum:
            self._counts.popitem(last=False)
        return b""

    def described(self, sql: str) -> Prepared | None:
        """The description of an unnamed statement with this SQL, now the most recently used one."""
        found = self._described.get(sql)
        if found is not None:
            self._described.move_to_end(sql)
        return found

    def keep_description(self, sql: str, statement: Prepared) -> None:
        """Remember what the server has said of an unnamed statement."""
        self._described[sql] = statement
        while len(self._described) > max(self.maximum, 0):
            self._described.popitem(last=False)

    def forget_descriptions(self, sql: str | None = None) -> None:
        """What the server has said of this statement, or of any, may not hold any more."""
        if sql is None:
            self._described.clear()
        else:
            self._described.pop(sql, None)

    def keep(self, sql: str, statement: Prepared) -> None:
        """Remember a named statement the server has just prepared, and drop the oldest beyond `maximum`."""
        self.forget_ready()
        self._prepared[sql] = statement
        self._described.pop(sql, None)
        while len(self._prepared) > max(self.maximum, 0):
            oldest, gone = self._prepared.popitem(last=False)
            self.doubted.discard(oldest)
            self._dropped.append(gone.name)

    def drop(self, sql: str) -> None:
        """Use this statement no more: the server is to close it."""
        self.forget_ready()
        self.doubted.discard(sql)
        statement = self._prepared.pop(sql, None)
        if statement is not None:
            self._dropped.append(statement.name)

    def doubt(self) -> None:
        """Others may have changed the columns of any of these statements."""
        self.doubted.update(sql for sql, statement in self._prepared.items() if statement.fields is not None)

    def set_aside(self, sql: str) -> None:
        """Use this statement no more, which is parsed once more by its next execution and prepared by that."""
        statement = self._prepared.get(sql)
        self.drop(sql)
        if statement is not None and self.threshold is not None:
            self._counts[sql] = self.threshold
            self.keep_description(sql, replace(statement, name=b"", plan=None))

    def drop_stale(self, sql: str) -> None:
        """As `drop`, for a statement that the server has dropped or whose columns have changed.

        Where that happens again the statement is not prepared any more: a pooler that shares the statements of its
        clients may give a new name to the old one.
        """
        self.drop(sql)
        self.doubt()
        self._stale[sql] = self._stale.pop(sql, 0) + 1
        while len(self._stale) > max(self.maximum, 1):
            self._stale.popitem(last=False)

    def drop_statement(self, statement: Prepared, stale: bool = False) -> None:
        """Use this statement no more, if it is still used."""
        for sql, kept in self._prepared.items():
            if kept is statement:
                (self.drop_stale if stale else self.drop)(sql)
                return

    def discard(self, name: bytes) -> None:
        """The server has a statement of this name that is of no use: it is to close it."""
        self._dropped.append(name)

    def adapt(self, key: tuple[str, tuple[type, ...]], adaptation: Adaptation) -> None:
        """Remember how values of these classes go to this statement; the oldest goes where there are too many."""
        adaptations = self.adaptations
        adaptations.pop(key, None)
        while adaptations and len(adaptations) >= self.maximum:
            del adaptations[next(iter(adaptations))]
        adaptations[key] = adaptation

    def forget(self) -> None:
        """The server has dropped them all."""
        self.forget_ready()
        self.doubted.clear()
        self.savepoint_ready = False
        self._prepared.clear()
        self._dropped.clear()

    def drop_all(self) -> None:
        """Use none of them any more: the server is to close them."""
        self.forget_ready()
        self.doubted.clear()
        self._dropped += [statement.name for statement in self._prepared.values()]
        self._prepared.clear()

    def put_back(self, dropped: list[bytes]) -> None:
        """Names that were taken and not closed."""
        self._dropped += dropped

    def take_dropped(self) -> list[bytes]:
        """Names to close, handed out once."""
        dropped, self._dropped = self._dropped, []
        return dropped
