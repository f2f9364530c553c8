"""context.draftOrders → Draft: orders being written right now, however little of them is there yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from cds.locale.sentence import say
from cds.record import fhir
from cds.record.collect import LENIENT, ResourceCollection, too_many_entries
from cds.record.concepts import EMPTY, concept_of, concept_of_either
from cds.record.issues import Origin
from cds.record.medications import FindDrug
from cds.record.model import Delivery, DeliveryState, Draft, IssueKind
from cds.record.nesting import refuse_too_deep
from cds.record.subject import SubjectNames, is_about, literal

WHERE = "context.draftOrders"
SELECT, SIGN = "order-select", "order-sign"
KINDS = {
    # FHIR type of an order → the R4 type it is read as; DSTU2 and STU3 clients send the older names.
    "MedicationRequest": "MedicationRequest",
    "MedicationOrder": "MedicationRequest",
    "ServiceRequest": "ServiceRequest",
    "ProcedureRequest": "ServiceRequest",
}
NEEDED = (
    "id", "status", "doNotPerform", "subject", "contained", "medicationCodeableConcept", "medicationReference",
    "medication", "code", "reasonCode",
)  # fmt: skip
NOT_ORDERED = frozenset({"entered-in-error", "cancelled", "stopped", "completed", "ended", "revoked"})
NAMELESS = say("the order does not say yet what is ordered")
UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeError, OverflowError)  # whole numbers beyond 64 bits


@dataclass(frozen=True, slots=True)
class DraftOrders:
    """
    What an order hook brings in its context, not yet read (CDS Hooks library, order-select and order-sign).

    Attributes:
        sent: draftOrders as JSON; empty when there is none.
        selections: What was selected, as sent; None for a hook that selects nothing.
        selects: Whether the hook looks at the selected orders only.
    """

    sent: bytes
    selections: Any = None
    selects: bool = False


def orders_of(hook: str, draft_orders: bytes, selections: Any) -> DraftOrders | None:
    """The orders in the context of a hook (draftOrders as JSON, empty when there is none); None for other hooks."""
    return DraftOrders(draft_orders, selections, selects=hook == SELECT) if hook in (SELECT, SIGN) else None


@dataclass(frozen=True, slots=True)
class DraftOrderEntry:
    """One resource of draftOrders: its JSON value (None when there is none), where it stands, and its fullUrl."""

    said: Any
    where: str
    full_url: str = ""


def read_draft_orders(
    orders: DraftOrders, gathered: ResourceCollection, max_depth: int
) -> tuple[tuple[DraftOrderEntry, ...], Delivery]:
    """
    The resources of draftOrders, and whether they came at all; Medications among them are kept for the orders.

    Real clients send Bundles without a type, single resources and half-filled ones: none of it is refused.
    Raises TooLargeError.
    """
    issues = gathered.issues
    refuse_too_deep(orders.sent, max_depth, WHERE)
    try:
        value = msgspec.json.decode(orders.sent) if orders.sent else None
        entries = tuple(_entries(value))
    except (*UNREADABLE, ValueError):
        issues.note(IssueKind.UNREADABLE, "", WHERE, say("draftOrders is not a Bundle of orders."))
        return (), Delivery(DeliveryState.NOT_SENT, say("the orders could not be read"), failed=True)
    if value is None:
        issues.note(IssueKind.NOT_SENT, "", WHERE, say("draftOrders was not sent."))
        return (), Delivery(DeliveryState.NOT_SENT, say("the EHR did not send the orders"))
    gathered.entries += len(entries)
    if gathered.entries > gathered.most_entries:
        raise too_many_entries(gathered.most_entries, WHERE)
    for entry in entries:
        if isinstance(entry.said, dict) and entry.said.get("resourceType") == "Medication":
            with suppress(*UNREADABLE):
                gathered.resource(msgspec.Raw(msgspec.json.encode(entry.said)), entry.where, full_url=entry.full_url)
    return entries, Delivery(DeliveryState.WHOLE)


def _entries(value: Any) -> Iterator[DraftOrderEntry]:
    if value is None:
        return
    if isinstance(value, list):
        for index, said in enumerate(value):
            yield DraftOrderEntry(said, f"{WHERE}[{index}]")
        return
    if not isinstance(value, dict):
        raise ValueError("not an object")
    if value.get("resourceType") not in (None, "Bundle"):
        yield DraftOrderEntry(value, WHERE)
        return
    listed = value.get("entry") or []
    if not isinstance(listed, list):
        raise ValueError("entry is not a list")
    for index, item in enumerate(listed):
        where = f"{WHERE}.entry[{index}]"
        if isinstance(item, dict) and "resourceType" not in item:
            full_url = item.get("fullUrl")
            yield DraftOrderEntry(
                item.get("resource"), f"{where}.resource", full_url if isinstance(full_url, str) else ""
            )
        else:
            yield DraftOrderEntry(item, where)


def drafts_among(
    entries: tuple[DraftOrderEntry, ...],
    orders: DraftOrders,
    gathered: ResourceCollection,
    own: SubjectNames,
    find_drug: FindDrug,
) -> tuple[Draft, ...]:
    """
    The orders of drugs and services among draftOrders; on order-select those selected.

    What cannot be read is an order of unknown content, never no order. Raises WrongPatientError for another's order.
    """
    chosen = _chosen(orders, gathered)
    found: list[Draft] = []
    named: set[str] = set()
    for entry in entries:
        draft, references = draft_of(entry, gathered, own, find_drug)
        named |= references
        if draft is not None and (chosen is None or references & chosen):
            gathered.resources += 1
            found.append(draft)
    for _ in (chosen or frozenset()) - named:
        gathered.issues.note(
            IssueKind.NOT_FOUND, "", "context.selections", say("A selection names no order among draftOrders.")
        )
        found.append(
            Draft("context.selections", "", EMPTY, say("the selected order is not among those that were sent"))
        )
    return tuple(found)


def _chosen(orders: DraftOrders, gathered: ResourceCollection) -> frozenset[str] | None:
    """What was selected, as Type/id; None for all."""
    if not orders.selects:
        return None
    listed = orders.selections if isinstance(orders.selections, list) else []
    chosen = frozenset(literal(fhir.Reference(item.strip())) for item in listed if isinstance(item, str)) - {""}
    if not chosen:
        gathered.issues.note(
            IssueKind.IMPRECISE, "", "context.selections", say("No selection was sent; every order is looked at.")
        )
        return None
    return chosen


def draft_of(
    entry: DraftOrderEntry, gathered: ResourceCollection, own: SubjectNames, find_drug: FindDrug
) -> tuple[Draft | None, frozenset[str]]:
    """One order and every way to refer to it; None for what is no order of a drug or service, or no longer one."""
    said = entry.said
    kind = said.get("resourceType") if isinstance(said, dict) else None
    if not isinstance(kind, str):
        gathered.issues.note(IssueKind.UNREADABLE, "", entry.where, say("This does not say which resource it is."))
        return Draft(entry.where, "", EMPTY, say("an order could not be read")), frozenset({entry.full_url} - {""})
    identity = said.get("id")
    if not isinstance(identity, str):
        identity = ""
    reference = f"{kind}/{identity}" if identity else f"{kind}#{entry.where}"
    references = frozenset({reference, identity, literal(fhir.Reference(entry.full_url))} - {""})
    if kind not in KINDS:
        return None, references
    origin = Origin(KINDS[kind], reference, entry.where, gathered.issues)
    order = _readable(said, KINDS[kind], origin)
    subject = order.subject
    if literal(subject) and not is_about(subject, own, gathered, origin):
        return Draft(reference, KINDS[kind], EMPTY, say("it cannot be told whose order it is")), references
    if order.status in NOT_ORDERED or order.doNotPerform:
        return None, references
    if said.get("modifierExtension") or said.get("implicitRules"):
        origin.note(IssueKind.IGNORED, "", say("It has a modifier extension, which may change its meaning."))
        return Draft(reference, KINDS[kind], EMPTY, say("an order has a modifier extension")), references
    if isinstance(order, fhir.MedicationRequest):
        concept = find_drug(order, origin)
        listed = order.reasonCode if isinstance(order.reasonCode, list) else [order.reasonCode]
        reasons = tuple(reason for reason in map(concept_of, listed) if reason.words)
    else:
        concept, reasons = concept_of_either(order.code), ()
    return Draft(reference, KINDS[kind], concept, "" if concept.words else NAMELESS, reasons), references


def _readable(said: dict[str, Any], kind: str, origin: Origin) -> fhir.MedicationRequest | fhir.ServiceRequest:
    """An order of what can be read of it: each element stands or falls alone."""
    if "subject" not in said and isinstance(said.get("patient"), dict):
        said = said | {"subject": said["patient"]}  # DSTU2
    kept: dict[str, Any] = {}
    for name in NEEDED:
        if said.get(name) is None:
            continue
        try:
            LENIENT.decode(msgspec.json.encode({"resourceType": kind, name: said[name]}))
        except UNREADABLE:
            origin.note(IssueKind.UNREADABLE, name, say("This element cannot be read."))
            continue
        kept[name] = said[name]
    order = LENIENT.decode(msgspec.json.encode({"resourceType": kind} | kept))
    assert isinstance(order, fhir.MedicationRequest | fhir.ServiceRequest)  # noqa: S101 (by its kind)
    return order
