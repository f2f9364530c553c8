"""What an observation or an item of a form says in words alone is a trace of suicide risk, and never a certain sign."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds.decide import decide
from cds.facts.fact import Fact
from cds.logic.truth import Truth
from cds.read_request import read_record
from cds.settings import Settings
from tests.server import TODAY
from tests.shipped import shipped_rules
from tests.test_reports import about, chart

JSON = dict[str, Any]
RULES = shipped_rules()
DAY = "2026-05-30"
LOCAL = {"coding": [{"system": "urn:oid:1.2.3", "code": "F9", "display": "Flowsheet 9"}]}
THOUGHTS = {"text": "Suicidal thoughts"}


def facts(*entries: JSON) -> dict[str, Fact]:
    record, service = read_record(json.dumps(chart(*entries)).encode(), RULES, Settings())
    return dict(decide(RULES, record, TODAY, service).facts.by_name)


def observed(**said: Any) -> JSON:
    return about("Observation", "q", **({"status": "final", "effectiveDateTime": DAY} | said))


def item(**said: Any) -> JSON:
    return about("QuestionnaireResponse", "q", status="completed", authored=DAY, item=[{"linkId": "q1", **said}])


TRACES: dict[str, JSON] = {
    "a yes": observed(code=THOUGHTS, valueBoolean=True),
    "a yes in words": observed(code=THOUGHTS, valueString="yes"),
    "a number in a local code": observed(code={**LOCAL, "text": "Better off dead"}, valueQuantity={"value": 2}),
    "the name of the item": observed(code={"text": "PHQ item 9"}, valueInteger=3),
    "words in the answer": observed(code=LOCAL, valueString="wants to end her life"),
    "words of a suspicion": observed(code=LOCAL, valueString="possible suicidal ideation"),
    "words late in a long answer": observed(code=LOCAL, valueString="Slept well.\n" * 900 + "wants to end her life"),
    "a coded answer by its display": observed(
        code=LOCAL, valueCodeableConcept={"coding": [{"system": "urn:x", "code": "3", "display": "Suicidal thoughts"}]}
    ),
    "a code of LOINC no rule reads": observed(
        code={"coding": [{"system": "http://loinc.org", "code": "99999-9", "display": "Columbia suicide severity"}]},
        valueString="severe",
    ),
    "a component": observed(code=LOCAL, component=[{"code": THOUGHTS, "valueString": "yes"}]),
    "no day": observed(code=THOUGHTS, valueString="yes", effectiveDateTime=None),
    "not final": observed(code=THOUGHTS, valueString="yes", status="preliminary"),
    "a bound": observed(code={"text": "Suicide risk score"}, valueQuantity={"value": 0, "comparator": ">"}),
    "a name that denies, answered no": observed(code={"text": "Denies suicidal thoughts"}, valueString="no"),
    "the same in German": observed(code={"text": "Keine Suizidgedanken"}, valueString="Nein"),
    "the same in Spanish": observed(code={"text": "Niega ideación suicida"}, valueString="No"),
    "the same in French": observed(code={"text": "Pas d'idées suicidaires"}, valueString="non"),
    "the same in Dutch": item(text="Ontkent suïcidegedachten", answer=[{"valueString": "nee"}]),
    "the same in Swedish": item(text="Förnekar suicidtankar", answer=[{"valueBoolean": False}]),
    "a denial behind the name": observed(code={"text": "Suicidal ideation denied"}, valueBoolean=False),
    "a name that denies, with a number": observed(code={"text": "No suicidal ideation"}, valueInteger=0),
    "a name that denies, with another answer": observed(code={"text": "No suicidal ideation"}, valueString="sometimes"),
    "a name that denies, with a denial of something else": observed(
        code={"text": "Denies suicidal thoughts"}, valueString="denies suicidal intent"
    ),
    "an item of a form": item(text="Any suicidal thoughts?", answer=[{"valueBoolean": True}]),
    "an answer of a form": item(text="What else?", answer=[{"valueString": "I want to end my life"}]),
    "a choice of a form": item(text="How often?", answer=[{"valueCoding": {"display": "Suicidal thoughts daily"}}]),
    "an item of a form that is not completed": item(text="Suicidal thoughts", answer=[{"valueInteger": 2}])
    | {"status": "in-progress"},
}
NONE: dict[str, JSON] = {
    "another name": observed(code=LOCAL, valueInteger=3),
    "a no": observed(code=THOUGHTS, valueBoolean=False),
    "a no in words": observed(code=THOUGHTS, valueString="No"),
    "a no in French": observed(code={"text": "Idées suicidaires"}, valueString="Non"),
    "a coded no by its display": observed(code=THOUGHTS, valueCodeableConcept={"coding": [{"display": "Denies"}]}),
    "zero": observed(code=THOUGHTS, valueQuantity={"value": 0}),
    "zero as text": observed(code=THOUGHTS, valueString="0"),
    "a denial": observed(code=LOCAL, valueString="denies suicidal thoughts"),
    "a denial in a long answer": observed(code=LOCAL, valueString="Slept well.\n" * 900 + "No suicidal ideation."),
    "a name that denies, answered yes": observed(code={"text": "Denies suicidal thoughts"}, valueString="yes"),
    "the same in German": observed(code={"text": "Keine Suizidgedanken"}, valueString="trifft zu"),
    "the same in Spanish": observed(code={"text": "Niega ideación suicida"}, valueString="Sí"),
    "the same in French": observed(code={"text": "Pas d'idées suicidaires"}, valueString="oui"),
    "the same in Dutch": item(text="Ontkent suïcidegedachten", answer=[{"valueString": "ja"}]),
    "the same in Swedish": item(text="Förnekar suicidtankar", answer=[{"valueBoolean": True}]),
    "a name that denies, answered by a code": observed(
        code={"text": "No suicidal ideation"},
        valueCodeableConcept={"coding": [{"system": "http://loinc.org", "code": "LA33-6"}]},
    ),
    "a name and an answer that deny the same": observed(
        code={"text": "Denies suicidal ideation"}, valueString="denies suicidal ideation"
    ),
    "a name that denies, not answered": observed(code={"text": "Denies suicidal ideation"}),
    "of the family, answered no": observed(code={"text": "Family history of suicide"}, valueString="no"),
    "of the family": observed(code={"text": "Family history"}, valueString="suicide"),
    "an abbreviation with another meaning": observed(code={"text": "IMV"}, valueInteger=12),
    "not answered": observed(code=THOUGHTS, dataAbsentReason={"text": "asked, declined"}),
    "too old": observed(code=THOUGHTS, valueString="yes", effectiveDateTime="2026-04-01"),
    "in error": observed(code=THOUGHTS, valueString="yes", status="entered-in-error"),
    "a total": observed(code={"text": "PHQ-9 total score"}, valueInteger=21),
    "item 9 with its display": observed(
        code={"coding": [{"system": "http://loinc.org", "code": "44260-8", "display": "Being better off dead"}]},
        valueInteger=2,
    ),
    "a no of a form": item(text="Any suicidal thoughts?", answer=[{"valueBoolean": False}]),
    "a form in error": item(text="Any suicidal thoughts?", answer=[{"valueBoolean": True}])
    | {"status": "entered-in-error"},
}


@pytest.mark.parametrize("entry", TRACES.values(), ids=TRACES)
def test_what_words_say_is_a_trace_and_never_certain(entry: JSON) -> None:
    found = facts(entry)

    assert found["suicide_mentioned"].truth is Truth.UNKNOWN
    assert found["suicide_mentioned"].trace
    assert [one.reference.split("/")[-1] for one in found["suicide_mentioned"].found] == ["q"]
    assert found["unclear_sign"].truth is Truth.TRUE
    assert found["phq9_item9"].low == 0


@pytest.mark.parametrize("entry", NONE.values(), ids=NONE)
def test_what_says_no_or_something_else_is_none(entry: JSON) -> None:
    found = facts(entry)["suicide_mentioned"]

    assert found.truth is not Truth.TRUE
    assert not found.trace


def test_where_no_observations_came_it_is_not_known() -> None:
    sent = chart()
    sent["entry"] = [one for one in sent["entry"] if one["resource"]["resourceType"] != "Observation"]
    record, service = read_record(json.dumps(sent).encode(), RULES, Settings())
    found = decide(RULES, record, TODAY, service).facts.by_name["suicide_mentioned"]

    assert found.truth is Truth.UNKNOWN
    assert not found.trace


def test_the_entry_is_named_with_its_answer() -> None:
    found = facts(observed(code=THOUGHTS, valueString="yes"))["suicide_mentioned"].found

    assert [one.words for one in found] == ["Suicidal thoughts: yes"]
