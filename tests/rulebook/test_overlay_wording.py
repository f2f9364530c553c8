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
from cds.rulebook.compile import compile_ruleset
from cds.rulebook.fingerprint import digests
from cds.rulebook.lint.lint import check
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.rulebook.overlay_wording import text_places
from cds.rulebook.shipped import default_rules_folder
from cds.rulebook.tables import code_sets
from cds.ruleset import load_rules
from cds.settings import Settings
from cds.terminology.systems import SNOMED
from tests.rulebook.small_rules import GOOD, RULE, TODAY, changed, write_rules
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
    problems = [one for one in check(read_rulebook(folder), today=TODAY) if Path(one.file).name != "site.yaml"]
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
    assert (override.what, override.says) == ("wording of depression", "2 of 22 texts in de")
    assert digests(book) != digests(shipped)


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        ("  conclusions: {resistent: {label: Resistent}}\n", 3),
        ("  conclusions: {resistant: {when: symptomatic}}\n", 3),  # no text, but a condition
        ("  parameters: {adult_age: {value: '17'}}\n", 3),
        ("  conclusions:\n    resistant:\n      label: 12\n", 5),
        ("  cards:\n    suggest:\n      summary: Ohne Zahlen\n", 5),  # its placeholders are gone
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


ONE_OR_MORE = '"{{ trials_required | one: # trial | other: # trials }}'
COUNTED = {**GOOD, RULE: changed(GOOD[RULE], '"At least {{ trials_required }} trials', ONE_OR_MORE)}


@pytest.mark.parametrize(
    ("language", "text", "wrong"),
    [
        ("pl", "{{ trials_required | one: # próba | few: # próby | many: # prób | other: # próby }}", ""),
        ("pl", "{{ trials_required | one: # próba | other: # próby }}", "few, many"),
        ("pl", "{{ trials_required }}", ""),
        ("de", "{{ trials_required | one: ein Versuch | other: # Versuche }}", ""),
        ("ja", "{{ trials_required | other: # 回 }}", ""),
        ("de", "{{ trials_required | one: # Versuch | zwei: # Versuche | other: # Versuche }}", "`zwei`"),
    ],
)
def test_a_number_has_the_plural_forms_of_the_language_of_the_site(
    tmp_path: Path, language: str, text: str, wrong: str
) -> None:
    write_rules(tmp_path / "rules", COUNTED)
    head = WORDS.replace("language: de", f"language: {language}")
    texts = f"  cards:\n    suggest:\n      summary: '{text}, {{{{ score }}}}'\n"
    book = read_rulebook(write_rules(tmp_path / "site", {"site.yaml": HEAD, "wording/depression.yaml": head + texts}))
    found = [one for one in check(book, today=TODAY) if one.check == "plural-forms"]
    assert [one.line for one in found] == ([5] if wrong else [])
    assert not wrong or wrong in found[0].what


def test_a_text_that_was_not_translated_keeps_the_forms_it_has(tmp_path: Path) -> None:
    write_rules(tmp_path / "rules", COUNTED)
    there = dict(text_places(read_rulebook(tmp_path / "rules").rules["depression"].located.value))
    head = WORDS.replace("language: de", "language: pl")
    texts = f"  cards:\n    suggest:\n      summary: '{there['cards', 'suggest', 'summary']}'\n"
    folder = write_rules(tmp_path / "site", {"site.yaml": HEAD, "wording/depression.yaml": head + texts})
    assert told(folder) == [("wording-behind", 2, True)]


def test_a_folder_of_wording_without_a_site_is_told(tmp_path: Path) -> None:
    book = read_rulebook(write_rules(tmp_path, {**GOOD, "wording/depression.yaml": WORDS + "  facts: {}\n"}))
    assert [problem.check for problem in book.problems] == ["site-wording"]


@pytest.mark.seconds
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
    assert [(one.check, one.warning) for one in problems] == [("wording-behind", True)] * 2  # of rules, of the program

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


def of_shipped(folder: Path, of: str, texts: str, version: str = "") -> Rulebook:
    """The shipped rules with one wording at a site."""
    folder.mkdir()
    (folder / "wording").mkdir()
    (folder / "site.yaml").write_text("site: {id: haus, name: Haus, uses: evaluation >=1.0}\n", encoding="utf-8")
    head = f"wording: {{of: {of}, {version}language: de, because: Wir, by: uns, review: 2099-01-01}}\ntexts:\n"
    (folder / "wording" / f"{of}.yaml").write_text(head + texts, encoding="utf-8")
    return read_rulebook(folder)


def test_the_questions_to_a_clinician_have_other_words(tmp_path: Path) -> None:
    texts = (
        "  trial: {outcome: {answers: {benefit-lost: {display: Erst gut}}}}\n"
        "  statements: {aneurysm: Gab es je ein Aneurysma?}\n"
        "  panels: {phq-9: {answers: {LA6568-5: Gar nicht}}}\n"
    )
    book = of_shipped(tmp_path / "haus", "review", texts, "version: 1.3.0, ")
    assert [one.check for one in book.problems if not one.warning] == []
    form = compile_ruleset(book).codes.review
    assert form is not None
    outcomes = form.questions["outcome"].answers
    assert outcomes is not None
    assert (outcomes["benefit-lost"].display, outcomes["benefit-lost"].lost) == ("Erst gut", True)
    assert form.statements["aneurysm"] == "Gab es je ein Aneurysma?"
    assert next(panel for panel in form.panels if panel.id == "phq-9").answers["LA6568-5"] == ("Gar nicht", 0)


def test_the_packet_has_other_words_and_the_same_sections(tmp_path: Path) -> None:
    texts = "  packet: {title: Belege}\n  words: {met: erfüllt}\n  sections: {trials: {title: Versuche}}\n"
    book = of_shipped(tmp_path / "haus", "packet", texts, "version: 1.0.0, ")
    made, shipped = compile_ruleset(book).packet, compile_ruleset(read_rulebook(default_rules_folder())).packet
    assert made is not None and shipped is not None
    assert (made.title, made.words["met"], made.titles["trials"]) == ("Belege", "erfüllt", "Versuche")
    assert (made.facts, made.payers, made.words["unknown"]) == (shipped.facts, shipped.payers, shipped.words["unknown"])


def test_a_value_set_has_other_displays_and_the_same_codes(tmp_path: Path) -> None:
    texts = "  snomed/ect:\n    codes: {1: {exact: {23835007: Elektrokrampftherapie}}}\n"
    book = of_shipped(tmp_path / "haus", "valuesets", texts)
    assert [one.what for one in book.problems if not one.warning] == []
    made, shipped = code_sets(book)["ect"], code_sets(read_rulebook(default_rules_folder()))["ect"]
    assert {**made.codes, **made.roots}[SNOMED, "23835007"] == "Elektrokrampftherapie"
    assert (made.codes.keys(), made.roots.keys(), made.names) == (
        shipped.codes.keys(),
        shipped.roots.keys(),
        shipped.names,
    )


@pytest.mark.parametrize(
    ("of", "texts", "line"),
    [
        ("valuesets", "  no-such-set: {valueset: {title: Nichts}}\n", 3),
        ("valuesets", "  ect: {names: {words: [Strom]}}\n", 3),  # what is looked for is no text
        ("review", "  review: {url: https://example.org}\n", 3),
        ("review", "  trial: {outcome: {answers: {benefit-lost: {from: 10}}}}\n", 3),
        ("packet", "  packet: {payers: keine}\n", 3),
        ("reviews", "  review: {title: Rückblick}\n", 1),
    ],
)
def test_what_is_no_text_of_these_files_is_told(tmp_path: Path, of: str, texts: str, line: int) -> None:
    problems = [one for one in of_shipped(tmp_path / "haus", of, texts).problems if not one.warning]
    assert [(one.check, one.line) for one in problems] == [("site-wording", line)]


@pytest.mark.parametrize("of", ["review", "packet", "valuesets", "evaluation"])
def test_cds_new_wording_writes_every_text_of_it_and_that_checks(tmp_path: Path, of: str) -> None:
    runner = CliRunner()
    folder = tmp_path / "haus"
    assert runner.invoke(app, ["new", "site", str(folder)]).exit_code == 0
    made = runner.invoke(app, ["new", "wording", of, "--language", "de", "--rules", str(folder)])
    assert made.exit_code == 0, made.output
    book = read_rulebook(folder)
    assert [one for one in book.problems if not one.warning] == []
    assert any("texts are not translated" in one.what for one in book.problems)
