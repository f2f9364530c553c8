"""A result whose name was not read may be what a rule looks for: it counts with and without it, and raises no alarm."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds.decide import Decision, decide
from cds.facts.fact import WhyUnknown
from cds.facts.unread import unread_codes
from cds.logic.truth import Truth
from cds.read_request import read_record
from cds.settings import Settings
from tests.server import TODAY
from tests.shipped import shipped_rules
from tests.test_reports import FIRST, ILL, SECOND, TRD, about, cards, chart

JSON = dict[str, Any]
RULES = shipped_rules()
LOCAL = {"coding": [{"system": "urn:oid:1.2.3", "code": "F9"}]}
LOINC = "http://loinc.org"
PHQ9 = {"coding": [{"system": LOINC, "code": "44261-6"}]}


def decided(*entries: JSON, without: tuple[str, ...] = ()) -> Decision:
    body = json.dumps(chart(*entries, without=without)).encode()
    record, service = read_record(body, RULES, Settings())
    return decide(RULES, record, TODAY, service)


def observed(day: str = "2026-05-25", identity: str = "q", **said: Any) -> JSON:
    return about("Observation", identity, **({"status": "final", "effectiveDateTime": day} | said))


def item(**said: Any) -> JSON:
    return about(
        "QuestionnaireResponse", "q", status="completed", authored="2026-05-25", item=[{"linkId": "q1", **said}]
    )


@pytest.mark.parametrize(
    "name",
    [
        LOCAL,
        {"text": "őűšž"},
        {"text": "Phq nije total"},
        {"coding": [{"system": "http://snomed.info/sct", "code": "999999991"}]},
        {"coding": [{"code": "F9", "display": "Depression score"}]},
        {"text": "PHQ"},
    ],
)
def test_a_number_under_a_name_nobody_reads_may_be_the_last_score(name: JSON) -> None:
    fact = decided(observed(code=name, valueInteger=3)).facts["phq9"]

    assert (fact.low, fact.high) == (3, 18)
    assert "1 observation not read, may be it" in fact.because
    assert "Observation/q" in [one.reference for one in fact.found]
    assert not fact.trace


def test_where_no_score_is_read_the_one_that_may_be_it_is_named() -> None:
    decision = decided(observed(code=LOCAL, valueInteger=20), without=("phq",))
    fact = decision.facts["phq9"]

    assert (fact.low, fact.high, fact.why_unknown) == (None, None, WhyUnknown.UNREADABLE)
    assert fact.because == "none recorded in the last 90 days; 1 observation not read, may be it"
    assert [one.reference for one in fact.found] == ["Observation/q"]
    assert not fact.trace
    assert decision.truths["ketamine_candidate"] is Truth.UNKNOWN


def test_of_many_that_may_be_it_the_newest_are_named() -> None:
    many = [observed(f"2026-05-{day:02}", f"q{day}", code=LOCAL, valueInteger=20) for day in range(1, 29)]
    fact = decided(*many, without=("phq",)).facts["phq9"]

    assert "28 observations not read, may be it" in fact.because
    assert [one.reference for one in fact.found] == [f"Observation/q{day}" for day in range(9, 29)]


@pytest.mark.parametrize(
    "entry",
    [
        observed(code={"text": "Heart rate"}, valueInteger=3),
        observed(code={"coding": [{"system": LOINC, "code": "8867-4"}]}, valueInteger=3),
        observed(code=LOCAL, valueInteger=28),
        observed(code=LOCAL, valueQuantity={"value": 3, "unit": "mmol/L", "code": "mmol/L"}),
        observed(code=LOCAL, valueString="three"),
        observed(code=LOCAL, valueInteger=3, status="preliminary"),
        observed("2026-05-01", code=LOCAL, valueInteger=3),
        observed("2026-06-09", code=LOCAL, valueInteger=3),
    ],
)
def test_another_name_unit_value_status_or_day_is_another_thing(entry: JSON) -> None:
    fact = decided(entry).facts["phq9"]

    assert (fact.low, fact.high) == (18, 18)


def test_a_pressure_of_unknown_name_may_be_the_last_one() -> None:
    panel: JSON = {"code": {"coding": [{"system": LOINC, "code": "85354-9"}]}}
    read = observed(
        "2026-05-20", "bp", **panel, component=[
            {"code": {"coding": [{"system": LOINC, "code": code}]},
             "valueQuantity": {"value": value, "code": "mm[Hg]"}}
            for code, value in (("8480-6", 120), ("8462-4", 80))
        ],
    )  # fmt: skip
    unread = observed(code=LOCAL, valueQuantity={"value": 190, "code": "mm[Hg]"})

    assert decided(read).truths["blood_pressure_urgent"] is Truth.FALSE
    assert decided(read, unread).truths["blood_pressure_urgent"] is Truth.UNKNOWN
    assert (decided(read, unread).facts["systolic"].low, decided(read, unread).facts["systolic"].high) == (120, 190)


@pytest.mark.parametrize(
    ("entry", "truth"),
    [
        (observed(code=LOCAL, valueBoolean=True), Truth.UNKNOWN),
        (observed(code={"text": "Jel mislio?"}, valueString="Yes"), Truth.UNKNOWN),
        (observed(code=LOCAL, valueCodeableConcept={"coding": [{"system": LOINC, "code": "LA33-6"}]}), Truth.UNKNOWN),
        (item(text="őűšž", answer=[{"valueBoolean": True}]), Truth.UNKNOWN),
        (observed(code=LOCAL, valueBoolean=False), Truth.FALSE),
        (observed(code=LOCAL, valueInteger=2), Truth.FALSE),
        (observed(code={"text": "Smoking"}, valueString="Yes"), Truth.FALSE),
    ],
)
def test_a_yes_to_a_question_nobody_reads_may_be_the_one_looked_for(entry: JSON, truth: Truth) -> None:
    decision = decided(entry)

    assert decision.facts["cssrs_intent"].truth is truth
    assert not decision.facts["cssrs_intent"].trace
    assert "suicide_unclear" not in cards(decision)


def test_a_score_that_was_not_read_may_show_a_response() -> None:
    no_reason = (FIRST | {"statusReason": None}, SECOND | {"statusReason": None})
    said: JSON = {"code": {"coding": [{"system": LOINC, "code": "44261-6"}]}}
    before = observed("2025-05-28", "before", **said, valueInteger=20)
    after = observed("2025-09-25", "after", **said, valueInteger=19)
    scores = (*no_reason, before, after)
    during: JSON = {"valueInteger": 3}

    failed = decided(*scores, without=("m1", "m2"))
    answered = decided(*scores, observed("2025-09-01", **said, **during), without=("m1", "m2"))
    unread = decided(*scores, observed("2025-09-01", code=LOCAL, **during), without=("m1", "m2"))
    unreadable = decided(*scores, observed("2025-09-01", **said, valueString="low"), without=("m1", "m2"))

    def outcome(decision: Decision) -> Truth:
        (trial,) = (t for t in decision.facts["antidepressant_trials"].trials if t.ingredient == "venlafaxine")
        return trial.no_response

    assert [outcome(one) for one in (failed, answered, unread, unreadable)] == [
        Truth.TRUE, Truth.FALSE, Truth.UNKNOWN, Truth.UNKNOWN,
    ]  # fmt: skip


def test_a_stop_for_want_of_effect_is_open_beside_a_response_that_was_not_read() -> None:
    before = observed("2025-05-28", "before", code={"coding": [{"system": LOINC, "code": "44261-6"}]}, valueInteger=20)

    assert decided(before).truths[TRD] is Truth.TRUE
    assert decided(before, observed("2025-09-01", code=LOCAL, valueInteger=2)).truths[TRD] is Truth.UNKNOWN


def test_two_low_scores_one_of_them_not_read_leave_the_begin_of_the_episode_open() -> None:
    said: JSON = {"code": {"coding": [{"system": LOINC, "code": "44261-6"}]}, "valueInteger": 2}
    first = observed("2025-07-01", "first", **said)

    read = decided(first, observed("2025-10-20", **said)).facts["current_episode"].day
    unread = decided(first, observed("2025-10-20", **(said | {"code": LOCAL}))).facts["current_episode"].day

    assert read is not None and unread is not None
    assert read.exact
    assert (unread.earliest.isoformat(), unread.latest) == ("2025-01-10", read.latest)


@pytest.mark.parametrize("code", [{"text": "Xyzzy plugh"}, {"text": "Major depressive disorder"}])
def test_an_onset_of_an_entry_that_was_not_read_for_certain_leaves_the_begin_open(code: JSON) -> None:
    ill = about(
        "Condition", "old", code=code, clinicalStatus={"coding": [{"code": "active"}]}, onsetDateTime="2024-02-01"
    )

    day = decided(ill).facts["current_episode"].day

    assert day is not None
    assert (day.earliest.isoformat(), day.latest.isoformat()) == ("2024-02-01", "2025-01-10")


def test_an_episode_without_a_recorded_start_has_no_length_by_an_entry_that_was_not_read() -> None:
    ill = {key: value for key, value in ILL.items() if key != "onsetDateTime"}
    old = about("Condition", "old", code={"text": "Xyzzy plugh"}, onsetDateTime="2019-02-01")
    scores = [
        observed(day, name, code=code, valueInteger=2)
        for day, name, code in (("2025-07-01", "a", PHQ9), ("2025-10-20", "b", LOCAL))
    ]

    for more in ((old,), scores):
        length = decided(ill, *more, without=("mdd",)).facts["episode_length"]
        assert (length.low, length.high) == (None, None)


def test_it_is_listed_among_what_was_not_read_by_its_code_alone() -> None:
    unread = decided(observed(code=LOCAL | {"text": "Flowsheet row of somebody"}, valueInteger=3)).facts.unread

    assert unread_codes(unread) == {("observation", "urn:oid:1.2.3", "F9"): 1}
