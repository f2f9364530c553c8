"""What the prefetch lacks is read from a FHIR server; what cannot be read is unknown, never "no"."""

from __future__ import annotations

import gzip
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from copy import deepcopy
from typing import Any

import httpx
import msgspec
import pytest

from cds.api.messages import response_of
from cds.decide import Ruleset, decide
from cds.record.bundle import FetchedValue, read_prefetch
from tests.api.wire import flaws_in_response, issue
from tests.fhir_server import Answer, FhirServer, fhir_server, resources_in
from tests.server import ROOT, TODAY, serving
from tests.shipped import shipped_rules
from tests.test_examples import without_uuids

JSON = dict[str, Any]
SERVICE = "/cds-services/ketamine-evaluation"
EMPTY: JSON = {"resourceType": "Bundle", "type": "searchset", "total": 0}
RULES = shipped_rules()
OFFERED = RULES.program.services["ketamine-evaluation"]
OUTCOME: JSON = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
TOKEN = "a-secret.token"  # noqa: S105 (invented)
OTHERS = ("MedicationStatement", "MedicationDispense", "MedicationAdministration")
Start = Callable[..., AbstractContextManager[httpx.Client]]


def whole_example() -> JSON:
    """The first example, with an answer to every key that is offered: nothing is lacking."""
    request: JSON = json.loads((ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_text())
    return request | {"prefetch": {p.key: EMPTY for p in OFFERED.prefetch} | request["prefetch"]}


def plain_answer() -> JSON:
    """What the example brings when nothing needs to be fetched."""
    record = read_prefetch(
        {key: msgspec.Raw(json.dumps(value).encode()) for key, value in EXAMPLE["prefetch"].items()},
        templates={p.key: p.query for p in OFFERED.prefetch},
        patient_id=EXAMPLE["context"]["patientId"],
        most_entries=1000,
        max_depth=64,
        sought=RULES.program.sought,
    )
    answer: JSON = without_uuids(response_of(decide(RULES, record, TODAY, OFFERED.id).cards))
    return answer


EXAMPLE = whole_example()
CARDS = plain_answer()


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return RULES


@pytest.fixture(scope="module")
def running_fhir() -> Iterator[FhirServer]:
    with fhir_server() as running:
        yield running


@pytest.fixture
def fhir(running_fhir: FhirServer) -> FhirServer:
    """As if it had just been started, with the example's data."""
    fresh = FhirServer(running_fhir.base, resources=resources_in(deepcopy(EXAMPLE["prefetch"])))
    vars(running_fhir).update(vars(fresh))
    return running_fhir


@pytest.fixture
def elsewhere() -> Iterator[FhirServer]:
    """Another server, which nobody may send anything to."""
    with fhir_server(resources=resources_in(EXAMPLE["prefetch"])) as running:
        yield running


@pytest.fixture(scope="module")
def client(rules: Ruleset, running_fhir: FhirServer) -> Iterator[httpx.Client]:
    with serving(rules, fhir_servers=(running_fhir.base,)) as running:
        yield running


def asking(fhir: FhirServer, prefetch: JSON | None = None, **changes: Any) -> JSON:
    """A request that names the FHIR server, with no prefetch unless given."""
    authorization = {
        "access_token": TOKEN, "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.read", "subject": "cds",
    }  # fmt: skip
    request = EXAMPLE | {"fhirServer": fhir.base, "fhirAuthorization": authorization} | changes
    return (
        request | {"prefetch": prefetch}
        if prefetch is not None
        else {k: request[k] for k in request.keys() - {"prefetch"}}
    )


def cards(client: httpx.Client, request: JSON) -> list[JSON]:
    answer = client.post(SERVICE, json=request)
    assert answer.status_code == 200, answer.text
    assert flaws_in_response(answer.json()) == []
    found: list[JSON] = answer.json()["cards"]
    return found


def without(*keys: str) -> JSON:
    return {key: value for key, value in EXAMPLE["prefetch"].items() if key not in keys}


# ---------------------------------------------------------------- what is read


def test_what_is_fetched_brings_the_cards_that_prefetch_brings(client: httpx.Client, fhir: FhirServer) -> None:
    answer = client.post(SERVICE, json=asking(fhir))

    assert without_uuids(answer.json()) == CARDS
    assert len(fhir.seen) == len(EXAMPLE["prefetch"])
    assert {seen.method for seen in fhir.seen} == {"GET"}
    assert {seen.headers["authorization"] for seen in fhir.seen} == {f"Bearer {TOKEN}"}
    assert {seen.headers["accept"] for seen in fhir.seen} == {"application/fhir+json"}
    (read,) = fhir.asked("Patient")
    assert (read.path, read.query) == ("/fhir/Patient/example", {})
    assert {
        "patient": ["example"],
        "code": ["http://loinc.org|44261-6,http://snomed.info/sct|720433000"],
        "_sort": ["-date"],
    } in [seen.query for seen in fhir.asked("Observation")]


def test_a_server_without_a_token_is_sent_none(client: httpx.Client, fhir: FhirServer) -> None:
    assert cards(client, asking(fhir, fhirAuthorization=None))
    assert not [seen for seen in fhir.seen if "authorization" in seen.headers]


def test_only_what_is_lacking_is_fetched(client: httpx.Client, fhir: FhirServer) -> None:
    answer = client.post(SERVICE, json=asking(fhir, without("conditions")))

    assert without_uuids(answer.json()) == CARDS
    assert [seen.kind for seen in fhir.seen] == ["Condition"]


def test_nothing_is_asked_of_anybody_when_nothing_is_lacking(client: httpx.Client, fhir: FhirServer) -> None:
    assert cards(client, asking(fhir, EXAMPLE["prefetch"]))
    assert fhir.seen == []


def test_null_is_verified(client: httpx.Client, fhir: FhirServer) -> None:
    answer = client.post(SERVICE, json=asking(fhir, EXAMPLE["prefetch"] | {"allergies": None, "patient": None}))

    assert without_uuids(answer.json()) == CARDS
    assert {seen.kind for seen in fhir.seen} == {"AllergyIntolerance", "Patient"}


def test_a_failure_in_prefetch_is_not_repeated(client: httpx.Client, fhir: FhirServer) -> None:
    (card,) = cards(client, asking(fhir, EXAMPLE["prefetch"] | {"medicationRequests": OUTCOME}))

    assert "the EHR could not read medicationRequests" in card["detail"]
    assert fhir.seen == []


def test_a_key_of_the_clients_own_is_not_fetched(client: httpx.Client, fhir: FhirServer) -> None:
    assert cards(client, asking(fhir, EXAMPLE["prefetch"] | {"encounter": None}))
    assert fhir.seen == []


@pytest.mark.seconds
def test_all_keys_are_read_at_once(rules: Ruleset, fhir: FhirServer) -> None:
    fhir.together = len(EXAMPLE["prefetch"])

    with serving(rules, fhir_servers=(fhir.base,)) as client:
        answer = client.post(SERVICE, json=asking(fhir))

    assert without_uuids(answer.json()) == CARDS


# ---------------------------------------------------------------- pages


def test_pages_are_followed_with_the_token(client: httpx.Client, fhir: FhirServer) -> None:
    fhir.page_size = 1

    answer = client.post(SERVICE, json=asking(fhir))

    assert without_uuids(answer.json()) == CARDS
    assert len(fhir.asked("MedicationRequest")) == 2
    assert fhir.asked("MedicationRequest")[1].headers["authorization"] == f"Bearer {TOKEN}"


def first_page(url: str) -> JSON:
    orders: JSON = EXAMPLE["prefetch"]["medicationRequests"]
    return orders | {"entry": orders["entry"][:1], "link": [{"relation": "next", "url": url}]}


def test_a_first_page_in_prefetch_is_continued(client: httpx.Client, fhir: FhirServer) -> None:
    page = first_page(f"{fhir.base}?_getpages=MedicationRequest&_offset=1&patient=example")

    answer = client.post(SERVICE, json=asking(fhir, EXAMPLE["prefetch"] | {"medicationRequests": page}))

    assert without_uuids(answer.json()) == CARDS
    assert len(fhir.seen) == 1


@pytest.mark.seconds
def test_beyond_the_most_pages_the_rest_is_unknown(rules: Ruleset, fhir: FhirServer) -> None:
    fhir.page_size = 1
    with serving(rules, fhir_servers=(fhir.base,), fetch_pages=1) as client:
        (card,) = cards(client, asking(fhir))

    assert card["summary"].startswith("TRD status unknown")
    assert "not all of medicationRequests could be fetched: there are more than 1 pages" in card["detail"]
    assert len(fhir.asked("MedicationRequest")) == 1


def test_pages_that_lead_in_a_circle_are_left(client: httpx.Client, fhir: FhirServer) -> None:
    page = first_page(f"{fhir.base}?_getpages=MedicationRequest&_offset=0&patient=example")
    fhir.instead["MedicationRequest"] = [Answer(body=json.dumps(page).encode())]

    (card,) = cards(client, asking(fhir))

    assert "its pages lead in a circle" in card["detail"]


# ---------------------------------------------------------------- what fails is unknown, and says why

WRONG = {
    "no access": (Answer(403), "refused access (403)"),
    "token expired": (Answer(401), "refused access (401)"),
    "broken": (Answer(500), "answered 500"),
    "busy for long": (Answer(429, headers=(("retry-after", "3600"),)), "is busy (429)"),
    "no JSON": (Answer(body=b"<Bundle/>"), "cannot be read"),
    "nothing": (Answer(body=b""), "cannot be read"),
    "not UTF-8": (Answer(body=b'{"resourceType": "Bundle", "id": "\xff"}'), "cannot be read"),
    "deep": (Answer(body=b"[" * 100 + b"]" * 100), "nests too deeply"),
    "huge": (Answer(body=b" " * 2_000_001), "more than 2000000 bytes"),
    "gzip bomb": (
        Answer(body=gzip.compress(b" " * 50_000_000), headers=(("content-encoding", "gzip"),)),
        "more than 2000000 bytes",
    ),
    "packed in another way": (Answer(body=b"{}", headers=(("content-encoding", "br"),)), "cannot be unpacked"),
    "cut off": (Answer(body=b'{"resourceType": "Bundle"', says=1000), "cut off"),
    "too many": (
        Answer(body=json.dumps(EMPTY | {"entry": [{}] * 501}).encode()),
        "more than 500 entries",
    ),
    "no content": (Answer(204), "answered 204"),
    "an outcome": (Answer(body=json.dumps(OUTCOME).encode()), "could not read"),
}  # fmt: skip


@pytest.fixture(scope="module")
def shared(rules: Ruleset) -> Iterator[tuple[httpx.Client, FhirServer]]:
    """One pair of servers for many cases."""
    with fhir_server() as fhir, serving(
        rules, fhir_servers=(fhir.base,), max_body_bytes=2_000_000, most_entries=500
    ) as client:  # fmt: skip
        yield client, fhir


@pytest.fixture
def pair(shared: tuple[httpx.Client, FhirServer]) -> tuple[httpx.Client, FhirServer]:
    client, fhir = shared
    fhir.resources = resources_in(EXAMPLE["prefetch"])
    fhir.instead.clear()
    fhir.seen.clear()
    return client, fhir


@pytest.mark.parametrize("name", WRONG)
def test_trials_that_could_not_be_read_are_unknown(name: str, pair: tuple[httpx.Client, FhirServer]) -> None:
    client, fhir = pair
    answer, why = WRONG[name]
    fhir.instead["MedicationRequest"] = [answer]

    (card,) = cards(client, asking(fhir))

    assert card["summary"].startswith("TRD status unknown")
    assert "medicationRequests" in card["detail"]
    assert why in card["detail"]


@pytest.mark.parametrize("name", WRONG)
def test_allergies_that_could_not_be_read_are_asked_for(name: str, pair: tuple[httpx.Client, FhirServer]) -> None:
    client, fhir = pair
    fhir.instead["AllergyIntolerance"] = [WRONG[name][0]]

    assert "Confirm missing safety facts" in cards(client, asking(fhir))[0]["summary"]


def test_a_later_page_that_fails_leaves_the_earlier_ones(client: httpx.Client, fhir: FhirServer) -> None:
    fhir.page_size = 1
    fhir.instead["MedicationRequest"] = [None, Answer(500)]

    (card,) = cards(client, asking(fhir))

    assert "not all of medicationRequests could be fetched: the FHIR server answered 500" in card["detail"]


def test_a_type_the_server_does_not_keep_is_as_if_it_were_not_sent(client: httpx.Client, fhir: FhirServer) -> None:
    fhir.instead = {kind: [Answer(404)] for kind in OTHERS}

    (card,) = cards(client, asking(fhir))

    assert card["summary"] == CARDS["cards"][0]["summary"]
    assert "no such resources" not in json.dumps(card)


@pytest.mark.seconds
def test_statements_that_are_kept_but_closed_to_us_leave_the_trials_open(
    client: httpx.Client, fhir: FhirServer
) -> None:
    fhir.instead["MedicationStatement"] = [Answer(403)]

    assert cards(client, asking(fhir)) != []
    assert "medicationStatements could not be fetched" in json.dumps(cards(client, asking(fhir)))


@pytest.mark.seconds
def test_the_deadline_ends_every_wait_and_what_came_before_counts(rules: Ruleset, fhir: FhirServer) -> None:
    fhir.instead["AllergyIntolerance"] = [Answer(body=json.dumps(EMPTY).encode(), after=20)]
    with serving(rules, fhir_servers=(fhir.base,), fetch_seconds=0.3) as client:
        began = time.monotonic()
        (card,) = cards(client, asking(fhir))
        took = time.monotonic() - began

    assert took < 10
    assert "allergies could not be fetched: the FHIR server did not answer within 0.3 s" in card["detail"]
    assert "Confirm missing safety facts" in card["summary"]


@pytest.mark.seconds
def test_a_server_that_is_not_there_is_412_for_want_of_the_patient(rules: Ruleset, fhir: FhirServer) -> None:
    with serving(rules, fhir_servers=("http://127.0.0.1:1/fhir",)) as client:
        answer = client.post(SERVICE, json=asking(fhir, fhirServer="http://127.0.0.1:1/fhir"))

    assert answer.status_code == 412
    assert "could not be reached" in issue(answer.json())["diagnostics"]


# ---------------------------------------------------------------- busy servers


@pytest.mark.parametrize("after", ["0", "Sun, 06 Nov 1994 08:49:37 GMT", "", "soon"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(client: httpx.Client, fhir: FhirServer, status: int, after: str) -> None:
    fhir.instead["Condition"] = [Answer(status, headers=(("retry-after", after),)), None]

    answer = client.post(SERVICE, json=asking(fhir, without("conditions")))

    assert without_uuids(answer.json()) == CARDS
    assert len(fhir.asked("Condition")) == 2


def test_a_server_that_stays_busy_is_left_alone(client: httpx.Client, fhir: FhirServer) -> None:
    fhir.instead["AllergyIntolerance"] = [Answer(503, headers=(("retry-after", "0"),))]

    cards(client, asking(fhir))

    assert len(fhir.asked("AllergyIntolerance")) == 3


def test_nobody_waits_beyond_the_deadline(client: httpx.Client, fhir: FhirServer) -> None:
    fhir.instead["AllergyIntolerance"] = [Answer(429, headers=(("retry-after", "3"),)), None]

    (card,) = cards(client, asking(fhir))

    assert len(fhir.asked("AllergyIntolerance")) == 1
    assert "is busy (429)" in card["detail"]


@pytest.mark.seconds
def test_a_server_that_wants_searches_as_in_us_core_gets_them(client: httpx.Client, fhir: FhirServer) -> None:
    fhir.needs_intent = True

    answer = client.post(SERVICE, json=asking(fhir))

    assert without_uuids(answer.json()) == CARDS
    assert fhir.asked("MedicationRequest")[-1].query == {
        "patient": ["example"],
        "intent": ["order,plan"],
        "_include": ["MedicationRequest:medication"],
    }


@pytest.mark.seconds
def test_a_server_that_takes_plain_searches_only_gets_them(client: httpx.Client, fhir: FhirServer) -> None:
    fhir.needs_intent = fhir.no_include = True

    answer = client.post(SERVICE, json=asking(fhir))

    assert without_uuids(answer.json()) == CARDS
    assert fhir.asked("MedicationRequest")[-1].query == {"patient": ["example"], "intent": ["order,plan"]}


@pytest.mark.seconds
def test_a_search_the_server_takes_in_no_form_is_unknown(client: httpx.Client, fhir: FhirServer) -> None:
    fhir.instead["MedicationRequest"] = [Answer(422)]

    (card,) = cards(client, asking(fhir))

    assert "medicationRequests could not be fetched: the FHIR server answered 422" in card["detail"]
    assert len(fhir.asked("MedicationRequest")) == 3


def test_medications_that_orders_refer_to_come_along(client: httpx.Client, fhir: FhirServer) -> None:
    for order in [resource for resource in fhir.resources if resource["resourceType"] == "MedicationRequest"]:
        code = order.pop("medicationCodeableConcept")
        order["medicationReference"] = {"reference": f"Medication/of-{order['id']}"}
        fhir.resources.append({"resourceType": "Medication", "id": f"of-{order['id']}", "code": code})

    (card,) = cards(client, asking(fhir))

    assert card["summary"] == CARDS["cards"][0]["summary"]


def uncounted(answer: JSON) -> JSON:
    """Cards without uuids, and without the count of resources, which the Medications add to."""
    text: str = json.dumps(without_uuids(answer))
    counted: JSON = json.loads(re.sub(r"\b\d+ resources", "resources", text))
    return counted


def by_reference(resources: list[JSON], base: str = "") -> list[JSON]:
    """Orders changed to refer to Medications, and these."""
    orders = [resource for resource in resources if resource["resourceType"] == "MedicationRequest"]
    made = []
    for order in orders:
        made.append(
            {"resourceType": "Medication", "id": f"of-{order['id']}", "code": order.pop("medicationCodeableConcept")}
        )
        order["medicationReference"] = {"reference": f"{base}Medication/of-{order['id']}"}
    return made


@pytest.mark.parametrize("absolute", [False, True])
def test_medications_that_sent_orders_refer_to_are_fetched(
    client: httpx.Client, fhir: FhirServer, absolute: bool
) -> None:
    sent = deepcopy(EXAMPLE["prefetch"])
    fhir.resources += by_reference(resources_in(sent), f"{fhir.base}/" if absolute else "")

    answer = client.post(SERVICE, json=asking(fhir, sent))

    assert uncounted(answer.json()) == uncounted(CARDS)
    assert {seen.kind for seen in fhir.seen} == {"Medication"}
    assert len(fhir.seen) == len(fhir.asked("Medication")) == 2
    assert {seen.headers["authorization"] for seen in fhir.seen} == {f"Bearer {TOKEN}"}


@pytest.mark.seconds
def test_medications_that_fetched_orders_refer_to_are_fetched_where_the_search_brought_none(
    client: httpx.Client, fhir: FhirServer
) -> None:
    fhir.needs_intent = fhir.no_include = True
    fhir.resources += by_reference(fhir.resources)

    answer = client.post(SERVICE, json=asking(fhir))

    assert uncounted(answer.json()) == uncounted(CARDS)
    assert len(fhir.asked("Medication")) == 2


def test_a_medication_that_was_sent_is_not_fetched(client: httpx.Client, fhir: FhirServer) -> None:
    sent = deepcopy(EXAMPLE["prefetch"])
    entries = sent["medicationRequests"]["entry"]
    entries += [{"resource": medication} for medication in by_reference(resources_in(sent))]

    assert uncounted(client.post(SERVICE, json=asking(fhir, sent)).json()) == uncounted(CARDS)
    assert fhir.seen == []


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(404), "404"),
        (Answer(403), "refused access"),
        (Answer(200, json.dumps(OUTCOME).encode()), "something else"),
        (Answer(200, b'{"resourceType": "Medic'), "cannot be read"),
        (Answer(200, b'{"resourceType": "Medication", "id": "another", "code": {"text": "sertraline"}}'), ""),
        (Answer(after=30), "did not answer within"),
    ],
    ids=["not there", "forbidden", "an outcome", "broken", "another one", "late"],
)
def test_a_medication_that_cannot_be_fetched_leaves_the_drug_unknown_and_named(
    rules: Ruleset, fhir: FhirServer, answer: Answer, why: str
) -> None:
    sent = deepcopy(EXAMPLE["prefetch"])
    by_reference(resources_in(sent))
    fhir.instead["Medication"] = [answer]

    with serving(rules, fhir_servers=(fhir.base,), fetch_seconds=0.5) as client:
        (card,) = cards(client, asking(fhir, sent))

    assert "TRD status unknown" in card["summary"]
    record = read_prefetch(
        {key: msgspec.Raw(json.dumps(value).encode()) for key, value in sent.items()},
        templates={p.key: p.query for p in OFFERED.prefetch},
        patient_id="example",
        most_entries=1000,
        max_depth=64,
        fetched={"Medication": FetchedValue(None, f"2 of 2 Medications could not be fetched: {why}")},
    )
    said = [issue.what for issue in record.issues]
    assert f"2 of 2 Medications could not be fetched: {why}." in said
    assert any("was not sent" in what for what in said)


def test_a_medication_of_another_server_is_not_taken_for_ours(
    client: httpx.Client, fhir: FhirServer, elsewhere: FhirServer
) -> None:
    sent = deepcopy(EXAMPLE["prefetch"])
    medications = by_reference(resources_in(sent), f"{elsewhere.base}/")
    fhir.resources += medications
    elsewhere.resources += medications

    (card,) = cards(client, asking(fhir, sent))

    assert "TRD status unknown" in card["summary"]
    assert fhir.seen == elsewhere.seen == []


@pytest.mark.parametrize(
    "reference",
    ["Medication/..", "Medication/a/../../Patient/b", "Medication/a?b", "Medication/", "#a", "urn:uuid:a", "Patient/a"],
)
def test_a_reference_that_is_none_is_not_read(client: httpx.Client, fhir: FhirServer, reference: str) -> None:
    sent = deepcopy(EXAMPLE["prefetch"])
    by_reference(resources_in(sent))
    for entry in sent["medicationRequests"]["entry"]:
        entry["resource"]["medicationReference"] = {"reference": reference}

    cards(client, asking(fhir, sent))

    assert fhir.seen == []


def test_a_medication_that_a_draft_order_refers_to_is_fetched(client: httpx.Client, fhir: FhirServer) -> None:
    fhir.resources.append(
        {
            "resourceType": "Medication",
            "id": "m1",
            "code": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "321988"}]},
        }
    )
    draft = {
        "resourceType": "MedicationRequest", "id": "d", "status": "draft", "intent": "order",
        "subject": {"reference": "Patient/example"}, "medicationReference": {"reference": "Medication/m1"},
    }  # fmt: skip
    request = asking(fhir, EXAMPLE["prefetch"], hook="order-sign")
    request["context"] = request["context"] | {
        "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": draft}]}
    }
    address = next(s.id for s in RULES.program.services.values() if s.hook == "order-sign")

    answer = client.post(f"/cds-services/{address}", json=request)

    assert [seen.path for seen in fhir.asked("Medication")] == ["/fhir/Medication/m1"]
    assert [card["extension"]["org.thirdline.card"]["name"] for card in answer.json()["cards"]] == [
        "next_antidepressant"
    ]


@pytest.mark.seconds
def test_a_patient_with_more_medications_than_are_read_is_answered(client: httpx.Client, fhir: FhirServer) -> None:
    sent = deepcopy(EXAMPLE["prefetch"])
    (first, *_) = sent["medicationRequests"]["entry"]
    for number in range(250):
        order = deepcopy(first["resource"]) | {"id": f"many-{number}"}
        del order["medicationCodeableConcept"]
        order["medicationReference"] = {"reference": f"Medication/many-{number}"}
        sent["medicationRequests"]["entry"].append({"resource": order})

    cards(client, asking(fhir, sent))

    assert len(fhir.seen) == 200


# ---------------------------------------------------------------- one patient


@pytest.mark.seconds
@pytest.mark.parametrize("kind", ["Condition", "MedicationRequest", "AllergyIntolerance", "Observation"])
def test_a_server_that_sends_another_patients_data_refuses_the_whole(
    client: httpx.Client, fhir: FhirServer, kind: str
) -> None:
    name = "patient" if kind == "AllergyIntolerance" else "subject"
    other = {
        "resourceType": kind, "id": "theirs", name: {"reference": "Patient/other"}, "status": "final",
        "intent": "order",
        "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]}, "valueInteger": 20,
    }  # fmt: skip
    fhir.instead[kind] = [Answer(body=json.dumps(EMPTY | {"total": 1, "entry": [{"resource": other}]}).encode())]

    answer = client.post(SERVICE, json=asking(fhir))

    assert answer.status_code == 400
    found = issue(answer.json())
    assert (found["code"], found["expression"][0].split(".")[0]) == ("conflict", "fetched")


@pytest.mark.seconds
def test_a_server_that_sends_another_patient_refuses_the_whole(client: httpx.Client, fhir: FhirServer) -> None:
    other = {"resourceType": "Patient", "id": "other", "birthDate": "1980-01-01"}
    fhir.instead["Patient"] = [Answer(body=json.dumps(other).encode())]

    answer = client.post(SERVICE, json=asking(fhir))

    assert answer.status_code == 400
    assert issue(answer.json())["expression"] == ["fetched.patient"]


@pytest.mark.seconds
@pytest.mark.parametrize("patient", ["example", "Patient/example"])
def test_a_token_for_the_patient_in_context_is_used(client: httpx.Client, fhir: FhirServer, patient: str) -> None:
    request = asking(fhir)
    request["fhirAuthorization"] |= {"patient": patient}

    assert cards(client, request)


def test_a_token_for_another_patient_refuses_the_whole(client: httpx.Client, fhir: FhirServer) -> None:
    request = asking(fhir, EXAMPLE["prefetch"])
    request["fhirAuthorization"] |= {"patient": "other"}

    answer = client.post(SERVICE, json=request)

    assert answer.status_code == 400
    assert issue(answer.json())["expression"] == ["fhirAuthorization.patient"]
    assert fhir.seen == []


@pytest.mark.parametrize("identity", ["..", "a,b", "a&_include=*", "a b", "ä", "a%2Fb"])
def test_an_id_that_would_change_the_search_is_never_put_into_one(
    client: httpx.Client, fhir: FhirServer, identity: str
) -> None:
    answer = client.post(SERVICE, json=asking(fhir, context=EXAMPLE["context"] | {"patientId": identity}))

    assert answer.status_code == 412
    assert "not an id that can stand in a URL" in issue(answer.json())["diagnostics"]
    assert fhir.seen == []


# ---------------------------------------------------------------- where the token goes


@pytest.mark.seconds
def test_a_redirect_is_not_followed(client: httpx.Client, fhir: FhirServer, elsewhere: FhirServer) -> None:
    location = ("location", f"{elsewhere.base}/AllergyIntolerance?patient=example")
    fhir.instead["AllergyIntolerance"] = [Answer(302, headers=(location,))]

    (card,) = cards(client, asking(fhir))

    assert "points to another address (302)" in card["detail"]
    assert elsewhere.seen == []


@pytest.mark.seconds
@pytest.mark.parametrize(
    "fake", ["{there}", "{here}@x", "//{there_host}/fhir", "{here}/../../other", "http://[", "ftp://x"]
)
def test_a_next_page_elsewhere_is_not_asked_for(
    client: httpx.Client, fhir: FhirServer, elsewhere: FhirServer, fake: str
) -> None:
    host = elsewhere.base.removeprefix("http://").removesuffix("/fhir")
    page = first_page(fake.format(there=elsewhere.base, here=fhir.base, there_host=host))
    fhir.instead["MedicationRequest"] = [Answer(body=json.dumps(page).encode()), None]

    (card,) = cards(client, asking(fhir))

    assert "not all of medicationRequests could be fetched" in card["detail"]
    assert elsewhere.seen == []
    assert len(fhir.asked("MedicationRequest")) == 1


def test_a_next_page_elsewhere_in_prefetch_is_not_asked_for(
    client: httpx.Client, fhir: FhirServer, elsewhere: FhirServer
) -> None:
    page = first_page(f"{elsewhere.base}?_getpages=MedicationRequest&_offset=1&patient=example")

    (card,) = cards(client, asking(fhir, EXAMPLE["prefetch"] | {"medicationRequests": page}))

    assert "points to another address" in card["detail"]
    assert elsewhere.seen == fhir.seen == []


def test_a_server_that_is_not_allowed_is_not_asked(
    client: httpx.Client, fhir: FhirServer, elsewhere: FhirServer
) -> None:
    answer = client.post(SERVICE, json=asking(elsewhere))

    assert answer.status_code == 412
    found = issue(answer.json())
    assert "conditions, medicationRequests, patient" in found["details"]["text"]
    assert "not one of the servers this service may read from" in found["diagnostics"]
    assert TOKEN not in answer.text
    assert elsewhere.seen == []


@pytest.mark.seconds
def test_without_an_allowlist_nothing_is_fetched(rules: Ruleset, fhir: FhirServer) -> None:
    with serving(rules) as client:
        answer = client.post(SERVICE, json=asking(fhir))
        (card,) = cards(client, asking(fhir, without("allergies")))

    assert answer.status_code == 412
    assert "fetches from no server" in issue(answer.json())["diagnostics"]
    assert "Confirm missing safety facts" in card["summary"]
    assert fhir.seen == []


@pytest.mark.parametrize("token", ["two\r\nX-Header: lines", "a b", "ü", "\x00"])
def test_a_token_that_is_no_header_is_not_sent(client: httpx.Client, fhir: FhirServer, token: str) -> None:
    request = asking(fhir)
    request["fhirAuthorization"] |= {"access_token": token}

    answer = client.post(SERVICE, json=request)

    assert answer.status_code == 412
    assert token not in answer.text
    assert fhir.seen == []


@pytest.mark.seconds
def test_a_name_that_leads_inside_is_not_followed_unless_its_network_was_set(rules: Ruleset, fhir: FhirServer) -> None:
    named = fhir.base.replace("127.0.0.1", "localhost")
    with serving(rules, fhir_servers=(named,)) as client:
        refused = client.post(SERVICE, json=asking(fhir, fhirServer=named))
        asked = list(fhir.seen)
    with serving(rules, fhir_servers=(named,), fhir_networks=("127.0.0.0/8",)) as client:
        allowed = client.post(SERVICE, json=asking(fhir, fhirServer=named))

    assert refused.status_code == 412
    assert "an address this service may not connect to" in issue(refused.json())["diagnostics"]
    assert asked == []
    assert without_uuids(allowed.json()) == CARDS


def test_nothing_of_one_caller_is_kept_for_the_next(client: httpx.Client, fhir: FhirServer) -> None:
    patient = json.dumps(fhir.right_patient("example")).encode()
    fhir.instead["Patient"] = [Answer(body=patient, headers=(("set-cookie", "session=mine; Path=/"),))]

    cards(client, asking(fhir))
    cards(client, asking(fhir))

    assert not [seen for seen in fhir.seen if "cookie" in seen.headers]


def test_no_token_id_or_address_is_logged(
    client: httpx.Client, fhir: FhirServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fhir.instead = {"Condition": [Answer(500)], "Procedure": [Answer(302, headers=(("location", TOKEN),))]}

    cards(client, asking(fhir))

    own = "\n".join(r.getMessage() for r in caplog.records if r.name != "httpx" or r.levelno > logging.INFO)
    assert f"{len(EXAMPLE['prefetch'])} keys" in own
    assert "500: 1" in own
    for secret in (TOKEN, "Patient/example", "patient=example", fhir.base):
        assert secret not in own
