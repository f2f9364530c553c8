from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from cds.authoring.testing.report import run_folder
from cds.engine.evaluator import EvaluatorMode
from cds.rulebook.diff import changes_between
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.rulebook.tables import code_sets
from cds.ruleset import load_rules, problems_in
from tests.rulebook.small_rules import GOOD, RULE, TODAY, changed, write_rules
from tests.server import ROOT

HEAD = "site: {id: here, name: Here, rules: ../rules, uses: depression >=1.0 <2.0}\n"
WHY = "because: We decided so, by: us, review: 2026-01-01"
LOCKED = changed(GOOD[RULE], "    label: Symptomatic\n", "    label: Symptomatic\n    locked: true\n")


def site(folder: Path, text: str, files: Mapping[str, str] = GOOD, more: Mapping[str, str] | None = None) -> Path:
    write_rules(folder / "rules", files)
    return write_rules(folder / "site", {"site.yaml": HEAD + text, **(more or {})})


def book(folder: Path, text: str) -> Rulebook:
    read = read_rulebook(site(folder, text))
    assert read.problems == []
    return read


def told(folder: Path, text: str, files: Mapping[str, str] = GOOD, today: date = TODAY) -> list[tuple[str, int, bool]]:
    problems = problems_in(site(folder, text, files), today)
    assert all(problem.file.endswith("site.yaml") for problem in problems)
    return [(problem.check, problem.line, problem.warning) for problem in problems]


def test_an_overlay_that_says_nothing_changes_nothing_but_the_name_in_the_receipt(tmp_path: Path) -> None:
    folder = site(tmp_path, "")
    here, there = (load_rules(f, EvaluatorMode.DIRECT, TODAY) for f in (folder, tmp_path / "rules"))

    assert here.program.heads == there.program.heads
    assert here.program.version != there.program.version
    assert set(here.program.rules) - set(there.program.rules) == {"site:here"}


def test_a_parameter_is_set_within_its_range_and_said(tmp_path: Path) -> None:
    rules = load_rules(site(tmp_path, f"set: {{trials_required: {{to: 3, {WHY}}}}}\n"), EvaluatorMode.DIRECT, TODAY)

    assert rules.program.parameters["trials_required"].value == 3
    (override,) = rules.program.overrides
    assert (override.what, override.says) == ("trials_required", "3 instead of 2 trials")
    assert (override.because, override.by) == ("We decided so", "us")


def test_codes_links_reasons_source_and_notes_are_added(tmp_path: Path) -> None:
    text = f"""\
valuesets:
  score-codes: {{add: {{"urn:here|30440": Our row}}}}
cards:
  suggest:
    links: {{add: [{{label: Order set, url: "https://intranet.example/1"}}]}}
    source: {{label: Here}}
    notes: [{{number: 1, say: Please measure.}}]
    override_reasons: {{add: [action-completed]}}
    {WHY.replace(", ", chr(10) + "    ")}
"""
    made = book(tmp_path, text)
    card = made.rules["depression"].model.cards["suggest"]

    assert ("urn:here", "30440") in code_sets(made)["score-codes"].codes
    assert [link.label for link in card.links] == ["Order set"]
    assert card.source.label == "Here"
    assert card.notes[0].say == "Please measure."
    assert card.override_reasons == ["patient-refuses", "action-completed"]


def test_a_card_is_hidden(tmp_path: Path) -> None:
    folder = site(tmp_path, f"cards: {{suggest: {{hide: true, {WHY}}}}}\n")

    assert load_rules(folder, EvaluatorMode.DIRECT, TODAY).program.services["small-service"].cards == ()


@pytest.mark.parametrize(
    ("text", "check"),
    [
        (f"set: {{trials_required: {{to: 9, {WHY}}}}}\n", "site-may-not"),
        (f"set: {{trials_required: {{to: many, {WHY}}}}}\n", "site-may-not"),
        (f"set: {{adult_age: {{to: 21, {WHY}}}}}\n", "site-may-not"),
        (f"set: {{standard: {{to: nobodys, {WHY}}}}}\n", "site-may-not"),
        (f"set: {{trials_requird: {{to: 3, {WHY}}}}}\n", "unknown-override"),
        ("valuesets: {score-code: {add: {'urn:here|1': One}}}\n", "unknown-override"),
        (f"cards: {{sugest: {{hide: true, {WHY}}}}}\n", "unknown-override"),
        (f"cards: {{suggest: {{notes: [{{number: 7, say: x}}], {WHY}}}}}\n", "unknown-override"),
    ],
)
def test_what_a_site_may_not_is_told_at_its_line(tmp_path: Path, text: str, check: str) -> None:
    assert told(tmp_path, text) == [(check, 2, False)]


def test_a_locked_conclusion_keeps_its_codes_and_its_card(tmp_path: Path) -> None:
    files = {**GOOD, RULE: LOCKED}
    removing = f"valuesets: {{score-codes: {{remove: ['http://loinc.org|44261-6'], {WHY}}}}}\n"
    hiding = f"cards: {{suggest: {{hide: true, {WHY}}}}}\n"

    assert told(tmp_path / "a", removing, files) == [("site-may-not", 2, False)]
    assert told(tmp_path / "b", hiding, files) == [("site-may-not", 2, False)]


@pytest.mark.parametrize("uses", ["depression >=2.0", "depression <1.0", "depresion >=1.0", "depression", "newest"])
def test_an_overlay_written_for_other_rules_is_refused(tmp_path: Path, uses: str) -> None:
    folder = site(tmp_path, "")
    (folder / "site.yaml").write_text(HEAD.replace("depression >=1.0 <2.0", uses))

    assert [problem.check for problem in problems_in(folder, TODAY)] == ["site-uses"]


@pytest.mark.parametrize(
    ("today", "found"),
    [
        (date(2026, 1, 1), []),
        (date(2026, 1, 2), [("site-review-overdue", 2, True)]),
        (date(2030, 1, 1), [("site-review-overdue", 2, True)]),
    ],
)
def test_an_override_expires_loudly(tmp_path: Path, today: date, found: list[tuple[str, int, bool]]) -> None:
    files = {**GOOD, RULE: GOOD[RULE].replace("next: 2026-01-01", "next: 2999-01-01")}

    assert told(tmp_path, f"set: {{trials_required: {{to: 3, {WHY}}}}}\n", files, today) == found


@pytest.mark.parametrize("change", ["hide: true", "notes: [{number: 1, say: x}]"])
def test_hiding_and_rewording_need_a_reason(tmp_path: Path, change: str) -> None:
    folder = site(tmp_path, f"cards: {{suggest: {{{change}}}}}\n")

    assert [problem.check for problem in problems_in(folder, TODAY)] == ["wrong-form"]


def test_a_site_has_rules_and_tests_of_its_own(tmp_path: Path) -> None:
    own = """\
about:
  id: own
  title: Own
  version: 1.0.0
  status: active
  purpose: Own.
  limits: Own.
  owners: [here]
  reviewed: {date: 2025-01-01, by: pending, next: 2026-01-01}
  developer: Tests
  funding: None
  released: 2025-01-01
  does_not_use:
    [race, ethnicity, language, sexual_orientation, gender_identity, sex, date_of_birth, social_determinants,
     health_status_assessments]
evidence:
  us: {cite: Our committee, says: So., verified: false}
conclusions:
  both_here: {label: Both, all: [depression, symptomatic], evidence: [us]}
"""
    cases = f"""\
today: {TODAY}
patients:
  anna: {{age: 46, conditions: [{{code: F32.0}}], scores: [{{score-codes: 10, at: 3 days ago}}]}}
tests:
  - {{name: Both are found, given: anna, then: {{both_here: true}}}}
"""
    report = run_folder(site(tmp_path, "", more={"own.yaml": own, "own.test.yaml": cases}))

    assert (report.passed, report.failed) == (1, ())
    assert all("both_here" in line for line in report.never_shown)


def test_a_site_without_its_rules_says_so(tmp_path: Path) -> None:
    folder = site(tmp_path, "")
    (folder / "site.yaml").write_text(HEAD.replace("../rules", "../nowhere"))

    assert [problem.check for problem in problems_in(folder, TODAY)] == ["wrong-value"]


@pytest.mark.seconds
def test_the_overlay_of_the_docs_fits_the_shipped_rules(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "rule-authors" / "sites.md").read_text().split("```yaml\n")[1].split("```")[0]
    write_rules(tmp_path, {"site.yaml": text.replace("../rules     ", f"{ROOT}/rules     ")})

    assert [str(problem) for problem in problems_in(tmp_path, date(2026, 6, 1)) if not problem.warning] == []


def test_what_a_site_changes_can_be_compared_with_the_shipped_rules(tmp_path: Path) -> None:
    folder = site(tmp_path, f"set: {{trials_required: {{to: 3, {WHY}}}}}\n")

    (change,) = changes_between(read_rulebook(tmp_path / "rules"), read_rulebook(folder))

    assert change.says == "`trials_required`: 2 → 3 trials"


QUESTION = """\
about:
  id: our-questions
  title: What our committee asks
  version: 1.0.0
  status: active
  purpose: To be asked of a population.
  limits: Invented.
  owners: [tests]
  reviewed: {date: 2025-01-01, by: pending, next: 2026-01-01}
  developer: Tests
  funding: None
  released: 2025-01-01
evidence:
  ours: {cite: Our committee, says: It wants to know., verified: false}
cohorts:
  symptomatic-patients:
    question: Who has symptoms?
    is: symptomatic
    evidence: [ours]
"""


def test_a_question_of_the_site_is_asked_of_its_populations_and_decides_nothing_else(tmp_path: Path) -> None:
    folder = site(tmp_path, "", more={"cohorts/our-questions.yaml": QUESTION})
    asked = load_rules(folder, EvaluatorMode.DIRECT, TODAY, cohorts=True)
    assert [one.id for one in asked.program.cohorts] == ["symptomatic-patients"]
    plain = load_rules(folder, EvaluatorMode.DIRECT, TODAY)
    assert not plain.program.cohorts


def test_a_file_of_the_site_takes_nothing_from_what_an_exclusion_looks_for(tmp_path: Path) -> None:
    files = {**GOOD, RULE: LOCKED}  # the locked conclusion reads score-codes
    taking = (
        "valueset: {adds_to: score-codes, title: Ours}\n"
        "codes: [{system: 'http://loinc.org', source: us, verified: false, except: {44261-6: Not ours}}]\n"
    )
    folder = site(tmp_path, "", files, {"valuesets/ours.yaml": taking})
    assert "site-may-not" in {one.check for one in problems_in(folder, TODAY) if one.file.endswith("ours.yaml")}
    adding = taking.replace("except: {44261-6: Not ours}", "exact: {1-8: Ours}")
    folder = site(tmp_path / "b", "", files, {"valuesets/ours.yaml": adding})
    assert [one for one in problems_in(folder, TODAY) if one.file.endswith("ours.yaml")] == []
