"""Days on a drug → treatment episodes: joined over short gaps, cut to the depressive episode."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Set
from datetime import date

import msgspec

from cds.facts.trials.definition import TrialDefinition
from cds.facts.trials.exposure_periods import NEVER, Days, ExposurePeriod, day_by_day
from cds.record.model import Exposure, Span
from cds.terminology.drugs import DrugTable

TOLERANCE = 1e-9  # of floating arithmetic: three times 16.666… mg reaches 50 mg


class TreatmentEpisode(msgspec.Struct, frozen=True):
    """One ingredient over one stretch of time; `runs` are those in the episode, `parts` the sure ones, joined."""

    key: str
    runs: tuple[Days, ...]
    stretches: tuple[ExposurePeriod, ...]
    sure_days: int
    possible_days: int
    sure_at_dose: int
    possible_at_dose: int
    parts: tuple[tuple[Days, ...], ...]
    minimum: float | None
    by_name_only: bool


def treatment_episodes(
    table: DrugTable, key: str, found: list[ExposurePeriod], wanted: TrialDefinition, begins: Span, by_name: Set[int]
) -> list[TreatmentEpisode]:
    """The treatment episodes of one drug: its exposure periods joined over gaps the definition allows, in order."""
    minimum = table.drugs[key].minimum_mg_a_day.get(wanted.dose_column)
    groups = joined(day_by_day(found), wanted.joins_gaps_days)
    firsts = [runs[0].first for runs in groups]
    own_of: list[list[ExposurePeriod]] = [[] for _ in groups]
    for stretch in found:  # the days of a stretch are an unbroken part of one group
        own_of[bisect_right(firsts, stretch.possible[0]) - 1].append(stretch)
    spells = []
    for runs, own in zip(groups, own_of, strict=True):
        inside = _clip(runs, begins)
        certain = [run for run in inside if run.sure and run.first >= begins.latest.toordinal()]
        parts = joined(certain, wanted.joins_gaps_days)
        at_dose = max((sum(run.count for run in part if reaches(run.low, minimum)) for part in parts), default=0)
        spells.append(
            TreatmentEpisode(
                key=key,
                runs=tuple(inside),
                stretches=tuple(own),
                sure_days=max((sum(run.count for run in part) for part in parts), default=0),
                possible_days=sum(run.count for run in inside),
                sure_at_dose=at_dose,
                possible_at_dose=sum(run.count for run in inside if _may_reach(run.high, minimum)),
                parts=tuple(map(tuple, parts)),
                minimum=minimum,
                by_name_only=all(id(stretch.exposure) in by_name for stretch in own),
            )
        )
    return spells


def joined(runs: Iterable[Days], gap_days: int) -> list[list[Days]]:
    """Runs in groups between which more than `gap_days` days lie."""
    groups: list[list[Days]] = []
    for run in runs:
        if groups and run.first - groups[-1][-1].last - 1 <= gap_days:
            groups[-1].append(run)
        else:
            groups.append([run])
    return groups


def _clip(runs: list[Days], begins: Span) -> list[Days]:
    """The part of the runs that lies, surely or possibly, in the episode; a run is cut where that changes."""
    cut: list[Days] = []
    possible_from, sure_from = begins.earliest.toordinal(), begins.latest.toordinal()
    for run in runs:
        if run.first >= sure_from:
            cut.append(run)
            continue
        for first, last in ((possible_from, sure_from - 1), (sure_from, run.last)):
            part = msgspec.structs.replace(run, first=max(run.first, first), last=min(run.last, last))
            if part.first <= part.last:
                cut.append(part)
    return cut


def reaches(low: float, minimum: float | None) -> bool:
    """Whether a daily dose, mg at least, surely reaches the minimum; False where there is no minimum."""
    return minimum is not None and low >= minimum * (1 - TOLERANCE)


def _may_reach(high: float | None, minimum: float | None) -> bool:
    return minimum is None or high is None or high >= minimum * (1 - TOLERANCE)


def day_reached(parts: Iterable[Iterable[Days]], minimum: float | None, days: int) -> int | None:
    """The day on which `days` days at dose were surely complete; None if they never were."""
    for part in parts:
        left = days
        for run in part:
            if reaches(run.low, minimum):
                if run.count >= left:
                    return run.first + left - 1
                left -= run.count
    return None


def bounds(spell: TreatmentEpisode, today: int) -> tuple[Span, Span, bool]:
    """First and last day as spans, and whether it is still taken today."""
    runs = spell.runs
    sure = [run for run in runs if run.sure]
    first_possible, last_possible = runs[0].first, runs[-1].last
    first_sure = sure[0].first if sure else last_possible
    last_sure = sure[-1].last if sure else first_possible
    ongoing = last_sure == today and any(s.exposure.open_ended or s.possible[1] >= today for s in spell.stretches)
    return (
        Span(date.fromordinal(first_possible), date.fromordinal(first_sure)),
        Span(date.fromordinal(min(last_sure, last_possible)), date.fromordinal(last_possible)),
        ongoing,
    )


def stop_reasons(spell: TreatmentEpisode, gap_days: int) -> tuple[Exposure, ...]:
    """The exposures that end the spell and say why; a reason given earlier in a spell that went on is not it."""
    last = max((s.sure[1] for s in spell.stretches if s.sure != NEVER), default=spell.runs[-1].last)
    said = [s for s in spell.stretches if s.exposure.stopped_for is not None]
    ending = max((s.possible[1] for s in said), default=None)
    if ending is None or last - ending > gap_days:
        return ()
    return tuple(s.exposure for s in said if s.possible[1] == ending)
