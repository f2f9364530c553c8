"""A treatment given in sessions → is it under way, and did an earlier course of it bring no response?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from cds.facts.context import SortedRecord, ValueSetMatch, in_window, medications_sent
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.measurement import ConvertedMeasurement
from cds.logic.truth import Truth
from cds.record.model import Delivery, DeliveryState, Exposure, ExposureKind, Intervention, Span
from cds.rulebook.wanted import WantedCourse, WantedTreatment
from cds.terminology.concepts import Concept

DONE = frozenset({"completed", "in-progress"})  # FHIR R4 event-status


@dataclass(frozen=True, slots=True)
class TreatmentEntry:
    """
    One entry that says the drug was given, ordered or taken.

    Attributes:
        is_treatment: TRUE as the treatment itself, FALSE in another place or for another reason, UNKNOWN.
        why: Why it is not TRUE, "" when it is.
        session: Whether it was given on a day (an administration or procedure), not ordered or taken at home.
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


def find_treatment(wanted: WantedTreatment, sorted_record: SortedRecord) -> Fact:
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
        return _fact(wanted, Truth.TRUE, "recorded", sure)
    if wanted.repeated is not None and len(days) >= wanted.repeated:
        return _fact(wanted, Truth.TRUE, f"given on {len(days)} days; where is not recorded", doubtful)
    if doubtful:
        reasons = "; ".join(sorted({entry.why for entry in doubtful}))
        return _fact(wanted, Truth.UNKNOWN, reasons, doubtful, WhyUnknown.POSSIBLE)
    unsent = next((sent for sent in _sent(sorted_record) if sent.state is not DeliveryState.WHOLE), None)
    if unsent is not None:
        why = WhyUnknown.NOT_SENT if unsent.state is DeliveryState.NOT_SENT else WhyUnknown.UNREADABLE
        return _fact(wanted, Truth.UNKNOWN, unsent.because, [], why)
    against = [entry for entry in entries(wanted, sorted_record) if entry.is_treatment is Truth.FALSE]
    because = against[0].why if against else f"none recorded. {wanted.because}"
    return _fact(wanted, Truth.FALSE, because, against)


def _fact(
    wanted: WantedTreatment, truth: Truth, because: str, given: Sequence[TreatmentEntry], why: WhyUnknown | None = None
) -> Fact:
    newest = max((entry.when for entry in given if entry.when), key=lambda span: span.latest, default=None)
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=truth,
        text={Truth.TRUE: "recorded", Truth.FALSE: "not recorded", Truth.UNKNOWN: ""}[truth],
        because=because,
        why_unknown=why,
        missing=(wanted.label,) if truth is Truth.UNKNOWN else (),
        day=newest,
        found=tuple(FactSource(entry.source, entry.words, entry.when.text if entry.when else "") for entry in given),
    )


def _sent(sorted_record: SortedRecord) -> Iterator[Delivery]:
    yield medications_sent(sorted_record.record)
    yield sorted_record.record.how_sent("Procedure")


def entries(wanted: WantedTreatment, sorted_record: SortedRecord) -> list[TreatmentEntry]:
    """Every entry of the treatment in the window, each once, oldest first."""
    seen: dict[int, TreatmentEntry] = {}
    for name in wanted.coded:
        for hit in (*sorted_record.exposures.get(name, ()), *sorted_record.interventions.get(name, ())):
            if id(hit.entry) not in seen and (given := _given(hit, wanted, sorted_record)) is not None:
                seen[id(hit.entry)] = given
    return sorted(seen.values(), key=lambda entry: (entry.when.earliest if entry.when else date.min, entry.source))


def _given(hit: ValueSetMatch, wanted: WantedTreatment, sorted_record: SortedRecord) -> TreatmentEntry | None:
    """The entry, None when it lies outside the window."""
    entry, today = hit.entry, sorted_record.today
    assert isinstance(entry, Exposure | Intervention)  # noqa: S101 (sorted by kind)
    if isinstance(entry, Exposure):
        session = entry.kind is ExposureKind.ADMINISTRATION
        concept, reasons, certain = entry.drug, entry.reasons, not entry.doubtful
        last = Span(today, today) if entry.open_ended else (entry.end or entry.start)
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
        truth, why = Truth.UNKNOWN, "it is not recorded whether it was given"
    if truth is Truth.TRUE and window is not Truth.TRUE and wanted.look_back_days is not None:
        truth, why = Truth.UNKNOWN, "recorded without a date" if last is None else "its date is not precise enough"
    return TreatmentEntry(
        entry.source, sorted_record.codes.words_for(concept), when, truth, why, session, stopped, first
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
    wanted: WantedTreatment,
    record: SortedRecord,
) -> tuple[Truth, str]:
    codes = record.codes
    if codes.sets_of(concept) & set(wanted.always):
        return Truth.TRUE, ""
    if any(codes.sets_of(reason) & set(wanted.given_for) for reason in reasons):
        return Truth.TRUE, ""
    if any(reason.codings for reason in reasons):
        return Truth.FALSE, "given for another reason"
    if not session:
        return Truth.TRUE, ""
    if place is None:
        return Truth.UNKNOWN, "where it was given is not recorded, and it has other uses"
    sets = frozenset[str]().union(*(codes.sets_of(where) | codes.sets_named(where) for where in place))
    if sets & set(wanted.other_places):
        return Truth.FALSE, "given in a place of another use only"
    if sets & set(wanted.own_places):
        return Truth.TRUE, ""
    return Truth.UNKNOWN, "the place where it was given does not tell what it was for"


# ---------------------------------------------------------------- an earlier course


def find_course(
    wanted: WantedCourse,
    treatment: WantedTreatment,
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
    courses = [c for c in _courses(given, wanted.ended_before_days) if c[-1].when and c[-1].when.latest < last_day]
    sure = [course for course in courses if _is_course(course, wanted)]
    if not sure:
        unsent = next((sent for sent in _sent(sorted_record) if sent.state is not DeliveryState.WHOLE), None)
        if unsent is not None:
            return _fact(treatment, Truth.UNKNOWN, unsent.because, [], WhyUnknown.NOT_SENT)
        return _fact(treatment, Truth.FALSE, f"none recorded. {treatment.because}", [])
    course = sure[-1]
    if any(e.stopped_for and sorted_record.codes.sets_of(e.stopped_for) & set(wanted.stopped_for) for e in course):
        return _fact(treatment, Truth.TRUE, "stopped as ineffective", course)
    first, last = course[0].first or course[0].when, course[-1].when
    fall = _fall(wanted, scores, first.earliest, last.latest) if first and last else None
    if fall is None:
        because = "no score at its start and end tells what came of it"
        return _fact(treatment, Truth.UNKNOWN, because, course, WhyUnknown.NOT_FOUND)
    return _fact(treatment, Truth.of(fall < wanted.falls_less_than), f"the score fell by {fall:.0f} %", course)


def _courses(given: Sequence[TreatmentEntry], apart_days: int) -> list[list[TreatmentEntry]]:
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


def _is_course(course: Sequence[TreatmentEntry], wanted: WantedCourse) -> bool:
    """Enough sessions, or long enough; one that says why it was stopped is one whatever its length."""
    days = {entry.when.earliest for entry in course if entry.session and entry.when}
    starts = [first.earliest for entry in course if (first := entry.first or entry.when)]
    ends = [entry.when.latest for entry in course if entry.when]
    stopped = any(entry.stopped_for is not None for entry in course)
    return stopped or len(days) >= wanted.sessions or (max(ends) - min(starts)).days + 1 >= wanted.lasts_days


def _fall(wanted: WantedCourse, scores: Sequence[ConvertedMeasurement], first: date, last: date) -> float | None:
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
