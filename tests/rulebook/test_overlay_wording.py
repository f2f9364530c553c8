"""Wording at a site: other words or another language for the texts of a rule file, and nothing but texts."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds.cli.main import app
from cds.decide import decide
from cds.engine.evaluator import EvaluatorMode
from cds.read_request import read_record
from cds.rulebook.fingerprint import digests
from cds.rulebook.lint.lint import check
from cds.rulebook.loader import read_rulebook
from cds.rulebook.overlay_wording import text_places
from cds.rulebook.shipped import default_rules_folder
from cds.ruleset import load_rules
from cds.settings import Settings
from tests.rulebook.small_rules import GOOD, TODAY, write_rules
from tests.server import ROOT

DAY = date(2026, 6, 1)  # of the example
HEAD = "site: {id: here, name: Here, rules: ../rules, uses: depression >=1.0 <2.0}\n"
WORDS = (
    "wording: {of: depression, version: 1.0.0, language: de, because: We speak German, by: us, review: 2026-01-01}\n"
    "texts:\n"
)


def site(folder: Path, texts: str, head: str = WORDS) -> Path:
    write_rules(folder / "rules", GOOD)
    return write_rules(folder / "site", {"site.yaml": HEAD, "wording/depression.yaml": head + texts})


def told(folder: Path) -> list[tuple[str, int, bool]]:
    problems = check(read_rulebook(folder), today=TODAY)
    assert all(Path(one.file).name == "depression.yaml" and "site" in Path(one.file).parts for one in problems)
    return [(one.check, one.line, one.warning) for one in problems]


def test_texts_are_replaced_and_nothing_else(tmp_path: Path) -> None:
    texts = '  conclusions: {resistant: {label: Resistent}}\n  cards: {suggest: {notes: {1: {say: "Kein Wert: {{ because(score) }}."}}}}\n'  # noqa: E501
    book, shipped = read_rulebook(site(tmp_path, texts)), read_rulebook(tmp_path / "rules")
    rule, before = book.rules["depression"].model, shipped.rules["depression"].model
    assert rule.conclusions["resistant"].label == "Resistent"
    assert rule.cards["suggest"].notes[0].say == "Kein Wert: {{ because(score) }}."
    assert rule.cards["suggest"].notes[0].when == before.cards["suggest"].notes[0].when
    assert (rule.facts, rule.parameters) == (before.facts, before.parameters)
    (override,) = book.overrides
    assert (override.what, override.says) == ("wording of depression", "2 of 19 texts in de")
    assert digests(book) != digests(shipped)


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        ("  conclusions: {resistent: {label: Resistent}}\n", 3),
        ("  conclusions: {resistant: {when: symptomatic}}\n", 3),  # no text, but a condition
        ("  parameters: {adult_age: {value: '17'}}\n", 3),
        ("  conclusions:\n    resistant:\n      label: 12\n", 5),
        ("  cards:\n    suggest:\n      summary: Ohne Zahlen\n", 5),  # its holes are gone
        ("  cards:\n    suggest:\n      notes: {1: {say: 'Kein Wert: {{ because(age) }}.'}}\n", 5),
        ("  cards:\n    suggest:\n      notes: {2: {say: Mehr}}\n", 5),
    ],
)
def test_what_is_no_text_of_the_rule_file_is_told_at_its_line(tmp_path: Path, texts: str, line: int) -> None:
    assert told(site(tmp_path, texts)) == [("site-wording", line, False)]


def test_a_translation_that_is_behind_is_told_and_the_rest_stays_english(tmp_path: Path) -> None:
    one = "  conclusions: {resistant: {label: Resistent}}\n"
    assert told(site(tmp_path / "a", one)) == [("wording-behind", 2, True)]
    older = WORDS.replace("version: 1.0.0", "version: 0.9.0")
    assert told(site(tmp_path / "b", one, older)) == [("wording-behind", 1, True), ("wording-behind", 2, True)]
    assert told(site(tmp_path / "c", one, WORDS.replace("language: de, ", ""))) == []


def test_what_the_new_words_do_wrong_is_told_at_their_line(tmp_path: Path) -> None:
    long = "Mindestens {{ trials_required }} und {{ score }} " + "sehr " * 40
    texts = f"  cards:\n    suggest:\n      summary: '{long}'\n"
    assert ("summary-too-long", 5, False) in told(site(tmp_path, texts))


def test_a_folder_of_wording_without_a_site_is_told(tmp_path: Path) -> None:
    book = read_rulebook(write_rules(tmp_path, {**GOOD, "wording/depression.yaml": WORDS + "  facts: {}\n"}))
    assert [problem.check for problem in book.problems] == ["site-wording"]


def test_a_card_is_shown_in_the_words_of_the_site_with_the_same_answers(tmp_path: Path) -> None:
    runner = CliRunner()
    site_folder = tmp_path / "haus"
    assert runner.invoke(app, ["new", "site", str(site_folder)]).exit_code == 0
    made = runner.invoke(app, ["new", "wording", "evaluation", "--language", "de", "--rules", str(site_folder)])
    assert made.exit_code == 0, made.output
    file = site_folder / "wording" / "evaluation.yaml"
    there = dict(text_places(read_rulebook(default_rules_folder()).rules["evaluation"].located.value))
    summary = there["cards", "suggest_evaluation", "summary"]
    text = file.read_text(encoding="utf-8")
    assert text.count(f'summary: "{summary}"') == 1
    german = "Abkl\u00e4rung f\u00fcr Ketamin oder Esketamin erw\u00e4gen"
    file.write_text(text.replace(f'"{summary}"', f'"{german}"').replace("TODO: ", ""), encoding="utf-8")
    problems = [one for one in check(read_rulebook(site_folder), today=TODAY) if str(site_folder) in one.file]
    assert [(one.check, one.warning) for one in problems] == [("wording-behind", True)]

    body = (ROOT / "fhir_examples/01-two-failed-trials/request.json").read_bytes()
    answers = []
    for folder in (default_rules_folder(), site_folder):
        rules = load_rules(folder, EvaluatorMode.DIRECT, DAY)
        record, service = read_record(body, rules, Settings())
        answers.append(decide(rules, record, DAY, service))
    shipped, here = answers
    assert [card.name for card in shipped.cards] == [card.name for card in here.cards]
    assert shipped.truths == here.truths
    assert {card.name: card.summary for card in here.cards}["suggest_evaluation"] == german
