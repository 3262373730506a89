"""Functions and procedures called by name: `callproc` of PEP 249."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ...errors import ProgrammingError, shorten
from ...types.registration import name_parts
from ..session import Session
from .binding import fetch
from .literals import identifier
from .steps import Operation
from .transactions import ensure_begin

#: $1: the schema, or NULL for what is visible without one, $2: the name. Whether it is the name of procedures alone.
_KIND_SQL: Final = """
SELECT pg_catalog.bool_and(pg_catalog.to_jsonb(p) OPERATOR(pg_catalog.->>) 'prokind' OPERATOR(pg_catalog.=) 'p')
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
WHERE p.proname OPERATOR(pg_catalog.=) $2::pg_catalog.text::pg_catalog.name
AND CASE WHEN $1::pg_catalog.text IS NULL THEN pg_catalog.pg_function_is_visible(p.oid)
         ELSE n.nspname OPERATOR(pg_catalog.=) $1::pg_catalog.text::pg_catalog.name END"""


def procedure_call(
    session: Session, name: str, params: Sequence[Any] | Mapping[str, Any]
) -> Operation[tuple[str, list[Any]]]:
    """(query, its parameters) that call a function, or a procedure, by its name as in SQL; a mapping names arguments.

    Raises ProgrammingError for what is no name.
    """
    parts = name_parts(str(name))
    if parts is None:
        raise ProgrammingError(f"{shorten(name)} is not the name of a function: name or schema.name")
    if isinstance(params, (str, bytes)) or not isinstance(params, (Sequence, Mapping)):
        raise ProgrammingError(f"callproc() takes a sequence or a mapping of arguments, not {type(params).__name__}")
    schema = parts[0] if len(parts) == 2 else None
    yield from ensure_begin(session)
    found = yield from fetch(session, _KIND_SQL, (schema, parts[-1]), ((bool, type(None)),), 1)
    names = [f"{identifier(key)} => " for key in params] if isinstance(params, Mapping) else [""] * len(params)
    values = list(params.values()) if isinstance(params, Mapping) else list(params)
    arguments = ", ".join(f"{given}${at + 1}" for at, given in enumerate(names))
    called = f"{'.'.join(map(identifier, parts))}({arguments})"
    return f"CALL {called}" if found[0][0] else f"SELECT * FROM {called}", values
