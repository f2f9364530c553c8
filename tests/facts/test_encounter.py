"""Encounters of a class: those that took place, in a window by their last day, and what may be one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from cds.facts.context import sort_record
from cds.facts.encounter import CompiledEncounter
from cds.facts.fact import Fact, WhyUnknown
from cds.facts.kind import EvaluationContext
from cds.logic.truth import Truth
from cds.record.model import Delivery, DeliveryState, Span, Visit
from cds.terminology.concepts import Coding, Concept
from cds.terminology.index import TerminologyIndex
from cds.terminology.phrases import WordGroup
from cds.terminology.value_sets import ValueSet
from tests.facts.builders import TODAY, record

CODES = TerminologyIndex(
    {
        "stay": ValueSet("stay", "Stay", {("urn:c", "IN"): "a stay"}, {}, {}, [WordGroup(("overnight",))], {}),
        "short": ValueSet("short", "Short", {("urn:c", "SHORT"): "a short stay"}, {}, {}, [], {}),
    },
    {},
)
WHOLE = {"Encounter": (Delivery(DeliveryState.WHOLE),)}


def ago(days: int) -> Span:
    day = TODAY - timedelta(days=days)
    return Span(day, day)


def visit(code: str = "IN", first: int | None = 20, last: int | None = 10, **more: Any) -> Visit:
    place = (Concept((Coding("urn:c", code),)),)
    days = [None if one is None else ago(one) for one in (first, last)]
    return replace(Visit("Encounter/1", place, "finished", days[0], days[1]), **more)


def context(*visits: Visit, look_back: int | None = None, sent: Any = WHOLE) -> EvaluationContext:
    fact = CompiledEncounter("stays", "Stays", look_back, ("stay",), ("short",), Truth.FALSE, "None was sent.")
    seen = sort_record(record(visits=visits, sent=sent), CODES, TODAY)
    made = EvaluationContext(seen, TODAY, {"stays": fact})
    made.facts["stays"] = fact.answer(made)
    return made


def answer(*visits: Visit, **more: Any) -> Fact:
    return context(*visits, **more).facts["stays"]


def drawn(*visits: Visit) -> list[tuple[date, date, bool]]:
    made = context(*visits)
    return [(one.first, one.last, one.sure) for one in made.compiled["stays"].happened(made)]


WORDS = (Concept(text="Overnight"),)
LOCAL = (Concept((Coding("urn:local", "4"),)),)


@pytest.mark.parametrize(
    ("one", "truth"),
    [
        (visit(), Truth.TRUE),
        (visit("OUT"), Truth.FALSE),
        (visit("SHORT"), Truth.UNKNOWN),
        (visit(place=WORDS), Truth.UNKNOWN),
        (visit(place=LOCAL), Truth.UNKNOWN),
        (visit(place=()), Truth.UNKNOWN),
        (visit(status=""), Truth.UNKNOWN),
        (visit(status="unknown"), Truth.UNKNOWN),
        (visit(first=-5, last=-1), Truth.FALSE),
        (visit(place=(), first=-5, last=-1), Truth.FALSE),
        (visit(first=None, last=None), Truth.TRUE),
    ],
)
def test_what_took_place_is_one_and_what_may_have_is_unknown(one: Visit, truth: Truth) -> None:
    assert answer(one).truth is truth


@pytest.mark.parametrize(
    ("one", "truth"),
    [
        (visit(first=60, last=30), Truth.TRUE),
        (visit(first=60, last=31), Truth.FALSE),
        (visit(first=60, last=None), Truth.FALSE),
        (visit(first=60, last=None, status="in-progress"), Truth.TRUE),
        (visit(first=None, last=None), Truth.UNKNOWN),
        (visit(end=Span(TODAY - timedelta(days=40), TODAY - timedelta(days=20))), Truth.UNKNOWN),
        (visit(first=60, last=31, place=LOCAL), Truth.FALSE),
    ],
)
def test_a_window_looks_at_the_last_day(one: Visit, truth: Truth) -> None:
    assert answer(one, look_back=30).truth is truth


def test_data_that_did_not_come_are_no_no() -> None:
    fact = answer(sent={})

    assert (fact.truth, fact.why_unknown) == (Truth.UNKNOWN, WhyUnknown.NOT_SENT)


def test_each_has_its_days_and_what_is_not_certain_is_told() -> None:
    day = {days: TODAY - timedelta(days=days) for days in (0, 10, 20)}

    assert drawn(visit()) == [(day[20], day[10], True)]
    assert drawn(visit(last=None)) == [(day[20], day[20], False)]
    assert drawn(visit(last=None, status="in-progress")) == [(day[20], day[0], True)]
    assert drawn(visit(place=WORDS)) == [(day[20], day[10], False)]
    assert drawn(visit(first=None)) == [(day[10], day[10], True)]
    assert drawn(visit(last=-3)) == [(day[20], day[0], True)]
    assert drawn(visit("OUT"), visit(place=LOCAL), visit(first=None, last=None)) == []


def test_a_part_of_what_is_drawn_is_not_drawn() -> None:
    part = visit(first=15, source="Encounter/2", part_of="Encounter/1")

    assert len(drawn(visit(), part)) == 1
    assert len(drawn(visit("OUT"), part)) == 1
