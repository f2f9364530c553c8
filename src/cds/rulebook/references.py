"""Every name of a rulebook: where it is defined, where it is read, and as what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cds.rulebook.format import rule_file as f
from cds.rulebook.placeholders import TextAt, placeholders_in, texts
from cds.yaml_source.document import Path
from cds.yaml_source.fields import duration_days, listed
from cds.yaml_source.loaded import LoadedFile

Rule = LoadedFile[f.RuleFile]

# What a name is …
STATEMENT, NUMBER, TRIALS, EPISODE = "statement", "number", "trials", "episode"  # facts
CONCLUSION, PARAMETER, DEFINITION = "conclusion", "parameter", "definition"
DRAFT, TREATMENT = "draft order", "treatment"  # statements that can also stand where one of their kind is wanted
FACTS = frozenset({STATEMENT, NUMBER, TRIALS, EPISODE})
# … and what a place may want besides.
SCORE, LIMIT, DURATION, WORDS, WORD = "score", "limit", "duration", "words", "word"
SHOWN, ANY_FACT, SUMMARY, DEFINED, PRESENT = "shown", "fact", "summary", "defined", "present"
TRACED = "traced"

FITS: Mapping[str, frozenset[str]] = {
    STATEMENT: frozenset({STATEMENT, CONCLUSION}),
    PRESENT: frozenset({STATEMENT}),
    DRAFT: frozenset({STATEMENT}),
    TREATMENT: frozenset({STATEMENT}),
    NUMBER: frozenset({NUMBER}),
    SCORE: frozenset({NUMBER}),
    TRIALS: frozenset({TRIALS}),
    EPISODE: frozenset({EPISODE}),
    CONCLUSION: frozenset({CONCLUSION}),
    DEFINED: frozenset({CONCLUSION}),
    LIMIT: frozenset({PARAMETER}),
    DURATION: frozenset({PARAMETER}),
    WORDS: frozenset({PARAMETER}),
    WORD: frozenset({PARAMETER}),
    PARAMETER: frozenset({PARAMETER}),
    DEFINITION: frozenset({DEFINITION}),
    SHOWN: FACTS | {PARAMETER},
    ANY_FACT: FACTS,
    TRACED: frozenset({STATEMENT, NUMBER}),
    SUMMARY: frozenset({NUMBER, PARAMETER}),
}
HOLE_WANTS = {
    "": SHOWN,
    "why": CONCLUSION,
    "missing": CONCLUSION,
    "definitions": DEFINED,
    "trials": TRIALS,
    "references": ANY_FACT,
    "found": ANY_FACT,
    "when": ANY_FACT,
    "because": ANY_FACT,
}


@dataclass(frozen=True)
class Definition:
    """
    One name and what it stands for.

    Attributes:
        name: The name.
        role: statement, number, trials or episode (facts), conclusion, parameter, or definition.
        spec: Its part of the file.
        rule: The file.
        path: Where in the file.
    """

    name: str
    role: str
    spec: Any
    rule: Rule
    path: Path

    @property
    def unit(self) -> str:
        """The unit of a number; "" for what is none."""
        match self.spec:
            case (
                f.NumberFact() | f.AgeFact() | f.EpisodeLengthFact() | f.PointsFact() | f.SessionsFact() | f.RiseFact()
            ):
                return str(self.spec.unit)
            case f.CountFact() | f.PlaceOfOrderFact():
                return "trials"
            case f.Parameter():
                return self.spec.unit or ""
        return ""


@dataclass(frozen=True)
class NameReference:
    """
    One place that reads a name.

    Attributes:
        name: The name, as written.
        wants: What must stand there (a key of FITS).
        rule: The file.
        path: Where in the file.
        beside: For a limit: the number fact it is compared with, "" for none.
        unit: For a limit that is compared with no fact: the unit it must have.
        hole: Whether it stands in a hole of a text.
        words: For a parameter that is a word: the words it may be.
    """

    name: str
    wants: str
    rule: Rule
    path: Path
    beside: str = ""
    unit: str = ""
    hole: bool = False
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class BareNumber:
    """A number written where a parameter belongs."""

    number: float
    rule: Rule
    path: Path


@dataclass(frozen=True)
class ConditionAt:
    """
    A whole condition of a file.

    Attributes:
        statement: The condition.
        rule: The file.
        path: Where in the file.
        of: Name of the conclusion or card.
        card: "show_when", "note" or "suggestion" for a card's; "" for a conclusion's.
    """

    statement: Any
    rule: Rule
    path: Path
    of: str
    card: str = ""


def role_of(fact: object) -> str:
    """What a fact is."""
    match fact:
        case (
            f.AgeFact()
            | f.NumberFact()
            | f.CountFact()
            | f.EpisodeLengthFact()
            | f.PointsFact()
            | f.SessionsFact()
            | f.PlaceOfOrderFact()
            | f.RiseFact()
        ):
            return NUMBER
        case f.TrialsFact():
            return TRIALS
        case f.EpisodeFact():
            return EPISODE
    return STATEMENT


def definitions(rule: Rule) -> Iterator[Definition]:
    """Every name a file defines."""
    for name, parameter in rule.model.parameters.items():
        yield Definition(name, PARAMETER, parameter, rule, ("parameters", name))
    for name, fact in rule.model.facts.items():
        yield Definition(name, role_of(fact), fact, rule, ("facts", name))
    for name, conclusion in rule.model.conclusions.items():
        yield Definition(name, CONCLUSION, conclusion, rule, ("conclusions", name))
    if rule.model.definitions:
        for name, definition in rule.model.definitions.are.items():
            yield Definition(name, DEFINITION, definition, rule, ("definitions", "are", name))


def conditions(rule: Rule) -> Iterator[ConditionAt]:
    """Every whole condition of a file."""
    for name, conclusion in rule.model.conclusions.items():
        path: Path = ("conclusions", name, "when") if conclusion.when is not None else ("conclusions", name)
        yield ConditionAt(conclusion.condition(), rule, path, name)
    for name, card in rule.model.cards.items():
        yield ConditionAt(card.show_when, rule, ("cards", name, "show_when"), name, "show_when")
        for index, note in enumerate(card.notes):
            yield ConditionAt(note.when, rule, ("cards", name, "notes", index, "when"), name, "note")
        for index, suggestion in enumerate(card.suggestions):
            if suggestion.when is not None:
                path = ("cards", name, "suggestions", index, "when")
                yield ConditionAt(suggestion.when, rule, path, name, "suggestion")


def parts(statement: Any, path: Path) -> Iterator[tuple[Any, Path]]:
    """The conditions directly inside one, each with its place."""

    def listed(key: str, statements: Iterable[Any]) -> Iterator[tuple[Any, Path]]:
        return ((part, (*path, key, index)) for index, part in enumerate(statements))

    match statement:
        case f.AllOf():
            yield from listed("all", statement.all)
        case f.AnyOf():
            yield from listed("any", statement.any)
        case f.AtLeastOf():
            yield from listed("of", statement.of)
        case f.NotThis():
            yield statement.not_, (*path, "not")
        case f.UnknownThis():
            yield statement.unknown, (*path, "unknown")
        case f.PossiblyThis():
            yield statement.possibly, (*path, "possibly")


def walk(statement: Any, path: Path) -> Iterator[tuple[Any, Path]]:
    """A condition and everything inside it, each with its place, outermost first."""
    yield statement, path
    for part, part_path in parts(statement, path):
        yield from walk(part, part_path)


def compared(statement: f.Comparing, path: Path) -> tuple[str, list[tuple[float | str, Path]], Path]:
    """The fact of a comparison, its limits with their places, and the place of the fact."""
    ((fact, limits),) = statement.root.items()
    here = (*path, fact)
    found: list[tuple[float | str, Path]] = []
    for word in ("at_least", "above", "at_most", "below"):
        limit = getattr(limits, word)
        if limit is not None:
            found.append((limit, (*here, word)))
    found.extend((end, (*here, "between", index)) for index, end in enumerate(limits.between or []))
    return fact, found, here


def readings(rule: Rule) -> Iterator[NameReference | BareNumber]:
    """Every name a file reads, and every number it writes where a name belongs."""
    for condition in conditions(rule):
        yield from _in_condition(rule, condition)
    for name, fact in rule.model.facts.items():
        yield from _in_fact(rule, fact, ("facts", name))
    for name, card in rule.model.cards.items():
        for text in texts(card, ("cards", name)):
            yield from _in_text(rule, text)
    if rule.model.definitions:
        yield NameReference(rule.model.definitions.of, CONCLUSION, rule, ("definitions", "of"))
        yield NameReference(rule.model.definitions.chosen_by, WORD, rule, ("definitions", "chosen_by"))
        for name, definition in rule.model.definitions.are.items():
            for parameter in definition.with_:
                yield NameReference(parameter, PARAMETER, rule, ("definitions", "are", name, "with", parameter))
    if rule.model.lists:
        yield from duration(rule.model.lists.checked_within, rule, ("lists", "checked_within"))


def read_by(found: Iterable[NameReference | BareNumber]) -> dict[str, set[str]]:
    """Fact or conclusion → the names it reads."""
    reads: dict[str, set[str]] = {}
    for reading in found:
        if isinstance(reading, NameReference) and reading.path[0] in ("facts", "conclusions"):
            reads.setdefault(str(reading.path[1]), set()).add(reading.name)
    return reads


def below(name: str, reads: Mapping[str, set[str]]) -> frozenset[str]:
    """A name and everything it rests on."""
    seen: set[str] = set()
    to_do = [name]
    while to_do:
        one = to_do.pop()
        if one not in seen:
            seen.add(one)
            to_do.extend(reads.get(one, ()))
    return frozenset(seen)


def _in_condition(rule: Rule, condition: ConditionAt) -> Iterator[NameReference | BareNumber]:
    for statement, path in walk(condition.statement, condition.path):
        if isinstance(statement, str):
            yield NameReference(statement, STATEMENT, rule, path)
        elif isinstance(statement, f.UnderDefinition):
            yield NameReference(statement.definition, DEFINITION, rule, (*path, "definition"))
        elif isinstance(statement, f.Comparing):
            fact, limits, here = compared(statement, path)
            yield NameReference(fact, NUMBER, rule, here)
            for limit, limit_path in limits:
                yield limit_or_number(limit, rule, limit_path, beside=fact)


def limit_or_number(
    limit: float | str, rule: Rule, path: Path, *, beside: str = "", unit: str = ""
) -> NameReference | BareNumber:
    """What stands where a limit belongs: the name of a parameter, or a number."""
    try:
        return BareNumber(float(limit), rule, path)
    except ValueError:
        return NameReference(str(limit), LIMIT, rule, path, beside=beside, unit=unit)


def word_or_name(text: str, words: tuple[str, ...], rule: Rule, path: Path) -> Iterator[NameReference]:
    """The name of a parameter, where one of these words does not stand itself."""
    if text not in words:
        yield NameReference(text, WORDS, rule, path, words=words)


def _in_fact(rule: Rule, fact: Any, path: Path) -> Iterator[NameReference | BareNumber]:
    if fact.look_back:
        yield from duration(fact.look_back, rule, (*path, "look_back"))
    match fact:
        case f.NumberFact():
            for index, end in enumerate(fact.plausible or []):
                yield limit_or_number(end, rule, (*path, "plausible", index), unit=fact.unit)
            if fact.items is not None:
                yield limit_or_number(fact.items.fewest, rule, (*path, "items", "fewest"), unit="items")
        case f.EpisodeFact():
            yield from duration(fact.otherwise, rule, (*path, "otherwise"))
            if score := fact.remission_by_score:
                here = (*path, "remission_by_score")
                yield NameReference(score.score, SCORE, rule, (*here, "score"))
                yield limit_or_number(score.below, rule, (*here, "below"), beside=score.score)
                yield from duration(score.apart, rule, (*path, "remission_by_score", "apart"))
        case f.SettingFact():
            yield NameReference(fact.parameter, WORD, rule, (*path, "parameter"))
        case f.TraceFact():
            yield from _in_trace(rule, fact.trace_of, (*path, "trace_of"))
        case f.CountFact():
            yield NameReference(fact.count, TRIALS, rule, (*path, "count"))
            if fact.different is not None:
                yield from word_or_name(fact.different, f.DIFFERENT, rule, (*path, "different"))
            if fact.merge_same_molecule is not None:
                yield from word_or_name(fact.merge_same_molecule, f.YES_OR_NO, rule, (*path, "merge_same_molecule"))
        case f.EpisodeLengthFact():
            yield NameReference(fact.episode, EPISODE, rule, (*path, "episode"))
        case f.AugmentationFact():
            yield NameReference(fact.beside, TRIALS, rule, (*path, "beside"))
            yield from duration(fact.lasts_at_least, rule, (*path, "lasts_at_least"))
        case f.PointsFact():
            yield from _in_items(rule, fact.adds, (*path, "adds"))
        case f.SymptomsFact():
            for index, by in enumerate(fact.measured_by):
                here = (*path, "measured_by", index)
                yield NameReference(by.score, SCORE, rule, (*here, "score"))
                yield limit_or_number(by.at_least, rule, (*here, "at_least"), beside=by.score)
        case f.DraftOrderFact() | f.PlaceOfOrderFact() | f.TreatmentFact() | f.CourseFact() | f.RiseFact():
            yield from _in_treatment(rule, fact, path)
        case f.TrialsFact():
            yield from _in_trials(rule, fact, path)


def duration(text: str, rule: Rule, path: Path) -> Iterator[NameReference]:
    """The name of a parameter, where no duration in words stands."""
    if duration_days(text) is None:
        yield NameReference(text, DURATION, rule, path)


def _in_trials(rule: Rule, fact: f.TrialsFact, path: Path) -> Iterator[NameReference | BareNumber]:
    if fact.in_episode:
        yield NameReference(fact.in_episode, EPISODE, rule, (*path, "in_episode"))
    yield from duration(fact.joins_gaps_up_to, rule, (*path, "joins_gaps_up_to"))
    yield from duration(fact.adequate_when.lasts_at_least, rule, (*path, "adequate_when", "lasts_at_least"))
    if fact.ended_by_successor_within:
        yield from duration(fact.ended_by_successor_within, rule, (*path, "ended_by_successor_within"))
    here = (*path, "adequate_when", "dose_reaches")
    yield from word_or_name(fact.adequate_when.dose_reaches, f.DOSE_COLUMNS, rule, here)
    if fact.adherence is not None:
        here = (*path, "adherence")
        yield limit_or_number(fact.adherence.at_least, rule, (*here, "at_least"), unit="percent")
        yield from word_or_name(fact.adherence.when_poor, f.WHEN_POOR, rule, (*here, "when_poor"))
    above = fact.adequate_when.implausible_above
    if above is not None:
        here = (*path, "adequate_when", "implausible_above")
        yield limit_or_number(above, rule, here, unit="times")
    yield from _in_no_response(rule, fact.no_response_when, (*path, "no_response_when"))
    for window in ("baseline_within", "last_score_within", "switch_within"):
        around = getattr(fact.no_response_when, window)
        yield from duration(around.before, rule, (*path, "no_response_when", window, "before"))
        yield from duration(around.after, rule, (*path, "no_response_when", window, "after"))
    lasts = fact.no_response_when.augmentation_lasts_at_least
    yield from duration(lasts, rule, (*path, "no_response_when", "augmentation_lasts_at_least"))


def _in_items(rule: Rule, items: Iterable[Any], path: Path) -> Iterator[NameReference]:
    for index, item in enumerate(items):
        here = (*path, index)
        match item:
            case f.BandsItem():
                yield NameReference(item.from_, NUMBER, rule, (*here, "from"))
            case f.EachItem():
                yield NameReference(item.each, NUMBER, rule, (*here, "each"))
            case f.IfItem():
                yield NameReference(item.if_, PRESENT, rule, (*here, "if"))
            case f.HighestItem():
                yield from _in_items(rule, item.highest_of, (*here, "highest_of"))


def _in_trace(rule: Rule, traced: list[str] | str, path: Path) -> Iterator[NameReference]:
    several = isinstance(traced, list)
    for index, name in enumerate(listed(traced)):
        yield NameReference(name, TRACED, rule, (*path, index) if several else path)


def _in_treatment(rule: Rule, fact: Any, path: Path) -> Iterator[NameReference | BareNumber]:
    """What facts about orders, treatments and what came of them read."""

    match fact:
        case f.DraftOrderFact() if fact.different_from:
            yield NameReference(fact.different_from, TRIALS, rule, (*path, "different_from"))
        case f.TreatmentFact() if fact.repeated is not None:
            yield limit_or_number(fact.repeated, rule, (*path, "repeated"), unit="days")
        case f.CourseFact():
            yield NameReference(fact.treatment, TREATMENT, rule, (*path, "treatment"))
            yield NameReference(fact.score, SCORE, rule, (*path, "score"))
            yield from duration(fact.ended_before, rule, (*path, "ended_before"))
            yield from duration(fact.or_lasts_at_least, rule, (*path, "or_lasts_at_least"))
            yield from duration(fact.baseline_within, rule, (*path, "baseline_within"))
            yield from duration(fact.last_score_within.before, rule, (*path, "last_score_within", "before"))
            yield from duration(fact.last_score_within.after, rule, (*path, "last_score_within", "after"))
            yield limit_or_number(fact.sessions_at_least, rule, (*path, "sessions_at_least"), unit="sessions")
            yield limit_or_number(fact.falls_less_than, rule, (*path, "falls_less_than"), unit="percent")
        case f.RiseFact():
            yield NameReference(fact.score, SCORE, rule, (*path, "score"))
            for index, since in enumerate(fact.since):
                yield NameReference(since, STATEMENT, rule, (*path, "since", index))
        case f.PlaceOfOrderFact():
            yield NameReference(fact.order, DRAFT, rule, (*path, "order"))
            yield NameReference(fact.after, TRIALS, rule, (*path, "after"))


def _in_no_response(rule: Rule, spec: f.NoResponseWhen, path: Path) -> Iterator[NameReference | BareNumber]:
    for index, by in enumerate(spec.measured_by):
        here = (*path, "measured_by", index)
        yield NameReference(by.score, SCORE, rule, (*here, "score"))
        for key in ("still_symptomatic_at", "remission_below"):
            yield limit_or_number(getattr(by, key), rule, (*here, key), beside=by.score)
    yield limit_or_number(spec.falls_less_than, rule, (*path, "falls_less_than"), unit="percent")
    if spec.partial_response is not None:
        here = (*path, "partial_response")
        yield limit_or_number(spec.partial_response.from_, rule, (*here, "from"), unit="percent")
        yield limit_or_number(spec.partial_response.below, rule, (*here, "below"), unit="percent")
    yield from word_or_name(spec.accepts, f.ACCEPTS, rule, (*path, "accepts"))


def _in_text(rule: Rule, text: TextAt) -> Iterator[NameReference]:
    for hole in placeholders_in(text.text):
        if not hole.name or hole.word not in HOLE_WANTS:
            continue
        wants = SUMMARY if text.place == "summary" and not hole.word else HOLE_WANTS[hole.word]
        yield NameReference(hole.name, wants, rule, text.path, hole=True)
