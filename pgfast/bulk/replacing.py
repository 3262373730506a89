"""A table replaced by another: rows are loaded beside it, and at the end the new one takes its name.

Law of this file: readers have the old rows until the new ones are all there, and the new table has whatever the old one
had: columns, defaults, identities, constraints, indexes with their names, triggers, owner, privileges, comments,
storage parameters. What cannot be carried over (views and foreign keys that depend on the table, partitions, row
security, publications) is an error before the first row, which names it.

Sources: docs, CREATE TABLE ("LIKE"), the system catalogs; server: parse_utilcmd.c (transformTableLikeClause).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ..errors import NotSupportedError
from ..protocol.operations import Operation, command, fetch, identifier
from ..protocol.session import Session
from ..types.discovery import qualified
from .target import Target

_ORDINARY: Final = "r"
_LIKENESS: Final = "INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING STORAGE"
#: Bytes of a name (NAMEDATALEN without the closing NUL).
_NAME_BYTES: Final = 63

#: What stands in the way, in words.
_OBSTACLES: Final = qualified("""
SELECT pg_catalog.format('%s depends on it',
    pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, r.ev_class, 0))
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    AND d.objid = r.oid
WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = pg_catalog.to_regclass($1)
    AND r.ev_class <> d.refobjid
UNION
SELECT pg_catalog.format('rule %I is on it', r.rulename) FROM pg_catalog.pg_rewrite r
WHERE r.ev_class = pg_catalog.to_regclass($1)
UNION
SELECT pg_catalog.format('foreign key %I of %s refers to it', c.conname, c.conrelid::pg_catalog.regclass)
FROM pg_catalog.pg_constraint c
WHERE c.contype = 'f' AND c.confrelid = pg_catalog.to_regclass($1)
UNION
SELECT 'it takes part in inheritance, or is a partition' FROM pg_catalog.pg_inherits i
WHERE i.inhrelid = pg_catalog.to_regclass($1) OR i.inhparent = pg_catalog.to_regclass($1)
UNION
SELECT 'it has row security' FROM pg_catalog.pg_class c
WHERE c.oid = pg_catalog.to_regclass($1)
    AND (c.relrowsecurity OR EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid))
UNION
SELECT pg_catalog.format('publication %I names it', p.pubname)
FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
WHERE r.prrelid = pg_catalog.to_regclass($1)
UNION
SELECT 'its replica identity is a choice' FROM pg_catalog.pg_class c
WHERE c.oid = pg_catalog.to_regclass($1) AND c.relreplident <> 'd'
UNION
SELECT pg_catalog.format('%s is typed by it', pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid))
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_type t ON t.typrelid = pg_catalog.to_regclass($1)
WHERE d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid IN (t.oid, t.typarray)
    AND d.deptype = 'n'
ORDER BY 1""")

#: How the table is stored, as CREATE TABLE has it.
_STORED: Final = qualified("""
SELECT CASE c.relpersistence WHEN 'u' THEN ' UNLOGGED' ELSE '' END,
    coalesce((SELECT pg_catalog.format(' USING %I', m.amname) FROM pg_catalog.pg_am m WHERE m.oid = c.relam), ''),
    coalesce((SELECT pg_catalog.format(' TABLESPACE %I', s.spcname) FROM pg_catalog.pg_tablespace s
              WHERE s.oid = c.reltablespace), '')
FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1)""")

#: Statements that give the new table ($2) what LIKE leaves out of the old one ($1).
_CARRIED: Final = qualified("""
SELECT pg_catalog.format('ALTER TABLE %s OWNER TO %I', $2::pg_catalog.text, r.rolname)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles r ON r.oid = c.relowner WHERE c.oid = pg_catalog.to_regclass($1)
UNION ALL
SELECT pg_catalog.format('ALTER TABLE %s SET (%s)', $2, pg_catalog.array_to_string(c.reloptions, ', '))
FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1) AND c.reloptions IS NOT NULL
UNION ALL
SELECT pg_catalog.format('COMMENT ON TABLE %s IS %L', $2, pg_catalog.obj_description(c.oid, 'pg_class'))
FROM pg_catalog.pg_class c
WHERE c.oid = pg_catalog.to_regclass($1) AND pg_catalog.obj_description(c.oid, 'pg_class') IS NOT NULL
UNION ALL
SELECT pg_catalog.format('REVOKE ALL ON %s FROM %s', $2,
    CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(g.rolname) END)
FROM pg_catalog.pg_class c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
WHERE c.oid = pg_catalog.to_regclass($2) AND a.grantee <> c.relowner
UNION ALL
SELECT pg_catalog.format('GRANT %s ON %s TO %s%s', a.privilege_type, $2,
    CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(g.rolname) END,
    CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_catalog.pg_class c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
WHERE c.oid = pg_catalog.to_regclass($1) AND a.grantee <> c.relowner
UNION ALL
SELECT pg_catalog.format('GRANT %s (%I) ON %s TO %s%s', a.privilege_type, t.attname, $2,
    CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(g.rolname) END,
    CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_catalog.pg_attribute t CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) AS a
LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
WHERE t.attrelid = pg_catalog.to_regclass($1) AND NOT t.attisdropped
UNION ALL
SELECT pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', $2, c.conname, pg_catalog.pg_get_constraintdef(c.oid))
FROM pg_catalog.pg_constraint c WHERE c.conrelid = pg_catalog.to_regclass($1) AND c.contype = 'f'
UNION ALL
SELECT pg_catalog.format(
    'SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence(%L, %L), s.last_value, s.is_called) FROM %s AS s',
    $2, a.attname, pg_catalog.pg_get_serial_sequence($1, a.attname))
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attidentity <> '' AND NOT a.attisdropped""")

#: At the end: the sequences that the old table owns.
_MOVED: Final = qualified("""
SELECT pg_catalog.format(
    'ALTER SEQUENCE %s OWNED BY %s.%I', d.objid::pg_catalog.regclass, $2::pg_catalog.text, a.attname)
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = pg_catalog.to_regclass($1)
    AND d.deptype = 'a'""")

#: In an order that a table and its likeness have in common, whatever the indexes are called and however old they are.
_INDEXES: Final = qualified("""
SELECT x.relname::pg_catalog.text FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
LEFT JOIN pg_catalog.pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid AND c.contype <> 'f'
WHERE i.indrelid = pg_catalog.to_regclass($1)
ORDER BY i.indisunique, c.contype, pg_catalog.split_part(pg_catalog.pg_get_indexdef(i.indexrelid), ' USING ', 2), x.oid
""")

_SEQUENCES: Final = qualified("""
SELECT s.relname::pg_catalog.text
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = pg_catalog.to_regclass($1)
    AND d.deptype = 'i' ORDER BY d.refobjsubid""")

_TRIGGERS: Final = qualified("""
SELECT t.tgname::pg_catalog.text, pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled::pg_catalog.text,
    (SELECT pg_catalog.format(' ON %I.%I ', n.nspname, c.relname) FROM pg_catalog.pg_class c
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = t.tgrelid)
FROM pg_catalog.pg_trigger t WHERE t.tgrelid = pg_catalog.to_regclass($1) AND NOT t.tgisinternal""")

_ENABLED: Final = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}


def beside(target: Target, mark: str) -> Target:
    """The new table of a target, as the target of a load; `mark` makes its name its own."""
    suffix = f"_{mark}"
    room = _NAME_BYTES - len(suffix.encode())
    name = target.relation.encode()[:room].decode("utf-8", "ignore") + suffix
    return replace(target, sql=f"{target.schema}.{identifier(name)}", relation=name)


def make_beside(session: Session, old: Target, new: Target) -> Operation[None]:
    """Make the new table, empty, with whatever the old one has but its triggers.

    Raises NotSupportedError where the old one cannot be replaced.
    """
    if old.kind != _ORDINARY:
        raise NotSupportedError(f"COPY {old.table}: mode='replace' is for ordinary tables; use mode='truncate'")
    found = yield from fetch(session, _OBSTACLES, (old.sql,), (str,))
    if found:
        raise NotSupportedError(
            f"COPY {old.table}: the table cannot be replaced: {'; '.join([row[0] for row in found])}. "
            "Use mode='truncate'"
        )
    ((kind, method, space),) = yield from fetch(session, _STORED, (old.sql,), (str, str, str))
    yield from command(session, f"CREATE{kind} TABLE {new.sql} (LIKE {old.sql} INCLUDING ALL){method}{space}")
    for (sql,) in (yield from fetch(session, _CARRIED, (old.sql, new.sql), (str,))):
        yield from command(session, sql)
    triggers = yield from fetch(session, _TRIGGERS, (old.sql,), (str, str, str, str))
    for name, definition, enabled, on in triggers:
        before, _, after = definition.partition(on)
        yield from command(session, f"{before} ON {new.sql} {after}")
        if enabled in _ENABLED:
            yield from command(session, f"ALTER TABLE {new.sql} {_ENABLED[enabled]} TRIGGER {identifier(name)}")


def make_likeness(session: Session, target: Target, keyed: bool) -> Operation[Target]:
    """A temporary table like the target, as the target of a load that is not kept: with its types, defaults, NOT NULL
    and CHECK; without references and triggers, and without keys but where the load goes by one (`keyed`)."""
    name, parts = "pgfast_likeness", _LIKENESS + (" INCLUDING INDEXES" if keyed else "")
    if session.server_version >= 120000:
        parts += " INCLUDING GENERATED"
    yield from command(session, f"CREATE TEMPORARY TABLE {name} (LIKE {target.sql} {parts}) ON COMMIT DROP")
    return replace(target, sql=f"pg_temp.{name}", relation=name, kind=_ORDINARY)


def swap(session: Session, old: Target, new: Target) -> Operation[None]:
    """Drop the old table and give its name, and those of its indexes and sequences, to the new one."""
    where = old.schema
    names: list[tuple[str, str, list[tuple[Any, ...]], list[tuple[Any, ...]]]] = []
    yield from command(session, f"LOCK TABLE {old.sql} IN ACCESS EXCLUSIVE MODE")
    for kind, query in (("INDEX", _INDEXES), ("SEQUENCE", _SEQUENCES)):
        mine = yield from fetch(session, query, (old.sql,), (str,))
        theirs = yield from fetch(session, query, (new.sql,), (str,))
        names.append((kind, where, mine, theirs))
    for (sql,) in (yield from fetch(session, _MOVED, (old.sql, new.sql), (str,))):
        yield from command(session, sql)
    yield from command(session, f"DROP TABLE {old.sql}")
    yield from command(session, f"ALTER TABLE {new.sql} RENAME TO {identifier(old.relation)}")
    for kind, schema, mine, theirs in names:
        for (name,), (made,) in zip(mine, theirs, strict=True):
            if name != made:
                yield from command(session, f"ALTER {kind} {schema}.{identifier(made)} RENAME TO {identifier(name)}")
