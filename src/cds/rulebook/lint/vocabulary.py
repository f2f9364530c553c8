"""Checks of a site's vocabulary: each entry means something that exists, once, and hides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cds.rulebook.format.vocabulary import OTHER, SiteVocabularyEntry
from cds.rulebook.lint.codes import set_names
from cds.rulebook.lint.view import RulebookView
from cds.rulebook.overlay import guarded_names, hides
from cds.rulebook.tables import code_index
from cds.terminology.concepts import Coding, Concept, bare
from cds.terminology.index import TerminologyIndex
from cds.terminology.phrases import words_of
from cds.terminology.systems import canonical_code, canonical_system
from cds.yaml_source.correction import did_you_mean
from cds.yaml_source.document import Path
from cds.yaml_source.problem import Problem

CHECK = "vocabulary-entry"
MOST_WORDS_OF_A_DRUG = 3  # cds.terminology.drugs compares drug names up to this length


def vocabulary_entry(view: RulebookView) -> Iterator[Problem]:
    """An entry of vocabulary.yaml means something that exists, and says it once."""
    loaded = view.book.vocabulary
    if loaded is None:
        return
    known = {name for name in set_names(view) if name}
    drugs = {drug for table in view.book.tables.values() for drug in table.model.drugs}
    guarded = guarded_names(view.book.rules.values())
    index = code_index(replace(view.book, vocabulary=None))
    seen: dict[object, int] = {}
    for number, entry in enumerate(loaded.model.entries):
        here: Path = ("entries", number)
        for what, fix, why, warning in _wrong(entry, known, drugs, view, guarded, index):
            yield loaded.problem(here, CHECK, what, fix, why, warning=warning)
        key = _key(entry)
        if key in seen:
            what = f"{_said(entry)} already stands in entry {seen[key] + 1}."
            yield loaded.problem(here, CHECK, what, "Keep one; `means` can be a list of value sets.")
        seen.setdefault(key, number)


def _key(entry: SiteVocabularyEntry) -> object:
    if entry.system_and_code is None:
        return bare(entry.text or "")
    system, code = entry.system_and_code
    return canonical_system(system), canonical_code(canonical_system(system), code)


def _said(entry: SiteVocabularyEntry) -> str:
    return f"`{entry.code}`" if entry.code else f"“{entry.text}”"


def _wrong(
    entry: SiteVocabularyEntry,
    known: set[str],
    drugs: set[str],
    view: RulebookView,
    guarded: frozenset[str],
    index: TerminologyIndex,
) -> Iterator[tuple[str, str, str, bool]]:
    """What is wrong with an entry: what, how to fix it, why it matters, and whether it is a warning only."""
    if entry.text is not None and not bare(entry.text):
        yield f"{_said(entry)} has neither a letter nor a digit.", "Write the text as the EHR sends it.", "", False
    for name in entry.sets:
        if name not in known:
            if not view.may_be_defined(name):
                fix = did_you_mean(name, {*known, OTHER}, f"Write the id of a value set, or `{OTHER}`.")
                yield f"There is no value set `{name}`.", fix, "", False
        elif (hidden := hides(name, view.book.rules, guarded)) is not None:
            fix = "Remove it; tell the owners of the value set what is missing."
            what = f"{_said(entry)} cannot be of `{name}`: it would hide `{hidden}`."
            yield what, fix, "A contraindication could vanish.", False
    if entry.drug is not None and entry.drug not in drugs:
        yield (
            f"There is no drug `{entry.drug}` in a drug table.",
            did_you_mean(entry.drug, drugs, "Name one."),
            "",
            False,
        )
    if entry.drug and entry.text and not 1 <= len(words_of(entry.text)) <= MOST_WORDS_OF_A_DRUG:
        fix = f"Write one to {MOST_WORDS_OF_A_DRUG} words; digits and punctuation are not compared."
        yield f"{_said(entry)} can never be found as the name of a drug.", fix, "", False
    if entry.is_other:
        yield from _not_another(entry, index)


def _not_another(entry: SiteVocabularyEntry, index: TerminologyIndex) -> Iterator[tuple[str, str, str, bool]]:
    """Why an entry cannot be said to be nothing any rule looks for."""
    if entry.system_and_code is not None:
        system = canonical_system(entry.system_and_code[0])
        coding = Coding(system, canonical_code(system, entry.system_and_code[1]))
        if found := [*index.sets_with(coding)]:
            yield f"{_said(entry)} is a code of `{found[0]}`: it cannot be `{OTHER}`.", "Remove it.", "", False
        elif not index.codes_of_another_drug((coding,)):
            yield f"{_said(entry)} is a code of a drug table: it cannot be `{OTHER}`.", "Remove it.", "", False
    text = entry.text or entry.display or ""
    if found := sorted(index.sets_named(Concept(text=text))):
        yield (
            f"“{text}” has words of `{found[0]}`, so that it may still be one, although it says `{OTHER}`.",
            f"Look again at what it means; perhaps `{found[0]}`.", "", True,
        )  # fmt: skip


CHECKS = (vocabulary_entry,)
