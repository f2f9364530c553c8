"""What becomes of phrases and foreign codes that were written before any was tried: tests/reading_exam.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cds.facts.fact import Fact
from cds.logic.truth import Truth
from cds.yaml_source.document import read_yaml
from tests.test_reports import CONTRAINDICATED, TRD, about, chart, decided

EXAM = Path(__file__).parent / "reading_exam.yaml"
OTHER = "other"
LANGUAGES = {
    "en": "English", "de": "German", "es": "Spanish", "fr": "French", "nl": "Dutch", "sv": "Swedish", "it": "Italian",
    "pt": "Portuguese",
}  # fmt: skip
RECOGNISED, POSSIBLE, NOT_READ, MISSED, ANOTHER = (
    "recognised", "possible: named in words", "possible: not read", "**missed**", "another thing",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """
    One entry of the exam.

    Attributes:
        kind: condition, procedure, allergy or medication.
        stands_for: The fact or conclusion that must not be false of it; "other" for none.
        language: BCP-47 tag; "" for a code.
        concept: The FHIR CodeableConcept.
        shown: How the table writes it.
    """

    kind: str
    stands_for: str
    language: str
    concept: dict[str, Any]
    shown: str


@cache
def questions() -> tuple[Question, ...]:
    said = read_yaml(EXAM.read_text(encoding="utf-8"), str(EXAM)).value
    return (
        *_phrases(said["phrases"]),
        *_phrases(said["second_round"]),
        *_phrases(said["third_round"]),
        *map(_code, (*said["codes"], *said["national_codes"], *said["third_round_codes"])),
    )


def _phrases(said: dict[str, Any]) -> Iterator[Question]:
    for kind, facts in said.items():
        for stands_for, languages in facts.items():
            for language, phrases in languages.items():
                for phrase in phrases:
                    yield Question(kind, stands_for, language, {"text": phrase}, phrase)


def _code(one: dict[str, Any]) -> Question:
    coding = {key: one[key] for key in ("system", "code", "display") if key in one}
    shown = f"`{one['code']}` of {one['system']}" + (f", “{one['display']}”" if "display" in one else "")
    return Question(one["kind"], one["for"], "", {"coding": [coding]}, shown)


def outcome(question: Question) -> str:
    """What became of one entry, added to a chart that meets the criteria and has no contraindication."""
    decision = decided(chart(_entry(question), without=_in_its_place(question)))
    if question.stands_for == OTHER:
        read = decision.truths[TRD] is Truth.TRUE and decision.truths[CONTRAINDICATED] is Truth.FALSE
        return ANOTHER if read else NOT_READ
    if question.kind == "medication":
        trials = decision.facts["antidepressant_trials"].trials
        if any("MedicationRequest/q" in trial.sources for trial in trials):
            return RECOGNISED
        return MISSED if decision.truths[TRD] is Truth.FALSE else NOT_READ
    if question.stands_for in decision.facts.by_name:
        return _of(decision.facts[question.stands_for])
    return {Truth.TRUE: RECOGNISED, Truth.FALSE: MISSED}.get(decision.truths[question.stands_for], POSSIBLE)


def _of(fact: Fact) -> str:
    if fact.truth is Truth.TRUE:
        return RECOGNISED
    if fact.truth is Truth.FALSE:
        return MISSED
    return NOT_READ if "not read" in fact.because or "could not be read" in fact.because else POSSIBLE


def _in_its_place(question: Question) -> tuple[str, ...]:
    if question.kind == "medication" and question.stands_for != OTHER:
        return ("m2",)
    return ("nka",) if question.kind == "allergy" else ()


def _entry(question: Question) -> dict[str, Any]:
    match question.kind:
        case "condition":
            return about("Condition", "q", code=question.concept, recordedDate="2026-05-25", onsetDateTime="2026-05-25")
        case "procedure":
            return about("Procedure", "q", status="completed", code=question.concept, performedDateTime="2019-01-01")
        case "allergy":
            return about("AllergyIntolerance", "q", code=question.concept)
    bounds = {"start": "2025-06-01", "end": "2025-10-01"}
    timing = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "boundsPeriod": bounds}}
    return about(
        "MedicationRequest", "q", status="stopped", intent="order", authoredOn="2025-06-01",
        medicationCodeableConcept=question.concept, statusReason={"text": "ineffective"},
        dosageInstruction=[{"timing": timing, "doseAndRate": [{"doseQuantity": {"value": 150, "unit": "mg"}}]}],
    )  # fmt: skip


def table() -> str:
    """The outcomes as Markdown: how many of each, by language, then each of them."""
    asked = [(question, outcome(question)) for question in questions()]
    lines = ["| | recognised | possible, by its words | not read, so possible | another thing | missed |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    groups = [(name, [one for one in asked if one[0].language == tag]) for tag, name in LANGUAGES.items()]
    for name, of_it in (*groups, ("Codes", [one for one in asked if not one[0].language])):
        counts = [
            sum(found == kind for _, found in of_it) for kind in (RECOGNISED, POSSIBLE, NOT_READ, ANOTHER, MISSED)
        ]
        lines.append(f"| {name} | {' | '.join(map(str, counts))} |")
    lines += ["", "| entry | kind | stands for | what became of it |", "| --- | --- | --- | --- |"]
    for question, found in asked:
        lines.append(f"| {question.shown} | {question.kind} | {question.stands_for.replace('_', ' ')} | {found} |")
    return "\n".join(lines) + "\n"
