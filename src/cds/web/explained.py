"""Decision → what the templates of an explanation need; the same wherever one is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cds.cards.card import Card
from cds.decide import Decision, Ruleset
from cds.explanation.explanation import explanation_of
from cds.explanation.timeline import MedicationHistory, timelines
from cds.locale.sentence import counted, join_texts, say
from cds.rulebook.compiled_ruleset import CompiledRuleset, Leaflet
from cds.web.chart import Chart, chart
from cds.web.page_words import LOCALE

PATIENT, CLINICIAN = "patient", "clinician"  # readers of leaflets
SEX = {"female": say("female"), "male": say("male"), "other": say("other"), "unknown": say("unknown")}
WIDE, NARROW = 1080, 336  # pixels: what fits a desk and a phone of 360


@dataclass(frozen=True, slots=True)
class TimelineDrawing:
    """A timeline and its drawings."""

    timeline: MedicationHistory
    wide: Chart
    narrow: Chart


def patient_words(decision: Decision) -> str:
    """Age on the day of the decision, sex and reference of the patient, so that two pages are not mixed up."""
    patient, today = decision.record.patient, decision.today
    age = say("age not recorded")
    if patient.birth is not None:
        ages = sorted(
            today.year - day.year - ((today.month, today.day) < (day.month, day.day))
            for day in (patient.birth.earliest, patient.birth.latest)
        )
        age = (
            counted("{number} year", "{number} years", ages[0])
            if ages[0] == ages[1]
            else say("{youngest} to {oldest} years", youngest=ages[0], oldest=ages[1])
        )
    return join_texts(", ", [age, SEX.get(patient.sex or "") or say("sex not recorded"), patient.reference])


def leaflets_behind(cards: Iterable[Card], program: CompiledRuleset, reader: str) -> tuple[Leaflet, ...]:
    """The leaflets for a reader that belong to some cards, in the order of the rules."""
    shown = {card.name for card in cards}
    return tuple(one for one in program.leaflets if one.reader == reader and not shown.isdisjoint(one.cards))


def explained_values(rules: Ruleset, decision: Decision, service: str | None) -> dict[str, Any]:
    """Values of explanation.html: `explained`, `patient`, `timelines`, the leaflets of the cards, and the language."""
    words = rules.program.words
    return {
        LOCALE: rules.program.words,
        "explained": explanation_of(rules, decision, service),
        "patient": patient_words(decision),
        "for_clinicians": leaflets_behind(decision.cards, rules.program, CLINICIAN),
        "for_patients": leaflets_behind(decision.cards, rules.program, PATIENT),
        "timelines": [
            TimelineDrawing(timeline, chart(timeline, WIDE, words), chart(timeline, NARROW, words))
            for timeline in timelines(rules.program, decision)
        ],
    }
