"""Decision → what the templates of an explanation need; the same wherever one is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cds.decide import Decision, Ruleset
from cds.explanation.explanation import explanation_of
from cds.explanation.timeline import MedicationHistory, timelines
from cds.web.chart import Chart, chart

WIDE, NARROW = 1080, 336  # pixels: what fits a desk and a phone of 360


@dataclass(frozen=True, slots=True)
class TimelineDrawing:
    """A timeline and its drawings."""

    timeline: MedicationHistory
    wide: Chart
    narrow: Chart


def who(decision: Decision) -> str:
    """Age on the day of the decision, sex and reference of the patient, so that two pages are not mixed up."""
    patient, today = decision.record.patient, decision.today
    age = "age not recorded"
    if patient.birth is not None:
        ages = sorted(
            today.year - day.year - ((today.month, today.day) < (day.month, day.day))
            for day in (patient.birth.earliest, patient.birth.latest)
        )
        age = f"{ages[0]} years" if ages[0] == ages[1] else f"{ages[0]} to {ages[1]} years"
    return f"{age}, {patient.sex or 'sex not recorded'}, {patient.reference}"


def explained_values(rules: Ruleset, decision: Decision, service: str | None) -> dict[str, Any]:
    """Values of explanation.html: `explained`, `who` and `timelines`."""
    return {
        "explained": explanation_of(rules, decision, service),
        "who": who(decision),
        "timelines": [
            TimelineDrawing(timeline, chart(timeline, WIDE), chart(timeline, NARROW))
            for timeline in timelines(rules.program, decision)
        ],
    }
