"""`cds check` tells every mistake of every kind in one run, and no message that helps nobody."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cds.authoring.testing.check import check_folder
from cds.rulebook.loader import read_rulebook
from cds.rulebook.shipped import check_pages
from tests.rulebook.small_rules import ANOTHER_FILE, GOOD, OTHER, RULE, SET, TODAY, changed, write_rules
from tests.server import ROOT

OURS = """
valueset: {id: ours, title: Ours, checked: {date: 2026-11-29, release: Ours}}
names: {source: Ours, verified: false, words: [moyamoya]}
"""
HEAD = "site: {id: here, name: Here, rules: ../rules, uses: depression >=1.0 <2.0}\n"
WHY = "because: We decided so, by: us, review: 2026-01-01"
TEST = "depression/depression.test.yaml"


def test_mistakes_of_all_kinds_in_all_files_are_told_in_one_run(tmp_path: Path) -> None:
    files = {
        **GOOD,
        OTHER: "about: {id: other\n  title: not closed\n",  # no YAML
        SET: changed(GOOD[SET], "  title: Depression\n", "  titel: Depression\n"),  # no key of the format
        RULE: changed(  # an unknown name, and a lint: a number where a parameter belongs
            changed(GOOD[RULE], "all: [resistant, symptomatic]", "all: [resistant, symptomatik]"),
            "score: {at_least: high_score}",
            "score: {at_least: 10}",
        ),
        TEST: "today: 2025-06-01\npatients: {one: {age: 46}}\n"
        "tests:\n  - {name: A case, given: one, then: {resistent: true}}\n",
    }
    found = {(Path(one.file).name, one.check) for one in check_folder(write_rules(tmp_path, files), TODAY)}
    assert {
        ("other.yaml", "yaml-syntax"),
        ("depression-codes.yaml", "unknown-key"),
        ("depression.yaml", "unknown-name"),
        ("depression.yaml", "bare-number"),
        ("depression.test.yaml", "unknown-name"),
    } <= found


def test_every_message_names_a_page_that_exists(tmp_path: Path) -> None:
    rule = changed(GOOD[RULE], "all: [resistant, symptomatic]", "all: [resistant, symptomatik]")
    found = check_folder(write_rules(tmp_path, {**GOOD, RULE: rule, OTHER: ANOTHER_FILE}), TODAY)
    assert found
    assert {problem.check for problem in found} <= set(check_pages())


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        (f'set: {{trials_required: {{to: "3", {WHY}}}}}\n', "Write 3 without quotes: with them it is text."),
        ("sets: {}\n", "Did you mean `set` or `valuesets`?"),
        ("table: {}\n", "Did you mean `tables`?"),
        ("parameters: {}\n", "Write one of site, set, valuesets, tables, cards, or remove it."),
        ("card: {}\n", "Did you mean `cards`?"),
        (f"set: {{trials_requird: {{to: 3, {WHY}}}}}\n", "Did you mean `trials_required`?"),
        ("valuesets: {depression-code: {add: {'urn:x|1': One}}}\n", "Did you mean `depression-codes`?"),
        (f"cards: {{sugest: {{hide: true, {WHY}}}}}\n", "Did you mean `suggest`?"),
    ],
)
def test_a_message_to_a_site_says_what_helps(tmp_path: Path, text: str, fix: str) -> None:
    write_rules(tmp_path / "rules", GOOD)
    book = read_rulebook(write_rules(tmp_path / "site", {"site.yaml": HEAD + text}))
    assert fix in [problem.fix for problem in book.problems]


def test_no_message_asks_for_what_is_written_already(tmp_path: Path) -> None:
    # `label` is a key elsewhere in the format, and not of `about`; `coded` not of a conclusion.
    rule = changed(GOOD[RULE], "  owners: [tests]\n", "  owners: [tests]\n  label: Ours\n")
    rule = changed(rule, "    label: Resistant\n", "    label: Resistant\n    coded: depression-codes\n")
    found = check_folder(write_rules(tmp_path, {**GOOD, RULE: rule}), TODAY)
    told = [problem for problem in found if problem.check == "unknown-key"]
    assert len(told) == 2
    for problem in told:
        word = problem.what.split("`")[1]
        assert f"Did you mean `{word}`" not in problem.fix


@pytest.mark.seconds
def test_an_overlay_of_two_values_of_the_shipped_rules_earns_no_message(tmp_path: Path) -> None:
    # It earned 104 warnings about the shipped rules and their cases once.
    head = (
        f"site: {{id: here, name: Here, rules: {ROOT / 'rules'}, uses: treatment-resistant-depression >=1.0 <99.0}}\n"
    )
    two = "".join(
        f"  {name}: {{to: {value}, because: We decided so, by: us, review: 2027-05-01}}\n"
        for name, value in (("trials_required", 3), ("adequate_duration", 8))
    )
    files = {"site.yaml": f"{head}set:\n{two}", "valuesets/ours.yaml": OURS}
    found = check_folder(write_rules(tmp_path / "site", files), date(2026, 11, 29))
    assert [problem.check for problem in found] == ["unused-valueset"]  # ours; not the age of lists that are shipped
