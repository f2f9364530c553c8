from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cds.cards.suggestions import build
from tests.cards.test_template import values

REFERRAL: dict[str, Any] = {
    "resourceType": "ServiceRequest",
    "status": "draft",
    "intent": "proposal",
    "subject": {"reference": "{{ patient.reference }}"},
    "code": {"text": "Evaluation, score {{ score }}"},
    "reasonReference": "{{ references(illness) }}",
}


def test_a_template_becomes_a_resource_with_references_to_what_it_rests_on() -> None:
    resource = build(REFERRAL, values())

    assert resource["subject"] == {"reference": "Patient/1"}
    assert resource["code"] == {"text": "Evaluation, score 17"}
    assert resource["reasonReference"] == [{"reference": "Condition/1"}]


def test_what_is_not_known_is_left_out_rather_than_empty() -> None:
    resource = build(REFERRAL | {"reasonReference": "{{ references(pressure) }}"}, values())

    assert "reasonReference" not in resource


def test_a_resource_that_is_not_fhir_never_leaves() -> None:
    with pytest.raises(ValidationError):
        build(REFERRAL | {"status": ["draft"]}, values())
