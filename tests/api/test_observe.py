"""What is counted and logged of a request: its id, its decision, and nothing of the patient."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cds.api.request_log import endpoint_of
from cds.configuration import SettingsError, configure
from tests.api.test_process import process
from tests.moved import example
from tests.server import ROOT, serving

pytestmark = pytest.mark.processes

SERVICE = "/cds-services/ketamine-evaluation"
SUICIDAL = json.loads((ROOT / "fhir_examples" / "13-thoughts-of-self-harm" / "request.json").read_text())
TOKEN = "a token for the one that scrapes"  # noqa: S105
UUID = re.compile(r"[0-9a-f-]{32,36}")


def counted(client: httpx.Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def grown(before: dict[Any, float], after: dict[Any, float], name: str, **labels: str) -> float:
    def total(counts: dict[Any, float]) -> float:
        return sum(
            value for (of, found), value in counts.items() if of == name and labels.items() <= dict(found).items()
        )

    return total(after) - total(before)


def test_requests_decisions_cards_and_what_stayed_unknown_are_counted() -> None:
    with serving(metrics=True) as client:
        before = counted(client)
        shown = client.post(SERVICE, json=SUICIDAL).json()["cards"]
        client.post(SERVICE, content=b"nonsense")
        after = counted(client)

    assert grown(before, after, "thirdline_requests_total", endpoint="hook", status="200") == 1
    assert grown(before, after, "thirdline_requests_total", endpoint="hook", status="400") == 1
    assert grown(before, after, "thirdline_request_seconds_count", endpoint="hook") == 2
    assert grown(before, after, "thirdline_decisions_total", service="ketamine-evaluation") == 1
    assert grown(before, after, "thirdline_cards_total") == len(shown)
    assert grown(before, after, "thirdline_cards_total", card="suicide_ask", indicator="warning") == 1
    assert grown(before, after, "thirdline_unknown_facts_total") > 0
    assert grown({}, after, "thirdline_rules_info") >= 1


def test_without_the_setting_there_is_nothing_at_the_address() -> None:
    with serving() as client:
        assert client.get("/metrics").status_code == 404


def test_with_a_token_only_who_sends_it_is_answered() -> None:
    with serving(metrics=True, metrics_token=TOKEN) as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers={"Authorization": "Bearer no"}).status_code == 401
        assert client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_tenants_are_not_told_to_whoever_asks(tmp_path: Path) -> None:
    environment = {"CDS_METRICS": "true", "CDS_TENANTS": str(tmp_path), "CDS_PUBLIC_URL": "https://cds.example"}

    with pytest.raises(SettingsError, match="CDS_METRICS_TOKEN"):
        configure({}, environment)


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/cds-services", "discovery"), (SERVICE, "hook"), (f"{SERVICE}/feedback", "feedback"),
        ("/evaluate", "evaluate"), ("/health", "health"), ("/console/rules", "page"), ("/decisions/x", "page"),
        ("/", "other"), ("/nowhere", "other"), ("/a/b/c", "other"),
    ],
)  # fmt: skip
def test_whatever_is_asked_for_counts_as_one_of_a_few_words(path: str, endpoint: str) -> None:
    assert endpoint_of(path) == endpoint


def test_every_name_of_the_dashboard_and_the_alerts_is_counted() -> None:
    with serving(metrics=True) as client:
        client.post(SERVICE, json=SUICIDAL)
        text = client.get("/metrics").text
    known = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    known |= {f"{name}_{end}" for name in known for end in ("bucket", "count", "sum")}
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "thirdline.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked.append((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))
    named = set(re.findall(r"thirdline_[a-z_]+[a-z]", " ".join(asked)))

    assert len(dashboard["panels"]) >= 10
    assert named
    assert named <= known


def test_a_decision_is_one_line_with_one_id_and_no_patient(tmp_path: Path) -> None:
    log = tmp_path / "log"
    settings = {"CDS_LOG_FORMAT": "json", "CDS_JOURNAL": str(tmp_path / "journal.sqlite3")}
    sent = example("13-thoughts-of-self-harm")
    patient = sent["context"]["patientId"]
    named = json.loads(re.sub(rf'(?<=["/]){patient}(?=")', "Quackenbush", json.dumps(sent)))
    with process(log, **settings) as (client, _):
        client.post(SERVICE, json=named, headers={"X-Request-Id": "ehr-4711"})
        client.post(SERVICE, json=named | {"hookInstance": "Quackenbush"})
        while log.read_text().count('"answered"') < 2:  # the line is written behind the answer
            time.sleep(0.05)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    first, second = (line for line in lines if line.get("event") == "answered")

    assert first["request_id"] == "ehr-4711"
    assert first["hook_instance"] == SUICIDAL["hookInstance"]
    assert (first["service"], first["status"], first["level"]) == ("ketamine-evaluation", 200, "info")
    assert UUID.fullmatch(first["decision"])
    assert first["cards"] >= 1
    assert 0 < first["decide_ms"] <= first["ms"]
    assert "hook_instance" not in second
    assert first["request_id"] != second["request_id"]
    assert "Quackenbush" not in log.read_text()


def test_workers_are_counted_together(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with process(log, CDS_WORKERS="2", CDS_METRICS="true", CDS_ENGINE="direct") as (client, _):
        for _ in range(12):  # a connection each, so that both workers get some
            httpx.post(str(client.base_url.join(SERVICE)), json=SUICIDAL, timeout=60)
        found = counted(client)

    assert grown({}, found, "thirdline_decisions_total") == 12
    assert grown({}, found, "thirdline_rules_info") == 1
