"""What is asked of the EHR for a fact: whole resource types, or observations by their codes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TypeQuery:
    """All resources of a FHIR type under a prefetch key; codes and windows are applied to what comes back."""

    key: str
    resource_type: str


@dataclass(frozen=True, slots=True)
class CodedQuery:
    """
    Observations by code.

    Attributes:
        key: The prefetch key they are sent under.
        coded: Value sets of what is looked for.
        asked: Value sets to query for.
        forms: They also come as filled-in forms (QuestionnaireResponse).
    """

    key: str
    coded: tuple[str, ...]
    asked: tuple[str, ...]
    forms: bool


DataQuery = TypeQuery | CodedQuery

CONDITIONS = TypeQuery("conditions", "Condition")
PROCEDURES = TypeQuery("procedures", "Procedure")
ALLERGIES = TypeQuery("allergies", "AllergyIntolerance")
SERVICE_REQUESTS = TypeQuery("serviceRequests", "ServiceRequest")
ENCOUNTERS = TypeQuery("encounters", "Encounter")
ADMINISTRATIONS = TypeQuery("medicationAdministrations", "MedicationAdministration")
MEDICATIONS = (
    TypeQuery("medicationRequests", "MedicationRequest"),
    TypeQuery("medicationStatements", "MedicationStatement"),
    TypeQuery("medicationDispenses", "MedicationDispense"),
    ADMINISTRATIONS,
)
FORMS = TypeQuery("questionnaireResponses", "QuestionnaireResponse")  # scores and answers also come as filled-in forms
SURVEYS, SURVEY_CATEGORY = "surveys", "survey"  # the category US Core gives to scores of questionnaires
ALL = (CONDITIONS, PROCEDURES, ALLERGIES, SERVICE_REQUESTS, ENCOUNTERS, *MEDICATIONS, FORMS)
RESERVED_KEYS = frozenset({"patient", SURVEYS} | {query.key for query in ALL})


def camel_case(name: str) -> str:
    """liver_enzymes → liverEnzymes."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
