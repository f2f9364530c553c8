"""A treatment given in sessions → its latest course: sessions, phase, and response at the end of induction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Annotated, ClassVar, Literal

import msgspec
from pydantic import Field

from cds.facts.context import SortedRecord, in_window
from cds.facts.data import DataQuery
from cds.facts.fact import CoursePhase, DrawnEvent, Fact, FactSource, GivenSession, TreatmentCourse, WhyUnknown
from cds.facts.kind import (
    COURSE,
    NUMBER,
    SCORE,
    STATEMENT,
    TREATMENT,
    CompiledFact,
    EvaluationContext,
    FactBase,
    Numbers,
)
from cds.facts.measurements import ConvertedMeasurement, range_text
from cds.facts.sessions import days_counted
from cds.facts.treatment import CompiledTreatment, TreatmentEntry, courses_of, entries, not_read
from cds.locale.sentence import counted, join_texts, say
from cds.logic.truth import Truth
from cds.record.model import Delivery, DeliveryState, Span
from cds.yaml_source.fields import Around, Duration, InUnit, NumberOrName, Refers, Snake


class LatestCourseFact(FactBase):
    """Whether a course of a treatment given in sessions goes on; the latest course, with its phase and response."""

    role: ClassVar[str] = STATEMENT
    find: Literal["course"]
    no_window: ClassVar[str] = "The treatment it names has the window: remove it."
    treatment: Annotated[
        Snake, Refers(TREATMENT), Field(description="A treatment fact; its window is how long a course goes on.")
    ]
    apart: Annotated[Duration, Field(description="Sessions further apart belong to two courses.")]
    induction_lasts: Annotated[Duration, Field(description="From the first session, its day included.")]
    scores: Annotated[list[Snake], Refers(SCORE), Field(min_length=1, description="Scales that show response.")]
    falls_at_least: Annotated[NumberOrName, InUnit("percent")]
    baseline_within: Annotated[Duration, Field(description="Before the first session, its day included.")]
    last_score_within: Annotated[Around, Field(description="Around the last day of induction.")]

    def stands_as(self) -> frozenset[str]:
        """A statement, and a course that other facts look at."""
        return frozenset({self.role, COURSE})

    def compile(self, name: str, numbers: Numbers) -> CompiledLatestCourse:
        """The fact with every number in place."""
        return CompiledLatestCourse(
            **self.common(name, numbers),
            treatment=self.treatment,
            apart_days=numbers.days(self.apart),
            induction_days=numbers.days(self.induction_lasts),
            scores=tuple(self.scores),
            falls_at_least=numbers.number(self.falls_at_least),
            baseline_days=numbers.days(self.baseline_within),
            before_days=numbers.days(self.last_score_within.before),
            after_days=numbers.days(self.last_score_within.after),
        )


@dataclass(frozen=True, slots=True)
class CompiledLatestCourse(CompiledFact):
    """
    The latest course of a treatment given in sessions, and whether it goes on.

    Attributes:
        treatment: Name of the treatment fact.
        apart_days: Courses further apart are two.
        induction_days: The induction lasts so long, the first day included.
        scores: Names of the number facts that show response.
        falls_at_least: Percent; a fall of so much is a response.
        baseline_days: Window of the score before the first session.
        before_days, after_days: Window of the score around the last day of induction.
    """

    treatment: str
    apart_days: int
    induction_days: int
    scores: tuple[str, ...]
    falls_at_least: float
    baseline_days: int
    before_days: int
    after_days: int

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return (self.treatment, *self.scores)

    def data(self) -> tuple[DataQuery, ...]:
        """Nothing besides what the treatment and the scores ask for."""
        return ()

    def entry(self) -> None:
        """None."""

    def happened(self, context: EvaluationContext) -> Sequence[DrawnEvent]:
        """Every session that has a day."""
        course = context.facts[self.name].course
        return [
            DrawnEvent(
                one.day.earliest,
                min(one.day.latest, context.today),
                one.words,
                one.sure and one.day.exact,
                one.reference,
            )
            for one in (course.given if course else ())
            if one.session and one.day is not None
        ]

    def answer(self, context: EvaluationContext) -> Fact:
        """
        The truth of the treatment in its window, with the latest course as an object.

        `course` is None where no entry may be a session of it.
        """
        treatment = context.compiled[self.treatment]
        if not isinstance(treatment, CompiledTreatment):
            raise TypeError(f"{self.treatment} is no treatment fact")  # `cds check` refuses it
        now = context.facts[self.treatment]
        scores = [(context.compiled[name].label, context.scores[name]) for name in self.scores]
        goes_on = now.truth is Truth.TRUE
        course = latest_course(self, treatment, context.sorted_record, scores, goes_on=goes_on)
        reasons = ([] if goes_on and course else [now.because]) + ([_days_of(course)] if course else [])
        return Fact(
            name=self.name,
            label=self.label,
            truth=now.truth,
            text=now.text,
            because=join_texts("; ", reasons),
            why_unknown=now.why_unknown,
            missing=now.missing,
            day=course.first if course else None,
            found=tuple(
                FactSource(given.reference, given.words, given.day.text if given.day else "") for given in course.given
            )
            if course
            else now.found,
            course=course,
        )


def _days_of(course: TreatmentCourse) -> str:
    """When the course was, in words."""
    sessions = [one for one in course.given if one.session and one.day is not None]
    if not sessions:
        return say("no session with a day is recorded")
    latest = max((one.day for one in sessions if one.day), key=lambda day: day.latest)
    first = course.first.text if course.first else say("not known for certain")
    return say("first session {first}, latest {latest}", first=first, latest=latest.text)


@dataclass(frozen=True, slots=True)
class CompiledOfCourse(CompiledFact):
    """Something about the latest course of a treatment: `of` names the fact that has it."""

    of: str

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return (self.of,)

    def data(self) -> tuple[DataQuery, ...]:
        """Nothing besides what the course and its scores ask for."""
        return ()

    def entry(self) -> None:
        """None."""


class CoursePhaseFact(FactBase):
    """Whether a course that goes on is in a phase."""

    role: ClassVar[str] = STATEMENT
    find: Literal["course_phase"]
    no_window: ClassVar[str] = "The treatment of the course has the window: remove it."
    course: Annotated[Snake, Refers(COURSE)]
    phase: Literal["induction", "maintenance"]

    def compile(self, name: str, numbers: Numbers) -> CompiledCoursePhase:
        """The fact with every number in place."""
        return CompiledCoursePhase(**self.common(name, numbers), of=self.course, phase=CoursePhase(self.phase))


@dataclass(frozen=True, slots=True)
class CompiledCoursePhase(CompiledOfCourse):
    """Whether a course that goes on is in a phase."""

    phase: CoursePhase

    def answer(self, context: EvaluationContext) -> Fact:
        """Unknown where the first session may have been on either side of the end of induction."""
        said = context.facts[self.of]
        course = said.course
        truth, because, why = said.truth, said.because, said.why_unknown
        if truth is Truth.TRUE and course is not None:
            because = (
                say("the induction lasts until {day}", day=course.induction_until.text)
                if course.induction_until
                else ""
            )
            if course.phase is None:
                truth, why = Truth.UNKNOWN, WhyUnknown.IMPRECISE
                because = say("the first session of the course is not known for certain")
            else:
                truth = Truth.of(course.phase is self.phase)
        return Fact(
            name=self.name,
            label=self.label,
            truth=truth,
            text=say("yes") if truth is Truth.TRUE else say("no") if truth is Truth.FALSE else "",
            because=because,
            why_unknown=why,
            missing=(self.label,) if truth is Truth.UNKNOWN else (),
            day=course.induction_until if course else None,
            found=said.found,
        )


class CourseSessionsFact(FactBase):
    """On how many days sessions of the latest course were given."""

    role: ClassVar[str] = NUMBER
    find: Literal["course_sessions"]
    no_window: ClassVar[str] = "All sessions of the course are counted: remove it."
    course: Annotated[Snake, Refers(COURSE)]
    unit: Literal["sessions"]

    def compile(self, name: str, numbers: Numbers) -> CompiledCourseSessions:
        """The fact with every number in place."""
        return CompiledCourseSessions(**self.common(name, numbers), of=self.course)


@dataclass(frozen=True, slots=True)
class CompiledCourseSessions(CompiledOfCourse):
    """On how many days sessions of the latest course were given."""

    def answer(self, context: EvaluationContext) -> Fact:
        """A range where entries without a certain day, or that may be sessions, are among them; 0 without a course."""
        said = context.facts[self.of]
        if said.course is not None:
            low, high = said.course.sessions
            because = say("counted by day")
        else:
            low, high = 0.0, 0.0 if said.truth is Truth.FALSE else math.inf
            because = said.because
        unknown = low != high
        return Fact(
            name=self.name,
            label=self.label,
            low=low,
            high=high,
            unit="sessions",
            text=range_text(low, high) or say("an unknown number of"),
            because=because,
            why_unknown=WhyUnknown.IMPRECISE if unknown else None,
            missing=(self.label,) if unknown else (),
            found=said.found,
        )


class CourseResponseFact(FactBase):
    """Whether the latest course had brought a response at the end of its induction."""

    role: ClassVar[str] = STATEMENT
    find: Literal["course_response"]
    no_window: ClassVar[str] = "The course says which scores count: remove it."
    course: Annotated[Snake, Refers(COURSE)]

    def compile(self, name: str, numbers: Numbers) -> CompiledCourseResponse:
        """The fact with every number in place."""
        return CompiledCourseResponse(**self.common(name, numbers), of=self.course)


@dataclass(frozen=True, slots=True)
class CompiledCourseResponse(CompiledOfCourse):
    """Whether the latest course had brought a response at the end of its induction."""

    def answer(self, context: EvaluationContext) -> Fact:
        """Unknown while the induction goes on, without a score at either end, and where nothing tells of a course."""
        said = context.facts[self.of]
        course = said.course
        truth = course.response if course else Truth.UNKNOWN
        return Fact(
            name=self.name,
            label=self.label,
            truth=truth,
            text={Truth.TRUE: say("response"), Truth.FALSE: say("no response")}.get(truth, ""),
            because=course.outcome if course else said.because or say("no course is recorded"),
            why_unknown=WhyUnknown.NOT_FOUND if truth is Truth.UNKNOWN else None,
            missing=(self.label,) if truth is Truth.UNKNOWN else (),
            day=course.induction_until if course else None,
            found=said.found,
        )


class CourseMeasuredFact(FactBase):
    """Whether one of the scales of a course was taken in the window; unknown where none was found."""

    role: ClassVar[str] = STATEMENT
    find: Literal["course_measured"]
    course: Annotated[Snake, Refers(COURSE)]

    def truths(self) -> frozenset[Truth]:
        """True or unknown: a score that is not here may have been taken elsewhere."""
        return frozenset({Truth.TRUE, Truth.UNKNOWN})

    def compile(self, name: str, numbers: Numbers) -> CompiledCourseMeasured:
        """The fact with every number in place."""
        return CompiledCourseMeasured(**self.common(name, numbers), of=self.course)


@dataclass(frozen=True, slots=True)
class CompiledCourseMeasured(CompiledOfCourse):
    """Whether one of the scales of a course was taken in the window."""

    def answer(self, context: EvaluationContext) -> Fact:
        """True with the latest readable score whose day is surely in the window, else unknown."""
        course = context.compiled[self.of]
        if not isinstance(course, CompiledLatestCourse):
            raise TypeError(f"{self.of} is no course fact")  # `cds check` refuses it
        taken = [
            (reading.when, context.compiled[name].label, reading)
            for name in course.scores
            for reading in context.scores[name]
            if reading.when is not None
            and reading.low is not None
            and in_window(reading.when, context.today, self.look_back_days) is Truth.TRUE
        ]
        if not taken:
            because = counted(
                "none in the last {number} day", "none in the last {number} days", self.look_back_days or 0
            )
            return Fact(
                name=self.name, label=self.label, truth=Truth.UNKNOWN, because=because,
                why_unknown=WhyUnknown.NOT_FOUND, missing=(self.label,),
            )  # fmt: skip
        day, scale, reading = max(taken, key=lambda one: one[0].latest)
        words = join_texts(" ", [scale, range_text(reading.low, reading.high)])
        return Fact(
            name=self.name, label=self.label, truth=Truth.TRUE, text=words, because=say("recorded"), day=day,
            found=(FactSource(reading.source, words, day.text),),
        )  # fmt: skip


Scores = Sequence[tuple[str, Sequence[ConvertedMeasurement]]]
"""Label of a scale, and its final readings, oldest first."""


def latest_course(
    wanted: CompiledLatestCourse,
    treatment: CompiledTreatment,
    sorted_record: SortedRecord,
    scores: Scores,
    *,
    goes_on: bool,
) -> TreatmentCourse | None:
    """
    The latest course of the treatment, whether it goes on or is over; None where no entry may be a session of it.

    Entries without a date, not given for certain, or not read are possible sessions; where they, or data that did not
    come, may lie before the first one, its day is a range, or not known. An order alone does not tell when the first
    session was.
    """
    treatment = replace(treatment, look_back_days=None)
    given = _upgraded([e for e in entries(treatment, sorted_record) if e.is_treatment is not Truth.FALSE], treatment)
    possible = [*given, *not_read(treatment, sorted_record)]
    if not possible:
        return None
    undated = [e for e in possible if e.when is None]
    dated = sorted((e for e in possible if e.when is not None), key=_first_day)
    anchors = [e for e in given if e.is_treatment is Truth.TRUE and e.when is not None] or dated
    if not anchors:
        return TreatmentCourse(
            None, None, (0.0, math.inf), None, None, Truth.UNKNOWN, say("its sessions have no date"), ()
        )
    surely = courses_of(sorted(anchors, key=_first_day), wanted.apart_days)[-1]
    course = next(group for group in courses_of(dated, wanted.apart_days) if any(e in surely for e in group))
    unsent = [sent for sent in _sent(sorted_record) if sent.state is not DeliveryState.WHOLE]
    today = sorted_record.today
    first = _first_session(surely, course, today, open_before=bool(undated or unsent))
    until = _until(first, wanted.induction_days)
    last = max((e.when for e in surely if e.when), key=lambda span: span.latest)
    ends = last if not goes_on and last.latest <= until.latest else until
    response, outcome = _response(wanted, scores, first, ends, today, goes_on=goes_on)
    return TreatmentCourse(
        first=Span(*first) if first[0] > date.min else None,
        last=last,
        sessions=_sessions([*course, *undated], sorted_record, whole=not unsent),
        phase=_phase(until, today) if goes_on else None,
        induction_until=until if until.earliest > date.min else None,
        response=response,
        outcome=outcome,
        given=tuple(
            GivenSession(e.when, e.is_treatment is Truth.TRUE, e.session, e.source, e.words)
            for e in (*course, *undated)
        ),
    )


def _first_day(entry: TreatmentEntry) -> date:
    begins = entry.first or entry.when
    return begins.earliest if begins else date.min


def _upgraded(given: Sequence[TreatmentEntry], treatment: CompiledTreatment) -> list[TreatmentEntry]:
    """Sessions on so many days are the treatment, wherever they were given; as `find_treatment` takes them."""
    days = {e.when.earliest for e in given if e.session and e.given and e.when is not None and e.when.exact}
    if treatment.repeated is None or len(days) < treatment.repeated:
        return list(given)
    return [msgspec.structs.replace(e, is_treatment=Truth.TRUE) if e.session and e.given else e for e in given]


def _first_session(
    surely: Sequence[TreatmentEntry], course: Sequence[TreatmentEntry], today: date, *, open_before: bool
) -> tuple[date, date]:
    """The earliest and latest day the first session can have been; date.min for one that is not known."""
    if any(not e.ordered for e in surely):  # sessions or supplies, whose first day is told
        surely, course = [e for e in surely if not e.ordered], [e for e in course if not e.ordered]
        latest = min(span.latest for e in surely if (span := e.first or e.when))
    else:
        latest = max(e.when.latest for e in surely if e.when)
    latest = min(latest, today)
    return (date.min if open_before else min(latest, *(_first_day(e) for e in course)), latest)


def _until(first: tuple[date, date], days: int) -> Span:
    """The last day of the induction, as a range; date.min where it begins at one that is not known."""
    more = timedelta(days=days - 1)
    return Span(first[0] if first[0] == date.min else first[0] + more, first[1] + more)


def _phase(until: Span, today: date) -> CoursePhase | None:
    """The phase of today; None where the first session can have been on either side."""
    if today <= until.earliest:
        return CoursePhase.INDUCTION
    return CoursePhase.MAINTENANCE if today > until.latest else None


def _sessions(course: Iterable[TreatmentEntry], sorted_record: SortedRecord, *, whole: bool) -> tuple[float, float]:
    """On how many days, at least and at most; orders tell of none, and alone leave the number open."""
    sessions = [e for e in course if e.session]
    low, high = days_counted(((e.when, e.is_treatment is Truth.TRUE) for e in sessions), sorted_record.today)
    return float(low), float(high) if whole and sessions else math.inf


def _sent(sorted_record: SortedRecord) -> tuple[Delivery, Delivery]:
    record = sorted_record.record
    return record.how_sent("MedicationAdministration"), record.how_sent("Procedure")


def _response(
    wanted: CompiledLatestCourse,
    scores: Scores,
    first: tuple[date, date],
    until: Span,
    today: date,
    *,
    goes_on: bool,
) -> tuple[Truth, str]:
    """Whether a score fell enough from before the first session to the end of induction, and why."""
    if not until.exact or first[0] != first[1]:
        return Truth.UNKNOWN, say("the first session of the course is not known for certain")
    if goes_on and today <= until.latest:
        return Truth.UNKNOWN, say("the induction lasts until {day}", day=until.text)
    falls = [
        (label, fall)
        for label, readings in scores
        if (fall := _fall(wanted, readings, first[0], until.latest)) is not None
    ]
    if not falls:
        return Truth.UNKNOWN, say(
            "no scores before {first} and around {until} tell what came of it", first=first[0], until=until.text
        )
    truths = {_reaches(fall, wanted.falls_at_least) for _, fall in falls}
    outcome = join_texts(
        "; ",
        (say("{label} fell by {fall}%", label=label, fall=range_text(*map(_rounded, fall))) for label, fall in falls),
    )
    return (truths.pop() if len(truths) == 1 else Truth.UNKNOWN), outcome


def _reaches(fall: tuple[float, float], limit: float) -> Truth:
    low, high = fall
    return Truth.of(low >= limit) if (low >= limit) == (high >= limit) else Truth.UNKNOWN


def _rounded(percent: float) -> float:
    return float(round(percent))


def _fall(
    wanted: CompiledLatestCourse, readings: Sequence[ConvertedMeasurement], first: date, until: date
) -> tuple[float, float] | None:
    """By how many percent a score fell, at least and at most; None without a readable score at both ends."""
    known = [
        (r.when.latest, r.low, r.high)
        for r in readings
        if r.when is not None and r.when.exact and r.low is not None and r.high is not None
    ]
    before = [value for value in known if 0 <= (first - value[0]).days <= wanted.baseline_days]
    after = [
        value
        for value in known
        if value[0] > first and -wanted.before_days <= (value[0] - until).days <= wanted.after_days
    ]
    if not before or not after or before[-1][1] <= 0:
        return None
    (_, low, high), (_, end_low, end_high) = before[-1], after[-1]
    return 100 - end_high / low * 100, 100 - end_low / high * 100
