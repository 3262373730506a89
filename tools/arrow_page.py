"""Writes the tables of docs/arrow.md from what the code does: `python -m tools.arrow_page`.

`tests/test_docs.py` fails where the page and the code differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pgfast import const
from pgfast.arrow.schema import STORABLE, ArrowField, Family, type_name
from pgfast.columns import arrow_field
from pgfast.types.builtins import BY_OID
from pgfast.types.catalogue import Named, TypeInfo

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "arrow.md"
_MARK: Final = "<!-- tables from here to the end of the section: python -m tools.arrow_page -->"

#: Types of which no column ever comes.
_NEVER: Final = [
    "any",
    "anyelement",
    "anynonarray",
    "anyenum",
    "anyrange",
    "anymultirange",
    "anycompatible",
    "anycompatiblearray",
    "anycompatiblenonarray",
    "anycompatiblerange",
    "anycompatiblemultirange",
    "trigger",
    "event_trigger",
    "language_handler",
    "fdw_handler",
    "index_am_handler",
    "table_am_handler",
    "tsm_handler",
    "internal",
    "pg_ddl_command",
    "gtsvector",
    "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
]
#: (precision, scale) of numerics whose Arrow types differ.
_NUMERICS: Final = ((15, 2), (38, 10), (39, 0), (76, 38), (5, -2), (2, 5), (1000, 0))


def typmod(precision: int, scale: int) -> int:
    """The typmod of numeric(precision, scale) (server: numeric.c, make_numeric_typmod)."""
    return (precision << 16 | scale & 0x7FF) + 4


def shown(field: ArrowField) -> str:
    """The name of the field's Arrow type."""
    name = type_name(field)
    if field.dictionary is not None:
        name = "dictionary of int32 to string"
    elif field.format == "+s":
        name = "struct of " + ", ".join([f"{child.name}: {type_name(child)}" for child in field.children])
    extension = field.metadata.get("ARROW:extension:name")
    return f"{name}, {extension}" if extension else name


def made_types() -> Iterator[tuple[str, TypeInfo]]:
    """One of each sort of type that users make."""
    named = {info.name: info for info in BY_OID.values()}
    mood = Named("mood", 0, 0, "mood").enum(("sad", "ok"))
    yield "an enum", mood
    pair = [named["int4"], named["text"]]
    yield "a composite (a int4, b text)", Named("pair", 0, 0, "pair").composite(("a", "b"), pair, (-1, -1))
    boxed = [named["int4"], named["point"]]
    yield "a composite (a int4, b point)", Named("boxed", 0, 0, "boxed").composite(("a", "b"), boxed, (-1, -1))
    yield "a domain over int4", Named("posint", 0, 0, "posint").domain(named["int4"], -1)
    yield "a range over float8", Named("floatrange", 0, 0, "floatrange").range(named["float8"])
    yield "int4[]", named["_int4"]
    yield "timestamptz[]", named["_timestamptz"]
    yield "point[]", named["_point"]


def outward() -> Iterator[str]:
    """PostgreSQL types, each with the Arrow type of its columns."""
    yield "| PostgreSQL | Arrow |"
    yield "|---|---|"
    texts = []
    for info in BY_OID.values():
        if info.is_array or info.name in _NEVER:
            continue
        field = arrow_field("v", info, -1)
        if shown(field) == "string" and info.kind not in (const.KIND_STR, const.KIND_NUMERIC):
            texts.append(info.name)
        else:
            yield f"| {info.name} | {shown(field)} |"
    for precision, scale in _NUMERICS:
        field = arrow_field("v", BY_OID[const.OID_NUMERIC], typmod(precision, scale))
        yield f"| numeric({precision},{scale}) | {shown(field)} |"
    for title, info in made_types():
        yield f"| {title} | {shown(arrow_field('v', info, -1))} |"
    yield f"| {', '.join(texts)}, money, and every type that is not named here | string: the server's own text |"


def inward() -> Iterator[str]:
    """Arrow types, each with the PostgreSQL types that take it without being asked for a conversion."""
    yield "| Arrow | PostgreSQL |"
    yield "|---|---|"
    for family in Family:
        if family in (Family.NULL, Family.STRING):
            yield f"| {family.value} | every type |"
            continue
        kinds = STORABLE[family]
        names = [info.name for info in BY_OID.values() if info.kind in kinds and not info.is_array]
        names += ["arrays, element by element"] if const.KIND_ARRAY in kinds else []
        names += ["composites with these attributes"] if const.KIND_COMPOSITE in kinds else []
        yield f"| {family.value} | {', '.join(names)} |"


def section(page: str, heading: str, lines: Iterable[str]) -> str:
    """The page with other tables in one section."""
    start = page.index(_MARK, page.index(f"## {heading}\n")) + len(_MARK)
    end = page.find("\n## ", start)
    return page[:start] + "\n\n" + "\n".join(lines) + "\n" + ("" if end < 0 else page[end:])


def rewritten(page: str) -> str:
    """The page as it should be."""
    return section(section(page, "Out: the columns of a result", outward()), "In: what `load` takes", inward())


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
