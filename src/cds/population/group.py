"""Rows of a run → a FHIR Group of those for whom a question is answered yes, or is open. Private: it names patients."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from cds.errors import CdsError
from cds.logic.truth import Truth
from cds.population.row import cohort_column
from cds.rulebook.compiled_ruleset import CohortQuestion, CompiledRuleset

FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
FILES = (".json", ".ndjson", ".gz")  # ends of names that rows of Bundles and requests have
MEMBER_ANSWERS = {"yes": Truth.TRUE, "unknown": Truth.UNKNOWN}


class GroupError(CdsError):
    """A Group that cannot be made; the text says what to do, and names no patient."""


def question_named(program: CompiledRuleset, identity: str) -> CohortQuestion:
    """
    The question of the rules with this id.

    Raises:
        GroupError: There is none.
    """
    for one in program.cohorts:
        if one.id == identity:
            return one
    raise GroupError(f"{identity}: no question is named so; there are {', '.join(one.id for one in program.cohorts)}")


def group_of(question: CohortQuestion, rows: Iterable[dict[str, Any]], answer: str, as_of: str) -> dict[str, Any]:
    """
    A Group of the patients for whom the question is answered `yes`, or `unknown`, by their ids in the export.

    Who has no decision is unknown. An empty Group has no members.

    Raises:
        GroupError: Rows name files instead of patients, as those of Bundles and requests do.
    """
    wanted, column = MEMBER_ANSWERS[answer].value, cohort_column(question.id)
    members = sorted({row["patient"] for row in rows if row.get(column, Truth.UNKNOWN.value) == wanted})
    if not all(FHIR_ID.fullmatch(patient) and not patient.endswith(FILES) for patient in members):
        raise GroupError("rows of Bundles and requests name files, not patients; a Group needs an export by type")
    group: dict[str, Any] = {
        "resourceType": "Group",
        "type": "person",
        "actual": True,
        "code": {"text": question.question},
        "name": f"{question.id}, {answer}, as of {as_of}",
        "quantity": len(members),
    }
    if members:
        group["member"] = [{"entity": {"reference": f"Patient/{patient}"}} for patient in members]
    return group
