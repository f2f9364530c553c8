"""A sentence of the program is its English text, and the same in another language for who reads it."""

from __future__ import annotations

import io
import pickle
from copy import deepcopy
from gettext import GNUTranslations

import pytest
from babel.messages.catalog import Catalog as Messages
from babel.messages.mofile import write_mo

from cds.locale.catalog import ENGLISH_CATALOG, Catalog
from cds.locale.sentence import Sentence, counted, full_stop, join_texts, say

TRANSLATED = {
    "not sent": "nicht gesendet",
    "{drug} dose": "Dosis von {drug}",
    "unknown ({because})": "unbekannt ({because})",
    "a mistake": "ein Fehler",
}


def german() -> Catalog:
    messages = Messages(locale="de")
    for message, text in TRANSLATED.items():
        messages.add(message, text)
    messages.add(("{number} trial", "{number} trials"), ("{number} Versuch", "{number} Versuche"))
    written = io.BytesIO()
    write_mo(written, messages)
    return Catalog("de", GNUTranslations(io.BytesIO(written.getvalue())))


DE = german()


def test_a_sentence_is_its_english_text() -> None:
    said = say("{drug} dose", drug="sertraline")
    assert said == "sertraline dose"
    assert {said: 1}["sertraline dose"] == 1
    assert sorted([say("b"), "a"]) == ["a", "b"]
    assert type(ENGLISH_CATALOG(said)) is str


def test_a_sentence_is_translated_with_the_sentences_in_it() -> None:
    said = say("unknown ({because})", because=say("not sent"))
    assert (said, DE(said)) == ("unknown (not sent)", "unbekannt (nicht gesendet)")


def test_text_of_the_chart_is_never_translated() -> None:
    assert DE("not sent") == "not sent"
    assert DE(say("unknown ({because})", because="not sent")) == "unbekannt (not sent)"


def test_what_no_catalog_knows_stays_english() -> None:
    assert DE(say("something new about {drug}", drug="x")) == "something new about x"


@pytest.mark.parametrize(
    ("row", "english", "in_german"),
    [
        (join_texts("; ", [say("not sent"), "FHIR"]), "not sent; FHIR", "nicht gesendet; FHIR"),
        (say("not sent") + "!", "not sent!", "nicht gesendet!"),
        ("– " + say("not sent"), "– not sent", "– nicht gesendet"),
        (full_stop(say("a mistake")), "A mistake.", "Ein Fehler."),
        (full_stop("a word"), "A word.", "A word."),
    ],
)
def test_texts_in_a_row_are_each_translated(row: str, english: str, in_german: str) -> None:
    assert (str(row), DE(row)) == (english, in_german)


def test_texts_of_the_chart_in_a_row_are_no_sentence() -> None:
    assert not isinstance(join_texts("; ", ["a", "b"]), Sentence)


@pytest.mark.parametrize(
    ("number", "form"), [(1, "1 Versuch"), (0, "0 Versuche"), (2, "2 Versuche"), (1.5, "1.5 Versuche")]
)
def test_a_number_takes_its_form(number: float, form: str) -> None:
    said = counted("{number} trial", "{number} trials", number)
    assert said == (f"{number:g} trial" if number == 1 else f"{number:g} trials")
    assert DE(said) == form


def test_a_sentence_survives_another_process_and_a_copy() -> None:
    for said in (say("{drug} dose", drug="x"), join_texts("; ", [say("not sent"), "FHIR"])):
        for other in (pickle.loads(pickle.dumps(said)), deepcopy(said)):  # noqa: S301 (our own bytes)
            assert DE(other) == DE(said) != said
