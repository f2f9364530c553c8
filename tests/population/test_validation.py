"""Local validation: shares and agreement from counts that may be shown, and no small count that can be derived."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from typer.testing import CliRunner, Result

from cds.cli.main import app
from cds.decide import Ruleset
from cds.engine.evaluator import EvaluatorMode
from cds.population.cells import CellSuppression
from cds.population.linked import CellKey, DerivableCountError, LinkedSum, suppress_linked
from cds.population.report import report_of
from cds.population.run import RunSummary
from cds.population.statistics import kappa
from cds.population.validation import ANSWERS, ValidationReport, validated, validation_of
from tests.shipped import shipped_rules

ROOT = Path(__file__).parents[2]
DAY = "2026-06-01"
SMALLEST = 11
BANDS = (18, 65)
TRD = "is_treatment_resistant_depression"
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return shipped_rules(EvaluatorMode.DIRECT, cohorts=True)


def row(rules: Ruleset, patient: str, answers: dict[str, str], **members: Any) -> dict[str, Any]:
    """A row with an answer under each definition: of those not named, that of the default one."""
    definitions = rules.program.definitions["treatment_resistant_depression"]
    columns = {f"{TRD}__{one.id}": answers.get(one.id, answers["default"]) for one in definitions}
    ages = {"age_at_least": 40, "age_at_most": 40, "sex": "female"}
    return (
        {"patient": patient, "as_of": DAY, "outcome": "decided", "missing": [], "cards": []} | ages | columns | members
    )


def summary(rules: Ruleset, rows: Rows) -> RunSummary:
    outcomes = Counter(one["outcome"] for one in rows)
    return RunSummary("x", rules.program.version, "0", DAY, len(rows), dict(outcomes), exported=["Condition"])


def validation(rules: Ruleset, rows: Rows, smallest: int = SMALLEST) -> ValidationReport:
    counted = report_of(rules.program, summary(rules, rows), rows, smallest)
    return validation_of(rules.program, validated(rules.program), counted, rows, BANDS)


def written(folder: Path, rules: Ruleset, rows: Rows) -> Path:
    """A finished run with these rows."""
    (folder / "rows").mkdir(parents=True)
    (folder / "rows" / "00.ndjson").write_text("".join(f"{json.dumps(one)}\n" for one in rows))
    told = summary(rules, rows)
    (folder / "summary.json").write_text(json.dumps({name: getattr(told, name) for name in told.__struct_fields__}))
    return folder


def cds(*command: str) -> Result:
    return CliRunner().invoke(app, ["population", *command])


def hundred(rules: Ruleset) -> Rows:
    """Forty who meet the default definition, thirty of whom the strict one; forty who do not; twenty unknown."""
    rows = []
    for number in range(100):
        answer = "true" if number < 40 else "false" if number < 80 else "unknown"
        strict = answer if number < 30 or number >= 40 else "false"
        age = 70 if number % 2 else 30
        rows.append(
            row(
                rules, f"p{number}", {"default": answer, "strict": strict}, age_at_least=age, age_at_most=age,
                missing=[["treatment_resistant_depression", "doses", "", "not recorded"]] if number >= 80 else [],
                cohort_x="false",
            )
        )  # fmt: skip
    return rows


def test_shares_have_intervals_and_definitions_are_compared(rules: Ruleset) -> None:
    found = validation(rules, hundred(rules), smallest=1)

    default = found.prevalence[0]
    assert (default.yes, default.no, default.unknown) == (40, 40, 20)
    assert default.at_least is not None
    assert default.at_most is not None
    # Wilson's interval of 40 in 100, as Newcombe (Stat Med 1998;17:857) reckons it.
    assert [round(one, 3) for one in (default.at_least.value, default.at_least.low, default.at_least.high)] == [
        0.4, 0.309, 0.498,
    ]  # fmt: skip
    assert default.at_most.value == 0.6
    (strict,) = [one for one in found.agreements if one.label.startswith("Strict")]
    assert strict.table["true", "true"] == 30
    assert strict.table["true", "false"] == 10
    assert strict.kappa is not None
    assert strict.kappa.value == pytest.approx(0.75)  # 70 of 80 agree, 40 by chance
    age = next(one for one in found.subgroups if one.by == "age")
    assert [(one.label, one.patients, one.yes) for one in age.groups] == [
        ("18 to 64", 50, 20),
        ("65 and older", 50, 20),
    ]
    assert [one.by for one in found.subgroups] == ["age", "sex"]
    assert [(one.why, one.patients) for one in found.counted.kinds] == [("not recorded", 20)]


def test_who_has_no_decision_is_unknown_and_of_no_known_group(rules: Ruleset) -> None:
    refused = {"patient": "r", "as_of": DAY, "outcome": "refused", "why": "too large"}
    rows = [refused, *(one | {"race": "A"} for one in hundred(rules))]

    found = validation(rules, rows, smallest=1)

    assert found.prevalence[0].unknown == 21
    by = {one.by: {group.label: group.patients for group in one.groups} for one in found.subgroups}
    assert by["race"] == {"A": 100, "not recorded": 1}
    assert by["age"]["not recorded"] == 1


def test_an_age_that_can_be_of_two_bands_is_of_none(rules: Ruleset) -> None:
    ages = [(17, 18), (18, 19), (65, 65), (None, None)]
    rows = [
        row(rules, str(place), {"default": "true"}, age_at_least=low, age_at_most=high)
        for place, (low, high) in enumerate(ages)
    ]

    age = validation(rules, rows, smallest=1).subgroups[0]

    assert {one.label: one.patients for one in age.groups} == {"18 to 64": 1, "65 and older": 1, "not recorded": 2}


def linked(report: ValidationReport) -> tuple[dict[CellKey, int | None], list[LinkedSum]]:
    """What a reader of a validation knows: each count shown, and which add up to which."""
    shown: dict[CellKey, int | None] = {("total",): report.counted.patients}
    first = next(one for one in report.prevalence if one.label == report.definition.label)
    shown |= {
        ("answer", answer): count for answer, count in zip(ANSWERS, (first.yes, first.no, first.unknown), strict=True)
    }
    sums = [LinkedSum(("total",), tuple(("answer", answer) for answer in ANSWERS))]
    tables: list[tuple[str, dict[str, int | None], dict[tuple[str, str], int | None]]] = []
    others = [one for one in report.prevalence if one is not first]
    for other, agreement in zip(others, report.agreements, strict=True):
        assert other.label == agreement.label
        margins = dict(zip(ANSWERS, (other.yes, other.no, other.unknown), strict=True))
        tables.append((other.label, margins, dict(agreement.table)))
    for one in report.subgroups:
        cells = {
            (answer, group.label): count
            for group in one.groups
            for answer, count in zip(ANSWERS, (group.yes, group.no, group.unknown), strict=True)
        }
        tables.append((one.by, {group.label: group.patients for group in one.groups}, cells))
    for name, margins, cells in tables:
        shown |= {("group", name, value): count for value, count in margins.items()}
        shown |= {("cell", name, *cell): count for cell, count in cells.items()}
        for value in margins:
            parts = tuple(("cell", name, answer, value) for answer in ANSWERS)
            sums.append(LinkedSum(("group", name, value), parts))
        for answer in ANSWERS:
            sums.append(LinkedSum(("answer", answer), tuple(("cell", name, answer, value) for value in margins)))
    return shown, sums


def widths(shown: dict[CellKey, int | None], sums: Sequence[LinkedSum]) -> dict[CellKey, float]:
    """For each hidden count, the largest less the least over all tables that agree with what is shown."""
    names = list(shown)
    bounds = [(0, None) if shown[name] is None else (shown[name], shown[name]) for name in names]
    rows = [[(name == line.total) - (name in line.parts) for name in names] for line in sums]
    found = {}
    for place, name in enumerate(names):
        if shown[name] is None:
            ends = []
            for sign in (1, -1):
                wanted = [sign * (at == place) for at in range(len(names))]
                solved = linprog(wanted, A_eq=rows, b_eq=[0] * len(rows), bounds=bounds)
                assert solved.status in (0, 3), solved.message
                ends.append(float("-inf") if solved.status == 3 else solved.fun)
            found[name] = -ends[1] - ends[0]
    return found


def some_rows(rules: Ruleset, seed: int) -> Rows:
    drawn = random.Random(seed)  # noqa: S311 (no secret)
    size = drawn.choice((8, 15, 40, 90, 200))
    weights = [drawn.random() ** 3 for _ in ANSWERS]
    rows = []
    for number in range(size):
        default = drawn.choices(ANSWERS, weights)[0]
        others = {
            one.id: default if drawn.random() < 0.9 else drawn.choice(ANSWERS)
            for one in rules.program.definitions["treatment_resistant_depression"][1:]
        }
        age = drawn.choices((10, 30, 70), (0.05, 0.75, 0.2))[0]
        sex = drawn.choices(("female", "male", "other"), (0.6, 0.37, 0.03))[0]
        members = {"sex": sex, "age_at_least": age, "age_at_most": age}
        rows.append(row(rules, f"p{number}", {"default": default} | others, **members))
    return rows


@pytest.mark.seconds
def test_no_small_count_of_a_validation_is_shown_or_derivable(rules: Ruleset) -> None:
    @settings(max_examples=12, deadline=None)
    @given(st.integers(0, 10**6))
    def holds(seed: int) -> None:
        rows = some_rows(rules, seed)
        report = validation(rules, rows)

        shown, sums = linked(report)
        true, _ = linked(validation(rules, rows, smallest=1))

        assert not [name for name, count in shown.items() if count is not None and 0 < count < SMALLEST]
        if len(rows) < SMALLEST:
            assert set(shown.values()) <= {None, 0}  # that there is none may be told
        narrow = {name for name, wide in widths(shown, sums).items() if wide < SMALLEST - 1e-6}
        assert not {name for name in narrow if true[name]}  # that there is none may be told
        assert all(count in (None, true[name]) for name, count in shown.items())

    holds()


def test_what_rests_on_a_hidden_count_is_hidden(rules: Ruleset) -> None:
    rows = hundred(rules)
    for number in range(4):
        rows[number]["sex"] = "male"

    found = validation(rules, rows)

    (sex,) = [one for one in found.subgroups if one.by == "sex"]
    for group in sex.groups:
        assert (group.at_least is None) == (group.yes is None or group.patients is None)
        assert (group.at_most is None) == (group.no is None or group.patients is None)
    assert any(group.at_least is None for group in sex.groups)
    (strict,) = [one for one in found.agreements if one.label.startswith("Strict")]
    assert strict.table["true", "false"] is None  # ten
    assert strict.kappa is None


@pytest.mark.seconds
@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=4, max_size=4))
def test_every_whole_numbered_table_behind_a_small_one_leaves_a_hidden_count_open(counts: list[int]) -> None:
    """The range holds for whole numbers, found by trying all tables, and not for fractions alone."""
    smallest, total = 3, sum(counts)
    cells: dict[CellKey, int] = {(row, column): counts[2 * place + at] for place, row in enumerate("ab")
                                 for at, column in enumerate("xy")}  # fmt: skip
    of = cells | {("a",): counts[0] + counts[1], ("b",): counts[2] + counts[3], ("x",): counts[0] + counts[2],
                  ("y",): counts[1] + counts[3], ("total",): total}  # fmt: skip
    sums = [LinkedSum((line,), (cells_of[0], cells_of[1])) for line, cells_of in {
        "a": (("a", "x"), ("a", "y")), "b": (("b", "x"), ("b", "y")), "x": (("a", "x"), ("b", "x")),
        "y": (("a", "y"), ("b", "y")),
    }.items()]  # fmt: skip
    sums += [LinkedSum(("total",), (("a",), ("b",))), LinkedSum(("total",), (("x",), ("y",)))]
    given_total: dict[CellKey, int | None] = {("total",): None if 0 < total < smallest else total}

    shown = suppress_linked(of, sums, given_total, smallest)

    if total < smallest:
        return
    behind = []
    for ax, ay, bx, by in product(range(total + 1), repeat=4):
        table = {("a", "x"): ax, ("a", "y"): ay, ("b", "x"): bx, ("b", "y"): by, ("a",): ax + ay, ("b",): bx + by,
                 ("x",): ax + bx, ("y",): ay + by, ("total",): ax + ay + bx + by}  # fmt: skip
        if all(count is None or table[name] == count for name, count in shown.items()):
            behind.append(table)
    assert of in behind
    for name, count in shown.items():
        if count is None and of[name]:
            assert max(one[name] for one in behind) - min(one[name] for one in behind) >= smallest
        assert count is None or not 0 < count < smallest


def test_given_counts_that_tell_a_small_one_are_refused() -> None:
    counts: dict[CellKey, int] = {("total",): 30, ("a",): 27, ("b",): 3}
    sums = [LinkedSum(("total",), (("a",), ("b",)))]
    with pytest.raises(DerivableCountError):
        suppress_linked(counts, sums, {("total",): 30, ("a",): 27}, SMALLEST)


@pytest.mark.seconds
@given(st.lists(st.integers(0, 45), min_size=2, max_size=6))
def test_the_counts_of_one_table_of_a_report_are_not_derivable_by_a_solver(counts: list[int]) -> None:
    cells = {str(place): count for place, count in enumerate(counts)}
    suppression = CellSuppression(sum(counts), SMALLEST)
    shown: dict[CellKey, int | None] = {(name,): count for name, count in suppression.table(cells).items()}
    sums = [LinkedSum(("total",), tuple(shown))]

    assert not [count for count in shown.values() if count is not None and 0 < count < SMALLEST]
    assert all(wide >= SMALLEST for wide in widths(shown | {("total",): suppression.total}, sums).values())


@pytest.mark.seconds
def test_the_page_and_the_markdown_hold_the_same_and_name_nobody(rules: Ruleset, tmp_path: Path) -> None:
    out = written(tmp_path / "out", rules, hundred(rules))

    page = cds("validate", str(out))
    text = cds("validate", str(out), "--format", "markdown", "--age-bands", "18,65")
    values = json.loads(cds("validate", str(out), "--format", "json").stdout)

    assert page.exit_code == text.exit_code == 0, page.output + text.output
    for told in ("40.0 % (30.9 to 49.8)", "Chart criteria for treatment-resistant depression"):
        assert told in page.stdout
        assert told in text.stdout
    assert "<svg" in page.stdout
    assert "<script" not in page.stdout
    assert "p17" not in page.stdout + text.stdout + json.dumps(values)
    assert values["prevalence"][0]["at_least"]["value"] == 0.4
    assert "| 65 and older | 50 |" in text.stdout
    assert cds("validate", str(out), "--age-bands", "young").exit_code == 2
    assert "no definition of treatment_resistant_depression is named so" in cds(
        "validate", str(out), "--definition", "mine"
    ).output.replace("\n", " ")


def test_of_nobody_there_is_no_agreement() -> None:
    assert kappa(0, 0, 0, 0) is None
    assert kappa(5, 0, 0, 0) is None  # chance alone would agree always
    assert kappa(5, 0, 0, 5) is not None
