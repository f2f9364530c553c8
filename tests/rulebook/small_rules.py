"""A small rule folder without any mistake; a test changes one thing in it. Everything in it is invented."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from cds.rulebook.lint.lint import check
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.yaml_source.problem import Problem

TODAY = date(2025, 6, 1)
RULE = "depression/depression.yaml"
OTHER = "depression/other.yaml"
SET = "valuesets/depression-codes.yaml"
SNOMED_SET = "valuesets/snomed/depression-codes.yaml"
SCORE_SET = "valuesets/score-codes.yaml"
ITEM_SET = "valuesets/item-codes.yaml"
TABLE = "tables/drugs.yaml"
PRODUCTS = "tables/drug-products.csv"

GOOD: Mapping[str, str] = {
    RULE: """\
about:
  id: depression
  title: Depression, small
  version: 1.0.0
  status: active
  purpose: To be changed by a test.
  limits: Invented.
  owners: [tests]
  reviewed: {date: 2025-01-01, by: pending, next: 2026-01-01}
  developer: Tests
  funding: None
  released: 2025-01-01
  uses: {date_of_birth: Adults only.}
  does_not_use:
    [race, ethnicity, language, sexual_orientation, gender_identity, sex, social_determinants,
     health_status_assessments]

evidence:
  book:
    cite: An invented book
    says: Whatever a test needs.
    verified: false

parameters:
  adult_age: {value: 18, unit: years, evidence: [book]}
  trials_required: {value: 2, unit: trials, site_may_set: [1, 4], evidence: [book]}
  adequate_duration: {value: 6, unit: weeks, evidence: [book]}
  response_drop: {value: 50, unit: percent, evidence: [book]}
  high_score: {value: 10, unit: "{score}", evidence: [book]}
  low_score: {value: 5, unit: "{score}", evidence: [book]}
  fewest_items: {value: 2, unit: items, evidence: [book]}
  response_evidence: {value: also_inferred, one_of: [coded_or_measured, also_inferred], evidence: [book]}
  standard: {value: ours, one_of: [ours, theirs], site_may_set: true, evidence: [book]}

facts:
  age:
    find: age
    unit: years
  depression:
    find: condition
    coded: depression-codes
    status: [active, relapse]
    if_none_found: false
    because: It is invented.
  score:
    find: score
    coded: score-codes
    unit: "{score}"
    look_back: 60 days
    plausible: [low_score, high_score]
    items: {coded: item-codes, fewest: fewest_items}
  episode:
    find: episode
    of: depression-codes
    remission_by_score: {score: score, below: low_score, apart: 8 weeks}
    otherwise: 5 years
  trials:
    find: medication_trials
    drugs: drugs
    in_episode: episode
    joins_gaps_up_to: 14 days
    adequate_when:
      dose_reaches: minimum
      lasts_at_least: adequate_duration
    no_response_when:
      stopped_for: depression-codes
      unless_stopped_for: depression-codes
      measured_by:
        - {score: score, still_symptomatic_at: high_score, remission_below: low_score}
      falls_less_than: response_drop
      baseline_within: {before: 4 weeks, after: 1 week}
      last_score_within: {before: 2 weeks, after: 4 weeks}
      switch_within: {before: 60 days, after: 28 days}
      augmentation_lasts_at_least: 4 weeks
      accepts: response_evidence
  failed_trials:
    count: trials
    that_are: [adequate, no_response]

conclusions:
  resistant:
    label: Resistant
    all:
      - depression
      - age: {at_least: adult_age}
      - failed_trials: {at_least: trials_required}
    evidence: [book]
  symptomatic:
    label: Symptomatic
    when:
      score: {at_least: high_score}
    evidence: [book]

definitions:
  of: resistant
  chosen_by: standard
  are:
    ours:
      label: Our definition
      says: As written.
      evidence: [book]
    theirs:
      label: Their definition
      says: Eight weeks, one trial.
      evidence: [book]
      with: {adequate_duration: 8, trials_required: 1}

services:
  small-service:
    hook: patient-view
    title: Small
    description: Small.
    requires: [patient, conditions]
    most_cards: 1

cards:
  suggest:
    service: small-service
    show_when:
      all: [resistant, symptomatic]
    indicator: info
    summary: "At least {{ trials_required }} trials; the score is {{ score }}"
    detail: |
      {{ why(resistant) }}
      {{ trials(trials) }}
      {{ notes }}
    notes:
      - when: {unknown: symptomatic}
        say: "No score: {{ because(score) }}."
    source: {label: Tests}
    topic: {system: "https://example.org/topics", code: small, display: Small}
    suggestions:
      - label: Refer
        recommended: true
        actions:
          - create: Draft a referral
            resource:
              resourceType: ServiceRequest
              status: draft
              intent: proposal
              subject: {reference: "{{ patient.reference }}"}
              code: {text: Evaluation}
              reasonReference: "{{ references(depression) }}"
      - label: Measure again
        actions:
          - create: Draft a measurement
            resource:
              resourceType: ServiceRequest
              status: draft
              intent: proposal
              subject: {reference: "{{ patient.reference }}"}
              code: {text: "Score again, last {{ score }}"}
    override_reasons: [patient-refuses]
""",
    SET: """\
valueset:
  id: depression-codes
  title: Depression
codes:
  - system: http://hl7.org/fhir/sid/icd-10-cm
    source: Invented for tests
    verified: false
    exact:
      F32.0: Mild
    with_children:
      F33: Recurrent
    except:
      F33.8: Other recurrent
names:
  source: Invented for tests
  verified: false
  words: [depression, major depressive disorder]
""",
    SNOMED_SET: """\
valueset:
  adds_to: depression-codes
  title: Depression, SNOMED CT
codes:
  - system: http://snomed.info/sct
    source: Invented for tests
    verified: false
    exact:
      "370143000": Major depressive disorder
""",
    ITEM_SET: """\
valueset:
  id: item-codes
  title: Items
codes:
  - system: http://loinc.org
    source: Invented for tests
    verified: false
    exact:
      44250-9: First item
      44255-8: Second item
answers:
  - system: http://loinc.org
    source: Invented for tests
    verified: false
    values: {LA6568-5: 0, LA6569-3: 1}
""",
    SCORE_SET: """\
valueset:
  id: score-codes
  title: Score
codes:
  - system: http://loinc.org
    source: Invented for tests
    verified: false
    exact:
      44261-6: Total score
""",
    TABLE: """\
table:
  id: drugs
  title: Drugs
  products: drug-products.csv
drugs:
  sertraline:
    class: SSRI
    role: antidepressant
    counts_as_trial: any
    rxnorm: "36437"
    atc: [N06AB06]
    minimum_mg_a_day: {value: 50, basis: Invented, verified: false}
    names: {brands: [Zoloft]}
    source: Invented for tests
  lithium:
    role: augmentation
    counts_as_trial: never
    rxnorm: "6448"
    source: Invented for tests
""",
    PRODUCTS: """\
rxcui,name,ingredient,strength_mg,per,form,with,trial,note,source
312940,sertraline 25 MG Oral Tablet,sertraline,25,tablet,tablet,,yes,,Invented
312941,sertraline 50 MG Oral Tablet [Zoloft],sertraline,50,tablet,tablet,,yes,,Invented
""",
}

ANOTHER_FILE = """\
about:
  id: other
  title: Another file
  version: 1.0.0
  status: active
  purpose: To be changed by a test.
  limits: Invented.
  owners: [tests]
  developer: Tests
  funding: None
  released: 2025-01-01
  uses: {date_of_birth: Adults only.}
  does_not_use:
    [race, ethnicity, language, sexual_orientation, gender_identity, sex, social_determinants,
     health_status_assessments]
  reviewed: {date: 2025-01-01, by: pending, next: 2026-01-01}
"""


def changed(text: str, old: str, new: str) -> str:
    """The text with its one `old` replaced; a test that changes nothing is a mistake."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    return text.replace(old, new)


def write_rules(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files into a folder; the folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def book_of(folder: Path, files: Mapping[str, str | bytes]) -> Rulebook:
    """Write files and read them."""
    return read_rulebook(write_rules(folder, files))


def check_rules(folder: Path, files: Mapping[str, str | bytes], today: date = TODAY) -> list[Problem]:
    """Write files, read them, and check them."""
    return check(book_of(folder, files), today=today)


def line_of(text: str, marker: str) -> int:
    """The line, from 1, where `marker` first stands."""
    return next(number for number, line in enumerate(text.splitlines(), start=1) if marker in line)
