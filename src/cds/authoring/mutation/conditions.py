"""Changes of conditions: a part dropped or negated, `all` for `any`, a limit moved inside out, unknown taken for no."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cds.authoring.mutation.mutant import Mutant, MutantKind, MutationSite, Removal
from cds.rulebook.references import Rule
from cds.yaml_source.document import Path

STRICTER = {"at_least": "above", "above": "at_least", "at_most": "below", "below": "at_most"}
GROUPS = ("all", "any")
WRAPPED = ("not", "unknown", "possibly")


@dataclass(frozen=True, slots=True)
class ConditionContext:
    """
    Where a condition stands.

    Attributes:
        place: The file, and the conclusion, card or note.
        then: What follows from it, in words.
        labels: Name → what a clinician calls it.
        certain: Names that are never unknown.
        shown: It is a card's or note's, which is shown when true: there, false and unknown are the same.
    """

    place: MutationSite
    then: str
    labels: Mapping[str, str]
    certain: frozenset[str]
    shown: bool = False


def mutants_of_conditions(
    rule: Rule, labels: Mapping[str, str], certain: frozenset[str], safety: bool
) -> Iterator[Mutant]:
    """Every change of a condition of a file."""
    raw = rule.located.value
    for name in rule.model.conclusions:
        within = ConditionContext(MutationSite(rule, name, safety), f"counted as “{labels[name]}”", labels, certain)
        path: Path = ("conclusions", name)
        spec = raw["conclusions"][name]
        if "when" in spec:
            yield from _statement(spec["when"], (*path, "when"), within)
        else:
            yield from _group(spec, path, within)
    for name in rule.model.cards:
        spec = raw["cards"][name]
        within = ConditionContext(
            MutationSite(rule, f"card {name}", safety), f"shown card `{name}`", labels, certain, shown=True
        )
        yield from _statement(spec["show_when"], ("cards", name, "show_when"), within)
        for index, note in enumerate(spec.get("notes", [])):
            within = ConditionContext(
                MutationSite(rule, f"note {index + 1} of card {name}", safety),
                f"told note {index + 1} of card `{name}`",
                labels,
                certain,
                shown=True,
            )
            yield from _statement(note["when"], ("cards", name, "notes", index, "when"), within)


def _statement(raw: Any, path: Path, within: ConditionContext) -> Iterator[Mutant]:
    if isinstance(raw, str) or "definition" in raw:
        yield from _leaf(raw, path, within)
    elif any(key in raw for key in (*GROUPS, *WRAPPED, "of")):
        yield from _group(raw, path, within)
    else:
        yield from _leaf(raw, path, within)
        yield from _comparison(raw, path, within)


def _group(raw: Mapping[str, Any], path: Path, within: ConditionContext) -> Iterator[Mutant]:
    """Changes of a mapping that holds a group of parts, or wraps one; a conclusion is such a mapping, too."""
    place, then = within.place, within.then
    for key in GROUPS:
        if key in raw and len(raw[key]) > 1:
            other = "any" if key == "all" else "all"
            swapped = {other if name == key else name: value for name, value in raw.items()}
            patient = (
                f"A patient with only one of {_listed(raw[key], within)} would be {then}."
                if key == "all"
                else f"A patient with only one of {_listed(raw[key], within)} would no longer be {then}."
            )
            what = f"`{other}` for `{key}` of {_names(raw[key])}"
            yield place.change(MutantKind.SWAPPED, path, swapped, what=what, patient=patient)
    if "of" in raw:
        for count in (raw["at_least"] - 1, raw["at_least"] + 1):
            if 1 <= count <= len(raw["of"]):
                fewer = min(count, raw["at_least"])
                patient = f"A patient with {fewer} of {_listed(raw['of'], within)} would be decided otherwise."
                yield place.change(
                    MutantKind.HOW_MANY, (*path, "at_least"), count, what=f"at least {count} of {_names(raw['of'])}",
                    patient=patient,
                )  # fmt: skip
    for key in (*GROUPS, "of"):
        parts = raw.get(key, [])
        for index, part in enumerate(parts):
            here: Path = (*path, key, index)
            if len(parts) > max(1, raw.get("at_least", 1) if key == "of" else 1):
                yield place.change(
                    MutantKind.DROPPED, here, Removal.GONE, what=f"without {written(part)}",
                    patient=_without(part, key, within),
                )  # fmt: skip
            yield from _statement(part, here, within)
    for key in WRAPPED:
        if key in raw:
            yield from _statement(raw[key], (*path, key), within)
    if "unknown" in raw:
        patient = f"A patient for whom {_say(raw['unknown'], within)} is known, and no other, would be {then}."
        yield place.change(MutantKind.NEGATED, path, {"not": dict(raw)}, what=f"not {written(raw)}", patient=patient)


def _leaf(raw: Any, path: Path, within: ConditionContext) -> Iterator[Mutant]:
    said, name = _say(raw, within), written(raw)
    if path[-1] != "unknown":  # what is not known is not known of its opposite either
        yield within.place.change(
            MutantKind.NEGATED, path, {"not": raw}, what=f"not {name}",
            patient=f"A patient with {said} would be taken for one without, and so be {within.then} or not.",
        )  # fmt: skip
    if (isinstance(raw, str) and raw in within.certain) or (within.shown and not _turned(path)):
        return
    yield within.place.change(
        MutantKind.UNKNOWN, path, {"all": [raw, {"not": {"unknown": raw}}]}, what=f"unknown {name} read as false",
        patient=f"A patient of whom nobody can tell {said} would be taken for one without,"
        f" and so be {within.then} or not.",
    )  # fmt: skip


def _turned(path: Path) -> bool:
    """Whether something on the way to a part of a condition reads more of it than that it is true."""
    return any(step in WRAPPED for step in path if isinstance(step, str))


def _comparison(raw: Mapping[str, Any], path: Path, within: ConditionContext) -> Iterator[Mutant]:
    ((fact, limits),) = raw.items()
    label = within.labels.get(fact, fact)
    for word, limit in limits.items():
        if word == "between":
            low, high = limit
            for one, other in ((("above", "at_most"), low), (("at_least", "below"), high)):
                both = {"all": [{fact: {one[0]: low}}, {fact: {one[1]: high}}]}
                yield within.place.change(
                    MutantKind.STRICTNESS, path, both, what=f"`{fact}` {one[0]} {low} and {one[1]} {high}",
                    patient=f"A patient whose “{label}” is exactly {other} would be decided otherwise.",
                )  # fmt: skip
        else:
            stricter = STRICTER[word]
            yield within.place.change(
                MutantKind.STRICTNESS, path, {fact: {stricter: limit}}, what=f"`{fact}` {stricter} {limit}",
                patient=f"A patient whose “{label}” is exactly `{limit}` would be decided otherwise, in {within.then}.",
            )  # fmt: skip


def _without(part: Any, key: str, within: ConditionContext) -> str:
    said, then = _say(part, within), within.then
    if key == "all":
        return f"A patient without {said}, who has the rest, would be {then}."
    return f"A patient with {said}, and nothing else that is listed, would no longer be {then}."


def _say(raw: Any, within: ConditionContext) -> str:
    """A condition as a clinician would call it."""
    if isinstance(raw, str):
        return f"“{within.labels.get(raw, raw)}”"
    for key, words in (("not", "no"), ("unknown", "no answer to"), ("possibly", "possibly")):
        if key in raw:
            return f"{words} {_say(raw[key], within)}"
    for key, words in (("all", " and "), ("any", " or ")):
        if key in raw:
            return "(" + words.join(_say(part, within) for part in raw[key]) + ")"
    if "of" in raw:
        return f"{raw['at_least']} of ({', '.join(_say(part, within) for part in raw['of'])})"
    if "definition" in raw:
        return f"what definition {raw['definition']} asks for"
    ((fact, limits),) = raw.items()
    return f"“{within.labels.get(fact, fact)}” {_limits(limits)}"


def _listed(parts: list[Any], within: ConditionContext) -> str:
    return ", ".join(_say(part, within) for part in parts)


def _limits(limits: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{word.replace('_', ' ')} {' to '.join(map(str, limit)) if isinstance(limit, list) else limit}"
        for word, limit in limits.items()
    )


def written(raw: Any) -> str:
    """A condition as its author wrote it, in one line."""
    if isinstance(raw, str):
        return f"`{raw}`"
    for key in WRAPPED:
        if key in raw:
            return f"{key} {written(raw[key])}"
    for key in (*GROUPS, "of"):
        if key in raw:
            head = f"at_least {raw['at_least']} of" if key == "of" else key
            return f"{head} {_names(raw[key])}"
    if "definition" in raw:
        return f"definition {raw['definition']}"
    ((fact, limits),) = raw.items()
    return f"`{fact}` {_limits(limits)}"


def _names(parts: list[Any]) -> str:
    return f"({', '.join(written(part) for part in parts)})"
