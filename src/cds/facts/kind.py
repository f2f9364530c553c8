"""
What every kind of fact tells about itself: what an author writes, what it needs, what is asked of the EHR, its answer.

A kind is one file with two classes. The class of what an author writes is a model of pydantic; its field types say
which fields name value sets, parameters or other facts. The compiled class has every number in place and answers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, ClassVar, TypeVar, cast

from pydantic import Field

from cds.facts.chart_entry import ChartEntry
from cds.facts.context import SortedRecord
from cds.facts.data import AskedByCode, DataQuery
from cds.facts.fact import DrawnEvent, Fact
from cds.facts.measurements import ConvertedMeasurement
from cds.logic.truth import TRUTHS, Truth
from cds.yaml_source.fields import Duration, NoMutant, Snake, Strict, Text, duration_days

STATEMENT, NUMBER, TRIALS, EPISODE = "statement", "number", "trials", "episode"
"""What a fact is to those that read it."""
FACTS = frozenset({STATEMENT, NUMBER, TRIALS, EPISODE})
DRAFT, TREATMENT = "draft order", "treatment"  # statements that can also stand where one of their kind is wanted
SCORE, WORD, PRESENT, TRACED = "score", "word", "present", "traced"  # what a place of a fact may want besides
HISTORY = "drug history"  # likewise: a drug_history fact
COURSE = "course"  # likewise: a course fact
YES_OR_NO = ("yes", "no")
"""Words of a parameter that switches something on or off."""

Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True)
class ParameterValue:
    """A number or word in force, with its unit; for placeholders in cards and for the explanation."""

    name: str
    value: float | str
    unit: str
    text: str


@dataclass
class Numbers:
    """Parameters by name, and numbers and durations read through them."""

    values: dict[str, ParameterValue]

    def number(self, number_or_name: float | str) -> float:
        """The number itself, or a parameter's."""
        value = self.values[number_or_name].value if isinstance(number_or_name, str) else number_or_name
        return float(value)

    def days(self, duration: str) -> int:
        """Days of a duration, or of a parameter with a unit of time."""
        written = duration_days(duration)
        if written is not None:
            return written
        parameter = self.values[duration]
        days = duration_days(f"{float(parameter.value):g} {parameter.unit}")
        if days is None:
            raise KeyError(f"{duration} is {parameter.text} {parameter.unit}, not a duration")
        return days

    def word(self, word_or_name: str) -> str:
        """The word itself, or a parameter's."""
        parameter = self.values.get(word_or_name)
        return str(parameter.value) if parameter else word_or_name


@dataclass(slots=True)
class EvaluationContext:
    """
    What a fact is answered from.

    Attributes:
        sorted_record: The record, by value set.
        today: The day of the answer.
        compiled: Every fact that is looked for, by name.
        facts: The answers so far: what a fact needs stands before it.
        scores: Number fact → its final readings, oldest first.
        scores_if_read: Those of `scores` whose readings may be others → what they are if what was not read is one.
        unrecognised: Trials fact → medications that could not be recognised, which may be further trials.
    """

    sorted_record: SortedRecord
    today: date
    compiled: Mapping[str, CompiledFact]
    facts: dict[str, Fact] = field(default_factory=dict)
    scores: dict[str, Sequence[ConvertedMeasurement]] = field(default_factory=dict)
    scores_if_read: dict[str, Sequence[ConvertedMeasurement]] = field(default_factory=dict)
    unrecognised: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    _kept: dict[type, object] = field(default_factory=dict)

    def kept(self, kind: type[Kept], make: Callable[[], Kept]) -> Kept:
        """What several facts of one record share; made for the first of them."""
        if kind not in self._kept:
            self._kept[kind] = make()
        return cast("Kept", self._kept[kind])


@dataclass(frozen=True, slots=True)
class CompiledFact(ABC):
    """
    One fact to look for, with every number in place.

    Attributes:
        name: As in the rule file.
        label: What a clinician reads.
        look_back_days: Older entries are too old to answer; None for no window.
        reads_overrides: It is answered from what clinicians said to earlier cards, which the journal is asked for.
        keeps_more: Besides its answer it leaves something in the context that other facts read (`scores`,
            `unrecognised`), so that these can differ where its answer does not.
    """

    reads_overrides: ClassVar[bool] = False
    keeps_more: ClassVar[bool] = False
    name: str
    label: str
    look_back_days: int | None

    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from; these are answered before it."""

    @abstractmethod
    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR for it, besides what it needs; () for the patient's own entry alone."""

    @abstractmethod
    def entry(self) -> ChartEntry | None:
        """What a reader may add in what-if where it is unknown; None for what no single entry tells."""

    @abstractmethod
    def answer(self, context: EvaluationContext) -> Fact:
        """The answer from one record; unknown, with a reason, where the record does not tell."""

    def course(self, record: SortedRecord) -> Sequence[ConvertedMeasurement]:  # noqa: ARG002 (most facts have none)
        """The measurements it is answered from, oldest first, for a drawing over time; () for what is not measured."""
        return ()

    def happened(self, context: EvaluationContext) -> Sequence[DrawnEvent]:  # noqa: ARG002 (most have none)
        """What is drawn of it where its author gives it a lane of the timeline, oldest first; it is answered."""
        return ()

    def bands(self) -> Sequence[tuple[float, str]]:
        """Lowest value of each band of severity, and its word, ascending; () for what has none."""
        return ()

    def mentioned(self) -> tuple[str, ...]:
        """Value sets whose words it looks for in observations of any code, by name or answer; () for nearly all."""
        return ()

    def visited(self) -> tuple[str, ...]:
        """Value sets of the encounters whose days it asks for; () for nearly all."""
        return ()

    def scale(self) -> tuple[float, float] | None:
        """The ends of the scale its measurements are on; None where none are known."""
        return None


class FactBase(Strict):
    """
    What an author writes of any fact.

    Attributes:
        role: What it is to those that read it: STATEMENT, NUMBER, TRIALS or EPISODE.
        uses: The source attribute every fact of this kind uses; "" where that depends on its value sets.
        element: The FHIR element that is.
        no_window: What to do instead of a `look_back`, where one would change nothing; "" where it has an effect.
        told_by: The key only this kind has, for one without `find`.
        says: What a message calls it, "" for `a fact of kind …`.
    """

    role: ClassVar[str]
    uses: ClassVar[str] = ""
    element: ClassVar[str] = ""
    no_window: ClassVar[str] = ""
    told_by: ClassVar[str] = ""
    says: ClassVar[str] = ""
    label: Annotated[Text | None, NoMutant()] = None
    look_back: Duration | None = None
    formerly: Annotated[list[Snake], NoMutant()] = []
    timeline: Annotated[
        Text | None, NoMutant(), Field(description="The lane of the timeline in which what it finds is drawn.")
    ] = None
    like: Annotated[
        Snake | None, NoMutant(), Field(description="The pattern of this file whose keys are added to these.")
    ] = None

    @abstractmethod
    def compile(self, name: str, numbers: Numbers) -> CompiledFact:
        """The fact with every number in place."""

    def common(self, name: str, numbers: Numbers) -> dict[str, Any]:
        """What every compiled fact has."""
        return {
            "name": name,
            "label": self.label or name.replace("_", " "),
            "look_back_days": numbers.days(self.look_back) if self.look_back else None,
        }

    def stands_as(self) -> frozenset[str]:
        """Where its name may stand: its role, and what only some facts of that role are (SCORE, DRAFT …)."""
        return frozenset({self.role})

    def truths(self) -> frozenset[Truth]:
        """The truths it can have as it is written, whatever a record holds; all three where that is not known."""
        return TRUTHS

    def asked_by_code(self) -> AskedByCode | None:
        """The observations it asks the EHR for code by code; None where it asks for whole types, or nothing."""
        return None

    def other_status(self) -> str | list[str] | None:
        """For mutants: a `status` that is another one than what is written; None where none decides."""
        return None

    def answer_unit(self) -> str:
        """The unit of its number; "" for what is none."""
        return str(getattr(self, "unit", ""))
