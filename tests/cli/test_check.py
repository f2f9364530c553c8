"""`cds check` in every format, over rule and test files, once or watching."""

from __future__ import annotations

import hashlib
import json
import re
import select
import shutil
import subprocess
import sys
import tarfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from typer.testing import CliRunner, Result

from cds.authoring.testing.check import check_folder
from cds.cli.formats import FORMATS
from cds.cli.main import app
from cds.yaml_source.problem import Problem
from tests.rulebook.small_rules import GOOD, RULE, changed, write_rules
from tests.server import ROOT

DAY = ("--today", "2025-06-01")
SLIP = changed(GOOD[RULE], "- failed_trials: {at", "- failed_trails: {at")
TESTS = "today: 2025-06-01\npatients: {anna: {age: 46}}\ntests: [{name: Anna, given: ana, then: {resistant: true}}]\n"
PROBLEMS = (
    Problem("rules/a.yaml", 7, 3, "unknown-name", "`a, b: 100%` is wrong.", "Mend it.", "It matters."),
    Problem("rules", 0, 0, "no-rules", "There are none.", "Write some.", warning=True),
)
# The parts of SARIF 2.1.0 (OASIS) a reader relies on, with its own names, limits and required members.
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "properties": {
                                                "shortDescription": {"type": "object", "required": ["text"]},
                                                "help": {"type": "object", "required": ["text"]},
                                            },
                                        },
                                    }
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message"],
                            "properties": {
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": {"type": "object", "required": ["text"]},
                                "locations": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "properties": {
                                            "physicalLocation": {
                                                "type": "object",
                                                "required": ["artifactLocation"],
                                                "properties": {
                                                    "region": {
                                                        "type": "object",
                                                        "properties": {
                                                            "startLine": {"type": "integer", "minimum": 1},
                                                            "startColumn": {"type": "integer", "minimum": 1},
                                                        },
                                                    }
                                                },
                                            }
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_rules(tmp_path / "rules", {**GOOD, RULE: SLIP, RULE.replace(".yaml", ".test.yaml"): TESTS})


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, arguments), *DAY])


def test_text_names_file_line_column_check_and_page(folder: Path) -> None:
    result = run(folder)

    assert result.exit_code == 1
    line = SLIP.split("\n").index(next(line for line in SLIP.split("\n") if "failed_trails" in line)) + 1
    assert f"{folder / RULE}:{line}:" in result.stderr
    assert "Did you mean `failed_trials`?" in result.stderr
    assert "See docs/rule-authors/checks/unknown-name.md, or `cds check --explain unknown-name`." in result.stderr


def test_test_files_are_checked_beside_rule_files(tmp_path: Path) -> None:
    folder = write_rules(tmp_path / "rules", {**GOOD, RULE.replace(".yaml", ".test.yaml"): TESTS})

    result = run(folder)

    assert result.exit_code == 1
    assert "There is no patient `ana`" in result.stderr
    assert "Did you mean `anna`?" in result.stderr


def test_what_no_test_looks_at_is_a_warning(tmp_path: Path) -> None:
    tests = TESTS.replace("given: ana", "given: anna")
    folder = write_rules(tmp_path / "rules", {**GOOD, RULE.replace(".yaml", ".test.yaml"): tests})

    result = run(folder)

    assert result.exit_code == 0
    assert "No case says what `symptomatic` must be." in result.stderr
    assert "No case says what `resistant` must be." not in result.stderr
    assert "No case says that `suggest` is shown." in result.stderr


def test_json_holds_every_problem(folder: Path) -> None:
    result = run(folder, "--format", "json")

    found = json.loads(result.stdout)
    (problem,) = [one for one in found["problems"] if one["check"] == "unknown-name" and one["file"].endswith(RULE)]
    assert found["errors"] >= 1
    assert problem["docs"] == "docs/rule-authors/checks/unknown-name.md"
    assert problem["column"] > 1


def test_sarif_has_the_form_of_the_standard(folder: Path) -> None:
    log = json.loads(run(folder, "--format", "sarif").stdout)
    jsonschema.validate(log, SARIF)
    jsonschema.validate(json.loads(FORMATS["sarif"](())), SARIF)

    (run_,) = log["runs"]
    rules = [rule["id"] for rule in run_["tool"]["driver"]["rules"]]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run_["results"])


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The whole schema of SARIF 2.1.0, as Microsoft's npm package (MIT) holds it; without npm, the test skips."""
    npm, folder = shutil.which("npm"), tmp_path_factory.mktemp("sarif")
    command = [str(npm), "pack", "--silent", "@microsoft/jest-sarif@1.0.0-beta.0"]
    if npm is None or subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120).returncode:
        pytest.skip("npm could not fetch the schema of SARIF")
    (packed,) = folder.glob("*.tgz")
    with tarfile.open(packed) as archive:
        found = archive.extractfile("package/lib/schemas/sarif-2.1.0-rtm.5.json")
        assert found is not None
        text = found.read()
    assert hashlib.sha256(text).hexdigest() == "2d99159ae54a3eea97f81781cff48780548657c35949f4b7f25e99a2ba4de4f8"
    schema: dict[str, Any] = json.loads(text)
    return schema


def test_sarif_is_what_the_published_schema_asks_for(folder: Path, published: dict[str, Any]) -> None:
    schema = jsonschema.Draft4Validator(published)

    schema.validate(json.loads(run(folder, "--format", "sarif").stdout))
    schema.validate(json.loads(FORMATS["sarif"](PROBLEMS)))
    schema.validate(json.loads(FORMATS["sarif"](())))


def test_sarif_names_a_file_as_an_address() -> None:
    log = json.loads(FORMATS["sarif"]([Problem("my rules/ü.yaml", 1, 1, "unknown-name", "Wrong.", "Mend it.")]))

    (result,) = log["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "my%20rules/%C3%BC.yaml"


def test_sarif_leaves_out_the_line_of_what_has_none() -> None:
    log = json.loads(FORMATS["sarif"](PROBLEMS))
    jsonschema.validate(log, SARIF)

    first, second = (result["locations"][0]["physicalLocation"] for result in log["runs"][0]["results"])
    assert first["region"] == {"startLine": 7, "startColumn": 3}
    assert "region" not in second
    assert [result["level"] for result in log["runs"][0]["results"]] == ["error", "warning"]


def test_github_annotations_are_one_line_each_and_escaped() -> None:
    first, second = FORMATS["github"](PROBLEMS).splitlines()

    assert first.startswith("::error file=rules/a.yaml,line=7,col=3,title=unknown-name::`a, b: 100%25` is wrong.%0A")
    assert second.startswith("::warning file=rules,title=no-rules::")


def test_another_format_is_wrong_use(folder: Path) -> None:
    assert run(folder, "--format", "xml").exit_code == 2


@pytest.mark.seconds
@pytest.mark.parametrize("watched", ["rules", "site"])
def test_watching_checks_again_when_a_file_changes_for_a_site_also_one_of_its_rules(folder: Path, watched: str) -> None:
    site = "site: {id: here, name: Here, rules: ../rules, uses: depression >=1.0 <2.0}\n"
    write_rules(folder.parent / "site", {"site.yaml": site})
    path = str(folder.parent / watched)
    command = [sys.executable, "-u", "-c", "from cds.cli.main import main; main()", "check", path, "--watch", *DAY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        for _ in range(100):  # until the watcher is up, a change may go unseen: write again
            (folder / RULE).write_text(GOOD[RULE])
            (folder / RULE.replace(".yaml", ".test.yaml")).unlink(missing_ok=True)
            time.sleep(0.2)
            if process.poll() is not None or _ready(process.stdout.fileno()):
                break
        second = process.stdout.readline()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()

    assert " 0 error(s)" not in first
    assert " 0 error(s)" in second


def _ready(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


def test_the_page_of_a_check_is_printed_without_a_network() -> None:
    page = CliRunner().invoke(app, ["check", "--explain", "list-age"])
    assert page.exit_code == 0
    assert "**Why:**" in page.stdout
    assert "[All checks]" not in page.stdout

    wrong = CliRunner().invoke(app, ["check", "--explain", "list-ages"])
    assert wrong.exit_code == 2
    assert "list-age" in wrong.output


@pytest.mark.seconds
def test_a_wrong_site_is_told_in_words_that_help_and_nothing_else_is(tmp_path: Path) -> None:
    text = f"site: {{id: here, name: X, rules: {ROOT / 'rules'}, uses: evaluation >=1.0 <99.0}}\n"
    quoted = 'set:\n  trials_required: {to: "3", because: a, by: b, review: 2027-01-01}\n'
    (tmp_path / "site.yaml").write_text(text + quoted)
    told = check_folder(tmp_path, date(2026, 6, 1))
    assert [(one.what, one.fix) for one in told] == [
        ('`trials_required` cannot be "3" here.', "Write 3 without quotes: with them it is text.")
    ]

    (tmp_path / "site.yaml").write_text(text + "nonsense: {a: 1}\n")
    (told_of_key,) = check_folder(tmp_path, date(2026, 6, 1))
    assert re.fullmatch(r"Write one of site, set, [a-z, ]+, or remove it\.", told_of_key.fix)
