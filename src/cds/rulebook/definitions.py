"""One conclusion under several definitions → the same rules with other numbers, side by side; never other rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cds.rulebook.compiled_ruleset import CopyOf
from cds.rulebook.format import rule_file as f
from cds.rulebook.format.conditions import (
    AllOf,
    AnyOf,
    AtLeastOf,
    Comparing,
    Limits,
    NotThis,
    PossiblyThis,
    UnderDefinition,
    UnknownThis,
)
from cds.rulebook.references import NameReference, Rule, below, read_by, readings
from cds.yaml_source.document import Path

UNDER = "__"  # between a name and the definition it is a copy for; authors may not write it


@dataclass(frozen=True, slots=True)
class DefinedConclusion:
    """
    A conclusion that is decided under several definitions.

    Attributes:
        spec: The definitions as written.
        rule: Their file.
        heads: Definition → the conclusion that is decided under it.
    """

    spec: f.DefinitionsSpec
    rule: Rule
    heads: Mapping[str, str]

    @property
    def of(self) -> str:
        """The conclusion."""
        return self.spec.of


def side_by_side(rules: Iterable[Rule]) -> tuple[list[Rule], tuple[DefinedConclusion, ...], dict[str, CopyOf]]:
    """
    Rules with a copy of whatever comes out differently under another definition than the one in use.

    The definition a parameter chooses puts its values in place of those written. For each other definition, the
    conclusion, and every fact and conclusion between it and a parameter whose value differs, is written once more
    under another name (`failed_trials__delphi_2022`) with those values. What no such parameter reaches is shared.
    Conditions that read `definition: …` then name such a copy.

    Returns the rules, what is decided under several definitions, and of what each copy is one.
    """
    written = list(rules)
    decided: list[DefinedConclusion] = []
    copies: dict[str, CopyOf] = {}
    for rule in [r for r in written if r.model.definitions]:
        spec = rule.model.definitions
        if spec is None:
            continue
        written, heads, made = _expand(written, spec)
        copies |= made
        decided.append(DefinedConclusion(spec, rule, heads))
    heads_of = {name: head for one in decided for name, head in one.heads.items()}
    return [_naming_definitions(rule, heads_of) for rule in written], tuple(decided), copies


def _expand(rules: list[Rule], spec: f.DefinitionsSpec) -> tuple[list[Rule], dict[str, str], dict[str, CopyOf]]:
    values = {name: parameter.value for rule in rules for name, parameter in rule.model.parameters.items()}
    chosen = str(values[spec.chosen_by])
    in_use = spec.are[chosen].with_
    reads = read_by(reading for rule in rules for reading in readings(rule))
    heads = {chosen: spec.of}
    copies: dict[str, CopyOf] = {}
    copied = rules
    for identity, definition in spec.are.items():
        if identity == chosen:
            continue
        changed = {*definition.with_, *in_use}
        affected = {name for name in below(spec.of, reads) if below(name, reads) & changed}
        names = {old: f"{old}{UNDER}{identity.replace('-', '_')}" for old in affected | changed}
        heads[identity] = names.get(spec.of, spec.of)
        copied = [_with_copies(rule, names, {**values, **definition.with_}, definition.label) for rule in copied]
        copies |= {copy: CopyOf(old, identity) for old, copy in names.items()}
    return [_with_values(rule, in_use) for rule in copied], heads, copies


def _with_values(rule: Rule, values: Mapping[str, float | str]) -> Rule:
    """The rule with other values of its parameters."""
    mine = rule.model.parameters
    if not any(name in mine for name in values):
        return rule
    changed = {name: spec.model_copy(update={"value": values.get(name, spec.value)}) for name, spec in mine.items()}
    return replace(rule, model=rule.model.model_copy(update={"parameters": changed}))


def _with_copies(rule: Rule, names: Mapping[str, str], values: Mapping[str, float | str], label: str) -> Rule:
    """The rule with its parameters, facts and conclusions of these names written once more."""
    model = rule.model
    if names.keys().isdisjoint({*model.parameters, *model.facts, *model.conclusions}):
        return rule
    places: dict[str, list[NameReference]] = {}
    for reading in readings(rule):
        if isinstance(reading, NameReference) and reading.path[0] == "facts":
            places.setdefault(str(reading.path[1]), []).append(reading)
    parameters = {
        names[name]: spec.model_copy(update={"value": values[name]})
        for name, spec in model.parameters.items()
        if name in names
    }
    facts = {
        names[name]: _labelled(_renamed_fact(spec, places.get(name, ()), names), name, label)
        for name, spec in model.facts.items()
        if name in names
    }
    conclusions = {
        names[name]: _labelled(_conclusion(spec, lambda one: _renamed(one, names)), name, label)
        for name, spec in model.conclusions.items()
        if name in names
    }
    return replace(
        rule,
        model=model.model_copy(
            update={
                "parameters": {**model.parameters, **parameters},
                "facts": {**model.facts, **facts},
                "conclusions": {**model.conclusions, **conclusions},
            }
        ),
    )


def _labelled(spec: Any, name: str, definition: str) -> Any:
    return spec.model_copy(update={"label": f"{spec.label or name.replace('_', ' ')} ({definition})"})


def _renamed_fact(spec: Any, places: Sequence[NameReference], names: Mapping[str, str]) -> Any:
    values = spec.model_dump(by_alias=True, exclude_unset=True)
    for reading in places:
        if reading.name in names:
            _put(values, reading.path[2:], names[reading.name])
    return type(spec).model_validate(values)


def _put(values: Any, path: Path, name: str) -> None:
    *way, last = path
    for step in way:
        values = values[step]
    values[last] = name


def _naming_definitions(rule: Rule, heads: Mapping[str, str]) -> Rule:
    """The rule with the name of a conclusion wherever a condition says `definition: …`."""

    def named(statement: Any) -> Any:
        return heads[statement.definition] if isinstance(statement, UnderDefinition) else None

    def everywhere(statement: Any) -> Any:
        return rewritten(statement, named)

    model = rule.model
    return replace(
        rule,
        model=model.model_copy(
            update={
                "conclusions": {name: _conclusion(spec, everywhere) for name, spec in model.conclusions.items()},
                "cards": {
                    name: card.model_copy(
                        update={
                            "show_when": everywhere(card.show_when),
                            "notes": [note.model_copy(update={"when": everywhere(note.when)}) for note in card.notes],
                            "suggestions": [
                                one if one.when is None else one.model_copy(update={"when": everywhere(one.when)})
                                for one in card.suggestions
                            ],
                        }
                    )
                    for name, card in model.cards.items()
                },
            }
        ),
    )


def _conclusion(spec: f.Conclusion, change: Callable[[Any], Any]) -> f.Conclusion:
    """The conclusion with every part of its condition changed."""
    changed: dict[str, Any] = {}
    for key in ("when", "not_"):
        if getattr(spec, key) is not None:
            changed[key] = change(getattr(spec, key))
    for key in ("all", "any", "of"):
        parts = getattr(spec, key)
        if parts is not None:
            changed[key] = [change(part) for part in parts]
    return spec.model_copy(update=changed)


def _renamed(statement: Any, names: Mapping[str, str]) -> Any:
    """The statement with other names."""

    def other(part: Any) -> Any:
        match part:
            case str():
                return names.get(part, part)
            case Comparing():
                ((fact, limits),) = part.root.items()
                written = limits.model_dump(exclude_unset=True)
                for word, limit in written.items():
                    written[word] = (
                        [names.get(str(end), end) for end in limit]
                        if isinstance(limit, list)
                        else names.get(str(limit), limit)
                    )
                return Comparing({names.get(fact, fact): Limits(**written)})
        return None

    return rewritten(statement, other)


def rewritten(statement: Any, change: Callable[[Any], Any]) -> Any:
    """The statement with each innermost part replaced by what `change` gives for it, or kept where that is None."""
    match statement:
        case AllOf():
            return statement.model_copy(update={"all": [rewritten(part, change) for part in statement.all]})
        case AnyOf():
            return statement.model_copy(update={"any": [rewritten(part, change) for part in statement.any]})
        case AtLeastOf():
            return statement.model_copy(update={"of": [rewritten(part, change) for part in statement.of]})
        case NotThis():
            return statement.model_copy(update={"not_": rewritten(statement.not_, change)})
        case UnknownThis():
            return statement.model_copy(update={"unknown": rewritten(statement.unknown, change)})
        case PossiblyThis():
            return statement.model_copy(update={"possibly": rewritten(statement.possibly, change)})
    changed = change(statement)
    return statement if changed is None else changed
