"""The hazard log: each control names what holds it, and the build fails when that is gone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds.authoring.mutation.run import MutantSelection, run_mutants
from scripts import renew_safety

ROOT = Path(__file__).parents[2]
HAZARDS = renew_safety.hazards()
SEVERITIES = ("minor", "significant", "considerable", "major", "catastrophic")
LIKELIHOODS = ("very low", "low", "medium", "high", "very high")
KEYS = {"id", "title", "cause", "effect", "harm", "severity", "likelihood", "after_controls", "controls", "site"}
SKIPS = {"skip", "xfail"}  # a test that needs a browser or a database is skipped by its fixture, not by name


def defined_tests(folder: Path = ROOT / "tests") -> set[str]:
    """Every test function below a folder that runs."""
    return {
        node.name
        for path in folder.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not any(map(is_skip, node.decorator_list))
    }


def is_skip(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr in SKIPS


def rule_cases(folder: Path = ROOT / "rules") -> set[str]:
    """The sentence of every case beside the rules."""
    files = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in folder.rglob("*.test.yaml"))
    return {case["name"] for file in files for case in file.get("tests") or ()}


def gone(hazards: list[dict[str, Any]], tests: set[str], cases: set[str]) -> Iterator[str]:
    """What a control names and nothing has."""
    for hazard in hazards:
        for control in hazard["controls"]:
            for kind, known, word in (("tests", tests, "test"), ("cases", cases, "rule case")):
                yield from (f"{hazard['id']}: no {word} {name}" for name in control.get(kind, ()) if name not in known)


@pytest.mark.seconds
def test_what_a_control_names_is_there() -> None:
    assert not list(gone(HAZARDS, defined_tests(), rule_cases()))


def test_a_control_whose_test_is_removed_or_skipped_is_found(tmp_path: Path) -> None:
    here = {"id": "H-99", "controls": [{"what": "x", "tests": ["test_one"], "cases": ["One"]}]}
    source, rules = tmp_path / "test_it.py", tmp_path / "it.test.yaml"
    source.write_text("def test_one(): ...\n")
    rules.write_text("tests: [{name: One}]\n")
    assert not list(gone([here], defined_tests(tmp_path), rule_cases(tmp_path)))

    source.write_text("import pytest\n@pytest.mark.skip(reason='later')\ndef test_one(): ...\n")
    rules.write_text("tests: [{name: Two}]\n")
    assert list(gone([here], defined_tests(tmp_path), rule_cases(tmp_path))) == [
        "H-99: no test test_one",
        "H-99: no rule case One",
    ]


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard["id"])
def test_a_hazard_is_whole(hazard: dict[str, Any]) -> None:
    after = hazard["after_controls"]

    assert KEYS <= set(hazard) <= KEYS | {"status"}
    assert all(str(hazard[key]).strip() for key in KEYS)
    assert hazard["severity"] in SEVERITIES
    assert hazard["likelihood"] in LIKELIHOODS
    assert SEVERITIES.index(after["severity"]) <= SEVERITIES.index(hazard["severity"])
    assert LIKELIHOODS.index(after["likelihood"]) <= LIKELIHOODS.index(hazard["likelihood"])
    for control in hazard["controls"]:
        assert set(control) <= {"what", "tests", "cases", "mutants"}
        assert any(control.get(kind) for kind in ("tests", "cases", "mutants")), control["what"]


def test_hazards_have_a_number_each() -> None:
    assert [hazard["id"] for hazard in HAZARDS] == [f"H-{number:02}" for number in range(1, len(HAZARDS) + 1)]
    assert len(HAZARDS) >= 15


@pytest.mark.slow
def test_no_mutant_that_a_control_names_survives() -> None:
    named = {name for hazard in HAZARDS for control in hazard["controls"] for name in control.get("mutants", ())}
    changes = run_mutants(ROOT / "rules", MutantSelection(of=tuple(sorted(named))), jobs=1)

    assert not changes.failing
    assert changes.counted
    assert [outcome.change.name for outcome in changes.survivors] == []


def test_the_hazard_log_is_as_the_files_say() -> None:
    assert renew_safety.LOG.read_text(encoding="utf-8") == renew_safety.hazard_log()


@pytest.mark.seconds
def test_the_list_of_other_peoples_software_is_as_the_lock_says() -> None:
    """Names, versions and roles; a license is text of somebody else, and may be worded otherwise elsewhere."""
    written = [
        tuple(cell.strip() for cell in line.split("|")[1:4])
        for line in renew_safety.SOUP.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and "==" not in line and not line.startswith("| package |")
    ]

    assert written == [(one.name, one.version, one.role) for one in renew_safety.packages()]


@pytest.mark.seconds
def test_every_card_is_judged_by_the_four_criteria() -> None:
    page = (ROOT / "docs" / "safety" / "intended-use.md").read_text(encoding="utf-8")
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / "rules").rglob("*.yaml")]
    cards = {name for file in files if isinstance(file, dict) for name in file.get("cards") or () if "about" in file}

    assert len(cards) > 20
    assert {name for name in cards if f"`{name}`" not in page} == set()
