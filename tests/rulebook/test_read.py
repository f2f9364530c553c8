"""Files are read as YAML 1.2; every mistake of form is one message at its line."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cds.rulebook.loader import read_rulebook
from cds.yaml_source.document import read_yaml
from cds.yaml_source.problem import Problem
from tests.rulebook.small_rules import (
    ANOTHER_FILE,
    GOOD,
    OTHER,
    PRODUCTS,
    RULE,
    SET,
    TABLE,
    book_of,
    changed,
    line_of,
)


def value(text: str) -> Any:
    return read_yaml(text, "a.yaml").value


def problems(folder: Path, more: str = "", old: str = "about:", new: str = "about:") -> list[Problem]:
    """Problems of one file with a good head and `more` below."""
    return book_of(folder, {OTHER: changed(ANOTHER_FILE, old, new) + more}).problems


def told(found: list[Problem], text: str, marker: str) -> tuple[str, str, str]:
    """Check, message and fix of the only problem, which must stand at the line of `marker`."""
    assert [problem.line for problem in found] == [line_of(text, marker)]
    return found[0].check, found[0].what, found[0].fix


# ---------------------------------------------------------------- YAML


@pytest.mark.parametrize("word", ["no", "yes", "on", "off", "NO", "Yes", "y", "True", "FALSE", "NULL", "Null"])
def test_only_true_and_false_are_booleans_and_only_null_is_nothing(word: str) -> None:
    assert value(f"key: {word}") == {"key": word}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("010", 10),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("12:30", "12:30"),
        ("2025-03-10", date(2025, 3, 10)),
        ("2025-13-10", "2025-13-10"),
        ("'2025-03-10'", "2025-03-10"),
        ('"true"', "true"),
        ('"12"', "12"),
        ("F32.0", "F32.0"),
        ("14 days", "14 days"),
    ],
)
def test_plain_words_are_read_as_yaml_1_2_and_dates_as_days(written: str, read: object) -> None:
    assert value(f"key: {written}") == {"key": read}
    assert type(value(f"key: {written}")["key"]) is type(read)


def test_a_key_is_always_text() -> None:
    assert value("370143000: code\ntrue: word\n2025-01-01: day") == {
        "370143000": "code",
        "true": "word",
        "2025-01-01": "day",
    }


def test_every_value_knows_its_line_and_whether_its_key_is_quoted() -> None:
    located = read_yaml('a:\n  - b: 1\n    "c": [x,\n      y]\n', "a.yaml")

    assert located.at(("a", 0, "c")) == (3, 5)
    assert located.at(("a", 0, "c", 1)) == (4, 7)
    assert located.at(("a", 0, "d", "e")) == (2, 5)
    assert located.plain_keys == {("a",), ("a", 0, "b")}
    assert located.value_at(("a", 0, "c", 1)) == "y"
    assert located.value_at(("a", 7)) is None


def test_a_repeated_part_is_read_where_it_is_used() -> None:
    assert value("a: &x [1, 2]\nb: *x") == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1\nb: 2", 2),
        ("a:\n\t- b", 2),
        ("a: 'open", 1),
        ("a: 1\n---\nb: 2", 2),
        ("a: 1\nb: \x00", 2),
        ("a: *nowhere", 1),
        ("a: &x [*x]", 1),
        ("[" * 3000, 1),
        ("", 1),
        ("# only a comment\n", 1),
    ],
)
def test_what_is_not_yaml_is_one_problem_at_its_line(text: str, line: int) -> None:
    (problem,) = read_yaml(text, "a.yaml").problems

    assert (problem.check, problem.line) == ("yaml-syntax", line)


def test_a_key_given_twice_is_told_with_the_line_of_the_first(tmp_path: Path) -> None:
    more = "facts:\n  age: {find: age, unit: years}\n  age: {find: age, unit: years}\n"
    (problem,) = problems(tmp_path, more)

    assert problem.check == "duplicate-key"
    assert problem.line == line_of(ANOTHER_FILE + more, "facts:") + 2
    assert f"the first is in line {problem.line - 1}" in problem.what


# ---------------------------------------------------------------- one mistake is one message

FACTS = "facts:\n  some:\n"
CONCLUSION = "conclusions:\n  some:\n    label: Some\n    all:\n      - "
PRESENT = "find: condition\n    coded: set\n    if_none_found: false\n    because: Why.\n"


@pytest.mark.parametrize(
    ("more", "marker", "check", "says"),
    [
        # keys
        ("factz: {}\n", "factz", "unknown-key", "Did you mean `facts`?"),
        (FACTS + "    find: age\n    unit: years\n    lok_back: 5 years\n", "lok_back", "unknown-key", "`look_back`?"),
        (FACTS + "    find: age\n    unit: years\n    zzz: 5\n", "zzz", "unknown-key", "Write one of label, "),
        (FACTS + "    find: age\n", "some:", "missing-key", "Add `unit:`"),
        (FACTS + "    count: trials\n", "some:", "missing-key", "Add `that_are:`"),
        (FACTS + "    count: trials\n    that_aer: [adequate]\n", "that_aer", "unknown-key", "`that_are`?"),
        (FACTS + "    count: trials\n    that_are: [adequat]\n", "that_are", "wrong-value", "`adequate`"),
        (FACTS + "    find: age\n    unit:\n", "unit:", "empty-value", "`unit` has no value"),
        # kinds
        (FACTS + "    find: scor\n    coded: x\n", "find:", "unknown-kind", "Did you mean `score`?"),
        (FACTS + "    coded: x\n", "some:", "unknown-kind", "Add `find:`"),
        ("facts:\n  some: 5\n", "some:", "unknown-kind", "Add `find:`"),
        # values, also in unions
        (FACTS + "    " + PRESENT.replace("false", "no"), "if_none", "wrong-value", "Write `false` or `unknown`"),
        (FACTS + "    " + PRESENT.replace("false", "true"), "if_none", "wrong-value", "cannot be `true`"),
        (FACTS + "    " + PRESENT.replace(": set", ": Big_Set"), "coded:", "wrong-value", "lower-case"),
        (FACTS + "    " + PRESENT.replace(": set", ": [set, Big_Set]"), "coded:", "wrong-value", "coded.1"),
        (FACTS + "    " + PRESENT.replace(": set", ": 5"), "coded:", "wrong-value", "a list, or a word"),
        (FACTS + "    " + PRESENT + "    status: [5]\n", "status:", "wrong-value", "status.0"),
        (FACTS + "    " + PRESENT + "    look_back: 60\n", "look_back", "wrong-value", "a duration like"),
        (FACTS + "    " + PRESENT + "    look_back: 6 fortnights\n", "look_back", "wrong-value", "a duration like"),
        ("facts:\n  Some-Fact: {find: age, unit: years}\n", "Some-Fact", "wrong-value", "letters, digits and `_`"),
        ("parameters:\n  some: {value: 5}\n", "some:", "wrong-form", "a number needs a `unit`"),
        ("parameters:\n  some: {value: yes, one_of: [no]}\n", "some:", "wrong-form", "must stand in it"),
        ("parameters:\n  some: {value: true, unit: x}\n", "some:", "wrong-value", "a number, or a word"),
        ("evidence:\n  some: {cite: x, says: x, verified: no}\n", "some:", "wrong-value", "`true` or `false`"),
        ("evidence:\n  some: {cite: x, says: x, verified: 1}\n", "some:", "wrong-value", "`true` or `false`"),
        # conditions
        (CONCLUSION + "nott: other\n", "nott", "wrong-value", "Did you mean `not`?"),
        (CONCLUSION + "Any: [other]\n", "Any:", "wrong-value", "Did you mean `any`?"),
        (CONCLUSION + "phq9: 10\n", "phq9", "wrong-value", "`phq9: {at_least: …}`"),
        (CONCLUSION + "phq9: {at_leest: limit}\n", "phq9", "unknown-key", "Did you mean `at_least`?"),
        (CONCLUSION + "phq9: {at_least: [limit]}\n", "phq9", "wrong-value", "a number, or a word"),
        (CONCLUSION + "phq9: {at_least: true}\n", "phq9", "wrong-value", "a number, or a word"),
        (CONCLUSION + "phq9: {between: [low]}\n", "phq9", "wrong-value", "a list of 2 or more"),
        (CONCLUSION + "phq9: {at_least: low, below: high}\n", "phq9", "wrong-form", "exactly one of"),
        (CONCLUSION + "{phq9: {at_least: low}, gad7: {at_least: low}}\n", "phq9", "wrong-form", "one fact at a time"),
        (CONCLUSION + "{at_least: 2, of: [first, Second]}\n", "at_least", "wrong-value", "of.1"),
        (CONCLUSION + "{at_least: two, of: [first]}\n", "at_least", "wrong-value", "a number"),
        (CONCLUSION + "{all: [first], any: [second]}\n", "{all", "unknown-key", "one `all:`"),
        (CONCLUSION + "any: [other, 5]\n", "any: [", "wrong-value", "is not a condition"),
        (CONCLUSION + "not: [other]\n", "not:", "wrong-value", "is not a condition"),
        ("conclusions:\n  some: {label: Some, all: []}\n", "some:", "wrong-value", "an empty list"),
        ("conclusions:\n  some:\n    label: Some\n    all:\n", "all:", "empty-value", "`all` has no value"),
        ("conclusions:\n  some: {label: Some}\n", "some:", "wrong-form", "exactly one of"),
        ("conclusions:\n  some: {label: Some, at_least: 2}\n", "some:", "wrong-form", "go together"),
        ("conclusions:\n  some: {label: Some, all: [a], not: b}\n", "some:", "wrong-form", "exactly one of"),
    ],
)
def test_one_mistake_is_one_message(tmp_path: Path, more: str, marker: str, check: str, says: str) -> None:
    (problem,) = problems(tmp_path, more)

    text = ANOTHER_FILE + more
    assert (problem.check, problem.line) == (check, line_of(text[len(ANOTHER_FILE) :], marker) + line_of(text, "next:"))
    assert says in str(problem)


@pytest.mark.parametrize(
    ("old", "new", "marker", "check", "says"),
    [
        ("version: 1.0.0", "version: 1.0", "version", "wrong-value", "a version like 1.0.0"),
        ("status: active", "status: activ", "status", "wrong-value", "`draft`, `silent`, `active` or `retired`"),
        ("owners:", "owner:", "owner:", "unknown-key", "Did you mean `owners`?"),
        ("next: 2026-01-01", 'next: "2026-01-01"', "next", "wrong-value", "without quotes"),
        ("next: 2026-01-01", "next: 2026-02-30", "next", "wrong-value", "a date like 2025-03-10"),
        ("title: Another file", 'title: " "', "title", "wrong-value", "some text"),
        ("id: other", "id: another", "id:", "id-is-file-name", "the file `other.yaml`"),
    ],
)
def test_a_mistake_in_about_is_one_message(
    tmp_path: Path, old: str, new: str, marker: str, check: str, says: str
) -> None:
    (problem,) = problems(tmp_path, "", old, new)

    assert (problem.check, problem.line) == (check, line_of(changed(ANOTHER_FILE, old, new), marker))
    assert says in str(problem)


def test_several_mistakes_in_one_file_are_all_told(tmp_path: Path) -> None:
    more = "facts:\n  a1: {find: ag}\n  b1: {find: age, unit: months}\ncards:\n  c1: {summary: x}\n"

    assert {problem.check for problem in problems(tmp_path, more)} == {"unknown-kind", "wrong-value", "missing-key"}


# ---------------------------------------------------------------- files


def test_the_good_rules_are_read_whole(tmp_path: Path) -> None:
    book = book_of(tmp_path, GOOD)

    assert book.problems == []
    assert list(book.rules) == ["depression"]
    assert [len(book.sets), list(book.tables), len(book.products["drugs"])] == [4, ["drugs"], 2]
    assert book.products["drugs"][1].line == 3


def test_tests_and_patients_are_no_rules(tmp_path: Path) -> None:
    files = {**GOOD, "depression/depression.test.yaml": "not: a rule", "patients/one.yaml": "not: a rule"}

    assert book_of(tmp_path, files).problems == []


def test_the_digest_follows_every_rule_set_and_table(tmp_path: Path) -> None:
    digests = {
        book_of(tmp_path / str(number), files).digest
        for number, files in enumerate([GOOD, *({**GOOD, name: text + "\n"} for name, text in GOOD.items())])
    }

    assert len(digests) == len(GOOD) + 1


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    (problem,) = book_of(tmp_path, {**GOOD, OTHER: ""}).problems

    assert (problem.check, problem.what) == ("yaml-syntax", "The file is empty.")


def test_a_file_that_is_not_utf_8_is_told_with_its_line(tmp_path: Path) -> None:
    (problem,) = book_of(tmp_path, {**GOOD, OTHER: b"about:\n  title: Depressi\xf3n\n"}).problems

    assert (problem.check, problem.line) == ("unreadable", 2)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    assert book_of(tmp_path, {OTHER: b"\xef\xbb\xbf" + ANOTHER_FILE.encode()}).problems == []


def test_a_file_that_holds_a_list_is_told(tmp_path: Path) -> None:
    (problem,) = book_of(tmp_path, {**GOOD, OTHER: "- about\n"}).problems

    assert (problem.check, problem.what) == ("wrong-value", "`the file` cannot be a list.")


def test_a_file_with_another_ending_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    (problem,) = book_of(tmp_path, {**GOOD, "depression/late.yml": ANOTHER_FILE}).problems

    assert (problem.check, problem.fix) == ("file-ending", "Rename it late.yaml.")


def test_an_id_given_twice_is_told_and_the_first_file_stays(tmp_path: Path) -> None:
    book = book_of(tmp_path, {**GOOD, "ketamine/depression.yaml": changed(ANOTHER_FILE, "id: other", "id: depression")})

    assert [problem.check for problem in book.problems] == ["duplicate-id"]
    assert book.rules["depression"].model.conclusions


def test_no_folder_and_no_rules_are_told(tmp_path: Path) -> None:
    assert [p.check for p in book_of(tmp_path, {SET: GOOD[SET]}).problems] == ["no-rules"]
    assert [p.what for p in book_of(tmp_path, {}).problems] == ["This folder holds no rule file."]
    assert [p.what for p in read_rulebook(tmp_path / "none").problems] == ["There is no such folder."]


# ---------------------------------------------------------------- products


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("rxcui,name", "code,name", 1, "Write rxcui,name,"),
        ("sertraline 25 MG Oral", "sertraline, 25 MG Oral", 2, "11 values"),
        ("tablet,,yes,,Invented\n312941", "tablet\n312941", 2, "6 values"),
    ],
)
def test_a_products_table_has_its_columns_in_every_line(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    (problem,) = book_of(tmp_path, {**GOOD, PRODUCTS: changed(GOOD[PRODUCTS], old, new)}).problems

    assert (problem.check, problem.line) == ("product-columns", line)
    assert says in str(problem)


def test_a_products_table_that_is_not_there_is_told(tmp_path: Path) -> None:
    files = {**GOOD, TABLE: changed(GOOD[TABLE], "products: drug-products.csv", "products: none.csv")}

    (problem,) = book_of(tmp_path, files).problems
    assert (problem.check, problem.file) == ("unreadable", str(tmp_path / "tables/none.csv"))


def test_a_rule_file_keeps_its_text_for_those_who_quote_it(tmp_path: Path) -> None:
    assert book_of(tmp_path, GOOD).rules["depression"].text == GOOD[RULE]


def test_a_mistake_that_an_alias_repeats_is_told_once_and_where_it_is_written(tmp_path: Path) -> None:
    more = "  again: {find: condition, coded: &set 7, if_none_found: false, because: None.}\n"
    twice = "  more: {find: condition, coded: *set, if_none_found: false, because: None.}\n"
    files = {**GOOD, RULE: changed(GOOD[RULE], "\nfacts:\n", f"\nfacts:\n{more}{twice}")}
    both = changed(files[RULE], "&set 7", "&set [7]")

    problems = book_of(tmp_path, {**GOOD, RULE: both}).problems

    assert [problem.line for problem in problems] == [line_of(both, "&set [7]")]


def test_a_number_with_its_unit_in_one_is_told_apart_from_a_word(tmp_path: Path) -> None:
    files = {**GOOD, RULE: changed(GOOD[RULE], "{value: 6, unit: weeks, evidence", "{value: 6 weeks, evidence")}

    (problem,) = book_of(tmp_path, files).problems

    assert "write `value: 6, unit: weeks`" in str(problem)


def test_a_number_too_long_to_be_one_is_told(tmp_path: Path) -> None:
    files = {**GOOD, RULE: changed(GOOD[RULE], "{value: 6, unit: weeks", f"{{value: {'9' * 5000}, unit: weeks")}

    assert book_of(tmp_path, files).problems
