"""Requests that we write hold what their hook requires, and the reader of requests takes them."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from cds.read_request import REQUIRED_CONTEXT, read_file, read_request
from cds.rulebook.compiled_ruleset import RuleRef, Service
from cds.rulebook.format.cards import ServiceSpec
from cds.write_request import RequestContext, write_request

ORDER = {"resourceType": "MedicationRequest", "id": "draft", "status": "draft"}
CONTEXT = RequestContext("Practitioner/1", "p", "e", (ORDER, {"resourceType": "ServiceRequest", "status": "draft"}))


def service_of(hook: str) -> Service:
    rule = RuleRef("rule", "1", "Rule", "active", (), None, None, "", "")
    return Service("s", hook, "S", "S.", (), (), 1, rule)


@pytest.mark.parametrize("hook", sorted(REQUIRED_CONTEXT))
def test_a_request_has_what_its_hook_requires_and_no_more(hook: str) -> None:
    written = write_request(hook, "1", CONTEXT, {"patient": {"resourceType": "Patient", "id": "p"}})

    asked = read_request(json.dumps(written).encode(), service_of(hook))

    assert set(written["context"]) == {"patientId", *REQUIRED_CONTEXT[hook]}
    assert (asked.patient_id, asked.user, set(asked.prefetch)) == ("p", "Practitioner/1", {"patient"})
    assert (asked.orders is not None) == ("draftOrders" in REQUIRED_CONTEXT[hook])


def test_rule_files_may_name_the_hooks_whose_context_is_known() -> None:
    assert set(get_args(ServiceSpec.model_fields["hook"].annotation)) == REQUIRED_CONTEXT.keys()


def test_every_order_with_an_id_is_selected() -> None:
    written = write_request("order-select", "1", CONTEXT, {})

    assert written["context"]["selections"] == ["MedicationRequest/draft"]
    assert len(written["context"]["draftOrders"]["entry"]) == 2


def test_a_file_may_hold_a_request_that_lacks_what_an_ehr_must_send() -> None:
    asked = read_file(b'{"hook": "order-sign", "context": {"patientId": "Patient/p"}}')

    assert asked.patient_id == "p"
    assert asked.orders is not None
    assert asked.prefetch == {}
