from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.server import console_link

HERE = Path(__file__).parent
BROWSER = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
PHONE, DESK = {"width": 360, "height": 780}, {"width": 1440, "height": 900}


@dataclass
class Watched:
    """A page in the browser, and what went wrong on it."""

    page: Page
    hosts: set[str]
    inside: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def go(self, address: str) -> Page:
        """Open an address of a host that is ours from now on."""
        parts = urlsplit(address)
        self.hosts.add(parts.netloc)
        if parts.path.startswith("/console") and parts.netloc not in self.inside:
            self.inside.add(parts.netloc)
            self.page.goto(console_link(parts.port or 0))
        answer = self.page.goto(address, wait_until="networkidle")
        assert answer is not None
        assert answer.ok, f"{answer.status} at {urlsplit(address).path}"
        return self.page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """
    The system's Chromium; without it, the tests skip.

    Closed with each module: while it is open, no test of this thread can run an event loop of its own.
    """
    if BROWSER is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A page that fails the test when it wrote an error to its console, or asked another host for anything."""
    page = browser.new_page(viewport={"width": DESK["width"], "height": DESK["height"]})
    seen = Watched(page, set())
    page.on("console", lambda said: seen.errors.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))

    def asked(request: Any) -> None:
        if urlsplit(request.url).netloc not in seen.hosts:
            seen.elsewhere.append(request.url)

    page.on("request", asked)
    yield seen
    page.close()
    assert seen.errors == []
    assert seen.elsewhere == []


@pytest.fixture
def visit(watched: Watched) -> Callable[[str], Page]:
    """Open an address."""
    return watched.go


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core, as the lock file names it; where there is no npm, or no registry, the tests skip."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "axe" / name, folder)
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    if subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=300).returncode:
        pytest.skip("npm could not install axe-core")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def violations(axe: str) -> Callable[[Page], list[str]]:
    """What WCAG 2.2 AA, as far as axe-core can tell, finds wrong with a page: rule, and where."""

    def found(page: Page) -> list[str]:
        page.evaluate(axe)  # through the debugger: the page's own policy would refuse a script element
        result = page.evaluate(
            "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
        )
        return [f"{v['id']}: {node['html'][:200]}" for v in result["violations"] for node in v["nodes"]]

    return found


def weight(page: Page) -> int:
    """Bytes of the page and of everything it loaded, unpacked."""
    sizes = "performance.getEntries().map(entry => entry.decodedBodySize || 0)"
    return sum(page.evaluate(sizes))


def overflows(page: Page) -> bool:
    """Whether the page is wider than the window, so that something is clipped or must be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
