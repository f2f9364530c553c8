from __future__ import annotations

from pathlib import Path

import pytest

from cds.rulebook.diff import RuleChangeKind, changes_between
from tests.rulebook.small_rules import ANOTHER_FILE, GOOD, OTHER, RULE, SET, TABLE, book_of, changed


def said(folder: Path, file: str, old: str, new: str) -> list[tuple[RuleChangeKind, str]]:
    after = {**GOOD, file: changed(GOOD[file], old, new)}
    found = changes_between(book_of(folder / "old", GOOD), book_of(folder / "new", after))
    return [(change.kind, change.says) for change in found]


@pytest.mark.parametrize(
    ("file", "old", "new", "kind", "says"),
    [
        (
            RULE,
            "value: 2, unit: trials",
            "value: 3, unit: trials",
            RuleChangeKind.THRESHOLD,
            "`trials_required`: 2 → 3 trials",
        ),
        (
            RULE,
            "      - depression\n",
            "",
            RuleChangeKind.CLAUSE,
            "Conclusion `resistant`: in `all`, without `depression`",
        ),
        (
            RULE,
            "    when:\n      score: {at_least: high_score}",
            "    when:\n      score: {above: high_score}",
            RuleChangeKind.CLAUSE,
            "Conclusion `symptomatic`: `{score: {at_least: high_score}}` → `{score: {above: high_score}}`",
        ),
        (
            RULE,
            "when: {unknown: symptomatic}",
            "when: {not: symptomatic}",
            RuleChangeKind.CLAUSE,
            "Card `suggest`, note 1: `{unknown: symptomatic}` → `{not: symptomatic}`",
        ),
        (
            RULE,
            "look_back: 60 days",
            "look_back: 61 days",
            RuleChangeKind.FACT,
            "`score` look_back: “60 days” → “61 days”",
        ),
        (
            RULE,
            "status: [active, relapse]",
            "status: [active]",
            RuleChangeKind.FACT,
            "`depression` status: without `relapse`",
        ),
        (RULE, "label: Refer\n", "label: Send\n", RuleChangeKind.CARD, "`suggest` suggestions: without"),
        (RULE, "No score:", "No points:", RuleChangeKind.CARD, "`suggest` notes 1 say: “No score: "),
        (
            SET,
            "F32.0: Mild",
            "F32.1: Mild",
            RuleChangeKind.CODE,
            "Value set `depression-codes`: with `http://hl7.org/fhir/sid",
        ),
        (
            TABLE,
            "value: 50",
            "value: 75",
            RuleChangeKind.CODE,
            "Drug table `drugs`: `sertraline minimum_mg_a_day value`",
        ),
        (RULE, "version: 1.0.0", "version: 1.1.0", RuleChangeKind.LIFE, "`depression` version: `1.0.0` → `1.1.0`"),
        (
            RULE,
            "says: Whatever a test needs.",
            "says: Another thing.",
            RuleChangeKind.EVIDENCE,
            "`depression.book` says: ",
        ),
    ],
)
def test_a_change_of_meaning_is_said(
    tmp_path: Path, file: str, old: str, new: str, kind: RuleChangeKind, says: str
) -> None:
    found = said(tmp_path, file, old, new)

    assert [one for one, _ in found][0] is kind  # noqa: RUF015
    assert found[0][1].startswith(says)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("status: [active, relapse]", "status: [relapse, active]   # a comment"),
        ("      - depression\n      - age: {at_least: adult_age}\n",
         "      - age:\n          at_least: adult_age\n      - depression\n"),
        ("because: It is invented.", 'because: "It is invented."'),
    ],
)  # fmt: skip
def test_spelling_order_and_comments_are_no_change(tmp_path: Path, old: str, new: str) -> None:
    assert said(tmp_path, RULE, old, new) == []


def test_a_thing_moved_to_another_file_is_no_change_of_what_it_means(tmp_path: Path) -> None:
    fact = "  age:\n    find: age\n    unit: years\n"
    before = {**GOOD, OTHER: ANOTHER_FILE}
    after = {**GOOD, RULE: changed(GOOD[RULE], fact, ""), OTHER: f"{ANOTHER_FILE}\nfacts:\n{fact}"}

    assert changes_between(book_of(tmp_path / "old", before), book_of(tmp_path / "new", after)) == []


def test_a_renamed_card_is_one_change_and_a_conclusion_of_its_former_name_is_untouched(tmp_path: Path) -> None:
    alike = {**GOOD, RULE: changed(GOOD[RULE], "\n  suggest:\n", "\n  resistant:\n")}
    renamed = changed(GOOD[RULE], "    override_reasons:", "    formerly: [resistant]\n    override_reasons:")

    found = changes_between(book_of(tmp_path / "old", alike), book_of(tmp_path / "new", {**GOOD, RULE: renamed}))

    assert [change.says for change in found] == ["`resistant` is now called `suggest`"]


def test_a_renamed_fact_is_one_change_when_it_says_its_former_name(tmp_path: Path) -> None:
    renamed = GOOD[RULE].replace("failed_trials", "failures").replace(
        "    that_are: [adequate, no_response]", "    that_are: [adequate, no_response]\n    formerly: [failed_trials]"
    )  # fmt: skip
    found = changes_between(book_of(tmp_path / "old", GOOD), book_of(tmp_path / "new", {**GOOD, RULE: renamed}))

    assert [change.says for change in found] == ["`failed_trials` is now called `failures`"]
    assert found[0].place.startswith("depression/depression.yaml:")
