"""An array whose subscripts do not begin at 1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

#: Dimensions of an array (MAXDIM in c.h).
MAX_DIMENSIONS: Final = 6


class Array(list[Any]):
    """A list of an array's elements that knows where its subscripts begin, one lower bound for each dimension.

    What the server sends with all lower bounds 1 is a plain list; only other arrays come as this. Lists inside it are
    plain. It equals a list with the same elements, and goes back with its bounds: changing its length keeps the
    lower bounds. (docs: Array Input and Output Syntax)
    """

    __slots__ = ("lower_bounds",)

    def __init__(self, items: Iterable[Any] = (), lower_bounds: Iterable[int] = (1,)) -> None:
        """`lower_bounds`: one int for each dimension, at most 6. Raises ValueError for none of them or more."""
        super().__init__(items)
        self.lower_bounds = tuple([int(bound) for bound in lower_bounds])
        if not 1 <= len(self.lower_bounds) <= MAX_DIMENSIONS:
            raise ValueError(f"an array has 1 to {MAX_DIMENSIONS} dimensions, not {len(self.lower_bounds)}")

    def __repr__(self) -> str:
        return f"Array({list.__repr__(self)}, lower_bounds={self.lower_bounds})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self), self.lower_bounds)
