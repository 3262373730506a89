"""What the driver knows of one type: a tree, because types are made of types.

Law of this file: facts of pg_type and what follows from them alone. How values are read and written is derived from
the kind; what a program registers or chooses stands in the registry.

Sources: the server's pg_type.h; Arrow, "C data interface", format strings, and the canonical extension types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from .. import const

if TYPE_CHECKING:
    from .forms import Form

PG_CATALOG: Final = "pg_catalog"
#: Kinds whose values are made of other values.
CONTAINERS: Final = frozenset(
    (
        const.KIND_ARRAY,
        const.KIND_VECTOR,
        const.KIND_COMPOSITE,
        const.KIND_RECORD,
        const.KIND_RANGE,
        const.KIND_MULTIRANGE,
    )
)


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """One type. `name` is pg_type.typname, `sql` the name to write in a cast or CREATE TABLE.

    `kind` is its wire layout (KIND_TEXT_CALL: it travels only as text), `form` how its values are read and written
    where no kernel does it; `maker` makes that form by the policy for it where there is a choice. `children` are the
    types it is made of, `names` the attributes of a composite or the labels of an enum, in order; `delimiter` stands
    between the elements of an array of it. A domain has the kind and the parts of its `base`. `typmods` are those of
    a composite's attributes, `typmod` that of a domain, -1 where there is none.

    `arrow` is the Arrow format a column of it is read into (numeric with a typmod is the exception: decimals; of an
    enum it is that of the indices into its labels), "" where it has none and comes as text; `extension` is the name
    of the Arrow extension type that goes with it, or None.
    """

    name: str
    oid: int
    array_oid: int
    kind: int
    sql: str
    arrow: str
    extension: str | None = None
    schema: str = PG_CATALOG
    form: Form | None = None
    children: tuple[TypeInfo, ...] = ()
    names: tuple[str, ...] = ()
    binary_out: bool = True
    binary_in: bool = True
    delimiter: str = ","
    base: TypeInfo | None = None
    maker: Callable[[str | None], Form] | None = None
    typmods: tuple[int, ...] = ()
    typmod: int = -1

    @property
    def is_made(self) -> bool:
        """Whether a composite, which may be altered, is in it."""
        return self.kind == const.KIND_COMPOSITE or any(part.is_made for part in self.children)

    @property
    def depth(self) -> int:
        """How many types are in one another, this one included."""
        return 1 + max([part.depth for part in self.children], default=0)

    @property
    def is_array(self) -> bool:
        """Whether it is a true array; int2vector and oidvector are not."""
        return self.kind == const.KIND_ARRAY


def array_of(element: TypeInfo, oid: int) -> TypeInfo:
    """The array type of an element type, named as the server names it unless that name was taken."""
    return TypeInfo(
        "_" + element.name,
        oid,
        0,
        const.KIND_ARRAY,
        element.sql + "[]",
        "+l" if element.arrow else "",
        schema=element.schema,
        children=(element,),
        binary_out=element.binary_out,
        binary_in=element.binary_in,
    )


@dataclass(frozen=True, slots=True)
class Named:
    """What pg_type says of any type that is not an array: how it is called, and its OIDs."""

    name: str
    oid: int
    array_oid: int
    sql: str
    schema: str = PG_CATALOG
    delimiter: str = ","

    def info(self, kind: int, arrow: str, parts: Sequence[TypeInfo] = (), **more: Any) -> TypeInfo:
        """A type of this name, binary where all its parts are."""
        return TypeInfo(
            self.name,
            self.oid,
            self.array_oid,
            kind,
            self.sql,
            arrow,
            schema=self.schema,
            delimiter=self.delimiter,
            children=tuple(parts),
            **{
                "binary_out": all(part.binary_out for part in parts),
                "binary_in": all(part.binary_in for part in parts),
                **more,
            },
        )

    def range(self, bound: TypeInfo) -> TypeInfo:
        """The range type over a bound's type."""
        return self.info(const.KIND_RANGE, "", (bound,))

    def multirange(self, range_: TypeInfo) -> TypeInfo:
        """The multirange type over a range type."""
        return self.info(const.KIND_MULTIRANGE, "", (range_,))

    def enum(self, labels: Sequence[str]) -> TypeInfo:
        """The enum type with these labels."""
        return self.info(const.KIND_ENUM, "i", names=tuple(labels))

    def composite(self, names: Sequence[str], parts: Sequence[TypeInfo], typmods: Sequence[int]) -> TypeInfo:
        """The composite type with these attributes."""
        arrow = "+s" if all(part.arrow for part in parts) else ""
        return self.info(const.KIND_COMPOSITE, arrow, parts, names=tuple(names), typmods=tuple(typmods))

    def domain(self, base: TypeInfo, typmod: int) -> TypeInfo:
        """The domain over a base type: read and written as that."""
        return replace(
            base,
            typmod=base.typmod if typmod < 0 else typmod,
            name=self.name,
            oid=self.oid,
            array_oid=self.array_oid,
            sql=self.sql,
            schema=self.schema,
            delimiter=self.delimiter,
            base=base,
        )

    def by_form(self, form: Form | None, **more: Any) -> TypeInfo:
        """A type read and written by a form, or as the server's text where there is none."""
        binary_out = form is not None and form.decode is not None
        binary_in = form is not None and form.encode is not None
        kind = const.KIND_CALL if binary_out or binary_in else const.KIND_TEXT_CALL
        return self.info(kind, "", **{"form": form, "binary_out": binary_out, "binary_in": binary_in, **more})
