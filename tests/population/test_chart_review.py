"""Charts to review, drawn by answer and the same each time; labels back, weighed by what each chart stands for."""

from __future__ import annotations

import csv
import io
import stat
from pathlib import Path

import pytest
from fhir.resources.R4B.group import Group

from cds.decide import Ruleset
from cds.population.accuracy import CASE, NOT_A_CASE, Accuracy, accuracy_of
from cds.population.chart_review import sample_of
from cds.population.validation import validated
from tests.population.test_validation import Rows, cds, hundred, row, rules, written

__all__ = ["rules"]  # a fixture


def many(rules: Ruleset) -> Rows:
    answers = ["true"] * 60 + ["false"] * 400 + ["unknown"] * 40
    return [row(rules, f"p{place}", {"default": answer}) for place, answer in enumerate(answers)]


def test_a_sample_is_the_same_for_a_seed_and_drawn_from_each_answer(rules: Ruleset) -> None:
    rows, what = many(rules), validated(rules.program)

    drawn = sample_of(rows, what, 50, seed=7)

    assert drawn == sample_of(rows[::-1], what, 50, seed=7)
    assert drawn != sample_of(rows, what, 50, seed=8)
    of = {chart.answer: (chart.drawn, chart.patients) for chart in drawn}
    assert of == {"true": (50, 60), "false": (50, 400), "unknown": (40, 40)}
    assert len({chart.patient for chart in drawn}) == len(drawn) == 140
    firsts = {chart.answer for chart in drawn[:20]}
    assert len(firsts) > 1  # the order says nothing of the answer


def test_every_chart_of_an_answer_has_the_same_chance(rules: Ruleset) -> None:
    rows, what = many(rules)[:60], validated(rules.program)
    times = dict.fromkeys((one["patient"] for one in rows), 0)
    for seed in range(300):
        for chart in sample_of(rows, what, 20, seed):
            times[chart.patient] += 1

    assert sum(times.values()) == 300 * 20
    assert all(60 <= count <= 140 for count in times.values())  # 100 ± 5 standard deviations


@pytest.mark.seconds
def test_forms_say_whom_and_what_and_not_what_the_rules_answered(rules: Ruleset, tmp_path: Path) -> None:
    out = written(tmp_path / "out", rules, hundred(rules))

    drawn = cds("sample", str(out), "--per-answer", "15")

    assert drawn.exit_code == 0, drawn.output
    folder = out / "review"
    form = lines_in(folder / "form.csv")
    kept = lines_in(folder / "sample.csv")
    assert len(form) == len(kept) == len(list((folder / "charts").iterdir())) == 45
    assert {one["probability"] for one in kept} == {"0.375000", "0.750000"}
    page = (folder / "charts" / "0001.html").read_text()
    assert form[0]["patient"] in page
    assert "Two different antidepressants" in page
    assert "answer" not in form[0]
    pages = {
        file.read_text()
        .replace(one["patient"], "")
        .replace(f"chart {one['number']} of", "")
        .replace(f"Chart {one['number']}<", "")
        for file, one in zip(sorted((folder / "charts").iterdir()), form, strict=True)
    }
    assert len(pages) == 1  # but for number and patient, all are alike
    for file in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0
    again = cds("sample", str(out))
    assert (again.exit_code, "a sample is there already" in again.output.replace("\n", " ")) == (1, True)


def lines_in(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text())))


def measured(accuracy: Accuracy) -> dict[str, float | None]:
    return {one.name: round(one.estimate.value, 4) if one.estimate else None for one in accuracy.measures}


@pytest.mark.seconds
def test_a_chart_weighs_as_many_patients_as_it_stands_for() -> None:
    patients = {"true": 100, "false": 1000, "unknown": 50}
    labels = {
        "true": {CASE: 16, NOT_A_CASE: 4, "cannot tell": 3},
        "false": {CASE: 1, NOT_A_CASE: 19},
        "unknown": {CASE: 5, NOT_A_CASE: 5, "not returned": 2},
    }

    found = accuracy_of(patients, labels, smallest=1)

    cases = 100 * 0.8 + 1000 * 0.05 + 50 * 0.5
    assert measured(found) == {
        "sensitivity": round(80 / cases, 4),
        "specificity": round(950 / (1150 - cases), 4),
        "positive predictive value": 0.8,
        "negative predictive value": 0.95,
        "sensitivity where answered": round(80 / 130, 4),
        "specificity where answered": round(950 / 970, 4),
        "prevalence by review": round(cases / 1150, 4),
        "cases among unknown": 0.5,
    }
    for one in found.measures:
        assert one.estimate is not None
        assert one.estimate.low < one.estimate.value < one.estimate.high


def test_none_found_among_few_reviewed_is_not_none_among_all() -> None:
    patients = {"true": 100, "false": 5000, "unknown": 0}
    labels = {"true": {CASE: 20}, "false": {NOT_A_CASE: 20}}

    found = {one.name: one.estimate for one in accuracy_of(patients, labels, smallest=1).measures}

    sensitivity = found["sensitivity"]
    assert sensitivity is not None
    assert sensitivity.value == 1
    assert sensitivity.low < 0.5  # one case in 20 unreviewed "no" would be 250 patients


def test_an_answer_without_a_reviewed_chart_leaves_open_what_rests_on_it() -> None:
    found = accuracy_of({"true": 100, "false": 1000, "unknown": 50}, {"true": {CASE: 20}}, smallest=1)

    values = measured(found)
    assert values["positive predictive value"] == 1
    assert {name for name, value in values.items() if value is None} == set(values) - {"positive predictive value"}


def test_small_counts_of_labels_hide_what_could_be_reckoned_from_them() -> None:
    patients = {"true": 100, "false": 1000, "unknown": None}
    labels = {"true": {CASE: 46, NOT_A_CASE: 4}, "false": {CASE: 12, NOT_A_CASE: 38}, "unknown": {CASE: 5}}

    found = accuracy_of(patients, labels, smallest=11)

    assert {one.name: one.why_not for one in found.measures if one.estimate is None} == dict.fromkeys(
        (
            "sensitivity", "specificity", "positive predictive value", "sensitivity where answered",
            "specificity where answered", "prevalence by review", "cases among unknown",
        ),
        "suppressed",
    )  # fmt: skip
    by = {one.answer: one for one in found.reviewed}
    assert (by["true"].labels[CASE], by["false"].labels[CASE], by["unknown"].drawn) == (None, 12, None)


def labeled(out: Path, file: Path, change: dict[int, dict[str, str]] | None = None) -> Path:
    """The form, with labels as the rules answered; `change` alters lines."""
    answers = {one["number"]: one["answer"] for one in lines_in(out / "review" / "sample.csv")}
    said = {"true": "yes", "false": "No", "unknown": "cannot tell"}
    lines = lines_in(out / "review" / "form.csv")
    for line in lines:
        line.update({"label": said[answers[line["number"]]]} | (change or {}).get(int(line["number"]), {}))
    with file.open("w", newline="") as writing:
        writer = csv.DictWriter(writing, lines[0])
        writer.writeheader()
        writer.writerows(lines)
    return file


@pytest.mark.seconds
def test_labels_come_back_into_the_validation(rules: Ruleset, tmp_path: Path) -> None:
    out = written(tmp_path / "out", rules, hundred(rules))
    labels = tmp_path / "labels.csv"
    assert "no sample was drawn" in cds("validate", str(out), "--labels", str(Path(__file__))).output.replace("\n", " ")
    assert cds("sample", str(out), "--per-answer", "20").exit_code == 0

    page = cds("validate", str(out), "--labels", str(labeled(out, labels)), "--format", "markdown")
    assert page.exit_code == 0, page.output
    assert "| positive predictive value | 100.0 %" in page.stdout
    assert "| yes | 40 | 20 | 20 | 0 | 0 | 0 |" in page.stdout

    for change, told in (
        ({3: {"label": "maybe"}}, ":4: the label is none of yes, no, cannot tell"),
        ({3: {"number": "900"}}, ":4: the sample has no chart of that number"),
        ({3: {"number": "2", "patient": ""}}, ":4: that chart has a label already"),
        ({3: {"patient": "somebody"}}, ":4: the sample has another patient under that number"),
    ):
        wrong = cds("validate", str(out), "--labels", str(labeled(out, labels, change)))
        assert wrong.exit_code == 1
        assert told in wrong.output.replace("\n", " ")
        assert "somebody" not in wrong.output


@pytest.mark.seconds
def test_a_group_has_those_for_whom_a_question_is_true_or_open(rules: Ruleset, tmp_path: Path) -> None:
    question = rules.program.cohorts[0].id
    answers = ["true"] * 3 + ["unknown"] * 2 + ["false"]
    rows = [
        row(rules, f"p{place}", {"default": "true"}, **{f"cohort_{question}": answer})
        for place, answer in enumerate(answers)
    ]
    rows.append({"patient": "r", "as_of": "2026-06-01", "outcome": "refused", "why": "too large"})
    out = written(tmp_path / "out", rules, rows)

    def members(*more: str) -> list[str]:
        made = cds("group", str(out), question, *more)
        assert made.exit_code == 0, made.output
        group = Group.model_validate_json(made.stdout)
        assert group.quantity == len(group.member or ())
        return [str(one.entity.reference) for one in group.member or ()]

    assert members() == ["Patient/p0", "Patient/p1", "Patient/p2"]
    assert members("--answer", "unknown") == ["Patient/p3", "Patient/p4", "Patient/r"]
    assert cds("group", str(out), "mine").exit_code == 1
    assert cds("group", str(out), question, "--answer", "no").exit_code == 2


@pytest.mark.seconds
def test_rows_that_name_files_make_no_group(rules: Ruleset, tmp_path: Path) -> None:
    question = rules.program.cohorts[0].id
    rows = [row(rules, "some.ndjson:3", {"default": "true"}, **{f"cohort_{question}": "true"})]

    made = cds("group", str(written(tmp_path / "out", rules, rows)), question)

    assert made.exit_code == 1
    assert "name files, not patients" in made.output.replace("\n", " ")
