"""
Take the pictures of the pages that the documentation shows, with made-up patients; needs Chromium.

    python scripts/screenshots.py [NAME...]

With names only these pictures, such as "settle".
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright
from post_example import moved

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from cds.review.questionnaire import questionnaire_of  # noqa: E402 (the repository is no package)
from cds.ruleset import load_rules  # noqa: E402
from tests.web import lhc_forms  # noqa: E402

EXAMPLES = ROOT / "fhir_examples"
IMAGES = ROOT / "docs" / "images"
SIZES = {"desk": (1440, 1000), "phone": (360, 780)}
SECONDS = 60.0


@contextmanager
def service(folder: Path) -> Iterator[tuple[str, str]]:
    """A running service that keeps what it decides from; gives its address, and a link into its console."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    environment = os.environ | {
        "CDS_KEEP_INPUTS_DAYS": "1",
        "CDS_CONSOLE": "true",
        "CDS_JOURNAL": str(folder / "journal.sqlite3"),
        "CDS_PORT": str(port),
    }
    server = subprocess.Popen([shutil.which("cds") or "cds", "serve"], env=environment, cwd=ROOT)  # noqa: S603 (ours)
    base = f"http://127.0.0.1:{port}"
    give_up = time.monotonic() + SECONDS
    try:
        while True:
            try:
                httpx.get(f"{base}/health")
                break
            except httpx.TransportError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.2)
        yield base, subprocess.check_output([shutil.which("cds") or "cds", "console-link"], env=environment, text=True)  # noqa: S603 (ours)
    finally:
        server.terminate()
        server.wait()


def page_of(base: str, name: str) -> str:
    """The address of the page behind the first card of an example."""
    request = moved(EXAMPLES / name / "request.json")
    services = httpx.get(f"{base}/cds-services").json()["services"]
    service_id = next(one["id"] for one in services if one["hook"] == request["hook"])
    answer = httpx.post(f"{base}/cds-services/{service_id}", json=request, timeout=30).json()
    address: str = answer["cards"][0]["links"][-1]["url"]
    give_up = time.monotonic() + SECONDS
    while httpx.get(address).status_code != 200 and time.monotonic() < give_up:
        time.sleep(0.1)
    return address


def shoot(
    browser: Browser, name: str, address: str, scheme: str = "light", at: str = "", act: Any = None, session: Any = None
) -> None:
    """A picture of what a window shows, on a desk and on a phone; of the element `at`, from its top."""
    if not wanted(name):
        return
    for size, (width, height) in SIZES.items():
        page: Page = browser.new_page(
            viewport={"width": width, "height": height}, color_scheme=scheme, storage_state=session
        )  # type: ignore[arg-type]
        page.goto(address, wait_until="networkidle")
        if act is not None:
            act(page)
        if at:
            page.locator(at).first.evaluate("element => element.scrollIntoView()")
        path = IMAGES / f"{name}-{size}.png"
        page.screenshot(path=path)
        print(path.relative_to(ROOT))
        page.close()


def wanted(name: str) -> bool:
    """Whether this picture is to be taken."""
    return len(sys.argv) == 1 or name in sys.argv[1:]


def settle(page: Page) -> None:
    """Answer what the chart leaves open."""
    page.get_by_role("link", name="Change a date, a dose or a score").click()
    page.locator('[name="trial.1.dose"]').fill("150")
    page.locator('[name="trial.1.duration"]').fill("12")
    page.locator('[name="author"]').fill("Dr. Doe")
    page.get_by_role("button", name="See what changes").click()
    page.get_by_role("region", name="If it were so").wait_for()


def shoot_questionnaire(browser: Browser) -> None:
    """A picture of our Questionnaire as LHC-Forms shows it; none where that cannot be fetched."""
    name = "questionnaire-lhc-forms"
    with tempfile.TemporaryDirectory() as folder:
        renderer = lhc_forms.fetched(Path(folder)) if wanted(name) else None
        if renderer is None:
            return
        page = browser.new_page(viewport={"width": 1000, "height": 712})
        today = datetime.now(UTC).date()
        lhc_forms.show(page, renderer, questionnaire_of(load_rules(ROOT / "rules", None, today).program))
        page.screenshot(path=IMAGES / f"{name}.png")
        print(f"docs/images/{name}.png")
        page.close()


def ask_what_if(page: Page) -> None:
    """Say the dose nobody recorded."""
    page.get_by_role("link", name="Change a date, a dose or a score").click()
    page.get_by_label("dose, all day, mg").first.fill("225")
    page.get_by_role("button", name="Ask again with these").click()
    page.get_by_role("region", name="If it were so").wait_for()


def fill(base: str) -> None:
    """Decisions of some patients, and what clinicians said of their cards."""
    reasons = ("patient-refuses", "action-completed", "patient-refuses")
    for name in ("01-two-failed-trials", "05-dose-not-recorded", "10-repaired-aneurysm", "12-allergies-not-sent") * 6:
        cards = httpx.post(
            f"{base}/cds-services/ketamine-evaluation", json=moved(EXAMPLES / name / "request.json"), timeout=30
        ).json()["cards"]
        for number, card in enumerate(cards):
            now = datetime.now(UTC).isoformat()
            said: dict[str, Any] = {"card": card["uuid"], "outcome": "accepted", "outcomeTimestamp": now}
            if number == 0:
                code = reasons[len(card["uuid"]) % 3]
                why = {"reason": {"code": code}, "userComment": "Wants psychotherapy first."}
                said |= {"outcome": "overridden", "overrideReason": why}
            httpx.post(f"{base}/cds-services/ketamine-evaluation/feedback", json={"feedback": [said]})


CONSOLE = {
    "console-live": "/console",
    "console-rules": "/console/rules",
    "console-rule-file": "/console/rules/treatment-resistant-depression",
    "console-playground": "/console/playground?example=01-two-failed-trials",
    "console-decisions": "/console/decisions?days=7",
    "console-feedback": "/console/feedback?days=7",
    "console-data": "/console/data?days=7",
}


def main() -> None:
    """Write every picture anew."""
    IMAGES.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("chromium was not found: install it.")
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder)) as (base, link),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        four = page_of(base, "38-ect-and-four-drugs")
        open_dose = page_of(base, "05-dose-not-recorded")
        shoot(browser, "explanation", four)
        shoot(browser, "timeline", four, at="#timeline")
        shoot(browser, "timeline-dark", open_dose, scheme="dark", at="#timeline")
        shoot(browser, "what-if", open_dose, at="#what-if", act=ask_what_if)
        shoot(browser, "settle", open_dose, at="h3:has-text('Settle it')", act=settle)
        shoot(browser, "packet", four.replace("?key", "/packet?key"))
        shoot_questionnaire(browser)
        fill(base)
        inside = browser.new_context()
        inside.new_page().goto(link.strip())
        for name, path in CONSOLE.items():
            shoot(browser, name, f"{base}{path}", session=inside.storage_state())
        browser.close()


if __name__ == "__main__":
    main()
