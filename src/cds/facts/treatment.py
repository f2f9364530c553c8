"""A treatment given in sessions → is it under way, and did an earlier course of it bring no response?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Annotated, ClassVar, Literal

import msgspec
from pydantic import Field

from cds.facts.context import SortedRecord, ValueSetMatch, in_window
from cds.facts.data import ENCOUNTERS, MEDICATIONS, PROCEDURES, DataQuery
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.kind import SCORE, STATEMENT, TREATMENT, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.measurements import ConvertedMeasurement
from cds.facts.medication import last_taken
from cds.facts.presence import IN_WORDS, RECORDED, could_be_anything
from cds.locale.sentence import counted, join_texts, say
from cds.logic.truth import Truth
from cds.record.model import Delivery, DeliveryState, Exposure, ExposureKind, Intervention, Span
from cds.terminology.concepts import Concept
from cds.terminology.vocabulary import EntryKind, Reading
from cds.yaml_source.fields import Around, Duration, InUnit, Names, NoMutant, NumberOrName, Refers, Snake, Text, listed


class TreatmentFact(FactBase):
    """A treatment whose drug has other uses: given or ordered in the window."""

    role: ClassVar[str] = STATEMENT
    find: Literal["treatment"]
    coded: Names
    always: Annotated[Names | None, Field(description="Value sets of what has no other use.")] = None
    given_for: Annotated[Names | None, Field(description="Reasons for which it is the treatment.")] = None
    own_places: Annotated[Names | None, Field(description="Encounters in which it is the treatment.")] = None
    other_places: Annotated[Names | None, Field(description="Encounters of another use.")] = None
    repeated: Annotated[
        NumberOrName | None,
        InUnit("days"),
        Field(description="Sessions on so many days are the treatment, wherever they were."),
    ] = None
    because: Annotated[Text, NoMutant()]

    def stands_as(self) -> frozenset[str]:
        """A statement, and a treatment whose courses other facts look at."""
        return frozenset({self.role, TREATMENT})

    def compile(self, name: str, numbers: Numbers) -> CompiledTreatment:
        """The fact with every number in place."""
        return CompiledTreatment(
            **self.common(name, numbers),
            coded=listed(self.coded),
            always=listed(self.always),
            given_for=listed(self.given_for),
            own_places=listed(self.own_places),
            other_places=listed(self.other_places),
            repeated=None if self.repeated is None else int(numbers.number(self.repeated)),
            because=self.because,
        )


@dataclass(frozen=True, slots=True)
class CompiledTreatment(CompiledFact):
    """
    A treatment that has other uses, given or ordered in the window.

    Attributes:
        coded: Value sets of the drug and its sessions.
        always: Value sets of what has no other use.
        given_for: Value sets of reasons (reasonCode) for which it is the treatment; any other coded reason is not.
        own_places, other_places: Value sets of encounters in which it is the treatment, or another use.
        repeated: Sessions on so many days are the treatment, wherever they were; None for no such number.
        because: The author's reason for "not recorded".
    """

    coded: tuple[str, ...]
    always: tuple[str, ...]
    given_for: tuple[str, ...]
    own_places: tuple[str, ...]
    other_places: tuple[str, ...]
    repeated: int | None
    because: str

    def needs(self) -> tuple[str, ...]:
        """None."""
        return ()

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return (*MEDICATIONS, PROCEDURES, ENCOUNTERS)

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `find_treatment`."""
        return find_treatment(self, context.sorted_record)


class CourseFact(FactBase):
    """Whether the latest course of a treatment that is over brought no response."""

    role: ClassVar[str] = STATEMENT
    find: Literal["course_without_response"]
    treatment: Annotated[Snake, Refers(TREATMENT), Field(description="A treatment fact.")]
    ended_before: Duration
    sessions_at_least: Annotated[NumberOrName, InUnit("sessions")]
    or_lasts_at_least: Duration
    stopped_for: Names
    score: Annotated[Snake, Refers(SCORE)]
    falls_less_than: Annotated[NumberOrName, InUnit("percent")]
    baseline_within: Duration
    last_score_within: Around

    def compile(self, name: str, numbers: Numbers) -> CompiledCourse:
        """The fact with every number in place."""
        return CompiledCourse(
            **self.common(name, numbers),
            treatment=self.treatment,
            ended_before_days=numbers.days(self.ended_before),
            sessions=int(numbers.number(self.sessions_at_least)),
            lasts_days=numbers.days(self.or_lasts_at_least),
            stopped_for=listed(self.stopped_for),
            score=self.score,
            falls_less_than=numbers.number(self.falls_less_than),
            baseline_before_days=numbers.days(self.baseline_within),
            end_before_days=numbers.days(self.last_score_within.before),
            end_after_days=numbers.days(self.last_score_within.after),
        )


@dataclass(frozen=True, slots=True)
class CompiledCourse(CompiledFact):
    """
    Whether the latest course of a treatment that is over brought no response.

    Attributes:
        treatment: Name of the treatment fact.
        ended_before_days: A course is over when its last day is longer ago; courses so far apart are two.
        sessions, lasts_days: So many sessions, or so long, make a course.
        stopped_for: Value sets of stop reasons that say it was ineffective.
        score: Name of the number fact that shows response.
        falls_less_than: Percent; a smaller fall is no response.
        baseline_before_days: Window of the first score before the first day.
        end_before_days, end_after_days: Window of the last score around the last day.
    """

    treatment: str
    ended_before_days: int
    sessions: int
    lasts_days: int
    stopped_for: tuple[str, ...]
    score: str
    falls_less_than: float
    baseline_before_days: int
    end_before_days: int
    end_after_days: int

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return (self.treatment, self.score)

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return ()

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `find_course`."""
        treatment = context.compiled[self.treatment]
        if not isinstance(treatment, CompiledTreatment):
            raise TypeError(f"{self.treatment} is no treatment fact")  # `cds check` refuses it
        return find_course(self, treatment, context.sorted_record, context.scores[self.score])


DONE = frozenset({"completed", "in-progress"})  # FHIR R4 event-status


class TreatmentEntry(msgspec.Struct, frozen=True):
    """
    One entry that says the drug was given, ordered or taken.

    Attributes:
        is_treatment: TRUE as the treatment itself, FALSE in another place or for another reason, UNKNOWN.
        why: Why it is not TRUE, "" when it is.
        session: Whether it was given on a day (an administration or procedure), not ordered or taken at home.
        ordered: Whether it is an order, which does not say that anything was given.
        given: Whether it was surely given on a day that is known, whatever it was for.
        first: The day it began: of an order or statement its first day, where `when` is its last.
    """

    source: str
    words: str
    when: Span | None
    is_treatment: Truth
    why: str
    session: bool
    stopped_for: Concept | None = None
    first: Span | None = None
    ordered: bool = False
    given: bool = False


def find_treatment(wanted: CompiledTreatment, sorted_record: SortedRecord) -> Fact:
    """
    Say whether the treatment was given or ordered in the window.

    A session in a place of another use (an operation) is none; one in a place that is not recorded is unknown, unless
    there were sessions on so many days that it is the treatment wherever it was given.
    """
    given = [entry for entry in entries(wanted, sorted_record) if entry.is_treatment is not Truth.FALSE]
    sure = [entry for entry in given if entry.is_treatment is Truth.TRUE]
    doubtful = [entry for entry in given if entry.is_treatment is Truth.UNKNOWN]
    days = {entry.when.earliest for entry in given if entry.session and entry.when is not None and entry.when.exact}
    if sure:
        return _fact(wanted, Truth.TRUE, RECORDED, sure)
    if wanted.repeated is not None and len(days) >= wanted.repeated:
        because = counted(
            "given on {number} day; where is not recorded", "given on {number} days; where is not recorded", len(days)
        )
        return _fact(wanted, Truth.TRUE, because, doubtful)
    may_be = list(not_read(wanted, sorted_record))
    if doubtful or may_be:
        reasons = join_texts("; ", sorted({entry.why for entry in (*doubtful, *may_be)}))
        why = WhyUnknown.POSSIBLE if any(entry.words for entry in (*doubtful, *may_be)) else WhyUnknown.UNREADABLE
        return _fact(wanted, Truth.UNKNOWN, reasons, (*doubtful, *may_be), why)
    unsent = next((sent for sent in _sent(sorted_record) if sent.state is not DeliveryState.WHOLE), None)
    if unsent is not None:
        why = WhyUnknown.NOT_SENT if unsent.state is DeliveryState.NOT_SENT else WhyUnknown.UNREADABLE
        return _fact(wanted, Truth.UNKNOWN, unsent.because, [], why)
    against = [entry for entry in entries(wanted, sorted_record) if entry.is_treatment is Truth.FALSE]
    because = against[0].why if against else say("none recorded. {because}", because=wanted.because)
    return _fact(wanted, Truth.FALSE, because, against)


def _fact(
    wanted: CompiledTreatment,
    truth: Truth,
    because: str,
    given: Sequence[TreatmentEntry],
    why: WhyUnknown | None = None,
) -> Fact:
    newest = max((entry.when for entry in given if entry.when), key=lambda span: span.latest, default=None)
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=truth,
        text=IN_WORDS[truth],
        because=because,
        why_unknown=why,
        missing=(wanted.label,) if truth is Truth.UNKNOWN else (),
        day=newest,
        found=tuple(FactSource(entry.source, entry.words, entry.when.text if entry.when else "") for entry in given),
    )


def _sent(sorted_record: SortedRecord) -> Iterator[Delivery]:
    yield sorted_record.medications_sent
    yield sorted_record.how_sent("Procedure")


def entries(wanted: CompiledTreatment, sorted_record: SortedRecord) -> list[TreatmentEntry]:
    """Every entry of the treatment in the window, each once, oldest first."""
    seen: dict[int, TreatmentEntry] = {}
    for name in wanted.coded:
        for hit in (*sorted_record.exposures.get(name, ()), *sorted_record.interventions.get(name, ())):
            if id(hit.entry) not in seen and (given := _given(hit, wanted, sorted_record)) is not None:
                seen[id(hit.entry)] = given
    return sorted(seen.values(), key=lambda entry: (entry.when.earliest if entry.when else date.min, entry.source))


WHAT = {Exposure: say("medication"), Intervention: say("procedure")}
NOT_READ = {kind: say("a {what} was not read, may be it", what=what) for kind, what in WHAT.items()}
UNREADABLE = {kind: say("a {what} could not be read", what=what) for kind, what in WHAT.items()}


def not_read(wanted: CompiledTreatment, sorted_record: SortedRecord) -> Iterator[TreatmentEntry]:
    """Medications and procedures in the window that may be the treatment, since nobody could tell what they are."""
    said: tuple[tuple[Exposure | Intervention, str], ...] = (
        *could_be_anything(wanted.coded, sorted_record, Exposure, sorted_record.exposures),
        *could_be_anything(wanted.coded, sorted_record, Intervention, sorted_record.interventions),
    )
    for entry, words in said:
        if (given := _given(ValueSetMatch(entry, by_name=True), wanted, sorted_record)) is not None:
            why = (NOT_READ if words else UNREADABLE)[type(entry)]
            yield msgspec.structs.replace(given, words=words, is_treatment=Truth.UNKNOWN, why=why)


def _given(hit: ValueSetMatch, wanted: CompiledTreatment, sorted_record: SortedRecord) -> TreatmentEntry | None:
    """The entry, None when it lies outside the window."""
    entry, today = hit.entry, sorted_record.today
    assert isinstance(entry, Exposure | Intervention)  # noqa: S101 (sorted by kind)
    if isinstance(entry, Exposure):
        session = entry.kind is ExposureKind.ADMINISTRATION
        concept, reasons, certain = entry.drug, entry.reasons, not entry.doubtful
        last = (entry.end or entry.start) if session else last_taken(entry, today)
        when, stopped = (entry.start if session else last), entry.stopped_for
        first = entry.start or when
    else:
        session, concept, reasons, certain = True, entry.concept, (), entry.status in DONE
        last = when = first = entry.when
        stopped = None
    if entry_starts_later(entry, today):
        return None
    window = in_window(last, today, wanted.look_back_days)
    if window is Truth.FALSE and last is not None and last.latest > today:
        window = Truth.TRUE
    if window is Truth.FALSE:
        return None
    truth, why = _is_treatment(concept, reasons, entry.place, session=session, wanted=wanted, record=sorted_record)
    if truth is Truth.TRUE and not certain:
        truth, why = Truth.UNKNOWN, say("it is not recorded whether it was given")
    if truth is Truth.TRUE and window is not Truth.TRUE and wanted.look_back_days is not None:
        truth, why = (
            Truth.UNKNOWN,
            say("recorded without a date") if last is None else say("its date is not precise enough"),
        )
    return TreatmentEntry(
        entry.source,
        sorted_record.codes.words_for(concept),
        when,
        truth,
        why,
        session,
        stopped,
        first,
        ordered=isinstance(entry, Exposure) and entry.kind is ExposureKind.REQUEST,
        given=certain and when is not None and when.exact,
    )


def entry_starts_later(entry: Exposure | Intervention, today: date) -> bool:
    """Whether it is planned for after today."""
    start = entry.start if isinstance(entry, Exposure) else entry.when
    return start is not None and start.earliest > today


def _is_treatment(
    concept: Concept,
    reasons: tuple[Concept, ...],
    place: tuple[Concept, ...] | None,
    *,
    session: bool,
    wanted: CompiledTreatment,
    record: SortedRecord,
) -> tuple[Truth, str]:
    codes = record.codes
    if codes.sets_of(concept) & set(wanted.always):
        return Truth.TRUE, ""
    if any(codes.sets_of(reason) & set(wanted.given_for) for reason in reasons):
        return Truth.TRUE, ""
    coded = [reason for reason in reasons if reason.codings]
    if coded and all(codes.read(reason, EntryKind.CONDITION) is Reading.READ for reason in coded):
        return Truth.FALSE, say("given for another reason")
    if coded:
        return Truth.UNKNOWN, say("why it was given could not be read")
    if not session:
        return Truth.TRUE, ""
    if place is None:
        return Truth.UNKNOWN, say("where it was given is not recorded, and it has other uses")
    sets = frozenset[str]().union(*(codes.sets_of(where) | codes.sets_named(where) for where in place))
    if sets & set(wanted.other_places):
        return Truth.FALSE, say("given in a place of another use only")
    if sets & set(wanted.own_places):
        return Truth.TRUE, ""
    return Truth.UNKNOWN, say("the place where it was given does not tell what it was for")


# ---------------------------------------------------------------- an earlier course


def find_course(
    wanted: CompiledCourse,
    treatment: CompiledTreatment,
    sorted_record: SortedRecord,
    scores: Sequence[ConvertedMeasurement],
) -> Fact:
    """
    Say whether the latest course that ended before the window brought no response.

    Its stop reason decides; else the fall of the score over it, if the course was long enough. A course whose
    outcome is not recorded is unknown; sessions in another place are no course.
    """
    treatment = replace(treatment, name=wanted.name, label=wanted.label, look_back_days=None)
    given = [e for e in entries(treatment, sorted_record) if e.is_treatment is not Truth.FALSE and e.when is not None]
    last_day = sorted_record.today - timedelta(days=wanted.ended_before_days)
    courses = [c for c in courses_of(given, wanted.ended_before_days) if c[-1].when and c[-1].when.latest < last_day]
    sure = [course for course in courses if _is_course(course, wanted)]
    if not sure:
        unsent = next((sent for sent in _sent(sorted_record) if sent.state is not DeliveryState.WHOLE), None)
        if unsent is not None:
            return _fact(treatment, Truth.UNKNOWN, unsent.because, [], WhyUnknown.NOT_SENT)
        if may_be := [entry for entry in not_read(treatment, sorted_record) if _is_over(entry, last_day)]:
            return _fact(treatment, Truth.UNKNOWN, may_be[0].why, may_be, WhyUnknown.POSSIBLE)
        return _fact(treatment, Truth.FALSE, say("none recorded. {because}", because=treatment.because), [])
    course = sure[-1]
    if any(e.stopped_for and sorted_record.codes.sets_of(e.stopped_for) & set(wanted.stopped_for) for e in course):
        return _fact(treatment, Truth.TRUE, say("stopped as ineffective"), course)
    first, last = course[0].first or course[0].when, course[-1].when
    fall = _fall(wanted, scores, first.earliest, last.latest) if first and last else None
    if fall is None:
        because = say("no score at its start and end tells what came of it")
        return _fact(treatment, Truth.UNKNOWN, because, course, WhyUnknown.NOT_FOUND)
    truth, because = Truth.of(fall < wanted.falls_less_than), say("the score fell by {fall}%", fall=f"{fall:.0f}")
    if truth is Truth.FALSE and any(e.stopped_for and _is_unread(e.stopped_for, sorted_record) for e in course):
        because += say(", and why it was stopped could not be read")
        return _fact(treatment, Truth.UNKNOWN, because, course, WhyUnknown.POSSIBLE)
    return _fact(treatment, truth, because, course)


def _is_over(entry: TreatmentEntry, last_day: date) -> bool:
    """Whether it may have ended before a day; one without a date may."""
    return entry.when is None or entry.when.earliest < last_day


def _is_unread(reason: Concept, sorted_record: SortedRecord) -> bool:
    """Whether a stop reason is in no value set, by code or words."""
    return not sorted_record.codes.sets_of_words_or_codes(reason)


def courses_of(given: Sequence[TreatmentEntry], apart_days: int) -> list[list[TreatmentEntry]]:
    """Entries in groups between which more than so many days lie."""
    groups: list[list[TreatmentEntry]] = []
    for entry in given:
        last = groups[-1][-1].when if groups else None
        begins = entry.first or entry.when
        if last is not None and begins is not None and (begins.earliest - last.latest).days <= apart_days:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return groups


def _is_course(course: Sequence[TreatmentEntry], wanted: CompiledCourse) -> bool:
    """Enough sessions, or long enough; one that says why it was stopped is one whatever its length."""
    days = {entry.when.earliest for entry in course if entry.session and entry.when}
    starts = [first.earliest for entry in course if (first := entry.first or entry.when)]
    ends = [entry.when.latest for entry in course if entry.when]
    stopped = any(entry.stopped_for is not None for entry in course)
    return stopped or len(days) >= wanted.sessions or (max(ends) - min(starts)).days + 1 >= wanted.lasts_days


def _fall(wanted: CompiledCourse, scores: Sequence[ConvertedMeasurement], first: date, last: date) -> float | None:
    """Percent of the score at the start; None without a score at either end."""
    known = [(r.when, r.low) for r in scores if r.low is not None and r.low == r.high and r.when and r.when.exact]
    before = [value for day, value in known if 0 <= (first - day.latest).days <= wanted.baseline_before_days]
    after = [
        value
        for day, value in known
        if day.earliest > first and -wanted.end_before_days <= (day.latest - last).days <= wanted.end_after_days
    ]
    if not before or not after or before[-1] <= 0:
        return None
    return (before[-1] - after[-1]) / before[-1] * 100
