"""No sentence leaves it to the reader whether it is one or several: no "(s)" in rule texts, the program or a card."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cds.rulebook.overlay_wording import text_places
from cds.rulebook.placeholders import placeholders_in
from scripts.renew_words import sentences
from tests.shipped import ROOT, shipped_book

ONE_OR_SEVERAL = re.compile(r"\w\((?:e?s|ies)\)")
ONE = re.compile(r"(?<![\d./–-])1 (?:trial|session|day|resource|antidepressant)s\b")
CARDS = sorted((ROOT / "fhir_examples").glob("*/cards.json"))


@pytest.mark.parametrize("name", shipped_book().rules)
def test_no_text_of_a_rule_file_leaves_it_open(name: str) -> None:
    texts = [text for _, text in text_places(shipped_book().rules[name].located.value)]
    assert [text for text in texts if ONE_OR_SEVERAL.search(text)] == []


def test_no_sentence_of_the_program_leaves_it_open() -> None:
    messages = [message.id if isinstance(message.id, tuple) else (str(message.id),) for message in sentences()]
    assert [text for texts in messages for text in texts if ONE_OR_SEVERAL.search(text)] == []


@pytest.mark.parametrize("file", CARDS, ids=lambda file: file.parent.name)
def test_no_card_of_an_example_leaves_it_open_or_counts_one_as_several(file: Path) -> None:
    cards = json.loads(file.read_text(encoding="utf-8"))["cards"]
    said = [text for card in cards for text in (card["summary"], card["detail"])]
    assert [text for text in said if ONE_OR_SEVERAL.search(text) or ONE.search(text)] == []


@pytest.mark.parametrize("name", shipped_book().rules)
def test_the_forms_of_a_number_differ(name: str) -> None:
    for _, text in text_places(shipped_book().rules[name].located.value):
        for placeholder in placeholders_in(text):
            forms = [form for _, form in placeholder.forms]
            assert len(forms) == len(set(forms)), text
