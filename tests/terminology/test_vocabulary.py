"""What can be placed as another thing, and what is not read (shipped rules)."""

from __future__ import annotations

from functools import cache

import pytest

from cds.rulebook.tables import code_sets, drug_table, vocabulary
from cds.terminology.concepts import Coding, Concept
from cds.terminology.index import TerminologyIndex
from cds.terminology.systems import ATC, ICD10CM, RXNORM, SNOMED
from cds.terminology.vocabulary import EntryKind, Reading
from tests.shipped import shipped_book

CONDITION, PROCEDURE, ALLERGY, MEDICATION = (
    EntryKind.CONDITION, EntryKind.PROCEDURE, EntryKind.ALLERGY, EntryKind.MEDICATION,
)  # fmt: skip
READ, NOT_READ, SILENT = Reading.READ, Reading.NOT_READ, Reading.SILENT


@cache
def codes() -> TerminologyIndex:
    """The shipped codes and words."""
    book = shipped_book()
    return TerminologyIndex(code_sets(book), {name: drug_table(name, book) for name in book.tables}, vocabulary(book))


@pytest.mark.parametrize(
    ("text", "kind", "reading"),
    [
        ("Viral sinusitis (disorder)", CONDITION, READ),
        ("Fracture of left clavicle", CONDITION, READ),
        ("Received higher education (finding)", CONDITION, READ),
        ("Essential (primary) hypertension", CONDITION, READ),
        ("blood spilled into his head", CONDITION, NOT_READ),
        ("would rather not wake up", CONDITION, NOT_READ),
        ("is done with life", CONDITION, NOT_READ),
        ("people talk to her who are not there", CONDITION, NOT_READ),
        ("Fractura de clavícula", CONDITION, NOT_READ),
        ("Asxhma", CONDITION, NOT_READ),
        ("inzidentelles Aneurysma", CONDITION, READ),  # one word that is like none of ours qualifies it
        ("geen suïcidale gedachten", CONDITION, READ),
        ("Zerebrales Aneurysma", CONDITION, NOT_READ),  # it may be more: a hemorrhage
        ("inzidentelles und Aneurysma", CONDITION, NOT_READ),
        ("Aneurysma xyzzy plugh", CONDITION, NOT_READ),
        ("malignant HTN", CONDITION, NOT_READ),
        ("HTN", CONDITION, READ),
        ("BAD", CONDITION, NOT_READ),
        ("UTI", CONDITION, READ),
        ("G2P1 at 20 weeks", CONDITION, SILENT),
        ("zzz", CONDITION, NOT_READ),
        ("動脈瘤", CONDITION, NOT_READ),
        ("Unknown", CONDITION, SILENT),
        ("Not on file", CONDITION, SILENT),
        ("See notes", CONDITION, SILENT),
        ("keine Angabe", CONDITION, SILENT),
        ("Disorder", CONDITION, SILENT),
        ("I71.4", CONDITION, SILENT),
        ("", CONDITION, SILENT),
        ("Depression screening (procedure)", PROCEDURE, READ),
        ("Auscultation of the fetal heart (procedure)", PROCEDURE, READ),
        ("Clipping of vessel", PROCEDURE, NOT_READ),
        ("Peanut (substance)", ALLERGY, READ),
        ("Penicillin V", ALLERGY, READ),
        ("No known drug allergies", ALLERGY, READ),
        ("No information about allergies", ALLERGY, SILENT),
        ("Narkosemittel", ALLERGY, NOT_READ),
        ("metformin 500 mg tablet", MEDICATION, READ),
        ("Sertraline 50 mg", MEDICATION, READ),
        ("Sertrxlime 50 mg", MEDICATION, NOT_READ),
        ("antidepressant", MEDICATION, NOT_READ),
    ],
)
def test_words_are_read_placed_or_not_read(text: str, kind: EntryKind, reading: Reading) -> None:
    assert codes().read(Concept((), text), kind) is reading


@pytest.mark.parametrize(
    ("text", "may_be", "not_of"),
    [
        (
            "Zerebrales Aneurysma",
            {"intracerebral-haemorrhage"},
            {"suicidal-ideation", "psychotic-disorder", "pregnancy"},
        ),
        ("heart surgery", {"heart-failure"}, {"suicidal-ideation", "bipolar-disorder", "major-depressive-disorder"}),
        ("depression sucidal", {"suicidal-ideation"}, {"pregnancy"}),
    ],
)
def test_what_is_read_in_part_may_be_what_its_other_words_are_like(
    text: str, may_be: set[str], not_of: set[str]
) -> None:
    found = codes().may_be(Concept((), text), CONDITION)

    assert found is not None
    assert may_be <= found
    assert not_of.isdisjoint(found)


@pytest.mark.parametrize(
    "text", ["zzz", "prefiere no despertar", "Aneurysma, zzz", "heart cut", "geen idee xyzzy plugh"]
)
def test_what_nobody_knows_may_be_anything(text: str) -> None:
    assert codes().may_be(Concept((), text), CONDITION) is None


@pytest.mark.parametrize(
    ("coding", "kind", "reading"),
    [
        (Coding(ICD10CM, "J45.909"), CONDITION, READ),
        (Coding(ICD10CM, "J45.909", "Asthma bronchiale"), CONDITION, READ),
        (Coding(ICD10CM, "QQQ"), CONDITION, SILENT),
        (Coding(SNOMED, "195967001"), CONDITION, SILENT),  # our lists are not closed under their children
        (Coding(SNOMED, "195967001", "Asthma"), CONDITION, READ),
        (Coding("urn:local", "17", "Asthma"), CONDITION, READ),
        (Coding("urn:local", "17", "Wxyzq"), CONDITION, NOT_READ),
        (Coding("urn:local", "17"), CONDITION, SILENT),
        (Coding("http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown", "Unknown"), CONDITION, SILENT),
        (Coding(SNOMED, "716186003"), ALLERGY, READ),
        (Coding(ATC, "A10BA02"), MEDICATION, READ),
        (Coding(RXNORM, "1"), MEDICATION, SILENT),
    ],
)
def test_codes_are_read_placed_or_not_read(coding: Coding, kind: EntryKind, reading: Reading) -> None:
    assert codes().read(Concept((coding,)), kind) is reading


@pytest.mark.parametrize(
    ("said", "kind", "reading"),
    [
        (("Asthma", "Asthma (disorder)"), CONDITION, READ),
        (("blood spilled into his head", "Disorder"), CONDITION, NOT_READ),
        (("prefiere no despertar", "Counselling"), CONDITION, NOT_READ),
        (("aspirin", "Salicylate Analgesics"), MEDICATION, READ),
    ],
)
def test_of_several_texts_the_one_not_read_counts(said: tuple[str, ...], kind: EntryKind, reading: Reading) -> None:
    concept = Concept(tuple(Coding("urn:local", "1", text) for text in said))

    assert codes().read(concept, kind) is reading


def test_a_title_of_icd_10_cm_is_read_as_its_code_and_no_more() -> None:
    """Of a stroke long ago speaks the title of a late effect; of a disorder in remission the one of F33.42."""
    titled = {
        text: codes().sets_named(Concept((), text))
        for text in ("Psychosis NOS", "Major depressive disorder, recurrent, in full remission", "Hypertensive urgency")
    }

    assert "psychotic-disorder" in titled["Psychosis NOS"]
    assert "major-depressive-disorder" not in titled["Major depressive disorder, recurrent, in full remission"]
    assert "hypertensive-crisis" in titled["Hypertensive urgency"]
