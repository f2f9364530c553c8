"""MedicationRequest, -Dispense, -Statement, -Administration → Exposure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from cds.coding import Concept
from cds.record import elements
from cds.record.concepts import concept_of, concept_of_either
from cds.record.dates import across, period_of, shifted, span_of
from cds.record.issues import Origin
from cds.record.record import Exposure, ExposureKind, IssueKind, Sig, Span
from cds.record.units import factor

FindDrug = Callable[[elements.MedicationUse, Origin], Concept]
"""Gives the drug of a medication resource, references followed."""

# Statuses and intents that say nothing was taken (FHIR R4 value sets of the four resources).
NEVER_TAKEN = {
    ExposureKind.REQUEST: frozenset({"entered-in-error", "draft", "cancelled"}),
    ExposureKind.DISPENSE: frozenset({"entered-in-error", "preparation", "cancelled", "declined", "on-hold"}),
    ExposureKind.STATEMENT: frozenset({"entered-in-error", "intended", "not-taken"}),
    ExposureKind.ADMINISTRATION: frozenset({"entered-in-error", "not-done", "on-hold"}),
}
NOT_ORDERED = frozenset({"proposal", "plan", "option"})
ORDERED = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})

A_DAY = {
    # HL7 v3 GTSAbbreviation (FHIR R4 timing-abbreviation): times a day.
    "QD": 1.0, "DAILY": 1.0, "AM": 1.0, "PM": 1.0, "BED": 1.0, "QAM": 1.0, "QPM": 1.0, "QHS": 1.0,
    "BID": 2.0, "TID": 3.0, "QID": 4.0, "QOD": 0.5, "Q1H": 24.0, "Q2H": 12.0, "Q3H": 8.0, "Q4H": 6.0,
    "Q6H": 4.0, "Q8H": 3.0, "Q12H": 2.0, "WK": 1 / 7, "MO": 12 / 365.25,
}  # fmt: skip
MOST_TIMES_A_DAY = 24.0
LONGEST_SUPPLY_DAYS = 1000.0


def request_of(said: elements.MedicationRequest, origin: Origin, find_drug: FindDrug) -> Exposure | None:
    """The order; None for one that was never acted on, is a plan, or says "do not give"."""
    if said.status in NEVER_TAKEN[ExposureKind.REQUEST] or said.intent in NOT_ORDERED or said.doNotPerform:
        return None
    sigs = _sigs(said.dosageInstruction, origin, "dosageInstruction")
    dispense = said.dispenseRequest or elements.DispenseRequest()
    start, end = _bounds(sigs)
    valid_start, valid_end = period_of(dispense.validityPeriod, origin, "dispenseRequest.validityPeriod")
    authored = span_of(said.authoredOn, origin, "authoredOn")
    repeats = dispense.numberOfRepeatsAllowed
    if start is None and end is None:
        start, end = valid_start, valid_end
    start = start or authored
    end = end or _bounded_by_duration(start, said.dosageInstruction)
    return _exposure(
        said, origin, find_drug, ExposureKind.REQUEST,
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


def dispense_of(said: elements.MedicationDispense, origin: Origin, find_drug: FindDrug) -> Exposure | None:
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
    )  # fmt: skip


def statement_of(said: elements.MedicationStatement, origin: Origin, find_drug: FindDrug) -> Exposure | None:
    """What the patient is said to take; None for what is intended or not taken."""
    not_taken = said.adherence is not None and "not-taken" in {
        coding.code for coding in concept_of(said.adherence.code).codings
    }
    if said.status in NEVER_TAKEN[ExposureKind.STATEMENT] or not_taken:
        return None
    sigs = _sigs(said.dosage, origin, "dosage")
    start, end = period_of(said.effectivePeriod, origin, "effectivePeriod")
    sig_start, sig_end = _bounds(sigs)
    return _exposure(
        said, origin, find_drug, ExposureKind.STATEMENT,
        start=start or span_of(said.effectiveDateTime, origin, "effectiveDateTime") or sig_start,
        end=end or sig_end,
        sigs=sigs,
    )  # fmt: skip


def administration_of(said: elements.MedicationAdministration, origin: Origin, find_drug: FindDrug) -> Exposure | None:
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
    said: elements.MedicationUse,
    origin: Origin,
    find_drug: FindDrug,
    kind: ExposureKind,
    *,
    start: Span | None,
    end: Span | None,
    sigs: tuple[Sig, ...],
    quantity: elements.Quantity | None = None,
    supply: elements.Quantity | None = None,
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
        doubtful=doubtful or status in {"", "unknown"},
        start=start,
        end=end,
        open_ended=active and end is None,
        sigs=sigs,
        quantity=quantity.value if quantity is not None and _sound(quantity.value) else None,
        quantity_unit=((quantity.code or quantity.unit or "").strip()) if quantity is not None else "",
        supply_days=_days(supply, origin, supply_path),
        fills=fills,
        stopped_for=None if active else _stopped_for(said),
        reasons=_reasons(said),
        status=status,
        authored=authored,
    )


def _sound(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value > 0


def _days(said: elements.Quantity | None, origin: Origin, path: str) -> float | None:
    """Days of a duration; a bare number is days only in daysSupply (its unit is commonly left out)."""
    if said is None or said.value is None:
        return None
    unit = (said.code or said.unit or "").strip() or ("d" if path == "daysSupply" else "")
    times = factor(unit, "d")
    days = said.value * times if times is not None else None
    if days is None or not 0 < days <= LONGEST_SUPPLY_DAYS:
        origin.note(IssueKind.IMPLAUSIBLE, path, "The duration of the supply cannot be read.")
        return None
    return days


def _concepts(said: list[elements.CodeableConcept | None] | elements.CodeableConcept | None) -> tuple[Concept, ...]:
    listed = said if isinstance(said, list) else [said]
    return tuple(concept for concept in map(concept_of, listed) if concept.words)


def _stopped_for(said: elements.MedicationUse) -> Concept | None:
    coded = said.statusReasonCodeableConcept if isinstance(said, elements.MedicationDispense) else None
    reasons = (*_concepts(said.statusReason), *_concepts(coded))
    if not reasons:
        return None
    codings = tuple(coding for reason in reasons for coding in reason.codings)
    return Concept(codings, "; ".join(reason.text for reason in reasons if reason.text))


def _reasons(said: elements.MedicationUse) -> tuple[Concept, ...]:
    newer = tuple(concept_of_either(reason) for reason in said.reason or ())
    return (*_concepts(said.reasonCode), *(concept for concept in newer if concept.words))


# ---------------------------------------------------------------- dosing


def _sigs(said: Iterable[elements.Dosage | None] | None, origin: Origin, path: str) -> tuple[Sig, ...]:
    listed = [dosage for dosage in said or () if dosage is not None]
    return tuple(_sig(dosage, origin, f"{path}[{index}]") for index, dosage in enumerate(listed))


def _sig(said: elements.Dosage, origin: Origin, path: str) -> Sig:
    quantity, range_ = _dose(said)
    low, high, unit = _amount(quantity, range_)
    repeat = said.timing.repeat if said.timing else None
    times_low, times_high = _times_a_day(said.timing)
    if times_high is not None and not 0 < times_high <= MOST_TIMES_A_DAY:
        origin.note(IssueKind.IMPLAUSIBLE, f"{path}.timing", "How often it is taken cannot be true.")
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
    )


def _without_bounds(sig: Sig) -> Sig:
    """The same instruction of a fill: the days it covers follow from the supply, not from the order's bounds."""
    return Sig(
        low=sig.low, high=sig.high, unit=sig.unit, times_a_day_low=sig.times_a_day_low,
        times_a_day_high=sig.times_a_day_high, as_needed=sig.as_needed, sequence=sig.sequence, words=sig.words,
    )  # fmt: skip


def _dose(said: elements.Dosage) -> tuple[elements.Quantity | None, elements.Range | None]:
    for dose in said.doseAndRate or ():
        if dose is not None and (dose.doseQuantity is not None or dose.doseRange is not None):
            return dose.doseQuantity, dose.doseRange
    return said.doseQuantity, said.doseRange


def _amount(
    quantity: elements.Quantity | None, range_: elements.Range | None
) -> tuple[float | None, float | None, str]:
    if quantity is not None:
        if not _sound(quantity.value) or quantity.comparator:
            return None, None, ""
        return quantity.value, quantity.value, (quantity.code or quantity.unit or "").strip()
    if range_ is not None and range_.low is not None and range_.high is not None:
        low, high = range_.low, range_.high
        unit = (low.code or low.unit or high.code or high.unit or "").strip()
        if _sound(low.value) and _sound(high.value) and low.value is not None and high.value is not None:
            return min(low.value, high.value), max(low.value, high.value), unit
    return None, None, ""


def _times_a_day(timing: elements.Timing | None) -> tuple[float | None, float | None]:
    """How many times a day; None when it is not written or not understood."""
    if timing is None:
        return None, None
    repeat = timing.repeat
    if repeat is not None:
        if repeat.period is not None and repeat.periodUnit is not None:
            days = factor(repeat.periodUnit, "d")
            least = repeat.frequency if repeat.frequency is not None else 1.0
            most = repeat.frequencyMax if repeat.frequencyMax is not None else least
            if days is None or not _sound(repeat.period) or not _sound(least) or not _sound(most):
                return None, None
            longest = repeat.periodMax if repeat.periodMax is not None and _sound(repeat.periodMax) else repeat.period
            return least / (longest * days), most / (repeat.period * days)
        for listed, per_days in ((repeat.timeOfDay, 1), (repeat.when, 1), (repeat.dayOfWeek, 7)):
            if listed:
                times = len({item for item in listed if item}) / per_days
                return times, times
    for coding in concept_of(timing.code).codings:
        if coding.code.upper() in A_DAY:
            times = A_DAY[coding.code.upper()]
            return times, times
    words = concept_of(timing.code).text.upper()
    return (A_DAY[words], A_DAY[words]) if words in A_DAY else (None, None)


def _bounds(sigs: tuple[Sig, ...]) -> tuple[Span | None, Span | None]:
    """First and last day over all instructions; no end if one of them names none."""
    starts = [sig.start for sig in sigs if sig.start is not None]
    ends = [sig.end for sig in sigs if sig.end is not None]
    start = min(starts, key=lambda span: (span.earliest, span.latest), default=None)
    open_end = any(sig.end is None and sig.start is not None for sig in sigs)
    end = None if open_end else max(ends, key=lambda span: (span.latest, span.earliest), default=None)
    return start, end


def _bounded_by_duration(exposure_start: Span | None, said: Iterable[elements.Dosage | None] | None) -> Span | None:
    """The last day that bounds given as a duration leave, counted from the start; None where there are none."""
    ends = []
    for dosage in said or ():
        repeat = dosage.timing.repeat if dosage is not None and dosage.timing else None
        if repeat is None or exposure_start is None:
            continue
        lows_highs = (
            (repeat.boundsDuration, repeat.boundsDuration)
            if repeat.boundsDuration is not None
            else (repeat.boundsRange.low, repeat.boundsRange.high)
            if repeat.boundsRange is not None
            else (None, None)
        )
        days = [_duration_days(quantity) for quantity in lows_highs]
        if days[0] is not None and days[1] is not None and (end := shifted(exposure_start, days[0] - 1, days[1] - 1)):
            ends.append(end)
    return across(min(ends, key=lambda e: e.earliest), max(ends, key=lambda e: e.latest)) if ends else None


def _duration_days(said: elements.Quantity | None) -> int | None:
    if said is None or not _sound(said.value) or said.value is None:
        return None
    times = factor((said.code or said.unit or "").strip(), "d")
    return round(said.value * times) if times is not None else None
