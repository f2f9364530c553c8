"""Changes of facts and parameters: a limit or window moved, a list shortened, a filter or policy turned round."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from annotated_types import MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cds.authoring.mutation.mutant import Mutant, MutantKind, MutationSite, Removal, moved
from cds.facts.kind import FactBase
from cds.rulebook.references import Rule
from cds.yaml_source.document import Path
from cds.yaml_source.fields import DAYS_IN, NoMutant
from cds.yaml_source.marks import words_of_field

DURATION = re.compile(rf"([0-9]+) ({'|'.join(DAYS_IN)})s?")


def mutants_of_parameters(rule: Rule, read: frozenset[str], beyond: frozenset[str], safety: bool) -> Iterator[Mutant]:
    """
    Every number under `parameters` that a fact or condition reads, and under `with` of a definition, moved.

    `beyond`: the parameters of which the number itself still counts as below (`above`, `at_most`, `look_back`).
    """
    for name, parameter in rule.model.parameters.items():
        if name in read and not isinstance(parameter.value, str):
            place = MutationSite(rule, name, safety)
            path: Path = ("parameters", name, "value")
            yield from _moved(place, path, parameter.value, parameter.unit or "", itself=name not in beyond)
    spec = rule.model.definitions
    for identity, definition in (spec.are if spec else {}).items():
        for name, value in definition.with_.items():
            if not isinstance(value, str):
                place = MutationSite(rule, f"definition {identity}", safety)
                path = ("definitions", "are", identity, "with", name)
                yield from _moved(place, path, value, "", name, itself=name not in beyond)


def _moved(
    place: MutationSite, path: Path, value: float, unit: str, name: str = "", *, itself: bool
) -> Iterator[Mutant]:
    kind = MutantKind.WINDOW if unit.rstrip("s") in DAYS_IN else MutantKind.THRESHOLD
    of = f"`{name}` " if name else ""
    for word, other in moved(value):
        at = value if (word == "up") is itself else other
        yield place.change(
            kind, path, other, what=f"{of}{other:g} for {value:g}",
            patient=f"A patient with exactly {at:g} {unit or name} would be on the other side of"
            f" `{name or place.target}`.",
        )  # fmt: skip


def mutants_of_facts(rule: Rule, labels: Mapping[str, str], safety: bool) -> Iterator[Mutant]:
    """Every change of a fact of a file: what may be written in its fields is read from their types."""
    for name, fact in rule.model.facts.items():
        place = MutationSite(rule, name, safety)
        label = f"“{labels[name]}”"
        yield from _fields(place, label, ("facts", name), rule.located.value["facts"][name], fact)
        yield from _status(place, label, name, fact)


def _fields(place: MutationSite, label: str, path: Path, raw: Mapping[str, Any], model: BaseModel) -> Iterator[Mutant]:
    """Changes of what is written in a fact, or in a part of one, in the order of the file."""
    fields = {info.alias or name: (name, info) for name, info in type(model).model_fields.items()}
    for key, value in raw.items():
        name, info = fields[key]
        if not any(isinstance(mark, NoMutant) for mark in info.metadata):
            yield from _field(place, label, (*path, key), value, info)
            yield from _value(place, label, (*path, key), value, getattr(model, name), info)


def _value(place: MutationSite, label: str, path: Path, raw: Any, value: Any, info: FieldInfo) -> Iterator[Mutant]:
    """Changes inside of what stands in a field."""
    if isinstance(value, BaseModel):
        yield from _fields(place, label, path, raw, value)
    elif isinstance(raw, list):
        shortest = next((mark.min_length for mark in info.metadata if isinstance(mark, MinLen)), 1)
        may_be_shorter = len(raw) > max(shortest, 1) and "status" not in path
        for index, item in enumerate(raw):
            if may_be_shorter:
                yield place.change(
                    MutantKind.LOOKS_FOR, (*path, index), Removal.GONE, what=f"`{path[-1]}` without {_shown(item)}",
                    patient=f"A patient whose {label} rests on {_shown(item)} alone would be decided otherwise.",
                )  # fmt: skip
            yield from _value(place, label, (*path, index), item, value[index], info)
    elif isinstance(raw, str) and (length := DURATION.fullmatch(raw)):
        for count in (int(length[1]) + 1, int(length[1]) - 1):
            yield place.change(
                MutantKind.WINDOW, path, f"{count} {length[2]}s", what=f"`{path[-1]}` {count} {length[2]}s for {raw}",
                patient=f"A patient whose {label} depends on exactly {max(count, int(length[1]))} {length[2]}s"
                " would be decided otherwise.",
            )  # fmt: skip
    elif isinstance(raw, int | float) and not isinstance(raw, bool):
        for _, other in moved(raw):
            yield place.change(
                MutantKind.THRESHOLD, path, other, what=f"`{'.'.join(map(str, path[2:]))}` {other:g} for {raw:g}",
                patient=f"A patient whose {label} depends on this number would get another one.",
            )  # fmt: skip


def _field(place: MutationSite, label: str, path: Path, value: Any, info: FieldInfo) -> Iterator[Mutant]:
    """Another word in a field, and the field left out where it may be."""
    key = path[-1]
    if key == "if_none_found":
        other = "unknown" if value is False else False
        said = "nobody could tell" if value is False else "the answer would be no"
        yield place.change(
            MutantKind.NONE_FOUND, path, other, what=f"`if_none_found` {str(other).lower()}",
            patient=f"A patient whose chart was sent whole, and shows no {label}: {said}.",
        )  # fmt: skip
        return
    words = words_of_field(info.annotation)
    for word in words if value in words else ():
        if word != value:
            yield place.change(
                MutantKind.LOOKS_FOR, path, word, what=f"`{key}` {word} for {value}",
                patient=f"A patient in whom `{key}` makes a difference to {label} would be decided otherwise.",
            )  # fmt: skip
    if not words and key != "status" and not info.is_required() and value != info.default:
        window = key == "look_back"
        patient = (
            f"A patient whose {label} is older than {value} would be decided as if it were recent."
            if window
            else f"A patient in whom `{key}` makes a difference to {label} would be decided otherwise."
        )
        yield place.change(
            MutantKind.WINDOW if window else MutantKind.LOOKS_FOR,
            path,
            Removal.GONE,
            what=f"without `{key}`",
            patient=patient,
        )


def _status(place: MutationSite, label: str, name: str, fact: FactBase) -> Iterator[Mutant]:
    other = fact.other_status()
    if other is not None:
        wider = other == "any"
        yield place.change(
            MutantKind.STATUS, ("facts", name, "status"), other, what=f"`status` {'any' if wider else 'active'}",
            patient=f"A patient in whose chart {label} is recorded as no longer active would"
            f" {'now' if wider else 'no longer'} count.",
        )  # fmt: skip


def _shown(item: Any) -> str:
    if isinstance(item, dict):
        return "`" + ", ".join(f"{key}: {value}" for key, value in item.items() if not isinstance(value, dict)) + "`"
    return f"`{', '.join(item)}`" if isinstance(item, list) else f"`{item}`"
