"""The record sorted by value set once, so that a fact looks at its own entries only, however many rules there are."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Generic, TypeVar

import msgspec

from cds.locale.sentence import say
from cds.logic.truth import Truth
from cds.record.model import (
    Allergy,
    CodedEntry,
    Delivery,
    DeliveryState,
    Diagnosis,
    Exposure,
    Intervention,
    Measurement,
    PatientRecord,
    Referral,
    Span,
    Visit,
)
from cds.terminology.concepts import Concept
from cds.terminology.index import RecordTerminologyIndex, TerminologyIndex
from cds.terminology.vocabulary import EntryKind, Reading

Entry = TypeVar("Entry", Diagnosis, Measurement, Exposure, Intervention, Allergy, Referral)
Dated = TypeVar("Dated", Diagnosis, Measurement, Exposure, Intervention, Referral, Visit)


class ValueSetMatch(msgspec.Struct, frozen=True):
    """
    An entry that is in a value set.

    Attributes:
        entry: The entry.
        by_name: Its words match, its codes do not: weaker evidence.
        suggested: Its words only suggest it (`certain: false`): weaker still.
    """

    entry: Diagnosis | Measurement | Exposure | Intervention | Allergy | Referral
    by_name: bool
    suggested: bool = False


Kind = TypeVar("Kind", Diagnosis, Exposure, Intervention, Allergy, Referral)


class Unplaced(msgspec.Struct, Generic[Kind], frozen=True):
    """
    Entries of one kind of which nobody can tell what they are.

    Attributes:
        nameless: As in `SortedRecord`.
        unread: Those whose words or codes nobody here knows, with the value sets each may be of (None for any), and
            with its words.
        sets: The value sets some of them may be of; None for any.
        of_anything: Each of them may be of any value set.
    """

    nameless: tuple[Kind, ...]
    unread: tuple[tuple[Kind, frozenset[str] | None, str], ...]
    sets: frozenset[str] | None
    of_anything: bool

    @classmethod
    def of(cls, nameless: tuple[Kind, ...], unread: tuple[tuple[Kind, frozenset[str] | None], ...]) -> Unplaced[Kind]:
        """Given entries, with the value sets they may be of."""
        some = [may_be for _, may_be in unread if may_be is not None]
        anything = bool(nameless) or len(some) < len(unread)
        worded = tuple(
            (entry, may_be, next(concept.words for concept in concepts_of(entry) if concept.words))
            for entry, may_be in unread
        )
        return cls(nameless, worded, None if anything else frozenset().union(*some), anything and not some)

    def may_be_of(self, some: Iterable[str], others: Iterable[str]) -> bool:
        """Whether one of them may be of these value sets."""
        return self.sets is None or not (self.sets.isdisjoint(some) and self.sets.isdisjoint(others))


MEDICATIONS = ("medications", ())


@dataclass(frozen=True, slots=True)
class SortedRecord:
    """
    A record by kind and value set.

    Attributes:
        record: The record itself.
        today: The day of the answer.
        codes: The index it was sorted by, with what was read of this record.
        nameless: Diagnoses, medications, interventions, allergies and referrals that say nothing of what they are: no
            word, or words that say nothing, and no code that tells it.
        unread: Those whose words or codes nobody here knows → the value sets each may be of; None for any.
        diagnoses, measurements, exposures, interventions, allergies, referrals: Value set → hits, in record order.
        unread_measurements: Final observations and answers with a value, whose code and name nobody here knows.
        answered_alike: What facts share that differ in their names only, once one of them has answered.
    """

    record: PatientRecord
    today: date
    codes: TerminologyIndex
    nameless: tuple[CodedEntry, ...]
    unread: tuple[tuple[CodedEntry, frozenset[str] | None], ...]
    diagnoses: dict[str, list[ValueSetMatch]]
    measurements: dict[str, list[ValueSetMatch]]
    exposures: dict[str, list[ValueSetMatch]]
    interventions: dict[str, list[ValueSetMatch]]
    allergies: dict[str, list[ValueSetMatch]]
    referrals: dict[str, list[ValueSetMatch]]
    unread_measurements: tuple[Measurement, ...] = ()
    _sent: dict[tuple[str, tuple[str, ...]], Delivery] = field(default_factory=dict, repr=False, compare=False)
    _unplaced: dict[type, Unplaced[Any]] = field(default_factory=dict, repr=False, compare=False)
    answered_alike: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def unplaced(self, kind: type[Kind]) -> Unplaced[Kind]:
        """The entries of a kind of which nobody can tell what they are."""
        found = self._unplaced.get(kind)
        if found is None:
            found = self._unplaced[kind] = Unplaced.of(
                tuple(entry for entry in self.nameless if isinstance(entry, kind)),
                tuple((entry, may_be) for entry, may_be in self.unread if isinstance(entry, kind)),
            )
        return found

    def how_sent(self, resource_type: str, sets: tuple[str, ...] = ()) -> Delivery:
        """How much of a kind of data arrived, for someone looking for the codes of some sets (none: for anything)."""
        sent = self._sent.get((resource_type, sets))
        if sent is None:
            sent = self.record.how_sent(resource_type, self.codes.bare_codes(sets))
            self._sent[resource_type, sets] = sent
        return sent

    @property
    def medications_sent(self) -> Delivery:
        """How much of the medication data arrived."""
        sent = self._sent.get(MEDICATIONS)
        if sent is None:
            sent = self._sent[MEDICATIONS] = medications_sent(self.record)
        return sent


def sort_record(record: PatientRecord, codes: TerminologyIndex, today: date) -> SortedRecord:
    """Sort every entry into the value sets its codes, or else its words, are in; days as of today (Span.as_of)."""
    record = replace(
        record,
        diagnoses=tuple(_as_of(d, today, "onset", "recorded") for d in record.diagnoses),
        measurements=tuple(_as_of(m, today, "when") for m in record.measurements),
        other_answers=tuple(_as_of(m, today, "when") for m in record.other_answers),
        exposures=tuple(_as_of(e, today, "start", "authored") for e in record.exposures),
        interventions=tuple(_as_of(i, today, "when") for i in record.interventions),
        referrals=tuple(_as_of(r, today, "when") for r in record.referrals),
        visits=tuple(_as_of(v, today, "start", "end") for v in record.visits),
    )
    remembering = codes.for_one_record()
    reader = ConceptReader(remembering)
    said = [(entry, reader.read(entry)) for entry in entries_to_read(record)]
    measured, unread = sort_measurements(record, remembering)
    # A review is read by its own items (cds.facts.reviews); weeks and doses in it are no results.
    reviews = {
        form.source for form in record.forms if codes.review is not None and form.questionnaire == codes.review.url
    }
    return SortedRecord(
        record=record,
        today=today,
        codes=remembering,
        nameless=tuple(entry for entry, reading in said if reading is Reading.SILENT),
        unread=tuple((entry, reader.may_be(entry)) for entry, reading in said if reading is Reading.NOT_READ),
        diagnoses=_by_set(((d, (d.concept,)) for d in record.diagnoses), reader),
        measurements=measured,
        exposures=_by_set(((e, (e.drug,)) for e in record.exposures), reader),
        interventions=_by_set(((i, (i.concept,)) for i in record.interventions), reader),
        allergies=_by_set(((a, a.concepts) for a in record.allergies), reader),
        referrals=_by_set(((r, (r.concept,)) for r in record.referrals), reader),
        unread_measurements=tuple(entry for entry in unread if entry.source not in reviews),
    )


def _as_of(entry: Dated, today: date, *days: str) -> Dated:
    changes: dict[str, Any] = {}
    for name in days:
        span: Span | None = getattr(entry, name)
        if span is not None and (seen := span.as_of(today)) is not span:
            changes[name] = seen
    return replace(entry, **changes) if changes else entry


def entries_to_read(record: PatientRecord) -> tuple[CodedEntry, ...]:
    """The entries of which it must be told what they are: all but measurements, in the order of the record."""
    return (*record.diagnoses, *record.exposures, *record.interventions, *record.allergies, *record.referrals)


def concepts_of(entry: CodedEntry | Measurement) -> tuple[Concept, ...]:
    """What an entry says it is."""
    match entry:
        case Allergy():
            return entry.concepts
        case Exposure():
            return (entry.drug,)
    return (entry.concept,)


KINDS = {
    Diagnosis: EntryKind.CONDITION,
    Exposure: EntryKind.MEDICATION,
    Intervention: EntryKind.PROCEDURE,
    Allergy: EntryKind.ALLERGY,
    Referral: EntryKind.REFERRAL,
    Measurement: EntryKind.OBSERVATION,
}


class ConceptReader:
    """Reads each distinct concept of one record once: charts say the same thing over and over."""

    def __init__(self, codes: RecordTerminologyIndex) -> None:
        self._codes = codes
        self._sets: dict[Concept, tuple[frozenset[str], frozenset[str], frozenset[str]]] = {}

    def read(self, entry: CodedEntry) -> Reading:
        """What became of reading an entry: of several concepts, what cannot be read counts first."""
        kind = KINDS[type(entry)]
        found = {self._codes.read(concept, kind) for concept in concepts_of(entry)}
        return next((one for one in (Reading.NOT_READ, Reading.READ) if one in found), Reading.SILENT)

    def may_be(self, entry: CodedEntry) -> frozenset[str] | None:
        """Of an entry that was not read: the value sets it may be of; None for any that is looked for."""
        kind = KINDS[type(entry)]
        found: set[str] = set()
        for concept in concepts_of(entry):
            if self._codes.read(concept, kind) is Reading.NOT_READ:
                some = self._codes.may_be(concept, kind)
                if some is None:
                    return None
                found |= some
        return frozenset(found)

    def sets_of(self, concept: Concept) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """The value sets its codes are in, those only its words name, and those of them its words only suggest."""
        found = self._sets.get(concept)
        if found is None:
            by_code = self._codes.sets_of(concept)
            left_out = frozenset(name for coding in concept.codings for name in self._codes.sets_without(coding))
            by_name = self._codes.sets_named(concept)
            suggested = by_name - self._codes.sets_said(concept) if by_name else by_name
            found = self._sets[concept] = (by_code, by_name - left_out, suggested)
        return found


def sort_measurements(
    record: PatientRecord, codes: TerminologyIndex
) -> tuple[dict[str, list[ValueSetMatch]], tuple[Measurement, ...]]:
    """
    Observations by code, or by whole name where no set has a code of theirs; single words say nothing of a number.

    With them, those final ones with a value, and answers of forms, of which neither tells what they are.
    """
    found: dict[str, list[ValueSetMatch]] = {}
    others = list(record.other_answers)
    for entry in record.measurements:
        sets = codes.sets_of(entry.concept) or codes.sets_called(entry.concept)
        if not sets:
            others.append(entry)
        for name in sets:
            found.setdefault(name, []).append(ValueSetMatch(entry, by_name=False))
    placed = {concept: codes.places_observation(concept) for concept in {entry.concept for entry in others}}
    return found, tuple(entry for entry in others if entry.final and not placed[entry.concept] and has_value(entry))


def has_value(entry: Measurement) -> bool:
    """Whether an observation or answer has a value of any sort."""
    return entry.said is not None or entry.answer is not None or entry.value is not None or bool(entry.words)


def _by_set(
    entries: Iterable[tuple[Entry, tuple[Concept, ...]]], reader: ConceptReader
) -> dict[str, list[ValueSetMatch]]:
    found: dict[str, list[ValueSetMatch]] = {}
    for entry, concepts in entries:
        read = [reader.sets_of(concept) for concept in concepts]
        by_code = {name for coded, _, _ in read for name in coded}
        by_name = {name for _, named, _ in read for name in named} - by_code
        said = {name for _, named, suggested in read for name in named - suggested}
        for name in by_code:
            found.setdefault(name, []).append(ValueSetMatch(entry, by_name=False))
        for name in by_name:
            found.setdefault(name, []).append(ValueSetMatch(entry, by_name=True, suggested=name not in said))
    return found


def in_window(when: Span | None, today: date, look_back_days: int | None) -> Truth | None:
    """
    Say whether a day lies in the window that ends today; both ends belong to it.

    UNKNOWN when the day is known too imprecisely to tell; None when there is no day at all.
    Days after today are never in the window.
    """
    if when is None:
        return None
    first = today - timedelta(days=look_back_days) if look_back_days is not None else date.min
    if when.latest < first or when.earliest > today:
        return Truth.FALSE
    return Truth.of(True) if when.earliest >= first and when.latest <= today else Truth.UNKNOWN


def medications_sent(record: PatientRecord) -> Delivery:
    """
    Say how much of the medication data arrived.

    Orders decide; a record that has statements and was never asked for orders is judged by its statements.
    If any medication type arrived in part or failed, the whole is in part: something may be missing.
    """
    orders = record.how_sent("MedicationRequest")
    if "MedicationRequest" not in record.sent:
        orders = record.how_sent("MedicationStatement")
        if orders.state is DeliveryState.NOT_SENT:
            return Delivery(DeliveryState.NOT_SENT, say("medications were not sent"))
    if orders.state is not DeliveryState.WHOLE:
        return orders
    for resource_type in ("MedicationStatement", "MedicationDispense", "MedicationAdministration"):
        for sent in record.sent.get(resource_type, ()):
            if sent.state is DeliveryState.PART or sent.failed:
                return Delivery(DeliveryState.PART, sent.because)
    return orders
