"""What is asked of the EHR for a fact: whole resource types, or observations by their codes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cds.yaml_source.fields import listed


@dataclass(frozen=True, slots=True)
class TypeQuery:
    """
    All resources of a FHIR type under a prefetch key; codes and windows are applied to what comes back.

    Attributes:
        key: The prefetch key they are sent under.
        resource_type: FHIR type.
        looked_for: Value sets of what is looked for among them. An entry that was not read may be of these.
    """

    key: str
    resource_type: str
    looked_for: tuple[str, ...] = ()


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


@dataclass(frozen=True, slots=True)
class AskedByCode:
    """
    Observations that a fact asks for by code, as its author wrote it.

    Attributes:
        field: The key that names the value sets to query for.
        sets: These value sets.
        prefetch: The prefetch key the author chose; "" for one made of the name of the fact.
    """

    field: str
    sets: tuple[str, ...]
    prefetch: str


DataQuery = TypeQuery | CodedQuery

PROCEDURES = TypeQuery("procedures", "Procedure")
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


def conditions(looked_for: tuple[str, ...]) -> TypeQuery:
    """All conditions, among which these value sets are looked for."""
    return TypeQuery("conditions", "Condition", looked_for)


def allergies(looked_for: tuple[str, ...]) -> TypeQuery:
    """All allergies, among which these value sets are looked for."""
    return TypeQuery("allergies", "AllergyIntolerance", looked_for)


def service_requests(looked_for: tuple[str, ...]) -> TypeQuery:
    """All requests for a service, among which these value sets are looked for."""
    return replace(SERVICE_REQUESTS, looked_for=looked_for)


def medications(looked_for: tuple[str, ...]) -> tuple[TypeQuery, ...]:
    """Everything that says a drug was ordered, dispensed, given or taken, among which these sets are looked for."""
    return tuple(replace(query, looked_for=looked_for) for query in MEDICATIONS)


ALL = (conditions(()), PROCEDURES, allergies(()), SERVICE_REQUESTS, ENCOUNTERS, *MEDICATIONS, FORMS)
RESERVED_KEYS = frozenset({"patient", SURVEYS} | {query.key for query in ALL})


def asked_by_code(coded: list[str] | str, asks_for: list[str] | str | None, prefetch: str | None) -> AskedByCode:
    """What an author writes of it: `coded`, or `asks_for` instead, and `prefetch`."""
    return AskedByCode("asks_for" if asks_for else "coded", listed(asks_for or coded), prefetch or "")


def camel_case(name: str) -> str:
    """liver_enzymes → liverEnzymes."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
