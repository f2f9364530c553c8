"""With the complete test translation, no page of the console says anything of ours in English."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from tests.locale.pseudo import LANGUAGE, pseudo_site
from tests.locale.test_complete import left_behind, texts_of
from tests.web.serving_pages import SERVICE, example, keeping
from tests.web.test_console_analytics import say, why

SHOWN = "01-two-failed-trials"
BODY = json.dumps(example(SHOWN))
OURS = {"Sec-Fetch-Site": "same-origin"}
# What is typed or sent as it is, and names: the same in every language. What rule files and tests say of themselves
# (sources, notes, names of cases) has no translation.
AS_IT_IS = re.compile(
    r"\b(?:CDS_\w+|cds [a-z-]+|JSON|CSV|UTC|EHRs?|CFR|API|CDS Hooks|OpenAPI|Bundle|Wilson|AuditEvents|OperationOutcome|"
    r"POST|playground|this machine|patient-view|order-select|order-sign|encounter-start)\b|/[\w./-]+|“[^”]*”|"
    r"Patient\.\w+"
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("pseudo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDS_RULES", str(pseudo_site(folder / "site")))
        with keeping(folder, console=True) as running:
            for name in (SHOWN, "12-allergies-not-sent", "16-drugs-in-words-only"):
                card = running.post(SERVICE, json=example(name)).json()["cards"][0]
            say(running, card, outcome="overridden", overrideReason=why("other", "Ⱥ"))
            give_up = time.monotonic() + 30
            while 'class="cards"' not in running.get("/console/feedback").text and time.monotonic() < give_up:
                time.sleep(0.05)
            yield running


def check(page: str, body: str = BODY) -> None:
    assert f'<html lang="{LANGUAGE}">' in page
    page = re.sub(r'<(\w+)[^>]*\blang="en"[^>]*>.*?</\1>|<textarea.*?</textarea>', " ", page, flags=re.DOTALL)
    left = left_behind((AS_IT_IS.sub(" ", text) for text in texts_of(page)), body)
    assert not left, "\n".join(left)


@pytest.mark.parametrize(
    "address",
    [
        "/console", "/console/rules", "/console/playground", "/console/decisions", "/console/feedback",
        "/console/data", "/console/audit", "/console/rules/contraindications", "/console/rules/staging",
        "/console/rules/treatment-resistant-depression",
    ],
)  # fmt: skip
def test_a_page_of_the_console_says_nothing_in_english(client: httpx.Client, address: str) -> None:
    answer = client.get(address, params={"days": "90"})
    assert answer.status_code == 200
    check(answer.text)


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/console/rules/nothing", 404), ("/console/decisions?from=x", 400), ("/console?tenant=x", 404),
        ("/console/data?from=2026-02-01&to=2026-01-01", 400), ("/decisions/nothing", 404),
        ("/console/enter?token=x", 403),
    ],
)  # fmt: skip
def test_a_refusal_says_nothing_in_english(client: httpx.Client, address: str, status: int) -> None:
    answer = client.get(address)
    assert answer.status_code == status
    check(answer.text)


def test_the_first_page_says_nothing_in_english(client: httpx.Client) -> None:
    check(client.get("/", headers={"Accept": "text/html"}).text)


def test_the_playground_answers_in_the_language_of_the_site(client: httpx.Client) -> None:
    typed = {"data": BODY, "today": "2026-06-01"}
    page = client.post("/console/playground", data=typed, headers=OURS).text
    check(page)
    refused = client.post("/console/playground", data={"data": '{"resourceType": "Patient"}'}, headers=OURS)
    assert refused.status_code == 400
    check(refused.text)


def test_who_signs_out_reads_so_in_the_language_of_the_site(client: httpx.Client) -> None:
    page = client.post("/console/logout", headers=OURS).text
    check(page)
    assert "console-link" in unescape(page)
