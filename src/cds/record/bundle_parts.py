"""The parts of a Bundle: its entries, links and total, the search it answers, and what of it is not as it should be."""

from __future__ import annotations

import math
import re

import msgspec

from cds.errors import NotFhirError, NotJsonError
from cds.locale.sentence import say
from cds.record import fhir
from cds.record.issues import Issues
from cds.record.model import IssueKind
from cds.record.search import Query, query_of

BUNDLE = msgspec.json.Decoder(fhir.Bundle)
LOOSE_BUNDLE = msgspec.json.Decoder(fhir.LooseBundle)
TEXT = msgspec.json.Decoder(str)
NUMBER = msgspec.json.Decoder(float, strict=False)
LINK = msgspec.json.Decoder(fhir.Link)
LIST = msgspec.json.Decoder(list[msgspec.Raw])
ENTRY = msgspec.json.Decoder(fhir.Entry)
ENVELOPE = msgspec.json.Decoder(fhir.Envelope)
OUTCOME = msgspec.json.Decoder(fhir.OperationOutcome)
ALTERS = b"modifierExtension"
NOTHING = (b"", b"null")
LONGEST_NULL = 64  # with blanks around it
UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
FIRST_ERROR = 400  # HTTP status codes from here on say that there is no such answer (RFC 9110 §15)


def envelope_of(body: bytes) -> fhir.Envelope:
    """The outermost object of a body, to tell what it is; NotJsonError or NotFhirError when there is none."""
    try:
        return ENVELOPE.decode(body)
    except msgspec.ValidationError:
        raise NotFhirError("This JSON is not an object", fix="Send a FHIR R4 Bundle") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise NotJsonError(f"This is not JSON: {plainly(error)}", fix="Send JSON in UTF-8, without NaN") from None


def sound_bundle(raw: msgspec.Raw) -> fhir.Bundle | None:
    """A Bundle all of whose parts are as they should be, as nearly all are; None for anything else."""
    try:
        bundle = BUNDLE.decode(raw)
    except UNREADABLE:
        return None
    return bundle if bundle.resourceType == "Bundle" else None


def is_null(raw: msgspec.Raw) -> bool:
    """Whether it is JSON's null, with blanks around it or not."""
    return len(raw) <= LONGEST_NULL and bytes(raw).strip() == b"null"


def bundle_in(raw: msgspec.Raw, where: str, issues: Issues) -> tuple[fhir.Bundle, list[fhir.Entry | None]]:
    """A Bundle and its entries; what of it is not as it should be is set aside part by part."""
    try:
        bundle = BUNDLE.decode(raw)
    except msgspec.ValidationError:
        pass
    except UNREADABLE as error:
        raise NotJsonError(
            f"This is not JSON: {plainly(error)}", fix="Send JSON in UTF-8, without NaN", where=where
        ) from None
    else:
        return bundle, bundle.entry or []
    try:
        loose = LOOSE_BUNDLE.decode(raw)
    except UNREADABLE as error:
        raise NotFhirError(
            f"This is not a Bundle: {plainly(error)}", fix="Send a FHIR R4 Bundle", where=where
        ) from None
    bundle = fhir.Bundle(
        resourceType="Bundle", type=text_in(loose.type), total=total_in(loose.total), link=links_in(loose.link)
    )
    try:
        raws = LIST.decode(loose.entry) if bytes(loose.entry) not in NOTHING else []
    except UNREADABLE:
        raise NotFhirError(
            "entry is not a list", fix="Send Bundle.entry as a list of entries", where=f"{where}.entry"
        ) from None
    entries: list[fhir.Entry | None] = []
    for index, raw_entry in enumerate(raws):
        try:
            entries.append(ENTRY.decode(raw_entry))
        except UNREADABLE:
            issues.note(IssueKind.UNREADABLE, "", f"{where}.entry[{index}]", say("This entry cannot be read."))
            entries.append(None)
    return bundle, entries


def text_in(raw: msgspec.Raw) -> str | None:
    """The text it is; None where it is none."""
    try:
        return TEXT.decode(raw)
    except UNREADABLE:
        return None


def total_in(raw: msgspec.Raw) -> float | None:
    """How many there are in all; infinity when that is said but cannot be read, so that nothing counts as whole."""
    if bytes(raw) in NOTHING:
        return None
    try:
        return NUMBER.decode(raw)
    except UNREADABLE:
        return math.inf


def links_in(raw: msgspec.Raw) -> list[fhir.Link | None]:
    """The links of a Bundle; None for each that cannot be read."""
    found: list[fhir.Link | None] = []
    try:
        listed = LIST.decode(raw) if bytes(raw) not in NOTHING else []
    except UNREADABLE:
        listed = []
    for link in listed:
        try:
            found.append(LINK.decode(link))
        except UNREADABLE:
            continue
    return found


def self_query(bundle: fhir.Bundle) -> Query:
    """The search a searchset says it answers; one of no type if it does not say."""
    if bundle.type == "searchset":
        for link in bundle.link or ():
            if link is not None and link.relation == "self" and link.url:
                return query_of(link.url)
    return Query("")


def limited_by(narrowed_by: frozenset[str]) -> str:
    """Why an answer to a narrower search is in part, in words; "" if nothing narrowed it."""
    # Only plain words are repeated: this stands in cards.
    words = sorted(name for name in narrowed_by if PLAIN_KEY.fullmatch(name))
    return (
        say("the EHR limited the search by {words}", words=", ".join(words)[:60] or say("something"))
        if narrowed_by
        else ""
    )


def incomplete_by(bundle: fhir.Bundle, matches: int, most: int | None) -> str:
    """Why a Bundle is not the whole answer: further pages, or fewer entries than it says; "" if it is."""
    relations = {link.relation for link in bundle.link or () if link is not None}
    if "next" in relations:
        return say("more pages exist that were not sent")
    if relations & {"previous", "prev"}:
        return say("earlier pages exist that were not sent")
    if bundle.type == "searchset" and bundle.total is not None and bundle.total > matches:
        return (
            say("{matches} of {total} were sent", matches=matches, total=f"{bundle.total:g}")
            if bundle.total < math.inf
            else say("the total cannot be read")
        )
    if most and matches >= most and bundle.total is None and not relations:
        return say("the page is full, and nothing says whether there are more")
    return ""


def refused_by(entry: fhir.Entry) -> str:
    """Why what an entry holds is no data: deleted (history, transaction), or the answer was an error; "" if it is."""
    if entry.request is not None and (entry.request.method or "").upper() == "DELETE":
        return say("The entry deletes it.")
    failed = entry.response is not None and has_failed(entry.response.status)
    return say("The entry says that it was answered with an error.") if failed else ""


def has_failed(status: object) -> bool:
    """Whether a Bundle.entry.response.status ("404 Not Found") says that there is no such answer."""
    code = str(status or "")[:3]
    return code.isdecimal() and int(code) >= FIRST_ERROR


def is_error(raw: msgspec.Raw) -> bool:
    """Whether it is an OperationOutcome that reports an error; one that cannot be read does."""
    try:
        outcome = OUTCOME.decode(raw)
    except UNREADABLE:
        return True
    return any(issue is not None and issue.severity in {"error", "fatal"} for issue in outcome.issue or ())


def plainly(error: Exception) -> str:
    """msgspec's message without the path (which goes elsewhere); it holds no values, only types."""
    if isinstance(error, RecursionError):
        return say("it nests too deeply")
    if isinstance(error, UnicodeDecodeError):
        return say("it is not UTF-8")
    return str(error).split(" - at ")[0].rstrip(".").replace("`", "")


def path_in(error: Exception) -> str:
    """The path that msgspec's message names, "" for none."""
    found = re.search("at `\\$(.*)`", str(error))
    return found[1] if found else ""


def altered_inside(raw: msgspec.Raw) -> str:
    """Why a resource with a modifierExtension somewhere inside must not be used (FHIR R4 §2.4.0.2), "" if it can be."""
    try:
        waiting = [msgspec.json.decode(raw)]
    except UNREADABLE:
        return say("It has a modifier extension or the like, and some of it cannot be read.")
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if part.get(ALTERS.decode()):
                return say("An element of it has a modifier extension, which may change its meaning.")
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return ""
