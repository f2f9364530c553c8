"""Changes of facts and parameters: a limit or window moved, a list shortened, a filter or policy turned round."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cds.authoring.mutation.mutant import Mutant, MutantKind, MutationSite, Removal, moved
from cds.rulebook.references import Rule
from cds.yaml_source.document import Path
from cds.yaml_source.fields import DAYS_IN

DURATION = re.compile(rf"([0-9]+) ({'|'.join(DAYS_IN)})s?")
TURNED: Mapping[str, tuple[Any, ...]] = {
    # A word → the others it can be; every one but its own is a change.
    "take": ("most_recent", "highest", "lowest"),
    "undated": ("counts", "unknown"),
    "same_day": ("range", "mean"),
}
MAY_BE_LEFT_OUT = frozenset(
    {
        "look_back", "possibly_coded", "unless_only", "only", "given_for", "own_places", "other_places", "always",
        "not_for", "unless_for", "remission_coded", "remission_by_score", "in_episode", "ended_by_successor_within",
        "active_without_sign_for", "visit_diagnosis_within",
        "adherence", "implausible_above", "plausible", "whole", "different", "merge_same_molecule", "different_from",
        "current", "answered_no", "items", "drug_class", "repeated", "perhaps",
    }
)  # fmt: skip
NOT_DECISIVE = frozenset({"formerly", "asks_for", "prefetch", "evidence", "label", "because", "unit", "find"})


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
    """Every change of a fact of a file."""
    for name in rule.model.facts:
        place = MutationSite(rule, name, safety)
        yield from _value(place, f"“{labels[name]}”", ("facts", name), rule.located.value["facts"][name])
        yield from _status(place, f"“{labels[name]}”", name, rule.located.value["facts"][name])


def _value(place: MutationSite, label: str, path: Path, raw: Any) -> Iterator[Mutant]:
    """Changes of whatever stands at a path of a fact."""
    if isinstance(raw, dict):
        for key, value in raw.items():
            if key not in NOT_DECISIVE:
                yield from _key(place, label, (*path, key), value)
                yield from _value(place, label, (*path, key), value)
    elif isinstance(raw, list):
        shortest = 2 if path[-1] in ("plausible", "highest_of") else 1
        for index, item in enumerate(raw):
            if len(raw) > shortest and path[-1] not in ("plausible", "status"):
                yield place.change(
                    MutantKind.LOOKS_FOR, (*path, index), Removal.GONE, what=f"`{path[-1]}` without {_shown(item)}",
                    patient=f"A patient whose {label} rests on {_shown(item)} alone would be decided otherwise.",
                )  # fmt: skip
            yield from _value(place, label, (*path, index), item)
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


def _key(place: MutationSite, label: str, path: Path, value: Any) -> Iterator[Mutant]:
    key = str(path[-1])
    if key == "if_none_found":
        other = "unknown" if value is False else False
        said = "nobody could tell" if value is False else "the answer would be no"
        yield place.change(
            MutantKind.NONE_FOUND, path, other, what=f"`if_none_found` {str(other).lower()}",
            patient=f"A patient whose chart was sent whole, and shows no {label}: {said}.",
        )  # fmt: skip
    for word in TURNED.get(key, ()):
        if word != value:
            yield place.change(
                MutantKind.LOOKS_FOR, path, word, what=f"`{key}` {word} for {value}",
                patient=f"A patient in whom `{key}` makes a difference to {label} would be decided otherwise.",
            )  # fmt: skip
    if key in MAY_BE_LEFT_OUT and len(path) >= 3:
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


def _status(place: MutationSite, label: str, name: str, raw: Mapping[str, Any]) -> Iterator[Mutant]:
    find = raw.get("find")
    written = raw.get("status", "active" if find == "condition" else "any")
    if find == "condition" or (find in ("episode", "referral") and "status" in raw):
        other = "active" if written == "any" else "any"
        if (find, other) in (("episode", "any"), ("referral", "active")):
            other_value: Any = ["active"]
        else:
            other_value = other
        if written == other_value:
            return
        patient = f"A patient in whose chart {label} is recorded as no longer active would {{}} count.".format(
            "no longer" if written == "any" else "now"
        )
        yield place.change(
            MutantKind.STATUS,
            ("facts", name, "status"),
            other_value,
            what=f"`status` {'any' if other_value == 'any' else 'active'}",
            patient=patient,
        )


def _shown(item: Any) -> str:
    if isinstance(item, dict):
        return "`" + ", ".join(f"{key}: {value}" for key, value in item.items() if not isinstance(value, dict)) + "`"
    return f"`{', '.join(item)}`" if isinstance(item, list) else f"`{item}`"
