"""Each entry carries the hash of the one before: whatever is changed, taken out or put in is found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from cds.cli.main import app
from cds.journal.audit import CHAIN, AuditAction, AuditEntry, read_audit, record_audit
from cds.journal.chain import ChainHead
from cds.journal.decision_records import CardRecord, DecisionRecord, write
from cds.journal.retention import RetentionPeriods, prune
from cds.journal.store import Store
from cds.journal.verify import verify_chains
from tests.journal.said import RULE

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def look(store: Store, number: int, at: datetime = NOON) -> None:
    record_audit(store, AuditEntry(at, AuditAction.READ, f"user {number}", "admin", "", "/console", "", "", "::1"))


def problems(store: Store, earlier: ChainHead | None = None) -> tuple[str, ...]:
    return verify_chains(store, {CHAIN: earlier} if earlier is not None else {})[0][CHAIN].problems


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
    earlier = verify_chains(five, {})[0][CHAIN].head
    with five.writing() as connection:
        before = connection.execute(text("SELECT before FROM audit_events WHERE place = 5")).scalar_one()
        connection.execute(text("DELETE FROM audit_events WHERE place = 5"))
        connection.execute(text("UPDATE chain_heads SET place = 4, hash = :hash"), {"hash": before})

    assert problems(five) == ()
    assert problems(five, earlier)
    look(five, 6)
    assert problems(five, earlier)


def test_what_came_later_is_no_problem(five: Store) -> None:
    earlier = verify_chains(five, {})[0][CHAIN].head
    look(five, 6)

    assert problems(five, earlier) == ()


def test_what_was_removed_for_its_age_is_no_gap_and_a_forged_removal_is(store: Store) -> None:
    for number in range(1, 8):
        look(store, number, NOON + timedelta(days=number))
    keep = RetentionPeriods(100, 100, 0, audit=1)

    prune(store, keep, NOON + timedelta(days=4, hours=1))
    prune(store, keep, NOON + timedelta(days=5, hours=1))

    report = verify_chains(store, {})[0][CHAIN]
    assert report.problems == ()
    assert (report.entries, report.removed) == (3, 4)
    look(store, 8)
    prune(store, keep, NOON + timedelta(days=100))
    assert verify_chains(store, {})[0][CHAIN].removed == 8
    assert problems(store) == ()
    look(store, 9)
    assert problems(store) == ()
    with store.writing() as connection:
        connection.execute(text("UPDATE chain_cuts SET last = last + 1 WHERE first = 5"))
    assert problems(store)


def test_looks_are_read_as_they_were_written(five: Store) -> None:
    assert [entry.who for _, entry in read_audit(five, NOON)] == [f"user {number}" for number in range(1, 6)]
    assert list(read_audit(five, NOON + timedelta(seconds=1))) == []


# ---------------------------------------------------------------- receipts


def receipt_problems(store: Store) -> list[str]:
    reports, _ = verify_chains(store, {})
    return [problem for report in reports.values() for problem in report.problems]


@pytest.fixture
def kept(store: Store) -> Store:
    """Six receipts of two tenants, written in three transactions."""
    for number in range(3):
        write(store, [receipt(f"a{number}", "north", number), receipt(f"b{number}", "south", number)])
    assert receipt_problems(store) == []
    return store


def receipt(name: str, tenant: str, days: int) -> DecisionRecord:
    shown = CardRecord(f"card-{name}", (f"suggestion-{name}",), "suggest", "info", RULE)
    return DecisionRecord(
        id=name, tenant=tenant, service="s", hook="patient-view", hook_instance=name, patient_id="p", digest=b"d",
        body=None, decided_at=NOON + timedelta(days=days, microseconds=7), day=NOON.date(), rules="v1",
        files={"r": RULE}, opinions="both", conclusions={"x": "true"}, issues={"not-sent": 2},
        milliseconds={"read": 0.123},
        shown=(shown,), remarks={("not-sent", "Observation", "Not sent."): 1}, unread={("Condition", "s", "c"): 1},
        answer=b"cards",
    )  # fmt: skip


@pytest.mark.parametrize("statement", [
    "UPDATE receipts SET day = '2020-01-01' WHERE id = 'a1'",
    "UPDATE receipts SET answer = 'x' WHERE id = 'b2'",
    "UPDATE receipts SET tenant = 'north' WHERE id = 'b1'",
    "UPDATE cards SET indicator = 'critical' WHERE uuid = 'card-a0'",
    "DELETE FROM suggestions WHERE uuid = 'suggestion-a2'",
    "UPDATE remarks SET times = 9 WHERE receipt = 'b0'",
    "DELETE FROM unread_codes WHERE receipt = 'a1'",
    "UPDATE receipts SET place = NULL WHERE id = 'a1'",
    "DELETE FROM receipts WHERE id = 'b2'",
])  # fmt: skip
def test_a_changed_or_missing_receipt_is_found(statement: str, kept: Store) -> None:
    with kept.writing() as connection:
        connection.execute(text(statement))

    assert receipt_problems(kept)


def test_a_receipt_that_is_written_again_has_one_place(kept: Store) -> None:
    write(kept, [receipt("a1", "north", 1), receipt("a3", "north", 3)])

    reports, older = verify_chains(kept, {})
    assert (reports["receipts:north"].entries, reports["receipts:north"].problems, older) == (4, (), 0)


def test_receipts_that_were_removed_for_their_age_leave_no_gap(kept: Store) -> None:
    prune(kept, RetentionPeriods(100, 100, 0), NOON + timedelta(days=101, hours=12))

    reports, _ = verify_chains(kept, {})
    assert receipt_problems(kept) == []
    assert (reports["receipts:south"].entries, reports["receipts:south"].removed) == (1, 2)
    write(kept, [receipt("b3", "south", 90)])
    assert receipt_problems(kept) == []


@pytest.mark.seconds
def test_workers_that_write_at_once_make_one_chain(store: Store, place: str) -> None:
    others = [Store(place) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for worker, other in enumerate(others):
            for number in range(10):
                pool.submit(
                    write, other, [receipt(f"{worker}-{number}", "north", 0), receipt(f"{worker}+{number}", "", 0)]
                )
    for other in others:
        other.close()

    reports, _ = verify_chains(store, {})
    assert (reports["receipts:north"].entries, reports["receipts:"].entries) == (40, 40)
    assert receipt_problems(store) == []


def test_the_chain_of_a_site_without_tenants_is_named_without_one(
    store: Store, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDS_JOURNAL", place)
    write(store, [receipt("one", "", 0)])

    assert "receipts: entries 1, removed" in CliRunner().invoke(app, ["journal", "verify"]).output


@pytest.mark.seconds
def test_the_command_says_what_was_changed_and_takes_the_heads_it_wrote(
    kept: Store, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDS_JOURNAL", place)
    heads = tmp_path / "heads.json"

    first = CliRunner().invoke(app, ["journal", "verify"])
    assert first.exit_code == 0
    heads.write_text(first.stdout)
    assert CliRunner().invoke(app, ["journal", "verify", "--earlier", str(heads)]).exit_code == 0
    with kept.writing() as connection:
        connection.execute(text("UPDATE cards SET rule = 'other' WHERE uuid = 'card-a1'"))
    after = CliRunner().invoke(app, ["journal", "verify", "--earlier", str(heads)])
    assert after.exit_code == 1
    assert "receipts:north: 2 was changed" in after.output
