"""A validation → Markdown and HTML with plots a committee can read, and JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader

from cds.population.report_formats import told
from cds.population.statistics import Estimate
from cds.population.validation import ANSWERS, Prevalence, ValidationReport

WORDS = dict(zip(ANSWERS, ("yes", "no", "unknown"), strict=True))
LEFT, WIDTH, LINE, TOP = 250, 420, 26, 30  # of a plot, in its own units
TICKS = 4
ROUND_ENDS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)  # how far an axis can go


@dataclass(frozen=True, slots=True)
class PlotMark:
    """One estimate on a plot: the middle and the ends of its interval, along the axis."""

    low: float
    middle: float
    high: float
    is_open: bool


@dataclass(frozen=True, slots=True)
class PlotLine:
    """One line of a plot."""

    label: str
    y: int
    marks: tuple[PlotMark, ...]


@dataclass(frozen=True, slots=True)
class IntervalPlot:
    """Estimates with intervals along one axis, a line each; `says` is what it shows in words."""

    lines: tuple[PlotLine, ...]
    ticks: tuple[tuple[float, str], ...]
    height: int
    says: str
    left: int = LEFT
    right: int = LEFT + WIDTH
    width: int = LEFT + WIDTH + 30


def interval_plot(rows: Sequence[tuple[str, Sequence[Estimate | None]]], says: str) -> IntervalPlot | None:
    """A plot of shares; a second estimate of a line is an open dot. None where there is nothing to draw."""
    drawn = [(label, [(one, bool(at)) for at, one in enumerate(many) if one is not None]) for label, many in rows]
    highest = max((one.high for _, many in drawn for one, _ in many), default=None)
    if highest is None:
        return None
    end = next(one for one in ROUND_ENDS if highest <= one + 1e-9)

    def along(value: float) -> float:
        return round(LEFT + WIDTH * value / end, 1)

    lines = tuple(
        PlotLine(
            label,
            TOP + LINE * place,
            tuple(PlotMark(along(one.low), along(one.value), along(one.high), is_open) for one, is_open in many),
        )
        for place, (label, many) in enumerate(drawn)
    )
    ticks = tuple((along(end * tick / TICKS), f"{100 * end * tick / TICKS:g} %") for tick in range(TICKS + 1))
    return IntervalPlot(lines, ticks, TOP + LINE * len(lines) + 20, says)


def percent(estimate: Estimate | None) -> str:
    """A share with its interval as it is read."""
    if estimate is None:
        return "suppressed"
    return f"{100 * estimate.value:.1f} % ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def kappa_told(estimate: Estimate | None) -> str:
    """Kappa with its interval as it is read."""
    return "not told" if estimate is None else f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _bounds(many: Sequence[Prevalence], says: str) -> IntervalPlot | None:
    return interval_plot([(one.label, (one.at_least, one.at_most)) for one in many], says)


def _page(name: str, report: ValidationReport) -> str:
    environment = Environment(
        loader=PackageLoader("cds.population"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    plots: dict[str, IntervalPlot | None] = {
        "prevalence": _bounds(report.prevalence, "Prevalence by definition, at least and at most, with 95 % intervals")
    }
    plots |= {
        one.by: _bounds(one.groups, f"Prevalence by {one.by}, at least and at most, with 95 % intervals")
        for one in report.subgroups
    }
    if report.accuracy is not None:
        measured = [(one.name, (one.estimate,)) for one in report.accuracy.measures]
        plots["accuracy"] = interval_plot(measured, "Measures of accuracy with 95 % intervals")
    return environment.get_template(name).render(
        report=report, plots=plots, told=told, percent=percent, kappa=kappa_told, answers=ANSWERS, words=WORDS
    )


def validation_as_html(report: ValidationReport) -> str:
    """A page of its own, with its plots inside and without scripts."""
    return _page("validation.html", report)


def validation_as_markdown(report: ValidationReport) -> str:
    """Markdown, with the plots as SVG inside."""
    return _page("validation.md", report)


def validation_as_json(report: ValidationReport) -> str:
    """Everything; null is suppressed. A table is a list of [answer, other answer, patients]."""
    values: dict[str, Any] = msgspec.to_builtins(
        {
            "conclusion": report.conclusion,
            "definition": report.definition.id,
            "as_of": report.counted.as_of,
            "rules": report.counted.rules,
            "patients": report.counted.patients,
            "prevalence": report.prevalence,
            "agreements": [
                {
                    "label": one.label,
                    "table": [[*cell, patients] for cell, patients in one.table.items()],
                    "kappa": one.kappa,
                }
                for one in report.agreements
            ],
            "subgroups": report.subgroups,
            "missing_kinds": report.counted.kinds,
            "missing": report.counted.lacking,
            "accuracy": report.accuracy,
        }
    )
    return msgspec.json.format(msgspec.json.encode(values), indent=2).decode() + "\n"


VALIDATION_FORMATS: dict[str, Callable[[ValidationReport], str]] = {
    "html": validation_as_html,
    "markdown": validation_as_markdown,
    "json": validation_as_json,
}
