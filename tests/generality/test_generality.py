"""Another rule set, about kidneys and seizures, runs on the same program: nothing clinical stands in Python."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from cds.authoring.testing.report import run_folder
from cds.engine.evaluator import EvaluatorMode
from cds.ruleset import load_rules, problems_in
from tests.server import TODAY, serving

pytestmark = pytest.mark.slow

RULES = Path(__file__).parent / "rules"
SOURCE = Path(__file__).parents[2] / "src" / "cds"
WORDS_OF_OUR_RULES = re.compile(
    r"ketamine|spravato|treatment.resistant|\btrd\b|suicid|\brems\b|aneurysm", re.IGNORECASE
)


def test_the_other_rules_hold_no_mistake() -> None:
    assert [str(problem) for problem in problems_in(RULES, TODAY)] == []


def test_the_other_rules_pass_their_own_cases_and_show_every_answer() -> None:
    report = run_folder(RULES)

    assert [verdict.text for verdict in report.failed] == []
    assert report.passed == 7
    assert report.never_shown == ()


def test_the_service_answers_by_them() -> None:
    made = load_rules(RULES, EvaluatorMode.DIRECT, date(2026, 6, 1))
    request = {
        "hook": "patient-view",
        "hookInstance": "2d1ea1b5-4a5c-4a50-9c5d-5e0a4e1f6a1e",
        "context": {"patientId": "p", "userId": "Practitioner/1"},
        "prefetch": {"patient": {"resourceType": "Patient", "id": "p"}},
    }

    with serving(rules=made) as client:
        (service,) = client.get("/cds-services").json()["services"]
        (card,) = client.post(f"/cds-services/{service['id']}", json=request).json()["cards"]

    assert set(service["prefetch"]) >= {"patient", "conditions", "filtration", "medicationRequests"}
    assert card["summary"] == "Kidney function is low or not known"
    assert "Measure it" in card["detail"]


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_word_of_our_rules_stands_in_the_program(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    assert {match[0] for match in WORDS_OF_OUR_RULES.finditer(text)} == set()
