"""Charts → what of them was not read: how often, and what it leaves open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date

from cds.decide import Decision, Ruleset, decide
from cds.facts.context import KINDS, concepts_of
from cds.facts.unread import unread_entries
from cds.read_request import read_record
from cds.record.model import CodedEntry, Measurement, PatientRecord
from cds.settings import Settings
from cds.terminology.concepts import bare
from cds.terminology.vocabulary import EntryKind

Key = tuple[EntryKind, str]
UnreadEntry = CodedEntry | Measurement


@dataclass(slots=True)
class UnreadTerm:
    """
    One code or text that was not read.

    Attributes:
        kind: What sort of entry it is.
        code: "system|code", as it was sent; "" for one in words only.
        text: Its words, as first met; "" without any.
        times: How many entries.
        patients: In how many charts.
        leaves_open: Label of a conclusion → in how many charts it is another with it than without anything unread.
        cards: In how many charts other cards are shown with it.
    """

    kind: EntryKind
    code: str
    text: str
    times: int = 0
    patients: int = 0
    leaves_open: Counter[str] = field(default_factory=Counter)
    cards: int = 0


def unread_terms(
    rules: Ruleset, bodies: Iterable[bytes], today: date, settings: Settings
) -> tuple[list[UnreadTerm], int]:
    """
    What was not read in some charts, what matters most first; and how many charts there were.

    What an entry leaves open is found by deciding without all that was not read, and once more with it alone: several
    entries that each leave the same open would hide each other.

    Raises:
        RequestError: A body is no chart.
    """
    terms: dict[Key, UnreadTerm] = {}
    charts = 0
    for body in bodies:
        charts += 1
        record, service = read_record(body, rules, settings)
        own: dict[Key, list[UnreadEntry]] = {}
        for entry in unread_entries(record, rules.program.codes):
            own.setdefault(_key(entry), []).append(entry)
        if not own:
            continue
        everything = [entry for entries in own.values() for entry in entries]
        before = decide(rules, _without(record, everything), today, service)
        for key, entries in own.items():
            term = terms.setdefault(key, _term(key[0], entries[0]))
            term.times += len(entries)
            term.patients += 1
            others = [entry for entry in everything if all(entry is not own_entry for own_entry in entries)]
            after = decide(rules, _without(record, others), today, service)
            term.leaves_open.update(_other_conclusions(rules, before, after))
            term.cards += [card.name for card in before.cards] != [card.name for card in after.cards]
    ranked = sorted(
        terms.values(), key=lambda one: (-one.cards, -sum(one.leaves_open.values()), -one.times, one.code, one.text)
    )
    return ranked, charts


def _key(entry: UnreadEntry) -> Key:
    code = _code(entry)
    return KINDS[type(entry)], code or bare(_text(entry))


def _term(kind: EntryKind, entry: UnreadEntry) -> UnreadTerm:
    return UnreadTerm(kind, _code(entry), _text(entry))


def _code(entry: UnreadEntry) -> str:
    codings = (coding for concept in concepts_of(entry) for coding in concept.codings)
    return next((f"{one.system}|{one.code}" for one in codings if one.system and one.code), "")


def _text(entry: UnreadEntry) -> str:
    return next((text for concept in concepts_of(entry) for text in concept.said), "")


def _without(record: PatientRecord, entries: Iterable[UnreadEntry]) -> PatientRecord:
    gone = {id(entry) for entry in entries}
    return replace(
        record,
        diagnoses=tuple(one for one in record.diagnoses if id(one) not in gone),
        measurements=tuple(one for one in record.measurements if id(one) not in gone),
        other_answers=tuple(one for one in record.other_answers if id(one) not in gone),
        exposures=tuple(one for one in record.exposures if id(one) not in gone),
        interventions=tuple(one for one in record.interventions if id(one) not in gone),
        allergies=tuple(one for one in record.allergies if id(one) not in gone),
        referrals=tuple(one for one in record.referrals if id(one) not in gone),
    )


def _other_conclusions(rules: Ruleset, before: Decision, after: Decision) -> set[str]:
    """Labels of the conclusions that are another; cards and notes are none."""
    program = rules.program
    texts = {card.head for card in program.cards.values()}
    texts |= {note.head for card in program.cards.values() for note in card.notes}
    return {
        program.heads[name].label
        for name, truth in before.truths.items()
        if name not in texts and program.heads[name].is_an_authors and after.truths[name] is not truth
    }
