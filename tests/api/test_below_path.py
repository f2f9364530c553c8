"""The service below a path of another site, whether a proxy takes the path off or leaves it on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cds.journal.journal import journal_from
from cds.settings import Settings
from tests.server import ROOT, serving

ADDRESS = re.compile(r'(?:href|src|action|hx-get|hx-post)="(/[^"]*)"')
EXAMPLE = json.loads((ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_text())
SERVICE = "/cds-services/ketamine-evaluation"


@pytest.mark.seconds
@pytest.mark.parametrize("kept", [True, False], ids=["left on", "taken off"])
def test_the_api_and_its_links_are_below_the_path(kept: bool, tmp_path: Path) -> None:
    before = "/cds" if kept else ""
    journal = journal_from(Settings(journal=str(tmp_path / "journal.sqlite3"), keep_inputs_days=1))
    with serving(journal=journal, public_url="http://127.0.0.1/cds", console=True) as client:
        assert client.get(f"{before}/cds-services").json()["services"]
        (card, *_) = client.post(f"{before}{SERVICE}", json=EXAMPLE).json()["cards"]
        link = next(one["url"] for one in card["links"] if "/decisions/" in one["url"])
        assert link.startswith("http://127.0.0.1/cds/decisions/")
        page = client.get(before + link.removeprefix("http://127.0.0.1/cds"))
        assert page.status_code == 200
        found = ADDRESS.findall(page.text)
        assert found
        assert all(address.startswith("/cds/") and not address.startswith("/cds/cds/") for address in found)
        for address in found:
            if "/static/" in address or "/what-if" in address:
                inside = address if kept else address.removeprefix("/cds")
                assert client.get(inside.replace("&amp;", "&")).status_code in {200, 405}, address


@pytest.mark.seconds
def test_the_pages_of_the_console_link_below_the_path() -> None:
    with serving(public_url="http://127.0.0.1/cds", console=True) as client:
        for page in ("/cds/console", "/cds/console/playground", "/cds/console/rules"):
            answer = client.get(page)
            assert answer.status_code == 200, page
            found = ADDRESS.findall(answer.text)
            assert found
            assert all(address.startswith("/cds/") and not address.startswith("/cds/cds/") for address in found)


@pytest.mark.seconds
def test_without_a_path_nothing_is_below_one() -> None:
    with serving(public_url="http://127.0.0.1:8000", console=True) as client:
        assert client.get("/cds/cds-services").status_code == 404
        assert not [one for one in ADDRESS.findall(client.get("/console").text) if one.startswith("/cds/")]
