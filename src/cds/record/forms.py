"""QuestionnaireResponse → FilledForm, for those that name the Questionnaire they answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

import msgspec

from cds.record import fhir
from cds.record.concepts import coding_of
from cds.record.dates import span_of
from cds.record.issues import Issues, Origin
from cds.record.measurements import ANSWERED, DEEPEST_ITEM, answers_of
from cds.record.model import FilledForm, FormAnswer, FormItem, PatientRecord
from cds.terminology.concepts import Concept


def form_of(said: fhir.QuestionnaireResponse, origin: Origin) -> FilledForm | None:
    """
    The form that was filled in; None for one that is not completed or amended, or names no Questionnaire.

    One entered in error says nothing (FHIR R4, questionnaire-answers-status).
    """
    if said.status not in ANSWERED or not said.questionnaire:
        return None
    author = said.author
    return FilledForm(
        source=origin.source,
        questionnaire=said.questionnaire.partition("|")[0],
        author=(author.display or author.reference or "") if author is not None else "",
        authored=span_of(said.authored, origin, "authored"),
        items=tuple(_items(said.item, origin, "item", 0)),
    )


def _items(items: list[fhir.Item | None] | None, origin: Origin, path: str, depth: int) -> Iterator[FormItem]:
    if depth > DEEPEST_ITEM:  # remarked where its answers are read as measurements
        return
    for index, item in enumerate(items or ()):
        if item is None or not item.linkId:
            continue
        here = f"{path}[{index}]"
        answers = [answer for answer in item.answer or () if answer is not None]
        inside = [*_items(item.item, origin, f"{here}.item", depth + 1)]
        for answer in answers:
            inside += _items(answer.item, origin, f"{here}.answer.item", depth + 1)
        yield FormItem(item.linkId, tuple(_answer(answer, origin, here) for answer in answers), tuple(inside))


def _answer(answer: fhir.Answer, origin: Origin, path: str) -> FormAnswer:
    number = answer.valueDecimal if answer.valueInteger is None else answer.valueInteger
    unit = ""
    if number is None and answer.valueQuantity is not None and not answer.valueQuantity.comparator:
        number, unit = answer.valueQuantity.value, answer.valueQuantity.code or answer.valueQuantity.unit or ""
    return FormAnswer(
        number=number if number is not None and math.isfinite(number) else None,
        coded=Concept((coding_of(answer.valueCoding),)) if answer.valueCoding is not None else None,
        day=span_of(answer.valueDate, origin, f"{path}.answer"),
        said=answer.valueBoolean,
        unit=unit,
    )


def with_responses(record: PatientRecord, responses: Iterable[tuple[str, bytes]]) -> PatientRecord:
    """
    A record with QuestionnaireResponses that did not come with it: what they answer, as it would be read from the EHR.

    Args:
        record: Of the patient they are about.
        responses: Id of each, and the resource as JSON that we wrote ourselves.
    """
    forms, measurements, issues = list(record.forms), list(record.measurements), Issues()
    for identity, body in responses:
        said = msgspec.json.decode(body, type=fhir.QuestionnaireResponse)
        origin = Origin("QuestionnaireResponse", f"QuestionnaireResponse/{identity}", "review", issues)
        measurements += [answer for answer in answers_of(said, origin) if answer.concept.codings]
        if (filled := form_of(said, origin)) is not None:
            forms.append(filled)
    return replace(
        record,
        forms=tuple(sorted(forms, key=lambda form: (_day(form), form.source))),
        measurements=tuple(
            sorted(measurements, key=lambda m: (m.when.earliest if m.when else date.min, m.source, m.where))
        ),
    )


def _day(form: FilledForm) -> date:
    return form.authored.earliest if form.authored is not None else date.min
