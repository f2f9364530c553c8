"""`cds serve --watch`: new rules are taken whole, and only when they are good."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from cds.api.deployment import TenantRules
from cds.authoring.testing.verdict import examine_folder
from cds.engine.evaluator import EvaluatorMode
from cds.ready_rules import rules_by_folder
from cds.reload import RuleReloader
from cds.settings import Settings
from tests.api.test_process import process
from tests.rulebook.small_rules import GOOD, RULE, changed, write_rules
from tests.server import TODAY

TESTS = "depression/depression.test.yaml"
CASES = f"""\
today: {TODAY}
patients:
  anna: {{age: 46, conditions: [{{code: F32.0, onset: 2025-01-10}}], scores: [{{score-codes: 10, at: 3 days ago}}]}}
tests:
  - {{name: A score of ten is symptomatic, given: anna, then: {{symptomatic: true}}}}
"""
LATER = GOOD[RULE].replace("next: 2026-01-01", "next: 2999-01-01")
FILES = {**GOOD, RULE: LATER, TESTS: CASES}
BUNDLE = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [{"resource": {"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"}}],
}


def until(true: Callable[[], Any]) -> None:
    give_up = time.monotonic() + 120  # a machine with much else to do
    while not true() and time.monotonic() < give_up:
        time.sleep(0.1)
    assert true()


@pytest.mark.seconds
def test_a_running_server_takes_good_rules_and_keeps_the_last_good_ones_otherwise(tmp_path: Path) -> None:
    rules = write_rules(tmp_path / "rules", FILES)
    settings = {"CDS_RULES": str(rules), "CDS_WATCH": "true", "CDS_ENGINE": "direct", "CDS_JOURNAL": "none"}
    with process(tmp_path / "log", **settings) as (client, _):

        def health() -> dict[str, Any]:
            found: dict[str, Any] = client.get("/health").json()
            return found

        def title() -> str:
            return str(client.get("/cds-services").json()["services"][0]["title"])

        first = health()
        assert first["watched"] == {"taken_at": None, "not_taken": []}

        (rules / RULE).write_text(changed(LATER, "high_score: {value: 10", "high_score: {value: 11"))
        until(lambda: health()["watched"]["not_taken"])
        assert "A score of ten is symptomatic" in health()["watched"]["not_taken"][0]["why"]
        assert health()["rules"] == first["rules"]

        (rules / RULE).write_text("about: {}\n")
        until(lambda: "missing-key" in health()["watched"]["not_taken"][0]["why"])
        assert title() == "Small"

        (rules / RULE).write_text(changed(LATER, "    title: Small\n", "    title: Smaller\n"))
        until(lambda: title() == "Smaller")
        assert health()["rules"] != first["rules"]
        assert health()["watched"]["taken_at"]
        assert health()["watched"]["not_taken"] == []


@pytest.mark.seconds
def test_a_site_takes_what_changes_in_the_rules_it_is_an_overlay_of(tmp_path: Path) -> None:
    rules = write_rules(tmp_path / "rules", FILES)
    head = "site: {id: here, name: Here, rules: ../rules, uses: depression >=1.0 <2.0}\n"
    site = write_rules(tmp_path / "site", {"site.yaml": head, TESTS: CASES})
    settings = {"CDS_RULES": str(site), "CDS_WATCH": "true", "CDS_ENGINE": "direct", "CDS_JOURNAL": "none"}
    with process(tmp_path / "log", **settings) as (client, _):

        def title() -> str:
            return str(client.get("/cds-services").json()["services"][0]["title"])

        assert title() == "Small"
        (rules / RULE).write_text(changed(LATER, "    title: Small\n", "    title: Smaller\n"))
        until(lambda: title() == "Smaller")


@pytest.mark.seconds
def test_no_request_sees_half_of_each(tmp_path: Path) -> None:
    """Two thresholds that always change together are always read together."""
    texts = [
        LATER.replace("high_score: {value: 10", f"high_score: {{value: {high}")
        .replace("low_score: {value: 5", f"low_score: {{value: {high - 5}")
        .replace("version: 1.0.0", f"version: 1.0.{high}\n  revised: 2025-05-01")
        for high in (9, 10)
    ]
    rules = write_rules(tmp_path / "rules", {**FILES, RULE: texts[0]})
    settings = {"CDS_RULES": str(rules), "CDS_WATCH": "true", "CDS_ENGINE": "direct", "CDS_JOURNAL": "none"}
    seen: set[tuple[str, str]] = set()
    with process(tmp_path / "log", **settings) as (client, _):
        ended = threading.Event()

        def ask(base: httpx.URL) -> None:
            with httpx.Client(base_url=base, timeout=60) as own:
                while not ended.is_set():
                    answer = own.post("/evaluate", json=BUNDLE, params={"today": "2026-06-01"})
                    assert answer.status_code == 200
                    body = answer.json()
                    seen.add((body["rules"]["version"], body["rules"]["files"]["depression"]))

        asking = [threading.Thread(target=ask, args=(client.base_url,)) for _ in range(3)]
        for thread in asking:
            thread.start()
        first = client.get("/health").json()["rules"]
        (rules / RULE).write_text(texts[1])
        until(lambda: client.get("/health").json()["rules"] != first)
        ended.set()
        for thread in asking:
            thread.join()

    assert {version for _, version in seen} <= {"1.0.9", "1.0.10"}
    assert len(seen) == len({version for version, _ in seen})


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        (TESTS, CASES.replace("symptomatic: true", "symptomatic: false"), "fails: A score of ten"),
        (TESTS, CASES.replace("given: anna", "given: bob"), "bob"),
        (TESTS, "today: 2026-06-01\npatients: {}\ntests: []\n", ""),
        ("rules.lock", "depression 1.0.0 0123\n", "lock-out-of-date"),
    ],
)
def test_rules_that_are_not_good_are_not_to_be_taken(tmp_path: Path, file: str, text: str, why: str) -> None:
    verdict = examine_folder(write_rules(tmp_path / "rules", {**FILES, file: text}), TODAY)

    assert verdict.against
    assert why in verdict.against[0]


def test_good_rules_are_to_be_taken_and_rules_without_tests_are_not(tmp_path: Path) -> None:
    good = write_rules(tmp_path / "good", FILES)
    untested = write_rules(tmp_path / "untested", {name: text for name, text in FILES.items() if name != TESTS})

    assert examine_folder(good, TODAY).against == ()
    assert examine_folder(untested, TODAY).against == ("there are no tests",)


@pytest.mark.seconds
def test_what_was_changed_before_it_began_to_watch_is_taken_once_its_tests_pass(tmp_path: Path) -> None:
    rules = write_rules(tmp_path / "rules", FILES)
    made = rules_by_folder([rules], Settings(rules=rules, engine="direct"), TODAY, None)
    live = {"": TenantRules(made[rules])}
    before = made[rules].program.version
    (rules / RULE).write_text(changed(LATER, "    title: Small\n", "    title: Smaller\n"))
    reloader = RuleReloader(live, made, {"": rules}, EvaluatorMode.DIRECT, lambda: TODAY)

    async def watch() -> None:
        watching = asyncio.create_task(reloader.run())
        async with asyncio.timeout(120):
            while live[""].rules.program.version == before:
                await asyncio.sleep(0.05)
        watching.cancel()

    asyncio.run(watch())

    assert made[rules] is live[""].rules
