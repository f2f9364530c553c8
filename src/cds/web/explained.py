"""Decision → what the templates of an explanation need; the same wherever one is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cds.decide import Decision, Rules
from cds.explanation.explanation import explanation_of
from cds.explanation.timeline import Timeline, timelines
from cds.web.chart import Chart, chart

WIDE, NARROW = 1080, 336  # pixels: what fits a desk and a phone of 360


@dataclass(frozen=True, slots=True)
class Drawn:
    """A timeline and its drawings."""

    timeline: Timeline
    wide: Chart
    narrow: Chart


def explained_values(rules: Rules, decision: Decision, service: str | None) -> dict[str, Any]:
    """Values of explanation.html: `explained` and `timelines`."""
    return {
        "explained": explanation_of(rules, decision, service),
        "timelines": [
            Drawn(timeline, chart(timeline, WIDE), chart(timeline, NARROW))
            for timeline in timelines(rules.program, decision)
        ],
    }
