"""Saving what was answered: in the EHR by the launch's token, in the journal, or nowhere; and the next call."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from cds.auth.smart import TokenGrant
from cds.authoring.strict_fhir import strict_fhir
from cds.journal.audit import AuditAction, fhir_audit_event, read_audit
from cds.journal.journal import Journal
from cds.journal.retention import RetentionPeriods, prune
from cds.journal.store import Store, StoreDownError
from cds.settings import Settings
from cds.web.write_grants import WriteGrants
from tests.fhir_server import Answer, FhirServer
from tests.web.serving_pages import SERVICE, example
from tests.web.smart_server import SmartServer
from tests.web.test_launch import launching, to_callback

JSON = dict[str, Any]
REQUEST = example("05-dose-not-recorded")
ANSWERS = {"trial.1.dose": "150", "trial.1.duration": "12", "trial.1.prescribed": "as-prescribed", "author": "Dr. Doe"}
OURS = {"sec-fetch-site": "same-origin"}
NUMBER = "abcdefghijklmnop"
LINK = "Settle what is unknown"


@contextmanager
def saving(folder: Path, *places: str, **settings: Any) -> Iterator[tuple[httpx.Client, FhirServer, SmartServer]]:
    known: dict[str, Any] = {"save_reviews": places, "keep_inputs_days": 5} | settings
    with launching(folder, keep=5, request=REQUEST, **known) as running:
        yield running


def asked(client: httpx.Client, fhir: FhirServer) -> list[JSON]:
    """A call of the hook that leaves earlier reviews to be fetched."""
    prefetch = {key: value for key, value in REQUEST["prefetch"].items() if key != "questionnaireResponses"}
    answer = client.post(SERVICE, json=REQUEST | {"prefetch": prefetch, "fhirServer": fhir.base})
    assert answer.status_code == 200, answer.text
    cards: list[JSON] = answer.json()["cards"]
    return cards


def launched(client: httpx.Client, fhir: FhirServer, smart: SmartServer) -> str:
    """The address of the decision's page, opened by a launch."""
    smart.app_context = asked(client, fhir)[0]["links"][-1]["appContext"]
    give_up = time.monotonic() + 30
    while True:  # the receipt of a card that was just shown is written behind the answer
        answer = client.get(to_callback(client, fhir))
        if answer.status_code == 303:
            return f"{client.base_url}/{answer.headers['location'].removeprefix('../')}"
        assert time.monotonic() < give_up, answer.text
        time.sleep(0.05)


def save(client: httpx.Client, page: str, answers: dict[str, str] = ANSWERS, **changes: str) -> httpx.Response:
    return client.post(page.replace("?key", "/save?key"), data={"number": NUMBER} | answers | changes, headers=OURS)


def says(answer: httpx.Response) -> str:
    found = re.search(r'id="saved">(.*?)</p>', answer.text, re.DOTALL)
    assert found, answer.text
    return unescape(re.sub("<[^>]+>", "", found[1]))


def saved_in(fhir: FhirServer) -> list[JSON]:
    return [one for one in fhir.resources if one["resourceType"] == "QuestionnaireResponse" and "identifier" in one]


def posts(fhir: FhirServer) -> int:
    return sum(seen.method == "POST" for seen in fhir.seen)


# ---------------------------------------------------------------- in the EHR


@pytest.mark.seconds
def test_a_review_is_saved_in_the_ehr_with_author_time_and_sources_and_the_next_card_cites_it(tmp_path: Path) -> None:
    with saving(tmp_path, "ehr") as (client, fhir, smart):
        before = asked(client, fhir)
        answer = save(client, launched(client, fhir, smart))

        assert "Saved in the chart as QuestionnaireResponse/saved-1" in says(answer)
        (made,) = saved_in(fhir)
        assert strict_fhir(json.dumps(made).encode()) == []
        assert made["author"] == {"display": "Dr. Doe"}
        assert made["authored"].startswith("2026-06-01T")
        assert "MedicationRequest/" in json.dumps(made["item"])
        after = asked(client, fhir)

    (posted,) = [seen for seen in fhir.seen if seen.method == "POST"]
    assert posted.headers["authorization"] == "Bearer secret-token"
    assert posted.headers["content-type"] == "application/fhir+json"
    assert [card["summary"] for card in before] != [card["summary"] for card in after]
    assert any("QuestionnaireResponse/saved-1" in json.dumps(card) for card in after)
    assert any("Dr. Doe" in card["detail"] for card in after)


@pytest.mark.seconds
def test_saved_twice_it_is_there_once_and_changed_answers_are_another_review(tmp_path: Path) -> None:
    with saving(tmp_path, "ehr") as (client, fhir, smart):
        page = launched(client, fhir, smart)

        save(client, page)
        again = save(client, page)
        assert "no second one was made" in says(again)
        assert len(saved_in(fhir)) == 1

        save(client, page, ANSWERS | {"trial.1.dose": "75"})
        save(client, page, number="ponmlkjihgfedcba")
        assert len(saved_in(fhir)) == 3


@pytest.mark.parametrize(
    ("scope", "may"),
    [
        ("patient/QuestionnaireResponse.write", True),
        ("patient/QuestionnaireResponse.c", True),
        ("patient/QuestionnaireResponse.cu", True),
        ("patient/QuestionnaireResponse.cruds", True),
        ("patient/QuestionnaireResponse.c?status=completed", True),
        ("launch patient/*.*", True),
        ("user/QuestionnaireResponse.cruds", True),
        ("patient/*.write", True),
        ("patient/QuestionnaireResponse.rs", False),
        ("patient/QuestionnaireResponse.read", False),
        ("patient/QuestionnaireResponse.u", False),
        ("patient/Observation.cruds", False),
        ("system/QuestionnaireResponse.c", False),
        ("patient/QuestionnaireResponse.close", False),
        ("", False),
    ],
)
def test_scopes_of_both_versions_say_whether_it_may_save(scope: str, may: bool) -> None:
    assert TokenGrant("t", "p", "", scope).may_create("QuestionnaireResponse") is may


@pytest.mark.seconds
def test_leave_to_save_is_asked_for_only_where_the_site_wants_it(tmp_path: Path) -> None:
    for places, wanted in ((("ehr",), True), ((), False)):
        with saving(tmp_path / str(wanted), *places) as (client, fhir, smart):
            launched(client, fhir, smart)
            scopes = smart.asked[-1]["scope"].split()
            assert ("patient/QuestionnaireResponse.c" in scopes) is wanted
            assert not [one for one in scopes if ".c" in one and "QuestionnaireResponse" not in one]


@pytest.mark.seconds
def test_without_the_scope_nothing_is_sent_and_the_text_is_offered(tmp_path: Path) -> None:
    with saving(tmp_path, "ehr") as (client, fhir, smart):
        smart.response = {"scope": "launch patient/QuestionnaireResponse.rs"}
        answer = save(client, launched(client, fhir, smart))

        assert "Nothing was saved" in says(answer)
        assert "Review of antidepressant trials" in answer.text
        assert posts(fhir) == 0


REFUSALS = [
    (Answer(401), "sign-in at the EHR is over", "follow the link of its card there, then press Save here again"),
    (Answer(403), "does not let this app save", "Copy the text below into the note"),
    (
        Answer(422, json.dumps({"issue": [{"diagnostics": "<b>subject</b> unknown"}]}).encode()),
        "did not accept this (422), and nothing was saved. It says: <b>subject</b> unknown",
        "Copy the text below",
    ),
    (Answer(404), "keeps no such forms", "Copy the text below"),
    (Answer(412), "more than once already", "Copy the text below"),
    (Answer(500), "whether it saved this is not known", "Press Save again"),
    (Answer(302, headers=(("location", "https://elsewhere.example"),)), "answered 302", "Press Save again"),
    (Answer(201, after=3), "did not answer in time", "if it was saved, no second one is made"),
]


@pytest.mark.seconds
@pytest.mark.parametrize(("refusal", "what", "fix"), REFUSALS, ids=[str(one.status) for one, *_ in REFUSALS])
def test_a_server_that_refuses_costs_nothing_that_was_entered(
    refusal: Answer, what: str, fix: str, tmp_path: Path
) -> None:
    with saving(tmp_path, "ehr", fetch_seconds=1) as (client, fhir, smart):
        page = launched(client, fhir, smart)
        fhir.instead["QuestionnaireResponse"] = [refusal]
        answer = save(client, page)
        told = says(answer)

        assert "Not saved." in told
        assert what in unescape(told)
        assert fix in told
        assert "What you entered is still here" in told
        for name, value in ANSWERS.items():
            kept = re.search(rf'name="{name}"[^>]*value="{value}"', answer.text)
            chosen = f'<option value="{value}" selected>' in answer.text
            assert kept or chosen, name
        assert f'name="number" value="{NUMBER}"' in answer.text
        assert "secret-token" not in answer.text

        del fhir.instead["QuestionnaireResponse"]
        assert "Saved in the chart" in says(save(client, page))
        assert len(saved_in(fhir)) == 1


@pytest.mark.seconds
def test_what_was_saved_though_the_answer_came_too_late_is_not_saved_again(tmp_path: Path) -> None:
    with saving(tmp_path, "ehr", fetch_seconds=1) as (client, fhir, smart):
        page = launched(client, fhir, smart)
        fhir.late = 3
        assert "whether it saved this is not known" in says(save(client, page))
        fhir.late = 0
        assert "in the chart already as QuestionnaireResponse/saved-1" in says(save(client, page))
        assert len(saved_in(fhir)) == 1


@pytest.mark.seconds
def test_a_token_of_another_patient_or_browser_saves_nothing(tmp_path: Path) -> None:
    with saving(tmp_path, "ehr") as (client, fhir, smart):
        page = launched(client, fhir, smart)
        cookies = dict(client.cookies)
        (name,) = [name for name in cookies if name.startswith("save-")]
        client.cookies.clear()
        assert "not opened from the chart" in says(save(client, page))
        client.cookies.set(name, "made-up")
        assert "not opened from the chart" in says(save(client, page))

        smart.patient = "other"
        fhir.resources.append({"resourceType": "Patient", "id": "other"})
        assert "decided just now" in client.get(to_callback(client, fhir)).text
        assert [one for one in dict(client.cookies) if one.startswith("save-")] == [name]
        assert posts(fhir) == 0


def test_a_grant_ends_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("cds.web.write_grants.time.monotonic", lambda: now[0])
    monkeypatch.setattr("cds.web.write_grants.MOST", 2)
    grants = WriteGrants()
    secret, seconds = grants.keep("", "p", "https://ehr.example/fhir", "token", 60)
    usual = grants.keep("", "p", "https://ehr.example/fhir", "token", 0)[1]
    longest = grants.keep("", "p", "https://ehr.example/fhir", "token", 1e9)[1]

    assert (seconds, usual, longest) == (60, 300, 3600)
    assert grants.of(secret) is None  # the oldest of three
    kept, _ = grants.keep("", "p", "https://ehr.example/fhir", "token", 60)
    assert grants.of(kept) is not None
    now[0] += 61
    assert grants.of(kept) is None
    assert "token" not in repr(grants.of(kept))


# ---------------------------------------------------------------- guards


@pytest.mark.seconds
def test_a_page_of_somebody_else_saves_nothing(tmp_path: Path) -> None:
    with saving(tmp_path, "ehr", "journal") as (client, fhir, smart):
        page = launched(client, fhir, smart).replace("?key", "/save?key")
        for headers in ({}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "null"}):
            answer = client.post(page, data=ANSWERS, headers=headers)
            assert (answer.status_code, "somebody else" in answer.text) == (403, True)
        assert client.post(page[:-3] + "abc", data=ANSWERS, headers=OURS).status_code == 404
        own = {"origin": str(client.base_url).rstrip("/")}
        assert client.post(page, data=ANSWERS, headers=own).status_code == 200
        assert posts(fhir) == 1


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({"author": ""}, "Say who answers"),
        ({"trial.1.dose": "", "trial.1.duration": "", "trial.1.prescribed": ""}, "Nothing was changed"),
        ({"trial.1.dose": "-1"}, "not above zero"),
        ({"number": "<script>"}, "does not fit"),
        ({"elsewhere.0.dose": "20"}, "which antidepressant"),
        ({"elsewhere.0.drug": "aspirin"}, "does not fit"),
        ({"elsewhere.0.drug": "sertraline", "elsewhere.0.start": "May"}, "is no day"),
    ],
)
def test_what_cannot_be_saved_is_said_and_stays_on_the_page(typed: JSON, wrong: str, tmp_path: Path) -> None:
    with saving(tmp_path, "journal") as (client, fhir, smart):
        answer = save(client, launched(client, fhir, smart), **typed)

    assert answer.status_code == 400
    assert wrong in answer.text
    assert 'id="saved"' not in answer.text


@pytest.mark.seconds
def test_no_token_and_no_answer_is_logged_or_in_the_journal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with saving(tmp_path, "ehr") as (client, fhir, smart):
        smart.token = "a-token-nobody-may-see"  # noqa: S105 (of a test)
        save(client, launched(client, fhir, smart))
        assert len(saved_in(fhir)) == 1

    ours = [one.getMessage() for one in caplog.records if one.name.startswith(("cds", "httpx", "uvicorn"))]
    assert not [line for line in ours if smart.token in line or "Dr. Doe" in line or "Patient/example" in line]
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert smart.token.encode() not in held
    assert b"Dr. Doe" not in held


@pytest.mark.seconds
def test_each_save_is_in_the_audit_log_and_so_is_one_that_failed(tmp_path: Path) -> None:
    with saving(tmp_path, "ehr") as (client, fhir, smart):
        page = launched(client, fhir, smart)
        save(client, page)
        fhir.instead["QuestionnaireResponse"] = [Answer(403)]
        save(client, page)

    store = Store(str(tmp_path / "journal.sqlite3"))
    looks = [(place, one) for place, one in read_audit(store, datetime(2020, 1, 1, tzinfo=UTC))]
    store.close()
    done = [(place, one) for place, one in looks if one.action in (AuditAction.SAVED_IN_EHR, AuditAction.NOT_SAVED)]
    assert [one.action for _, one in done] == [AuditAction.SAVED_IN_EHR, AuditAction.NOT_SAVED]
    for place, one in done:
        event = fhir_audit_event(place, one)
        assert (event["action"], one.patient != "", one.decision in page) == ("C", True, True)
        assert strict_fhir(json.dumps(event).encode()) == []
    assert fhir_audit_event(*done[1])["outcome"] == "4"


# ---------------------------------------------------------------- in the journal, or nowhere


def in_journal(folder: Path, **settings: Any) -> Any:
    return saving(folder, "journal", **settings)


@pytest.mark.seconds
def test_kept_in_the_journal_it_is_evidence_of_the_next_call_and_of_its_page(tmp_path: Path) -> None:
    with in_journal(tmp_path) as (client, fhir, smart):
        before = asked(client, fhir)
        page = launched(client, fhir, smart)
        told = says(save(client, page))
        assert "Kept by this service until" in told
        assert "not in the chart" in told
        save(client, page, ANSWERS | {"trial.1.dose": "10"})  # is corrected
        save(client, page)
        assert "keeps it already" in says(save(client, page))
        assert posts(fhir) == 0

        after = asked(client, fhir)
        assert [card["summary"] for card in before] != [card["summary"] for card in after]
        assert any("Dr. Doe" in card["detail"] for card in after)
        shown = client.get(launched(client, fhir, smart))
        assert "Dr. Doe" in shown.text  # the page decides again from what was kept of the call


@pytest.mark.seconds
def test_a_review_of_one_patient_or_tenant_is_none_of_another(tmp_path: Path) -> None:
    with in_journal(tmp_path) as (client, fhir, smart):
        save(client, launched(client, fhir, smart))
        text = json.dumps(REQUEST).replace("Patient/example", "Patient/other").replace('"example"', '"other"')
        other = client.post(SERVICE, json=json.loads(text)).json()["cards"]
        assert not [card for card in other if "Dr. Doe" in card["detail"]]
    journal = Journal(Store(str(tmp_path / "journal.sqlite3")), RetentionPeriods(100, 10, 5))
    now = datetime.now(UTC)
    assert len(journal.kept_reviews("", "example", now)) == 1
    assert journal.kept_reviews("north", "example", now) == []
    journal.store.close()


@pytest.mark.seconds
def test_what_is_older_than_it_is_to_be_kept_counts_no_more_and_is_removed(tmp_path: Path) -> None:
    with in_journal(tmp_path) as (client, fhir, smart):
        save(client, launched(client, fhir, smart))
    keep = RetentionPeriods(100, 10, 5, reviews=30)
    journal, now = Journal(Store(str(tmp_path / "journal.sqlite3")), keep), datetime.now(UTC)
    later = now.replace(year=now.year + 1)

    assert journal.kept_reviews("", "example", later) == []
    assert prune(journal.store, keep, later, dry_run=True)["reviews"] == 1
    journal.store.close()


@pytest.mark.seconds
def test_the_ehr_is_first_and_what_it_surely_refused_goes_to_the_journal(tmp_path: Path) -> None:
    with saving(tmp_path, "ehr", "journal", fetch_seconds=1) as (client, fhir, smart):
        page = launched(client, fhir, smart)
        fhir.instead["QuestionnaireResponse"] = [Answer(201, after=3)]
        assert "not known" in says(save(client, page))  # it may be there: not kept here, too

        fhir.instead["QuestionnaireResponse"] = [Answer(403)]
        told = says(save(client, page))
        assert "does not let this app save here (403)" in told
        assert "Kept by this service until" in told


@pytest.mark.seconds
def test_while_kept_reviews_cannot_be_looked_up_what_is_not_recorded_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = example("01-two-failed-trials")
    with in_journal(tmp_path) as (client, _, _):
        names = [card["summary"] for card in client.post(SERVICE, json=request).json()["cards"]]
        monkeypatch.setattr("cds.journal.journal.Journal.kept_reviews", lambda *_: _down())
        lost = client.post(SERVICE, json=request).json()["cards"]

    assert names != [card["summary"] for card in lost]
    assert any("could not be looked up" in card["detail"] for card in lost)


def _down() -> list[bytes]:
    raise StoreDownError("down")


@pytest.mark.seconds
def test_with_neither_the_page_gives_text_alone(tmp_path: Path) -> None:
    with saving(tmp_path) as (client, fhir, smart):
        page = launched(client, fhir, smart)
        assert "Save in" not in client.get(page.replace("?key", "/what-if?key")).text
        answer = save(client, page)
        assert "not set up to save" in says(answer)
        assert "Review of antidepressant trials" in answer.text
        assert posts(fhir) == 0


def test_settings_that_cannot_save_are_refused_at_start() -> None:
    with pytest.raises(ValueError, match="CDS_SMART_CLIENT_ID"):
        Settings(save_reviews=("ehr",), keep_inputs_days=1)
    with pytest.raises(ValueError, match="CDS_KEEP_INPUTS_DAYS"):
        Settings(save_reviews=("journal",))
    with pytest.raises(ValueError, match="CDS_WORKERS=1"):
        Settings(
            save_reviews=("ehr",),
            keep_inputs_days=1,
            workers=2,
            smart_client_id="x",
            fhir_servers=("https://ehr.example/fhir",),
        )


# ---------------------------------------------------------------- in a browser


def in_browser(browser: Browser, client: httpx.Client, fhir: FhirServer, smart: SmartServer) -> Page:
    """A card is followed by a launch, and three answers are given."""
    launched(client, fhir, smart)  # until its receipt is written
    page = browser.new_page()
    page.goto(f"{client.base_url}/launch?iss={fhir.base}&launch=xyz")
    page.get_by_role("link", name=LINK).click()
    for name, value in ANSWERS.items():
        field = page.locator(f'[name="{name}"]')
        if name.endswith("prescribed"):
            field.select_option(value)
        else:
            field.fill(value)
    return page


def test_from_the_card_to_the_next_card_in_a_browser(tmp_path: Path, browser: Browser) -> None:
    with saving(tmp_path, "ehr") as (client, fhir, smart):
        before = asked(client, fhir)
        page = in_browser(browser, client, fhir, smart)
        page.get_by_role("button", name="Save in the chart").dblclick()
        expect(page.locator("#saved").last).to_contain_text("QuestionnaireResponse/saved-1")
        page.wait_for_load_state("networkidle")
        assert len(saved_in(fhir)) == 1
        page.close()
        after = asked(client, fhir)

    assert [card["summary"] for card in before] != [card["summary"] for card in after]
    assert any("QuestionnaireResponse/saved-1" in json.dumps(card) for card in after)


@pytest.mark.parametrize(
    ("refusal", "words"),
    [(Answer(403), "does not let"), (Answer(422), "did not accept"), (Answer(201, after=3), "Press Save again")],
    ids=["403", "422", "timeout"],
)
def test_a_refusal_in_a_browser_leaves_every_answer_where_it_was(
    refusal: Answer, words: str, tmp_path: Path, browser: Browser
) -> None:
    with saving(tmp_path, "ehr", fetch_seconds=1) as (client, fhir, smart):
        page = in_browser(browser, client, fhir, smart)
        fhir.instead["QuestionnaireResponse"] = [refusal]
        page.get_by_role("button", name="Save in the chart").click()
        expect(page.locator("#saved")).to_contain_text(words)
        expect(page.locator("#review-note")).to_have_value(re.compile("Dr. Doe"))
        for name, value in ANSWERS.items():
            expect(page.locator(f'[name="{name}"]')).to_have_value(value)
        del fhir.instead["QuestionnaireResponse"]
        page.get_by_role("button", name="Save in the chart").click()
        expect(page.locator("#saved")).to_contain_text("Saved in the chart")
        assert len(saved_in(fhir)) == 1
        page.close()


def test_the_journal_and_neither_in_a_browser(tmp_path: Path, browser: Browser) -> None:
    with in_journal(tmp_path / "journal") as (client, fhir, smart):
        before = asked(client, fhir)
        page = in_browser(browser, client, fhir, smart)
        page.get_by_role("button", name="Save in this service").click()
        expect(page.locator("#saved")).to_contain_text("Kept by this service")
        page.close()
        assert [card["summary"] for card in before] != [card["summary"] for card in asked(client, fhir)]
    with saving(tmp_path / "neither") as (client, fhir, smart):
        page = in_browser(browser, client, fhir, smart)
        assert page.get_by_role("button", name="Save").count() == 0
        page.get_by_role("button", name="See what changes").click()
        expect(page.locator("#review-note")).to_have_value(re.compile("150 mg/d"))
        page.close()
