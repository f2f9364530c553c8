"""Every example over HTTP gives the cards it should, and all of it is FHIR."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fhir.resources.R4B import get_fhir_model_class

from cds.authoring.testing.budget import MOST_WORDS, WORD
from tests.server import ROOT

EXAMPLES = sorted(path for path in (ROOT / "fhir_examples").iterdir() if path.is_dir())


def without_uuids(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_uuids(member) for key, member in value.items() if key != "uuid"}
    return [without_uuids(item) for item in value] if isinstance(value, list) else value


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def service_of(example: Path) -> str:
    hook = load(example / "request.json")["hook"]
    return "ketamine-evaluation" if hook == "patient-view" else f"ketamine-evaluation-{hook}"


def test_there_are_enough_examples_and_each_says_who_it_is() -> None:
    assert len(EXAMPLES) >= 30
    for example in EXAMPLES:
        assert "Invented" in (example / "README.md").read_text()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_gives_its_cards_over_http(example: Path, client: httpx.Client) -> None:
    answer = client.post(f"/cds-services/{service_of(example)}", content=(example / "request.json").read_bytes())

    assert answer.status_code == 200
    assert without_uuids(answer.json()) == load(example / "cards.json")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_what_an_example_sends_is_valid_fhir(example: Path) -> None:
    for resource in load(example / "request.json")["prefetch"].values():
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_cards_of_an_example_are_as_cds_hooks_wants_them(example: Path) -> None:
    for card in load(example / "cards.json")["cards"]:
        assert len(card["summary"]) < 140
        assert card["indicator"] in {"info", "warning", "critical"}
        assert card["source"]["label"]
        assert card["source"]["topic"]["code"].isalnum()
        assert all(reason["display"] for reason in card.get("overrideReasons", []))
        assert ("suggestions" in card) is ("selectionBehavior" in card)
        for suggestion in card.get("suggestions", []):
            for action in suggestion["actions"]:
                assert action["resource"]["resourceType"] == "ServiceRequest"
                get_fhir_model_class("ServiceRequest").model_validate(action["resource"])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_cards_of_an_example_are_within_their_budget_of_words(example: Path) -> None:
    for card in load(example / "cards.json")["cards"]:
        assert len(WORD.findall(card["detail"])) <= MOST_WORDS[card["indicator"]]


def test_nothing_an_example_brings_recommends_starting_a_drug() -> None:
    for example in EXAMPLES:
        text = (example / "cards.json").read_text().lower()
        assert 'medicationrequest"' not in text
        for phrase in ("start ketamine", "start esketamine", "prescribe", "mg/kg", "response rate"):
            assert phrase not in text


def test_the_bundle_of_the_readme_is_answered(client: httpx.Client) -> None:
    body = (ROOT / "fhir_examples" / "bundle.json").read_bytes()

    answer = client.post("/evaluate", params={"today": "2026-06-01"}, content=body).json()

    assert answer["conclusions"]["treatment_resistant_depression"] == "true"
    assert answer["cards"]
