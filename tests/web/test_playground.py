"""The playground: answered as an EHR would be, kept apart from clinicians, and clear about what was pasted wrongly."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from cds.decide import Ruleset, decide
from cds.engine.evaluator import EvaluatorMode
from cds.errors import RequestError
from cds.journal.journal import Journal
from cds.journal.playground import playground_of, tenant_of
from cds.journal.store import Store
from cds.journal.tables import comments, feedback, inputs, receipts
from cds.read_request import limits, read_request, record_of
from cds.record.bundle import read_bundle
from cds.settings import Settings
from cds.web.console.examples import examples
from cds.web.console.pasted import read_pasted
from tests.server import ROOT, TODAY, serving
from tests.shipped import shipped_rules
from tests.web.serving_pages import KEEP, example, keeping

PLAYGROUND = "/console/playground"
OURS = {"Sec-Fetch-Site": "same-origin"}
TWO_TRIALS = "01-two-failed-trials"
NAMES = sorted(path.parent.name for path in (ROOT / "fhir_examples").glob("*/request.json"))


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return shipped_rules(EvaluatorMode.DIRECT)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """One that keeps no inputs."""
    store = Store(str(tmp_path_factory.mktemp("journal") / "journal.sqlite3"))
    return Journal(store, replace(KEEP, inputs=0))


@pytest.fixture(scope="module")
def client(rules: Ruleset, journal: Journal) -> Iterator[httpx.Client]:
    with serving(rules, journal=journal, console=True) as running:
        yield running


def ask(client: httpx.Client, data: Any, **fields: str) -> httpx.Response:
    text = data if isinstance(data, str) else json.dumps(data)
    return client.post(PLAYGROUND, data={"data": text, "today": str(TODAY)} | fields, headers=OURS)


def bundle_of(request: dict[str, Any]) -> dict[str, Any]:
    """The resources of a request, and its orders, as one Bundle."""
    resources = []
    for value in [*request["prefetch"].values(), request["context"].get("draftOrders")]:
        if isinstance(value, dict) and value.get("resourceType") == "Bundle":
            resources += [entry["resource"] for entry in value.get("entry", [])]
        elif isinstance(value, dict):
            resources.append(value)
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}


# ---------------------------------------------------------------- a Bundle as a request


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_is_answered_as_evaluate_answers_it(name: str, rules: Ruleset) -> None:
    request = example(name)
    body = json.dumps(bundle_of(request)).encode()
    service = next(s for s in rules.program.services.values() if s.hook == request["hook"])
    bounds = limits(Settings(), rules)

    pasted = read_pasted(body, rules.program, service.id, 64)
    asked = read_request(pasted.body, service)
    record = record_of(asked, service.templates, bounds)

    evaluated = decide(rules, read_bundle(body, **bounds), TODAY, service.id)
    assert decide(rules, record, TODAY, service.id).truths == evaluated.truths


@pytest.mark.seconds
def test_a_patient_known_by_a_urn_is_found_by_it(rules: Ruleset) -> None:
    bundle = bundle_of(example(TWO_TRIALS))
    text = json.dumps(bundle).replace("Patient/example", "urn:uuid:example")
    made = json.loads(text)
    for entry in made["entry"]:
        if entry["resource"]["resourceType"] == "Patient":
            entry["fullUrl"] = "urn:uuid:example"

    with serving(rules, console=True) as client:
        assert "Chart meets TRD criteria" in ask(client, made).text


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("", 400, "not JSON"),
        ("{", 400, "not JSON"),
        ("[1]", 400, "not an object"),
        ('{"resourceType": "Patient"}', 400, "neither a CDS Hooks request nor a Bundle"),
        ('{"hook": "appointment-book"}', 400, "No service answers this hook"),
        ('{"hook": ["x"]}', 400, "No service answers this hook"),
        ('{"hook": "patient-view"}', 400, "hookInstance is missing"),
        (
            '{"hook": "patient-view", "hookInstance": "x", "context": {"patientId": "p", "userId": "u"}}',
            412,
            "Prefetch is missing",
        ),
        ('{"resourceType": "Bundle"}', 400, "holds no Patient"),
        (
            '{"resourceType": "Bundle", "entry": [1, {"resource": 2}, {"resource": {"resourceType": 3}}]}',
            400,
            "no Patient",
        ),
        ('{"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient"}}]}', 400, "no id"),
        ("[" * 1000, 413, "The JSON nests"),
    ],
)
def test_what_is_wrong_is_said_next_to_what_was_typed(text: str, kind: int, says: str, client: httpx.Client) -> None:
    answer = ask(client, text)

    assert answer.status_code == kind
    assert says in answer.text
    assert 'role="alert"' in answer.text
    assert f">{html.escape(text, quote=True).replace('&quot;', '&#34;')}</textarea>" in answer.text


def test_a_day_that_is_none_and_a_service_that_is_none_are_said(client: httpx.Client) -> None:
    assert "today is not a date" in ask(client, example(TWO_TRIALS), today="yesterday").text
    assert "no such service" in ask(client, example(TWO_TRIALS), service="nothing").text


# ---------------------------------------------------------------- the page


def test_an_example_is_put_into_the_form_with_its_day(client: httpx.Client) -> None:
    page = client.get(PLAYGROUND, params={"example": TWO_TRIALS}).text

    assert "Two failed trials" in page
    assert "&#34;patientId&#34;" in page
    assert f'value="{TODAY}"' in page


def test_it_opens_with_an_example_and_its_answer_and_keeps_nothing_of_that(rules: Ruleset, tmp_path: Path) -> None:
    kept = Journal(Store(str(tmp_path / "journal.sqlite3")), KEEP)
    with serving(rules, journal=kept, console=True) as opened:
        text = opened.get(PLAYGROUND).text
        again = opened.get(f"{PLAYGROUND}?example=no-such-example").text
    with kept.store.reading() as connection:
        found = connection.execute(select(receipts)).all()

    assert "Chart meets TRD criteria: consider an evaluation" in text
    assert "Medication timeline" in text
    assert "Press Ask to answer this card." in text
    assert "/playground/feedback" not in text
    assert 'id="cards-shown"' not in again
    assert found == []


def test_the_console_names_who_is_signed_in_and_the_explanation_names_the_patient(client: httpx.Client) -> None:
    frame, _, rest = ask(client, example(TWO_TRIALS)).text.partition("<main")

    assert "this machine" in frame
    assert "Patient/example" not in frame
    assert "46 years, female, Patient/example" in rest


def test_every_shipped_example_is_offered_with_its_title() -> None:
    assert sorted(examples()) == NAMES
    assert all(one.title and one.says for one in examples().values())


def test_the_answer_is_shown_as_an_ehr_shows_it_with_its_reasons_and_as_it_was_sent(client: httpx.Client) -> None:
    page = ask(client, example(TWO_TRIALS)).text

    assert '<article class="hook-card info"' in page
    assert "Chart meets TRD criteria" in page
    assert "Medication timeline" in page
    assert "POST /cds-services/ketamine-evaluation<" in page
    assert "&#34;overrideReasons&#34;" in page


def test_chart_text_that_looks_like_markup_is_text(client: httpx.Client) -> None:
    request = json.loads(json.dumps(example(TWO_TRIALS)).replace("Sertraline", "<script>alert(1)</script>"))

    assert "<script>alert" not in ask(client, request).text


def test_the_service_can_be_another_than_the_first(client: httpx.Client) -> None:
    page = ask(client, bundle_of(example(TWO_TRIALS)), service="ketamine-evaluation-encounter-start").text

    assert "POST /cds-services/ketamine-evaluation-encounter-start<" in page


@pytest.mark.seconds
def test_nothing_is_fetched_from_the_server_a_request_names(rules: Ruleset) -> None:
    request = example(TWO_TRIALS) | {"fhirServer": "http://127.0.0.1:9/fhir", "prefetch": {}}
    with serving(rules, console=True, fhir_servers=("http://127.0.0.1:9/fhir",)) as client:
        page = ask(client, request)

    assert page.status_code == 412
    assert "nothing is fetched for it" in page.text


def test_a_page_of_somebody_else_asks_nothing(client: httpx.Client) -> None:
    for address in (PLAYGROUND, f"{PLAYGROUND}/feedback"):
        assert client.post(address, data={"data": "{}"}, headers={"Origin": "https://evil.example"}).status_code == 403


# ---------------------------------------------------------------- what is kept


def fields(page: str, outcome: str) -> dict[str, str]:
    """The hidden fields of the first form that says so of a card."""
    forms = re.findall(r"<form[^>]*feedback.*?</form>", page, re.DOTALL)
    form = next(form for form in forms if f'value="{outcome}"' in form)
    return dict(re.findall(r'name="(service|card|outcome|suggestion)" value="([^"]*)"', form))


def test_an_override_goes_the_way_of_feedback_and_is_the_playgrounds(client: httpx.Client, journal: Journal) -> None:
    page = ask(client, example(TWO_TRIALS)).text
    reasons = re.findall(r'<option value="([^"]*\|[^"]*)">', page)
    said = fields(page, "overridden") | {"reason": html.unescape(reasons[0]), "comment": "tried it"}

    answer = client.post(f"{PLAYGROUND}/feedback", data=said, headers=OURS)

    assert answer.status_code == 200
    assert "kept" in answer.text
    with journal.store.reading() as connection:
        kept = connection.execute(select(feedback.c.tenant, feedback.c.outcome, feedback.c.reason_code)).all()
        (typed,) = connection.execute(select(comments.c.comment)).scalars()
    assert [(tenant, outcome) for tenant, outcome, _ in kept] == [(playground_of(""), "overridden")]
    assert kept[0][2] == html.unescape(reasons[0]).split("|")[1]
    assert typed == "tried it"


def test_a_suggestion_can_be_accepted(client: httpx.Client) -> None:
    said = fields(ask(client, example(TWO_TRIALS)).text, "accepted")

    answer = client.post(f"{PLAYGROUND}/feedback", data=said, headers=OURS | {"HX-Request": "true"})

    assert said["suggestion"]
    assert answer.text.startswith('<p role="status"')
    assert "accepted" in answer.text


def test_receipts_are_the_playgrounds_and_hold_no_data(client: httpx.Client, journal: Journal) -> None:
    ask(client, example(TWO_TRIALS))
    give_up = time.monotonic() + 30
    found: list[str] = []
    while not found and time.monotonic() < give_up:
        with journal.store.reading() as connection:
            found = list(connection.execute(select(receipts.c.tenant)).scalars())

    assert set(found) == {playground_of("")}
    with journal.store.reading() as connection:
        assert connection.execute(select(inputs)).all() == []


@pytest.mark.seconds
def test_where_inputs_are_kept_the_page_says_so_and_the_card_links_its_explanation(
    rules: Ruleset, tmp_path: Path
) -> None:
    with keeping(tmp_path, rules=rules, console=True, keep_inputs_days=5) as client:
        page = ask(client, example(TWO_TRIALS)).text
        address = html.unescape(re.findall(r'href="([^"]*/decisions/[^"]*)"', page)[0])
        give_up = time.monotonic() + 30
        while client.get(address).status_code == 404 and time.monotonic() < give_up:
            time.sleep(0.02)

        assert "is kept for 5 days" in page
        assert client.get(address).status_code == 200


@pytest.mark.seconds
def test_without_a_journal_no_answer_is_taken(rules: Ruleset) -> None:
    with serving(rules, console=True) as client:
        page = ask(client, example(TWO_TRIALS)).text

        assert "answers to cards are not taken" in page
        assert "/console/playground/feedback" not in page
        assert client.post(f"{PLAYGROUND}/feedback", data={}, headers=OURS).status_code == 501


@pytest.mark.parametrize("tenant", ["", "north"])
def test_the_tenant_of_a_playground_is_told_from_its_name(tenant: str) -> None:
    assert tenant_of(playground_of(tenant)) == tenant_of(tenant) == tenant


def test_what_cannot_be_read_is_refused_and_never_a_failure(rules: Ruleset) -> None:
    for text in (b"\xff", b"nul", b'{"hook": 1}', b'{"resourceType": "Bundle", "entry": {}}'):
        with pytest.raises(RequestError):
            read_pasted(text, rules.program, "", 64)
