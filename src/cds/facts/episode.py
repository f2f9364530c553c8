"""Onset, remission, pauses of treatment and time → when the current episode began."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from math import inf
from typing import Annotated, ClassVar, Literal

import msgspec
from pydantic import Field

from cds.facts.context import SortedRecord
from cds.facts.data import MEDICATIONS, DataQuery, conditions
from cds.facts.diagnosis import ClinicalStatus, statuses
from cds.facts.diagnosis_count import entries_of
from cds.facts.drug_history import CompiledDrugHistory, IssueFinder, drug_history
from cds.facts.fact import DrawnEvent, Fact, FactSource, WhyUnknown
from cds.facts.history.pauses import BusyDays, Resumption, resumption
from cds.facts.kind import EPISODE, NUMBER, SCORE, YES_OR_NO, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.measurements import ConvertedMeasurement, range_text
from cds.facts.presence import could_be_anything
from cds.locale.sentence import counted, say
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

    def happened(self, context: EvaluationContext) -> Sequence[DrawnEvent]:
        """
        The current episode, where its start is recorded, and remissions: coded ones, and those low scores show.

        Of low scores one after the other, the day on which they first span the time required.
        """
        record, fact = context.sorted_record, context.facts[self.name]
        _, ended = _illness(self, record)
        by_score = [run[0] for run in _remissions_by_score(self, context.scores.get(self.remission_score, ()))]
        days = [
            DrawnEvent(day.earliest, min(day.latest, record.today), words, day.exact, source, remission=True)
            for day, words, source in (*_coded_remissions(self, ended, record), *by_score)
        ]
        if fact.day is not None and fact.why_unknown is not WhyUnknown.NOT_FOUND:
            source = fact.found[0].reference if fact.found else ""
            days.append(DrawnEvent(fact.day.earliest, context.today, fact.because, fact.day.exact, source))
        return sorted(days, key=lambda event: event.first)

    def answer(self, context: EvaluationContext) -> Fact:
        """As `find_episode`."""
        scores = context.scores.get(self.remission_score, ())
        taken = None
        if self.taken is not None:
            taken = drug_history(self.taken, context.sorted_record, context.kept(IssueFinder, IssueFinder))
        fact = find_episode(self, context.sorted_record, scores, taken)
        if self.remission_score not in context.scores_if_read:
            return fact
        return _either(
            fact, find_episode(self, context.sorted_record, context.scores_if_read[self.remission_score], taken)
        )


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
        because = say("current episode since {begin} by its recorded onset", begin=begin.text)
        found = [FactSource(source, say("onset"), begin.text)]
        why = None if begin.exact else WhyUnknown.IMPRECISE
        if len({span for span, _ in onsets}) > 1:
            because += say("; several onsets are recorded, the earliest counts")
    else:
        day = today - timedelta(days=wanted.otherwise_days)
        begin = Span(day, day)
        because = say("the start of the episode is not recorded; trials since {day} count", day=day)
        found = []
        why = WhyUnknown.NOT_FOUND
    for last_day, words, reference in (*_coded_remissions(wanted, ended, sorted_record), *_by_score(wanted, scores)):
        after = Span(last_day.earliest + timedelta(days=1), last_day.latest + timedelta(days=1))
        if after.earliest > begin.latest and after.earliest <= today:
            begin = after
            because = say("current episode since {begin}, after {words}", begin=begin.text, words=words)
            found = [FactSource(reference, words, last_day.text)]
            why = None
    perhaps = _perhaps_begun(wanted, sorted_record, begin)
    if perhaps != begin:
        begin = perhaps
        why = why if why is WhyUnknown.NOT_FOUND else WhyUnknown.IMPRECISE
        because += say("; or {begin}, by an entry not read for certain", begin=begin.text)
    if taken is not None and (after_pause := _after_pause(wanted, taken, sorted_record)) is not None:
        resumed = Span(
            max(begin.earliest, date.fromordinal(max(after_pause.earliest, 1))),
            max(begin.latest, date.fromordinal(after_pause.latest)),
        )
        if resumed != begin:
            begin = resumed
            because = _because_of_pause(after_pause, begin, because)
            found = [FactSource(after_pause.source, say("after a pause"), begin.text)] if after_pause.source else found
            why = None if begin.exact else WhyUnknown.IMPRECISE
    return Fact(
        name=wanted.name,
        label=wanted.label,
        text=begin.text,
        because=because,
        why_unknown=why,
        missing=(say("start of the current episode"),) if why is not None else (),
        day=begin,
        found=tuple(found),
    )


def _either(fact: Fact, if_read: Fact) -> Fact:
    """The episode without and with scores that were not read: where they differ, it began between the two days."""
    if fact.day is None or if_read.day is None or fact.day == if_read.day:
        return fact
    day = Span(min(fact.day.earliest, if_read.day.earliest), max(fact.day.latest, if_read.day.latest))
    return msgspec.structs.replace(
        fact,
        text=day.text,
        because=say(
            "{one}; or {other}, by a score that was not read for certain", one=fact.because, other=if_read.because
        ),
        why_unknown=WhyUnknown.NOT_FOUND
        if WhyUnknown.NOT_FOUND in {fact.why_unknown, if_read.why_unknown}
        else WhyUnknown.IMPRECISE,
        missing=(say("start of the current episode"),),
        day=day,
        found=tuple(dict.fromkeys((*fact.found, *if_read.found))),
    )


def episode_length(wanted: CompiledEpisodeLength, episode: Fact, today: date) -> Fact:
    """Days since the current episode began; unknown when its start is not recorded, a range when it is imprecise."""
    if episode.day is None or episode.why_unknown is WhyUnknown.NOT_FOUND:
        return Fact(
            wanted.name, wanted.label, unit="days", because=say("the start of the episode is not recorded"),
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


def _perhaps_begun(wanted: CompiledEpisode, sorted_record: SortedRecord, begin: Span) -> Span:
    """When it began, with entries that may be of the illness (earlier) or a remission (later), but not for certain."""
    today, earliest, latest = sorted_record.today, begin.earliest, begin.latest
    for entry in _doubtful(wanted.of, sorted_record):
        active = (entry.status or "active") in wanted.statuses and not _of_an_old_visit(entry, wanted, today)
        if active and entry.onset is not None:
            earliest = min(earliest, entry.onset.earliest)
    anything = {id(entry) for entry, may_be, _ in sorted_record.unplaced(Diagnosis).unread if may_be is None}
    anything.update(map(id, sorted_record.unplaced(Diagnosis).nameless))
    for entry in _doubtful(wanted.remission_coded, sorted_record):
        if id(entry) in anything:
            continue  # it leaves open by itself whatever the rules exclude
        day = entry.abated or entry.onset or entry.recorded
        if day is not None and day.latest < today:
            latest = max(latest, day.latest + timedelta(days=1))
    return begin if (earliest, latest) == (begin.earliest, begin.latest) else Span(earliest, latest)


def _doubtful(sets: tuple[str, ...], sorted_record: SortedRecord) -> Iterator[Diagnosis]:
    """Entries that may be of some value sets: in words alone, or not read."""
    named = (hit.entry for name in sets for hit in sorted_record.diagnoses.get(name, ()) if hit.by_name)
    unread = (entry for entry, _ in could_be_anything(sets, sorted_record, Diagnosis, sorted_record.diagnoses))
    for entry in chain(named, unread):
        if isinstance(entry, Diagnosis) and entry.verification is not Verification.WRONG:
            yield entry


def _of_an_old_visit(entry: Diagnosis, wanted: CompiledEpisode, today: date) -> bool:
    """Whether it is what a visit was for, without a status, longer ago than trials count for an unrecorded start."""
    day = entry.recorded or entry.onset
    if entry.status or entry.problem_list is not False or day is None:
        return False
    return (today - day.latest).days > wanted.otherwise_days


def _coded_remissions(
    wanted: CompiledEpisode, ended: list[Diagnosis], sorted_record: SortedRecord
) -> list[tuple[Span, str, str]]:
    found = [(entry.abated, say("an earlier episode ended"), entry.source) for entry in ended if entry.abated]
    for name in wanted.remission_coded:
        for hit in sorted_record.diagnoses.get(name, ()):
            entry = hit.entry
            if not isinstance(entry, Diagnosis) or entry.verification is not Verification.CONFIRMED or hit.by_name:
                continue
            day = entry.abated or entry.onset or entry.recorded
            if day is not None:
                found.append((day, say("a remission was coded"), entry.source))
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
        return say(
            "{otherwise}; whether a pause began another episode, up to {latest}, cannot be told",
            otherwise=otherwise,
            latest=begin.latest,
        )
    pause = counted(
        "{number} day without a drug for it and without an entry of it",
        "{number} days without a drug for it and without an entry of it",
        after_pause.pause,
    )
    if after_pause.over:
        return say("the last episode ended: {pause}, up to today", pause=pause)
    return say("current episode since {begin}, after {pause}", begin=begin.text, pause=pause)


def _by_score(wanted: CompiledEpisode, scores: Sequence[ConvertedMeasurement]) -> list[tuple[Span, str, str]]:
    return [remission for run in _remissions_by_score(wanted, scores) for remission in run]


def _remissions_by_score(
    wanted: CompiledEpisode, scores: Sequence[ConvertedMeasurement]
) -> list[list[tuple[Span, str, str]]]:
    """Runs of low scores, uninterrupted by a higher one, that span the time required: each score from then on."""
    found: list[list[tuple[Span, str, str]]] = []
    run: list[tuple[Span, str, str]] = []
    first: ConvertedMeasurement | None = None
    for reading in scores:
        if reading.low is None or reading.high is None or reading.when is None:
            continue
        if reading.high >= wanted.remission_below:
            first = None
            continue
        if first is None:
            first, run = reading, []
        if first.when and (reading.when.earliest - first.when.latest).days >= wanted.remission_apart_days:
            if not run:
                found.append(run)
            run.append((reading.when, say("remission by two low scores"), reading.source))
    return found
