"""Onset, remission and time → when the current episode began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cds.facts.context import SortedRecord
from cds.facts.data import CONDITIONS, DataQuery
from cds.facts.diagnosis import statuses
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.kind import EPISODE, NUMBER, SCORE, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.measurements import ConvertedMeasurement, range_text
from cds.record.model import Diagnosis, Span, Verification
from cds.yaml_source.fields import Duration, Names, NumberOrName, Refers, Slug, Snake, Strict, UnitOf, listed


class RemissionByScore(Strict):
    """A remission shown by two low scores."""

    score: Annotated[Snake, Refers(SCORE)]
    below: Annotated[NumberOrName, UnitOf("score")]
    apart: Duration


class EpisodeFact(FactBase):
    """When the current episode began."""

    role: ClassVar[str] = EPISODE
    no_window: ClassVar[str] = "Write how far back to look as `otherwise`."
    find: Literal["episode"]
    of: Names
    status: list[Slug] | Literal["active"] = "active"
    remission_coded: Names | None = None
    remission_by_score: RemissionByScore | None = None
    otherwise: Annotated[Duration, Field(description="How far back to look when no start is recorded.")]

    def other_status(self) -> list[str] | None:
        """Active alone, where others are listed."""
        return ["active"] if isinstance(self.status, list) and self.status != ["active"] else None

    def compile(self, name: str, numbers: Numbers) -> CompiledEpisode:
        """The fact with every number in place."""
        score = self.remission_by_score
        return CompiledEpisode(
            **self.common(name, numbers),
            of=listed(self.of),
            statuses=statuses(self.status) or frozenset(),
            remission_coded=listed(self.remission_coded),
            remission_score=score.score if score else "",
            remission_below=numbers.number(score.below) if score else 0.0,
            remission_apart_days=numbers.days(score.apart) if score else 0,
            otherwise_days=numbers.days(self.otherwise),
        )


@dataclass(frozen=True, slots=True)
class CompiledEpisode(CompiledFact):
    """
    When the current episode began.

    Attributes:
        of: Value sets of the illness; its active entry's onset is the start.
        statuses: clinicalStatus codes of the current episode.
        remission_coded: Value sets that record a remission.
        remission_score: Name of the number fact of a score, "" for none.
        remission_below: A score below this is remission.
        remission_apart_days: Two such scores at least this far apart end an episode.
        otherwise_days: How far back to look when no start is recorded.
    """

    of: tuple[str, ...]
    statuses: frozenset[str]
    remission_coded: tuple[str, ...]
    remission_score: str
    remission_below: float
    remission_apart_days: int
    otherwise_days: int

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return tuple(filter(None, (self.remission_score,)))

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return (CONDITIONS,)

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `find_episode`."""
        return find_episode(self, context.sorted_record, context.scores.get(self.remission_score, ()))


class EpisodeLengthFact(FactBase):
    """How long the current episode has lasted."""

    role: ClassVar[str] = NUMBER
    no_window: ClassVar[str] = "An episode has no window: remove it."
    find: Literal["episode_length"]
    episode: Annotated[Snake, Refers(EPISODE)]
    unit: Literal["days"]

    def compile(self, name: str, numbers: Numbers) -> CompiledEpisodeLength:
        """The fact with every number in place."""
        return CompiledEpisodeLength(**self.common(name, numbers), episode=self.episode)


@dataclass(frozen=True, slots=True)
class CompiledEpisodeLength(CompiledFact):
    """How many days the current episode has lasted; `episode` is the name of the episode fact."""

    episode: str

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return (self.episode,)

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return ()

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `episode_length`."""
        return episode_length(self, context.facts[self.episode], context.today)


def find_episode(wanted: CompiledEpisode, sorted_record: SortedRecord, scores: Sequence[ConvertedMeasurement]) -> Fact:
    """
    The first day of the current episode, as a span of days.

    The earliest recorded onset of the active illness; or, when none is recorded, a fixed time back, said so. A
    remission documented later than that (coded, or by two low scores far enough apart) begins a new episode after it
    (ATHF: two months of euthymia separate episodes).
    """
    today = sorted_record.today
    current, ended = _illness(wanted, sorted_record)
    onsets = [(d.onset, d.source) for d in current if d.onset is not None and d.onset.earliest <= today]
    if onsets:
        begin, source = min(onsets, key=lambda found: (found[0].earliest, found[0].latest, found[1]))
        because = f"current episode since {begin.text} by its recorded onset"
        found = [FactSource(source, "onset", begin.text)]
        why = None if begin.exact else WhyUnknown.IMPRECISE
        if len({span for span, _ in onsets}) > 1:
            because += "; several onsets are recorded, the earliest counts"
    else:
        day = today - timedelta(days=wanted.otherwise_days)
        begin = Span(day, day)
        because = f"the start of the episode is not recorded; trials since {day} count"
        found = []
        why = WhyUnknown.NOT_FOUND
    for last_day, words, reference in (*_coded_remissions(wanted, ended, sorted_record), *_by_score(wanted, scores)):
        after = Span(last_day.earliest + timedelta(days=1), last_day.latest + timedelta(days=1))
        if after.earliest > begin.latest and after.earliest <= today:
            begin = after
            because = f"current episode since {begin.text}, after {words}"
            found = [FactSource(reference, words, last_day.text)]
            why = None
    return Fact(
        name=wanted.name,
        label=wanted.label,
        text=begin.text,
        because=because,
        why_unknown=why,
        missing=("start of the current episode",) if why is not None else (),
        day=begin,
        found=tuple(found),
    )


def episode_length(wanted: CompiledEpisodeLength, episode: Fact, today: date) -> Fact:
    """Days since the current episode began; unknown when its start is not recorded, a range when it is imprecise."""
    if episode.day is None or episode.why_unknown is WhyUnknown.NOT_FOUND:
        return Fact(
            wanted.name, wanted.label, unit="days", because="the start of the episode is not recorded",
            why_unknown=WhyUnknown.NOT_FOUND, missing=episode.missing,
        )  # fmt: skip
    low, high = (today - episode.day.latest).days, (today - episode.day.earliest).days
    return Fact(
        name=wanted.name,
        label=wanted.label,
        low=float(max(low, 0)),
        high=float(high),
        unit="days",
        text=range_text(max(low, 0), high),
        because=episode.because,
        why_unknown=episode.why_unknown,
        missing=episode.missing,
        day=episode.day,
        found=episode.found,
    )


def _illness(wanted: CompiledEpisode, sorted_record: SortedRecord) -> tuple[list[Diagnosis], list[Diagnosis]]:
    """Entries of the illness: current ones, and others that stand."""
    current: list[Diagnosis] = []
    others: list[Diagnosis] = []
    for name in wanted.of:
        for hit in sorted_record.diagnoses.get(name, ()):
            entry = hit.entry
            if isinstance(entry, Diagnosis) and entry.verification is not Verification.WRONG and not hit.by_name:
                active = (entry.status or "active") in wanted.statuses
                if active and _of_an_old_visit(entry, wanted, sorted_record.today):
                    continue  # it says that there was an episode then, not that it goes on
                (current if active else others).append(entry)
    return current, others


def _of_an_old_visit(entry: Diagnosis, wanted: CompiledEpisode, today: date) -> bool:
    """Whether it is what a visit was for, without a status, longer ago than trials count for an unrecorded start."""
    day = entry.recorded or entry.onset
    if entry.status or entry.problem_list is not False or day is None:
        return False
    return (today - day.latest).days > wanted.otherwise_days


def _coded_remissions(
    wanted: CompiledEpisode, ended: list[Diagnosis], sorted_record: SortedRecord
) -> list[tuple[Span, str, str]]:
    found = [(entry.abated, "an earlier episode ended", entry.source) for entry in ended if entry.abated]
    for name in wanted.remission_coded:
        for hit in sorted_record.diagnoses.get(name, ()):
            entry = hit.entry
            if not isinstance(entry, Diagnosis) or entry.verification is not Verification.CONFIRMED or hit.by_name:
                continue
            day = entry.abated or entry.onset or entry.recorded
            if day is not None:
                found.append((day, "a remission was coded", entry.source))
    return sorted(
        ((day, words, source) for day, words, source in found if day.earliest <= sorted_record.today),
        key=lambda remission: (remission[0].earliest, remission[2]),
    )


def _by_score(wanted: CompiledEpisode, scores: Sequence[ConvertedMeasurement]) -> list[tuple[Span, str, str]]:
    """Runs of low scores, uninterrupted by a higher one, that span the time required."""
    found = []
    first: ConvertedMeasurement | None = None
    for reading in scores:
        if reading.low is None or reading.high is None or reading.when is None:
            continue
        if reading.high >= wanted.remission_below:
            first = None
            continue
        first = first or reading
        if first.when and (reading.when.earliest - first.when.latest).days >= wanted.remission_apart_days:
            found.append((reading.when, "remission by two low scores", reading.source))
    return found
