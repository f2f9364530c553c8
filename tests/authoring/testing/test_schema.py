"""The JSON Schemas for editors accept what the reader accepts, and refuse slips of the pen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from cds.authoring.testing.cases import SCHEMAS
from cds.yaml_source.document import read_yaml

HERE = Path(__file__).parents[3]
FILES = [
    ("casetest.schema.json", HERE / "rules" / "depression" / "treatment-resistant-depression.test.yaml"),
    ("casetest.schema.json", HERE / "rules" / "depression" / "evaluation-cases.test.yaml"),
    ("patients.schema.json", HERE / "rules" / "patients" / "resistant.yaml"),
]


def plain_json(path: Path) -> Any:
    return json.loads(json.dumps(read_yaml(path.read_text(encoding="utf-8"), str(path)).value, default=str))


@pytest.mark.seconds
@pytest.mark.parametrize("name, path", FILES)
def test_the_schema_accepts_the_shipped_files(name: str, path: Path) -> None:
    jsonschema.validate(plain_json(path), SCHEMAS[name].model_json_schema())


@pytest.mark.seconds
@pytest.mark.parametrize(
    "patient",
    [{"agee": 46}, {"took": {"sertraline": {"form": "2025-01-01"}}}, {"not_sent": ["medication"]}, {"died": 3}],
)
def test_the_schema_refuses_a_slip_of_the_pen(patient: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"patients": {"anna": patient}}, SCHEMAS["patients.schema.json"].model_json_schema())


@pytest.mark.seconds
@pytest.mark.parametrize(
    "patient",
    [
        {"conditions": ["bipolar-disorder", {"code": "F33.1", "onset": 2019}]},
        {"scores": [{"phq-9-total": 17, "at": "10 days ago"}]},
        {"answers": [{"phq-9-item-9": "LA6570-1", "at": "today"}]},
        {
            "questionnaires": [
                {"coded": "phq-9-items", "answers": [0, None], "at": "today", "total": {"phq-9-total": 1}}
            ]
        },
        {"took": {"sertraline": {"from": "2025-01", "ongoing": True, "stopped_for": "treatment-ineffective"}}},
    ],
)
def test_the_schema_accepts_the_shorthand(patient: Any) -> None:
    jsonschema.validate({"patients": {"anna": patient}}, SCHEMAS["patients.schema.json"].model_json_schema())
