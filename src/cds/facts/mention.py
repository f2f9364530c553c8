"""Observations and form items that speak of something in their name or answer, and that no other fact reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from cds.facts.context import SortedRecord, has_value, in_window
from cds.facts.kind import Numbers
from cds.facts.presence import CompiledPresence, Match, PresenceFact, weigh
from cds.locale.sentence import join_texts, say
from cds.logic.truth import Truth
from cds.record.model import Delivery, Measurement
from cds.terminology.concepts import Concept
from cds.yaml_source.fields import Names, NumberOrName, listed

LONGEST_TEXT = 2000
"""Characters of an answer that is read as one text; a longer one is read sentence by sentence."""
SENTENCE_ENDS = re.compile(r"[\n;!?]|\.\s")


class MentionFact(PresenceFact):
    """
    Observations and items of forms that speak of something in a code nobody reads, or in words alone.

    The name or the answer has a code or the words of one of the `coded` value sets. It is unknown where there is one,
    and never true; an answer in `answered_no`, a plain `false` or a number up to `lowest` says no. Where the name is
    itself a denial ("Denies pain"), an answer in `answered_yes` or a plain `true` says no, and no other.
    """

    find: Literal["mention"]
    answered_no: Names
    answered_yes: Names
    read_elsewhere: Annotated[Names, Field(description="Value sets of observations that other facts read for certain.")]
    lowest: NumberOrName

    def truths(self) -> frozenset[Truth]:
        """Never true: what only words say is for somebody to look at."""
        return PresenceFact.truths(self) - {Truth.TRUE}

    def compile(self, name: str, numbers: Numbers) -> CompiledMention:
        """The fact with every number in place."""
        return CompiledMention(
            **self.common(name, numbers),
            answered_no=frozenset(listed(self.answered_no)),
            answered_yes=frozenset(listed(self.answered_yes)),
            read_elsewhere=listed(self.read_elsewhere),
            lowest=numbers.number(self.lowest),
        )


@dataclass(frozen=True, slots=True)
class CompiledMention(CompiledPresence):
    """
    Observations and items of forms that speak of something.

    Attributes:
        answered_no: Value sets of answers, by code or as a whole name, that say it is not so.
        answered_yes: The same of answers that say it is so.
        read_elsewhere: Value sets of observations that other facts read; an entry of these is left to them.
        lowest: A number up to this says that it is not so.
    """

    answered_no: frozenset[str]
    answered_yes: frozenset[str]
    read_elsewhere: tuple[str, ...]
    lowest: float

    def data(self) -> tuple[()]:
        """Nothing of its own: what came for other facts is looked through."""
        return ()

    def entry(self) -> None:
        """None."""

    def mentioned(self) -> tuple[str, ...]:
        """The value sets whose words it looks for in observations."""
        return self.looked_for

    def how_sent(self, record: SortedRecord) -> Delivery:
        """How much of the observations that are not asked for by code arrived."""
        return record.how_sent("Observation")

    def matches(self, record: SortedRecord) -> Iterable[Match]:
        """Entries that speak of it, all of them in doubt."""
        return _mentions(self, record)


def _mentions(wanted: CompiledMention, record: SortedRecord) -> Iterator[Match]:
    sets = frozenset(wanted.looked_for)
    read = {id(hit.entry) for name in wanted.read_elsewhere for hit in record.measurements.get(name, ())}
    for entry in (*record.record.measurements, *record.record.other_answers):
        window = in_window(entry.when, record.today, wanted.look_back_days)
        if window is Truth.FALSE or id(entry) in read or not has_value(entry):
            continue
        if not _speaks_of(entry, sets, wanted, record):
            continue
        undated = window is None and wanted.look_back_days is not None
        _, why = weigh(
            (
                say("not in a code that is read for certain"),
                "" if entry.final else say("not final"),
                say("its date is not precise enough") if window is Truth.UNKNOWN else "",
                say("recorded without a date") if undated else "",
            )
        )
        yield Match(Truth.UNKNOWN, entry.source, _words(entry, record), entry.when, why)


def _speaks_of(entry: Measurement, sets: frozenset[str], wanted: CompiledMention, record: SortedRecord) -> bool:
    """Whether an entry may say that it is so, by its name and its answer."""
    named = _sets_in(entry.concept, record) & sets
    if named:
        return not _says_no(entry, named, wanted, record)
    denied = record.codes.sets_negated(entry.concept.said) & sets
    if denied:
        return not _says_yes(entry, denied, wanted, record)
    return _answer_speaks_of(entry, sets, record)


def _sets_in(concept: Concept, record: SortedRecord) -> frozenset[str]:
    """The value sets a concept is in by code or whole name, or whose words it says of this patient."""
    codes = record.codes
    return codes.sets_of(concept) | codes.sets_called(concept) | codes.sets_mentioned(concept.said)


def _says_no(entry: Measurement, named: frozenset[str], wanted: CompiledMention, record: SortedRecord) -> bool:
    codes = record.codes
    if entry.said is not None:
        return not entry.said
    if entry.value is not None:
        return entry.value <= wanted.lowest and not entry.comparator.startswith(">")
    answer = entry.answer if entry.answer is not None else Concept(text=entry.words)
    points = codes.answer(answer, wanted.read_elsewhere)
    if points is not None:
        return points <= wanted.lowest
    if not wanted.answered_no.isdisjoint(codes.sets_of(answer) | codes.sets_called(answer)):
        return True
    return any(named == codes.sets_denied(text) & frozenset(wanted.looked_for) for text in answer.said)


def _says_yes(entry: Measurement, denied: frozenset[str], wanted: CompiledMention, record: SortedRecord) -> bool:
    """Whether an answer agrees with a name that denies; a number may count how often, or be a box that was ticked."""
    if entry.said is not None:
        return entry.said
    if entry.value is not None:
        return False
    codes = record.codes
    answer = entry.answer if entry.answer is not None else Concept(text=entry.words)
    if not wanted.answered_yes.isdisjoint(codes.sets_of(answer) | codes.sets_called(answer)):
        return True
    return any(denied == codes.sets_denied(text) & frozenset(wanted.looked_for) for text in answer.said)


def _answer_speaks_of(entry: Measurement, sets: frozenset[str], record: SortedRecord) -> bool:
    """Whether the answer does, read behind the name ("Family history: …")."""
    if entry.answer is not None and not sets.isdisjoint(record.codes.sets_of(entry.answer)):
        return True
    said = entry.answer.said if entry.answer is not None else (entry.words,) if entry.words else ()
    heading = next(iter(entry.concept.said), "")[:LONGEST_TEXT]
    texts = (f"{heading}: {piece}" if heading else piece for text in said for piece in _pieces(text))
    return not sets.isdisjoint(record.codes.sets_mentioned(texts))


def _pieces(text: str) -> Iterator[str]:
    if len(text) <= LONGEST_TEXT:
        yield text
        return
    for piece in SENTENCE_ENDS.split(text):
        for start in range(0, len(piece), LONGEST_TEXT):
            yield piece[start : start + LONGEST_TEXT]


def _words(entry: Measurement, record: SortedRecord) -> str:
    if entry.said is not None:
        answer = say("yes") if entry.said else say("no")
    elif entry.answer is not None:
        answer = record.codes.words_for(entry.answer)
    else:
        answer = entry.words or f"{entry.comparator}{entry.value:g}"
    name = record.codes.words_for(entry.concept)
    return join_texts(": ", [name, answer]) if name else answer
