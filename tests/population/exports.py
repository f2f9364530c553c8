"""
A made-up population as a bulk export: charts of fhir_examples with other days, ages and gaps, and visits around them.

The same arguments give the same bytes.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).parents[2]
DAY = re.compile(r"\b20[0-2]\d-[01]\d-[0-3]\d")
TYPES = [
    "Patient",
    "Condition",
    "MedicationRequest",
    "MedicationStatement",
    "MedicationAdministration",
    "MedicationDispense",
    "Procedure",
    "Observation",
    "AllergyIntolerance",
    "ServiceRequest",
    "QuestionnaireResponse",
    "Encounter",
    "Medication",
]
Resource = dict[str, Any]


def examples() -> list[list[Resource]]:
    """The resources of each example that has a Patient."""
    found = []
    for file in sorted((ROOT / "fhir_examples").rglob("*.json")):
        sent = json.loads(file.read_text())
        resources = list(_resources(list(sent["prefetch"].values()) if "prefetch" in sent else sent))
        if any(one["resourceType"] == "Patient" for one in resources):
            found.append(resources)
    return found


def _resources(sent: Any) -> Iterator[Resource]:
    if isinstance(sent, list):
        for one in sent:
            yield from _resources(one)
    elif isinstance(sent, dict) and sent.get("resourceType") == "Bundle":
        for entry in sent.get("entry") or ():
            yield from _resources(entry.get("resource"))
    elif isinstance(sent, dict) and sent.get("resourceType") in TYPES:
        yield sent


def patient(number: int, drawn: random.Random, charts: list[list[Resource]], size: int) -> list[Resource]:
    """The resources of patient `p<number>`, about `size` of them."""
    chart = drawn.choice(charts)
    own = next(one["id"] for one in chart if one["resourceType"] == "Patient")
    moved = timedelta(drawn.choice((0, 0, 0, -7, -30, -90, -400, -2000)))
    text = json.dumps(chart).replace(f"Patient/{own}", f"Patient/p{number}")
    text = DAY.sub(lambda day: _moved(day[0], moved), text)
    subject = {"reference": f"Patient/p{number}"}
    made: list[Resource] = []
    for index, resource in enumerate(json.loads(text)):
        kind = resource["resourceType"]
        resource["id"] = f"p{number}" if kind == "Patient" else f"p{number}-{index}"
        if kind == "Medication":
            continue
        if kind == "Patient":
            resource["birthDate"] = f"{drawn.randint(1940, 2012)}-{drawn.randint(1, 12):02}-{drawn.randint(1, 28):02}"
            resource["gender"] = drawn.choice(("female", "male", "female", "male", "other"))
        elif drawn.random() < 0.04:
            continue  # never written down
        elif drawn.random() < 0.1:
            for member in ("dosageInstruction", "dispenseRequest", "onsetDateTime", "effectiveDateTime"):
                resource.pop(member, None)
        if kind == "Condition" and drawn.random() < 0.5 and "recordedDate" not in resource:
            resource["recordedDate"] = (date(2026, 6, 1) - timedelta(drawn.randint(0, 700))).isoformat()
        made.append(resource)
    for index in range(len(made), drawn.randint(size // 2, size * 3 // 2)):
        day = (date(2026, 5, 31) - timedelta(drawn.randint(0, 3000))).isoformat()
        if index % 3:
            made.append(
                {
                    "resourceType": "Observation", "id": f"p{number}-{index}", "status": "final", "subject": subject,
                    "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]},
                    "effectiveDateTime": day, "issued": f"{day}T09:00:00Z",
                    "valueQuantity": {
                        "value": drawn.randint(50, 110), "unit": "/min", "code": "/min",
                        "system": "http://unitsofmeasure.org",
                    },
                }
            )  # fmt: skip
        else:
            made.append(
                {
                    "resourceType": "Encounter", "id": f"p{number}-{index}", "status": "finished", "subject": subject,
                    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
                    "period": {"start": day, "end": day},
                }
            )  # fmt: skip
    return made


def _moved(day: str, by: timedelta) -> str:
    try:
        return (date.fromisoformat(day) + by).isoformat()
    except ValueError:
        return day


def write_population(folder: Path, patients: int, seed: int = 1, size: int = 60, files: int = 1) -> Path:
    """Write an export by type, each type in so many files, a quarter of them gzip; give the folder."""
    drawn = random.Random(seed)  # noqa: S311 (made-up data)
    charts = examples()
    folder.mkdir(parents=True, exist_ok=True)
    open_files: dict[tuple[str, int], BinaryIO] = {}
    counts: dict[str, int] = defaultdict(int)
    try:
        for kind in TYPES:
            for number in range(files):
                name = folder / f"{kind}.{number:03}.ndjson"
                packed = (TYPES.index(kind) + number) % 4 == 3
                open_files[kind, number] = (
                    gzip.GzipFile(f"{name}.gz", "wb", 1, mtime=0) if packed else name.open("wb")  # type: ignore[assignment]
                )
        for one in range(1, patients + 1):
            for resource in patient(one, drawn, charts, size):
                kind = resource["resourceType"]
                counts[kind] += 1
                open_files[kind, counts[kind] % files].write(json.dumps(resource).encode() + b"\n")
    finally:
        for file in open_files.values():
            file.close()
    return folder
