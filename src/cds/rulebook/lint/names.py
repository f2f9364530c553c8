"""Checks of names: known, of the right kind, given once, used."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from cds.facts.kind import (
    COURSE,
    DRAFT,
    EPISODE,
    FACTS,
    HISTORY,
    NUMBER,
    PRESENT,
    SCORE,
    STATEMENT,
    TRACED,
    TREATMENT,
    TRIALS,
    WORD,
)
from cds.logic import conditions as c
from cds.logic.strata import find_cycles
from cds.rulebook.compile import IN_USE
from cds.rulebook.definitions import UNDER
from cds.rulebook.format import rule_file as f
from cds.rulebook.format.about import Parameter
from cds.rulebook.format.value_set import ValueSetFile
from cds.rulebook.lint.view import RulebookView
from cds.rulebook.references import (
    ANY_FACT,
    CONCLUSION,
    COUNTED,
    COUNTED_PARAMETER,
    DEFINED,
    DEFINITION,
    DURATION,
    FITS,
    LIMIT,
    PARAMETER,
    SHOWN,
    SUMMARY,
    WORDS,
    Definition,
    NameReference,
)
from cds.yaml_source.correction import Correction, did_you_mean
from cds.yaml_source.document import Path
from cds.yaml_source.fields import duration_days, listed
from cds.yaml_source.loaded import LoadedFile
from cds.yaml_source.problem import Problem

SHARED = "Names are shared by all rule files; see docs/rule-authors/names.md."
KINDS = {
    STATEMENT: "a fact or conclusion that is true or false",
    PRESENT: "a fact that is true or false (facts are known before any conclusion)",
    NUMBER: "a number: an age, observation, score or count",
    SCORE: "an observation or score",
    TRIALS: "a medication_trials fact",
    DRAFT: "a draft_order fact with `drugs`",
    TREATMENT: "a treatment fact",
    COURSE: "a course fact",
    HISTORY: "a drug_history fact",
    EPISODE: "an episode fact",
    CONCLUSION: "a conclusion",
    LIMIT: "a parameter that is a number",
    DURATION: "a parameter that is a number of days, weeks, months or years",
    WORDS: "a parameter that is one of these words",
    WORD: "a parameter that is a word",
    DEFINITION: "one of the definitions of a file",
    DEFINED: "a conclusion that `definitions` of its file decide",
    SHOWN: "a fact or parameter",
    ANY_FACT: "a fact",
    TRACED: "a fact that is true or false, or a measured number",
    SUMMARY: "a parameter or a number",
    PARAMETER: "a parameter",
    COUNTED: "a number, which plural forms are chosen by",
    COUNTED_PARAMETER: "a parameter that is a number",
}


def unknown_name(view: RulebookView) -> Iterator[Problem]:
    """Every name that is read is defined somewhere."""
    for reading in view.readings:
        if reading.name in view.definitions or reading.placeholder or view.may_be_defined(reading.name):
            continue
        yield reading.rule.problem(
            reading.path,
            "unknown-name",
            f"`{reading.name}` is not a fact, conclusion or parameter.",
            suggest(reading, view),
            SHARED,
        )


def suggest(reading: NameReference, view: RulebookView) -> str:
    """A name that would fit, if one is close; else what kind of name is wanted here."""
    if reading.name in view.formerly:
        now = view.formerly[reading.name]
        return Correction(f"It is called `{now}` now.", reading.name, now)
    fitting = [name for name, found in view.definitions.items() if found[0].role in FITS[reading.wants]]
    if reading.wants == WORDS and (close := did_you_mean(reading.name, reading.words, "")):
        return close
    wanted = f"Write the name of {kind_of(reading)}."
    return did_you_mean(reading.name, fitting, did_you_mean(reading.name, view.definitions, wanted))


def wrong_kind(view: RulebookView) -> Iterator[Problem]:
    """A name stands where something of its kind can stand."""
    for reading in view.readings:
        found = view.one(reading.name)
        if found is None or reading.placeholder or fits(reading, found):
            continue
        yield reading.rule.problem(
            reading.path,
            "wrong-kind",
            f"`{reading.name}` is {_what(found)}; here belongs {kind_of(reading)}.",
            _instead(reading, found),
        )


def fits(reading: NameReference, found: Definition) -> bool:
    """Whether what a name stands for can be read here."""
    if found.role not in FITS[reading.wants]:
        return False
    match reading.wants:
        case "score" | "drug history" | "treatment" | "draft order":
            return reading.wants in found.spec.stands_as()
        case "limit" | "counted parameter":
            return not isinstance(found.spec.value, str)
        case "counted":
            return found.role != PARAMETER or not isinstance(found.spec.value, str)
        case "duration":
            return duration_of(found.spec) is not None
        case "defined":
            decided = found.rule.model.definitions
            return decided is not None and decided.of == found.name
        case "word":
            return isinstance(found.spec.value, str)
        case "words":
            return set(found.spec.one_of or ()) <= set(reading.words) and isinstance(found.spec.value, str)
    return True


def duration_of(parameter: Parameter) -> int | None:
    """Days of a parameter that is a duration; None when it is none."""
    if isinstance(parameter.value, str):
        return None
    return duration_days(f"{parameter.value:g} {parameter.unit}")


def _what(found: Definition) -> str:
    if found.role == PARAMETER:
        words = isinstance(found.spec.value, str)
        return "a parameter that is a word" if words else f"a parameter in {found.spec.unit}"
    if found.role == DEFINITION:
        return "a definition"
    if found.role == CONCLUSION:
        return "a conclusion"
    return found.spec.says or f"a fact of kind {found.spec.find}"


def _instead(reading: NameReference, found: Definition) -> str:
    name = reading.name
    if reading.wants == STATEMENT and found.role == NUMBER:
        return f"Compare it with a limit: `{name}: {{at_least: …}}`."
    if reading.wants == STATEMENT and found.role == DEFINITION:
        return f"Write `definition: {name}`."
    if reading.wants == STATEMENT and found.role == TRIALS:
        return "Write a fact that counts the trials (`count:`), and compare that."
    if reading.wants == NUMBER and found.role in (STATEMENT, CONCLUSION):
        return f"Write `{name}` alone, without a limit."
    if reading.wants == DURATION and found.role == PARAMETER:
        return "Give the parameter a whole number and the unit days, weeks, months or years."
    return f"Write the name of {kind_of(reading)}."


def kind_of(reading: NameReference) -> str:
    """What belongs where a name is read, in words."""
    return KINDS[reading.wants] + (f": {', '.join(reading.words)}" if reading.words else "")


def duplicate_name(view: RulebookView) -> Iterator[Problem]:
    """A name stands for one thing, in all files together."""
    for name, found in view.definitions.items():
        first = found[0]
        for other in found[1:]:
            yield other.rule.problem(
                other.path,
                "duplicate-name",
                f"`{name}` is already {_article(first.role)} in {_where(first.rule, first.path)}.",
                "Give one of them another name.",
                SHARED,
            )
    for old, new in view.formerly.items():
        still = view.one(old)
        if still is not None:
            yield still.rule.problem(
                still.path,
                "duplicate-name",
                f"`{old}` is also what `{new}` was called formerly.",
                "Choose a name that never meant something else.",
            )
    for section, word in (("cards", "card"), ("services", "service")):
        yield from _twice_in(view, section, word)
    yield from _former_cards(view)
    yield from _valueset_twice(view)


def reserved_name(view: RulebookView) -> Iterator[Problem]:
    """No name of an author is spelt as the copies are that other definitions are decided by."""
    for rule in view.rules:
        for section in ("parameters", "facts", "conclusions", "cards"):
            for name in getattr(rule.model, section):
                if UNDER in name:
                    yield rule.problem(
                        (section, name),
                        "name-reserved",
                        f"`{name}` has two underscores in a row.",
                        f"Write `{re.sub('__+', '_', name)}`.",
                        "Such names are kept for what is decided once more under another definition.",
                    )


def _former_cards(view: RulebookView) -> Iterator[Problem]:
    cards = {name: rule for rule in view.rules for name in rule.model.cards}
    was: dict[str, str] = {}
    for rule in view.rules:
        for name, card in rule.model.cards.items():
            for old in card.formerly:
                path: Path = ("cards", name, "formerly")
                if old in cards:
                    where = _where(cards[old], ("cards", old))
                    what = f"`{old}` is a card in {where}; `{name}` cannot have been called so formerly."
                    yield rule.problem(path, "duplicate-name", what, "Choose a name that never meant something else.")
                elif was.setdefault(old, name) != name:
                    what = f"`{old}` is what `{was[old]}` was called formerly, too."
                    fix = "Keep it at the card that took over what was answered to it."
                    yield rule.problem(path, "duplicate-name", what, fix)


def _twice_in(view: RulebookView, section: str, word: str) -> Iterator[Problem]:
    seen: dict[str, tuple[LoadedFile[f.RuleFile], Path]] = {}
    for rule in view.rules:
        for name in getattr(rule.model, section):
            path: Path = (section, name)
            if name in seen:
                yield rule.problem(
                    path,
                    "duplicate-name",
                    f"`{name}` is already a {word} in {_where(*seen[name])}.",
                    "Give one of them another name.",
                )
            seen.setdefault(name, (rule, path))


def _valueset_twice(view: RulebookView) -> Iterator[Problem]:
    seen: dict[str, LoadedFile[ValueSetFile]] = {}
    for loaded in view.book.sets:
        name = loaded.model.valueset.id
        if name is None:
            continue
        if name in seen:
            yield loaded.problem(
                ("valueset", "id"),
                "duplicate-name",
                f"`{name}` is already a value set in {_where(seen[name], ('valueset', 'id'))}.",
                f"Write `adds_to: {name}` to add codes to it, or another id.",
            )
        seen.setdefault(name, loaded)


def _article(role: str) -> str:
    return "a fact" if role in FACTS else f"a {role}"


def _where(rule: LoadedFile[f.RuleFile] | LoadedFile[ValueSetFile], path: Path) -> str:
    return f"{rule.file}:{rule.located.at(path)[0]}"


def unused_fact(view: RulebookView) -> Iterator[Problem]:
    """A fact is there because something reads it, or the timeline draws it."""
    read = {reading.name for reading in view.readings}
    read |= {name for rule in view.book.rules.values() for name, fact in rule.model.facts.items() if fact.timeline}
    for name, found in view.definitions.items():
        if found[0].role in FACTS and name not in read and not view.may_be_read(name):
            yield found[0].rule.problem(
                found[0].path,
                "unused-fact",
                f"No conclusion, card or other fact reads `{name}`.",
                "Remove it, or use it.",
                "What nobody reads is not asked of the EHR either.",
                warning=True,
            )


def unused_parameter(view: RulebookView) -> Iterator[Problem]:
    """A parameter is there because something reads it."""
    read = {reading.name for reading in view.readings}
    for name, found in view.definitions.items():
        if found[0].role == PARAMETER and name not in read and not view.may_be_read(name):
            yield found[0].rule.problem(
                found[0].path,
                "unused-parameter",
                f"Nothing reads `{name}`.",
                "Remove it, or use it.",
                "A site that sets it would wonder why nothing changes.",
                warning=True,
            )


def unused_pattern(view: RulebookView) -> Iterator[Problem]:
    """A pattern is there because some fact is like it."""
    for rule in view.rules:
        used = {fact.like for fact in rule.model.facts.values()}
        for name in rule.model.patterns:
            if name not in used:
                what, fix = f"No fact of this file is like `{name}`.", "Remove it, or name it in a fact: `like:`."
                yield rule.problem(("patterns", name), "unused-pattern", what, fix, warning=True)


def file_uses_draft(view: RulebookView) -> Iterator[Problem]:
    """What is in use rests only on what is in use."""
    for reading in view.readings:
        found = view.definitions.get(reading.name, ())
        if not found or _in_use(reading.rule) <= any(_in_use(definition.rule) for definition in found):
            continue
        yield _uses_draft(reading.rule, reading.path, reading.name, found[0].rule)
    services = {name: rule for rule in view.rules for name in rule.model.services}
    for rule in view.rules:
        for name, card in rule.model.cards.items():
            for service in listed(card.service):
                other = services.get(service)
                if other is not None and _in_use(rule) and not _in_use(other):
                    yield _uses_draft(rule, ("cards", name, "service"), service, other)


def _in_use(rule: LoadedFile[f.RuleFile]) -> bool:
    return rule.model.about.status in IN_USE


def _uses_draft(rule: LoadedFile[f.RuleFile], path: Path, name: str, other: LoadedFile[f.RuleFile]) -> Problem:
    status = rule.model.about.status
    return rule.problem(
        path,
        "file-uses-draft",
        f"`{name}` stands in {other.file}, which is {other.model.about.status}; this file is {status}.",
        f"Make that file silent or active, or this one {other.model.about.status}.",
        "Draft and retired files are not loaded.",
    )


def cycle(view: RulebookView) -> Iterator[Problem]:
    """No conclusion needs itself."""
    needs: defaultdict[str, set[str]] = defaultdict(set)
    for reading in view.readings:
        if reading.path[0] == "conclusions":
            needs[str(reading.path[1])].add(_decided(reading, view))
    heads = {name: c.All(tuple(c.Name(needed) for needed in sorted(names))) for name, names in needs.items()}
    for circle in find_cycles(heads):
        start = circle.index(min(circle))
        names = [*circle[start:-1], *circle[: start + 1]]
        first = view.definitions[names[0]][0]
        yield first.rule.problem(
            first.path,
            "cycle",
            f"These conclusions need each other: {' needs '.join(f'`{name}`' for name in names)}.",
            "Remove one of these steps; a conclusion must be decidable before what it is used in.",
        )


def _decided(reading: NameReference, view: RulebookView) -> str:
    """What a condition reads: under a definition, the conclusion that is defined."""
    found = view.one(reading.name)
    defined = found.rule.model.definitions if found and reading.wants == DEFINITION else None
    return defined.of if defined else reading.name


CHECKS = (
    unknown_name, wrong_kind, duplicate_name, reserved_name, cycle, unused_fact, unused_parameter, unused_pattern,
    file_uses_draft,
)  # fmt: skip
