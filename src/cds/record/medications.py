"""MedicationRequest, -Dispense, -Statement, -Administration → Exposure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from cds.locale.sentence import say
from cds.record import fhir
from cds.record.collect import ResourceCollection, server_in
from cds.record.concepts import code_among, concept_of, concept_of_either
from cds.record.dates import period_of, shifted, span_of
from cds.record.issues import Origin
from cds.record.model import Diagnosis, Exposure, ExposureKind, IssueKind, Sig, Span, Verification
from cds.record.subject import literal
from cds.record.units import factor
from cds.terminology.concepts import Concept

FindDrug = Callable[[fhir.MedicationUse, Origin], Concept]
"""Gives the drug of a medication resource, references followed."""

# Statuses and intents that say nothing was taken (FHIR R4 value sets of the four resources).
NEVER_TAKEN = {
    ExposureKind.REQUEST: frozenset({"entered-in-error", "draft", "cancelled"}),
    ExposureKind.DISPENSE: frozenset({"entered-in-error", "preparation", "cancelled", "declined", "on-hold"}),
    ExposureKind.STATEMENT: frozenset({"entered-in-error", "intended", "not-taken", "draft"}),
    ExposureKind.ADMINISTRATION: frozenset({"entered-in-error", "not-done", "on-hold"}),
}
TAKEN = frozenset(
    # Statuses that say it was taken, given or ordered; with any other, or none, it may not have been.
    {"active", "on-hold", "completed", "stopped", "ended", "in-progress"}
)
NOT_ORDERED = frozenset({"proposal", "option"})
SAID_TO_BE_TAKEN = "plan"  # how US Core self-reported medicines, DoseSpot and UK GP Connect records arrive
ORDERED = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})

A_DAY = {
    # HL7 v3 GTSAbbreviation (FHIR R4 timing-abbreviation): times a day.
    "QD": 1.0, "DAILY": 1.0, "AM": 1.0, "PM": 1.0, "BED": 1.0, "QAM": 1.0, "QPM": 1.0, "QHS": 1.0,
    "BID": 2.0, "TID": 3.0, "QID": 4.0, "QOD": 0.5, "Q1H": 24.0, "Q2H": 12.0, "Q3H": 8.0, "Q4H": 6.0,
    "Q6H": 4.0, "Q8H": 3.0, "Q12H": 2.0, "WK": 1 / 7, "MO": 12 / 365.25,
}  # fmt: skip
R5_ADHERENCE = {
    # R5 medication-statement-adherence → R4 medication-statement-status
    "taking": "active", "taking-as-directed": "active", "taking-not-as-directed": "active",
    "on-hold": "on-hold", "on-hold-as-directed": "on-hold", "on-hold-not-as-directed": "on-hold",
    "stopped": "stopped", "stopped-as-directed": "stopped", "stopped-not-as-directed": "stopped",
}  # fmt: skip
MOST_TIMES_A_DAY = 24.0
DAYS_OR_LONGER = frozenset({"d", "wk", "mo", "a"})  # FHIR R4 units-of-time
LONGEST_SUPPLY_DAYS = 1000.0
LONGEST_COURSE_DAYS = 150 * 365.25


def request_of(said: fhir.MedicationRequest, origin: Origin, find_drug: FindDrug) -> Exposure | None:
    """
    The order; None for one that was never acted on, is a proposal, or says "do not give".

    A plan is what somebody says is taken: a statement, and only possible exposure (US Core, self-reported medicines).
    """
    if said.status in NEVER_TAKEN[ExposureKind.REQUEST] or said.intent in NOT_ORDERED or said.doNotPerform:
        return None
    sigs = _sigs(said.dosageInstruction, origin, "dosageInstruction")
    dispense = said.dispenseRequest or fhir.DispenseRequest()
    valid_start, valid_end = period_of(dispense.validityPeriod, origin, "dispenseRequest.validityPeriod")
    authored = span_of(said.authoredOn, origin, "authoredOn")
    repeats = dispense.numberOfRepeatsAllowed
    sigs, last = _one_after_another(sigs, said.dosageInstruction, valid_start or authored)
    start, end = _bounds(sigs)
    if start is None and end is None and last is None:
        start, end = valid_start, valid_end
    start = start or valid_start or authored
    end = end or last
    return _exposure(
        said, origin, find_drug,
        ExposureKind.STATEMENT if said.intent == SAID_TO_BE_TAKEN else ExposureKind.REQUEST,
        start=start,
        end=end,
        sigs=sigs,
        quantity=dispense.quantity,
        supply=dispense.expectedSupplyDuration,
        supply_path="dispenseRequest.expectedSupplyDuration",
        fills=1 + int(repeats) if repeats is not None and 0 <= repeats <= LONGEST_SUPPLY_DAYS else 1,
        doubtful=said.intent not in ORDERED,
        authored=authored,
    )  # fmt: skip


def dispense_of(said: fhir.MedicationDispense, origin: Origin, find_drug: FindDrug) -> Exposure | None:
    """The fill; None for one that was not handed over."""
    if said.status in NEVER_TAKEN[ExposureKind.DISPENSE]:
        return None
    handed = span_of(said.whenHandedOver, origin, "whenHandedOver")
    return _exposure(
        said, origin, find_drug, ExposureKind.DISPENSE,
        start=handed or span_of(said.whenPrepared, origin, "whenPrepared"),
        end=None,
        sigs=tuple(_without_bounds(sig) for sig in _sigs(said.dosageInstruction, origin, "dosageInstruction")),
        quantity=said.quantity,
        supply=said.daysSupply,
        supply_path="daysSupply",
        doubtful=said.status != "completed" and handed is None,
    )  # fmt: skip


def statement_of(said: fhir.MedicationStatement, origin: Origin, find_drug: FindDrug) -> Exposure | None:
    """What the patient is said to take; None for what is intended or not taken."""
    adherence = {coding.code for coding in concept_of(said.adherence.code if said.adherence else None).codings}
    if said.status in NEVER_TAKEN[ExposureKind.STATEMENT] or "not-taken" in adherence:
        return None
    if said.status == "recorded":  # R5: whether it is taken stands in adherence alone
        status = next((R5_ADHERENCE[code] for code in sorted(adherence) if code in R5_ADHERENCE), "unknown")
        said = msgspec.structs.replace(said, status=status)
    sigs = _sigs(said.dosage, origin, "dosage")
    start, end = period_of(said.effectivePeriod, origin, "effectivePeriod")
    sig_start, sig_end = _bounds(sigs)
    return _exposure(
        said, origin, find_drug, ExposureKind.STATEMENT,
        start=start or span_of(said.effectiveDateTime, origin, "effectiveDateTime") or sig_start,
        end=end or sig_end,
        sigs=sigs,
        authored=span_of(said.dateAsserted, origin, "dateAsserted"),
    )  # fmt: skip


def administration_of(said: fhir.MedicationAdministration, origin: Origin, find_drug: FindDrug) -> Exposure | None:
    """What was given; None for what was not."""
    if said.status in NEVER_TAKEN[ExposureKind.ADMINISTRATION]:
        return None
    start, end = period_of(
        said.effectivePeriod or said.occurrencePeriod or said.occurencePeriod, origin, "effectivePeriod"
    )
    once = span_of(
        said.effectiveDateTime or said.occurrenceDateTime or said.occurenceDateTime, origin, "effectiveDateTime"
    )
    low, high, unit = _amount(said.dosage.dose, None) if said.dosage else (None, None, "")
    words = said.dosage.text or "" if said.dosage else ""
    return _exposure(
        said, origin, find_drug, ExposureKind.ADMINISTRATION,
        start=start or once,
        end=end or once,
        sigs=(Sig(low=low, high=high, unit=unit, words=words),) if said.dosage else (),
    )  # fmt: skip


def _exposure(
    said: fhir.MedicationUse,
    origin: Origin,
    find_drug: FindDrug,
    kind: ExposureKind,
    *,
    start: Span | None,
    end: Span | None,
    sigs: tuple[Sig, ...],
    quantity: fhir.Quantity | None = None,
    supply: fhir.Quantity | None = None,
    supply_path: str = "",
    fills: int = 1,
    doubtful: bool = False,
    authored: Span | None = None,
) -> Exposure:
    status = said.status or ""
    active = status == "active" or (kind is ExposureKind.ADMINISTRATION and status == "in-progress")
    return Exposure(
        source=origin.source,
        identity=origin.source,
        kind=kind,
        drug=find_drug(said, origin),
        doubtful=doubtful or status not in TAKEN,
        start=start,
        end=end,
        open_ended=active and end is None,
        sigs=sigs,
        quantity=quantity.value if quantity is not None and _sound(quantity.value) else None,
        quantity_unit=quantity.written if quantity is not None else "",
        supply_days=days_of_supply(supply, origin, supply_path),
        fills=fills,
        stopped_for=None if active else _stopped_for(said),
        reasons=_reasons(said),
        reasons_in=_reasons_in(said),
        numbers=_numbers(said.identifier),
        status=status,
        authored=authored,
    )


def _sound(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value > 0


def days_of_supply(said: fhir.Quantity | None, origin: Origin, path: str) -> float | None:
    """Days of a duration; a bare number is days only where its unit is commonly left out."""
    if said is None or said.value is None:
        return None
    unit = said.written or ("d" if path in {"daysSupply", "supportingInfo"} else "")
    times = factor(unit, "d")
    days = said.value * times if times is not None else None
    if days is None or not 0 < days <= LONGEST_SUPPLY_DAYS:
        origin.note(IssueKind.IMPLAUSIBLE, path, say("The duration of the supply cannot be read."))
        return None
    return days


def _concepts(said: list[fhir.CodeableConcept | None] | fhir.CodeableConcept | None) -> tuple[Concept, ...]:
    listed = said if isinstance(said, list) else [said]
    return tuple(concept for concept in map(concept_of, listed) if concept.words)


def _stopped_for(said: fhir.MedicationUse) -> Concept | None:
    coded = said.statusReasonCodeableConcept if isinstance(said, fhir.MedicationDispense) else None
    reasons = (*_concepts(said.statusReason), *_concepts(coded))
    if not reasons:
        return None
    codings = tuple(coding for reason in reasons for coding in reason.codings)
    return Concept(codings, "; ".join(reason.text for reason in reasons if reason.text))


def _reasons(said: fhir.MedicationUse) -> tuple[Concept, ...]:
    newer = tuple(concept_of_either(reason) for reason in said.reason or ())
    return (*_concepts(said.reasonCode), *(concept for concept in newer if concept.words))


def _reasons_in(said: fhir.MedicationUse) -> tuple[str, ...]:
    newer = (reason.reference for reason in said.reason or () if reason is not None)
    older = said.reasonReference if isinstance(said.reasonReference, list) else [said.reasonReference]
    references = (*older, *newer)
    return tuple(one.reference for one in references if one is not None and one.reference)


def _numbers(said: Any) -> tuple[tuple[str, str], ...]:
    """Business identifiers that have both a system and a value; whatever else stands there says nothing."""
    listed = [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    pairs = ((one.get("system"), one.get("value")) for one in listed)
    return tuple((a, b) for a, b in pairs if isinstance(a, str) and isinstance(b, str) and a and b)


def given_for(
    exposures: Iterable[Exposure], diagnoses: Iterable[Diagnosis], gathered: ResourceCollection
) -> list[Exposure]:
    """The exposures with the Conditions their references name among their reasons; a wrong Condition is no reason."""
    known = {d.source: d.concept for d in diagnoses if d.verification is not Verification.WRONG}
    found = []
    for exposure in exposures:
        named = tuple(known[source] for source in _sources_of(exposure, gathered) if source in known)
        found.append(dataclasses.replace(exposure, reasons=(*exposure.reasons, *named)) if named else exposure)
    return found


def referred(exposures: Iterable[Exposure], gathered: ResourceCollection) -> frozenset[str]:
    """The ids of the Conditions that the references of the exposures name as a reason."""
    named = (source.partition("/") for exposure in exposures for source in _sources_of(exposure, gathered))
    return frozenset(identity for kind, _, identity in named if kind == "Condition")


def _sources_of(exposure: Exposure, gathered: ResourceCollection) -> Iterator[str]:
    for reference in exposure.reasons_in:
        at = gathered.source_at(reference)
        if at or not server_in(reference):
            yield at or literal(fhir.Reference(reference))
        elif any(server_in(reference) == server for server in _servers(literal(fhir.Reference(reference)), gathered)):
            yield literal(fhir.Reference(reference))


def _servers(source: str, gathered: ResourceCollection) -> Iterator[str]:
    """The servers that sent a resource of this type and id."""
    kind, _, identity = source.partition("/")
    for kept in (*gathered.kept.get(kind, ()), *gathered.unread.get(kind, ())):
        if kept.identity == identity:
            yield kept.server


# ---------------------------------------------------------------- dosing


def _sigs(said: Iterable[fhir.Dosage | None] | None, origin: Origin, path: str) -> tuple[Sig, ...]:
    listed = [dosage for dosage in said or () if dosage is not None]
    return tuple(_sig(dosage, origin, f"{path}[{index}]") for index, dosage in enumerate(listed))


def _sig(said: fhir.Dosage, origin: Origin, path: str) -> Sig:
    quantity, range_ = _dose(said)
    low, high, unit = _amount(quantity, range_)
    repeat = said.timing.repeat if said.timing else None
    times_low, times_high = _times_a_day(said.timing)
    if not _can_be_true(times_high):
        origin.note(IssueKind.IMPLAUSIBLE, f"{path}.timing", say("How often it is taken cannot be true."))
        times_low = times_high = None
    start, end = (
        period_of(repeat.boundsPeriod, origin, f"{path}.timing.repeat.boundsPeriod") if repeat else (None, None)
    )
    return Sig(
        low=low,
        high=high,
        unit=unit,
        times_a_day_low=times_low,
        times_a_day_high=times_high,
        as_needed=bool(said.asNeededBoolean or said.asNeeded or said.asNeededCodeableConcept or said.asNeededFor),
        start=start,
        end=end,
        sequence=said.sequence,
        words=(said.text or "").strip(),
        timing=concept_of(said.timing.code) if said.timing is not None and times_low is None else None,
    )


def _without_bounds(sig: Sig) -> Sig:
    """The same instruction of a fill: the days it covers follow from the supply, not from the order's bounds."""
    return Sig(
        low=sig.low, high=sig.high, unit=sig.unit, times_a_day_low=sig.times_a_day_low,
        times_a_day_high=sig.times_a_day_high, as_needed=sig.as_needed, sequence=sig.sequence, words=sig.words,
        timing=sig.timing,
    )  # fmt: skip


def _dose(said: fhir.Dosage) -> tuple[fhir.Quantity | None, fhir.Range | None]:
    """The dose ordered; where none is marked so, the first (FHIR R4 Dosage.doseAndRate.type: ordered, calculated)."""
    doses = [dose for dose in said.doseAndRate or () if dose is not None and (dose.doseQuantity or dose.doseRange)]
    ordered = [dose for dose in doses if code_among(dose.type, frozenset({"ordered"}))]
    for dose in ordered or doses:
        return dose.doseQuantity, dose.doseRange
    return said.doseQuantity, said.doseRange


def _amount(quantity: fhir.Quantity | None, range_: fhir.Range | None) -> tuple[float | None, float | None, str]:
    if quantity is not None:
        if not _sound(quantity.value) or quantity.comparator:
            return None, None, ""
        return quantity.value, quantity.value, quantity.written
    if range_ is not None and range_.low is not None and range_.high is not None:
        low, high = range_.low, range_.high
        unit, other = (said.written for said in (low, high))
        if unit and other and unit != other:
            return None, None, ""
        unit = unit or other
        if _sound(low.value) and _sound(high.value) and low.value is not None and high.value is not None:
            return min(low.value, high.value), max(low.value, high.value), unit
    return None, None, ""


def _times_a_day(timing: fhir.Timing | None) -> tuple[float | None, float | None]:
    """How many times a day; None when it is not written or not understood."""
    if timing is None:
        return None, None
    repeat = timing.repeat
    if repeat is not None:
        days_a_week = len({day for day in repeat.dayOfWeek or () if day})
        if repeat.period is not None and repeat.periodUnit is not None:
            days = factor(repeat.periodUnit, "d")
            least = repeat.frequency if repeat.frequency is not None else 1.0
            most = repeat.frequencyMax if repeat.frequencyMax is not None else least
            if days is None or not _sound(repeat.period) or not _sound(least) or not _sound(most):
                return None, None
            longest = max(repeat.period, repeat.periodMax or 0.0)
            if not repeat.period * days > 0:  # so short that the product is nothing
                return None, None
            low, high = least / (longest * days), most / (repeat.period * days)
            if not days_a_week:
                return low, high
            if repeat.period * days <= 1:  # so often a day, but on these days only
                return low * days_a_week / 7, high * days_a_week / 7
            # "Once a week, on Monday and Thursday": once on each, or once in all? Senders mean either.
            return min(low, days_a_week / 7), max(high, days_a_week / 7)
        a_day = len({item for item in repeat.timeOfDay or repeat.when or () if item})
        if a_day or days_a_week:
            times = (a_day or 1) * (days_a_week or 7) / 7
            return times, times
    for coding in concept_of(timing.code).codings:
        if coding.code.upper() in A_DAY:
            times = A_DAY[coding.code.upper()]
            return times, times
    words = concept_of(timing.code).text.upper()
    return (A_DAY[words], A_DAY[words]) if words in A_DAY else (None, None)


def can_be_taken(timing: fhir.Timing | None) -> bool:
    """Whether somebody can take a drug so often, as far as that is written and understood."""
    repeat = timing.repeat if timing is not None else None
    if repeat is None:
        return True  # of the codes, none says more than MOST_TIMES_A_DAY
    most = repeat.frequencyMax or repeat.frequency or 1
    if repeat.periodUnit in DAYS_OR_LONGER and 1 <= (repeat.period or 0) <= LONGEST_SUPPLY_DAYS and most >= 1:
        return most <= MOST_TIMES_A_DAY or _can_be_true(_times_a_day(timing)[1])
    return _can_be_true(_times_a_day(timing)[1])


def _can_be_true(times_a_day: float | None) -> bool:
    return times_a_day is None or 0 < times_a_day <= MOST_TIMES_A_DAY


def _bounds(sigs: tuple[Sig, ...]) -> tuple[Span | None, Span | None]:
    """First and last day over all instructions; no end if one that says how to take it names none."""
    starts = [sig.start for sig in sigs if sig.start is not None]
    ends = [sig.end for sig in sigs if sig.end is not None]
    start = min(starts, key=lambda span: (span.earliest, span.latest), default=None)
    open_end = any(
        sig.end is None and (sig.start is not None or sig.low is not None or sig.times_a_day_low is not None)
        for sig in sigs
    )
    end = None if open_end else max(ends, key=lambda span: (span.latest, span.earliest), default=None)
    return start, end


def _one_after_another(
    sigs: tuple[Sig, ...], said: Iterable[fhir.Dosage | None] | None, start: Span | None
) -> tuple[tuple[Sig, ...], Span | None]:
    """
    The instructions with the days that bounds given as durations leave them, and the last day of a lone step's.

    Steps with different sequence numbers follow each other (FHIR R4 Dosage.sequence): each starts the day after the
    one before it ends. Steps of one number, or of none, run side by side and keep no bounds of their own.
    """
    listed = list(zip(sigs, (dosage for dosage in said or () if dosage is not None), strict=True))
    steps: dict[int | None, list[int]] = {}
    for index, sig in enumerate(sigs):
        steps.setdefault(sig.sequence, []).append(index)
    if len(steps) < 2:
        ends = [_end_by_duration(sig.start or start, dosage) for sig, dosage in listed]
        known = [end for end in ends if end is not None]
        if not known or len(known) < len(ends):
            return sigs, None
        return sigs, max(known, key=lambda end: (end.latest, end.earliest))
    dated: dict[int, Sig] = {}
    next_start: Span | None = start
    for number, step in enumerate(sorted(steps, key=lambda step: -1 if step is None else step)):
        last: list[Span | None] = []
        for index in steps[step]:
            sig, dosage = listed[index]
            first = sig.start or (next_start if number or _lasts(dosage) else None)
            end = sig.end or _end_by_duration(first, dosage)
            dated[index] = dataclasses.replace(sig, start=first, end=end)
            last.append(end)
        ends_known = [end for end in last if end is not None]
        whole = max(ends_known, key=lambda end: (end.latest, end.earliest)) if len(ends_known) == len(last) else None
        next_start = shifted(whole, 1) if whole is not None else None
    return tuple(dated[index] for index in range(len(sigs))), None


def _lasts(said: fhir.Dosage) -> bool:
    repeat = said.timing.repeat if said.timing else None
    return repeat is not None and (repeat.boundsDuration is not None or repeat.boundsRange is not None)


def _end_by_duration(start: Span | None, said: fhir.Dosage) -> Span | None:
    """The last day, both days included, that a duration counted from the start leaves; None where there is none."""
    repeat = said.timing.repeat if said.timing else None
    if repeat is None or start is None:
        return None
    if repeat.boundsDuration is not None:
        least = most = _duration_days(repeat.boundsDuration)
    elif repeat.boundsRange is not None:
        least, most = _duration_days(repeat.boundsRange.low), _duration_days(repeat.boundsRange.high)
    else:
        return None
    return shifted(start, least - 1, most - 1) if least is not None and most is not None else None


def _duration_days(said: fhir.Quantity | None) -> int | None:
    if said is None or not _sound(said.value) or said.value is None:
        return None
    times = factor(said.written, "d")
    days = said.value * times if times is not None else 0
    return max(1, round(days)) if 0 < days <= LONGEST_COURSE_DAYS else None
