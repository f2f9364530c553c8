"""A catalogue of changes: those seeded to survive are reported, those that mean the same are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cds.authoring.mutation.detect import DetectionOutcome, means_the_same
from cds.authoring.mutation.generate import mutants_of
from cds.authoring.mutation.mutant import MutantKind, applied, moved
from cds.authoring.mutation.report import print_mutants, survivor_lines
from cds.authoring.mutation.run import MutantSelection, MutationReport, run_mutants
from cds.logic import conditions as c
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.yaml_source.loaded import LoadedFile
from cds.yaml_source.problem import RulesError

Write = Callable[[Path], Path]

RULE = """
about:
  id: depression
  title: Depression
  version: 1.0.0
  status: active
  purpose: Tests.
  limits: Tests only.
  owners: [nobody]
  safety: true
  reviewed: {date: 2026-01-01, by: pending, next: 2027-01-01}
  developer: Tests
  funding: None
  released: 2025-01-01
  does_not_use:
    [race, ethnicity, language, sexual_orientation, gender_identity, sex, date_of_birth, social_determinants,
     health_status_assessments]
evidence:
  book: {cite: A book, says: So., verified: true}
parameters:
  adult_from: {value: 18, unit: years, evidence: [book]}
  high_score: {value: 10, unit: "{score}", evidence: [book]}
  score_window: {value: 60, unit: days, evidence: [book]}
facts:
  age: {find: age, unit: years}
  major_depression:
    {find: condition, coded: [major-depressive-disorder, bipolar-disorder], if_none_found: false, because: None.}
  phq9: {find: score, coded: phq-9-total, unit: "{score}", look_back: score_window, take: most_recent,
    same_day: range}
conclusions:
  high:
    label: High score
    evidence: [book]
    when: {phq9: {at_least: high_score}}
  depressed_adult:
    label: Adult with depression
    evidence: [book]
    all: [{age: {at_least: adult_from}}, major_depression]
  worth_a_word:
    label: Worth a word
    evidence: [book]
    all: [depressed_adult, {any: [high, {unknown: high}]}]
services:
  depression: {hook: patient-view, title: Depression, description: Tests., most_cards: 3}
cards:
  say_so:
    service: depression
    show_when: worth_a_word
    indicator: info
    summary: An adult with depression
    detail: The PHQ-9 is {{ phq9 }}. {{ notes }}
    source: {label: Tests}
    topic: {system: "https://example.org/topics", code: depression, display: Depression}
    notes: [{when: high, say: The score is high.}]
"""

WHOLE = """
today: 2026-06-01
patients:
  anna: {age: 18, conditions: [major-depressive-disorder], scores: [{phq-9-total: 10, at: 60 days ago}]}
tests:
  - {name: All of it, given: anna, then: {depressed_adult: true, high: true, worth_a_word: true, notes: {say_so: [1]}}}
  - {name: 17 is too young, given: anna, but: {age: 17}, then: {depressed_adult: false, worth_a_word: false}}
  - {name: Nobody knows how old, given: anna, but: {birth_date: not_recorded}, then: {depressed_adult: unknown}}
  - {name: Other words count, given: anna, but: {conditions: [{code: F31.1}]}, then: {depressed_adult: true}}
  - {name: The other code counts, given: anna, but: {conditions: [{code: F33.1}]}, then: {depressed_adult: true}}
  - {name: No depression, given: anna, but: {conditions: []}, then: {depressed_adult: false}}
  - {name: Over, given: anna, but: {conditions: [{code: F33.1, status: resolved}]}, then: {depressed_adult: false}}
  - {name: No list was sent, given: anna, but: {not_sent: [conditions]},
     then: {depressed_adult: unknown, worth_a_word: unknown}}
  - {name: A low score, given: anna, but: {scores.0.phq-9-total: 9},
     then: {high: false, worth_a_word: false, shows_not: [say_so], notes: {say_so: []}}}
  - {name: No score, given: anna, but: {scores: []}, then: {high: unknown, worth_a_word: true, shows: [say_so]}}
  - {name: Too old a score, given: anna, but: {scores.0.at: 61 days ago}, then: {high: unknown}}
  - {name: The latest counts, given: anna, but: {scores.+: {phq-9-total: 4, at: 2 days ago}}, then: {high: false}}
  - {name: Not the lowest, given: anna, but: {scores.+: {phq-9-total: 24, at: 2 days ago}, scores.0.phq-9-total: 4},
     then: {high: true}}
  - {name: Two in a day are a range, given: anna, but: {scores.+: {phq-9-total: 14, at: 60 days ago}},
     then: {phq9: {from: 10, to: 14}}}
"""


@pytest.fixture
def folder(tmp_path: Path, write_rules_to: Write) -> Path:
    root = write_rules_to(tmp_path / "rules")
    (root / "depression" / "depression.yaml").write_text(RULE)
    return root


def tried(folder: Path, tests: str, wanted: MutantSelection | None = None, jobs: int = 1) -> MutationReport:
    (folder / "depression" / "depression.test.yaml").write_text(tests)
    return run_mutants(folder, wanted or MutantSelection(of=("depression",)), jobs)


def without(*names: str) -> str:
    """The whole test file, but for some cases."""
    lines = WHOLE.split("\n  - ")
    kept = [line for line in lines if not any(line.startswith(f"{{name: {name}") for name in names)]
    assert len(kept) == len(lines) - len(names)
    return "\n  - ".join(kept)


def survivors(changes: MutationReport) -> set[str]:
    return {one.change.name for one in changes.survivors}


def test_a_whole_casebook_notices_every_change_that_makes_a_difference(folder: Path) -> None:
    changes = tried(folder, WHOLE)

    assert survivors(changes) == set()
    assert changes.percent == 0
    assert {one.change.kind for one in changes.outcomes if one.fate is DetectionOutcome.NOTICED} >= set(MutantKind) - {
        MutantKind.HOW_MANY,
        MutantKind.CODE,
    }


@pytest.mark.parametrize(
    ("missing_cases", "seeded"),
    [
        ("17 is too young", {"adult_from: 17 for 18"}),
        ("Nobody knows how old", {"depressed_adult: unknown `age` at least adult_from read as false"}),
        ("Other words count", {"major_depression: `coded` without `bipolar-disorder`"}),
        ("No depression, Over", {"major_depression: `if_none_found` unknown"}),
        ("Over", {"major_depression: `status` any"}),
        (
            "A low score",
            {
                "high_score: 9 for 10",
                "worth_a_word: without any (`high`, unknown `high`)",
            },
        ),
        ("No score", {"worth_a_word: without unknown `high`", "worth_a_word: unknown `high` read as false (2)"}),
        ("Too old a score", {"score_window: 61 for 60", "phq9: without `look_back`"}),
        ("The latest counts, Two in a day are a range", {"phq9: `take` highest for most_recent"}),
        ("Not the lowest, Two in a day are a range", {"phq9: `take` lowest for most_recent"}),
        ("Two in a day are a range", {"phq9: `same_day` mean for range"}),
    ],
)
def test_without_a_case_the_changes_it_would_have_noticed_survive(
    folder: Path, missing_cases: str, seeded: set[str]
) -> None:
    assert survivors(tried(folder, without(*missing_cases.split(", ")))) >= seeded


def test_both_sides_of_a_limit_are_asked_for(folder: Path) -> None:
    above = (
        WHOLE.replace("age: 18", "age: 19")
        .replace("phq-9-total: 10, at", "phq-9-total: 12, at")
        .replace("from: 10,", "from: 12,")
    )

    assert survivors(tried(folder, above)) >= {
        "adult_from: 19 for 18",
        "depressed_adult: `age` above adult_from",
        "high_score: 11 for 10",
        "high: `phq9` above high_score",
    }


def test_a_survivor_says_where_it_is_and_which_patient_it_would_touch(folder: Path) -> None:
    changes = tried(folder, without("17 is too young"))

    (line,) = [line for line in survivor_lines(changes) if "adult_from: 17" in line]
    written = RULE.split("\n").index("  adult_from: {value: 18, unit: years, evidence: [book]}") + 1
    assert f"depression.yaml:{written}" in line
    assert "A patient with exactly 17 years" in line
    assert "(safety)" in line


@pytest.mark.parametrize(
    ("comparison", "patients"),
    [("at_least", (10, 9)), ("below", (10, 9)), ("above", (11, 10)), ("at_most", (11, 10))],
)
def test_the_patient_a_moved_limit_would_touch_is_the_one_between_the_two(
    folder: Path, comparison: str, patients: tuple[int, int]
) -> None:
    rule = folder / "depression" / "depression.yaml"
    rule.write_text(RULE.replace("at_least: high_score", f"{comparison}: high_score"))

    moves = {change.name: change.patient for change in mutants_of(read_rulebook(folder))}

    for name, score in zip(("high_score: 11 for 10", "high_score: 9 for 10"), patients, strict=True):
        assert moves[name].startswith(f"A patient with exactly {score} ")


def test_a_code_of_each_list_is_taken_away_and_with_every_code_any(folder: Path) -> None:
    first = mutants_of(read_rulebook(folder))
    every = mutants_of(read_rulebook(folder), every_code=True)

    codes = {change.name for change in every if change.kind is MutantKind.CODE}
    assert "major-depressive-disorder: without icd-10-cm F33.2" in codes
    assert "major-depressive-disorder: without icd-10-cm F33.2" not in {change.name for change in first}
    assert "major-depressive-disorder: without icd-10-cm F33.1" in {change.name for change in first}


def test_a_code_is_taken_away_from_the_rules_and_not_from_the_patients(folder: Path) -> None:
    every = MutantSelection(of=("major-depressive-disorder",), every_code=True)

    changes = tried(folder, WHOLE, every)

    assert survivors(changes) == {"major-depressive-disorder: without icd-10-cm F33.2"}
    (line,) = survivor_lines(changes)
    assert "F33.2 (severe)" in line


def test_what_a_test_file_explains_is_no_survivor_and_an_idle_explanation_is_said(folder: Path) -> None:
    explained = WHOLE.replace(
        "tests:",
        "unnoticeable:\n"
        "  - {change: 'adult_from: 1* for 18', because: Nobody of that age is treated here.}\n"
        "  - {change: 'high_score: 9 for 10', because: This one is noticed.}\n"
        "tests:",
    )
    lines = [line for line in explained.split("\n") if "17 is too young" not in line]
    (folder / "depression" / "depression.test.yaml").write_text("\n".join(lines))

    changes = run_mutants(folder, MutantSelection(), jobs=1)

    assert "adult_from: 17 for 18" not in survivors(changes)
    assert [one.because for one in changes.outcomes if one.change.name == "adult_from: 17 for 18"] == [
        "Nobody of that age is treated here."
    ]
    assert [one.change for one in changes.idle] == ["high_score: 9 for 10"]
    assert not print_mutants(changes, Console(quiet=True), most_percent=100)


@pytest.mark.seconds
def test_several_processes_come_to_the_same_outcomes_in_the_same_order(folder: Path) -> None:
    alone = tried(folder, without("Over"))
    together = tried(folder, without("Over"), jobs=2)

    assert [(one.change.name, one.fate) for one in together.outcomes] == [
        (one.change.name, one.fate) for one in alone.outcomes
    ]


def test_a_sample_is_spread_over_all_changes(folder: Path) -> None:
    every = tried(folder, WHOLE)
    some = tried(folder, WHOLE, MutantSelection(of=("depression",), sample=7))

    assert len(some.outcomes) == 7
    assert {one.change.name for one in some.outcomes} < {one.change.name for one in every.outcomes}


def test_a_failing_case_is_named_and_nothing_is_tried(folder: Path) -> None:
    changes = tried(folder, WHOLE.replace("then: {high: true}", "then: {high: false}"))

    assert [case.name for case in changes.failing] == ["Not the lowest"]
    assert not print_mutants(changes, Console(quiet=True), most_percent=100)


def test_broken_files_and_names_of_nothing_are_said(folder: Path) -> None:
    with pytest.raises(LookupError, match="nothing-here"):
        tried(folder, WHOLE, MutantSelection(of=("nothing-here",)))
    with pytest.raises(RulesError):
        tried(folder, WHOLE.replace("depressed_adult: true", "depressed_adlut: true"))


@pytest.mark.seconds
def test_the_rules_are_proven_when_safety_leaves_no_survivor_and_the_rest_few(folder: Path) -> None:
    console = Console(quiet=True)
    assert print_mutants(tried(folder, WHOLE), console, most_percent=0)
    assert not print_mutants(tried(folder, without("Over")), console, most_percent=50)
    rule = folder / "depression" / "depression.yaml"
    rule.write_text(RULE.replace("  safety: true\n", ""))
    assert print_mutants(tried(folder, without("Over")), console, most_percent=50)
    assert not print_mutants(tried(folder, without("Over")), console, most_percent=0)


A, B = c.Name("a"), c.Name("b")
LONG = tuple(c.Name(f"part_{number}") for number in range(9))  # more than can be tried one by one


@pytest.mark.parametrize(
    ("one", "other", "same", "same_shown"),
    [
        (c.All((A, B)), c.All((B, A)), True, True),
        (c.All((A, B)), c.Any((A, B)), False, False),
        (c.Unknown(A), c.Unknown(c.Not(A)), True, True),
        (A, c.All((A, c.Not(c.Unknown(A)))), False, True),
        (c.Not(A), c.Not(c.All((A, c.Not(c.Unknown(A))))), False, False),
        (c.Any((A, c.Not(A))), c.Any((B, c.Not(B))), False, False),
        (
            c.All((*LONG, c.Any((c.Not(A), c.Unknown(A))))),
            c.All((*LONG, c.Any((c.Not(c.All((A, c.Not(c.Unknown(A))))), c.Unknown(A))))),
            True,
            True,
        ),
        (c.All((*LONG, A)), c.All((*LONG, B)), False, False),
        (c.AtLeast(1, (A, B)), c.AtLeast(2, (A, B)), False, False),
    ],
)
def test_conditions_mean_the_same_when_no_answer_tells_them_apart(
    one: c.Condition, other: c.Condition, same: bool, same_shown: bool
) -> None:
    assert means_the_same(one, other) is same
    assert means_the_same(one, other, shown=True) is same_shown


@pytest.mark.parametrize(
    ("number", "steps"), [(6, [7, 5]), (0.75, [0.76, 0.74]), (37.5, [37.6, 37.4]), (0.025, [0.026, 0.024])]
)
def test_a_step_is_one_in_the_last_place(number: float, steps: list[float]) -> None:
    assert [other for _, other in moved(number)] == steps


def test_every_change_is_one_edit_of_one_file(folder: Path) -> None:
    book = read_rulebook(folder)

    def files(of: Rulebook) -> list[LoadedFile[Any]]:
        return [*of.rules.values(), *of.sets, *of.tables.values()]

    for change in mutants_of(book):
        changed = applied(book, change)
        if changed is not None:
            pairs = zip(files(changed), files(book), strict=True)
            assert [new.file for new, old in pairs if new is not old] == [change.file]
