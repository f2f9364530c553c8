"""A case passes when everything it claims is so; otherwise it says what differs, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cds.authoring.testing.cases import RuleTests
from cds.authoring.testing.fhir_writer import bundle_of, request_of
from cds.authoring.testing.patient_format import ExamplePatient
from cds.authoring.testing.rulesets import RulesetCache
from cds.authoring.testing.run import CaseVerdict, matches, plain, run_case, said
from cds.facts.fact import Fact, WhyUnknown
from cds.logic.truth import Truth
from cds.record.dates import read_date
from cds.terminology.index import TerminologyIndex

Read = Callable[..., RuleTests]
Run = Callable[..., CaseVerdict]

HEAD = """
today: 2026-06-01
patients:
  depressed: {age: 46, conditions: [major-depressive-disorder], scores: [{phq-9-total: 17, at: 10 days ago}]}
tests:
"""


@pytest.fixture
def run(rule_tests: Read, rules_folder: Path) -> Any:
    """Run one case, given as the lines under its `given`, on the rules of the folder."""

    def verdict(*lines: str) -> Any:
        text = HEAD + "\n".join(["  - name: A case", "    given: depressed", *(f"    {line}" for line in lines)])
        book = rule_tests(text)
        assert [str(problem) for problem in book.problems] == []
        (case,) = book.cases
        return run_case(case, RulesetCache(rules_folder).rules(case.with_, case.today))

    return verdict


@pytest.mark.parametrize(
    "lines",
    [
        ["then: {depressed_adult: true, phq9: 17, age: 46, major_depression: true}"],
        ["but: {age: 18}", "then: {depressed_adult: true}"],
        ["but: {age: 17}", "then: {depressed_adult: false, no_cards: true}"],
        ["but: {age: null}", "then: {depressed_adult: unknown, age: unknown, shows_not: [say_so]}"],
        ["but: {age: null}", "then: {depressed_adult: {not: true}}"],
        ["but: {not_sent: [conditions]}", "then: {depressed_adult: unknown, major_depression: unknown}"],
        ["but: {failed: [conditions]}", "then: {depressed_adult: unknown}"],
        ["but: {truncated: [conditions], conditions: []}", "then: {depressed_adult: unknown}"],
        ["then: {cards: [say_so], first_card: say_so, shows: [say_so], notes: {say_so: [1]}}"],
        ["then: {says: ['PHQ-9 is 17', the score is HIGH], says_not: [ketamine]}"],
        ["but: {scores: []}", "then: {phq9: unknown, notes: {say_so: []}}"],
        ["but: {scores.0.at: 61 days ago}", "then: {phq9: unknown}"],
        ["but: {age: null}", "then: {depressed_adult: unknown, missing: [birth date]}"],
        ["but: {conditions.0: {code: F33.1, of: another_patient}}", "then: {error: wrong-patient}"],
        ["service: depression", "then: {cards: [say_so]}"],
        ["with: {adult_from: 50}", "then: {depressed_adult: false}"],
    ],
)
def test_what_is_so_passes(run: Run, lines: Any) -> None:
    verdict = run(*lines)

    assert verdict.differences == ()
    assert verdict.passed


@pytest.mark.parametrize(
    "lines, difference",
    [
        (["then: {depressed_adult: false}"], "depressed_adult: expected false, got true"),
        (
            ["but: {age: 17}", "then: {depressed_adult: {not: false}}"],
            "depressed_adult: expected {not: false}, got false",
        ),
        (["then: {phq9: 18}"], "phq9: expected 18, got 17"),
        (["then: {phq9: {from: 1, to: 17}}"], "phq9: expected {from: 1, to: 17}, got 17"),
        (["then: {age: unknown}"], "age: expected unknown, got 46"),
        (["then: {cards: []}"], "cards: expected none, got say_so"),
        (["then: {no_cards: true}"], "no_cards: got say_so"),
        (["but: {age: 3}", "then: {cards: [say_so]}"], "cards: expected say_so, got none"),
        (["but: {age: 3}", "then: {first_card: say_so}"], "first_card: expected say_so, got none"),
        (["but: {age: 3}", "then: {shows: [say_so]}"], "shows: say_so is not shown; shown: none"),
        (["then: {does_not_show: [say_so]}"], "does_not_show: say_so is shown"),
        (["then: {shows_not: [say_so]}"], "does_not_show: say_so is shown"),
        (["then: {notes: {say_so: []}}"], "notes of say_so: expected [], got [1]"),
        (["then: {says: [ketamine]}"], "says: no card shown says “ketamine”; shown: say_so"),
        (["then: {says_not: [adult]}"], "says_not: say_so says “adult”"),
        (["then: {missing: [dose]}"], "missing: expected “dose”, got nothing"),
        (["then: {data_quality: [could not be read]}"], "data_quality: expected “could not be read”, got"),
        (["then: {error: wrong-patient}"], "error: expected wrong-patient, but the request was answered"),
        (
            ["but: {conditions.0: {code: F33.1, of: another_patient}}", "then: {depressed_adult: true}"],
            "error: expected an answer, got wrong-patient",
        ),
    ],
)
def test_what_is_not_so_is_said_in_one_line(run: Run, lines: Any, difference: str) -> None:
    verdict = run(*lines)

    assert not verdict.passed
    assert len(verdict.differences) == 1
    assert verdict.differences[0].startswith(difference)


def test_a_wrong_conclusion_brings_its_reasons(run: Run) -> None:
    verdict = run("but: {age: 17}", "then: {depressed_adult: true}")

    assert "depressed_adult: expected true, got false" in verdict.text
    assert verdict.why[0].startswith("false")
    assert any("17" in line for line in verdict.why)


# ---------------------------------------------------------------- without rules


def fact(**values: Any) -> Any:
    return Fact("x", "X", **values)


@pytest.mark.parametrize(
    "found, expected, same",
    [
        (fact(truth=Truth.TRUE), True, True),
        (fact(truth=Truth.UNKNOWN), "unknown", True),
        (fact(truth=Truth.UNKNOWN), False, False),
        (fact(truth=Truth.FALSE), {"not": True}, True),
        (fact(low=2, high=2), 2, True),
        (fact(low=1, high=2), 2, False),
        (fact(low=1, high=2), {"from": 1, "to": 2}, True),
        (fact(low=1, high=None), {"from": 1}, True),
        (fact(low=1, high=2), {"from": 1}, False),
        (fact(low=2, high=2), True, False),
        (fact(low=2, high=2), {"not": "unknown"}, True),
        (fact(why_unknown=WhyUnknown.TOO_OLD), "unknown", True),
        (fact(why_unknown=WhyUnknown.TOO_OLD), 0, False),
        (fact(day=read_date("2025-01").span), "2025-01", True),
        (fact(day=read_date("2025-01").span), "unknown", False),
        (fact(day=read_date("2025-01-10").span), date(2025, 1, 10), True),
        (fact(trials=(object(), object())), 2, True),
        (fact(), 0, True),
    ],
)
def test_a_fact_is_what_a_case_says_or_is_not(found: Any, expected: Any, same: Any) -> None:
    assert matches(found, expected) is same


@pytest.mark.parametrize(
    "found, words",
    [
        (fact(truth=Truth.FALSE), "false"),
        (fact(low=2, high=2), "2"),
        (fact(low=1, high=2.5), "{from: 1, to: 2.5}"),
        (fact(low=1), "{from: 1}"),
        (fact(day=read_date("2025-01").span), "2025-01"),
        (fact(trials=(object(),)), "1"),
        (fact(), "unknown"),
    ],
)
def test_a_fact_is_said_as_a_case_would_write_it(found: Any, words: str) -> None:
    assert said(found) == words


def test_fragments_are_found_where_a_reader_sees_them() -> None:
    assert plain("**PHQ\\-9**\n  is `17`\\.") == "phq-9 is 17."


def test_a_name_of_a_draft_rule_is_said_to_be_one(rule_tests: Read, rules_folder: Path) -> None:
    (case,) = rule_tests(HEAD + "  - {name: A case, given: depressed, then: {depressed_adult: true}}\n").cases
    rules = RulesetCache(rules_folder).rules({}, case.today)
    nothing = SimpleNamespace(
        truths={}, facts=SimpleNamespace(by_name={}), cards=(), record=SimpleNamespace(issues=(), sent={})
    )

    verdict = run_case(case, rules, decide=lambda *_: nothing)  # type: ignore[arg-type]

    assert "draft or retired" in verdict.differences[0]


@pytest.mark.parametrize("kind", ["request", "bundle"])
def test_a_whole_file_is_read_as_the_server_reads_it(
    rule_tests: Read, rules_folder: Path, codes: TerminologyIndex, kind: str
) -> None:
    day = date(2026, 6, 1)
    anna = ExamplePatient.model_validate({"age": 46, "conditions": ["major-depressive-disorder"]})
    whole = request_of(anna, day, codes) if kind == "request" else bundle_of(anna, day, codes)
    (rules_folder.parent / "anna.json").write_text(json.dumps(whole))
    text = f"today: {day}\ntests:\n  - {{name: Anna, given: {{{kind}: anna.json}}, then: {{depressed_adult: true}}}}\n"
    (case,) = rule_tests(text).cases

    assert run_case(case, RulesetCache(rules_folder).rules({}, day)).differences == ()


def test_a_patient_the_rules_folder_has_no_codes_for_is_said_to_be_one(rule_tests: Read, rules_folder: Path) -> None:
    (case,) = rule_tests(HEAD + "  - {name: A case, given: depressed, then: {depressed_adult: true}}\n").cases
    odd = replace(case, patient=ExamplePatient.model_validate({"conditions": ["no-such-set"]}))

    verdict = run_case(odd, RulesetCache(rules_folder).rules({}, case.today))

    assert verdict.differences == ("this patient cannot be described: there is no value set `no-such-set`",)


def test_what_would_settle_it_is_looked_for_in_all_conclusions_when_none_is_named(run: Run) -> None:
    assert run("but: {age: null}", "then: {missing: [birth date]}").passed
    assert run("but: {age: null}", "then: {age: unknown, missing: [birth date]}").passed
