"""Ranges and multiranges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar, overload

T = TypeVar("T")

_BOUNDS: Final = ("[)", "[]", "()", "(]")
_set: Final = object.__setattr__


class Range(Generic[T]):
    """A range of values, as the server knows it (docs: Range Types). Immutable.

    `lower` and `upper` are None where the range has no such bound; an empty range has neither. `bounds` is one of
    "[)", "[]", "()" and "(]", a bracket for a bound that belongs to the range; beside a bound that is not there it is
    always a parenthesis. Ranges are equal where all of this is equal: the server turns ranges of whole numbers and
    dates into "[)", this class does not.
    """

    __slots__ = ("bounds", "isempty", "lower", "upper")

    bounds: str
    isempty: bool
    lower: T | None
    upper: T | None

    def __init__(self, lower: T | None = None, upper: T | None = None, bounds: str = "[)", empty: bool = False) -> None:
        """Raises ValueError for other `bounds`. The order of the bounds is the server's to check."""
        if bounds not in _BOUNDS:
            raise ValueError(f"bounds must be one of {', '.join(_BOUNDS)}, not {bounds!r}")
        if empty:
            lower = upper = None
            bounds = "()"
        else:
            bounds = ("(" if lower is None else bounds[0]) + (")" if upper is None else bounds[1])
        _set(self, "lower", lower)
        _set(self, "upper", upper)
        _set(self, "bounds", bounds)
        _set(self, "isempty", bool(empty))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Range cannot be changed; make another")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Range cannot be changed; make another")

    @property
    def _bounds(self) -> str | None:
        """The marks, None of an empty range: Django writes ranges by them (RangeField.value_to_string)."""
        return None if self.isempty else self.bounds

    @property
    def lower_inc(self) -> bool:
        """Whether the lower bound belongs to the range."""
        return self.bounds[0] == "["

    @property
    def upper_inc(self) -> bool:
        """Whether the upper bound belongs to the range."""
        return self.bounds[1] == "]"

    @property
    def lower_inf(self) -> bool:
        """Whether the range goes down without end."""
        return self.lower is None and not self.isempty

    @property
    def upper_inf(self) -> bool:
        """Whether the range goes up without end."""
        return self.upper is None and not self.isempty

    def __contains__(self, value: Any) -> bool:
        if self.isempty or value is None:
            return False
        if self.lower is not None and (value < self.lower or (value == self.lower and not self.lower_inc)):
            return False
        return self.upper is None or bool(value < self.upper) or (value == self.upper and self.upper_inc)

    def __bool__(self) -> bool:
        return not self.isempty

    def _key(self) -> tuple[Any, ...]:
        return self.lower, self.upper, self.bounds, self.isempty

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Range) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        if self.isempty:
            return "Range(empty=True)"
        return f"Range({self.lower!r}, {self.upper!r}, {self.bounds!r})"

    def __str__(self) -> str:
        if self.isempty:
            return "empty"
        lower = "" if self.lower is None else self.lower
        upper = "" if self.upper is None else self.upper
        return f"{self.bounds[0]}{lower}, {upper}{self.bounds[1]}"

    def __reduce__(self) -> tuple[Any, ...]:
        return Range, self._key()


class Multirange(Sequence["Range[T]"]):
    """Ranges, in the order given; the server keeps them sorted, apart and not empty. Immutable."""

    __slots__ = ("_ranges",)

    def __init__(self, ranges: Iterable[Range[T]] = ()) -> None:
        """Raises TypeError for anything in it that is no Range."""
        self._ranges = tuple(ranges)
        for one in self._ranges:
            if not isinstance(one, Range):
                raise TypeError(f"a Multirange is made of Range objects, not {type(one).__name__}")

    @overload
    def __getitem__(self, index: int) -> Range[T]: ...
    @overload
    def __getitem__(self, index: slice) -> Multirange[T]: ...
    def __getitem__(self, index: int | slice) -> Range[T] | Multirange[T]:
        if isinstance(index, slice):
            return Multirange(self._ranges[index])
        return self._ranges[index]

    def __len__(self) -> int:
        return len(self._ranges)

    def __iter__(self) -> Iterator[Range[T]]:
        return iter(self._ranges)

    def __contains__(self, value: object) -> bool:
        """Whether a value lies in one of the ranges, or a Range is one of them."""
        if isinstance(value, Range):
            return value in self._ranges
        return any(value in one for one in self._ranges)

    def __eq__(self, other: object) -> bool:
        return self._ranges == other._ranges if isinstance(other, Multirange) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._ranges)

    def __repr__(self) -> str:
        return f"Multirange({list(self._ranges)!r})"

    def __str__(self) -> str:
        return "{" + ", ".join([str(one) for one in self._ranges]) + "}"
