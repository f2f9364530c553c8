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


def explained_values(rules: Ruleset, decision: Decision, service: str | None) -> dict[str, Any]:
    """Values of explanation.html: `explained` and `timelines`."""
    return {
        "explained": explanation_of(rules, decision, service),
        "timelines": [
            TimelineDrawing(timeline, chart(timeline, WIDE), chart(timeline, NARROW))
            for timeline in timelines(rules.program, decision)
        ],
    }
