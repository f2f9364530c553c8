"""Which systems a value set of diagnoses has codes of, and the reason where it has none (`maps` of reading.yaml)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cds.facts.fact import Fact
from cds.logic.truth import Truth
from cds.rulebook.lint.lint import check
from cds.rulebook.loader import read_rulebook
from cds.rulebook.shipped import default_rules_folder
from tests.server import TODAY
from tests.shipped import shipped_book
from tests.test_reports import chart, condition, decided

ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
ICD9, ICD11 = "http://hl7.org/fhir/sid/icd-9-cm", "http://id.who.int/icd/release/11/mms"


def told(folder: Path) -> set[tuple[str, str]]:
    """File and message of each gap."""
    problems = check(read_rulebook(folder), today=TODAY)
    return {(Path(one.file).name, one.what) for one in problems if one.check == "map-without-codes"}


def changed(tmp_path: Path, file: str, before: str, after: str) -> Path:
    folder = tmp_path / "rules"
    shutil.copytree(default_rules_folder(), folder)
    text = (folder / file).read_text(encoding="utf-8")
    assert text.count(before) == 1
    (folder / file).write_text(text.replace(before, after), encoding="utf-8")
    return folder


def test_shipped_sets_have_codes_or_a_reason_for_each_system() -> None:
    reading = shipped_book().reading
    assert reading is not None
    assert [one.system for one in reading.model.maps] == [ICD9, ICD11, "http://hl7.org/fhir/sid/icpc-2"]
    assert not [one for one in check(shipped_book(), today=TODAY) if one.check == "map-without-codes"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "before", "after", "where", "says"),
    [
        (
            "reading/reading.yaml", "- sets: suicide-history\n", "- sets: suicide-histories\n",
            {"reading.yaml", "suicide-history.yaml"}, "There is no value set `suicide-histories`.",
        ),
        (
            "reading/reading.yaml", "- sets: suicide-history\n", "- sets: [suicide-history, ascites]\n",
            {"reading.yaml"}, f"`ascites` has codes of {ICD11}, or none of {ICD10}.",
        ),
        (
            "valuesets/nonadherence.yaml", f"system: {ICD11}", "system: urn:other",
            {"nonadherence.yaml"}, f"`nonadherence` has no codes of {ICD11}.",
        ),
    ],
)  # fmt: skip
def test_a_set_without_codes_or_reason_and_a_reason_for_a_set_with_codes_are_told(
    tmp_path: Path, file: str, before: str, after: str, where: set[str], says: str
) -> None:
    found = told(changed(tmp_path, file, before, after))

    assert {place for place, _ in found} == where
    assert says in {what for _, what in found}


@pytest.mark.parametrize(
    ("system", "code", "fact", "truth"),
    [
        (ICD11, "8B22.40", "arteriovenous_malformation", Truth.TRUE),
        (ICD11, "BB02.0", "arteriovenous_malformation", Truth.TRUE),
        (ICD9, "747.32", "arteriovenous_malformation", Truth.TRUE),
        (ICD9, "41700", "arteriovenous_malformation", Truth.UNKNOWN),
        (ICD9, "5712", "cirrhosis", Truth.TRUE),
        (ICD11, "DB93.1", "cirrhosis", Truth.TRUE),
        (ICD11, "DB94.3", "cirrhosis", Truth.TRUE),
        (ICD9, "789.59", "ascites", Truth.TRUE),
        (ICD11, "ME04.Z", "ascites", Truth.TRUE),
        (ICD11, "MF50.41", "bladder_symptoms", Truth.TRUE),
        (ICD11, "QA48.1", "breastfeeding", Truth.TRUE),
        (ICD11, "QC4B", "suicide_history", Truth.UNKNOWN),
        ("http://hl7.org/fhir/sid/icpc-2", "K77", "heart_failure", Truth.UNKNOWN),
    ],
)
def test_codes_of_other_systems_are_read_and_those_without_a_map_are_never_no(
    system: str, code: str, fact: str, truth: Truth
) -> None:
    found: Fact = decided(chart(condition({"coding": [{"system": system, "code": code}]}))).facts[fact]

    assert found.truth is truth


def test_cirrhosis_with_ascites_in_icd_11_is_a_severe_caution_as_in_icd_10_cm() -> None:
    both = [
        condition({"coding": [{"system": ICD11, "code": code}]}) | {"id": code.replace(".", "-")}
        for code in ("DB93.1", "ME04")
    ]

    assert decided(chart(*both)).truths["severe_liver_disease"] is Truth.TRUE
