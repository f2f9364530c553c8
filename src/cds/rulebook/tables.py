"""Value sets and drug tables of a rulebook, joined and ready for looking things up."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import inf

from cds.rulebook.drug_rows import national_drug_codes
from cds.rulebook.format.reading import CueWords, LanguageCues, ReadingFile, WordList, WordsOfKinds
from cds.rulebook.format.review import ReviewFile, ReviewPanel
from cds.rulebook.format.value_set import NamesGroup, ValueSetFile
from cds.rulebook.format.vocabulary import SiteVocabularyEntry
from cds.rulebook.loader import Rulebook
from cds.terminology.concepts import bare
from cds.terminology.drugs import Drug, DrugTable, Product
from cds.terminology.index import TerminologyIndex
from cds.terminology.phrases import WordGroup, words_of
from cds.terminology.review_form import PanelForm, ReviewAnswer, ReviewForm, ReviewQuestion
from cds.terminology.statements import Cues, Meant, phrases_of
from cds.terminology.systems import ATC, LOINC, RXNORM, canonical_code, canonical_system
from cds.terminology.unknown_words import SuspiciousGroup
from cds.terminology.value_sets import CodeRange, ValueSet
from cds.terminology.vocabulary import EntryKind, Vocabulary, without
from cds.yaml_source.fields import duration_days


def code_sets(book: Rulebook) -> dict[str, ValueSet]:
    """Every value set, with what other files add to it."""
    sets: dict[str, ValueSet] = {}
    for loaded in sorted(book.sets, key=lambda s: s.model.valueset.id is None):
        header = loaded.model.valueset
        name = header.id or header.adds_to or ""
        into = sets.get(name)
        if into is None:
            into = sets[name] = ValueSet(name, header.title, {}, {}, {}, [], {}, [])
        for group in loaded.model.codes:
            into.codes.update({(group.system, code): display for code, display in group.exact.items()})
            into.roots.update({(group.system, code): display for code, display in group.with_children.items()})
            into.excepted.update({(group.system, code): display for code, display in group.except_.items()})
            into.ranges.extend(
                CodeRange(group.system, part.from_, part.to, part.character, part.is_) for part in group.by_character
            )
        for names in names_groups(loaded.model):
            into.names.append(
                WordGroup(
                    tuple(names.words),
                    tuple(names.abbreviations),
                    tuple(names.unless),
                    names.certain,
                    names.language,
                )
            )
        for full in loaded.model.full_names:
            into.full_names.update({bare(name): name for name in full.called})
        for answers in loaded.model.answers:
            into.answers.update({(answers.system, code): float(number) for code, number in answers.values.items()})
        for said in loaded.model.answers_in_words:
            into.answers_in_words.update({bare(words): float(number) for words, number in said.values.items()})
    for entry in site_entries(book):
        for into in (sets[name] for name in entry.sets if name in sets):
            if entry.text is not None:
                into.texts[bare(entry.text)] = entry.text
            else:
                into.codes[coding_of(entry)] = entry.display or ""
    return sets


def code_index(book: Rulebook, looked_for: Mapping[EntryKind, frozenset[str]] | None = None) -> TerminologyIndex:
    """
    Every value set, drug table and word of a rulebook in one index, with what a site adds.

    `looked_for`: as in `Vocabulary`; None for all sets.
    """
    drugs = {name: drug_table(name, book) for name in book.tables}
    sets = code_sets(book)
    words = vocabulary(book)
    if words is not None and looked_for is not None:
        words = replace(words, looked_for=looked_for)
    return TerminologyIndex(sets, drugs, words, review_form(book, sets))


def site_entries(book: Rulebook) -> list[SiteVocabularyEntry]:
    """What codes and texts of a site mean; none without a vocabulary."""
    return book.vocabulary.model.entries if book.vocabulary is not None else []


def coding_of(entry: SiteVocabularyEntry) -> tuple[str, str]:
    """The code of an entry as records are brought to; ("", "") for a text."""
    system, code = entry.system_and_code or ("", "")
    canonical = canonical_system(system)
    return canonical, canonical_code(canonical, code)


def names_groups(value_set: ValueSetFile) -> list[NamesGroup]:
    """The groups of words of a value set, none, one or several."""
    if value_set.names is None:
        return []
    return value_set.names if isinstance(value_set.names, list) else [value_set.names]


def drug_table(name: str, book: Rulebook) -> DrugTable:
    """A drug table by code and by name."""
    drugs: dict[str, Drug] = {}
    ingredient_codes: dict[tuple[str, str], str] = {}
    names: dict[tuple[str, ...], str] = {}
    for key, row in book.tables[name].model.drugs.items():
        minimum = row.minimum_mg_a_day
        columns = {"minimum": minimum, "strict_minimum": row.strict_minimum_mg_a_day or minimum}
        drugs[key] = Drug(
            key=key,
            drug_class=row.class_,
            molecule=row.molecule or key,
            role=row.role,
            counts_as_trial=row.counts_as_trial,
            minimum_mg_a_day={column: float(dose.value) for column, dose in columns.items() if dose},
        )
        if row.rxnorm:
            ingredient_codes[RXNORM, row.rxnorm] = key
        ingredient_codes.update({(ATC, code): key for code in row.atc})
        for spelling in (key, *row.names.brands, *row.names.brands_unverified, *row.names.spellings):
            names[words_of(spelling)] = key
        for spelling in (spelling for found in row.names.languages.values() for spelling in found):
            names.setdefault(words_of(spelling), key)
    for entry in site_entries(book):
        if entry.drug in drugs:
            if entry.text is not None:
                names[words_of(entry.text)] = entry.drug
            else:
                ingredient_codes[coding_of(entry)] = entry.drug
    products = {
        row.values["rxcui"]: Product(
            ingredient=row.values["ingredient"],
            strength_mg=float(row.values["strength_mg"]) if row.values["strength_mg"] else None,
            per=row.values["per"],
            form=row.values["form"],
            beside=tuple(filter(None, row.values["with"].split("|"))),
            trial=row.values["trial"] == "yes",
            note=row.values["note"],
        )
        for row in book.products[name]
    }
    ndcs = {code: row.values["rxcui"] for row in book.ndcs[name] for code in national_drug_codes(row)}
    header = book.tables[name].model.table
    return DrugTable(
        name,
        drugs,
        products,
        ingredient_codes,
        names,
        frozenset(word for text in header.says_nothing for word in words_of(text)),
        tuple((root.system, root.code) for root in header.classes),
        {code: rxcui for code, rxcui in ndcs.items() if rxcui in products},
    )


def vocabulary(book: Rulebook) -> Vocabulary | None:
    """Words and codes of things no rule looks for; None for rules that bring no reading.yaml."""
    if book.reading is None:
        return None
    model: ReadingFile = book.reading.model
    header, tables = model.reading, book.reading_tables
    suspicious = {
        kind: tuple(
            SuspiciousGroup.of(group.words.split(), group.never_of)
            for group in model.suspicious
            if kind.value in group.for_
        )
        for kind in EntryKind
    }
    conditions = tables.get(header.condition_words, ())
    drugs = (*tables.get(header.drug_words, ()), *_listed(model.plain_drugs))
    closed: dict[EntryKind, set[str]] = {}
    for group in model.closed_systems:
        for kind in group.for_:
            closed.setdefault(EntryKind(kind), set()).update(group.systems)
    plain = [word for text in _listed(group for group in model.plain if group.for_ is None) for word in words_of(text)]
    return Vocabulary(
        words={
            EntryKind.CONDITION: without((*conditions, *plain), suspicious[EntryKind.CONDITION]),
            EntryKind.PROCEDURE: without((*conditions, *plain), suspicious[EntryKind.PROCEDURE]),
            EntryKind.ALLERGY: without((*conditions, *drugs, *plain), suspicious[EntryKind.ALLERGY]),
            EntryKind.MEDICATION: without(drugs, suspicious[EntryKind.MEDICATION]),
            EntryKind.REFERRAL: without(
                (*conditions, *plain, *_of_kind(model.plain, EntryKind.REFERRAL)), suspicious[EntryKind.REFERRAL]
            ),
            EntryKind.OBSERVATION: without(
                (*conditions, *plain, *_of_kind(model.plain, EntryKind.OBSERVATION)), suspicious[EntryKind.OBSERVATION]
            ),
        },
        ignored=frozenset(_listed(group for group in model.ignored if group.for_ is None)),
        ignored_of={kind: _of_kind(model.ignored, kind) for kind in EntryKind},
        names={
            phrase: frozenset(word for text in group.never_beside for word in words_of(text))
            for group in model.others
            for phrase in phrases_of(group.names)
        },
        closed={kind: frozenset(systems) for kind, systems in closed.items()},
        categories=frozenset(line.partition(",")[0] for line in tables.get(header.categories, ())[1:]),
        titles=_titles(tables.get(header.titles, ())[1:]),
        says_nothing=frozenset(model.says_nothing),
        none_known=frozenset(model.none_known),
        cues=_cues(model.cues),
        other_codes=frozenset(coding_of(one) for one in site_entries(book) if one.is_other and one.code is not None),
        other_texts=frozenset(bare(one.text) for one in site_entries(book) if one.is_other and one.text is not None),
        frequencies=model.frequencies or "",
        counts=_folded(model.counts),
        suspicious=suspicious,
        articles=_folded(model.articles),
        joining=_folded(model.joining),
        abbreviations=frozenset(plain),
        near_match=header.near_match,
        ambiguous={text: frozenset(sets) for group in model.ambiguous for text, sets in group.means.items()},
    )


def _of_kind(groups: Iterable[WordsOfKinds], kind: EntryKind) -> frozenset[str]:
    """The words listed for entries of this kind only."""
    return _folded(group for group in groups if group.for_ is not None and kind.value in group.for_)


def _folded(groups: Iterable[WordList]) -> frozenset[str]:
    return frozenset(word for text in _listed(groups) for word in words_of(text))


def review_form(book: Rulebook, sets: Mapping[str, ValueSet]) -> ReviewForm | None:
    """The questionnaire of a review; None for rules that bring no review.yaml."""
    if book.review is None:
        return None
    model: ReviewFile = book.review.model
    header, trial = model.review, model.trial
    outcomes = {
        code: ReviewAnswer(
            one.display,
            fall=None if one.from_ is None and one.below is None else (_or(one.from_, -inf), _or(one.below, inf)),
            lost=one.lost,
        )
        for code, one in trial.outcome.answers.items()
    }
    questions = {
        "drug": ReviewQuestion(trial.drug),
        "start": ReviewQuestion(trial.start),
        "taken": ReviewQuestion(
            trial.taken.text, "", {c: ReviewAnswer(a.display, taken=a.taken) for c, a in trial.taken.answers.items()}
        ),
        "dose": ReviewQuestion(trial.dose.text, trial.dose.unit),
        "duration": ReviewQuestion(trial.duration.text, trial.duration.unit),
        "outcome": ReviewQuestion(trial.outcome.text, "", outcomes),
        "stopped": ReviewQuestion(
            trial.stopped.text,
            "",
            {c: ReviewAnswer(a.display, not_tolerated=a.not_tolerated) for c, a in trial.stopped.answers.items()},
        ),
        "prescribed": ReviewQuestion(
            trial.prescribed.text,
            "",
            {c: ReviewAnswer(a.display, as_prescribed=a.as_prescribed) for c, a in trial.prescribed.answers.items()},
        ),
    }
    return ReviewForm(
        url=header.url,
        version=header.version,
        title=header.title,
        codes=header.codes,
        trials=header.trials,
        trial=trial.text,
        entries=trial.entries,
        others=trial.others or "",
        questions=questions,
        days_each=duration_days(trial.duration.lasts) or 1,
        statements=model.statements,
        source=header.source,
        verified=header.verified,
        panels=tuple(_panel(name, panel, sets[panel.items]) for name, panel in model.panels.items()),
    )


def _panel(name: str, panel: ReviewPanel, items: ValueSet) -> PanelForm:
    """A panel with its items in the order of the value set; a LOINC name ends where its bracket begins."""
    return PanelForm(
        id=name,
        title=panel.title,
        url=panel.url,
        items={code: display.partition(" [")[0] for (system, code), display in items.codes.items() if system == LOINC},
        answers={code: (words, items.answers[LOINC, code]) for code, words in panel.answers.items()},
        total=(panel.total.code, panel.total.text),
        tells=tuple(panel.tells),
        safety=panel.safety,
        notice=panel.notice,
    )


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _titles(lines: Iterable[str]) -> dict[frozenset[str], tuple[str, ...]]:
    found: dict[frozenset[str], tuple[str, ...]] = {}
    for code, title in csv.reader(lines):
        key = frozenset(words_of(title))
        found[key] = (*found.get(key, ()), code)
    return found


def _listed(groups: Iterable[WordList]) -> list[str]:
    return [word for group in groups for word in group.words.split()]


def _cues(languages: Iterable[LanguageCues]) -> Cues:
    listed = list(languages)

    def of(place: str) -> dict[Meant, frozenset[tuple[str, ...]]]:
        def said(words: Iterable[CueWords]) -> frozenset[tuple[str, ...]]:
            return phrases_of(text for one in words for text in getattr(one, place))

        return {
            Meant.NEGATED: said(one.negated for one in listed),
            Meant.FAMILY: said(one.family for one in listed),
            Meant.PAST: said(one.history for one in listed),
            Meant.UNCERTAIN: said(one.uncertain for one in listed),
        }

    return Cues(
        of("before"),
        of("after"),
        phrases_of(text for one in listed for text in one.unless),
        between=frozenset(word for one in listed for text in one.between for word in words_of(text)),
        denials=phrases_of(text for one in listed for text in one.denials),
        contrasts=frozenset(word for one in listed for text in one.contrasts for word in words_of(text)),
    )
