"""The words of the value sets: six languages where they decide, and none that says two things at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds.rulebook.loader import Rulebook
from cds.rulebook.tables import code_sets, drug_table
from cds.terminology.concepts import Concept, bare
from cds.terminology.index import TerminologyIndex
from cds.terminology.phrases import words_of
from cds.terminology.systems import ICD10CM
from cds.terminology.value_sets import ValueSet
from scripts.words_and_codes import PAGES, written
from tests.shipped import shipped_book

RULES = Path(__file__).parents[2] / "rules"
LANGUAGES = {"en", "de", "es", "fr", "nl", "sv"}
DECIDE = {
    "safety": ("suicidal-ideation", "suicidal-intent", "suicide-attempt", "suicide-history"),
    "contraindications": (
        "aneurysmal-vascular-disease", "arterial-dissection-ectasia", "arteriovenous-malformation",
        "arteriovenous-malformation-possible", "intracerebral-haemorrhage", "other-intracranial-haemorrhage",
        "traumatic-intracranial-haemorrhage", "ketamine-allergy-substance", "anaesthetic-allergy",
        "ketamine-expected-effects", "hypertensive-crisis", "pre-eclampsia",
    ),
    "criteria": (
        "major-depressive-disorder", "mdd-uncertain", "mdd-psychotic", "mdd-full-remission", "mdd-partial-remission",
        "bipolar-disorder", "psychotic-disorder", "treatment-ineffective", "treatment-not-tolerated",
    ),
    "cautions": (
        "pregnancy", "breastfeeding", "myocardial-infarction", "acute-coronary", "stroke-tia", "heart-failure",
        "hepatic-severe", "liver-disease", "dementia", "delirium", "seizure-disorder", "raised-eye-pressure",
        "raised-intracranial-pressure", "sud-alcohol-dependence-moderate-severe",
        "sud-opioid-dependence-moderate-severe", "sud-cocaine-dependence-moderate-severe",
        "sud-other-stimulant-dependence-moderate-severe", "sud-sedative-dependence-moderate-severe",
        "sud-inhalant-dependence-moderate-severe", "sud-other-psychoactive-dependence-moderate-severe",
        "sud-hallucinogen-pcp-ketamine", "substance-use-mild", "substance-use-unspecified",
        "substance-use-remission", "cannabis-use",
    ),
    "treatments": ("ect", "tms", "vns", "psychotherapy", "target-therapy", "esketamine", "referral-psychiatry"),
    "drugs": ("benzodiazepines", "opioids", "z-drugs", "psychostimulants", "maoi", "theophylline", "lamotrigine"),
}  # fmt: skip
ANSWERS = ("answer-yes", "answer-no", "result-positive", "result-negative", "status-pregnant", "status-not-pregnant")
CONTRADICT = (
    ("answer-yes", "answer-no"),
    ("result-positive", "result-negative"),
    ("status-pregnant", "status-not-pregnant"),
    ("treatment-ineffective", "treatment-not-tolerated"),
    ("mdd-full-remission", "mdd-partial-remission"),
    ("suicide-history", "suicide-attempt"),
    ("pregnancy", "cannot-become-pregnant"),
    ("bipolar-disorder", "psychotic-disorder"),
)
AMBIGUOUS = {"MI", "SI", "ICH", "SAH", "SAB", "AAA", "ACS", "SDH", "EKT", "TEC"}
"""Abbreviations that are words or syllables too, in one of the languages."""


@pytest.fixture(scope="module")
def book() -> Rulebook:
    return shipped_book()


@pytest.fixture(scope="module")
def sets(book: Rulebook) -> dict[str, ValueSet]:
    return code_sets(book)


@pytest.fixture(scope="module")
def codes(sets: dict[str, ValueSet]) -> TerminologyIndex:
    return TerminologyIndex(sets, {})


@pytest.mark.parametrize("name", [name for names in DECIDE.values() for name in names])
def test_a_set_that_decides_has_words_in_six_languages(name: str, sets: dict[str, ValueSet]) -> None:
    assert {group.language for group in sets[name].names} >= LANGUAGES


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_have_words_of_their_own(name: str, sets: dict[str, ValueSet]) -> None:
    assert len(sets[name].full_names) >= len(LANGUAGES)


@pytest.mark.parametrize(("one", "other"), CONTRADICT)
def test_no_word_says_two_things_that_contradict(one: str, other: str, sets: dict[str, ValueSet]) -> None:
    assert set(map(words_of, sets[one].words)).isdisjoint(map(words_of, sets[other].words))
    assert set(sets[one].full_names).isdisjoint(sets[other].full_names)


def test_abbreviations_that_are_words_too_are_found_in_capitals_only(sets: dict[str, ValueSet]) -> None:
    loose = {
        (name, word) for name, one in sets.items() for group in one.names for word in group.words if word in AMBIGUOUS
    }

    assert loose == set()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Zerebrales Aneurysma", "aneurysmal-vascular-disease"),
        ("Bauchaortenaneurysma, infrarenal", "aneurysmal-vascular-disease"),
        ("Aneurisma cerebral", "aneurysmal-vascular-disease"),
        ("Anévrisme de l'aorte", "aneurysmal-vascular-disease"),
        ("Hersenaneurysma", "aneurysmal-vascular-disease"),
        ("Hjärnaneurysm", "aneurysmal-vascular-disease"),
        ("Hirnblutung 2019", "intracerebral-haemorrhage"),
        ("bleed in the brain", "intracerebral-haemorrhage"),
        ("Suizidgedanken, akut", "suicidal-ideation"),
        ("Ideación suicida", "suicidal-ideation"),
        ("IDEACION SUICIDA", "suicidal-ideation"),
        ("wants to end her life", "suicidal-ideation"),
        ("SI w/ plan", "suicidal-intent"),
        ("NSTEMI", "myocardial-infarction"),
        ("Alcohol use disorder, severe", "sud-alcohol-dependence-moderate-severe"),
        ("Decompensated cirrhosis with ascites", "hepatic-severe"),
        ("Psychosis NOS", "psychotic-disorder"),
        ("Schizophrenie", "psychotic-disorder"),
        ("SCZ", "psychotic-disorder"),
        ("BPAD", "bipolar-disorder"),
        ("Major depressive disorder, recurrent, moderate", "major-depressive-disorder"),
        ("Schwangerschaft, 20. Woche", "pregnancy"),
    ],
)
def test_what_people_write_is_recognised(text: str, name: str, codes: TerminologyIndex) -> None:
    assert name in codes.sets_named(Concept((), text))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Respiratory depression", "mdd-uncertain"),
        ("Major depressive disorder, recurrent, in full remission", "major-depressive-disorder"),
        ("MDD with psychotic features", "psychotic-disorder"),
        ("Recurrent depression without psychotic features", "mdd-psychotic"),
        ("Heat stroke", "stroke-tia"),
        ("Alcoholic cirrhosis", "sud-alcohol-dependence-moderate-severe"),
        ("ich habe Kopfschmerzen", "intracerebral-haemorrhage"),
        ("Nichtraucher", "nicotine-use"),
        ("Aneurysmal bone cyst", "aneurysmal-vascular-disease"),
        ("Accidental overdose", "suicide-attempt"),
    ],
)
def test_what_only_sounds_like_it_is_not(text: str, name: str, codes: TerminologyIndex) -> None:
    assert name not in codes.sets_named(Concept((), text))


@pytest.mark.parametrize(("text", "name"), [("Overdose", "suicide-attempt"), ("Ascites", "hepatic-severe")])
def test_words_that_only_suggest_it_do_not_say_so(text: str, name: str, codes: TerminologyIndex) -> None:
    concept = Concept((), text)

    assert name in codes.sets_named(concept)
    assert name not in codes.sets_said(concept)


@pytest.mark.parametrize(
    ("text", "drug"),
    [
        ("Sertralin 100 mg", "sertraline"),
        ("Venlafaxin retard", "venlafaxine"),
        ("Trevilor retard 150 mg", "venlafaxine"),
        ("escitalopram 20 mg, comprimidos", "escitalopram"),
        ("Fluoxetina 20 mg", "fluoxetine"),
        ("Séroplex 10 mg", "escitalopram"),
        ("Deroxat", "paroxetine"),
        ("Mirtazapin Actavis", "mirtazapine"),
        ("Klomipramin", "clomipramine"),
        ("Elontril 300 mg", "bupropion"),
        ("fenelzine 15 mg", "phenelzine"),
        ("Litio carbonato", "lithium"),
    ],
)
def test_a_drug_is_known_by_its_name_in_other_languages(text: str, drug: str, book: Rulebook) -> None:
    recognised = drug_table("antidepressants", book).recognise(Concept((), text))

    assert recognised is not None
    assert recognised.drug.key == drug


def test_the_wording_of_item_nine_is_known_whatever_stands_around_it(sets: dict[str, ValueSet]) -> None:
    item = sets["phq-9-item-9"]

    assert bare("Thoughts that you would be better off dead, or of hurting yourself in some way") in item.full_names
    assert bare("Gedanken, dass Sie lieber tot wären oder sich Leid zufügen möchten") in item.full_names


@pytest.mark.seconds
def test_every_code_of_icd10cm_is_in_the_release_under_its_title(sets: dict[str, ValueSet]) -> None:
    release = pytest.importorskip("simple_icd_10_cm", reason="the ICD-10-CM release is an extra")
    shown = {
        (code, display)
        for one in sets.values()
        for codes_of in (one.codes, one.roots, one.excepted)
        for (system, code), display in codes_of.items()
        if system == ICD10CM
    }

    assert {code for code, _ in shown if not release.is_valid_item(code)} == set()
    assert {(code, text) for code, text in shown if release.get_description(code) != text} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_count_the_codes_and_words_of_each_set(page: Path) -> None:
    """When this fails: `python scripts/words_and_codes.py`."""
    assert written(page) == page.read_text(encoding="utf-8")
