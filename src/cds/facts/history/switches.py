"""Issues of drugs → switches from one drug to another. Days are ordinals; gaps and lengths are whole days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from cds.facts.history.eras import DrugIssue

CHANGED_BY_ONE_ISSUE = 3
"""
How many switches one more issue can make or undo: the switch to it, the switch from it, and the one from the episode
it lengthens or joins. A bound of the algorithm, no clinical number.
"""


class SwitchRule(msgspec.Struct, frozen=True):
    """
    Which change of drug is a switch.

    Attributes:
        new_episode_after: More days than this between two issues of a drug begin another episode of it.
        lasting_at_least: Days from the first to the last issue of the episode that is left. An episode of one issue
            lasts until the next issue of any drug, if that comes `within` days, else 0 days.
        within: At most so many days from the last issue to the first of the other drug, and at least one.
        from_classes: Only switches from drugs of these classes; empty for all.
        another_class: Only switches to a drug of another class; drugs without a class have none in common.
    """

    new_episode_after: int
    lasting_at_least: int
    within: int
    from_classes: frozenset[str] = frozenset()
    another_class: bool = False


class BriefRule(msgspec.Struct, frozen=True):
    """
    Switches from a drug that was tried only briefly (Lo 2025, as its program has it).

    Attributes:
        earliest, latest: Days from the first issue of a run of one drug to the first issue of the next drug.
        issues_before, issues_after, issues_in_all: At most so many issues of the drug that is left: before the day of
            the switch, after it, and ever.
        from_classes: Only switches from drugs of these classes; empty for all.
    """

    earliest: int
    latest: int
    issues_before: int
    issues_after: int
    issues_in_all: int
    from_classes: frozenset[str] = frozenset()


class Switch(msgspec.Struct, frozen=True):
    """One switch: the drug that is left, the drug that is taken up, and the day of its first issue."""

    day: int
    left: str
    taken_up: str


class _Day(msgspec.Struct, frozen=True, order=True):
    day: int
    drug: str
    drug_class: str


def days_of_issue(issues: Iterable[DrugIssue]) -> list[_Day]:
    """Every day on which a drug was issued for certain, once; drugs of one day in alphabetical order."""
    return sorted({_Day(i.first[0], i.drug, i.drug_class) for i in issues if i.exact and i.issued})


def switches(issues: Iterable[DrugIssue], rule: SwitchRule | BriefRule) -> list[Switch]:
    """The switches among the issues that are certain, in order."""
    rows = days_of_issue(issues)
    return _after_episodes(rows, rule) if isinstance(rule, SwitchRule) else _after_brief_runs(rows, rule)


def _after_episodes(rows: Sequence[_Day], rule: SwitchRule) -> list[Switch]:
    by_drug: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        by_drug[row.drug].append(row.day)
    began: dict[tuple[str, int], int] = {}  # drug and last day of each episode → its first day
    for drug, days in by_drug.items():
        first = days[0]
        for day, later in pairwise(days):
            if later - day > rule.new_episode_after:
                began[drug, day] = first
                first = later
        began[drug, days[-1]] = first
    found = []
    for row, following in pairwise(rows):
        first_day = began.get((row.drug, row.day))
        if first_day is None or following.drug == row.drug:
            continue
        gap = following.day - row.day
        lasted = row.day - first_day
        if lasted == 0 and gap <= rule.within:
            lasted = gap
        if 0 < gap <= rule.within and lasted >= rule.lasting_at_least and _classes_fit(row, following, rule):
            found.append(Switch(following.day, row.drug, following.drug))
    return found


def _classes_fit(row: _Day, following: _Day, rule: SwitchRule) -> bool:
    if rule.from_classes and row.drug_class not in rule.from_classes:
        return False
    return not rule.another_class or row.drug_class != following.drug_class


def _after_brief_runs(rows: Sequence[_Day], rule: BriefRule) -> list[Switch]:
    runs = [
        row for before, row in pairwise([None, *rows]) if row is not None and (not before or before.drug != row.drug)
    ]
    first_switch: dict[str, Switch] = {}
    classes = {row.drug: row.drug_class for row in rows}
    for run, following in pairwise(runs):
        if rule.earliest <= following.day - run.day <= rule.latest and run.drug not in first_switch:
            first_switch[run.drug] = Switch(following.day, run.drug, following.drug)
    found = []
    for drug, switch in first_switch.items():
        days = [row.day for row in rows if row.drug == drug]
        before = sum(day < switch.day for day in days)
        after = sum(day > switch.day for day in days)
        if (
            before <= rule.issues_before
            and after <= rule.issues_after
            and len(days) <= rule.issues_in_all
            and (not rule.from_classes or classes[drug] in rule.from_classes)
        ):
            found.append(switch)
    return sorted(found, key=lambda switch: switch.day)
