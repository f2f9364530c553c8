"""A fact reads as words: no key, name or word of the format is left in it, in any rule file."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from cds.authoring.reference.fact_wording import KEYS, KINDS, fact_in_words
from cds.authoring.reference.wording import ConditionWording, NameMeanings
from cds.facts.kinds import KINDS as CLASSES
from cds.yaml_source.marks import words_of_field
from tests.shipped import shipped_book

NAMED = NameMeanings.of(shipped_book())
FACTS = {name: spec for rule in shipped_book().rules.values() for name, spec in rule.model.facts.items()}
OF_THE_FORMAT = re.compile(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b|[{}\[\]]{2}|: (?:true|false|null)\b")


def texts(words: ConditionWording) -> Iterator[str]:
    yield words.text
    for part in words.parts:
        yield from texts(part)


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_is_said_in_words(name: str) -> None:
    said = list(texts(fact_in_words(FACTS[name], NAMED)))
    assert [text for text in said if OF_THE_FORMAT.search(text)] == []
    assert said[0][:1].isupper()


def test_each_kind_has_its_words() -> None:
    finds = {word for kind in CLASSES if "find" in kind.model_fields for word in words_of_field(
        kind.model_fields["find"].annotation
    )}  # fmt: skip
    assert finds - KINDS.keys() == set()
    assert {kind.told_by for kind in CLASSES if kind.told_by} - KINDS.keys() == set()


def test_each_key_of_a_shipped_fact_has_its_words() -> None:
    written = {key for spec in FACTS.values() for key in spec.model_fields_set}
    assert written - KEYS.keys() - {"label", "like", "find", "formerly", "prefetch", "evidence", "unit"} == set()


def test_a_value_set_shows_its_title_how_much_it_holds_and_some_of_it() -> None:
    said = fact_in_words(FACTS["aneurysm"], NAMED)
    assert said.text == "A diagnosis"
    coded = next(part for part in said.parts if part.text.startswith("one of: Aneurysmal vascular disease ("))
    assert re.search(r"\(\d+ codes, \d+ names\)", coded.text)
    assert coded.parts[0].text == "Coronary artery aneurysm"
    assert coded.parts[-1].text.endswith(" more")


def test_a_parameter_is_said_with_its_value_and_a_fact_with_its_label() -> None:
    said = list(texts(fact_in_words(FACTS["payer_6w_trials"], NAMED)))
    assert "in the episode: Current depressive episode" in said
    assert "lasts at least: 6 weeks" in said
    assert "joins gaps of up to: 14 days" in said
