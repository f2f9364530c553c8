from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from cds.authoring.formatter import formatted
from cds.authoring.reference.site import pages
from cds.authoring.scaffold import AlreadyExistsError, new_rule, new_test, new_value_set, write
from cds.authoring.testing.cases import read_rule_tests
from cds.authoring.testing.report import run_folder
from cds.rulebook.loader import read_rulebook
from cds.ruleset import problems_in
from tests.rulebook.small_rules import GOOD, RULE, SET, TODAY, changed, write_rules
from tests.server import ROOT
from tests.test_cli import cds

AS_OF = ("--today", str(TODAY))


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return write_rules(tmp_path / "rules", GOOD)


def left(folder: Path) -> set[tuple[str, bool]]:
    return {(problem.check, problem.warning) for problem in problems_in(folder, TODAY)}


def test_a_new_rule_is_right_but_for_its_todos_and_its_cases_wait_for_patients(rules: Path) -> None:
    assert cds("new", "rule", "depression/poor-sleep", "--rules", rules, *AS_OF)[0] == 0

    assert left(rules) == {("todo-left", True)}
    report = run_folder(rules)
    assert {verdict.case.then.answers["poor_sleep"] for verdict in report.verdicts} == {True, False, "unknown"}
    assert len(report.failed) == 2  # of one patient, one answer is right


def test_a_todo_in_a_file_patients_meet_is_an_error(rules: Path) -> None:
    write(new_rule(rules, "poor-sleep", TODAY))
    path = rules / "poor-sleep.yaml"
    path.write_text(path.read_text().replace("status: draft", "status: silent"))

    assert left(rules) == {("todo-left", False)}


def test_a_new_value_set_waits_for_its_codes(rules: Path) -> None:
    write(new_value_set(rules, "insomnia"))

    assert left(rules) == {("todo-left", True), ("unused-valueset", True)}


def test_new_tests_name_every_conclusion_in_all_three_truths(rules: Path) -> None:
    write(new_test(read_rulebook(rules), "depression", TODAY))

    cases = read_rule_tests(rules).cases
    assert len(cases) == 3 * len(read_rulebook(rules).rules["depression"].model.conclusions)
    assert left(rules) == set()


def test_a_new_site_changes_nothing_yet(tmp_path: Path, rules: Path) -> None:
    assert cds("new", "site", tmp_path / "here", "--rules", rules, *AS_OF)[0] == 0

    assert left(tmp_path / "here") == {("todo-left", True)}
    assert read_rulebook(tmp_path / "here").overrides == ()


def test_nothing_is_written_over(rules: Path) -> None:
    with pytest.raises(AlreadyExistsError):
        write(new_rule(rules, "depression/depression", TODAY))

    assert (rules / RULE).read_text() == GOOD[RULE]
    assert not (rules / "depression" / "depression.test.yaml").exists()
    assert cds("new", "rule", "depression/depression", "--rules", rules)[0] == 1


@pytest.mark.parametrize(
    "arguments", [("rule", "../outside"), ("rule", "Upper"), ("valueset", "a b"), ("test", "nothing"), ("rule", "a//b")]
)
def test_what_is_no_name_is_wrong_use(rules: Path, arguments: tuple[str, str]) -> None:
    assert cds("new", *arguments, "--rules", rules)[0] == 2


UGLY = GOOD[RULE].replace("\nevidence:", "\n\n\n# why\nevidence:").replace("find: age\n", "find: age   \n")


def test_layout_keeps_comments_and_meaning_and_settles_at_once() -> None:
    about, _, rest = UGLY.partition("\n\n\n# why\nevidence:")
    swapped = formatted(f"evidence:{rest}\n\n# who\n{about}\n")

    made = formatted(UGLY)

    assert made == GOOD[RULE].replace("\nevidence:", "\n# why\nevidence:")
    assert formatted(made) == made
    assert formatted(UGLY.replace("\n", "\r\n")) == made
    assert swapped.startswith("# who\nabout:\n")
    assert swapped.index("about:") < swapped.index("\n\nevidence:") < swapped.index("\n\nparameters:")


def test_layout_leaves_alone_what_it_would_change_or_cannot_read() -> None:
    literal = changed(GOOD[RULE], "      {{ notes }}\n", "      {{ notes }}  \n      A hard break above.\n")

    assert formatted(literal) == literal
    assert formatted("a: [") == "a: ["


def test_fmt_lays_out_what_is_not_and_can_only_say_so(tmp_path: Path) -> None:
    folder = write_rules(tmp_path / "rules", {RULE: UGLY, SET: GOOD[SET]})
    code, text, _ = cds("fmt", "--check", folder)
    assert (code, "1 of 2" in text) == (1, True)
    assert cds("fmt", folder)[0] == 0
    assert cds("fmt", "--check", folder)[0] == 0
    assert cds("fmt", tmp_path / "none")[0] == 2


def test_the_reference_has_a_page_for_every_rule_with_what_a_reviewer_asks() -> None:
    book = read_rulebook(ROOT / "rules")
    made = pages(book, read_rule_tests(ROOT / "rules", book))

    assert {f"docs/{name}.md" for name in book.rules} <= set(made)
    for name, rule in book.rules.items():
        page = made[f"docs/{name}.md"]
        assert rule.model.about.title in page
        assert all(f"`{parameter}`" in page for parameter in rule.model.parameters)
        assert all(entry.says.split()[0] in page for entry in rule.model.evidence.values())
        assert '<svg class="depends"' in page or not (rule.model.conclusions or rule.model.cards)
    proven = made["docs/treatment-resistant-depression.md"]
    assert "## What proves it" in proven
    assert "[4, 12]" not in proven


@pytest.mark.skipif(find_spec("material") is None, reason="MkDocs Material is not installed")
def test_the_reference_is_built_without_a_warning(tmp_path: Path, rules: Path) -> None:
    code, text, problems = cds("docs", tmp_path / "site", "--rules", rules)

    assert (code, problems) == (0, "")
    assert "3 pages" in text
    built = [path.read_text() for path in (tmp_path / "site").rglob("*.html")]
    assert any('aria-label="What depends on what"' in page for page in built)
    loaded = [found for page in built for found in re.findall(r"<(?:script|link|img|iframe)[^>]*>", page)]
    assert [found for found in loaded if re.search(r'(?:src|href)="?(?:https?:)?//', found)] == []
