"""Onset, remission, pauses of treatment and time → when the current episode began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import inf
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cds.facts.context import SortedRecord
from cds.facts.data import MEDICATIONS, DataQuery, conditions
from cds.facts.diagnosis import ClinicalStatus, statuses
from cds.facts.diagnosis_count import entries_of
from cds.facts.drug_history import CompiledDrugHistory, IssueFinder, drug_history
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.history.pauses import BusyDays, Resumption, resumption
from cds.facts.kind import EPISODE, NUMBER, SCORE, YES_OR_NO, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.measurements import ConvertedMeasurement, range_text
from cds.record.model import Diagnosis, Span, Verification
from cds.yaml_source.fields import (
    DrugTableName,
    Duration,
    Names,
    NumberOrName,
    OneOf,
    Refers,
    Slug,
    Snake,
    Strict,
    UnitOf,
    listed,
)


class RemissionByScore(Strict):
    """A remission shown by two low scores."""

    score: Annotated[Snake, Refers(SCORE)]
    below: Annotated[NumberOrName, UnitOf("score")]
    apart: Duration


class EndByPause(Strict):
    """
    An episode that ends by a pause: so many whole days without a drug for the illness and without an entry of it.

    The next drug, or the next entry, begins another episode. An entry counts on the days it began and was recorded.
    """

    counts: Annotated[
        str, OneOf(YES_OR_NO), Field(description="Whether it does: yes, no, or a parameter with these words.")
    ]
    lasting_at_least: Duration
    drugs: Annotated[Slug, DrugTableName()]
    roles: Annotated[
        list[Literal["antidepressant", "augmentation", "target", "none"]] | None,
        Field(min_length=1, description="Only drugs of these roles of the table."),
    ] = None


class EpisodeFact(FactBase):
    """When the current episode began."""

    role: ClassVar[str] = EPISODE
    no_window: ClassVar[str] = "Write how far back to look as `otherwise`."
    find: Literal["episode"]
    of: Names
    status: list[ClinicalStatus] | Literal["active"] = "active"
    remission_coded: Names | None = None
    remission_by_score: RemissionByScore | None = None
    end_by_pause: EndByPause | None = None
    otherwise: Annotated[Duration, Field(description="How far back to look when no start is recorded.")]

    def other_status(self) -> list[str] | None:
        """Active alone, where others are listed."""
        return ["active"] if isinstance(self.status, list) and self.status != ["active"] else None

    def compile(self, name: str, numbers: Numbers) -> CompiledEpisode:
        """The fact with every number in place."""
        score, pause = self.remission_by_score, self.end_by_pause
        common = self.common(name, numbers)
        return CompiledEpisode(
            **common,
            of=listed(self.of),
            statuses=statuses(self.status) or frozenset(),
            remission_coded=listed(self.remission_coded),
            remission_score=score.score if score else "",
            remission_below=numbers.number(score.below) if score else 0.0,
            remission_apart_days=numbers.days(score.apart) if score else 0,
            otherwise_days=numbers.days(self.otherwise),
            pause_days=numbers.days(pause.lasting_at_least) if pause else 0,
            taken=(
                CompiledDrugHistory(
                    **common,
                    tables=(pause.drugs,),
                    roles=frozenset(pause.roles) if pause.roles else None,
                    named=None,
                    treatments=(),
                )
                if pause and numbers.word(pause.counts) == "yes"
                else None
            ),
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
        taken: The drugs in whose absence a pause ends an episode; None where no pause does.
        pause_days: Whole days of such a pause.
    """

    of: tuple[str, ...]
    statuses: frozenset[str]
    remission_coded: tuple[str, ...]
    remission_score: str
    remission_below: float
    remission_apart_days: int
    otherwise_days: int
    taken: CompiledDrugHistory | None = None
    pause_days: int = 0

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return tuple(filter(None, (self.remission_score,)))

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return (conditions((*self.of, *self.remission_coded)), *(MEDICATIONS if self.taken else ()))

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `find_episode`."""
        scores = context.scores.get(self.remission_score, ())
        taken = None
        if self.taken is not None:
            taken = drug_history(self.taken, context.sorted_record, context.kept(IssueFinder, IssueFinder))
        return find_episode(self, context.sorted_record, scores, taken)


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


def find_episode(
    wanted: CompiledEpisode,
    sorted_record: SortedRecord,
    scores: Sequence[ConvertedMeasurement],
    taken: Fact | None = None,
) -> Fact:
    """
    The first day of the current episode, as a span of days.

    The earliest recorded onset of the active illness; or, when none is recorded, a fixed time back, said so. A
    remission documented later than that (coded, or by two low scores far enough apart) begins a new episode after it
    (ATHF: two months of euthymia separate episodes). So does a pause where the rules say so, as early and as late as
    what was sent allows; `taken` is the history of the drugs then, and None where no pause does.
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
    if taken is not None and (after_pause := _after_pause(wanted, taken, sorted_record)) is not None:
        resumed = Span(
            max(begin.earliest, date.fromordinal(max(after_pause.earliest, 1))),
            max(begin.latest, date.fromordinal(after_pause.latest)),
        )
        if resumed != begin:
            begin = resumed
            because = _because_of_pause(after_pause, begin, because)
            found = [FactSource(after_pause.source, "after a pause", begin.text)] if after_pause.source else found
            why = None if begin.exact else WhyUnknown.IMPRECISE
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


def _after_pause(wanted: CompiledEpisode, history: Fact, sorted_record: SortedRecord) -> Resumption | None:
    """The begin after the last pause without one of the drugs and without an entry of the illness."""
    today = sorted_record.today
    entries = entries_of(wanted.of, sorted_record)
    dated = entries.dated(today)
    recorded = [BusyDays(day, day) for day in dated.sure]
    sure = [*recorded, *(BusyDays(i.first[1], i.last[0], i.source) for i in history.issues if i.sure)]
    possible = [
        *recorded,
        *(BusyDays(first, last) for first, last in dated.possible),
        *(BusyDays(i.first[0], max(i.last[1], i.first[1]), i.source) for i in history.issues),
    ]
    whole = history.high != inf and not dated.anywhere
    return resumption(sure, possible, wanted.pause_days, today.toordinal(), whole=whole)


def _because_of_pause(after_pause: Resumption, begin: Span, otherwise: str) -> str:
    if after_pause.pause is None:
        return f"{otherwise}; whether a pause began another episode, up to {begin.latest}, cannot be told"
    pause = f"{after_pause.pause} days without a drug for it and without an entry of it"
    if after_pause.over:
        return f"the last episode ended: {pause}, up to today"
    return f"current episode since {begin.text}, after {pause}"


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
