"""The operations: generators over a Session that a driver carries out (`net.sync.Link.run`, `net.aio.Link.run`).

`yield from` them inside other operations. A Session must be at rest when one begins, and is at rest when it ends,
however it ends; the exceptions are the step-by-step COPY (`copy_begin` to `copy_end`), and a driver that was
interrupted, which then runs `recover`.
"""

from __future__ import annotations

from .binding import Consumer, Rows, fetch
from .composing import AnyQuery, Composition, template_text
from .copying import (
    CopyConsumer,
    copy_abort,
    copy_begin,
    copy_end,
    copy_in,
    copy_next,
    copy_out,
    copy_send,
    copy_send_data,
    start_copy,
)
from .cursors import NamedCursor, check_name, close_cursor, declare_cursor, describe_cursor, fetch_rows, move_cursor
from .extended import execute
from .functions import call_function
from .listening import await_notification
from .literals import identifier, typed_literal
from .login import Credentials
from .many import executemany
from .meanwhile import meanwhile
from .pipelining import Pending, Pipeline, add_asking, add_now, await_answer, send_more, sync
from .portals import Portal, close_portal, next_rows, open_portal
from .procedures import procedure_call
from .queries import (
    Params,
    execute_each_merged,
    execute_many,
    execute_merged,
    execute_query,
    merge_query,
    read_query,
    with_literals,
)
from .replication import (
    StreamEnd,
    end_replication,
    next_backup_event,
    next_copied,
    start_backup,
    start_replication,
    tell,
)
from .simple import Answers, Outcome, Result, command
from .startup import Encryption, Opening, connect, request_cancel, seal, terminate
from .steps import Ask, Block, Call, Consult, Hangup, Layer, Operation, Pull, Read, Step, Upgrade, Wrap, Write, settle
from .target import why_not
from .transactions import begin, commit, ensure_begin, recover, release, rollback, rollback_to, savepoint
from .twophase import commit_prepared, prepare_transaction, prepared_transactions, rollback_prepared
from .types import find_types, load_types, query, resolve

__all__ = [
    "Answers",
    "AnyQuery",
    "Ask",
    "Block",
    "Call",
    "Composition",
    "Consult",
    "Consumer",
    "CopyConsumer",
    "Credentials",
    "Encryption",
    "Hangup",
    "Layer",
    "NamedCursor",
    "Opening",
    "Operation",
    "Outcome",
    "Params",
    "Pending",
    "Pipeline",
    "Portal",
    "Pull",
    "Read",
    "Result",
    "Rows",
    "Step",
    "StreamEnd",
    "Upgrade",
    "Wrap",
    "Write",
    "add_asking",
    "add_now",
    "await_answer",
    "await_notification",
    "begin",
    "call_function",
    "check_name",
    "close_cursor",
    "close_portal",
    "command",
    "commit",
    "commit_prepared",
    "connect",
    "copy_abort",
    "copy_begin",
    "copy_end",
    "copy_in",
    "copy_next",
    "copy_out",
    "copy_send",
    "copy_send_data",
    "declare_cursor",
    "describe_cursor",
    "end_replication",
    "ensure_begin",
    "execute",
    "execute_each_merged",
    "execute_many",
    "execute_merged",
    "execute_query",
    "executemany",
    "fetch",
    "fetch_rows",
    "find_types",
    "identifier",
    "load_types",
    "meanwhile",
    "merge_query",
    "move_cursor",
    "next_backup_event",
    "next_copied",
    "next_rows",
    "open_portal",
    "prepare_transaction",
    "prepared_transactions",
    "procedure_call",
    "query",
    "read_query",
    "recover",
    "release",
    "request_cancel",
    "resolve",
    "rollback",
    "rollback_prepared",
    "rollback_to",
    "savepoint",
    "seal",
    "send_more",
    "settle",
    "start_backup",
    "start_copy",
    "start_replication",
    "sync",
    "tell",
    "template_text",
    "terminate",
    "typed_literal",
    "why_not",
    "with_literals",
]
