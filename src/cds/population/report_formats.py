"""A report on a population → Markdown, HTML, CSV, JSON, and FHIR MeasureReports."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader

from cds.population.report import BoundedCount, PopulationReport

SUPPRESSED = "suppressed"
MEASURE = "https://thirdline.dev/cohorts/"
POPULATIONS = "http://terminology.hl7.org/CodeSystem/measure-population"
MASKED = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}


def told(count: int | None) -> str:
    """A count as it is read."""
    return SUPPRESSED if count is None else f"{count:,}"


def answer_of_question(question: BoundedCount) -> str:
    """The answer to a question in one line: within bounds, or why there is none."""
    if question.not_exported:
        return f"cannot be answered: {', '.join(question.not_exported)} was not exported"
    return f"at least {told(question.yes)}, at most {told(question.at_most)}; {told(question.unknown)} unknown"


def as_markdown(report: PopulationReport) -> str:
    """The report as Markdown."""
    return "\n".join(_markdown(report)) + "\n"


def _markdown(report: PopulationReport) -> Iterator[str]:
    yield "# Population report"
    yield ""
    yield f"{told(report.patients)} patients, as of {report.when}, rules {report.rules}, Thirdline {report.program}."
    yield from filter(None, (report.left_out, report.suppression))
    yield ""
    yield "| outcome | patients |"
    yield "| --- | ---: |"
    yield from (f"| {name} | {told(count)} |" for name, count in report.outcomes.items())
    yield ""
    yield f"Lines not read: {report.bad_lines}. Not known whole: {', '.join(report.in_part) or 'none'}."
    yield ""
    yield "## Questions"
    for question in report.questions:
        yield ""
        yield f"**{question.label}** {answer_of_question(question)[:1].upper()}{answer_of_question(question)[1:]}."
        if question.reasons and not question.not_exported:
            yield ""
            yield "| unknown because | | patients |"
            yield "| --- | --- | ---: |"
            yield from (f"| {_cell(one.label)} | {one.why} | {one.patients:,} |" for one in question.reasons)
    yield ""
    yield "## Definitions"
    yield ""
    yield "| definition | yes | no | unknown |"
    yield "| --- | ---: | ---: | ---: |"
    for one in report.definitions:
        yield f"| {_cell(one.label)} | {told(one.yes)} | {told(one.no)} | {told(one.unknown)} |"
    yield ""
    yield "## What is missing"
    yield ""
    yield "| fact | why | patients |"
    yield "| --- | --- | ---: |"
    yield from (f"| {_cell(one.label)} | {one.why} | {one.patients:,} |" for one in report.lacking)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def as_html(report: PopulationReport) -> str:
    """The report as a page of its own."""
    environment = Environment(loader=PackageLoader("cds.population"), autoescape=True, trim_blocks=True)
    template = environment.get_template("report.html")
    return template.render(report=report, told=told, answer=answer_of_question)


def as_csv(report: PopulationReport) -> str:
    """A line for each count: section, id, label, count; an empty count is suppressed."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(("section", "id", "label", "count", "patients"))
    writer.writerow(("run", "", "", "patients", report.patients))
    writer.writerows(("run", "", "", name, count) for name, count in report.outcomes.items())
    for section, many in (("question", report.questions), ("definition", report.definitions)):
        for one in many:
            if not one.not_exported:
                for name, count in (("yes", one.yes), ("no", one.no), ("unknown", one.unknown)):
                    writer.writerow((section, one.id, one.label, name, count))
                writer.writerows((section, one.id, why.label, why.why, why.patients) for why in one.reasons)
            else:
                writer.writerow((section, one.id, one.label, answer_of_question(one), None))
    writer.writerows(("missing", "", one.label, one.why, one.patients) for one in report.lacking)
    return lines.getvalue()


def as_json(report: PopulationReport) -> str:
    """The report as it is; null is suppressed."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def as_fhir(report: PopulationReport) -> str:
    """
    A Bundle with a summary MeasureReport for each question that can be answered.

    Its numerator is who surely belongs; who is unknown has a population of its own, named in words.
    """
    entries = [{"resource": _measure_report(one, report)} for one in report.questions if not one.not_exported]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return msgspec.json.format(msgspec.json.encode(bundle), indent=2).decode() + "\n"


def _measure_report(question: BoundedCount, report: PopulationReport) -> dict[str, Any]:
    def population(count: int | None, code: Mapping[str, Any]) -> dict[str, Any]:
        shown = {"_count": {"extension": [MASKED]}} if count is None else {"count": count}
        return {"code": code} | shown

    def coded(code: str) -> dict[str, Any]:
        return {"coding": [{"system": POPULATIONS, "code": code}]}

    return {
        "resourceType": "MeasureReport",
        "status": "complete",
        "type": "summary",
        "measure": f"{MEASURE}{question.id}|{report.rules}",
        "period": {"start": report.first_day or report.as_of, "end": report.as_of},
        "group": [
            {
                "code": {"text": question.label},
                "population": [
                    population(report.patients, coded("initial-population")),
                    population(question.yes, coded("numerator")),
                    population(question.unknown, {"text": "unknown"}),
                ],
            }
        ],
    }


FORMATS: dict[str, Callable[[PopulationReport], str]] = {
    "markdown": as_markdown,
    "html": as_html,
    "csv": as_csv,
    "json": as_json,
    "fhir": as_fhir,
}
