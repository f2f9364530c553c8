"""A disagreement of the engines is seen within a second wherever it was, and told until somebody acknowledges it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from cds.cli.main import app
from cds.decide import Ruleset
from cds.engine.evaluator import DisagreementError
from cds.facts.fact import Facts
from cds.journal.audit import AuditAction, AuditEntry, fhir_audit_event, newest_audit
from cds.journal.disagreements import EngineDisagreement, acknowledge, keep_disagreements, read_disagreements
from cds.journal.journal import Journal
from cds.journal.retention import RetentionPeriods, prune
from cds.journal.store import Store, StoreDownError
from cds.journal.verify import verify_chains
from cds.logic.truth import Truth
from tests.server import serving
from tests.shipped import shipped_rules

KEEP = RetentionPeriods(730, 90, 0)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HEADS = {"ketamine_candidate": "true and unknown"}
SOON = 1.0  # seconds, from the answer to what every instance says


class Disagreeing:
    """In place of an evaluator."""

    def __init__(self, rules: Ruleset) -> None:
        self.mode = rules.reasoner.mode

    def conclude(self, _: Facts) -> dict[str, Truth]:
        raise DisagreementError({"ketamine_candidate": (Truth.TRUE, Truth.UNKNOWN)})


def entry(who: str = "somebody") -> AuditEntry:
    return AuditEntry(NOW, AuditAction.ACKNOWLEDGED, who, "steward", "", "/console", "", "", "127.0.0.1")


@pytest.fixture(scope="module")
def broken() -> Ruleset:
    rules = shipped_rules()
    return Ruleset(rules.program, Disagreeing(rules))  # type: ignore[arg-type]


@pytest.fixture
def two(place: str, broken: Ruleset) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Two instances, as on two machines, that share a journal alone; the first one's engines disagree."""
    with ExitStack() as running:
        first = running.enter_context(serving(rules=broken, journal=Journal(Store(place), KEEP), metrics=True))
        other = running.enter_context(serving(journal=Journal(Store(place), KEEP), metrics=True))
        yield first, other


def within(seconds: float, holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + seconds + 10  # a busy machine is no fault of the code
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def status(client: httpx.Client) -> tuple[str, int]:
    health = client.get("/health").json()
    return health["status"], health["disagreements"]


@pytest.mark.seconds
def test_one_instance_is_told_what_another_met_until_it_is_acknowledged(
    two: tuple[httpx.Client, httpx.Client], place: str
) -> None:
    met, other = two
    assert (status(met), status(other)) == (("ok", 0), ("ok", 0))

    assert met.post("/evaluate", json=BUNDLE).status_code == 500

    assert status(met) == ("degraded", 1)  # at once
    within(SOON, lambda: status(other) == ("degraded", 1))
    assert "thirdline_engine_disagreements_open 1.0" in other.get("/metrics").text
    assert other.get("/readyz").status_code == 200
    store = Store(place)
    (one,) = read_disagreements(store)
    assert (one.heads, one.address) == (HEADS, "evaluate")
    assert acknowledge(store, entry()) == 1
    within(SOON, lambda: status(met) == status(other) == ("ok", 0))
    assert "thirdline_engine_disagreements_open 0.0" in other.get("/metrics").text
    store.close()


BUNDLE = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [{"resource": {"resourceType": "Patient", "id": "p"}}],
}


@pytest.mark.seconds
def test_it_survives_a_start_and_the_removal_of_what_is_old(place: str, broken: Ruleset) -> None:
    with serving(rules=broken, journal=Journal(Store(place), KEEP)) as client:
        client.post("/evaluate", json=BUNDLE)
    store = Store(place)
    later = datetime.now(UTC) + timedelta(days=10_000)
    prune(store, KEEP, later)
    with serving(journal=Journal(Store(place), KEEP)) as client:
        assert status(client) == ("degraded", 1)
    acknowledge(store, entry())
    assert len(read_disagreements(store, acknowledged=True)) == 1
    prune(store, KEEP, later)
    assert read_disagreements(store, acknowledged=True) == []  # as old as what is in the audit log
    store.close()


def test_who_acknowledged_is_in_the_audit_log_or_nothing_was(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_disagreements(store, [EngineDisagreement("north", "hook", HEADS), EngineDisagreement("", "hook", HEADS)])
    (mine,) = read_disagreements(store, "south")
    assert mine.tenant == ""

    assert acknowledge(store, entry(), "south") == 1
    assert acknowledge(store, entry(), "south") == 0
    (number, look), *more = newest_audit(store, None, 10)
    assert (look.who, look.action, look.decision, more) == ("somebody", AuditAction.ACKNOWLEDGED, mine.id, [])
    event = fhir_audit_event(number, look)
    assert (event["action"], event["meta"]["profile"][0].rpartition(".")[2]) == ("U", "Update")
    assert all(report.problems == () for report in verify_chains(store, {})[0].values())

    def fails(*_: object) -> None:
        raise StoreDownError("away")

    monkeypatch.setattr("cds.journal.disagreements.append_audit", fails)
    with pytest.raises(StoreDownError):
        acknowledge(store, entry())
    assert len(read_disagreements(store)) == 1


@pytest.mark.seconds
def test_what_is_met_while_the_journal_is_away_is_told_and_written_when_it_is_back(
    tmp_path: Path, broken: Ruleset
) -> None:
    folder = tmp_path / "journal"
    folder.write_text("in the way")
    store = Store(str(folder / "journal.sqlite3"))
    with serving(rules=broken, journal=Journal(store, KEEP)) as client:
        client.post("/evaluate", json=BUNDLE)
        assert status(client) == ("degraded", 1)
        folder.unlink()
        within(SOON, lambda: store.works and len(read_disagreements(store)) == 1)


@pytest.mark.seconds
def test_without_a_journal_it_is_told_until_the_end(broken: Ruleset) -> None:
    with serving(rules=broken) as client:
        for _ in range(3):
            client.post("/evaluate", json=BUNDLE)
        assert status(client) == ("degraded", 3)


@pytest.mark.seconds
def test_in_the_console_a_steward_acknowledges_it(tmp_path: Path, broken: Ruleset) -> None:
    store = Store(str(tmp_path / "journal.sqlite3"))
    with serving(rules=broken, journal=Journal(store, KEEP), console=True) as client:
        client.post("/evaluate", json=BUNDLE)
        within(SOON, lambda: bool(read_disagreements(store)))
        page = client.get("/console")
        (one,) = read_disagreements(store)
        strange = client.post(f"/console/disagreements?id={one.id}", headers={"Origin": "http://elsewhere.example"})
        done = client.post(f"/console/disagreements?id={one.id}", headers=origin(client))
        assert read_disagreements(store) == []
        within(SOON, lambda: status(client) == ("ok", 0))
        after = client.get("/console")

    assert "this is not acknowledged" in page.text
    assert "<code>ketamine_candidate</code>: true and unknown" in page.text
    assert f'action="/console/disagreements?id={one.id}"' in page.text
    assert (strange.status_code, done.status_code, done.headers["location"]) == (403, 303, "/console")
    assert "ketamine_candidate</code>: true" not in after.text


def origin(client: httpx.Client) -> dict[str, str]:
    return {"Origin": str(client.base_url).rstrip("/")}


@pytest.mark.seconds
def test_commands_list_and_acknowledge_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = str(tmp_path / "journal.sqlite3")
    monkeypatch.setenv("CDS_JOURNAL", place)
    store = Store(place)
    listed = [EngineDisagreement("", "hook", HEADS), EngineDisagreement("north", "evaluate", HEADS)]
    keep_disagreements(store, listed)

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["journal", *arguments])
        return done.exit_code, done.output

    assert all(f"{one.id} " in run("disagreements")[1] for one in listed)
    assert run("acknowledge")[0] == 2
    assert run("acknowledge", listed[0].id) == (0, "1 acknowledged\n")
    assert run("acknowledge", listed[0].id)[0] == 1
    assert listed[0].id not in run("disagreements")[1]
    assert "acknowledged by" in run("disagreements", "--all")[1]
    assert run("acknowledge", "--all") == (0, "1 acknowledged\n")
    assert run("disagreements") == (0, "none\n")
    assert [look.action for _, look in newest_audit(store, None, 10)] == [AuditAction.ACKNOWLEDGED] * 2
    store.close()
