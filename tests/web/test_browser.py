"""The page behind a card in Chromium."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.web.conftest import DESK, PHONE, overflows, weight
from tests.web.serving_pages import example, keeping, page_of


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with keeping(tmp_path_factory.mktemp("journal")) as running:
        yield running


@pytest.fixture(scope="module")
def address(client: httpx.Client) -> str:
    return page_of(client, example("01-two-failed-trials"))


@pytest.fixture(scope="module")
def long_history() -> dict[str, Any]:
    """The patient of an example, with thirty trials one after another."""
    request = example("01-two-failed-trials")
    orders = request["prefetch"]["medicationRequests"]["entry"]
    first = next(entry for entry in orders if entry["resource"]["id"].startswith("sertraline"))
    start = date.fromisoformat("2016-01-01")
    for condition in request["prefetch"]["conditions"]["entry"]:
        if "onsetDateTime" in condition["resource"]:
            condition["resource"]["onsetDateTime"] = "2015-12-01"
    for number in range(30):
        order = copy.deepcopy(first)
        begins = start + timedelta(days=100 * number)
        order["resource"]["id"] = f"trial-{number}"
        order["resource"]["authoredOn"] = begins.isoformat()
        order["resource"]["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] = {
            "start": begins.isoformat(),
            "end": (begins + timedelta(days=60)).isoformat(),
        }
        orders.append(order)
    return request


def test_the_page_has_no_flaw_axe_can_find(
    visit: Callable[[str], Page], violations: Callable[[Page], list[str]], address: str
) -> None:
    assert violations(visit(address)) == []


def test_axe_finds_a_flaw_where_there_is_one(
    visit: Callable[[str], Page], violations: Callable[[Page], list[str]], address: str
) -> None:
    page = visit(address)
    page.evaluate("document.querySelector('html').removeAttribute('lang')")

    assert [found.partition(":")[0] for found in violations(page)] == ["html-has-lang"]


def test_what_if_flips_the_card_on_the_page_itself(visit: Callable[[str], Page], address: str) -> None:
    page = visit(address)
    page.get_by_role("link", name="change a date, a dose or a score").click()
    page.get_by_label("dose each time, mg").first.fill("1")
    page.get_by_role("button", name="Ask again with these").click()

    result = page.get_by_role("region", name="If it were so")
    result.wait_for()
    assert "no longer shown" in result.inner_text()
    assert page.url == address


def test_what_if_works_without_scripts(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.get_by_role("link", name="change a date, a dose or a score").click()
    page.get_by_label("dose each time, mg").first.fill("1")
    page.get_by_role("button", name="Ask again with these").click()

    assert "no longer shown" in page.get_by_role("region", name="If it were so").inner_text()
    context.close()


def test_the_form_of_what_if_has_no_flaw_axe_can_find(
    visit: Callable[[str], Page], violations: Callable[[Page], list[str]], address: str
) -> None:
    page = visit(address.replace("?key", "/what-if?key"))
    assert violations(page) == []
    page.get_by_label("dose each time, mg").first.fill("1")
    page.get_by_role("button", name="Ask again with these").click()
    page.get_by_role("region", name="If it were so").wait_for()

    assert violations(page) == []


TRICKS = (
    "<script>window.tricked = 1</script> **bold** [x](javascript:window.tricked=1) "
    '<img src=x onerror="window.tricked=1">'
)


def test_chart_text_is_shown_as_text_whatever_it_holds(
    client: httpx.Client, visit: Callable[[str], Page], violations: Callable[[Page], list[str]]
) -> None:
    request = example("01-two-failed-trials")
    for key in ("conditions", "medicationRequests"):
        for entry in request["prefetch"][key]["entry"]:
            for name in ("code", "medicationCodeableConcept", "statusReason"):
                if name in entry["resource"]:
                    entry["resource"][name]["text"] = TRICKS

    page = visit(page_of(client, request))
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")

    assert "<script>window.tricked = 1</script>" in page.inner_text("main")
    assert page.evaluate("window.tricked") is None
    assert violations(page) == []


def test_the_page_weighs_less_than_300_kb_with_thirty_trials(
    client: httpx.Client, visit: Callable[[str], Page], long_history: dict[str, Any]
) -> None:
    page = visit(page_of(client, long_history))

    assert page.locator("svg.timeline.wide rect").count() >= 30
    assert 60_000 < weight(page) < 300_000


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_the_page_fits_its_window(size: dict[str, int], visit: Callable[[str], Page], address: str) -> None:
    page = visit(address)
    page.set_viewport_size({"width": size["width"], "height": size["height"]})

    assert not overflows(page)


@pytest.mark.parametrize("name", ["01-two-failed-trials", "11-high-blood-pressure", "18-already-on-esketamine"])
def test_the_page_of_an_ordinary_patient_is_printed_on_three_sheets_at_most(
    client: httpx.Client, visit: Callable[[str], Page], name: str
) -> None:
    page = visit(page_of(client, example(name)))

    for paper in ("Letter", "A4"):
        assert 1 <= len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=paper))) <= 3
