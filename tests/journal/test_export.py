"""Feedback in the regulation's terms."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

from cds.journal import decision_records, feedback
from cds.journal.export import COLUMNS, feedback_as_csv
from cds.journal.period import JournalPeriod
from cds.journal.store import Store
from tests.journal.said import NOON, accepted, overridden, receipt, shown

ALL = JournalPeriod(NOON - timedelta(days=1))
USER = "Practitioner/anna"


def rows(store: Store, period: JournalPeriod = ALL) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(feedback_as_csv(store, period))))


def test_each_word_says_what_the_regulation_asks_for(store: Store) -> None:
    one = shown()
    decision_records.write(store, [receipt(one, user=USER)])
    later = NOON + timedelta(hours=1)
    feedback.keep(store, "", "evaluation", [overridden(one, comment="not now"), accepted(one, later)], later)

    first, second = rows(store)

    assert list(first)[: len(COLUMNS)] == list(COLUMNS)
    assert first["intervention"] == "suggest (evaluation 1.2.0)"
    assert (first["action taken"], second["action taken"]) == ("overridden", "accepted, with a suggestion")
    assert first["user feedback"] == "urn:reasons|patient-refuses; not now"
    assert second["user feedback"] == ""
    assert first["date"] == "2026-06-01T12:00:00+00:00"
    assert first["user"] == second["user"] != ""


def test_a_user_is_a_digest_of_no_use_to_others(store: Store) -> None:
    one, other, elsewhere = shown(), shown(), shown()
    decision_records.write(
        store,
        [
            receipt(one, user=USER),
            receipt(other, user="Practitioner/ben"),
            receipt(elsewhere, user=USER, tenant="north"),
        ],
    )
    feedback.keep(store, "", "evaluation", [accepted(one), accepted(other)], NOON)
    feedback.keep(store, "north", "evaluation", [accepted(elsewhere)], NOON)

    said = rows(store)

    assert len({row["user"] for row in said}) == 3
    assert not [row for row in said if "anna" in row["user"]]
    assert sorted(row["location"] for row in said) == ["", "", "north"]


def test_a_user_is_kept_as_sent_where_a_site_wants_that(place: str) -> None:
    store = Store(place, plain_users=True)
    one, nobody = shown(), shown()
    decision_records.write(store, [receipt(one, user=USER), receipt(nobody)])
    feedback.keep(store, "", "evaluation", [accepted(one), accepted(nobody)], NOON)

    assert sorted(row["user"] for row in rows(store)) == ["", USER]
    store.close()


def test_a_comment_that_looks_like_a_formula_is_none(store: Store) -> None:
    one = shown()
    decision_records.write(store, [receipt(one)])
    feedback.keep(store, "", "evaluation", [overridden(one, code="", comment="=HYPERLINK(1)")], NOON)

    (row,) = rows(store)
    assert not row["user feedback"].startswith("=")


def test_only_the_period_asked_for_is_exported(store: Store) -> None:
    one = shown()
    decision_records.write(store, [receipt(one)])
    feedback.keep(store, "", "evaluation", [accepted(one)], NOON)

    assert rows(store, JournalPeriod(NOON + timedelta(seconds=1))) == []
