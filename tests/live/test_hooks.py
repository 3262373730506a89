"""Hooks, on every face: what they are told, when, and that they harm nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import pgfast
from pgfast import errors, hooks
from pgfast.connections import observing

from ..faces import Face, target


class Diary(hooks.Hook):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.calls: list[hooks.Call] = []

    def on_start(self, call: hooks.Call) -> None:
        assert call.seconds is None
        self.said.append(("start", call.kind))

    def on_progress(self, call: hooks.Call) -> None:
        self.said.append(("progress", call.kind))

    def on_prepare(self, call: hooks.Call) -> None:
        self.said.append(("prepare", call.kind))

    def on_error(self, call: hooks.Call) -> None:
        self.said.append(("error", call.kind))

    def on_end(self, call: hooks.Call) -> None:
        assert call.seconds is not None
        self.said.append(("end", call.kind))
        self.calls.append(call)

    @property
    def last(self) -> hooks.Call:
        return self.calls[-1]


@pytest.fixture
def diary() -> Iterator[Diary]:
    """A diary of everything that happens in the process."""
    made = Diary()
    hooks.add(made)
    yield made
    hooks.remove(made)


def around(*kinds: str) -> list[tuple[str, str]]:
    return [(what, kind) for kind in kinds for what in ("start", "end")]


def test_an_execution_is_told_with_its_query_and_the_classes_of_its_parameters(auto: Any, diary: Diary) -> None:
    auto.execute("select %s::int, %s::text", (1, "secret"))
    call = diary.last
    assert diary.said == around("execute")
    assert (call.kind, call.query, call.rows) == ("execute", "select %s::int, %s::text", 1)
    assert call.parameter_types == (int, str)
    assert call.connection is target(auto)
    assert (call.host, call.dbname, call.user) == ("127.0.0.1", "postgres", "postgres")
    assert call.seconds is not None and call.seconds > 0
    assert call.error is None and call.parameters is None
    assert "secret" not in repr(call)
    auto.execute("select %(name)s::text", {"name": "secret"})
    assert diary.last.parameter_types == {"name": str}


def test_values_are_told_only_where_a_hook_asks_for_them(auto: Any, diary: Diary) -> None:
    diary.wants_parameters = True
    auto.execute("select %s::int", (1,))
    assert diary.last.parameters == (1,)


def test_a_failure_is_told(auto: Any, diary: Diary) -> None:
    with pytest.raises(errors.DivisionByZero) as raised:
        auto.execute("select 1/0")
    assert diary.said == [("start", "execute"), ("error", "execute"), ("end", "execute")]
    assert diary.last.error is raised.value


def test_a_statement_that_is_prepared_is_told_once(auto: Any, diary: Diary) -> None:
    auto.execute("select %s::int", (1,), prepare=True)
    auto.execute("select %s::int", (2,), prepare=True)
    assert [what for what, _ in diary.said] == ["start", "prepare", "end", "start", "end"]
    assert [call.prepared for call in diary.calls] == [True, False]


def test_many_executions_are_one_call(auto: Any, diary: Diary) -> None:
    auto.execute("create temp table hooked (a int)")
    cursor = auto.cursor()
    cursor.executemany("insert into hooked values (%s)", [(1,), (2,), (3,)])
    assert (diary.last.kind, diary.last.batch_size, diary.last.rows) == ("executemany", 3, 3)
    assert diary.last.parameter_types == (int,)
    cursor.executemany("insert into hooked values (%s)", ((number,) for number in range(4)))
    assert (diary.last.batch_size, diary.last.rows, diary.last.parameter_types) == (4, 4, (int,))
    assert diary.said == around("execute", "executemany", "executemany")


def test_a_stream_is_a_call_from_its_first_row_to_its_last(auto: Any, diary: Diary) -> None:
    rows = list(auto.cursor().stream("select generate_series(1, 5)", size=2))
    assert len(rows) == 5
    assert diary.said == around("stream")
    assert diary.last.rows == 5


def test_a_stream_that_is_left_ends_its_call(face: Face, auto: Any, diary: Diary) -> None:
    stream = auto.cursor().stream("select generate_series(1, 50)", size=2)
    assert next(iter(stream)) == (1,)
    stream.close()
    assert diary.last.rows == 1
    assert auto.execute("select 1").fetchone() == (1,)


def test_a_copy_is_a_call_with_its_progress(auto: Any, diary: Diary) -> None:
    auto.execute("create temp table hooked (a int)")
    cursor = auto.cursor()
    with cursor.copy("copy hooked from stdin") as copy:
        for number in range(hooks_rows()):
            copy.write_row((number,))
    assert diary.said[2:] == [("start", "copy"), ("progress", "copy"), ("end", "copy")]
    assert (diary.last.rows, diary.last.query) == (hooks_rows(), "copy hooked from stdin")
    with cursor.copy("copy hooked to stdout") as copy:
        size = len(copy.read())
        while data := copy.read():
            size += len(data)
    assert (diary.last.rows, diary.last.size_bytes) == (hooks_rows(), size)
    with pytest.raises(ZeroDivisionError), cursor.copy("copy hooked from stdin") as copy:
        copy.write("1\n")
        raise ZeroDivisionError
    assert isinstance(diary.last.error, ZeroDivisionError)
    with pytest.raises(errors.UndefinedTable), cursor.copy("copy no_such_table from stdin"):
        pass
    assert isinstance(diary.last.error, errors.UndefinedTable)


def hooks_rows() -> int:
    from pgfast.connections.hooks import PROGRESS_ROWS

    return PROGRESS_ROWS + 1


def test_a_load_is_a_call_and_its_progress_is_told_to_both(auto: Any, diary: Diary) -> None:
    auto.execute("create temp table hooked (a int)")
    told: list[int] = []
    auto.load("hooked", [(number,) for number in range(30_000)], progress=lambda rows, size: told.append(rows))
    assert told[-1] == 30_000
    assert ("progress", "load") in diary.said
    assert diary.said[-1] == ("end", "load")
    assert (diary.last.kind, diary.last.rows, diary.last.query) == ("load", 30_000, "COPY hooked FROM STDIN")
    assert diary.last.size_bytes
    assert len(auto.fetch_columns("select a from hooked")) == 30_000
    assert (diary.last.kind, diary.last.rows) == ("fetch_columns", 30_000)


def test_the_ends_of_transactions_are_told_where_there_is_one(conn: Any, diary: Diary) -> None:
    conn.commit()
    assert diary.said == []
    conn.execute("select 1")
    conn.commit()
    conn.execute("select 1")
    conn.rollback()
    with conn.transaction():
        pass
    with pytest.raises(ZeroDivisionError), conn.transaction():
        raise ZeroDivisionError
    assert diary.said == around("execute", "commit", "execute", "rollback", "begin", "commit", "begin", "rollback")


def test_the_calls_of_a_pipeline_are_told_when_they_are_sent(auto: Any, diary: Diary) -> None:
    with auto.pipeline():
        auto.execute("select 1")
        assert diary.last.rows is None
    assert diary.said == around("execute", "sync")


def test_a_server_cursor_is_told(conn: Any, diary: Diary) -> None:
    conn.cursor("hooked").execute("select generate_series(1, 3)")
    assert (diary.last.kind, diary.last.query) == ("execute", "select generate_series(1, 3)")


def test_connecting_is_told_be_it_in_vain(face: Face, dsn: str, diary: Diary) -> None:
    conn = face.connect(dsn, password="secret")
    assert diary.said == around("connect")
    assert diary.last.connection is target(conn)
    assert "secret" not in repr(diary.last)
    with pytest.raises(errors.OperationalError) as raised:
        face.connect("host=127.0.0.1 port=1 dbname=nowhere user=nobody")
    assert diary.last.error is raised.value
    assert (diary.last.host, diary.last.port, diary.last.dbname) == ("127.0.0.1", 1, "nowhere")
    assert diary.last.connection is None


def test_a_hook_of_one_connection_is_told_of_that_one_only(face: Face, dsn: str) -> None:
    one, two = face.connect(dsn), face.connect(dsn)
    diary = Diary()
    one.add_hook(diary)
    one.execute("select 1")
    two.execute("select 2")
    one.remove_hook(diary)
    one.execute("select 3")
    assert [call.query for call in diary.calls] == ["select 1"]
    with pytest.raises(ValueError):
        one.remove_hook(diary)
    with pytest.raises(ValueError):
        hooks.remove(diary)


def test_a_hook_that_raises_is_logged_and_harms_nothing(auto: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Bad(hooks.Hook):
        def on_start(self, call: hooks.Call) -> None:
            raise RuntimeError("a bad hook")

        on_end = on_start

    bad, diary = Bad(), Diary()
    hooks.add(bad)
    hooks.add(diary)
    try:
        with caplog.at_level(logging.ERROR, "pgfast"):
            assert auto.execute("select 1").fetchone() == (1,)
        assert diary.said == around("execute")
    finally:
        hooks.remove(bad)
        hooks.remove(diary)
    assert caplog.text.count("a hook failed") == 2


def test_without_hooks_every_method_is_the_plain_one(auto: Any) -> None:
    before = {(cls, name): vars(cls)[name] for cls, names in observing.OBSERVED.items() for name in names}
    diary = Diary()
    hooks.add(diary)
    auto.add_hook(diary)
    assert all(vars(cls)[name] is not plain for (cls, name), plain in before.items())
    auto.remove_hook(diary)
    hooks.remove(diary)
    assert all(vars(cls)[name] is plain for (cls, name), plain in before.items())


def test_calls_of_threads_are_told_apart(dsn: str, diary: Diary) -> None:
    def work(number: int) -> None:
        with pgfast.connect(dsn, autocommit=True) as conn:
            for _ in range(5):
                conn.execute(f"select {number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    queries = [call.query for call in diary.calls if call.kind == "execute"]
    assert sorted(queries, key=str) == sorted([f"select {n}" for n in range(4)] * 5)


def test_a_line_is_logged_for_each_call_without_secrets(auto: Any, caplog: pytest.LogCaptureFixture) -> None:
    log = hooks.LogHook()
    hooks.add(log)
    try:
        with caplog.at_level(logging.DEBUG, "pgfast"):
            auto.execute("select %s::text", ("secret",))
            with pytest.raises(errors.DivisionByZero):
                auto.execute("select 1/0")
    finally:
        hooks.remove(log)
    lines = [record.getMessage() for record in caplog.records if record.name == "pgfast"]
    assert "execute: select %s::text (" in lines[0] and lines[0].endswith("ms, 1 rows)")
    assert lines[1].endswith("DivisionByZero 22012)")
    assert "secret" not in caplog.text
