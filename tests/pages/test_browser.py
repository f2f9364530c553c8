"""The page behind a card in Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Page

from tests.pages.conftest import DESK, PHONE, overflows
from tests.pages.serving_pages import example, keeping, page_of


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with keeping(tmp_path_factory.mktemp("journal")) as running:
        yield running


@pytest.fixture(scope="module")
def address(client: httpx.Client) -> str:
    return page_of(client, example("01-two-failed-trials"))


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


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_the_page_fits_its_window(size: dict[str, int], visit: Callable[[str], Page], address: str) -> None:
    page = visit(address)
    page.set_viewport_size({"width": size["width"], "height": size["height"]})

    assert not overflows(page)
