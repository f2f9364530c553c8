"""The tree of reasons of an answer, down to FHIR references; and what would settle what is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cds.facts.fact import Fact, Facts, WhyUnknown
from cds.reasoning.direct import Direct, compare
from cds.rulebook.conditions import (
    All,
    Any,
    AtLeast,
    Compare,
    Comparison,
    Condition,
    Name,
    Not,
    Possibly,
    Unknown,
    names_in,
    walk,
)
from cds.rulebook.program import Cited, Head
from cds.truth import Truth, at_least, every, some

SAID = {
    Comparison.AT_LEAST: "at least",
    Comparison.ABOVE: "above",
    Comparison.AT_MOST: "at most",
    Comparison.BELOW: "below",
}


@dataclass(frozen=True, slots=True)
class Why:
    """
    One node of the tree of reasons.

    Attributes:
        name: Fact or head; "" for a group.
        label: What a clinician reads; "" for a group.
        truth: Its answer.
        words: How it reads: "PHQ-9 total score: 17, at least 10 is asked for".
        because: The fact's reason.
        why_unknown: Why the fact is unknown, None if it is known.
        sources: FHIR references of the fact.
        citations: Evidence of the head.
        children: What it rests on, all of it.
        decides: It is one of those that settle its parent's answer.
    """

    name: str
    label: str
    truth: Truth
    words: str = ""
    because: str = ""
    why_unknown: WhyUnknown | None = None
    sources: tuple[str, ...] = ()
    citations: tuple[Cited, ...] = ()
    children: tuple[Why, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """
    Something that would settle an unknown answer.

    Attributes:
        fact: Name of the fact.
        label: What a clinician reads.
        what: What is missing: "venlafaxine dose".
        because: Why it is unknown.
        why_unknown: The kind of that.
        could_become: What the answer could become if this alone were known: "true or false", "true", "false", or
            "not settled by this alone".
    """

    fact: str
    label: str
    what: str
    because: str
    why_unknown: WhyUnknown | None
    could_become: str


def explain(name: str, heads: Mapping[str, Head], facts: Facts, truths: Mapping[str, Truth]) -> Why:
    """The complete tree of reasons of a head."""
    head = heads[name]
    inner = _node(head.condition, heads, facts, truths)
    children = inner.children if not inner.name and inner.children else (inner,)
    return Why(
        name=name,
        label=head.label,
        truth=truths[name],
        words=head.label,
        citations=head.evidence,
        children=children,
    )


def _node(condition: Condition, heads: Mapping[str, Head], facts: Facts, truths: Mapping[str, Truth]) -> Why:
    def inside(parts: tuple[Condition, ...]) -> tuple[Why, ...]:
        return tuple(_node(part, heads, facts, truths) for part in parts)

    match condition:
        case Name(name) if name in heads:
            return explain(name, heads, facts, truths)
        case Name(name):
            return _statement(facts[name])
        case Compare():
            return _comparison(condition, facts[condition.fact])
        case All(parts):
            children = inside(parts)
            return Why("", "", every(child.truth for child in children), "all of", children=children)
        case Any(parts):
            children = inside(parts)
            return Why("", "", some(child.truth for child in children), "any of", children=children)
        case AtLeast(count, parts):
            children = inside(parts)
            truth = at_least(count, (child.truth for child in children))
            return Why("", "", truth, f"at least {count} of", children=children)
        case Not(part):
            child = _node(part, heads, facts, truths)
            words = f"no {child.words[0].lower()}{child.words[1:]}" if child.words else "not"
            words = f"not: {child.words}" if child.words else "not"
            return Why(child.name, child.label, ~child.truth, words, child.because, child.why_unknown, child.sources,
                       child.citations, child.children)  # fmt: skip
        case Unknown(part):
            child = _node(part, heads, facts, truths)
            return Why("", "", Truth.of(child.truth is Truth.UNKNOWN), f"cannot be told: {child.words}", children=(child,))
        case Possibly(part):
            child = _node(part, heads, facts, truths)
            truth = Truth.of(child.truth is not Truth.FALSE)
            return Why("", "", truth, f"not ruled out: {child.words}", children=(child,))


def _statement(fact: Fact) -> Why:
    return Why(
        fact.name, fact.label, Truth.UNKNOWN if fact.truth is None else fact.truth, fact.label, fact.because, fact.why_unknown, _sources(fact)
    )


def _comparison(condition: Compare, fact: Fact) -> Why:
    ranges = {fact.name: (fact.low, fact.high)} if fact.low is not None and fact.high is not None else {}
    is_ = fact.text or "unknown"
    unit = "" if condition.unit.startswith("{") or not condition.unit else f" {condition.unit}"
    words = f"{fact.label}: {is_}, {SAID[condition.how]} {condition.limit:g}{unit} is asked for"
    return Why(
        fact.name, fact.label, compare(condition, ranges), words, fact.because, fact.why_unknown, _sources(fact)
    )


def _sources(fact: Fact) -> tuple[str, ...]:
    return tuple(sorted({found.reference for found in fact.found}))


def missing(
    name: str, heads: Mapping[str, Head], facts: Facts, truths: Mapping[str, Truth]
) -> tuple[Missing, ...]:
    """
    What would settle an unknown head: the unknown facts that can still change it, and nothing else.

    A fact under a branch that is settled either way is not missing. Empty for a head that is not unknown.
    """
    if truths[name] is not Truth.UNKNOWN:
        return ()
    open_facts = list(dict.fromkeys(_open(heads[name].condition, heads, facts, truths)))
    could = _Could(name, heads, facts)
    found = []
    for fact_name in open_facts:
        fact = facts[fact_name]
        for what in fact.missing or (fact.label,):
            found.append(
                Missing(fact_name, fact.label, what, fact.because, fact.why_unknown, could.become(fact_name))
            )
    return tuple({item.what: item for item in reversed(found)}.values())[::-1]


def _open(
    condition: Condition, heads: Mapping[str, Head], facts: Facts, truths: Mapping[str, Truth]
) -> list[str]:
    """Facts that are unknown and under no settled branch, in reading order."""
    node = _node(condition, heads, facts, truths)
    if node.truth is not Truth.UNKNOWN:
        return []
    match condition:
        case Name(name) if name in heads:
            return _open(heads[name].condition, heads, facts, truths)
        case Name(name):
            return [name]
        case Compare(fact):
            return [fact]
        case All(parts) | Any(parts) | AtLeast(_, parts):
            return [name for part in parts for name in _open(part, heads, facts, truths)]
        case Not(part):
            return _open(part, heads, facts, truths)
    return []


class _Could:
    """What a head could become if one fact alone were known."""

    def __init__(self, name: str, heads: Mapping[str, Head], facts: Facts) -> None:
        self._name = name
        reached = _reach(name, heads)
        self._conditions = {other: heads[other].condition for other in reached}
        self._direct = Direct(self._conditions)
        self._statements = {n: f.truth for n, f in facts.by_name.items() if f.truth is not None}
        self._ranges = {
            n: (f.low, f.high) for n, f in facts.by_name.items() if f.low is not None and f.high is not None
        }

    def become(self, fact: str) -> str:
        """In words."""
        truths = set()
        if fact in self._statements:
            for truth in (Truth.TRUE, Truth.FALSE):
                truths.add(self._direct.run(self._statements | {fact: truth}, self._ranges)[self._name])
        else:
            for value in self._telling_values(fact):
                truths.add(self._direct.run(self._statements, self._ranges | {fact: (value, value)})[self._name])
        settled = sorted(truth.value for truth in truths - {Truth.UNKNOWN})
        if not settled:
            return "not settled by this alone"
        return " or ".join(reversed(settled)) if len(settled) > 1 else f"could make it {settled[0]}"

    def _telling_values(self, fact: str) -> list[float]:
        """Values of the fact, inside what is known of it, on both sides of every limit it is compared with."""
        low, high = self._ranges.get(fact, (float("-inf"), float("inf")))
        limits = [
            part.limit
            for condition in self._conditions.values()
            for part in walk(condition)
            if isinstance(part, Compare) and part.fact == fact
        ]
        values = [limit + step for limit in limits for step in (-1, 0, 1)]
        return [value for value in values if low <= value <= high]


def _reach(name: str, heads: Mapping[str, Head]) -> list[str]:
    seen: dict[str, None] = {}
    to_do = [name]
    while to_do:
        head = to_do.pop()
        if head not in seen:
            seen[head] = None
            to_do.extend(names_in(heads[head].condition) & heads.keys())
    return list(seen)
