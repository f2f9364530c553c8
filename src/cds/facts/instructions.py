"""What instructions say in words and codes of no FHIR table: how often, and whether the text contradicts the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from cds.facts.trials.doses import AMOUNT_IN_WORDS, EITHER_WAY, LONGEST_NAME, PLAIN_NUMBER
from cds.locale.sentence import join_texts, say
from cds.record.model import Exposure, Sig
from cds.record.units import factor
from cds.terminology.concepts import bare
from cds.terminology.index import TerminologyIndex
from cds.terminology.phrases import words_of

CONCENTRATION = re.compile(r"(?:mg|mcg|ug|g)\s*/", re.IGNORECASE)
NUMBER = re.compile(r"(?<![0-9.,])[0-9]{1,2}(?:[.,][0-9])?(?![0-9.,])")
NEARLY_THE_SAME = 0.01  # of the amount, for rounding
FRACTIONS = (0.5, 1.5, 2.0, 3.0, 4.0)  # what "half a tablet" or "two tablets" can make of a strength


def understood(exposure: Exposure, codes: TerminologyIndex) -> Exposure:
    """The same exposure: how often it is taken read from codes and words too, and what its text contradicts marked."""
    if codes.vocabulary is None or not exposure.sigs:
        return exposure
    sigs = tuple(_checked(_timed(sig, codes), codes) for sig in exposure.sigs)
    return exposure if sigs == exposure.sigs else replace(exposure, sigs=sigs)


def _timed(sig: Sig, codes: TerminologyIndex) -> Sig:
    times = codes.times_a_day(sig.timing) if sig.times_a_day_low is None and sig.timing is not None else None
    return sig if times is None else replace(sig, times_a_day_low=times, times_a_day_high=times)


def _checked(sig: Sig, codes: TerminologyIndex) -> Sig:
    """The instruction, with what its text says otherwise than its amount (in units of mass) or timing."""
    said = _amount_otherwise(sig, codes) or _timing_otherwise(sig, codes) if sig.words else ""
    return replace(sig, contradicts=said) if said else sig


def _amount_otherwise(sig: Sig, codes: TerminologyIndex) -> str:
    to_mg = factor(sig.unit, "mg") if sig.unit else None
    if to_mg is None or sig.low is None or sig.high is None or len(sig.words) > LONGEST_NAME:
        return ""
    if CONCENTRATION.search(sig.words):
        return ""
    amounts = list(_amounts(sig.words))
    rest = AMOUNT_IN_WORDS.sub(" ", sig.words)
    times = {1.0, *(float(number.replace(",", ".")) for number in NUMBER.findall(rest))}
    if codes.vocabulary is not None and not codes.vocabulary.counts.isdisjoint(words_of(rest)):
        times.update(FRACTIONS)
    low, high = sig.low * to_mg, sig.high * to_mg
    ranges = [(low, high)]
    if sig.times_a_day_low is not None and sig.times_a_day_high is not None:
        ranges.append((low * sig.times_a_day_low, high * sig.times_a_day_high))
    possible = [amount * count for amount in amounts for count in times]
    if not amounts or any(
        least * (1 - NEARLY_THE_SAME) <= one <= most * (1 + NEARLY_THE_SAME)
        for one in possible
        for least, most in ranges
    ):
        return ""
    written = join_texts(" or ", (f"{amount:g} mg" for amount in dict.fromkeys(amounts)))
    return say("the text of the instruction says {written}, its amount {low} mg", written=written, low=f"{low:g}")


def _amounts(text: str) -> Iterator[float]:
    for amount, unit in AMOUNT_IN_WORDS.findall(text):
        times = factor(unit.lower(), "mg")
        if times is not None and PLAIN_NUMBER.fullmatch(amount) and not EITHER_WAY.fullmatch(amount):
            yield float(amount.replace(",", ".")) * times


def _timing_otherwise(sig: Sig, codes: TerminologyIndex) -> str:
    low, high = sig.times_a_day_low, sig.times_a_day_high
    if low is None or high is None or len(sig.words) > LONGEST_NAME:
        return ""
    said = codes.times_a_day_in(bare(sig.words))
    if len(said) != 1 or low <= next(iter(said)) <= high:
        return ""
    return say(
        "the text of the instruction says {times} times a day, its timing {low}",
        times=f"{next(iter(said)):g}",
        low=f"{low:g}",
    )
