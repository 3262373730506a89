"""OpenTelemetry: a span and a duration for each call, by the stable semantic conventions for databases; and the metrics
of pools, by those under development.

`PgfastInstrumentor().instrument()` begins, `uninstrument()` ends it. The extra `opentelemetry` brings the library.
(semconv: Database Client Calls; Database Client Metrics; Semantic Conventions for PostgreSQL)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from . import hooks, querytext
from ._version import __version__
from .pool import hooks as pool_hooks
from .pool.base import BasePool

try:
    from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
    from opentelemetry.instrumentation.utils import is_instrumentation_enabled
    from opentelemetry.metrics import Observation, get_meter
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_tracer
except ImportError as exc:
    raise ImportError(f"OpenTelemetry needs {exc.name}: pip install 'pgfast[opentelemetry]'") from exc

#: Where the meaning of the attributes is written down.
SCHEMA: Final = "https://opentelemetry.io/schemas/1.33.0"
#: Seconds at which the histograms' buckets end (semconv: db.client.operation.duration).
BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
#: The operations of calls that have no query.
_OPERATIONS: Final = {
    "connect": "CONNECT",
    "begin": "BEGIN",
    "commit": "COMMIT",
    "rollback": "ROLLBACK",
    "sync": "SYNC",
    "tpc_prepare": "PREPARE TRANSACTION",
    "tpc_commit": "COMMIT PREPARED",
    "tpc_rollback": "ROLLBACK PREPARED",
}
#: Attributes of the span that the metric has, too: those with few values.
_OF_METRIC: Final = (
    *("db.system.name", "db.namespace", "db.operation.name", "db.query.summary", "db.response.status_code"),
    *("error.type", "server.address", "server.port", "network.peer.address", "network.peer.port"),
)


class SpanHook(hooks.Hook):
    """Begins a span with each call, ends it with the call, and counts the time.

    The span's parent is the current one of the thread or task that makes the call.
    """

    def __init__(self, tracer: Any, meter: Any, sanitize: bool, parameters: bool) -> None:
        self._tracer = tracer
        self._sanitize = sanitize
        self.wants_parameters = parameters
        self._durations = meter.create_histogram(
            "db.client.operation.duration",
            unit="s",
            description="Duration of database client operations.",
            explicit_bucket_boundaries_advisory=BUCKETS_S,
        )

    def on_start(self, call: hooks.Call) -> None:
        """Begin the span."""
        if not is_instrumentation_enabled():
            return
        attributes = self._attributes(call)
        name = attributes.get("db.query.summary") or f"{attributes.get('db.operation.name', call.kind)} {call.dbname}"
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)
        call.notes[self] = span, attributes

    def _attributes(self, call: hooks.Call) -> dict[str, Any]:
        found: dict[str, Any] = {
            "db.system.name": "postgresql",
            "db.namespace": call.dbname,
            "server.address": call.host,
            "server.port": call.port,
        }
        operation = _OPERATIONS.get(call.kind)
        if call.query is not None:
            found["db.query.text"] = querytext.sanitized(call.query) if self._sanitize else call.query
            operation = querytext.operation(call.query)
            summary = querytext.summary(call.query)
            if summary:
                found["db.query.summary"] = summary
        if operation:
            found["db.operation.name"] = f"BATCH {operation}" if call.kind == "executemany" else operation
        if self.wants_parameters and call.kind != "executemany":
            found.update(_values(call.parameters))
        _add_peer(found, call)
        return found

    def on_end(self, call: hooks.Call) -> None:
        """End the span."""
        span: Span
        span, attributes = call.notes.pop(self, (None, {}))
        if span is None:
            return
        late: dict[str, Any] = {}
        if call.kind == "connect":
            late.update({"server.address": call.host, "server.port": call.port, "db.namespace": call.dbname})
            _add_peer(late, call)
        if call.batch_size is not None and call.batch_size != 1:
            late["db.operation.batch.size"] = call.batch_size
        if call.error is not None:
            sqlstate = getattr(call.error, "sqlstate", None)
            late["error.type"] = sqlstate or type(call.error).__qualname__
            if sqlstate:
                late["db.response.status_code"] = sqlstate
            span.set_status(Status(StatusCode.ERROR, f"{type(call.error).__name__}: {call.error}"))
        span.set_attributes(late)
        span.end()
        attributes = {**attributes, **late}
        told = {name: attributes[name] for name in _OF_METRIC if name in attributes}
        self._durations.record(call.seconds or 0.0, told)


def _values(parameters: Any) -> dict[str, str]:
    """The values, as text, by name or number."""
    if isinstance(parameters, Mapping):
        return {f"db.query.parameter.{name}": str(value) for name, value in parameters.items()}
    return {f"db.query.parameter.{at}": str(value) for at, value in enumerate(parameters or ())}


def _add_peer(found: dict[str, Any], call: hooks.Call) -> None:
    """Where the socket leads: an address and port, or the path of a Unix socket."""
    peer = None if call.connection is None else call.connection._base_link.address.sockaddr
    if isinstance(peer, tuple):
        found["network.peer.address"], found["network.peer.port"] = peer[0], peer[1]
    elif isinstance(peer, str):
        found["network.peer.address"] = peer


# ---------------------------------------------------------------- pools

_POOL: Final = "db.client.connection.pool.name"
#: What is asked of each open pool when a reader collects: the metric's name, unit, description, values by state.
_GAUGES: Final[tuple[tuple[str, str, str, Callable[[BasePool], dict[str, int]]], ...]] = (
    (
        "db.client.connection.count",
        "{connection}",
        "The number of connections that are currently in state described by the state attribute.",
        lambda pool: pool._open_connections(),
    ),
    (
        "db.client.connection.idle.max",
        "{connection}",
        "The maximum number of idle open connections allowed.",
        lambda pool: {"": pool.max_size if pool._keeps else 0},
    ),
    (
        "db.client.connection.idle.min",
        "{connection}",
        "The minimum number of idle open connections allowed.",
        lambda pool: {"": pool.min_size},
    ),
    (
        "db.client.connection.max",
        "{connection}",
        "The maximum number of open connections allowed.",
        lambda pool: {"": pool.max_size} if pool.max_size else {},  # 0: no limit
    ),
    (
        "db.client.connection.pending_requests",
        "{request}",
        "The number of current pending requests for an open connection.",
        lambda pool: {"": pool.get_stats()["requests_waiting"]},
    ),
)


def observe_pools(meter: Any, wanted: Callable[[], bool]) -> None:
    """Have the meter ask every open pool of the process for its numbers, while they are wanted.

    A meter cannot be told to forget what it asks.
    """

    def asking(values: Callable[[BasePool], dict[str, int]]) -> Callable[[Any], Iterable[Any]]:
        def ask(_: Any) -> Iterable[Any]:
            for pool in pool_hooks.pools() if wanted() else ():
                for state, value in values(pool).items():
                    yield Observation(value, _of_pool(pool) | ({"db.client.connection.state": state} if state else {}))

        return ask

    for name, unit, description, values in _GAUGES:
        meter.create_observable_up_down_counter(name, [asking(values)], unit=unit, description=description)


class PoolMetrics(pool_hooks.PoolHook):
    """Counts what clients of pools wait for, and how long."""

    def __init__(self, meter: Any) -> None:
        self._timeouts = meter.create_counter(
            "db.client.connection.timeouts",
            unit="{timeout}",
            description="The number of connection timeouts that have occurred trying to obtain a connection from the "
            "pool.",
        )
        self._created = self._histogram(meter, "create_time", "The time it took to create a new connection.")
        self._waited = self._histogram(
            meter, "wait_time", "The time it took to obtain an open connection from the pool."
        )
        self._used = self._histogram(
            meter, "use_time", "The time between borrowing a connection and returning it to the pool."
        )

    @staticmethod
    def _histogram(meter: Any, name: str, description: str) -> Any:
        return meter.create_histogram(
            f"db.client.connection.{name}",
            unit="s",
            description=description,
            explicit_bucket_boundaries_advisory=BUCKETS_S,
        )

    def on_connect(self, pool: BasePool, seconds: float) -> None:
        """Count a connection that has been made."""
        self._created.record(seconds, _of_pool(pool))

    def on_get(self, pool: BasePool, seconds: float) -> None:
        """Count a client that has got a connection."""
        self._waited.record(seconds, _of_pool(pool))

    def on_timeout(self, pool: BasePool, seconds: float) -> None:
        """Count a client that has got none."""
        self._timeouts.add(1, _of_pool(pool))

    def on_put(self, pool: BasePool, seconds: float) -> None:
        """Count a connection that comes back."""
        self._used.record(seconds, _of_pool(pool))


def _of_pool(pool: BasePool) -> dict[str, str]:
    return {_POOL: pool.name}


# ---------------------------------------------------------------- the instrumentor


class PgfastInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # Any where the library is not installed
    """Instruments every connection and pool of the process, of both faces, those that are open already among them.

    `instrument` takes `tracer_provider` and `meter_provider` (default: the global ones), `sanitize_query` (literals in
    the text of queries become question marks; placeholders need none of it) and `capture_parameters` (values become
    attributes; they may be secrets).
    """

    _hook: SpanHook | None = None
    _pool_hook: PoolMetrics | None = None
    _provider: Any = None  # of the meter, None: the global one

    def instrumentation_dependencies(self) -> Collection[str]:
        """Nothing beyond pgfast itself."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        tracer = get_tracer(__name__, __version__, kwargs.get("tracer_provider"), schema_url=SCHEMA)
        meter = get_meter(__name__, __version__, kwargs.get("meter_provider"), schema_url=SCHEMA)
        sanitize, parameters = kwargs.get("sanitize_query", False), kwargs.get("capture_parameters", False)
        self._hook = SpanHook(tracer, meter, bool(sanitize), bool(parameters))
        hooks.add(self._hook)
        provider = self._provider = kwargs.get("meter_provider")
        self._pool_hook = PoolMetrics(meter)
        observe_pools(meter, lambda: self._pool_hook is not None and self._provider is provider)
        pool_hooks.add(self._pool_hook)

    def _uninstrument(self, **kwargs: Any) -> None:
        hook, self._hook = self._hook, None
        if hook is not None:
            hooks.remove(hook)
        of_pools, self._pool_hook = self._pool_hook, None
        if of_pools is not None:
            pool_hooks.remove(of_pools)
