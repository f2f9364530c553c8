"""The concepts of the generated histories: ids and codes as OHDSI 1009 names them, and a few of ours beside them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
PUBLISHED = Path("data/ohdsi-phenotypes/1009.json")


def published_1009() -> Path | None:
    """The published JSON of 1009 in a folder `shared` beside the repository or its working trees; None without it."""
    for folder in REPOSITORY.parents:
        if (found := folder / "shared" / PUBLISHED).is_file():
            return found
    return None


@dataclass(frozen=True)
class Term:
    """One concept: its OMOP id, the code and system a FHIR resource carries, and its name."""

    omop: int
    system: str
    code: str
    name: str


SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"

# Ids, codes and names as in the concept sets of 1009.json (test_vocabulary holds them against it).
DIAGNOSES = {
    "depression": Term(440383, SNOMED, "35489007", "Depressive disorder"),
    "atypical depression": Term(438727, SNOMED, "191659001", "Atypical depressive disorder"),
    "depressive personality": Term(40481798, SNOMED, "442057004", "Chronic depressive personality disorder"),
    "depressive psychosis": Term(435520, SNOMED, "191676002", "Reactive depressive psychosis"),
    "bipolar": Term(436665, SNOMED, "13746004", "Bipolar disorder"),
    "mania": Term(4333677, SNOMED, "231494001", "Mania"),
    "dementia": Term(4182210, SNOMED, "52448006", "Dementia"),
    "alcoholic dementia": Term(378726, SNOMED, "281004", "Dementia associated with alcoholism"),
    "schizophrenia": Term(435783, SNOMED, "58214004", "Schizophrenia"),
    "drug-induced psychosis": Term(434900, SNOMED, "191483003", "Drug-induced psychosis"),
    # In no concept set of 1009: an id of the range that OMOP leaves to sites.
    "alcohol abuse": Term(2_000_000_001, SNOMED, "15167005", "Alcohol abuse"),
}
DRUGS = {
    "amitriptyline": Term(710062, RXNORM, "704", "Amitriptyline"),
    "bupropion": Term(750982, RXNORM, "42347", "Bupropion"),
    "citalopram": Term(797617, RXNORM, "2556", "Citalopram"),
    "clomipramine": Term(798834, RXNORM, "2597", "Clomipramine"),
    "duloxetine": Term(715259, RXNORM, "72625", "duloxetine"),
    "escitalopram": Term(715939, RXNORM, "321988", "Escitalopram"),
    "fluoxetine": Term(755695, RXNORM, "4493", "Fluoxetine"),
    "mirtazapine": Term(725131, RXNORM, "15996", "Mirtazapine"),
    "opipramol": Term(19129635, RXNORM, "7674", "Opipramol"),
    "paroxetine": Term(722031, RXNORM, "32937", "Paroxetine"),
    "sertraline": Term(739138, RXNORM, "36437", "Sertraline"),
    "trazodone": Term(703547, RXNORM, "10737", "Trazodone"),
    "tryptophan": Term(19006186, RXNORM, "10898", "Tryptophan"),
    "venlafaxine": Term(743670, RXNORM, "39786", "venlafaxine"),
    "viloxazine": Term(19008261, RXNORM, "11196", "Viloxazine"),
    "aripiprazole": Term(757688, RXNORM, "89013", "aripiprazole"),
    "clozapine": Term(800878, RXNORM, "2626", "Clozapine"),
    "paliperidone": Term(703244, RXNORM, "679314", "paliperidone"),
    "quetiapine": Term(766814, RXNORM, "51272", "quetiapine"),
    "esketamine": Term(1366610, RXNORM, "2119365", "esketamine"),
    # In no concept set of 1009; the code is that of our drug table.
    "lithium": Term(2_000_000_002, RXNORM, "6448", "lithium"),
}


@cache
def cohort_1009() -> Any:
    """The published expression."""
    path = published_1009()
    assert path is not None
    return json.loads(path.read_text())
