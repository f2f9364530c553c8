"""Where a thing was done: the class and types of its encounter, if both were sent."""

from __future__ import annotations

from typing import Any

import pytest

from cds.errors import WrongPatientError
from tests.record.fhir import about, read

HERE = {"reference": "Encounter/e1"}


def words(encounter: dict[str, Any], kind: str = "Procedure") -> list[str] | None:
    element = "encounter" if kind == "Procedure" else "context"
    done = about(kind, "x", status="completed", code={"text": "x"}, medicationCodeableConcept={"text": "x"})
    record = read(done | {element: HERE}, about("Encounter", "e1", **encounter))
    (found,) = record.interventions or record.exposures
    return None if found.place is None else [concept.words for concept in found.place]


@pytest.mark.parametrize("kind", ["Procedure", "MedicationAdministration"])
def test_class_and_types_of_the_encounter_are_the_place(kind: str) -> None:
    assert words({"class": {"code": "EMER"}, "type": [{"text": "Emergency visit"}]}, kind) == [
        "EMER", "Emergency visit",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([{"coding": [{"code": "AMB"}]}], ["AMB"]),
        ("outpatient", ["outpatient"]),
        (5, None),
        ({"code": 5}, None),
        (None, None),
    ],
)
def test_a_class_of_another_version_is_read_and_one_that_cannot_be_is_no_place(said: Any, expected: Any) -> None:
    assert words({"class": said}) == expected


def test_without_the_encounter_the_place_is_not_known() -> None:
    record = read(about("Procedure", "x", status="completed", code={"text": "x"}, encounter=HERE))

    assert record.interventions[0].place is None


def test_an_encounter_of_another_patient_is_refused() -> None:
    with pytest.raises(WrongPatientError):
        read(about("Encounter", "e1") | {"subject": {"reference": "Patient/other"}})
