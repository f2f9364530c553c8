"""The end of a trial → whether it brought no adequate response, and how we know."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

import msgspec

from cds.facts.context import SortedRecord
from cds.facts.fact import ResponseEvidence
from cds.facts.measurements import ConvertedMeasurement, range_text
from cds.facts.trials.definition import MeasuredBy, NoResponse
from cds.locale.sentence import join_texts, say
from cds.logic.truth import Truth
from cds.record.model import Exposure, Span


class ScoreReading(msgspec.Struct, frozen=True):
    """What a scale said on one day, as a range: several of one day may differ."""

    when: Span
    low: float
    high: float
    sources: tuple[str, ...]

    @property
    def text(self) -> str:
        """The value and its day: "12 on 2025-05-08"."""
        return say("{range_text} on {latest}", range_text=range_text(self.low, self.high), latest=self.when.latest)


class ScoreHistory:
    """
    The scores of each scale in the order of their days; those of one day are one range.

    Attributes:
        said: What they say of a trial, for definitions that ask alike; worked out once.
        if_read: The same with what was not read, as far as it may be one of these scores; None where all was read.
    """

    def __init__(
        self, readings: Mapping[str, Sequence[ConvertedMeasurement]], if_read: ScoreHistory | None = None
    ) -> None:
        self.if_read = if_read
        self._readings = readings
        self._scores: dict[str, tuple[list[ScoreReading], list[date]]] = {}
        self.said: dict[tuple[object, ...], ResponseAssessment | None] = {}

    def between(self, name: str, first: date, last: date) -> list[ScoreReading]:
        """The scores of one scale that surely lie between two days, both included."""
        if name not in self._scores:
            if name not in self._readings:
                return []
            scores = _by_day(self._readings[name])
            self._scores[name] = scores, [score.when.latest for score in scores]
        scores, days = self._scores[name]
        inside = scores[bisect_left(days, first) : bisect_right(days, last)]
        return [score for score in inside if score.when.earliest >= first]


def _by_day(readings: Sequence[ConvertedMeasurement]) -> list[ScoreReading]:
    days: dict[Span, list[ConvertedMeasurement]] = {}
    for reading in readings:
        if reading.when is not None and reading.low is not None and reading.high is not None:
            days.setdefault(reading.when, []).append(reading)
    scores = [
        ScoreReading(
            when,
            min(one.low for one in same if one.low is not None),
            max(one.high for one in same if one.high is not None),
            tuple(sorted({one.source for one in same})),
        )
        for when, same in days.items()
    ]
    return sorted(scores, key=lambda score: (score.when.latest, score.when.earliest))


class OtherStart(msgspec.Struct, frozen=True):
    """Another drug was started: which, on which day (ordinal), as an antidepressant or an augmentation."""

    key: str
    day: int
    role: str


class DrugStarts:
    """When other drugs were started, by what they are, in order."""

    def __init__(self, starts: Iterable[OtherStart]) -> None:
        self._by_role: dict[str, list[tuple[int, str]]] = {}
        for start in starts:
            self._by_role.setdefault(start.role, []).append((start.day, start.key))
        for listed in self._by_role.values():
            listed.sort()

    def first(self, role: str, first: int, last: int, other_than: str) -> tuple[int, str] | None:
        """The first start of a drug other than one, between two days (ordinals), both included: its day and drug."""
        listed = self._by_role.get(role, [])
        for index in range(bisect_left(listed, (first, "")), len(listed)):
            day, key = listed[index]
            if day > last:
                return None
            if key != other_than:
                return day, key
        return None


class UnratedTrial(msgspec.Struct, frozen=True):
    """
    A trial as far as it is known before its response is rated.

    Attributes:
        key: The drug.
        start, end: First and last day, as spans; for a trial still taken the end is today.
        today: The day of the answer.
        adequate: Whether dose and duration were adequate.
        adequate_from: Day (ordinal) on which they had surely become so; None if never.
        stopped_for: Exposures at its end that name a stop reason.
        unconfirmed: It goes on by the status of an order alone: a score long after its sure end says nothing of it.
    """

    key: str
    start: Span
    end: Span
    today: date
    adequate: Truth
    adequate_from: int | None
    stopped_for: tuple[Exposure, ...]
    unconfirmed: bool = False

    @property
    def ongoing(self) -> bool:
        """Whether it may still be taken."""
        return self.end.latest >= self.today


class ResponseAssessment(msgspec.Struct, frozen=True):
    """
    No response: true, false or unknown; what that rests on, in words, and what would settle it.

    Attributes:
        fall: Percent the score fell, at the least and at the most, when it was measured from a baseline.
        lost: It responded, and the last score shows that no more.
        may_have_responded: A score that was not read may show a response.
        contradictory: What is recorded contradicts itself.
    """

    no_response: Truth
    evidence: ResponseEvidence
    words: str
    intolerance: bool = False
    contradictory: bool = False
    fall: tuple[float, float] | None = None
    lost: bool = False
    may_have_responded: bool = False
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


class StopReason(msgspec.Struct, frozen=True):
    """What the stop reasons say: ineffective, not tolerated, or something else; and whether only in words."""

    ineffective: bool
    not_tolerated: bool
    other: bool
    in_words: bool


def rate_response(
    wanted: NoResponse, trial: UnratedTrial, sorted_record: SortedRecord, courses: ScoreHistory, starts: DrugStarts
) -> ResponseAssessment:
    """
    Say whether a trial brought no adequate response.

    Strongest evidence first: a stop reason, a measured score, an inference from a switch or augmentation
    (docs/clinicians/how-it-decides.md). A stop reason that a measured response contradicts is unknown. Stopping for
    a side effect is not non-response.
    """
    reason = _stop_reason(wanted, trial, sorted_record)
    outcome = _rated(wanted, trial, reason, _by_scores(wanted, trial, courses), starts)
    return msgspec.structs.replace(outcome, intolerance=reason.not_tolerated and trial.adequate is not Truth.TRUE)


def _rated(
    wanted: NoResponse, trial: UnratedTrial, reason: StopReason, measured: ResponseAssessment | None, starts: DrugStarts
) -> ResponseAssessment:
    ask = (say("response to {key}", key=trial.key),)
    if reason.ineffective:
        if measured is not None and (measured.no_response is Truth.FALSE or measured.may_have_responded):
            return msgspec.structs.replace(
                measured,
                no_response=Truth.UNKNOWN,
                evidence=ResponseEvidence.NONE,
                words=say("stopped as ineffective, but {measured}", measured=measured.words),
                contradictory=True,
                missing=ask,
            )
        kind = ResponseEvidence.WORDS if reason.in_words else ResponseEvidence.CODED
        notes = (say("stop reason read from words, not from a code"),) if reason.in_words else ()
        fall = measured.fall if measured is not None else None
        return ResponseAssessment(Truth.TRUE, kind, say("stopped as ineffective"), fall=fall, notes=notes)
    if measured is not None:
        return measured
    if reason.not_tolerated:
        truth = Truth.FALSE if trial.adequate is Truth.FALSE else Truth.UNKNOWN
        recorded = "" if truth is Truth.FALSE else say("; response not recorded")
        return ResponseAssessment(
            truth, ResponseEvidence.NONE, say("stopped because it was not tolerated{recorded}", recorded=recorded),
            missing=() if truth is Truth.FALSE else ask,
        )  # fmt: skip
    if reason.other:
        return ResponseAssessment(
            Truth.UNKNOWN, ResponseEvidence.NONE, say("stopped for another reason; response not recorded"), missing=ask
        )
    inferred = _inferred(wanted, trial, starts)
    if inferred:
        truth = Truth.TRUE if wanted.accepts_inferred else Truth.UNKNOWN
        return ResponseAssessment(
            truth, ResponseEvidence.INFERRED, inferred, missing=() if wanted.accepts_inferred else ask
        )
    return ResponseAssessment(Truth.UNKNOWN, ResponseEvidence.NONE, say("response not recorded"), missing=ask)


def _stop_reason(wanted: NoResponse, trial: UnratedTrial, sorted_record: SortedRecord) -> StopReason:
    codes = sorted_record.codes
    coded: set[str] = set()
    named: set[str] = set()
    said = False
    for exposure in trial.stopped_for:
        if exposure.stopped_for is not None:
            said = said or bool(exposure.stopped_for.words)
            coded |= codes.sets_of(exposure.stopped_for)
            named |= codes.sets_claimed(exposure.stopped_for)
    ineffective_coded = bool(coded & set(wanted.stopped_for))
    ineffective = ineffective_coded or bool(named & set(wanted.stopped_for))
    not_tolerated = bool((coded | named) & set(wanted.not_tolerated))
    return StopReason(
        ineffective=ineffective,
        not_tolerated=not_tolerated,
        other=said and not ineffective and not not_tolerated,
        in_words=ineffective and not ineffective_coded,
    )


def _by_scores(wanted: NoResponse, trial: UnratedTrial, courses: ScoreHistory) -> ResponseAssessment | None:
    """
    What the scales say, each compared with itself only; None when none says anything.

    A fall from a baseline says more than a score at the end alone. Scales that contradict each other leave it open.
    """
    # Everything of the definition and the trial that `_measured` reads.
    asked = (
        wanted.asks_of_scores,
        trial.key,
        trial.start,
        trial.end,
        trial.adequate_from if trial.ongoing else None,
        trial.unconfirmed,
    )
    if asked not in courses.said:
        courses.said[asked] = _said_by_scores(wanted, trial, courses)
    return courses.said[asked]


def _said_by_scores(wanted: NoResponse, trial: UnratedTrial, courses: ScoreHistory) -> ResponseAssessment | None:
    said = _said_by_known_scores(wanted, trial, courses)
    if courses.if_read is None:
        return said
    if_read = _said_by_known_scores(wanted, trial, courses.if_read)
    if (said and said.no_response) is (if_read and if_read.no_response):
        return said
    words = [one.words for one in (said, if_read) if one is not None]
    sources = [source for one in (said, if_read) if one is not None for source in one.sources]
    open_ = _open(
        trial, say("{words}, by a score that was not read for certain", words=join_texts(say("; or "), words)), sources
    )
    responded = if_read is not None and if_read.no_response is not Truth.TRUE
    return msgspec.structs.replace(open_, may_have_responded=responded)


def _said_by_known_scores(wanted: NoResponse, trial: UnratedTrial, courses: ScoreHistory) -> ResponseAssessment | None:
    found = [one for by in wanted.measured_by if (one := _measured(wanted, by, trial, courses)) is not None]
    for kind in (ResponseEvidence.MEASURED, ResponseEvidence.STILL_SYMPTOMATIC):
        said = [one for one in found if one.evidence is kind]
        if len({one.no_response for one in said}) > 1:
            words = join_texts(say("; but "), (one.words for one in said))
            return _open(trial, words, [source for one in said for source in one.sources], contradictory=True)
        if said:
            return said[0]
    return found[0] if found else None


def _measured(
    wanted: NoResponse, by: MeasuredBy, trial: UnratedTrial, courses: ScoreHistory
) -> ResponseAssessment | None:
    baseline = _baseline(wanted, by, trial, courses)
    known_after = baseline.when.latest if baseline is not None else date.min
    last_from, last_to = _last_window(wanted, trial)
    at_the_end = [s for s in courses.between(by.score, last_from, last_to) if s.when.latest > known_after]
    last = at_the_end[-1] if at_the_end else None
    during = [s for s in courses.between(by.score, trial.start.latest, trial.end.latest) if s.when.latest > known_after]
    if trial.unconfirmed:
        sure_until = trial.end.earliest + timedelta(days=wanted.end_after_days)
        late = [score for score in (*during, *at_the_end) if score.when.latest > sure_until]
        if late:
            words = say("{by} {late}: nothing shows that it was still taken then", by=by.label, late=late[-1].text)
            return _open(trial, words, late[-1].sources)
    judged = [(score, _responded(wanted, by, baseline, score)) for score in during]
    best = max(
        (score for score, truth in judged if truth is Truth.TRUE), key=lambda s: (-s.low, s.when.latest), default=None
    )
    if best is not None:
        latest = last or during[-1]
        lost = _responded(wanted, by, baseline, latest) is Truth.FALSE
        words = _course(by, baseline, best) + (say(" and was lost later") if lost else "")
        return _measured_as(Truth.FALSE, words, baseline, best, lost=lost)
    disagreeing = [score for score, truth in judged if truth is Truth.UNKNOWN]
    if disagreeing:
        return _disagree(trial, by, disagreeing[-1])
    if last is None:
        return None
    truth = _responded(wanted, by, baseline, last)
    if truth is Truth.UNKNOWN:
        return _disagree(trial, by, last)
    if truth is Truth.TRUE:
        return _measured_as(Truth.FALSE, _course(by, baseline, last), baseline, last)
    if baseline is not None:
        return _measured_as(Truth.TRUE, _fell(by, baseline, last), baseline, last)
    if last.low >= by.still_symptomatic:
        words = say(
            "last {by} {range_text}, no score at the start", by=by.label, range_text=range_text(last.low, last.high)
        )
        return ResponseAssessment(Truth.TRUE, ResponseEvidence.STILL_SYMPTOMATIC, words, sources=last.sources)
    return _disagree(trial, by, last) if last.high >= by.still_symptomatic else None


def _measured_as(
    no_response: Truth, words: str, baseline: ScoreReading | None, score: ScoreReading, *, lost: bool = False
) -> ResponseAssessment:
    fall = _falls(baseline, score) if baseline is not None else None
    sources = {*score.sources, *(baseline.sources if baseline is not None else ())}
    return ResponseAssessment(
        no_response, ResponseEvidence.MEASURED, words, fall=fall, lost=lost, sources=tuple(sorted(sources))
    )


def _open(
    trial: UnratedTrial, words: str, sources: Sequence[str], *, contradictory: bool = False
) -> ResponseAssessment:
    return ResponseAssessment(
        Truth.UNKNOWN,
        ResponseEvidence.NONE,
        words,
        contradictory=contradictory,
        missing=(say("response to {key}", key=trial.key),),
        sources=tuple(sorted(set(sources))),
    )


def _disagree(trial: UnratedTrial, by: MeasuredBy, score: ScoreReading) -> ResponseAssessment:
    words = say("{by} {score}: one day's scores do not agree", by=by.label, score=score.text)
    return _open(trial, words, score.sources, contradictory=True)


def _responded(wanted: NoResponse, by: MeasuredBy, baseline: ScoreReading | None, score: ScoreReading) -> Truth:
    """Whether a score shows response: remission, or enough of a fall from the baseline; unknown across the limit."""
    if score.high < by.remission_below:
        return Truth.TRUE
    least, most = _falls(baseline, score) if baseline is not None else (-math.inf, -math.inf)
    if wanted.is_response(least):
        return Truth.TRUE
    possible = score.low < by.remission_below or wanted.is_response(most)
    return Truth.UNKNOWN if possible else Truth.FALSE


def _baseline(wanted: NoResponse, by: MeasuredBy, trial: UnratedTrial, courses: ScoreHistory) -> ScoreReading | None:
    """The last score on or before the start, else the first shortly after it."""
    # A start nobody recorded is the first day there is.
    first = date.fromordinal(max(1, trial.start.earliest.toordinal() - wanted.baseline_before_days))
    if before := courses.between(by.score, first, trial.start.earliest):
        return before[-1]
    last = trial.start.latest + timedelta(days=wanted.baseline_after_days)
    return next(iter(courses.between(by.score, trial.start.latest + timedelta(days=1), last)), None)


def _last_window(wanted: NoResponse, trial: UnratedTrial) -> tuple[date, date]:
    """Days in which a score speaks for the end of the trial."""
    if trial.ongoing:
        first = date.fromordinal(trial.adequate_from) if trial.adequate_from else date.max
        return first, trial.today
    first = trial.end.latest - timedelta(days=wanted.end_before_days)
    return first, min(trial.end.earliest + timedelta(days=wanted.end_after_days), trial.today)


def _falls(baseline: ScoreReading, later: ScoreReading) -> tuple[float, float]:
    """Percent of the baseline, at the least and at the most; no fall from a baseline of zero."""
    return _fall(baseline.low, later.high), _fall(baseline.high, later.low)


def _fall(first: float, later: float) -> float:
    return (first - later) / first * 100 if first > 0 else 0.0


def _course(by: MeasuredBy, baseline: ScoreReading | None, score: ScoreReading) -> str:
    """A response in words."""
    if baseline is None or (score.high < by.remission_below and _falls(baseline, score)[0] <= 0):
        return say("{by} {score}: remission", by=by.label, score=score.text)
    return say("{fell}: a response", fell=_fell(by, baseline, score))


def _fell(by: MeasuredBy, baseline: ScoreReading, later: ScoreReading) -> str:
    least, most = _falls(baseline, later)
    if least != most:
        change = say("fell {least} to {most}%", least=f"{least:.0f}", most=f"{most:.0f}")
    else:
        change = (
            say("fell {least}%", least=f"{least:.0f}")
            if least > 0
            else say("did not fall")
            if least == 0
            else say("rose {least}%", least=f"{-least:.0f}")
        )
    return say(
        "{score} {change} ({baseline}, {later})",
        score=by.label,
        change=change,
        baseline=baseline.text,
        later=later.text,
    )


def _inferred(wanted: NoResponse, trial: UnratedTrial, starts: DrugStarts) -> str:
    if trial.adequate is not Truth.TRUE or trial.adequate_from is None:
        return ""
    last = trial.today if trial.ongoing else trial.end.earliest + timedelta(days=wanted.switch_after_days)
    first = date.min if trial.ongoing else trial.end.latest - timedelta(days=wanted.switch_before_days)
    window = max(trial.adequate_from, first.toordinal()), last.toordinal()
    for role, verb in (("antidepressant", say("was started")), ("augmentation", say("was added"))):
        if found := starts.first(role, *window, other_than=trial.key):
            day, key = found
            return say("inferred: {key} {verb} on {day}", key=key, verb=verb, day=date.fromordinal(day))
    return ""
