"""What clinicians did with cards, in the store."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, func, select

from cds.journal import decision_records, feedback
from cds.journal.answered import _linked
from cds.journal.feedback import _RECENT_OVERRIDES, CardOverride, recent_overrides
from cds.journal.period import JournalPeriod
from cds.journal.retention import RetentionPeriods, prune
from cds.journal.stats import Tally, stats
from cds.journal.store import Store
from cds.journal.tables import accepted as accepted_table
from cds.journal.tables import comments
from cds.journal.tables import feedback as feedback_table
from cds.journal.tables import receipts as receipts_table
from tests.journal.said import NOON, accepted, overridden, receipt, shown

MINUTE = timedelta(minutes=1)
LONG_AGO = NOON - timedelta(days=365)


def keep(store: Store, *words: feedback.CardFeedback, tenant: str = "") -> int:
    return feedback.keep(store, tenant, "evaluation", words, NOON + timedelta(hours=1))


def only(store: Store) -> Tally:
    (tally,) = stats(store, JournalPeriod(LONG_AGO)).tallies
    return tally


def rows(store: Store, table: object = feedback_table) -> int:
    with store.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]


def test_a_word_said_twice_is_kept_once(store: Store) -> None:
    card = shown()

    assert keep(store, overridden(card, comment="no transport")) == 1
    assert keep(store, overridden(card, comment="no transport")) == 0
    assert (rows(store), rows(store, comments)) == (1, 1)


def test_a_word_said_twice_in_one_call_is_kept_once(store: Store) -> None:
    word = accepted(shown())

    assert keep(store, word, word) == 1
    assert rows(store, accepted_table) == 1


@pytest.mark.parametrize("later_first", [False, True])
def test_of_an_accept_and_a_later_override_the_override_counts_in_whatever_order_they_come(
    store: Store, later_first: bool
) -> None:
    card = shown()
    decision_records.write(store, [receipt(card)])
    words = [accepted(card), overridden(card, NOON + MINUTE)]

    for word in reversed(words) if later_first else words:
        keep(store, word)

    tally = only(store)
    assert (tally.shown, tally.accepted, tally.overridden) == (1, 0, 1)
    assert tally.reasons == {"urn:reasons|patient-refuses": 1}
    assert rows(store) == 2


def test_of_two_words_of_one_moment_the_one_that_came_last_counts(store: Store) -> None:
    card = shown()
    decision_records.write(store, [receipt(card)])

    keep(store, overridden(card), accepted(card))

    assert (only(store).accepted, only(store).overridden) == (1, 0)


def test_a_clock_ahead_of_ours_does_not_have_the_last_word_for_ever(store: Store) -> None:
    card = shown()
    decision_records.write(store, [receipt(card)])
    keep(store, accepted(card, NOON + timedelta(days=400)))

    feedback.keep(store, "", "evaluation", [overridden(card, NOON + timedelta(days=1))], NOON + timedelta(days=2))

    assert only(store).overridden == 1


def test_feedback_that_comes_before_its_receipt_is_joined_later(store: Store) -> None:
    card = shown()
    keep(store, accepted(card))
    assert stats(store, JournalPeriod(LONG_AGO)).unknown_cards == 1

    decision_records.write(store, [receipt(card)])

    assert stats(store, JournalPeriod(LONG_AGO)).unknown_cards == 0
    assert only(store).accepted == 1


def test_a_word_of_another_tenant_says_nothing_of_our_card(store: Store) -> None:
    card = shown()
    decision_records.write(store, [receipt(card, tenant="ours")])

    keep(store, overridden(card), tenant="theirs")

    assert only(store).overridden == 0
    assert recent_overrides(store, "ours", "patient-1", LONG_AGO) == []


def test_recent_overrides_are_of_this_patient_and_this_tenant_and_since_then(store: Store) -> None:
    mine, others, elsewhere = shown("mine"), shown("others"), shown("elsewhere")
    decision_records.write(
        store,
        [receipt(mine), receipt(others, patient_id="patient-2"), receipt(elsewhere, tenant="north")],
    )
    keep(store, overridden(mine), overridden(others))
    keep(store, overridden(elsewhere), tenant="north")

    assert recent_overrides(store, "", "patient-1", NOON) == [CardOverride("mine", "patient-refuses", NOON)]
    assert recent_overrides(store, "", "patient-1", NOON + MINUTE) == []
    assert [one.card for one in recent_overrides(store, "north", "patient-1", NOON)] == ["elsewhere"]


def test_an_override_that_was_taken_back_is_none(store: Store) -> None:
    card = shown()
    decision_records.write(store, [receipt(card)])

    keep(store, overridden(card), accepted(card, NOON + MINUTE))

    assert recent_overrides(store, "", "patient-1", LONG_AGO) == []


def test_the_newest_override_comes_first(store: Store) -> None:
    first, second = shown("first"), shown("second")
    decision_records.write(store, [receipt(first), receipt(second)])

    keep(store, overridden(second, NOON + MINUTE), overridden(first))

    assert [one.card for one in recent_overrides(store, "", "patient-1", LONG_AGO)] == ["second", "first"]


def test_a_look_up_sees_what_was_said_since_the_one_before(store: Store) -> None:
    card = shown("mine")
    assert recent_overrides(store, "", "patient-1", LONG_AGO) == []
    decision_records.write(store, [receipt(card)])
    keep(store, overridden(card))

    assert recent_overrides(store, "", "patient-1", LONG_AGO) == [CardOverride("mine", "patient-refuses", NOON)]


def test_a_word_that_came_before_its_receipt_counts_once_that_is_there(store: Store) -> None:
    card, others = shown("mine"), shown("others")
    keep(store, overridden(card), overridden(others))
    assert recent_overrides(store, "", "patient-1", LONG_AGO) == []

    decision_records.write(store, [receipt(card)])

    assert [one.card for one in recent_overrides(store, "", "patient-1", LONG_AGO)] == ["mine"]


def test_word_and_receipt_that_are_written_at_the_same_time_find_each_other(store: Store) -> None:
    listed = [shown(f"card-{number}") for number in range(40)]

    def decide() -> None:
        for card in listed:
            decision_records.write(store, [receipt(card)])

    def answer() -> None:
        for card in listed:
            keep(store, overridden(card))

    with ThreadPoolExecutor(2) as both:
        for under_way in (both.submit(decide), both.submit(answer)):
            under_way.result()

    found = {one.card for one in recent_overrides(store, "", "patient-1", LONG_AGO)}
    assert found == {one.name for one in listed}


def steps_of_look_up(store: Store, place: Path) -> int:
    """How many instructions of SQLite's machine a look-up takes."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    with closing(sqlite3.connect(place)) as connection:
        connection.set_progress_handler(step, 1)
        given = {"patient_digest": decision_records.patient_digest(store, "", "patient-1"), "since": LONG_AGO}
        assert len(_RECENT_OVERRIDES.run(connection, store._engine.dialect, given)) == 1
    return steps


def test_a_look_up_costs_the_same_for_a_patient_with_any_number_of_receipts(tmp_path: Path) -> None:
    place = tmp_path / "journal.sqlite3"
    store = Store(str(place))
    answered = shown("mine")
    decision_records.write(store, [receipt(answered)])
    keep(store, overridden(answered))
    before = steps_of_look_up(store, place)

    decision_records.write(store, [receipt(shown()) for _ in range(50)])

    assert steps_of_look_up(store, place) == before
    store.close()


def test_a_write_does_not_go_through_the_words_of_cards_that_nobody_knows(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "journal.sqlite3"))
    store.open()
    asked = _linked(feedback_table.c.card.in_(["a", "b"])).compile(
        store._engine, compile_kwargs={"literal_binds": True}
    )

    with store.reading() as connection:
        told = " ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}"))

    assert "SEARCH feedback USING INDEX feedback_by_card" in told
    assert "SCAN" not in told
    store.close()


def test_a_receipt_that_is_removed_takes_the_patient_of_its_words_with_it(store: Store) -> None:
    card = shown("mine")
    decision_records.write(store, [receipt(card)])
    keep(store, overridden(card))
    with store.writing() as connection:
        connection.execute(receipts_table.update().values(decided_at=LONG_AGO))

    prune(store, RetentionPeriods(receipts=100, comments=100, inputs=0), NOON)

    with store.reading() as connection:
        assert connection.execute(select(feedback_table.c.patient)).scalars().all() == [""]


def test_a_look_up_does_without_sqlalchemy(store: Store) -> None:
    recent_overrides(store, "", "patient-1", LONG_AGO)
    said: list[str] = []

    @event.listens_for(store._engine, "before_cursor_execute")
    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    recent_overrides(store, "", "patient-1", LONG_AGO)

    assert said == []


def test_a_look_up_over_a_connection_that_was_cut_is_made_over_a_new_one(store: Store) -> None:
    recent_overrides(store, "", "patient-1", LONG_AGO)
    assert store._kept is not None
    assert store._kept.dbapi_connection is not None
    store._kept.dbapi_connection.close()

    assert recent_overrides(store, "", "patient-1", LONG_AGO) == []
    assert store.works


def test_a_look_up_in_a_store_that_is_closed_opens_it_again(store: Store) -> None:
    recent_overrides(store, "", "patient-1", LONG_AGO)
    store.close()

    assert recent_overrides(store, "", "patient-1", LONG_AGO) == []
