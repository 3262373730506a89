"""OpenTelemetry: a span and a duration for each call, by the stable semantic conventions for databases.

`PgfastInstrumentor().instrument()` begins, `uninstrument()` ends it. The extra `opentelemetry` brings the library.
(semconv: Database Client Calls; Semantic Conventions for PostgreSQL)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from . import hooks, querytext
from ._version import __version__

try:
    from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
    from opentelemetry.instrumentation.utils import is_instrumentation_enabled
    from opentelemetry.metrics import get_meter
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_tracer
except ImportError as exc:
    raise ImportError(f"OpenTelemetry needs {exc.name}: pip install 'pgfast[opentelemetry]'") from exc

#: Where the meaning of the attributes is written down.
SCHEMA: Final = "https://opentelemetry.io/schemas/1.33.0"
#: Seconds at which the histogram's buckets end (semconv: db.client.operation.duration).
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


class PgfastInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # Any where the library is not installed
    """Instruments every connection of the process, of both faces, those that are open already among them.

    `instrument` takes `tracer_provider` and `meter_provider` (default: the global ones), `sanitize_query` (literals in
    the text of queries become question marks; placeholders need none of it) and `capture_parameters` (values become
    attributes; they may be secrets).
    """

    _hook: SpanHook | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Nothing beyond pgfast itself."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        tracer = get_tracer(__name__, __version__, kwargs.get("tracer_provider"), schema_url=SCHEMA)
        meter = get_meter(__name__, __version__, kwargs.get("meter_provider"), schema_url=SCHEMA)
        sanitize, parameters = kwargs.get("sanitize_query", False), kwargs.get("capture_parameters", False)
        self._hook = SpanHook(tracer, meter, bool(sanitize), bool(parameters))
        hooks.add(self._hook)

    def _uninstrument(self, **kwargs: Any) -> None:
        hook, self._hook = self._hook, None
        if hook is not None:
            hooks.remove(hook)
