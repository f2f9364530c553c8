"""One case + rules → Verdict: passed, or what differed and the reasons for it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import msgspec

from cds.authoring.testing.cases import REFUSALS, Between, Case
from cds.authoring.testing.fhir_writer import overrides_of, request_of, templates_for
from cds.authoring.testing.resource_writer import FhirWriterError
from cds.cards.card import Card
from cds.decide import Decision, Ruleset, decide
from cds.engine.explain import Why, explain, missing
from cds.errors import RequestError
from cds.facts.fact import Fact
from cds.logic.truth import Truth
from cds.read_request import read_file
from cds.read_request import record_of as record_in
from cds.record.bundle import read_bundle
from cds.record.model import PatientRecord, without_overrides

BOUNDS: dict[str, Any] = {
    "most_entries": 100_000,
    "max_depth": 64,
}  # every observation is read, those that no rule asks for, too

Decide = Callable[["Ruleset", PatientRecord, date, str | None], "Decision"]
Tell = Callable[[Case, "Ruleset", "Decision"], None]


@dataclass(frozen=True, slots=True)
class CaseVerdict:
    """
    What came of one case.

    Attributes:
        case: Which.
        passed: Whether everything it claims is so.
        differences: What is not, shortest words first needed to see it; empty when passed.
        why: The tree of reasons of every conclusion that differed, a line each.
        cards: Names of the cards shown, in their order; None when the request was refused.
    """

    case: Case
    passed: bool
    differences: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    cards: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """The case's sentence."""
        return self.case.name

    @property
    def text(self) -> str:
        """What a rule author reads of a failing case: where, what differs, and why it is as it is."""
        lines = [f"{self.case.file}:{self.case.line}", *(f"  {difference}" for difference in self.differences)]
        if self.why:
            lines += ["", *(f"  {line}" for line in self.why)]
        return "\n".join(lines)


def run_case(case: Case, rules: Ruleset, decide: Decide = decide, tell: Tell | None = None) -> CaseVerdict:
    """
    Run one case through the whole flow: FHIR JSON, record, facts, conclusions, cards.

    `rules` must already be made for the case's `with` (see variants.py). `tell` hears of the decision.
    """
    try:
        record = record_of(case, rules)
    except RequestError as refusal:
        return _refused(case, refusal)
    except FhirWriterError as error:
        return CaseVerdict(case, False, (f"this patient cannot be described: {error}",))
    if case.then.error:
        return CaseVerdict(case, False, (f"error: expected {case.then.error}, but the request was answered",))
    decision = decide(rules, record, case.today, case.service or None)
    if tell is not None:
        tell(case, rules, decision)
    found = tuple(differences(case, rules, decision))
    return CaseVerdict(
        case=case,
        passed=not found,
        differences=tuple(text for text, _ in found),
        why=tuple(_reasons(rules, decision, dict.fromkeys(head for _, heads in found for head in heads))),
        cards=tuple(card.name for card in decision.cards),
    )


def record_of(case: Case, rules: Ruleset) -> PatientRecord:
    """
    The record of a case, read from FHIR JSON as the server reads it.

    Raises:
        RequestError: The data are impossible to answer from.
        FhirWriterError: The rules folder lacks a code the shorthand names.
    """
    if case.bundle is not None:
        return read_bundle(case.bundle.read_bytes(), **BOUNDS)
    templates: dict[str, str] = {}
    if case.request is not None:
        asked = read_file(case.request.read_bytes())
        for service in rules.program.services.values():
            templates |= service.templates
    elif case.patient is not None:
        hook = "order-sign" if case.patient.orders else "patient-view"
        asked = read_file(msgspec.json.encode(request_of(case.patient, case.today, rules.program.codes, hook)))
    else:
        raise ValueError("a case gives a patient, a request or a bundle")
    record = record_in(asked, templates_for(asked.prefetch) | templates, BOUNDS)
    if case.patient is None:
        return record
    if "overrides" in {*case.patient.not_sent, *case.patient.failed}:
        return without_overrides(record)
    return replace(record, overrides=overrides_of(case.patient, case.today))


# ---------------------------------------------------------------- differences

Difference = tuple[str, tuple[str, ...]]
"""What differs in one sentence, and the heads whose reasons explain it."""


def _refused(case: Case, refusal: RequestError) -> CaseVerdict:
    name = next((name for name, kind in REFUSALS.items() if type(refusal) is kind), type(refusal).__name__)
    if case.then.error == name:
        return CaseVerdict(case, True)
    expected = case.then.error or "an answer"
    return CaseVerdict(case, False, (f"error: expected {expected}, got {name}: {refusal.what}",))


def differences(case: Case, rules: Ruleset, decision: Decision) -> Iterator[Difference]:
    """What of a decision is not as the case says."""
    then = case.then
    for name, expected in then.answers.items():
        yield from _answer(name, expected, decision)
    for definitions in rules.program.definitions.values():
        for definition in definitions:
            if definition.id in then.definitions:
                truth, expected = decision.truths[definition.head].value, then.definitions[definition.id]
                if not _is(truth, expected):
                    yield f"{definition.id}: expected {_word(expected)}, got {truth}", (definition.head,)
    shown = [card.name for card in decision.cards]
    listed = ", ".join(shown) or "none"
    if then.cards is not None and then.cards != shown:
        odd = [f"card:{name}" for name in {*then.cards} ^ {*shown}]
        yield f"cards: expected {', '.join(then.cards) or 'none'}, got {listed}", tuple(sorted(odd))
    if then.no_cards and shown:
        yield f"no_cards: got {listed}", tuple(f"card:{name}" for name in shown)
    if then.first_card and shown[:1] != [then.first_card]:
        yield f"first_card: expected {then.first_card}, got {listed}", (f"card:{then.first_card}",)
    for name in then.shows:
        if name not in shown:
            yield f"shows: {name} is not shown; shown: {listed}", (f"card:{name}",)
    in_order = [name for name in shown if name in then.shows]
    if len(in_order) == len(then.shows) and in_order != then.shows:
        yield f"shows: expected {', '.join(then.shows)} in this order, got {', '.join(in_order)}", ()
    for name in then.does_not_show:
        if name in shown:
            yield f"does_not_show: {name} is shown", (f"card:{name}",)
    indicators = {card.name: card.indicator for card in decision.cards}
    for card, indicator in then.indicators.items():
        if indicators.get(card) != indicator:
            yield (
                f"indicators: expected {card} as {indicator}, got {indicators.get(card, 'no such card')}",
                (f"card:{card}",),
            )
    for card, numbers in then.notes.items():
        yield from _notes(card, numbers, decision)
    yield from _texts(then.says, then.says_not, decision.cards)
    if then.missing:
        listed_missing = tuple(dict.fromkeys(_missing(case, rules, decision)))
        yield from _fragments("missing", then.missing, listed_missing)
    issues = tuple(f"{issue.what} {issue.where}" for issue in decision.record.issues)
    because = tuple(sent.because for kind in decision.record.sent.values() for sent in kind if sent.because)
    yield from _fragments("data_quality", then.data_quality, issues + because)


def _answer(name: str, expected: Any, decision: Decision) -> Iterator[Difference]:
    if name in decision.truths:
        truth = decision.truths[name].value
        if not _is(truth, expected):
            yield f"{name}: expected {_word(expected)}, got {truth}", (name,)
        return
    fact = decision.facts.by_name.get(name)
    if fact is None:
        yield f"{name}: nothing of this name was concluded; its rule file is a draft or retired", ()
    elif not matches(fact, expected):
        why = f" ({fact.because})" if fact.because else ""
        yield f"{name}: expected {_word(expected)}, got {said(fact)}{why}", ()


def matches(fact: Fact, expected: Any) -> bool:
    """Whether a fact is what a case says: exactly, so a range is not one of the numbers in it."""
    if fact.truth is not None:
        return _is(fact.truth.value, expected)
    if expected == "unknown":
        return fact.low is None and fact.high is None and fact.day is None and not fact.trials
    if isinstance(expected, bool):
        return False
    if isinstance(expected, dict):
        if "not" in expected:
            return expected["not"] == "unknown" and not matches(fact, "unknown")
        wanted = Between.model_validate(expected)
        return (fact.low, None if fact.high == math.inf else fact.high) == (wanted.from_, wanted.to)
    if isinstance(expected, int | float):
        if fact.low is None and fact.high is None and fact.unit == "" and fact.why_unknown is None:
            return len(fact.trials) == expected
        return fact.low == fact.high == expected
    return fact.day is not None and fact.day.text == _word(expected)


def _is(truth: str, expected: Any) -> bool:
    if isinstance(expected, dict):
        return set(expected) == {"not"} and truth != _word(expected["not"])
    return truth == _word(expected)


def said(fact: Fact) -> str:
    """A fact's value in words, as a case would write it."""
    if fact.truth is not None:
        return fact.truth.value
    if fact.low is not None or fact.high is not None:
        if fact.low == fact.high:
            return f"{fact.low:g}"
        low = "" if fact.low is None else f"{fact.low:g}"
        high = "" if fact.high in (None, math.inf) else f"{fact.high:g}"
        return f"{{from: {low}, to: {high}}}" if high else f"{{from: {low}}}"
    if fact.day is not None:
        return fact.day.text
    if fact.trials:
        return str(len(fact.trials))
    return fact.text or "unknown"


def _word(expected: Any) -> str:
    if isinstance(expected, bool):
        return "true" if expected else "false"
    if isinstance(expected, date):
        return expected.isoformat()
    if isinstance(expected, dict):
        return "{" + ", ".join(f"{key}: {_word(value)}" for key, value in expected.items()) + "}"
    return str(expected)


def _notes(card: str, numbers: list[int], decision: Decision) -> Iterator[Difference]:
    prefix = f"note:{card}:"
    heads = [head for head in decision.truths if head.startswith(prefix)]
    true = sorted(int(head.removeprefix(prefix)) for head in heads if decision.truths[head] is Truth.TRUE)
    if true != sorted(numbers):
        odd = tuple(f"{prefix}{number}" for number in sorted({*true} ^ {*numbers}))
        yield f"notes of {card}: expected {sorted(numbers)}, got {true}", odd


def _texts(says: Iterable[str], says_not: Iterable[str], cards: Iterable[Card]) -> Iterator[Difference]:
    texts = {card.name: plain(" ".join(_text_of(card))) for card in cards}
    for fragment in says:
        if not any(plain(fragment) in text for text in texts.values()):
            shown = ", ".join(texts) or "none"
            yield f"says: no card shown says “{fragment}”; shown: {shown}", tuple(f"card:{name}" for name in texts)
    for fragment in says_not:
        for name, text in texts.items():
            if plain(fragment) in text:
                yield f"says_not: {name} says “{fragment}”", (f"card:{name}",)


def _text_of(card: Card) -> Iterator[str]:
    yield card.summary
    yield card.detail
    yield from (suggestion.label for suggestion in card.suggestions)
    yield from (link.label for link in card.links)


def plain(text: str) -> str:
    """Text without case, Markdown escapes and line breaks, so that a fragment is found where a reader sees it."""
    return " ".join(re.sub(r"\\([!-/:-@\[-`{-~])|[*`]", r"\1", text).split()).casefold()


def _fragments(key: str, fragments: Iterable[str], texts: tuple[str, ...]) -> Iterator[Difference]:
    for fragment in fragments:
        if not any(plain(fragment) in plain(text) for text in texts):
            yield f"{key}: expected “{fragment}”, got {'; '.join(texts) or 'nothing'}", ()


# ---------------------------------------------------------------- reasons


def _missing(case: Case, rules: Ruleset, decision: Decision) -> Iterator[str]:
    """What would settle the unknown conclusions the case names; of all unknown conclusions when it names none."""
    heads = rules.program.heads
    named = [name for name in case.then.answers if name in heads]
    for name in named or [name for name in heads if ":" not in name]:
        if decision.truths.get(name) is Truth.UNKNOWN:
            for item in missing(name, heads, decision.facts, decision.truths):
                yield item.what
    for name in case.then.answers:
        if name in decision.facts.by_name:
            yield from decision.facts[name].missing


def _reasons(rules: Ruleset, decision: Decision, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name in rules.program.heads:
            yield from tree(explain(name, rules.program.heads, decision.facts, decision.truths))


def tree(why: Why, depth: int = 0) -> Iterator[str]:
    """A tree of reasons as indented lines."""
    name = f"  {why.name}" if why.name else ""
    because = f" ({why.because})" if why.because else ""
    sources = f" [{', '.join(why.sources)}]" if why.sources else ""
    yield f"{'  ' * depth}{why.truth.value:<8}{why.words or why.label}{because}{sources}{name}"
    for child in why.children:
        yield from tree(child, depth + 1)
