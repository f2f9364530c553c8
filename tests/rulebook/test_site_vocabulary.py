"""A site's vocabulary: what its codes and texts mean from then on, what it may not say, and where it is named."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cds.authoring.testing.report import run_folder
from cds.decide import Decision, Ruleset, decide
from cds.engine.evaluator import EvaluatorMode
from cds.facts.unread import unread_codes, unread_entries
from cds.logic.truth import Truth
from cds.read_request import read_record
from cds.rulebook.diff import changes_between
from cds.rulebook.loader import read_rulebook
from cds.rulebook.shipped import default_rules_folder
from cds.ruleset import load_rules, problems_in
from cds.settings import Settings
from tests.rulebook.small_rules import GOOD, write_rules
from tests.shipped import shipped_rules

pytestmark = pytest.mark.slow  # a site of the shipped rules for each test

TODAY = date(2026, 6, 1)
SITE = "site: {id: here, name: Here, uses: [evaluation >=1.0 <99.0]}\n"
HEAD = "vocabulary: {because: Our catalog, by: us, review: 2027-01-01}\nentries:\n"
ENTRIES = (
    HEAD
    + """\
  - {code: "urn:here:dx|4711", display: Recurrent depression, means: major-depressive-disorder}
  - {code: "urn:here:dx|0815", display: Sprained ankle, means: other}
  - {code: "urn:here:dx|1", display: Old bleed, means: [intracerebral-haemorrhage, stroke-tia]}
  - {text: "Knöxel, verstaucht", means: other}
  - {text: "Hirn-Aneurisma z.n.", means: aneurysmal-vascular-disease}
  - {code: "urn:here:drug|77", display: Sertraline 50, drug: sertraline}
"""
)


def site(folder: Path, text: str, more: dict[str, str] | None = None) -> Path:
    return write_rules(folder / "site", {"site.yaml": SITE, "vocabulary.yaml": text, **(more or {})})


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    return load_rules(site(tmp_path_factory.mktemp("site"), ENTRIES), EvaluatorMode.DIRECT, TODAY)


@pytest.fixture(scope="module")
def shipped() -> Ruleset:
    return shipped_rules(EvaluatorMode.DIRECT)


def condition(code: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Condition", "id": "c", "code": code, "onsetDateTime": "2026-05-01"}


def decided(rules: Ruleset, *resources: dict[str, Any]) -> Decision:
    subject = {"reference": "Patient/p"}
    patient = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1980-01-01"}
    entries = [{"resource": patient}, *({"resource": {**one, "subject": subject}} for one in resources)]
    body = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()
    return decide(rules, read_record(body, rules, Settings())[0], TODAY)


def unread(rules: Ruleset, decision: Decision) -> int:
    return sum(1 for _ in unread_entries(decision.record, rules.program.codes))


def codes(*pairs: tuple[str, str, str]) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": words} for system, code, words in pairs]}


DEPRESSION = codes(("urn:here:dx", "4711", "Depr. rez. mgr."))
ANKLE = codes(("urn:here:dx", "0815", "Knöxel xy"))


@pytest.mark.parametrize(
    ("code", "value_set"),
    [
        (DEPRESSION, "major-depressive-disorder"),
        ({"text": "HIRN ANEURISMA, Z. N."}, "aneurysmal-vascular-disease"),
        (codes(("urn:elsewhere", "9", "Hirn-Aneurisma z.n.")), "aneurysmal-vascular-disease"),
    ],
)
def test_a_mapped_code_or_text_is_as_good_as_a_code_of_the_set(
    rules: Ruleset, shipped: Ruleset, code: dict[str, Any], value_set: str
) -> None:
    fact = fact_reading(rules, value_set)
    before, after = decided(shipped, condition(code)), decided(rules, condition(code))

    assert before.facts[fact].truth is Truth.UNKNOWN
    assert after.facts[fact].truth is Truth.TRUE
    assert unread(rules, after) == 0


def fact_reading(rules: Ruleset, value_set: str) -> str:
    """A fact that a diagnosis of a value set makes true without any status or window."""
    found = decided(rules, condition({"coding": [sample(rules, value_set)]}))
    reading = [one.name for one in rules.program.wanted if value_set in getattr(one, "coded", ())]
    return next(name for name in reading if found.facts[name].truth is Truth.TRUE)


def sample(rules: Ruleset, value_set: str) -> dict[str, str]:
    """A shipped ICD-10-CM code of a value set."""
    one = rules.program.codes.sets[value_set]
    code = next(code for system, code in (*one.codes, *one.roots) if system.endswith("icd-10-cm"))
    return {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}


def test_a_code_can_be_of_several_sets(rules: Ruleset) -> None:
    found = rules.program.codes.sets_of(
        decided(rules, condition(codes(("urn:here:dx", "1", "x")))).record.diagnoses[0].concept
    )

    assert found == {"intracerebral-haemorrhage", "stroke-tia"}


@pytest.mark.parametrize("code", [ANKLE, {"text": "knöxel verstaucht"}])
def test_what_is_another_thing_is_quiet_from_then_on(rules: Ruleset, shipped: Ruleset, code: dict[str, Any]) -> None:
    asthma = {**condition(codes(("http://hl7.org/fhir/sid/icd-10-cm", "J45.909", "Asthma"))), "id": "a"}
    without = decided(shipped, asthma).truths
    after = decided(rules, asthma, condition(code))

    assert decided(shipped, asthma, condition(code)).truths != without
    assert after.truths == without
    assert unread(rules, after) == 0


def test_another_thing_with_telling_words_beside_it_is_still_asked_about(rules: Ruleset) -> None:
    fact = fact_reading(rules, "aneurysmal-vascular-disease")
    code = codes(("urn:here:dx", "0815", "Aneurysm of the brain"))

    assert decided(rules, condition(code)).facts[fact].truth is Truth.UNKNOWN


def test_a_text_counts_as_a_whole_only(rules: Ruleset) -> None:
    assert unread(rules, decided(rules, condition({"text": "Knöxel, verstaucht, fraglich xyz"}))) == 1


def test_a_drug_of_the_site_is_that_drug(rules: Ruleset) -> None:
    order = {
        "resourceType": "MedicationRequest", "id": "m", "status": "active", "intent": "order",
        "authoredOn": "2026-02-01", "medicationCodeableConcept": codes(("urn:here:drug", "77", "Sx 50")),
    }  # fmt: skip
    decision = decided(rules, order)
    table = rules.program.codes.drugs["antidepressants"]

    recognised = table.recognise(decision.record.exposures[0].drug)
    assert recognised is not None and recognised.drug.key == "sertraline" and not recognised.by_name


# ---------------------------------------------------------------- what is told


@pytest.mark.parametrize(
    ("entry", "says", "warning"),
    [
        ('{code: "urn:a|1", display: x, means: bipolar-disordr}', "Did you mean `bipolar-disorder`?", False),
        ('{code: "urn:a|1", display: x, means: othr}', "Did you mean `other`?", False),
        ('{code: "urn:a|1", display: x, drug: sertralin}', "Did you mean `sertraline`?", False),
        ('{text: "...", means: other}', "neither a letter nor a digit", False),
        ('{text: "one two three four", drug: sertraline}', "never be found", False),
        ('{code: "http://hl7.org/fhir/sid/icd-10-cm|F31.0", display: x, means: other}', "a code of `bipolar-", False),
        ('{code: "http://www.nlm.nih.gov/research/umls/rxnorm|36437", display: x, means: other}', "a code of ", False),
        ('{text: bipolar disorder, means: other}', "has words of `bipolar-disorder`", True),
    ],
)  # fmt: skip
def test_an_entry_that_cannot_be_is_told_at_its_line(tmp_path: Path, entry: str, says: str, warning: bool) -> None:
    problems = [
        one for one in problems_in(site(tmp_path, f"{HEAD}  - {entry}\n"), TODAY) if one.check == "vocabulary-entry"
    ]

    assert len(problems) == 1, problems
    assert (Path(problems[0].file).name, problems[0].line, problems[0].warning) == ("vocabulary.yaml", 3, warning)
    assert says in f"{problems[0].what} {problems[0].fix}"


@pytest.mark.parametrize(
    "entry",
    [
        "{means: other}", "{code: 'urn:a|1', means: other}", "{text: a, code: 'urn:a|1', display: x, means: other}",
        "{text: a}", "{text: a, means: [other, stroke-tia]}", "{text: a, means: other, drug: sertraline}",
        "{code: 'no system', display: x, means: other}",
    ],
)  # fmt: skip
def test_an_entry_of_no_form_is_refused(tmp_path: Path, entry: str) -> None:
    assert [one for one in read_rulebook(site(tmp_path, f"{HEAD}  - {entry}\n")).problems if not one.warning]


def test_the_same_twice_and_what_would_hide_an_exclusion_are_told(tmp_path: Path) -> None:
    twice = HEAD + '  - {text: "A b", means: other}\n  - {text: "a, B", means: stroke-tia}\n'
    assert [
        "already stands" in one.what for one in problems_in(site(tmp_path / "a", twice), TODAY) if not one.warning
    ] == [True]
    hiding = HEAD + '  - {code: "urn:a|1", display: x, means: ketamine-expected-effects}\n'
    (found,) = [one.what for one in problems_in(site(tmp_path / "b", hiding), TODAY) if not one.warning]
    assert "it would hide" in found


def test_a_vocabulary_without_a_site_is_told(tmp_path: Path) -> None:
    folder = write_rules(tmp_path, {**GOOD, "vocabulary.yaml": ENTRIES})

    assert [one.check for one in read_rulebook(folder).problems] == ["vocabulary-entry"]


def test_it_is_named_in_receipts_reviewed_and_seen_by_diff(tmp_path: Path, rules: Ruleset) -> None:
    assert {"site:here", "vocabulary:here"} <= rules.program.rules.keys()
    (override,) = rules.program.overrides
    assert (override.what, override.by, override.review) == ("vocabulary", "us", date(2027, 1, 1))
    assert override.says == "4 codes and 2 texts of the site read, 2 of them as nothing a rule wants"
    folder = site(tmp_path, ENTRIES)
    (late,) = [one for one in problems_in(folder, date(2027, 1, 2)) if one.check == "site-review-overdue"]
    assert (Path(late.file).name, late.warning) == ("vocabulary.yaml", True)
    changed = str(changes_between(read_rulebook(default_rules_folder()), read_rulebook(folder)))
    assert "4711" in changed and "Hirn-Aneurisma z.n." in changed


def test_its_codes_are_tested_by_the_cases_of_the_site(tmp_path: Path) -> None:
    case = """\
today: 2026-06-01
patients:
  somebody: {age: 46, sex: female}
tests:
  - name: A code of our catalog is a contraindication
    given: somebody
    but: {conditions: [{code: "1", system: "urn:here:dx", onset: 2026-05-20}]}
    then: {ketamine_contraindicated: true}
"""
    text = ENTRIES.replace("[intracerebral-haemorrhage, stroke-tia]", "intracerebral-haemorrhage")

    outcome = run_folder(site(tmp_path, text, {"ours.test.yaml": case}), jobs=1)

    assert (outcome.passed, outcome.failed) == (1, ())


# ---------------------------------------------------------------- codes for the journal


def test_codes_that_were_not_read_are_counted_without_any_words(shipped: Ruleset) -> None:
    decision = decided(
        shipped,
        condition(codes(("urn:here:dx", "4711", "Depr. rez. mgr."))),
        {**condition(codes(("urn:here:dx", "4711", "Depr. rez. mgr."))), "id": "d"},
        {**condition(codes(("urn:here:dx", "wants to end it all", "xyzzy"))), "id": "e"},
        {**condition(codes(("my own system", "1", "xyzzy"))), "id": "f"},
        {**condition({"text": "xyzzy plugh"}), "id": "g"},
    )

    assert unread_codes(decision.facts.unread) == {
        ("condition", "urn:here:dx", "4711"): 2, ("condition", "", ""): 3,
    }  # fmt: skip
