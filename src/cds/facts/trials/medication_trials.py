"""Medication trials of the drugs of a table: what an author writes of them, and the fact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cds.facts.data import MEDICATIONS, DataQuery
from cds.facts.fact import Fact
from cds.facts.kind import EPISODE, TRIALS, EvaluationContext, FactBase, Numbers
from cds.facts.trials.definition import (
    AdequateWhen,
    Adherence,
    CompiledAdherence,
    NoResponseWhen,
    TrialDefinition,
    no_response,
)
from cds.facts.trials.trials import TrialFinder
from cds.yaml_source.fields import DrugTableName, Duration, Names, Refers, Slug, Snake, listed


class TrialsFact(FactBase):
    """Medication trials of the drugs of a table."""

    role: ClassVar[str] = TRIALS
    no_window: ClassVar[str] = "Bound the trials with `in_episode`."
    find: Literal["medication_trials"]
    drugs: Annotated[Slug, DrugTableName()]
    in_episode: Annotated[Snake | None, Refers(EPISODE)] = None
    joins_gaps_up_to: Duration
    adequate_when: AdequateWhen
    no_response_when: NoResponseWhen
    adherence: Adherence | None = None
    ended_by_successor_within: Annotated[
        Duration | None,
        Field(description="A stopped order without an end lasted until another drug began, if that was within this."),
    ] = None
    active_without_sign_for: Annotated[
        Duration | None,
        Field(
            description="An active order without an end surely goes on so long after the last supply, fill, renewal or "
            "other mention of its drug; later days are only possible. Left out, it surely goes on until today."
        ),
    ] = None
    not_for: Names | None = None  # reasons for which a prescription is no such trial …
    unless_for: Names | None = None  # … and those that make it one all the same

    def compile(self, name: str, numbers: Numbers) -> CompiledTrials:
        """The fact with every number in place."""
        return CompiledTrials(
            **self.common(name, numbers),
            drugs=self.drugs,
            episode=self.in_episode or "",
            joins_gaps_days=numbers.days(self.joins_gaps_up_to),
            dose_column=numbers.word(self.adequate_when.dose_reaches),
            adequate_days=numbers.days(self.adequate_when.lasts_at_least),
            implausible_times=(
                None
                if self.adequate_when.implausible_above is None
                else numbers.number(self.adequate_when.implausible_above)
            ),
            no_response=no_response(self.no_response_when, numbers),
            undated_end_days=numbers.days(self.ended_by_successor_within) if self.ended_by_successor_within else 0,
            unconfirmed_days=numbers.days(self.active_without_sign_for) if self.active_without_sign_for else None,
            not_for=listed(self.not_for),
            unless_for=listed(self.unless_for),
            adherence=(
                None
                if self.adherence is None
                else CompiledAdherence(numbers.number(self.adherence.at_least), numbers.word(self.adherence.when_poor))
            ),
        )


@dataclass(frozen=True, slots=True)
class CompiledTrials(TrialDefinition):
    """Medication trials of the drugs of a table, found in a record."""

    keeps_more: ClassVar[bool] = True

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return MEDICATIONS

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """The trials, and beside them what could not be recognised; see `TrialFinder`."""
        finder = context.kept(
            TrialFinder, lambda: TrialFinder(context.sorted_record, context.scores, context.scores_if_read)
        )
        fact, context.unrecognised[self.name] = finder.find(self, context.facts.get(self.episode))
        return fact
