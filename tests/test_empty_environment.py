"""The wheel in an empty environment: served, called, scraped by Prometheus, traced by a collector, and logged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from tests.api.test_process import port_in, wait_for
from tests.server import ROOT
from tests.watcher import if_we_die

pytestmark = [pytest.mark.slow, pytest.mark.processes]

SERVICE = "/cds-services/ketamine-evaluation"
REQUEST = (ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_bytes()
COUNT = "thirdline_decisions_total"
SECONDS = 60


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`cds` of an environment that holds the wheel, what it needs, and the extra for traces."""
    folder = tmp_path_factory.mktemp("empty")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    install = ["install", "--constraint", str(ROOT / "requirements.lock"), f"{wheel}[otel]"]
    subprocess.run([*pip, "--python", str(folder / "venv"), *install], check=True, cwd=folder)
    return folder / "venv" / "bin" / "cds"


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP and keeps the spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        super().__init__(("127.0.0.1", 0), Exports)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/traces"


class Exports(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in sent.resource_spans:
            for scope in resource.scope_spans:
                self.server.spans.extend(scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def prometheus(folder: Path, port: str) -> Iterator[str]:
    """A Prometheus that scrapes the service each second; gives its address."""
    (folder / "prometheus.yaml").write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: thirdline, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
    )
    own = str(30_000 + os.getpid() % 20_000)
    started = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{own}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        running = subprocess.Popen(started, stdout=log, stderr=log)
    with if_we_die("kill", "-9", str(running.pid)):
        try:
            yield f"http://127.0.0.1:{own}"
        finally:
            running.kill()
            running.wait(30)


def scraped(address: str) -> float:
    """What Prometheus has of our count, once it has it."""
    give_up = time.monotonic() + SECONDS
    while time.monotonic() < give_up:
        try:
            result = httpx.get(f"{address}/api/v1/query", params={"query": COUNT}).json()["data"]["result"]
        except (httpx.TransportError, KeyError, json.JSONDecodeError):
            result = []
        if result:
            return float(result[0]["value"][1])
        time.sleep(0.2)
    raise AssertionError("Prometheus scraped nothing")


def test_the_wheel_alone_answers_counts_traces_and_logs_with_one_id(command: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with collector() as seen, log.open("wb") as writing:
        settings = {
            "CDS_PORT": "0",
            "CDS_METRICS": "true",
            "CDS_LOG_FORMAT": "json",
            "CDS_JOURNAL": str(tmp_path / "journal.sqlite3"),
            "CDS_TRACES_ENDPOINT": seen.endpoint,
        }
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("CDS_", "PYTHON", "VIRTUAL"))
        }
        environment = clean | settings
        running = subprocess.Popen(
            [str(command), "serve"], env=environment, stdout=writing, stderr=writing, cwd=tmp_path
        )
        with if_we_die("kill", "-9", str(running.pid)):
            port = port_in(log, running)
            try:
                with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS) as client:
                    wait_for(client, running)
                    answer = client.post(
                        SERVICE,
                        content=REQUEST,
                        headers={"Content-Type": "application/json", "X-Request-Id": "ehr-4711"},
                    )
                    counts = client.get("/metrics").text
                    if shutil.which("prometheus"):
                        with prometheus(tmp_path, port) as address:
                            assert scraped(address) == 1
            finally:
                running.terminate()  # what is traced and kept is written at the end
                running.wait(SECONDS)
    kept = subprocess.run(
        [str(command), "journal", "decisions"], env=environment, capture_output=True, check=True, text=True
    )

    assert len(answer.json()["cards"]) == 1
    samples = [one for family in text_string_to_metric_families(counts) for one in family.samples]
    assert sum(one.value for one in samples if one.name == COUNT) == 1
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line.get("event") == "answered"]
    (hook,) = [span for span in seen.spans if span.name == "hook"]
    told = {one.key: one.value.string_value for one in hook.attributes}
    (receipt,) = [json.loads(one) for one in kept.stdout.splitlines()]
    assert line["request_id"] == told["thirdline.request_id"] == "ehr-4711"
    assert line["trace_id"] == hook.trace_id.hex()
    assert line["decision"] == told["thirdline.decision"] == receipt["id"]
    assert {"read", "record", "facts", "reasoning", "cards", "journal"} <= {span.name for span in seen.spans}
