"""citext, and ltree, lquery and ltxtquery, which are sent with a version before their text.

Sources: server: contrib/citext/citext--1.4.sql, contrib/ltree/ltree_io.c, contrib/ltree/ltxtquery_io.c.
"""

from __future__ import annotations

from typing import Final

from ..coerce import to_str
from .form import Form, decoded, same, utf8, versioned

CITEXT: Final = Form(same, to_str, lambda data: decoded(data, "citext"), lambda value: utf8(to_str(value)))
LTREE: Final = versioned("ltree")
LQUERY: Final = versioned("lquery")
LTXTQUERY: Final = versioned("ltxtquery")
