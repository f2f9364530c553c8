"""Onset, remission and time → when the current episode began."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from cds.facts.context import SortedRecord
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.measurement import ConvertedMeasurement, range_text
from cds.record.model import Diagnosis, Span, Verification
from cds.rulebook.wanted import WantedEpisode, WantedEpisodeLength


def find_episode(wanted: WantedEpisode, sorted_record: SortedRecord, scores: Sequence[ConvertedMeasurement]) -> Fact:
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
        because = f"current episode since {begin.text} (recorded onset)"
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
            because = f"current episode since {begin.text} ({words})"
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


def episode_length(wanted: WantedEpisodeLength, episode: Fact, today: date) -> Fact:
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


def _illness(wanted: WantedEpisode, sorted_record: SortedRecord) -> tuple[list[Diagnosis], list[Diagnosis]]:
    """Entries of the illness: current ones, and others that stand."""
    current: list[Diagnosis] = []
    others: list[Diagnosis] = []
    for name in wanted.of:
        for hit in sorted_record.diagnoses.get(name, ()):
            entry = hit.entry
            if isinstance(entry, Diagnosis) and entry.verification is not Verification.WRONG and not hit.by_name:
                (current if (entry.status or "active") in wanted.statuses else others).append(entry)
    return current, others


def _coded_remissions(
    wanted: WantedEpisode, ended: list[Diagnosis], sorted_record: SortedRecord
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


def _by_score(wanted: WantedEpisode, scores: Sequence[ConvertedMeasurement]) -> list[tuple[Span, str, str]]:
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
