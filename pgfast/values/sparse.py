"""Vectors that are mostly zeros."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

#: Dimensions of a sparsevec (pgvector: sparsevec.h).
_MAX_DIMENSIONS = 1_000_000_000


class SparseVector:
    """The elements of a pgvector sparsevec that are not zero, by their index. Immutable.

    Indices begin at 0, as Python counts and as the type is sent; its text form and SQL count from 1.
    """

    __slots__ = ("dimensions", "elements")

    dimensions: int
    elements: Mapping[int, float]

    def __init__(
        self, dimensions: int, elements: Mapping[int, float] | Iterable[tuple[int, float]] = MappingProxyType({})
    ) -> None:
        """`elements`: index to value; zeros are left out. Raises ValueError for an index outside the dimensions."""
        if not 0 < dimensions <= _MAX_DIMENSIONS:
            raise ValueError(f"a sparse vector has 1 to {_MAX_DIMENSIONS} dimensions")
        kept = {int(index): float(value) for index, value in dict(elements).items() if value != 0}
        if any(not 0 <= index < dimensions for index in kept):
            raise ValueError(f"indices go from 0 to {dimensions - 1} in a sparse vector of {dimensions} dimensions")
        object.__setattr__(self, "dimensions", int(dimensions))
        object.__setattr__(self, "elements", MappingProxyType({index: kept[index] for index in sorted(kept)}))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a SparseVector cannot be changed; make another")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a SparseVector cannot be changed; make another")

    def to_list(self) -> list[float]:
        """All the elements, with the zeros."""
        full = [0.0] * self.dimensions
        for index, value in self.elements.items():
            full[index] = value
        return full

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SparseVector):
            return NotImplemented
        return self.dimensions == other.dimensions and dict(self.elements) == dict(other.elements)

    def __hash__(self) -> int:
        return hash((self.dimensions, tuple(self.elements.items())))

    def __repr__(self) -> str:
        return f"SparseVector({self.dimensions}, {dict(self.elements)})"

    def __reduce__(self) -> tuple[type[SparseVector], tuple[int, dict[int, float]]]:
        return SparseVector, (self.dimensions, dict(self.elements))
