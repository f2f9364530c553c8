"""Names a case may use, and the nearest one to a name that nothing has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cds.authoring.testing.patient_format import ExamplePatient
from cds.rulebook.format.value_set import ValueSetFile
from cds.rulebook.lint.view import is_blind, perhaps_defined
from cds.rulebook.loader import Rulebook
from cds.yaml_source.correction import did_you_mean
from cds.yaml_source.document import Path as YamlPath
from cds.yaml_source.loaded import LoadedFile

MANY = 1_000  # notes of a card that could not be read
SEE = "See docs/rule-authors/tests.md."


@dataclass(frozen=True)
class KnownNames:
    """
    Names a case may use.

    Attributes:
        sure: False when a rule file could not be opened: no name is called wrong then.
        perhaps: Names that files with mistakes may define; they are among all the others, too.
        answers: Value set → numbers that have an answer code.
        notes: Card → how many notes it has.
    """

    sure: bool
    perhaps: frozenset[str]
    facts: frozenset[str]
    conclusions: frozenset[str]
    notes: Mapping[str, int]
    services: frozenset[str]
    parameters: frozenset[str]
    definitions: frozenset[str]
    sets: frozenset[str]
    answers: Mapping[str, frozenset[float]]
    drugs: frozenset[str]


def names_of(book: Rulebook) -> KnownNames:
    """Every name a case may use."""
    rules = [rule.model for rule in book.rules.values()]
    answers: dict[str, set[float]] = {}
    for loaded in book.sets:
        numbers = answers.setdefault(_set_name(loaded), set())
        for group in loaded.model.answers:
            numbers.update(map(float, group.values.values()))
    perhaps = perhaps_defined(book)
    notes = dict.fromkeys(perhaps, MANY) | {
        name: len(card.notes) for rule in rules for name, card in rule.cards.items()
    }
    return KnownNames(
        sure=not is_blind(book),
        perhaps=perhaps,
        facts=perhaps.union(name for rule in rules for name in rule.facts),
        conclusions=perhaps.union(name for rule in rules for name in rule.conclusions),
        notes=notes,
        services=perhaps.union(name for rule in rules for name in rule.services),
        parameters=perhaps.union(name for rule in rules for name in rule.parameters),
        definitions=perhaps.union(name for rule in rules if rule.definitions for name in rule.definitions.are),
        sets=perhaps.union(answers),
        answers={name: frozenset(numbers) for name, numbers in answers.items()},
        drugs=perhaps.union(key for table in book.tables.values() for key in table.model.drugs),
    )


def _set_name(loaded: LoadedFile[ValueSetFile]) -> str:
    return loaded.model.valueset.id or loaded.model.valueset.adds_to or ""


def wrong_names(patient: ExamplePatient, known: KnownNames) -> Iterator[tuple[YamlPath, str, str]]:
    """Value sets, drugs and answers a patient names that the rules folder does not have: where, what, and the fix."""
    if not known.sure:
        return
    for reference in patient.references():
        name = reference.name
        match reference.kind:
            case "value set" if name not in known.sets:
                yield reference.path, f"`{name}` is not a value set.", did_you_mean(name, known.sets, SEE)
            case "drug" if name not in known.drugs:
                fix = did_you_mean(name, known.drugs, "Name the drug with `product`, `code`, `coded` or `text`.")
                yield reference.path, f"`{name}` is not a drug of any table.", fix
            case "answer" if name not in known.perhaps and reference.number not in known.answers.get(name, ()):
                what = f"`{name}` has no answer code for {reference.number:g}."
                yield reference.path, what, "Add it to `answers` of the value set, or leave out `as: code`."
