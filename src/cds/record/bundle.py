"""Bundle, prefetch and pages → PatientRecord; what cannot be read costs itself only, and other patients are refused."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar, Union
from urllib.parse import parse_qs, urlsplit

import msgspec

from cds.coding import Concept
from cds.record import elements
from cds.record.allergies import allergy_of
from cds.record.concepts import EMPTY, concept_of, concept_of_either
from cds.record.depth import refuse_too_deep
from cds.record.diagnoses import diagnosis_of
from cds.record.issues import Issues, Origin
from cds.record.measurements import answers_of, measurements_of
from cds.record.medications import administration_of, dispense_of, request_of, statement_of
from cds.record.patient import patient_of
from cds.record.procedures import intervention_of, referral_of
from cds.record.record import (
    Diagnosis,
    Exposure,
    Intervention,
    IssueKind,
    Measurement,
    Patient,
    PatientRecord,
    Referral,
    Sent,
    SentState,
    Span,
)
from cds.refusal import NoPatient, NotFhir, NotJson, TooLarge, WrongPatient

RESOURCE = msgspec.json.Decoder(Union[tuple(elements.READ_TYPES.values())])  # noqa: UP007 (made at run time)
LENIENT = msgspec.json.Decoder(Union[tuple(elements.READ_TYPES.values())], strict=False)  # noqa: UP007
HEAD = msgspec.json.Decoder(elements.Head)
BUNDLE = msgspec.json.Decoder(elements.Bundle)
LOOSE_BUNDLE = msgspec.json.Decoder(elements.LooseBundle)
ENTRIES = msgspec.json.Decoder(list[msgspec.Raw])
ENTRY = msgspec.json.Decoder(elements.Entry)
ENVELOPE = msgspec.json.Decoder(elements.Envelope)
OUTCOME = msgspec.json.Decoder(elements.OperationOutcome)
VERSION = msgspec.json.Decoder(elements.Version)
NOTHING = (b"", b"null")
UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)

OLDER_TYPES = {"MedicationOrder": "MedicationRequest"}  # DSTU2 name → what R4 calls it
LITERAL = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([^/?#|]+)(?:/_history/[^/]+)?$")
T = TypeVar("T")


def read_bundle(body: bytes, *, most_entries: int, deepest: int) -> PatientRecord:
    """
    The record in a FHIR R4 Bundle of any type that holds one patient.

    A kind of data with at least one resource was sent; a kind with none was not, unless a searchset (the Bundle or
    one inside it) says in its self link that it was asked for.

    Raises:
        NotJson, NotFhir, TooLarge, WrongPatient, NoPatient: See cds.refusal.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    refuse_too_deep(body, deepest)
    envelope = _envelope(body)
    if envelope.resourceType != "Bundle":
        if envelope.hook is not None or envelope.hookInstance is not None:
            raise NotFhir(
                "This is a CDS Hooks request, not a Bundle",
                fix="Post it to /cds-services/{id}, or send a FHIR Bundle here",
            )
        said = f"a {str(envelope.resourceType)[:40]}" if envelope.resourceType else "not a FHIR resource"
        raise NotFhir(f"This is {said}, not a Bundle", fix="Send a FHIR R4 Bundle that holds one patient's resources")
    gathered = Gathered(most_entries)
    gathered.bundle(body, "Bundle")
    return _record(gathered, None)


def read_prefetch(
    prefetch: Mapping[str, msgspec.Raw],
    *,
    templates: Mapping[str, str],
    patient_id: str | None,
    most_entries: int,
    deepest: int,
) -> PatientRecord:
    """
    The record in a CDS Hooks prefetch.

    Per key, four states are told apart (CDS Hooks 2.0.1, "Prefetch"): absent, null and OperationOutcome mean that the
    data did not come; a resource or Bundle is the answer to the key's template, in part when pages are missing. A key
    without a template of ours says only what is in it.

    Raises:
        NotFhir, TooLarge, WrongPatient, NoPatient: See cds.refusal.
    """
    gathered = Gathered(most_entries)
    for key, value in sorted(prefetch.items()):
        raw = bytes(value)
        refuse_too_deep(raw, deepest, f"prefetch.{key}")
        gathered.prefetched(key, raw, templates.get(key))
    for key, template in sorted(templates.items()):
        if key not in prefetch:
            resource_type, codes = asked(template)
            gathered.say(resource_type, Sent(SentState.NOT_SENT, f"the EHR did not send {key}", codes))
    return _record(gathered, patient_id)


def asked(query: str) -> tuple[str, frozenset[str] | None]:
    """FHIR type of a query and the codes it is limited to (None: not limited): Observation?code=system|code,…"""
    parts = urlsplit(query.replace("{{", "").replace("}}", ""))
    segments = [segment for segment in parts.path.split("/") if segment]
    resource_type = next((segment for segment in segments if segment[:1].isupper()), "")
    codes = parse_qs(parts.query).get("code")
    if not codes:
        return resource_type, None
    return resource_type, frozenset(token.rsplit("|", 1)[-1] for text in codes for token in text.split(","))


# ---------------------------------------------------------------- gathering


@dataclass(slots=True)
class Kept:
    """One resource that was read: what it is, where it stood, and its bytes."""

    resource: elements.Resource
    where: str
    raw: msgspec.Raw
    full_url: str


@dataclass(slots=True)
class Gathered:
    """
    Resources by type and identity as they are met, with what is wrong and what was sent.

    Attributes:
        most_entries: More than this are refused.
        kept: (type, id or digest) → the resource; a second copy of it counts once.
        by_url: fullUrl → "Type/id", to follow references inside a Bundle.
        sent: FHIR type → what arrived.
        broken: Types of which some resource could not be used.
    """

    most_entries: int
    kept: dict[tuple[str, str], Kept] = field(default_factory=dict)
    by_url: dict[str, str] = field(default_factory=dict)
    sent: dict[str, list[Sent]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    issues: Issues = field(default_factory=Issues)
    entries: int = 0
    resources: int = 0
    others: dict[str, int] = field(default_factory=dict)

    def say(self, resource_type: str, sent: Sent) -> None:
        """Note what arrived of a type."""
        if resource_type:
            self.sent.setdefault(resource_type, []).append(sent)

    def prefetched(self, key: str, raw: bytes, template: str | None) -> None:
        """Read one prefetch value."""
        where = f"prefetch.{key}"
        resource_type, codes = asked(template) if template else ("", None)
        if raw.strip() == b"null":
            self.say(resource_type, Sent(SentState.NOT_SENT, f"the EHR sent null for {key}", codes, failed=True))
            return
        try:
            envelope = ENVELOPE.decode(raw)
        except UNREADABLE:
            self.issues.note(IssueKind.UNREADABLE, resource_type, where, "This prefetch value is not a FHIR resource.")
            self.say(resource_type, Sent(SentState.NOT_SENT, f"{key} could not be read", codes, failed=True))
            return
        if envelope.resourceType is None and bytes(envelope.resource) not in NOTHING:
            self.prefetched(key, bytes(envelope.resource), template)  # {"resource": …, "response": …} of a batch
            return
        if envelope.resourceType == "OperationOutcome":
            self.say(resource_type, Sent(SentState.NOT_SENT, f"the EHR could not read {key}", codes, failed=True))
            return
        before = dict.fromkeys(kind for kind, _ in self.kept)
        if envelope.resourceType == "Bundle":
            whole, why = self.bundle(raw, where, prefetched=True)
        else:
            self.resource(msgspec.Raw(raw), where, "")
            whole, why = True, ""
        if resource_type:
            state = SentState.WHOLE if whole else SentState.PART
            self.say(resource_type, Sent(state, why, codes, failed=not whole))
        else:
            for found in dict.fromkeys(kind for kind, _ in self.kept):
                if found not in before and found not in self.sent:
                    self.say(found, Sent(SentState.PART, f"{key} is not a key this service asked for"))

    def bundle(self, raw: bytes, where: str, *, prefetched: bool = False) -> tuple[bool, str]:
        """Read the entries of a Bundle; say whether it is whole, and if not, why."""
        bundle, entries = _bundle(raw, where, self.issues)
        found: dict[str, None] = {}
        matches = 0
        trouble = ""
        for index, entry in enumerate(entries):
            self.entries += 1
            if self.entries > self.most_entries:
                raise TooLarge(
                    f"There are more than {self.most_entries} entries",
                    fix="Send fewer resources, or raise CDS_MOST_ENTRIES",
                    where=where,
                )
            here = f"{where}.entry[{index}]"
            if entry is None or bytes(entry.resource) in NOTHING:
                if entry is not None and entry.resourceType is not None:
                    self.issues.note(IssueKind.UNREADABLE, "", here, "The resource stands in place of the entry.")
                continue
            mode = entry.search.mode if entry.search else None
            kind = self.resource(entry.resource, f"{here}.resource", entry.fullUrl or "")
            if kind == "OperationOutcome":
                trouble = trouble or ("the EHR reported an error" if _is_error(entry.resource) else "")
            elif kind:
                found[kind] = None
                matches += mode in {None, "match"}
        trouble = trouble or _incomplete(bundle, matches)
        if not prefetched:
            self._judge(bundle, found, trouble)
        return not trouble, trouble

    def _judge(self, bundle: elements.Bundle, found: dict[str, None], trouble: str) -> None:
        """Outside prefetch: what this Bundle says of the types in it, and of the type its self link asked for."""
        state = Sent(SentState.PART, trouble, failed=True) if trouble else Sent(SentState.WHOLE)
        for kind in found:
            self.say(kind, state)
        for link in bundle.link or ():
            if link is not None and link.relation == "self" and link.url and bundle.type == "searchset":
                kind, codes = asked(link.url)
                if kind in elements.READ_TYPES and kind not in found:
                    self.say(kind, Sent(state.state, state.because, codes, failed=state.failed))

    def resource(self, raw: msgspec.Raw, where: str, full_url: str) -> str:
        """Read one resource; give its type, "" if that cannot be told."""
        try:
            resource = RESOURCE.decode(raw)
        except UNREADABLE as error:
            lenient = self._not_as_expected(raw, where, full_url, error)
            if isinstance(lenient, str):
                return lenient
            resource = lenient
        kind = type(resource).__name__
        self.resources += 1
        flaw = _unusable(resource)
        if flaw:
            self._broken(kind, IssueKind.IGNORED, where, flaw)
            return kind
        identity = resource.id or hashlib.blake2b(bytes(raw), digest_size=6).hexdigest()
        self._keep(kind, identity, Kept(resource, where, raw, full_url))
        if full_url:
            self.by_url[full_url] = f"{kind}/{identity}"
        return kind

    def _not_as_expected(
        self, raw: msgspec.Raw, where: str, full_url: str, error: Exception
    ) -> elements.Resource | str:
        """What to do with a resource that did not decode: another type, a nested Bundle, sloppy numbers, or unreadable."""
        try:
            kind = HEAD.decode(raw).resourceType or ""
        except UNREADABLE:
            self.issues.note(IssueKind.UNREADABLE, "", where, f"This resource cannot be read: {_plainly(error)}.")
            return ""
        if kind == "Bundle":
            self.bundle(bytes(raw), where)
            return ""
        if kind in OLDER_TYPES:
            self._broken(OLDER_TYPES[kind], IssueKind.UNREADABLE, where, f"{kind} is of an older FHIR version.")
            return kind
        if kind not in elements.READ_TYPES:
            self.resources += 1
            self.others[kind] = self.others.get(kind, 0) + 1
            return kind
        try:
            resource: elements.Resource = LENIENT.decode(raw)
        except UNREADABLE:
            self._broken(kind, IssueKind.UNREADABLE, where + _path_in(error), f"It cannot be read: {_plainly(error)}.")
            return kind
        self.issues.note(IssueKind.IMPRECISE, kind, where, "Numbers are sent as text; they are read as numbers.")
        return resource

    def _broken(self, kind: str, issue: IssueKind, where: str, what: str) -> None:
        self.resources += 1
        self.broken.add(kind)
        self.issues.note(issue, kind, where, what)

    def _keep(self, kind: str, identity: str, new: Kept) -> None:
        old = self.kept.get((kind, identity))
        if old is None or _newer(new, old):
            self.kept[kind, identity] = new

    def of(self, struct: type[T]) -> Iterator[tuple[T, Origin]]:
        """Resources of one type with where they came from."""
        kind = struct.__name__
        for (found, identity), kept in self.kept.items():
            if found == kind and isinstance(kept.resource, struct):
                yield kept.resource, Origin(kind, f"{kind}/{identity}", kept.where, self.issues)


def _envelope(body: bytes) -> elements.Envelope:
    try:
        return ENVELOPE.decode(body)
    except msgspec.ValidationError:
        raise NotFhir("This JSON is not an object", fix="Send a FHIR R4 Bundle") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise NotJson(f"This is not JSON: {_plainly(error)}", fix="Send JSON in UTF-8, without NaN") from None


def _bundle(raw: bytes, where: str, issues: Issues) -> tuple[elements.Bundle, list[elements.Entry | None]]:
    """A Bundle and its entries; what of it is not as it should be is set aside part by part."""
    try:
        bundle = BUNDLE.decode(raw)
    except msgspec.ValidationError:
        pass
    except UNREADABLE as error:
        raise NotJson(
            f"This is not JSON: {_plainly(error)}", fix="Send JSON in UTF-8, without NaN", where=where
        ) from None
    else:
        return bundle, bundle.entry or []
    loose = LOOSE_BUNDLE.decode(raw)
    kind = loose.type if isinstance(loose.type, str) else None
    bundle = elements.Bundle(resourceType="Bundle", type=kind, link=_links(loose.link))
    try:
        raws = ENTRIES.decode(loose.entry) if bytes(loose.entry) not in NOTHING else []
    except UNREADABLE:
        raise NotFhir(
            "entry is not a list", fix="Send Bundle.entry as a list of entries", where=f"{where}.entry"
        ) from None
    entries: list[elements.Entry | None] = []
    for index, raw_entry in enumerate(raws):
        try:
            entries.append(ENTRY.decode(raw_entry))
        except UNREADABLE:
            issues.note(IssueKind.UNREADABLE, "", f"{where}.entry[{index}]", "This entry cannot be read.")
            entries.append(None)
    return bundle, entries


def _links(said: Any) -> list[elements.Link | None]:
    found: list[elements.Link | None] = []
    for link in said if isinstance(said, list) else []:
        if isinstance(link, dict) and isinstance(link.get("relation"), str):
            url = link.get("url")
            found.append(elements.Link(link["relation"], url if isinstance(url, str) else None))
    return found


def _incomplete(bundle: elements.Bundle, matches: int) -> str:
    if any(link is not None and link.relation == "next" for link in bundle.link or ()):
        return "more pages exist that were not sent"
    if bundle.type == "searchset" and bundle.total is not None and bundle.total > matches:
        return f"{matches} of {bundle.total:g} were sent"
    return ""


def _is_error(raw: msgspec.Raw) -> bool:
    try:
        outcome = OUTCOME.decode(raw)
    except UNREADABLE:
        return True
    return any(issue is not None and issue.severity in {"error", "fatal"} for issue in outcome.issue or ())


def _unusable(resource: elements.Resource) -> str:
    """Why a resource must not be used, "" if it can be (FHIR R4: modifierExtension, implicitRules; older versions)."""
    if resource.modifierExtension:
        return "It has a modifier extension, which may change its meaning."
    if resource.implicitRules:
        return "It was made under implicit rules, which may change its meaning."
    for name in elements.OLDER_ELEMENTS.get(type(resource).__name__, ()):
        if getattr(resource, name) is not None:
            return f"It has the element {name} of an older FHIR version."
    return ""


def _newer(new: Kept, old: Kept) -> bool:
    """Which of two copies of a resource to keep: the later one; by content when they do not say."""
    if bytes(new.raw) == bytes(old.raw):
        return new.where < old.where
    return _version(new) > _version(old)


def _version(kept: Kept) -> tuple[str, str, bytes]:
    try:
        meta = VERSION.decode(kept.raw).meta or elements.Meta()
    except UNREADABLE:
        meta = elements.Meta()
    return meta.lastUpdated or "", (meta.versionId or "").zfill(20), bytes(kept.raw)


def _plainly(error: Exception) -> str:
    """msgspec's message without the path (which goes elsewhere); it holds no values, only types."""
    if isinstance(error, RecursionError):
        return "it nests too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return str(error).split(" - at ")[0].rstrip(".").replace("`", "")


def _path_in(error: Exception) -> str:
    found = re.search(r"at `\$(.*)`", str(error))
    return found[1] if found else ""


# ---------------------------------------------------------------- whose


def _record(gathered: Gathered, patient_id: str | None) -> PatientRecord:
    patient, own = _whose(gathered, patient_id)
    find_drug = _drug_finder(gathered)
    exposures = [
        exposure
        for struct, read in (
            (elements.MedicationRequest, request_of),
            (elements.MedicationDispense, dispense_of),
            (elements.MedicationStatement, statement_of),
            (elements.MedicationAdministration, administration_of),
        )
        for said, origin in gathered.of(struct)
        if _is_about(said.subject, own, gathered, origin) and (exposure := read(said, origin, find_drug)) is not None
    ]
    diagnoses = [
        diagnosis
        for said, origin in gathered.of(elements.Condition)
        if _is_about(said.subject, own, gathered, origin) and (diagnosis := diagnosis_of(said, origin)) is not None
    ]
    measurements = [
        measurement
        for said, origin in gathered.of(elements.Observation)
        if _is_about(said.subject, own, gathered, origin)
        for measurement in measurements_of(said, origin)
    ]
    measurements += [
        measurement
        for said, origin in gathered.of(elements.QuestionnaireResponse)
        if _is_about(said.subject, own, gathered, origin)
        for measurement in answers_of(said, origin)
    ]
    interventions = [
        done
        for said, origin in gathered.of(elements.Procedure)
        if _is_about(said.subject, own, gathered, origin) and (done := intervention_of(said, origin)) is not None
    ]
    allergies = [
        allergy
        for said, origin in gathered.of(elements.AllergyIntolerance)
        if _is_about(said.patient, own, gathered, origin) and (allergy := allergy_of(said, origin)) is not None
    ]
    referrals = [
        referral
        for said, origin in gathered.of(elements.ServiceRequest)
        if _is_about(said.subject, own, gathered, origin) and (referral := referral_of(said, origin)) is not None
    ]
    return PatientRecord(
        patient=patient,
        diagnoses=tuple(sorted(diagnoses, key=lambda d: (_day(d.onset or d.recorded), d.source))),
        measurements=tuple(sorted(measurements, key=lambda m: (_day(m.when), m.source, m.where))),
        exposures=tuple(sorted(exposures, key=lambda e: (_day(e.start), e.source))),
        interventions=tuple(sorted(interventions, key=lambda i: (_day(i.when), i.source))),
        allergies=tuple(sorted(allergies, key=lambda a: a.source)),
        referrals=tuple(sorted(referrals, key=lambda r: (_day(r.when), r.source))),
        sent=_sent(gathered),
        issues=gathered.issues.listed(),
        resources=gathered.resources,
        newest=_newest(diagnoses, measurements, exposures, interventions, referrals),
    )


def _day(span: Span | None) -> date:
    return span.earliest if span else date.min


def _newest(
    diagnoses: list[Diagnosis],
    measurements: list[Measurement],
    exposures: list[Exposure],
    interventions: list[Intervention],
    referrals: list[Referral],
) -> date | None:
    spans = [
        *(d.recorded or d.onset for d in diagnoses),
        *(m.when for m in measurements),
        *(e.authored or e.start for e in exposures),
        *(i.when for i in interventions),
        *(r.when for r in referrals),
    ]
    return max((span.latest for span in spans if span), default=None)


def _sent(gathered: Gathered) -> dict[str, tuple[Sent, ...]]:
    """What arrived, by type; a type of which something could not be used arrived in part at most."""
    sent = {kind: tuple(listed) for kind, listed in sorted(gathered.sent.items())}
    for kind in sorted(gathered.broken):
        because = f"some {kind} could not be read"
        sent[kind] = tuple(
            Sent(SentState.PART, because, old.codes, failed=True) if old.state is SentState.WHOLE else old
            for old in sent.get(kind, ())
        ) or (Sent(SentState.PART, because, failed=True),)
    return sent


def _whose(gathered: Gathered, patient_id: str | None) -> tuple[Patient, frozenset[str]]:
    """The patient, and every way to refer to them in this request."""
    patients = list(gathered.of(elements.Patient))
    if len(patients) > 1:
        raise WrongPatient(
            f"There are {len(patients)} Patient resources",
            fix="Send the data of one patient at a time; nothing was evaluated",
            where=patients[1][1].where,
        )
    if patients:
        said, origin = patients[0]
        if patient_id is not None and said.id != patient_id:
            raise WrongPatient(
                "The Patient resource is not the patient in context",
                fix="Send the Patient whose id is context.patientId; nothing was evaluated",
                where=origin.where,
            )
        full_url = gathered.kept["Patient", origin.source.removeprefix("Patient/")].full_url
        own = {origin.source, full_url} - {""}
        return patient_of(said, origin), frozenset(own)
    if patient_id is None:
        named = {
            reference
            for kept in gathered.kept.values()
            for reference in (
                _literal(getattr(kept.resource, "subject", None)),
                _literal(getattr(kept.resource, "patient", None)),
            )
            if reference.startswith("Patient/")
        }
        if len(named) > 1:
            raise WrongPatient(
                f"There is no Patient resource, and the data name {len(named)} patients",
                fix="Send the data of one patient, with the Patient resource; nothing was evaluated",
            )
        if not named:
            raise NoPatient(
                "There is no Patient resource, and no resource names a patient",
                fix="Send the Patient resource with the patient's data",
            )
        patient_id = named.pop().removeprefix("Patient/")
    gathered.issues.note(
        IssueKind.NOT_SENT, "Patient", "", "There is no Patient resource: birth date and gender are not known."
    )
    return Patient(f"Patient/{patient_id}"), frozenset({f"Patient/{patient_id}"})


def _literal(reference: Any) -> str:
    """A reference as Type/id: base URL and version taken off; as written when it is of another form; "" if none."""
    text = reference.reference if isinstance(reference, elements.Reference) else None
    if not text:
        return ""
    found = LITERAL.search(text)
    return f"{found[1]}/{found[2]}" if found else str(text)


def _is_about(subject: elements.Reference | None, own: frozenset[str], gathered: Gathered, origin: Origin) -> bool:
    """Whether a resource is about this patient; one about another patient refuses the whole request."""
    literal = _literal(subject)
    if not literal or "?" in literal or literal.startswith("#"):
        origin.note(
            IssueKind.IMPRECISE,
            "subject",
            "It does not say by reference whom it is about; it is taken as this patient's.",
        )
        return True
    if literal in own or (subject is not None and subject.reference in own):
        return True
    resolved = gathered.by_url.get(literal, literal)
    if resolved in own:
        return True
    if resolved.startswith("Patient/") or resolved.startswith("urn:"):
        raise WrongPatient(
            f"This {origin.kind} is about another patient",
            fix="Send the data of one patient at a time; nothing was evaluated",
            where=f"{origin.where}.subject",
        )
    origin.note(IssueKind.IGNORED, "subject", "It is not about a patient.")
    return False


# ---------------------------------------------------------------- drugs


def _drug_finder(gathered: Gathered) -> Any:
    medications = {origin.source: said for said, origin in gathered.of(elements.Medication)}

    def find(said: elements.MedicationUse, origin: Origin) -> Concept:
        if said.medicationCodeableConcept is not None:
            return concept_of(said.medicationCodeableConcept)
        reference = said.medicationReference
        if said.medication is not None:
            concept = concept_of_either(
                elements.CodeableReference(said.medication.concept, None, said.medication.coding, said.medication.text)
            )
            if concept.words:
                return concept
            reference = said.medication.reference
        if reference is None or not reference.reference:
            if reference is not None and reference.display:
                return Concept((), reference.display.strip())
            origin.note(IssueKind.NOT_FOUND, "medication", "It names no medication.")
            return EMPTY
        medication = _referred(reference.reference, said, medications, gathered)
        if medication is None:
            origin.note(IssueKind.NOT_FOUND, "medicationReference", "The Medication it refers to was not sent.")
            return Concept((), (reference.display or "").strip())
        return _drug_of(medication, reference)

    return find


def _drug_of(medication: elements.Medication, reference: elements.Reference) -> Concept:
    concept = concept_of(medication.code)
    if concept.words:
        return concept
    ingredients = [
        concept_of(item.itemCodeableConcept) if item.itemCodeableConcept else concept_of_either(item.item)
        for item in medication.ingredient or ()
        if item is not None
    ]
    if len(ingredients) == 1 and ingredients[0].words:
        return ingredients[0]
    return Concept((), (reference.display or "").strip())


def _referred(
    reference: str, said: elements.MedicationUse, medications: Mapping[str, elements.Medication], gathered: Gathered
) -> elements.Medication | None:
    if reference.startswith("#"):
        for raw in said.contained or ():
            try:
                contained = RESOURCE.decode(raw)
            except UNREADABLE:
                continue
            if isinstance(contained, elements.Medication) and contained.id == reference[1:]:
                return contained
        return None
    literal = _literal(elements.Reference(reference))
    return medications.get(literal) or medications.get(gathered.by_url.get(reference, ""))
