"""What changed, and what was said, since: the rise of a score after a day, and answers to earlier cards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from cds.facts.context import SortedRecord, in_window
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.measurement import ConvertedMeasurement
from cds.logic.truth import Truth
from cds.record.model import DeliveryState, Span
from cds.rulebook.wanted import WantedOverride, WantedRise


def find_score_change(
    wanted: WantedRise, since: Sequence[Fact], scores: Sequence[ConvertedMeasurement], today: date
) -> Fact:
    """
    By how much the latest score stands above the last one up to the day of the latest of some facts.

    Unknown when none of them is true with a day, or when a score of before or after is not there.
    """
    days = [fact.day.latest for fact in since if fact.truth is Truth.TRUE and fact.day is not None]
    if not days:
        return _no_rise(wanted, "nothing is recorded to count from")
    day = max(days)
    known = [r for r in scores if r.low is not None and r.high is not None and r.when is not None]
    before = [r for r in known if r.when and r.when.latest <= day]
    after = [r for r in known if r.when and day < r.when.earliest and r.when.latest <= today]
    if not before or not after:
        return _no_rise(wanted, f"no score {'before' if not before else 'after'} {day}")
    first, last = before[-1], after[-1]
    low, high = (last.low or 0.0) - (first.high or 0.0), (last.high or 0.0) - (first.low or 0.0)
    return Fact(
        name=wanted.name,
        label=wanted.label,
        low=low,
        high=high,
        unit=wanted.unit,
        text=f"{low:g}" if low == high else f"{low:g} to {high:g}",
        because=f"the last score up to {day} and the latest after it",
        why_unknown=None if low == high else WhyUnknown.IMPRECISE,
        day=last.when,
        found=tuple(FactSource(r.source, f"{r.low:g}", r.when.text if r.when else "") for r in (first, last)),
    )


def _no_rise(wanted: WantedRise, because: str) -> Fact:
    return Fact(wanted.name, wanted.label, unit=wanted.unit, because=because, why_unknown=WhyUnknown.NOT_FOUND)


def find_override(wanted: WantedOverride, sorted_record: SortedRecord) -> Fact:
    """
    Say whether a card on the subject was overridden for one of the reasons in the window.

    FALSE where no answers to earlier cards are kept: then nobody said anything we know of. UNKNOWN where they are kept
    and could not be looked up.
    """
    looked_up = sorted_record.record.overrides_sent
    if looked_up.state is not DeliveryState.WHOLE:
        return Fact(
            wanted.name, wanted.label, truth=Truth.UNKNOWN, because=looked_up.because, why_unknown=WhyUnknown.NOT_SENT
        )
    overrides = sorted_record.record.overrides
    if overrides is None:
        because = "answers to earlier cards are not kept here"
        return Fact(wanted.name, wanted.label, truth=Truth.FALSE, text="not recorded", because=because)
    matching = [
        override
        for override in overrides
        if override.topic == wanted.topic
        and override.reason in wanted.reasons
        and in_window(Span(override.day, override.day), sorted_record.today, wanted.look_back_days) is Truth.TRUE
    ]
    day = max((override.day for override in matching), default=None)
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=Truth.of(day is not None),
        text="recorded" if day else "not recorded",
        because=f"answered on {day}" if day else "no such answer is kept",
        day=Span(day, day) if day else None,
    )
