"""
A made-up population as a bulk export, and a made-up review of its charts: to try a population run without patient data.

    python scripts/make_population.py export FOLDER [--patients 600] [--seed 1] [--resources 150] [--files 4] [--gzip]
    python scripts/make_population.py review FORM.csv [--seed 1] > labels.csv

Each patient is one of the examples with other days, age and sex; some charts lack doses or scores. The review knows
which example it was: where a chart lost something, it still says what the example was made to show.
With --resources, charts have about so many: visits and pulses around the example, entries that were never made, made
without their details or charted late. The same arguments give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import re
import sys
from contextlib import ExitStack
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

EXAMPLES = Path(__file__).parents[1] / "fhir_examples"
DAY = re.compile(r"\b20\d\d-\d\d-\d\d\b")
TODAY = date(2026, 6, 1)
HEALTHY, NO_DOSES, NO_SCORES = 0.55, 0.15, 0.10  # shares of the patients
LOST, BARE, LATE = 0.04, 0.10, 0.50  # of the entries of a chart of a given size; late: of its diagnoses
DETAILS = ("dosageInstruction", "dispenseRequest", "onsetDateTime", "effectiveDateTime")
MOVED = (0, 0, 0, -7, -30, -90, -400, -2000)  # days
UNCLEAR, WRONG = 0.04, 0.03  # of the labels
OF_DEPRESSION = ("Condition", "MedicationRequest", "MedicationStatement", "MedicationDispense", "Procedure")
SEARCHED = (*OF_DEPRESSION, "AllergyIntolerance", "Encounter", "MedicationAdministration", "Observation",
            "QuestionnaireResponse", "ServiceRequest")  # fmt: skip
TYPES = ("Patient", *SEARCHED, "Medication")
Resources = dict[tuple[str, str], dict[str, Any]]


def charts() -> list[Path]:
    """The examples of a visit that were sent whole."""
    found = (file.parent for file in sorted(EXAMPLES.glob("*/request.json")))
    return [
        one for one in found if _request(one)["hook"] == "patient-view" and "allergies" in _request(one)["prefetch"]
    ]


@lru_cache
def _request(example: Path) -> dict[str, Any]:
    request: dict[str, Any] = json.loads((example / "request.json").read_text(encoding="utf-8"))
    return request


class MadeUpPatient:
    """One patient: the same number, seed and size, the same chart. `size` 0 leaves the example's own."""

    def __init__(self, number: int, seed: int, examples: list[Path], size: int = 0, healthy: float = HEALTHY) -> None:
        self.id = f"p{number}"
        self._size = size
        self._random = random.Random(f"{seed}/{number}")  # noqa: S311 (no secret)
        self.example = self._random.choice(examples)
        self.healthy = self._random.random() < healthy

    def resources(self) -> Resources:
        """By type and id."""
        drawn, request = self._random, _request(self.example)
        found: Resources = {}
        for value in request["prefetch"].values():
            inside = [entry["resource"] for entry in value.get("entry", ())] if "entry" in value else [value]
            for one in inside:
                if one["resourceType"] in (*SEARCHED, "Patient", "Medication"):
                    found[one["resourceType"], one["id"]] = one
        text = json.dumps(list(found.values()))
        for kind, own in found:
            new = self.id if kind == "Patient" else f"{own}-{self.id}"
            text = text.replace(f'"{kind}/{own}"', f'"{kind}/{new}"')
        earlier = timedelta(days=drawn.randint(0, 6))
        text = DAY.sub(lambda day: (date.fromisoformat(day[0]) - earlier).isoformat(), text)
        drop_doses, drop_scores = drawn.random() < NO_DOSES, drawn.random() < NO_SCORES
        born = date(drawn.randint(1945, 2007), drawn.randint(1, 12), drawn.randint(1, 28))
        sex = drawn.choices(("female", "male", "other"), (0.61, 0.38, 0.01))[0]
        kept: Resources = {}
        for one in json.loads(text):
            kind = one["resourceType"]
            one["id"] = self.id if kind == "Patient" else f"{one['id']}-{self.id}"
            if kind == "Patient":
                one["gender"] = sex
                if "seventeen" not in self.example.name:
                    one["birthDate"] = born.isoformat()
            if self.healthy and kind in OF_DEPRESSION:
                continue
            if drop_scores and kind in ("Observation", "QuestionnaireResponse"):
                continue
            if drop_doses:
                one.pop("dosageInstruction", None)
                one.pop("dispenseRequest", None)
            kept[kind, one["id"]] = one
        return self._worn(kept) if self._size else kept

    def _worn(self, chart: Resources) -> Resources:
        """A chart as it looks after years: entries lost, bare or charted late, among many that no rule asks for."""
        drawn, wanted = self._random, self._random.randint(self._size // 2, self._size * 3 // 2)
        moved = timedelta(drawn.choice(MOVED))
        text = json.dumps([one for (kind, _), one in chart.items() if kind != "Patient"])
        kept: Resources = {key: one for key, one in chart.items() if key[0] == "Patient"}
        for one in json.loads(DAY.sub(lambda day: (date.fromisoformat(day[0]) + moved).isoformat(), text)):
            kind = one["resourceType"]
            if drawn.random() < LOST:
                continue
            if drawn.random() < BARE:
                for detail in DETAILS:
                    one.pop(detail, None)
            if kind == "Condition" and drawn.random() < LATE:
                one.setdefault("recordedDate", (TODAY - timedelta(drawn.randint(0, 700))).isoformat())
            kept[kind, one["id"]] = one
        for number in range(wanted - len(kept)):
            one = self._pulse(number) if number % 3 else self._visit(number)
            kept[one["resourceType"], one["id"]] = one
        return kept

    def _entry(self, kind: str, number: int, **members: Any) -> dict[str, Any]:
        return {"resourceType": kind, "id": f"{self.id}-{number}", "subject": {"reference": f"Patient/{self.id}"}} | (
            members
        )

    def _earlier(self) -> str:
        return (TODAY - timedelta(self._random.randint(1, 3001))).isoformat()

    def _pulse(self, number: int) -> dict[str, Any]:
        day = self._earlier()
        coding = {"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}
        value = {
            "value": self._random.randint(50, 110), "unit": "/min", "code": "/min",
            "system": "http://unitsofmeasure.org",
        }  # fmt: skip
        return self._entry(
            "Observation", number, status="final", code={"coding": [coding]}, effectiveDateTime=day,
            issued=f"{day}T09:00:00Z", valueQuantity=value,
        )  # fmt: skip

    def _visit(self, number: int) -> dict[str, Any]:
        day = self._earlier()
        ambulatory = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
        return self._entry(
            "Encounter", number, status="finished", **{"class": ambulatory}, period={"start": day, "end": day}
        )

    def label(self) -> str:
        """What a reviewer says of the chart."""
        told = json.loads((self.example / "cards.json").read_text(encoding="utf-8"))["cards"]
        summaries = " ".join(card["summary"] for card in told).casefold()
        meets = not self.healthy and ("meets trd criteria" in summaries or "trd unknown" in summaries)
        chance = random.Random(f"review/{self.id}").random()  # noqa: S311 (no secret)
        if chance < UNCLEAR:
            return "cannot tell"
        return "yes" if meets != (chance < UNCLEAR + WRONG) else "no"


def export(
    folder: Path,
    patients: int,
    seed: int,
    size: int = 0,
    files: int = 1,
    packed: bool = False,
    healthy: float = HEALTHY,
) -> int:
    """
    Write so many NDJSON files for each type, every fourth of them gzip where `packed`; an empty one says that it was
    asked for. What comes back is how many resources there are.
    """
    folder.mkdir(parents=True)
    examples = charts()
    counts = dict.fromkeys(TYPES, 0)
    with ExitStack() as stack:
        writing = {
            (kind, number): stack.enter_context(_file(folder / f"{kind}.{number:03}.ndjson", packed and turn % 4 == 3))
            for turn, (kind, number) in enumerate((kind, number) for kind in TYPES for number in range(files))
        }
        for number in range(1, patients + 1):
            for (kind, _), resource in MadeUpPatient(number, seed, examples, size, healthy).resources().items():
                line = json.dumps(resource, separators=(",", ":"))
                writing[kind, counts[kind] % files].write(f"{line}\n".encode())
                counts[kind] += 1
    return sum(counts.values())


def _file(path: Path, packed: bool) -> BinaryIO:
    if not packed:
        return path.open("wb")
    return cast(BinaryIO, gzip.GzipFile(f"{path}.gz", "wb", 1, mtime=0))


def review(form: Path, seed: int) -> None:
    """Print the form with a label for each chart."""
    examples = charts()
    with form.open(encoding="utf-8", newline="") as reading:
        lines = list(csv.DictReader(reading))
    writer = csv.DictWriter(sys.stdout, lines[0], lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow(line | {"label": MadeUpPatient(int(line["patient"][1:]), seed, examples).label()})


def main() -> None:
    """Run one of the two."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    does = arguments.add_subparsers(dest="does", required=True)
    making = does.add_parser("export")
    making.add_argument("folder", type=Path)
    making.add_argument("--patients", type=int, default=600)
    making.add_argument("--resources", type=int, default=0, help="of a chart, about; 0: those of its example")
    making.add_argument("--files", type=int, default=1, help="for each type")
    making.add_argument("--gzip", action="store_true", help="every fourth file packed")
    reviewing = does.add_parser("review")
    reviewing.add_argument("form", type=Path)
    for one in (making, reviewing):
        one.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    if chosen.does == "export":
        made = export(
            chosen.folder, chosen.patients, chosen.seed, chosen.resources, chosen.files, chosen.gzip
        )  # fmt: skip
        print(f"{chosen.folder}: {chosen.patients} patients, {made:,} resources")
    else:
        review(chosen.form, chosen.seed)


if __name__ == "__main__":
    main()
