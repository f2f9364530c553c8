"""Client tokens that were used already."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from cds.journal import tables
from cds.journal.store import Store
from cds.journal.used_tokens import first_use

SOON = datetime.now(UTC) + timedelta(minutes=5)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
OTHER_PROCESS = """
import sys
from datetime import datetime, UTC
from cds.journal.store import Store
from cds.journal.used_tokens import first_use
store = Store(sys.argv[1])
until = datetime(2199, 1, 1, tzinfo=UTC)
print(sum(first_use(store, "https://ehr.example", f"token {n}", until) for n in range(40)))
"""


def test_a_token_is_new_once(store: Store) -> None:
    assert first_use(store, "https://ehr.example", "a", SOON)
    assert not first_use(store, "https://ehr.example", "a", SOON)


def test_two_issuers_may_use_the_same_token_id(store: Store) -> None:
    assert first_use(store, "https://ehr.example", "a", SOON)
    assert first_use(store, "https://other.example", "a", SOON)


def test_issuer_and_id_cannot_be_shifted_into_each_other(store: Store) -> None:
    assert first_use(store, "https://ehr.example/", "a", SOON)
    assert first_use(store, "https://ehr.example", "/a", SOON)


def test_an_id_of_any_length_and_any_characters_is_taken(store: Store) -> None:
    strange = "\x00\ud800" + "x" * 100_000

    assert first_use(store, "https://ehr.example", strange, SOON)
    assert not first_use(store, "https://ehr.example", strange, SOON)


def test_expired_tokens_are_forgotten_and_others_are_not(store: Store) -> None:
    first_use(store, "https://ehr.example", "old", LONG_AGO)
    first_use(store, "https://ehr.example", "young", SOON)

    assert not first_use(store, "https://ehr.example", "young", SOON)
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(tables.tokens)).scalar_one() == 1


def test_of_many_at_once_one_is_first(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: first_use(store, "https://ehr.example", "a", SOON), range(40)))

    assert answers.count(True) == 1


@pytest.mark.seconds
def test_over_two_processes_each_token_is_new_once(place: str) -> None:
    command = [sys.executable, "-c", OTHER_PROCESS, place]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]

    firsts = [int(process.communicate(timeout=240)[0]) for process in started]

    assert sum(firsts) == 40
