"""Coded and yes-or-no answers → yes, no, or unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from cds.facts.context import SortedRecord, in_window
from cds.facts.data import AskedByCode, CodedQuery, DataQuery, asked_by_code, camel_case
from cds.facts.kind import Numbers
from cds.facts.presence import CompiledPresence, Match, PresenceFact, hits, weigh
from cds.locale.sentence import counted, say
from cds.logic.truth import TRUTHS, Truth
from cds.record.model import Delivery, Measurement
from cds.terminology.concepts import Concept
from cds.yaml_source.fields import Names, NoMutant, listed

NOT_ANSWERED = counted("asked {number} time, not answered", "asked {number} times, not answered", 1)
NOT_READ = counted("{number} answer not read, may be it", "{number} answers not read, may be it", 1)


class AnswerFact(PresenceFact):
    """
    A coded or yes-or-no answer (Observation or questionnaire item).

    `answered` are the answers that make it true, as a plain `true` does; `answered_no` those that make it false, as a
    plain `false` does. Any other answer is unknown.
    """

    find: Literal["answer"]
    answered: Names
    answered_no: Names | None = None
    asks_for: Annotated[Names | None, NoMutant()] = None
    prefetch: Annotated[str | None, NoMutant()] = None

    def truths(self) -> frozenset[Truth]:
        """All three: an answer of no makes it false, whatever `if_none_found` says."""
        return TRUTHS

    def asked_by_code(self) -> AskedByCode:
        """The item or question, or what is asked for instead."""
        return asked_by_code(self.coded, self.asks_for, self.prefetch)

    def compile(self, name: str, numbers: Numbers) -> CompiledAnswer:
        """The fact with every number in place."""
        return CompiledAnswer(
            **self.common(name, numbers),
            answered=listed(self.answered),
            answered_no=listed(self.answered_no),
            asks_for=listed(self.asks_for),
            key=self.prefetch or "",
        )


@dataclass(frozen=True, slots=True)
class CompiledAnswer(CompiledPresence):
    """
    An Observation or questionnaire item whose value is coded: present when the answer is in `answered`.

    Attributes:
        answered: Value sets of answers that make it present, as the plain answer true does.
        answered_no: Value sets of answers that make it absent, as the plain answer false does; any other answer is
            unknown.
        asks_for: Value sets to query for instead, "" for the coded ones.
        key: Prefetch key, "" for one made of the name.
    """

    answered: tuple[str, ...]
    answered_no: tuple[str, ...]
    asks_for: tuple[str, ...]
    key: str

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return (CodedQuery(self.key or camel_case(self.name), self.coded, self.asks_for or self.coded, forms=True),)

    def entry(self) -> None:
        """None."""

    def matches(self, record: SortedRecord) -> Iterable[Match]:
        """Entries that speak to it."""
        return (*_answers(self, record), *_may_be_answers(self, record))

    def how_sent(self, record: SortedRecord) -> Delivery:
        """How much of the data it is looked for in arrived."""
        return record.how_sent("Observation", self.asks_for or self.coded)


def _answers(wanted: CompiledAnswer, sorted_record: SortedRecord) -> Iterator[Match]:
    for hit, _ in hits(wanted, sorted_record.measurements):
        entry = hit.entry
        assert isinstance(entry, Measurement)  # noqa: S101 (sorted by kind)
        window = in_window(entry.when, sorted_record.today, wanted.look_back_days)
        if window is Truth.FALSE:
            continue
        said = _said(entry, wanted, sorted_record)
        if said is Truth.FALSE:
            if entry.final and window is Truth.TRUE:
                yield Match(
                    Truth.FALSE, entry.source, _words(entry, sorted_record), entry.when, say("answered otherwise")
                )
        elif said is None:
            yield Match(Truth.UNKNOWN, entry.source, "", entry.when, NOT_ANSWERED, says_nothing=True)
        else:
            undated = window is None and wanted.look_back_days is not None
            truth, why = weigh(
                (
                    say("the answer is not one this rule knows") if said is Truth.UNKNOWN else "",
                    "" if entry.final else say("not final"),
                    say("its date is not precise enough") if window is Truth.UNKNOWN else "",
                    say("recorded without a date") if undated else "",
                )
            )
            yield Match(truth, entry.source, _words(entry, sorted_record), entry.when, why)


def _may_be_answers(wanted: CompiledAnswer, sorted_record: SortedRecord) -> Iterator[Match]:
    """Answers that would make it true, of a question whose code and name nobody here knows."""
    for entry in sorted_record.unread_measurements:
        if in_window(entry.when, sorted_record.today, wanted.look_back_days) is not Truth.FALSE and _affirms(
            entry, wanted, sorted_record
        ):
            words = _words(entry, sorted_record)
            yield Match(Truth.UNKNOWN, entry.source, words, entry.when, NOT_READ, says_nothing=True)


def _affirms(entry: Measurement, wanted: CompiledAnswer, sorted_record: SortedRecord) -> bool:
    if entry.said is not None:
        return entry.said
    answer = entry.answer if entry.answer is not None else Concept(text=entry.words)
    codes = sorted_record.codes
    return not (codes.sets_of(answer) | codes.sets_called(answer)).isdisjoint(wanted.answered)


def _said(entry: Measurement, wanted: CompiledAnswer, sorted_record: SortedRecord) -> Truth | None:
    """Yes, no, or something this rule does not know; None when there is no answer."""
    if entry.said is not None:
        return Truth.of(entry.said)
    if entry.answer is not None:
        sets = sorted_record.codes.sets_of(entry.answer)
        if not sets.isdisjoint(wanted.answered):
            return Truth.TRUE
        return Truth.UNKNOWN if sets.isdisjoint(wanted.answered_no) else Truth.FALSE
    return Truth.UNKNOWN if entry.words or entry.value is not None else None


def _words(entry: Measurement, sorted_record: SortedRecord) -> str:
    if entry.said is not None:
        return say("yes") if entry.said else say("no")
    return sorted_record.codes.words_for(entry.answer) if entry.answer is not None else entry.words
