"""The cursor of `stream_results` and `yield_per`: what SQLAlchemy fetches by turns is asked of the server once.

How it works. SQLAlchemy's own buffer begins with a fetch of one row, goes on with what is missing to a full portion,
and asks again behind the last row, more than once. Here the first fetch asks for the whole portion where its size is
known, and nothing is asked behind the end.

Law of this file: the cursor of the server is where the rows end that lie here; whoever moves it loses them first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any


class StreamedCursor:
    """A cursor of the server of either kind, with the rows that were fetched ahead.

    `portion` is the least number of rows that the first fetch asks for. Everything else is the cursor's.
    """

    __slots__ = ("_ahead", "_cursor", "_ended", "_portion")

    def __init__(self, cursor: Any, portion: int) -> None:
        self._cursor = cursor
        self._portion = portion
        self._ahead: deque[Any] = deque()
        self._ended = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, operation: Any, parameters: Any = None) -> StreamedCursor:
        """Declare the cursor, which stands before its first row."""
        self._ahead.clear()
        self._ended = False
        self._cursor.execute(operation, parameters)
        return self

    def fetchone(self) -> Any:
        """The next row, None behind the last."""
        return next(iter(self.fetchmany(1)), None)

    def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        """The next rows, at most `size` of them (default: `arraysize`); fewer behind the last."""
        wanted = self._cursor.arraysize if size is None else size
        ahead = self._ahead
        if len(ahead) < wanted and not self._ended:
            asked = max(wanted - len(ahead), self._portion)
            rows = self._cursor.fetchmany(asked)
            self._portion, self._ended = 0, len(rows) < asked
            ahead.extend(rows)
        return [ahead.popleft() for _ in range(min(wanted, len(ahead)))]

    def fetchall(self) -> Sequence[Any]:
        """The rows that are left."""
        rows = list(self._ahead)
        self._ahead.clear()
        if not self._ended:
            rows += self._cursor.fetchall()
            self._ended = True
        return rows

    def __iter__(self) -> Iterator[Any]:
        while (row := self.fetchone()) is not None:
            yield row

    def scroll(self, value: int, mode: str = "relative") -> None:
        """Move the cursor, from the row that was given last or to the row of that number."""
        back = len(self._ahead) if mode == "relative" else 0
        self._ahead.clear()
        self._ended = False
        self._cursor.scroll(value - back, mode)
