"""Rows of a run → charts to review: a sample drawn by answer, the same each time, with forms; and labels read back."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from cds.errors import CdsError
from cds.population.accuracy import LABELS
from cds.population.validation import UNKNOWN, ValidatedConclusion

REVIEW, SAMPLE, FORM, CHARTS = "review", "sample.csv", "form.csv", "charts"
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600


class ChartReviewError(CdsError):
    """A sample or labels that cannot be used; the text says where and what to do."""


@dataclass(frozen=True, slots=True)
class SampledChart:
    """
    One chart to review.

    Attributes:
        number: In the order of the forms, which says nothing of the answer.
        patient, as_of: As the row names them.
        definition: The definition to judge by.
        answer: What the rules said: true, false or unknown. Not on the form.
        patients, drawn: With this answer, in all and in the sample; drawn / patients is the chance of each to be drawn.
    """

    number: int
    patient: str
    as_of: str
    definition: str
    answer: str
    patients: int
    drawn: int


def sample_of(
    rows: Iterable[dict[str, Any]], what: ValidatedConclusion, per_answer: int, seed: int
) -> list[SampledChart]:
    """
    At most `per_answer` charts of each answer, drawn at random by the seed.

    The same rows and seed give the same charts, in whatever order the rows come: those with the least digests of seed
    and patient are drawn.
    """
    column = what.column(what.definition)
    by_answer: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        by_answer[row.get(column, UNKNOWN)].append((row["patient"], row["as_of"]))
    drawn = [
        (patient, as_of, answer, len(many), min(per_answer, len(many)))
        for answer, many in by_answer.items()
        for patient, as_of in sorted(many, key=lambda one: _digest(seed, "drawn", one))[:per_answer]
    ]
    drawn.sort(key=lambda one: _digest(seed, "number", one[:2]))
    return [
        SampledChart(number, patient, as_of, what.definition.id, answer, patients, of)
        for number, (patient, as_of, answer, patients, of) in enumerate(drawn, start=1)
    ]


def _digest(seed: int, what: str, one: Sequence[str]) -> bytes:
    return hashlib.blake2b("\0".join((str(seed), what, *one)).encode()).digest()


def write_review(out: Path, sample: Sequence[SampledChart], what: ValidatedConclusion, title: str) -> Path:
    """
    Write the sample, one form as a table and one page a chart into OUT/review, readable by its owner alone.

    Raises:
        ChartReviewError: There is a review already.
    """
    folder = out / REVIEW
    if folder.exists():
        raise ChartReviewError(f"{folder}: a sample is there already; remove it to draw another one")
    for one in (folder, folder / CHARTS):
        one.mkdir(mode=PRIVATE_FOLDER)
    members = ("number", "patient", "as_of", "definition", "answer", "patients", "drawn")
    _write(folder / SAMPLE, _table((*members, "probability"), (
        (*(getattr(chart, name) for name in members), f"{chart.drawn / chart.patients:.6f}") for chart in sample
    )))  # fmt: skip
    _write(folder / FORM, _table(("number", "patient", "as_of", "label", "reviewer", "comment"), (
        (chart.number, chart.patient, chart.as_of, "", "", "") for chart in sample
    )))  # fmt: skip
    environment = Environment(loader=PackageLoader("cds.population"), autoescape=True, trim_blocks=True)
    template = environment.get_template("chart_form.html")
    for chart in sample:
        page = template.render(chart=chart, definition=what.definition, title=title, labels=LABELS, of=len(sample))
        _write(folder / CHARTS / f"{chart.number:04}.html", page)
    return folder


def _table(head: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)
    return text.getvalue()


def _write(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "w", encoding="utf-8") as writing:
        writing.write(text)


def read_sample(out: Path, definition: str) -> dict[int, SampledChart]:
    """
    Number → chart of the sample that was drawn of a run.

    Raises:
        ChartReviewError: None was drawn, or for another definition.
    """
    file = out / REVIEW / SAMPLE
    if not file.is_file():
        raise ChartReviewError(f"{file}: no sample was drawn; draw it by `cds population sample`")
    with file.open(encoding="utf-8", newline="") as reading:
        charts = [
            SampledChart(
                int(line["number"]), line["patient"], line["as_of"], line["definition"], line["answer"],
                int(line["patients"]), int(line["drawn"]),
            )
            for line in csv.DictReader(reading)
        ]  # fmt: skip
    other = {chart.definition for chart in charts} - {definition}
    if other:
        raise ChartReviewError(f"{file}: it was drawn for the definition {other.pop()}, not for {definition}")
    return {chart.number: chart for chart in charts}


def read_labels(file: Path, sample: dict[int, SampledChart]) -> dict[int, str]:
    """
    Number → label (yes, no, cannot tell) of the charts that came back.

    Raises:
        ChartReviewError: A line names no chart of the sample, names one twice, another patient, or no label.
    """
    found: dict[int, str] = {}
    with file.open(encoding="utf-8-sig", newline="") as reading:
        lines = csv.DictReader(reading)
        if not {"number", "label"} <= set(lines.fieldnames or ()):
            raise ChartReviewError(f"{file}: its first line must name the columns number and label, as in {FORM}")
        for line in lines:
            where = f"{file}:{lines.line_num}"
            number = int(line["number"]) if (line["number"] or "").strip().isdecimal() else 0
            if number not in sample:
                raise ChartReviewError(f"{where}: the sample has no chart of that number; take the numbers of {FORM}")
            if line.get("patient") not in (None, "", sample[number].patient):
                raise ChartReviewError(f"{where}: the sample has another patient under that number")
            label = (line["label"] or "").strip().lower()
            if not label:
                continue
            if label not in LABELS:
                raise ChartReviewError(f"{where}: the label is none of {', '.join(LABELS)}")
            if number in found:
                raise ChartReviewError(f"{where}: that chart has a label already; agree on one")
            found[number] = label
    return found
