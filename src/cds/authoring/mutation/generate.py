"""Rulebook → every change that some case should notice, in the order of files and lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cds.authoring.mutation.codes import mutants_of_codes, mutants_of_doses
from cds.authoring.mutation.conditions import mutants_of_conditions
from cds.authoring.mutation.facts import mutants_of_facts, mutants_of_parameters
from cds.authoring.mutation.mutant import Mutant, MutantKind, MutationSite, labels_of, unique
from cds.authoring.testing.possible_truths import Possible
from cds.rulebook.compile import IN_USE
from cds.rulebook.lint.view import coded
from cds.rulebook.loader import Rulebook
from cds.rulebook.references import NameReference, readings
from cds.yaml_source.document import Path

BEYOND = ("above", "at_most", "look_back")  # a number that is the limit is not yet on the other side of it


def mutants_of(book: Rulebook, *, every_code: bool = False) -> tuple[Mutant, ...]:
    """Every change; `every_code`: any code of any value set, not one of each list. Draft and retired files are left."""
    return tuple(unique(_all(book, every_code)))


def dropped_of(book: Rulebook) -> tuple[Mutant, ...]:
    """For each conclusion, card and note in use the change that it never holds: its clause dropped altogether."""
    found: list[Mutant] = []
    for rule in book.rules.values():
        if rule.model.about.status not in IN_USE:
            continue
        raw, safety = rule.located.value, rule.model.about.safety
        for name in rule.model.conclusions:
            spec = raw["conclusions"][name]
            condition = spec.get("when", {key: spec[key] for key in CONDITION_KEYS if key in spec})
            rest = {key: value for key, value in spec.items() if key not in (*CONDITION_KEYS, "when")}
            found.append(_never(MutationSite(rule, name, safety), ("conclusions", name), condition, rest))
        for name in rule.model.cards:
            spec = raw["cards"][name]
            here: Path = ("cards", name)
            found.append(_never(MutationSite(rule, f"card {name}", safety), (*here, "show_when"), spec["show_when"]))
            for index, note in enumerate(spec.get("notes", [])):
                site = MutationSite(rule, f"note {index + 1} of card {name}", safety)
                found.append(_never(site, (*here, "notes", index, "when"), note["when"]))
    return tuple(unique(iter(found)))


CONDITION_KEYS = ("all", "any", "not", "at_least", "of")


def _never(site: MutationSite, path: Path, condition: Any, rest: dict[str, Any] | None = None) -> Mutant:
    never = {"all": [condition, {"not": condition}]}
    value = never if rest is None else {**rest, "when": never}
    patient = f"A patient for whom “{site.target}” holds would be treated as one for whom it does not."
    return site.change(MutantKind.DROPPED, path, value, what="without all of it", patient=patient)


def _all(book: Rulebook, every_code: bool) -> Iterator[Mutant]:
    labels, certain = labels_of(book), Possible(book).never_unknown()
    rules = [rule for rule in book.rules.values() if rule.model.about.status in IN_USE]
    found = [
        reading
        for rule in rules
        for reading in readings(rule)
        if isinstance(reading, NameReference) and not reading.placeholder and reading.path[0] != "definitions"
    ]
    read = frozenset(reading.name for reading in found)
    beyond = frozenset(one.name for one in found if one.path[-1] in BEYOND or one.path[-2:] == ("between", 1))
    for rule in rules:
        safety = rule.model.about.safety
        yield from mutants_of_parameters(rule, read, beyond, safety)
        yield from mutants_of_facts(rule, labels, safety)
        yield from mutants_of_conditions(rule, labels, certain, safety)
    # What is only asked for (a panel) decides nothing: its components do.
    decide = [(rule, name) for rule in rules for name, path in coded(rule) if "asks_for" not in path]
    used = {name for _, name in decide}
    safe = {name for rule, name in decide if rule.model.about.safety}
    for loaded in book.sets:
        header = loaded.model.valueset
        name = header.id or header.adds_to or ""
        if name in used:
            yield from mutants_of_codes(loaded, name in safe, every=every_code)
    for table in book.tables.values():
        yield from mutants_of_doses(table, safety=False)
