"""What somebody pasted, a CDS Hooks request or a FHIR Bundle → the request that a service is asked with."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from cds.errors import NoPatientError, NotFhirError, UnknownServiceError, WrongPatientError
from cds.locale.sentence import say
from cds.read_request import decode
from cds.record.nesting import refuse_too_deep
from cds.rulebook.compiled_ruleset import CompiledRuleset, Service
from cds.write_request import Json, RequestContext, bundle_of_type, write_request

USER = "Practitioner/playground"
ENCOUNTER = "playground"  # encounterId, where the Bundle holds none
REST = "bundle"  # prefetch key of what no template asks for; none of ours has it
OUTCOME = "OperationOutcome"  # among resources: something of the answer is missing
PASTED = msgspec.json.Decoder(dict[str, Any])
FIX = say("Paste a CDS Hooks request or a FHIR R4 Bundle of one patient")


@dataclass(frozen=True, slots=True)
class PastedRequest:
    """
    A request, and the service it is for.

    Attributes:
        converted: Whether it was made from a Bundle.
    """

    service: Service
    body: bytes = field(repr=False)
    converted: bool


def read_pasted(text: bytes, program: CompiledRuleset, chosen: str, max_depth: int) -> PastedRequest:
    """
    A request as it is; a Bundle as the request an EHR would have made of it for the chosen service, or the first.

    Raises:
        NotJsonError, NotFhirError, TooLargeError, NoPatientError, WrongPatientError,
            UnknownServiceError: With what is wrong.
    """
    refuse_too_deep(text, max_depth)
    value = decode(PASTED, text, "an object", fix=FIX)
    if "hook" in value:
        return PastedRequest(_service(program, chosen, value["hook"]), text, converted=False)
    if value.get("resourceType") != "Bundle":
        raise NotFhirError(say("This is neither a CDS Hooks request nor a Bundle"), fix=FIX, where="resourceType")
    service = _service(program, chosen, None)
    return PastedRequest(service, msgspec.json.encode(request_of(value, service)), converted=True)


def _service(program: CompiledRuleset, chosen: str, hook: object) -> Service:
    if chosen:
        if chosen not in program.services:
            raise UnknownServiceError(
                say("There is no such service"), fix=say("Choose one of the list"), where="service"
            )
        return program.services[chosen]
    for service in program.services.values():
        if hook is None or service.hook == hook:
            return service
    raise NotFhirError(
        say("No service answers this hook"),
        fix=say("Send one of {hooks}", hooks=", ".join(sorted({one.hook for one in program.services.values()}))),
        where="hook",
    )


def request_of(bundle: Mapping[str, Any], service: Service) -> Json:
    """
    The request for a Bundle, as `POST /evaluate` reads it: a kind of data of which there is something was asked for,
    one of which there is nothing was not sent; draft orders are those of the context, where the hook has any.

    Raises:
        NoPatientError, WrongPatientError: There is not one Patient with an id.
    """
    entries = [entry for entry in _list(bundle.get("entry")) if isinstance(entry, dict)]
    kinds: dict[str, list[Json]] = {}
    drafts: list[Json] = []
    for entry in entries:
        resource = entry.get("resource")
        if not isinstance(resource, dict):
            continue
        if resource.get("status") == "draft" and str(resource.get("resourceType")).endswith("Request"):
            drafts.append(resource)
        else:
            kinds.setdefault(str(resource.get("resourceType")), []).append(_entry(entry))
    patient_id = _patient_id(kinds.get("Patient", []))
    encounters = (entry["resource"].get("id") for entry in kinds.get("Encounter", ()))
    encounter = next((one for one in encounters if isinstance(one, str) and one), ENCOUNTER)
    prefetch: Json = {}
    given = set()
    for asked in service.prefetch:
        kind = asked.query.partition("?")[0].partition("/")[0]
        if kind in kinds:
            # Several keys may ask for a kind. Each takes all: an empty one would say that it was answered whole, even
            # where one of the resources cannot be read, or something went wrong. What is sent twice counts once.
            prefetch[asked.key] = bundle_of_type("searchset", [*kinds[kind], *kinds.get(OUTCOME, ())])
            given.add(kind)
    rest = [entry for kind, listed in kinds.items() if kind not in given for entry in listed]
    if rest:
        prefetch[REST] = bundle_of_type("collection", rest)
    context = RequestContext(USER, patient_id, encounter, tuple(drafts))
    return write_request(service.hook, str(uuid.uuid4()), context, prefetch)


def _patient_id(patients: Sequence[Json]) -> str:
    if not patients:
        raise NoPatientError(say("The Bundle holds no Patient"), fix=say("Put the Patient into it"), where="entry")
    if len(patients) > 1:
        raise WrongPatientError(
            say("There are {number} Patient resources", number=len(patients)),
            fix=say("Paste one patient's data"),
            where="entry",
        )
    identity = patients[0]["resource"].get("id")
    if not isinstance(identity, str) or not identity:
        raise NoPatientError(
            say("The Patient has no id"), fix=say("Give it one; other resources refer to it"), where="Patient.id"
        )
    return identity


def _entry(entry: Json) -> Json:
    return {name: entry[name] for name in ("fullUrl", "resource") if name in entry}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
