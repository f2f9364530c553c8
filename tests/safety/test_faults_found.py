"""Faults that attacks have found, where no other test holds what must hold."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from cds.app import UnsafeSettingsError, create_app
from cds.journal import feedback
from cds.journal.decision_records import DecisionRecord, write
from cds.journal.journal import Journal, journal_from
from cds.journal.retention import RetentionPeriods
from cds.journal.rule_archives import Archives
from cds.journal.store import Store
from cds.journal.trends import MOST_COMMENTS
from cds.settings import Settings
from tests.api.test_authentication import SANDBOX, tenant, tenants_file
from tests.api.test_routes import EXAMPLE, SERVICE
from tests.journal.said import overridden, receipt, shown
from tests.server import serving
from tests.shipped import shipped_rules


def test_without_a_journal_several_workers_ask_nobody_for_a_token_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known: dict[str, Any] = {"tenants": tenants_file(tmp_path, tenant(SANDBOX)), "public_url": "https://cds.example"}

    with pytest.raises(UnsafeSettingsError, match="works 2 times"):
        create_app(Settings(workers=2, **known), rules=shipped_rules())
    with caplog.at_level(logging.WARNING):
        create_app(Settings(workers=1, **known), rules=shipped_rules())
    assert "by this process alone: no journal" in caplog.text


@pytest.mark.seconds
def test_the_page_of_a_card_waits_for_its_receipt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = journal_from(Settings(journal=str(tmp_path / "journal.sqlite3"), keep_inputs_days=1))
    assert journal is not None
    asked: list[str] = []
    held: list[Sequence[DecisionRecord]] = []

    def late(store: Store, written: Sequence[DecisionRecord], archives: Archives) -> None:
        held.append(written)
        while not asked:  # not before somebody follows the link
            pass
        write(store, written, archives)

    monkeypatch.setattr("cds.journal.writer.write", late)

    def follow(request: httpx.Request) -> None:
        if "/decisions/" in str(request.url):
            asked.append(str(request.url))

    with serving(journal=journal, keep_inputs_days=1) as client:
        client.event_hooks = {"request": [follow]}
        card = client.post(SERVICE, json=EXAMPLE).json()["cards"][0]
        page = client.get(card["links"][-1]["url"])

    assert held
    assert page.status_code == 200


@pytest.mark.seconds
def test_a_form_from_the_same_host_by_another_scheme_is_refused() -> None:
    with serving(console=True) as client:
        host = f"127.0.0.1:{client.base_url.port}"
        other = client.post("/console/playground", headers={"Origin": f"https://{host}"})
        own = client.post("/console/playground", headers={"Origin": f"http://{host}"})

    assert other.status_code == 403
    assert own.status_code != 403


@pytest.mark.seconds
def test_the_page_of_feedback_shows_no_more_comments_than_it_may(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "journal.sqlite3"))
    now = datetime.now(UTC)
    listed = [shown() for _ in range(MOST_COMMENTS + 50)]
    write(store, [receipt(*listed, decided_at=now, service="ketamine-evaluation")])
    words = [overridden(card, now, comment=f"typed {number:04} {'x' * 3_000}") for number, card in enumerate(listed)]
    feedback.keep(store, "", "ketamine-evaluation", words, now)
    store.close()

    journal = Journal(Store(str(tmp_path / "journal.sqlite3")), RetentionPeriods(730, 90, 0))
    with serving(console=True, journal=journal) as client:
        page = client.get("/console/feedback?days=7")

    assert page.status_code == 200
    assert len(re.findall(r"typed \d{4}", page.text)) == MOST_COMMENTS
    assert len(page.content) < 1_000_000
