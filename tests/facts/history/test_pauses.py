"""The last pause of treatment: certain days, possible ones, and what was not sent."""

from __future__ import annotations

from itertools import combinations

from cds.facts.history.pauses import BusyDays, resumption

TODAY = 1000


def days(*spans: tuple[int, int]) -> list[BusyDays]:
    return [BusyDays(first, last, f"of {first}") for first, last in spans]


def began(
    sure: list[BusyDays], possible: list[BusyDays] | None = None, *, whole: bool = True
) -> tuple[int, int] | None:
    found = resumption(sure, sure if possible is None else possible, 180, TODAY, whole=whole)
    return None if found is None else (found.earliest, found.latest)


def test_a_pause_of_so_many_whole_days_ends_an_episode_and_one_day_less_does_not() -> None:
    assert began(days((600, 619), (800, 1000))) == (800, 800)
    assert began(days((600, 620), (800, 1000))) is None


def test_what_lasts_longer_than_what_begins_after_it_leaves_no_pause() -> None:
    assert began(days((600, 900), (610, 620))) is None


def test_a_pause_that_goes_on_leaves_open_when_another_episode_begins() -> None:
    found = resumption(days((600, 820)), days((600, 820)), 180, TODAY, whole=True)

    assert found is not None
    assert (found.earliest, found.latest, found.over, found.pause) == (821, TODAY, True, 180)
    assert began(days((600, 821))) is None


def test_the_last_of_several_pauses_counts_and_says_what_ended_it() -> None:
    found = resumption(
        days((1, 1), (300, 500), (900, 1000)), days((1, 1), (300, 500), (900, 1000)), 180, TODAY, whole=True
    )

    assert found is not None
    assert (found.earliest, found.source, found.pause) == (900, "of 900", 399)


def test_nothing_recorded_is_no_pause_and_what_was_not_sent_may_hide_one() -> None:
    assert began([]) is None
    assert began([], whole=False) == (0, TODAY)
    assert began(days((990, 1000)), whole=False) == (0, 990)
    assert began(days((1, 1), (900, 1000)), whole=False) == (0, 900)


def test_the_answer_holds_whichever_possible_days_are_true() -> None:
    sure = days((400, 450), (700, 720))
    doubtful = days((100, 110), (580, 600), (880, 900), (950, 1000))
    told = resumption(sure, [*sure, *doubtful], 180, TODAY, whole=True)

    for count in range(len(doubtful) + 1):
        for some in combinations(doubtful, count):
            true = [*sure, *some]
            certain = resumption(true, true, 180, TODAY, whole=True)
            if certain is not None:
                assert told is not None
                assert told.earliest <= certain.earliest
                assert certain.latest <= told.latest
            else:
                assert told is None or told.earliest == 0
