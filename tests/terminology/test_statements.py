"""Negation, history, family and "rule out", the same for every value set, in six languages (shipped words)."""

from __future__ import annotations

from functools import cache

import pytest

from cds.rulebook.tables import vocabulary
from cds.terminology.phrases import words_of
from cds.terminology.statements import Clauses, Cues, Meant
from tests.shipped import shipped_book

SAID, UNCERTAIN, PAST, NEGATED, FAMILY = Meant.SAID, Meant.UNCERTAIN, Meant.PAST, Meant.NEGATED, Meant.FAMILY


@cache
def cues() -> Cues:
    found = vocabulary(shipped_book())
    assert found is not None
    return found.cues


def meant(text: str, phrase: str) -> Meant:
    said, words = Clauses.of(text), words_of(phrase)
    start = next(at for at in range(len(said.words)) if said.words[at : at + len(words)] == words)
    return cues().meant(said, start, start + len(words))


@pytest.mark.parametrize(
    ("text", "phrase", "expected"),
    [
        ("Aneurysm", "aneurysm", SAID),
        ("No aneurysm", "aneurysm", NEGATED),
        ("No evidence of intracranial aneurysm", "aneurysm", NEGATED),
        ("Denies suicidal ideation", "suicidal ideation", NEGATED),
        ("Suicidal ideation: denied", "suicidal ideation", NEGATED),
        ("Suicidal ideation, denied", "suicidal ideation", NEGATED),
        ("Suicidal ideation; denied pain", "suicidal ideation", SAID),
        ("No insight, suicidal ideation", "suicidal ideation", SAID),
        ("No fever. Suicidal ideation", "suicidal ideation", SAID),
        ("Aneurysm not excluded", "aneurysm", UNCERTAIN),
        ("Cannot rule out aneurysm", "aneurysm", UNCERTAIN),
        ("Rule out aneurysm", "aneurysm", UNCERTAIN),
        ("Aneurysm, suspected", "aneurysm", UNCERTAIN),
        ("Family history of aneurysm", "aneurysm", FAMILY),
        ("Aneurysm in mother", "aneurysm", FAMILY),
        ("Depression in mother complicating childbirth", "depression", SAID),
        ("Familial aneurysm", "aneurysm", UNCERTAIN),
        ("S/p aneurysm", "aneurysm", PAST),
        ("Non-ST elevation myocardial infarction", "myocardial infarction", SAID),
        ("Not only depression", "depression", UNCERTAIN),
        ("No longer wants help, suicidal ideation", "suicidal ideation", SAID),
        ("Kein Aneurysma", "aneurysma", NEGATED),
        ("Aneurysma ausgeschlossen", "aneurysma", NEGATED),
        ("Aneurysma nicht ausgeschlossen", "aneurysma", UNCERTAIN),
        ("V. a. Suizidgedanken", "suizidgedanken", UNCERTAIN),
        ("Nicht-ST-Hebungsinfarkt", "hebungsinfarkt", UNCERTAIN),
        ("Familienanamnese: Aneurysma", "aneurysma", FAMILY),
        ("FHx: aneurysm", "aneurysm", FAMILY),
        ("Family history unknown, aneurysm", "aneurysm", SAID),
        ("No growth of aneurysm", "aneurysm", UNCERTAIN),
        ("No prior history of aneurysm", "aneurysm", NEGATED),
        ("Kein Wachstum des Aneurysmas", "aneurysmas", UNCERTAIN),
        ("Pas de croissance de l'anévrisme", "anévrisme", UNCERTAIN),
        ("No psychosis but suicidal", "suicidal", SAID),
        ("Does not deny suicidal ideation", "suicidal ideation", UNCERTAIN),
        ("Keine Distanzierung von Suizidgedanken", "suizidgedanken", UNCERTAIN),
        ("Sin ideación suicida", "ideación suicida", NEGATED),
        ("Niega ideación suicida", "ideación suicida", NEGATED),
        ("Pas d'idées suicidaires", "idées suicidaires", NEGATED),
        ("Antécédents familiaux d'anévrisme", "anévrisme", FAMILY),
        ("Geen suïcidale gedachten", "suïcidale gedachten", NEGATED),
        ("Inga självmordstankar", "självmordstankar", NEGATED),
        ("Misstänkt aneurysm", "aneurysm", UNCERTAIN),
        ("ontkent suïcidegedachten niet", "suïcidegedachten", UNCERTAIN),
        ("ontkent suïcidegedachten", "suïcidegedachten", NEGATED),
        ("verneint Suizidgedanken nicht", "suizidgedanken", UNCERTAIN),
        ("Suizidgedanken nicht sicher verneint", "suizidgedanken", UNCERTAIN),
        ("niet volledig uitgesloten aneurysma", "aneurysma", UNCERTAIN),
        ("förnekar inte suicidtankar", "suicidtankar", UNCERTAIN),
        ("förnekar suicidtankar inte", "suicidtankar", UNCERTAIN),
        ("no niega ideas de muerte", "ideas de muerte", UNCERTAIN),
        ("ne nie pas les idées suicidaires", "idées suicidaires", UNCERTAIN),
        ("not denied suicidal ideation", "suicidal ideation", UNCERTAIN),
        ("denies suicidal ideation", "suicidal ideation", NEGATED),
        ("denies SI no plan", "si", NEGATED),
        ("geen psychose maar suïcidegedachten", "suïcidegedachten", SAID),
        ("inga planer men suicidtankar", "suicidtankar", SAID),
        ("sin plan pero ideación suicida", "ideación suicida", SAID),
        ("pas de projet mais idées suicidaires", "idées suicidaires", SAID),
        ("Suizidgedanken aber Pläne verneint", "suizidgedanken", SAID),
        ("suicidal ideation but plan denied", "suicidal ideation", SAID),
        ("Family history of anxiety but suicidal", "suicidal", SAID),
    ],
)
def test_words_are_meant_as_the_text_says(text: str, phrase: str, expected: Meant) -> None:
    assert meant(text, phrase) is expected
