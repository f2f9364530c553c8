"""A report on a population: bounds with reasons, and no small count that is shown or can be derived."""

from __future__ import annotations

import csv
import io
import json
import shutil
from itertools import product
from pathlib import Path

import pytest
from fhir.resources.R4B.measurereport import MeasureReport
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from cds.cli.main import app
from cds.population.cells import CellSuppression
from tests.population.test_population import Lines, lines_of, write

SMALLEST = 11
EVERY = (
    "Procedure,ServiceRequest,AllergyIntolerance,MedicationAdministration,MedicationDispense,MedicationStatement,"
    "Encounter"
)


def made(folder: Path, lines: Lines, exported: str = EVERY) -> Path:
    command = ["population", "run", str(write(folder / "export", lines)), str(folder / "out"), "--jobs", "1"]
    run = CliRunner().invoke(app, [*command, "--today", "2026-06-01", "--exported", exported])
    assert run.exit_code == 0, run.output
    return folder / "out"


def report(out: Path, *more: str) -> Result:
    return CliRunner().invoke(app, ["population", "report", str(out), *more])


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve patients who meet the criteria, and thirteen of whom doses are not known."""
    return made(tmp_path_factory.mktemp("population"), without_doses(25, 12))


def without_doses(number: int, after: int) -> Lines:
    lines = lines_of(number)
    for order in lines["MedicationRequest"]:
        if int(order["id"].rsplit("-", 1)[1]) > after:
            order["dosageInstruction"] = []
    return lines


@pytest.mark.seconds
def test_an_answer_is_bounds_with_reasons(out: Path) -> None:
    answer = report(out, "--format", "json")

    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.stdout)
    first = found["questions"][0]
    assert (first["id"], first["yes"], first["no"], first["unknown"], first["at_most"]) == (
        "met-and-never-evaluated", 12, 0, 13, 25,
    )  # fmt: skip
    assert {(one["why"], one["patients"]) for one in first["reasons"]} == {("not recorded", 13)}
    assert (found["patients"], found["outcomes"]) == (25, {"decided": 25})
    text = report(out).stdout
    assert "At least 12, at most 25; 13 unknown." in text
    assert "p1" not in text


@pytest.mark.seconds
def test_what_needs_a_type_that_was_not_exported_cannot_be_answered(tmp_path: Path) -> None:
    answer = report(made(tmp_path, lines_of(1), exported="Procedure"))

    assert answer.exit_code == 1
    assert "Cannot be answered: ServiceRequest was not exported" in answer.stdout
    assert "ServiceRequest was not exported" in answer.stderr


@pytest.mark.seconds
def test_of_bundles_each_says_itself_what_it_lacks(tmp_path: Path) -> None:
    export = tmp_path / "export"
    export.mkdir()
    shutil.copy(Path(__file__).parents[2] / "fhir_examples" / "bundle.json", export / "one.json")
    command = ["population", "run", str(export), str(tmp_path / "out"), "--jobs", "1", "--today", "2026-06-01"]
    assert CliRunner().invoke(app, command).exit_code == 0

    answer = report(tmp_path / "out", "--smallest", "1")

    assert answer.exit_code == 0, answer.output
    assert "Cannot be answered" not in answer.stdout
    assert "| Referral to psychiatry, ever, that was not revoked | not sent | 1 |" in answer.stdout
    assert "No count is suppressed." in answer.stdout


@pytest.mark.seconds
def test_every_form_holds_the_same_counts(out: Path) -> None:
    found = json.loads(report(out, "--format", "json").stdout)
    lines = list(csv.DictReader(io.StringIO(report(out, "--format", "csv").stdout)))
    page = report(out, "--format", "html").stdout
    fhir = json.loads(report(out, "--format", "fhir").stdout)

    shown = {(line["id"], line["count"]): line["patients"] for line in lines if line["section"] == "question"}
    for question, entry in zip(found["questions"], fhir["entry"], strict=True):
        assert shown[question["id"], "yes"] == str(question["yes"])
        MeasureReport.model_validate(entry["resource"])
        populations = entry["resource"]["group"][0]["population"]
        assert [one["count"] for one in populations] == [25, question["yes"], question["unknown"]]
        assert question["label"] in page
    assert page.count("<th>Definition</th>") == 1
    assert all(one["label"] in page for one in found["definitions"])


@pytest.mark.seconds
def test_a_suppressed_count_is_masked_in_fhir_and_has_no_number_in_words(tmp_path: Path) -> None:
    small = made(tmp_path, without_doses(20, 18))

    (first, *_) = json.loads(report(small, "--format", "fhir").stdout)["entry"]
    MeasureReport.model_validate(first["resource"])
    _, numerator, unknown = first["resource"]["group"][0]["population"]
    for hidden in (numerator, unknown):
        assert "count" not in hidden
        assert hidden["_count"]["extension"][0]["valueCode"] == "masked"
    assert "At least suppressed" in report(small).stdout
    assert "At least 18, at most 20; 2 unknown." in report(small, "--smallest", "1").stdout


@pytest.mark.seconds
def test_rows_of_other_rules_are_not_reported(tmp_path: Path, out: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(out, other)
    summary = other / "summary.json"
    summary.write_text(summary.read_text().replace('"rules": "', '"rules": "0'))

    answer = report(other)

    assert answer.exit_code == 1
    assert "it was made with rules 0" in answer.stderr


def possible(shown: dict[str, int | None], total: int) -> list[dict[str, int]]:
    """Every table that could be behind what is shown, for who knows the total alone."""
    names = [name for name, count in shown.items() if count is None]
    left = total - sum(count for count in shown.values() if count is not None)
    ways = (way for way in product(range(left + 1), repeat=max(len(names) - 1, 0)) if sum(way) <= left)
    if not names:
        return [dict(shown)]  # type: ignore[arg-type]
    return [shown | dict(zip(names, (*way, left - sum(way)), strict=True)) for way in ways]  # type: ignore[misc]


@given(st.lists(st.integers(0, 45), min_size=3, max_size=3))
def test_no_small_count_is_shown_or_derivable(counts: list[int]) -> None:
    cells = dict(zip(("true", "false", "unknown"), counts, strict=True))
    total = sum(counts)
    suppression = CellSuppression(total, SMALLEST)

    shown = suppression.table(cells)

    if suppression.total is None:
        assert set(shown.values()) <= {None}
        return
    behind = possible(shown, total)
    assert cells in behind
    for name, count in cells.items():
        if 0 < count < SMALLEST:
            assert shown[name] is None
            assert len({one[name] for one in behind}) > SMALLEST


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200))
def test_two_groups_one_inside_the_other_do_not_give_a_small_difference(inner: int, rim: int, rest: int) -> None:
    total = inner + rim + rest
    suppression = CellSuppression(total, SMALLEST)
    outer = suppression.table({"true": inner + rim, "false": rest, "unknown": 0})
    within = suppression.table({"true": inner, "false": rim + rest, "unknown": 0})

    if 0 < rim < SMALLEST:
        assert outer["true"] is None or within["true"] is None
        assert outer["false"] is None or within["false"] is None
        assert suppression.alone(inner) is None or suppression.alone(inner + rim) is None


def test_a_count_of_none_and_a_whole_table_of_large_counts_are_shown() -> None:
    cells = {"true": 60, "false": 0, "unknown": 40}
    assert CellSuppression(100, SMALLEST).table(cells) == cells
    assert CellSuppression(100, 1).table({"true": 1, "false": 99, "unknown": 0})["true"] == 1


@pytest.mark.seconds
def test_show_says_why_for_the_patient_a_row_names(tmp_path: Path) -> None:
    export = write(tmp_path / "export", lines_of(2))
    asked = ["population", "show", str(export), "p2", "--today", "2026-06-01", "--exported", EVERY]
    shown = CliRunner().invoke(app, asked)
    nobody = CliRunner().invoke(app, [*asked[:3], "p3", *asked[4:]])
    earlier = CliRunner().invoke(app, [*asked, "--as-of", "2025-01-15"])

    assert shown.exit_code == 0, shown.output
    assert "Chart criteria for treatment-resistant depression" in shown.stdout
    assert shown.stdout != earlier.stdout
    assert (nobody.exit_code, "no patient is named so" in nobody.stderr) == (1, True)
