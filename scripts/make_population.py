"""
A made-up population as a bulk export, and a made-up review of its charts: to try a population run without patient data.

    python scripts/make_population.py export FOLDER [--patients 600] [--seed 1]
    python scripts/make_population.py review FORM.csv [--seed 1] > labels.csv

Each patient is one of the examples with other days, age and sex; some charts lack doses or scores. The review knows
which example it was: where a chart lost something, it still says what the example was made to show.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import sys
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[1] / "fhir_examples"
DAY = re.compile(r"\b20\d\d-\d\d-\d\d\b")
HEALTHY, NO_DOSES, NO_SCORES = 0.55, 0.15, 0.10  # shares of the patients
UNCLEAR, WRONG = 0.04, 0.03  # of the labels
OF_DEPRESSION = ("Condition", "MedicationRequest", "MedicationStatement", "MedicationDispense", "Procedure")
SEARCHED = (*OF_DEPRESSION, "AllergyIntolerance", "Encounter", "MedicationAdministration", "Observation",
            "QuestionnaireResponse", "ServiceRequest")  # fmt: skip
Resources = dict[tuple[str, str], dict[str, Any]]


def charts() -> list[Path]:
    """The examples of a visit that were sent whole."""
    found = (file.parent for file in sorted(EXAMPLES.glob("*/request.json")))
    return [
        one for one in found if _request(one)["hook"] == "patient-view" and "allergies" in _request(one)["prefetch"]
    ]


def _request(example: Path) -> dict[str, Any]:
    request: dict[str, Any] = json.loads((example / "request.json").read_text(encoding="utf-8"))
    return request


class MadeUpPatient:
    """One patient: the same number and seed, the same chart."""

    def __init__(self, number: int, seed: int, examples: list[Path]) -> None:
        self.id = f"p{number:05}"
        self._random = random.Random(f"{seed}/{number}")  # noqa: S311 (no secret)
        self.example = self._random.choice(examples)
        self.healthy = self._random.random() < HEALTHY

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
        return kept

    def label(self) -> str:
        """What a reviewer says of the chart."""
        told = json.loads((self.example / "cards.json").read_text(encoding="utf-8"))["cards"]
        summaries = " ".join(card["summary"] for card in told).casefold()
        meets = not self.healthy and ("meets trd criteria" in summaries or "trd unknown" in summaries)
        chance = random.Random(f"review/{self.id}").random()  # noqa: S311 (no secret)
        if chance < UNCLEAR:
            return "cannot tell"
        return "yes" if meets != (chance < UNCLEAR + WRONG) else "no"


def export(folder: Path, patients: int, seed: int) -> None:
    """Write an NDJSON file for each type; an empty one says that it was asked for."""
    folder.mkdir(parents=True)
    lines: defaultdict[str, list[str]] = defaultdict(list, {kind: [] for kind in SEARCHED})
    examples = charts()
    for number in range(1, patients + 1):
        for (kind, _), resource in MadeUpPatient(number, seed, examples).resources().items():
            lines[kind].append(json.dumps(resource, separators=(",", ":")))
    for kind, many in lines.items():
        (folder / f"{kind}.ndjson").write_text("".join(f"{line}\n" for line in many), encoding="utf-8")
    print(f"{folder}: {patients} patients, {sum(map(len, lines.values())):,} resources")


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
    reviewing = does.add_parser("review")
    reviewing.add_argument("form", type=Path)
    for one in (making, reviewing):
        one.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    if chosen.does == "export":
        export(chosen.folder, chosen.patients, chosen.seed)
    else:
        review(chosen.form, chosen.seed)


if __name__ == "__main__":
    main()
