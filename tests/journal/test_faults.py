"""A journal whose file is taken away, whose pages are overwritten, whose database hangs, or whose clock is wrong."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from sqlalchemy import func, select

from cds.api.feedback import TimedWrites
from cds.journal import feedback
from cds.journal.decision_records import write
from cds.journal.journal import Journal
from cds.journal.retention import PRUNE_GAP, RetentionPeriods, newest_entry
from cds.journal.store import Store, StoreDownError
from cds.journal.tables import comments, receipts
from cds.journal.tables import feedback as feedback_table
from cds.journal.writer import JournalWriter
from tests.journal.said import NOON, overridden, receipt, shown

KEEP = RetentionPeriods(receipts=730, comments=90, inputs=0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


def said(store: Store) -> int:
    with store.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(feedback_table)).scalar_one())


def remove(path: Path) -> None:
    for part in path.parent.iterdir():
        part.unlink()


def test_what_was_kept_is_put_back_when_the_file_is_removed(path: Path) -> None:
    store = Store(str(path))
    feedback.keep(store, "", "evaluation", [overridden(shown()) for _ in range(20)], NOON)
    remove(path)

    with pytest.raises(StoreDownError):
        feedback.keep(store, "", "evaluation", [overridden(shown())], NOON)
    assert not store.works
    feedback.keep(store, "", "evaluation", [overridden(shown())], NOON)
    store.close()

    assert said(Store(str(path))) == 21
    assert [part.name for part in path.parent.iterdir() if "put-back" in part.name] == []


def test_a_file_that_was_replaced_is_opened_instead(path: Path, tmp_path: Path) -> None:
    store, backup = Store(str(path)), Store(str(tmp_path / "backup" / "journal.sqlite3"))
    feedback.keep(store, "", "evaluation", [overridden(shown())], NOON)
    feedback.keep(backup, "", "evaluation", [overridden(shown()) for _ in range(3)], NOON)
    backup.close()
    for part in tmp_path.glob("journal.sqlite3*"):
        part.unlink()
    (tmp_path / "backup" / "journal.sqlite3").rename(path)

    with pytest.raises(StoreDownError):
        said(store)

    assert said(store) == 3


def test_pages_that_were_overwritten_are_noticed(path: Path) -> None:
    store = Store(str(path))
    journal = Journal(store, KEEP)
    feedback.keep(store, "", "evaluation", [overridden(shown()) for _ in range(200)], NOON)
    store.check()
    assert not store.damaged
    store.close()
    with path.open("r+b") as file:
        file.seek(8_192)
        file.write(b"\xff" * 40_000)

    store.check()

    assert store.damaged
    assert not journal.works
    assert journal.health()["status"] == "degraded"
    assert journal.health()["damaged"] is True


def look_after(store: Store) -> JournalWriter:
    writer = JournalWriter(store, KEEP)
    writer._look_after()
    return writer


def test_a_clock_far_ahead_removes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(path))
    now = NOON

    class Clock:
        @staticmethod
        def now(_: object) -> object:
            return now

    monkeypatch.setattr("cds.journal.writer.datetime", Clock)
    one = shown()
    write(store, [receipt(one)])
    feedback.keep(store, "", "evaluation", [overridden(one, comment="not now")], NOON)
    assert not look_after(store).prune_held

    now = NOON + timedelta(days=120)
    held = look_after(store)
    with store.reading() as connection:
        kept = connection.execute(select(func.count()).select_from(comments)).scalar_one()

    assert held.prune_held
    assert held.newest == NOON
    assert kept == 1


def test_a_gap_is_held_against_the_clock_until_a_week_has_passed(path: Path) -> None:
    store = Store(str(path))
    assert newest_entry(store, NOON) == (None, timedelta())
    write(store, [receipt(shown())])

    later = NOON + timedelta(days=100)
    with store.writing() as connection:
        row = dict(connection.execute(select(receipts)).mappings().one())
        connection.execute(
            receipts.insert(), [row | {"id": f"r{day}", "decided_at": later + timedelta(days=day)} for day in range(10)]
        )

    assert newest_entry(store, later + timedelta(days=1))[1] > PRUNE_GAP
    assert newest_entry(store, later + timedelta(days=9))[1] < PRUNE_GAP


@pytest.mark.seconds
def test_a_write_that_hangs_is_given_up_and_then_nothing_is_begun_until_it_ends() -> None:
    go_on = threading.Event()
    writes = TimedWrites(seconds=0.1)

    def hang() -> None:
        go_on.wait(30)

    async def run() -> None:
        for _ in range(4):
            with pytest.raises(StoreDownError, match="in time"):
                await writes(hang)
        began = time.monotonic()
        with pytest.raises(StoreDownError, match="hang"):
            await writes(lambda: None)
        assert time.monotonic() - began < 10
        go_on.set()
        with anyio.fail_after(20):
            while True:
                try:
                    await writes(lambda: None)
                    return
                except StoreDownError:
                    await anyio.sleep(0.01)

    anyio.run(run)


def test_many_writes_at_once_all_succeed() -> None:
    done: list[int] = []
    writes = TimedWrites()

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(writes, lambda number=number: done.append(number))

    anyio.run(run)

    assert sorted(done) == list(range(40))
