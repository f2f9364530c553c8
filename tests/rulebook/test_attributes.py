"""Source attributes are what the author says, and what is said of the person's data is compared with what is read."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from cds.engine.evaluator import EvaluatorMode
from cds.rulebook.format.about import Attribute
from cds.rulebook.loader import read_rulebook
from cds.rulebook.source_attributes import PARAGRAPHS, USES, SourceAttributes, source_attributes
from cds.ruleset import load_rules, problems_in
from cds.yaml_source.problem import Problem
from tests.rulebook.small_rules import (
    ANOTHER_FILE,
    GOOD,
    OTHER,
    RULE,
    SCORE_SET,
    SNOMED_SET,
    TODAY,
    changed,
    check_rules,
    line_of,
    write_rules,
)

CHECKS = {"source-attribute-missing", "source-attribute-differs"}
EVIDENCE = "evidence:\n  ours: {cite: Ours, says: Nothing., verified: true}\n"
SEX = "facts:\n  woman: {find: sex, is_one_of: [female]}\n"
HEALTH = "  source_attribute: health_status_assessments\n"
TAGGED = {SCORE_SET: changed(GOOD[SCORE_SET], "  title: Score\n", f"  title: Score\n{HEALTH}")}
SAID = changed(
    changed(GOOD[RULE], "Adults only.}", "Adults only., health_status_assessments: The score.}"),
    ", social_determinants,\n     health_status_assessments]",
    ", social_determinants]",
)


def concluding(what: str) -> str:
    return f"{EVIDENCE}conclusions:\n  mine: {{label: Mine, when: {what}, evidence: [ours]}}\n"


def attributes(tmp_path: Path, **files: str) -> dict[str, SourceAttributes]:
    return source_attributes(read_rulebook(write_rules(tmp_path, {**GOOD, **files})))


def said(tmp_path: Path, files: dict[str, str]) -> list[Problem]:
    return [problem for problem in check_rules(tmp_path, {**GOOD, **files}) if problem.check in CHECKS]


def test_a_file_has_every_attribute_of_the_regulation_once_and_in_its_order(tmp_path: Path) -> None:
    one = attributes(tmp_path)["depression"]

    assert [number for number, _ in PARAGRAPHS.values()] == list(range(1, 14))
    assert [(use.paragraph, use.attribute) for use in one.uses] == [(PARAGRAPHS[key][0], key) for key in USES]
    assert set(USES) == set(get_args(Attribute)) == set(list(PARAGRAPHS)[4:])
    assert (one.developer, one.funding, one.released, one.revised) == ("Tests", "None", date(2025, 1, 1), None)
    assert [(citation.id, citation.verified) for citation in one.citations] == [("book", False)]


def test_what_is_used_has_its_reason_and_the_facts_that_read_it(tmp_path: Path) -> None:
    uses = {use.attribute: use for use in attributes(tmp_path)["depression"].uses}

    assert uses["date_of_birth"].used is True
    assert uses["date_of_birth"].why == "Adults only."
    (read,) = uses["date_of_birth"].read_by
    assert (read.fact, read.rule, read.of) == ("age", "depression", ("Patient.birthDate",))
    assert [key for key, use in uses.items() if use.used is False and not use.read_by] == [
        key for key in USES if key != "date_of_birth"
    ]


def test_a_value_set_says_what_reading_it_uses(tmp_path: Path) -> None:
    uses = {use.attribute: use for use in attributes(tmp_path, **TAGGED, **{RULE: SAID})["depression"].uses}

    (read,) = uses["health_status_assessments"].read_by
    assert (read.fact, read.of) == ("score", ("score-codes",))


def test_a_file_that_adds_to_a_value_set_says_it_for_the_set(tmp_path: Path) -> None:
    added = changed(GOOD[SNOMED_SET], "  adds_to: depression-codes\n", "  adds_to: depression-codes\n" + HEALTH)

    (problem,) = said(tmp_path, {SNOMED_SET: added})
    assert "`does_not_use` names health_status_assessments, and it is read: `depression`" in problem.what


def test_what_another_files_conclusion_rests_on_is_read_through_it(tmp_path: Path) -> None:
    files = {OTHER: ANOTHER_FILE + concluding("resistant")}

    (read,) = attributes(tmp_path, **files)["other"].uses[USES.index("date_of_birth")].read_by
    assert (read.fact, read.rule) == ("age", "depression")
    assert said(tmp_path / "checked", files) == []


def test_a_definition_is_read_through_to_what_it_defines(tmp_path: Path) -> None:
    files = {OTHER: ANOTHER_FILE + concluding("{definition: theirs}")}

    assert attributes(tmp_path, **files)["other"].uses[USES.index("date_of_birth")].read_by


def test_a_file_of_facts_alone_needs_none_and_has_none(tmp_path: Path) -> None:
    facts = ANOTHER_FILE[: ANOTHER_FILE.index("  uses:")] + ANOTHER_FILE[ANOTHER_FILE.index("  reviewed:") :]

    assert said(tmp_path, {OTHER: f"{facts}\n{SEX}"}) == []
    assert "other" not in attributes(tmp_path)


@pytest.mark.parametrize("status, error", [("draft", False), ("silent", True), ("active", True)])
def test_a_draft_is_only_told_what_it_lacks(tmp_path: Path, status: str, error: bool) -> None:
    text = changed(changed(ANOTHER_FILE, "  funding: None\n", ""), "status: active", f"status: {status}")

    (problem,) = said(tmp_path, {OTHER: text + concluding("resistant")})
    assert problem.warning is not error
    assert "`funding`" in problem.what
    assert "`funding: who paid for it, or that nobody did`" in problem.fix


def test_rules_run_without_them_and_the_check_fails(tmp_path: Path) -> None:
    folder = write_rules(tmp_path, {**GOOD, RULE: changed(GOOD[RULE], "  funding: None\n", "")})

    load_rules(folder, EvaluatorMode.DIRECT, TODAY).reasoner.close()

    assert [(problem.check, problem.warning) for problem in problems_in(folder, TODAY)] == [
        ("source-attribute-missing", False)
    ]


def test_a_retired_file_is_left_as_it_was(tmp_path: Path) -> None:
    retired = "status: retired\n  retired: {date: 2025-05-01, because: Replaced.}"
    text = changed(changed(ANOTHER_FILE, "  funding: None\n", ""), "status: active", retired)

    assert said(tmp_path, {OTHER: text + concluding("resistant")}) == []


def test_what_is_missing_is_told_with_the_fact_that_reads_it_and_what_to_write(tmp_path: Path) -> None:
    text = changed(ANOTHER_FILE, "  uses: {date_of_birth: Adults only.}\n", "")
    text = changed(text, "[race, ethnicity, language", "[language")

    (problem,) = said(tmp_path, {OTHER: text + concluding("resistant")})
    assert problem.line == line_of(text, "about:")
    assert problem.what == "`about` does not say whether it uses race, ethnicity, date_of_birth."
    assert problem.fix == (
        "Under `uses`, add `date_of_birth: what for`, which `age` of depression reads. "
        "Nothing is seen to read these: `does_not_use: [race, ethnicity]`."
    )


def test_a_file_with_nothing_to_cite_lacks_its_citation(tmp_path: Path) -> None:
    (problem,) = said(tmp_path, {OTHER: ANOTHER_FILE + "conclusions:\n  mine: {label: Mine, when: resistant}\n"})

    assert "Bibliographic citation" in problem.what


@pytest.mark.parametrize(("version", "told"), [("0.9.0", 0), ("1.0.0", 0), ("1.0.1", 1), ("2.0.0", 1)])
def test_a_version_after_the_first_says_its_day(tmp_path: Path, version: str, told: int) -> None:
    text = changed(GOOD[RULE], "version: 1.0.0", f"version: {version}")

    assert len(said(tmp_path / "lacking", {RULE: text})) == told
    whole = changed(text, "  released: 2025-01-01\n", "  released: 2025-01-01\n  revised: 2025-01-01\n")
    assert said(tmp_path / "whole", {RULE: whole}) == []


def test_nothing_is_said_to_be_unread_while_a_file_cannot_be_read(tmp_path: Path) -> None:
    broken = changed(GOOD[RULE], "    find: age\n", "    fnd: age\n")

    assert said(tmp_path, {RULE: broken, OTHER: ANOTHER_FILE + concluding("resistant")}) == []


def test_a_site_is_told_what_it_does_differently_of_a_file(tmp_path: Path) -> None:
    write_rules(tmp_path / "rules", GOOD)
    site = (
        "site: {id: here, name: Here, rules: ../rules, uses: depression >=1.0}\n"
        "set:\n  trials_required: {to: 3, because: Board, by: us, review: 2026-01-01}\n"
    )
    folder = write_rules(tmp_path / "here", {"site.yaml": site})

    (one,) = source_attributes(read_rulebook(folder))["depression"].site_changes
    assert (one.what, one.because, one.by, one.review) == ("trials_required", "Board", "us", date(2026, 1, 1))
