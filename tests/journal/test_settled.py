"""Of unknown decisions: what was missing, how many were settled, after how long, and what they became."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds.cli.main import app
from cds.journal.audit import AuditAction, AuditEntry, record_audit
from cds.journal.decision_records import patient_digest, write
from cds.journal.period import JournalPeriod
from cds.journal.settled import SettledTally, settled, settled_as_csv
from cds.journal.store import Store
from tests.journal.said import receipt

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HEAD = "treatment_resistant_depression"
ALL_TIME = JournalPeriod(NOON - timedelta(days=1))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(str(tmp_path / "journal.sqlite3"))
    yield made
    made.close()


def seen(store: Store, patient: str, day: int, truth: str, **unknown: str) -> None:
    made = replace(
        receipt(id=f"{patient}-{day}"),
        patient_id=patient,
        decided_at=NOON + timedelta(days=day),
        conclusions={HEAD: truth},
        unknown=unknown,
    )
    write(store, [made])


def saved(store: Store, patient: str, day: int, action: AuditAction = AuditAction.SAVED_IN_EHR) -> None:
    digest = patient_digest(store, "", patient)
    at = NOON + timedelta(days=day, hours=-1)
    record_audit(store, AuditEntry(at, action, "launch", "", "", "/decisions/x/save", "x", digest, "::1"))


def of(tallies: tuple[SettledTally, ...], missing: str = "") -> SettledTally:
    (found,) = [one for one in tallies if one.missing == missing]
    return found


def fill(store: Store) -> None:
    seen(store, "a", 0, "unknown", failed_trials="not recorded", phq9="too old")
    seen(store, "a", 3, "unknown", failed_trials="not recorded")
    saved(store, "a", 4)
    seen(store, "a", 4, "true")
    seen(store, "b", 0, "unknown", failed_trials="not recorded")
    seen(store, "b", 2, "false")
    seen(store, "c", 1, "unknown", failed_trials="not recorded")
    saved(store, "c", 2, AuditAction.NOT_SAVED)
    seen(store, "d", 1, "true")


def test_a_patient_counts_once_from_the_first_unknown_to_what_settled_it(store: Store) -> None:
    fill(store)
    every = of(settled(store, ALL_TIME, [HEAD]))

    assert (every.unknown, every.settled, every.after_review) == (3, 2, 1)
    assert (every.became["true"], every.became["false"]) == (1, 1)
    assert every.median_days == 3
    assert every.share == pytest.approx(2 / 3)


def test_by_what_was_missing_at_first(store: Store) -> None:
    fill(store)
    tallies = settled(store, ALL_TIME, [HEAD])

    assert (of(tallies, "failed_trials").unknown, of(tallies, "failed_trials").settled) == (3, 2)
    assert (of(tallies, "phq9").unknown, of(tallies, "phq9").why) == (1, "too old")


def test_what_is_outside_of_the_period_or_of_another_patient_settles_nothing(store: Store) -> None:
    fill(store)

    assert of(settled(store, JournalPeriod(ALL_TIME.since, NOON + timedelta(days=1.5)), [HEAD])).settled == 0
    assert settled(store, ALL_TIME, ["another"]) == ()


@pytest.mark.seconds
def test_as_csv_it_holds_nothing_of_a_patient(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fill(store)
    text = settled_as_csv(settled(store, ALL_TIME, [HEAD]))
    rows = list(csv.DictReader(io.StringIO(text)))

    assert rows[0]["missing"] == ""
    assert (rows[0]["unknown"], rows[0]["settled"], rows[0]["became_true"]) == ("3", "2", "1")
    for patient in "abcd":
        assert patient_digest(store, "", patient) not in text
    monkeypatch.setenv("CDS_JOURNAL", str(tmp_path / "journal.sqlite3"))
    printed = CliRunner().invoke(app, ["journal", "settled", "--since", "2026-05-01"])
    assert printed.exit_code == 0, printed.output
    assert printed.output.splitlines() == text.splitlines()
