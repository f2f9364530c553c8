"""Traces for OpenTelemetry: which stage of a request took how long, with nothing of a patient in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from threading import Thread
from typing import TYPE_CHECKING, Any

from cds import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Span, Tracer

    from cds.settings import Settings

FLUSH_SECONDS = 2.0
EXPORTER = "opentelemetry.exporter.otlp.proto.http"
EXTRA = "CDS_TRACES_ENDPOINT needs more: pip install 'thirdline[otel]'"


class Tracing:
    """What this process traces with; off until `trace_with`."""

    tracer: Tracer | None = None
    provider: TracerProvider | None = None


def refuse_traces(settings: Settings) -> None:
    """
    Refuse settings by which nothing can be traced.

    Raises:
        ValueError: The packages of the extra `otel` are not installed.
    """
    if not settings.traces_endpoint:
        return
    try:
        found = find_spec(EXPORTER)
    except ModuleNotFoundError:  # a package above it
        found = None
    if found is None:
        raise ValueError(EXTRA)


def trace_by(settings: Settings) -> None:
    """
    Send traces to the collector that the settings name, by OTLP over HTTP, from a thread of its own.

    Without a name nothing is traced. Nothing waits for the collector, and one that is not there costs a line in the
    log. The sampler and the rest are those of OpenTelemetry's own variables (`OTEL_TRACES_SAMPLER`).

    Raises:
        ValueError: As `refuse_traces`.
    """
    refuse_traces(settings)
    if not settings.traces_endpoint:
        return
    # An extra: only who traces has it, and loads it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    trace_with(BatchSpanProcessor(OTLPSpanExporter(settings.traces_endpoint)))


def trace_with(processor: SpanProcessor) -> None:
    """Hand each finished span to a processor."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    ours = Resource({"service.name": "thirdline", "service.version": __version__})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
    provider.add_span_processor(processor)
    Tracing.provider, Tracing.tracer = provider, provider.get_tracer("thirdline", __version__)


def send_what_waits() -> None:
    """Send the spans that wait, at the end of a service: a worker that is a copy ends without Python's own end."""
    if Tracing.provider is not None:  # it may wait for the collector much longer than it is told to
        sending = Thread(target=Tracing.provider.force_flush, daemon=True)
        sending.start()
        sending.join(FLUSH_SECONDS)


def stop_tracing() -> None:
    """Trace no more."""
    Tracing.tracer = Tracing.provider = None


def stage(name: str) -> AbstractContextManager[Any]:
    """A span of a stage, within that of its request; does nothing where nothing is traced."""
    return nullcontext() if Tracing.tracer is None else _told(Tracing.tracer, name)


@contextmanager
def request(endpoint: str, headers: list[tuple[bytes, bytes]]) -> Iterator[Span | None]:
    """
    The span of a request, which goes on with the trace of its caller (`traceparent`).

    Args:
        endpoint: As `cds.api.request_log.endpoint_of` has it; no address of a caller is told.
        headers: As ASGI has them.
    """
    if Tracing.tracer is None:
        yield None
        return
    from opentelemetry.trace import SpanKind  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    sent = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name == b"traceparent"}
    with Tracing.tracer.start_as_current_span(
        endpoint,
        context=TraceContextTextMapPropagator().extract(sent),
        kind=SpanKind.SERVER,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


def describe(attributes: Mapping[str, str | int | float]) -> None:
    """Put names and counts onto the span under way."""
    if Tracing.tracer is None:
        return
    from opentelemetry.trace import get_current_span  # noqa: PLC0415

    get_current_span().set_attributes({f"thirdline.{name}": value for name, value in attributes.items()})


def trace_id_of(span: Span | None) -> dict[str, str]:
    """The id of a trace as log lines have it; {} without one."""
    return {} if span is None else {"trace_id": f"{span.get_span_context().trace_id:032x}"}


@contextmanager
def _told(tracer: Tracer, name: str) -> Iterator[None]:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415

    with tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as span:
        try:
            yield
        except BaseException as wrong:
            span.set_status(StatusCode.ERROR)
            span.set_attribute("error.type", type(wrong).__name__)  # its message may quote what was sent
            raise
