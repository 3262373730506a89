"""OpenTelemetry: spans and durations of what real connections do, as the semantic conventions want them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import pgfast
from pgfast import errors
from pgfast.embedded import EmbeddedServer
from pgfast.opentelemetry import BUCKETS_S, PgfastInstrumentor
from pgfast.pool import ConnectionPool, NullConnectionPool, PoolTimeout

from ..faces import Face


class Watch:
    """An instrumented process, and what came of it."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.tracers.get_tracer("test")

    def begin(self, **options: Any) -> None:
        providers = {"tracer_provider": self.tracers, "meter_provider": MeterProvider([self.reader])}
        PgfastInstrumentor().instrument(**providers, **options)

    @property
    def spans(self) -> list[Any]:
        return list(self.exporter.get_finished_spans())

    @property
    def last(self) -> Any:
        return self.spans[-1]

    def metrics(self) -> dict[tuple[str, str], list[Any]]:
        """The data points there are now, by the metrics' names and units."""
        data = self.reader.get_metrics_data()
        metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics] if data else []
        return {(metric.name, metric.unit): list(metric.data.data_points) for metric in metrics}

    def durations(self) -> list[Any]:
        (points,) = self.metrics().values()
        assert list(self.metrics()) == [("db.client.operation.duration", "s")]
        return points

    def of_pool(self, name: str) -> dict[str, Any]:
        """The value of each metric of a pool, of histograms how many were counted; by state where there is one."""
        found: dict[str, Any] = {}
        for (metric, _), points in self.metrics().items():
            for point in points:
                attributes = dict(point.attributes)
                if attributes.pop("db.client.connection.pool.name", None) == name:
                    state = attributes.pop("db.client.connection.state", None)
                    assert not attributes
                    value = point.value if hasattr(point, "value") else point.count
                    found[".".join([metric.removeprefix("db.client.connection."), *([state] if state else [])])] = value
        return found


@pytest.fixture
def watch() -> Iterator[Watch]:
    made = Watch()
    yield made
    PgfastInstrumentor().uninstrument()


@pytest.fixture
def watched(watch: Watch) -> Watch:
    watch.begin()
    return watch


def test_an_execution_is_one_span_with_the_conventions_attributes(
    auto: Any, watched: Watch, server: EmbeddedServer
) -> None:
    auto.execute("select relname from pg_class where relname = %s", ("secret",)).fetchall()
    assert len(watched.spans) == 1
    span = watched.last
    assert span.name == "SELECT pg_class"
    assert span.kind is trace.SpanKind.CLIENT
    assert dict(span.attributes) == {
        "db.system.name": "postgresql",
        "db.namespace": "postgres",
        "db.query.text": "select relname from pg_class where relname = %s",
        "db.query.summary": "SELECT pg_class",
        "db.operation.name": "SELECT",
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "network.peer.address": "127.0.0.1",
        "network.peer.port": server.port,
    }
    assert span.status.status_code is trace.StatusCode.UNSET
    assert span.instrumentation_scope.name == "pgfast.opentelemetry"
    assert span.instrumentation_scope.version == pgfast.__version__


def test_an_error_is_told_by_its_sqlstate(auto: Any, watched: Watch) -> None:
    with pytest.raises(errors.DivisionByZero):
        auto.execute("select 1/0")
    span = watched.last
    assert span.attributes["error.type"] == span.attributes["db.response.status_code"] == "22012"
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.status.description == "DivisionByZero: division by zero"


def test_a_connection_is_a_span_and_so_is_one_in_vain(face: Face, dsn: str, watched: Watch) -> None:
    face.connect(dsn)
    assert watched.last.name == "CONNECT postgres"
    assert watched.last.attributes["network.peer.address"] == "127.0.0.1"
    with pytest.raises(errors.OperationalError):
        face.connect("host=127.0.0.1 port=1 dbname=nowhere user=nobody")
    span = watched.last
    assert (span.name, span.attributes["error.type"]) == ("CONNECT nowhere", "OperationalError")
    assert span.attributes["server.port"] == 1
    assert "db.response.status_code" not in span.attributes


def test_a_batch_has_its_size(auto: Any, watched: Watch) -> None:
    auto.execute("create temp table traced (a int)")
    auto.cursor().executemany("insert into traced values (%s)", [(1,), (2,), (3,)])
    span = watched.last
    assert span.attributes["db.operation.batch.size"] == 3
    assert span.attributes["db.operation.name"] == "BATCH INSERT"
    auto.cursor().executemany("insert into traced values (%s)", [(1,)])
    assert "db.operation.batch.size" not in watched.last.attributes


def test_every_kind_of_call_is_one_span(conn: Any, watched: Watch) -> None:
    conn.execute("create temp table traced (a int)")
    with conn.cursor().copy("copy traced from stdin") as copy:
        copy.write("1\n2\n")
    conn.load("traced", [(3,), (4,)])
    conn.fetch_columns("select a from traced")
    list(conn.cursor().stream("select a from traced"))
    conn.commit()
    with conn.transaction():
        pass
    names = [span.name for span in watched.spans]
    assert names == [
        "CREATE traced",
        "COPY traced",
        "COPY traced",
        "SELECT traced",
        "SELECT traced",
        "COMMIT postgres",
        "BEGIN postgres",
        "COMMIT postgres",
    ]


def test_literals_are_hidden_and_values_shown_on_request_only(auto: Any, watch: Watch) -> None:
    watch.begin(sanitize_query=True, capture_parameters=True)
    auto.execute("select 'secret', %s::int, %s::text", (7, "shown"))
    attributes = watch.last.attributes
    assert attributes["db.query.text"] == "select ?, %s::int, %s::text"
    assert (attributes["db.query.parameter.0"], attributes["db.query.parameter.1"]) == ("7", "shown")
    auto.execute("select %(name)s::text", {"name": "shown"})
    assert watch.last.attributes["db.query.parameter.name"] == "shown"


def test_spans_have_the_current_one_of_their_thread_or_task_as_parent(dsn: str, watched: Watch) -> None:
    tracer: Any = watched.tracer

    def in_thread(number: int) -> None:
        with pgfast.connect(dsn, autocommit=True) as conn, tracer.start_as_current_span(f"thread {number}"):
            conn.execute(f"select {number}")

    threads = [threading.Thread(target=in_thread, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    async def in_task(number: int) -> None:
        async with await pgfast.AsyncConnection.connect(dsn, autocommit=True) as conn:
            with tracer.start_as_current_span(f"task {number}"):
                await conn.execute(f"select {number}")

    async def main() -> None:
        await asyncio.gather(*(in_task(number) for number in range(3, 6)))

    asyncio.run(main())
    spans = {span.context.span_id: span for span in watched.spans}
    parents = {
        span.attributes["db.query.text"]: spans[span.parent.span_id].name
        for span in spans.values()
        if "db.query.text" in (span.attributes or {})
    }
    assert parents == {
        **{f"select {number}": f"thread {number}" for number in range(3)},
        **{f"select {number}": f"task {number}" for number in range(3, 6)},
    }


def test_the_duration_of_every_call_is_counted(auto: Any, watched: Watch) -> None:
    for _ in range(3):
        auto.execute("select 1")
    with pytest.raises(errors.DivisionByZero):
        auto.execute("select 1/0")
    points = {point.attributes.get("error.type"): point for point in watched.durations()}
    assert (points[None].count, points["22012"].count) == (3, 1)
    assert points[None].sum > 0
    assert tuple(points[None].explicit_bounds) == BUCKETS_S
    assert points[None].attributes["db.operation.name"] == "SELECT"
    assert "db.query.text" not in points[None].attributes


def test_a_pool_tells_its_sizes_and_what_its_clients_wait_for(face: Face, dsn: str, watched: Watch) -> None:
    pool = face.pool(dsn, min_size=2, max_size=3, name="measured")
    pool.wait()
    with pool.connection():
        assert watched.of_pool("measured") == {
            "count.idle": 1,
            "count.used": 1,
            "idle.max": 3,
            "idle.min": 2,
            "max": 3,
            "pending_requests": 0,
            "create_time": 2,
            "wait_time": 1,
        }
    lent = [pool.getconn() for _ in range(3)]
    with pytest.raises(PoolTimeout):
        pool.getconn(timeout=0.01)
    for one in lent:
        pool.putconn(one)
    told = watched.of_pool("measured")
    assert (told["count.idle"], told["count.used"]) == (3, 0)
    assert (told["create_time"], told["wait_time"], told["use_time"], told["timeouts"]) == (3, 4, 4, 1)
    units = {name.rpartition(".")[2]: unit for name, unit in watched.metrics()}
    assert units["create_time"] == units["wait_time"] == units["use_time"] == "s"
    assert (units["count"], units["pending_requests"], units["timeouts"]) == ("{connection}", "{request}", "{timeout}")
    pool.close()
    assert "count.idle" not in watched.of_pool("measured")


def test_times_of_a_pool_are_seconds(face: Face, dsn: str, watched: Watch) -> None:
    pool = face.pool(dsn, min_size=1, name="timed")
    with pool.connection() as conn:
        conn.execute("select pg_sleep(0.05)")
    points = {name: points[0] for (name, _), points in watched.metrics().items()}
    used = points["db.client.connection.use_time"]
    assert 0.05 <= used.sum < 5
    assert tuple(used.explicit_bounds) == BUCKETS_S
    assert 0 < points["db.client.connection.create_time"].sum < 5


def test_a_pool_tells_who_waits(dsn: str, watched: Watch) -> None:
    with ConnectionPool(dsn, min_size=1, name="waited for") as pool:
        conn = pool.getconn()
        thread = threading.Thread(target=lambda: pool.putconn(pool.getconn(timeout=60)))
        thread.start()
        while watched.of_pool("waited for")["pending_requests"] != 1:
            assert thread.is_alive()
        pool.putconn(conn)
        thread.join(60)
        assert watched.of_pool("waited for")["pending_requests"] == 0


def test_a_pool_that_keeps_nothing_has_no_idle_connections(dsn: str, watched: Watch) -> None:
    with NullConnectionPool(dsn, name="null") as pool, pool.connection():
        told = watched.of_pool("null")
    assert (told["count.idle"], told["count.used"], told["idle.max"]) == (0, 1, 0)
    assert "max" not in told  # there is no limit


def test_pools_are_told_of_once_however_often_it_begins(dsn: str, watch: Watch) -> None:
    provider = MeterProvider([watch.reader])
    instrumentor = PgfastInstrumentor()
    with ConnectionPool(dsn, min_size=1, name="again") as pool:
        pool.wait()
        for _ in range(2):
            instrumentor.instrument(meter_provider=provider)
            with pool.connection():
                assert watch.of_pool("again")["count.used"] == 1
            instrumentor.uninstrument()
        with pool.connection():
            told = watch.of_pool("again")
    assert told == {"wait_time": 2, "use_time": 2}


def test_nothing_is_told_where_it_is_suppressed_or_over(auto: Any, watched: Watch) -> None:
    with suppress_instrumentation():
        auto.execute("select 1")
    assert watched.spans == []
    PgfastInstrumentor().uninstrument()
    auto.execute("select 1")
    assert watched.spans == []


def test_a_missing_library_is_one_line() -> None:
    code = "import sys; sys.modules['opentelemetry.instrumentation.instrumentor'] = None\nimport pgfast.opentelemetry"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith("pip install 'pgfast[opentelemetry]'")


def test_it_is_found_by_automatic_instrumentation() -> None:
    from pathlib import Path

    text = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert 'pgfast = "pgfast.opentelemetry:PgfastInstrumentor"' in text
