"""A public renderer (LHC-Forms) shows our Questionnaire, and we read the answers that are given there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page

from cds.authoring.strict_fhir import strict_fhir
from cds.logic.truth import Truth
from cds.review.questionnaire import questionnaire_of
from tests.review.test_read_back import FORM, HEAD, RULES, decided, example
from tests.server import TODAY
from tests.web import lhc_forms

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = lhc_forms.fetched(tmp_path_factory.mktemp("lhc-forms"))
    if found is None:
        pytest.skip("there is no npm, or it could not fetch LHC-Forms")
    return found


@pytest.fixture
def rendered(renderer: Path, browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    lhc_forms.show(page, renderer, questionnaire_of(RULES.program))
    yield page
    page.close()


def field(page: Page, role: str) -> Locator:
    return page.locator(f'[id="trial.{role}/1/1"]')


def test_every_question_is_shown_and_what_is_hidden_is_not(rendered: Page) -> None:
    shown = rendered.locator("#form").inner_text()

    for question in FORM.questions.values():
        assert question.text in shown
    for text in (FORM.others, *FORM.statements.values()):
        assert text in shown
    assert FORM.entries not in shown


def test_what_is_filled_in_there_settles_the_criteria_here(rendered: Page) -> None:
    field(rendered, "drug").press_sequentially("venlafaxine")
    rendered.locator("#completionOptions strong", has_text=re.compile("^venlafaxine$")).wait_for()
    rendered.keyboard.press("Tab")
    rendered.get_by_placeholder("MM/DD/YYYY").fill("05/10/2025")
    rendered.keyboard.press("Enter")
    field(rendered, "dose").fill("150")
    field(rendered, "duration").fill("12")
    rendered.keyboard.press("Tab")

    response: dict[str, Any] = rendered.evaluate("LForms.Util.getFormFHIRData('QuestionnaireResponse', 'R4')")
    said = response | {"authored": f"{TODAY}T09:00:00Z", "author": {"display": "Dr. Doe"}}
    said |= {"subject": {"reference": "Patient/example"}}

    assert strict_fhir(json.dumps(said).encode()) == []
    assert decided(example("05")).truths[HEAD] is Truth.UNKNOWN
    after = decided(example("05"), said)
    assert after.truths[HEAD] is Truth.TRUE, json.dumps(said["item"])
    assert all("Dr. Doe" in card.detail for card in after.cards)
