from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.rulebook.small_rules import GOOD, RULE, changed, write_rules
from tests.server import ROOT

pytestmark = pytest.mark.processes

CDS = Path(sys.executable).with_name("cds")
EXAMPLES = ROOT / "fhir_examples"
DAY = ("--today", "2026-06-01")
TRD = "treatment_resistant_depression"


def cds(*arguments: object, stdin: bytes | None = None) -> tuple[int, str, str]:
    done = subprocess.run([str(CDS), *map(str, arguments)], input=stdin, capture_output=True, check=False, cwd=ROOT)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("command", ["serve", "evaluate", "explain", "check", "test", "schema"])
def test_every_command_has_an_example_in_its_help(command: str) -> None:
    code, text, _ = cds(command, "--help")

    assert code == 0
    assert f"Example: cds {command}" in text


def test_evaluate_prints_the_card_as_a_clinician_reads_it() -> None:
    code, text, _ = cds("evaluate", EXAMPLES / "01-two-failed-trials" / "request.json", *DAY)

    assert code == 0
    assert "consider an evaluation" in text
    assert "venlafaxine" in text
    assert "**" not in text
    assert "Condition/condition-1" not in text  # a card names no ids; cds explain does


def test_evaluate_as_json_is_one_object_for_one_file_and_a_list_for_several() -> None:
    first, second = (EXAMPLES / name / "request.json" for name in ("01-two-failed-trials", "02-one-day-short"))

    one = json.loads(cds("evaluate", first, *DAY, "--json")[1])
    two = json.loads(cds("evaluate", first, second, *DAY, "--json")[1])

    assert {"cards", "conclusions", "facts", "missing", "data_quality"} <= set(one)
    assert one["conclusions"][TRD] == "true"
    assert [answer["conclusions"][TRD] for answer in two] == ["true", "false"]


def test_evaluate_takes_folders_bundles_and_standard_input() -> None:
    folder = json.loads(cds("evaluate", EXAMPLES, *DAY, "--json")[1])
    bundle = (EXAMPLES / "bundle.json").read_bytes()
    piped = json.loads(cds("evaluate", "-", *DAY, "--json", stdin=bundle)[1])

    assert len(folder) == len(list(EXAMPLES.glob("*/request.json"))) + 1
    assert piped["conclusions"][TRD] == "true"


def test_a_file_that_cannot_be_answered_is_said_and_the_others_are_answered(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")

    code, text, _ = cds("evaluate", tmp_path / "bad.json", EXAMPLES / "bundle.json", *DAY, "--json")

    bad, good = json.loads(text)
    assert code == 1
    assert "not JSON" in bad["error"]
    assert good["conclusions"][TRD] == "true"
    assert "not JSON" in cds("evaluate", tmp_path / "bad.json")[2]


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate",),
        ("evaluate", "nowhere.json"),
        ("evaluate", "README.md", "--today", "soon"),
        ("evaluate", "fhir_examples/bundle.json", "--service", "nope"),
        ("explain", "fhir_examples/bundle.json", "--conclusion", "nope"),
        ("check", "nowhere"),
        ("schema", "nope.json"),
        ("test", "rules", "-k", "zzz"),
        ("test", "scripts"),
        ("dance",),
    ],
)
def test_wrong_use_exits_with_2_and_says_why(arguments: tuple[str, ...]) -> None:
    code, _, problem = cds(*arguments)

    assert code == 2
    assert problem


def test_explain_goes_down_to_references_and_names_what_is_missing() -> None:
    code, text, _ = cds("explain", EXAMPLES / "05-dose-not-recorded" / "request.json", *DAY, "--conclusion", TRD)

    assert code == 0
    assert "Condition/condition-1" in text
    assert "would settle it: venlafaxine dose" in text
    assert "venlafaxine: dose not" in text


def test_all_mistakes_are_said_at_once_and_the_server_does_not_start(tmp_path: Path) -> None:
    text = changed(GOOD[RULE], "unit: trials", "unit: weeks")
    text = changed(text, "purpose: To be changed by a test.", "porpoise: To be changed by a test.")
    broken = {**GOOD, RULE: text + "\nparameters: {}\n"}
    folder = write_rules(tmp_path / "rules", broken)
    (folder / "depression" / "empty.yaml").write_text("")
    (folder / "valuesets" / "depression-codes.yaml").write_text("valueset: {id: depression-codes}\n")

    code, _, problems = cds("check", folder)
    served, _, refused = cds("serve", "--rules", folder, "--port", "1")

    assert code == 1
    for check in ("duplicate-key", "unknown-key", "missing-key", "yaml-syntax"):
        assert check in problems
    assert problems.count(str(folder)) >= 4
    assert served == 1
    assert "The service was not started" in refused


def test_somebodys_data_can_be_linted_against_strict_fhir(tmp_path: Path) -> None:
    resources = [{"resourceType": "Patient", "id": "a_b", "gender": 7}, {"resourceType": "Nothing"}, {"x": 1}]
    bad = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource} for resource in resources]}
    (tmp_path / "bad.json").write_text(json.dumps(bad))
    (tmp_path / "text.json").write_text("{")

    assert cds("check", "--strict-fhir", EXAMPLES / "bundle.json")[0] == 0
    assert cds("check", "--strict-fhir", EXAMPLES / "01-two-failed-trials" / "request.json")[0] == 0
    code, text, problems = cds("check", "--strict-fhir", tmp_path / "bad.json")
    assert code == 1
    for where in ("Bundle.entry[0].resource.gender", "no resource Nothing", "no FHIR resource"):
        assert where in problems
    assert "departure" in text
    assert cds("check", "--strict-fhir", tmp_path / "text.json")[0] == 1
    assert cds("check", "--strict-fhir", tmp_path)[0] == 2


def test_rules_beyond_the_engine_are_refused_with_a_message(tmp_path: Path) -> None:
    conclusion = "  exact:\n    label: Exact\n    evidence: [book]\n    when: {score: {at_least: exactly}}"
    limit = '  exactly: {value: 7.12345678, unit: "{score}", evidence: [book]}'
    text = changed(GOOD[RULE], "\nparameters:\n", f"\nparameters:\n{limit}\n")
    text = changed(text, "\nconclusions:\n", f"\nconclusions:\n{conclusion}\n")
    folder = write_rules(tmp_path / "rules", {**GOOD, RULE: text})

    code, _, problems = cds("check", folder, "--today", "2025-06-01")

    assert (code, "engine-limits" in problems) == (1, True), problems


def test_the_rules_prove_themselves_and_a_failing_case_prints_its_reasons(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(ROOT / "rules", folder)
    assert cds("test", folder, "-k", "42 days")[0] == 0
    rule = folder / "depression" / "treatment-resistant-depression.yaml"
    rule.write_text(
        changed(rule.read_text(), "{value: 6, unit: weeks, site_may_set", "{value: 7, unit: weeks, site_may_set")
    )

    code, text, _ = cds("test", folder, "-k", "42 days")

    assert code == 1
    assert "expected true, got false" in text
    assert "Adequate antidepressant trials without response: 1 (requires" in text


def test_the_schemas_can_be_printed() -> None:
    code, text, _ = cds("schema", "rules.schema.json")

    assert (code, json.loads(text)["title"]) == (
        0,
        json.loads((ROOT / "rules" / "rules.schema.json").read_text())["title"],
    )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = 18_231
    environment = os.environ | {"CDS_LOG_LEVEL": "warning"}
    process = subprocess.Popen([str(CDS), "serve", "--port", str(port)], cwd=tmp_path, env=environment)
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_serve_answers_from_any_folder_and_stops_when_asked(served: tuple[subprocess.Popen[bytes], str]) -> None:
    process, url = served
    for _ in range(200):
        try:
            health = httpx.get(f"{url}/health")
            break
        except httpx.ConnectError:
            time.sleep(0.1)

    assert health.json()["status"] == "ok"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) in {0, -signal.SIGTERM}


def test_explain_fits_on_a_screen_and_the_tree_comes_on_request() -> None:
    file = EXAMPLES / "05-dose-not-recorded" / "request.json"
    code, text, _ = cds("explain", file, *DAY)
    _, tree, _ = cds("explain", file, *DAY, "--tree")

    assert code == 0
    assert len(text.splitlines()) <= 50 < len(tree.splitlines())
    assert "TRD status unknown: facts needed to decide are missing from the chart" in text
    assert "would settle it: venlafaxine dose" in text
    assert "suggestion:" not in text
