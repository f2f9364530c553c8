"""Rows of a run → what a committee asks before go-live: prevalence, agreement, subgroups, what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from cds.errors import CdsError
from cds.logic.truth import Truth
from cds.population.accuracy import Accuracy
from cds.population.linked import CellKey, LinkedSum, suppress_linked
from cds.population.report import BoundedCount, PopulationReport
from cds.population.statistics import Estimate, kappa, share
from cds.rulebook.compiled_ruleset import CompiledDefinition, CompiledRuleset

ANSWERS = (Truth.TRUE.value, Truth.FALSE.value, Truth.UNKNOWN.value)
YES, NO, UNKNOWN = ANSWERS
NOT_RECORDED = "not recorded"
SUBGROUPS = ("sex", "race", "ethnicity")  # columns of a row, besides the age


class ValidationError(CdsError):
    """A validation that cannot be made; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Prevalence:
    """
    For how many patients something holds.

    Attributes:
        label: The definition or the subgroup.
        says: What the definition asks for, "" for a subgroup.
        patients, yes, no, unknown: How many; None where suppressed.
        at_least: The share of those for whom it surely holds.
        at_most: The share of those for whom it does not surely not hold. Both None where they rest on a hidden count.
    """

    label: str
    patients: int | None
    yes: int | None
    no: int | None
    unknown: int | None
    at_least: Estimate | None
    at_most: Estimate | None
    says: str = ""


@dataclass(frozen=True, slots=True)
class DefinitionAgreement:
    """
    Two definitions, compared patient by patient.

    Attributes:
        label: The other definition.
        table: Answer under the one validated, then under the other → patients, None where suppressed.
        kappa: Cohen's, over those known under both; None where it rests on a hidden count or cannot be reckoned.
    """

    label: str
    table: Mapping[tuple[str, str], int | None]
    kappa: Estimate | None


@dataclass(frozen=True, slots=True)
class Subgroups:
    """Prevalence by one trait ("age", "sex"), in the order it is told."""

    by: str
    groups: tuple[Prevalence, ...]


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """
    What a validation says, all of it from counts that may be shown.

    Attributes:
        conclusion: What is validated, as a clinician reads it.
        definition: The definition it is validated under.
        counted: The report on the same run, by which counts were suppressed first.
        prevalence: Each definition, in the order of the rules.
        agreements: The definition validated against each other one.
        subgroups: By age, sex, and race and ethnicity where the rows hold them.
        accuracy: Against charts that were reviewed, once labels are back.
    """

    conclusion: str
    definition: CompiledDefinition
    counted: PopulationReport
    prevalence: tuple[Prevalence, ...]
    agreements: tuple[DefinitionAgreement, ...]
    subgroups: tuple[Subgroups, ...]
    accuracy: Accuracy | None = None


@dataclass(frozen=True, slots=True)
class ValidatedConclusion:
    """The conclusion that is validated, the definition it is validated under, and the others."""

    name: str
    definition: CompiledDefinition
    others: tuple[CompiledDefinition, ...]

    def column(self, definition: CompiledDefinition) -> str:
        """The column of a row with the answer under a definition."""
        return f"is_{self.name}__{definition.id}"


def validated(program: CompiledRuleset, conclusion: str = "", definition: str = "") -> ValidatedConclusion:
    """
    What to validate: the only conclusion with definitions, under the one in use, unless others are named.

    Raises:
        ValidationError: There is none so named, or several and none is named.
    """
    named = [conclusion] if conclusion else list(program.definitions)
    if len(named) != 1 or named[0] not in program.definitions:
        several = ", ".join(program.definitions) or "none"
        raise ValidationError(f"name one conclusion that has definitions by --conclusion: {several}")
    several_definitions = program.definitions[named[0]]
    chosen = [one for one in several_definitions if (one.id == definition if definition else one.in_use)]
    if len(chosen) != 1:
        ids = ", ".join(one.id for one in several_definitions)
        raise ValidationError(f"{definition}: no definition of {named[0]} is named so; there are {ids}")
    others = tuple(one for one in several_definitions if one.id != chosen[0].id)
    return ValidatedConclusion(named[0], chosen[0], others)


@dataclass
class _Counts:
    """Patients by answer under the definition validated, alone and crossed with each other trait."""

    answers: Counter[str] = field(default_factory=Counter)
    crossed: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)  # traits of which some row says something

    def add(self, answer: str, traits: Mapping[str, str]) -> None:
        self.answers[answer] += 1
        for trait, value in traits.items():
            self.crossed.setdefault(trait, Counter())[answer, value] += 1


def validation_of(
    program: CompiledRuleset,
    what: ValidatedConclusion,
    counted: PopulationReport,
    rows: Iterable[dict[str, Any]],
    bands: Sequence[int],
) -> ValidationReport:
    """
    Validate a conclusion by the rows that `counted` reports on.

    Counts that the report hides stay hidden. Each other table crosses the definition validated with one trait: another
    definition, the age band, the sex. What could be derived of a small count from all of them together is hidden too.
    `bands` are the first ages of the bands, after the one from 0.
    """
    counts = _Counts()
    for row in rows:
        answers = {one.id: row.get(what.column(one), UNKNOWN) for one in (what.definition, *what.others)}
        traits = {f"definition {one.id}": answers[one.id] for one in what.others} | {"age": _band(row, bands)}
        traits |= {by: str(row.get(by) or NOT_RECORDED) for by in SUBGROUPS}
        counts.told |= {by for by in SUBGROUPS if by in row}
        counts.add(answers[what.definition.id], traits)
    for by in SUBGROUPS:
        if by not in counts.told:
            counts.crossed.pop(by, None)
    shown = _shown(what, counts, counted, program)
    reported = _reported(what, counted, program)
    return ValidationReport(
        program.labels[what.name],
        what.definition,
        counted,
        tuple(
            _prevalence(one.label, counted.patients, (told.yes, told.no, told.unknown), one.says)
            for one, told in reported.values()
        ),
        tuple(_agreement(one, shown) for one in what.others),
        tuple(_subgroups(by, counts, shown) for by in ("age", *SUBGROUPS) if by in counts.crossed),
    )


def _band(row: Mapping[str, Any], bands: Sequence[int]) -> str:
    ages = [age for age in (row.get("age_at_least"), row.get("age_at_most")) if age is not None]
    if not ages:
        return NOT_RECORDED
    low, high = (sum(age >= first for first in bands) for age in (min(ages), max(ages)))
    return band_names(bands)[low] if low == high else NOT_RECORDED


def band_names(bands: Sequence[int]) -> list[str]:
    """The bands as they are told: "0 to 17", …, "65 and older"."""
    firsts = (0, *bands)
    closed = [f"{first} to {after - 1}" for first, after in zip(firsts, bands, strict=False)]
    return [*closed, f"{firsts[-1]} and older"]


def _reported(
    what: ValidatedConclusion, counted: PopulationReport, program: CompiledRuleset
) -> dict[str, tuple[CompiledDefinition, BoundedCount]]:
    """Definition → itself with its counts in the report, which has all definitions of all conclusions in order."""
    every = [(of, one) for of, many in program.definitions.items() for one in many]
    return {one.id: (one, told) for (of, one), told in zip(every, counted.definitions, strict=True) if of == what.name}


def _shown(
    what: ValidatedConclusion, counts: _Counts, counted: PopulationReport, program: CompiledRuleset
) -> dict[CellKey, int | None]:
    """
    Every count that may be shown: ("total",), ("answer", answer), ("group", trait, value), ("cell", trait, answer,
    value).
    """
    of: dict[CellKey, int] = {("total",): counts.answers.total()} | {
        ("answer", answer): counts.answers[answer] for answer in ANSWERS
    }
    sums = [LinkedSum(("total",), tuple(("answer", answer) for answer in ANSWERS))]
    given: dict[CellKey, int | None] = {("total",): counted.patients}
    for identity, (_, told) in _reported(what, counted, program).items():
        trait = f"definition {identity}"
        keys = ("answer",) if identity == what.definition.id else ("group", trait)
        given |= {
            (*keys, answer): count for answer, count in zip(ANSWERS, (told.yes, told.no, told.unknown), strict=True)
        }
    for trait, cells in counts.crossed.items():
        values = ANSWERS if trait.startswith("definition ") else tuple(sorted({value for _, value in cells}))
        of |= {("group", trait, value): sum(cells[answer, value] for answer in ANSWERS) for value in values}
        of |= {("cell", trait, answer, value): cells[answer, value] for answer, value in product(ANSWERS, values)}
        sums += [
            LinkedSum(("answer", answer), tuple(("cell", trait, answer, value) for value in values))
            for answer in ANSWERS
        ]
        sums += [
            LinkedSum(("group", trait, value), tuple(("cell", trait, answer, value) for answer in ANSWERS))
            for value in values
        ]
    return suppress_linked(of, sums, given, counted.smallest)


def _prevalence(
    label: str, patients: int | None, answers: tuple[int | None, int | None, int | None], says: str = ""
) -> Prevalence:
    yes, no, unknown = answers
    return Prevalence(
        label,
        patients,
        yes,
        no,
        unknown,
        None if patients is None or yes is None else share(yes, patients),
        None if patients is None or no is None else share(patients - no, patients),
        says,
    )


def _agreement(other: CompiledDefinition, shown: Mapping[CellKey, int | None]) -> DefinitionAgreement:
    trait = f"definition {other.id}"
    table = {(mine, its): shown["cell", trait, mine, its] for mine, its in product(ANSWERS, ANSWERS)}
    corner = [table[mine, its] for mine, its in product((YES, NO), (YES, NO))]
    known = [count for count in corner if count is not None]
    return DefinitionAgreement(other.label, table, kappa(*known) if len(known) == len(corner) else None)


def _subgroups(by: str, counts: _Counts, shown: Mapping[CellKey, int | None]) -> Subgroups:
    values = {value for _, value in counts.crossed[by]}
    ordered = sorted(values, key=lambda value: (value == NOT_RECORDED, _first_number(value), value))
    return Subgroups(
        by,
        tuple(
            _prevalence(
                value,
                shown["group", by, value],
                (shown["cell", by, YES, value], shown["cell", by, NO, value], shown["cell", by, UNKNOWN, value]),
            )
            for value in ordered
        ),
    )


def _first_number(value: str) -> int:
    first = value.split(" ", 1)[0]
    return int(first) if first.isdigit() else 0
