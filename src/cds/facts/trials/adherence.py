"""Fills → the proportion of days covered (PDC) of a trial, from dispenses alone."""

from __future__ import annotations

from collections.abc import Iterable

from cds.facts.trials.exposure_periods import ExposurePeriod
from cds.record.model import ExposureKind


def days_covered(found: Iterable[ExposurePeriod], first: int, last: int) -> int | None:
    """
    On how many days, from the first to the last, fills cover the drug; None when no fill tells.

    Without any dispense adherence is unknown, and so it is when a dispense does not say for how many days it lasts.
    Fills that overlap have already been laid one after another. Days are ordinals, both ends included.
    """
    fills = [stretch for stretch in found if stretch.kind is ExposureKind.DISPENSE]
    if not fills or any(stretch.exposure.supply_days is None or stretch.sure[0] > stretch.sure[1] for stretch in fills):
        return None
    covered = 0
    after = first
    for fill_first, fill_last in sorted(stretch.sure for stretch in fills):
        begin, end = max(fill_first, after), min(fill_last, last)
        if begin <= end:
            covered += end - begin + 1
            after = end + 1
    return covered
