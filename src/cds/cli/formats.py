"""Problems in rule files as text, JSON, SARIF 2.1.0 or GitHub annotations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from cds import __version__
from cds.yaml_source.problem import Problem

SARIF = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def text(problems: Iterable[Problem]) -> str:
    """For people: where, what, why, how to fix, and where to read more."""
    return "".join(
        f"{problem}\n  See {problem.page}, or `cds check --explain {problem.check}`.\n" for problem in problems
    )


def as_json(problems: Sequence[Problem]) -> str:
    """One JSON object; `line` and `column` count from 1, 0 stands for the whole file."""
    values = {
        "errors": sum(not problem.warning for problem in problems),
        "warnings": sum(problem.warning for problem in problems),
        "problems": [
            {
                "file": problem.file,
                "line": problem.line,
                "column": problem.column,
                "check": problem.check,
                "severity": _level(problem),
                "what": problem.what,
                "why": problem.why,
                "fix": problem.fix,
                "docs": problem.page,
            }
            for problem in problems
        ],
    }
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def sarif(problems: Sequence[Problem]) -> str:
    """SARIF 2.1.0 (OASIS): one run, one rule for each check that found something."""
    checks = {problem.check: problem for problem in problems}
    numbers = {check: number for number, check in enumerate(sorted(checks))}
    run = {
        "tool": {
            "driver": {
                "name": "cds check",
                "version": __version__,
                "rules": [
                    {
                        "id": check,
                        "shortDescription": {"text": check.replace("-", " ").capitalize()},
                        "help": {"text": f"See {checks[check].page}."},
                    }
                    for check in numbers
                ],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [
            {
                "ruleId": problem.check,
                "ruleIndex": numbers[problem.check],
                "level": _level(problem),
                "message": {"text": _message(problem)},
                "locations": [{"physicalLocation": _location(problem)}],
            }
            for problem in problems
        ],
    }
    return json.dumps({"$schema": SARIF, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def github(problems: Iterable[Problem]) -> str:
    """Workflow commands: GitHub shows each beside its line."""
    lines = []
    for problem in problems:
        place = {"file": problem.file, "line": problem.line, "col": problem.column, "title": problem.check}
        named = ",".join(f"{key}={_escaped(str(value), ',:')}" for key, value in place.items() if value)
        lines.append(f"::{_level(problem)} {named}::{_escaped(_message(problem))}\n")
    return "".join(lines)


FORMATS: Mapping[str, Callable[[Sequence[Problem]], str]] = {
    "text": text, "json": as_json, "sarif": sarif, "github": github,
}  # fmt: skip


def _level(problem: Problem) -> str:
    return "warning" if problem.warning else "error"


def _message(problem: Problem) -> str:
    return "\n".join(part for part in (problem.what, problem.why, problem.fix, f"See {problem.page}.") if part)


def _location(problem: Problem) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": quote(problem.file)}}
    if problem.line:
        location["region"] = {"startLine": problem.line, "startColumn": max(problem.column, 1)}
    return location


def _escaped(value: str, more: str = "") -> str:
    """A value as GitHub reads it: percent signs, line ends and, in a property, what separates properties."""
    for sign in ("%", "\r", "\n", *more):
        value = value.replace(sign, f"%{ord(sign):02X}")
    return value
