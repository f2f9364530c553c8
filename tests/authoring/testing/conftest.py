"""A small rules folder: just enough names for cases to use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cds.authoring.testing.cases import RuleTests, read_rule_tests
from cds.rulebook.loader import read_rulebook
from cds.rulebook.tables import code_sets, drug_table, vocabulary
from cds.terminology.index import TerminologyIndex

VALUESETS = {
    "major-depressive-disorder": """
        codes:
          - {system: "http://hl7.org/fhir/sid/icd-10-cm", source: test, verified: true,
             exact: {F33.1: "Major depressive disorder, recurrent, moderate", F33.2: severe}}""",
    "bipolar-disorder": """
        codes:
          - {system: "http://hl7.org/fhir/sid/icd-10-cm", source: test, verified: true,
             with_children: {F31: Bipolar disorder}}""",
    "phq-9-total": """
        codes:
          - {system: "http://loinc.org", source: test, verified: true, exact: {44261-6: PHQ-9 total score}}""",
    "phq-9-item-9": """
        codes:
          - {system: "http://loinc.org", source: test, verified: true, exact: {44260-8: PHQ-9 item 9}}
        answers:
          - {system: "http://loinc.org", source: test, verified: true,
             values: {LA6568-5: 0, LA6569-3: 1, LA6570-1: 2, LA6571-9: 3}}""",
    "phq-9-items": """
        codes:
          - {system: "http://loinc.org", source: test, verified: true, exact: {44250-9: First, 44260-8: Ninth}}
        answers:
          - {system: "http://loinc.org", source: test, verified: true, values: {LA6568-5: 0, LA6569-3: 1}}""",
    "treatment-ineffective": """
        names: {source: test, verified: true, words: [ineffective]}""",
    "words-only": """
        names: {source: test, verified: true, words: [lack of efficacy]}""",
    "ketamine-substances": """
        codes:
          - {system: "http://www.nlm.nih.gov/research/umls/rxnorm", source: test, verified: true,
             exact: {"6130": ketamine}}""",
}

SNOMED = """
valueset: {adds_to: treatment-ineffective, title: Stopped, notice: Needs a licence.}
codes:
  - {system: "http://snomed.info/sct", source: test, verified: false, exact: {"266711005": "Stopped, ineffective"}}
"""

TABLE = """
table: {id: antidepressants, title: Antidepressants, products: products.csv}
drugs:
  sertraline:
    {class: SSRI, role: antidepressant, counts_as_trial: any, rxnorm: "36437", atc: [N06AB06], source: test,
     minimum_mg_a_day: {value: 50, basis: test, verified: false}}
  venlafaxine:
    {class: SNRI, role: antidepressant, counts_as_trial: any, rxnorm: "39786", atc: [N06AX16], source: test,
     minimum_mg_a_day: {value: 150, basis: test, verified: false}}
  moclobemide: {class: RIMA, role: antidepressant, counts_as_trial: any, atc: [N06AG02], source: test}
  zuranolone: {class: other, role: antidepressant, counts_as_trial: never, source: test}
"""

RULE = """
about:
  id: depression
  title: Depression
  version: 1.0.0
  status: active
  purpose: Tests.
  limits: Tests only.
  owners: [nobody]
  reviewed: {date: 2026-01-01, by: pending, next: 2027-01-01}
  developer: Tests
  funding: None
  released: 2025-01-01
  does_not_use:
    [race, ethnicity, language, sexual_orientation, gender_identity, sex, date_of_birth, social_determinants,
     health_status_assessments]
parameters:
  adult_from: {value: 18, unit: years}
  high_score: {value: 10, unit: "{score}"}
facts:
  age: {find: age, unit: years}
  major_depression:
    {find: condition, coded: major-depressive-disorder, if_none_found: false, because: Not recorded.}
  phq9: {find: score, coded: phq-9-total, unit: "{score}", look_back: 60 days}
conclusions:
  depressed_adult:
    label: Adult with depression
    all: [{age: {at_least: adult_from}}, major_depression]
services:
  depression: {hook: patient-view, title: Depression, description: Tests., most_cards: 3}
cards:
  say_so:
    service: depression
    show_when: depressed_adult
    indicator: info
    summary: An adult with depression
    detail: The PHQ-9 is {{ phq9 }}. {{ notes }}
    source: {label: Tests}
    topic: {system: "https://example.org/topics", code: depression, display: Depression}
    notes: [{when: {phq9: {at_least: high_score}}, say: The score is high.}]
"""


def write_rules(root: Path) -> Path:
    """Write the rules folder."""
    (root / "valuesets").mkdir(parents=True)
    (root / "tables").mkdir()
    (root / "patients").mkdir()
    (root / "depression").mkdir()
    for name, body in VALUESETS.items():
        lines = "\n".join(line[8:] for line in body.strip("\n").split("\n"))
        text = f"valueset: {{id: {name}, title: {name}}}\n{lines}\n"
        (root / "valuesets" / f"{name}.yaml").write_text(text)
    (root / "valuesets" / "snomed").mkdir()
    (root / "valuesets" / "snomed" / "treatment-ineffective.yaml").write_text(SNOMED)
    (root / "tables" / "antidepressants.yaml").write_text(TABLE)
    columns = "rxcui,name,ingredient,strength_mg,per,form,with,trial,note,source\n"
    (root / "tables" / "products.csv").write_text(columns)
    (root / "depression" / "depression.yaml").write_text(RULE)
    return root


@pytest.fixture
def write_rules_to() -> Callable[[Path], Path]:
    return write_rules


@pytest.fixture
def rules_folder(tmp_path: Path) -> Path:
    return write_rules(tmp_path / "rules")


@pytest.fixture
def rule_tests(rules_folder: Path) -> Callable[..., RuleTests]:
    """Read a casebook of one test file and, maybe, shared patients."""

    def read(tests: str, shared: str = "") -> RuleTests:
        (rules_folder / "depression" / "depression.test.yaml").write_text(tests)
        if shared:
            (rules_folder / "patients" / "shared.yaml").write_text(shared)
        return read_rule_tests(rules_folder)

    return read


@pytest.fixture
def codes(rules_folder: Path) -> TerminologyIndex:
    book = read_rulebook(rules_folder)
    assert book.problems == []
    return TerminologyIndex(code_sets(book), {name: drug_table(name, book) for name in book.tables}, vocabulary(book))
