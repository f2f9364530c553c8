"""PatientRecord: what the EHR said about one patient, in clinic words. Values only; no rule is applied here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import Enum
from typing import NamedTuple

from cds.locale.sentence import full_stop, say
from cds.terminology.concepts import Concept

NOT_UNDERSTOOD = "not understood"
"""A clinicalStatus that was given in a code or words FHIR does not know."""


@dataclass(frozen=True, slots=True)
class Span:
    """
    A day that may be known only to the month or year: it lies between two days, both included.

    FHIR R4 §2.24.0.1 (dateTime): "2025-05" is any day of that May.

    Attributes:
        earliest: First day it can be.
        latest: Last day it can be.
        westernmost: The day it was then in the westernmost time zone (UTC-12), where the sender gave a time with its
            zone; None otherwise. No zone reached that instant on an earlier day.
    """

    earliest: date
    latest: date
    westernmost: date | None = field(default=None, compare=False, repr=False)

    @property
    def exact(self) -> bool:
        """Whether the day is known."""
        return self.earliest == self.latest

    def as_of(self, today: date) -> Span:
        """
        The day, or today where the sender's calendar was ahead of ours at an instant that is not sure to be to come.

        A day without a time, and an instant that is after today in every time zone, stay what they are.
        """
        ahead = self.earliest > today and self.westernmost is not None and self.westernmost <= today
        return Span(today, today) if ahead else self

    @property
    def text(self) -> str:
        """The day as it was known: 2025-05-01, 2025-05, 2025, or "2025-05-03 to 2025-05-09"."""
        first, last = self.earliest, self.latest
        if first == last:
            return first.isoformat()
        if (first.month, first.day, last.month, last.day) == (1, 1, 12, 31) and first.year == last.year:
            return f"{first.year:04d}"
        next_day = date.fromordinal(last.toordinal() + 1) if last < date.max else None
        if first.day == 1 and (first.year, first.month) == (last.year, last.month) and next_day and next_day.day == 1:
            return f"{first.year:04d}-{first.month:02d}"
        return say("{first} to {last}", first=first.isoformat(), last=last.isoformat())


class DeliveryState(Enum):
    """How much of a kind of data arrived."""

    WHOLE = "whole"  # the sender answered the question completely; nothing found means nothing recorded
    PART = "part"  # truncated, or some of it unreadable: what is there counts, what is not there is unknown
    NOT_SENT = "not sent"  # key absent, null, failed, or nothing of the kind in a bundle


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    Whether one query's worth of resources arrived.

    Attributes:
        state: Whole, in part, or not at all.
        because: A short reason for PART and NOT_SENT, in words for the card ("the server answered with an error").
        codes: The codes the query was limited to (Observation?code=...), None when it was not limited.
        failed: It was asked for and could not be had (an error, null), as against a key that is simply absent.
    """

    state: DeliveryState
    because: str = ""
    codes: frozenset[str] | None = None
    failed: bool = False


class IssueKind(Enum):
    """Why something in the request was left out or doubted."""

    UNREADABLE = say("unreadable")  # the resource could not be decoded
    IMPLAUSIBLE = say("implausible")  # decoded, but the value cannot be true
    IGNORED = say("ignored")  # decoded, but must not be used (modifierExtension, implicitRules, unknown status)
    NOT_FOUND = say("not found")  # a reference that leads nowhere
    NOT_SENT = say("not sent")  # a kind of data that was asked for and did not come
    IMPRECISE = say("imprecise")  # used, but weaker than it should be (no time zone, no unit system)


@dataclass(frozen=True, slots=True)
class Issue:
    """
    One thing about the data that a reader must know to judge the answer.

    Attributes:
        kind: Why.
        resource_type: FHIR type it concerns, "" when unknown.
        where: Path in the request, e.g. Bundle.entry[3].resource.valueQuantity.
        what: One plain sentence without chart text.
        reference: Type/id when known.
        times: How many alike it stands for; of several, `alike` is the sentence of each.
    """

    kind: IssueKind
    resource_type: str
    where: str
    what: str
    reference: str = ""
    times: int = 1
    alike: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """
    Whose record this is.

    Attributes:
        reference: "Patient/id", as other resources name it.
        birth: Day of birth, None if not recorded or unreadable.
        sex: FHIR administrative gender: male, female, other, unknown; None if not recorded.
        birth_sex: Sex recorded at birth (US Core): female or male; None if not recorded.
        died: Whether the record says the patient has died.
    """

    reference: str
    birth: Span | None = None
    sex: str | None = None
    birth_sex: str | None = None
    died: bool = False


class Verification(Enum):
    """What Condition.verificationStatus or AllergyIntolerance.verificationStatus means for a rule."""

    CONFIRMED = "confirmed"  # confirmed, or not stated
    POSSIBLE = "possible"  # unconfirmed, presumed, provisional, differential
    WRONG = "wrong"  # refuted, entered-in-error


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """
    One FHIR Condition.

    Attributes:
        source: "Condition/id".
        concept: What.
        status: clinicalStatus code (active, recurrence, relapse, inactive, remission, resolved); "" if not given,
            NOT_UNDERSTOOD if one is given that is none of these.
        verification: Whether it stands.
        onset: When it began, if recorded as a date or period.
        abated: When it ended, if recorded; abatementBoolean true gives a span up to the recorded day or None.
        over: It is said to have ended, but not on which day (an age, words, or true).
        recorded: When it was written down.
        problem_list: True for category problem-list-item, False for encounter-diagnosis, None if not stated.
        recorder: The name of who recorded or asserted it, as the chart gives it; "" if it names nobody.
    """

    source: str
    concept: Concept
    status: str = ""
    verification: Verification = Verification.CONFIRMED
    onset: Span | None = None
    abated: Span | None = None
    recorded: Span | None = None
    problem_list: bool | None = None
    over: bool = False
    recorder: str = ""


@dataclass(frozen=True, slots=True)
class NormalRange:
    """
    What the laboratory calls normal for this result (Observation.referenceRange).

    Attributes:
        low, high: Its ends; None for one that is not given.
        unit: UCUM code as sent; "" means that of the value.
    """

    low: float | None
    high: float | None
    unit: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """
    One observed value: an Observation, one of its components, or one answer of a QuestionnaireResponse.

    Attributes:
        source: "Observation/id" or "QuestionnaireResponse/id".
        concept: What was measured.
        value: The number, None when the value is coded, absent or unreadable.
        unit: UCUM code as sent (mm[Hg], {score}); "" when none was sent (an integer or decimal without unit).
        answer: The coded value, if the value is a concept.
        said: The value, if it is true or false.
        words: The value, if it is text.
        normal: The ranges it was reported with, several where they depend on age or sex.
        when: When it was observed (effective or authored), None if not recorded.
        final: False for preliminary, registered, unknown and cancelled results; entered-in-error never gets here.
        why_no_value: dataAbsentReason or what was wrong with the value, "" when there is a value or an answer.
        comparator: <, <=, >=, > when the value is only a bound; "" otherwise.
        where: Path in the request, for messages.
    """

    source: str
    concept: Concept
    value: float | None = None
    unit: str = ""
    answer: Concept | None = None
    when: Span | None = None
    final: bool = True
    why_no_value: str = ""
    comparator: str = ""
    where: str = ""
    said: bool | None = None
    words: str = ""
    normal: tuple[NormalRange, ...] = ()


@dataclass(frozen=True, slots=True)
class Sig:
    """
    One dosing instruction as written.

    Attributes:
        low, high: Amount each time; equal unless a range was written; None if no amount was written.
        unit: UCUM code or the sender's word ("mg", "{tablet}", "tablet"); "" if none.
        times_a_day_low, times_a_day_high: How often (0.142857 for weekly); None if not written or not understood.
        as_needed: PRN: the daily dose is unknown.
        start, end: Bounds of this instruction (timing.repeat.boundsPeriod / boundsDuration), if written.
        sequence: FHIR sequence number; instructions of the same or no number run side by side.
        words: The free-text instruction, shown to clinicians; no dose is made of it, but one it contradicts is none.
        timing: How often, in a code or words that FHIR does not define; None where that is plain.
        contradicts: What the words say otherwise than the amount or timing; "" for nothing.
    """

    low: float | None = None
    high: float | None = None
    unit: str = ""
    times_a_day_low: float | None = None
    times_a_day_high: float | None = None
    as_needed: bool = False
    start: Span | None = None
    end: Span | None = None
    sequence: int | None = None
    words: str = ""
    timing: Concept | None = None
    contradicts: str = ""


class ExposureKind(Enum):
    """Which FHIR resource an exposure was read from."""

    REQUEST = "MedicationRequest"
    DISPENSE = "MedicationDispense"
    STATEMENT = "MedicationStatement"
    ADMINISTRATION = "MedicationAdministration"


@dataclass(frozen=True, slots=True)
class Exposure:
    """
    One stretch of taking (or being told to take) one drug, as one resource shows it.

    Resources that say nothing was taken never become exposures: entered-in-error, draft, cancelled, not-done,
    not-taken, intended, declined; intents proposal and option; doNotPerform. A request whose intent is plan is a
    doubtful statement.

    Attributes:
        source: "MedicationRequest/id".
        identity: What makes two copies the same resource: Type/id, or a digest of the content without an id.
        kind: Which resource it was; a statement for a request that is only a plan.
        drug: The medication as coded and named, references followed; an empty Concept when nothing was found.
        doubtful: Status unknown, intent missing or plan: it may not have been taken at all.
        start: First day (instruction bounds, effective, dispensed, else authored); None if not recorded.
        end: Last day taken, included, where the resource itself says so; None otherwise.
        open_ended: Status says it is still being taken and no end is recorded.
        sigs: Dosing instructions, as written.
        quantity, quantity_unit: Amount supplied each time (dispense quantity), if recorded.
        supply_days: Days one supply lasts, if recorded.
        fills: Number of fills authorised (1 + numberOfRepeatsAllowed) for a request; 1 otherwise.
        stopped_for: Why it was stopped (statusReason), if recorded and the status is not active.
        reasons: Why it was given: reasonCode, and the Conditions reasonReference names that stand.
        reasons_in: References of these Conditions, as the sender wrote them.
        numbers: Business identifiers, (system, value): the order's or the fill's own number.
        status: The FHIR status code.
        authored: When it was ordered, if a request; when it was said, if a statement.
        place: Class and types of the encounter it was given in, if an administration; None when that is not known.
    """

    source: str
    identity: str
    kind: ExposureKind
    drug: Concept
    doubtful: bool = False
    start: Span | None = None
    end: Span | None = None
    open_ended: bool = False
    sigs: tuple[Sig, ...] = ()
    quantity: float | None = None
    quantity_unit: str = ""
    supply_days: float | None = None
    fills: int = 1
    stopped_for: Concept | None = None
    reasons: tuple[Concept, ...] = ()
    reasons_in: tuple[str, ...] = ()
    numbers: tuple[tuple[str, str], ...] = ()
    status: str = ""
    authored: Span | None = None
    place: tuple[Concept, ...] | None = None


@dataclass(frozen=True, slots=True)
class Intervention:
    """
    One FHIR Procedure that was done or is under way (not-done and entered-in-error never get here).

    Attributes:
        source: "Procedure/id".
        concept: What.
        when: First to last day, as far as recorded.
        status: FHIR status code.
        place: Class and types of the encounter it was done in; None when that is not known.
    """

    source: str
    concept: Concept
    when: Span | None = None
    status: str = ""
    place: tuple[Concept, ...] | None = None


@dataclass(frozen=True, slots=True)
class Allergy:
    """
    One FHIR AllergyIntolerance.

    Attributes:
        source: "AllergyIntolerance/id".
        concepts: The substance or product: code, and the substances of its reactions.
        status: clinicalStatus code; "" if not given, NOT_UNDERSTOOD if it is none FHIR knows.
        verification: Whether it stands.
        type: allergy, intolerance or "" if not stated.
        effects: What the reactions were (reaction.manifestation).
    """

    source: str
    concepts: tuple[Concept, ...]
    status: str = ""
    verification: Verification = Verification.CONFIRMED
    type: str = ""
    effects: tuple[Concept, ...] = ()


@dataclass(frozen=True, slots=True)
class Referral:
    """
    One FHIR ServiceRequest already in the record.

    Attributes:
        source: "ServiceRequest/id".
        concept: What was asked for.
        status: FHIR status code.
        when: authoredOn.
    """

    source: str
    concept: Concept
    status: str = ""
    when: Span | None = None


CodedEntry = Diagnosis | Exposure | Intervention | Allergy | Referral
"""An entry of which it must be told what it is, by its codes or words."""


@dataclass(frozen=True, slots=True)
class FormAnswer:
    """
    One answer of a filled-in form: what it says, by the type of its value; None for every other type.

    Attributes:
        number: An integer, a decimal, or a quantity.
        unit: UCUM code of a quantity; "" where it names none, or for a bare number.
        coded: A choice.
        day: A date, as known.
        said: True or false.
    """

    number: float | None = None
    coded: Concept | None = None
    day: Span | None = None
    said: bool | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class FormItem:
    """One item of a filled-in form: its linkId, its answers, and the items in it."""

    link: str
    answers: tuple[FormAnswer, ...] = ()
    items: tuple[FormItem, ...] = ()


@dataclass(frozen=True, slots=True)
class FilledForm:
    """
    One QuestionnaireResponse that was completed or amended, and says which Questionnaire it answers.

    Attributes:
        source: "QuestionnaireResponse/id".
        questionnaire: Canonical address of the Questionnaire, without its version.
        author: Name of who filled it in, as the sender wrote it; "" if it is not said.
        authored: When; None if it is not recorded.
        items: What it answers.
    """

    source: str
    questionnaire: str
    author: str
    authored: Span | None
    items: tuple[FormItem, ...]


@dataclass(frozen=True, slots=True)
class Override:
    """
    A clinician's answer to an earlier card of this service: not FHIR, given by the edge that keeps such answers.

    Attributes:
        topic: Code of the card's topic.
        reason: Code of the override reason, "" when none was given.
        day: When it was answered.
    """

    topic: str
    reason: str
    day: date


@dataclass(frozen=True, slots=True)
class Visit:
    """
    One FHIR Encounter that took place, with its days (planned, cancelled and entered-in-error never get here).

    Attributes:
        source: "Encounter/id".
        place: Its class and types; () where neither is given.
        status: The FHIR status code; "" if not given.
        start, end: First and last day, both included; None where they are not recorded.
        part_of: The Encounter it is a part of, as the sender wrote it; "" for none.
    """

    source: str
    place: tuple[Concept, ...]
    status: str = ""
    start: Span | None = None
    end: Span | None = None
    part_of: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """
    One order that is being written right now. Nothing of it was taken: it never becomes an Exposure.

    Attributes:
        source: "MedicationRequest/id".
        kind: MedicationRequest or ServiceRequest; "" when it could not be read.
        concept: What is ordered; empty when it is not said yet.
        unreadable: Why it cannot be told what is ordered, "" when it can.
        reasons: Why it is ordered (reasonCode).
    """

    source: str
    kind: str
    concept: Concept
    unreadable: str = ""
    reasons: tuple[Concept, ...] = ()


class SecurityLabel(NamedTuple):
    """A label of meta.security, as it was sent; "" for what it lacks."""

    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """
    What the EHR said about one patient.

    Attributes:
        patient: Whose record.
        other_answers: Answers of forms to items without a LOINC code, in the order they were met.
        forms: Forms that were filled in about the patient, oldest first.
        visits: Encounters that may be of a class some rule asks for, oldest first.
        overrides: Answers to earlier cards; None where they are not kept.
        overrides_sent: Whether those that are kept could be looked up; WHOLE where none are kept.
        reviews_sent: Whether reviews that are kept by this service could be looked up; WHOLE where none are kept.
        drafts: Orders being written right now.
        drafts_sent: Whether they came; WHOLE and none where nobody is writing orders.
        sent: FHIR type → every query of that type and how much of it arrived; a type without an entry was not sent.
        issues: What was left out or doubted, in the order it was met.
        resources: How many resources were looked at (this patient's and shared ones).
        newest: The latest day any entry carries, None if no entry has a date.
        labels: Source ("Type/id") → the security labels it has; only sources that have any.
    """

    patient: Patient
    diagnoses: tuple[Diagnosis, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    interventions: tuple[Intervention, ...] = ()
    allergies: tuple[Allergy, ...] = ()
    referrals: tuple[Referral, ...] = ()
    forms: tuple[FilledForm, ...] = ()
    visits: tuple[Visit, ...] = ()
    other_answers: tuple[Measurement, ...] = ()
    drafts: tuple[Draft, ...] = ()
    drafts_sent: Delivery = Delivery(DeliveryState.WHOLE)
    overrides: tuple[Override, ...] | None = None
    overrides_sent: Delivery = Delivery(DeliveryState.WHOLE)
    reviews_sent: Delivery = Delivery(DeliveryState.WHOLE)
    sent: dict[str, tuple[Delivery, ...]] = field(default_factory=dict)
    issues: tuple[Issue, ...] = ()
    resources: int = 0
    newest: date | None = None
    labels: Mapping[str, tuple[SecurityLabel, ...]] = field(default_factory=dict)

    def how_sent(self, resource_type: str, codes: frozenset[str] = frozenset()) -> Delivery:
        """
        Say how much of a kind of data arrived, for someone looking for `codes` (empty: for anything of the type).

        A query limited to codes answers only for those codes. The best answer among the queries wins:
        WHOLE over PART over NOT_SENT. A type nobody asked for is NOT_SENT.
        """
        best: Delivery | None = None
        for sent in self.sent.get(resource_type, ()):
            if sent.codes is not None and (not codes or not codes <= sent.codes):
                continue
            if sent.state is DeliveryState.WHOLE:
                return sent
            if sent.state is DeliveryState.PART or best is None or best.state is DeliveryState.NOT_SENT:
                best = sent
        if best is not None:
            return best
        return Delivery(DeliveryState.NOT_SENT, say("{resource_type} was not sent", resource_type=resource_type))


NOT_LOOKED_UP = say("answers to earlier cards could not be looked up")


def without_overrides(record: PatientRecord) -> PatientRecord:
    """The record where answers to earlier cards are kept, and could not be looked up."""
    issue = Issue(IssueKind.NOT_SENT, "", "", full_stop(NOT_LOOKED_UP))
    sent = Delivery(DeliveryState.NOT_SENT, NOT_LOOKED_UP, failed=True)
    return replace(record, overrides=None, overrides_sent=sent, issues=(*record.issues, issue))


REVIEWS_NOT_LOOKED_UP = say("reviews that are kept by this service could not be looked up")


def without_reviews(record: PatientRecord) -> PatientRecord:
    """The record where reviews are kept by this service, and could not be looked up."""
    issue = Issue(IssueKind.NOT_SENT, "QuestionnaireResponse", "", full_stop(REVIEWS_NOT_LOOKED_UP))
    sent = Delivery(DeliveryState.NOT_SENT, REVIEWS_NOT_LOOKED_UP, failed=True)
    return replace(record, reviews_sent=sent, issues=(*record.issues, issue))
