"""The page with one run from export to report: its commands run as they are written."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.processes
def test_the_commands_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    pictures = importlib.import_module("population_pictures")
    monkeypatch.setenv("CDS_RULES", str(ROOT / "rules"))

    pictures.run_page(pictures.PAGE, tmp_path, patients=60)

    assert "60 patients" in (tmp_path / "report.html").read_text()
    for name in ("validation.html", "validation-inside.html"):
        assert "<svg" in (tmp_path / name).read_text()
    assert "suppressed" not in (tmp_path / "validation-inside.html").read_text().split("<h1>")[1].replace(
        "No count is suppressed", ""
    )
    assert json.loads((tmp_path / "group.json").read_text())["resourceType"] == "Group"
    for file, _ in pictures.PICTURES.values():
        assert (tmp_path / file).is_file()
    for name in pictures.PICTURES:
        assert f"../images/{name}.png" in pictures.PAGE.read_text()
        assert (pictures.IMAGES / f"{name}.png").is_file()
