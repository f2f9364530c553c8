"""Points: a total is a range when something is missing, and says what; it is never a guess."""

from __future__ import annotations

from datetime import date
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds.facts.episode import CompiledEpisodeLength, episode_length
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.rating_scale import ByBand, CompiledPoints, ForEach, Highest, Item, Whether, points
from cds.logic.truth import Truth
from cds.record.model import Span
from tests.facts.builders import TODAY, day

LENGTH = ByBand("length", ((0, 1), (366, 2), (731, 3)))
FAILED = ByBand("failed", ((1, 1), (3, 2), (5, 3)))
CATEGORIES = ((3.0, "mild"), (5.0, "moderate"))


def number(name: str, low: float | None, high: float | None = None) -> Fact:
    high = low if high is None else high
    why = WhyUnknown.NOT_SENT if low is None else None
    return Fact(name, name, low=low, high=high, text=f"{low}", because="not sent", why_unknown=why)


def statement(name: str, truth: Truth) -> Fact:
    return Fact(name, name, truth=truth, because="not sent" if truth is Truth.UNKNOWN else "recorded")


def total(items: tuple[Item, ...], *facts: Fact, categories: tuple[tuple[float, str], ...] = ()) -> Fact:
    return points(CompiledPoints("total", "Total", None, items, categories), {fact.name: fact for fact in facts})


def bounds(fact: Fact) -> tuple[float | None, float | None]:
    return fact.low, fact.high


@pytest.mark.parametrize(("days", "scored"), [(0, 1), (365, 1), (366, 2), (730, 2), (731, 3), (9999, 3)])
def test_a_number_scores_by_the_last_band_that_begins_at_or_below_it(days: int, scored: int) -> None:
    assert bounds(total((LENGTH,), number("length", days))) == (scored, scored)


def test_an_unknown_number_scores_from_the_fewest_to_the_most_and_is_asked_for() -> None:
    fact = total((LENGTH, FAILED), number("length", None), number("failed", 3))

    assert bounds(fact) == (3, 5)
    assert fact.missing == ("length",)
    assert fact.why_unknown is not None


def test_a_range_scores_every_band_it_reaches() -> None:
    assert bounds(total((LENGTH,), number("length", 300, 400))) == (1, 2)
    assert bounds(total((FAILED,), number("failed", 3, inf))) == (2, 3)


def test_below_the_first_band_nothing_can_be_scored() -> None:
    fact = total((FAILED,), number("failed", 0))

    assert bounds(fact) == (None, None)
    assert fact.because == "cannot be scored: failed is 0"


@pytest.mark.parametrize(("truth", "scored"), [(Truth.TRUE, (2, 2)), (Truth.FALSE, (0, 0)), (Truth.UNKNOWN, (0, 2))])
def test_a_statement_scores_if_true_and_perhaps_if_unknown(truth: Truth, scored: tuple[int, int]) -> None:
    fact = total((Whether("used", 2),), statement("used", truth))

    assert bounds(fact) == scored
    assert bool(fact.missing) == (truth is Truth.UNKNOWN)


def test_each_counts_what_was_counted_and_perhaps_none_to_all() -> None:
    items = (ForEach("failed", 1, perhaps=False), ForEach("failed", 0.5, perhaps=True))

    assert bounds(total(items, number("failed", 2, 3))) == (2, 4.5)
    assert bounds(total(items, number("failed", None))) == (0, inf)


@pytest.mark.parametrize(
    ("length", "truth", "scored"),
    [
        (400, Truth.FALSE, (2, 2)),
        (400, Truth.TRUE, (5, 5)),
        (400, Truth.UNKNOWN, (2, 5)),
        (None, Truth.TRUE, (5, 5)),
        (None, Truth.FALSE, (1, 3)),
    ],
)
def test_the_highest_of_several_is_settled_by_the_one_above_all_others(
    length: int | None, truth: Truth, scored: tuple[int, int]
) -> None:
    fact = total((Highest((LENGTH, Whether("worst", 5))),), number("length", length), statement("worst", truth))

    assert bounds(fact) == scored
    assert bool(fact.missing) == (scored[0] != scored[1])


def test_the_total_says_its_category_at_both_ends() -> None:
    assert total((LENGTH, FAILED), number("length", 800), number("failed", 1), categories=CATEGORIES).text == "4 (mild)"
    spread = total((LENGTH, FAILED), number("length", None), number("failed", 5), categories=CATEGORIES)
    assert spread.text == "4 to 6 (mild to moderate)"


def test_the_entries_it_rests_on_are_kept() -> None:
    recorded = Fact("used", "used", truth=Truth.TRUE, found=(FactSource("Procedure/1"),))

    assert total((Whether("used", 1),), recorded).found == (FactSource("Procedure/1"),)


@given(st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 2000))
def test_knowing_more_never_leaves_the_range(low: int, high: int, inside: int) -> None:
    low, high = min(low, high), max(low, high)
    known = max(low, min(high, inside))

    wide, exact = total((LENGTH,), number("length", low, high)), total((LENGTH,), number("length", known))

    assert wide.low is not None
    assert wide.high is not None
    assert exact.low is not None
    assert exact.high is not None
    assert wide.low <= exact.low == exact.high <= wide.high


def test_the_length_of_an_episode_is_counted_from_its_first_day() -> None:
    episode = Fact("episode", "Episode", day=day("2025-06-01"), because="recorded onset")

    assert bounds(episode_length(CompiledEpisodeLength("length", "Length", None, "episode"), episode, TODAY)) == (
        365,
        365,
    )


def test_an_imprecise_start_gives_a_range_and_none_recorded_gives_unknown() -> None:
    wanted = CompiledEpisodeLength("length", "Length", None, "episode")
    month = Fact("episode", "Episode", day=Span(date(2026, 5, 1), date(2026, 5, 31)), why_unknown=WhyUnknown.IMPRECISE)
    fallback = Fact("episode", "Episode", day=day("2021-06-01"), why_unknown=WhyUnknown.NOT_FOUND, missing=("start",))

    assert bounds(episode_length(wanted, month, date(2026, 6, 1))) == (1, 31)
    assert bounds(episode_length(wanted, fallback, TODAY)) == (None, None)
    assert episode_length(wanted, fallback, TODAY).missing == ("start",)
