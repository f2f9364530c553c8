"""What processes that share a journal know of each other, in each kind of database."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.api.callers import BASE, key_set, sandbox
from tests.api.test_process import process

pytestmark = [pytest.mark.processes, pytest.mark.slow]


def test_a_token_works_in_one_of_two_processes_that_share_a_journal(tmp_path: Path, place: str) -> None:
    ehr = sandbox()
    (tmp_path / "tenants.yaml").write_text(
        json.dumps({"tenants": [{"name": "a", "issuers": [ehr.issuer], "keys": {"set": key_set(ehr.key)}}]})
    )
    settings = {"CDS_TENANTS": "tenants.yaml", "CDS_PUBLIC_URL": BASE, "CDS_JOURNAL": place}
    tokens = [ehr.bearer("/cds-services") for _ in range(6)]

    with (
        process(tmp_path / "log-1", **settings) as (first, _),
        process(tmp_path / "log-2", **settings) as (second, _),
        ThreadPoolExecutor(4) as callers,
    ):
        calls = [(client, headers) for headers in tokens for client in (first, second)]
        statuses = list(callers.map(lambda call: call[0].get("/cds-services", headers=call[1]).status_code, calls))

    assert [sorted(statuses[n : n + 2]) for n in range(0, 12, 2)] == [[200, 401]] * 6
