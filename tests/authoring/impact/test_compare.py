from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cds.authoring.impact.compare import AffectedPatient, Impact, OutcomeDifference, RulesetVersion, impact_of
from cds.authoring.impact.markdown import counts_by_card, counts_by_cause, report
from cds.authoring.impact.replay import ComparedRules, cases_of, impact_on_cases
from cds.engine.evaluator import EvaluatorMode
from cds.population.cohort import cohort_in
from cds.population.patient import CohortPatient
from cds.rulebook.diff import RuleChange, RuleChangeKind, changes_between
from cds.rulebook.loader import read_rulebook
from cds.ruleset import checked_rules
from cds.settings import Settings
from tests.server import ROOT, TODAY

pytestmark = pytest.mark.slow

EXAMPLES = ROOT / "fhir_examples"
TRD = "depression/treatment-resistant-depression.yaml"
EVALUATION = "ketamine/evaluation.yaml"


@pytest.fixture(scope="module")
def old() -> Iterator[RulesetVersion]:
    yield from side(ROOT / "rules")


@pytest.fixture(scope="module")
def examples() -> list[CohortPatient]:
    with cohort_in(EXAMPLES) as cohort:
        return list(cohort.patients())


def side(folder: Path) -> Iterator[RulesetVersion]:
    book = read_rulebook(folder)
    made = RulesetVersion(book, checked_rules(book, EvaluatorMode.DIRECT, TODAY))
    yield made
    made.rules.reasoner.close()


def edited(folder: Path, file: str, pattern: str, by: str) -> RulesetVersion:
    shutil.copytree(ROOT / "rules", folder, ignore=shutil.ignore_patterns("*.test.yaml"))
    text, count = re.subn(pattern, by, (folder / file).read_text(), count=1)
    assert count == 1
    (folder / file).write_text(text)
    return next(side(folder))


def affected(old: RulesetVersion, new: RulesetVersion, patients: list[CohortPatient]) -> dict[str, AffectedPatient]:
    changes = changes_between(old.book, new.book)
    return {one.patient: one for one in impact_of(old, new, changes, patients, TODAY, Settings()).affected}


def test_the_same_rules_change_nothing_for_anybody(old: RulesetVersion, examples: list[CohortPatient]) -> None:
    assert affected(old, old, examples) == {}


def test_a_moved_threshold_names_who_is_affected_from_what_to_what_and_why(
    tmp_path: Path, old: RulesetVersion, examples: list[CohortPatient]
) -> None:
    new = edited(tmp_path / "rules", TRD, r"(adequate_duration:\s+\{value: )\d+", r"\g<1>12")

    found = affected(old, new, examples)["03-six-weeks-to-the-day"]

    turns = {(turn.what, turn.name): (turn.before, turn.after) for turn in found.turns}
    assert turns["conclusion", "treatment_resistant_depression"] == ("true", "false")
    assert turns["card", "suggest_evaluation"] == ("shown", "not shown")
    assert turns["fact", "failed_trials"][0] > turns["fact", "failed_trials"][1]
    assert turns["definition", "treatment_resistant_depression under regulatory"] == ("true", "false")
    assert [change.names for change in found.because] == [frozenset({"adequate_duration"})]


def test_only_what_led_there_is_named_when_several_things_changed(
    tmp_path: Path, old: RulesetVersion, examples: list[CohortPatient]
) -> None:
    new = edited(tmp_path / "rules", TRD, r"(adequate_duration:\s+\{value: )\d+", r"\g<1>12")
    edited(tmp_path / "more", "safety/suicidality.yaml", r"label: [A-Z]", "label: X")
    (tmp_path / "rules" / "safety" / "suicidality.yaml").write_text(
        (tmp_path / "more" / "safety" / "suicidality.yaml").read_text()
    )
    both = next(side(tmp_path / "rules"))

    assert len(changes_between(old.book, both.book)) == 2
    found = affected(old, both, examples)["03-six-weeks-to-the-day"]
    assert [change.names for change in found.because] == [frozenset({"adequate_duration"})]
    assert new.book.digest != both.book.digest


def test_new_names_change_nothing_for_anybody(
    tmp_path: Path, old: RulesetVersion, examples: list[CohortPatient]
) -> None:
    shutil.copytree(ROOT / "rules", tmp_path / "rules", ignore=shutil.ignore_patterns("*.test.yaml"))
    renamed = {"suggest_evaluation": "propose_evaluation", "symptomatic": "has_symptoms"}
    for file in (tmp_path / "rules").rglob("*.yaml"):
        text = file.read_text()
        for was, now in renamed.items():
            text = re.sub(rf"\b{was}\b", now, text)
            text = text.replace(f"  {now}:\n", f"  {now}:\n    formerly: [{was}]\n")
        file.write_text(text)

    assert affected(old, next(side(tmp_path / "rules")), examples) == {}


def test_a_silent_file_takes_its_cards_away_and_says_so(
    tmp_path: Path, old: RulesetVersion, examples: list[CohortPatient]
) -> None:
    new = edited(tmp_path / "rules", EVALUATION, "status: active", "status: silent")

    found = affected(old, new, examples)["01-two-failed-trials"]

    assert ("card", "suggest_evaluation") in {(turn.what, turn.name) for turn in found.turns}
    assert [change.says for change in found.because] == ["`evaluation` status: `active` → `silent`"]


def test_other_words_on_a_card_are_told_apart_from_another_card(
    tmp_path: Path, old: RulesetVersion, examples: list[CohortPatient]
) -> None:
    new = edited(tmp_path / "rules", EVALUATION, r"consider an evaluation", "think of an evaluation")

    found = affected(old, new, examples)["01-two-failed-trials"]

    assert found.turns == ()
    assert found.reworded == ("suggest_evaluation",)


def test_a_change_that_would_do_nothing_alone_is_no_cause(tmp_path: Path, examples: list[CohortPatient]) -> None:
    old = next(side(ROOT / "rules"))
    edited(tmp_path / "rules", TRD, r"(adequate_duration:\s+\{value: )\d+", r"\g<1>12")
    file = tmp_path / "rules" / TRD
    text, count = re.subn(r"(adult_age:\s+\{value: )18", r"\g<1>19", file.read_text())  # read by the same conclusion
    assert count == 1
    file.write_text(text)
    new = next(side(tmp_path / "rules"))
    assert len(changes_between(old.book, new.book)) == 2

    found = affected(old, new, examples)["03-six-weeks-to-the-day"]

    assert [change.names for change in found.because] == [frozenset({"adequate_duration"})]
    assert not found.together


def test_a_new_conclusion_is_counted_as_new_and_changes_nothing_for_anybody(
    tmp_path: Path, old: RulesetVersion, examples: list[CohortPatient]
) -> None:
    more = "\nconclusions:\n  depression_again:\n    label: Depression, once more\n    all: [major_depression]\n"
    new = edited(tmp_path / "rules", TRD, r"\nconclusions:\n", more)

    impact = impact_of(old, new, changes_between(old.book, new.book), examples, TODAY, Settings())

    assert impact.affected == []
    assert {name for name, _ in impact.concluded} == {"depression_again"}
    assert impact.concluded.total() == impact.decided
    text = report("old", "new", TODAY, [], impact, 5)
    assert f"- New conclusion `depression_again`: true for {impact.concluded['depression_again', 'true']}, " in text
    assert "0 with another card or conclusion" in text


def test_the_patients_of_the_cases_are_replayed_as_of_their_own_day(tmp_path: Path, old: RulesetVersion) -> None:
    new = edited(tmp_path / "rules", TRD, r"(trials_required:\s+\{value: )\d+", r"\g<1>3")
    rules = ComparedRules(old, new, tuple(changes_between(old.book, new.book)))
    cases = [case for case in cases_of(rules) if case.file.name == "treatment-resistant-depression.test.yaml"][:60]
    assert cases  # of the old rules: the copy has no test files

    impact = impact_on_cases(rules, cases, TODAY, Settings())

    assert impact.decided == len(cases)
    turned = [one for one in impact.affected if any(turn.what == "card" for turn in one.turns)]
    assert turned
    assert all(one.patient.startswith("treatment-resistant-depression.test.yaml: ") for one in turned)
    assert {change.names for one in turned for change in one.because} == {frozenset({"trials_required"})}
    lines = counts_by_card(turned)
    assert any(line.startswith("| `suggest_evaluation` | 0 | ") for line in lines)


def test_cards_are_counted_before_patients_are_shown() -> None:
    shown = OutcomeDifference("card", "a", "", "not shown", "shown")
    gone = OutcomeDifference("card", "b", "", "shown", "not shown")
    change = RuleChange(RuleChangeKind.THRESHOLD, frozenset({"x"}), "`x`: 1 → 2", "f.yaml:1")
    people = [
        AffectedPatient("one", (shown, gone), (change,), ()),
        AffectedPatient("two", (shown,), (change,), (), together=True),
    ]
    assert counts_by_card(people)[2:] == ["| `a` | 2 | 0 | 0 |", "| `b` | 0 | 1 | 0 |"]
    assert counts_by_cause(people)[2:] == ["| `x`: 1 → 2 | 1 | 1 |"]
    page = report("old", "new", TODAY, [change], Impact(2, people), 5)
    assert page.index("| `a` | 2 | 0 | 0 |") < page.index("### one")
    assert "Because of, together:" in page
