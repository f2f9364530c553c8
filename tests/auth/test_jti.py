"""Each token works once: in this process, in all that share a store, and in each alone while that store is away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cds.auth.jti import PAUSE_SECONDS, JtiStore, LocalJtiStore, SharedJtiStore
from cds.journal.store import Store

SOON = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture(params=["here", "everywhere"])
def seen(request: pytest.FixtureRequest, tmp_path: Path) -> JtiStore:
    return LocalJtiStore() if request.param == "here" else SharedJtiStore(Store(str(tmp_path / "journal.sqlite3")))


def test_a_token_is_new_once_and_belongs_to_its_issuer(seen: JtiStore) -> None:
    assert seen.first_use("a", "1", SOON)
    assert not seen.first_use("a", "1", SOON)
    assert seen.first_use("b", "1", SOON)
    assert seen.first_use("a", "2", SOON)


def test_of_many_at_the_same_moment_one_is_the_first(seen: JtiStore) -> None:
    with ThreadPoolExecutor(8) as callers:
        firsts = list(callers.map(lambda _: seen.first_use("a", "1", SOON), range(40)))

    assert firsts.count(True) == 1


def test_a_token_is_forgotten_when_it_is_too_old_to_be_taken_and_not_before() -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    moment = [now]
    seen = LocalJtiStore(clock=lambda: moment[0])
    until = now + timedelta(minutes=6)

    assert seen.first_use("a", "1", until)
    moment[0] = until
    assert not seen.first_use("a", "1", until)
    moment[0] = until + timedelta(seconds=1)
    assert seen.first_use("a", "1", until)


def test_two_processes_share_what_they_have_seen(tmp_path: Path) -> None:
    first, second = (SharedJtiStore(Store(str(tmp_path / "journal.sqlite3"))) for _ in range(2))

    assert first.first_use("a", "1", SOON)
    assert not second.first_use("a", "1", SOON)


def test_while_the_store_is_away_each_process_remembers_for_itself_and_asks_again_later(tmp_path: Path) -> None:
    place = tmp_path / "journal"
    place.write_text("in the way of a folder")
    moment = [0.0]
    seen = SharedJtiStore(Store(str(place / "journal.sqlite3")), clock=lambda: moment[0])

    assert seen.first_use("a", "1", SOON)
    assert not seen.first_use("a", "1", SOON)
    place.unlink()
    assert seen.first_use("a", "2", SOON)
    assert not (place / "journal.sqlite3").exists()
    moment[0] = PAUSE_SECONDS
    assert seen.first_use("a", "3", SOON)
    assert not SharedJtiStore(Store(str(place / "journal.sqlite3"))).first_use("a", "3", SOON)
