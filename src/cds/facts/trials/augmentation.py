"""Trials + exposures → whether, and with how many drugs, a trial was augmented for long enough."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from cds.facts.context import SortedRecord
from cds.facts.data import MEDICATIONS, DataQuery
from cds.facts.fact import Fact, FactSource, Trial, WhyUnknown
from cds.facts.kind import NUMBER, STATEMENT, TRIALS, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.measurements import range_text
from cds.facts.presence import IN_WORDS
from cds.facts.trials.exposure_periods import Days, day_by_day, exposure_periods
from cds.locale.sentence import say
from cds.logic.truth import Truth
from cds.record.model import DeliveryState, Exposure
from cds.terminology.concepts import Concept
from cds.terminology.drugs import Recognised
from cds.yaml_source.fields import DrugTableName, Duration, Refers, Slug, Snake


class AugmentationFact(FactBase):
    """A drug of the table that augments, taken together with a trial for so long."""

    role: ClassVar[str] = STATEMENT
    no_window: ClassVar[str] = "Bound the trials it is taken with by `in_episode`."
    find: Literal["augmentation"]
    drugs: Annotated[Slug, DrugTableName()]
    beside: Annotated[Snake, Refers(TRIALS)]
    lasts_at_least: Duration

    def compile(self, name: str, numbers: Numbers) -> CompiledAugmentation:
        """The fact with every number in place."""
        return CompiledAugmentation(
            **self.common(name, numbers), drugs=self.drugs, trials=self.beside, days=numbers.days(self.lasts_at_least)
        )


class AugmentationCountFact(FactBase):
    """How many drugs of the table augmented a trial, each for so long."""

    role: ClassVar[str] = NUMBER
    no_window: ClassVar[str] = "Bound the trials they are taken with by `in_episode`."
    find: Literal["augmentation_count"]
    drugs: Annotated[Slug, DrugTableName()]
    beside: Annotated[Snake, Refers(TRIALS)]
    lasts_at_least: Duration
    unit: Literal["drugs"]

    def compile(self, name: str, numbers: Numbers) -> CompiledAugmentationCount:
        """The fact with every number in place."""
        return CompiledAugmentationCount(
            **self.common(name, numbers), drugs=self.drugs, trials=self.beside, days=numbers.days(self.lasts_at_least)
        )


@dataclass(frozen=True, slots=True)
class CompiledAugmentation(CompiledFact):
    """
    Whether a drug that augments was taken together with a trial.

    Attributes:
        drugs: Name of the drug table.
        trials: Name of the trials fact.
        days: For at least so many days of one trial.
    """

    drugs: str
    trials: str
    days: int

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return (self.trials,)

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return MEDICATIONS

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `augmentation`."""
        return augmentation(self, context.sorted_record, context.facts[self.trials])


@dataclass(frozen=True, slots=True)
class CompiledAugmentationCount(CompiledAugmentation):
    """With how many drugs a trial was augmented; the attributes are those of one augmentation."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `augmentation_count`."""
        return augmentation_count(self, context.sorted_record, context.facts[self.trials])


ROLE = "augmentation"  # of a drug in the table


def augmentation(wanted: CompiledAugmentation, sorted_record: SortedRecord, trials: Fact) -> Fact:
    """
    Whether a trial was augmented.

    True when a drug of that role was surely taken on so many days of one trial, at its minimum dose where the table has
    one; unknown when it may have been, when a medication of those days was not read, or when medications did not arrive
    whole; false otherwise.
    """
    sure: list[FactSource] = []
    possible: list[FactSource] = []
    for pair in _augmented(wanted, sorted_record, trials):
        (sure if pair.sure else possible).extend(pair.entries)
    if sure:
        return _fact(wanted, Truth.TRUE, say("taken together with a trial for long enough"), sure)
    if possible:
        because = say("unknown whether it was taken together for long enough")
        return _fact(wanted, Truth.UNKNOWN, because, possible, WhyUnknown.IMPRECISE)
    sent = sorted_record.medications_sent
    if sent.state is not DeliveryState.WHOLE:
        return _fact(wanted, Truth.UNKNOWN, sent.because, [], WhyUnknown.NOT_SENT)
    return _fact(wanted, Truth.FALSE, say("no such drug taken with a trial for long enough"), [])


def augmentation_count(wanted: CompiledAugmentationCount, sorted_record: SortedRecord, trials: Fact) -> Fact:
    """
    How many augmentations, as a range.

    Surely as many as different drugs surely augmented a trial; possibly as many as pairs of such a drug and a trial,
    since one drug that goes on through two trials may be one augmentation or two. Without an upper end when medications
    did not arrive whole.
    """
    pairs = list(_augmented(wanted, sorted_record, trials))
    sent = sorted_record.medications_sent
    whole = sent.state is DeliveryState.WHOLE
    low, high = float(len({pair.drug for pair in pairs if pair.sure})), float(len(pairs)) if whole else math.inf
    why = WhyUnknown.NOT_SENT if not whole else WhyUnknown.IMPRECISE if low != high else None
    return Fact(
        name=wanted.name,
        label=wanted.label,
        low=low,
        high=high,
        unit="drugs",
        text=range_text(low, high) or say("an unknown number"),
        because=sent.because if not whole else say("counted by drug") if pairs else say("none recorded"),
        why_unknown=why,
        missing=(wanted.label,) if why is not None else (),
        found=tuple(dict.fromkeys(entry for pair in pairs for entry in pair.entries)),
    )


@dataclass(frozen=True, slots=True)
class AugmentedTrial:
    """
    A drug that augmented one trial for long enough.

    Attributes:
        drug: Its key in the table; of a medication that was not read, its source.
        sure: Whether it surely did; otherwise it may have.
        entries: The entries that say so.
    """

    drug: str
    sure: bool
    entries: tuple[FactSource, ...]


def _augmented(wanted: CompiledAugmentation, sorted_record: SortedRecord, trials: Fact) -> Iterator[AugmentedTrial]:
    table = sorted_record.codes.drugs[wanted.drugs]
    today = sorted_record.today.toordinal()
    yield from _not_read(wanted, sorted_record, trials)
    for (key, combined), exposures in sorted(_agents(wanted, sorted_record).items()):
        # The dose of a combination product is not that of the drug in it.
        minimum = None if combined else table.drugs[key].minimum_mg_a_day.get("minimum")
        runs = day_by_day(exposure_periods(exposures, today, 0))
        for trial in trials.trials:
            surely, possibly = _together(runs, trial, today, minimum)
            if possibly >= wanted.days:
                entries = tuple(
                    FactSource(exposure.source, say("{key} with {trial}", key=key, trial=trial.name))
                    for exposure, _ in exposures
                )
                yield AugmentedTrial(key, surely >= wanted.days, entries)


def _not_read(wanted: CompiledAugmentation, sorted_record: SortedRecord, trials: Fact) -> Iterator[AugmentedTrial]:
    """
    Medications of which nobody could tell which drug they are, with each trial that they may have augmented.

    Several that say the same are one drug; each that says nothing may be another one.
    """
    table, today = sorted_record.codes.drugs[wanted.drugs], sorted_record.today.toordinal()
    seen: set[tuple[Concept | str, str]] = set()
    for exposure in sorted_record.record.exposures if trials.trials else ():
        drug = exposure.drug
        if table.recognise(drug) is not None or not sorted_record.codes.unrecognisable(table, drug):
            continue
        first = exposure.start.earliest.toordinal() if exposure.start else 0
        last = exposure.end.latest.toordinal() if exposure.end else today
        for trial in trials.trials:
            begin = trial.start.earliest.toordinal() if trial.start else 0
            end = trial.end.latest.toordinal() if trial.end else today
            said = (drug if drug.said or drug.codings else exposure.source, trial.name)
            if said not in seen and min(last, end) - max(first, begin) + 1 >= wanted.days:
                seen.add(said)
                words = say(
                    "{words}, not read, with {trial}", words=drug.words or say("a medication"), trial=trial.name
                )
                yield AugmentedTrial(exposure.source, False, (FactSource(exposure.source, words),))


def _fact(
    wanted: CompiledAugmentation, truth: Truth, because: str, found: list[FactSource], why: WhyUnknown | None = None
) -> Fact:
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=truth,
        text=IN_WORDS[truth],
        because=because,
        why_unknown=why,
        missing=(wanted.label,) if truth is Truth.UNKNOWN else (),
        found=tuple(dict.fromkeys(found)),
    )


def _agents(
    wanted: CompiledAugmentation, sorted_record: SortedRecord
) -> dict[tuple[str, bool], list[tuple[Exposure, Recognised]]]:
    """Exposures to drugs that augment, by drug and by whether it is part of a combination product."""
    table = sorted_record.codes.drugs[wanted.drugs]
    found: dict[tuple[str, bool], list[tuple[Exposure, Recognised]]] = {}
    for exposure in sorted_record.record.exposures:
        recognised = table.recognise(exposure.drug)
        if recognised is None:
            continue
        if recognised.drug.role == ROLE:
            found.setdefault((recognised.drug.key, False), []).append((exposure, recognised))
        for other in recognised.product.beside if recognised.product else ():
            beside = table.drugs.get(other)
            if beside is not None and beside.role == ROLE:
                found.setdefault((other, True), []).append((exposure, Recognised(beside, None, recognised.by_name)))
    return found


def _together(runs: list[Days], trial: Trial, today: int, minimum: float | None) -> tuple[int, int]:
    """Days of the trial on which the drug was taken, surely and possibly."""
    if trial.start is None:
        first_sure, first_possible = today + 1, 0
    else:
        first_sure, first_possible = trial.start.latest.toordinal(), trial.start.earliest.toordinal()
    last_sure = trial.end.earliest.toordinal() if trial.end else today
    last_possible = trial.end.latest.toordinal() if trial.end else today
    surely = possibly = 0
    for run in runs:
        if minimum is None or run.high is None or run.high >= minimum:
            possibly += max(0, min(run.last, last_possible) - max(run.first, first_possible) + 1)
        if run.sure and (minimum is None or run.low >= minimum):
            surely += max(0, min(run.last, last_sure) - max(run.first, first_sure) + 1)
    return surely, possibly
