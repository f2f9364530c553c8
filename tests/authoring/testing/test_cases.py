"""Test files are read with every mistake found, each at its line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cds.authoring.testing.cases import RuleTests

Read = Callable[..., RuleTests]

HEAD = """
today: 2026-06-01
patients:
  resistant:
    age: 46
    conditions: [{code: F33.1, onset: 2025-01-10}]
    scores: [{phq-9-total: 17, at: 10 days ago}]
    took:
      sertraline: {mg_a_day: 150, from: 2025-02-01, to: 2025-04-30, stopped_for: treatment-ineffective}
      venlafaxine: {mg_a_day: 225, from: 2025-05-10, to: 2025-08-31, stopped_for: treatment-ineffective}
tests:
"""


def test(*lines: str) -> str:
    given = ["  - name: A case", "    given: resistant", *(f"    {line}" for line in lines)]
    if not any(line.startswith("then:") for line in lines):
        given.append("    then: {depressed_adult: true}")
    return HEAD + "\n".join(given) + "\n"


test.__test__ = False  # type: ignore[attr-defined]


def the_case(book: RuleTests) -> Any:
    assert [str(problem) for problem in book.problems] == []
    (case,) = book.cases
    return case


def the_problem(book: RuleTests) -> Any:
    (problem,) = book.problems
    assert book.cases == []
    return problem


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.split("\n"), start=1) if part in line)


def test_a_case_is_read_with_its_line_and_day(rule_tests: Read) -> None:
    text = test()
    case = the_case(rule_tests(text))

    assert (case.name, case.line, case.today) == ("A case", line_of(text, "A case"), date(2026, 6, 1))
    assert case.patient is not None
    assert case.then.answers == {"depressed_adult": True}


def test_a_shared_patient_is_found(rule_tests: Read) -> None:
    shared = "patients:\n  anna: {age: 30}\n"
    tests = "today: 2026-06-01\ntests:\n  - {name: Anna, given: anna, then: {age: 30}}\n"
    patient = the_case(rule_tests(tests, shared)).patient
    assert patient is not None and patient.age == 30


# ---------------------------------------------------------------- but


@pytest.mark.parametrize(
    "but, seen",
    [
        (
            "took.venlafaxine.for: 5 weeks",
            lambda p: (p.took["venlafaxine"].for_, p.took["venlafaxine"].to) == ("5 weeks", None),
        ),
        ("took.venlafaxine.mg_a_day: unknown", lambda p: p.took["venlafaxine"].mg_a_day == "unknown"),
        ("took.venlafaxine: null", lambda p: set(p.took) == {"sertraline"}),
        ("took.escitalopram: {text: Lexapro, from: 2025-09-05, ongoing: true}", lambda p: len(p.took) == 3),
        ("took: {}", lambda p: p.took == {}),
        ("took.venlafaxine.stopped_for: null", lambda p: p.took["venlafaxine"].stopped_for is None),
        ("took.venlafaxine.steps: [{mg_a_day: 75, for: 4 weeks}, {mg_a_day: 150}]", lambda p: p.took["venlafaxine"].to),
        ("took.venlafaxine.drug: sertraline", lambda p: p.took["venlafaxine"].drug == "sertraline"),
        ("scores.0.phq-9-total: 9", lambda p: p.scores[0].value == 9),
        ("scores.0.phq-9-total: null", lambda p: p.scores[0].value is None),
        ("scores.0: null", lambda p: p.scores == []),
        ("scores.+: {phq-9-total: 3, at: today}", lambda p: [s.value for s in p.scores] == [17, 3]),
        ("conditions.+: bipolar-disorder", lambda p: p.conditions[1].coded == "bipolar-disorder"),
        ("conditions.0.verification: refuted", lambda p: p.conditions[0].verification == "refuted"),
        ("allergies.+: ketamine-substances", lambda p: p.allergies[0].coded == "ketamine-substances"),
        ("orders.sertraline: {mg_a_day: 50}", lambda p: p.orders["sertraline"].mg_a_day == 50),
        ("birth_date: not_recorded", lambda p: p.age is None),
        ("scores.0.at: 2026-05", lambda p: p.scores[0].at == "2026-05"),
        ("age: null", lambda p: p.age is None),
        ("not_sent: [medications]", lambda p: p.not_sent == ["medications"]),
    ],
)
def test_but_changes_one_thing(rule_tests: Read, but: str, seen: Any) -> None:
    patient = the_case(rule_tests(test("but:", f"  {but}"))).patient
    assert seen(patient)


def test_two_changes_that_stand_for_each_other_both_stay_and_are_then_a_problem(
    rule_tests: Read,
) -> None:
    problem = the_problem(rule_tests(test("but: {took.venlafaxine.for: 5 weeks, took.venlafaxine.to: 2025-08-01}")))
    assert "say once how long" in problem.what


def test_but_leaves_the_described_patient_as_it_was(rule_tests: Read) -> None:
    more = "  - {name: Another, given: resistant, then: {depressed_adult: true}}\n"
    book = rule_tests(test("but: {took.venlafaxine.mg_a_day: 37.5}") + more)
    patients = [case.patient for case in book.cases if case.patient is not None]
    assert [patient.took["venlafaxine"].mg_a_day for patient in patients] == [37.5, 225]


@pytest.mark.parametrize(
    "but, what, fix",
    [
        ("took.venlafxine.for: 5 weeks", "there is no `venlafxine` in `took`", "Did you mean `venlafaxine`?"),
        ("tok.venlafaxine.for: 5 weeks", "there is no `tok` in the patient", "Did you mean `took`?"),
        ("took.venlafaxine.fro: 2025-05-01", "`fro` is not a key", "Did you mean `from`?"),
        ("took.venlafxine: null", "there is no `venlafxine` to take away", "Did you mean `venlafaxine`?"),
        ("took.sertralin: {from: today, ongoing: true}", "`sertralin` is not a drug", "Did you mean `sertraline`?"),
        ("scores.1.phq-9-total: 9", "`scores` has only 1 item(s)", "`scores.+`"),
        ("scores.last.at: today", "`scores` is a list", "`scores.0`"),
        ("age.years: 12", "`age` is a single value", "Shorten the path."),
        ("age.in.years: 12", "`age` is a single value", "Shorten the path."),
        ("agee: 12", "`agee` is not a key", "Did you mean `age`?"),
        ("conditions: [bipolar-disordr]", "`bipolar-disordr` is not a value set", "Did you mean `bipolar-disorder`?"),
        ("took.venlafaxine.from: 2025-02-30", "there is no day 2025-02-30", "docs/rule-authors/tests.md"),
    ],
)
def test_a_path_that_goes_nowhere_is_found_at_its_line(rule_tests: Read, but: str, what: str, fix: str) -> None:
    text = test("but:", f"  {but}")
    problem = the_problem(rule_tests(text))

    assert problem.line == line_of(text, but)
    assert what in problem.what
    assert fix in problem.fix


# ---------------------------------------------------------------- problems of form


@pytest.mark.parametrize(
    "line, what, fix",
    [
        ("then: {depressed_adlt: true}", "`depressed_adlt` is not a fact", "Did you mean `depressed_adult`?"),
        ("then: {shws: true}", "`shws` is not a fact", "Did you mean `shows`?"),
        ("then: {cards: [say_soo]}", "`say_soo` is not a card", "Did you mean `say_so`?"),
        ("then: {first_card: say_soo}", "`say_soo` is not a card", "Did you mean `say_so`?"),
        ("then: {notes: {say_soo: [1]}}", "`say_soo` is not a card", "Did you mean `say_so`?"),
        ("then: {notes: {say_so: [2]}}", "there is no note 2", "counted from 1"),
        ("then: {error: wrong-pateint}", "`wrong-pateint` is not a refusal", "Did you mean `wrong-patient`?"),
        ("then: {depressed_adult: maybe}", "`depressed_adult: maybe`", "tests.md"),
        ("then: {phq9: {from: 1, up_to: 2}}", "a range is {from: 1, to: 2}", "tests.md"),
        ("then: {phq9: {not: 3}}", "`not` is followed by true, false or unknown", "tests.md"),
        ("then: {phq9: [1, 2]}", "write true, false, unknown", "tests.md"),
        ("then: {}", "say what must be so", "tests.md"),
        ("then: {no_cards: true, shows: [say_so]}", "`no_cards` leaves nothing", "tests.md"),
        ("then: {error: wrong-patient, cards: []}", "a refused request has no answers", "tests.md"),
        ("with: {adult_form: 21}", "`adult_form` is not a parameter", "Did you mean `adult_from`?"),
        ("with: {sertraline.minimum: 21}", "is not a parameter", "Did you mean `sertraline.minimum_mg_a_day`?"),
        ("service: depresion", "`depresion` is not a service", "Did you mean `depression`?"),
        ("gvien: resistant", "`gvien` is not a key", "Did you mean `given`?"),
    ],
)
def test_a_slip_of_the_pen_is_found_at_its_line(rule_tests: Read, line: str, what: str, fix: str) -> None:
    text = test(line)
    problem = the_problem(rule_tests(text))

    assert problem.line == line_of(text, line)
    assert what in problem.what
    assert fix in problem.fix


@pytest.mark.parametrize(
    "patient, what",
    [
        ("{age: 46, birth_date: 1980-01-01}", "`age` or `birth_date`"),
        ("{agee: 46}", "`agee` is not a key"),
        ("{sex: f}", "`patients.anna.sex` cannot be `f`"),
        ("{conditions: [{onset: 2025}]}", "say what it is"),
        ("{conditions: [{code: F33.1, coded: bipolar-disorder}]}", "not both"),
        ("{conditions: [{code: 123456}]}", "put it in quotes"),
        ("{conditions: [bipolar]}", "`bipolar` is not a value set"),
        ("{scores: [{phq-9-totl: 17, at: today}]}", "`phq-9-totl` is not a value set"),
        ("{scores: [{phq-9-total: 17, att: today}]}", "only one of `phq-9-total`, `att`"),
        ("{scores: [{phq-9-total: 17}]}", "`at` is missing"),
        ("{answers: [{phq-9-item-9: 7, as: code, at: today}]}", "no answer code for 7"),
        ("{took: {sertraline: {mg_a_day: 50, to: today}}}", "`from` is missing"),
        ("{took: {sertraline: {mg_a_day: 50, from: today}}}", "say once how long"),
        ("{took: {sertraline: {mg_a_day: 50, from: today, to: today, for: 1 week}}}", "say once how long"),
        ("{took: {sertraline: {mg_a_day: 50, from: 2025-05, for: 1 week}}}", "known to the day"),
        ("{took: {sertraline: {mg_a_day: 50, dose: {value: 1}, from: today, ongoing: true}}}", "`mg_a_day` or `dose`"),
        (
            "{took: {sertraline: {mg_a_day: 50, steps: [{mg_a_day: 5}], from: today, ongoing: true}}}",
            "doses stand in `steps`",
        ),
        ("{took: {sertraline: {steps: [{mg_a_day: 5}, {mg_a_day: 6}], from: today, ongoing: true}}}", "but the last"),
        ("{took: {sertraline: {steps: [{mg_a_day: 5}], from: today, for: 1 week}}}", "`for` in each step"),
        (
            "{took: {sertraline: {dose: {value: 1, times_a_day: 1, every: 1 week}, from: today, ongoing: true}}}",
            "not both",
        ),
        ("{took: {sertraline: {mg_a_day: 5, on: [today]}}}", "add `as: administration`"),
        ("{took: {sertraline: {mg_a_day: 5, on: [today], from: today}}}", "`on` names single days"),
        ("{took: {sertraline: {drug: venlafaxine, product: '1', from: today, ongoing: true}}}", "in one way"),
        ("{took: {ketmine: {from: today, ongoing: true}}}", "`ketmine` is not a drug"),
        ("{conditions: [{code: F33.1, system: icd}]}", "`icd` is not a code system"),
        ("{conditions: [{text: depression, system: snomed}]}", "`system` goes with `code`"),
        ("{scores: [17]}", "cannot be `17`"),
        ("{took: {Sertraline: {from: today, ongoing: true}}}", "is not a name: lower-case"),
        ("{took: {sertraline: {steps: [{for: 1 week}], from: today}}}", "write `mg_a_day` or `dose`"),
        ("{took: {sertraline: {from: today, for: a while}}}", "`a while` is not a length of time"),
        ("{took: {sertraline: {from: today, ongoing: true, dispenses: [{on: today, product: 7}]}}}", "in quotes"),
        ("{observations: [{code: 1-1, at: today, answer: nothing}]}", "`nothing` is not a value set"),
        ("{took: {a: {coded: nothing, from: today, ongoing: true}}}", "`nothing` is not a value set"),
        ("{took: {sertraline: {from: today, ongoing: true, reasons: [nothing]}}}", "`nothing` is not a value set"),
        ("{not_sent: [medication]}", "cannot be `medication`"),
    ],
)
def test_a_patient_that_cannot_be_is_found_at_its_line(rule_tests: Read, patient: str, what: str) -> None:
    text = f"today: 2026-06-01\npatients:\n  anna: {patient}\n"
    text += "tests:\n  - {name: Anna, given: anna, then: {age: 30}}\n"
    problem = rule_tests(text).problems[0]

    assert problem.line == 3
    assert what in problem.what


def test_every_mistake_is_told_at_once(rule_tests: Read) -> None:
    book = rule_tests(test("but: {took.venlafxine.for: 5 weeks}", "then: {depressed_adlt: true}", "service: nothing"))
    assert len(book.problems) == 3


def test_an_unknown_patient_is_found(rule_tests: Read) -> None:
    text = "today: 2026-06-01\npatients: {resistant: {age: 3}}\n"
    text += "tests:\n  - {name: Anna, given: resistent, then: {age: 3}}\n"
    assert "Did you mean `resistant`?" in the_problem(rule_tests(text)).fix


def test_two_tests_of_one_name_are_a_problem(rule_tests: Read) -> None:
    text = test() + "  - {name: A case, given: resistant, then: {depressed_adult: true}}\n"
    (problem,) = rule_tests(text).problems
    assert (problem.check, problem.line) == ("duplicate-name", line_of(text, "{name: A case"))


def test_a_patient_described_twice_is_a_problem(rule_tests: Read) -> None:
    (problem,) = rule_tests(test(), shared="patients: {resistant: {age: 3}}\n").problems
    assert "is also a patient in" in problem.what


def test_a_duplicate_key_is_a_problem(rule_tests: Read) -> None:
    (problem,) = rule_tests(test("given: resistant")).problems
    assert problem.check == "duplicate-key"


def test_what_is_no_yaml_or_no_text_is_a_problem(rule_tests: Read, rules_folder: Path) -> None:
    assert the_problem(rule_tests("today: [")).check == "yaml-syntax"
    (rules_folder / "depression" / "other.test.yaml").write_bytes(b"\xff")
    assert "unreadable" in {problem.check for problem in rule_tests(test()).problems}


def test_a_whole_file_can_be_given(rule_tests: Read, rules_folder: Path) -> None:
    (rules_folder.parent / "request.json").write_text("{}")
    tests = "today: 2026-06-01\ntests:\n  - {name: Anna, given: {request: request.json}, then: {age: 30}}\n"
    request = the_case(rule_tests(tests)).request
    assert request is not None and request.name == "request.json"


@pytest.mark.parametrize(
    "given, what",
    [
        ("given: {request: no.json}", "There is no file no.json"),
        ("given: {request: a.json, bundle: b.json}", "write `request:` or `bundle:`"),
        ("given: {request: request.json}, but: {age: 3}", "`but` changes a described patient"),
    ],
)
def test_a_whole_file_must_be_there_and_stay_whole(rule_tests: Read, rules_folder: Path, given: str, what: str) -> None:
    (rules_folder.parent / "request.json").write_text("{}")
    book = rule_tests(f"today: 2026-06-01\ntests:\n  - {{name: Anna, {given}, then: {{age: 30}}}}\n")
    assert any(what in problem.what for problem in book.problems)


def test_a_name_that_a_file_with_mistakes_may_define_is_not_called_wrong_and_others_are(
    rule_tests: Read, rules_folder: Path
) -> None:
    broken = rules_folder / "depression" / "broken.yaml"
    broken.write_text("about: {}\nconclusions: {not_there_yet: {}}\n")
    assert rule_tests(test("then: {not_there_yet: true}")).problems == []
    assert [one.check for one in rule_tests(test("then: {nowhere_at_all: true}")).problems] == ["unknown-name"]
    broken.write_bytes(b"\xff")  # not even text: nobody knows what it defines
    broken.with_name("unreadable.yaml").symlink_to("/nowhere")
    assert rule_tests(test("then: {nowhere_at_all: true}")).problems == []
