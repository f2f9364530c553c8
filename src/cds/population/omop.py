"""The rows of a run → the `cohort` table of the OMOP Common Data Model 5.4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import groupby
from typing import Any, NamedTuple

from cds.errors import CdsError
from cds.logic.truth import Truth
from cds.population.row import definition_column, index_day_column


class CohortTableError(CdsError):
    """No cohort table can be made of these rows."""


class CohortRow(NamedTuple):
    """
    One line of the table `cohort` of OMOP CDM 5.4.

    Attributes:
        cohort_definition_id: The number a site gives the definition.
        subject_id: The person_id of OMOP.
        cohort_start_date: The first day the definition is met, where its algorithm has one; otherwise the day decided
            for.
        cohort_end_date: The day decided for: nothing later was seen.
    """

    cohort_definition_id: int
    subject_id: int
    cohort_start_date: date
    cohort_end_date: date


def cohort_table(
    rows: Iterable[dict[str, Any]], published: str, number: int, persons: Mapping[str, int] | None
) -> Iterator[CohortRow]:
    """
    Who meets a published definition for certain, in the order of the rows; who is unknown is not in it.

    Of a patient with several index days, the last counts.

    `number` becomes cohort_definition_id. `persons` are the person_id of each patient's id; None: the ids are these
    numbers.

    Raises:
        CohortTableError: The run did not decide the definition, or a patient has no person_id.
    """
    column = definition_column(published)
    for _, of_one in groupby(rows, key=lambda row: row["patient"]):
        *_, row = of_one
        if row["outcome"] != "decided":
            continue
        if column not in row:
            raise CohortTableError(
                f"the run did not decide {published}; make it with `cds population run --definitions {published}`"
            )
        if row[column] == Truth.TRUE.value:
            until = date.fromisoformat(row["as_of"])
            first = row.get(index_day_column(published))
            yield CohortRow(
                number, _person(row["patient"], persons), date.fromisoformat(first) if first else until, until
            )


def _person(patient: str, persons: Mapping[str, int] | None) -> int:
    if persons is None:
        if not patient.isdecimal():
            raise CohortTableError(
                "patient ids of this run are not the numbers that OMOP calls person_id; "
                "name a CSV of both with `--persons` (columns patient, person_id)"
            )
        return int(patient)
    if patient not in persons:
        raise CohortTableError("a patient of this run has no line in the file of `--persons`")
    return persons[patient]
