from __future__ import annotations

import pickle
import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds.authoring.fix.fix import applied, without_overlap
from cds.authoring.fix.fixes import VersionStep, fixes_of, place_of
from cds.authoring.fix.rounds import fixed_folder, problems_to_fix, texts_of
from cds.cli.main import app
from cds.rulebook.loader import LOCK, read_rulebook
from cds.rulebook.lock import lock_text
from cds.yaml_source.correction import Correction, did_you_mean
from cds.yaml_source.problem import Problem
from cds.yaml_source.source_file import SourceFiles
from tests.rulebook.small_rules import ANOTHER_FILE, GOOD, OTHER, RULE, SET, TODAY, book_of, changed, write_rules

pytestmark = pytest.mark.slow

FILES: Mapping[str, str] = {**GOOD, OTHER: ANOTHER_FILE}
SCHEMAS = Path(__file__).resolve().parents[2] / "rules"


def fixed(folder: Path, files: Mapping[str, str], step: VersionStep = VersionStep.MINOR) -> dict[str, str]:
    """Name of each file that changes → its text with every fix in place."""
    write_rules(folder, files)
    return {path.relative_to(folder).as_posix(): text for path, text in fixed_folder(folder, TODAY, step).after.items()}


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        (RULE, "all: [resistant, symptomatic]", "all: [resistant, symptomatik]"),
        (RULE, "coded: depression-codes\n    status", "coded: depresion-codes\n    status"),
        (RULE, "coded: depression-codes\n    status", "coded: 'depresion-codes'  # by code\n    status"),
        (RULE, "look_back: 60 days", "look_bakc: 60 days"),
        (RULE, "find: episode", "find: epsiode"),
        (RULE, "at_least: high_score", "at_least: high_scores"),
        (RULE, "{{ trials(trials) }}", "{{ trials(trails) }}"),
        (RULE, "status: [active, relapse]", "status: [active, relapsed]"),
        (RULE, "override_reasons: [patient-refuses]", "override_reasons: [patient-refusess]"),
        (SET, "http://hl7.org/fhir/sid/icd-10-cm", "ICD-10-CM"),
        (SET, "http://hl7.org/fhir/sid/icd-10-cm", "http://hl7.org/fhir/sid/icd-10cm"),
        (SET, "http://hl7.org/fhir/sid/icd-10-cm", "urn:oid:2.16.840.1.113883.6.90"),
    ],
)
def test_what_is_one_slip_of_the_pen_away_is_put_right_and_nothing_else_is(
    tmp_path: Path, file: str, right: str, wrong: str
) -> None:
    assert right in FILES[file]
    made = fixed(tmp_path, {**FILES, file: FILES[file].replace(right, wrong, 1)})
    assert set(made) == {file}
    assert made[file].replace("'depression-codes'", "depression-codes").replace("  # by code", "") == FILES[file]


def test_a_name_that_is_like_two_others_is_left_to_its_author(tmp_path: Path) -> None:
    # hig_score is one letter from high_score, lo_score from low_score; l_score is two from `low_score` and `score`.
    rule = changed(FILES[RULE], "score: {at_least: high_score}", "score: {at_least: adequate_response}")
    assert fixed(tmp_path, {**FILES, RULE: rule}) == {}
    assert not isinstance(did_you_mean("doses", ["dose", "does"], ""), Correction)


def test_a_word_is_never_asked_for_that_is_there_already() -> None:
    assert did_you_mean("score", ["score"], "Write another.") == "Write another."
    assert did_you_mean("score", ["score", "scores"], "") == "Did you mean `scores`?"


def test_a_correction_travels_between_processes() -> None:
    problem = Problem("a.yaml", 1, 1, "unknown-name", "What.", did_you_mean("scor", ["score"], ""))
    back = pickle.loads(pickle.dumps(problem))  # noqa: S301 (what this test made itself)
    assert isinstance(back.fix, Correction)
    assert (back, back.fix.written, back.fix.instead) == (problem, "scor", "score")


@pytest.mark.parametrize(("step", "version"), [("patch", "1.0.1"), ("minor", "1.1.0"), ("major", "2.0.0")])
def test_a_changed_file_gets_a_version_its_day_and_a_line_in_the_lock(tmp_path: Path, step: str, version: str) -> None:
    lock = lock_text(book_of(tmp_path / "before", FILES))
    rule = changed(FILES[RULE], "adult_age: {value: 18", "adult_age: {value: 21")
    made = fixed(tmp_path / "now", {**FILES, RULE: rule, LOCK: lock}, VersionStep(step))
    assert set(made) == {RULE, LOCK}
    expected = changed(rule, "version: 1.0.0", f"version: {version}")
    released = "  released: 2025-01-01\n"
    assert made[RULE] == changed(expected, released, f"{released}  revised: 2025-06-01\n")
    assert made[LOCK] == lock_text(book_of(tmp_path / "after", {**FILES, **made}))
    assert fixed(tmp_path / "again", {**FILES, **made}) == {}


def test_the_day_of_the_last_revision_is_renewed(tmp_path: Path) -> None:
    before = changed(FILES[RULE], "released: 2025-01-01\n", "released: 2025-01-01\n  revised: 2025-02-01 # spring\n")
    lock = lock_text(book_of(tmp_path / "before", {**FILES, RULE: before}))
    rule = changed(before, "adult_age: {value: 18", "adult_age: {value: 21")
    made = fixed(tmp_path / "now", {**FILES, RULE: rule, LOCK: lock})
    assert "  revised: 2025-06-01 # spring\n" in made[RULE]


def test_a_version_that_goes_back_and_a_file_that_vanished_are_left_to_a_person(tmp_path: Path) -> None:
    ahead = {**FILES, RULE: changed(FILES[RULE], "version: 1.0.0", "version: 2.0.0")}
    lock = lock_text(book_of(tmp_path / "before", ahead))
    assert fixed(tmp_path / "back", {**FILES, LOCK: lock}) == {}
    gone = {name: text for name, text in FILES.items() if name != OTHER}
    assert LOCK not in fixed(tmp_path / "gone", {**gone, LOCK: lock_text(book_of(tmp_path / "all", FILES))})


def test_layout_is_that_of_cds_fmt_and_comments_stay(tmp_path: Path) -> None:
    parts = FILES[RULE].partition("evidence:\n")
    about, evidence = parts[0], "evidence:\n" + parts[2].partition("parameters:\n")[0]
    rest = "parameters:\n" + parts[2].partition("parameters:\n")[2]
    mixed = f"{about}# numbers first\n{rest}\n\n\n# what it rests on\n{evidence}"
    made = fixed(tmp_path, {**FILES, RULE: mixed})[RULE]
    assert made.index("# what it rests on\nevidence:") < made.index("# numbers first\nparameters:")
    runner = CliRunner()
    runner.invoke(app, ["fmt", str(write_rules(tmp_path / "fmt", {**FILES, RULE: mixed}) / RULE)])
    assert (tmp_path / "fmt" / RULE).read_text() == made


def test_the_schema_line_of_each_kind_of_file_is_written_once(tmp_path: Path) -> None:
    for schema in SCHEMAS.glob("*.schema.json"):
        tmp_path.mkdir(exist_ok=True)
        shutil.copy(schema, tmp_path)
    wrong = "# yaml-language-server: $schema=../nowhere.json\n" + FILES[SET]
    made = fixed(tmp_path, {**FILES, SET: wrong, "depression/depression.test.yaml": "today: 2025-06-01\ntests: []\n"})
    first = {name: text.splitlines()[0].partition("$schema=")[2] for name, text in made.items()}
    assert first[RULE] == "../rules.schema.json"
    assert first[SET] == "../valueset.schema.json"
    assert first["depression/depression.test.yaml"] == "../casetest.schema.json"
    assert first["tables/drugs.yaml"] == "../drugs.schema.json"
    assert made[SET].count("yaml-language-server") == 1
    assert fixed(tmp_path, made) == {}


def test_when_a_list_was_compared_is_said_only_by_who_compared_it(tmp_path: Path) -> None:
    write_rules(tmp_path, FILES)
    assert fixed_folder(tmp_path, TODAY).after == {}
    made = fixed_folder(tmp_path, TODAY, compared_with="ICD-10-CM 2026: October").after[tmp_path / SET]
    title = "  title: Depression\n"
    line = '  checked: {date: 2025-06-01, release: "ICD-10-CM 2026: October"}\n'
    assert made == changed(FILES[SET], title, title + line)


def test_the_fixes_of_texts_that_are_not_saved(tmp_path: Path) -> None:
    folder = write_rules(tmp_path, FILES)
    unsaved = {folder / RULE: changed(FILES[RULE], "look_back: 60 days", "look_bakc: 60 days")}
    book = read_rulebook(folder, SourceFiles(unsaved))
    texts = {str(path): text for path, text in texts_of(book).items()}
    (fix,) = fixes_of(book, problems_to_fix(book, TODAY), texts, TODAY)
    assert fix.problem is not None
    assert (fix.name, fix.problem.check) == ("unknown-key", "unknown-key")
    assert applied(texts[str(folder / RULE)], fix.edits) == FILES[RULE]
    assert (folder / RULE).read_text() == FILES[RULE]


def test_edits_that_meet_wait_for_the_next_round(tmp_path: Path) -> None:
    rule = changed(FILES[RULE], "look_back: 60 days", "look_bakc: 60 days   ")  # a word and the layout of its file
    book = book_of(tmp_path, {**FILES, RULE: rule})
    texts = {str(path): text for path, text in texts_of(book).items()}
    fixes = fixes_of(book, problems_to_fix(book, TODAY), texts, TODAY)
    assert [fix.name for fix in fixes] == ["unknown-key", "layout"]
    assert [fix.name for fix in without_overlap(fixes)] == ["unknown-key"]
    assert fixed(tmp_path, {**FILES, RULE: rule}) == {RULE: FILES[RULE]}


def test_a_word_that_is_written_twice_has_no_one_place() -> None:
    text = "a: {all: [one, two, one]}\nb: one\n"
    assert place_of("one", text, 1, 1) is None
    assert place_of("two", text, 1, 1) is not None
    found = place_of("one", text, 2, 1)
    assert found is not None
    assert (found.line, found.column, found.end_column) == (2, 4, 7)


def test_mistakes_in_test_files_are_put_right_as_well(tmp_path: Path) -> None:
    cases = (
        "today: 2025-06-01\npatients:\n  one: {age: 46}\ntests:\n  - name: A case\n    given: onne\n"
        "    then: {resistent: unknown}\n"
    )
    made = fixed(tmp_path, {**FILES, "depression/depression.test.yaml": cases})
    expected = cases.replace("onne", "one").replace("resistent", "resistant")
    assert made == {"depression/depression.test.yaml": expected}


def test_cds_fix_shows_first_and_writes_when_asked(tmp_path: Path) -> None:
    rule = changed(FILES[RULE], "look_back: 60 days", "look_bakc: 60 days   # a quarter")
    folder = write_rules(tmp_path / "rules", {**FILES, RULE: rule})
    runner = CliRunner()
    shown = runner.invoke(app, ["fix", str(folder), "--today", "2025-06-01"])
    assert shown.exit_code == 1
    assert "-    look_bakc: 60 days   # a quarter\n+    look_back: 60 days   # a quarter\n" in shown.stdout
    assert "unknown-key: Write look_back for look_bakc. `look_bakc` is not a key" in shown.stdout
    assert (folder / RULE).read_text() == rule
    written = runner.invoke(app, ["fix", str(folder), "--write", "--today", "2025-06-01"])
    assert written.exit_code == 0
    assert (folder / RULE).read_text() == changed(rule, "look_bakc", "look_back")
    again = runner.invoke(app, ["fix", str(folder), "--today", "2025-06-01"])
    assert (again.exit_code, again.stdout.splitlines()[0]) == (0, "0 fix(es): 0 file(s) would change")


def test_the_shipped_rules_need_no_fix() -> None:
    assert fixed_folder(SCHEMAS, date(2026, 11, 29)).fixes == ()
