"""Medications nobody can tell the drug of → those that could be a trial of their own, or a part of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from cds.facts.fact import Trial
from cds.facts.trials.definition import TrialDefinition
from cds.logic.truth import Truth
from cds.record.model import Exposure, Span

Periods = Mapping[tuple[object, ...], Sequence[tuple[int, int, str]]]
"""What a drug was called → its first day, last day and source, each time; sorted."""


class UnrecognizedMedication(msgspec.Struct, frozen=True):
    """A medication nobody can tell the drug of: it may be one of the table."""

    drug: tuple[object, ...]
    days: int
    source: str


def periods_by_drug(unrecognised: Iterable[Exposure], today: int, begins: Span) -> Periods:
    """When what nobody can tell may have been taken in the episode; sorted."""
    taken: dict[tuple[object, ...], list[tuple[int, int, str]]] = {}
    for exposure in unrecognised:
        first = max(exposure.start.earliest.toordinal() if exposure.start else 1, begins.earliest.toordinal())
        last = min(exposure.end.latest.toordinal() if exposure.end else today, today)
        drug = (*exposure.drug.codings, exposure.drug.text) if exposure.drug.words else (exposure.source,)
        if first <= last:
            taken.setdefault(drug, []).append((first, last, exposure.source))
    return {drug: sorted(taken[drug]) for drug in sorted(taken, key=str)}


def open_questions(
    wanted: TrialDefinition, unrecognised: Periods, trials: Iterable[Trial], today: int
) -> tuple[UnrecognizedMedication, ...]:
    """
    Unrecognised medications that could be an adequate trial in the episode, one per drug.

    That is by the days of one, of several of one name in a row, or together with a trial that is not adequate: it may
    be a part of it.
    """
    short = [
        (trial.start.earliest.toordinal(), trial.end.latest.toordinal() if trial.end else today)
        for trial in trials
        if trial.adequate is Truth.FALSE and trial.start is not None
    ]
    found = []
    for drug, periods in unrecognised.items():
        days, source = max((_longest_with(period, periods, short, wanted), period[2]) for period in periods)
        if days >= wanted.adequate_days:
            found.append(UnrecognizedMedication(drug, days, source))
    return tuple(found)


def _longest_with(
    period: tuple[int, int, str],
    same: Sequence[tuple[int, int, str]],
    short: Sequence[tuple[int, int]],
    wanted: TrialDefinition,
) -> int:
    """Days from the first to the last of what may be one trial with a period."""
    first, last, _ = period
    for begin, end, _ in same:
        if begin <= last + wanted.joins_gaps_days + 1 and end >= first:
            last = max(last, end)
    together = [
        max(last, end) - min(first, begin) + 1
        for begin, end in short
        if begin <= last + wanted.joins_gaps_days + 1 and first <= end + wanted.joins_gaps_days + 1
    ]
    return max([last - first + 1, *together])
