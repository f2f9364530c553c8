"""Kept decisions come out the same when they are made again by the rules that made them; what was changed is named."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from cds import __version__
from cds.cli.main import app
from cds.journal.journal import Journal, journal_from
from cds.journal.period import JournalPeriod
from cds.journal.retention import RetentionPeriods, prune
from cds.journal.store import Store
from cds.replay import ReplayedDecision, replayed
from cds.settings import Settings
from tests.server import ROOT, TODAY, serving
from tests.web.test_saving import JSON

EVER = JournalPeriod(datetime(1970, 1, 1, tzinfo=UTC))
EXAMPLES = [
    json.loads(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "fhir_examples").glob("*/request.json"))
]
HOOKS = {
    "patient-view": "ketamine-evaluation",
    "order-select": "ketamine-evaluation-order-select",
    "order-sign": "ketamine-evaluation-order-sign",
}
READ_OWN: dict[str, Any] = {"engine": "both"}  # a service that reads its rules itself, as `cds serve` does


def calls(count: int) -> Iterator[tuple[str, JSON]]:
    """Requests of as many patients, by the examples in turn."""
    usable = [one for one in EXAMPLES if one["hook"] in HOOKS]
    for number in range(count):
        request = json.dumps(usable[number % len(usable)])
        patient = usable[number % len(usable)]["context"]["patientId"]
        for name in (f'"{patient}"', f'"Patient/{patient}"'):
            request = request.replace(name, f'{name[:-1]}-{number}"')
        asked = json.loads(request)
        yield HOOKS[asked["hook"]], asked


def keeping(place: Path, **settings: Any) -> Journal:
    journal = journal_from(Settings(journal=str(place), keep_inputs_days=30, **settings))
    assert journal is not None
    return journal


def ask(client: httpx.Client, count: int) -> int:
    """How many cards came."""
    shown = 0
    for service, request in calls(count):
        answer = client.post(f"/cds-services/{service}", json=request)
        assert answer.status_code == 200, answer.text
        shown += len(answer.json()["cards"])
    return shown


def again(place: Path) -> list[ReplayedDecision]:
    store = Store(str(place))
    try:
        return list(replayed(store, Settings(), EVER))
    finally:
        store.close()


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("replay") / "journal.sqlite3"
    with serving(journal=keeping(place), **READ_OWN) as client:
        assert ask(client, 2 * len(EXAMPLES)) > len(EXAMPLES)
    return place


@pytest.fixture
def copied(decided: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(decided, tmp_path / "journal.sqlite3"))


@pytest.mark.seconds
def test_decisions_made_again_are_identical(decided: Path) -> None:
    listed = again(decided)

    assert len(listed) == 2 * len(EXAMPLES)
    assert [one for one in listed if not one.identical] == []


def repack(body: bytes, change: Callable[[str], str]) -> bytes:
    return gzip.compress(change(gzip.decompress(body).decode()).encode())


CHANGES = {
    "UPDATE receipts SET conclusions = json_set(conclusions, '$.invented', 'true')": "conclusions invented",
    "UPDATE receipts SET answer = '0'": "the words of its cards",
    "UPDATE receipts SET patient = '0'": "whose data they are",
    "UPDATE receipts SET issues = '{\"no\": 1}'": "remarks about the data",
    'UPDATE receipts SET unknown = \'{"no": "no"}\'': "facts that stayed unknown",
    "UPDATE receipts SET input = '0'": "the data it was decided from",
    "UPDATE receipts SET day = '1999-01-01'": "the words of its cards",
    "UPDATE cards SET name = 'other'": "its cards",
    "UPDATE cards SET version = '0.0.1'": "its cards",
    "UPDATE receipts SET service = 'other'": "its service",
    "DELETE FROM suggestions": "the suggestions of its cards",
    "UPDATE remarks SET what = 'x'": "remarks about the data, in words",
}


@pytest.mark.seconds
@pytest.mark.parametrize("statement", CHANGES)
def test_a_receipt_that_was_changed_is_named(statement: str, copied: Path) -> None:
    store = Store(str(copied))
    with store.writing() as connection:
        connection.execute(text(statement))
    store.close()

    differing = [one for one in again(copied) if not one.identical]

    assert differing
    assert any(CHANGES[statement] in what for one in differing for what in one.differs)


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda body: repack(body, lambda data: data.replace("2025", "2024")), "the data it was decided from"),
        (lambda body: body[:-20], "cannot be read"),
        (lambda body: b"x", "cannot be read"),
        (lambda body: gzip.compress(b"{}"), "cannot be read"),
    ],
)
def test_an_input_that_was_changed_is_named(change: Callable[[bytes], bytes], told: str, copied: Path) -> None:
    store = Store(str(copied))
    with store.writing() as connection:
        (identity, body) = connection.execute(text("SELECT receipt, body FROM inputs LIMIT 1")).one()
        values = {"body": change(body), "id": identity}
        connection.execute(text("UPDATE inputs SET body = :body WHERE receipt = :id"), values)
    store.close()

    (one,) = [one for one in again(copied) if not one.identical]

    assert one.id == identity
    assert told in f"{one.failed} {one.differs}"


@pytest.mark.parametrize(
    ("statement", "told"),
    [("DELETE FROM rule_archives", "not kept"), ("UPDATE rule_archives SET body = x'78'", "cannot be read")],
)
def test_without_the_rules_of_then_no_decision_counts_as_the_same(statement: str, told: str, copied: Path) -> None:
    store = Store(str(copied))
    with store.writing() as connection:
        connection.execute(text(statement))
    store.close()

    listed = again(copied)

    assert listed
    assert all(told in one.failed and not one.identical for one in listed)


@pytest.mark.seconds
def test_the_command_names_what_differs_and_nothing_of_a_patient(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_JOURNAL", str(copied))
    same = CliRunner().invoke(app, ["replay"])
    store = Store(str(copied))
    with store.writing() as connection:
        connection.execute(text("UPDATE receipts SET answer = '0' WHERE rowid = 1"))
        changed = connection.execute(text("SELECT id FROM receipts WHERE rowid = 1")).scalar_one()
        secrets = [row.patient for row in connection.execute(text("SELECT patient FROM receipts"))]
    store.close()
    other = CliRunner().invoke(app, ["replay"])
    none = CliRunner().invoke(app, ["replay", "--since", "2999-01-01"])

    assert (same.exit_code, other.exit_code, none.exit_code) == (0, 1, 1)
    assert f"{2 * len(EXAMPLES)} decisions: {2 * len(EXAMPLES)} identical, 0 different" in same.output
    assert f"{changed} (" in other.output
    assert "the words of its cards" in other.output
    for said in (*secrets, *(one["context"]["patientId"] for one in EXAMPLES)):
        assert said not in other.output
    assert "CDS_KEEP_INPUTS_DAYS" in none.output


@pytest.mark.seconds
def test_data_are_kept_of_decisions_with_a_card_alone_where_a_site_wants_that(tmp_path: Path) -> None:
    place = tmp_path / "journal.sqlite3"
    silent = {**EXAMPLES[0], "prefetch": {**EXAMPLES[0]["prefetch"], "conditions": {"resourceType": "Bundle"}}}
    silent["prefetch"] |= {
        key: {"resourceType": "Bundle", "type": "searchset"} for key in silent["prefetch"] if key != "patient"
    }
    with serving(journal=keeping(place, keep_inputs_of="cards"), keep_inputs_of="cards", **READ_OWN) as client:
        cards = client.post("/cds-services/ketamine-evaluation", json=EXAMPLES[0]).json()["cards"]
        assert client.post("/cds-services/ketamine-evaluation", json=silent).json() == {"cards": []}
    store = Store(str(place))
    with store.reading() as connection:
        kept = connection.execute(text("SELECT count(*) FROM inputs")).scalar_one()
        receipts = connection.execute(text("SELECT count(*) FROM receipts")).scalar_one()
    store.close()

    assert cards
    assert (kept, receipts) == (1, 2)


def test_files_of_rules_go_with_the_last_input_they_decided(copied: Path) -> None:
    store = Store(str(copied))
    with store.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM rule_archives")).scalar_one() == 1
    prune(store, RetentionPeriods(730, 90, 30), datetime.now(UTC))
    with store.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM rule_archives")).scalar_one() == 1
    prune(store, RetentionPeriods(730, 90, 30), datetime.now(UTC) + timedelta(days=31))
    with store.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM rule_archives")).scalar_one() == 0
    store.close()


@pytest.mark.seconds
def test_decisions_of_a_site_and_of_rules_that_were_changed_since_are_made_by_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, site = tmp_path / "journal.sqlite3", tmp_path / "site"
    site.mkdir()
    shutil.copytree(ROOT / "rules", tmp_path / "shipped")
    (site / "site.yaml").write_text(SITE.format(trials=2), encoding="utf-8")
    monkeypatch.setenv("CDS_RULES", str(site))
    with serving(journal=keeping(place), **READ_OWN) as client:
        ask(client, len(EXAMPLES))
    (site / "site.yaml").write_text(SITE.format(trials=3), encoding="utf-8")
    with serving(journal=keeping(place), show_definitions=("all",)) as client:
        ask(client, len(EXAMPLES))
    shutil.rmtree(tmp_path / "shipped")
    shutil.rmtree(site)

    listed = again(place)

    assert len({one.rules for one in listed}) == 2
    assert [one for one in listed if not one.identical] == []


SITE = """site: {{id: elsewhere, name: Elsewhere, rules: ../shipped, uses: [evaluation >=1.0 <99.0]}}
set:
  trials_required: {{to: {trials}, because: A test, by: somebody, review: 2999-01-01}}
"""


@pytest.mark.slow
def test_a_thousand_receipts_are_identical_across_a_restart_and_an_upgrade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "journal.sqlite3"
    with monkeypatch.context() as earlier:
        earlier.setattr("cds.journal.decision_records.__version__", "0.1.9")
        for _ in range(2):  # the service is started again in between
            with serving(journal=keeping(place), **READ_OWN) as client:
                ask(client, 250)
    with serving(journal=keeping(place), today=TODAY + timedelta(days=1), **READ_OWN) as client:
        ask(client, 500)

    listed = again(place)

    assert len(listed) == 1_000
    assert {one.engine for one in listed} == {"0.1.9", __version__}
    assert [one for one in listed if not one.identical] == []
