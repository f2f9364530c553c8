"""Codes that were not read, in the journal and in the console: counted by day, new ones marked, never with words."""

from __future__ import annotations

import json
import time
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from cds.facts.unread import most_unread
from cds.journal import decision_records
from cds.journal.period import JournalPeriod
from cds.journal.retention import RetentionPeriods, prune
from cds.journal.store import Store
from cds.journal.tables import unread_codes
from cds.journal.unread import MOST, UnreadCode, latest_unread, unread_of
from tests.journal.said import NOON, receipt
from tests.server import ROOT
from tests.web.serving_pages import keeping

EXAMPLES = ROOT / "fhir_examples"
TODAY = date(2026, 6, 1)
DAY = timedelta(days=1)
LOCAL, NEW = ("condition", "urn:here:dx", "4711"), ("condition", "urn:here:dx", "new-1")
WORDS = ("procedure", "", "")


def kept(*unread: tuple[str, str, str], ago: int = 0, tenant: str = "") -> decision_records.DecisionRecord:
    return receipt(unread=dict.fromkeys(unread, 2), day=TODAY - ago * DAY, decided_at=NOON - ago * DAY, tenant=tenant)


def test_codes_are_counted_by_decision_and_day_since_they_were_first_met(store: Store) -> None:
    decision_records.write(
        store, [kept(LOCAL, ago=40), kept(LOCAL, ago=3), kept(LOCAL, WORDS), kept(LOCAL, NEW), kept()]
    )

    listed = unread_of(store, JournalPeriod(NOON - 7 * DAY))

    assert listed == (
        UnreadCode(*NEW, 1, TODAY, {TODAY: 1}),
        UnreadCode(*WORDS, 1, TODAY, {TODAY: 1}),
        UnreadCode(*LOCAL, 3, TODAY - 40 * DAY, {TODAY - 3 * DAY: 1, TODAY: 2}),
    )
    assert [one.new(TODAY) for one in listed] == [True, True, False]
    assert listed[2].on(TODAY) == [0, 0, 0, 1, 0, 0, 2]


def test_a_code_of_an_upgrade_is_listed_before_two_hundred_that_every_chart_brings(store: Store) -> None:
    old = [("condition", "urn:here:dx", f"old-{number}") for number in range(250)]
    decision_records.write(store, [kept(*old, ago=20), kept(*old, ago=1), kept(*old), kept(NEW)])

    listed = unread_of(store, JournalPeriod(NOON - 30 * DAY))

    assert len(listed) == MOST
    assert listed[0] == UnreadCode(*NEW, 1, TODAY, {TODAY: 1})
    assert not any(one.new(TODAY) for one in listed[1:])


def test_codes_of_a_tenant_are_its_own_and_go_with_the_receipt(store: Store) -> None:
    decision_records.write(store, [kept(LOCAL, tenant="a"), kept(NEW, tenant="b", ago=90)])

    assert [one.code for one in unread_of(store, JournalPeriod(NOON - DAY, tenant="a"))] == ["4711"]
    assert [one.code for one in latest_unread(store, TODAY)] == ["4711"]
    prune(store, RetentionPeriods(receipts=30, comments=30, inputs=30), NOON)
    with store.reading() as connection:
        assert [row.code for row in connection.execute(select(unread_codes))] == ["4711"]


def test_a_diagnosis_is_kept_beside_more_local_results_than_are_kept() -> None:
    many = {("observation", "urn:here:flow", str(number)): 9 for number in range(80)}

    assert list(most_unread({**many, LOCAL: 1, NEW: 2}, 50))[:3] == [NEW, LOCAL, ("observation", "urn:here:flow", "0")]
    assert len(most_unread({**many, LOCAL: 1}, 50)) == 50


@pytest.mark.seconds
def test_the_console_shows_them_and_no_words_of_the_chart(tmp_path: Path) -> None:
    with keeping(tmp_path, console=True) as client:
        asked(client)
        page = wait_for(client, "/console/data")
        table = client.get("/console/data-unread.csv").text

    assert "4711" in page and "urn:here:dx" in page and "First met" in page
    assert "Depr. rez." not in page and "xyzzy" not in page
    assert table.splitlines()[0].split(",") == ["kind", "system", "code", "first_met", "day", "decisions"]
    assert f"condition,urn:here:dx,4711,{TODAY},{TODAY},1" in table


def asked(client: httpx.Client) -> None:
    """An example's request with two conditions nobody can read."""
    request = json.loads((EXAMPLES / "01-two-failed-trials" / "request.json").read_text(encoding="utf-8"))
    codes = [
        {"coding": [{"system": "urn:here:dx", "code": "4711", "display": "Depr. rez. mgr."}]},
        {"text": "xyzzy plugh"},
    ]
    held = next(one for one in request["prefetch"].values() if "Condition" in json.dumps(one)[:2000])
    subject = held["entry"][0]["resource"]["subject"]
    for number, code in enumerate(codes):
        condition = {"resourceType": "Condition", "id": f"own-{number}", "subject": subject, "code": code}
        held["entry"].append({"resource": condition})
    service = client.get("/cds-services").json()["services"][0]["id"]
    assert client.post(f"/cds-services/{service}", json=request).status_code == 200


def wait_for(client: httpx.Client, page: str) -> str:
    """A page of today, once the receipt is written behind the answer."""
    until = time.monotonic() + 20
    while "4711" not in (text := client.get(page).text) and time.monotonic() < until:
        time.sleep(0.1)
    return text
