"""The console in Chromium: no flaw axe can find, nothing from elsewhere, nothing wider than the window."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Page

from tests.server import serving
from tests.web.conftest import DESK, PHONE, overflows, weight

RULES = "/console/rules"
PAGES = ("/console", RULES, f"{RULES}/evaluation", f"{RULES}/treatment-resistant-depression")
MOST_WEIGHT = 300_000  # bytes, with all that a page loads


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with serving(console=True) as running:
        yield running


@pytest.mark.parametrize("path", PAGES)
def test_a_page_of_the_console_has_no_flaw_and_fits_a_phone_and_a_desk(
    path: str, client: httpx.Client, visit: Callable[[str], Page], violations: Callable[[Page], list[str]]
) -> None:
    page = visit(f"{client.base_url}{path}")

    assert weight(page) < MOST_WEIGHT
    for size in (DESK, PHONE):
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        assert not overflows(page)
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page) == []


def test_a_rule_file_states_its_source_attributes(client: httpx.Client, visit: Callable[[str], Page]) -> None:
    page = visit(f"{client.base_url}{RULES}/evaluation")

    said = page.get_by_role("region", name="Source attributes, as a table").inner_text()
    assert all(f"({number})" in said for number in range(2, 14))
    assert "not said" not in said


def test_the_menu_leads_from_page_to_page_by_keyboard(client: httpx.Client, visit: Callable[[str], Page]) -> None:
    page = visit(f"{client.base_url}/console")

    page.get_by_role("link", name="Rule files").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Rule files", level=1).wait_for()

    assert page.get_by_role("link", name="Rule files").get_attribute("aria-current") == "page"
