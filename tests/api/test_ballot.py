"""What of the CDS Hooks 3.0 ballot no client of 2.0.1 minds, and nothing else of it."""

from __future__ import annotations

import re
from typing import Any, get_args

import httpx
import pytest

from cds.api.messages import HOOK_VERSIONS
from cds.rulebook.format.cards import ServiceSpec
from tests.api.test_routes import EXAMPLE, SERVICE

# CDS Hooks 2.0.1, "Prefetch tokens": a root field of the context, or one of the four ids of the user.
TOKEN = re.compile(
    r"context\.(patientId|userId|encounterId)|userPractitionerId|userPractitionerRoleId|userPatientId|userRelatedPersonId"
)


def test_discovery_names_the_version_of_the_specification_and_of_each_hook(client: httpx.Client) -> None:
    services = client.get("/cds-services").json()["services"]

    assert {service["hook"] for service in services} <= HOOK_VERSIONS.keys()
    for service in services:
        assert (service["version"], service["hookVersion"]) == ("2.0.1", "1.0")
    assert set(HOOK_VERSIONS) == set(get_args(ServiceSpec.model_fields["hook"].annotation))


def test_templates_are_those_of_the_version_in_use(client: httpx.Client) -> None:
    for service in client.get("/cds-services").json()["services"]:
        assert "actionSelectionBehavior" not in service
        for template in service["prefetch"].values():
            assert "%" not in template
            assert all(TOKEN.fullmatch(token) for token in re.findall(r"\{\{(.*?)\}\}", template))


@pytest.mark.parametrize(
    "scope",
    [
        "patient/Patient.read patient/Observation.read",  # SMART v1
        "patient/Patient.rs patient/Observation.rs?category=http://example.org|survey",  # SMART v2
        "user/Condition.cruds offline_access fhirUser",
        "EPIC.FHIR.R4.SERVICES user/Condition.Read",
        "",
    ],
)
def test_scopes_of_any_spelling_are_taken(scope: str, client: httpx.Client) -> None:
    without: dict[str, Any] = client.post(SERVICE, json=EXAMPLE).json()
    authorization = {
        "access_token": "opaque", "token_type": "Bearer", "expires_in": 300, "scope": scope, "subject": "cds",
        "patient": "example",
    }  # fmt: skip
    asked = {**EXAMPLE, "fhirServer": "https://fhir.example/r4", "fhirAuthorization": authorization}

    answer = client.post(SERVICE, json=asked)

    assert answer.status_code == 200
    assert [card["summary"] for card in answer.json()["cards"]] == [card["summary"] for card in without["cards"]]
    assert without["cards"]
