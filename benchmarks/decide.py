"""
One evaluation, bytes to cards, against orjson.loads of the same bytes; and what memory does over many.

Run: .venv/bin/python benchmarks/decide.py [--evaluations 20000]
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from cds.decide import Rules, decide
from cds.load import load_rules
from cds.reasoning.conclude import Opinions
from cds.record import units
from cds.record.bundle import read_bundle
from cds.record.record import PatientRecord

ROOT = Path(__file__).parents[1]
TODAY = date(2026, 6, 1)


def patient_of(resources: int) -> bytes:
    """The first example's Bundle, filled up with laboratory results, visits and unrelated conditions."""
    bundle: dict[str, Any] = json.loads((ROOT / "fhir_examples" / "bundle.json").read_text())
    about = {"reference": "Patient/example"}
    kinds = ("Observation", "Observation", "Encounter", "Condition", "MedicationRequest", "Procedure")
    for index in range(resources - len(bundle["entry"])):
        kind = kinds[index % len(kinds)]
        coded = {
            "coding": [
                {"system": "http://snomed.info/sct", "code": str(10_000_000 + index), "display": f"Thing {index}"}
            ]
        }
        filler: dict[str, Any] = {
            "resourceType": kind,
            "id": f"filler-{index}",
            "meta": {
                "versionId": "1",
                "lastUpdated": "2026-01-01T10:00:00.000Z",
                "profile": [f"http://example.org/{kind}"],
            },
            "identifier": [{"use": "official", "system": "urn:example:filler", "value": str(index)}],
            "status": "final",
            "subject": about | {"display": "Example Patient"},
            "encounter": {"reference": f"Encounter/e-{index}", "type": "Encounter"},
            "category": [{"coding": [{"system": "http://example.org/category", "code": "c", "display": "Category"}]}],
            "performer": [{"reference": "Practitioner/p1", "display": "Dr. Example"}],
            "note": [
                {
                    "authorString": "Example",
                    "time": "2026-01-01T10:00:00Z",
                    "text": "An invented remark of some length.",
                }
            ],
            "extension": [
                {
                    "url": "http://example.org/ext",
                    "valueCodeableConcept": {"coding": [{"system": "urn:x", "code": "y"}]},
                }
            ],
        }
        match kind:
            case "MedicationRequest":
                filler |= {
                    "status": "stopped",
                    "intent": "order",
                    "authoredOn": "2020-01-01",
                    "medicationCodeableConcept": {"text": f"Lisinopril {index} mg"},
                }
            case "Observation":
                filler |= {
                    "code": coded,
                    "effectiveDateTime": "2025-01-01T10:00:00Z",
                    "valueQuantity": {
                        "value": index,
                        "unit": "mg/dL",
                        "system": "http://unitsofmeasure.org",
                        "code": "mg/dL",
                    },
                    "referenceRange": [{"low": {"value": 1, "unit": "mg/dL"}, "high": {"value": 9, "unit": "mg/dL"}}],
                }
            case "Procedure":
                filler |= {"code": coded, "status": "completed", "performedDateTime": "2025-01-01"}
            case _:
                filler |= {"code": coded, "recordedDate": "2025-01-01"}
        bundle["entry"].append({"fullUrl": f"urn:uuid:{index}", "resource": filler})
    return json.dumps(bundle).encode()


def median_ms(work: Callable[[], object], runs: int) -> float:
    work()
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append((time.process_time() - start) * 1000)
    return statistics.median(times)


def read_record(rules: Rules, body: bytes) -> PatientRecord:
    return read_bundle(body, most_entries=50_000, deepest=64, observed=rules.program.observed)


def evaluate(rules: Rules, body: bytes) -> object:
    return decide(rules, read_record(rules, body), TODAY).cards


def rss_mb() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--evaluations", type=int, default=20_000, help="how many for the memory figure")
    evaluations: int = arguments.parse_args().evaluations
    both, direct = (load_rules(ROOT / "rules", opinions, TODAY) for opinions in (Opinions.BOTH, Opinions.DIRECT))
    units.warm()
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000)
    print(
        f"Python {sys.version.split()[0]}, {platform.machine()}, CPU ms, median; loads = orjson.loads of the same bytes"
    )
    print(
        "| resources | kB | loads | read | whole, direct alone | whole, both | whole / loads | (whole - 2 ms) / loads |"
    )
    print("| --: | --: | --: | --: | --: | --: | --: | --: |")
    for resources, runs in ((50, 200), (500, 100), (5000, 15)):
        body = patient_of(resources)
        loads = median_ms(lambda body=body: orjson.loads(body), runs)  # type: ignore[misc]
        reading = median_ms(lambda body=body: read_record(both, body), runs)  # type: ignore[misc]
        alone = median_ms(lambda body=body: evaluate(direct, body), runs)  # type: ignore[misc]
        whole = median_ms(lambda body=body: evaluate(both, body), runs)  # type: ignore[misc]
        print(
            f"| {resources} | {len(body) / 1000:.0f} | {loads:.2f} | {reading:.2f} | {alone:.2f} | {whole:.2f} "
            f"| {whole / loads:.1f} | {(whole - 2) / loads:.1f} |"
        )
    body = patient_of(50)
    for _ in range(500):
        evaluate(both, body)
    before = rss_mb()
    for _ in range(evaluations):
        evaluate(both, body)
    print(f"\nMemory over {evaluations} evaluations of 50 resources: {before:.1f} MB before, {rss_mb():.1f} MB after")


if __name__ == "__main__":
    main()
