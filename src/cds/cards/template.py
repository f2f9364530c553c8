"""Text with placeholders + values → Markdown in which all chart text is escaped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cds.engine.explain import Missing, ReasonKind, Why
from cds.facts.fact import Fact, Facts, Trial, WhyUnknown
from cds.facts.kind import ParameterValue
from cds.locale.catalog import ENGLISH_CATALOG, Catalog
from cds.locale.plural import choose_form
from cds.locale.sentence import say
from cds.logic.truth import Truth, every
from cds.rulebook import placeholders
from cds.rulebook.compiled_ruleset import CompiledDefinition
from cds.rulebook.placeholders import Placeholder, parameter_text

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
RECORDED, NOT_RECORDED = say("recorded"), say("not recorded")


def on_one_line(text: str) -> str:
    """Chart text without control characters and what turns its direction round, cut at 200 characters."""
    text = CONTROL.sub(" ", text).strip()
    return text[: LONGEST_CHART_TEXT - 1] + "…" if len(text) > LONGEST_CHART_TEXT else text


def escape(text: str) -> str:
    """Chart text that a Markdown or HTML renderer shows as it is, on one line, cut at 200 characters."""
    text = PUNCTUATION.sub(r"\\\1", on_one_line(text))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str, words: Catalog = ENGLISH_CATALOG) -> str:
    """Our own words (labels, reasons) in a language: only what could begin markup is taken out of play."""
    return words(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@dataclass(frozen=True, slots=True)
class TemplateValues:
    """
    What placeholders can name.

    Attributes:
        facts, parameters: By name.
        why: Conclusion → its reasons.
        missing: Conclusion → what would settle it.
        definitions: Conclusion → the definitions it is decided under, each with its reasons.
        notes: The sentences that apply, already filled.
        briefs: The brief notes that apply, each with its kind.
        patient_reference: "Patient/id".
        words: Our own words, in the language of the reader.
    """

    facts: Facts
    parameters: Mapping[str, ParameterValue]
    why: Callable[[str], Why]
    missing: Callable[[str], tuple[Missing, ...]]
    definitions: Callable[[str], tuple[tuple[CompiledDefinition, Why], ...]]
    notes: tuple[str, ...]
    briefs: tuple[tuple[str, str], ...]
    patient_reference: str
    words: Catalog = ENGLISH_CATALOG


def fill(text: str, values: TemplateValues) -> str:
    """The text with every placeholder filled; a placeholder nothing fills says "not recorded"."""

    def one(placeholder: Placeholder) -> str:
        if placeholder.word:
            return _called(placeholder.word, placeholder.name, values)
        match placeholder.text:
            case placeholders.NOTES:
                return "\n".join(f"- {note}" for note in values.notes)
            case placeholders.BRIEF_NOTES:
                return brief_notes(values.briefs, values.words)
        return named_text(placeholder, values, fact_text)

    return re.sub(r"\n{3,}", "\n\n", placeholders.fill(text, one)).strip()


def named_text(placeholder: Placeholder, values: TemplateValues, shown: Callable[[Fact | None, Catalog], str]) -> str:
    """What a placeholder without a word is filled with: the patient, a parameter, or a fact as `shown` shows it."""
    if placeholder.text == placeholders.PATIENT:
        return values.patient_reference
    parameter = values.parameters.get(placeholder.name)
    if parameter is not None:
        return parameter_text(placeholder, parameter, values.words.language)
    fact = values.facts.by_name.get(placeholder.name)
    text = shown(fact, values.words)
    if not placeholder.forms:
        return text
    low, high = (fact.low, fact.high) if fact is not None else (None, None)
    return choose_form(dict(placeholder.forms), values.words.language, low, high, text)


def fact_text(fact: Fact | None, words: Catalog = ENGLISH_CATALOG) -> str:
    """A fact in words."""
    return plain(fact.text if fact is not None and fact.text else NOT_RECORDED, words)


def _called(function: str, argument: str, values: TemplateValues) -> str:
    words = values.words
    match function:
        case "why":
            return why_list(values.why(argument), values.facts, words)
        case "missing":
            return missing_list(values.missing(argument), words)
        case "definitions":
            return definitions_line(values.definitions(argument), words)
        case "trials":
            return trials_list(values.facts[argument], words)
        case "references":
            return ", ".join(escape(found.reference) for found in values.facts[argument].found) or words(NOT_RECORDED)
        case "found":
            return _listed(values.facts[argument], words) or words(NOT_RECORDED)
        case "recorders":
            return _recorders(values.facts[argument], words)
        case "because":
            return _shortened(values.facts[argument].because, words)
        case "when":
            day = values.facts[argument].day
            return words(day.text if day else NOT_RECORDED)
    raise KeyError(f"no such placeholder: {function}({argument})")


ADEQUACY = {Truth.TRUE: say("adequate"), Truth.FALSE: say("not adequate"), Truth.UNKNOWN: say("adequacy unknown")}
SIGNS = {Truth.TRUE: say("met"), Truth.FALSE: say("not met"), Truth.UNKNOWN: say("unknown")}


def why_list(why: Why, facts: Facts, words: Catalog = ENGLISH_CATALOG) -> str:
    """The reasons one level down: a line for each that is so or unknown, and one line for all that is not recorded."""
    lines, absent = _why_lines(why, facts, words)
    if absent:
        lines.append(words.say("Not recorded: {items}", items="; ".join(dict.fromkeys(absent))))
    return "\n".join(f"- {line}" for line in dict.fromkeys(lines))


def _why_lines(why: Why, facts: Facts, words: Catalog) -> tuple[list[str], list[str]]:
    """Lines of their own, and the labels of what is not recorded."""
    lines: list[str] = []
    absent: list[str] = []
    children = why.children or (why,)
    if why.kind is ReasonKind.ANY and not why.negated and why.truth is Truth.TRUE:
        children = tuple(child for child in children if child.truth is Truth.TRUE)  # the others decide nothing
    for child in children:
        fact = facts.by_name.get(child.name)
        if fact is not None and fact.truth is Truth.FALSE and fact.text == NOT_RECORDED:
            absent.append(plain(fact.label, words))
        elif fact is not None and fact.truth is not None:
            lines.append(_presence_line(fact, words))
        elif fact is not None:
            lines.append(_number_line(child, fact, words))
        elif child.children and not child.negated and (not child.label or len(child.children) == 1):
            more, more_absent = _why_lines(child, facts, words)
            lines += more
            absent += more_absent
        # The label names the thing, so a "not" before it is said by the answer.
        elif child.answer is not Truth.FALSE:
            answer = say("yes") if child.answer is Truth.TRUE else SIGNS[Truth.UNKNOWN]
            lines.append(f"{plain(child.label, words)}: {words(answer)}")
    return lines, absent


def _presence_line(fact: Fact, words: Catalog) -> str:
    label = plain(fact.label, words)
    entries = _listed(fact, words)
    match fact.truth:
        case Truth.TRUE if fact.text == RECORDED and entries:
            return f"{label}: {entries}"
        case Truth.TRUE:
            return f"{label}: {plain(fact.text, words)}"
        case Truth.FALSE:
            return f"{label}: {plain(fact.text, words)}"
    unknown = words.say("unknown ({because})", because=_shortened(fact.because, words))
    return f"{label}: {unknown}" + (f", {entries}" if entries else "")


def _number_line(why: Why, fact: Fact, words: Catalog) -> str:
    # What would settle it is a list of its own, with the reasons.
    because = f" ({_shortened(fact.because, words, 1)})" if why.truth is Truth.UNKNOWN and not fact.missing else ""
    entries = "" if fact.day is None else _listed(fact, words)
    return f"{plain(why.words, words)}: {words(SIGNS[why.truth])}{because}" + (f", {entries}" if entries else "")


def _shortened(because: str, words: Catalog, most: int = MOST_ENTRIES) -> str:
    """A reason of several parts, cut after so many; the page behind the card has it whole."""
    return _some(plain(because, words).split("; "), most, words)


def _some(parts: Sequence[str], most: int, words: Catalog) -> str:
    """The first of several parts, and how many more there are."""
    more = len(parts) - most
    return "; ".join(parts[:most]) + (words.say("; and {more} more", more=more) if more > 0 else "")


def _listed(fact: Fact, words: Catalog) -> str:
    """Up to three entries a fact rests on, each once: chart words and date. Their FHIR ids are on the page."""
    said = [
        ", ".join(part for part in (_said(found.words, words), words(found.when)) if part)
        for found in fact.found
        if not found.reference.startswith("Patient/")
    ]
    return _some([entry for entry in dict.fromkeys(said) if entry], MOST_ENTRIES, words)


def _said(found: str, words: Catalog) -> str:
    """What an entry says: text of the chart, or a sentence of ours with text of the chart in it."""
    return escape(words(found))


def _recorders(fact: Fact, words: Catalog) -> str:
    """Who recorded or asserted the entries a fact rests on, up to three names as the chart gives them."""
    named = dict.fromkeys(escape(found.recorder) for found in fact.found if found.recorder)
    if not named:
        return words.say("the chart does not name who recorded it")
    return words.say("recorded or asserted by {names}", names=_some(list(named), MOST_ENTRIES, words))


def missing_list(missing: tuple[Missing, ...], words: Catalog = ENGLISH_CATALOG) -> str:
    """What would settle it, one line each; the reason once where several things are missing for the same one."""
    if not missing:
        return "- " + words.say("nothing that this rule could name")
    by_reason: dict[tuple[str, bool], list[str]] = {}
    for item in missing:
        not_delivered = item.why_unknown in NOT_DELIVERED  # whose reason no page behind the card has to tell
        by_reason.setdefault((item.because, not_delivered), []).append(item.what)
    lines = [
        _some([plain(one, words) for one in dict.fromkeys(what)], MOST_ENTRIES, words)
        + (f" ({_shortened(because, words, MOST_REASONS)})" if because and (not_delivered or _brief(because)) else "")
        for (because, not_delivered), what in by_reason.items()
    ]
    more = len(lines) - MOST_MISSING
    return _bulleted(lines[:MOST_MISSING], more, words)


def _bulleted(lines: Sequence[str], more: int, words: Catalog) -> str:
    listed = [*lines, words.say("and {more} more", more=more)] if more > 0 else lines
    return "\n".join(f"- {line}" for line in listed)


def _brief(because: str) -> bool:
    """Whether a reason is short enough for a card; a longer one is on the page behind it."""
    return 0 < len(because.split("; ", maxsplit=1)[0].split()) <= MOST_REASON_WORDS


def brief_notes(notes: tuple[tuple[str, str], ...], words: Catalog = ENGLISH_CATALOG) -> str:
    """Brief notes in one line for each kind: what else is recorded, and what is unknown."""
    lines = []
    for kind, heading in (("recorded", say("Also recorded")), ("unknown", say("Unknown"))):
        said = [text for one, text in notes if one == kind]
        if said:
            lines.append(f"**{words(heading)}:** {'; '.join(said)}.")
    return "\n\n".join(lines)


def definitions_line(definitions: tuple[tuple[CompiledDefinition, Why], ...], words: Catalog = ENGLISH_CATALOG) -> str:
    """Under which definitions the conclusion holds, in one sentence; the page behind the card says why."""
    labels = {
        truth: [plain(definition.label, words) for definition, why in definitions if why.truth is truth]
        for truth in Truth
    }
    met, not_met, unknown = labels[Truth.TRUE], labels[Truth.FALSE], labels[Truth.UNKNOWN]
    number = len(definitions)
    if len(met) == number:
        return words.counted(
            "Meets the {number} definition compared.", "Meets all {number} definitions compared.", number
        )
    if len(not_met) == number:
        return words.counted(
            "Does not meet the {number} definition compared.",
            "Meets none of the {number} definitions compared.",
            number,
        )
    if len(unknown) == number:
        return words.counted(
            "Unknown under the {number} definition compared.",
            "Unknown under all {number} definitions compared.",
            number,
        )

    def named(which: Sequence[str]) -> str:
        if len(which) <= MOST_DEFINITIONS:
            return ", ".join(f"“{one}”" for one in which)
        return words.say("{some} of {number}", some=len(which), number=number)

    parts = (
        words.say("met by {definitions}", definitions=named(met)) if met else "",
        words.say("not met by {definitions}", definitions=named(not_met)) if not_met else "",
        words.say("unknown under {definitions}", definitions=named(unknown)) if unknown else "",
    )
    return words.say("Definitions: {parts}.", parts="; ".join(filter(None, parts)))


def trials_list(fact: Fact, words: Catalog = ENGLISH_CATALOG) -> str:
    """
    Trials, a line each: drug, dose beside its minimum, days, and what came of it.

    At most three, those without response first, then the latest; a sentence when there is none, or when it is unknown.
    """
    if not fact.trials:
        if not fact.why_unknown:
            return "- " + words.say("No trial in this record")
        why = f" ({plain(fact.because, words)})" if fact.because else ""
        return "- " + words.say("Trials unknown") + why
    order = {Truth.TRUE: 0, Truth.UNKNOWN: 1, Truth.FALSE: 2}
    latest = list(reversed(fact.trials))
    chosen = sorted(latest, key=lambda trial: order[every((trial.adequate, trial.no_response))])[:MOST_TRIALS]
    lines = [_trial_line(trial, words) for trial in fact.trials if trial in chosen]
    more = len(fact.trials) - len(lines)
    return _bulleted(lines, more, words)


def _trial_line(trial: Trial, words: Catalog) -> str:
    dose = _range(*trial.highest_mg_a_day, words)
    short = trial.adequate is not Truth.TRUE and trial.minimum_mg_a_day is not None
    minimum = words.say(" (minimum {dose})", dose=f"{trial.minimum_mg_a_day:g}") if short else ""
    said = words.say("{dose} mg/day{minimum}", dose=dose, minimum=minimum) if dose else words.say("dose not recorded")
    start = words(trial.start.text) if trial.start else words.say("start not recorded")
    end = words(trial.end.text) if trial.end else words.say("an end not recorded")
    span = words.say("since {start}", start=start) if trial.ongoing else f"{start} – {end}"
    days = _range(*trial.days_at_dose, words) if dose else ""
    if not days:
        held = ""
    elif trial.adequate is Truth.TRUE:
        held = words.counted(", {days} day", ", {days} days", trial.days_at_dose[1], days=days)
    else:
        held = words.counted(", {days} day at dose", ", {days} days at dose", trial.days_at_dose[1], days=days)
    outcome = f"{words(ADEQUACY[trial.adequate])}, {plain(trial.outcome, words)}"
    return f"**{plain(trial.name, words)}** {said}, {span}{held}: {outcome}"


def _range(low: float | None, high: float | None, words: Catalog) -> str:
    if low is None and high is None:
        return ""
    if high is None:
        return words.say("at least {low}", low=f"{low:g}") if low else ""
    if low is None:
        return words.say("up to {high}", high=f"{high:g}")
    return f"{low:g}" if low == high else words.say("{low} to {high}", low=f"{low:g}", high=f"{high:g}")
