"""schemathesis over the OpenAPI document, for some seconds; benchmarks/hostile.py takes five minutes."""

from __future__ import annotations

import httpx
import pytest

from benchmarks.hostile import schemathesis

pytestmark = pytest.mark.slow


def test_whatever_the_document_allows_or_forbids_brings_no_server_error(client: httpx.Client) -> None:
    ended = schemathesis(client.base_url, 15, "--phases", "coverage,fuzzing", "--max-examples", "5", "--seed", "1")

    assert ended.returncode == 0, ended.stdout
