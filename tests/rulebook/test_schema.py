"""The schemas editors use are those of the format, and accept what the format accepts."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from cds.cli.schema import SCHEMAS
from cds.rulebook.json_schema import schema_text
from cds.yaml_source.document import read_yaml
from tests.rulebook.small_rules import GOOD, RULE, SCORE_SET, SET, SNOMED_SET, TABLE, changed

RULES = Path(__file__).parents[2] / "rules"


def kind_of(place: tuple[str, ...]) -> str | None:
    """Which schema a file under rules/ follows; None for tests and patients."""
    if place[-1].endswith(".test.yaml") or place[0] == "patients":
        return None
    if place == ("review", "packet.yaml"):
        return "packet.schema.json"
    kinds = {"valuesets": "valueset", "tables": "drugs", "reading": "reading", "review": "review"}
    return f"{kinds.get(place[0], 'rules')}.schema.json"


SHIPPED = [
    (path, kind)
    for path in sorted(RULES.rglob("*.yaml"))
    if (kind := kind_of(path.relative_to(RULES).parts)) is not None
]


def as_json(value: Any) -> Any:
    """As a YAML-to-JSON editor sees it: days are text."""
    match value:
        case dict():
            return {key: as_json(part) for key, part in value.items()}
        case list():
            return [as_json(part) for part in value]
        case date():
            return value.isoformat()
    return value


@cache
def validator(kind: str) -> Any:
    return jsonschema.Draft202012Validator(json.loads(schema_text(kind, SCHEMAS[kind])))


def mistakes(text: str, kind: str) -> list[str]:
    return [error.message for error in validator(kind).iter_errors(as_json(read_yaml(text, "a.yaml").value))]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_beside_the_rules_is_the_one_of_the_format(name: str) -> None:
    """When this fails, write the file again: `cds schema NAME > rules/NAME`."""
    assert (RULES / name).read_text(encoding="utf-8") == schema_text(name, SCHEMAS[name])


@pytest.mark.seconds
@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_a_schema_and_says_what_it_is(name: str) -> None:
    schema = json.loads(schema_text(name, SCHEMAS[name]))

    jsonschema.Draft202012Validator.check_schema(schema)
    assert list(schema)[:3] == ["$schema", "$id", "title"]
    assert schema["$id"] == name
    assert schema["description"]


@pytest.mark.parametrize(("path", "kind"), SHIPPED, ids=lambda value: getattr(value, "stem", value))
def test_what_is_shipped_fits_its_schema(path: Path, kind: str) -> None:
    assert mistakes(path.read_text(encoding="utf-8"), kind) == []


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (RULE, "rules.schema.json"),
        (SET, "valueset.schema.json"),
        (SNOMED_SET, "valueset.schema.json"),
        (SCORE_SET, "valueset.schema.json"),
        (TABLE, "drugs.schema.json"),
    ],
)
def test_the_small_rules_fit_their_schema(file: str, kind: str) -> None:
    assert mistakes(GOOD[file], kind) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("find: age", "find: ages"),
        ("  limits: Invented.\n", ""),
        ("indicator: info", "indicator: hot"),
        ("all: [resistant, symptomatic]", "all: []"),
        ("all: [resistant, symptomatic]", "nott: resistant"),
        ("{at_least: adult_age}", "{at_leest: adult_age}"),
        ("look_back: 60 days", "look_back: 60"),
        ("unit: years\n  depression", "unit:\n  depression"),
    ],
)
def test_an_editor_sees_the_mistake_too(old: str, new: str) -> None:
    assert mistakes(changed(GOOD[RULE], old, new), "rules.schema.json")


def test_observation_and_score_are_both_accepted() -> None:
    observation = changed(GOOD[RULE], "find: score", "find: observation")

    assert mistakes(observation, "rules.schema.json") == []
