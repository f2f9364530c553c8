"""Text with holes + values → Markdown in which all chart text is escaped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cds.engine.explain import Missing, ReasonKind, Why, deciding
from cds.facts.fact import Fact, Facts
from cds.logic.truth import Truth
from cds.rulebook.program import CompiledDefinition, ParameterValue

HOLE = re.compile(r"\{\{\s*(?:(\w+)\((\w+)\)|([\w.]+))\s*\}\}")
# GitHub Flavored Markdown 2.4: an ASCII punctuation character after a backslash is itself. Clients also render HTML
# that stands in a card (the public sandbox does), so < > & become character references as well.
# What means something only at the start of a line is left alone: chart text never stands there. A colon, an at sign
# and "www." would make a link by themselves.
PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#!|~$@:^]|(?<=www)\.)", re.IGNORECASE)
# C0 and C1 control characters (U+0085 ends a line), line and paragraph separators, what turns the direction of text
# round, and what has no width.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
LONGEST_CHART_TEXT = 200
MOST_ENTRIES = 3
NOT_RECORDED = "not recorded"


def on_one_line(text: str) -> str:
    """Chart text without control characters and what turns its direction round, cut at 200 characters."""
    text = CONTROL.sub(" ", text).strip()
    return text[: LONGEST_CHART_TEXT - 1] + "…" if len(text) > LONGEST_CHART_TEXT else text


def escape(text: str) -> str:
    """Chart text that a Markdown or HTML renderer shows as it is, on one line, cut at 200 characters."""
    text = PUNCTUATION.sub(r"\\\1", on_one_line(text))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str) -> str:
    """Our own words (labels, reasons): only what could begin markup is taken out of play."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@dataclass(frozen=True, slots=True)
class TemplateValues:
    """
    What holes can name.

    Attributes:
        facts, parameters: By name.
        why: Conclusion → its reasons.
        missing: Conclusion → what would settle it.
        definitions: Conclusion → the definitions it is decided under, each with its reasons.
        notes: The sentences that apply, already filled.
        patient_reference: "Patient/id".
    """

    facts: Facts
    parameters: Mapping[str, ParameterValue]
    why: Callable[[str], Why]
    missing: Callable[[str], tuple[Missing, ...]]
    definitions: Callable[[str], tuple[tuple[CompiledDefinition, Why], ...]]
    notes: tuple[str, ...]
    patient_reference: str


def fill(text: str, values: TemplateValues) -> str:
    """The text with every hole filled; a hole nothing fills says "not recorded"."""

    def one(match: re.Match[str]) -> str:
        function, argument, name = match.groups()
        if function:
            return _called(function, argument, values)
        if name == "notes":
            return "\n".join(f"- {note}" for note in values.notes)
        if name == "patient.reference":
            return values.patient_reference
        if name in values.parameters:
            return _parameter(values.parameters[name])
        return fact_text(values.facts.by_name.get(name))

    return re.sub(r"\n{3,}", "\n\n", HOLE.sub(one, text)).strip()


def _parameter(parameter: ParameterValue) -> str:
    return parameter.text


def fact_text(fact: Fact | None) -> str:
    """A fact in words."""
    return plain(fact.text) if fact is not None and fact.text else NOT_RECORDED


def _called(function: str, argument: str, values: TemplateValues) -> str:
    match function:
        case "why":
            return why_list(values.why(argument), values.facts)
        case "missing":
            return missing_list(values.missing(argument))
        case "definitions":
            return definitions_table(values.definitions(argument))
        case "table":
            return trials_table(values.facts[argument])
        case "references":
            return ", ".join(escape(found.reference) for found in values.facts[argument].found) or NOT_RECORDED
        case "found":
            return _listed(values.facts[argument]) or NOT_RECORDED
        case "because":
            return plain(values.facts[argument].because)
        case "when":
            day = values.facts[argument].day
            return day.text if day else NOT_RECORDED
    raise KeyError(f"no such hole: {function}({argument})")


SIGNS = {Truth.TRUE: "yes", Truth.FALSE: "no", Truth.UNKNOWN: "cannot tell"}


def why_list(why: Why, facts: Facts) -> str:
    """The reasons one level down, one line each: what was asked, the answer, and the entry it rests on."""
    return "\n".join(f"- {line}" for line in _why_lines(why, facts))


def _why_lines(why: Why, facts: Facts) -> list[str]:
    lines = []
    children = why.children or (why,)
    if why.kind is ReasonKind.ANY and not why.negated and why.truth is Truth.TRUE:
        children = tuple(child for child in children if child.truth is Truth.TRUE)  # the others decide nothing
    for child in children:
        fact = facts.by_name.get(child.name)
        if fact is not None and fact.truth is not None:
            lines.append(_presence_line(fact))
        elif fact is not None:
            lines.append(_number_line(child, fact))
        elif child.children and not child.negated and (not child.label or len(child.children) == 1):
            lines.extend(_why_lines(child, facts))
        else:
            # The label names the thing, so a "not" before it is said by the answer.
            lines.append(f"{plain(child.label)}: **{SIGNS[child.answer]}**")
    return list(dict.fromkeys(lines))


def _presence_line(fact: Fact) -> str:
    label = plain(fact.label)
    match fact.truth:
        case Truth.TRUE:
            return f"{label}: **{plain(fact.text)}**{_entries(fact)}"
        case Truth.FALSE:
            return f"{label}: **{plain(fact.text)}**"
    return f"{label}: **cannot tell** ({plain(fact.because)}){_entries(fact)}"


def _number_line(why: Why, fact: Fact) -> str:
    because = f" ({plain(fact.because)})" if why.truth is Truth.UNKNOWN else ""
    return f"{plain(why.words)}: **{SIGNS[why.truth]}**{because}{_entries(fact) if fact.unit != 'trials' else ''}"


def _entries(fact: Fact) -> str:
    """What a fact rests on, after a dash; "" for nothing."""
    listed = _listed(fact)
    return f" — {listed}" if listed else ""


def _listed(fact: Fact) -> str:
    """Up to three entries a fact rests on: chart words, date, reference."""
    listed = [
        ", ".join(part for part in (escape(found.words), found.when, escape(found.reference)) if part)
        for found in fact.found[:MOST_ENTRIES]
        if not found.reference.startswith("Patient/")
    ]
    more = len(fact.found) - MOST_ENTRIES
    return "; ".join(listed) + (f"; and {more} more" if more > 0 else "")


def missing_list(missing: tuple[Missing, ...]) -> str:
    """What would settle it, one line each."""
    if not missing:
        return "- nothing that this rule could name"
    return "\n".join(f"- {plain(item.what)}{f' ({plain(item.because)})' if item.because else ''}" for item in missing)


def definitions_table(definitions: tuple[tuple[CompiledDefinition, Why], ...]) -> str:
    """What the conclusion is under each definition, as a GFM table, with what decides against it."""
    rows = ["| Definition | Met | What decides |", "| --- | --- | --- |"]
    for definition, why in definitions:
        against = deciding(why) if why.truth is not Truth.TRUE else ()
        cells = (
            f"{plain(definition.label)}{' (in use)' if definition.in_use else ''}",
            SIGNS[why.truth],
            plain("; ".join(dict.fromkeys(against)) or definition.says),
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def trials_table(fact: Fact) -> str:
    """Trials as a GFM table; a line of text when there is none, or when it cannot be told."""
    if not fact.trials:
        why = f" ({plain(fact.because)})" if fact.because else ""
        return (
            f"Trials cannot be told from what was sent{why}." if fact.why_unknown else "No trial found in this record."
        )
    rows = [
        "| Drug | From | To | Dose, mg/day (minimum) | Days at dose | Adequate | No response | How we know |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for trial in fact.trials:
        low, high = trial.highest_mg_a_day
        dose = _range(low, high) or NOT_RECORDED
        minimum = f" (≥ {trial.minimum_mg_a_day:g})" if trial.minimum_mg_a_day is not None else ""
        cells = (
            plain(trial.name),
            trial.start.text if trial.start else NOT_RECORDED,
            "ongoing" if trial.ongoing else trial.end.text if trial.end else NOT_RECORDED,
            f"{dose}{minimum}",
            _range(*trial.days_at_dose),
            SIGNS[trial.adequate],
            SIGNS[trial.no_response],
            plain("; ".join((trial.outcome, *trial.notes))),
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    if high is None:
        return f"at least {low:g}" if low else ""
    if low is None:
        return f"up to {high:g}"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
