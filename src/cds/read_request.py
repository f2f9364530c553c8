"""
A CDS Hooks request or a FHIR Bundle → PatientRecord: the only reader of requests.

HTTP, the command line, the playground, what-if and rule tests read with it. An EHR that calls must send what CDS Hooks
requires (`read_request`); a file may leave out what no rule reads (`read_record`, `read_file`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from cds.decide import Ruleset
from cds.errors import NotFhirError, NotJsonError, TooLargeError, WrongPatientError
from cds.fhir_client.allowlist import is_plain
from cds.fhir_client.fetch import FhirAccess
from cds.record.bundle import NOTHING_FETCHED, FetchedValue, read_bundle, read_prefetch
from cds.record.draft_orders import DraftOrders, orders_of
from cds.record.model import PatientRecord
from cds.rulebook.compiled_ruleset import Service
from cds.settings import Settings

T = TypeVar("T")
BOM = b"\xef\xbb\xbf"
USER_ID = "the user, as Practitioner/id or PractitionerRole/id"
DRAFT_ORDERS = "a Bundle of the orders"
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


class Envelope(msgspec.Struct):
    """What tells a CDS Hooks request from a FHIR resource."""

    resourceType: Any = None  # noqa: N815 (FHIR's name)
    hook: Any = None


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
        patient_id: context.patientId, without a Patient/ before it; "" where none was sent (a file may lack it).
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
ENVELOPE = msgspec.json.Decoder(Envelope)
RESOURCE_BEGINS = b'{"resourceType":"'


def limits(settings: Settings, rules: Ruleset) -> dict[str, Any]:
    """How much is read of what was sent, and which observations."""
    return {
        "most_entries": settings.most_entries,
        "max_depth": settings.max_json_depth,
        "sought": rules.program.sought,
        "withheld": frozenset(settings.withhold_labels),
    }


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


def is_hook_request(body: bytes) -> bool:
    """Whether a body names a hook and is no FHIR resource; False for what cannot be read."""
    if body.startswith(RESOURCE_BEGINS):
        return False
    try:
        envelope = ENVELOPE.decode(body.removeprefix(BOM))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    return envelope.resourceType is None and envelope.hook is not None


def read_request(body: bytes, service: Service) -> HookRequest:
    """
    What an EHR asks of a service, with everything CDS Hooks requires.

    Raises:
        NotJsonError, NotFhirError, TooLargeError, WrongPatientError: With the member that is wrong.
    """
    sent = _decoded(body)
    if sent.resourceType is not None:
        raise NotFhirError(
            "This is a FHIR resource, not a CDS Hooks request",
            fix="Post a Bundle to /evaluate, or send its resources as the prefetch of a request",
        )
    if sent.hook != service.hook:
        raise NotFhirError(
            f"This service answers {service.hook}, and the request's hook is another",
            fix=f"Send hook: {service.hook}, or call the service of your hook (GET /cds-services lists them)",
            where="hook",
        )
    if not sent.hookInstance:
        raise NotFhirError("hookInstance is missing", fix="Send a UUID", where="hookInstance")
    asked = _asked(sent)
    if not asked.patient_id:
        raise NotFhirError("context.patientId is missing", fix="Send the patient's FHIR id", where="context.patientId")
    _refuse_without_context(service.hook, sent.context or HookContext())
    return asked


def read_record(body: bytes, rules: Ruleset, settings: Settings) -> tuple[PatientRecord, str | None]:
    """
    The record in a file, and the service its hook points to (None for a Bundle).

    Raises:
        RequestError: With the member that is wrong.
    """
    bounds = limits(settings, rules)
    if not is_hook_request(body):
        return read_bundle(body, **bounds), None
    sent = _decoded(body)
    service = next((s for s in rules.program.services.values() if s.hook == sent.hook), None)
    if service is None:
        raise NotFhirError(
            f"no service answers the hook {str(sent.hook)[:40]!r}",
            fix=f"send one of {', '.join(sorted({s.hook for s in rules.program.services.values()}))}",
            where="hook",
        )
    return record_of(_asked(sent), service.templates, bounds), service.id


def read_file(body: bytes) -> HookRequest:
    """
    What a file asks that holds a CDS Hooks request of any hook; what CDS Hooks requires may be missing.

    Raises:
        NotJsonError, NotFhirError, TooLargeError, WrongPatientError: With the member that is wrong.
    """
    return _asked(_decoded(body))


def record_of(
    asked: HookRequest,
    templates: Mapping[str, str],
    bounds: Mapping[str, Any],
    fetched: Mapping[str, FetchedValue] = NOTHING_FETCHED,
) -> PatientRecord:
    """
    The record in a request, and in what was fetched in place of some of its prefetch.

    Args:
        asked: The request.
        templates: Prefetch key → the query it answers, as `Service.templates` has them.
        bounds: As `limits` has them.
        fetched: Prefetch key → what was fetched for it.

    Raises:
        RequestError: See `cds.record.bundle.read_prefetch`.
    """
    return read_prefetch(
        asked.prefetch,
        templates=templates,
        patient_id=asked.patient_id or None,
        fetched=fetched,
        orders=asked.orders,
        **bounds,
    )


def _decoded(body: bytes) -> HookRequestBody:
    fix = "Send hook, hookInstance, context and prefetch as CDS Hooks 2.0.1 describes them"
    return decode(REQUEST, body, "a CDS Hooks request", fix=fix)


def _asked(sent: HookRequestBody) -> HookRequest:
    """What was sent, in one form; what contradicts itself is refused, what is missing is left empty."""
    context = sent.context or HookContext()
    # Most public requests write the id as a reference (Patient/x), although CDS Hooks asks for the id alone.
    patient_id = (context.patientId or "").removeprefix("Patient/")
    if "/" in patient_id:
        raise NotFhirError(
            "context.patientId is not the id of a Patient",
            fix="Send the id alone, or as Patient/ and the id",
            where="context.patientId",
        )
    if sent.fhirServer and not is_plain(sent.fhirServer):
        raise NotFhirError(
            "fhirServer holds control characters",
            fix="Send the base URL of the FHIR server, as https://ehr.example/fhir",
            where="fhirServer",
        )
    authorization = sent.fhirAuthorization or FhirAuthorization()
    if authorization.patient and patient_id and authorization.patient.removeprefix("Patient/") != patient_id:
        raise WrongPatientError(
            "The access token is for another patient than the one in context",
            fix="Send the token of the patient in context; nothing was evaluated",
            where="fhirAuthorization.patient",
        )
    prefetch = sent.prefetch or {}
    if "resourceType" in prefetch:
        raise NotFhirError(
            "prefetch is a FHIR resource, not an object of keys",
            fix="Send the answer to each template under its key; GET /cds-services lists them",
            where="prefetch",
        )
    return HookRequest(
        prefetch,
        patient_id,
        sent.hookInstance or "",
        FhirAccess(sent.fhirServer or None, authorization.access_token or None),
        orders_of(sent.hook or "", bytes(context.draftOrders), context.selections),
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
