"""Who looked at or saved what of patients, when and from where: kept append-only, given as FHIR R4 AuditEvent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, select

from cds.journal import chain
from cds.journal.store import Store
from cds.journal.tables import audit_events

CHAIN = "audit"
LONGEST = 500  # characters of what a caller chose
BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
DCM = "http://dicom.nema.org/resources/ontology/DCM"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
OBSERVER = "Thirdline"
AT_ONCE = 1_000  # rows in memory


class AuditAction(Enum):
    """What somebody did."""

    READ = "read"
    EXPORT = "export"
    SIGNED_IN = "signed-in"
    SIGNED_OUT = "signed-out"
    REFUSED = "refused"
    SAVED_IN_EHR = "saved-in-ehr"
    SAVED_HERE = "saved-here"
    NOT_SAVED = "not-saved"
    ACKNOWLEDGED = "acknowledged"


SAVES = (AuditAction.SAVED_IN_EHR, AuditAction.SAVED_HERE, AuditAction.NOT_SAVED)
FAILURES = (AuditAction.REFUSED, AuditAction.NOT_SAVED)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """
    One reading of patient data by somebody, as the audit log keeps it.

    Attributes:
        at: When.
        action: What.
        who: Who, as the sign-in says; how they came in where nobody signs in ("link", "launch", "this machine").
        role: Their role in the console; "" where there are none.
        tenant: Whose data it was; "" where there are no tenants.
        address: The page, without its query, which may hold a key.
        decision: Its id, "" for none.
        patient: The keyed digest of the patient; "" where it was no single one.
        origin: The network address they came from.
    """

    at: datetime
    action: AuditAction
    who: str
    role: str
    tenant: str
    address: str
    decision: str
    patient: str
    origin: str


def record_audit(store: Store, entry: AuditEntry) -> None:
    """
    Write it down; durable once this returns, so that what it is of may then be shown.

    Raises:
        StoreDownError: It was not written, and nothing may be shown.
    """
    with store.writing() as connection:
        append_audit(connection, store, entry)


def append_audit(connection: Connection, store: Store, entry: AuditEntry) -> None:
    """Write it down in a transaction of something else, which is then done with it or not at all."""
    row = asdict(entry) | {"action": entry.action.value, "at": entry.at.astimezone(UTC)}
    row |= {
        name: str(row[name]).replace("\0", "")[:LONGEST] for name in ("who", "tenant", "address", "decision", "origin")
    }
    (link,) = chain.append(connection, store, CHAIN, [chain.canonical(row)])
    connection.execute(audit_events.insert(), row | {"place": link.place, "before": link.before})


def read_audit(store: Store, since: datetime) -> Iterator[tuple[int, AuditEntry]]:
    """
    Every look since then with its number, oldest first.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    place = 0
    while listed := _rows(store, audit_events.c.at >= since, audit_events.c.place > place):
        yield from listed
        place = listed[-1][0]


def newest_audit(store: Store, before: int | None, count: int) -> list[tuple[int, AuditEntry]]:
    """
    The newest looks with their numbers, those before a number if one is given; newest first.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    query = select(audit_events).order_by(audit_events.c.place.desc()).limit(count)
    if before is not None:
        query = query.where(audit_events.c.place < before)
    with store.reading() as connection:
        return [(row.place, _entry(row)) for row in connection.execute(query)]


def audit_links(connection: Connection) -> Iterator[chain.ChainLink]:
    """The entries as a chain, by place."""
    rows = connection.execute(select(audit_events).order_by(audit_events.c.place)).mappings()
    for row in rows:
        content = {name: value for name, value in row.items() if name not in ("place", "before")}
        yield chain.ChainLink(row["place"], row["before"], chain.canonical(content))


def audit_as_ndjson(store: Store, since: datetime) -> Iterator[bytes]:
    """
    The same as FHIR R4 AuditEvents in the shapes of IHE BALP, one a line.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    for place, entry in read_audit(store, since):
        yield msgspec.json.encode(fhir_audit_event(place, entry)) + b"\n"


def fhir_audit_event(place: int, entry: AuditEntry) -> dict[str, Any]:
    """A look as AuditEvent; a read has the shape IHE BALP gives it ("Read", "PatientRead")."""
    acknowledges = entry.action is AuditAction.ACKNOWLEDGED
    signs = entry.action in (AuditAction.SIGNED_IN, AuditAction.SIGNED_OUT)
    event: dict[str, Any] = {"resourceType": "AuditEvent", "id": f"look-{place}"}
    if signs:
        event["type"] = _coding(DCM, "110114", "User Authentication")
        login = entry.action is AuditAction.SIGNED_IN
        event["subtype"] = [_coding(DCM, *(("110122", "Login") if login else ("110123", "Logout")))]
        event["action"] = "E"
    else:
        did = "create" if entry.action in SAVES else "update" if acknowledges else "read"
        if entry.action not in FAILURES:  # the patterns are for what succeeded
            event["meta"] = {"profile": [f"{BALP}{'Patient' if entry.patient else ''}{did.capitalize()}"]}
        event["type"] = _coding(f"{TERMINOLOGY}audit-event-type", "rest", "Restful Operation")
        event["subtype"] = [_coding("http://hl7.org/fhir/restful-interaction", did, did)]
        if entry.action is AuditAction.EXPORT:
            event["subtype"].append(_coding(DCM, "110106", "Export"))
        event["action"] = did[0].upper()
    user: dict[str, Any] = {
        "type": {"coding": [_coding(f"{TERMINOLOGY}v3-ParticipationType", *_part(entry.action))]},
        "who": {"identifier": {"value": entry.who}},
        "name": entry.who,
        "requestor": True,
    }
    if entry.role:
        user["role"] = [{"text": entry.role}]
    event |= {
        "recorded": entry.at.isoformat(),
        "outcome": "4" if entry.action in FAILURES else "0",
        "agent": [
            user,
            {
                "type": {"coding": [_coding(DCM, "110152", "Destination Role ID")]},
                "who": {"display": "browser"},
                "requestor": False,
                "network": {"address": entry.origin or "unknown", "type": "2"},
            },
            {
                "type": {"coding": [_coding(DCM, "110153", "Source Role ID")]},
                "who": {"display": OBSERVER},
                "requestor": False,
                "network": {"address": OBSERVER, "type": "1"},
            },
        ],
        "source": {
            "observer": {"display": OBSERVER},
            "type": [_coding(f"{TERMINOLOGY}security-source-type", "4", "Application Server")],
        },
        "entity": [
            {
                "what": {"identifier": {"value": entry.decision or entry.address}},
                "type": _coding(f"{TERMINOLOGY}audit-entity-type", "2", "System Object"),
                "role": _coding(f"{TERMINOLOGY}object-role", "3", "Report"),
            }
        ],
    }
    if entry.patient:
        event["entity"].append(
            {
                "what": {"type": "Patient", "identifier": {"value": entry.patient}},
                "type": _coding(f"{TERMINOLOGY}audit-entity-type", "1", "Person"),
                "role": _coding(f"{TERMINOLOGY}object-role", "1", "Patient"),
            }
        )
    return event


def _part(action: AuditAction) -> tuple[str, str]:
    wrote = action in (*SAVES, AuditAction.ACKNOWLEDGED)
    return ("AUT", "author (originator)") if wrote else ("IRCP", "information recipient")


def _coding(system: str, code: str, display: str) -> dict[str, str]:
    return {"system": system, "code": code, "display": display}


def _rows(store: Store, *wanted: ColumnElement[bool]) -> list[tuple[int, AuditEntry]]:
    query = select(audit_events).where(*wanted).order_by(audit_events.c.place).limit(AT_ONCE)
    with store.reading() as connection:
        return [(row.place, _entry(row)) for row in connection.execute(query)]


def _entry(row: Any) -> AuditEntry:
    return AuditEntry(
        row.at,
        AuditAction(row.action),
        row.who,
        row.role,
        row.tenant,
        row.address,
        row.decision,
        row.patient,
        row.origin,
    )
