"""What a query's text tells without a server: its operation, its tables, and the text without its literals.

Law of this file: it reads words and never judges them. It is for people who watch, not for programs that decide; a text
that it misreads costs a worse name, and never a literal that stays.
"""

from __future__ import annotations

import re
from typing import Final

#: Characters of a summary at most (OpenTelemetry: db.query.summary).
MOST_SUMMARY: Final = 255

_NAME: Final = r'(?:"(?:[^"]|"")*"|[^\W\d][\w$]*)'
_TOKENS: Final = re.compile(
    rf"""
    (?P<comment> --[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<literal> [eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)
               | (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|\Z)
               | \$(?P<mark>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=mark)\$|\Z) )
  | (?P<parameter> \$\d+ | %\([^)]*\)[sbt] | %[sbt] )
  | (?P<name> {_NAME}(?:\s*\.\s*{_NAME})* )
  | (?P<number> 0[xXoObB][\da-fA-F_]+ | (?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)? )
  | (?P<sign> [(),;] )
    """,
    re.VERBOSE | re.DOTALL,
)
#: Words behind which a table's name stands.
_BEFORE_A_TABLE: Final = frozenset(("FROM", "INTO", "UPDATE", "JOIN", "TABLE", "COPY", "CALL", "TRUNCATE", "VIEW"))
#: Words that may stand between these and the name.
_FILLERS: Final = frozenset(("ONLY", "IF", "NOT", "EXISTS", "LATERAL"))
#: What COPY goes from and to instead.
_STREAMS: Final = frozenset(("STDIN", "STDOUT", "PROGRAM"))
#: Operations that begin in the middle of a statement, but not behind words such as FOR (UPDATE) or ON (DELETE).
_ANYWHERE: Final = frozenset(("SELECT", "INSERT", "DELETE", "UPDATE"))
_TAKE_THE_NEXT: Final = frozenset(("FOR", "ON", "DO", "KEY", "BY", "NO"))
#: Words that begin an operation of their own, at the beginning of a statement or of a part in ().
_OPERATIONS: Final = frozenset(
    (
        *("ALTER", "ANALYZE", "BEGIN", "CALL", "CHECKPOINT", "CLOSE", "CLUSTER", "COMMENT", "COMMIT", "COPY", "CREATE"),
        *("DEALLOCATE", "DECLARE", "DELETE", "DISCARD", "DO", "DROP", "END", "EXECUTE", "EXPLAIN", "FETCH", "GRANT"),
        *("IMPORT", "INSERT", "LISTEN", "LOCK", "MERGE", "MOVE", "NOTIFY", "PREPARE", "REASSIGN", "REFRESH", "REINDEX"),
        *("RELEASE", "RESET", "REVOKE", "ROLLBACK", "SAVEPOINT", "SELECT", "SET", "SHOW", "START", "TABLE", "TRUNCATE"),
        *("UNLISTEN", "UPDATE", "VACUUM", "VALUES", "WITH"),
    )
)


def sanitized(query: str) -> str:
    """The text with a question mark in the place of every string and number. Placeholders and comments' places stay."""

    def mask(found: re.Match[str]) -> str:
        if found.lastgroup == "comment":
            return " "
        return "?" if found.group("literal") is not None or found.group("number") is not None else found.group()

    return _TOKENS.sub(mask, query)


def operation(query: str) -> str | None:
    """The first word, in capitals: SELECT, INSERT, WITH; None where there is none."""
    for found in _TOKENS.finditer(query):
        if found.lastgroup == "name":
            return found.group().upper()
        if found.lastgroup != "comment" and found.group() != "(":
            return None
    return None


def summary(query: str) -> str | None:
    """Operations and tables in their order, such as `INSERT orders SELECT items`; None where there is nothing."""
    words: list[str] = []
    begins, wants_table, before = True, False, ""
    for found in _TOKENS.finditer(query):
        if found.lastgroup == "comment":
            continue
        text = found.group()
        word = text.upper()
        if found.lastgroup != "name":
            begins, wants_table = text in ("(", ";") or (begins and text == ","), wants_table and text == ","
            continue
        if wants_table and word in _STREAMS:
            wants_table = False
        elif wants_table and word not in _FILLERS and word not in _OPERATIONS:
            words.append(re.sub(r"\s*\.\s*", ".", text))
            wants_table = False
        elif word in _OPERATIONS and (begins or (word in _ANYWHERE and before not in _TAKE_THE_NEXT)):
            words.append(word)
            wants_table = word in _BEFORE_A_TABLE
        elif word in _BEFORE_A_TABLE and before not in _TAKE_THE_NEXT:
            wants_table = True
        elif word not in _FILLERS:
            wants_table = False
        begins, before = False, word
    return " ".join(words)[:MOST_SUMMARY] or None
