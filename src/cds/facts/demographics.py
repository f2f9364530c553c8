"""Age, administrative gender, death, and what a site or a definition chose."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cds.facts.chart_entry import ChartEntry
from cds.facts.context import SortedRecord
from cds.facts.data import DataQuery
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.kind import NUMBER, STATEMENT, WORD, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.measurements import range_text
from cds.locale.sentence import say
from cds.logic.truth import KNOWN, Truth
from cds.record.model import Span
from cds.yaml_source.fields import Refers, Snake, Text, WordOf


class AgeFact(FactBase):
    """Age in completed years."""

    role: ClassVar[str] = NUMBER
    no_window: ClassVar[str] = "An age has no window: remove it."
    uses: ClassVar[str] = "date_of_birth"
    element: ClassVar[str] = "Patient.birthDate"
    find: Literal["age"]
    unit: Literal["years"]

    def compile(self, name: str, numbers: Numbers) -> CompiledAge:
        """The fact with every number in place."""
        return CompiledAge(**self.common(name, numbers))


@dataclass(frozen=True, slots=True)
class CompiledAge(CompiledFact):
    """Age in completed years on the day of the answer."""

    def needs(self) -> tuple[str, ...]:
        """None."""
        return ()

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return ()

    def entry(self) -> ChartEntry:
        """The date of birth."""
        return ChartEntry("Patient")

    def answer(self, context: EvaluationContext) -> Fact:
        """As `age`."""
        return age(self, context.sorted_record)


class SexFact(FactBase):
    """Administrative gender."""

    role: ClassVar[str] = STATEMENT
    no_window: ClassVar[str] = "A sex has no window: remove it."
    uses: ClassVar[str] = "sex"
    element: ClassVar[str] = "Patient.gender"
    find: Literal["sex"]
    is_one_of: Annotated[list[Literal["male", "female", "other", "unknown"]], Field(min_length=1)]

    def compile(self, name: str, numbers: Numbers) -> CompiledSex:
        """The fact with every number in place."""
        return CompiledSex(**self.common(name, numbers), is_one_of=frozenset(self.is_one_of))


@dataclass(frozen=True, slots=True)
class CompiledSex(CompiledFact):
    """Whether the administrative gender is one of those listed."""

    is_one_of: frozenset[str]

    def needs(self) -> tuple[str, ...]:
        """None."""
        return ()

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return ()

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `sex`."""
        return sex(self, context.sorted_record)


class DeceasedFact(FactBase):
    """Whether the record says that the patient has died."""

    role: ClassVar[str] = STATEMENT
    no_window: ClassVar[str] = "Whether somebody died has no window: remove it."
    find: Literal["deceased"]

    def truths(self) -> frozenset[Truth]:
        """True or false, never unknown."""
        return KNOWN

    def compile(self, name: str, numbers: Numbers) -> CompiledDeceased:
        """The fact with every number in place."""
        return CompiledDeceased(**self.common(name, numbers))


@dataclass(frozen=True, slots=True)
class CompiledDeceased(CompiledFact):
    """Whether the record says that the patient has died."""

    def needs(self) -> tuple[str, ...]:
        """None."""
        return ()

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return ()

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `deceased`."""
        return deceased(self, context.sorted_record)


class SettingFact(FactBase):
    """Whether a parameter that is a word has one of these values: what a site or a definition chose."""

    role: ClassVar[str] = STATEMENT
    no_window: ClassVar[str] = "A setting has no window: remove it."
    find: Literal["setting"]
    parameter: Annotated[Snake, Refers(WORD)]
    is_one_of: Annotated[list[Annotated[Text, WordOf("parameter")]], Field(min_length=1)]

    def truths(self) -> frozenset[Truth]:
        """True or false, never unknown."""
        return KNOWN

    def compile(self, name: str, numbers: Numbers) -> CompiledSetting:
        """The fact with every number in place."""
        value = numbers.word(self.parameter)
        return CompiledSetting(
            **self.common(name, numbers), parameter=self.parameter, value=value, truth=Truth.of(value in self.is_one_of)
        )


@dataclass(frozen=True, slots=True)
class CompiledSetting(CompiledFact):
    """
    What a site or a definition chose; known before any patient.

    Attributes:
        parameter: Name of the parameter.
        value: Its value in force.
        truth: Whether that is one of those asked for.
    """

    parameter: str
    value: str
    truth: Truth

    def needs(self) -> tuple[str, ...]:
        """None."""
        return ()

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return ()

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:  # noqa: ARG002 (known before any patient)
        """As `setting`."""
        return setting(self)


def age(wanted: CompiledAge, sorted_record: SortedRecord) -> Fact:
    """Completed years today; a range when the birth date is partial, unknown without one or with one in the future."""
    patient, today = sorted_record.record.patient, sorted_record.today
    birth = patient.birth
    if birth is None or birth.latest > today:
        why = WhyUnknown.NOT_FOUND if birth is None else WhyUnknown.UNREADABLE
        because = say("birth date not recorded") if birth is None else say("birth date is not before today")
        return Fact(
            wanted.name, wanted.label, unit="years", because=because, why_unknown=why, missing=(say("birth date"),)
        )
    low, high = _years(birth.latest, today), _years(birth.earliest, today)
    return Fact(
        name=wanted.name,
        label=wanted.label,
        low=float(low),
        high=float(high),
        unit="years",
        text=range_text(low, high),
        because=say("from the birth date"),
        why_unknown=None if low == high else WhyUnknown.IMPRECISE,
        missing=() if low == high else (say("full birth date"),),
        day=Span(today, today),
        found=(FactSource(patient.reference),),
    )


def _years(birth: date, today: date) -> int:
    return today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))


def sex(wanted: CompiledSex, sorted_record: SortedRecord) -> Fact:
    """
    Whether the administrative gender, or the sex recorded at birth where that is another, is one of those listed.

    Unknown when neither is recorded.
    """
    patient = sorted_record.record.patient
    gender = None if patient.sex == "unknown" and "unknown" not in wanted.is_one_of else patient.sex
    recorded = [said for said in (gender, patient.birth_sex) if said is not None]
    if not recorded:
        return Fact(
            wanted.name, wanted.label, truth=Truth.UNKNOWN, because=say("administrative gender not recorded"),
            why_unknown=WhyUnknown.NOT_FOUND, missing=(say("administrative gender"),),
        )  # fmt: skip
    if len(set(recorded)) > 1:
        because = say(
            "from the administrative gender ({gender}) and the sex recorded at birth ({at_birth})",
            gender=recorded[0],
            at_birth=recorded[1],
        )
    else:
        because = say("from the administrative gender") if gender is not None else say("from the sex recorded at birth")
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=Truth.of(not wanted.is_one_of.isdisjoint(recorded)),
        text=recorded[0],
        because=because,
        found=(FactSource(patient.reference),),
    )


def deceased(wanted: CompiledDeceased, sorted_record: SortedRecord) -> Fact:
    """Whether the record says that the patient has died; without a word of it, they are taken to be alive."""
    patient = sorted_record.record.patient
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=Truth.of(patient.died),
        text=say("recorded") if patient.died else say("not recorded"),
        because=say("from the patient's own entry") if patient.died else say("no death is recorded"),
        found=(FactSource(patient.reference),) if patient.died else (),
    )


def setting(wanted: CompiledSetting) -> Fact:
    """Whether the parameter has one of the values asked for."""
    return Fact(
        wanted.name,
        wanted.label,
        truth=wanted.truth,
        text=wanted.value,
        because=say("the parameter {parameter} is {value}", parameter=wanted.parameter, value=wanted.value),
    )
