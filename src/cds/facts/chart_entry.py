"""What a reader may add to a chart, in what-if, where a fact is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ChartEntry:
    """
    One entry that would tell what a fact asks.

    Attributes:
        resource: The FHIR R4 type it is written as; Patient for the date of birth.
        coded: Value sets of what is entered; the first code of the first one is written.
        unit: UCUM unit of its number; "" for what is recorded or not, and for a day.
    """

    resource: Literal["Observation", "Condition", "AllergyIntolerance", "Patient"]
    coded: tuple[str, ...] = ()
    unit: str = ""
