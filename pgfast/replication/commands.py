"""The commands of a walsender, as text.

Law of this file: names are quoted as identifiers, values as literals; nothing is asked here. From version 15 on options
stand in parentheses, before that they are words. Source: PostgreSQL docs, "Streaming Replication Protocol".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ..errors import ProgrammingError
from ..protocol.operations.literals import identifier
from ..protocol.operations.literals import literal as constant
from ..values.lsn import LSN

#: The server version from which on options stand in parentheses.
_PARENTHESES: Final = 150000
SNAPSHOTS: Final = {"export": "EXPORT_SNAPSHOT", "use": "USE_SNAPSHOT", "nothing": "NOEXPORT_SNAPSHOT"}


def literal(text: str) -> str:
    """The text as a string constant of these commands."""
    return constant(text, walsender=True)


def create_slot(
    version: int, name: str, plugin: str | None, temporary: bool, snapshot: str, two_phase: bool, reserve_wal: bool
) -> str:
    """CREATE_REPLICATION_SLOT, logical where there is a plugin."""
    if snapshot not in SNAPSHOTS:
        raise ProgrammingError(f"snapshot={snapshot!r} is not one of {', '.join(SNAPSHOTS)}")
    words = ["CREATE_REPLICATION_SLOT", identifier(name)]
    if temporary:
        words.append("TEMPORARY")
    if plugin is None:
        words.append("PHYSICAL")
        if reserve_wal:
            words.append("RESERVE_WAL" if version < _PARENTHESES else "(RESERVE_WAL)")
        return " ".join(words)
    words += ["LOGICAL", identifier(plugin)]
    if version >= _PARENTHESES:
        words.append(f"(SNAPSHOT {literal(snapshot)}{', TWO_PHASE' if two_phase else ''})")
    else:
        words.append(SNAPSHOTS[snapshot])
        if two_phase:
            words.append("TWO_PHASE")
    return " ".join(words)


def start_physical(start: LSN, slot: str | None, timeline: int | None) -> str:
    """START_REPLICATION of the log itself."""
    of_slot = "" if slot is None else f"SLOT {identifier(slot)} "
    on_timeline = "" if timeline is None else f" TIMELINE {timeline:d}"
    return f"START_REPLICATION {of_slot}PHYSICAL {start}{on_timeline}"


def start_logical(slot: str, start: LSN, options: Mapping[str, str | None]) -> str:
    """START_REPLICATION of what the slot's plugin makes of the log."""
    listed = [identifier(name) + ("" if value is None else f" {literal(value)}") for name, value in options.items()]
    given = f" ({', '.join(listed)})" if listed else ""
    return f"START_REPLICATION SLOT {identifier(slot)} LOGICAL {start}{given}"


def pgoutput_options(
    publications: Sequence[str],
    protocol_version: int,
    streaming: str | None,
    two_phase: bool,
    messages: bool,
    binary: bool,
    origin: str | None,
) -> dict[str, str | None]:
    """The options of pgoutput (docs: Logical Streaming Replication Parameters)."""
    if isinstance(publications, str) or not publications:
        raise ProgrammingError("publications is a list of names that is not empty")
    if protocol_version not in (1, 2, 3, 4):
        raise ProgrammingError(f"protocol_version is 1 to 4, not {protocol_version!r}")
    options: dict[str, str | None] = {
        "proto_version": str(protocol_version),
        "publication_names": ",".join(identifier(name) for name in publications),
    }
    if streaming is not None:
        options["streaming"] = streaming
    for name, wanted in (("two_phase", two_phase), ("messages", messages), ("binary", binary)):
        if wanted:
            options[name] = "true"
    if origin is not None:
        options["origin"] = origin
    return options


def base_backup(
    version: int,
    label: str,
    progress: bool,
    fast: bool,
    wal: bool,
    wait: bool,
    max_rate_kb: int | None,
    manifest: bool,
    verify_checksums: bool,
) -> str:
    """BASE_BACKUP."""
    if version >= _PARENTHESES:
        options = [f"LABEL {literal(label)}", f"CHECKPOINT '{'fast' if fast else 'spread'}'"]
        options += [f"{name} {str(on).lower()}" for name, on in (("PROGRESS", progress), ("WAL", wal), ("WAIT", wait))]
        options.append(f"MANIFEST '{'yes' if manifest else 'no'}'")
        options.append(f"VERIFY_CHECKSUMS {str(verify_checksums).lower()}")
        if max_rate_kb is not None:
            options.append(f"MAX_RATE {max_rate_kb:d}")
        return f"BASE_BACKUP ({', '.join(options)})"
    words = ["BASE_BACKUP LABEL", literal(label)]
    chosen = (("PROGRESS", progress), ("FAST", fast), ("WAL", wal), ("NOWAIT", not wait))
    words += [word for word, on in chosen if on]
    if max_rate_kb is not None:
        words.append(f"MAX_RATE {max_rate_kb:d}")
    if version >= 130000:
        words.append(f"MANIFEST '{'yes' if manifest else 'no'}'")
    if version >= 110000 and not verify_checksums:
        words.append("NOVERIFY_CHECKSUMS")
    return " ".join(words)
