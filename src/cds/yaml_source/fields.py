"""Kinds of fields of the files that people write: names, texts, durations, numbers or the parameters that hold them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


@dataclass(frozen=True)
class DurationName:
    """The text is a duration in words, or the name of a parameter that is one."""


@dataclass(frozen=True)
class NumberName:
    """A number, or the name of the parameter that holds it."""


@dataclass(frozen=True)
class InUnit:
    """The number is in this unit."""

    unit: str


@dataclass(frozen=True)
class UnitOf:
    """The number is in the unit of the fact that another field of the same model names."""

    field: str


@dataclass(frozen=True)
class OwnUnit:
    """The number is in the unit of its own fact."""


@dataclass(frozen=True)
class Refers:
    """The text is the name of another fact, or of a parameter: of something that can stand in such a place."""

    wants: str


@dataclass(frozen=True)
class OneOf:
    """One of these words, or the name of a parameter with some of them."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class ValueSetName:
    """The name of a value set."""


@dataclass(frozen=True)
class DrugTableName:
    """The name of a drug table."""


@dataclass(frozen=True)
class DrugName:
    """The name of a drug of the tables that another field of the same model names."""

    tables: str


@dataclass(frozen=True)
class WordOf:
    """One of the words that a parameter can be; another field of the same model names the parameter."""

    parameter: str


@dataclass(frozen=True)
class FhirCode:
    """One of these codes of FHIR."""

    codes: frozenset[str]


@dataclass(frozen=True)
class Cites:
    """The name of an entry of the file's `evidence`."""


@dataclass(frozen=True)
class AddedUp:
    """The value sets of items whose answers add up to a total."""


@dataclass(frozen=True)
class LowestAndHighest:
    """The two ends of a range, the lower one first."""


@dataclass(frozen=True)
class Ascending:
    """Each number of a list is above the one before it."""


@dataclass(frozen=True)
class NoMutant:
    """No mutant changes the field: words for readers, how data are asked for, which kind it is."""


Snake = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Day = date  # in a model with a key `date`, that word means the key
Url = Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]
Duration = Annotated[
    str,
    StringConstraints(pattern=r"^([0-9]+ (day|days|week|weeks|month|months|year|years)|[a-z][a-z0-9_]*)$"),
    Field(description="A duration in words (14 days, 6 weeks, 5 years), or the name of a parameter."),
    DurationName(),
]
NumberOrName = Annotated[
    int | float | str, Field(description="A number in the fact's unit, or the name of a parameter."), NumberName()
]
Names = Annotated[
    list[Slug] | Slug, Field(description="One or more value sets: file stems under rules/valuesets."), ValueSetName()
]

NUMBER_AND_UNIT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z%{\[][^,:]*)")
DAYS_IN = {"day": 1.0, "week": 7.0, "month": 30.4375, "year": 365.25}  # UCUM: a = 365.25 d, mo = a/12


def duration_days(text: str) -> int | None:
    """Days of "6 weeks", rounded up; None when the text is not a duration."""
    match = re.fullmatch(r"([0-9]+) (day|week|month|year)s?", text)
    if not match:
        return None
    return -int(-int(match[1]) * DAYS_IN[match[2]] // 1)


def listed(names: list[str] | str | None) -> tuple[str, ...]:
    """One name or several, as a tuple."""
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(names)


def strings_in(value: object) -> Iterator[str]:
    """Every text inside plain values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from strings_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings_in(part)


class Strict(BaseModel):
    """Unknown keys are errors, everywhere; so are a word for a number and a `no` for a `false`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Around(Strict):
    """A window around a day."""

    before: Duration
    after: Duration
