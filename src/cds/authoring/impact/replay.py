"""Two folders of rules → what the change means for examples, a cohort, and every patient of the test cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from cds.authoring.impact.compare import Impact, ReplayedPatient, RulesetVersion, impact_of
from cds.authoring.testing.cases import Case, read_rule_tests
from cds.authoring.testing.rulesets import with_drafts
from cds.parallel import collecting_seldom, in_shares, run_in_processes
from cds.record import units
from cds.rulebook.diff import RuleChange
from cds.settings import Settings

AT_ONCE = 50  # patients of cases given to a process at a time


@dataclass(frozen=True)
class ComparedRules:
    """Two versions of the rules, and what changed between them."""

    old: RulesetVersion
    new: RulesetVersion
    changes: tuple[RuleChange, ...]


def cases_of(rules: ComparedRules) -> list[Case]:
    """The cases of the new rules, or of the old where the new have none: each a patient, whatever it claims."""
    for side in (rules.new, rules.old):
        if cases := read_rule_tests(side.book.root, with_drafts(side.book)).cases:
            return cases
    return []


@collecting_seldom()
def impact_on_cases(rules: ComparedRules, cases: Sequence[Case], today: date, settings: Settings) -> Impact:
    """What the change means for the patients of cases, each as of its own day; in as many processes as processors."""
    impact = Impact()
    if not rules.changes:
        return Impact(decided=len(cases))  # what means the same decides the same
    units.warm()  # once, for all processes
    for found in run_in_processes(
        lambda share: _impact(rules, [cases[index] for index in share], today, settings), in_shares(len(cases), AT_ONCE)
    ):
        impact.add(found)
    return impact


def _impact(rules: ComparedRules, patients: Iterable[ReplayedPatient], today: date, settings: Settings) -> Impact:
    return impact_of(rules.old, rules.new, rules.changes, patients, today, settings)
