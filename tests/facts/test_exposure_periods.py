"""Days on a dose: the sweep over them gives what looking at every resource on every day gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds.facts.trials.doses import DailyDose
from cds.facts.trials.exposure_periods import NEVER, Days, ExposurePeriod, Successors, day_by_day, exposure_periods
from cds.record.model import Exposure, ExposureKind
from cds.terminology.concepts import Concept
from cds.terminology.drugs import Drug, Recognised
from tests.facts.builders import TODAY, day, taken

ALFADEP = Recognised(Drug("alfadep", "SSRI", "antidepressant", "any", {}), None, by_name=False)


def stretch(
    kind: ExposureKind,
    first: int,
    length: int,
    late: int | None,
    early: int,
    dose: tuple[float | None, float | None],
    bounded: bool,
) -> ExposurePeriod:
    possible = (first, first + length)
    sure = NEVER if late is None else (first + late, first + length - early)
    exposure = Exposure("MedicationRequest/1", "1", kind, Concept())
    return ExposurePeriod(sure if sure[0] <= sure[1] else NEVER, possible, DailyDose(*dose), bounded, exposure)


MG = st.integers(0, 400).map(lambda quarters: quarters / 4)  # sums of quarters are exact in any order
STRETCHES = st.builds(
    stretch,
    st.sampled_from(ExposureKind),
    st.integers(700_000, 700_020),
    st.integers(0, 12),
    st.none() | st.integers(0, 3),
    st.integers(0, 3),
    st.just((None, None)) | MG.map(lambda low: (low, None)) | st.tuples(MG, MG).map(lambda doses: tuple(sorted(doses))),
    st.booleans(),
)


def looked_at_every_day(found: Sequence[ExposurePeriod]) -> list[Days]:
    """Every resource, looked at again for each run of days."""
    edges = sorted(
        {edge for s in found for first, last in (s.sure, s.possible) if first <= last for edge in (first, last + 1)}
    )
    runs = []
    for first, after in pairwise(edges):
        here = [s for s in found if s.possible[0] <= first <= s.possible[1]]
        if here:
            runs.append(one_run(first, after - 1, here))
    return runs


def one_run(first: int, last: int, here: list[ExposurePeriod]) -> Days:
    lows, highs = [0.0], []
    sure = unknown = False
    for kind in ExposureKind:
        of_kind = [s for s in here if s.kind is kind]
        surely = [s for s in of_kind if s.sure[0] <= first <= s.sure[1]]
        sure = sure or bool(surely)
        bounded = [s for s in surely if s.bounded]
        loose = [s for s in surely if not s.bounded]
        last_start = max((s.sure[0] for s in loose), default=0)
        running = bounded + [s for s in loose if s.sure[0] == last_start]
        if bounded and loose and max(s.sure[0] for s in bounded) > last_start:
            running = bounded
        lows.append(sum(s.dose.low for s in running if s.dose.low is not None))
        known = [s.dose.high for s in of_kind if s.dose.high is not None]
        if known:
            highs.append(sum(known))
        unknown = unknown or (0 < len(known) < len(of_kind))
    if not highs:
        return Days(first, last, sure, 0.0, None, recorded=False)
    return Days(first, last, sure, max(lows), None if unknown else max(highs), recorded=True)


@pytest.mark.seconds
@given(st.lists(STRETCHES, max_size=12))
def test_the_sweep_over_days_gives_what_looking_at_every_day_gives(found: list[ExposurePeriod]) -> None:
    assert day_by_day(found) == looked_at_every_day(found)


def test_doses_beyond_all_measure_leave_no_trace_once_they_end() -> None:
    endless = stretch(ExposureKind.REQUEST, 700_000, 1, 0, 0, (math.inf, math.inf), bounded=True)
    huge = msgspec.structs.replace(endless, dose=DailyDose(1e308, 1e308))
    plain = stretch(ExposureKind.REQUEST, 700_000, 5, 0, 0, (20.0, 20.0), bounded=True)

    during, after = day_by_day([endless, huge, huge, plain])

    assert (during.low, during.high) == (math.inf, math.inf)
    assert (after.low, after.high) == (20.0, 20.0)
    assert day_by_day([huge, huge])[0].high == math.inf


@pytest.mark.seconds
@pytest.mark.parametrize("bounded", [True, False])
def test_many_thousand_orders_that_overlap_are_no_obstacle(bounded: bool) -> None:
    found = [
        stretch(ExposureKind.REQUEST, 600_000 + index, 100_000, 0, index, (1.0, 1.0), bounded)
        for index in range(20_000)
    ]

    runs = day_by_day(found)

    assert max(run.high or 0 for run in runs) == 20_000
    assert max(run.low for run in runs) == (20_000 if bounded else 1)


@pytest.mark.seconds
def test_many_thousand_stopped_orders_without_an_end_are_no_obstacle() -> None:
    stopped = replace(taken("alfadep", "2025-02-01", None, 50), open_ended=False, status="stopped")
    first = day("2025-02-01").earliest.toordinal()

    found = exposure_periods(
        [(stopped, ALFADEP)] * 20_000,
        TODAY.toordinal(),
        0,
        Successors(tuple((day, day) for day in [*range(100, 100_000), first + 10]), 183),
    )

    assert {s.possible for s in found} == {(first, first + 9)}
