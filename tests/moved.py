"""Requests of fhir_examples/ for a server whose clock nobody has set."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

from tests.server import ROOT, TODAY

JSON = dict[str, Any]
DAY = re.compile(r"\b20\d\d-\d\d-\d\d\b")


def example(name: str) -> JSON:
    """A request of fhir_examples/, moved in time so that its today is today."""

    def moved(found: re.Match[str]) -> str:
        return (date.fromisoformat(found[0]) + (date.today() - TODAY)).isoformat()  # noqa: DTZ011 (as the server's)

    text = (ROOT / "fhir_examples" / name / "request.json").read_text()
    request: JSON = json.loads(DAY.sub(moved, text))
    return request
