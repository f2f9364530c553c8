"""Trials that are … → a range: how many surely, how many possibly."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cds.facts.context import in_window
from cds.facts.data import DataQuery
from cds.facts.fact import Fact, FactSource, ResponseEvidence, Trial, WhyUnknown
from cds.facts.kind import NUMBER, TRIALS, YES_OR_NO, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.measurements import range_text
from cds.facts.trials.unrecognized import UnrecognizedMedication
from cds.locale.sentence import counted, join_texts, say
from cds.logic.truth import Truth, every, some
from cds.yaml_source.fields import Duration, OneOf, Refers, Snake, Text

DIFFERENT = ("ingredient", "drug_class")  # … `different` of a count


class CountFact(FactBase):
    """How many trials are …, as a range."""

    role: ClassVar[str] = NUMBER
    no_window: ClassVar[str] = "What is counted are the trials: bound them with `in_episode`."
    told_by: ClassVar[str] = "count"
    says: ClassVar[str] = "a count"
    count: Annotated[Snake, Refers(TRIALS)]
    that_are: Annotated[
        list[
            Literal[
                "adequate", "inadequate", "no_response", "responded", "responding", "response_lost",
                "partial_response", "dose_adequate", "long_enough", "under_dosed", "too_short", "poorly_taken",
                "intolerance", "tolerated", "ongoing", "inferred",
            ]
        ],
        Field(min_length=1),
    ]  # fmt: skip
    different: Annotated[
        str | None, OneOf(DIFFERENT), Field(description="ingredient, drug_class, or a parameter with these words.")
    ] = None
    merge_same_molecule: Annotated[
        str | None,
        OneOf(YES_OR_NO),
        Field(description="yes, no, or a parameter with these words: drugs of one molecule count as one ingredient."),
    ] = None
    ended_within: Annotated[Duration | None, Field(description="Only trials that go on, or ended within so long.")] = (
        None
    )
    drug_class: Annotated[
        list[Text] | None, Field(min_length=1, description="Only drugs of these classes of the table.")
    ] = None

    def compile(self, name: str, numbers: Numbers) -> CompiledCount:
        """The fact with every number in place."""
        return CompiledCount(
            **self.common(name, numbers),
            trials=self.count,
            that_are=tuple(self.that_are),
            different=numbers.word(self.different) if self.different else "",
            classes=frozenset(self.drug_class) if self.drug_class else None,
            ended_within_days=numbers.days(self.ended_within) if self.ended_within else None,
            merge_same_molecule=numbers.word(self.merge_same_molecule or "no") == "yes",
        )

    def answer_unit(self) -> str:
        """Trials."""
        return "trials"


@dataclass(frozen=True, slots=True)
class CompiledCount(CompiledFact):
    """
    How many trials are …, as a range.

    Attributes:
        trials: Name of the trials fact.
        that_are: Trial properties that must all hold (names of cds.facts.trials.count.PROPERTIES).
        different: "ingredient" or "drug_class": count each only once; "" counts trials.
        classes: Only drugs of these classes; None for all.
        merge_same_molecule: Ingredients of one molecule are one.
        ended_within_days: Only trials that go on, or ended at most so many days ago; None for all.
    """

    trials: str
    that_are: tuple[str, ...]
    different: str
    classes: frozenset[str] | None = None
    merge_same_molecule: bool = False
    ended_within_days: int | None = None

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return (self.trials,)

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return ()

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `count`."""
        return count(self, context.facts[self.trials], context.unrecognised[self.trials], context.today)


def _responded(trial: Trial) -> Truth:
    """Whether scores show a response, or a clinician who reviewed it says so; that nothing was measured does not."""
    shown = trial.evidence in {ResponseEvidence.MEASURED, ResponseEvidence.REVIEWED}
    return ~trial.no_response if shown else Truth.FALSE


PROPERTIES: dict[str, Callable[[Trial], Truth]] = {
    "adequate": lambda trial: trial.adequate,
    "inadequate": lambda trial: ~trial.adequate,
    "no_response": lambda trial: trial.no_response,
    "responded": _responded,
    "responding": lambda trial: every((_responded(trial), Truth.of(trial.ongoing), Truth.of(not trial.response_lost))),
    "response_lost": lambda trial: Truth.of(trial.response_lost),
    "partial_response": lambda trial: trial.partial_response,
    "dose_adequate": lambda trial: trial.dose_adequate,
    "long_enough": lambda trial: trial.long_enough,
    # Taken long enough, but not at the minimum dose; or not taken long enough, whatever the dose.
    "under_dosed": lambda trial: every((trial.long_enough, ~trial.held)),
    "too_short": lambda trial: ~trial.long_enough,
    "intolerance": lambda trial: every((Truth.of(trial.intolerance), ~trial.adequate)),
    "tolerated": lambda trial: Truth.of(not trial.intolerance),
    "ongoing": lambda trial: Truth.of(trial.ongoing),
    "inferred": lambda trial: Truth.of(trial.evidence is ResponseEvidence.INFERRED),
    "poorly_taken": lambda trial: trial.poorly_taken,
}


def _is_recent(trial: Trial, days: int | None, today: date) -> Truth:
    """Whether it goes on, or ended at most so many days ago; unknown where its end is not known well enough."""
    if days is None or trial.ongoing:
        return Truth.TRUE
    recent = in_window(trial.end, today, days)
    return Truth.UNKNOWN if recent is None else recent


def count(wanted: CompiledCount, trials: Fact, unrecognised: tuple[UnrecognizedMedication, ...], today: date) -> Fact:
    """
    How many trials (or different ingredients or classes) have all the properties, as a range.

    Medications that could not be recognised may each be one more; when medications did not arrive whole there is no
    upper end.
    """
    properties = [PROPERTIES[name] for name in wanted.that_are]
    rated = [
        (
            trial,
            every(
                [_is_recent(trial, wanted.ended_within_days, today), *[property_(trial) for property_ in properties]]
            ),
        )
        for trial in trials.trials
        if wanted.classes is None or trial.drug_class in wanted.classes
    ]
    groups: dict[str, list[Truth]] = {}
    for index, (trial, truth) in enumerate(rated):
        groups.setdefault(_group(trial, wanted, index), []).append(truth)
    settled = [some(truths) for truths in groups.values()]
    sure = settled.count(Truth.TRUE)
    possible = sure + settled.count(Truth.UNKNOWN) + len(unrecognised)
    open_ended = trials.why_unknown is not None
    high = math.inf if open_ended else float(possible)
    open_trials = [trial for trial, truth in rated if truth is Truth.UNKNOWN]
    missing = list(dict.fromkeys(what for trial in open_trials for what in _wanted_of(trial, wanted)))
    if unrecognised:
        missing.append(
            counted(
                "what {number} medication without a recognizable name or code is",
                "what {number} medications without a recognizable name or code are",
                len(unrecognised),
            )
        )
    because = [join_texts(": ", [trial.name, join_texts("; ", trial.notes) or trial.outcome]) for trial in open_trials]
    if wanted.different == "ingredient" and not wanted.merge_same_molecule:
        because.extend(_one_molecule([trial for trial, truth in rated if truth is not Truth.FALSE]))
    if unrecognised:
        because.append(
            counted(
                "{number} medication could not be recognized and may be more",
                "{number} medications could not be recognized and may be more",
                len(unrecognised),
            )
        )
    if open_ended:
        because.append(trials.because)
    return Fact(
        name=wanted.name,
        label=wanted.label,
        low=float(sure),
        high=high,
        text=range_text(float(sure), high) or say("an unknown number"),
        because=join_texts("; ", because) or say("counted from the trials that were found"),
        why_unknown=trials.why_unknown if open_ended else WhyUnknown.NOT_FOUND if sure != possible else None,
        missing=(*missing, *trials.missing),
        found=tuple(
            FactSource(source, trial.name, trial.start.text if trial.start else "")
            for trial, truth in rated
            if truth is not Truth.FALSE
            for source in trial.sources
        )
        + tuple(FactSource(item.source) for item in unrecognised)
        + trials.found,
    )


def _group(trial: Trial, wanted: CompiledCount, index: int) -> str:
    match wanted.different:
        case "ingredient":
            return trial.molecule if wanted.merge_same_molecule else trial.ingredient
        case "drug_class":
            return trial.drug_class or trial.ingredient
    return str(index)


def _one_molecule(trials: list[Trial]) -> list[str]:
    """What to say of drugs of one molecule that are counted apart."""
    drugs: dict[str, set[str]] = {}
    for trial in trials:
        drugs.setdefault(trial.molecule, set()).add(trial.name)
    return [
        say("{names} are one molecule and are counted apart", names=join_texts(" and ", sorted(names)))
        for _, names in sorted(drugs.items())
        if len(names) > 1
    ]


def _wanted_of(trial: Trial, wanted: CompiledCount) -> tuple[str, ...]:
    """What is missing of a trial for this count: its response matters only where responses are counted."""
    about_response = {"no_response", "responded", "inferred", "response_lost", "partial_response"} & set(
        wanted.that_are
    )
    return tuple(what for what in trial.missing if about_response or not what.startswith("response to"))
