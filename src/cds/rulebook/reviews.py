"""Compiled rules + a day → the reviews that are overdue; told by cards, pages, the log and /health."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from cds.rulebook.compiled_ruleset import CompiledRuleset, RuleRef
from cds.rulebook.overlay import SiteOverride


@dataclass(frozen=True, slots=True)
class OverdueReviews:
    """
    What should have been reviewed before a day.

    Attributes:
        rules: Rule files in use, longest overdue first.
        overrides: Changes of a site.
    """

    rules: tuple[RuleRef, ...]
    overrides: tuple[SiteOverride, ...]

    @property
    def words(self) -> str:
        """Each one with the day it was due, for a log or a health check; "" where nothing is overdue."""
        files = [f"{rule.id} (due {rule.review_due})" for rule in self.rules]
        return ", ".join([*files, *(f"{one.what} (due {one.review})" for one in self.overrides)])


def overdue_reviews(program: CompiledRuleset, today: date) -> OverdueReviews:
    """The reviews that were due before a day; a retired file needs none."""
    rules = [
        (rule.review_due, rule.id, rule)
        for rule in program.rules.values()
        if rule.review_due is not None and rule.review_due < today and rule.status != "retired"
    ]
    return OverdueReviews(
        tuple(rule for _, _, rule in sorted(rules)),
        tuple(one for one in program.overrides if one.review is not None and one.review < today),
    )
