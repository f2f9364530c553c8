"""Encounter → what kind of place a thing was done in, and when the patient was there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import msgspec

from cds.record import fhir
from cds.record.collect import CollectedResource, ResourceCollection, reread
from cds.record.concepts import concept_of
from cds.record.dates import period_of
from cds.record.issues import Origin
from cds.record.model import Visit
from cds.record.subject import literal
from cds.terminology.concepts import Coding, Concept

NOT_HAPPENED = frozenset({"planned", "cancelled", "entered-in-error"})  # FHIR R4 and R5 encounter-status

FindPlace = Callable[[fhir.Reference | None], tuple[Concept, ...] | None]
"""Gives class and types of the encounter a reference leads to; None when there is none or it was not sent."""


def place_of(said: fhir.Encounter) -> tuple[Concept, ...]:
    """Class and types of an encounter; class is a Coding in R4, a list of concepts in R5, a word in DSTU2."""
    return tuple(concept for concept in (*classes_of(said.class_), *map(concept_of, said.type or ())) if concept.words)


def classes_of(said: object) -> list[Concept]:
    """The class of an encounter as `place_of` has it; [] for one that cannot be read."""
    if isinstance(said, str):
        return [Concept((Coding("", said),))]
    try:
        if isinstance(said, list):
            return [concept_of(one) for one in msgspec.convert(said, list[fhir.CodeableConcept | None])]
        if said is not None:
            coding = msgspec.convert(said, fhir.Coding)
            return [concept_of(fhir.CodeableConcept([coding]))]
    except msgspec.ValidationError:
        pass
    return []


def visit_of(said: fhir.Encounter, origin: Origin, part_of: str) -> Visit | None:
    """The encounter with its days; None for one that is planned, was cancelled or is an error."""
    if said.status in NOT_HAPPENED:
        return None
    element = "period" if said.period is not None else "actualPeriod"
    start, end = period_of(said.period or said.actualPeriod, origin, element)
    return Visit(origin.source, place_of(said), said.status or "", start, end, part_of)


def place_finder(encounters: Mapping[str, fhir.Encounter], gathered: ResourceCollection) -> FindPlace:
    """
    A function that gives the place of a resource of this request.

    `encounters`, by "Encounter/id", are those that were read; one that was left unread is read when it is asked for.
    """

    @cache
    def unread() -> Mapping[str, CollectedResource]:
        return {f"Encounter/{kept.identity}": kept for kept in gathered.unread.get("Encounter", ())}

    def met(name: str) -> fhir.Resource | None:
        if name in encounters or name not in unread():
            return encounters.get(name)
        return reread(unread()[name]).resource

    def find(reference: fhir.Reference | None) -> tuple[Concept, ...] | None:
        named = literal(reference)
        if not named:
            return None
        led_to = map(met, (named, gathered.source_at(named)))
        return next((p for e in led_to if isinstance(e, fhir.Encounter) and (p := place_of(e))), None)

    return find
