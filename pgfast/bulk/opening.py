"""A source on its way to a table: opened, and settled on the columns that it fills.

Law of this file: what the source names decides, then what the caller names, then what the table has.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from ..errors import InterfaceError
from ..protocol.operations import Operation, Pull
from ..protocol.session import Session
from .feed import Feed, Sparse
from .rows import RowFeed
from .sources import Columns, FileOptions, open_columns
from .target import DUPLICATE_COLUMN, UNDEFINED_COLUMN, Target, coded_error, describe


def opened(source: Any, files: FileOptions) -> Operation[Feed]:
    """The feed of a source. Raises InterfaceError for what is none, and what opening a file raises."""
    feed = open_columns(source, files)
    return (yield from _open_rows(source)) if feed is None else feed


def _open_rows(source: Any) -> Operation[RowFeed]:
    """The feed of an iterable or async iterable; its first row is looked at for the names of columns."""
    if isinstance(source, Iterable) or not isinstance(source, AsyncIterable):
        rows = iter(source)
        return RowFeed(list(islice(rows, 1)), rows)
    rest = source.__aiter__()
    first = yield Pull(_first_of(rest))
    return RowFeed([] if first is None else [first[0]], rest)


async def _first_of(rows: AsyncIterator[Any]) -> AsyncIterator[tuple[Any]]:
    """The first row, in a tuple because a bare None would be the end to Pull; `rows` can be read on."""
    async for row in rows:
        yield (row,)
        return


def settled_target(
    session: Session,
    table: str,
    feed: Feed,
    columns: Columns | None,
    like: Target | None = None,
    named: str | None = None,
) -> Operation[Target]:
    """The table and the columns of it that are filled, with the feed settled on them.

    `like` is that of the first of several sources: what it fills the others fill too, by their own names. `named` is
    what errors call the table, where that is not `table`.

    Raises UndefinedTable and UndefinedColumn, and what the feed's columns do not allow.
    """
    described = yield from describe(session, table)
    target = _chosen(described if named is None else replace(described, table=named), feed, columns)
    if like is not None and not isinstance(feed, Sparse):
        _compare(target, like, feed.name)
    feed.prepare(target, session.parameters.get("TimeZone"))
    return target


def _compare(target: Target, first: Target, name: str) -> None:
    """Raises UndefinedColumn where a source lacks a column that the first one fills; it may fill others."""
    for column in first.names:
        if column not in target.names:
            text = f"COPY {target.table}: {name} has no column {column!r}, which the first file has"
            raise coded_error(UNDEFINED_COLUMN, text)


def _chosen(table: Target, feed: Feed, columns: Columns | None) -> Target:
    """The columns of the table that are filled, in the order the feed gives them."""
    if isinstance(columns, str):
        raise InterfaceError("columns must be a sequence of names, or a mapping, and not a str")
    if isinstance(columns, Mapping):
        return _mapped(table, feed, columns)
    names = feed.names
    if isinstance(feed, Sparse):
        columns = feed.chosen(table.names, columns)
    elif columns is not None and names is not None:
        for name in columns:
            if name not in names:
                raise coded_error(
                    UNDEFINED_COLUMN,
                    f"COPY {table.table}: the source has no column {name!r}; it has {', '.join(names)} ({feed.name})",
                )
            if list(names).count(name) > 1:
                raise coded_error(DUPLICATE_COLUMN, f"COPY {table.table}: the source has two columns {name!r}")
    wanted = columns if columns is not None else names
    target = table.writable() if wanted is None else table.filling(wanted)
    if not target.columns:
        raise InterfaceError(f"COPY {table.table}: there is no column to fill")
    return target


def _mapped(table: Target, feed: Feed, columns: Mapping[str, str]) -> Target:
    """The columns of the table that are filled, by the names of the source's."""
    names = feed.names
    if names is None and not isinstance(feed, Sparse):
        raise InterfaceError("columns= is a mapping of the source's names, but its rows go by position")
    if not columns:
        raise InterfaceError("columns= is an empty mapping")
    if isinstance(feed, Sparse):
        feed.chosen(table.names, list(columns))
    for name in columns:
        if names is not None and name not in names and not isinstance(feed, Sparse):
            raise coded_error(
                UNDEFINED_COLUMN,
                f"COPY {table.table}: the source has no column {name!r}; it has {', '.join(names)} ({feed.name})",
            )
    return table.filling(list(columns.values()), list(columns))
