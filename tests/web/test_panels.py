"""PHQ-9 and item 9 on the page while a score is missing: saved like a review, and a positive item 9 is told at once."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import cast

import httpx
import pytest
from playwright.sync_api import Browser, expect

from cds.authoring.strict_fhir import strict_fhir
from cds.terminology.review_form import ReviewForm
from tests.shipped import shipped_rules
from tests.web.serving_pages import SERVICE, example, keeping, page_of

FORM = cast("ReviewForm", shipped_rules().program.codes.review)
(PANEL,) = FORM.panels
REQUEST = example("30-no-recent-score")
SEVERAL, DAILY, NEVER = "LA6569-3", "LA6571-9", "LA6568-5"
OURS = {"sec-fetch-site": "same-origin"}
SAFETY = "acute suicide risk"


def answers(each: str, item9: str = NEVER) -> dict[str, str]:
    given = {f"panel.{PANEL.id}.{code}": each for code in PANEL.items}
    return given | {f"panel.{PANEL.id}.{PANEL.safety}": item9, "author": "Dr. Doe", "number": "abcdefghijklmnop"}


def form_of(client: httpx.Client) -> str:
    return page_of(client, REQUEST).replace("?key", "/what-if?key")


def resources(page: str) -> list[dict[str, object]]:
    found = re.search(r"<pre>(.*?)</pre>", page, re.DOTALL)
    assert found
    text, decoder, listed = unescape(found[1]), json.JSONDecoder(), []
    while text.strip():
        one, end = decoder.raw_decode(text.lstrip())
        listed.append(one)
        text = text.lstrip()[end:]
    return listed


@pytest.mark.seconds
def test_it_is_asked_with_its_wording_and_notice_while_a_score_is_missing(tmp_path: Path) -> None:
    with keeping(tmp_path) as client:
        page = unescape(client.get(form_of(client)).text)
        with_score = client.get(page_of(client, example("05-dose-not-recorded")).replace("?key", "/what-if?key")).text

    assert PANEL.notice in page
    assert all(text in page for text in PANEL.items.values())
    assert len(PANEL.items) == 9
    assert all("[" not in text for text in PANEL.items.values())
    assert ("panel." in with_score) == (f'name="panel.{PANEL.id}.{PANEL.safety}"' in with_score)


@pytest.mark.seconds
def test_all_nine_answers_give_the_total_and_fewer_give_none(tmp_path: Path) -> None:
    with keeping(tmp_path) as client:
        page = client.post(form_of(client), data=answers(SEVERAL)).text
        (made,) = resources(page)
        alone = {f"panel.{PANEL.id}.{PANEL.safety}": SEVERAL, "author": "Dr. Doe"}
        (one,) = resources(client.post(form_of(client), data=alone).text)

    assert strict_fhir(json.dumps(made).encode()) == []
    items = cast("list[dict[str, object]]", made["item"])
    assert (items[-1]["linkId"], items[-1]["answer"]) == ("/44261-6", [{"valueDecimal": 8.0}])
    assert made["questionnaire"] == "http://loinc.org/q/44249-1"
    assert [item["linkId"] for item in cast("list[dict[str, object]]", one["item"])] == ["/44260-8"]
    assert "PHQ-9 total score: 8" in page


@pytest.mark.seconds
def test_a_positive_item_9_shows_the_safety_card_and_a_saved_one_is_in_the_next_call(tmp_path: Path) -> None:
    settings = {"save_reviews": ("journal",), "keep_inputs_days": 5}
    with keeping(tmp_path, **settings) as client:
        address = form_of(client)
        shown = client.post(address, data=answers(SEVERAL, DAILY)).text
        assert re.search(r"shown now</span>[^<]*suicid", shown, re.IGNORECASE)
        client.post(address.replace("/what-if", "/save"), data=answers(SEVERAL, DAILY), headers=OURS)
        cards = client.post(SERVICE, json=REQUEST).json()["cards"]

    assert any(card["indicator"] == "critical" and "suicid" in card["summary"].lower() for card in cards)


def test_in_a_browser_the_card_is_there_as_soon_as_item_9_is_answered(tmp_path: Path, browser: Browser) -> None:
    with keeping(tmp_path) as client:
        page = browser.new_page()
        page.goto(form_of(client))
        field = page.locator(f'[name="panel.{PANEL.id}.{PANEL.safety}"]')
        if not field.is_visible():
            page.get_by_text(PANEL.title).click()
        field.select_option(DAILY)
        expect(page.locator("#what-if-result")).to_contain_text(re.compile("suicid", re.IGNORECASE))
        page.close()
