"""Allergies and intolerances → recorded, not recorded, or unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from cds.facts.chart_entry import ChartEntry
from cds.facts.context import SortedRecord
from cds.facts.data import DataQuery, allergies
from cds.facts.kind import Numbers
from cds.facts.presence import CompiledPresence, Match, NotTold, PresenceFact, could_be_anything, hits, not_told, weigh
from cds.locale.sentence import counted, say
from cds.record.model import NOT_UNDERSTOOD, Allergy, Delivery, Verification
from cds.yaml_source.fields import Names, listed

NOT_TOLD = NotTold(
    counted("{number} allergy entry not read, may be it", "{number} allergy entries not read, may be it", 1),
    counted("{number} allergy entry could not be read", "{number} allergy entries could not be read", 1),
)


class AllergyFact(PresenceFact):
    """
    An allergy or intolerance.

    `unless_only` leaves out an intolerance of which nothing but these effects is recorded; `only` finds just those.
    """

    no_window: ClassVar[str] = "An allergy counts whenever it was recorded: remove it."
    find: Literal["allergy"]
    unless_only: Names | None = None
    only: Names | None = None

    def compile(self, name: str, numbers: Numbers) -> CompiledAllergy:
        """The fact with every number in place."""
        return CompiledAllergy(
            **self.common(name, numbers), unless_only=listed(self.unless_only), only=listed(self.only)
        )


@dataclass(frozen=True, slots=True)
class CompiledAllergy(CompiledPresence):
    """
    An AllergyIntolerance; a resolved one, or an `intolerance`, is possible rather than present.

    Attributes:
        unless_only: Value sets of effects; an intolerance of which nothing else is recorded does not count.
        only: Value sets of effects; nothing but such an intolerance counts. Empty for no such limit.
    """

    unless_only: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return (allergies((*self.coded, *self.possibly_coded)),)

    def entry(self) -> ChartEntry | None:
        """An allergy; None where only codes that may be it are listed."""
        return ChartEntry("AllergyIntolerance", self.coded) if self.coded else None

    def matches(self, record: SortedRecord) -> Iterable[Match]:
        """Entries that speak to it."""
        return _allergies(self, record)

    def how_sent(self, record: SortedRecord) -> Delivery:
        """How much of the data it is looked for in arrived."""
        return record.how_sent("AllergyIntolerance")


def _allergies(wanted: CompiledAllergy, sorted_record: SortedRecord) -> Iterator[Match]:
    for hit, possibly in hits(wanted, sorted_record.allergies):
        entry = hit.entry
        assert isinstance(entry, Allergy)  # noqa: S101 (sorted by kind)
        if entry.verification is Verification.WRONG:
            continue
        if _has_only_effects(entry, wanted.unless_only, sorted_record):
            continue
        if wanted.only and not _has_only_effects(entry, wanted.only, sorted_record):
            continue
        truth, why = weigh(
            (
                say("a code that says it may be so") if possibly else "",
                say("words that only suggest it") if hit.suggested else "",
                say("not confirmed") if entry.verification is Verification.POSSIBLE else "",
                say("recorded as an intolerance, not an allergy")
                if entry.type == "intolerance" and not wanted.only
                else "",
                say("recorded as {status}", status=entry.status) if entry.status in {"inactive", "resolved"} else "",
                say("its clinical status is not understood") if entry.status == NOT_UNDERSTOOD else "",
            )
        )
        words = next((concept.words for concept in entry.concepts if concept.words), "")
        yield Match(truth, entry.source, words, None, why)
    for entry, words in (
        could_be_anything(wanted.looked_for, sorted_record, Allergy, sorted_record.allergies) if not wanted.only else ()
    ):
        if entry.verification is not Verification.WRONG:
            yield not_told(entry, words, None, NOT_TOLD)


def _has_only_effects(entry: Allergy, sets: tuple[str, ...], sorted_record: SortedRecord) -> bool:
    """Whether it is an intolerance whose effects are recorded, and are all of these value sets."""
    return (
        entry.type == "intolerance"
        and bool(entry.effects)
        and all(not sorted_record.codes.sets_of_words_or_codes(effect).isdisjoint(sets) for effect in entry.effects)
    )
