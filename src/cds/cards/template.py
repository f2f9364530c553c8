"""Text with holes + values → Markdown in which all chart text is escaped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cds.engine.explain import Missing, ReasonKind, Why
from cds.facts.fact import Fact, Facts, Trial, WhyUnknown
from cds.facts.kind import ParameterValue
from cds.logic.truth import Truth, every
from cds.rulebook.program import CompiledDefinition

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
MOST_TRIALS = 3
MOST_MISSING = 5
MOST_REASONS = 2  # parts of why something is unknown; the last often says that it could not be read
NOT_DELIVERED = {WhyUnknown.NOT_SENT, WhyUnknown.UNREADABLE}
MOST_REASON_WORDS = 8
MOST_DEFINITIONS = 2  # by name; more are counted
RECORDED, NOT_RECORDED = "recorded", "not recorded"


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
        briefs: The brief notes that apply, each with its kind.
        patient_reference: "Patient/id".
    """

    facts: Facts
    parameters: Mapping[str, ParameterValue]
    why: Callable[[str], Why]
    missing: Callable[[str], tuple[Missing, ...]]
    definitions: Callable[[str], tuple[tuple[CompiledDefinition, Why], ...]]
    notes: tuple[str, ...]
    briefs: tuple[tuple[str, str], ...]
    patient_reference: str


def fill(text: str, values: TemplateValues) -> str:
    """The text with every hole filled; a hole nothing fills says "not recorded"."""

    def one(match: re.Match[str]) -> str:
        function, argument, name = match.groups()
        if function:
            return _called(function, argument, values)
        if name == "notes":
            return "\n".join(f"- {note}" for note in values.notes)
        if name == "brief_notes":
            return brief_notes(values.briefs)
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
            return definitions_line(values.definitions(argument))
        case "trials":
            return trials_list(values.facts[argument])
        case "references":
            return ", ".join(escape(found.reference) for found in values.facts[argument].found) or NOT_RECORDED
        case "found":
            return _listed(values.facts[argument]) or NOT_RECORDED
        case "recorders":
            return _recorders(values.facts[argument])
        case "because":
            return _shortened(values.facts[argument].because)
        case "when":
            day = values.facts[argument].day
            return day.text if day else NOT_RECORDED
    raise KeyError(f"no such hole: {function}({argument})")


ADEQUACY = {Truth.TRUE: "adequate", Truth.FALSE: "not adequate", Truth.UNKNOWN: "adequacy unknown"}
SIGNS = {Truth.TRUE: "met", Truth.FALSE: "not met", Truth.UNKNOWN: "unknown"}


def why_list(why: Why, facts: Facts) -> str:
    """The reasons one level down: a line for each that is so or unknown, and one line for all that is not recorded."""
    lines, absent = _why_lines(why, facts)
    if absent:
        lines.append(f"Not recorded: {'; '.join(dict.fromkeys(absent))}")
    return "\n".join(f"- {line}" for line in dict.fromkeys(lines))


def _why_lines(why: Why, facts: Facts) -> tuple[list[str], list[str]]:
    """Lines of their own, and the labels of what is not recorded."""
    lines: list[str] = []
    absent: list[str] = []
    children = why.children or (why,)
    if why.kind is ReasonKind.ANY and not why.negated and why.truth is Truth.TRUE:
        children = tuple(child for child in children if child.truth is Truth.TRUE)  # the others decide nothing
    for child in children:
        fact = facts.by_name.get(child.name)
        if fact is not None and fact.truth is Truth.FALSE and fact.text == NOT_RECORDED:
            absent.append(plain(fact.label))
        elif fact is not None and fact.truth is not None:
            lines.append(_presence_line(fact))
        elif fact is not None:
            lines.append(_number_line(child, fact))
        elif child.children and not child.negated and (not child.label or len(child.children) == 1):
            more, more_absent = _why_lines(child, facts)
            lines += more
            absent += more_absent
        # The label names the thing, so a "not" before it is said by the answer.
        elif child.answer is not Truth.FALSE:
            lines.append(f"{plain(child.label)}: {'yes' if child.answer is Truth.TRUE else 'unknown'}")
    return lines, absent


def _presence_line(fact: Fact) -> str:
    label = plain(fact.label)
    entries = _listed(fact)
    match fact.truth:
        case Truth.TRUE if fact.text == RECORDED and entries:
            return f"{label}: {entries}"
        case Truth.TRUE:
            return f"{label}: {plain(fact.text)}"
        case Truth.FALSE:
            return f"{label}: {plain(fact.text)}"
    return f"{label}: unknown ({_shortened(fact.because)})" + (f", {entries}" if entries else "")


def _number_line(why: Why, fact: Fact) -> str:
    # What would settle it is a list of its own, with the reasons.
    because = f" ({_shortened(fact.because, 1)})" if why.truth is Truth.UNKNOWN and not fact.missing else ""
    entries = "" if fact.day is None else _listed(fact)
    return f"{plain(why.words)}: {SIGNS[why.truth]}{because}" + (f", {entries}" if entries else "")


def _shortened(because: str, most: int = MOST_ENTRIES) -> str:
    """A reason of several parts, cut after so many; the page behind the card has it whole."""
    return _some(because.split("; "), most, plain)


def _some(parts: Sequence[str], most: int, written: Callable[[str], str] = str) -> str:
    """The first of several parts, and how many more there are."""
    more = len(parts) - most
    return "; ".join(map(written, parts[:most])) + (f"; and {more} more" if more > 0 else "")


def _listed(fact: Fact) -> str:
    """Up to three entries a fact rests on, each once: chart words and date. Their FHIR ids are on the page."""
    said = [
        ", ".join(part for part in (escape(found.words), found.when) if part)
        for found in fact.found
        if not found.reference.startswith("Patient/")
    ]
    return _some([entry for entry in dict.fromkeys(said) if entry], MOST_ENTRIES)


def _recorders(fact: Fact) -> str:
    """Who recorded or asserted the entries a fact rests on, up to three names as the chart gives them."""
    named = dict.fromkeys(escape(found.recorder) for found in fact.found if found.recorder)
    return (
        f"recorded or asserted by {_some(list(named), MOST_ENTRIES)}"
        if named
        else "the chart does not name who recorded it"
    )


def missing_list(missing: tuple[Missing, ...]) -> str:
    """What would settle it, one line each; the reason once where several things are missing for the same one."""
    if not missing:
        return "- nothing that this rule could name"
    by_reason: dict[tuple[str, bool], list[str]] = {}
    for item in missing:
        not_delivered = item.why_unknown in NOT_DELIVERED  # whose reason no page behind the card has to tell
        by_reason.setdefault((item.because, not_delivered), []).append(item.what)
    lines = [
        _some(list(dict.fromkeys(what)), MOST_ENTRIES, plain)
        + (f" ({_shortened(because, MOST_REASONS)})" if because and (not_delivered or _brief(because)) else "")
        for (because, not_delivered), what in by_reason.items()
    ]
    more = len(lines) - MOST_MISSING
    return "\n".join(f"- {line}" for line in lines[:MOST_MISSING]) + (f"\n- and {more} more" if more > 0 else "")


def _brief(because: str) -> bool:
    """Whether a reason is short enough for a card; a longer one is on the page behind it."""
    return 0 < len(because.split("; ", maxsplit=1)[0].split()) <= MOST_REASON_WORDS


def brief_notes(notes: tuple[tuple[str, str], ...]) -> str:
    """Brief notes in one line for each kind: what else is recorded, and what is unknown."""
    lines = []
    for kind, heading in (("recorded", "Also recorded"), ("unknown", "Unknown")):
        said = [words for one, words in notes if one == kind]
        if said:
            lines.append(f"**{heading}:** {'; '.join(said)}.")
    return "\n\n".join(lines)


def definitions_line(definitions: tuple[tuple[CompiledDefinition, Why], ...]) -> str:
    """Under which definitions the conclusion holds, in one sentence; the page behind the card says why."""
    labels = {
        truth: [plain(definition.label) for definition, why in definitions if why.truth is truth] for truth in Truth
    }
    met, not_met, unknown = labels[Truth.TRUE], labels[Truth.FALSE], labels[Truth.UNKNOWN]
    number = len(definitions)
    for words, which in (("Met by", met), ("Not met by", not_met), ("Unknown by", unknown)):
        if len(which) == number:
            return f"{words} all {number} definitions compared."
    parts = (("met by", met), ("not met by", not_met), ("unknown by", unknown))
    said = "; ".join(
        f"{words} {', '.join(which) if len(which) <= MOST_DEFINITIONS else f'{len(which)} of {number}'}"
        for words, which in parts
        if which
    )
    return f"Definitions: {said}."


def trials_list(fact: Fact) -> str:
    """
    Trials, a line each: drug, dose beside its minimum, days, and what came of it.

    At most three, those without response first, then the latest; a sentence when there is none, or when it is unknown.
    """
    if not fact.trials:
        why = f" ({plain(fact.because)})" if fact.because else ""
        return f"- Trials unknown{why}" if fact.why_unknown else "- No trial in this record"
    order = {Truth.TRUE: 0, Truth.UNKNOWN: 1, Truth.FALSE: 2}
    latest = list(reversed(fact.trials))
    chosen = sorted(latest, key=lambda trial: order[every((trial.adequate, trial.no_response))])[:MOST_TRIALS]
    lines = [_trial_line(trial) for trial in fact.trials if trial in chosen]
    more = len(fact.trials) - len(lines)
    return "\n".join(f"- {line}" for line in lines) + (f"\n- and {more} more" if more > 0 else "")


def _trial_line(trial: Trial) -> str:
    dose = _range(*trial.highest_mg_a_day)
    short = trial.adequate is not Truth.TRUE and trial.minimum_mg_a_day is not None
    minimum = f" (minimum {trial.minimum_mg_a_day:g})" if short else ""
    said = f"{dose} mg/day{minimum}" if dose else "dose not recorded"
    start = trial.start.text if trial.start else "start not recorded"
    end = trial.end.text if trial.end else "an end not recorded"
    span = f"since {start}" if trial.ongoing else f"{start} – {end}"
    days = _range(*trial.days_at_dose) if dose else ""
    held = f", {days} days" if days else ""
    return f"**{plain(trial.name)}** {said}, {span}{held}: {ADEQUACY[trial.adequate]}, {plain(trial.outcome)}"


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    if high is None:
        return f"at least {low:g}" if low else ""
    if low is None:
        return f"up to {high:g}"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
