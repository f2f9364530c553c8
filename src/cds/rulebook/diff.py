"""Two rulebooks → what changed in meaning between them, each change in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path as FilePath
from typing import Any

from cds.rulebook.fingerprint import Fingerprint, fingerprint_of, plain
from cds.rulebook.loader import Rulebook
from cds.rulebook.references import Rule
from cds.yaml_source.document import Path

LONGEST = 160  # characters of a value that are shown
PLACEHOLDER = re.compile(r"(\{\{[^{}]*\}\})")


class RuleChangeKind(Enum):
    """What kind of change it is, in the order a reviewer asks."""

    THRESHOLD = "Thresholds and parameters"
    CLAUSE = "Conditions"
    FACT = "What is looked for"
    CODE = "Codes, words and doses"
    CARD = "Cards and services"
    LIFE = "Version, status, purpose"
    EVIDENCE = "Evidence"


@dataclass(frozen=True, slots=True)
class RuleChange:
    """
    One change of meaning between two rulebooks.

    Attributes:
        kind: What kind.
        names: What it is a change of: parameter, fact, conclusion, card, value set or drug table.
        says: The change in a sentence, Markdown.
        path: Where under the thing: ("value",), ("show_when",); () for all of it.
        place: "depression/staging.yaml:93", in the new rules, or the old for what is gone.
        section: Section of the rule file; "valuesets" or "tables"; "rules" for a whole file; "" for a new name.
    """

    kind: RuleChangeKind
    names: frozenset[str]
    says: str
    place: str
    path: Path = ()
    section: str = ""


def changes_between(old: Rulebook, new: Rulebook) -> list[RuleChange]:
    """What changed in meaning; nothing when only spelling, order, comments or a place in another file did."""
    before, after = fingerprint_of(old), fingerprint_of(new)
    names = {was: now for rule in new.rules.values() for was, now in renamed(rule) if _defined(was, before)}
    cards = {was: now for rule in new.rules.values() for was, now in _renamed_cards(rule) if _has_card(was, before)}
    before = _with_cards(_with_names(before, names), cards)
    found = [
        *_renames(names, new, RENAMED),
        *_renames(cards, new, ("cards",)),
        *_in_rules(before, after, old, new),
        *_in_codes(before.sets, after.sets, "Value set"),
        *_in_codes(before.tables, after.tables, "Drug table"),
    ]
    order = list(RuleChangeKind)
    return sorted(found, key=lambda change: (order.index(change.kind), change.place, change.says))


# ---------------------------------------------------------------- renames


RENAMED = ("parameters", "facts", "conclusions")


def _renamed_cards(rule: Rule) -> Iterator[tuple[str, str]]:
    # Apart from the rest, since a card may be called as a conclusion is.
    for name, spec in rule.model.cards.items():
        yield from ((was, name) for was in spec.formerly)


def _has_card(card: str, meaning: Fingerprint) -> bool:
    return any(card in rule.get("cards", {}) for rule in meaning.rules.values())


def _with_cards(meaning: Fingerprint, names: Mapping[str, str]) -> Fingerprint:
    rules = {
        name: {**rule, "cards": {names.get(card, card): spec for card, spec in rule["cards"].items()}}
        if "cards" in rule
        else rule
        for name, rule in meaning.rules.items()
    }
    return Fingerprint(rules, meaning.sets, meaning.tables)


def renamed(rule: Rule) -> Iterator[tuple[str, str]]:
    """Former and present name of each parameter, fact and conclusion of a file that has another one now."""
    for section in RENAMED:
        for name, spec in getattr(rule.model, section).items():
            yield from ((was, name) for was in spec.formerly)


def _defined(name: str, meaning: Fingerprint) -> bool:
    return any(name in rule.get(s, {}) for rule in meaning.rules.values() for s in SECTIONS)


def _with_names(meaning: Fingerprint, names: Mapping[str, str]) -> Fingerprint:
    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {names.get(key, key): changed(part) for key, part in value.items()}
        if isinstance(value, list):
            return [changed(part) for part in value]
        if isinstance(value, str):
            parts = PLACEHOLDER.split(names.get(value, value))
            return "".join(_in_placeholder(part, names) if PLACEHOLDER.fullmatch(part) else part for part in parts)
        return value

    rules = {name: plain(changed(rule)) for name, rule in meaning.rules.items()} if names else meaning.rules
    return Fingerprint(rules, meaning.sets, meaning.tables)


def _in_placeholder(placeholder: str, names: Mapping[str, str]) -> str:
    name, bar, forms = placeholder.partition("|")  # what follows are words, not names
    return re.sub(r"[a-z][a-z0-9_]*", lambda word: names.get(word[0], word[0]), name) + bar + forms


def _renames(names: Mapping[str, str], new: Rulebook, sections: Iterable[str]) -> Iterator[RuleChange]:
    for was, now in names.items():
        for section in sections:
            for rule in new.rules.values():
                if now in getattr(rule.model, section):
                    place = _place(new, rule, (section, now))
                    yield RuleChange(RuleChangeKind.LIFE, frozenset({now}), f"`{was}` is now called `{now}`", place)


# ---------------------------------------------------------------- rule files

SECTIONS = {"parameters": RuleChangeKind.THRESHOLD, "facts": RuleChangeKind.FACT, "conclusions": RuleChangeKind.CLAUSE}
OTHERS = {
    "definitions": RuleChangeKind.THRESHOLD,
    "services": RuleChangeKind.CARD,
    "cards": RuleChangeKind.CARD,
    "leaflets": RuleChangeKind.CARD,
    "evidence": RuleChangeKind.EVIDENCE,
}
UNSAID = frozenset({"formerly"})


def _in_rules(before: Fingerprint, after: Fingerprint, old: Rulebook, new: Rulebook) -> Iterator[RuleChange]:
    for section, kind in {**SECTIONS, **OTHERS}.items():
        was, now = _together(before, section), _together(after, section)
        for name in sorted({*was, *now}):
            file, left = was.get(name, ("", None))
            other, right = now.get(name, ("", None))
            book, rule = (new, new.rules[other]) if other else (old, old.rules[file])
            for path, a, b in _differences(left, right, ()):
                place = _place(book, rule, (section, *([] if section == "definitions" else [name]), *path))
                unit = (right or left).get("unit", "") if section == "parameters" else ""
                yield _change(kind, section, name, path, a, b, place, "" if unit == "1" else f" {unit}".rstrip())
    for name in sorted({*before.rules, *after.rules}):
        left, right = (meaning.rules.get(name, {}).get("about") for meaning in (before, after))
        book = new if name in new.rules else old
        place = _place(book, book.rules[name], ("about",))
        if left is None or right is None:
            says = f"Rule file `{name}` {_came(right)}"
            yield RuleChange(RuleChangeKind.LIFE, frozenset({name}), says, place, section="rules")
            continue
        for path, a, b in _differences(left, right, ()):
            says = f"`{name}` {'.'.join(map(str, path))}: {_arrow(a, b)}"
            place = _place(book, book.rules[name], ("about", *path))
            yield RuleChange(RuleChangeKind.LIFE, frozenset({name}), says, place, path, "about")


def _together(meaning: Fingerprint, section: str) -> dict[str, tuple[str, Any]]:
    """Name → file and values; where a thing stands is not part of what it means."""
    if section == "definitions":
        return {
            rule["definitions"]["of"]: (name, rule["definitions"])
            for name, rule in meaning.rules.items()
            if "definitions" in rule
        }
    prefix = section == "evidence"
    return {
        f"{name}.{thing}" if prefix else thing: (name, spec)
        for name, rule in meaning.rules.items()
        for thing, spec in rule.get(section, {}).items()
    }


def _differences(a: Any, b: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    """Innermost places where two values differ; conditions and lists are compared whole."""
    if a == b:
        return
    if isinstance(a, dict) and isinstance(b, dict) and path[-1:] not in {("when",), ("show_when",), ("resource",)}:
        for key in dict.fromkeys((*a, *b)):
            if key not in UNSAID:
                yield from _differences(a.get(key), b.get(key), (*path, key))
    elif isinstance(a, list) and isinstance(b, list) and path[-1:] == ("notes",) and len(a) == len(b):
        for index, (left, right) in enumerate(zip(a, b, strict=True)):
            yield from _differences(left, right, (*path, index))
    else:
        yield path, a, b


def _change(
    kind: RuleChangeKind, section: str, name: str, path: Path, a: Any, b: Any, place: str, unit: str
) -> RuleChange:
    what = section.removesuffix("s")
    names = frozenset({name})
    if not path:
        says = f"{what.capitalize()} `{name}` {_came(b)}"
        shown = a if b is None else b
        condition = isinstance(shown, dict) and (shown.get("when") or shown.get("show_when"))
        value = shown.get("value") if isinstance(shown, dict) else None
        if condition:
            says += f": `{written(condition)}`"
        elif value is not None:
            says += f": {value}{unit}"
        return RuleChange(kind, names, says, place, section=section)
    if path[-1] in {"when", "show_when"}:
        note = f", note {int(path[1]) + 1}" if path[0] == "notes" and len(path) > 1 else ""
        return RuleChange(
            RuleChangeKind.CLAUSE, names, f"{what.capitalize()} `{name}`{note}: {_clauses(a, b)}", place, path, section
        )
    if section == "parameters" and path == ("value",):
        return RuleChange(kind, names, f"`{name}`: {a} → {b}{unit}", place, path, section)
    where = " ".join(str(step + 1) if isinstance(step, int) else str(step) for step in path)
    kind = RuleChangeKind.EVIDENCE if path[-1] == "evidence" else kind
    return RuleChange(kind, names, f"`{name}` {where}: {_arrow(a, b)}", place, path, section)


def _clauses(a: Any, b: Any) -> str:
    """Which parts of a condition went, and which came; the whole condition where its form is another."""
    form = {"all", "any"}
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys() and a.keys() <= form:
        ((word, left),) = a.items()
        left, right = ([part] if not isinstance(part, list) else part for part in (left, b[word]))
        went, came = [p for p in left if p not in right], [p for p in right if p not in left]
        if (went or came) and len(went) + len(came) <= max(len(left), len(right)):
            said = [f"without `{written(part)}`" for part in went] + [f"with `{written(part)}`" for part in came]
            return f"in `{word}`, " + ", ".join(said)
    return f"`{written(a)}` → `{written(b)}`"


def written(value: Any) -> str:
    """A condition or value as one line of YAML."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {written(part)}" for key, part in value.items()) + "}"
        case list():
            return "[" + ", ".join(written(part) for part in value) + "]"
        case bool():
            return str(value).lower()
    return str(value)


def _came(after: Any) -> str:
    return "is gone" if after is None else "is new"


def _arrow(a: Any, b: Any) -> str:
    if (isinstance(a, list) and isinstance(b, list | str)) or (isinstance(b, list) and isinstance(a, str)):
        left, right = ([part] if isinstance(part, str) else part for part in (a, b))
        went, came = [p for p in left if p not in right], [p for p in right if p not in left]
        if went or came:
            return ", ".join([f"without {_shown(p)}" for p in went] + [f"with {_shown(p)}" for p in came])
    if a is None:
        return f"now {_shown(b)}"
    return f"{_shown(a)} → {'nothing' if b is None else _shown(b)}"


def _shown(value: Any) -> str:
    text = " ".join(written(value).split())
    text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return f"“{text}”" if isinstance(value, str) and " " in text else f"`{text}`"


# ---------------------------------------------------------------- value sets and tables


def _in_codes(before: Mapping[str, Any], after: Mapping[str, Any], what: str) -> Iterator[RuleChange]:
    for name in sorted({*before, *after}):
        a, b = before.get(name), after.get(name)
        place = "valuesets" if what == "Value set" else "tables"
        if a is None or b is None:
            says = f"{what} `{name}` {_came(b)}"
            yield RuleChange(RuleChangeKind.CODE, frozenset({name}), says, place, section=place)
            continue
        for path, left, right in _differences(a, b, ()):
            said = _entry(path, left, right)
            yield RuleChange(RuleChangeKind.CODE, frozenset({name}), f"{what} `{name}`: {said}", place, section=place)


def _entry(path: Path, left: Any, right: Any) -> str:
    where = " ".join(str(step) for step in path)
    if len(path) == 1 and (left is None or right is None):
        return f"{'without' if right is None else 'with'} `{where}`"
    return f"`{where}` {_arrow(left, right)}"


def _place(book: Rulebook, rule: Rule, path: Path) -> str:
    line, _ = rule.located.at(path)
    file = FilePath(rule.file)
    folder = book.root if book.base is None or file.is_relative_to(book.root) else book.base
    return f"{file.relative_to(folder).as_posix()}:{line}"
