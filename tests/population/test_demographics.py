"""Age, sex, and race where a site asks: for subgroups, never for a decision."""

from __future__ import annotations

import json
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cds.decide import Ruleset
from cds.engine.evaluator import EvaluatorMode
from cds.population.patient import CohortPatient, body_known_on
from cds.population.row import DecisionRows
from cds.settings import Settings
from tests.shipped import shipped_rules

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 6, 1)
CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return shipped_rules(EvaluatorMode.DIRECT)


def row(rules: Ruleset, with_race: bool = False, **members: Any) -> dict[str, Any]:
    patient = {"resourceType": "Patient", "id": "p1"} | members
    body = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}]}).encode()
    one = CohortPatient("p1", "p1", partial(body_known_on, body))
    return next(DecisionRows(rules, Settings(), with_race).rows_of(one, [TODAY], TODAY))


def coded(name: str, *categories: str) -> dict[str, Any]:
    inner = [{"url": "ombCategory", "valueCoding": {"code": "x", "display": one}} for one in categories]
    return {"url": f"{CORE}{name}", "extension": [*inner, {"url": "text", "valueString": "said"}]}


@pytest.mark.parametrize(
    ("born", "ages"),
    [("1980-06-01", (46, 46)), ("1980-06-02", (45, 45)), ("1980", (45, 46)), (None, (None, None))],
)
def test_an_age_is_whole_years_with_bounds(rules: Ruleset, born: str | None, ages: tuple[int, int]) -> None:
    found = row(rules, birthDate=born, gender="female")

    assert (found["age_at_least"], found["age_at_most"]) == ages
    assert found["sex"] == "female"
    assert "race" not in found


@pytest.mark.parametrize(
    ("extension", "race"),
    [
        ([coded("us-core-race", "White")], "White"),
        ([coded("us-core-race", "White", "Asian")], "more than one"),
        ([coded("us-core-ethnicity", "White")], None),
        ([{"url": f"{CORE}us-core-race", "extension": 7}], None),
        (["no extension"], None),
    ],
)
def test_race_is_the_category_of_the_chart_where_it_is_asked_for(
    rules: Ruleset, extension: list[Any], race: str | None
) -> None:
    found = row(rules, with_race=True, extension=extension)

    assert found["race"] == race
    assert {key: value for key, value in found.items() if key.startswith(("is_", "cohort_", "cards"))} == {
        key: value
        for key, value in row(rules, extension=extension).items()
        if key.startswith(("is_", "cohort_", "cards"))
    }
