"""Conditions as CQL, and the engine that runs them (Node; packages of tests/cql/package.json)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from cds.logic.conditions import (
    All,
    AtLeast,
    Compare,
    Comparison,
    Condition,
    Name,
    Not,
    Possibly,
    Unknown,
    walk,
)
from cds.logic.conditions import Any as AnyOf

HERE = Path(__file__).parent
SIGNS = {Comparison.AT_LEAST: ">=", Comparison.ABOVE: ">", Comparison.AT_MOST: "<=", Comparison.BELOW: "<"}


def written(condition: Condition) -> str:
    """The condition as a CQL expression; a number is the interval it surely lies in, null when nothing is known."""
    match condition:
        case Name(name):
            return f'"{name}"'
        case Compare(fact, how, limit):
            low, high, sign = f'"{fact} low"', f'"{fact} high"', SIGNS[how]
            # Both ends say the same, or it cannot be told: CQL's own three-valued `and` and `or`.
            both = f"({low} {sign} {limit:f} and {high} {sign} {limit:f})"
            either = f"({low} {sign} {limit:f} or {high} {sign} {limit:f})"
            return f"(if {both} then true else if not {either} then false else null)"
        case All(parts):
            return f"({' and '.join(written(part) for part in parts)})"
        case AnyOf(parts):
            return f"({' or '.join(written(part) for part in parts)})"
        case AtLeast(count, parts):
            choices = [" and ".join(written(part) for part in chosen) for chosen in combinations(parts, count)]
            return f"({' or '.join(f'({choice})' for choice in choices) or 'false'})"
        case Not(part):
            return f"(not {written(part)})"
        case Unknown(part):
            return f"({written(part)} is null)"
        case Possibly(part):
            return f"(not ({written(part)} is false))"


def library(heads: Mapping[str, Condition]) -> str:
    """A CQL library with an expression for each head, and a parameter for each fact they read."""
    read = [part for condition in heads.values() for part in walk(condition)]
    statements = sorted({part.name for part in read if isinstance(part, Name)} - heads.keys())
    numbers = sorted({part.fact for part in read if isinstance(part, Compare)})
    lines = ["library Rules version '1'"]
    lines += [f'parameter "{name}" Boolean' for name in statements]
    lines += [f'parameter "{name} {end}" Decimal' for name in numbers for end in ("low", "high")]
    lines += ["context Unfiltered"]
    lines += [f'define "{name}":\n  {written(condition)}' for name, condition in heads.items()]
    return "\n".join(lines) + "\n"


def run(text: str, cases: Iterable[Mapping[str, Any]], modules: Path) -> list[dict[str, Any]]:
    """What every expression of a library comes out as for each case."""
    node = shutil.which("node")
    assert node
    given = json.dumps({"library": text, "cases": list(cases)})
    command = [node, str(HERE / "evaluate.mjs"), str(modules)]
    done = subprocess.run(command, input=given.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers
