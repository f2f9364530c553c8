"""PatientRecord + wanted → Facts: the finder for each kind; what one needs stands before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from cds.facts.context import SortedRecord, sort_record
from cds.facts.draft_order import find_draft, place_of_order
from cds.facts.episode import episode_length, find_episode
from cds.facts.fact import Fact, Facts, FactSource, WhyUnknown
from cds.facts.measurement import ConvertedMeasurement, number, range_text, readings
from cds.facts.override import find_override, find_score_change
from cds.facts.presence import presence
from cds.facts.rating_scale import points
from cds.facts.sessions import sessions
from cds.facts.symptoms import find_symptoms
from cds.facts.treatment import find_course, find_treatment
from cds.facts.trials.augmentation import augmentation
from cds.facts.trials.count import count
from cds.facts.trials.trials import TrialFinder, UnrecognizedMedication
from cds.logic.truth import Truth
from cds.record.model import PatientRecord, Span
from cds.rulebook.wanted import (
    Wanted,
    WantedAge,
    WantedAugmentation,
    WantedCount,
    WantedCourse,
    WantedDeceased,
    WantedDraftOrder,
    WantedEpisode,
    WantedEpisodeLength,
    WantedNumber,
    WantedOverride,
    WantedPlaceOfOrder,
    WantedPoints,
    WantedPresence,
    WantedRise,
    WantedSessions,
    WantedSetting,
    WantedSex,
    WantedSymptoms,
    WantedTrace,
    WantedTreatment,
    WantedTrials,
)
from cds.terminology.index import Codes


def evaluate_facts(wanted: Sequence[Wanted], codes: Codes, record: PatientRecord, today: date) -> Facts:
    """Answer every wanted fact from the record, in the order given (what one needs stands before it)."""
    sorted_record = sort_record(record, codes, today)
    facts: dict[str, Fact] = {}
    scores: dict[str, Sequence[ConvertedMeasurement]] = {}
    unrecognised: dict[str, tuple[UnrecognizedMedication, ...]] = {}
    trials = TrialFinder(sorted_record, scores)
    treatments = {fact.name: fact for fact in wanted if isinstance(fact, WantedTreatment)}
    for fact in wanted:
        match fact:
            case WantedPresence():  # first, since most facts are such
                facts[fact.name] = presence(fact, sorted_record)
            case WantedNumber():
                read = readings(fact, sorted_record)
                scores[fact.name] = [reading for reading in read if reading.final]
                facts[fact.name] = number(fact, sorted_record, read)
            case WantedTrials():
                facts[fact.name], unrecognised[fact.name] = trials.find(fact, facts.get(fact.episode))
            case WantedTrace():
                facts[fact.name] = trace(fact, [facts[name] for name in fact.of])
            case WantedEpisodeLength():
                facts[fact.name] = episode_length(fact, facts[fact.episode], today)
            case WantedAugmentation():
                facts[fact.name] = augmentation(fact, sorted_record, facts[fact.trials])
            case WantedPoints():
                facts[fact.name] = points(fact, facts)
            case WantedCount():
                facts[fact.name] = count(fact, facts[fact.trials], unrecognised[fact.trials])
            case WantedDraftOrder():
                facts[fact.name] = find_draft(fact, sorted_record, facts.get(fact.different_from))
            case WantedPlaceOfOrder():
                facts[fact.name] = place_of_order(fact, facts[fact.order], facts[fact.after])
            case WantedCourse():
                treatment = treatments[fact.treatment]
                facts[fact.name] = find_course(fact, treatment, sorted_record, scores[fact.score])
            case WantedSymptoms():
                facts[fact.name] = find_symptoms(fact, facts)
            case WantedRise():
                since = [facts[name] for name in fact.since]
                facts[fact.name] = find_score_change(fact, since, scores[fact.score], today)
            case _:
                facts[fact.name] = _simple(fact, sorted_record, scores)
    return Facts(facts, today)


def _simple(wanted: Wanted, sorted_record: SortedRecord, scores: Mapping[str, Sequence[ConvertedMeasurement]]) -> Fact:
    match wanted:
        case WantedAge():
            return age(wanted, sorted_record)
        case WantedSex():
            return sex(wanted, sorted_record)
        case WantedDeceased():
            return deceased(wanted, sorted_record)
        case WantedSetting():
            return Fact(
                wanted.name, wanted.label, truth=wanted.truth, text=wanted.value,
                because=f"the parameter {wanted.parameter} is {wanted.value}",
            )  # fmt: skip
        case WantedEpisode():
            return find_episode(wanted, sorted_record, scores.get(wanted.remission_score, ()))
        case WantedSessions():
            return sessions(wanted, sorted_record)
        case WantedTreatment():
            return find_treatment(wanted, sorted_record)
        case WantedOverride():
            return find_override(wanted, sorted_record)
    raise TypeError(f"no finder for {type(wanted).__name__}")


def age(wanted: WantedAge, sorted_record: SortedRecord) -> Fact:
    """Completed years today; a range when the birth date is partial, unknown without one or with one in the future."""
    patient, today = sorted_record.record.patient, sorted_record.today
    birth = patient.birth
    if birth is None or birth.latest > today:
        why = WhyUnknown.NOT_FOUND if birth is None else WhyUnknown.UNREADABLE
        because = "birth date not recorded" if birth is None else "birth date is not before today"
        return Fact(wanted.name, wanted.label, unit="years", because=because, why_unknown=why, missing=("birth date",))
    low, high = _years(birth.latest, today), _years(birth.earliest, today)
    return Fact(
        name=wanted.name,
        label=wanted.label,
        low=float(low),
        high=float(high),
        unit="years",
        text=range_text(low, high),
        because="from the birth date",
        why_unknown=None if low == high else WhyUnknown.IMPRECISE,
        missing=() if low == high else ("full birth date",),
        day=Span(today, today),
        found=(FactSource(patient.reference),),
    )


def _years(birth: date, today: date) -> int:
    return today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))


def sex(wanted: WantedSex, sorted_record: SortedRecord) -> Fact:
    """
    Whether the administrative gender, or the sex recorded at birth where that is another, is one of those listed.

    Unknown when neither is recorded.
    """
    patient = sorted_record.record.patient
    gender = None if patient.sex == "unknown" and "unknown" not in wanted.is_one_of else patient.sex
    recorded = [said for said in (gender, patient.birth_sex) if said is not None]
    if not recorded:
        return Fact(
            wanted.name, wanted.label, truth=Truth.UNKNOWN, because="administrative gender not recorded",
            why_unknown=WhyUnknown.NOT_FOUND, missing=("administrative gender",),
        )  # fmt: skip
    if len(set(recorded)) > 1:
        because = f"from the administrative gender ({recorded[0]}) and the sex recorded at birth ({recorded[1]})"
    else:
        because = "from the administrative gender" if gender is not None else "from the sex recorded at birth"
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=Truth.of(not wanted.is_one_of.isdisjoint(recorded)),
        text=recorded[0],
        because=because,
        found=(FactSource(patient.reference),),
    )


def deceased(wanted: WantedDeceased, sorted_record: SortedRecord) -> Fact:
    """Whether the record says that the patient has died; without a word of it, they are taken to be alive."""
    patient = sorted_record.record.patient
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=Truth.of(patient.died),
        text="recorded" if patient.died else "not recorded",
        because="from the patient's own entry" if patient.died else "no death is recorded",
        found=(FactSource(patient.reference),) if patient.died else (),
    )


def trace(wanted: WantedTrace, traced: Sequence[Fact]) -> Fact:
    """Whether an entry may be one of the facts while it is not known for certain; never unknown itself."""
    open_facts = [fact for fact in traced if fact.trace]
    reasons = "; ".join(f"{fact.label}: {fact.because}" for fact in open_facts)
    found = dict.fromkeys(found for fact in open_facts for found in fact.found)
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=Truth.of(bool(open_facts)),
        text="found" if open_facts else "not found",
        because=reasons or "no such entry was found",
        found=tuple(found),
    )
