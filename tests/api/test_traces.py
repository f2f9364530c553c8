"""Where the time of a request went, as OpenTelemetry is told: stages, names of ours, and nothing of the patient."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from typer.testing import CliRunner

from cds.cli.main import app
from cds.journal.journal import journal_from
from cds.settings import Settings
from cds.telemetry import traces
from tests.server import ROOT, serving

SERVICE = "/cds-services/ketamine-evaluation"
REQUEST = json.loads((ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_text())
STAGES = {"read", "record", "facts", "reasoning", "cards", "journal"}
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    traces.trace_with(SimpleSpanProcessor(exporter))
    yield exporter
    traces.stop_tracing()


def of_request(spans: InMemorySpanExporter, client: httpx.Client, **headers: str) -> dict[str, ReadableSpan]:
    spans.clear()
    assert client.post(SERVICE, json=REQUEST, headers=headers).status_code == 200
    return {span.name: span for span in spans.get_finished_spans()}


@pytest.mark.seconds
def test_each_stage_of_a_request_is_a_span_within_it(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    kept = journal_from(Settings(journal=str(tmp_path / "journal.sqlite3")))
    with serving(journal=kept) as client:
        told = of_request(spans, client)

    assert told.keys() == STAGES | {"hook"}
    request = told["hook"]
    for name in STAGES:
        assert told[name].parent is not None
        assert told[name].parent.span_id == request.context.span_id  # type: ignore[union-attr]
        assert request.start_time <= told[name].start_time <= told[name].end_time <= request.end_time  # type: ignore[operator]
    assert request.attributes is not None
    assert request.attributes["thirdline.status"] == 200
    assert request.attributes["thirdline.service"] == "ketamine-evaluation"
    assert request.attributes["thirdline.cards"] == 1
    assert request.attributes["thirdline.decision"]


@pytest.mark.seconds
def test_a_trace_of_the_caller_goes_on(spans: InMemorySpanExporter) -> None:
    with serving() as client:
        told = of_request(spans, client, traceparent=f"00-{TRACE}-b7ad6b7169203331-01")

    assert {f"{span.context.trace_id:032x}" for span in told.values()} == {TRACE}


@pytest.mark.seconds
def test_nothing_of_the_patient_is_in_a_span(spans: InMemorySpanExporter) -> None:
    with serving() as client:
        of_request(spans, client)
        client.post(SERVICE, json=REQUEST | {"prefetch": {"patient": {"resourceType": "Patient", "id": 7}}})
        client.post("/cds-services/nobody-knows", json=REQUEST)
        told = " ".join(span.to_json() for span in spans.get_finished_spans())

    patient = REQUEST["prefetch"]["patient"]
    assert REQUEST["context"]["patientId"] not in told
    assert patient["birthDate"] not in told
    assert "nobody-knows" not in told
    assert '"hook"' in told


@pytest.mark.seconds
def test_what_fails_is_told_by_its_kind_alone(spans: InMemorySpanExporter) -> None:
    with serving() as client:
        assert client.post(SERVICE, content=b'{"hook": "my secret"}').status_code == 400

    read = {span.name: span for span in spans.get_finished_spans()}["read"]
    assert read.attributes is not None
    assert read.attributes["error.type"]
    assert not read.events
    assert "secret" not in read.to_json()


@pytest.mark.seconds
def test_off_by_default(spans: InMemorySpanExporter) -> None:
    traces.stop_tracing()
    with serving() as client:
        assert not of_request(spans, client)


def test_without_the_extra_the_setting_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cds.telemetry.traces.find_spec", lambda _: None)
    monkeypatch.setenv("CDS_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")
    ended = CliRunner().invoke(app, ["serve"], env={"COLUMNS": "200"})

    assert ended.exit_code == 2
    assert "thirdline[otel]" in ended.output
