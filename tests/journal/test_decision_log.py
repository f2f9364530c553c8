"""Decisions as NDJSON."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from cds.journal import decision_records
from cds.journal.decision_log import decisions_as_ndjson, decisions_as_they_come
from cds.journal.period import JournalPeriod
from cds.journal.store import Store
from tests.journal.said import NOON, receipt, shown

ALL = JournalPeriod(NOON - timedelta(days=1))


def test_a_decision_is_one_line_with_its_cards_and_no_patient(store: Store) -> None:
    one, other = shown(), shown()
    first = receipt(one, other, user="Practitioner/anna")
    later = receipt(decided_at=NOON + timedelta(hours=1))
    decision_records.write(store, [later, first])

    lines = list(decisions_as_ndjson(store, ALL))
    read = [json.loads(line) for line in lines]

    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    assert [line["id"] for line in read] == [first.id, later.id]
    assert {card["uuid"] for card in read[0]["cards"]} == {one.uuid, other.uuid}
    assert read[0]["cards"][0].keys() == {"uuid", "name", "rule", "version", "indicator"}
    assert read[1]["cards"] == []
    assert read[0]["conclusions"] == json.loads(json.dumps(first.conclusions))
    assert b"anna" not in b"".join(lines)
    assert first.patient_id.encode() not in b"".join(lines)


def test_only_the_period_asked_for_is_written(store: Store) -> None:
    decision_records.write(store, [receipt(shown())])

    assert not list(decisions_as_ndjson(store, JournalPeriod(NOON + timedelta(days=1))))


def test_followed_each_decision_comes_once_also_one_that_is_written_late(store: Store) -> None:
    first, late, later = (receipt(decided_at=NOON + timedelta(minutes=minute)) for minute in (30, 10, 90))
    decision_records.write(store, [first])
    written = iter([[late], [], [later], []])

    def pause() -> None:
        decision_records.write(store, next(written))

    lines = decisions_as_they_come(store, ALL, pause)
    came = [json.loads(next(lines))["id"] for _ in range(3)]

    assert came == [first.id, late.id, later.id]
    with pytest.raises(RuntimeError):  # nothing more came until the pauses ended
        next(lines)
