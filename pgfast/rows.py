"""What a cursor makes of a row: tuples, dicts, named tuples, objects, single values.

A row factory is called with the cursor when a result has come, looks at its `description`, and gives a function that
makes a row of a tuple of values. `tuple_row`, the default, costs nothing: the rows are tuples already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from .errors import ProgrammingError
from .types.structures import named_tuple

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from .connections.results import Column

    TupleRow: TypeAlias = tuple[Any, ...]
    Row = TypeVar("Row", covariant=True, default=TupleRow)  # noqa: PLC0105  (the name that programs see)
else:
    from typing import TypeVar

    TupleRow: TypeAlias = tuple[Any, ...]
    Row = TypeVar("Row", covariant=True)  # noqa: PLC0105

T_co = TypeVar("T_co", covariant=True)
DictRow: TypeAlias = dict[str, Any]


class RowMaker(Protocol[Row]):
    """A function that makes a row of the values of one."""

    def __call__(self, values: tuple[Any, ...], /) -> Row: ...


class Described(Protocol):
    """What a row factory needs of a cursor."""

    @property
    def description(self) -> list[Column] | None: ...


class RowFactory(Protocol[Row]):
    """A function that makes a RowMaker for the current result of a cursor."""

    def __call__(self, cursor: Any, /) -> RowMaker[Row]: ...


def names_of(cursor: Described) -> list[str]:
    """The names of the columns."""
    return [column.name for column in cursor.description or ()]


def tuple_row(cursor: Described) -> RowMaker[TupleRow]:
    """Rows as tuples."""
    return tuple


def dict_row(cursor: Described) -> RowMaker[DictRow]:
    """Rows as dicts by the names of the columns; of columns with the same name the last one is kept."""
    names = names_of(cursor)

    def make(values: tuple[Any, ...]) -> DictRow:
        return dict(zip(names, values, strict=True))

    return make


def namedtuple_row(cursor: Described) -> RowMaker[Any]:
    """Rows as named tuples; a name that cannot be an attribute's is called by its place."""
    return named_tuple("Row", tuple(names_of(cursor)))._make  # type: ignore[attr-defined,no-any-return]


def class_row(cls: Callable[..., T_co]) -> RowFactory[T_co]:
    """A factory of rows that `cls` makes of keyword arguments, by the names of the columns: dataclasses, models."""
    return kwargs_row(cls)


def kwargs_row(func: Callable[..., T_co]) -> RowFactory[T_co]:
    """A factory of rows that a function makes of keyword arguments, by the names of the columns."""

    def factory(cursor: Described) -> RowMaker[T_co]:
        names = names_of(cursor)

        def make(values: tuple[Any, ...]) -> T_co:
            return func(**dict(zip(names, values, strict=True)))

        return make

    return factory


def args_row(func: Callable[..., T_co]) -> RowFactory[T_co]:
    """A factory of rows that a function makes of the values, in their order."""

    def factory(cursor: Described) -> RowMaker[T_co]:
        def make(values: tuple[Any, ...]) -> T_co:
            return func(*values)

        return make

    return factory


def scalar_row(cursor: Described) -> RowMaker[Any]:
    """Rows as the values of their first columns. Raises ProgrammingError for a result without columns."""
    if not cursor.description:
        raise ProgrammingError("scalar_row wants a result with a column")

    def make(values: Sequence[Any]) -> Any:
        return values[0]

    return make
