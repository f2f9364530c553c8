"""Dosing instructions and supplies → milligrams a day, as a range; unknown is unknown, never zero."""

from __future__ import annotations

import re

import msgspec

from cds.locale.sentence import say
from cds.record.model import Exposure, ExposureKind, Sig, Span
from cds.record.units import factor, plain_unit, split_a_day
from cds.terminology.concepts import Concept
from cds.terminology.drugs import Product

HOURS_IN_A_DAY = 24
COUNTED = {  # UCUM annotations of things counted → the unit a product's strength is given per
    "{tablet}": "tablet",
    "{capsule}": "capsule",
    "{patch}": "hour",
    "{dose}": "any",
    "{Dose}": "any",
    "{unit}": "any",
    "{each}": "any",
    "mL": "mL",
}
LONGEST_NAME = 256
"""Characters of a drug's name in words that are read for a strength; a longer one is no name (project decision)."""
AMOUNT_IN_WORDS = re.compile(r"(?<![0-9.,])([0-9][0-9.,]{0,15})\s{0,4}(mg|mcg|ug|g)\b", re.IGNORECASE)
PLAIN_NUMBER = re.compile(r"[0-9]{1,6}(?:[.,][0-9]{1,4})?")
# "1,000 mg" is a thousand in one country and one in another; "0,125" and "37,5" can be read only one way.
EITHER_WAY = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")
# What makes an amount something else than what one tablet holds: a range, a pair, a concentration, a limit, a rate.
NOT_ONE_STRENGTH = re.compile(
    r"[0-9]\s*[-\u2010-\u2015/]\s*[0-9]|(?:mg|mcg|ug|g)\s*/|\b(?:per|in|to|ml|max|maximum|limit|total|target|daily|day|a)\b",
    re.IGNORECASE,
)


class DailyDose(msgspec.Struct, frozen=True):
    """
    Milligrams a day.

    Attributes:
        low, high: The range it lies in; None when it cannot be told.
        why: Why it cannot be told, "" when it can.
        from_words: The strength was read from the drug's name in words: weaker evidence.
    """

    low: float | None
    high: float | None
    why: str = ""
    from_words: bool = False


UNKNOWN_DOSE = DailyDose(None, None, say("dose not recorded"))


class Strength(msgspec.Struct, frozen=True):
    """Milligrams per unit of a product, and whether that was read from words."""

    mg: float
    per: str
    from_words: bool


def strength_of(product: Product | None, drug: Concept) -> Strength | None:
    """Strength from the product table, else the one the drug's own words name; None if neither tells for certain."""
    if product is not None:
        return Strength(product.strength_mg, product.per, False) if product.strength_mg is not None else None
    for text in (drug.text, *(coding.display for coding in drug.codings)):
        mg = _mg_in(text)
        if mg is not None:
            return Strength(mg, "any", True)
    return None


def _mg_in(text: str) -> float | None:
    """The milligrams of the one strength a text names; None if it names none or several, or may mean another thing."""
    if len(text) > LONGEST_NAME:
        return None
    found = AMOUNT_IN_WORDS.findall(text)
    if len(found) != 1 or NOT_ONE_STRENGTH.search(text):
        return None
    amount, unit = found[0]
    times = factor(unit.lower(), "mg")
    if times is None or not PLAIN_NUMBER.fullmatch(amount) or EITHER_WAY.fullmatch(amount):
        return None
    return float(amount.replace(",", ".")) * times


def daily_dose(sig: Sig, strength: Strength | None, *, one_a_day: bool = False) -> DailyDose:
    """
    Milligrams a day of one instruction.

    "As needed" is unknown, and so is an amount without a unit (docs/developers/decisions.md). `one_a_day` is for
    administrations, which are each a single event.
    """
    if sig.as_needed:
        return DailyDose(None, None, say("taken as needed"))
    if sig.low is None or sig.high is None:
        return UNKNOWN_DOSE
    if sig.contradicts:
        return DailyDose(None, None, sig.contradicts)
    unit, a_day = split_a_day(sig.unit)
    if not unit:
        return DailyDose(None, None, say("dose has no unit"))
    times_low, times_high = (1.0, 1.0) if a_day or one_a_day else (sig.times_a_day_low, sig.times_a_day_high)
    if times_low is None or times_high is None:
        return DailyDose(None, None, say("how often it is taken is not recorded"))
    to_mg = factor(unit, "mg")
    from_words = False
    if to_mg is None:
        per = COUNTED.get(plain_unit(unit))
        if per is None:
            return DailyDose(None, None, say("dose unit not understood"))
        if strength is None:
            return DailyDose(None, None, say("strength of the product not known"))
        if per == "any" or strength.per in {per, "any"} or {per, strength.per} == {"tablet", "capsule"}:
            to_mg = strength.mg * (HOURS_IN_A_DAY if strength.per == "hour" else 1)
            from_words = strength.from_words
        else:
            return DailyDose(None, None, say("dose unit does not fit the product"))
    return DailyDose(sig.low * times_low * to_mg, sig.high * times_high * to_mg, "", from_words)


def supplied_dose(exposure: Exposure, strength: Strength | None) -> DailyDose:
    """Milligrams a day from quantity times strength by days of supply; unknown when one of them is."""
    if exposure.quantity is None or not exposure.supply_days:
        return UNKNOWN_DOSE
    a_day = exposure.quantity / exposure.supply_days
    unit = exposure.quantity_unit or "{dose}"
    return daily_dose(Sig(low=a_day, high=a_day, unit=unit, times_a_day_low=1.0, times_a_day_high=1.0), strength)


class Dosing(msgspec.Struct, frozen=True):
    """One dose over the days an instruction is bounded to; `start` and `end` None where it has no bounds of its own."""

    dose: DailyDose
    start: Span | None
    end: Span | None


def dosings(exposure: Exposure, product: Product | None) -> list[Dosing]:
    """
    Doses of one exposure.

    Instructions with bounds of their own stand alone. Without, those of one sequence number run side by side and add
    up; different numbers follow each other, so the dose is the range over them (FHIR R4 Dosage.sequence).
    """
    strength = strength_of(product, exposure.drug)
    # One administration is one dose: on one day that is the day's dose, over a longer period it says nothing of a day.
    one_a_day = exposure.kind is ExposureKind.ADMINISTRATION and exposure.start == exposure.end
    found = []
    groups: dict[int | None, list[DailyDose]] = {}
    for sig in exposure.sigs:
        dose = daily_dose(sig, strength, one_a_day=one_a_day)
        if sig.start is not None or sig.end is not None:
            found.append(Dosing(dose, sig.start, sig.end))
        else:
            groups.setdefault(sig.sequence, []).append(dose)
    if groups:
        sums = [add(doses) for doses in groups.values()]
        dose = sums[0] if len(sums) == 1 else either(sums)
        plain = len(exposure.sigs) == 1 and not exposure.sigs[0].as_needed and not exposure.sigs[0].contradicts
        if dose.low is None and plain:
            supplied = supplied_dose(exposure, strength)
            dose = supplied if supplied.low is not None else dose
        found.append(Dosing(dose, None, None))
    if not found:
        found.append(Dosing(supplied_dose(exposure, strength), None, None))
    return found


def add(doses: list[DailyDose]) -> DailyDose:
    """Doses taken side by side; unknown if one of them is."""
    for dose in doses:
        if dose.low is None:
            return dose
    return DailyDose(
        sum(dose.low for dose in doses if dose.low is not None),
        sum(dose.high for dose in doses if dose.high is not None),
        "",
        any(dose.from_words for dose in doses),
    )


def either(doses: list[DailyDose]) -> DailyDose:
    """One of several doses, it is not known which; unknown if one of them is."""
    for dose in doses:
        if dose.low is None:
            return dose
    return DailyDose(
        min(dose.low for dose in doses if dose.low is not None),
        max(dose.high for dose in doses if dose.high is not None),
        "",
        any(dose.from_words for dose in doses),
    )
