"""Counts → shares with intervals, agreement and weighted shares, by statsmodels and SciPy (extra `population`)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

CONFIDENCE = 0.95
DRAWS, SEED = 40_000, 1  # of the weighted shares: the third digit of a bound no longer moves
NEEDED = ("scipy", "statsmodels")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value between 0 and 1 (kappa: -1 and 1) with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ReviewedStratum:
    """
    Patients of one answer, some of whose charts were reviewed.

    Attributes:
        patients: All with this answer.
        cases, others: Of those reviewed, who meets the definition by the review, and who does not.
    """

    patients: int
    cases: int
    others: int


def statistics_installed() -> bool:
    """Whether the extra `population` is there."""
    return all(find_spec(name) is not None for name in NEEDED)


def share(hits: int, of: int) -> Estimate | None:
    """hits / of with the interval of Wilson; None of nobody."""
    from statsmodels.stats.proportion import proportion_confint  # noqa: PLC0415 (an extra, and slow to import)

    if not of:
        return None
    low, high = proportion_confint(hits, of, alpha=1 - CONFIDENCE, method="wilson")
    return Estimate(hits / of, max(0.0, float(low)), min(1.0, float(high)))


def kappa(both: int, first: int, second: int, neither: int) -> Estimate | None:
    """Cohen's kappa of two yes-or-no answers; None where chance alone would agree always, and of nobody."""
    if not both + first + second + neither:
        return None
    from statsmodels.stats.inter_rater import cohens_kappa  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of 0 / 0, which is told as None
        found = cohens_kappa([[both, first], [second, neither]])
    values = (float(found.kappa), float(found.kappa_low), float(found.kappa_upp))
    if any(math.isnan(value) for value in values):
        return None
    return Estimate(values[0], max(-1.0, values[1]), min(1.0, values[2]))


def weighted_share(
    strata: Sequence[ReviewedStratum], measure: Callable[[Sequence[Any]], tuple[Any, Any]]
) -> Estimate | None:
    """
    A ratio of numbers of patients, estimated from reviewed charts of each stratum.

    `measure` takes the share of cases of each stratum (numbers, or arrays of draws) and gives numerator and
    denominator. The estimate takes the shares as observed; the interval is that of 40,000 draws of them from Beta
    distributions with the prior of Jeffreys, so that none found among few reviewed is not taken for none among all.
    None where nobody is in the denominator.
    """
    from numpy import quantile  # noqa: PLC0415
    from numpy.random import default_rng  # noqa: PLC0415
    from scipy.stats import beta  # noqa: PLC0415

    observed = [one.cases / (one.cases + one.others) if one.cases + one.others else 0.0 for one in strata]
    hits, of = measure(observed)
    if not of:
        return None
    generator = default_rng(SEED)
    drawn = [beta.rvs(one.cases + 0.5, one.others + 0.5, size=DRAWS, random_state=generator) for one in strata]
    drawn_hits, drawn_of = measure(drawn)
    low, high = quantile(drawn_hits / drawn_of, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(float(hits / of), float(low), float(high))
