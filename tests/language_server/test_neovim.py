"""`cds lsp` in Neovim itself, where that is installed: what its user sees of a slip, and after it was corrected."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.language_server.editor import copy_of_shipped

pytestmark = [
    pytest.mark.slow,
    pytest.mark.processes,
    pytest.mark.skipif(shutil.which("nvim") is None, reason="Neovim is not installed"),
]

SCRIPT = Path(__file__).with_name("neovim.lua")
FILE = "ketamine/contraindications.yaml"


def test_neovim_shows_a_slip_and_no_longer_once_it_is_corrected(tmp_path: Path) -> None:
    rules = copy_of_shipped(tmp_path)
    text = (rules / FILE).read_text()
    (rules / FILE).write_text(text.replace("any: [ketamine_allergy,", "any: [ketamine_alergy,"))
    line = text.splitlines().index("    any: [ketamine_allergy, anaesthetic_allergy]") + 1
    nvim = shutil.which("nvim")
    assert nvim

    done = subprocess.run(
        [nvim, "--headless", "-u", "NONE", "-i", "NONE", "-n", FILE, "-c", f"luafile {SCRIPT}"],
        cwd=rules,
        env=os.environ | {"CDS": str(Path(sys.executable).parent / "cds"), "XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        check=True,
        text=True,
        timeout=400,
    )
    seen = json.loads(done.stdout.strip().splitlines()[-1])

    slip = next(one for one in seen["before"] if one["code"] == "unknown-name")
    assert (slip["line"], slip["severity"]) == (line, 1)
    assert "`ketamine_alergy`" in slip["message"]
    assert seen["after"] == []
    assert "Allergy to ketamine or esketamine" in json.dumps(seen["hover"])
    (definition,) = seen["definition"] if isinstance(seen["definition"], list) else [seen["definition"]]
    place = definition.get("range") or definition["targetRange"]
    assert text.splitlines()[place["start"]["line"]] == "  ketamine_allergy:"
