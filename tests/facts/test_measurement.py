from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from cds.facts.context import sort_record
from cds.facts.fact import Fact, WhyUnknown
from cds.facts.measurement import CompiledItems, number, readings
from cds.facts.measurements import range_text
from cds.record.dates import read_date
from cds.record.model import Delivery, DeliveryState, Measurement, NormalRange, PatientRecord
from cds.terminology.concepts import Coding, Concept, bare
from cds.terminology.index import TerminologyIndex
from cds.terminology.systems import LOINC
from cds.terminology.value_sets import ValueSet
from tests.facts.builders import ALL_SENT, SCORE, TODAY, codes, day, month, record, scored


def latest(*entries: Measurement, patient: PatientRecord | None = None, **changes: Any) -> Fact:
    want = replace(SCORE, **changes)
    sorted_record = sort_record(patient or record(*entries), codes(), TODAY)
    return number(want, sorted_record, readings(want, sorted_record))


def test_the_most_recent_value_of_the_window_is_taken() -> None:
    fact = latest(scored(17, "2026-05-20"), scored(9, "2026-04-20"), scored(25, "2026-03-20"))

    assert (fact.low, fact.high, fact.text) == (17, 17, "17")
    assert [found.reference for found in fact.found] == ["Observation/2026-05-20"]


@pytest.mark.parametrize(("when", "known"), [("2026-03-03", True), ("2026-03-02", False)])
def test_the_window_holds_its_first_day(when: str, known: bool) -> None:
    fact = latest(scored(17, when))

    assert (fact.low is not None) is known
    if not known:
        assert fact.why_unknown is WhyUnknown.TOO_OLD
        assert "2026-03-02" in fact.because


@pytest.mark.parametrize(("value", "readable"), [(-1, False), (0, True), (27, True), (28, False), (22.67, False)])
def test_a_value_that_cannot_be_true_is_unreadable_not_extreme(value: float, readable: bool) -> None:
    fact = latest(scored(value, "2026-05-20"))

    assert (fact.low is not None) is readable
    if not readable:
        assert fact.why_unknown is WhyUnknown.UNREADABLE


def test_an_unreadable_last_value_does_not_let_an_older_one_speak() -> None:
    fact = latest(scored(300, "2026-05-20"), scored(17, "2026-05-01"))

    assert fact.low is None
    assert fact.why_unknown is WhyUnknown.UNREADABLE


def test_a_value_after_today_is_ignored() -> None:
    assert latest(scored(17, "2026-06-02")).why_unknown is WhyUnknown.NOT_FOUND


@pytest.mark.parametrize(
    ("when", "counts"),
    [
        ("2026-06-02T00:20:00Z", True),
        ("2026-06-02T10:00:00+12:00", True),
        ("2026-06-02T11:59:59Z", True),
        ("2026-06-02T12:00:00Z", False),
        ("2026-06-02T10:00:00", False),
        ("2026-06-02", False),
        ("2026-07-01T00:20:00Z", False),
    ],
)
def test_a_calendar_ahead_of_ours_is_not_the_future(when: str, counts: bool) -> None:
    fact = latest(scored(9, "2026-05-20"), replace(scored(17, "2026-05-21"), when=read_date(when).span))

    assert fact.low == (17 if counts else 9)
    assert fact.day == day("2026-06-01" if counts else "2026-05-20")


def test_a_preliminary_value_does_not_answer_and_is_a_trace() -> None:
    fact = latest(scored(17, "2026-05-20", final=False))

    assert (fact.low, fact.why_unknown, fact.because, fact.trace) == (None, WhyUnknown.POSSIBLE, "not final", True)


def test_a_final_value_stands_before_a_later_preliminary_one() -> None:
    fact = latest(scored(17, "2026-05-20"), scored(9, "2026-05-25", final=False))

    assert (fact.low, fact.high, fact.trace) == (17, 17, False)


def silent(when: str) -> Measurement:
    return replace(scored(0, when), value=None, why_no_value="its value is absent", source="Observation/silent")


def worded(when: str) -> Measurement:
    return replace(silent(when), words="often", why_no_value="its value is text", source="Observation/worded")


@pytest.mark.parametrize(
    ("beside", "low", "high", "trace"),
    [
        ([], 17, 17, False),
        ([scored(9, "2026-05-25")], 17, 17, False),
        ([silent("2026-05-25")], 17, 17, False),
        ([worded("2026-05-25")], 17, 27, True),
        ([scored(300, "2026-05-25")], 17, 27, True),
        ([scored(20, "2026-05-25", final=False)], 17, 20, True),
        ([scored(9, "2026-05-25", final=False)], 17, 17, False),
        ([replace(scored(21, "2026-05-25"), when=None)], 17, 21, True),
        ([replace(scored(22, "2026-05-25"), when=month(2026, 3))], 17, 22, True),
        ([replace(scored(22, "2026-05-25"), when=month(2026, 2))], 17, 17, False),
    ],
)
def test_the_highest_is_at_least_the_highest_that_can_be_read(
    beside: list[Measurement], low: float, high: float, trace: bool
) -> None:
    fact = latest(scored(17, "2026-05-20"), *beside, take="highest")

    assert (fact.low, fact.high, fact.trace) == (low, high, trace)


def test_the_lowest_is_left_open_below() -> None:
    fact = latest(scored(17, "2026-05-20"), worded("2026-05-25"), take="lowest")

    assert (fact.low, fact.high) == (0, 17)


@pytest.mark.parametrize(
    ("alone", "trace"),
    [
        (silent("2026-05-20"), False),
        (worded("2026-05-20"), True),
        (scored(0, "2026-05-20", final=False), False),
        (scored(1, "2026-05-20", final=False), True),
        (replace(scored(0, "2026-05-20"), when=None), False),
        (replace(scored(1, "2026-05-20"), when=None), True),
        (scored(1, "2026-03-01"), False),
    ],
)
@pytest.mark.parametrize("take", ["most_recent", "highest"])
def test_what_says_something_else_than_the_lowest_leaves_a_trace(take: str, alone: Measurement, trace: bool) -> None:
    fact = latest(alone, take=take)

    assert fact.low is None
    assert fact.trace is trace


def test_two_values_of_the_last_day_are_a_range_or_their_mean() -> None:
    two = (scored(16, "2026-05-20"), scored(18, "2026-05-20", source="Observation/b"))

    spread, mean = latest(*two), latest(*two, same_day="mean")

    assert (spread.low, spread.high) == (16, 18)
    assert (mean.low, mean.high) == (17, 17)


def test_a_day_known_to_the_month_that_may_come_last_widens_the_range() -> None:
    fact = latest(scored(17, "2026-05-20"), replace(scored(9, "2026-05-01"), when=month(2026, 5)))

    assert (fact.low, fact.high) == (9, 17)


def test_a_value_without_a_date_does_not_answer() -> None:
    assert latest(replace(scored(17, "2026-05-20"), when=None)).why_unknown is WhyUnknown.UNDATED


def test_units_are_converted_and_a_missing_one_is_not_assumed_unless_the_rule_says_so() -> None:
    def pressure(unit: str) -> Fact:
        return latest(
            scored(16, "2026-05-20", unit=unit), unit="mm[Hg]", plausible=None, whole=False, unit_may_be_missing=False
        )

    assert pressure("kPa").low == pytest.approx(120, abs=0.1)
    assert pressure("mm[Hg]").low == 16
    assert pressure("").why_unknown is WhyUnknown.UNREADABLE
    assert pressure("mg").why_unknown is WhyUnknown.UNREADABLE


@pytest.mark.parametrize(("comparator", "ends"), [(">", (17, 27)), ("<=", (0, 17))])
def test_a_value_that_is_only_a_bound_is_a_range(comparator: str, ends: tuple[float, float]) -> None:
    fact = latest(scored(17, "2026-05-20", comparator=comparator))

    assert (fact.low, fact.high) == ends


def test_a_coded_answer_stands_for_its_number() -> None:
    answers = ValueSet("score", "score", {(LOINC, "1-1"): ""}, {}, {}, [], {(LOINC, "LA-2"): 2.0})
    known = TerminologyIndex({"score": answers}, {})
    answered = replace(scored(0, "2026-05-20"), value=None, answer=Concept((Coding(LOINC, "LA-2"),)))
    other = replace(scored(0, "2026-05-20"), value=None, answer=Concept((Coding(LOINC, "LA-9"),)))

    facts = [
        number(SCORE, in_order, readings(SCORE, in_order))
        for in_order in (sort_record(record(entry), known, TODAY) for entry in (answered, other))
    ]

    assert facts[0].low == 2
    assert facts[1].why_unknown is WhyUnknown.UNREADABLE


def test_data_that_did_not_come_are_not_an_absence() -> None:
    not_sent = ALL_SENT | {"Observation": (Delivery(DeliveryState.NOT_SENT, "the EHR sent null"),)}
    other_codes = ALL_SENT | {"Observation": (Delivery(DeliveryState.WHOLE, codes=frozenset({"2-2"})),)}

    assert latest().why_unknown is WhyUnknown.NOT_FOUND
    assert latest(patient=record(sent=not_sent)).because == "the EHR sent null"
    assert latest(patient=record(sent=other_codes)).why_unknown is WhyUnknown.NOT_SENT


def test_the_highest_and_the_lowest_of_the_window_can_be_asked_for() -> None:
    entries = (scored(17, "2026-05-20"), scored(9, "2026-04-20"), scored(25, "2026-03-20"))

    assert latest(*entries, take="highest").low == 25
    assert latest(*entries, take="lowest").low == 9


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (2, 2, "2"),
        (2, 3, "2 to 3"),
        (1, float("inf"), "at least 1"),
        (0, float("inf"), ""),
        (None, 4, "at most 4"),
        (None, None, ""),
    ],
)
def test_a_range_reads_as_words(low: float | None, high: float | None, text: str) -> None:
    assert range_text(low, high) == text


# ---------------------------------------------------------------- items of a questionnaire

POINTS = {("x", "none"): 0.0, ("x", "some"): 1.0, ("x", "most"): 3.0}
ITEMS = ValueSet("items", "items", {(LOINC, f"9-{n}"): f"item {n}" for n in (1, 2, 3)}, {}, {}, [], POINTS)
ITEM_CODES = TerminologyIndex({**codes().sets, "items": ITEMS}, codes().drugs)
SUMMED = replace(SCORE, items=CompiledItems(("items",), fewest=2))


def answered(
    *answers: float | str | None, when: str = "2026-05-20", source: str = "QuestionnaireResponse/1"
) -> list[Measurement]:
    """Answers to items 1, 2, 3 and 1 again: a number, an answer code, or None for one left out."""
    listed = []
    for answer, code in zip(answers, ("9-1", "9-2", "9-3", "9-1"), strict=False):
        given = Measurement(source, Concept((Coding(LOINC, code),)), when=day(when))
        if isinstance(answer, str):
            listed.append(replace(given, answer=Concept((Coding("x", answer),))))
        elif answer is not None:
            listed.append(replace(given, value=answer))
    return listed


def summed(*entries: Measurement) -> Fact:
    sorted_record = sort_record(record(*entries), ITEM_CODES, TODAY)
    return number(SUMMED, sorted_record, readings(SUMMED, sorted_record))


@pytest.mark.parametrize("answers", [(3, 1, 0), ("most", "some", "none"), (3.0, "some", 0)])
def test_a_questionnaire_without_a_total_is_added_up(answers: tuple[float | str, ...]) -> None:
    fact = summed(*answered(*answers))

    assert (fact.low, fact.high, fact.why_unknown) == (4, 4, None)
    assert [found.reference for found in fact.found] == ["QuestionnaireResponse/1"]


def test_an_item_left_out_may_have_had_any_answer() -> None:
    fact = summed(*answered(3, None, 1))

    assert (fact.low, fact.high, fact.why_unknown) == (4, 7, WhyUnknown.IMPRECISE)


def test_with_fewer_items_it_is_another_form() -> None:
    assert summed(*answered(3)).why_unknown is WhyUnknown.NOT_FOUND


@pytest.mark.parametrize(
    ("answers", "because"),
    [
        ((3, 1, 4), "outside 0 to 3"),
        ((3, 1, -1), "outside 0 to 3"),
        ((3, 1, 0.5), "not a whole number"),
        ((3, 1, "often"), "not one this rule knows"),
        ((3, 1, 0, 3), "answered more than once"),
    ],
)
def test_an_answer_that_cannot_be_true_makes_the_total_unreadable(
    answers: tuple[float | str, ...], because: str
) -> None:
    fact = summed(*answered(*answers))

    assert fact.why_unknown is WhyUnknown.UNREADABLE
    assert because in fact.because


def test_a_total_of_the_same_day_comes_before_the_sum() -> None:
    assert summed(*answered(3, None, 1), scored(5, "2026-05-20")).low == 5
    assert summed(*answered(3, 1, 1), scored(20, "2026-05-19")).low == 5


def test_each_questionnaire_is_added_up_by_itself() -> None:
    first, second = answered(3, 3, 3, when="2026-05-19"), answered(0, 1, 0, source="QuestionnaireResponse/2")

    assert summed(*first, *second).low == 1


@pytest.mark.parametrize("source", ["Observation/1", "QuestionnaireResponse/1"])
def test_items_that_are_no_questionnaire_or_are_of_the_future_are_not_added_up(source: str) -> None:
    when = "2026-05-20" if source == "Observation/1" else "2026-07-01"

    assert summed(*answered(3, 1, 0, source=source, when=when)).why_unknown is WhyUnknown.NOT_FOUND


def test_items_that_add_up_to_more_than_can_be_true_are_unreadable() -> None:
    narrow = replace(SUMMED, plausible=(0.0, 5.0))
    sorted_record = sort_record(record(*answered(3, 3, 0)), ITEM_CODES, TODAY)

    assert number(narrow, sorted_record, readings(narrow, sorted_record)).why_unknown is WhyUnknown.UNREADABLE


def ratio(value: float, *normal: NormalRange, end: str = "upper_limit", **changes: Any) -> Fact:
    entry = scored(value, "2026-05-20", unit="U/L", normal=normal, **changes)
    return latest(entry, unit="1", whole=False, plausible=None, unit_may_be_missing=False, relative_to=end)


@pytest.mark.parametrize(
    ("normal", "low", "high"),
    [
        ((NormalRange(5, 40, "U/L"),), 3, 3),
        ((NormalRange(None, 40, ""),), 3, 3),
        ((NormalRange(None, 40, "U/L"), NormalRange(None, 60, "U/L")), 2, 3),
        ((NormalRange(5, None, "U/L"),), None, None),
        ((NormalRange(None, 0, "U/L"),), None, None),
        ((NormalRange(None, 40, "mg"),), None, None),
        ((), None, None),
    ],
)
def test_a_result_is_compared_with_the_range_it_was_reported_with(
    normal: tuple[NormalRange, ...], low: float | None, high: float | None
) -> None:
    fact = ratio(120, *normal)

    assert (fact.low, fact.high) == (pytest.approx(low) if low else None, pytest.approx(high) if high else None)
    if low is None:
        assert (fact.why_unknown, fact.because) == (
            WhyUnknown.UNREADABLE,
            "the most recent one cannot be read: it has no reference range to compare with",
        )


def test_a_range_in_another_unit_is_converted() -> None:
    entry = scored(120, "2026-05-20", unit="mg/dL", normal=(NormalRange(None, 0.4, "g/L"),))
    fact = latest(entry, unit="1", whole=False, plausible=None, unit_may_be_missing=False, relative_to="upper_limit")

    assert fact.low == pytest.approx(3)


def test_the_lower_end_of_the_range_is_another() -> None:
    assert ratio(2, NormalRange(4, 40, "U/L"), end="lower_limit").low == 0.5
    assert ratio(2, NormalRange(None, 40, "U/L"), end="lower_limit").low is None


def test_a_bound_is_a_bound_of_the_ratio() -> None:
    fact = ratio(2, NormalRange(4, 40, "U/L"), end="lower_limit", comparator="<")

    assert (fact.low, fact.high) == (-math.inf, 0.5)


def called(text: str, value: float, *codings: Coding) -> Measurement:
    return replace(scored(value, "2026-05-20"), concept=Concept(codings, text))


def named_score(*entries: Measurement) -> Fact:
    named = ValueSet(
        "score", "Score", {}, {}, {}, [], {}, full_names={bare("ABC-17 total score"): "ABC-17 total score"}
    )
    other = ValueSet("other", "Other", {(LOINC, "1-8"): "other"}, {}, {}, [], {})
    want = replace(SCORE, coded=("score",), asks_for=())
    sorted_record = sort_record(record(*entries), TerminologyIndex({"score": named, "other": other}, {}), TODAY)
    return number(want, sorted_record, readings(want, sorted_record))


@pytest.mark.parametrize("text", ["ABC-17 total score", "abc 17 TOTAL  score"])
def test_a_score_without_a_code_is_known_by_its_whole_name(text: str) -> None:
    assert named_score(called(text, 12)).low == 12
    assert named_score(called("", 12, Coding("urn:local", "7", text))).low == 12


@pytest.mark.parametrize("text", ["ABC-24 total score", "ABC-17 total score, item 3", "total score", ""])
def test_a_part_of_the_name_or_another_number_is_another_score(text: str) -> None:
    assert named_score(called(text, 12)).low is None


def test_a_code_of_another_set_says_more_than_the_words_beside_it() -> None:
    assert named_score(called("ABC-17 total score", 12, Coding(LOINC, "1-8"))).low is None
