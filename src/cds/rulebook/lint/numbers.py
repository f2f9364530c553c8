"""Checks of numbers: every one a parameter, in the right unit, inside its own range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from cds.facts.kind import FACTS
from cds.rulebook.format.conditions import Comparing
from cds.rulebook.lint.names import fits
from cds.rulebook.lint.view import RulebookView, lists_marked
from cds.rulebook.references import LIMIT, PARAMETER, Rule, compared, conditions, walk
from cds.yaml_source.document import Path
from cds.yaml_source.fields import Ascending, LowestAndHighest
from cds.yaml_source.problem import Problem

SAME_UNIT = {"%": "percent", "a": "years", "year": "years", "wk": "weeks", "week": "weeks", "trial": "trials"}


def bare_number(view: RulebookView) -> Iterator[Problem]:
    """A threshold has a name, a unit and evidence."""
    for bare in view.bare_numbers:
        yield bare.rule.problem(
            bare.path,
            "bare-number",
            f"{bare.number:g} stands here without a name.",
            f"Write a parameter: `my_limit: {{value: {bare.number:g}, unit: …, evidence: […]}}`, and its name here.",
            "A number that decides about patients needs a unit and evidence, and a site may want to set it.",
        )


def unit_mismatch(view: RulebookView) -> Iterator[Problem]:
    """A limit has the unit of what it is compared with."""
    misplaced = {
        (reading.path[:-1], reading.name)
        for reading in view.readings
        if reading.path[0] == "facts" and (found := view.one(reading.name)) and not fits(reading, found)
    }
    for reading in view.readings:
        limit = view.one(reading.name)
        if reading.wants != LIMIT or limit is None or limit.role != PARAMETER or isinstance(limit.spec.value, str):
            continue
        fact = view.one(reading.beside)
        if (reading.path[:-1], reading.beside) in misplaced:
            continue  # told as wrong-kind
        unit = reading.unit or (fact.unit if fact and fact.role in FACTS else "")
        if unit and _same(unit) != _same(limit.unit):
            of = f"`{reading.beside}` is in {unit}" if reading.beside else f"{unit} is wanted here"
            yield reading.rule.problem(
                reading.path,
                "unit-mismatch",
                f"`{reading.name}` is in {limit.unit}, but {of}.",
                "Give both the same unit, and check that the number is right in it.",
            )


def _same(unit: str) -> str:
    return SAME_UNIT.get(unit, unit)


def parameter_outside_range(view: RulebookView) -> Iterator[Problem]:
    """The value we chose is one a site could choose."""
    for rule in view.rules:
        for name, parameter in rule.model.parameters.items():
            may_set = parameter.site_may_set
            path = ("parameters", name, "site_may_set")
            if (may_set is True) != isinstance(parameter.value, str) and may_set is not None:
                form = "`true`, for one of `one_of`" if isinstance(parameter.value, str) else "[lowest, highest]"
                yield rule.problem(path, "parameter-outside-range", f"`{name}` needs a range.", f"Write {form}.")
            elif isinstance(may_set, list) and not isinstance(parameter.value, str):
                low, high = may_set
                if low <= high and not low <= parameter.value <= high:
                    yield rule.problem(
                        ("parameters", name, "value"),
                        "parameter-outside-range",
                        f"`{name}` is {parameter.value:g}, but a site may only set {low:g} to {high:g}.",
                        "Change the value or the range.",
                    )


def range_upside_down(view: RulebookView) -> Iterator[Problem]:
    """The lower end of a range stands first."""
    for rule in view.rules:
        for name, parameter in rule.model.parameters.items():
            if isinstance(parameter.site_may_set, list):
                yield from _upside_down(view, rule, ("parameters", name, "site_may_set"), parameter.site_may_set)
        for ends, path in lists_marked(rule, LowestAndHighest):
            yield from _upside_down(view, rule, path, ends)
        for condition in conditions(rule):
            for statement, path in walk(condition.statement, condition.path):
                if isinstance(statement, Comparing):
                    _, limits, here = compared(statement, path)
                    if len(limits) == 2:
                        yield from _upside_down(view, rule, (*here, "between"), [end for end, _ in limits])


def bands_out_of_order(view: RulebookView) -> Iterator[Problem]:
    """Bands and categories ascend, so that each number lies in one."""
    for rule in view.rules:
        for steps, path in lists_marked(rule, Ascending):
            if any(later <= earlier for earlier, later in pairwise(steps)):
                yield rule.problem(
                    path, "bands-out-of-order", "Each `from` here must be above the one before it.",
                    "Write them in ascending order, each once.",
                )  # fmt: skip


def _upside_down(view: RulebookView, rule: Rule, path: Path, ends: Sequence[float | str]) -> Iterator[Problem]:
    low, high = (value_of(end, view) for end in ends)
    units = {_same(found.unit) for end in ends if (found := view.one(str(end)))}
    if len(units) > 1:
        return  # told as unit-mismatch
    if low is not None and high is not None and low > high:
        yield rule.problem(
            path, "range-upside-down", f"{low:g} to {high:g} holds no number.", "Write the lower end first."
        )


def value_of(limit: float | str, view: RulebookView) -> float | None:
    """The number a limit stands for; None when its name is no number."""
    if not isinstance(limit, str):
        return float(limit)
    found = view.one(limit)
    if found is None or found.role != PARAMETER or isinstance(found.spec.value, str):
        return None
    return float(found.spec.value)


CHECKS = (bare_number, unit_mismatch, parameter_outside_range, range_upside_down, bands_out_of_order)
