"""What the docs say of the program is what the program does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from cds.settings import Settings
from scripts import renew_unverified
from scripts.renew_examples import PAGE, page
from tests.server import ROOT
from tests.shipped import shipped_book, shipped_rules

DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "rules" / "README.md"])


def table(text: str) -> dict[str, list[str]]:
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| `")
    ]
    return {row[0].strip("` |"): row for row in rows}


def test_the_settings_page_lists_every_setting_with_its_default() -> None:
    rows = table((DOCS / "integrators" / "settings.md").read_text())

    assert set(rows) == {f"CDS_{name.upper()}" for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        if field.default not in ((), None, "") and field.default_factory is None:
            default = ", ".join(field.default) if isinstance(field.default, tuple) else str(field.default)
            assert rows[f"CDS_{name.upper()}"][1] == default


def test_the_prefetch_page_lists_the_keys_of_discovery() -> None:
    page = (DOCS / "integrators" / "prefetch.md").read_text()
    block = page.split("<!-- prefetch:begin -->")[1].split("<!-- prefetch:end -->")[0]
    service = shipped_rules().program.services["ketamine-evaluation"]

    listed = {key: (row[1] == "yes", row[2].strip("` |")) for key, row in table(block).items()}

    assert listed == {prefetch.key: (prefetch.required, prefetch.query) for prefetch in service.prefetch}


def test_every_dependency_has_its_line() -> None:
    page = (DOCS / "developers" / "dependencies.md").read_text()
    dependencies = re.search(
        r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE
    )

    assert dependencies
    for name in re.findall(r'"([a-zA-Z.-]+)', dependencies[1]):
        assert name in page


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def commands() -> list[str]:
    text = (ROOT / "README.md").read_text()
    return [
        line.split("#")[0].replace(".venv/bin/", "").strip()
        for line in text.splitlines()
        if line.startswith(".venv/bin/cds ")
    ]


@pytest.mark.parametrize("command", commands())
@pytest.mark.slow
def test_the_commands_of_the_readme_run(command: str) -> None:
    cds = Path(sys.executable).with_name("cds")
    done = subprocess.run([str(cds), *command.split()[1:]], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout


FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
@pytest.mark.parametrize("day", ["2027-07-01", "2030-01-01"])
@pytest.mark.parametrize("command", commands())
@pytest.mark.slow
def test_they_run_when_every_review_is_overdue(command: str, day: str) -> None:
    cds = Path(sys.executable).with_name("cds")
    later = os.environ | {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"@{day} 10:00:00"}
    done = subprocess.run(
        [str(cds), *command.split()[1:]], cwd=ROOT, env=later, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout


def test_the_curl_call_of_the_readme_is_answered_as_it_says(client: httpx.Client) -> None:
    text = (ROOT / "README.md").read_text().replace("\\\n", " ")
    ((address, body),) = re.findall(
        r"curl -s '?http://127\.0\.0\.1:8000([^\s']*)'?(?: .*?-d @(\S+))?$", text, re.MULTILINE
    )
    ((summary, indicator),) = re.findall(r'"summary": "([^"]+)", "indicator": "(\w+)"', text)

    answer = client.post(address, content=(ROOT / body).read_bytes())
    assert answer.status_code == 200
    first = answer.json()["cards"][0]
    assert (first["summary"], first["indicator"]) == (summary, indicator)
    assert answer.json().keys() >= {"conclusions", "missing"}


def test_what_a_clinician_must_check_is_listed_as_the_rules_are() -> None:
    """When this fails: `make unverified`, and read the diff."""
    text = renew_unverified.PAGE.read_text(encoding="utf-8")
    assert renew_unverified.page(text, shipped_book()) == text


def test_the_cards_clinicians_are_shown_are_the_ones_that_come_back() -> None:
    """When this fails: `make examples`, and read the diff."""
    assert PAGE.read_text(encoding="utf-8") == page()
