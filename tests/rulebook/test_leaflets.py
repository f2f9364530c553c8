"""Leaflets as files: each statement with its evidence, every language whole, no dose, and a site's own words."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cds.rulebook.compile import compile_ruleset
from cds.rulebook.compiled_ruleset import Leaflet
from cds.rulebook.lint.lint import check
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.rulebook.lock import lock_text
from tests.rulebook.small_rules import GOOD, changed, write_rules

LEAFLET = """\
# yaml-language-server: $schema=../rules.schema.json
about:
  id: leaflet
  title: A leaflet
  version: 1.0.0
  status: active
  purpose: Tell of a treatment.
  limits: General words.
  owners: [somebody]
  reviewed: {date: 2025-01-01, by: pending, next: 2026-01-01}

evidence:
  label: {cite: A label, says: So it is., verified: false}

leaflets:
  sheet:
    reader: patient
    cards: [suggest]
    name: English
    languages: {es: {name: español, source: Of this test, verified: false}}
    title: {say: A treatment, in: {es: Un tratamiento}}
    notices:
      unreviewed: {say: Not reviewed., in: {es: Sin revisar.}}
      unverified: {say: Not checked., in: {es: Sin comprobar.}}
      general: {say: General words., in: {es: Palabras generales.}}
    sections:
      - title: {say: The day, in: {es: El día}}
        points:
          - say: "At least {{ trials_required }} of them."
            in: {es: "Al menos {{ trials_required }}."}
            evidence: [label]
"""
PLACE = "depression/leaflet.yaml"
FORMS = LEAFLET.replace("of them.", "of them, {{ trials_required | one: # time | other: # times }}.").replace(
    '{{ trials_required }}."}', '{{ trials_required | one: # vez | other: # veces }}."}'
)


def book(folder: Path, text: str = LEAFLET, **more: str) -> Rulebook:
    return read_rulebook(write_rules(folder, {**GOOD, PLACE: text, **more}))


def told(folder: Path, text: str) -> list[tuple[str, str]]:
    made = book(folder, text)
    found = made.problems or [one for one in check(made, today=date(2025, 6, 1)) if one.file.endswith(PLACE)]
    return [(one.check, f"{one.what} {one.fix}") for one in found if not one.warning]


def compiled(made: Rulebook) -> Leaflet:
    assert made.problems == []
    (leaflet,) = compile_ruleset(made).leaflets
    return leaflet


def test_a_leaflet_without_mistakes_has_none(tmp_path: Path) -> None:
    assert told(tmp_path, LEAFLET) == []


def test_parameters_are_filled_in_in_each_language(tmp_path: Path) -> None:
    leaflet = compiled(book(tmp_path))

    assert [(name, page.parts[0].statements[0].says) for name, page in leaflet.pages.items()] == [
        ("en", "At least 2 of them."), ("es", "Al menos 2."),
    ]  # fmt: skip
    assert [page.unverified for page in leaflet.pages.values()] == ["", "Sin comprobar."]
    assert leaflet.pages["en"].parts[0].statements[0].evidence[0].cite == "A label"


@pytest.mark.parametrize(
    ("old", "new", "name", "says"),
    [
        ("At least {{", "Take 56 mg, or {{", "wrong-form", "names no dose"),
        ("Al menos {{", "Tome 2 sprays, o {{", "wrong-form", "names no dose"),
        (", in: {es: El día}", "", "wrong-form", "must stand `in`"),
        ("es: El día", "de: Der Tag", "wrong-form", "must stand `in`"),
        ("            evidence: [label]\n", "", "missing-key", "evidence"),
        ("evidence: [label]", "evidence: [labl]", "unknown-evidence", "label"),
        ("cards: [suggest]", "cards: [sugest]", "unknown-name", "suggest"),
        ('"Al menos {{ trials_required }}."', '"Al menos {{ trials_requird }}."', "unknown-name", "trials_required"),
        ('"Al menos {{ trials_required }}."', '"Al menos {{ when(age) }}."', "unknown-name", "when"),
        ("reader: patient", "reader: nurse", "wrong-value", "patient"),
    ],
    ids=["a dose", "a dose elsewhere", "a language left out", "another language", "no evidence", "unknown evidence",
         "unknown card", "unknown parameter", "no parameter", "unknown reader"],
)  # fmt: skip
def test_one_mistake_is_told(tmp_path: Path, old: str, new: str, name: str, says: str) -> None:
    found = told(tmp_path, changed(LEAFLET, old, new))

    assert [one for one, _ in found][:1] == [name], found
    assert says in found[0][1]


def test_another_word_in_any_language_is_another_meaning(tmp_path: Path) -> None:
    before = lock_text(book(tmp_path / "before"))

    assert lock_text(book(tmp_path / "after", changed(LEAFLET, "es: El día", "es: La jornada"))) != before
    assert lock_text(book(tmp_path / "same", LEAFLET + "\n# A remark\n")) == before


SITE = """\
site: {id: haus, name: A hospital, rules: ../rules, uses: depression >=1.0 <2.0}
"""
WORDING = """\
wording: {of: leaflet, version: 1.0.0, language: en, because: Ours, by: A committee, review: 2026-01-01}
texts:
  leaflets:
    sheet:
      sections:
        1:
          points:
            1:
              say: "We ask for {{ trials_required }}."
              in: {es: "Pedimos {{ trials_required }}."}
"""


def site(folder: Path, wording: str) -> Rulebook:
    write_rules(folder / "rules", {**GOOD, PLACE: LEAFLET})
    return read_rulebook(write_rules(folder / "haus", {"site.yaml": SITE, "wording/leaflet.yaml": wording}))


def test_a_site_words_each_language_its_own_way(tmp_path: Path) -> None:
    pages = compiled(site(tmp_path, WORDING)).pages

    assert [page.parts[0].statements[0].says for page in pages.values()] == ["We ask for 2.", "Pedimos 2."]
    assert pages["en"].title == "A treatment"


def test_a_site_names_no_dose_either(tmp_path: Path) -> None:
    made = site(tmp_path, changed(WORDING, "We ask for", "We give 84 mg,"))

    assert [(one.check, "names a dose" in one.what) for one in made.problems] == [("site-wording", True)]


def test_a_number_has_the_plural_forms_of_each_language(tmp_path: Path) -> None:
    assert told(tmp_path / "a", FORMS) == []
    pages = compiled(book(tmp_path / "b", FORMS)).pages
    says = {language: page.parts[0].statements[0].says for language, page in pages.items()}
    assert says == {"en": "At least 2 of them, 2 times.", "es": "Al menos 2 veces."}
    lacking = FORMS.replace("one: # vez | ", "")
    assert [check for check, _ in told(tmp_path / "c", lacking)] == ["plural-forms"]
    word = FORMS.replace("{{ trials_required | one: # vez", "{{ standard | one: # vez")
    assert [check for check, _ in told(tmp_path / "d", word)] == ["wrong-kind"]
