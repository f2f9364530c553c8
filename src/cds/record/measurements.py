"""Observation, its components, QuestionnaireResponse answers → Measurement."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

from cds.locale.sentence import say
from cds.record import fhir
from cds.record.concepts import code_among, coding_of, concept_of
from cds.record.dates import period_of, span_of
from cds.record.issues import Origin
from cds.record.model import IssueKind, Measurement, NormalRange, Span
from cds.terminology.concepts import Coding, Concept
from cds.terminology.systems import LOINC
from cds.terminology.value_sets import ObservationFilter

FINAL = frozenset({"final", "amended", "corrected"})  # FHIR R4 observation-status: results that stand
NORMAL = frozenset({"normal", "recommended"})  # FHIR R4 referencerange-meaning
ANSWERED = frozenset({"completed", "amended"})  # FHIR R4 questionnaire-answers-status
LOINC_AT_END = re.compile(r"(?:^|[/|#])(\d{1,6}-\d)$", re.ASCII)
NUMBER_IN_TEXT = re.compile(r"\s*(\d{1,3}(?:\.\d{1,2})?)\s*", re.ASCII)
DEEPEST_ITEM = 12


def measurements_of(said: fhir.Observation, origin: Origin) -> Iterator[Measurement]:
    """The value of an Observation, and of each of its components; nothing for one entered in error or about another."""
    if said.status == "entered-in-error":
        return
    if said.focus:
        origin.note(IssueKind.IGNORED, "focus", say("The observation is about something other than the patient."))
        return
    when = _when(said, origin)
    final = said.status in FINAL
    if said.status is None:
        origin.note(IssueKind.IMPRECISE, "status", say("The status is missing; the value is not used."))
    components = [component for component in said.component or () if component is not None]
    has_value = any(
        value is not None
        for value in (
            said.valueQuantity,
            said.valueInteger,
            said.valueDecimal,
            said.valueBoolean,
            said.valueString,
            said.valueCodeableConcept,
        )
    )
    if has_value or not components:
        yield _measurement(said, concept_of(said.code), when, final, origin, "")
    for index, component in enumerate(components):
        yield _measurement(component, concept_of(component.code), when, final, origin, f"component[{index}]")


def is_observed(said: fhir.Observation, observed: ObservationFilter) -> bool:
    """Whether an Observation, or one of its components, has one of these codes or whole names."""
    for concept in (said.code, *(part.code for part in said.component or () if part is not None)):
        if concept is None:
            continue
        for coding in concept.coding or ():
            if coding is not None and (coding.code in observed.codes or observed.called(coding.display)):
                return True
        if observed.called(concept.text):
            return True
    return False


def _when(said: fhir.Observation, origin: Origin) -> Span | None:
    start, end = period_of(said.effectivePeriod, origin, "effectivePeriod")
    when = (
        span_of(said.effectiveDateTime, origin, "effectiveDateTime")
        or end
        or start
        or span_of(said.effectiveInstant, origin, "effectiveInstant")
    )
    if when is None and said.issued is not None:
        origin.note(IssueKind.IMPRECISE, "issued", say("No effective time; the time of issue is taken."))
        when = span_of(said.issued, origin, "issued")
    return when


def _measurement(
    said: fhir.Observation | fhir.ObservationComponent,
    concept: Concept,
    when: Span | None,
    final: bool,
    origin: Origin,
    path: str,
) -> Measurement:
    value, unit, comparator, wrong = _value(said)
    if wrong and said.dataAbsentReason is not None:
        wrong = say("its value is absent")
    answer = concept_of(said.valueCodeableConcept) if said.valueCodeableConcept is not None else None
    return Measurement(
        source=origin.source,
        concept=concept,
        value=value,
        unit=unit,
        answer=answer,
        when=when,
        final=final,
        why_no_value="" if value is not None or answer is not None else wrong,
        comparator=comparator,
        where=f"{origin.where}.{path}" if path else origin.where,
        said=said.valueBoolean,
        words=(said.valueString or "").strip(),
        normal=tuple(_normal(said.referenceRange)) if said.referenceRange else (),
    )


def _normal(said: list[fhir.ReferenceRange | None]) -> Iterator[NormalRange]:
    """The normal ranges; those of another kind (therapeutic, critical) are left out."""
    for one in said:
        if one is None or (code_among(one.type, NORMAL) == "" and concept_of(one.type).words):
            continue
        ends = [end for end in (one.low, one.high) if end is not None and end.value is not None]
        units = {end.written for end in ends}
        comparable = len(units) == 1 and not any(end.comparator for end in ends)
        if comparable and all(end.value is not None and math.isfinite(end.value) for end in ends):
            low, high = (end.value if end is not None else None for end in (one.low, one.high))
            yield NormalRange(low, high, units.pop())


def _value(said: fhir.Observation | fhir.ObservationComponent) -> tuple[float | None, str, str, str]:
    if said.valueQuantity is not None:
        return _quantity(said.valueQuantity)
    for number in (said.valueInteger, said.valueDecimal):
        if number is not None:
            return (number, "", "", "") if math.isfinite(number) else (None, "", "", say("its value is not a number"))
    if said.valueString is not None:
        return _number_in(said.valueString), "", "", say("its value is text")
    if said.valueBoolean is not None:
        return None, "", "", say("its value is true or false")
    return None, "", "", say("it has no value")


def _number_in(text: str) -> float | None:
    """The number a text is, and nothing else ("12", as US Core's example of a PHQ-9 total has it); None for others."""
    found = NUMBER_IN_TEXT.fullmatch(text)
    return float(found[1]) if found else None


def _quantity(said: fhir.Quantity) -> tuple[float | None, str, str, str]:
    if said.value is None or not math.isfinite(said.value):
        return None, "", "", say("its value is absent")
    comparator = said.comparator or ""
    if comparator and comparator not in {"<", "<=", ">=", ">"}:
        return None, "", "", say("its comparator is not understood")
    return said.value, said.written, comparator, ""


def answers_of(said: fhir.QuestionnaireResponse, origin: Origin) -> Iterator[Measurement]:
    """
    Each answered item; nothing for a response entered in error.

    The LOINC code of an item is that in which its linkId or definition ends; one without is told by its text alone.
    Answers of a response that is not completed are not final.
    """
    if said.status == "entered-in-error":
        return
    when = span_of(said.authored, origin, "authored")
    for answer in _items(said.item, when, origin, "item", 0):
        yield answer if said.status in ANSWERED else replace(answer, final=False)


def _items(
    items: list[fhir.Item | None] | None, when: Span | None, origin: Origin, path: str, depth: int
) -> Iterator[Measurement]:
    if depth > DEEPEST_ITEM:
        if items:
            origin.note(IssueKind.UNREADABLE, path, say("Items nest too deeply to be read."))
        return
    for index, item in enumerate(items or ()):
        if item is None:
            continue
        here = f"{path}[{index}]"
        code = _loinc(item)
        for answer in item.answer or ():
            if answer is None:
                continue
            yield _answer(code, item, answer, when, origin, here)
            yield from _items(answer.item, when, origin, f"{here}.answer.item", depth + 1)
        yield from _items(item.item, when, origin, f"{here}.item", depth + 1)


def _loinc(item: fhir.Item) -> str:
    for text in (item.linkId, item.definition):
        found = LOINC_AT_END.search(text.strip()) if text else None
        if found:
            return found[1]
    return ""


def _answer(
    code: str, item: fhir.Item, answer: fhir.Answer, when: Span | None, origin: Origin, path: str
) -> Measurement:
    value, unit, comparator, wrong = None, "", "", say("it has no number or code")
    if answer.valueQuantity is not None:
        value, unit, comparator, wrong = _quantity(answer.valueQuantity)
    for number in (answer.valueInteger, answer.valueDecimal):
        if number is not None and math.isfinite(number):
            value, wrong = number, ""
    if value is None and answer.valueString is not None:
        value = _number_in(answer.valueString)
    coded = Concept((coding_of(answer.valueCoding),)) if answer.valueCoding is not None else None
    return Measurement(
        source=origin.source,
        concept=Concept((Coding(LOINC, code, item.text or ""),)) if code else Concept(text=item.text or ""),
        value=value,
        unit=unit,
        answer=coded,
        when=when,
        final=True,
        why_no_value="" if value is not None or coded is not None else wrong,
        comparator=comparator,
        where=f"{origin.where}.{path}",
        said=answer.valueBoolean,
        words=(answer.valueString or "").strip(),
    )
