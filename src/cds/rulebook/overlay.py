"""Rulebook + a site's overlay → the rulebook as it is in force there; what an overlay may not do is a problem."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from cds.rulebook.format.about import Parameter
from cds.rulebook.format.cards import CardSpec
from cds.rulebook.format.conditions import NotThis, UnknownThis
from cds.rulebook.format.site import CardChange, CodesChange, SetTo, SiteFile
from cds.rulebook.format.value_set import CodeGroup, ValueSetFile, ValueSetHeader
from cds.rulebook.format.vocabulary import SiteVocabularyFile
from cds.rulebook.references import Rule, below, conditions, parts, read_by, readings, walk
from cds.yaml_source.correction import Correction, did_you_mean
from cds.yaml_source.document import Path
from cds.yaml_source.fields import listed
from cds.yaml_source.loaded import LoadedFile
from cds.yaml_source.problem import Problem

USES = re.compile(r"([a-z][a-z0-9-]*)((?:\s*,?\s*(?:>=|<=|==|<|>)\s*\d+(?:\.\d+){0,2})+)\Z")
BOUND = re.compile(r"(>=|<=|==|<|>)\s*(\d+(?:\.\d+){0,2})")
NUMBER = re.compile(r"-?\d+(\.\d+)?")
SAFE_SETS = ("unless_only", "answered_no", "not_for", "other_places", "unless_stopped_for", "remission_coded")


@dataclass(frozen=True, slots=True)
class SiteOverride:
    """
    One thing that is different at a site.

    Attributes:
        what: "trials_required", "card ask_for_missing".
        says: "3 instead of 2".
        because, by, review: As the site wrote them; "" and None where it need not.
        path: Where in its file.
        file: The file that says it; None for site.yaml.
    """

    what: str
    says: str
    because: str
    by: str
    review: date | None
    path: Path
    file: LoadedFile[Any] | None = field(default=None, compare=False)


Site = LoadedFile[SiteFile]
Sets = list[LoadedFile[ValueSetFile]]


def overlaid(
    rules: dict[str, Rule], sets: Sets, site: Site
) -> tuple[dict[str, Rule], Sets, list[SiteOverride], list[Problem]]:
    """
    Rule files and value sets with a site's overrides in place, the overrides, and what the site may not do.

    Nothing is merged in silence: `set … to`, `add`, `remove` and `hide` are all there is.
    """
    overlay: SiteFile = site.model
    problems = list(_uses(site, rules))
    found: list[SiteOverride] = []
    guarded = guarded_names(rules.values())
    for name, change in overlay.set.items():
        rules, told = _set(name, change, rules, site)
        if isinstance(told, Problem):
            problems.append(told)
        else:
            found.append(told)
    for name, codes in overlay.valuesets.items():
        wrong = list(_may_change(name, codes, rules, sets, guarded, site))
        problems += wrong
        if not wrong:
            sets = _with_codes(name, codes, sets, site)
            says = f"{len(codes.add)} codes more, {len(codes.remove)} fewer"
            found.append(_override(f"value set {name}", says, codes, ("valuesets", name)))
    for name, card in overlay.cards.items():
        rules, told_of = _card(name, card, rules, site)
        problems += [one for one in told_of if isinstance(one, Problem)]
        found += [one for one in told_of if isinstance(one, SiteOverride)]
    return rules, sets, found, problems


def _override(what: str, says: str, change: Any, path: Path) -> SiteOverride:
    return SiteOverride(what, says, change.because or "", change.by or "", change.review, path)


# ---------------------------------------------------------------- uses


def _uses(site: Site, rules: dict[str, Rule]) -> Iterator[Problem]:
    for text in listed(site.model.site.uses):
        here = ("site", "uses")
        match = USES.match(text.strip())
        if match is None:
            what = f"`{text}` does not say which versions of which rule file."
            yield site.problem(here, "site-uses", what, "Write `evaluation >=1.0,<2.0`.")
        elif match[1] not in rules:
            yield site.problem(here, "site-uses", f"There is no rule file `{match[1]}`.", _close(match[1], rules))
        elif not _fits(rules[match[1]].model.about.version, match[2]):
            version = rules[match[1]].model.about.version
            yield site.problem(
                here, "site-uses", f"`{match[1]}` has version {version}; this overlay was written for{match[2]}.",
                "Look at what changed (`cds diff`), run the site's tests, then write the versions it fits.",
                "An override that was right for one version may be wrong for the next.",
            )  # fmt: skip


def _fits(version: str, bounds: str) -> bool:
    have = _number(version)
    judge = {
        ">=": lambda want: have >= want,
        "<=": lambda want: have <= want,
        "==": lambda want: have == want,
        "<": lambda want: have < want,
        ">": lambda want: have > want,
    }
    return all(judge[sign](_number(want)) for sign, want in BOUND.findall(bounds))


def _number(version: str) -> tuple[int, ...]:
    parts = [int(part) for part in version.split(".")]
    return tuple(parts + [0] * (3 - len(parts)))


def _close(name: str, names: Iterable[str]) -> str:
    return did_you_mean(name, names, "Name one of the shipped ones.")


# ---------------------------------------------------------------- set


def _set(
    name: str, change: SetTo, rules: dict[str, Rule], site: Site
) -> tuple[dict[str, Rule], SiteOverride | Problem]:
    here: Path = ("set", name)
    rule = next((rule for rule in rules.values() if name in rule.model.parameters), None)
    if rule is None:
        known = [parameter for one in rules.values() for parameter in one.model.parameters]
        return rules, site.problem(here, "unknown-override", f"`{name}` is no parameter.", _close(name, known))
    spec = rule.model.parameters[name]
    if (why_not := _outside(spec, change.to)) is not None:
        written = f'"{change.to}"' if isinstance(change.to, str) else change.to
        return rules, site.problem((*here, "to"), "site-may-not", f"`{name}` cannot be {written} here.", why_not)
    parameters = {**rule.model.parameters, name: spec.model_copy(update={"value": change.to})}
    overlaid = {**rule.overlaid, ("parameters", name, "value"): (site, (*here, "to"))}
    changed = replace(rule, model=rule.model.model_copy(update={"parameters": parameters}), overlaid=overlaid)
    says = f"{change.to} instead of {spec.value}{f' {spec.unit}' if spec.unit else ''}"
    return {**rules, rule.model.about.id: changed}, _override(name, says, change, here)


def _outside(spec: Parameter, value: float | str) -> str | None:
    """Why a site may not set a parameter so; None when it may."""
    if spec.site_may_set is None:
        return "Its file does not let a site set it; ask its owners."
    if isinstance(spec.site_may_set, list):
        low, high = spec.site_may_set
        if isinstance(value, str) and NUMBER.fullmatch(value):
            return Correction(f"Write {value} without quotes: with them it is text.", value, value)
        if isinstance(value, str) or not low <= value <= high:
            return f"Write a number from {low} to {high}."
        return None
    return None if value in (spec.one_of or []) else f"Write one of {', '.join(spec.one_of or [])}."


# ---------------------------------------------------------------- value sets


def guarded_names(rules: Iterable[Rule]) -> frozenset[str]:
    """Names a locked conclusion or an exclusion rests on: what may not become harder to find."""
    listed = list(rules)
    reads = read_by(reading for rule in listed for reading in readings(rule))
    tops = [name for rule in listed for name, spec in rule.model.conclusions.items() if spec.locked]
    for rule in listed:
        for condition in conditions(rule):
            for statement, _ in walk(condition.statement, condition.path):
                if isinstance(statement, NotThis):
                    tops += [name for name, _ in walk(statement.not_, ()) if isinstance(name, str)]
    return frozenset(name for top in tops for name in below(top, reads))


def _may_change(
    name: str, change: CodesChange, rules: dict[str, Rule], sets: Sets, guarded: frozenset[str], site: Site
) -> Iterator[Problem]:
    here: Path = ("valuesets", name)
    known = {one.model.valueset.id for one in sets if one.model.valueset.id}
    if name not in known:
        yield site.problem(here, "unknown-override", f"`{name}` is no value set.", _close(name, known))
        return
    found = guarded_readers(name, rules.values(), guarded)
    if change.remove and found:
        yield site.problem(
            (*here, "remove"), "site-may-not", f"Codes of `{name}` cannot be removed: `{found[0]}` is an exclusion.",
            "Remove this; when a code is wrong, tell the owners of the value set.",
            "A contraindication could vanish.",
        )  # fmt: skip
    hidden = hides(name, rules, guarded)
    if change.add and hidden is not None:
        yield site.problem(
            (*here, "add"), "site-may-not", f"Codes cannot be added to `{name}`: they would hide `{hidden}`.",
            "Remove this; tell the owners of the value set which code is missing.",
            "A contraindication could vanish.",
        )  # fmt: skip


def hides(name: str, rules: Mapping[str, Rule], guarded: frozenset[str]) -> str | None:
    """The guarded fact that is found less often the more codes a value set has; None where there is none."""
    return next(iter(_readers(name, rules.values(), guarded, hiding=True)), None)


def guarded_readers(name: str, rules: Iterable[Rule], guarded: frozenset[str]) -> list[str]:
    """The guarded facts that are found less often the fewer codes and words a value set has."""
    return _readers(name, rules, guarded, hiding=False)


def _readers(name: str, rules: Iterable[Rule], guarded: frozenset[str], *, hiding: bool) -> list[str]:
    """The guarded facts that read a value set under a key which lets things not count, or under none such."""
    return [
        fact
        for rule in rules
        for fact, spec in rule.model.facts.items()
        if fact in guarded and name in _words(spec.model_dump(by_alias=True, exclude_unset=True), hiding=hiding)
    ]


def _words(values: Any, *, hiding: bool, inside: bool = False) -> set[str]:
    """Every word of a fact that stands under a key which lets things not count, or under none such."""
    if isinstance(values, dict):
        return {
            word
            for key, part in values.items()
            for word in _words(part, hiding=hiding, inside=inside or key in SAFE_SETS)
        }
    if isinstance(values, list):
        return {word for part in values for word in _words(part, hiding=hiding, inside=inside)}
    return {values} if isinstance(values, str) and inside is hiding else set()


def _with_codes(name: str, change: CodesChange, sets: Sets, site: Site) -> Sets:
    gone = {tuple(text.split("|", 1)) for text in change.remove}
    kept = [
        replace(one, model=one.model.model_copy(update={"codes": [_without(group, gone) for group in one.model.codes]}))
        if name in (one.model.valueset.id, one.model.valueset.adds_to)
        else one
        for one in sets
    ]
    if not change.add:
        return kept
    by_system: dict[str, dict[str, str]] = {}
    for text, display in change.add.items():
        system, code = text.split("|", 1)
        by_system.setdefault(system, {})[code] = display
    source = f"Added by {site.model.site.name}"
    groups = [
        CodeGroup.model_validate({"system": system, "source": source, "verified": False, "exact": codes})
        for system, codes in by_system.items()
    ]
    added = ValueSetFile(valueset=ValueSetHeader(adds_to=name, title=source), codes=groups)
    return [*kept, LoadedFile(site.file, site.located, added, site.digest, site.text)]


def _without(group: CodeGroup, gone: set[tuple[str, ...]]) -> CodeGroup:
    update = {
        key: {code: words for code, words in getattr(group, key).items() if (group.system, code) not in gone}
        for key in ("exact", "with_children")
    }
    return group.model_copy(update=update)


# ---------------------------------------------------------------- vocabulary


def vocabulary_override(loaded: LoadedFile[SiteVocabularyFile]) -> SiteOverride:
    """A site's vocabulary as one thing that is different there."""
    entries = loaded.model.entries
    codes = sum(entry.code is not None for entry in entries)
    others = sum(entry.is_other for entry in entries)
    says = f"{codes} codes and {len(entries) - codes} texts of the site read, {others} of them as nothing a rule wants"
    return replace(_override("vocabulary", says, loaded.model.vocabulary, ("vocabulary",)), file=loaded)


# ---------------------------------------------------------------- cards


def _card(
    name: str, change: CardChange, rules: dict[str, Rule], site: Site
) -> tuple[dict[str, Rule], list[SiteOverride | Problem]]:
    here: Path = ("cards", name)
    rule = next((rule for rule in rules.values() if name in rule.model.cards), None)
    if rule is None:
        known = {card: spec for one in rules.values() for card, spec in one.model.cards.items()}
        now = next((card for card, spec in known.items() if name in spec.formerly), "")
        fix = Correction(f"It is called `{now}` now.", name, now) if now else _close(name, known)
        return rules, [site.problem(here, "unknown-override", f"`{name}` is no card.", fix)]
    spec = rule.model.cards[name]
    if change.hide:
        if rest := _locked_reason(spec, rules):
            what = f"`{name}` cannot be hidden: it is shown for `{rest}`, which is locked."
            fix = "Remove this; a site may not silence a safety card."
            return rules, [site.problem((*here, "hide"), "site-may-not", what, fix)]
        cards = {card: one for card, one in rule.model.cards.items() if card != name}
        return _with_cards(rules, rule, cards), [_override(f"card {name}", "hidden", change, here)]
    numbers = [note.number for note in change.notes if note.number > len(spec.notes)]
    if numbers:
        what = f"`{name}` has {len(spec.notes)} notes; there is no note {numbers[0]}."
        return rules, [site.problem((*here, "notes"), "unknown-override", what, "Count them from 1.")]
    said = {note.number - 1: note.say for note in change.notes}
    update: dict[str, Any] = {
        "notes": [
            note.model_copy(update={"say": said[index]}) if index in said else note
            for index, note in enumerate(spec.notes)
        ],
        "links": [*spec.links, *(change.links.add if change.links else [])],
        "override_reasons": [*spec.override_reasons, *(change.override_reasons.add if change.override_reasons else [])],
        "source": change.source or spec.source,
    }
    says = ", ".join(key for key in ("links", "source", "notes", "override_reasons") if getattr(change, key))
    cards = {**rule.model.cards, name: spec.model_copy(update=update)}
    return _with_cards(rules, rule, cards), [_override(f"card {name}", f"other {says}", change, here)]


def _with_cards(rules: dict[str, Rule], rule: Rule, cards: dict[str, CardSpec]) -> dict[str, Rule]:
    changed = replace(rule, model=rule.model.model_copy(update={"cards": cards}))
    return {**rules, rule.model.about.id: changed}


def _locked_reason(card: CardSpec, rules: dict[str, Rule]) -> str:
    """A locked conclusion that brings the card up, not one that holds it back; "" for none."""
    known = {name: spec for rule in rules.values() for name, spec in rule.model.conclusions.items()}
    to_do: list[Any] = [card.show_when]
    seen: set[str] = set()
    while to_do:
        statement = to_do.pop()
        if isinstance(statement, NotThis | UnknownThis):
            continue
        if isinstance(statement, str) and statement in known and statement not in seen:
            if known[statement].locked:
                return statement
            seen.add(statement)
            to_do.append(known[statement].condition())
        to_do += [part for part, _ in parts(statement, ())]
    return ""
