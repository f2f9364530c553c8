"""Cards of one subject: a service shows one of them, whatever the facts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cds.authoring.testing.cases import RuleTests
from cds.authoring.testing.check import decided_problems
from cds.authoring.testing.together import cards_of_one_subject
from cds.rulebook.loader import read_rulebook
from cds.yaml_source.source_file import SourceFiles
from tests.authoring.testing.conftest import RULE
from tests.authoring.testing.test_snapshot import SECOND, TESTS
from tests.shipped import RULES, shipped_book, shipped_program

CHECK = "cards-of-one-subject"
BOTH = 'topic: {system: "https://example.org/topics", code: depression, display: Depression}'
OTHER = 'topic: {system: "https://example.org/topics", code: adult, display: Adult}'
JOINED = {OTHER: OTHER.replace("}", ", subject: mood}"), BOTH: BOTH.replace("}", ", subject: mood}")}
HELD_BACK = (
    "show_when: {all: [{age: {at_least: adult_from}}, {any: [{not: depressed_adult}, {unknown: depressed_adult}]}]}"
)
TREATMENT = RULES / "ketamine" / "treatment.yaml"


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (RULE, SECOND, ()),
        (RULE, SECOND.replace(OTHER, BOTH), ("say_more", "say_so")),
        (RULE.replace(BOTH, JOINED[BOTH]), SECOND.replace(OTHER, JOINED[OTHER]), ("say_more", "say_so")),
        (RULE, SECOND.replace(OTHER, BOTH).replace("show_when: {age: {at_least: adult_from}}", HELD_BACK), ()),
    ],
)
def test_two_cards_of_one_subject_are_told_once_at_the_second(
    rule_tests: Callable[..., RuleTests], rules_folder: Path, first: str, second: str, names: tuple[str, ...]
) -> None:
    (rules_folder / "depression" / "depression.yaml").write_text(first.rstrip("\n") + "\n" + second)
    read = rule_tests(TESTS)

    told = [problem for problem in decided_problems(read_rulebook(rules_folder), read, ()) if problem.check == CHECK]

    assert len(told) == bool(names)
    assert all(f"`{name}`" in problem.what for problem in told for name in names)
    assert not any(problem.warning for problem in told)


def test_a_site_is_told_of_its_own_cards_only(rule_tests: Callable[..., RuleTests], rules_folder: Path) -> None:
    (rules_folder / "depression" / "depression.yaml").write_text(RULE.rstrip("\n") + "\n" + SECOND.replace(OTHER, BOTH))
    rule_tests(TESTS)
    site = rules_folder.parent / "site"
    site.mkdir()
    (site / "site.yaml").write_text("rules: ../rules\n")

    assert list(cards_of_one_subject(read_rulebook(site))) == []


@pytest.mark.slow
def test_no_service_shows_two_cards_of_one_subject() -> None:
    assert list(cards_of_one_subject(shipped_book())) == []


def test_a_service_shows_a_card_of_each_of_its_subjects() -> None:
    program = shipped_program()
    subjects = {name: {program.cards[card].subject for card in one.cards} for name, one in program.services.items()}

    assert set().union(*subjects.values()) == {
        "https://thirdline.dev/topics|SuicideRisk",
        "resistant-depression",
        "this-order",
    }
    assert all(len(subjects[name]) <= service.most_cards for name, service in program.services.items())


@pytest.mark.slow
@pytest.mark.parametrize("held_back_by", ["to_optimise", "suicidal_path", "already_in_treatment"])
def test_a_card_that_no_longer_holds_back_is_found(held_back_by: str) -> None:
    line = f"        - any: [{{not: {held_back_by}}}, {{unknown: {held_back_by}}}]\n"
    text = TREATMENT.read_text()
    where = text.index(line, text.index("\ncards:"))

    book = read_rulebook(RULES, SourceFiles({TREATMENT: text[:where] + text[where + len(line) :]}))

    assert list(cards_of_one_subject(book))
