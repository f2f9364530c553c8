"""Scores of several instruments → whether there are symptoms now, by any of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cds.facts.data import DataQuery
from cds.facts.fact import Fact, WhyUnknown
from cds.facts.kind import SCORE, STATEMENT, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.locale.sentence import join_texts, say
from cds.logic.truth import Truth, some
from cds.yaml_source.fields import NumberOrName, Refers, Snake, Strict, UnitOf


class ScoreAtLeast(Strict):
    """A score, and from where on it means symptoms."""

    score: Annotated[Snake, Refers(SCORE)]
    at_least: Annotated[NumberOrName, UnitOf("score")]


class SymptomsFact(FactBase):
    """Whether any of several instruments says that there are symptoms now."""

    role: ClassVar[str] = STATEMENT
    no_window: ClassVar[str] = "The scores have the windows: remove it."
    find: Literal["symptoms"]
    measured_by: Annotated[list[ScoreAtLeast], Field(min_length=1)]

    def compile(self, name: str, numbers: Numbers) -> CompiledSymptoms:
        """The fact with every number in place."""
        by_score = tuple((by.score, numbers.number(by.at_least)) for by in self.measured_by)
        return CompiledSymptoms(**self.common(name, numbers), measured_by=by_score)


@dataclass(frozen=True, slots=True)
class CompiledSymptoms(CompiledFact):
    """Whether any instrument says that there are symptoms now; `measured_by`: its score, and from where on it does."""

    measured_by: tuple[tuple[str, float], ...]

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return tuple(score for score, _ in self.measured_by)

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return ()

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `find_symptoms`."""
        return find_symptoms(self, context.facts)


def find_symptoms(wanted: CompiledSymptoms, facts: Mapping[str, Fact]) -> Fact:
    """
    TRUE when a score reaches what means symptoms, FALSE when every score that is known stays below, else UNKNOWN.

    An instrument without any score of the window takes no part: nobody fills in all of them. One that was given and
    cannot be read, or may reach it, leaves the answer open. Unknown, too, when no instrument has a score; the first
    one then says what is missing.
    """
    by_score = [(facts[name], at_least) for name, at_least in wanted.measured_by]
    given = [(score, at_least) for score, at_least in by_score if score.low is not None or score.high is not None]
    given += [(score, at_least) for score, at_least in by_score if score.low is score.high is None and score.trace]
    if not given:
        first = by_score[0][0]
        return Fact(
            wanted.name,
            wanted.label,
            truth=Truth.UNKNOWN,
            because=join_texts(": ", [first.label, first.because]),
            why_unknown=first.why_unknown or WhyUnknown.NOT_FOUND,
            missing=first.missing,
        )
    reached = {id(score): _reaches(score, at_least) for score, at_least in given}
    truth = some(reached.values())
    telling = [score for score, _ in given if reached[id(score)] is truth]
    limits = {id(score): say("cutoff ≥ {at_least}", at_least=f"{at_least:g}") for score, at_least in given}
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=truth,
        text=join_texts(
            ", ",
            (
                say(
                    "{score} {value}{on} ({limit})",
                    score=score.label,
                    value=score.text,
                    on=_on(score),
                    limit=limits[id(score)],
                )
                for score in telling
                if score.text
            ),
        ),
        because=join_texts("; ", (join_texts(": ", [score.label, score.text or score.because]) for score in telling)),
        why_unknown=None if truth is not Truth.UNKNOWN else (telling[0].why_unknown or WhyUnknown.IMPRECISE),
        missing=() if truth is not Truth.UNKNOWN else telling[0].missing,
        day=telling[0].day,
        found=tuple(dict.fromkeys(found for score in telling for found in score.found)),
        trace=truth is Truth.UNKNOWN,
    )


def _on(score: Fact) -> str:
    return say(" on {day}", day=score.day.text) if score.day is not None else ""


def _reaches(score: Fact, at_least: float) -> Truth:
    if score.low is not None and score.low >= at_least:
        return Truth.TRUE
    if score.high is not None and score.high < at_least:
        return Truth.FALSE
    return Truth.UNKNOWN
