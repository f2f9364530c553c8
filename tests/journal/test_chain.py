"""Each entry carries the hash of the one before: whatever is changed, taken out or put in is found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from cds.journal.audit import CHAIN, AuditAction, AuditEntry, read_audit, record_audit
from cds.journal.chain import ChainHead
from cds.journal.retention import RetentionPeriods, prune
from cds.journal.store import Store
from cds.journal.verify import verify_chains

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def look(store: Store, number: int, at: datetime = NOON) -> None:
    record_audit(store, AuditEntry(at, AuditAction.READ, f"user {number}", "admin", "", "/console", "", "", "::1"))


def problems(store: Store, earlier: ChainHead | None = None) -> tuple[str, ...]:
    return verify_chains(store, {CHAIN: earlier} if earlier is not None else {})[CHAIN].problems


@pytest.fixture
def five(store: Store) -> Store:
    for number in range(1, 6):
        look(store, number)
    assert problems(store) == ()
    return store


@pytest.mark.parametrize("statement", [
    "UPDATE audit_events SET who = 'nobody' WHERE place = 1",
    "UPDATE audit_events SET who = 'nobody' WHERE place = 3",
    "UPDATE audit_events SET who = 'nobody' WHERE place = 5",
    "UPDATE audit_events SET before = '' WHERE place = 3",
    "DELETE FROM audit_events WHERE place = 1",
    "DELETE FROM audit_events WHERE place = 3",
    "DELETE FROM audit_events WHERE place = 5",
    "DELETE FROM audit_events",
    "UPDATE chain_heads SET place = 4",
    "DELETE FROM chain_heads",
    "UPDATE audit_events SET place = 6 WHERE place = 2",
])  # fmt: skip
def test_a_change_or_gap_is_found(statement: str, five: Store) -> None:
    with five.writing() as connection:
        connection.execute(text(statement))

    assert problems(five)


def test_an_end_that_was_cut_off_with_its_head_is_found_by_a_head_written_down_before(five: Store) -> None:
    earlier = verify_chains(five, {})[CHAIN].head
    with five.writing() as connection:
        before = connection.execute(text("SELECT before FROM audit_events WHERE place = 5")).scalar_one()
        connection.execute(text("DELETE FROM audit_events WHERE place = 5"))
        connection.execute(text("UPDATE chain_heads SET place = 4, hash = :hash"), {"hash": before})

    assert problems(five) == ()
    assert problems(five, earlier)
    look(five, 6)
    assert problems(five, earlier)


def test_what_came_later_is_no_problem(five: Store) -> None:
    earlier = verify_chains(five, {})[CHAIN].head
    look(five, 6)

    assert problems(five, earlier) == ()


def test_what_was_removed_for_its_age_is_no_gap_and_a_forged_removal_is(store: Store) -> None:
    for number in range(1, 8):
        look(store, number, NOON + timedelta(days=number))
    keep = RetentionPeriods(100, 100, 0, audit=1)

    prune(store, keep, NOON + timedelta(days=4, hours=1))
    prune(store, keep, NOON + timedelta(days=5, hours=1))

    report = verify_chains(store, {})[CHAIN]
    assert report.problems == ()
    assert (report.entries, report.removed) == (3, 4)
    look(store, 8)
    prune(store, keep, NOON + timedelta(days=100))
    assert verify_chains(store, {})[CHAIN].removed == 8
    assert problems(store) == ()
    look(store, 9)
    assert problems(store) == ()
    with store.writing() as connection:
        connection.execute(text("UPDATE chain_cuts SET last = last + 1 WHERE first = 5"))
    assert problems(store)


def test_looks_are_read_as_they_were_written(five: Store) -> None:
    assert [entry.who for _, entry in read_audit(five, NOON)] == [f"user {number}" for number in range(1, 6)]
    assert list(read_audit(five, NOON + timedelta(seconds=1))) == []
