"""What docs/integrators/clients.md tells people to type."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.api.test_process import process
from tests.server import ROOT

pytestmark = pytest.mark.processes

PAGE = (ROOT / "docs" / "integrators" / "clients.md").read_text(encoding="utf-8")
COMMANDS = re.search(r"## curl\n\n```sh\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_command_of_the_page_is_answered(tmp_path: Path) -> None:
    assert COMMANDS is not None
    commands = re.split(r"\n(?=curl)", COMMANDS[1].strip())

    with process(tmp_path / "log", CDS_JOURNAL=str(tmp_path / "journal.sqlite3")) as (server, _):
        here = str(server.base_url).rstrip("/")
        answers = [
            json.loads(subprocess.run(
                ["sh", "-c", command.replace("http://127.0.0.1:8000", here)],
                cwd=ROOT, capture_output=True, check=True, timeout=60,
            ).stdout)
            for command in commands
        ]  # fmt: skip

    assert [sorted(answer) for answer in answers] == [["services"], ["cards"], []]
    assert answers[1]["cards"]
