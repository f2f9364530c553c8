"""A kind of fact that a test writes in one file, and one line of the list, works everywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import cds
from tests.authoring.testing.conftest import RULE, write_rules

pytestmark = pytest.mark.slow

KIND = '''
"""Facts with a day → how many days ago the latest of them was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cds.facts.chart_entry import ChartEntry
from cds.facts.data import DataQuery
from cds.facts.fact import Fact, WhyUnknown
from cds.facts.kind import NUMBER, STATEMENT, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.measurements import range_text
from cds.logic.truth import Truth
from cds.yaml_source.fields import Names, Refers, Snake, listed


class DaysSinceFact(FactBase):
    """Days since the latest of some facts."""

    role: ClassVar[str] = NUMBER
    no_window: ClassVar[str] = "The facts it counts from have the windows: remove it."
    find: Literal["days_since"]
    latest_of: Annotated[list[Snake], Refers(STATEMENT), Field(min_length=1)]
    unit: Literal["days"]
    entered_as: Names

    def compile(self, name: str, numbers: Numbers) -> CompiledDaysSince:
        """The fact with every number in place."""
        return CompiledDaysSince(
            **self.common(name, numbers), latest_of=tuple(self.latest_of), entered_as=listed(self.entered_as)
        )


@dataclass(frozen=True, slots=True)
class CompiledDaysSince(CompiledFact):
    """Days since the latest day of the facts that are true."""

    latest_of: tuple[str, ...]
    entered_as: tuple[str, ...]

    def needs(self) -> tuple[str, ...]:
        """The facts it counts from."""
        return self.latest_of

    def data(self) -> tuple[DataQuery, ...]:
        """None of its own."""
        return ()

    def entry(self) -> ChartEntry:
        """A diagnosis made today."""
        return ChartEntry("Condition", self.entered_as)

    def answer(self, context: EvaluationContext) -> Fact:
        """A range where the day is imprecise; unknown when none of the facts is true with a day."""
        facts = [context.facts[name] for name in self.latest_of]
        days = [fact.day for fact in facts if fact.truth is Truth.TRUE and fact.day is not None]
        if not days:
            why = WhyUnknown.NOT_FOUND
            return Fact(self.name, self.label, unit="days", because="no day to count from", why_unknown=why)
        low = float(min((context.today - day.latest).days for day in days))
        high = float(min((context.today - day.earliest).days for day in days))
        why_not = None if low == high else WhyUnknown.IMPRECISE
        text = range_text(low, high)
        return Fact(self.name, self.label, low=low, high=high, unit="days", text=text, why_unknown=why_not)
'''
FACT = """  days_ill: {find: days_since, latest_of: [major_depression], unit: days, label: days ill,
    entered_as: major-depressive-disorder}
  phq9:"""
CONCLUSION = """  long_ill:
    label: Ill for long
    when: {days_ill: {at_least: long_enough}}
services:"""
SAID = """  uses: {date_of_birth: Adults only.}
evidence:
  book: {cite: Invented, says: Invented., verified: false}
"""
CASES = """
today: 2026-06-01
patients:
  ill: {age: 40, conditions: [{coded: major-depressive-disorder, onset: 2026-05-02}]}
  well: {age: 40}
tests:
  - {name: Ill for exactly as long as it takes, given: ill, then: {long_ill: true, days_ill: 30}}
  - name: Ill for a day less
    given: ill
    but: {conditions.0.onset: 2026-05-03}
    then: {long_ill: false, days_ill: 29, depressed_adult: true, shows: [say_so]}
  - name: Not ill, so nothing to count from
    given: well
    then: {long_ill: unknown, depressed_adult: false, no_cards: true}
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program with the kind, and rules that use it."""
    root = tmp_path_factory.mktemp("kind")
    shutil.copytree(Path(cds.__file__).parent, root / "src" / "cds", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "src/cds/facts/days_since.py").write_text(KIND)
    kinds = root / "src/cds/facts/kinds.py"
    line = "from cds.facts.kind import"
    text = kinds.read_text().replace(line, f"from cds.facts.days_since import DaysSinceFact\n{line}", 1)
    kinds.write_text(text.replace("    CountFact,\n", "    CountFact,\n    DaysSinceFact,\n", 1))
    rules = write_rules(root / "rules")
    rule = RULE.replace("  phq9:", FACT, 1).replace("services:", CONCLUSION, 1)
    rule = rule.replace("parameters:\n", "parameters:\n  long_enough: {value: 30, unit: days}\n", 1)
    rule = rule.replace("detail: The PHQ-9", "detail: Ill for {{ days_ill }} days. {{ why(long_ill) }} The PHQ-9", 1)
    rule = rule.replace("sex, date_of_birth, ", "sex, ", 1).replace("parameters:\n", f"{SAID}parameters:\n", 1)
    (rules / "depression" / "depression.yaml").write_text(rule)
    (rules / "depression" / "depression.test.yaml").write_text(CASES)
    return root


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """Run a program of the copy."""

    def run_(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        env = os.environ | {"PYTHONPATH": str(folder / "src"), "CDS_RULES": str(folder / "rules"), "COLUMNS": "200"}
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)

    return run_


CLI = ("-c", "from cds.cli.main import main; main()")


def test_it_is_checked(run: Run, folder: Path) -> None:
    assert " 0 error(s)" in run(*CLI, "check", folder / "rules").stdout
    rule = folder / "rules/depression/depression.yaml"
    good = rule.read_text()
    rule.write_text(good.replace("latest_of: [major_depression]", "latest_of: [major_depresion]"))
    wrong = run(*CLI, "check", folder / "rules").stderr
    rule.write_text(good)

    assert "unknown-name" in wrong
    assert "Did you mean `major_depression`?" in wrong


def test_its_cases_run_with_coverage(run: Run, folder: Path) -> None:
    result = run(*CLI, "test", folder / "rules", "--coverage", "--html", folder / "coverage.html", "--jobs", "1")

    assert "3 passed, 0 failed" in result.stdout, result.stdout + result.stderr
    assert "days_ill" in (folder / "coverage.html").read_text()


def test_changes_of_it_are_tried(run: Run, folder: Path) -> None:
    result = run(*CLI, "test", folder / "rules", "--changes-of", "long_enough", "--jobs", "1")

    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 of 2" in result.stdout or "noticed" in result.stdout


def test_it_is_explained_documented_and_in_the_schema(run: Run, folder: Path) -> None:
    patient = {"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"}
    illness = {
        "resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p"}, "onsetDateTime": "2026-05-02",
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F33.1"}]},
    }  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in (patient, illness)]}
    (folder / "bundle.json").write_text(json.dumps(bundle))

    explained = run(*CLI, "explain", folder / "bundle.json", "--today", "2026-06-01", "--tree")
    assert "days ill: 30" in explained.stdout, explained.stdout + explained.stderr
    documented = run(*CLI, "docs", folder / "pages", "--rules", folder / "rules")
    assert documented.returncode == 0, documented.stderr
    assert any("days ill" in page.read_text() for page in (folder / "pages").rglob("*.html"))
    assert '"days_since"' in run(*CLI, "schema", "rules.schema.json").stdout


def test_what_it_counts_from_is_asked_of_the_ehr(run: Run, folder: Path) -> None:
    rule = folder / "rules/depression/depression.yaml"
    good = rule.read_text()
    rule.write_text(good.replace("show_when: depressed_adult", "show_when: long_ill"))
    code = (
        "from pathlib import Path; from cds.rulebook.compile import compile_ruleset as made;"
        "from cds.rulebook.loader import read_rulebook as read;"
        "print([p.key for p in made(read(Path('rules'))).services['depression'].prefetch])"
    )
    result = run("-c", code)
    rule.write_text(good)

    assert "conditions" in result.stdout, result.stderr


WHAT_IF = """
import json
from datetime import date
from pathlib import Path

import msgspec

from cds.decide import decide
from cds.record.bundle import read_prefetch
from cds.ruleset import load_rules
from cds.web.what_if import changeable, changed

today = date(2026, 6, 1)
rules = load_rules(Path("rules"), None, today)
program = rules.program
service = program.services["depression"]
templates = {one.key: one.query for one in service.prefetch}

def decided(body):
    data = json.loads(body)
    raw = {key: msgspec.Raw(json.dumps(value).encode()) for key, value in data["prefetch"].items()}
    record = read_prefetch(raw, templates=templates, patient_id="p", most_entries=99, max_depth=50)
    return decide(rules, record, today, service.id)

patient = {"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"}
body = json.dumps({"patientId": "p", "prefetch": {"patient": patient}}).encode()
was = decided(body)
assert was.facts["days_ill"].low is None
assert "present:days_ill" in [choice.name for choice in changeable(body, program, service, was).choices]
now = decided(changed(body, {"present:days_ill": "yes"}, program, service, today))
print("days ill:", now.facts["days_ill"].low)
"""


def test_a_reader_of_what_if_may_add_what_it_misses(run: Run) -> None:
    result = run("-c", WHAT_IF)

    assert "days ill: 0" in result.stdout, result.stderr


LEAVE_OUT = """
import ast, runpy, sys, types
from pathlib import Path

from cds.facts import kinds

whole = ast.parse(Path(kinds.__file__).with_name("days_since.py").read_text())
sys.path.append(str(Path(sys.argv[1]).parents[2]))  # what the test imports of the other tests
check = runpy.run_path(sys.argv[1])["test_a_kind_tells_all_it_must"]
REQUIRED = {"role", "find", "unit", "compile", "needs", "data", "entry", "answer"}

def name_of(part):
    return part.target.id if isinstance(part, ast.AnnAssign) else getattr(part, "name", "")

def found_out(number, part):
    source = ast.parse(ast.unparse(whole))
    if part is not None:
        kept = [one for one in source.body if isinstance(one, ast.ClassDef)][number]
        kept.body = [one for one in kept.body if name_of(one) != part]
    module = sys.modules["without"] = types.ModuleType("without")
    try:
        exec(compile(source, "without", "exec"), module.__dict__)
        check(module.DaysSinceFact)
    except Exception as error:
        return type(error).__name__
    return ""

print("nothing:", found_out(0, None) or "whole")
for number, made in enumerate(part for part in whole.body if isinstance(part, ast.ClassDef)):
    for part in map(name_of, made.body):
        if part in REQUIRED:
            print(f"{part}:", found_out(number, part) or "not noticed")
"""


def test_leaving_out_any_part_of_a_kind_is_noticed(run: Run) -> None:
    result = run("-c", LEAVE_OUT, Path(__file__).with_name("test_kinds.py"))

    said = dict(line.split(": ") for line in result.stdout.splitlines())
    assert said.pop("nothing") == "whole", result.stderr
    assert said.keys() == {"role", "find", "unit", "compile", "needs", "data", "entry", "answer"}, result.stderr
    assert "not noticed" not in said.values(), said
