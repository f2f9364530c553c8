"""The exam of tests/reading_exam.yaml: nothing a rule looks for is missed, and the docs say what became of each."""

from __future__ import annotations

import pytest

from cds.logic.truth import Truth
from scripts.reading_table import PAGE, written
from tests.reading_exam import MISSED, outcome, questions
from tests.test_reports import CONTRAINDICATED, TRD, cards, chart, condition, decided

pytestmark = pytest.mark.slow

DENIED = (
    "denies SI/HI",
    "no suicidal ideation",
    "no SI",
    "no history of suicide attempt",
    "no prior history of suicide attempts",
    "no evidence of psychosis",
    "negative for suicidal thoughts",
    "denies thoughts of suicide or self harm",
    "no family history of bipolar disorder",
    "family history of aneurysm",
    "mother with schizophrenia",
    "no history of intracranial hemorrhage",
    "no aneurysm on CTA",
    "no known history of bipolar disorder",
    "not suicidal",
    "not currently suicidal",
    "not actively suicidal",
    "no signs of mania",
    "no pregnancy",
    "not pregnant",
    "no alcohol dependence",
    "ruled out for MI",
    "keine Suizidgedanken",
    "keine Suizidalität",
    "kein Anhalt für Suizidalität",
    "nicht suizidal",
    "derzeit nicht suizidal",
    "keine akute Suizidalität",
    "Suizidalität verneint",
    "kein Hinweis auf Psychose",
    "Familienanamnese: bipolare Störung",
    "kein Aneurysma",
    "Ausschluss Aneurysma",
    "Mutter mit Schizophrenie",
    "keine Schwangerschaft",
    "pas d'idées suicidaires",
    "pas d'idée suicidaire",
    "absence d'idées suicidaires",
    "sans idées suicidaires",
    "pas d'anévrisme",
    "antécédents familiaux de schizophrénie",
    "pas de trouble bipolaire",
    "sin ideación suicida",
    "niega ideación suicida",
    "no ideación suicida",
    "sin ideas de muerte",
    "antecedentes familiares de esquizofrenia",
    "sin aneurisma",
    "no embarazada",
    "geen suïcidaliteit",
    "geen suïcidale gedachten",
    "ontkent suïcidaliteit",
    "geen aneurysma",
    "moeder met schizofrenie",
    "niet zwanger",
    "inga suicidtankar",
    "förnekar suicidtankar",
    "inget aneurysm",
)


@pytest.mark.parametrize("text", DENIED)
def test_what_is_denied_or_of_the_family_adds_nothing(text: str) -> None:
    decision = decided(chart(condition({"text": text})))

    assert cards(decision) == {"suggest_evaluation"}
    assert decision.truths[TRD] is Truth.TRUE
    assert decision.truths[CONTRAINDICATED] is Truth.FALSE


@pytest.mark.parametrize("text", ["SCAD", "possible SCAD", "hx of BPD"])
def test_an_abbreviation_of_several_things_leaves_each_open(text: str) -> None:
    assert decided(chart(condition({"text": text}))).truths[TRD] is Truth.UNKNOWN


@pytest.mark.parametrize("text", ["no SCAD", "family history of BPD", "SCAD (spontaneous coronary artery dissection)"])
def test_one_that_is_denied_or_spelled_out_leaves_the_criteria_alone(text: str) -> None:
    assert decided(chart(condition({"text": text}))).truths[TRD] is Truth.TRUE


@pytest.mark.parametrize(
    "text",
    ["ontkent suïcidegedachten niet", "verneint Suizidgedanken nicht", "niet volledig uitgesloten suïcidegedachten",
     "förnekar suicidtankar inte", "geen psychose maar suïcidegedachten", "inga planer men suicidtankar"],
)  # fmt: skip
def test_a_denial_that_is_denied_or_of_another_thing_is_a_sign_to_look_at(text: str) -> None:
    assert "suicide_unclear" in cards(decided(chart(condition({"text": text}))))


def test_nothing_a_rule_looks_for_is_read_as_no() -> None:
    assert [question.shown for question in questions() if outcome(question) == MISSED] == []


def test_there_are_two_hundred_phrases_and_a_hundred_codes_in_eight_languages() -> None:
    languages = {question.language for question in questions()}

    assert languages == {"", "en", "de", "es", "fr", "nl", "sv", "it", "pt"}
    assert sum(bool(question.language) for question in questions()) >= 200
    assert sum(not question.language for question in questions()) >= 100


def test_the_page_shows_what_became_of_each() -> None:
    """When this fails: `python scripts/reading_table.py`."""
    page = PAGE.read_text(encoding="utf-8")

    assert written(page) == page
