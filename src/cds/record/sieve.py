"""
What of a request need not become a value: it says what it is, no rule asks for that, and nothing of it is remarkable.

Most of a chart is such. Only its day is kept, for how new the record is. Whatever is not plainly so (no name, a date
that is not as FHIR wants it, an instruction that cannot be true) goes the long way, where it is noted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from cds.coding import Sought
from cds.record import elements
from cds.record.concepts import code_among, concept_of, concept_of_either
from cds.record.dates import LENGTH_OF_DAY, is_plain_day
from cds.record.measurements import is_observed
from cds.record.medications import LONGEST_SUPPLY_DAYS, NEVER_TAKEN, NOT_ORDERED, can_be_taken
from cds.record.procedures import NOT_DONE
from cds.record.record import ExposureKind

WRONG = frozenset({"entered-in-error"})


class Sieve:
    """
    Tells what can be left out of one record; without `sought` hardly anything.

    It lives as long as its request: what a chart says is forgotten with it. Each method says whether a resource that is
    surely this patient's can be left out.

    Attributes:
        referred: Conditions that are given as a reason for something: these are never left out.
    """

    def __init__(self, sought: Sought | None) -> None:
        self.referred: frozenset[str] = frozenset()
        self._sought = sought
        self._newest = ""
        self._others: dict[object, bool] = {}
        self._other_drugs: dict[object, bool] = {}
        self._unobserved: dict[object, bool] = {}

    @property
    def newest(self) -> date | None:
        """The latest day of what was left out, None if it had none."""
        return date.fromisoformat(self._newest) if self._newest else None

    def observation(self, said: elements.Observation) -> bool:
        """Most results of a chart are of no interest to any rule; their days never counted."""
        if self._sought is None or said.code is None or said.component:
            return self._sought is not None and not is_observed(said, self._sought.observed)
        key = _key(said.code)
        found = self._unobserved.get(key)
        if found is None:
            found = self._unobserved[key] = not is_observed(said, self._sought.observed)
        return found

    def condition(self, said: elements.Condition) -> bool:
        """Another illness; those under a period go the long way."""
        if not self._is_another(said.code) or said.onsetPeriod is not None or said.abatementPeriod is not None:
            return False
        if f"Condition/{said.id}" in self.referred:
            return False
        if not _plain_days(said.onsetDateTime, said.recordedDate, said.abatementDateTime):
            return False
        if not code_among(said.verificationStatus, WRONG):
            self._met(said.recordedDate or said.onsetDateTime)
        return True

    def request(self, said: elements.MedicationRequest) -> bool:
        """An order of another drug, or one that was never acted on."""
        if said.status in NEVER_TAKEN[ExposureKind.REQUEST] or said.intent in NOT_ORDERED or said.doNotPerform:
            return True
        if not self._is_another_drug(said) or not _plain_days(said.authoredOn) or not _plain(said.dosageInstruction):
            return False
        dispense = said.dispenseRequest
        if dispense is not None and (
            dispense.validityPeriod is not None or not _plain_supply(dispense.expectedSupplyDuration)
        ):
            return False
        self._met(said.authoredOn)
        return True

    def dispense(self, said: elements.MedicationDispense) -> bool:
        """A fill of another drug, or one that was not handed over."""
        if said.status in NEVER_TAKEN[ExposureKind.DISPENSE]:
            return True
        if not self._is_another_drug(said) or not _plain_days(said.whenHandedOver, said.whenPrepared):
            return False
        if not _plain(said.dosageInstruction) or not _plain_supply(said.daysSupply):
            return False
        self._met(said.whenHandedOver or said.whenPrepared)
        return True

    def statement(self, said: elements.MedicationStatement) -> bool:
        """Another drug, said to be taken or not."""
        if said.adherence is not None or not self._is_another_drug(said) or not _plain(said.dosage):
            return False
        if not _plain_days(said.effectiveDateTime) or not _plain_period(said.effectivePeriod):
            return False
        if said.status not in NEVER_TAKEN[ExposureKind.STATEMENT]:
            start = said.effectivePeriod.start if said.effectivePeriod is not None else None
            self._met(start or said.effectiveDateTime)
        return True

    def administration(self, said: elements.MedicationAdministration) -> bool:
        """Another drug, given on a day; one under a period goes the long way."""
        if said.status in NEVER_TAKEN[ExposureKind.ADMINISTRATION]:
            return True
        periods = (said.effectivePeriod, said.occurrencePeriod, said.occurencePeriod)
        day = said.effectiveDateTime or said.occurrenceDateTime or said.occurenceDateTime
        if not self._is_another_drug(said) or any(periods) or not _plain_days(day):
            return False
        self._met(day)
        return True

    def procedure(self, said: elements.Procedure) -> bool:
        """Another procedure, or one that was not done."""
        if said.status in NOT_DONE:
            return True
        period = said.performedPeriod or said.occurrencePeriod
        day = said.performedDateTime or said.occurrenceDateTime
        if not self._is_another(said.code) or not _plain_days(day) or not _plain_period(period):
            return False
        if day is None and period is not None:
            day = period.end or period.start
        self._met(day)
        return True

    def referral(self, said: elements.ServiceRequest) -> bool:
        """A request of something else, or one that is none."""
        if said.status in WRONG or said.doNotPerform:
            return True
        concept = concept_of_either(said.code)
        if self._sought is None or not self._sought.index.is_another(concept) or not _plain_days(said.authoredOn):
            return False
        self._met(said.authoredOn)
        return True

    def _is_another(self, said: elements.CodeableConcept | None) -> bool:
        if said is None or self._sought is None:
            return False
        key = _key(said)
        found = self._others.get(key)
        if found is None:
            found = self._others[key] = self._sought.index.is_another(concept_of(said))
        return found

    def _is_another_drug(self, said: elements.MedicationUse) -> bool:
        """By the code the resource itself bears; a Medication it points to goes the long way."""
        if said.medicationCodeableConcept is None or self._sought is None:
            return False
        key = _key(said.medicationCodeableConcept)
        found = self._other_drugs.get(key)
        if found is None:
            concept = concept_of(said.medicationCodeableConcept)
            found = self._other_drugs[key] = self._sought.index.is_another_drug(concept)
        return found

    def _met(self, day: str | None) -> None:
        if day is not None and day[:LENGTH_OF_DAY] > self._newest:  # of plain days the text tells which is later
            self._newest = day[:LENGTH_OF_DAY]


def _key(said: elements.CodeableConcept) -> tuple[object, ...]:
    return (said.text, *said.coding) if said.coding else (said.text,)


def _plain_days(*texts: str | None) -> bool:
    return all(text is None or is_plain_day(text) for text in texts)


def _plain_period(said: elements.Period | None) -> bool:
    if said is None:
        return True
    if said.start is None or said.end is None:
        return _plain_days(said.start, said.end)
    return _plain_days(said.start, said.end) and said.start[:LENGTH_OF_DAY] <= said.end[:LENGTH_OF_DAY]


def _plain(said: Iterable[elements.Dosage | None] | None) -> bool:
    """Whether nothing would be remarked about these instructions."""
    for dosage in said or ():
        timing = dosage.timing if dosage is not None else None
        if timing is not None:
            if timing.repeat is not None and timing.repeat.boundsPeriod is not None:
                return False
            if not can_be_taken(timing):
                return False
    return True


def _plain_supply(said: elements.Quantity | None) -> bool:
    if said is None or said.value is None:
        return True
    return (said.code or said.unit) == "d" and 0 < said.value <= LONGEST_SUPPLY_DAYS
