from __future__ import annotations

from dataclasses import dataclass

import pytest

from cds.facts.history.eras import DrugIssue
from cds.facts.history.switches import BriefRule, SwitchRule, switches

RULE = SwitchRule(new_episode_after=26 * 7, lasting_at_least=6 * 7, within=14 * 7)
CLASSES = {"sertraline": "SSRI", "citalopram": "SSRI", "venlafaxine": "SNRI", "mirtazapine": "NaSSA"}


@dataclass(frozen=True)
class On:
    drug: str
    days: tuple[int, ...]


def issues(*courses: On) -> list[DrugIssue]:
    return [
        DrugIssue(c.drug, CLASSES[c.drug], (1000 + day,) * 2, (1000 + day,) * 2, None, True, True, "x")
        for c in courses
        for day in c.days
    ]


@pytest.mark.parametrize(("last", "count"), [(41, 0), (42, 1), (43, 1)])
def test_an_episode_of_six_weeks_from_first_to_last_issue_is_long_enough(last: int, count: int) -> None:
    found = switches(issues(On("sertraline", (0, last)), On("venlafaxine", (60,))), RULE)

    assert len(found) == count


@pytest.mark.parametrize(("gap", "count"), [(0, 0), (1, 1), (98, 1), (99, 0)])
def test_the_next_drug_comes_within_fourteen_weeks_and_not_on_the_same_day(gap: int, count: int) -> None:
    found = switches(issues(On("sertraline", (0, 42)), On("venlafaxine", (42 + gap,))), RULE)

    assert len(found) == count


@pytest.mark.parametrize(("until", "count"), [(41, 0), (42, 1), (98, 1), (99, 0)])
def test_a_single_issue_lasts_until_the_next_issue_of_any_drug(until: int, count: int) -> None:
    found = switches(issues(On("sertraline", (0,)), On("venlafaxine", (until,))), RULE)

    assert len(found) == count


@pytest.mark.parametrize(("pause", "count"), [(182, 1), (183, 0)])
def test_more_than_26_weeks_between_two_issues_begin_another_episode(pause: int, count: int) -> None:
    # With one episode it lasts since day 0; with two, the second lasts 10 days.
    found = switches(issues(On("sertraline", (0, pause, pause + 10)), On("venlafaxine", (pause + 20,))), RULE)

    assert len(found) == count


def test_an_issue_between_those_of_another_drug_ends_no_episode_of_it() -> None:
    found = switches(issues(On("sertraline", (0, 50, 100)), On("venlafaxine", (60,)), On("mirtazapine", (120,))), RULE)

    assert [(s.left, s.taken_up, s.day) for s in found] == [("sertraline", "mirtazapine", 1120)]


def test_drugs_of_one_day_stand_in_alphabetical_order() -> None:
    found = switches(
        issues(On("sertraline", (0, 50, 84)), On("venlafaxine", (30, 84)), On("mirtazapine", (100,))), RULE
    )

    assert [s.left for s in found] == ["venlafaxine"]


def test_a_switch_can_be_asked_to_change_the_class_or_to_leave_one() -> None:
    taken = issues(On("sertraline", (0, 50)), On("citalopram", (60, 120)), On("venlafaxine", (130, 200)))

    between = SwitchRule(182, 42, 98, another_class=True)
    from_snri = SwitchRule(182, 42, 98, from_classes=frozenset({"SNRI"}))

    assert [s.taken_up for s in switches(taken, RULE)] == ["citalopram", "venlafaxine"]
    assert [s.taken_up for s in switches(taken, between)] == ["venlafaxine"]
    assert switches(taken, from_snri) == []


def test_what_is_not_certain_to_the_day_is_no_row() -> None:
    doubtful = DrugIssue("venlafaxine", "SNRI", (1060, 1090), (1090, 1090), None, True, True, "x")

    assert switches([*issues(On("sertraline", (0, 50))), doubtful], RULE) == []


BRIEF = BriefRule(5, 95, issues_before=2, issues_after=2, issues_in_all=3, from_classes=frozenset({"SSRI"}))


@pytest.mark.parametrize(("day", "count"), [(4, 0), (5, 1), (95, 1), (96, 0)])
def test_a_brief_switch_is_counted_from_the_first_issue_of_the_run(day: int, count: int) -> None:
    assert len(switches(issues(On("sertraline", (0,)), On("venlafaxine", (day,))), BRIEF)) == count


@pytest.mark.parametrize(
    ("days", "count"),
    [((0, 28), 1), ((0, 28, 42), 0), ((0, 28, 70), 1), ((0, 70, 80), 1), ((0, 70, 80, 90), 0), ((0, 28, 70, 80), 0)],
)
def test_a_drug_that_was_issued_more_often_was_not_tried_briefly(days: tuple[int, ...], count: int) -> None:
    assert len(switches(issues(On("sertraline", days), On("venlafaxine", (50, 60))), BRIEF)) == count


def test_a_brief_switch_starts_from_the_classes_asked_for() -> None:
    assert switches(issues(On("venlafaxine", (0,)), On("sertraline", (50,))), BRIEF) == []
