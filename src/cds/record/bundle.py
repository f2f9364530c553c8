"""Bundle and prefetch → PatientRecord; what cannot be read costs itself only, and other patients are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType
from typing import TypeVar

import msgspec

from cds.errors import NotFhirError
from cds.locale.sentence import join_texts, say
from cds.record import fhir
from cds.record.allergies import allergy_of
from cds.record.bundle_parts import envelope_of, sound_bundle
from cds.record.claims import supplies_of
from cds.record.collect import ResourceCollection
from cds.record.conditions import diagnosis_of
from cds.record.draft_orders import DraftOrderEntry, DraftOrders, draft_of, drafts_among, read_draft_orders
from cds.record.forms import form_of
from cds.record.issues import Origin
from cds.record.measurements import answers_of, measurements_of
from cds.record.medication_references import drug_finder
from cds.record.medications import (
    FindDrug,
    administration_of,
    dispense_of,
    given_for,
    referred,
    request_of,
    statement_of,
)
from cds.record.model import (
    Delivery,
    DeliveryState,
    Diagnosis,
    Draft,
    Exposure,
    Intervention,
    IssueKind,
    Measurement,
    PatientRecord,
    Referral,
    Span,
)
from cds.record.nesting import refuse_too_deep
from cds.record.places import place_finder, visit_of
from cds.record.procedures import intervention_of, referral_of
from cds.record.relevance import RelevanceFilter, newest_of
from cds.record.search import asked_by
from cds.record.subject import SubjectNames, is_about, literal, match_subject, surely_about
from cds.terminology.concepts import Concept
from cds.terminology.value_sets import RelevanceCriteria

Said = TypeVar("Said", bound=fhir.Resource)
Value = TypeVar("Value")
Done = TypeVar("Done", Exposure, Intervention)


@dataclass(frozen=True, slots=True)
class FetchedValue:
    """
    What was read from the FHIR server in place of a prefetch value.

    Attributes:
        value: The answer, pages joined in one Bundle; None when there is none.
        because: Why it is not the whole answer, in words for the card; "" if it is.
        failed: It was asked for and could not be had; False when the server keeps no such data.
    """

    value: msgspec.Raw | None
    because: str = ""
    failed: bool = True


NOTHING_FETCHED: Mapping[str, FetchedValue] = MappingProxyType({})


def read_bundle(
    body: bytes,
    *,
    most_entries: int,
    max_depth: int,
    sought: RelevanceCriteria | None = None,
    withheld: frozenset[str] = frozenset(),
) -> PatientRecord:
    """
    The record in a FHIR R4 Bundle of any type that holds one patient.

    A kind of data with at least one resource was sent; a kind with none was not, unless a searchset (the Bundle or
    one inside it) says in its self link that it was asked for. With `sought`, no values are made of what no rule wants
    (see `RelevanceFilter`). Requests with the status draft are orders being written. Resources with a security label of
    a `withheld` code are not read, and their type is known in part.

    Raises:
        NotJsonError, NotFhirError, TooLargeError, WrongPatientError, NoPatientError: See cds.errors.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    refuse_too_deep(body, max_depth)
    raw = msgspec.Raw(body)
    sound = sound_bundle(raw)
    if sound is None:
        _refuse_another(body)
    gathered = ResourceCollection(most_entries, RelevanceFilter(sought).day, withheld)
    gathered.look_for_marks(raw)
    gathered.bundle(raw, "Bundle", sound=sound)
    return _record(gathered, None, lambda own, find: _drafts_in(gathered, own, find))


def _refuse_another(body: bytes) -> None:
    """Refuse what is not a Bundle."""
    envelope = envelope_of(body)
    if envelope.resourceType == "Bundle":
        return
    if envelope.hook is not None or envelope.hookInstance is not None:
        raise NotFhirError(
            "This is a CDS Hooks request, not a Bundle",
            fix="Post it to /cds-services/{id}, or send a FHIR Bundle here",
        )
    said = f"a {str(envelope.resourceType)[:40]}" if envelope.resourceType else "not a FHIR resource"
    raise NotFhirError(f"This is {said}, not a Bundle", fix="Send a FHIR R4 Bundle that holds one patient's resources")


def read_prefetch(
    prefetch: Mapping[str, msgspec.Raw],
    *,
    templates: Mapping[str, str],
    patient_id: str | None,
    most_entries: int,
    max_depth: int,
    sought: RelevanceCriteria | None = None,
    withheld: frozenset[str] = frozenset(),
    fetched: Mapping[str, FetchedValue] = NOTHING_FETCHED,
    orders: DraftOrders | None = None,
) -> PatientRecord:
    """
    The record in a CDS Hooks prefetch, in what was `fetched` in place of some of its keys, and in the orders of its
    context where the hook has any.

    Per key, four states are told apart (CDS Hooks 2.0.1, "Prefetch"): absent, null and OperationOutcome mean that the
    data did not come; a resource or Bundle is the answer to the key's template, in part when pages are missing. A key
    without a template of ours says only what is in it.

    Raises:
        NotFhirError, TooLargeError, WrongPatientError, NoPatientError: See cds.errors.
    """
    gathered = ResourceCollection(most_entries, RelevanceFilter(sought).day, withheld)
    for key, template in sorted(templates.items()):
        if key in fetched:
            _read_fetched(gathered, key, template, fetched[key])
    for key in sorted(fetched.keys() - templates.keys()):
        _read_others(gathered, key, fetched[key])
    for key, value in sorted(prefetch.items()):
        if key in fetched and key in templates:
            continue
        refuse_too_deep(bytes(value), max_depth, f"prefetch.{key}")
        gathered.prefetched(key, value, templates.get(key))
    for key, template in sorted(templates.items()):
        if key not in prefetch and key not in fetched:
            asked = asked_by(template)
            gathered.delivered(
                asked.resource_type,
                Delivery(DeliveryState.NOT_SENT, say("the EHR did not send {key}", key=key), asked.codes),
            )
    if orders is None:
        return _record(gathered, patient_id)
    entries, sent = read_draft_orders(orders, gathered, max_depth)
    return _record(gathered, patient_id, lambda own, find: (drafts_among(entries, orders, gathered, own, find), sent))


def _read_fetched(gathered: ResourceCollection, key: str, template: str, fetched: FetchedValue) -> None:
    if fetched.value is not None:
        gathered.prefetched(key, fetched.value, template, root="fetched", short=fetched.because)
        return
    asked = asked_by(template)
    sent = Delivery(DeliveryState.NOT_SENT, fetched.because, asked.codes, failed=fetched.failed)
    gathered.delivered(asked.resource_type, sent)


def _read_others(gathered: ResourceCollection, key: str, fetched: FetchedValue) -> None:
    """What was fetched beside the keys: resources that others refer to."""
    if fetched.value is not None:
        gathered.prefetched(key, fetched.value, None, root="fetched")
    if fetched.because:
        gathered.issues.note(IssueKind.NOT_SENT, key, f"fetched.{key}", join_texts("", [fetched.because, "."]))


Drafts = tuple[tuple[Draft, ...], Delivery]


def _no_drafts(_own: SubjectNames, _find: FindDrug) -> Drafts:
    return (), Delivery(DeliveryState.WHOLE)


def _drafts_in(gathered: ResourceCollection, own: SubjectNames, find_drug: FindDrug) -> Drafts:
    """Requests of a Bundle that are drafts: nobody has signed them."""
    found = [
        draft_of(DraftOrderEntry(msgspec.json.decode(kept.raw), kept.where, kept.full_url), gathered, own, find_drug)[0]
        for kind in ("MedicationRequest", "ServiceRequest")
        for kept in gathered.kept.get(kind, ())
        if getattr(kept.resource, "status", None) == "draft"
    ]
    return tuple(draft for draft in found if draft is not None), Delivery(DeliveryState.WHOLE)


def _record(
    gathered: ResourceCollection,
    patient_id: str | None,
    read_drafts: Callable[[SubjectNames, FindDrug], Drafts] = _no_drafts,
) -> PatientRecord:
    gathered.choose()
    patient, own = match_subject(gathered, patient_id)
    gathered.settle(own.references)
    if not all(surely_about(reference, own, gathered) for reference in gathered.about):
        for kind in tuple(gathered.unread):
            gathered.read_again(kind)
    find_drug = drug_finder(gathered)
    met = _each(
        gathered, own, fhir.Encounter,
        lambda said, origin: (origin.source, said, visit_of(said, origin, _leads_to(said.partOf, gathered))),
    )  # fmt: skip
    find_place = place_finder({source: said for source, said, _ in met}, gathered)
    visits = [visit for _, _, visit in met if visit is not None]
    exposures = [
        *_each(
            gathered, own, fhir.MedicationRequest,
            lambda said, origin: request_of(said, origin, find_drug),
        ),
        *_each(
            gathered, own, fhir.MedicationDispense,
            lambda said, origin: dispense_of(said, origin, find_drug),
        ),
        *_each(
            gathered, own, fhir.MedicationStatement,
            lambda said, origin: statement_of(said, origin, find_drug),
        ),
        *_each(
            gathered, own, fhir.MedicationAdministration,
            lambda said, origin: _placed(
                administration_of(said, origin, find_drug), find_place(said.context or said.encounter)
            ),
        ),
    ]  # fmt: skip
    claimed = _each(gathered, own, fhir.ExplanationOfBenefit, supplies_of)
    exposures.extend(supply for supplies in claimed for supply in supplies)
    gathered.read_again("Condition", referred(exposures, gathered))
    diagnoses = _each(gathered, own, fhir.Condition, diagnosis_of)
    taken = given_for(exposures, diagnoses, gathered)
    observed = _each(gathered, own, fhir.Observation, lambda said, origin: list(measurements_of(said, origin)))
    answers = _each(gathered, own, fhir.QuestionnaireResponse, lambda said, origin: list(answers_of(said, origin)))
    forms = _each(gathered, own, fhir.QuestionnaireResponse, form_of)
    coded_answers = [[answer for answer in found if answer.concept.codings] for found in answers]
    measurements = [measurement for found in (*observed, *coded_answers) for measurement in found]
    interventions = _each(
        gathered, own, fhir.Procedure,
        lambda said, origin: _placed(intervention_of(said, origin), find_place(said.encounter)),
    )  # fmt: skip
    allergies = _each(gathered, own, fhir.AllergyIntolerance, allergy_of)
    referrals = _each(gathered, own, fhir.ServiceRequest, referral_of)
    drafts, drafts_sent = read_drafts(own, find_drug)
    return PatientRecord(
        patient=patient,
        diagnoses=tuple(sorted(diagnoses, key=lambda d: (_day(d.onset or d.recorded), d.source))),
        measurements=tuple(sorted(measurements, key=lambda m: (_day(m.when), m.source, m.where))),
        other_answers=tuple(answer for found in answers for answer in found if not answer.concept.codings),
        exposures=tuple(sorted(taken, key=lambda e: (_day(e.start), e.source))),
        interventions=tuple(sorted(interventions, key=lambda i: (_day(i.when), i.source))),
        allergies=tuple(sorted(allergies, key=lambda a: a.source)),
        referrals=tuple(sorted(referrals, key=lambda r: (_day(r.when), r.source))),
        forms=tuple(sorted(forms, key=lambda form: (_day(form.authored), form.source))),
        visits=tuple(sorted(visits, key=lambda visit: (_day(visit.start or visit.end), visit.source))),
        drafts=drafts,
        drafts_sent=drafts_sent,
        sent=_sent(gathered),
        issues=gathered.issues.listed(),
        labels=gathered.labels,
        resources=gathered.resources,
        newest=_newest(
            diagnoses,
            measurements,
            exposures,
            interventions,
            referrals,
            newest_of(kept.day for left in gathered.unread.values() for kept in left),
        ),
    )


def _each(
    gathered: ResourceCollection,
    own: SubjectNames,
    struct: type[Said],
    read: Callable[[Said, Origin], Value | None],
) -> list[Value]:
    """What `read` makes of each resource of one type that is about this patient and was not left unread."""
    found = []
    for said, kept in gathered.of(struct):
        by_patient = isinstance(said, fhir.AllergyIntolerance | fhir.ExplanationOfBenefit)
        subject = getattr(said, "patient" if by_patient else "subject", None)
        origin = gathered.origin(kept)
        if is_about(subject, own, gathered, origin) and (value := read(said, origin)) is not None:
            found.append(value)
    return found


def _leads_to(reference: fhir.Reference | None, gathered: ResourceCollection) -> str:
    named = literal(reference)
    return gathered.source_at(named) or named


def _placed(done: Done | None, place: tuple[Concept, ...] | None) -> Done | None:
    return done if done is None or place is None else replace(done, place=place)


def _day(span: Span | None) -> date:
    return span.earliest if span else date.min


def _newest(
    diagnoses: list[Diagnosis],
    measurements: list[Measurement],
    exposures: list[Exposure],
    interventions: list[Intervention],
    referrals: list[Referral],
    left_out: date | None,
) -> date | None:
    spans = [
        *(d.recorded or d.onset for d in diagnoses),
        *(m.when for m in measurements),
        *(e.authored or e.start for e in exposures),
        *(i.when for i in interventions),
        *(r.when for r in referrals),
    ]
    days = [span.latest for span in spans if span]
    return max(days if left_out is None else [*days, left_out], default=None)


def _sent(gathered: ResourceCollection) -> dict[str, tuple[Delivery, ...]]:
    """What arrived, by type; a type of which something could not be used arrived in part at most."""
    sent = {kind: tuple(listed) for kind, listed in sorted(gathered.sent.items())}
    for kind in sorted({*sent, *gathered.broken} if gathered.lost else gathered.broken):
        because = (
            say("some {kind} could not be read", kind=kind)
            if kind in gathered.broken
            else say("a resource could not be read")
        )
        sent[kind] = tuple(
            Delivery(DeliveryState.PART, because, old.codes, failed=True) if old.state is DeliveryState.WHOLE else old
            for old in sent.get(kind, ())
        ) or (Delivery(DeliveryState.PART, because, failed=True),)
    return sent
