"""What was decided over time, and what the data lacked; on both kinds of database."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds.journal import decision_records, feedback
from cds.journal.csv_text import csv_text
from cds.journal.decision_records import remarks_in
from cds.journal.feedback import CardFeedback, CardOutcome
from cds.journal.interval import FEWEST, share
from cds.journal.period import JournalPeriod
from cds.journal.playground import playground_of
from cds.journal.stats import stats
from cds.journal.store import Store
from cds.journal.trends import Day, Remark, by_day, comments_of, read_newest, remarks_of, versions_of
from cds.record.issues import MOST_ALIKE, Issues
from cds.record.model import IssueKind, Patient, PatientRecord
from tests.journal.said import NOON, accepted, overridden, receipt, shown

ALL = JournalPeriod(NOON - timedelta(days=100))
DAY = timedelta(days=1)


def test_decisions_are_counted_by_day_and_service_with_those_that_showed_a_card(store: Store) -> None:
    decision_records.write(
        store,
        [
            receipt(shown(), shown("second")),
            receipt(),
            receipt(shown(), service="other"),
            receipt(day=date(2026, 6, 2), decided_at=NOON + DAY),
        ],
    )

    assert by_day(store, ALL) == (
        Day(date(2026, 6, 1), "evaluation", 2, 1),
        Day(date(2026, 6, 1), "other", 1, 1),
        Day(date(2026, 6, 2), "evaluation", 1, 0),
    )


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("period", "count"),
    [
        (JournalPeriod(NOON), 2),
        (JournalPeriod(NOON + timedelta(seconds=1)), 1),
        (JournalPeriod(NOON, until=NOON), 0),
        (JournalPeriod(NOON, until=NOON + DAY), 1),
        (JournalPeriod(NOON, tenant="north"), 1),
        (JournalPeriod(NOON, tenant=""), 1),
        (JournalPeriod(NOON, service="evaluation"), 1),
        (JournalPeriod(NOON, rules="rules-2"), 1),
        (JournalPeriod(NOON, rules="rules-3"), 0),
    ],
)
def test_a_period_holds_its_first_moment_and_not_its_last_and_may_be_narrowed(
    period: JournalPeriod, count: int, store: Store
) -> None:
    decision_records.write(
        store, [receipt(), receipt(decided_at=NOON + DAY, tenant="north", service="other", rules="rules-2")]
    )

    assert sum(day.decisions for day in by_day(store, period)) == count
    assert read_newest(store, period).receipts == count
    assert stats(store, period).decisions == count


def test_what_was_tried_in_the_playground_counts_only_where_it_is_asked_for(store: Store) -> None:
    decision_records.write(
        store, [receipt(), receipt(tenant=playground_of("")), receipt(tenant=playground_of("north"))]
    )

    assert stats(store, ALL).decisions == 1
    assert stats(store, JournalPeriod(ALL.since, tenant=playground_of("north"))).decisions == 1


def test_the_newest_receipts_say_how_long_it_took_what_was_concluded_and_what_stayed_unknown(store: Store) -> None:
    decision_records.write(
        store,
        [
            receipt(
                milliseconds={"decide": float(number)},
                conclusions={"resistant": "true" if number < 7 else "unknown"},
                unknown={"score": "too old"} if number < 3 else {"score": "not sent", "weight": "unreadable"},
                decided_at=NOON + timedelta(seconds=number),
            )
            for number in range(1, 21)
        ],
    )

    read = read_newest(store, ALL)

    assert read.milliseconds == {"decide": (10.0, 19.0)}
    assert read.conclusions == {"resistant": Counter(true=6, unknown=14)}
    assert read.unknown == {"score": Counter({"too old": 2, "not sent": 18}), "weight": Counter(unreadable=18)}
    assert read_newest(store, ALL, most=5).conclusions == {"resistant": Counter(unknown=5)}


def test_remarks_are_counted_by_decision_and_in_all_the_most_frequent_first(store: Store) -> None:
    unit, lost = ("implausible", "Observation", "The unit is not known."), ("not sent", "Condition", "It was not sent.")
    decision_records.write(store, [receipt(remarks={unit: 3, lost: 1}), receipt(remarks={lost: 1})])

    assert remarks_of(store, ALL) == (Remark(*lost, 2, 2), Remark(*unit, 1, 3))


def test_a_receipt_that_is_written_twice_is_counted_once(store: Store) -> None:
    one = receipt(shown(), remarks={("ignored", "Condition", "It was deleted."): 2})
    decision_records.write(store, [one])
    decision_records.write(store, [one])

    assert [remark.times for remark in remarks_of(store, ALL)] == [2]


def test_comments_are_those_of_the_last_word_newest_first(store: Store) -> None:
    one, other = shown("one"), shown("other")
    decision_records.write(store, [receipt(one, other)])
    feedback.keep(store, "", "evaluation", [overridden(one, comment="first thought")], NOON)
    feedback.keep(store, "", "evaluation", [overridden(one, NOON + DAY, comment="second thought")], NOON + DAY)
    feedback.keep(store, "", "evaluation", [overridden(other, comment="of the other")], NOON)

    said = comments_of(store, ALL)

    assert [(one.card, one.comment, one.reason) for one in said] == [
        ("one", "second thought", "patient-refuses"),
        ("other", "of the other", "patient-refuses"),
    ]


def test_a_comment_is_shown_with_the_cards_of_its_own_tenant_only(store: Store) -> None:
    card = shown()
    decision_records.write(store, [receipt(card, tenant="north")])
    word = CardFeedback(card.uuid, CardOutcome.OVERRIDDEN, (), "", "", "", "said in the south", NOON)
    feedback.keep(store, "south", "evaluation", [word], NOON)

    assert comments_of(store, ALL) == ()


def test_versions_are_listed_whatever_the_period_is_limited_to(store: Store) -> None:
    decision_records.write(store, [receipt(), receipt(rules="rules-2", decided_at=NOON + DAY)])

    assert versions_of(store, JournalPeriod(NOON, rules="rules-1")) == ("rules-2", "rules-1")


def test_tallies_follow_the_period(store: Store) -> None:
    early, late = shown("early"), shown("late")
    decision_records.write(store, [receipt(early), receipt(late, decided_at=NOON + DAY, service="other")])
    feedback.keep(store, "", "evaluation", [accepted(early), accepted(late)], NOON)

    assert [tally.card for tally in stats(store, JournalPeriod(NOON, service="other")).tallies] == ["late"]
    assert [tally.accepted for tally in stats(store, JournalPeriod(NOON, until=NOON + DAY)).tallies] == [1]


# ---------------------------------------------------------------- shares


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(0, 10, 0.0, 0.27753), (10, 10, 0.72247, 1.0), (5, 10, 0.23659, 0.76341), (1, 1000, 0.00018, 0.00565)],
)
def test_a_share_has_wilsons_interval(count: int, of: int, low: float, high: float) -> None:
    found = share(count, of)

    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


def test_of_nothing_anything_may_be() -> None:
    found = share(0, 0)

    assert (found.value, found.low, found.high, found.too_few) == (None, 0.0, 1.0, True)


@pytest.mark.parametrize(("of", "too_few"), [(FEWEST - 1, True), (FEWEST, False)])
def test_a_share_of_few_says_so(of: int, too_few: bool) -> None:
    assert share(1, of).too_few is too_few


@given(st.integers(1, 10_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_a_share_lies_in_its_interval(pair: tuple[int, int]) -> None:
    found = share(*pair)

    assert found.value is not None
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


# ---------------------------------------------------------------- sheets


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1"])
def test_no_cell_is_taken_for_a_formula(text: str) -> None:
    (_, (cell,)) = csv.reader(io.StringIO(csv_text(["a"], [[text]])))

    assert cell == f"'{text}"


def test_a_sheet_keeps_numbers_commas_and_lines() -> None:
    assert csv_text(["a", "b"], [["x, y", -1], ["two\nlines", None]]) == 'a,b\r\n"x, y",-1\r\n"two\nlines",\r\n'


def test_what_is_met_too_often_to_be_kept_one_by_one_counts_as_often_as_it_was_met(store: Store) -> None:
    issues = Issues()
    for number in range(MOST_ALIKE + 480):
        issues.note(IssueKind.IMPLAUSIBLE, "Observation", f"Bundle.entry[{number}]", "Unit not understood.")

    found = remarks_in(PatientRecord(Patient("Patient/1"), issues=issues.listed()))

    assert found == {("implausible", "Observation", "Unit not understood."): MOST_ALIKE + 480}
