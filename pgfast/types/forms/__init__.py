"""Forms: types that no kernel reads and writes, each in a module with its relatives.

`FORMS` are the built-in types by name. `EXTENSIONS` are types of extensions, whose OIDs differ between databases, by
their name and the name of their send function ("-" where there is none), which together tell them from a user's type
of the same name. Where a policy chooses among classes the entry is a factory: called with the choice, or None for the
library's class where the library is installed, it gives a Form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from . import bits, cube, geometric, hstore, ltree, network, pgvector, postgis, system, textsearch
from .form import Form
from .system import money_form

__all__ = ["EXTENSIONS", "FORMS", "Factory", "Form", "money_form"]

#: Makes the Form of a choice: "numpy" or "list" for vectors, "shapely" or "bytes" for geometries.
Factory = Callable[["str | None"], Form]

FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "bit": bits.BITS,
        "box": geometric.BOX,
        "cidr": network.CIDR,
        "circle": geometric.CIRCLE,
        "inet": network.INET,
        "jsonpath": system.JSONPATH,
        "line": geometric.LINE,
        "lseg": geometric.LSEG,
        "macaddr": network.MACADDR,
        "macaddr8": network.MACADDR8,
        "path": geometric.PATH,
        "pg_lsn": system.PG_LSN,
        "pg_snapshot": system.SNAPSHOT,
        "point": geometric.POINT,
        "polygon": geometric.POLYGON,
        "refcursor": system.REFCURSOR,
        "tid": system.TID,
        "tsquery": textsearch.TSQUERY,
        "tsvector": textsearch.TSVECTOR,
        "txid_snapshot": system.SNAPSHOT,
        "varbit": bits.BITS,
        **system.ONLY_TEXT,
    }
)

EXTENSIONS: Final[Mapping[tuple[str, str], Form | Factory]] = MappingProxyType(
    {
        ("citext", "citextsend"): ltree.CITEXT,
        ("cube", "-"): cube.CUBE_TEXT,
        ("cube", "cube_send"): cube.CUBE,
        ("geography", "geography_send"): postgis.geometry_form,
        ("geometry", "geometry_send"): postgis.geometry_form,
        ("halfvec", "halfvec_send"): pgvector.halfvec_form,
        ("hstore", "hstore_send"): hstore.HSTORE,
        ("lquery", "lquery_send"): ltree.LQUERY,
        ("ltree", "ltree_send"): ltree.LTREE,
        ("ltxtquery", "ltxtq_send"): ltree.LTXTQUERY,
        ("sparsevec", "sparsevec_send"): pgvector.SPARSEVEC,
        ("vector", "vector_send"): pgvector.vector_form,
    }
)
