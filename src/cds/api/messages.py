"""CDS Hooks 2.0.1 messages as the specification names them: discovery, request, response."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict

from cds.cards.card import Card
from cds.errors import NotFhirError, NotJsonError, TooLargeError, WrongPatientError
from cds.fhir_client.allowlist import is_plain
from cds.fhir_client.fetch import FhirAccess
from cds.record.draft_orders import DraftOrders, orders_of
from cds.rulebook.program import Service
from cds.serialize import card_values, without_empty

T = TypeVar("T")
USER_ID = "the user, as Practitioner/id or PractitionerRole/id"
DRAFT_ORDERS = "a Bundle of the orders"
VERSION = "2.0.1"  # of CDS Hooks
REQUIRED_CONTEXT: Mapping[str, Mapping[str, str]] = {
    # Hook → its REQUIRED context besides patientId (CDS Hooks library 1.0.1) → what to send.
    "patient-view": {"userId": USER_ID},
    "encounter-start": {"userId": USER_ID, "encounterId": "the encounter's FHIR id"},
    "order-select": {
        "userId": USER_ID,
        "selections": "the selected orders, as Type/id of entries in draftOrders",
        "draftOrders": DRAFT_ORDERS,
    },
    "order-sign": {"userId": USER_ID, "draftOrders": DRAFT_ORDERS},
}
NULL = (b"", b"null")  # a member that did not come, and one without a value, which CDS Hooks forbids


class ServiceEntry(BaseModel):
    """
    One entry of the discovery answer (CDS Hooks 2.0.1, "Discovery").

    `version` is the specification's, as the 3.0 ballot recommends; clients of 2.0.1 meet it as a member they need not
    know.
    """

    model_config = ConfigDict(frozen=True)

    hook: str
    id: str
    title: str
    description: str
    version: str
    prefetch: dict[str, str]


class Discovery(BaseModel):
    """The answer to GET /cds-services."""

    model_config = ConfigDict(frozen=True)

    services: list[ServiceEntry]


class HookContext(msgspec.Struct):
    """What of the context we read; a client may send more."""

    patientId: str | None = None  # noqa: N815 (the specification's name)
    userId: Any = None  # noqa: N815
    encounterId: Any = None  # noqa: N815
    selections: Any = None
    draftOrders: msgspec.Raw = msgspec.Raw()  # noqa: N815


class FhirAuthorization(msgspec.Struct):
    """What of the authorization we read (CDS Hooks 2.0.1, "Passing the Access Token to the CDS Service")."""

    access_token: str | None = None
    patient: str | None = None


class HookRequestBody(msgspec.Struct):
    """
    What of a request we read (CDS Hooks 2.0.1, "HTTP Request").

    Unknown members and extensions are accepted. FHIR stays undecoded until record/ reads it.
    """

    hook: str | None = None
    hookInstance: str | None = None  # noqa: N815
    context: HookContext | None = None
    prefetch: dict[str, msgspec.Raw] | None = None
    fhirServer: str | None = None  # noqa: N815
    fhirAuthorization: FhirAuthorization | None = None  # noqa: N815
    resourceType: Any = None  # noqa: N815


@dataclass(frozen=True, slots=True)
class HookRequest:
    """
    A request that was read.

    Attributes:
        prefetch: Key → what was sent under it.
        patient_id: context.patientId.
        hook_instance: hookInstance.
        access: Where more can be read.
        orders: The orders of its context; None for a hook that brings none.
        user: context.userId, "" where none was sent.
    """

    prefetch: dict[str, msgspec.Raw]
    patient_id: str
    hook_instance: str
    access: FhirAccess
    orders: DraftOrders | None = None
    user: str = field(default="", repr=False)


REQUEST = msgspec.json.Decoder(HookRequestBody)


def discovery_of(services: list[Service]) -> dict[str, Any]:
    """What we offer, with prefetch templates made from what the rules read; nothing empty but the list itself."""
    offered = Discovery(
        services=[
            ServiceEntry(
                hook=service.hook,
                id=service.id,
                title=service.title,
                description=service.description,
                version=VERSION,
                prefetch={prefetch.key: prefetch.query for prefetch in service.prefetch},
            )
            for service in services
        ]
    )
    return {"services": [without_empty(service.model_dump()) for service in offered.services]}


def decode(decoder: msgspec.json.Decoder[T], body: bytes, what: str, *, fix: str) -> T:
    """
    A body as what it should be, a byte-order mark aside.

    Raises:
        NotJsonError, NotFhirError, TooLargeError: With the member that is wrong.
    """
    try:
        return decoder.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except msgspec.ValidationError as error:
        wrong, _, where = str(error).partition(" - at ")
        raise NotFhirError(f"This is not {what}: {wrong}", fix=fix, where=where.strip("`").removeprefix("$.")) from None
    except RecursionError:
        raise TooLargeError(
            "The JSON nests too deeply", fix="Send plain FHIR resources; none needs such nesting"
        ) from None
    except UnicodeDecodeError:
        raise NotJsonError("This is not UTF-8", fix="Send JSON in UTF-8") from None
    except msgspec.DecodeError as error:
        raise NotJsonError(f"This is not JSON: {error}", fix="Send JSON in UTF-8, without NaN") from None


def read_request(body: bytes, service: Service) -> HookRequest:
    """
    What a request asks.

    Raises:
        NotJsonError, NotFhirError, TooLargeError, WrongPatientError: With the member that is wrong.
    """
    request = decode(
        REQUEST,
        body,
        "a CDS Hooks request",
        fix="Send hook, hookInstance, context and prefetch as CDS Hooks 2.0.1 describes them",
    )
    if request.resourceType is not None:
        raise NotFhirError(
            "This is a FHIR resource, not a CDS Hooks request",
            fix="Post a Bundle to /evaluate, or send its resources as the prefetch of a request",
        )
    if request.hook != service.hook:
        raise NotFhirError(
            f"This service answers {service.hook}, and the request's hook is another",
            fix=f"Send hook: {service.hook}, or call the service of your hook (GET /cds-services lists them)",
            where="hook",
        )
    if not request.hookInstance:
        raise NotFhirError("hookInstance is missing", fix="Send a UUID", where="hookInstance")
    # Most public requests write the id as a reference (Patient/x), although CDS Hooks asks for the id alone.
    patient_id = (request.context.patientId or "").removeprefix("Patient/") if request.context else ""
    if not patient_id:
        raise NotFhirError("context.patientId is missing", fix="Send the patient's FHIR id", where="context.patientId")
    if "/" in patient_id:
        raise NotFhirError(
            "context.patientId is not the id of a Patient",
            fix="Send the id alone, or as Patient/ and the id",
            where="context.patientId",
        )
    context = request.context or HookContext()
    _refuse_without_context(service.hook, context)
    if request.fhirServer and not is_plain(request.fhirServer):
        raise NotFhirError(
            "fhirServer holds control characters",
            fix="Send the base URL of the FHIR server, as https://ehr.example/fhir",
            where="fhirServer",
        )
    authorization = request.fhirAuthorization or FhirAuthorization()
    if authorization.patient and authorization.patient.removeprefix("Patient/") != patient_id:
        raise WrongPatientError(
            "The access token is for another patient than the one in context",
            fix="Send the token of the patient in context; nothing was evaluated",
            where="fhirAuthorization.patient",
        )
    prefetch = request.prefetch or {}
    if "resourceType" in prefetch:
        raise NotFhirError(
            "prefetch is a FHIR resource, not an object of keys",
            fix="Send the answer to each template under its key; GET /cds-services lists them",
            where="prefetch",
        )
    return HookRequest(
        prefetch,
        patient_id,
        request.hookInstance,
        FhirAccess(request.fhirServer or None, authorization.access_token or None),
        orders_of(service.hook, bytes(context.draftOrders), context.selections),
        context.userId if isinstance(context.userId, str) else "",
    )


def _refuse_without_context(hook: str, context: HookContext) -> None:
    """
    Refuse a hook without its REQUIRED context: silence about orders that were never seen would read as "no concern".

    What came and cannot be read is unknown, and is not refused here.
    """
    for name, what in REQUIRED_CONTEXT.get(hook, {}).items():
        value = getattr(context, name)
        if name.endswith("Id"):
            came = isinstance(value, str) and bool(value)
        elif isinstance(value, msgspec.Raw):
            came = bytes(value).strip() not in NULL
        else:
            came = value is not None
        if not came:
            raise NotFhirError(
                f"context.{name} is missing: the hook {hook} requires it", fix=f"Send {what}", where=f"context.{name}"
            )


def response_of(cards: tuple[Card, ...], links: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
    """
    The answer to a request: cards with the uuids that feedback needs (CDS Hooks 2.0.1, "Card Attributes").

    `links` stand on every card, after its own.
    """
    answered = []
    for card in cards:
        values = card_values(card)
        for suggestion in values.get("suggestions", []):
            suggestion["uuid"] = str(uuid.uuid4())
        if links:
            values["links"] = [*values.get("links", ()), *links]
        answered.append({"uuid": str(uuid.uuid4()), **values})
    return {"cards": answered}
