"""Leaflets: what the page behind a card tells the clinician who refers, and one sheet for the patient."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from cds.locale.catalog import ENGLISH_CATALOG
from cds.rulebook.compiled_ruleset import Leaflet
from cds.web.page import environment
from tests.shipped import shipped_rules
from tests.web.serving_pages import example, keeping, page_of

LEAFLETS = {one.id: one for one in shipped_rules().program.leaflets}
PATIENTS, CLINICIANS = LEAFLETS["for-patients"], LEAFLETS["evaluation-and-sessions"]
SHOWN = ("01-two-failed-trials", "12-allergies-not-sent", "18-already-on-esketamine", "28-already-referred")
NOT_SHOWN = ("10-repaired-aneurysm", "06-bipolar-disorder", "19-four-weeks-only", "29-suicidal-plan-one-trial")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with keeping(tmp_path_factory.mktemp("leaflets")) as serving:
        yield serving


def sheet(address: str, **asked: str) -> str:
    made = address.replace("?key", f"/leaflets/{asked.pop('leaflet', PATIENTS.id)}?key")
    return made + "".join(f"&{name}={value}" for name, value in asked.items())


@pytest.mark.seconds
@pytest.mark.parametrize("name", SHOWN)
def test_behind_these_cards_the_page_has_both(name: str, client: httpx.Client) -> None:
    page = client.get(page_of(client, example(name))).text

    assert CLINICIANS.pages["en"].title in page
    assert page.count(f"/leaflets/{PATIENTS.id}?key=") == len(PATIENTS.pages)
    for part in CLINICIANS.pages["en"].parts:
        assert part.title in page


@pytest.mark.seconds
@pytest.mark.parametrize("name", NOT_SHOWN)
def test_behind_others_it_has_neither(name: str, client: httpx.Client) -> None:
    page = client.get(page_of(client, example(name))).text

    assert CLINICIANS.pages["en"].title not in page
    assert "/leaflets/" not in page


@pytest.mark.seconds
@pytest.mark.parametrize("language", ["", "es"])
def test_the_sheet_says_all_of_it_in_its_language_and_that_nobody_reviewed_it(
    language: str, client: httpx.Client
) -> None:
    answer = client.get(sheet(page_of(client, example(SHOWN[0])), language=language))
    wanted = PATIENTS.pages[language or "en"]

    assert answer.status_code == 200
    assert f'<html lang="{wanted.language}">' in answer.text
    for part in wanted.parts:
        assert f"<h2>{part.title}</h2>" in answer.text
        assert all(f"<li>{one.says}</li>" in answer.text for one in part.statements)
    assert wanted.unreviewed in answer.text
    assert bool(wanted.unverified) == (language == "es")
    assert wanted.unverified in answer.text
    assert wanted.general in answer.text
    assert "no-store" in answer.headers["cache-control"]


def test_the_sheet_holds_nothing_of_the_patient(client: httpx.Client) -> None:
    text = client.get(sheet(page_of(client, example(SHOWN[0])))).text

    for said in ("Patient/example", "sertraline", "1980", "46 years"):
        assert said not in text


def test_a_sheet_that_was_reviewed_does_not_say_that_it_was_not() -> None:
    reviewed = replace(PATIENTS, rule=replace(PATIENTS.rule, reviewed=date(2026, 1, 1)))

    def shown(leaflet: Leaflet) -> str:
        values: dict[str, Any] = {
            "leaflet": leaflet,
            "page": leaflet.pages["en"],
            "kept": leaflet,
            "key": "",
            "locale": ENGLISH_CATALOG,
        }
        return environment().get_template("leaflet.html").render(values)

    assert PATIENTS.pages["en"].unreviewed in shown(PATIENTS)
    assert PATIENTS.pages["en"].unreviewed not in shown(reviewed)


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("asked", "fix"),
    [({"leaflet": "nothing"}, PATIENTS.id), ({"language": "tlh"}, "en, es")],
    ids=["no such leaflet", "no such language"],
)
def test_what_there_is_is_named_where_something_else_is_asked_for(
    asked: dict[str, str], fix: str, client: httpx.Client
) -> None:
    answer = client.get(sheet(page_of(client, example(SHOWN[0])), **asked))

    assert answer.status_code == 404
    assert fix in answer.text


@pytest.mark.seconds
def test_without_the_key_of_the_link_there_is_no_sheet(client: httpx.Client) -> None:
    address = sheet(page_of(client, example(SHOWN[0])))

    assert client.get(re.sub(r"key=[^&]*", "key=abc", address)).status_code == 404


@pytest.mark.parametrize("language", ["en", "es"])
def test_it_prints_on_one_sheet(language: str, client: httpx.Client, browser: Browser) -> None:
    address = sheet(page_of(client, example(SHOWN[0])), language=language)
    page = browser.new_page()
    page.goto(address)
    for paper in ("Letter", "A4"):
        assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=paper))) == 1
    page.close()


def test_it_fits_a_phone(client: httpx.Client, browser: Browser) -> None:
    address = sheet(page_of(client, example(SHOWN[0])), language="es")
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()


def test_nothing_in_a_leaflet_says_a_dose() -> None:
    texts = [
        one.says
        for leaflet in LEAFLETS.values()
        for page in leaflet.pages.values()
        for part in page.parts
        for one in part.statements
    ]

    assert texts
    assert [text for text in texts if re.search(r"\d\s*(mg|µg|mcg|ml|g|spray|device)", text)] == []
