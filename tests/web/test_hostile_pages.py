"""Charts that are too large, or that were made to break a page; forms that were made to break what-if."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds.api.decision_input import record_from_input
from cds.decide import Decision, decide
from cds.engine.evaluator import EvaluatorMode
from cds.errors import RequestError
from cds.read_request import limits
from cds.settings import Settings
from cds.web.explained import explained_values
from cds.web.page import environment
from cds.web.what_if import WhatIfInputError, changeable, changed, edits_of
from tests.server import TODAY
from tests.shipped import shipped_rules
from tests.web.serving_pages import example, keeping, page_of

RULES = shipped_rules(EvaluatorMode.DIRECT)
SERVICE = RULES.program.services["ketamine-evaluation"]
LIMITS = limits(Settings(), RULES)
REQUEST = example("01-two-failed-trials")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with keeping(tmp_path_factory.mktemp("journal")) as running:
        yield running


def body_of(prefetch: Any) -> bytes:
    return msgspec.json.encode({"patientId": "example", "prefetch": prefetch})


def decided(body: bytes) -> Decision:
    return decide(RULES, record_from_input(body, SERVICE, LIMITS), TODAY, SERVICE.id)


@pytest.mark.seconds
def test_the_page_of_a_chart_of_thousands_stays_small(client: httpx.Client) -> None:
    request = copy.deepcopy(REQUEST)
    orders = request["prefetch"]["medicationRequests"]["entry"]
    conditions = request["prefetch"]["conditions"]["entry"]
    for number in range(1500):
        order = copy.deepcopy(orders[0])
        order["resource"]["id"] = f"order-{number}"
        year = 1990 + number % 36
        order["resource"]["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] = {
            "start": f"{year}-01-01",
            "end": f"{year}-02-01",
        }
        order["resource"]["authoredOn"] = f"{year}-01-01"
        orders.append(order)
        conditions.append({"resource": conditions[0]["resource"] | {"id": f"c-{number}", "onsetDateTime": "202x"}})

    page = client.get(page_of(client, request))

    assert page.status_code == 200
    assert len(page.content) < 1_000_000


@pytest.mark.parametrize(
    "text",
    ["x" * 100_000, "\u202egnol", "a\u200bb" * 1000, "</script><svg onload=alert(1)>", "{{ 7*7 }}{% raw %}", "\x00"],
)
def test_chart_text_breaks_no_page(text: str) -> None:
    prefetch = copy.deepcopy(REQUEST["prefetch"])
    for key in ("conditions", "medicationRequests"):
        for entry in prefetch[key]["entry"]:
            for name in ("code", "medicationCodeableConcept", "statusReason"):
                if name in entry["resource"]:
                    entry["resource"][name]["text"] = text

    values = explained_values(RULES, decided(body_of(prefetch)), SERVICE.id)
    about: dict[str, Any] = {"kept": None, "key": "", "changed": False, "differs": [], "now": True}
    page = environment().get_template("decision.html").render(values | about)

    assert "<svg onload" not in page
    assert "\u202e" not in page
    assert len(page) < 1_000_000


KEYS = (
    "id", "resourceType", "dosageInstruction", "timing", "repeat", "boundsPeriod", "start", "end", "doseAndRate",
    "doseQuantity", "value", "component", "valueQuantity", "code", "coding", "text", "effectiveDateTime", "entry",
    "resource",
)  # fmt: skip
PLAIN = st.none() | st.booleans() | st.integers(-10, 10**20) | st.floats(allow_nan=False) | st.text(max_size=12)
JSON_VALUES = st.recursive(
    PLAIN | st.just("2026-01-01"),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inside, max_size=4),
    max_leaves=12,
)
ELEMENTS = (
    "dosageInstruction", "component", "valueQuantity", "effectiveDateTime", "onsetDateTime", "authoredOn", "contained",
)  # fmt: skip
TYPED = ("1", "-1e9", "2026-06-01", "2026-02-30", "none", "yes", "x", "1e400")


@pytest.mark.parametrize("key", ["conditions", "phq9"])
@pytest.mark.parametrize("component", [[{"effectiveDateTime": "2026-01-01"}], None, "text", {"code": []}])
def test_a_component_that_is_none_does_not_keep_the_form_from_being_made(key: str, component: Any) -> None:
    prefetch = copy.deepcopy(REQUEST["prefetch"])
    prefetch[key]["entry"][0]["resource"]["component"] = [component]
    body = body_of(prefetch)

    form = changeable(body, RULES.program, SERVICE, decided(body))

    assert any(entry.elements for entry in form.entries)


@pytest.mark.seconds
@settings(max_examples=150)
@given(st.data(), st.sampled_from(["conditions", "medicationRequests", "phq9"]))
def test_a_chart_of_any_shape_gives_a_form_and_any_form_an_answer(data: st.DataObject, key: str) -> None:
    prefetch = copy.deepcopy(REQUEST["prefetch"])
    for entry in prefetch[key]["entry"][:2]:
        entry["resource"] |= data.draw(st.dictionaries(st.sampled_from(ELEMENTS), JSON_VALUES, max_size=3))
    body = body_of(prefetch)
    try:
        decision = decided(body)
    except RequestError:
        return

    form = changeable(body, RULES.program, SERVICE, decision)

    names = [element.name for entry in form.entries for element in entry.elements]
    names += [element.name for element in (*form.numbers, *form.days)] + [choice.name for choice in form.choices]
    typed = data.draw(st.dictionaries(st.sampled_from(names), st.sampled_from(TYPED), max_size=4))
    try:
        again = changed(body, edits_of(form, typed), RULES.program, SERVICE, TODAY)
        decided(again)
    except (WhatIfInputError, RequestError):
        return
    assert json.loads(again)["patientId"] == "example"
