"""Resources of Bundles and prefetch values, as they are met: what each is, what was sent, and what is wrong with it."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TypeVar, Union

import msgspec

from cds.errors import TooLargeError
from cds.locale.sentence import full_stop, say
from cds.record import fhir
from cds.record.bundle_parts import (
    ALTERS,
    BUNDLE,
    ENVELOPE,
    NOTHING,
    PLAIN_KEY,
    UNREADABLE,
    altered_inside,
    bundle_in,
    has_failed,
    incomplete_by,
    is_error,
    is_null,
    limited_by,
    path_in,
    plainly,
    refused_by,
    self_query,
    sound_bundle,
)
from cds.record.issues import Issues, Origin
from cds.record.model import Delivery, DeliveryState, IssueKind, SecurityLabel
from cds.record.search import Query, asked_by
from cds.record.versions import newest_copy

KNOWN = (*fhir.READ_TYPES.values(), *fhir.PASSED_OVER, fhir.NESTED_BUNDLE)
RESOURCE = msgspec.json.Decoder(Union[KNOWN])  # noqa: UP007 (made at run time)
LENIENT = msgspec.json.Decoder(Union[tuple(fhir.READ_TYPES.values())], strict=False)  # noqa: UP007
HEAD = msgspec.json.Decoder(fhir.Head)
LABELED = msgspec.json.Decoder(fhir.Labeled)
LONGEST_NOTHING = 4
LABELS = b'"security"'  # of meta; without it in a body nothing has a label
WITHHELD = say("It has a security label whose data this site leaves out.")

"""What is repeated in cards; a dot would do for a link ("www.example")."""

RESTFUL = re.compile(r"https?://(?P<server>.+)/(?P<kind>[A-Z][A-Za-z]+)/[^/?#|]+(?:/_history/[^/?#|]+)?/?")
DELETED = re.compile(r"/?(?P<kind>[A-Z][A-Za-z]+)/(?P<id>[^/?#|]+)/?")

SPOILS = {
    # FHIR type → what gives the elements that nearly no resource has and none may have (see `_unusable`), and nothing.
    kind: (attrgetter(*names), (None,) * len(names))
    for kind in fhir.READ_TYPES
    for names in [("modifierExtension", "implicitRules", *fhir.OLDER_ELEMENTS.get(kind, ()))]
}
OLDER_TYPES = {"MedicationOrder": "MedicationRequest"}  # DSTU2 name → what R4 calls it
T = TypeVar("T")
LeftOut = Callable[[str, fhir.Resource], str | None]
MAX_NAME_CHARACTERS = 500_000
"""Characters of different names (texts and displays) that are searched for one request: some 0.4 s of a CPU."""


class CollectedResource(msgspec.Struct, frozen=True, gc=False):
    """
    One resource of a request, decoded or left as bytes.

    Attributes:
        kind: FHIR type.
        identity: Its id; a digest of its bytes without one.
        resource: What it says; None where no rule wants it, so that it is read again only if something refers to it.
        day: Of one that no rule wants, the day it is of; "" if none.
        raw: Its bytes.
        full_url: Its fullUrl, "" if none.
        place, index: Where it stood: the path of the Bundle and the number of the entry, or its own path and -1.
    """

    kind: str
    identity: str
    resource: fhir.Resource | None
    day: str
    raw: msgspec.Raw
    full_url: str
    place: str
    index: int

    @property
    def where(self) -> str:
        """Path in the request."""
        return path_of(self.place, self.index)

    @property
    def server(self) -> str:
        """The server its fullUrl names, "" if none."""
        return server_in(self.full_url, self.kind)


def server_in(url: str, kind: str = "") -> str:
    """The server an absolute address of a resource names, without its scheme; "" for any other text or kind."""
    named = RESTFUL.fullmatch(url)
    return named["server"].lower() if named and kind in {"", named["kind"]} else ""


def reread(kept: CollectedResource) -> CollectedResource:
    """The same resource with what it says."""
    return msgspec.structs.replace(kept, resource=RESOURCE.decode(kept.raw))


def path_of(place: str, index: int) -> str:
    """The path of a resource in an entry of a Bundle, or of one that stands by itself (-1)."""
    return place if index < 0 else f"{place}.entry[{index}].resource"


@dataclass(slots=True)
class ResourceCollection:
    """
    Resources by type and identity as they are met, with what is wrong and what was sent.

    Attributes:
        most_entries: More than this are refused.
        left_out: Gives the day of a resource no rule wants ("" for none), None for one that is to be read.
        withheld: Codes of security labels whose resources are not read.
        names: The different names of those that are read.
        copies: Type → id or digest → the first copy met; more: every copy, where there are several.
        deleted: Those a DELETE in the request names, as "Type/id".
        by_url: fullUrl → the last resource met of it, to follow references inside a Bundle.
        kept: Type → the resources to be read, each once (the newest copy), once `choose` has been called.
        unread: The same of those no rule wants; about: whom these say they are about, as they say it.
        sent: FHIR type → what arrived.
        broken: Types of which some resource could not be used.
        lost: Some resource's type could not be told: it may have been of any type.
        empty: Searches that found nothing, with the id of the patient they name: what they say depends on whose data
            these turn out to be.
        altered: Somewhere in the request stands a modifierExtension.
        labeled: Somewhere in it may stand a security label.
        labels: "Type/id" → the security labels of its copies.
    """

    most_entries: int
    left_out: LeftOut = lambda kind, resource: None  # noqa: ARG005 (nothing is left out)
    withheld: frozenset[str] = frozenset()
    names: set[str] = field(default_factory=set)
    named: int = 0
    copies: dict[str, dict[str, CollectedResource]] = field(default_factory=lambda: defaultdict(dict))
    more: dict[str, dict[str, list[CollectedResource]]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    by_url: dict[str, CollectedResource] = field(default_factory=dict)
    kept: dict[str, list[CollectedResource]] = field(default_factory=dict)
    unread: dict[str, list[CollectedResource]] = field(default_factory=dict)
    about: set[str] = field(default_factory=set)
    sent: dict[str, list[Delivery]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    issues: Issues = field(default_factory=Issues)
    lost: bool = False
    empty: list[tuple[str, str, Delivery]] = field(default_factory=list)
    altered: bool = False
    labeled: bool = False
    labels: dict[str, tuple[SecurityLabel, ...]] = field(default_factory=dict)
    entries: int = 0
    resources: int = 0

    def delivered(self, resource_type: str, sent: Delivery) -> None:
        """Note what arrived of a type."""
        if resource_type:
            self.sent.setdefault(resource_type, []).append(sent)

    def _failed(self, resource_type: str, because: str, codes: frozenset[str] | None) -> None:
        self.delivered(resource_type, Delivery(DeliveryState.NOT_SENT, because, codes, failed=True))

    def prefetched(
        self, key: str, raw: msgspec.Raw, template: str | None, *, root: str = "prefetch", short: str = ""
    ) -> None:
        """Read one value of a prefetch, or of what was fetched in its place; `short` is why there is less than all."""
        key = key if PLAIN_KEY.fullmatch(key) else say("a prefetch key")  # it is repeated in cards
        where = f"{root}.{key}"
        asked = asked_by(template) if template else Query("")
        resource_type, codes = asked.resource_type, asked.codes
        if is_null(raw):
            self._failed(resource_type, say("the EHR sent null for {key}", key=key), codes)
            return
        self.look_for_marks(raw)
        sound = sound_bundle(raw)
        try:
            envelope = ENVELOPE.decode(raw) if sound is None else fhir.Envelope("Bundle")
        except UNREADABLE:
            self.issues.note(
                IssueKind.UNREADABLE, resource_type, where, say("This prefetch value is not a FHIR resource.")
            )
            self._failed(resource_type, say("{key} could not be read", key=key), codes)
            return
        if (
            envelope.resourceType is None
            and isinstance(envelope.response, dict)
            and has_failed(envelope.response.get("status"))
        ):
            self._failed(resource_type, say("the EHR could not read {key}", key=key), codes)
            return
        if envelope.resourceType is None and bytes(envelope.resource) not in NOTHING:
            # {"resource": …, "response": …} of a batch
            self.prefetched(key, envelope.resource, template, root=root, short=short)
            return
        if envelope.resourceType == "OperationOutcome":
            self._failed(resource_type, say("the EHR could not read {key}", key=key), codes)
            return
        before = set(self.copies)
        run = Query("")
        if envelope.resourceType == "Bundle":
            trouble, run = self.bundle(raw, where, asked=asked, sound=sound)
            trouble = short or trouble
            codes = codes if run.codes is None else run.codes
            if resource_type and not trouble and run.patient:
                self.empty.append((resource_type, run.patient, Delivery(DeliveryState.WHOLE, "", codes)))
                return
        else:
            kind = self.resource(raw, where)
            trouble = (
                ""
                if kind == resource_type
                else say("something other than {resource_type} was sent", resource_type=resource_type)
            )
        if resource_type:
            state = DeliveryState.PART if trouble else DeliveryState.WHOLE
            self.delivered(resource_type, Delivery(state, trouble, codes, failed=bool(trouble)))
        else:
            for found in dict.fromkeys((*self.copies, run.resource_type)):
                if found and found not in before and found not in self.sent:
                    self.delivered(
                        found, Delivery(DeliveryState.PART, say("{key} is not a key this service asked for", key=key))
                    )

    def bundle(
        self, raw: msgspec.Raw, where: str, *, asked: Query | None = None, sound: fhir.Bundle | None = None
    ) -> tuple[str, Query]:
        """
        Read the entries of a Bundle; say why it is not whole ("" if it is), and which search it says it answers.

        Its marks were looked for, or those of what it stands in.

        `asked` is what a prefetch key asked for, of no type for a key of the sender's own, None outside prefetch;
        `sound` is the Bundle where it is already decoded.
        """
        bundle, entries = (sound, sound.entry or []) if sound is not None else bundle_in(raw, where, self.issues)
        run = self_query(bundle)
        found: dict[str, bool] = {}  # type → whether it came as a match, not only along with one
        matches = 0
        trouble = ""
        lost = False
        self.entries += len(entries)
        if self.entries > self.most_entries:
            raise too_many_entries(self.most_entries, where)
        for index, entry in enumerate(entries):
            if entry is None:
                lost = True
                continue
            if (entry.response or entry.request) and (refused := refused_by(entry)):
                trouble = trouble or self._not_used(entry, path_of(where, index), refused)
                continue
            if len(entry.resource) <= LONGEST_NOTHING and bytes(entry.resource) in NOTHING:
                if entry.resourceType is not None:
                    place = f"{where}.entry[{index}]"
                    self.issues.note(IssueKind.UNREADABLE, "", place, say("The resource stands in place of the entry."))
                lost = True
                continue
            mode = entry.search.mode if entry.search else None
            kind = self.resource(entry.resource, where, index, entry.fullUrl or "")
            if kind == "OperationOutcome":
                trouble = trouble or (say("the EHR reported an error") if is_error(entry.resource) else "")
            elif kind == "Bundle":  # judged by itself; under a prefetch key nobody asked for Bundles in a Bundle
                trouble = trouble or ("" if asked is None else say("a Bundle stands inside the Bundle"))
            elif kind:
                found[kind] = found.get(kind, False) or mode != "include"
                matches += mode in {None, "match"}
            else:
                lost = self.lost = True
        trouble = trouble or incomplete_by(bundle, matches, asked.most if asked else None)
        if run.resource_type in found:
            run = replace(run, patient="")  # what was found names its own patient
        if asked is None:
            self._judge(run, found, trouble)
            return trouble, run
        if lost:
            return trouble or say("some entries hold nothing that can be read"), run
        if found and asked.resource_type and asked.resource_type not in found:
            return trouble or say(
                "other resources than {resource_type} were sent", resource_type=asked.resource_type
            ), run
        if run.resource_type == asked.resource_type:
            trouble = trouble or limited_by(run.narrowed_by - asked.narrowed_by)
        return trouble, run

    def _judge(self, run: Query, found: dict[str, bool], trouble: str) -> None:
        """Outside prefetch: what this Bundle says of the types in it, and of the type its self link asked for."""
        for kind, matched in found.items():
            if kind == run.resource_type:
                continue
            because = trouble or (
                "" if matched or kind == "Patient" else say("only some came, along with another search")
            )
            self.delivered(
                kind, Delivery(DeliveryState.PART, because, failed=True) if because else Delivery(DeliveryState.WHOLE)
            )
        if run.resource_type in fhir.READ_TYPES:
            because = trouble or limited_by(run.narrowed_by)
            state = DeliveryState.PART if because else DeliveryState.WHOLE
            sent = Delivery(state, because, run.codes, failed=bool(trouble))
            if run.patient:
                self.empty.append((run.resource_type, run.patient, sent))
            else:
                self.delivered(run.resource_type, sent)

    def settle(self, own: frozenset[str]) -> None:
        """Now that it is known whose data these are: a search that found nothing counts if it was about them."""
        for kind, patient, sent in self.empty:
            if f"Patient/{patient}" in own:
                self.delivered(kind, sent)
                continue
            because = say("the search that found none names another patient")
            self.delivered(kind, Delivery(DeliveryState.NOT_SENT, because, sent.codes, failed=True))
            self.issues.note(IssueKind.NOT_SENT, kind, "", full_stop(because))

    def look_for_marks(self, raw: msgspec.Raw) -> None:
        """Look, before it is read, whether any resource of what was sent needs a closer look; nearly none does."""
        text = bytes(raw)
        self.altered = self.altered or ALTERS in text
        self.labeled = self.labeled or LABELS in text

    def resource(self, raw: msgspec.Raw, place: str, index: int = -1, full_url: str = "") -> str:
        """Read one resource, where `path_of` says that it stands; give its type, "" if that cannot be told."""
        as_expected = True
        try:
            resource = RESOURCE.decode(raw)
        except UNREADABLE as error:
            lenient = self._not_as_expected(raw, path_of(place, index), error)
            if isinstance(lenient, str):
                return lenient
            resource, as_expected = lenient, False
        kind = type(resource).__name__
        spoils = SPOILS.get(kind)
        if spoils is None:
            if kind == "Bundle":
                self.bundle(raw, path_of(place, index))
            else:  # a type no rule reads
                self.resources += 1
            return kind
        self.resources += 1
        look, nothing = spoils
        if self.altered or look(resource) != nothing:
            flaw = _unusable(resource, kind) or (ALTERS in bytes(raw) and altered_inside(raw))
            if flaw:
                self._broken(kind, IssueKind.IGNORED, path_of(place, index), flaw)
                return kind
        identity = resource.id or hashlib.blake2b(bytes(raw), digest_size=6).hexdigest()
        if self.labeled and (labels := _labels(raw)):
            if kind != "Patient" and not self.withheld.isdisjoint(label.code for label in labels):
                self._broken(kind, IssueKind.IGNORED, path_of(place, index), WITHHELD)
                return kind
            source = f"{kind}/{identity}"
            self.labels[source] = tuple(dict.fromkeys((*self.labels.get(source, ()), *labels)))
        day = self._left_out(resource, kind) if as_expected else None
        if day is None:
            self._count_names(resource)
        kept = CollectedResource(
            kind, identity, resource if day is None else None, day or "", raw, full_url, place, index
        )
        first = self.copies[kind].setdefault(identity, kept)
        if first is not kept:
            self.more.setdefault(kind, {}).setdefault(identity, [first]).append(kept)
        if full_url:
            self.by_url[full_url] = kept
        return kind

    def _count_names(self, resource: fhir.Resource) -> None:
        concept = getattr(resource, "medicationCodeableConcept", None) or getattr(resource, "code", None)
        if not isinstance(concept, fhir.CodeableConcept):
            return
        for name in (concept.text, *(coding.display for coding in concept.coding or () if coding is not None)):
            if name and name not in self.names:
                self.names.add(name)
                self.named += len(name)
        refuse_too_many_names(self.named)

    def _left_out(self, resource: fhir.Resource, kind: str) -> str | None:
        """The day of a resource that no rule wants ("" for none), if it says whom it is about; None for any other."""
        day = self.left_out(kind, resource)
        if day is None:
            return None
        by = "patient" if isinstance(resource, fhir.ExplanationOfBenefit) else "subject"
        subject: fhir.Reference | None = getattr(resource, by, None)
        if subject is None or not subject.reference:
            return None
        self.about.add(subject.reference)
        return day

    def _not_used(self, entry: fhir.Entry, where: str, refused: str) -> str:
        """Set aside an entry that was deleted or answered with an error; give the trouble that makes of the Bundle."""
        deletes = entry.request is not None and (entry.request.method or "").upper() == "DELETE"
        gone = DELETED.fullmatch(entry.request.url or "") if deletes and entry.request else None
        if gone:
            self.deleted.add(f"{gone['kind']}/{gone['id']}")
        head = fhir.Head()
        if bytes(entry.resource) not in NOTHING:
            try:
                head = HEAD.decode(entry.resource)
            except UNREADABLE:
                self.lost = True
        if head.resourceType and head.id and deletes:
            self.deleted.add(f"{head.resourceType}/{head.id}")
        if head.resourceType in fhir.READ_TYPES:
            self._broken(head.resourceType or "", IssueKind.IGNORED, where, refused)
        return "" if deletes else say("the EHR reported an error")

    def _not_as_expected(self, raw: msgspec.Raw, where: str, error: Exception) -> fhir.Resource | str:
        """A resource that did not decode: of another type, a nested Bundle, with sloppy numbers, or unreadable."""
        try:
            kind = HEAD.decode(raw).resourceType or ""
        except UNREADABLE:
            self.issues.note(
                IssueKind.UNREADABLE, "", where, say("This resource cannot be read: {error}.", error=plainly(error))
            )
            return ""
        if kind == "Bundle":  # where the sender names the type twice
            self.bundle(raw, where)
            return kind
        if not kind:
            self.issues.note(IssueKind.UNREADABLE, "", where, say("This does not say which resource it is."))
            return kind
        if kind in OLDER_TYPES:
            self._broken(
                OLDER_TYPES[kind], IssueKind.UNREADABLE, where, say("{kind} is of an older FHIR version.", kind=kind)
            )
            return kind
        if kind not in fhir.READ_TYPES:
            self.resources += 1
            return kind
        try:
            resource: fhir.Resource = LENIENT.decode(raw)
        except UNREADABLE:
            self._broken(
                kind,
                IssueKind.UNREADABLE,
                where + path_in(error),
                say("It cannot be read: {error}.", error=plainly(error)),
            )
            return kind
        self.issues.note(IssueKind.IMPRECISE, kind, where, say("Numbers are sent as text; they are read as numbers."))
        return resource

    def _broken(self, kind: str, issue: IssueKind, where: str, what: str) -> None:
        self.resources += 1
        self.broken.add(kind)
        self.issues.note(issue, kind, where, what)

    def choose(self) -> None:
        """
        Now that everything was met: keep the newest copy of each resource, and none of those that were deleted.

        Resources of one id from two servers are two resources (FHIR R4 §2.36.4, Bundle.entry.fullUrl).
        """
        for kind, by_id in self.copies.items():
            chosen = (
                list(self._chosen(kind, by_id)) if self.deleted or kind in self.more else by_id.values()
            )  # nearly always each was met once
            self.kept[kind] = [kept for kept in chosen if kept.resource is not None]
            self.unread[kind] = [kept for kept in chosen if kept.resource is None]

    def _chosen(self, kind: str, by_id: Mapping[str, CollectedResource]) -> Iterator[CollectedResource]:
        more = self.more.get(kind, {})
        for identity, first in by_id.items():
            if f"{kind}/{identity}" in self.deleted:
                self._broken(kind, IssueKind.IGNORED, first.where, say("It was deleted."))
            elif identity in more:
                yield from self._newest(kind, more[identity])
            else:
                yield first

    def read_again(self, kind: str, identities: Collection[str] | None = None) -> None:
        """Keep those of one type that were left unread; only some, where `identities` are given."""
        left = self.unread.get(kind, [])
        self.unread[kind] = []
        for kept in left:
            if identities is None or kept.identity in identities:
                self.kept[kind].append(reread(kept))
            else:
                self.unread[kind].append(kept)

    def source_at(self, url: str) -> str:
        """What a fullUrl stands for, as Type/id; "" if nothing has it."""
        kept = self.by_url.get(url)
        return f"{kept.kind}/{kept.identity}" if kept is not None else ""

    def _newest(self, kind: str, copies: list[CollectedResource]) -> list[CollectedResource]:
        """The newest copy from each server; copies that name no server are of the only one that is named."""
        servers = sorted({copy.server for copy in copies} - {""})
        by_server: dict[str, list[CollectedResource]] = {}
        for copy in copies:
            by_server.setdefault(copy.server or (servers[0] if len(servers) == 1 else ""), []).append(copy)
        chosen: dict[bytes, CollectedResource] = {}
        for _, of_one in sorted(by_server.items()):
            newest, told = newest_copy(of_one)
            chosen.setdefault(bytes(newest.raw), newest)
            if not told:
                self.issues.note(
                    IssueKind.IMPRECISE,
                    kind,
                    newest.where,
                    say("It differs from another copy, and neither says it is newer."),
                )
        if len(chosen) > 1:
            self.issues.note(
                IssueKind.IMPRECISE, kind, copies[0].where,
                say("More than one server sent a resource of this id; each is read as a resource of its own."),
            )  # fmt: skip
        return list(chosen.values())

    def of(self, struct: type[T]) -> Iterator[tuple[T, CollectedResource]]:
        """Resources of one type, with how they were kept."""
        for kept in self.kept.get(struct.__name__, ()):
            if isinstance(kept.resource, struct):
                yield kept.resource, kept

    def origin(self, kept: CollectedResource) -> Origin:
        """Where a resource came from."""
        return Origin(kept.kind, f"{kept.kind}/{kept.identity}", kept.where, self.issues, kept.server)


def kinds_in(raw: msgspec.Raw) -> frozenset[str]:
    """The FHIR types a prefetch value holds, those in a Bundle and the one its self link searched among them."""
    try:
        envelope = ENVELOPE.decode(raw)
        if envelope.resourceType is None and envelope.resource:
            return kinds_in(envelope.resource)
        if envelope.resourceType != "Bundle":
            return frozenset({str(envelope.resourceType)}) if envelope.resourceType else frozenset()
        bundle = BUNDLE.decode(raw)
        heads = [HEAD.decode(entry.resource) for entry in bundle.entry or () if entry is not None and entry.resource]
    except UNREADABLE:
        return frozenset()
    return frozenset({head.resourceType or "" for head in heads} | {self_query(bundle).resource_type}) - {""}


def _unusable(resource: fhir.Resource, kind: str) -> str:
    """Why a resource must not be used, "" if it can be (FHIR R4: modifierExtension, implicitRules; older versions)."""
    if resource.modifierExtension:
        return say("It has a modifier extension, which may change its meaning.")
    if resource.implicitRules:
        return say("It was made under implicit rules, which may change its meaning.")
    for name in fhir.OLDER_ELEMENTS.get(kind, ()):
        if getattr(resource, name) is not None:
            return say("It has the element {name} of an older FHIR version.", name=name)
    return ""


def _labels(raw: msgspec.Raw) -> tuple[SecurityLabel, ...]:
    """The security labels of a resource (FHIR R4 §6.1.1)."""
    try:
        meta = LABELED.decode(raw).meta
    except UNREADABLE:
        return ()
    sent = meta.security if meta is not None else None
    listed = [one for one in (sent if isinstance(sent, list) else [sent]) if isinstance(one, dict)]
    read = [SecurityLabel(*(_text(one.get(name)) for name in SecurityLabel._fields)) for one in listed]
    return tuple(label for label in read if label.code)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def too_many_entries(most: int, where: str = "") -> TooLargeError:
    """The error that more resources came than are read."""
    return TooLargeError(
        f"There are more than {most} entries",
        fix="Send fewer resources, or raise CDS_MOST_ENTRIES",
        where=where,
    )


def refuse_too_many_names(characters: int) -> None:
    """
    Refuse a request whose names take too long to search.

    Raises:
        TooLargeError: They do.
    """
    if characters > MAX_NAME_CHARACTERS:
        raise TooLargeError(
            f"The names of drugs, conditions and procedures have more than {MAX_NAME_CHARACTERS:,} characters together",
            fix="Send names as code.text or display, and notes elsewhere",
        )
