"""What a decision was made from → what of it a reader may change; and the same data, changed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec

from cds.api.decision_records import FETCHED
from cds.authoring.testing import patient_format as made_up
from cds.authoring.testing.resource_writer import ResourceWriter
from cds.cards.render import references
from cds.decide import Decision
from cds.errors import CdsError
from cds.facts.chart_entry import ChartEntry
from cds.facts.fact import WhyUnknown
from cds.locale.sentence import join_texts, say
from cds.logic.truth import Truth
from cds.rulebook.compiled_ruleset import CompiledRuleset, Service

Json = dict[str, Any]
DAY = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
MOST_ELEMENTS = 400
ADDED = "whatIf"
"""Prefetch key of what was added; no template of ours has it, so that it says only what is in it."""

# How the path of an element ends (FHIR R4 names) → how it reads. What is not here cannot be changed.
ELEMENTS: dict[tuple[str, ...], str] = {
    ("authoredOn",): say("ordered on"),
    ("boundsPeriod", "start"): say("to be taken from"),
    ("boundsPeriod", "end"): say("to be taken until"),
    ("effectivePeriod", "start"): say("taken from"),
    ("effectivePeriod", "end"): say("taken until"),
    ("effectiveDateTime",): say("on"),
    ("whenHandedOver",): say("handed over on"),
    ("daysSupply", "value"): say("days of supply"),
    ("expectedSupplyDuration", "value"): say("days of supply"),
    ("doseQuantity", "value"): say("dose each time"),
    ("repeat", "frequency"): say("how many times"),
    ("repeat", "period"): say("in how many periods"),
    ("valueQuantity", "value"): say("value"),
    ("valueInteger",): say("value"),
    ("valueDecimal",): say("value"),
    ("onsetDateTime",): say("began on"),
    ("abatementDateTime",): say("ended on"),
    ("recordedDate",): say("written down on"),
    ("performedDateTime",): say("done on"),
    ("performedPeriod", "start"): say("done from"),
    ("performedPeriod", "end"): say("done until"),
    ("authored",): say("filled in on"),
    ("birthDate",): say("born on"),
}
ORDERS = ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration")


class WhatIfInputError(CdsError):
    """Something that was typed cannot be used; the message says what, and how to write it."""


@dataclass(frozen=True, slots=True)
class EditableValue:
    """
    One value that may be changed.

    Attributes:
        name: Of its field in the form.
        words: How it reads.
        value: As it is; "" for none.
        kind: date, number or text (a day known to the month or year only).
        unit: Of a number, as the sender wrote it; "" for none.
    """

    name: str
    words: str
    value: str
    kind: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class EditableResource:
    """One resource with what may be changed of it."""

    reference: str
    title: str
    elements: tuple[EditableValue, ...]


@dataclass(frozen=True, slots=True)
class AnswerChoice:
    """One answer that may be added: its field, how it reads, and what can be answered (value → words)."""

    name: str
    words: str
    answers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EditableChart:
    """
    Everything a reader may change.

    Attributes:
        entries: What the answer rests on.
        numbers, days: What is missing, and is a number, or a day.
        choices: What is missing, and is one of several.
    """

    entries: tuple[EditableResource, ...]
    numbers: tuple[EditableValue, ...]
    days: tuple[EditableValue, ...]
    choices: tuple[AnswerChoice, ...]


def changeable(body: bytes, program: CompiledRuleset, service: Service, decision: Decision) -> EditableChart:
    """What of the kept data may be changed, and what may be added."""
    titles = _titles(program, service, decision)
    resources = dict(_resources(msgspec.json.decode(body)))
    entries = []
    left = MOST_ELEMENTS
    for reference, title in titles.items():
        if reference in resources and left > 0:
            elements = tuple(_elements(reference, resources[reference]))[:left]
            left -= len(elements)
            if elements:
                entries.append(EditableResource(reference, title, elements))
    numbers, days, recorded = [], [], []
    for wanted in program.wanted:
        entry = wanted.entry()
        if entry is None or not _open(decision, wanted.name, program):
            continue
        fact = decision.facts[wanted.name]
        if entry.resource == "Observation":
            numbers.append(EditableValue(f"number:{wanted.name}", fact.label, "", "number", _unit(entry.unit)))
        elif entry.resource != "Patient":
            recorded.append(AnswerChoice(f"present:{wanted.name}", fact.label, {"yes": say("recorded today")}))
        elif fact.why_unknown is WhyUnknown.NOT_FOUND:
            days.append(EditableValue("born", say("{label}: date of birth", label=fact.label), "", "date"))
    return EditableChart(
        entries=tuple(entries),
        numbers=tuple(numbers),
        days=tuple(days),
        choices=(*_kinds_not_sent(service, decision), *recorded),
    )


def edits_of(form: EditableChart, typed: Mapping[str, str], others: Mapping[str, str] | None = None) -> dict[str, str]:
    """
    Of what was typed into a form, what differs from what it held, in the order of the form; `others` are its fields
    beside these, with what they held.

    Raises:
        WhatIfInputError: Nothing differs, or a field is none of this form.
    """
    held = {element.name: element.value for entry in form.entries for element in entry.elements}
    held |= {element.name: element.value for element in (*form.numbers, *form.days)}
    held |= {choice.name: "" for choice in form.choices} | dict(others or {})
    if typed.keys() - held.keys():
        raise WhatIfInputError(say("This form does not fit the data any more: load the page again"))
    asked = {name: typed[name] for name, value in held.items() if name in typed and typed[name] != value}
    if not asked:
        raise WhatIfInputError(say("Nothing was changed: change a value or add an answer, and ask again"))
    return asked


def changed(
    body: bytes,
    asked: Mapping[str, str],
    program: CompiledRuleset,
    service: Service,
    today: date,
    reviews: Sequence[Mapping[str, Any]] = (),
) -> bytes:
    """
    The kept data with the changes of a form.

    Args:
        body: As the journal keeps it.
        asked: Field → what was typed; only fields that differ from what they held.
        program, service: What decided, and decides again.
        today: The day of the answer; what is added is of that day.
        reviews: QuestionnaireResponses that are added as they are.

    Raises:
        WhatIfInputError: Something that was typed cannot be used, or is no field of ours.
    """
    data: Json = msgspec.json.decode(body)
    resources: dict[str, list[Json]] = {}
    for reference, resource in _resources(data):
        resources.setdefault(reference, []).append(resource)
    added: list[Json] = []
    writer = ResourceWriter(today, program.codes, data["patientId"])
    for name, text in asked.items():
        kind, _, rest = name.partition(":")
        if kind == "edit":
            reference, _, path = rest.partition(":")
            for resource in resources.get(reference, ()):
                _put(resource, path.split("."), text)
        elif kind == "dose":
            for resource in resources.get(rest, ()):
                _put_dose(resource, number_in(text))
        elif kind == "born":
            for resource in resources.get(f"Patient/{data['patientId']}", ()):
                resource["birthDate"] = _day(text)
        elif kind == "none" and text == "none":
            _put_none(data, rest, service)
        elif kind == "number":
            added.append(_added(_entry(program, rest), writer, number_in(text)))
        elif kind == "present" and text == "yes":
            added.append(_added(_entry(program, rest), writer))
    added += map(dict, reviews)
    if added:
        data["prefetch"][ADDED] = {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [
                {"resource": {key: resource[key] for key in resource if key != "stem"} | {"id": f"what-if-{number}"}}
                for number, resource in enumerate(added, 1)
            ],
        }
    return msgspec.json.encode(data)


# ---------------------------------------------------------------- what there is


def _titles(program: CompiledRuleset, service: Service, decision: Decision) -> dict[str, str]:
    """Reference → what it is, for everything the service's cards rest on; trials first, oldest first."""
    found: dict[str, str] = {}
    facts = decision.facts
    for name, fact in facts.by_name.items():
        if name not in program.copies:
            for trial in fact.trials:
                for source in trial.sources:
                    if source.partition("/")[0] in ORDERS:
                        found.setdefault(source, trial.name)
    read = {ref for name in service.cards for ref in references(program.cards[name].head, program, facts)}
    for name, fact in facts.by_name.items():
        if name not in program.copies:
            for item in fact.found:
                if item.reference in read:
                    found.setdefault(item.reference, fact.label)
    return found


def _resources(data: Json) -> Iterator[tuple[str, Json]]:
    """Every resource among the kept data, with its reference."""
    prefetch: Json = data["prefetch"]
    fetched: Json = prefetch.get(FETCHED) or {}
    for value in (*(v for k, v in prefetch.items() if k != FETCHED), *(f.get("value") for f in fetched.values())):
        yield from _inside(value)


def _inside(value: Any) -> Iterator[tuple[str, Json]]:
    if not isinstance(value, dict):
        return
    if value.get("resourceType") == "Bundle":
        entries = value.get("entry")
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict):
                yield from _inside(entry.get("resource"))
    elif isinstance(value.get("resourceType"), str) and isinstance(value.get("id"), str):
        yield f"{value['resourceType']}/{value['id']}", value


def _elements(reference: str, resource: Json) -> Iterator[EditableValue]:
    doses = False
    for path, value, holder in _leaves(resource, ()):
        words = next((words for end, words in ELEMENTS.items() if path[-len(end) :] == end), None)
        if words is None:
            continue
        doses = doses or path[-2:] == ("doseQuantity", "value")
        name = f"edit:{reference}:{'.'.join(path)}"
        part = _part(resource, path)
        words = join_texts(": ", [part, words]) if part else words
        if isinstance(value, bool):
            continue
        if isinstance(value, int | float):
            sent = str(holder.get("unit") or holder.get("code") or "")
            yield EditableValue(name, words, f"{value:.12g}", "number", _unit(sent))
        elif isinstance(value, str) and DAY.match(value):
            whole = value[:10] if len(value) >= 10 else value
            yield EditableValue(name, words, whole, "date" if len(whole) == 10 else "text")
    if not doses and reference.partition("/")[0] == "MedicationRequest":
        yield EditableValue(f"dose:{reference}", say("dose, all day"), "", "number", "mg")


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Json]]:
    """Every plain value inside, with its path and the object it stands in."""
    if isinstance(value, dict):
        for key, member in value.items():
            if isinstance(member, dict | list):
                yield from _leaves(member, (*path, key))
            else:
                yield (*path, key), member, value
    elif isinstance(value, list):
        for index, member in enumerate(value):
            if isinstance(member, dict | list):
                yield from _leaves(member, (*path, str(index)))


def _part(resource: Json, path: tuple[str, ...]) -> str:
    """What a component is, in its own words; "" for what is no component."""
    if path[0] != "component" or not path[1].isdigit():
        return ""
    component = resource["component"][int(path[1])]
    code = component.get("code") if isinstance(component, dict) else None
    if not isinstance(code, dict):
        return say("part")
    codings = code.get("coding")
    texts = [code.get("text")]
    texts += [one.get("display") for one in codings if isinstance(one, dict)] if isinstance(codings, list) else []
    return next((text for text in texts if isinstance(text, str) and text), say("part"))


def _unit(code: str) -> str:
    return "" if code.startswith("{") else code


def _open(decision: Decision, name: str, program: CompiledRuleset) -> bool:
    """Whether the fact is not known, so that something may be said of it."""
    fact = decision.facts[name]
    unknown = fact.truth is Truth.UNKNOWN or (fact.truth is None and fact.low is None and fact.high is None)
    return unknown and name not in program.copies and not fact.trials


def _kinds_not_sent(service: Service, decision: Decision) -> tuple[AnswerChoice, ...]:
    """Kinds of data that did not come: one may say that there are none."""
    kinds = dict.fromkeys(prefetch.query.partition("?")[0] for prefetch in service.prefetch if "?" in prefetch.query)
    known = {"none": say("asked for, and none recorded")}
    return tuple(
        AnswerChoice(f"none:{kind}", kind, known)
        for kind in kinds
        if decision.record.sent.get(kind) and decision.record.how_sent(kind).state.value == "not sent"
    )


# ---------------------------------------------------------------- what is put there


def _put(resource: Json, path: list[str], text: str) -> None:
    """Put what was typed where a value of the same kind stands; an element that is not ours to change is refused."""
    place: Any = resource
    for step in path[:-1]:
        place = place[int(step)] if isinstance(place, list) and step.isdigit() and int(step) < len(place) else (
            place.get(step) if isinstance(place, dict) else None
        )  # fmt: skip
    if not isinstance(place, dict) or path[-1] not in place or not any(tuple(path[-len(e) :]) == e for e in ELEMENTS):
        raise WhatIfInputError(say("This form does not fit the data any more: load the page again"))
    was = place[path[-1]]
    place[path[-1]] = _day(text) if isinstance(was, str) else number_in(text)


def _put_dose(resource: Json, mg: float) -> None:
    """One dose a day, as an order would write it."""
    repeat = {"frequency": 1, "period": 1, "periodUnit": "d"}
    quantity = {"value": mg, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    instructions = resource.get("dosageInstruction")
    first = instructions[0] if isinstance(instructions, list) and instructions else None
    timing = first.get("timing") if isinstance(first, dict) else None
    when = timing.get("repeat") if isinstance(timing, dict) else None
    bounds = {key: value for key, value in when.items() if key.startswith("bounds")} if isinstance(when, dict) else {}
    dose = {"timing": {"repeat": bounds | repeat}, "doseAndRate": [{"doseQuantity": quantity}]}
    resource["dosageInstruction"] = [dose]


def _put_none(data: Json, kind: str, service: Service) -> None:
    """Every question about this kind of data, answered: there are none."""
    fetched: Json = data["prefetch"].get(FETCHED) or {}
    for prefetch in service.prefetch:
        if prefetch.query.startswith(f"{kind}?"):
            fetched.pop(prefetch.key, None)
            data["prefetch"][prefetch.key] = {"resourceType": "Bundle", "type": "searchset", "total": 0}


def _entry(program: CompiledRuleset, name: str) -> ChartEntry:
    """What may be added for a fact of this name; a form for other rules is refused."""
    entry = next((wanted.entry() for wanted in program.wanted if wanted.name == name), None)
    if entry is None or not entry.coded:
        raise WhatIfInputError(say("This form does not fit the rules any more: load the page again"))
    return entry


def _added(entry: ChartEntry, writer: ResourceWriter, value: float | None = None) -> Json:
    """The resource that says so, of today."""
    coded = entry.coded[0]
    if entry.resource == "Observation":
        return writer.score(made_up.ScoreEntry(coded=coded, value=value, unit=entry.unit, at="today"))
    if entry.resource == "AllergyIntolerance":
        return writer.allergy(made_up.AllergyEntry(coded=coded, type="allergy"))
    return writer.condition(made_up.ConditionEntry(coded=coded, onset="today", recorded="today"))


def _day(text: str) -> str:
    try:
        if DAY.fullmatch(text):
            date.fromisoformat((text + "-01-01")[:10])
            return text
    except ValueError:
        pass
    raise WhatIfInputError(say("“{text}” is no day: write it as 2026-06-01", text=text[:40]))


def number_in(text: str) -> float | int:
    """
    The number a text is.

    Raises:
        WhatIfInputError: It is none.
    """
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) > 1e9:
        raise WhatIfInputError(say("“{text}” is no number", text=text[:40]))
    return int(value) if value == int(value) else value
