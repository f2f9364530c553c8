"""One complete test translation: no page and no card of an example says anything that it did not translate."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from cds.decide import Decision, Ruleset, decide
from cds.engine.evaluator import EvaluatorMode
from cds.explanation.flips import flips
from cds.explanation.packet import packet, payers_of
from cds.journal.inputs import StoredDecision
from cds.read_request import read_record
from cds.rulebook.overlay_wording import Places, packet_places, review_places, set_places, text_places
from cds.ruleset import load_rules
from cds.settings import Settings
from cds.web.explained import explained_values
from cds.web.packet_pages import packet_page
from cds.web.page import Pages
from cds.web.settle import settling_of
from cds.web.what_if import changeable
from scripts.renew_words import TEMPLATE, sentences, template_text
from tests.locale.pseudo import LANGUAGE, pseudo_site
from tests.shipped import ROOT, TODAY, shipped_book, shipped_program

EXAMPLES = sorted((ROOT / "fhir_examples").glob("*/request.json"))
WORD = re.compile(r"[A-Za-z]{3,}")
FHIR_TYPES = {
    "AllergyIntolerance",
    *(f"Medication{kind}" for kind in ("Administration", "Dispense", "Request", "Statement")),
}
# Names and units, which every language has as they are.
NAMES = {"Thirdline", "JSON", "FHIR", "QuestionnaireResponse", "mmHg", "Site", "ect", *FHIR_TYPES}
LANGUAGES = {"English", "español"}  # as leaflets name themselves
# What a parameter is set to is told with its name.
PARAMETER = re.compile("|".join(shipped_program(("all",)).parameters))
HEX = re.compile(r"\b[0-9a-f]{12}\b")
ADDRESS = re.compile(r"https?://\S+|[A-Za-z]+/[A-Za-z0-9.-]+|Bundle\.[\w.\[\]]+|prefetch\.[\w.\[\]]+")
SHOWN = re.compile(r'\b(?:title|aria-label|alt|data-column|placeholder)="([^"]*)"')


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ruleset]:
    loaded = load_rules(pseudo_site(tmp_path_factory.mktemp("pseudo") / "site"), EvaluatorMode.DIRECT, TODAY, ("all",))
    yield loaded
    loaded.reasoner.close()


@pytest.mark.seconds
def test_the_file_translators_begin_with_holds_every_sentence() -> None:
    assert TEMPLATE.read_text(encoding="utf-8") == template_text(sentences()), "run scripts/renew_words.py"


@pytest.mark.parametrize("request_file", EXAMPLES, ids=lambda path: path.parent.name)
def test_a_card_says_nothing_in_english(rules: Ruleset, request_file: Path) -> None:
    body, decision, _ = decided(rules, request_file)
    said = [text for card in decision.cards for text in (card.summary, card.detail)]
    said += [one.label for card in decision.cards for one in card.suggestions]
    assert left_behind(said, body) == []


@pytest.mark.seconds
@pytest.mark.parametrize("request_file", EXAMPLES, ids=lambda path: path.parent.name)
def test_a_page_says_nothing_in_english(rules: Ruleset, request_file: Path) -> None:
    body, decision, service = decided(rules, request_file)
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    kept = StoredDecision("d", "", service, "", noon, TODAY, "1", {}, (), body.encode())
    values = explained_values(rules, decision, service)
    about: dict[str, Any] = {
        "kept": kept, "key": "k", "now": True, "changed": True, "differs": [], "typed": {}, "wrong": "", "number": "n",
        "place": "ehr", "saved": None, "review": None, "flips": flips(rules, decision, decision),
        "form": changeable(body.encode(), rules.program, rules.program.services[service], decision),
        "settling": settling_of(rules, decision, service),
    }  # fmt: skip
    pages = [bytes(Pages().page(name, values | about).body).decode() for name in ("decision.html", "what_if.html")]
    form = rules.program.packet
    assert form is not None
    pages += [
        packet_page(packet(rules, decision, form, one), form, rules.program.words)
        for one in (None, *payers_of(rules)[:1])
    ]
    for page in pages:
        assert f'<html lang="{LANGUAGE}">' in page
        assert left_behind(texts_of(page), body) == []


def decided(rules: Ruleset, request_file: Path) -> tuple[str, Decision, str]:
    body = request_file.read_text(encoding="utf-8")
    record, service = read_record(body.encode(), rules, Settings())
    assert service is not None
    return body, decide(rules, record, TODAY, service), service


def texts_of(page: str) -> Iterator[str]:
    """What a page shows: its text, and the attributes that are read out or shown."""
    page = re.sub(r"<(style|script|pre|code)\b.*?</\1>", " ", page, flags=re.DOTALL)
    yield from map(unescape, SHOWN.findall(page))
    for text in re.split(r"<[^>]*>", page):
        yield unescape(text)


def left_behind(texts: Iterable[str], body: str) -> list[str]:
    """English that is neither of the chart nor a text of a rule file without a translation."""
    sent = json.loads(body)
    of_chart = sorted({one for one in (*strings(sent), *sent["prefetch"]) if WORD.search(one)}, key=len, reverse=True)
    found = {}
    for text in dict.fromkeys(one.strip() for one in texts):
        if not WORD.search(text) or PARAMETER.search(text):
            continue
        bare = _without(_without_rule_texts(text), of_chart)
        if WORD.search(ADDRESS.sub(" ", HEX.sub(" ", bare))):
            found[bare.strip()] = text
    return [f"{rest}  <- {text}" for rest, text in found.items()]


@cache
def _without_rule_texts(text: str) -> str:
    return _without(text.replace("\\", ""), untranslated())


def _without(text: str, allowed: Iterable[str]) -> str:
    for one in allowed:
        if one in text:
            text = re.sub(rf"(?<![A-Za-z]){re.escape(one)}(?![A-Za-z])", " ", text)
    return text


def keys(value: Any) -> Iterator[str]:
    """Every key inside, which is a text in forms."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield str(key)
            yield from keys(member)
    elif isinstance(value, list):
        for member in value:
            yield from keys(member)


def of_categories(value: Any) -> Iterator[str]:
    """Names of the categories of a scale."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from (one["name"] for one in member) if key == "categories" else of_categories(member)


def strings(value: Any) -> Iterator[str]:
    """Every text inside."""
    if isinstance(value, dict):
        for member in value.values():
            yield from strings(member)
    elif isinstance(value, list):
        for member in value:
            yield from strings(member)
    elif isinstance(value, str):
        yield value


def none_of(_: Any) -> tuple[()]:
    """No text."""
    return ()


@cache
def untranslated() -> tuple[str, ...]:
    """Texts of the folder of rules that no wording file holds: names of drugs, words that are looked for, citations."""
    book, found, words = shipped_book(), set[str](), set[str]()
    assert book.review is not None and book.packet is not None
    files: list[tuple[Any, Places]] = [(one.located.value, set_places) for one in book.sets]
    files += [(one.located.value, none_of) for one in book.tables.values()]
    files += [(book.review.located.value, review_places), (book.packet.located.value, packet_places)]
    for file, places in files:
        own = {text for _, text in places(file)}
        found.update(text for text in (*strings(file), *keys(file)) if text not in own)
    for table in book.tables.values():
        found.update(table.model.drugs)
    for rule in book.rules.values():
        value = dict(rule.located.value)
        own = {text for _, text in text_places(value)}
        found.update(text for text in strings(value) if text not in own)
        owners = {owner.rpartition("@")[2] for owner in rule.model.about.owners}
        words |= {*owners, *of_categories(value)}
    # A single word in small letters may be one of the program's: it is a name of a drug, or it is not allowed.
    drugs = {name for table in book.tables.values() for name in table.model.drugs}
    kept = {text for text in found if " " in text or text[:1].isupper() or "-" in text or text in drugs}
    services = shipped_program().services.values()
    kept.update(query.key for service in services for query in service.prefetch)
    kept |= {*NAMES, *book.rules, *LANGUAGES, *words}
    return tuple(sorted((text for text in kept if WORD.search(text)), key=len, reverse=True))
