"""Old rules + one change → rules that differ in that alone, to see whether it is the cause."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from cds.decide import Ruleset
from cds.engine.evaluator import EvaluatorMode
from cds.errors import CdsError
from cds.rulebook.diff import SECTIONS, RuleChange
from cds.rulebook.loader import Rulebook
from cds.rulebook.references import Rule
from cds.ruleset import rules_of

Thing = tuple[str, str]
"""Section and name of what a change is of: ("parameters", "trials_required")."""


def thing_of(change: RuleChange) -> Thing:
    """What a change is of; changes of one thing are tried together."""
    return change.section, min(change.names)


class ChangesAlone:
    """The old rules with one changed thing of the new ones, each made once."""

    def __init__(self, old: Rulebook, new: Rulebook) -> None:
        self._new = new
        self._base = _with_new_names(old, new)
        self._made: dict[Thing, Ruleset | None] = {}

    def rules(self, change: RuleChange) -> Ruleset | None:
        """
        The old rules with what this change is of as it is in the new ones.

        New facts, conclusions, parameters, value sets and tables are in them, too: nothing of the old rules reads
        them. None where the change cannot be made without others.
        """
        thing = thing_of(change)
        if thing not in self._made:
            self._made[thing] = self._with(thing)
        return self._made[thing]

    def _with(self, thing: Thing) -> Ruleset | None:
        book = _changed(self._base, self._new, thing)
        if book is None:
            return None
        try:
            return rules_of(book, EvaluatorMode.DIRECT)
        except (CdsError, KeyError, ValueError):  # it reads what the old rules do not have, or lacks what they read
            return None


def _with_new_names(old: Rulebook, new: Rulebook) -> Rulebook:
    rules = dict(old.rules)
    for name, rule in new.rules.items():
        if name not in rules:
            continue
        update = {
            section: getattr(rules[name].model, section)
            | {
                thing: spec
                for thing, spec in getattr(rule.model, section).items()
                if not any(thing in getattr(one.model, section) for one in old.rules.values())
            }
            for section in SECTIONS
        }
        rules[name] = _copy(rules[name], update)
    known = {loaded.model.valueset.id for loaded in old.sets}
    sets = [*old.sets, *(loaded for loaded in new.sets if loaded.model.valueset.id not in known)]
    return replace(
        old,
        rules=rules,
        sets=sets,
        tables={**new.tables, **old.tables},
        products={**new.products, **old.products},
        ndcs={**new.ndcs, **old.ndcs},
    )


def _changed(book: Rulebook, new: Rulebook, thing: Thing) -> Rulebook | None:
    section, name = thing
    match section:
        case "valuesets":
            of_others = [loaded for loaded in book.sets if _set_of(loaded) != name]
            return replace(book, sets=[*of_others, *(loaded for loaded in new.sets if _set_of(loaded) == name)])
        case "tables" if name in new.tables:
            tables = {**book.tables, name: new.tables[name]}
            products = {**book.products, name: new.products[name]}
            return replace(book, tables=tables, products=products, ndcs={**book.ndcs, name: new.ndcs[name]})
        case "rules":
            rules = {one: rule for one, rule in book.rules.items() if one != name}
            return replace(book, rules=rules | {one: rule for one, rule in new.rules.items() if one == name})
        case "about" if name in new.rules and name in book.rules:
            about = {"about": new.rules[name].model.about}
            return replace(book, rules={**book.rules, name: _copy(book.rules[name], about)})
        case "definitions":
            return _definitions(book, new, name)
        case "parameters" | "facts" | "conclusions" | "services" | "cards":
            return _in_section(book, new, section, name)
    return None


def _in_section(book: Rulebook, new: Rulebook, section: str, name: str) -> Rulebook | None:
    there = next((one for one, rule in new.rules.items() if name in getattr(rule.model, section)), None)
    rules: dict[str, Rule] = {}
    for one, rule in book.rules.items():
        things: dict[str, Any] = {key: spec for key, spec in getattr(rule.model, section).items() if key != name}
        if one == there:
            things[name] = getattr(new.rules[one].model, section)[name]
        rules[one] = _copy(rule, {section: things})
    return replace(book, rules=rules) if there is None or there in rules else None


def _definitions(book: Rulebook, new: Rulebook, of: str) -> Rulebook | None:
    for name, rule in new.rules.items():
        if rule.model.definitions is not None and rule.model.definitions.of == of and name in book.rules:
            changed = _copy(book.rules[name], {"definitions": rule.model.definitions})
            return replace(book, rules={**book.rules, name: changed})
    return None


def _set_of(loaded: Any) -> str:
    return loaded.model.valueset.id or loaded.model.valueset.adds_to or ""


def _copy(rule: Rule, update: dict[str, Any]) -> Rule:
    return replace(rule, model=rule.model.model_copy(update=update))


def worth_trying(changes: Iterable[RuleChange]) -> bool:
    """Whether there is anything to tell apart: changes of more than one thing."""
    return len({thing_of(change) for change in changes}) > 1
