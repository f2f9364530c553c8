"""The end of a trial → whether it brought no adequate response, and how we know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from cds.facts.fact import Evidence
from cds.facts.latest import Reading
from cds.facts.sorted_record import SortedRecord
from cds.record.record import Exposure, Span
from cds.rulebook.wanted import MeasuredBy, NoResponse
from cds.truth import Truth

Scores = Mapping[str, Sequence[Reading]]
"""Name of a score fact → its readings, oldest first."""


@dataclass(frozen=True, slots=True)
class OtherStart:
    """Another drug was started: which, on which day (ordinal), as an antidepressant or an augmentation."""

    key: str
    day: int
    role: str


@dataclass(frozen=True, slots=True)
class Ended:
    """
    A trial as far as it is known before its response is rated.

    Attributes:
        key: The drug.
        start, end: First and last day, as spans; for a trial still taken the end is today.
        today: The day of the answer.
        adequate: Whether dose and duration were adequate.
        adequate_from: Day (ordinal) on which they had surely become so; None if never.
        stopped_for: Exposures at its end that name a stop reason.
    """

    key: str
    start: Span
    end: Span
    today: date
    adequate: Truth
    adequate_from: int | None
    stopped_for: tuple[Exposure, ...]

    @property
    def ongoing(self) -> bool:
        """Whether it may still be taken."""
        return self.end.latest >= self.today


@dataclass(frozen=True, slots=True)
class Outcome:
    """No response: true, false or unknown; what that rests on, in words, and what would settle it."""

    no_response: Truth
    evidence: Evidence
    words: str
    intolerance: bool = False
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    sources: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Reason:
    """What the stop reasons say: ineffective, not tolerated, or something else; and whether only in words."""

    ineffective: bool
    not_tolerated: bool
    other: bool
    in_words: bool


def rate_response(
    wanted: NoResponse, trial: Ended, sorted_record: SortedRecord, scores: Scores, starts: Sequence[OtherStart]
) -> Outcome:
    """
    Say whether a trial brought no adequate response.

    Strongest evidence first: a stop reason, a measured score, an inference from a switch or augmentation
    (docs/clinicians/how-it-decides.md). A stop reason that a measured response contradicts is unknown. Stopping for
    a side effect is not non-response.
    """
    reason = _stop_reason(wanted, trial, sorted_record)
    measured = next((found for by in wanted.measured_by if (found := _measured(wanted, by, trial, scores))), None)
    ask = (f"response to {trial.key}",)
    if reason.ineffective:
        if measured is not None and measured.no_response is Truth.FALSE:
            return Outcome(
                Truth.UNKNOWN, Evidence.NONE, f"stopped as ineffective, but {measured.words}",
                missing=ask, sources=measured.sources,
            )  # fmt: skip
        kind = Evidence.WORDS if reason.in_words else Evidence.CODED
        notes = ("stop reason read from words, not from a code",) if reason.in_words else ()
        return Outcome(Truth.TRUE, kind, "stopped as ineffective", notes=notes)
    if measured is not None:
        return measured
    if reason.not_tolerated:
        if trial.adequate is Truth.FALSE:
            return Outcome(Truth.FALSE, Evidence.NONE, "stopped because it was not tolerated", intolerance=True)
        return Outcome(
            Truth.UNKNOWN, Evidence.NONE, "stopped because it was not tolerated; response not recorded",
            intolerance=trial.adequate is Truth.UNKNOWN, missing=ask,
        )  # fmt: skip
    if reason.other:
        return Outcome(Truth.UNKNOWN, Evidence.NONE, "stopped for another reason; response not recorded", missing=ask)
    inferred = _inferred(wanted, trial, starts)
    if inferred:
        truth = Truth.TRUE if wanted.accepts_inferred else Truth.UNKNOWN
        return Outcome(truth, Evidence.INFERRED, inferred, missing=() if wanted.accepts_inferred else ask)
    return Outcome(Truth.UNKNOWN, Evidence.NONE, "response not recorded", missing=ask)


def _stop_reason(wanted: NoResponse, trial: Ended, sorted_record: SortedRecord) -> Reason:
    codes = sorted_record.codes
    coded: set[str] = set()
    named: set[str] = set()
    said = False
    for exposure in trial.stopped_for:
        if exposure.stopped_for is not None:
            said = said or bool(exposure.stopped_for.words)
            coded |= codes.sets_of(exposure.stopped_for)
            named |= codes.sets_named(exposure.stopped_for)
    ineffective_coded = bool(coded & set(wanted.stopped_for))
    ineffective = ineffective_coded or bool(named & set(wanted.stopped_for))
    not_tolerated = bool((coded | named) & set(wanted.not_tolerated))
    return Reason(
        ineffective=ineffective,
        not_tolerated=not_tolerated,
        other=said and not ineffective and not not_tolerated,
        in_words=ineffective and not ineffective_coded,
    )


def _measured(wanted: NoResponse, by: MeasuredBy, trial: Ended, scores: Scores) -> Outcome | None:
    known = [r for r in scores.get(by.score, ()) if r.low is not None and r.low == r.high and r.when is not None]
    baseline = _baseline(wanted, trial, known)
    after = [r for r in known if baseline is None or _day(r) > _day(baseline)]
    last_from, last_to = _last_window(wanted, trial)
    last = next((r for r in reversed(after) if last_from <= _earliest(r) and _day(r) <= last_to), None)
    during = [r for r in after if _earliest(r) >= trial.start.latest and _day(r) <= trial.end.latest]
    if baseline is not None and (responded := _best_fall(during, baseline)) is not None:
        fall, reading = responded
        if fall >= wanted.falls_less_than or _value(reading) < by.remission_below:
            later = " and was lost later" if last is not None and _value(last) > _value(reading) else ""
            return _outcome(
                Truth.FALSE, Evidence.MEASURED, f"{_fell(baseline, reading)}: a response{later}", baseline, reading
            )
    if last is None:
        return None
    if _value(last) < by.remission_below:
        return _outcome(Truth.FALSE, Evidence.MEASURED, f"score {_value(last):g} at the end: remission", last)
    if baseline is not None:
        if _fall(baseline, last) < wanted.falls_less_than:
            return _outcome(Truth.TRUE, Evidence.MEASURED, _fell(baseline, last), baseline, last)
        return _outcome(Truth.FALSE, Evidence.MEASURED, f"{_fell(baseline, last)}: a response", baseline, last)
    if _value(last) >= by.still_symptomatic:
        words = f"score {_value(last):g} at the end, no score at the start"
        return _outcome(Truth.TRUE, Evidence.STILL_SYMPTOMATIC, words, last)
    return None


def _outcome(truth: Truth, evidence: Evidence, words: str, *seen: Reading) -> Outcome:
    return Outcome(truth, evidence, words, sources=tuple(sorted({reading.source for reading in seen})))


def _baseline(wanted: NoResponse, trial: Ended, known: Sequence[Reading]) -> Reading | None:
    """The last score on or before the start, else the first shortly after it."""
    first = trial.start.earliest - timedelta(days=wanted.baseline_before_days)
    before = [r for r in known if first <= _earliest(r) and _day(r) <= trial.start.earliest]
    if before:
        return before[-1]
    last = trial.start.latest + timedelta(days=wanted.baseline_after_days)
    return next((r for r in known if _earliest(r) > trial.start.latest and _day(r) <= last), None)


def _last_window(wanted: NoResponse, trial: Ended) -> tuple[date, date]:
    """Days in which a score speaks for the end of the trial."""
    if trial.ongoing:
        first = date.fromordinal(trial.adequate_from) if trial.adequate_from else date.max
        return first, trial.today
    first = trial.end.latest - timedelta(days=wanted.end_before_days)
    return first, min(trial.end.earliest + timedelta(days=wanted.end_after_days), trial.today)


def _best_fall(during: Sequence[Reading], baseline: Reading) -> tuple[float, Reading] | None:
    falls = [(_fall(baseline, reading), reading) for reading in during]
    return max(falls, key=lambda fall: (fall[0], _day(fall[1])), default=None)


def _fall(baseline: Reading, later: Reading) -> float:
    """Percent of the baseline; no fall from a baseline of zero."""
    first = _value(baseline)
    return (first - _value(later)) / first * 100 if first > 0 else 0.0


def _fell(baseline: Reading, later: Reading) -> str:
    fall = _fall(baseline, later)
    change = f"fell {fall:.0f} %" if fall > 0 else "did not fall" if fall == 0 else f"rose {-fall:.0f} %"
    return f"score {change} ({_value(baseline):g} on {_day(baseline)}, {_value(later):g} on {_day(later)})"


def _inferred(wanted: NoResponse, trial: Ended, starts: Sequence[OtherStart]) -> str:
    if trial.adequate is not Truth.TRUE or trial.adequate_from is None:
        return ""
    last = trial.today if trial.ongoing else trial.end.earliest + timedelta(days=wanted.switch_after_days)
    first = date.min if trial.ongoing else trial.end.latest - timedelta(days=wanted.switch_before_days)
    for other in sorted(starts, key=lambda start: (start.role != "antidepressant", start.day, start.key)):
        day = date.fromordinal(other.day)
        if other.key != trial.key and other.day >= trial.adequate_from and first <= day <= last:
            verb = "was added" if other.role == "augmentation" else "was started"
            return f"inferred: {other.key} {verb} on {day}"
    return ""


def _value(reading: Reading) -> float:
    return reading.low if reading.low is not None else 0.0


def _day(reading: Reading) -> date:
    return reading.when.latest if reading.when else date.max


def _earliest(reading: Reading) -> date:
    return reading.when.earliest if reading.when else date.min
