"""Traces: what a request or a piece of work consists of, sent to an OpenTelemetry collector (OTLP over HTTP). Off unless told where to.

Spans carry names of operations, ids, UIDs and counts: never a value of a dataset, a query or an error's text.
"""

from __future__ import annotations

import importlib
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

Values = dict[str, str | int | float | bool]
PARTS = ("trace", "trace.export", "trace.sampling", "resources")
# Of the request, for what it causes (W3C Trace Context).
CARRIED = ("traceparent", "tracestate")
_OFF: AbstractContextManager[Values] = nullcontext({})
_NS = 1_000_000_000


class _Tracing:
    """The tracer of this process, while there is one. The library is loaded when it is switched on, and costs nothing else."""

    def __init__(self) -> None:
        self.tracer: Any = None
        self.provider: Any = None
        self.api: Any = None
        self.carrier: Any = None

    def start(self, otlp_url: str, ratio: float, does: str) -> None:
        self.api = importlib.import_module("opentelemetry.trace")
        sdk, export, sampling, resources = (importlib.import_module(f"opentelemetry.sdk.{part}") for part in PARTS)
        exporter = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter").OTLPSpanExporter(endpoint=otlp_url)
        named = {"service.name": "archipel", "archipel.does": does, "host.name": socket.gethostname()}
        self.provider = sdk.TracerProvider(resource=resources.Resource(named), sampler=sampling.ParentBasedTraceIdRatio(ratio))
        self.provider.add_span_processor(export.BatchSpanProcessor(exporter))
        self.carrier = importlib.import_module("opentelemetry.trace.propagation.tracecontext").TraceContextTextMapPropagator()
        self.tracer = self.provider.get_tracer("archipel")

    def stop(self) -> None:
        provider, self.tracer, self.provider = self.provider, None, None
        if provider is not None:
            provider.shutdown()


_tracing = _Tracing()


def start(otlp_url: str, *, ratio: float = 1.0, does: str = "") -> None:
    """Send spans to a collector, for a share of the traces that begin here; nothing when the address is empty."""
    if otlp_url and _tracing.tracer is None:
        _tracing.start(otlp_url, ratio, does)


def stop() -> None:
    """Send what is left and end."""
    _tracing.stop()


def span(name: str, values: Values | None = None, *, headers: Mapping[str, str] | None = None) -> AbstractContextManager[Values]:
    """A piece of work within the one that is under way. What is put into the dictionary that it gives is told at the end.

    ``headers`` of a request make it part of its sender's trace.
    """
    return _OFF if _tracing.tracer is None else _span(name, headers, values or {})


def done(name: str, seconds: float, values: Values) -> None:
    """A piece of work that has just ended and took this long."""
    if _tracing.tracer is not None:
        now = time.time_ns()
        _tracing.tracer.start_span(name, start_time=now - int(seconds * _NS), attributes=values).end(now)


def is_on() -> bool:
    """Whether spans are sent."""
    return _tracing.tracer is not None


def carried() -> dict[str, str]:
    """The headers that make what we ask of others part of the trace that is under way; none while there is none."""
    found: dict[str, str] = {}
    if _tracing.tracer is not None:
        _tracing.carrier.inject(found)
    return found


@contextmanager
def _span(name: str, headers: Mapping[str, str] | None, values: Values) -> Iterator[Values]:
    parent = _tracing.carrier.extract(headers) if headers else None
    kind = _tracing.api.SpanKind.INTERNAL if headers is None else _tracing.api.SpanKind.SERVER
    more: Values = {}
    with _tracing.tracer.start_as_current_span(
        name, context=parent, kind=kind, attributes=values, record_exception=False, set_status_on_exception=False
    ) as one:
        try:
            yield more
        except BaseException as error:  # told by its type: a text may hold what must not leave
            one.set_status(_tracing.api.StatusCode.ERROR, type(error).__name__)
            raise
        finally:
            one.set_attributes(more)
