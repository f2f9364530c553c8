"""Pages go out compressed to who takes that."""

from __future__ import annotations

import json

import httpx
import pytest

from cds.web.page import asset
from tests.server import ROOT

REQUEST = json.loads((ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_text())


@pytest.mark.parametrize("path", ["/docs", asset("thirdline.css")])
def test_pages_and_their_files_are_compressed_to_who_takes_that(client: httpx.Client, path: str) -> None:
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    packed = client.get(path, headers={"Accept-Encoding": "gzip"})

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert "accept-encoding" in packed.headers["vary"].lower()


def test_answers_for_programs_are_not(client: httpx.Client) -> None:
    accepting = {"Accept-Encoding": "gzip"}
    answers = [
        client.get("/cds-services", headers=accepting),
        client.post("/cds-services/ketamine-evaluation", json=REQUEST, headers=accepting),
    ]

    assert all("content-encoding" not in answer.headers for answer in answers)
