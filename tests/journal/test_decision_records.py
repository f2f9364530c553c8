"""Receipts of decisions, their retention, and the thread that writes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, event, func, make_url, select

from cds.journal import decision_records, feedback, tables
from cds.journal import writer as writing
from cds.journal.period import JournalPeriod
from cds.journal.retention import RetentionPeriods, prune
from cds.journal.rule_archives import Archives
from cds.journal.stats import stats
from cds.journal.store import Store, StoreDownError
from cds.journal.used_tokens import first_use
from cds.journal.writer import JournalWriter
from tests.journal.said import NOON, RULE, accepted, overridden, receipt, shown

KEEP = RetentionPeriods(receipts=100, comments=10, inputs=5)


def count(store: Store, table: Table) -> int:
    with store.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def until(true: Callable[[], Any]) -> None:
    give_up = time.monotonic() + 30
    while not true() and time.monotonic() < give_up:
        time.sleep(0.02)
    assert true()


def test_a_receipt_is_kept_as_it_was(store: Store) -> None:
    one, other = shown("one"), shown("other")
    kept = receipt(one, other)

    decision_records.write(store, [kept])

    with store.reading() as connection:
        row = connection.execute(tables.receipts.select()).mappings().one()
        rules = connection.execute(tables.rule_sets.select()).mappings().one()
        cards = connection.execute(tables.cards.select().order_by(tables.cards.c.position)).mappings().all()
        suggestions = connection.execute(select(tables.suggestions.c.uuid)).scalars().all()
    assert (row["id"], row["decided_at"], row["day"]) == (kept.id, NOON, kept.day)
    assert row["conclusions"] == {"resistant": "true", "excluded": "unknown"}
    assert (row["issues"], row["milliseconds"]) == ({"ignored": 2}, {"decide": 1.5})
    assert rules["files"] == {RULE.id: {"version": RULE.version, "digest": RULE.digest}}
    assert [(card["uuid"], card["name"], card["version"]) for card in cards] == [
        (one.uuid, "one", "1.2.0"),
        (other.uuid, "other", "1.2.0"),
    ]
    assert set(suggestions) == {*one.suggestions, *other.suggestions}


def test_the_patients_id_is_nowhere_in_the_file(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "journal.sqlite3"))
    decision_records.write(store, [receipt(shown(), patient_id="Quackenbush-1961")])
    store.close()

    assert all(b"Quackenbush" not in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.seconds
def test_a_receipt_written_twice_is_one(store: Store) -> None:
    kept = receipt(shown())

    decision_records.write(store, [kept])
    decision_records.write(store, [kept])

    assert (count(store, tables.receipts), count(store, tables.cards)) == (1, 1)


def test_inputs_are_kept_only_when_asked_for(store: Store) -> None:
    decision_records.write(store, [receipt(), receipt(body=b"packed")])

    assert count(store, tables.inputs) == 1


@pytest.mark.parametrize(
    ("days", "left"),
    [
        (5, {"receipts": 1, "cards": 1, "inputs": 1, "feedback": 1, "comments": 1}),
        (6, {"receipts": 1, "cards": 1, "inputs": 0, "feedback": 1, "comments": 1}),
        (11, {"receipts": 1, "cards": 1, "inputs": 0, "feedback": 1, "comments": 0}),
        (101, {"receipts": 0, "cards": 0, "inputs": 0, "feedback": 0, "comments": 0}),
    ],
)
def test_each_kind_is_kept_for_its_own_days(store: Store, days: int, left: dict[str, int]) -> None:
    card = shown()
    decision_records.write(store, [receipt(card, body=b"packed")])
    feedback.keep(store, "", "evaluation", [overridden(card, comment="no transport")], NOON)

    prune(store, KEEP, NOON + timedelta(days=days))

    assert {name: count(store, tables.METADATA.tables[name]) for name in left} == left


def test_a_dry_run_counts_and_removes_nothing(store: Store) -> None:
    decision_records.write(store, [receipt(shown())])
    first_use(store, "https://ehr.example", "a", NOON)

    counts = prune(store, KEEP, NOON + timedelta(days=200), dry_run=True)

    assert counts == {"comments": 0, "inputs": 0, "receipts": 1, "feedback": 0, "tokens": 1} | dict.fromkeys(
        ("console_sessions", "audit_events", "reviews", "disagreements"), 0
    )
    assert (count(store, tables.receipts), count(store, tables.tokens)) == (1, 1)


def test_a_pruned_comment_is_gone_from_the_disk(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "journal.sqlite3"))
    words = [overridden(shown(), comment="Quackenbush has no transport")]
    feedback.keep(store, "", "evaluation", words, NOON)

    prune(store, KEEP, NOON + timedelta(days=50))

    assert all(b"Quackenbush" not in path.read_bytes() for path in tmp_path.iterdir())
    store.close()


def test_the_writer_writes_behind_and_what_waits_is_written_at_the_end(store: Store) -> None:
    writer = JournalWriter(store, KEEP)
    writer.start()
    for _ in range(250):
        writer.offer(receipt(shown()))
    writer.close(60)

    assert (count(store, tables.receipts), writer.waiting, writer.lost) == (250, 0, 0)


def test_receipts_that_come_together_share_a_transaction_and_a_statement_for_each_table(store: Store) -> None:
    store.open()
    said: list[str] = []

    def hear(*what: Any) -> None:
        said.append(what[2])

    event.listen(store._engine, "before_cursor_execute", hear)
    try:
        decision_records.write(store, [receipt(shown("one"), shown("other")) for _ in range(40)])
    finally:
        event.remove(store._engine, "before_cursor_execute", hear)

    inserts = [statement.split()[2] for statement in said if statement.startswith("INSERT")]
    assert count(store, tables.cards) == 80
    assert sorted(inserts) == sorted(set(inserts))


def test_a_receipt_alone_is_written_at_once_and_those_that_follow_it_together(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []

    def write(_: Store, written: Sequence[decision_records.DecisionRecord], __: Archives) -> None:
        batches.append(len(written))

    monkeypatch.setattr(writing, "write", write)
    monkeypatch.setattr(writing, "BETWEEN_WRITES", 1.0)
    writer = JournalWriter(store, KEEP)
    writer.start()
    writer.offer(receipt(shown()))
    until(lambda: batches == [1])

    for _ in range(7):
        writer.offer(receipt(shown()))
    writer.close(60)

    assert batches == [1, 7]


@pytest.mark.seconds
def test_what_a_store_that_is_away_misses_is_written_when_it_is_back(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    store = Store(str(tmp_path / "taken" / "journal.sqlite3"))
    writer = JournalWriter(store, KEEP)
    writer.start()
    writer.offer(receipt(shown()))
    until(lambda: not writer.works)
    assert writer.waiting == 1

    (tmp_path / "taken").unlink()
    until(lambda: writer.works and not writer.waiting)
    writer.close()

    assert (count(store, tables.receipts), writer.lost) == (1, 0)
    store.close()


def test_more_than_may_wait_is_lost_counted_and_said_without_blocking(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    store = Store(str(tmp_path / "taken" / "journal.sqlite3"))
    writer = JournalWriter(store, KEEP, most_waiting=3)
    writer.start()

    for _ in range(5):
        writer.offer(receipt(shown(), patient_id="Quackenbush"))

    assert (writer.waiting, writer.lost, writer.works) == (3, 2, False)
    writer.close()
    assert writer.lost == 5
    assert "receipts were not kept" in caplog.text
    assert "Quackenbush" not in caplog.text
    store.close()


def test_a_receipt_that_no_database_takes_does_not_stop_the_others(store: Store) -> None:
    writer = JournalWriter(store, KEEP)
    writer.offer(receipt(shown()))
    writer.offer(receipt(shown(), conclusions={"a": object()}))
    writer.offer(receipt(shown()))
    writer.start()
    writer.close(60)

    assert (count(store, tables.receipts), writer.lost) == (2, 1)


def test_a_receipt_after_the_end_is_counted_as_lost(store: Store) -> None:
    writer = JournalWriter(store, KEEP)
    writer.start()
    writer.close()
    writer.offer(receipt())

    assert writer.lost == 1


def test_stats_count_by_rule_version_and_card_from_a_moment_on(store: Store) -> None:
    old, young, silent = shown(), shown(), shown("other")
    decision_records.write(store, [receipt(old, decided_at=NOON - timedelta(days=2)), receipt(young, silent)])
    feedback.keep(store, "", "evaluation", [accepted(young), overridden(old)], NOON)

    found = stats(store, JournalPeriod(NOON - timedelta(days=1)))

    assert found.decisions == 1
    assert [(tally.card, tally.version, tally.shown, tally.accepted, tally.overridden) for tally in found.tallies] == [
        ("other", "1.2.0", 1, 0, 0),
        ("suggest", "1.2.0", 1, 1, 0),
    ]


def test_cards_of_silent_files_are_kept_counted_and_pruned_with_their_receipt(store: Store) -> None:
    decision_records.write(store, [receipt(shown(), silent={"quiet": RULE}), receipt(silent={"quiet": RULE})])

    tallies = {tally.card: (tally.shown, tally.silent) for tally in stats(store, JournalPeriod(NOON)).tallies}
    assert tallies == {"suggest": (1, 0), "quiet": (0, 2)}

    prune(store, KEEP, NOON + timedelta(days=1000))
    assert count(store, tables.silent_cards) == 0


def test_a_read_only_file_is_down_and_keeps_what_it_has(store: Store, place: str) -> None:
    decision_records.write(store, [receipt()])
    with store.reading() as connection:
        if store.embedded:
            connection.exec_driver_sql("PRAGMA query_only=ON")
        else:
            connection.exec_driver_sql(
                "ALTER DATABASE " + str(make_url(place).database) + " SET default_transaction_read_only = on"
            )
    if not store.embedded:
        store.close()

    with pytest.raises(StoreDownError):
        decision_records.write(store, [receipt()])

    assert not store.works
    assert count(store, tables.receipts) == 1


def test_a_full_disk_is_down_and_keeps_what_it_has(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "journal.sqlite3"))
    decision_records.write(store, [receipt()])
    with store.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 1}")

    with pytest.raises(StoreDownError, match="SQLITE_FULL"):
        decision_records.write(store, [receipt(body=b"x" * 1_000_000)])

    assert count(store, tables.receipts) == 1
    assert not store.works  # though it can be read
    store.close()


def test_a_file_locked_by_another_is_down_until_it_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cds.journal.store.BUSY_MS", 50)
    mine, other = Store(str(tmp_path / "journal.sqlite3")), Store(str(tmp_path / "journal.sqlite3"))
    mine.open()

    with other.writing(), pytest.raises(StoreDownError, match="SQLITE_BUSY"):
        decision_records.write(mine, [receipt()])
    decision_records.write(mine, [receipt()])

    assert count(mine, tables.receipts) == 1
    mine.close()
    other.close()
