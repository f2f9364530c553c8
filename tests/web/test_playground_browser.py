"""The playground in Chromium: an example is tried, its card overridden, and the override is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Page

from tests.web.conftest import DESK, PHONE, overflows
from tests.web.serving_pages import keeping


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with keeping(tmp_path_factory.mktemp("journal"), console=True) as running:
        yield running


@pytest.fixture
def asked(client: httpx.Client, visit: Callable[[str], Page]) -> Page:
    """The playground with an example's answer."""
    page = visit(f"{client.base_url}/console/playground")
    page.get_by_label("An invented patient").select_option("01-two-failed-trials")
    page.get_by_role("button", name="Put into the form").click()
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_role("heading", name="Cards, as an EHR shows them").wait_for()
    return page


def test_an_example_shows_its_card_its_reasons_and_what_was_sent(asked: Page) -> None:
    text = asked.inner_text("main")

    assert "Chart meets TRD criteria" in text
    assert "Medication timeline" in text
    assert asked.locator("#raw-request").count() == 1


def test_an_override_in_the_playground_appears_in_analytics(client: httpx.Client, asked: Page) -> None:
    asked.get_by_label("Comment").first.fill("tried in the playground")
    asked.get_by_role("button", name="Override").first.click()
    asked.get_by_text("It counts as the playground's").wait_for()

    asked.goto(f"{client.base_url}/console/feedback")
    assert "tried in the playground" not in asked.inner_text("main")  # of clinicians nobody said anything
    asked.get_by_label("Decisions").select_option("playground")
    asked.get_by_role("button", name="Show").click()
    asked.get_by_text("tried in the playground").wait_for()
    assert "suggest_evaluation" in asked.inner_text("main")


def test_the_playground_has_no_flaw_and_fits_a_phone_and_a_desk(
    asked: Page, violations: Callable[[Page], list[str]]
) -> None:
    for size in (DESK, PHONE):
        asked.set_viewport_size({"width": size["width"], "height": size["height"]})
        assert not overflows(asked)
        assert violations(asked) == []
