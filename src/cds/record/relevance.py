"""
What of a request need not become a value: it says what it is, no rule asks for that, and nothing of it is remarkable.

Most of a chart is such. It is set aside the moment it is decoded, so that of a long chart little is in memory at once;
only its day is kept, for how new the record is. Whatever is not plainly so (no name, a date that is not as FHIR wants
it, an instruction that cannot be true) goes the long way, where it is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

from cds.record import fhir
from cds.record.claims import is_pharmacy_claim
from cds.record.collect import MAX_NAME_CHARACTERS, refuse_too_many_names
from cds.record.concepts import code_among, concept_of, concept_of_either
from cds.record.dates import LENGTH_OF_DAY, is_plain_day
from cds.record.measurements import is_observed
from cds.record.medications import LONGEST_SUPPLY_DAYS, NEVER_TAKEN, NOT_ORDERED, can_be_taken
from cds.record.model import ExposureKind
from cds.record.places import classes_of
from cds.record.procedures import NOT_DONE
from cds.terminology.concepts import Concept
from cds.terminology.value_sets import CodeIndex, RelevanceCriteria
from cds.terminology.vocabulary import EntryKind

WRONG = frozenset({"entered-in-error"})
DRAFT = "draft"


class RelevanceFilter:
    """
    Tells what can be left out of one record; without `sought` hardly anything.

    It lives as long as its request: what a chart says is forgotten with it. Each method gives the day of a resource
    that can be left out if it turns out to be this patient's, "" if it is of none; None for one that must be read.
    """

    def __init__(self, sought: RelevanceCriteria | None) -> None:
        self._sought = sought
        self._index = sought.index.for_one_record() if sought is not None else None
        self._others: dict[object, bool] = {}
        self._other_drugs: dict[object, bool] = {}
        self._words: dict[tuple[EntryKind, bool, tuple[str, ...]], bool] = {}
        self._other_places: dict[object, bool | None] = {}
        self._unobserved: dict[object, bool] = {}
        self._texts: dict[str, bool] = {}
        self._asked_names: dict[str, bool] = {}
        self._answered = 0
        self._searched = 0

    def day(self, kind: str, resource: fhir.Resource) -> str | None:
        """
        The day of a resource that can be left out, as above; None for one that must be read.

        Raises:
            TooLargeError: The names of this request are longer than is searched.
        """
        look = BY_KIND.get(kind)
        return look(self, resource) if look is not None else None

    def encounter(self, said: fhir.Encounter) -> str | None:
        """Of interest where its class or type may be one that is asked for, or where something else was done in it."""
        if self._sought is None or self._index is None:
            return None
        if not self._sought.visited:
            return ""
        named = False
        for place in (said.class_, *(said.type or ())):
            if place is None:
                continue
            key = _key(place) if isinstance(place, fhir.CodeableConcept) else repr(place)
            if key not in self._other_places:
                self._other_places[key] = self._elsewhere(place, self._index, self._sought.visited)
            found = self._other_places[key]
            if found is False:
                return None
            named = named or found is True
        return "" if named else None

    def _elsewhere(self, place: object, index: CodeIndex, sets: frozenset[str]) -> bool | None:
        """As `CodeIndex.elsewhere`, of a class or type as it was sent."""
        concepts = [concept_of(place)] if isinstance(place, fhir.CodeableConcept) else classes_of(place)
        found: bool | None = None
        for concept in concepts:
            self._count(concept.said)
            one = index.elsewhere(concept, sets)
            if one is False:
                return False
            found = found or one
        return found

    def claim(self, said: fhir.ExplanationOfBenefit) -> str | None:
        """Of interest only where a pharmacy supplied something."""
        return None if is_pharmacy_claim(said) else ""

    def observation(self, said: fhir.Observation) -> str | None:
        """Most results of a chart are of no interest to any rule; their days never counted."""
        if self._sought is None:
            return None
        if said.code is None or said.component:
            parts: list[fhir.Observation | fhir.ObservationComponent] = [said]
            parts += [part for part in said.component or () if part is not None]
            if is_observed(said, self._sought.observed) or any(map(self._mentions, parts)):
                return None
            return "" if all(part.code is not None and self._places(part.code) for part in parts) else None
        key = _key(said.code)
        found = self._unobserved.get(key)
        if found is None:
            found = self._unobserved[key] = self._is_another_observation(concept_of(said.code), self._sought)
        if found and (said.valueCodeableConcept is not None or said.valueString) and self._answer_mentions(said):
            return None
        return "" if found else None

    def _is_another_observation(self, concept: Concept, sought: RelevanceCriteria) -> bool:
        """Whether code and name say that it is an observation of another kind than any that is asked for."""
        for coding in concept.codings:
            if coding.code in sought.observed.codes:
                return False
        said = concept.said
        for text in said:
            asked = self._asked_names.get(text)
            if asked is None:
                asked = self._asked_names[text] = sought.observed.called(text)
            if asked:
                return False
        return not self._concept_mentions(concept, said) and sought.index.places_observation(concept)

    def _mentions(self, said: fhir.Observation | fhir.ObservationComponent) -> bool:
        return (said.code is not None and self._name_mentions(said.code)) or self._answer_mentions(said)

    def _name_mentions(self, said: fhir.CodeableConcept) -> bool:
        """Whether a name has a code or a word that some fact looks for in observations of any code."""
        concept = concept_of(said)
        return self._concept_mentions(concept, concept.said)

    def _concept_mentions(self, concept: Concept, said: tuple[str, ...]) -> bool:
        if self._sought is None or self._index is None or not self._sought.mentioned:
            return False
        for text in said:
            found = self._texts.get(text)
            if found is None:
                self._count((text,))
                found = self._text_mentions(text, self._index, self._sought.mentioned)
            if found:
                return True
        return self._index.codes_among(concept.codings, self._sought.mentioned)

    def _places(self, said: fhir.CodeableConcept) -> bool:
        """Whether a code or a name says of an observation that it is another."""
        return self._index is None or self._index.places_observation(concept_of(said))

    def _answer_mentions(self, said: fhir.Observation | fhir.ObservationComponent) -> bool:
        """
        The same of an answer.

        Once answers in words are longer together than is searched here, each further one goes the long way.
        """
        if said.valueCodeableConcept is not None and self._name_mentions(said.valueCodeableConcept):
            return True
        text = said.valueString
        if not text or self._sought is None or self._index is None or not self._sought.mentioned:
            return False
        if text not in self._texts:
            self._answered += len(text)
        return self._answered > MAX_NAME_CHARACTERS or self._text_mentions(text, self._index, self._sought.mentioned)

    def _text_mentions(self, text: str, index: CodeIndex, sets: frozenset[str]) -> bool:
        found = self._texts.get(text)
        if found is None:
            found = self._texts[text] = index.may_mention(text, sets)
        return found

    def condition(self, said: fhir.Condition) -> str | None:
        """Another illness; those under a period go the long way."""
        if (
            said.onsetPeriod is not None
            or said.abatementPeriod is not None
            or not self._is_another(said.code, EntryKind.CONDITION)
        ):
            return None
        recorded, onset, abated = said.recordedDate, said.onsetDateTime, said.abatementDateTime
        if not (_plain_day(recorded) and _plain_day(onset) and _plain_day(abated)):
            return None
        return "" if code_among(said.verificationStatus, WRONG) else recorded or onset or ""

    def request(self, said: fhir.MedicationRequest) -> str | None:
        """An order of another drug, or one that was never acted on; a draft may be the order in question."""
        if said.status == DRAFT:
            return None
        if said.status in NEVER_TAKEN[ExposureKind.REQUEST] or said.intent in NOT_ORDERED or said.doNotPerform:
            return ""
        if not self._is_another_drug(said) or not _plain_day(said.authoredOn) or not _plain(said.dosageInstruction):
            return None
        dispense = said.dispenseRequest
        if dispense is not None and (
            dispense.validityPeriod is not None or not _plain_supply(dispense.expectedSupplyDuration)
        ):
            return None
        return said.authoredOn or ""

    def dispense(self, said: fhir.MedicationDispense) -> str | None:
        """A fill of another drug, or one that was not handed over."""
        if said.status in NEVER_TAKEN[ExposureKind.DISPENSE]:
            return ""
        handed, prepared = said.whenHandedOver, said.whenPrepared
        if not self._is_another_drug(said) or not (_plain_day(handed) and _plain_day(prepared)):
            return None
        if not _plain(said.dosageInstruction) or not _plain_supply(said.daysSupply):
            return None
        return handed or prepared or ""

    def statement(self, said: fhir.MedicationStatement) -> str | None:
        """Another drug, said to be taken or not."""
        if said.adherence is not None or not self._is_another_drug(said) or not _plain(said.dosage):
            return None
        if not _plain_day(said.effectiveDateTime) or not _plain_period(said.effectivePeriod):
            return None
        if said.status in NEVER_TAKEN[ExposureKind.STATEMENT]:
            return ""
        start = said.effectivePeriod.start if said.effectivePeriod is not None else None
        return start or said.effectiveDateTime or ""

    def administration(self, said: fhir.MedicationAdministration) -> str | None:
        """Another drug, given on a day; one under a period goes the long way."""
        if said.status in NEVER_TAKEN[ExposureKind.ADMINISTRATION]:
            return ""
        periods = (said.effectivePeriod, said.occurrencePeriod, said.occurencePeriod)
        day = said.effectiveDateTime or said.occurrenceDateTime or said.occurenceDateTime
        if any(periods) or not self._is_another_drug(said) or not _plain_day(day):
            return None
        return day or ""

    def procedure(self, said: fhir.Procedure) -> str | None:
        """Another procedure, or one that was not done."""
        if said.status in NOT_DONE:
            return ""
        period = said.performedPeriod or said.occurrencePeriod
        day = said.performedDateTime or said.occurrenceDateTime
        if not self._is_another(said.code, EntryKind.PROCEDURE) or not _plain_day(day) or not _plain_period(period):
            return None
        if day is None and period is not None:
            day = period.end or period.start
        return day or ""

    def referral(self, said: fhir.ServiceRequest) -> str | None:
        """A request of something else, or one that is none; a draft may be the order in question."""
        if said.status == DRAFT:
            return None
        if said.status in WRONG or said.doNotPerform:
            return ""
        if not self._says_another(concept_of_either(said.code), EntryKind.REFERRAL) or not _plain_day(said.authoredOn):
            return None
        return said.authoredOn or ""

    def _is_another(self, said: fhir.CodeableConcept | None, kind: EntryKind) -> bool:
        if said is None:
            return False
        key = (kind, *_key(said))
        found = self._others.get(key)
        if found is None:
            found = self._others[key] = self._says_another(concept_of(said), kind)
        return found

    def _says_another(self, concept: Concept, kind: EntryKind) -> bool:
        if self._index is None or not self._index.codes_of_another(concept.codings):
            return False
        return self._words_of_another(concept, kind, self._index)

    def _words_of_another(self, concept: Concept, kind: EntryKind, index: CodeIndex) -> bool:
        said, placed = concept.said, index.places_code(concept.codings, kind)
        key = (kind, placed, said)
        found = self._words.get(key)
        if found is None:
            self._count(said)
            found = self._words[key] = index.words_of_another(said, kind, placed=placed)
        return found

    def _is_another_drug(self, said: fhir.MedicationUse) -> bool:
        """By the code the resource itself bears; a Medication it points to goes the long way."""
        if said.medicationCodeableConcept is None:
            return False
        key = _key(said.medicationCodeableConcept)
        found = self._other_drugs.get(key)
        if found is None:
            found = self._other_drugs[key] = self._says_another_drug(concept_of(said.medicationCodeableConcept))
        return found

    def _says_another_drug(self, concept: Concept) -> bool:
        if self._index is None or not self._index.codes_of_another_drug(concept.codings):
            return False
        return self._words_of_another(concept, EntryKind.MEDICATION, self._index)

    def _count(self, said: tuple[str, ...]) -> None:
        self._searched += sum(map(len, said))
        refuse_too_many_names(self._searched)


# Not bound to one filter: methods it kept of itself would hold it, and with it all a chart says, in a circle.
BY_KIND: Mapping[str, Callable[[RelevanceFilter, Any], str | None]] = {
    "Observation": RelevanceFilter.observation,
    "Condition": RelevanceFilter.condition,
    "MedicationRequest": RelevanceFilter.request,
    "MedicationDispense": RelevanceFilter.dispense,
    "MedicationStatement": RelevanceFilter.statement,
    "MedicationAdministration": RelevanceFilter.administration,
    "Procedure": RelevanceFilter.procedure,
    "ServiceRequest": RelevanceFilter.referral,
    "Encounter": RelevanceFilter.encounter,
    "ExplanationOfBenefit": RelevanceFilter.claim,
}


def newest_of(days: Iterable[str]) -> date | None:
    """The latest of the days of what was left out, None if there is none: of plain days the text tells which it is."""
    day = max(days, default="")
    return date.fromisoformat(day[:LENGTH_OF_DAY]) if day else None


def _key(said: fhir.CodeableConcept) -> tuple[object, ...]:
    return (said.text, *said.coding) if said.coding else (said.text,)


def _plain_day(text: str | None) -> bool:
    return text is None or is_plain_day(text)


def _plain_period(said: fhir.Period | None) -> bool:
    if said is None:
        return True
    if not (_plain_day(said.start) and _plain_day(said.end)):
        return False
    return said.start is None or said.end is None or said.start[:LENGTH_OF_DAY] <= said.end[:LENGTH_OF_DAY]


def _plain(said: Iterable[fhir.Dosage | None] | None) -> bool:
    """Whether nothing would be remarked about these instructions."""
    for dosage in said or ():
        timing = dosage.timing if dosage is not None else None
        if timing is not None:
            if timing.repeat is not None and timing.repeat.boundsPeriod is not None:
                return False
            if not can_be_taken(timing):
                return False
    return True


def _plain_supply(said: fhir.Quantity | None) -> bool:
    if said is None or said.value is None:
        return True
    return (said.code or said.unit) == "d" and 0 < said.value <= LONGEST_SUPPLY_DAYS
