"""Rulebook → the parameters a site may set: range, unit, value in force, who decided it, evidence, who reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cds.rulebook.format.about import Parameter
from cds.rulebook.loader import Rulebook
from cds.rulebook.references import NameReference, Rule, below, read_by, readings
from cds.yaml_source.fields import Snake


@dataclass(frozen=True, slots=True)
class ParameterEvidence:
    """One entry of a file's evidence that a parameter cites."""

    id: str
    cite: str
    says: str
    verified: bool


@dataclass(frozen=True, slots=True)
class SettableParameter:
    """
    One parameter that a site may set.

    Attributes:
        name: Its name.
        rule: Id of the rule file that has it.
        may_be: [lowest, highest] of a number; the words of a word.
        unit: UCUM or a word; "" for a word.
        value: The value in force.
        shipped: The value without the site.
        set_in: file:line where the value in force is written.
        because, by, review: As the site wrote them; "" where the value is the shipped one.
        evidence: What the shipped value rests on.
        note: What its file says of it; "" for nothing.
        read_by: Rule file → facts, conclusions, cards and others of it that read the parameter.
        cards: Cards that rest on it, in the order of their files.
    """

    name: str
    rule: str
    may_be: tuple[int | float | str, ...]
    unit: str
    value: int | float | str
    shipped: int | float | str
    set_in: str
    because: str
    by: str
    review: str
    evidence: tuple[ParameterEvidence, ...]
    note: str
    read_by: dict[str, tuple[str, ...]]
    cards: tuple[str, ...]


def settable_parameters(book: Rulebook) -> list[SettableParameter]:
    """Every parameter a site may set, in the order of rule files and lines."""
    read = [one for rule in book.rules.values() for one in readings(rule) if isinstance(one, NameReference)]
    rest = read_by(read)
    return [
        _settable(name, spec, rule, book, read, _cards(name, book, rest))
        for rule in book.rules.values()
        for name, spec in rule.model.parameters.items()
        if spec.site_may_set is not None
    ]


def _settable(
    name: Snake, spec: Parameter, rule: Rule, book: Rulebook, read: list[NameReference], cards: tuple[str, ...]
) -> SettableParameter:
    place: tuple[str, str, str] = ("parameters", name, "value")
    file, path = rule.overlaid.get(place, (rule, place))
    change = book.site.model.set.get(name) if book.site is not None and place in rule.overlaid else None
    readers: dict[str, dict[str, None]] = {}
    for one in read:
        if one.name == name:
            readers.setdefault(one.rule.model.about.id, {})[" ".join(str(step) for step in one.path[1:2])] = None
    may_be = tuple(spec.site_may_set) if isinstance(spec.site_may_set, list) else tuple(spec.one_of or ())
    return SettableParameter(
        name=name,
        rule=rule.model.about.id,
        may_be=may_be,
        unit=spec.unit or "",
        value=spec.value,
        shipped=rule.located.value_at(place),
        set_in=f"{file.file}:{file.located.at(path)[0]}",
        because=change.because if change else "",
        by=change.by if change else "",
        review=str(change.review) if change else "",
        evidence=tuple(
            ParameterEvidence(entry, known.cite, known.says, known.verified)
            for entry in spec.evidence
            if (known := rule.model.evidence.get(entry)) is not None
        ),
        note=spec.note or "",
        read_by={rule_id: tuple(names) for rule_id, names in readers.items()},
        cards=cards,
    )


def _cards(name: str, book: Rulebook, reads: dict[str, set[str]]) -> tuple[str, ...]:
    """The cards whose conditions or texts rest on a parameter."""
    return tuple(card for rule in book.rules.values() for card in _of_rule(rule, name, reads))


def _of_rule(rule: Rule, name: str, reads: dict[str, set[str]]) -> Iterator[str]:
    read: dict[str, set[str]] = {}
    for one in readings(rule):
        if isinstance(one, NameReference) and one.path[0] == "cards":
            read.setdefault(str(one.path[1]), set()).add(one.name)
    for card, names in read.items():
        if any(name in below(one, reads) for one in names):
            yield card


def reach_of(name: str, parameters: list[SettableParameter]) -> str:
    """Who reads a parameter and which cards rest on it, in one line; "" for what is none that a site may set."""
    for one in parameters:
        if one.name == name:
            readers = "; ".join(f"{', '.join(names)} of {rule}" for rule, names in one.read_by.items())
            return f"read by {readers or 'nothing'}; cards: {', '.join(one.cards) or 'none'}"
    return ""
