"""What a code or text that was not read may mean: words of value sets, drugs and titles of ICD-10-CM like it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from cds.authoring.vocabulary.unread import UnreadTerm
from cds.rulebook.format.vocabulary import OTHER
from cds.rulebook.loader import Rulebook
from cds.terminology.concepts import Coding
from cds.terminology.index import TerminologyIndex
from cds.terminology.phrases import STAR, words_of
from cds.terminology.systems import ICD10CM
from cds.terminology.vocabulary import EntryKind

LIKE = 80  # of 100: how like a text must be; only what is proposed to a person depends on it
MOST = 3
SHORTEST = 4  # letters


@dataclass(frozen=True, slots=True)
class MeaningProposal:
    """
    What a term may mean.

    Attributes:
        key: "means", or "drug" for a drug of a table.
        value: Value set, drug, or `other`.
        like: What it is like, with its code where it has one.
        score: How like, of 100.
    """

    key: str
    value: str
    like: str
    score: int


class MeaningFinder:
    """Words, drugs and titles, made ready to be compared with."""

    def __init__(self, codes: TerminologyIndex, book: Rulebook) -> None:
        self._codes = codes
        self._words = _by_length(
            (words_of(word), (name, word)) for name, one in codes.sets.items() for word in one.words if STAR not in word
        )
        self._drugs = _by_length(
            (name, (key, " ".join(name))) for table in codes.drugs.values() for name, key in table.names.items()
        )
        self._titles = dict(_titles(book))

    def find(self, term: UnreadTerm) -> list[MeaningProposal]:
        """What a term may mean, most like first; none for a term without words."""
        words = words_of(term.text)
        if term.kind is EntryKind.MEDICATION:
            found = [MeaningProposal("drug", key, like, score) for (key, like), score in _near(words, self._drugs)]
        else:
            near = _near(words, self._words)
            found = [MeaningProposal("means", name, f"“{like}”", score) for (name, like), score in near]
            titles = process.extract(
                " ".join(words), self._titles.keys(), scorer=fuzz.token_sort_ratio, score_cutoff=LIKE
            )
            found += [
                MeaningProposal("means", name, " ".join(self._titles[title]), round(score))
                for title, score, _ in titles
                for name in self._of_code(self._titles[title][0])
            ]
        best: dict[tuple[str, str], MeaningProposal] = {}
        for one in sorted(found, key=lambda one: -one.score):
            best.setdefault((one.key, one.value), one)
        return list(best.values())[:MOST]

    def _of_code(self, code: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._codes.sets_with(Coding(ICD10CM, code)))) or (OTHER,)


Phrases = dict[int, dict[str, tuple[str, str]]]


def _by_length(phrases: Iterable[tuple[tuple[str, ...], tuple[str, str]]]) -> Phrases:
    """Number of words → phrase → what it stands for; what is too short to be told apart is left out."""
    found: Phrases = {}
    for words, means in phrases:
        if len(text := " ".join(words)) >= SHORTEST:
            found.setdefault(len(words), {}).setdefault(text, means)
    return found


def _near(words: tuple[str, ...], phrases: Phrases) -> Iterator[tuple[tuple[str, str], int]]:
    """What phrases stand for that are like some words of a text in a row, and how like they are."""
    for length, listed in phrases.items():
        for start in range(len(words) - length + 1):
            part = " ".join(words[start : start + length])
            for like, score, _ in process.extract(part, listed.keys(), scorer=fuzz.ratio, score_cutoff=LIKE):
                yield listed[like], round(score)


def _titles(book: Rulebook) -> list[tuple[str, tuple[str, str]]]:
    """Words of each title of ICD-10-CM the rules bring → (code, title)."""
    if book.reading is None:
        return []
    lines = book.reading_tables.get(book.reading.model.reading.titles, ())[1:]
    pairs = [line.partition(",") for line in lines]
    return [(" ".join(words_of(title)), (code, title.strip('"'))) for code, _, title in pairs]
