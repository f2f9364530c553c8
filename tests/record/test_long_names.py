"""Names are searched for words up to a length; what is longer is not read, and said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds.errors import TooLargeError
from cds.record.bundle import read_bundle
from cds.record.collect import MAX_NAME_CHARACTERS
from cds.record.fhir import LONGEST_NAME
from cds.record.model import IssueKind, PatientRecord
from tests.shipped import shipped_rules

SUBJECT = {"reference": "Patient/p"}
PATIENT = {"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"}
RULES = shipped_rules()


def read(*resources: dict[str, Any]) -> PatientRecord:
    entries = [{"resource": one} for one in (PATIENT, *resources)]
    body = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()
    return read_bundle(body, most_entries=50_000, max_depth=64, sought=RULES.program.sought)


def order(name: str, identity: str = "m") -> dict[str, Any]:
    code = {"text": name}
    return {
        "resourceType": "MedicationRequest", "id": identity, "status": "active", "intent": "order",
        "subject": SUBJECT, "authoredOn": "2026-01-01", "medicationCodeableConcept": code,
    }  # fmt: skip


def condition(**code: Any) -> dict[str, Any]:
    return {"resourceType": "Condition", "id": "c", "subject": SUBJECT, "code": code}


@pytest.mark.parametrize(
    "resource",
    [
        order("sertraline ".ljust(LONGEST_NAME + 1, "x")),
        condition(text="x" * (LONGEST_NAME + 1)),
        condition(coding=[{"code": "F32", "display": "x" * 1_000_000}]),
    ],
)
def test_a_resource_with_a_name_beyond_the_limit_is_not_read_and_said(resource: dict[str, Any]) -> None:
    record = read(resource)

    (issue,) = record.issues
    assert (issue.kind, issue.resource_type) == (IssueKind.UNREADABLE, resource["resourceType"])
    assert str(LONGEST_NAME) in issue.what
    assert "xxx" not in issue.what
    assert not record.exposures


def test_a_name_at_the_limit_is_read() -> None:
    record = read(order("sertraline ".ljust(LONGEST_NAME, "x")))

    assert not record.issues
    assert record.exposures


@pytest.mark.parametrize("name", ["sertraline", "amoxicillin"])
def test_many_different_long_names_are_refused_and_the_same_name_again_is_not(name: str) -> None:
    long = f"{name} ".ljust(4_000, "x")
    many = MAX_NAME_CHARACTERS // 4_000 + 1

    assert read(*(order(long, f"m{number}") for number in range(many))).patient is not None
    with pytest.raises(TooLargeError, match="500,000 characters"):
        read(*(order(f"{long} {number}", f"m{number}") for number in range(many)))
