"""Fact: one answer from the record, with its reason and where it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum

import msgspec

from cds.facts.history.eras import DrugIssue
from cds.locale.sentence import say
from cds.logic.truth import Truth
from cds.record.model import CodedEntry, Measurement, Span


class WhyUnknown(Enum):
    """How a fact comes to be unknown."""

    NOT_SENT = "not sent"
    NOT_FOUND = "not recorded"
    TOO_OLD = "too old"
    UNREADABLE = "unreadable"
    UNDATED = "undated"
    IMPRECISE = "not precise enough"
    CONFLICT = "contradictory"
    POSSIBLE = "possible, not confirmed"


class FactSource(msgspec.Struct, frozen=True):
    """
    One thing a fact rests on.

    Attributes:
        reference: FHIR reference, "Observation/17".
        words: What it says, in clinic words (chart text: escape before it enters a card).
        when: Its date as known, "" if none.
        recorder: The name of who recorded it (chart text, too), "" if the chart names nobody.
    """

    reference: str
    words: str = ""
    when: str = ""
    recorder: str = ""


class ResponseEvidence(Enum):
    """How we know that a trial brought no response, strongest first; and what else the end of a trial can mean."""

    CODED = say("coded stop reason")
    WORDS = say("stop reason in words")
    MEASURED = say("measured by score")
    REVIEWED = say("stated by the clinician who reviewed it")
    STILL_SYMPTOMATIC = say("score still high, no baseline")
    INFERRED = say("inferred from a switch or augmentation")
    NONE = say("no evidence recorded")


class Trial(msgspec.Struct, frozen=True):
    """
    One ingredient taken over one stretch of time, gaps up to the limit joined.

    Attributes:
        ingredient: Key of the drug table, e.g. "sertraline".
        name: For reading: "sertraline".
        drug_class: E.g. "SSRI"; "" if the table has none.
        start: First day; a span when imprecise.
        end: Last day, included; None while it is still taken.
        days: Days taken, surely and possibly.
        days_at_dose: Days at or above the minimum dose, surely and possibly.
        highest_mg_a_day: Highest daily dose held, surely and possibly; None for an end not known.
        minimum_mg_a_day: The minimum in force, None if the table has none.
        molecule: The same for drugs of one molecule.
        dose_adequate: Whether the minimum was reached.
        long_enough: Whether it was taken long enough, whatever the dose.
        held: Whether it was at or above the minimum dose for long enough.
        adequate: The same, unless fills that cover too little veto it.
        no_response: Whether it brought no adequate response.
        evidence: What `no_response` rests on.
        outcome: One sentence that says why `no_response` is what it is.
        partial_response: Whether the score fell by what the rule calls a partial response.
        response_lost: It responded, and its last score shows that no more.
        intolerance: Stopped for a side effect before it was adequate.
        ongoing: Still being taken today.
        by_name_only: Recognised by its name in text, not by a code (weaker evidence).
        poorly_taken: Fills cover fewer of its days than is asked for; unknown without fills.
        contradictory: What is recorded about its response contradicts itself.
        notes: Further remarks for the reader ("dose not recorded in MedicationRequest/7").
        missing: What would settle what is unknown: "venlafaxine dose".
        sources: FHIR references.
    """

    ingredient: str
    name: str
    drug_class: str
    start: Span | None
    end: Span | None
    days: tuple[int, int]
    days_at_dose: tuple[int, int]
    highest_mg_a_day: tuple[float | None, float | None]
    minimum_mg_a_day: float | None
    dose_adequate: Truth
    long_enough: Truth
    adequate: Truth
    no_response: Truth
    evidence: ResponseEvidence
    outcome: str
    intolerance: bool
    ongoing: bool
    by_name_only: bool
    held: Truth
    molecule: str = ""
    poorly_taken: Truth = Truth.UNKNOWN
    partial_response: Truth = Truth.UNKNOWN
    response_lost: bool = False
    contradictory: bool = False
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


class DrawnEvent(msgspec.Struct, frozen=True):
    """
    Something that happened, for a drawing over time.

    Attributes:
        first, last: Its days, both included.
        words: What it is.
        sure: Whether it surely was.
        reference: FHIR reference; "" for none.
        remission: Whether it is a remission, the end of what the lane is about.
    """

    first: date
    last: date
    words: str
    sure: bool
    reference: str = ""
    remission: bool = False


class CoursePhase(Enum):
    """The phases of a course of a treatment given in sessions."""

    INDUCTION = "induction"
    MAINTENANCE = "maintenance"


class GivenSession(msgspec.Struct, frozen=True):
    """
    One entry that is, or may be, a session of a course, or an order of it.

    Attributes:
        day: When; None if not recorded.
        sure: Whether it surely is of the treatment.
        session: Whether it was given on a day, not ordered or supplied.
        reference: FHIR reference.
        words: What it says (chart text: escape before it enters a card).
    """

    day: Span | None
    sure: bool
    session: bool
    reference: str
    words: str


class TreatmentCourse(msgspec.Struct, frozen=True):
    """
    The latest course of a treatment given in sessions.

    Attributes:
        first: Day of the first session, a span when imprecise; None where it may have been on any earlier day.
        last: Day of the latest session, supply or order; None where none has a day.
        sessions: On how many days, at least and at most; infinity where nothing tells.
        phase: Of a course that goes on; None where that is not known, and for one that is over.
        induction_until: Last day of the induction; None where that is not known.
        response: Whether a score had fallen enough at the end of the induction, or of a shorter course.
        outcome: Why `response` is what it is, without chart text.
        given: What shows it, oldest first.
    """

    first: Span | None
    last: Span | None
    sessions: tuple[float, float]
    phase: CoursePhase | None
    induction_until: Span | None
    response: Truth
    outcome: str
    given: tuple[GivenSession, ...]


class Fact(msgspec.Struct, frozen=True):
    """
    One answer from the record.

    A fact is one of: a statement (`truth` set), a number or range (`low`, `high`), a span of days (`day`), or a
    list of trials (`trials`). A number fact that is unknown has neither `low` nor `high`.

    Attributes:
        name: As in the rule file.
        label: What a clinician reads.
        truth: For statements: true, false or unknown. None for numbers, days and trials.
        low, high: For numbers: the range it surely lies in, both included; equal when it is known exactly.
        unit: UCUM unit of low and high; "" for none.
        text: The value in words for a card: "17", "2 to 3", "present", "" when unknown.
        because: Why it is what it is: one sentence without chart text.
        why_unknown: Set when the answer, or part of a range, is unknown.
        missing: What would settle it, in words: "venlafaxine dose". Empty when nothing is missing.
        day: When it was observed or began.
        trials: For medication_trials.
        course: For a course: the latest one; None where nothing tells of any.
        found: What it rests on.
        issues: For drug_history: what was ordered, dispensed or taken.
        reached: For counts of switches and diagnoses: the day on which the first, the second, … came, as far as these
            days are certain.
        trace: It is not known for certain, and the record holds an entry that may be it (see rulebook/format.py,
            TraceFact). Not set when nothing was sent or found.
        stated_by: What a clinician said of it in a review, who and when; "" where nobody did.
    """

    name: str
    label: str
    truth: Truth | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    text: str = ""
    because: str = ""
    why_unknown: WhyUnknown | None = None
    missing: tuple[str, ...] = ()
    day: Span | None = None
    trials: tuple[Trial, ...] = ()
    course: TreatmentCourse | None = None
    found: tuple[FactSource, ...] = ()
    issues: tuple[DrugIssue, ...] = ()
    reached: tuple[date, ...] = ()
    trace: bool = False
    stated_by: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """
    All answers for one patient on one day.

    Attributes:
        unread: The diagnoses, medications, procedures, allergies, requests and observations whose words or codes nobody
            here knows.
    """

    by_name: Mapping[str, Fact]
    today: date
    unread: tuple[CodedEntry | Measurement, ...] = ()

    def __getitem__(self, name: str) -> Fact:
        return self.by_name[name]
