"""What a load that commits its chunks begins and ends with, besides the chunks.

Law of this file: the beginning is done by the transaction that writes the load's line in the ledger, the end by the one
that notes its end there; so each is done once, whatever is killed in between.
"""

from __future__ import annotations

from ..protocol.operations import Operation, command
from ..protocol.session import Session
from .deferring import drop_deferred, restore_noted
from .ledger import Ledger, mark_of
from .options import LoadOptions
from .replacing import beside, make_beside, swap
from .target import Target


class Resumable:
    """A load by its name, into a table or into the one that will take its place (`into`)."""

    def __init__(self, session: Session, target: Target, options: LoadOptions) -> None:
        """`options.resume` is the name."""
        self._session = session
        self._target = target
        self._options = options
        self._name = options.resume or ""
        self.into = beside(target, mark_of(self._name)) if options.mode == "replace" else target
        self.ledger = Ledger(session, target.schema, self._name)

    def open(self) -> Operation[bool]:
        """Begin the load, or find it where it stands; whether there is nothing left to be done.

        Raises as Ledger.open does.
        """
        target, options = self._target, self._options
        ended = yield from self.ledger.open(target.sql, options.manner(target.names), self._begin())
        return ended and self.into is not target

    def _begin(self) -> Operation[None]:
        session, options = self._session, self._options
        if options.empties:
            yield from command(session, f"TRUNCATE {self._target.sql}")
        if self.into is not self._target:
            yield from make_beside(session, self._target, self.into)
        if options.defer_indexes:
            yield from drop_deferred(session, self.into, not options.keyed, self._name)

    def end(self) -> Operation[None]:
        """What comes behind the last chunk, in the open transaction."""
        yield from restore_noted(self._session, self._target.schema, self._name)
        if self.into is not self._target:
            yield from swap(self._session, self._target, self.into)
        yield from self.ledger.finish()
