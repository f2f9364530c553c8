"""Patterns of a rule file: keys that several facts share, written once and put into each before the file is read."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from cds.yaml_source.correction import did_you_mean
from cds.yaml_source.document import Path, YamlDocument
from cds.yaml_source.problem import Problem

LIKE = "like"
OWN = frozenset({"label", "formerly", LIKE})  # what each fact says for itself


def fill_patterns(located: YamlDocument) -> list[Problem]:
    """
    Put the keys of its pattern into each fact that names one with `like`; what the fact says itself stays.

    The document is changed: a key from a pattern has the line of the pattern. A fact whose pattern there is not is
    taken out, so that one mistake is one message.
    """
    facts, patterns = _section(located.value, "facts"), _section(located.value, "patterns")
    problems = [*_misplaced(located, patterns)]
    for name, fact in list(facts.items()):
        if not isinstance(fact, dict) or LIKE not in fact:
            continue
        pattern = patterns.get(str(fact[LIKE]))
        if isinstance(pattern, dict):
            _fill(fact, pattern, ("facts", name), ("patterns", str(fact[LIKE])), located)
            continue
        problems.append(_unknown(located, ("facts", name, LIKE), str(fact[LIKE]), patterns))
        del facts[name]
        for at in [at for at in located.lines if at[:2] == ("facts", name)]:
            del located.lines[at]
    return problems


def _section(value: Any, name: str) -> dict[str, Any]:
    section = value.get(name) if isinstance(value, dict) else None
    return section if isinstance(section, dict) else {}


def _fill(fact: dict[str, Any], pattern: dict[str, Any], path: Path, of: Path, located: YamlDocument) -> None:
    for key, value in pattern.items():
        if key in fact or key in OWN:
            continue
        fact[key] = deepcopy(value)
        located.repeats[(*path, key)] = (*of, key)
        places = {at[len(of) + 1 :]: place for at, place in located.lines.items() if at[: len(of) + 1] == (*of, key)}
        located.lines |= {(*path, key, *inner): place for inner, place in places.items()}


def _unknown(located: YamlDocument, path: Path, name: str, patterns: dict[str, Any]) -> Problem:
    line, column = located.at(path)
    what = f"`{name}` is not a pattern of this file."
    fix = did_you_mean(name, patterns, "Write it under `patterns:`, or write its keys here.")
    return Problem(located.file, line, column, "unknown-name", what, fix)


def _misplaced(located: YamlDocument, patterns: dict[str, Any]) -> list[Problem]:
    found = []
    for name, pattern in patterns.items():
        for key in sorted(OWN & set(pattern if isinstance(pattern, dict) else ())):
            line, column = located.at(("patterns", name, key))
            what = f"`{key}` is in the pattern `{name}`; each fact has its own."
            found.append(Problem(located.file, line, column, "wrong-form", what, "Write it at the facts."))
    return found
