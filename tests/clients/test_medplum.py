"""Medplum's client (npm, @medplum/core) against a running server, with its data from a FHIR server."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.api.test_process import process
from tests.fhir_server import fhir_server, resources_in
from tests.moved import example

pytestmark = [pytest.mark.processes, pytest.mark.slow]

FILES = Path(__file__).parent / "medplum"
OLDEST_NODE = 20  # before 22 the client needs --experimental-websocket


def installed(folder: Path) -> Path:
    """The client, installed as locked; skips where that is not possible."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node or npm is not installed (Debian: nodejs, npm)")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip("v\n").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node {version.strip()} is older than {OLDEST_NODE}, and the client does not run on it")
    for file in FILES.iterdir():
        shutil.copy(file, folder)
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        ended = subprocess.run(
            [npm, "ci", *quiet], cwd=folder, capture_output=True, text=True, check=False, timeout=120
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the npm registry does not answer")
    if ended.returncode:
        pytest.skip(f"the client cannot be installed from npm: {ended.stderr.strip().splitlines()[-1:]}")
    return folder


def test_medplum_completes_discovery_both_hooks_and_feedback(tmp_path: Path) -> None:
    client = tmp_path / "client"
    client.mkdir()
    installed(client)
    request = example("01-two-failed-trials")

    with (
        fhir_server(resources=resources_in(request["prefetch"])) as fhir,
        process(tmp_path / "log", CDS_JOURNAL=str(tmp_path / "journal.sqlite3")) as (server, _),
    ):
        ended = subprocess.run(
            ["node", "--experimental-websocket", "exchange.mjs", fhir.base.removesuffix("fhir"),
             str(server.base_url).rstrip("/"), "example"],
            cwd=client, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        offered = server.get("/cds-services").json()["services"]
        kept = server.get("/health").json()["journal"]

    assert ended.returncode == 0, ended.stderr
    seen: dict[str, Any] = json.loads(ended.stdout)
    view, sign = seen["exchanges"]["patient-view"], seen["exchanges"]["order-sign"]
    keys = {service["hook"]: service["prefetch"].keys() for service in offered}
    assert seen["services"] == [service["id"] for service in offered]
    assert (view["sent"].keys(), sign["sent"].keys()) == (keys["patient-view"], keys["order-sign"])
    assert set(view["sent"].values()) == {"Bundle", "Patient"}  # every template could be filled
    assert [text.partition(":")[0] for text in view["cards"]] == ["Chart meets TRD criteria"]
    assert [text.partition(" this")[0] for text in sign["cards"]] == ["This would be the third antidepressant"]
    assert (view["feedback"], sign["feedback"]) == ({}, {})
    assert kept["status"] == "ok"
