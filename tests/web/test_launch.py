"""SMART App Launch of the page behind a card: a real EHR's flow, and attacks on it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser
from pydantic import SecretStr

from cds.app import UnsafeSettingsError, create_app
from cds.engine.evaluator import EvaluatorMode
from cds.journal.journal import Journal
from cds.journal.retention import RetentionPeriods
from cds.journal.store import Store
from cds.settings import Settings
from tests.fhir_server import Answer, FhirServer, fhir_server, resources_in
from tests.server import serving
from tests.shipped import shipped_rules
from tests.web.serving_pages import SERVICE, example
from tests.web.smart_server import SmartServer, smart_server

REQUEST = example("01-two-failed-trials")
CONFIDENTIAL = "of a confidential client: 50 %"
RULES = shipped_rules(EvaluatorMode.DIRECT)


@contextmanager
def launching(
    folder: Path, *, keep: int = 0, secret: str | None = None, request: dict[str, Any] | None = None, **settings: Any
) -> Iterator[tuple[httpx.Client, FhirServer, SmartServer]]:
    """The service, an EHR's FHIR server, and its authorization server; each on a port of its own."""
    journal = Journal(Store(str(folder / "journal.sqlite3")), RetentionPeriods(100, 10, keep))
    with fhir_server() as fhir, smart_server(fhir.base, secret=secret) as smart:
        fhir.resources = resources_in((request or REQUEST)["prefetch"])
        publish(fhir, smart)
        known = {
            "fhir_servers": (fhir.base,),
            "fhir_networks": ("127.0.0.0/8",),
            "smart_client_id": "thirdline",
            "smart_client_secret": secret,
        } | settings
        with serving(RULES, journal=journal, **known) as client:
            yield client, fhir, smart


def publish(fhir: FhirServer, smart: SmartServer) -> None:
    fhir.instead[".well-known"] = [Answer(200, json.dumps(smart.configuration()).encode())]


@pytest.fixture
def ehr(tmp_path: Path) -> Iterator[tuple[httpx.Client, FhirServer, SmartServer]]:
    with launching(tmp_path) as running:
        yield running


def to_authorize(client: httpx.Client, fhir: FhirServer, **changes: str) -> httpx.Response:
    return client.get("/launch", params={"iss": fhir.base, "launch": "xyz"} | changes)


def to_callback(client: httpx.Client, fhir: FhirServer) -> str:
    """Where the EHR sends the browser back to."""
    answer = httpx.get(to_authorize(client, fhir).headers["location"])
    assert answer.status_code == 302, answer.text
    return str(answer.headers["location"])


def launched(client: httpx.Client, fhir: FhirServer) -> httpx.Response:
    return client.get(to_callback(client, fhir))


# ---------------------------------------------------------------- the flow


@pytest.mark.seconds
def test_a_launch_shows_the_page_from_the_chart_as_it_is_now(ehr: tuple[httpx.Client, FhirServer, SmartServer]) -> None:
    client, fhir, smart = ehr

    page = launched(client, fhir)

    assert page.status_code == 200, page.text
    assert "Chart meets TRD criteria" in page.text
    assert "decided just now" in page.text
    assert smart.refused == []
    read = [seen for seen in fhir.seen if seen.kind != ".well-known"]
    assert read
    assert all(seen.headers["authorization"] == "Bearer secret-token" for seen in read)


def test_it_asks_for_leave_to_read_what_the_rules_read_and_for_nothing_else(
    ehr: tuple[httpx.Client, FhirServer, SmartServer],
) -> None:
    client, fhir, smart = ehr

    launched(client, fhir)

    (asked,) = smart.asked
    scopes = asked["scope"].split()
    assert {"launch", "patient/Patient.rs", "patient/MedicationRequest.rs", "patient/Observation.rs"} <= set(scopes)
    assert not [scope for scope in scopes if scope.startswith("user/") or ".c" in scope or "*" in scope]
    assert asked["redirect_uri"] == f"{client.base_url}/launch/callback"


@pytest.mark.seconds
def test_a_server_that_knows_the_older_scopes_only_is_asked_for_those(
    ehr: tuple[httpx.Client, FhirServer, SmartServer],
) -> None:
    client, fhir, smart = ehr
    smart.discovery = {"capabilities": ["launch-ehr", "permission-v1"]}
    publish(fhir, smart)

    assert launched(client, fhir).status_code == 200
    assert "patient/Condition.read" in smart.asked[0]["scope"].split()


@pytest.mark.seconds
def test_a_confidential_client_shows_its_secret_in_the_header_only(tmp_path: Path) -> None:
    with launching(tmp_path, secret=CONFIDENTIAL) as (client, fhir, smart):
        assert launched(client, fhir).status_code == 200
        assert smart.refused == []


@pytest.mark.seconds
def test_a_card_of_this_ehr_links_the_launch_and_the_launch_shows_its_decision(tmp_path: Path) -> None:
    with launching(tmp_path, keep=5) as (client, fhir, smart):
        card = client.post(SERVICE, json=REQUEST | {"fhirServer": fhir.base}).json()["cards"][0]
        link = card["links"][-1]
        assert (link["type"], link["url"]) == ("smart", f"{client.base_url}/launch")
        smart.app_context = link["appContext"]
        fhir.resources = []  # what it shows is what was decided, not what is there now

        shown = client.get(to_callback(client, fhir), follow_redirects=True)

    assert shown.status_code == 200, shown.text
    assert "Chart meets TRD criteria" in shown.text
    assert f"/decisions/{json.loads(link['appContext'])['decision']}" in str(shown.url)
    assert "code=" not in str(shown.url)


@pytest.mark.seconds
def test_a_card_for_another_ehr_links_no_launch(tmp_path: Path) -> None:
    with launching(tmp_path, keep=5) as (client, _, _):
        card = client.post(SERVICE, json=REQUEST).json()["cards"][0]

    assert card["links"][-1]["type"] == "absolute"


@pytest.mark.seconds
def test_the_decision_of_another_patient_is_never_shown(tmp_path: Path) -> None:
    with launching(tmp_path, keep=5) as (client, fhir, smart):
        card = client.post(SERVICE, json=REQUEST | {"fhirServer": fhir.base}).json()["cards"][0]
        smart.app_context = card["links"][-1]["appContext"]
        smart.patient = "other"
        fhir.resources = [{"resourceType": "Patient", "id": "other", "birthDate": "1990-01-01"}]

        shown = client.get(to_callback(client, fhir), follow_redirects=True)

    assert "decided just now" in shown.text
    assert "Chart meets TRD criteria" not in shown.text


@pytest.mark.seconds
@pytest.mark.parametrize("said", ["", "not json", "[]", '{"decision": 7}', '{"decision": "x", "service": []}', "\x00"])
def test_a_context_that_is_none_of_ours_is_passed_over(
    said: str, ehr: tuple[httpx.Client, FhirServer, SmartServer]
) -> None:
    client, fhir, smart = ehr
    smart.app_context = said

    assert "decided just now" in launched(client, fhir).text


def test_a_launch_in_a_browser(tmp_path: Path, browser: Browser) -> None:
    with launching(tmp_path) as (client, fhir, _):
        page = browser.new_page()
        page.goto(f"{client.base_url}/launch?iss={fhir.base}&launch=xyz")

        assert "Chart meets TRD criteria" in page.inner_text("main")
        page.reload()  # the callback again
        assert "over already" in page.inner_text("main") or "not begun" in page.inner_text("main")
        page.close()


# ---------------------------------------------------------------- what goes wrong


def says(answer: httpx.Response, status: int, words: str) -> None:
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("missing", ["iss", "launch"])
def test_opened_without_a_chart_it_says_so(missing: str, ehr: tuple[httpx.Client, FhirServer, SmartServer]) -> None:
    client, fhir, _ = ehr

    says(to_authorize(client, fhir, **{missing: ""}), 404, "opened from a chart")


def test_only_an_ehr_of_the_list_may_launch(ehr: tuple[httpx.Client, FhirServer, SmartServer]) -> None:
    client, fhir, _ = ehr
    before = len(fhir.seen)
    for issuer in (
        "https://elsewhere.example/fhir", fhir.base + "x", fhir.base.replace("/fhir", "/fhir/../fhir2"),
        fhir.base.replace("127.0.0.1", "127.0.0.1.elsewhere.example"), f"http://user@{fhir.base[7:]}", "file:///etc/passwd",
    ):  # fmt: skip
        says(to_authorize(client, fhir, iss=issuer), 404, "not set up for this EHR")

    assert len(fhir.seen) == before


@pytest.mark.parametrize(
    ("discovery", "words"),
    [
        ({"authorization_endpoint": None}, "does not say how"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE"),
        ({"token_endpoint": "http://169.254.169.254/token"}, "not allowed"),
        ({"token_endpoint": "http://10.0.0.1/token"}, "not allowed"),
        ({"token_endpoint": "ftp://elsewhere.example/token"}, "not safe"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "not safe"),
        ({"token_endpoint": "http://user:word@127.0.0.1/token"}, "not safe"),
        ({"token_endpoint": 7}, "does not say how"),
    ],
)
def test_an_unsafe_configuration_ends_the_launch(
    discovery: dict[str, Any], words: str, ehr: tuple[httpx.Client, FhirServer, SmartServer]
) -> None:
    client, fhir, smart = ehr
    smart.discovery = discovery
    publish(fhir, smart)

    says(to_authorize(client, fhir), 404, words)


@pytest.mark.parametrize(
    ("response", "words"),
    [
        ({"patient": None}, "which patient"),
        ({"token_type": "mac"}, "kind that is not used"),
        ({"access_token": None}, "no leave"),
        ({"patient": "nobody"}, "did not send the patient"),
        ({"patient": "../../Patient"}, "cannot be read"),
        ({"access_token": "a\r\nb"}, "cannot be read"),
    ],
)
def test_an_unusable_token_ends_the_launch(
    response: dict[str, Any], words: str, ehr: tuple[httpx.Client, FhirServer, SmartServer]
) -> None:
    client, fhir, smart = ehr
    smart.response = response

    says(launched(client, fhir), 400, words)


def test_leave_that_was_not_given_is_said(ehr: tuple[httpx.Client, FhirServer, SmartServer]) -> None:
    client, fhir, smart = ehr
    smart.deny = "access_denied"

    says(launched(client, fhir), 400, "did not give leave")


@pytest.mark.parametrize(("path", "status"), [("/token", 500), ("/token", 302), ("/token", 400)])
def test_a_token_server_that_fails_ends_the_launch(
    path: str, status: int, ehr: tuple[httpx.Client, FhirServer, SmartServer]
) -> None:
    client, fhir, smart = ehr
    smart.broken = {path: status}

    says(launched(client, fhir), 400, "no leave")


@pytest.mark.seconds
def test_a_callback_counts_once(ehr: tuple[httpx.Client, FhirServer, SmartServer]) -> None:
    client, fhir, smart = ehr
    begun = to_authorize(client, fhir)
    address = httpx.get(begun.headers["location"]).headers["location"]
    cookies = dict(client.cookies)

    assert client.get(address).status_code == 200
    says(httpx.get(address, cookies=cookies), 400, "over already")  # with the cookie it had
    assert len(smart.asked) == 1


def test_a_callback_of_another_browser_is_refused(ehr: tuple[httpx.Client, FhirServer, SmartServer]) -> None:
    client, fhir, smart = ehr
    address = to_callback(client, fhir)

    says(httpx.get(address), 400, "not begun in this browser")
    assert smart.codes  # the code was not even shown


def test_the_state_of_one_launch_fits_no_other(ehr: tuple[httpx.Client, FhirServer, SmartServer]) -> None:
    client, fhir, _ = ehr
    one, other = to_callback(client, fhir), to_callback(client, fhir)
    code = parse_qs(urlsplit(one).query)["code"][0]
    state = parse_qs(urlsplit(other).query)["state"][0]

    says(client.get("/launch/callback", params={"code": code, "state": state}), 400, "no leave")  # PKCE


def test_a_cookie_that_was_changed_is_refused(ehr: tuple[httpx.Client, FhirServer, SmartServer]) -> None:
    client, fhir, _ = ehr
    address = to_callback(client, fhir)
    changed = {name: f"A{value[1:]}" for name, value in client.cookies.items()}

    says(httpx.get(address, cookies=changed), 400, "not begun in this browser")


def test_the_cookie_of_a_launch_is_for_the_server_and_for_some_minutes_only(
    ehr: tuple[httpx.Client, FhirServer, SmartServer],
) -> None:
    client, fhir, _ = ehr
    said = to_authorize(client, fhir).headers["set-cookie"]

    assert "HttpOnly" in said
    assert "SameSite=lax" in said
    assert "Path=/launch" in said
    assert "Max-Age=600" in said


@pytest.mark.seconds
def test_no_token_code_or_patient_is_logged(
    ehr: tuple[httpx.Client, FhirServer, SmartServer], caplog: pytest.LogCaptureFixture
) -> None:
    client, fhir, smart = ehr
    caplog.set_level(logging.DEBUG)
    address = to_callback(client, fhir)
    client.get(address)
    smart.response = {"patient": "nobody"}
    launched(client, fhir)

    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("cds", "httpx", "uvicorn"))]
    code = parse_qs(urlsplit(address).query)["code"][0]
    assert not [line for line in ours if smart.token in line or code in line or "Patient/example" in line]


def test_settings_that_cannot_work_are_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="CDS_FHIR_SERVERS"):
        Settings(smart_client_id="x")
    with pytest.raises(ValueError, match="CDS_SMART_CLIENT_ID"):
        Settings(smart_client_secret=SecretStr(CONFIDENTIAL))
    with pytest.raises(UnsafeSettingsError, match="journal"):
        create_app(Settings(smart_client_id="x", fhir_servers=("https://ehr.example/fhir",)))
