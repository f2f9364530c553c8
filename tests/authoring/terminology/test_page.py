"""The commands of docs/rule-authors/terminology.md run as they are written."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds.cli.main import app
from cds.rulebook.shipped import default_rules_folder
from tests.authoring.terminology.rxnorm_writer import SmallRelease

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[3] / "docs" / "rule-authors" / "terminology.md"


def test_every_command_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("simple_icd_10_cm")
    shutil.copytree(default_rules_folder(), tmp_path / "rules")
    release = SmallRelease()
    release.product("1", "sertraline 50 MG Oral Tablet", {"sertraline": ("36437", "50")}, "Oral Tablet")
    release.zipped(tmp_path).rename(tmp_path / "RxNorm_full_prescribe_11022026.zip")
    (tmp_path / "exports").mkdir()
    canonical = "http://example.org/fhir/ValueSet/bipolar"
    contains = [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F31.0", "display": "Bipolar disorder"}]
    value_set = {"resourceType": "ValueSet", "url": canonical, "version": "2026", "expansion": {"contains": contains}}
    (tmp_path / "exports" / "bipolar.json").write_text(json.dumps(value_set), encoding="utf-8")
    file = tmp_path / "rules" / "valuesets" / "bipolar-disorder.yaml"
    header = f'  id: bipolar-disorder\n  canonical: {canonical}\n  version: "2026"\n'
    file.write_text(file.read_text(encoding="utf-8").replace("  id: bipolar-disorder\n", header), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CDS_RULES", "rules")

    commands = re.findall(r"^\$ cds (terminology .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert len(commands) >= 5
    for command in commands:
        shown = CliRunner().invoke(app, shlex.split(command))
        assert shown.exit_code in {0, 1}, command
        assert " compared with " in shown.output, (command, shown.output)


def test_the_page_names_every_kind_of_finding() -> None:
    folder = Path(__file__).parents[3] / "src" / "cds" / "authoring" / "terminology"
    code = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    kinds = set(re.findall(r"(?:Finding|self\.found)\(\s*\"([a-z-]+)\"", code))

    assert len(kinds) > 15
    assert {kind for kind in kinds if f"`{kind}`" not in PAGE.read_text(encoding="utf-8")} == set()
