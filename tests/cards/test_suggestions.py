from __future__ import annotations

from dataclasses import replace
from typing import Any

from fhir.resources.R4B.servicerequest import ServiceRequest
from msgspec import structs

from cds.cards.suggestions import build
from cds.record.model import SecurityLabel
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


def test_whatever_the_chart_holds_is_text_in_the_resource() -> None:
    odd = "≥ 3  mg/day,\n“see note” <b>"
    held = values()
    with_odd_text = replace(
        held,
        facts=replace(
            held.facts, by_name=dict(held.facts.by_name) | {"score": structs.replace(held.facts["score"], text=odd)}
        ),
    )

    resource = build(REFERRAL, with_odd_text, [SecurityLabel("not a url", " odd code ", "")])

    assert resource["code"] == {"text": f"Evaluation, score {odd}"}
    assert resource["meta"]["security"] == [{"system": "not a url", "code": " odd code "}]


def test_the_example_is_valid_fhir() -> None:
    ServiceRequest.model_validate(build(REFERRAL, values()))
