"""The pages of `cds docs` in Chromium."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.rulebook.small_rules import GOOD, write_rules
from tests.test_cli import cds

pytestmark = pytest.mark.skipif(find_spec("material") is None, reason="MkDocs Material is not installed")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (as it is called there)
        """Nothing."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("reference")
    assert cds("docs", folder / "site", "--rules", write_rules(folder / "rules", GOOD))[0] == 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder / "site")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_reference_asks_no_other_host_and_shows_what_depends_on_what(
    visit: Callable[[str], Page], address: str
) -> None:
    page = visit(f"{address}/depression.html")

    drawing = page.get_by_role("group", name="What depends on what")
    assert drawing.is_visible()
    assert drawing.locator("text", has_text="Resistant").is_visible()
    assert page.locator(".mermaid").count() == 0
