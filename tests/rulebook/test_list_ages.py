"""Lists that know their age: when each was compared with a release, what is overdue, and what never was."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cds.rulebook.fingerprint import digests
from cds.rulebook.list_ages import list_ages, lists_in_words
from cds.rulebook.loader import read_rulebook
from tests.rulebook.small_rules import GOOD, RULE, SCORE_SET, SET, TABLE, changed, check_rules, write_rules
from tests.shipped import shipped_program

ASKS = "lists:\n  checked_within: lists_checked_within\n"
PARAMETER = "  lists_checked_within: {value: 12, unit: months, site_may_set: [1, 24], evidence: [book]}\n"
TODAY = date(2025, 6, 1)


def asking(files: dict[str, str] | None = None) -> dict[str, str]:
    """The small rules, whose lists are to be compared within a year, with these files instead."""
    rule = changed(GOOD[RULE], "parameters:\n", f"parameters:\n{PARAMETER}") + ASKS
    return {**GOOD, RULE: rule, **(files or {})}


def checked(text: str, day: str) -> str:
    """A value set or drug table that says when it was compared."""
    header = "valueset:\n" if "valueset:\n" in text else "table:\n"
    return changed(text, header, f"{header}  checked: {{date: {day}, release: Invented 1}}\n")


def all_checked(day: str) -> dict[str, str]:
    """All lists of the small rules, each compared on this day."""
    return {
        name: checked(text, day)
        for name, text in GOOD.items()
        if name.startswith(("valuesets", "tables")) and name.endswith(".yaml")
    }


def test_lists_are_not_asked_for_their_age_where_no_rule_file_asks(tmp_path: Path) -> None:
    assert check_rules(tmp_path, {**GOOD, **all_checked("2001-01-01")}) == []
    assert list_ages(read_rulebook(tmp_path)).overdue(TODAY) == ()


def test_lists_that_never_say_are_one_warning_at_the_rule_that_asks(tmp_path: Path) -> None:
    (problem,) = check_rules(tmp_path, asking({SET: checked(GOOD[SET], "2025-05-01")}))

    assert (problem.check, problem.warning, Path(problem.file).name) == ("list-age", True, "depression.yaml")
    assert "lists do not say when" in problem.what


@pytest.mark.parametrize(("today", "warned"), [(date(2026, 5, 2), False), (date(2026, 5, 3), True)])
def test_a_list_is_overdue_from_the_day_after_the_parameter(tmp_path: Path, today: date, warned: bool) -> None:
    """366 days are 12 months of 30.4375 days, rounded up."""
    files = asking(all_checked("2025-05-31") | {TABLE: checked(GOOD[TABLE], "2025-05-01")})

    problems = [one for one in check_rules(tmp_path, files, today=today) if one.check == "list-age"]

    assert [Path(one.file).name for one in problems] == (["drugs.yaml"] if warned else [])
    assert all(one.warning and "Invented 1" in one.what and "2025-05-01" in one.what for one in problems)
    ages = list_ages(read_rulebook(tmp_path))
    assert [one.name for one in ages.overdue(today)] == (["drugs"] if warned else [])
    assert ages.oldest is not None and ages.oldest.name == "drugs"
    assert lists_in_words(ages, today) == {
        "oldest": "drugs", "checked": "2025-05-01", "release": "Invented 1", "overdue": int(warned), "never_checked": 0,
    }  # fmt: skip


def test_the_oldest_list_is_one_that_never_said(tmp_path: Path) -> None:
    files = asking(all_checked("2025-05-31") | {SCORE_SET: GOOD[SCORE_SET]})

    ages = list_ages(read_rulebook(write_rules(tmp_path, files)))

    assert ages.oldest is not None and (ages.oldest.name, ages.oldest.checked) == ("score-codes", None)
    assert lists_in_words(ages, TODAY)["checked"] is None


def test_a_duration_is_read_without_a_parameter(tmp_path: Path) -> None:
    rule = GOOD[RULE] + "lists:\n  checked_within: 3 weeks\n"

    write_rules(tmp_path, {**GOOD, RULE: rule})

    assert list_ages(read_rulebook(tmp_path)).within_days == 21


def test_when_it_was_compared_is_no_change_of_what_rules_mean(tmp_path: Path) -> None:
    before = digests(read_rulebook(write_rules(tmp_path / "a", dict(GOOD))))
    after = digests(read_rulebook(write_rules(tmp_path / "b", {**GOOD, **all_checked("2025-05-31")})))

    assert before == after


def test_canonical_and_version_go_together(tmp_path: Path) -> None:
    text = changed(GOOD[SET], "valueset:\n", "valueset:\n  canonical: http://example.org/ValueSet/x\n")

    (problem,) = check_rules(tmp_path, {**GOOD, SET: text})

    assert "`canonical` and `version` together" in problem.what


def test_the_shipped_lists_say_when_they_were_compared() -> None:
    program = shipped_program()

    assert program.list_ages.within_days == 366
    assert len(program.list_ages.lists) > 100
    assert len(program.list_ages.never_checked) < len(program.list_ages.lists) / 4
