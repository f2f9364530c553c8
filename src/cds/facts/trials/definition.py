"""What a medication trial is: its drugs, dose and duration, and what shows that it brought no response."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from cds.facts.kind import SCORE, CompiledFact, Numbers
from cds.yaml_source.fields import (
    Around,
    Duration,
    InUnit,
    Names,
    NoMutant,
    NumberOrName,
    OneOf,
    Refers,
    Snake,
    Strict,
    Text,
    UnitOf,
    listed,
)

ACCEPTS = ("coded_or_measured", "reviewed", "also_inferred")
"""What `accepts` of a trials fact can say; each takes what those before it take."""


DOSE_COLUMNS = ("minimum", "strict_minimum")  # … `dose_reaches`


WHEN_POOR = ("flags", "vetoes", "ignored")  # … `when_poor` of `adherence`


class AdequateWhen(Strict):
    """When dose and duration of a trial are adequate."""

    dose_reaches: Annotated[
        str, OneOf(DOSE_COLUMNS), Field(description="minimum, strict_minimum, or a parameter with these words.")
    ]
    lasts_at_least: Duration
    implausible_above: Annotated[NumberOrName | None, InUnit("times")] = None


class PartialResponse(Strict):
    """Which fall of a score is a partial response, in percent: from one, below another."""

    from_: Annotated[NumberOrName, InUnit("percent")] = Field(alias="from")
    below: Annotated[NumberOrName, InUnit("percent")]


class ScoreOfTrial(Strict):
    """A score that can show response to a trial."""

    score: Annotated[Snake, Refers(SCORE)]
    label: Annotated[Text, NoMutant(), Field(description="The short name a clinician calls it by.")] = "score"
    still_symptomatic_at: Annotated[NumberOrName, UnitOf("score")]
    remission_below: Annotated[NumberOrName, UnitOf("score")]


class NoResponseWhen(Strict):
    """What counts as evidence that a trial brought no adequate response."""

    stopped_for: Names
    unless_stopped_for: Names
    measured_by: list[ScoreOfTrial] = []
    falls_less_than: Annotated[NumberOrName | None, InUnit("percent")] = None
    falls_at_most: Annotated[NumberOrName | None, InUnit("percent")] = None
    partial_response: PartialResponse | None = None
    baseline_within: Around
    last_score_within: Around
    switch_within: Around
    augmentation_lasts_at_least: Duration
    accepts: Annotated[
        str,
        OneOf(ACCEPTS),
        Field(description="coded_or_measured, reviewed, also_inferred, or a parameter with these words."),
    ]

    @model_validator(mode="after")
    def _says_one_fall(self) -> Self:
        if (self.falls_less_than is None) == (self.falls_at_most is None):
            raise ValueError("say which fall is no response: either `falls_less_than` or `falls_at_most`")
        return self


class Adherence(Strict):
    """What follows when fills cover too few of the days of a trial."""

    at_least: Annotated[NumberOrName, InUnit("percent")]
    when_poor: Annotated[
        str, OneOf(WHEN_POOR), Field(description="flags, vetoes, ignored, or a parameter with these words.")
    ]


@dataclass(frozen=True, slots=True)
class MeasuredBy:
    """
    A score that can show response.

    Attributes:
        score: Name of the number fact.
        label: What a clinician calls it.
        still_symptomatic: At or above this, without a baseline, the trial has not worked.
        remission_below: Below this, it has.
    """

    score: str
    label: str
    still_symptomatic: float
    remission_below: float


@dataclass(frozen=True, slots=True)
class NoResponse:
    """
    What counts as evidence that a trial brought no adequate response.

    Attributes:
        stopped_for: Value sets of stop reasons that say so.
        not_tolerated: Value sets of stop reasons that say it was not tolerated.
        measured_by: Scores, in order of preference.
        fall: Percent; a smaller fall from the baseline is no response.
        fall_included: Whether a fall of just that is no response either.
        partial: Percent; a fall from the first and below the second is a partial response; None where nothing asks.
        baseline_before_days, baseline_after_days: Window of the baseline around the trial's start.
        end_before_days, end_after_days: Window of the last score around the trial's end.
        switch_before_days, switch_after_days: Window around the trial's end in which starting another drug, or an
            augmentation, lets us infer it.
        augmentation_days: An augmentation must last so long to show anything.
        accepts_inferred: Whether such an inference counts.
        accepts_reviewed: Whether what a clinician stated in a review counts.
    """

    stopped_for: tuple[str, ...]
    not_tolerated: tuple[str, ...]
    measured_by: tuple[MeasuredBy, ...]
    fall: float
    fall_included: bool
    partial: tuple[float, float] | None
    baseline_before_days: int
    baseline_after_days: int
    end_before_days: int
    end_after_days: int
    switch_before_days: int
    switch_after_days: int
    augmentation_days: int
    accepts_inferred: bool
    accepts_reviewed: bool

    @property
    def asks_of_scores(self) -> tuple[object, ...]:
        """What decides what scores say of a trial: the same for definitions that differ in other things."""
        return (
            self.measured_by,
            self.fall,
            self.fall_included,
            self.baseline_before_days,
            self.baseline_after_days,
            self.end_before_days,
            self.end_after_days,
        )

    def is_response(self, fall: float) -> bool:
        """Whether a fall from the baseline, in percent, is a response."""
        return fall > self.fall if self.fall_included else fall >= self.fall


@dataclass(frozen=True, slots=True)
class CompiledAdherence:
    """
    When fills cover too few of the days of a trial.

    Attributes:
        at_least: Percent of days that fills must cover.
        when_poor: flags (a note), vetoes (the trial is not adequate), ignored.
    """

    at_least: float
    when_poor: str


@dataclass(frozen=True, slots=True)
class TrialDefinition(CompiledFact):
    """
    Medication trials of the drugs of a table.

    Attributes:
        drugs: Name of the drug table.
        episode: Name of the episode fact whose start bounds the trials, "" for none.
        joins_gaps_days: Gaps up to this many days are part of one trial.
        dose_column: Column of the table a dose must reach.
        adequate_days: Days at dose that make a trial adequate.
        implausible_times: More than so many times the dose to reach is not a dose, but a mistake; None for no bound.
        no_response: What counts as evidence of no response.
        undated_end_days: A stopped order that names no end surely lasted until another drug of the table was started,
            if that was within so many days; 0 for never.
        unconfirmed_days: An active order without an end surely goes on so many days after the last sign of its drug;
            None for until today.
        not_for: Value sets of reasons for which a prescription is no such trial, unless one is in `unless_for` too.
        unless_for: Value sets of reasons for which it is one, whatever else it was given for.
        adherence: What follows from fills that cover too little; None when nobody asks.
    """

    drugs: str
    episode: str
    joins_gaps_days: int
    dose_column: str
    adequate_days: int
    implausible_times: float | None
    no_response: NoResponse
    undated_end_days: int
    unconfirmed_days: int | None
    not_for: tuple[str, ...]
    unless_for: tuple[str, ...]
    adherence: CompiledAdherence | None = None

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return (*filter(None, (self.episode,)), *(by.score for by in self.no_response.measured_by))


def trial_definitions(facts: Iterable[CompiledFact]) -> tuple[TrialDefinition, ...]:
    """The trial definitions among some facts, of whatever kind, in their order."""
    return tuple(fact for fact in facts if isinstance(fact, TrialDefinition))


def no_response(spec: NoResponseWhen, numbers: Numbers) -> NoResponse:
    """What counts as evidence of no response, with every number in place."""
    return NoResponse(
        stopped_for=listed(spec.stopped_for),
        not_tolerated=listed(spec.unless_stopped_for),
        measured_by=tuple(
            MeasuredBy(by.score, by.label, numbers.number(by.still_symptomatic_at), numbers.number(by.remission_below))
            for by in spec.measured_by
        ),
        fall=numbers.number(next(fall for fall in (spec.falls_less_than, spec.falls_at_most) if fall is not None)),
        fall_included=spec.falls_less_than is None,
        partial=(
            (numbers.number(spec.partial_response.from_), numbers.number(spec.partial_response.below))
            if spec.partial_response
            else None
        ),
        baseline_before_days=numbers.days(spec.baseline_within.before),
        baseline_after_days=numbers.days(spec.baseline_within.after),
        end_before_days=numbers.days(spec.last_score_within.before),
        end_after_days=numbers.days(spec.last_score_within.after),
        switch_before_days=numbers.days(spec.switch_within.before),
        switch_after_days=numbers.days(spec.switch_within.after),
        augmentation_days=numbers.days(spec.augmentation_lasts_at_least),
        accepts_inferred=numbers.word(spec.accepts) == "also_inferred",
        accepts_reviewed=numbers.word(spec.accepts) != "coded_or_measured",
    )
