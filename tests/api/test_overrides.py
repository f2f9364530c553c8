"""What a clinician answered to a card, and what the next request makes of it: through HTTP and a real store."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from sqlalchemy import select

from cds.api.overrides import OverrideLookup, Overrides
from cds.decide import Ruleset
from cds.engine.evaluator import EvaluatorMode
from cds.facts.override import CompiledOverride
from cds.journal import tables
from cds.journal.journal import Journal
from cds.journal.retention import RetentionPeriods
from cds.journal.store import Store
from cds.rulebook.compiled_ruleset import CompiledRuleset
from cds.ruleset import load_rules
from tests.server import ROOT, TODAY, serving
from tests.shipped import shipped_rules

JSON = dict[str, Any]
SERVICE = "/cds-services/ketamine-evaluation"
REASONS = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
KEEP = RetentionPeriods(receipts=100, comments=10, inputs=0)


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return shipped_rules()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(Store(str(tmp_path / "journal.sqlite3")), KEEP)


@pytest.fixture
def client(rules: Ruleset, journal: Journal) -> Iterator[httpx.Client]:
    with serving(rules, journal=journal) as running:
        yield running


def request(example: str = "01-two-failed-trials", patient: str = "example") -> JSON:
    text = (ROOT / "fhir_examples" / example / "request.json").read_text()
    for before in ('"%s"', "Patient/%s", "patient=%s"):
        text = text.replace(before % "example", before % patient)
    asked: JSON = json.loads(text)
    return asked


def ask(client: httpx.Client, asked: JSON) -> list[JSON]:
    answer = client.post(SERVICE, json=asked)
    assert answer.status_code == 200, answer.text
    cards: list[JSON] = answer.json()["cards"]
    return cards


def names(cards: list[JSON]) -> list[str]:
    return [card["extension"]["org.thirdline.card"]["name"] for card in cards]


def say(client: httpx.Client, journal: Journal, card: JSON, outcome: str = "overridden", **said: Any) -> None:
    """Feedback on a card, once its receipt is written."""
    give_up = time.monotonic() + 30
    written = False
    while not written:
        assert time.monotonic() < give_up, "no receipt was written"
        with journal.store.reading() as connection:
            query = select(tables.cards).where(tables.cards.c.uuid == card["uuid"])
            written = connection.execute(query).first() is not None
    word = {"card": card["uuid"], "outcome": outcome, "outcomeTimestamp": f"{TODAY}T12:00:00Z"} | said
    assert client.post(f"{SERVICE}/feedback", json={"feedback": [word]}).status_code == 200


def because(code: str) -> JSON:
    return {"reason": {"code": code, "system": REASONS}}


def test_a_suggestion_that_was_declined_is_not_made_again(client: httpx.Client, journal: Journal) -> None:
    (card,) = ask(client, request())

    say(client, journal, card, overrideReason=because("patient-refuses"))

    assert names([card]) == ["suggest_evaluation"]
    assert ask(client, request()) == []


@pytest.mark.parametrize("reason", [{}, because("too-costly-uncovered"), {"userComment": "not today"}], ids=str)
def test_a_card_put_aside_for_another_reason_is_shown_again(
    client: httpx.Client, journal: Journal, reason: JSON
) -> None:
    (card,) = ask(client, request())

    say(client, journal, card, overrideReason=reason)

    assert names(ask(client, request())) == ["suggest_evaluation"]


def test_the_last_word_counts(client: httpx.Client, journal: Journal) -> None:
    (card,) = ask(client, request())

    say(client, journal, card, overrideReason=because("patient-refuses"))
    accepted = [{"id": card["suggestions"][0]["uuid"]}]
    say(client, journal, card, "accepted", outcomeTimestamp=f"{TODAY}T12:00:01Z", acceptedSuggestions=accepted)

    assert names(ask(client, request())) == ["suggest_evaluation"]


def test_what_one_patient_declined_holds_back_nothing_of_another(client: httpx.Client, journal: Journal) -> None:
    (card,) = ask(client, request(patient="one"))

    say(client, journal, card, overrideReason=because("patient-refuses"))

    assert ask(client, request(patient="one")) == []
    assert names(ask(client, request(patient="two"))) == ["suggest_evaluation"]


@pytest.mark.seconds
def test_a_refusal_is_forgotten_when_its_time_is_over(rules: Ruleset, journal: Journal) -> None:
    (window,) = {wanted.look_back_days for wanted in rules.program.wanted if isinstance(wanted, CompiledOverride)}
    assert window is not None
    noon = datetime.combine(TODAY, datetime.min.time(), UTC) + timedelta(hours=12)
    last, too_old = (noon - timedelta(days=window + more) for more in (0, 1))

    with serving(rules, journal=journal) as client:
        (card,) = ask(client, request())
        say(client, journal, card, overrideReason=because("patient-refuses"), outcomeTimestamp=too_old.isoformat())
        assert names(ask(client, request())) == ["suggest_evaluation"]
        say(client, journal, card, overrideReason=because("patient-refuses"), outcomeTimestamp=last.isoformat())
        assert ask(client, request()) == []


def test_nothing_that_was_answered_hides_a_sign_of_suicide_risk(client: httpx.Client, journal: Journal) -> None:
    asked = request("29-suicidal-plan-one-trial")
    cards = ask(client, asked)
    assert cards[0]["indicator"] == "critical"

    for card in cards:
        for reason in ("patient-refuses", "action-completed"):
            say(client, journal, card, overrideReason=because(reason))

    assert names(ask(client, asked))[0] == names(cards)[0]


def test_nothing_that_was_answered_hides_a_contraindication(client: httpx.Client, journal: Journal) -> None:
    asked = request("10-repaired-aneurysm")
    cards = ask(client, asked)

    for card in cards:
        say(client, journal, card, overrideReason=because("patient-refuses"))

    assert names(ask(client, asked)) == names(cards)


def test_a_word_on_something_else_does_not_decline_the_evaluation(client: httpx.Client, journal: Journal) -> None:
    (card,) = ask(client, request("04-below-minimum-dose"))
    assert names([card]) == ["optimise_first"]

    say(client, journal, card, overrideReason=because("action-completed"))

    assert names(ask(client, request())) == ["suggest_evaluation"]


@pytest.mark.seconds
@pytest.mark.parametrize(("formerly", "shown"), [("[suggest_evaluation]", []), ("[]", ["propose_evaluation"])])
def test_a_card_that_says_its_former_name_keeps_what_was_answered_to_it(
    rules: Ruleset, journal: Journal, tmp_path: Path, formerly: str, shown: list[str]
) -> None:
    with serving(rules, journal=journal) as client:
        (card,) = ask(client, request())
        say(client, journal, card, overrideReason=because("patient-refuses"))
    folder = shutil.copytree(ROOT / "rules", tmp_path / "rules", ignore=shutil.ignore_patterns("*.test.yaml"))
    file = folder / "ketamine" / "evaluation.yaml"
    renamed = f"\n  propose_evaluation:\n    formerly: {formerly}\n"
    file.write_text(file.read_text().replace("\n  suggest_evaluation:\n", renamed))
    leaflets = folder / "ketamine" / "leaflet.yaml"
    leaflets.write_text(leaflets.read_text().replace("[suggest_evaluation,", "[propose_evaluation,"))

    again = Journal(Store(str(tmp_path / "journal.sqlite3")), KEEP)

    with serving(load_rules(folder, EvaluatorMode.DIRECT, TODAY), journal=again) as later:
        assert names(ask(later, request())) == shown


@pytest.mark.seconds
def test_where_answers_cannot_be_looked_up_the_card_is_shown_and_the_answer_says_so(
    rules: Ruleset, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    away = Journal(Store(str(tmp_path / "taken" / "journal.sqlite3")), KEEP)

    with serving(rules, journal=away) as client:
        cards = ask(client, request())

    assert names(cards) == ["suggest_evaluation"]
    assert "could not be looked up" in cards[0]["detail"]


class Hanging(Journal):
    """A store that answers nobody until it is told to go on."""

    def __init__(self, *kept: Any) -> None:
        super().__init__(*kept)
        self.asked = 0
        self.go_on = threading.Event()

    def recent_overrides(self, *_: object) -> list[Any]:
        self.asked += 1
        self.go_on.wait(30)
        return []


def look_up(overrides: Overrides, program: CompiledRuleset) -> OverrideLookup:
    return asyncio.run(overrides.of(program, "", "example", TODAY))


def test_a_store_that_hangs_costs_no_card_and_is_not_waited_for(rules: Ruleset, tmp_path: Path) -> None:
    journal = Hanging(Store(str(tmp_path / "journal.sqlite3")), KEEP)
    overrides = Overrides(journal, seconds=0.05)

    assert [look_up(overrides, rules.program).failed for _ in range(4)] == [True] * 4
    assert journal.asked == 1  # while it hangs, nobody else waits for it
    journal.go_on.set()
    give_up = time.monotonic() + 30
    while look_up(overrides, rules.program).failed:
        assert time.monotonic() < give_up, "it was not asked again"
    overrides.close()


@pytest.mark.seconds
def test_what_waits_behind_a_look_up_that_hangs_is_not_asked_of_the_store(rules: Ruleset, tmp_path: Path) -> None:
    journal = Hanging(Store(str(tmp_path / "journal.sqlite3")), KEEP)
    overrides = Overrides(journal, seconds=0.2)

    async def all_at_once() -> list[OverrideLookup]:
        return await asyncio.gather(*(overrides.of(rules.program, "", "example", TODAY) for _ in range(5)))

    assert [found.failed for found in asyncio.run(all_at_once())] == [True] * 5
    journal.go_on.set()
    overrides.close()
    assert journal.asked == 1


def test_a_look_up_whose_caller_has_left_counts_as_given_up(rules: Ruleset, tmp_path: Path) -> None:
    journal = Hanging(Store(str(tmp_path / "journal.sqlite3")), KEEP)
    overrides = Overrides(journal, seconds=20)

    async def leave() -> bool:
        with anyio.move_on_after(0.1):
            await overrides.of(rules.program, "", "example", TODAY)
        return (await overrides.of(rules.program, "", "example", TODAY)).failed

    assert asyncio.run(leave())
    assert journal.asked == 1
    journal.go_on.set()
    overrides.close()


def test_nothing_is_looked_up_where_no_rule_reads_it(rules: Ruleset, tmp_path: Path) -> None:
    journal = Hanging(Store(str(tmp_path / "journal.sqlite3")), KEEP)
    overrides = Overrides(journal)
    wanted = tuple(one for one in rules.program.wanted if not isinstance(one, CompiledOverride))

    found = look_up(overrides, replace(rules.program, wanted=wanted))

    assert (found.overrides, found.failed) == (None, False)
    assert journal.asked == 0
    overrides.close()


def test_a_receipt_tells_data_with_an_answer_from_data_without(client: httpx.Client, journal: Journal) -> None:
    asked = request("10-repaired-aneurysm")
    first = ask(client, asked)[0]
    say(client, journal, first, overrideReason=because("patient-refuses"))
    second = ask(client, asked)[0]
    say(client, journal, second)

    query = select(tables.receipts.c.input).order_by(tables.receipts.c.decided_at)
    with journal.store.reading() as connection:
        inputs = list(connection.execute(query).scalars())

    assert len(set(inputs)) == len(inputs) == 2
