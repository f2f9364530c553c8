"""Encounter → what kind of place a thing was done in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import msgspec

from cds.record import fhir as elements
from cds.record.collect import CollectedResource, ResourceCollection, reread
from cds.record.concepts import concept_of
from cds.record.subject import literal
from cds.terminology.concepts import Coding, Concept

FindPlace = Callable[[elements.Reference | None], tuple[Concept, ...] | None]
"""Gives class and types of the encounter a reference leads to; None when there is none or it was not sent."""


def place_of(said: elements.Encounter) -> tuple[Concept, ...]:
    """Class and types of an encounter; class is a Coding in R4, a list of concepts in R5, a word in DSTU2."""
    return tuple(concept for concept in (*_classes(said.class_), *map(concept_of, said.type or ())) if concept.words)


def _classes(said: object) -> list[Concept]:
    if isinstance(said, str):
        return [Concept((Coding("", said),))]
    try:
        if isinstance(said, list):
            return [concept_of(one) for one in msgspec.convert(said, list[elements.CodeableConcept | None])]
        if said is not None:
            coding = msgspec.convert(said, elements.Coding)
            return [concept_of(elements.CodeableConcept([coding]))]
    except msgspec.ValidationError:
        pass
    return []


def place_finder(encounters: Mapping[str, elements.Encounter], gathered: ResourceCollection) -> FindPlace:
    """
    A function that gives the place of a resource of this request.

    `encounters`, by "Encounter/id", are those that were read; one that was left unread is read when it is asked for.
    """

    @cache
    def unread() -> Mapping[str, CollectedResource]:
        return {f"Encounter/{kept.identity}": kept for kept in gathered.unread.get("Encounter", ())}

    def met(name: str) -> elements.Resource | None:
        if name in encounters or name not in unread():
            return encounters.get(name)
        return reread(unread()[name]).resource

    def find(reference: elements.Reference | None) -> tuple[Concept, ...] | None:
        named = literal(reference)
        if not named:
            return None
        led_to = map(met, (named, gathered.source_at(named)))
        return next((p for e in led_to if isinstance(e, elements.Encounter) and (p := place_of(e))), None)

    return find
