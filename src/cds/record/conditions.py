"""Condition → Diagnosis."""

from __future__ import annotations

from cds.record import fhir
from cds.record.concepts import clinical_status, code_among, concept_of
from cds.record.dates import across, period_of, span_of
from cds.record.issues import Origin
from cds.record.model import Diagnosis, Verification

CLINICAL = frozenset({"active", "recurrence", "relapse", "inactive", "remission", "resolved"})
VERIFICATION = {
    # FHIR R4 condition-ver-status and allergyintolerance-verification; "presumed" is R4B's and R5's.
    "confirmed": Verification.CONFIRMED,
    "unconfirmed": Verification.POSSIBLE,
    "presumed": Verification.POSSIBLE,
    "provisional": Verification.POSSIBLE,
    "differential": Verification.POSSIBLE,
    "refuted": Verification.WRONG,
    "entered-in-error": Verification.WRONG,
}


def verification_of(said: fhir.CodeableConcept | None) -> Verification:
    """
    What a verificationStatus means; none given counts as confirmed (it is 0..1 in FHIR R4).

    One that is given but not understood (a local code, words alone) does not: what it stands for is POSSIBLE.
    """
    code = code_among(said, frozenset(VERIFICATION))
    if code:
        return VERIFICATION[code]
    return Verification.POSSIBLE if concept_of(said).words else Verification.CONFIRMED


def diagnosis_of(said: fhir.Condition, origin: Origin) -> Diagnosis | None:
    """The diagnosis; None for one entered in error."""
    if code_among(said.verificationStatus, frozenset({"entered-in-error"})):
        return None
    start, _ = period_of(said.onsetPeriod, origin, "onsetPeriod")
    abated_start, abated_end = period_of(said.abatementPeriod, origin, "abatementPeriod")
    onset = span_of(said.onsetDateTime, origin, "onsetDateTime") or start
    recorded = span_of(said.recordedDate, origin, "recordedDate")
    abated = span_of(said.abatementDateTime, origin, "abatementDateTime") or abated_end or abated_start
    if abated is None and said.abatementBoolean and onset and recorded:
        abated = across(onset, recorded)
    return Diagnosis(
        source=origin.source,
        concept=concept_of(said.code),
        status=clinical_status(said.clinicalStatus, CLINICAL),
        verification=verification_of(said.verificationStatus),
        onset=onset,
        abated=abated,
        recorded=recorded,
        problem_list=_problem_list(said),
        over=abated is None and _ended_some_day(said),
        recorder=_recorder(said),
    )


def _recorder(said: fhir.Condition) -> str:
    """The name of who recorded the diagnosis, or else of who asserted it; "" where the chart names neither."""
    return next((person.display for person in (said.recorder, said.asserter) if person and person.display), "")


def _ended_some_day(said: fhir.Condition) -> bool:
    others = (said.abatementString, said.abatementAge, said.abatementRange)
    return bool(said.abatementBoolean) or any(other is not None for other in others)


def _problem_list(said: fhir.Condition) -> bool | None:
    kinds = frozenset({"problem-list-item", "encounter-diagnosis"})
    for category in said.category or ():
        code = code_among(category, kinds)
        if code:
            return code == "problem-list-item"
    return None
