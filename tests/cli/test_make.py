from __future__ import annotations

import re
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds.authoring.formatter import formatted
from cds.authoring.reference.site import pages
from cds.authoring.scaffold import AlreadyExistsError, new_rule, new_site, new_test, new_value_set, write
from cds.authoring.testing.cases import read_rule_tests
from cds.authoring.testing.check import check_folder
from cds.authoring.testing.report import run_folder
from cds.cli.main import app
from cds.rulebook.loader import read_rulebook
from cds.ruleset import problems_in
from tests.rulebook.small_rules import GOOD, RULE, SET, TODAY, changed, write_rules
from tests.server import ROOT
from tests.shipped import shipped_book, shipped_cases
from tests.test_cli import cds

AS_OF = ("--today", str(TODAY))


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return write_rules(tmp_path / "rules", GOOD)


def left(folder: Path) -> set[tuple[str, bool]]:
    return {(problem.check, problem.warning) for problem in problems_in(folder, TODAY)}


@pytest.mark.seconds
def test_a_new_rule_is_right_but_for_its_todos_and_its_cases_wait_for_patients(rules: Path) -> None:
    assert cds("new", "rule", "depression/poor-sleep", "--rules", rules, *AS_OF)[0] == 0

    assert left(rules) == {("todo-left", True)}
    report = run_folder(rules)
    assert {verdict.case.then.answers["poor_sleep"] for verdict in report.verdicts} == {True, False, "unknown"}
    assert len(report.failed) == 2  # of one patient, one answer is right


def test_a_todo_in_a_file_patients_meet_is_an_error(rules: Path) -> None:
    write(new_rule(read_rulebook(rules), "poor-sleep", TODAY))
    path = rules / "poor-sleep.yaml"
    path.write_text(path.read_text().replace("status: draft", "status: silent"))

    assert left(rules) == {("todo-left", False)}


def test_a_new_value_set_waits_for_its_codes(rules: Path) -> None:
    write(new_value_set(read_rulebook(rules), "insomnia"))

    assert left(rules) == {("todo-left", True), ("unused-valueset", True)}


def test_new_tests_name_every_conclusion_in_all_three_truths(rules: Path) -> None:
    write(new_test(read_rulebook(rules), "depression", TODAY))

    cases = read_rule_tests(rules).cases
    assert len(cases) == 3 * len(read_rulebook(rules).rules["depression"].model.conclusions)
    assert left(rules) == set()


@pytest.mark.seconds
def test_a_new_site_changes_nothing_yet_and_checks_clean(tmp_path: Path, rules: Path) -> None:
    assert cds("new", "site", tmp_path / "here", "--rules", rules, *AS_OF)[0] == 0

    assert cds("check", tmp_path / "here", *AS_OF)[1].endswith("0 error(s), 0 warning(s)\n")
    made = read_rulebook(tmp_path / "here")
    assert made.overrides == ()
    assert made.base == rules
    assert "$schema=../rules/site.schema.json" in (tmp_path / "here" / "site.yaml").read_text()


@pytest.mark.seconds
def test_the_new_site_of_the_shipped_rules_checks_clean_and_holds_its_own_schemas(tmp_path: Path) -> None:
    shipped = shipped_book()
    for path, text in new_site(tmp_path / "st-x", shipped, None, TODAY).items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    assert (tmp_path / "st-x" / "site.schema.json").read_text() == (ROOT / "rules" / "site.schema.json").read_text()
    assert "rules: package " in (tmp_path / "st-x" / "site.yaml").read_text()
    assert check_folder(tmp_path / "st-x", date(2026, 6, 1)) == []


@pytest.mark.seconds
def test_of_a_site_only_what_it_wrote_and_changed_is_told(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    folder = write_rules(tmp_path / "rules", GOOD)
    write(new_value_set(read_rulebook(folder), "nobody-reads-it"))
    assert cds("new", "site", tmp_path / "here", "--rules", folder, *AS_OF)[0] == 0
    assert {problem.check for problem in check_folder(folder, TODAY)} >= {"unused-valueset", "todo-left"}
    assert check_folder(tmp_path / "here", TODAY) == []

    assert cds("new", "valueset", "of-the-site", "--rules", tmp_path / "here")[0] == 0

    told = check_folder(tmp_path / "here", TODAY)
    assert {problem.check for problem in told} == {"unused-valueset", "todo-left"}
    assert {Path(problem.file).parent.parent for problem in told} == {tmp_path / "here"}


@pytest.mark.seconds
def test_new_files_go_into_the_nearest_folder_of_rules_and_never_into_the_package(
    tmp_path: Path, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(rules / "valuesets")
    run = CliRunner()
    made = run.invoke(app, ["new", "valueset", "insomnia"])
    assert (made.exit_code, (rules / "valuesets" / "insomnia.yaml").is_file()) == (0, True)
    assert str(rules) in made.output

    monkeypatch.chdir(tmp_path.parent)
    nowhere = run.invoke(app, ["new", "valueset", "insomnia"])
    assert nowhere.exit_code == 2
    assert "cds new site" in nowhere.output

    monkeypatch.setattr("cds.rulebook.shipped.PACKAGED", rules)
    before = sorted(rules.rglob("*"))
    for command in (["new", "valueset", "sleep"], ["new", "rule", "sleep"], ["lock"]):
        refused = run.invoke(app, [*command, *(["--rules"] if command[0] == "new" else []), str(rules)])
        assert refused.exit_code == 2, command
    assert run.invoke(app, ["new", "site", str(rules / "st-x")]).exit_code == 2
    assert sorted(rules.rglob("*")) == before


@pytest.mark.seconds
def test_new_tests_for_a_shipped_rule_go_into_the_folder_of_the_site(tmp_path: Path, rules: Path) -> None:
    assert cds("new", "site", tmp_path / "here", "--rules", rules, *AS_OF)[0] == 0
    assert cds("new", "test", "depression", "--rules", tmp_path / "here", *AS_OF)[0] == 0

    made = tmp_path / "here" / "depression" / "depression.test.yaml"
    assert made.read_text().startswith("# yaml-language-server: $schema=../../rules/casetest.schema.json\n")


@pytest.mark.seconds
def test_nothing_is_written_over(rules: Path) -> None:
    with pytest.raises(AlreadyExistsError):
        write(new_rule(read_rulebook(rules), "depression/depression", TODAY))

    assert (rules / RULE).read_text() == GOOD[RULE]
    assert not (rules / "depression" / "depression.test.yaml").exists()
    assert cds("new", "rule", "depression/depression", "--rules", rules)[0] == 1


@pytest.mark.seconds
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


@pytest.mark.seconds
def test_fmt_lays_out_what_is_not_and_can_only_say_so(tmp_path: Path) -> None:
    folder = write_rules(tmp_path / "rules", {RULE: UGLY, SET: GOOD[SET]})
    code, text, _ = cds("fmt", "--check", folder)
    assert (code, "1 of 2" in text) == (1, True)
    assert cds("fmt", folder)[0] == 0
    assert cds("fmt", "--check", folder)[0] == 0
    assert cds("fmt", tmp_path / "none")[0] == 2


@pytest.mark.seconds
def test_the_reference_has_a_page_for_every_rule_with_what_a_reviewer_asks() -> None:
    book = shipped_book()
    made = pages(book, shipped_cases())

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


@pytest.mark.seconds
@pytest.mark.skipif(find_spec("material") is None, reason="MkDocs Material is not installed")
def test_the_reference_is_built_without_a_warning(tmp_path: Path, rules: Path) -> None:
    code, text, problems = cds("docs", tmp_path / "site", "--rules", rules)

    assert (code, problems) == (0, "")
    assert "3 pages" in text
    built = [path.read_text() for path in (tmp_path / "site").rglob("*.html")]
    assert any('aria-label="What depends on what"' in page for page in built)
    loaded = [found for page in built for found in re.findall(r"<(?:script|link|img|iframe)[^>]*>", page)]
    assert [found for found in loaded if re.search(r'(?:src|href)="?(?:https?:)?//', found)] == []
