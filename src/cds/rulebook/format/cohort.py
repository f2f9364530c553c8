"""What a rule file says of a question that is asked of a whole population."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cds.yaml_source.fields import NumberOrName, Slug, Snake, Strict, Text

ExportedType = Literal[
    "Condition", "Observation", "QuestionnaireResponse", "MedicationRequest", "MedicationDispense",
    "MedicationStatement", "MedicationAdministration", "Procedure", "AllergyIntolerance", "ServiceRequest",
    "Encounter", "ExplanationOfBenefit",
]  # fmt: skip


class LacksSpec(Strict):
    """A conclusion that is unknown, and how many things at most would have to be known to settle it."""

    of: Snake
    at_most: NumberOrName


class CohortSpec(Strict):
    """
    A question that is asked of every patient of an export.

    The file is left out of every other decision: it shows and hides no card.
    """

    question: Annotated[Text, Field(description="What a committee asks, as a question.")]
    is_: Annotated[Snake, Field(alias="is", description="The conclusion that answers it for one patient.")]
    lacks: Annotated[LacksSpec | None, Field(description="And this conclusion is unknown, for few reasons.")] = None
    needs: Annotated[
        list[ExportedType],
        Field(description="FHIR types the export must hold, or nothing can be said."),
    ] = []
    evidence: Annotated[list[Slug], Field(min_length=1)]
