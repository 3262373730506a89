"""What a load that commits its chunks begins and ends with, besides the chunks.

Law of this file: the beginning is done by the transaction that writes the load's line in the ledger, the end by the one
that notes its end there; so each is done once, whatever is killed in between.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from ..errors import DatabaseError
from ..protocol.operations import Operation, command
from ..protocol.session import Session
from .deferring import drop_deferred, restore_noted
from .framing import atomically
from .ledger import MADE_ALREADY, Ledger, Source, mark_of
from .options import LoadOptions
from .replacing import beside, make_beside, swap
from .target import Target, coded_error, is_there

_DUPLICATE_TABLE: Final = "42P07"
#: Bytes of a file by which is told which one it is.
_HEAD_BYTES: Final = 1 << 16


class Resumable:
    """A load by its name, into a table or into the one that will take its place (`into`)."""

    def __init__(self, session: Session, target: Target, options: LoadOptions, made: bool = False) -> None:
        """`options.resume` is the name; `made` says that the open transaction has made the table."""
        self._session = session
        #: The table that the load is for.
        self.target = target
        self._options = options
        self._name = options.resume or ""
        self._made = made
        self.into = beside(target, mark_of(self._name)) if options.mode == "replace" else target
        self.ledger = Ledger(session, target.schema, self._name)

    def open(self) -> Operation[bool]:
        """Begin the load, or find it where it stands; whether there is nothing left to be done.

        Raises as Ledger.open does.
        """
        target, options = self.target, self._options
        ended = yield from self.ledger.open(target.sql, options.manner(target.names), self._begin())
        return ended and self.into is not target

    def _begin(self) -> Operation[None]:
        session, options = self._session, self._options
        if options.create and not self._made:
            text = f"COPY {self.target.table}: the table is there, and load {self._name!r} has not made it"
            raise coded_error(_DUPLICATE_TABLE, f"{text}; leave out create=True")
        if options.mode == "truncate":
            yield from command(session, f"TRUNCATE {self.target.sql}")
        if self.into is not self.target:
            yield from make_beside(session, self.target, self.into)
        if options.defer_indexes:
            yield from drop_deferred(session, self.into, not options.keyed, self._name)

    def end(self) -> Operation[None]:
        """What comes behind the last chunk, in the open transaction; nothing where another process has done it."""
        if not (yield from self.ledger.ends()):
            return
        yield from restore_noted(self._session, self.target.schema, self._name)
        if self.into is not self.target:
            yield from swap(self._session, self.target, self.into)
        yield from self.ledger.finish()


def source_of(name: str, source: Any, sources: Sequence[Any]) -> Source:
    """What the ledger is told of a source of the load: of a file, its beginning and how long it is.

    By that is told that another machine names the same file otherwise.
    """
    if not isinstance(source, (str, os.PathLike)):
        return Source(name)
    with open(source, "rb") as file:
        seems = blake2b(file.read(_HEAD_BYTES), digest_size=8)
        seems.update(os.fstat(file.fileno()).st_size.to_bytes(8, "big"))
    beside = [str(Path(each)) for each in sources if isinstance(each, (str, os.PathLike))]
    return Source(name, seems.digest(), tuple(beside))


#: A load that goes on, whether it has come to its end already, and the statement by which its table was made.
Begun = tuple[Resumable, bool, "str | None"]


def begun(
    session: Session,
    table: str,
    options: LoadOptions,
    ddl: Callable[[], str],
    settled: Callable[[], Operation[Target]],
) -> Operation[Begun]:
    """The load, begun or found where it stands.

    Where `options.create` wants a table that is not there, `ddl` says how it is made: by the transaction that writes
    the load's line, so that a table without a load cannot be left. `settled` is the table once it is there.

    Raises as Ledger.open does, and DuplicateTable where another than this load has made the table.
    """
    if options.create and not (yield from is_there(session, table)):
        sql = ddl()
        try:
            return (yield from atomically(session, _opened(session, options, settled, sql)))
        except DatabaseError as exc:
            if session.dead is not None or exc.sqlstate not in MADE_ALREADY:
                raise
            # Another process has begun the load in this moment.
    return (yield from _opened(session, options, settled, None))


def _opened(
    session: Session, options: LoadOptions, settled: Callable[[], Operation[Target]], sql: str | None
) -> Operation[Begun]:
    if sql is not None:
        yield from command(session, sql)
    target = yield from settled()
    resumable = Resumable(session, target, options, sql is not None)
    return resumable, (yield from resumable.open()), sql
