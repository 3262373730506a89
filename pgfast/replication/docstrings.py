"""What the methods of both faces do, attached to each by its name."""

from __future__ import annotations

from typing import Final

from ..connections.docstrings import document

__all__ = ["BACKUP", "CONNECTION", "STREAM", "document"]

CONNECTION: Final[dict[str, str]] = {
    "connect": """A connection to a walsender: of a database, or with `physical` of the log itself.

Settings are those of an ordinary connection. It takes simple queries alone, and each is its own transaction.
(docs: Streaming Replication Protocol)
""",
    "identify_system": """Which server this is, its timeline and its position in the log.""",
    "show": """The value of a setting, as text.""",
    "timeline_history": """(name, content) of the history file of a timeline.""",
    "create_slot": """The new replication slot; logical for a `plugin`, physical for None.

`snapshot` says what becomes of the snapshot of a logical one: "export", "use" or "nothing". `reserve_wal` keeps the log
for a physical one from now on. Raises the server's error.
""",
    "drop_slot": """Drop a replication slot; with `wait`, wait until nobody uses it.""",
    "start_physical": """A context manager for the stream of the log from `start`, as WalData.

It ends where its timeline does; the stream's `next_timeline` says which one follows and where. `status_interval` is the
number of seconds between two reports to the server, 0 for none but those that it asks for.
""",
    "start_logical": """A context manager for the changes of publications, decoded: Begin, Insert, Commit...

`start` is where to begin, 0 for where the slot stands. `protocol_version` is 1 to 4: from 2 on `streaming` ("on",
from 4 on "parallel") brings large transactions while they run, from 3 on `two_phase` brings prepared ones. `messages`
brings those of pg_logical_emit_message, `binary` values in binary form, `origin` ("none", "any") chooses by where
changes come from. Values are read by the rules of the connection's types; those that are not built in are text.
""",
    "start_plugin": """A context manager for what another output plugin makes of the log, as WalData.""",
    "base_backup": """A context manager for a base backup: an iterator over (name, bytes), the pieces of its archives.

`fast` begins with an immediate checkpoint, `wal` includes the log that is needed, `wait` waits for its archiving,
`manifest` adds the file backup_manifest, `max_rate_kb` limits kilobytes in a second. (docs: BASE_BACKUP)
""",
}

STREAM: Final[dict[str, str]] = {
    "__enter__": """Begin the stream. Raises the server's refusal.""",
    "__exit__": """Report the positions and end the stream; the connection can be used again.""",
    "__iter__": """What comes, until the server ends the stream; reports are sent meanwhile.

Raises DataError for a message with a value that cannot be read; the stream goes on behind it.
""",
    "read": """The next item; None where none has come in so many seconds, or the stream has ended.""",
    "send_status": """Report the positions now; with `reply`, ask the server for a sign of life.""",
    "send_hot_standby_feedback": """Tell the oldest transactions still needed: full transaction ids, 0 for none.""",
}

BACKUP: Final[dict[str, str]] = {
    "__enter__": """Begin the backup and read up to its first piece.""",
    "__exit__": """Leave it; one that is not complete is cancelled.""",
    "__iter__": """The pieces of the archives, in their order.""",
}
