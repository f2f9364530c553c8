"""Diagnoses → how many entries of a kind there are, and on which days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from math import inf
from typing import ClassVar, Literal

import msgspec

from cds.facts.context import SortedRecord
from cds.facts.data import DataQuery, conditions
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.history.index_day import DatedEntries
from cds.facts.kind import NUMBER, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.presence import could_be_anything
from cds.locale.sentence import join_texts, say
from cds.record.model import DeliveryState, Diagnosis, Span, Verification
from cds.yaml_source.fields import Names, listed


class DiagnosisCountFact(FactBase):
    """How many entries of a diagnosis there are, as a range; `coded_except` are none, though they are of these."""

    role: ClassVar[str] = NUMBER
    no_window: ClassVar[str] = "Every entry counts, whenever it was recorded: remove it."
    find: Literal["diagnosis_count"]
    coded: Names
    coded_except: Names | None = None
    unit: Literal["diagnoses"]

    def compile(self, name: str, numbers: Numbers) -> CompiledDiagnosisCount:
        """The fact with every number in place."""
        return CompiledDiagnosisCount(
            **self.common(name, numbers), coded=listed(self.coded), coded_except=listed(self.coded_except)
        )


@dataclass(frozen=True, slots=True)
class CompiledDiagnosisCount(CompiledFact):
    """How many entries of a diagnosis there are, whatever their status; those of `coded_except` are none."""

    coded: tuple[str, ...]
    coded_except: tuple[str, ...]

    def needs(self) -> tuple[str, ...]:
        """None."""
        return ()

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        # Diagnoses of published definitions do not decide how an entry is read for a card, so none is looked for.
        return (conditions(()),)

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `count_diagnoses`."""
        return count_diagnoses(self, context.sorted_record)


class Entries(msgspec.Struct, frozen=True):
    """Diagnoses of some value sets: those that surely are, those that may be, and whether they all came."""

    sure: tuple[Diagnosis, ...]
    possible: tuple[Diagnosis, ...]
    whole: bool

    def dated(self, today: date) -> DatedEntries:
        """
        The days on which one was recorded or began.

        Both days of an entry count; one without a certain day may lie anywhere up to today.
        """
        sure: list[int] = []
        possible: list[tuple[int, int]] = []
        for entry in (*self.sure, *self.possible):
            spans = [span for span in (entry.onset, entry.recorded) if span is not None and span.earliest <= today]
            if not spans and (entry.onset or entry.recorded):
                continue  # to come
            for span in spans or [Span(date.min, today)]:
                if span.exact and entry in self.sure:
                    sure.append(span.earliest.toordinal())
                else:
                    possible.append((span.earliest.toordinal(), min(span.latest, today).toordinal()))
        return DatedEntries(tuple(sure), tuple(possible), anywhere=not self.whole)


def entries_of(sets: Iterable[str], sorted_record: SortedRecord, but_not: Iterable[str] = ()) -> Entries:
    """
    Diagnoses of these value sets, whatever their status; refuted ones are none.

    `but_not` are value sets of codes that are left out although they are in one of these.
    A diagnosis that is not confirmed, in words only, or that nobody could read is possible.
    """
    wanted = tuple(sets)
    left_out = {id(hit.entry) for name in but_not for hit in sorted_record.diagnoses.get(name, ()) if not hit.by_name}
    sure: dict[int, Diagnosis] = {}
    possible: dict[int, Diagnosis] = {}
    for name in wanted:
        for hit in sorted_record.diagnoses.get(name, ()):
            if id(hit.entry) in left_out:
                continue
            if isinstance(hit.entry, Diagnosis) and hit.entry.verification is not Verification.WRONG:
                certain = hit.entry.verification is Verification.CONFIRMED and not hit.by_name
                (sure if certain else possible)[id(hit.entry)] = hit.entry
    for entry, _ in could_be_anything(wanted, sorted_record, Diagnosis, sorted_record.diagnoses):
        if entry.verification is not Verification.WRONG and id(entry) not in left_out:
            possible[id(entry)] = entry
    return Entries(
        tuple(sure.values()),
        tuple(entry for key, entry in possible.items() if key not in sure),
        sorted_record.how_sent("Condition").state is DeliveryState.WHOLE,
    )


def count_diagnoses(wanted: CompiledDiagnosisCount, sorted_record: SortedRecord) -> Fact:
    """How many entries there are, as a range: from those that surely are to those that may be."""
    entries = entries_of(wanted.coded, sorted_record, wanted.coded_except)
    sent = sorted_record.how_sent("Condition")
    sure = entries.whole and not entries.possible
    days = sorted(entries.dated(sorted_record.today).sure)
    return Fact(
        name=wanted.name,
        label=wanted.label,
        low=float(len(entries.sure)),
        high=float(len(entries.sure) + len(entries.possible)) if entries.whole else inf,
        unit="diagnoses",
        text=str(len(entries.sure)) if sure else say("at least {sure}", sure=len(entries.sure)),
        because=say("{sure} recorded", sure=len(entries.sure))
        + ("" if entries.whole else join_texts("", ["; ", sent.because])),
        why_unknown=None if sure else WhyUnknown.POSSIBLE if entries.whole else WhyUnknown.NOT_SENT,
        missing=() if sure else (wanted.label,),
        found=tuple(FactSource(entry.source, entry.concept.words) for entry in (*entries.sure, *entries.possible)),
        reached=tuple(map(date.fromordinal, days)),
    )
