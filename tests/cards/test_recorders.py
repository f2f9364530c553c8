"""Who recorded treatment-resistant depression is named on the card, as the chart names them."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cds.decide import Ruleset, decide
from cds.engine.evaluator import EvaluatorMode
from cds.read_request import read_record
from cds.settings import Settings
from tests.shipped import shipped_rules

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 6, 1)


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return shipped_rules(EvaluatorMode.DIRECT)


def details(rules: Ruleset, **named: Any) -> str:
    bundle = json.loads((ROOT / "fhir_examples" / "bundle.json").read_text())
    condition = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Condition")
    recorded = {key: value for key, value in condition.items() if key in ("resourceType", "subject", "clinicalStatus")}
    recorded |= {"id": "resistance", "onsetDateTime": "2026-02-01"} | named
    recorded["code"] = {"coding": [{"system": "http://snomed.info/sct", "code": "1153570009"}]}
    bundle["entry"].append({"fullUrl": "urn:uuid:8f2f4d54-0000-4000-8000-000000000000", "resource": recorded})
    record, _ = read_record(json.dumps(bundle).encode(), rules, Settings())
    return "\n".join(card.detail for card in decide(rules, record, TODAY).cards)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"recorder": {"display": "Dr. Lee"}}, "recorded or asserted by Dr. Lee"),
        ({"asserter": {"display": "Dr. Roe"}}, "recorded or asserted by Dr. Roe"),
        ({"recorder": {"display": "Dr. Lee"}, "asserter": {"display": "Dr. Roe"}}, "recorded or asserted by Dr. Lee"),
        ({"recorder": {"reference": "Practitioner/9"}}, "the chart does not name who recorded it"),
        ({}, "the chart does not name who recorded it"),
    ],
)
def test_the_card_names_who_recorded_a_resistance(rules: Ruleset, named: dict[str, Any], said: str) -> None:
    assert said in details(rules, **named)
