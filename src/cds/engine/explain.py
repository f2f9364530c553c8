"""The tree of reasons of an answer, down to FHIR references; and what would settle what is unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain, pairwise
from math import inf, isfinite
from typing import NamedTuple, overload
from weakref import WeakValueDictionary

from cds.engine.kleene import KleeneEvaluator
from cds.facts.fact import Fact, Facts, WhyUnknown
from cds.locale.sentence import join_texts, say
from cds.logic.conditions import (
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
    parts_of,
    walk,
)
from cds.logic.truth import Truth
from cds.rulebook.compiled_ruleset import CompiledConclusion, EvidenceItem

SAID = {
    Comparison.AT_LEAST: "≥",
    Comparison.ABOVE: ">",
    Comparison.AT_MOST: "≤",
    Comparison.BELOW: "<",
}
UNITS = {
    "mm[Hg]": "mmHg", "a": say("years"), "mo": say("months"), "wk": say("weeks"), "d": say("days"), "1": "",
    "diagnoses": say("diagnoses"), "drugs": say("drugs"), "issues": say("issues"), "items": say("items"),
    "points": say("points"), "sessions": say("sessions"), "switches": say("switches"), "trials": say("trials"),
    "years": say("years"), "days": say("days"),
}  # fmt: skip

IN_WORDS = {Truth.TRUE: say("true"), Truth.FALSE: say("false"), Truth.UNKNOWN: say("unknown")}


class ReasonKind(Enum):
    """What a node of the tree of reasons is."""

    FACT = "fact"
    COMPARISON = "comparison"
    CONCLUSION = "conclusion"
    ALL = say("all of")
    ANY = say("any of")
    AT_LEAST = say("at least")
    UNKNOWN = say("unknown whether")
    POSSIBLY = say("not ruled out")

    @property
    def about_knowing(self) -> bool:
        """Whether the node says how well its one child is known, and not what is so."""
        return self in (ReasonKind.UNKNOWN, ReasonKind.POSSIBLY)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Why:
    """
    One node of the tree of reasons.

    Attributes:
        name: Fact or head; "" for a group.
        label: What a clinician reads; "" for a group.
        truth: Its answer.
        kind: What the node is.
        thing: How what it is about reads: "PHQ-9 total score: 17 (requires ≥ 10)".
        negated: The thing must not be: `truth` is the opposite of the thing's own answer.
        because: The fact's reason.
        why_unknown: Why the fact is unknown, None if it is known.
        sources: FHIR references of the fact.
        citations: Evidence of the head.
        children: What it rests on, all of it.
    """

    name: str
    label: str
    truth: Truth
    kind: ReasonKind
    thing: str = ""
    because: str = ""
    why_unknown: WhyUnknown | None = None
    sources: tuple[str, ...] = ()
    citations: tuple[EvidenceItem, ...] = ()
    children: Sequence[Why] = ()
    negated: bool = False

    @property
    def words(self) -> str:
        """How the node reads; that it must not be is said before it."""
        return say("not: {thing}", thing=self.thing) if self.negated else self.thing

    @property
    def answer(self) -> Truth:
        """What is the case with the thing itself, whether it must be or must not."""
        return ~self.truth if self.negated else self.truth


class _LazyChildren(Sequence[Why]):
    """Children that are made when somebody looks at them: most of a tree is never read."""

    def __init__(self, make: Callable[[], Iterable[Why]]) -> None:
        self._make = make
        self._made: tuple[Why, ...] | None = None

    def _all(self) -> tuple[Why, ...]:
        if self._made is None:
            self._made = tuple(self._make())
        return self._made

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[Why]:
        return iter(self._all())

    @overload
    def __getitem__(self, index: int) -> Why: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Why]: ...
    def __getitem__(self, index: int | slice) -> Why | Sequence[Why]:
        return self._all()[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._all() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._all())


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
        could: What the answer could become if this alone were known: TRUE, FALSE, both, or neither if it would not
            settle it alone.
    """

    fact: str
    label: str
    what: str
    because: str
    why_unknown: WhyUnknown | None
    could: tuple[Truth, ...]

    @property
    def could_become(self) -> str:
        """What it could do to the answer, in words."""
        could = join_texts(say(" or "), (IN_WORDS[truth] for truth in self.could))
        return say("could make it {could}", could=could) if could else say("would not settle it alone")


def explain(name: str, heads: Mapping[str, CompiledConclusion], facts: Facts, truths: Mapping[str, Truth]) -> Why:
    """The complete tree of reasons of a head. If its condition is one group, the group's parts are its children."""
    return Reasons(heads, facts, truths).why(name)


class Reasons:
    """The trees of reasons of one answer; what several heads rest on is explained once."""

    def __init__(self, heads: Mapping[str, CompiledConclusion], facts: Facts, truths: Mapping[str, Truth]) -> None:
        self._heads = heads
        self._facts = facts
        self._truths = truths
        self._answered = _AnswerView(facts, truths)
        # Weakly: a tree makes its children by this, so that holding the tree would close a circle that only the
        # garbage collector opens. Whoever reads a tree holds it.
        self._known: WeakValueDictionary[str, Why] = WeakValueDictionary()

    def why(self, name: str) -> Why:
        """As `explain`."""
        known = self._known.get(name)
        if known is None:
            head = self._heads[name]
            condition = head.condition
            parts = parts_of(condition) if isinstance(condition, All | Any | AtLeast) else (condition,)
            known = self._known[name] = Why(
                name=name,
                label=head.label,
                truth=self._truths[name],
                kind=ReasonKind.CONCLUSION,
                thing=head.label,
                citations=head.evidence,
                children=self._nodes(parts),
            )
        return known

    def _node(self, condition: Condition) -> Why:
        match condition:
            case Name(name) if name in self._heads:
                return self.why(name)
            case Name(name):
                return _statement(self._facts[name])
            case Compare():
                return _comparison(condition, self._facts[condition.fact])
            case All(parts):
                return self._group(condition, ReasonKind.ALL, parts)
            case Any(parts):
                return self._group(condition, ReasonKind.ANY, parts)
            case AtLeast(count, parts):
                return self._group(condition, ReasonKind.AT_LEAST, parts, say("at least {count} of", count=count))
            case Not(part):
                child = self._node(part)
                return replace(child, truth=~child.truth, negated=not child.negated)
            case Unknown(part):
                return _about(self._node(part), ReasonKind.UNKNOWN, self._answered.truth(condition))
            case Possibly(part):
                return _about(self._node(part), ReasonKind.POSSIBLY, self._answered.truth(condition))

    def _group(self, condition: Condition, kind: ReasonKind, parts: tuple[Condition, ...], words: str = "") -> Why:
        return Why("", "", self._answered.truth(condition), kind, words or kind.value, children=self._nodes(parts))

    def _nodes(self, parts: tuple[Condition, ...]) -> Sequence[Why]:
        return _LazyChildren(lambda: map(self._node, parts))


def deciding(why: Why) -> tuple[str, ...]:
    """In words, the parts that make a false conclusion false, or leave an unknown one open."""
    found: list[str] = []
    for child in why.children:
        if child.truth is why.truth:
            found.extend((child.words or child.label,) if child.label else deciding(child))
    return tuple(found)


def _about(child: Why, kind: ReasonKind, truth: Truth) -> Why:
    """A statement about how well the child is known; it keeps the child's name, and the child with its own truth."""
    return Why(
        name=child.name,
        label=child.label,
        truth=truth,
        kind=kind,
        thing=join_texts(": ", [kind.value, child.words or child.label]),
        because=child.because,
        why_unknown=child.why_unknown,
        children=(child,),
    )


class _AnswerView:
    """What was answered, ready to judge any part of a condition by."""

    def __init__(self, facts: Facts, truths: Mapping[str, Truth]) -> None:
        statements = {name: fact.truth for name, fact in facts.by_name.items() if fact.truth is not None}
        self._truth_of = _KnownTruths({**statements, **truths}).__getitem__
        self._ranges = _ranges(facts.by_name.values())

    def truth(self, condition: Condition) -> Truth:
        """As it came out."""
        return condition.truth(self._truth_of, self._ranges)


class _KnownTruths(dict[str, Truth]):
    """Name → its truth, unknown where nothing says it."""

    def __missing__(self, name: str) -> Truth:
        return Truth.UNKNOWN


def _ranges(facts: Iterable[Fact]) -> dict[str, tuple[float, float]]:
    return {fact.name: (fact.low, fact.high) for fact in facts if fact.low is not None and fact.high is not None}


def _statement(fact: Fact) -> Why:
    return Why(
        name=fact.name,
        label=fact.label,
        truth=Truth.UNKNOWN if fact.truth is None else fact.truth,
        kind=ReasonKind.FACT,
        thing=fact.label,
        because=fact.because,
        why_unknown=fact.why_unknown,
        sources=_sources(fact),
    )


def _comparison(condition: Compare, fact: Fact) -> Why:
    unit = "" if condition.unit.startswith("{") else UNITS.get(condition.unit, condition.unit)
    limit = f"{SAID[condition.how]} {condition.limit:.12g}"
    asked = join_texts(" ", [limit, unit]) if unit else limit
    return Why(
        name=fact.name,
        label=fact.label,
        truth=condition.against(_ranges([fact])),
        kind=ReasonKind.COMPARISON,
        thing=say(
            "{label}: {text} (requires {asked})", label=fact.label, text=fact.text or say("unknown"), asked=asked
        ),
        because=fact.because,
        why_unknown=fact.why_unknown,
        sources=_sources(fact),
    )


def _sources(fact: Fact) -> tuple[str, ...]:
    return tuple(sorted({found.reference for found in fact.found}))


def missing(
    name: str, heads: Mapping[str, CompiledConclusion], facts: Facts, truths: Mapping[str, Truth]
) -> tuple[Missing, ...]:
    """
    What would settle an unknown head: the unknown facts that can still change it, and nothing else.

    A fact under a branch that is settled either way is not missing. Empty for a head that is not unknown.
    """
    if truths[name] is not Truth.UNKNOWN:
        return ()
    could = _Could(name, heads, facts)
    found, becoming = [], dict[str, tuple[Truth, ...]]()
    for fact, what in lacking([name], heads, facts, truths).get(name, ()):
        if fact.name not in becoming:
            becoming[fact.name] = could.become(fact.name)
        found.append(Missing(fact.name, fact.label, what, fact.because, fact.why_unknown, becoming[fact.name]))
    return tuple(found)


class Lacking(NamedTuple):
    """A fact whose knowledge can change an unknown head, and what is missing of it: "venlafaxine dose"."""

    fact: Fact
    what: str


def lacking(
    names: Iterable[str], heads: Mapping[str, CompiledConclusion], facts: Facts, truths: Mapping[str, Truth]
) -> dict[str, tuple[Lacking, ...]]:
    """Each unknown head among `names` → as `missing`, without what each fact could make of it; for many heads."""
    answered = _AnswerView(facts, truths)
    open_under: dict[str, list[str]] = {}
    of_facts: dict[str, list[Lacking]] = {}
    found = {}
    for name in names:
        if truths.get(name) is Truth.UNKNOWN:
            first: dict[str, Lacking] = {}
            for fact in _open_under(name, heads, answered, open_under):
                if fact not in of_facts:
                    one = facts[fact]
                    of_facts[fact] = [Lacking(one, what) for what in one.missing or (one.label,)]
                for lack in of_facts[fact]:
                    first.setdefault(lack.what, lack)
            found[name] = tuple(first.values())
    return found


def _open_under(
    name: str, heads: Mapping[str, CompiledConclusion], answered: _AnswerView, known: dict[str, list[str]]
) -> list[str]:
    """Facts that leave a head undecided, in reading order; `known` are those of heads that were asked for before."""
    found = known.get(name)
    if found is None:
        found = known[name] = list(dict.fromkeys(_undecided(heads[name].condition, heads, answered, known)))
    return found


def _undecided(
    condition: Condition,
    heads: Mapping[str, CompiledConclusion],
    answered: _AnswerView,
    known: dict[str, list[str]],
) -> list[str]:
    """Facts of an unknown condition that are unknown and under no settled branch, in reading order."""
    match condition:
        case Name(name):
            return _open_under(name, heads, answered, known) if name in heads else [name]
        case Compare(fact):
            return [fact]
        case All(parts) | Any(parts) | AtLeast(_, parts):
            unknown = [part for part in parts if answered.truth(part) is Truth.UNKNOWN]
            return [name for part in unknown for name in _undecided(part, heads, answered, known)]
        case Not(part):
            return _undecided(part, heads, answered, known)
    return []


class _Could:
    """What a head could become if one fact alone were known."""

    def __init__(self, name: str, heads: Mapping[str, CompiledConclusion], facts: Facts) -> None:
        self._name = name
        self._conditions = {other: heads[other].condition for other in _reach(name, heads)}
        self._direct = KleeneEvaluator(self._conditions)
        self._statements = {n: f.truth for n, f in facts.by_name.items() if f.truth is not None}
        self._ranges = _ranges(facts.by_name.values())
        self._limits: dict[str, set[float]] = {}
        for part in chain.from_iterable(map(walk, self._conditions.values())):
            if isinstance(part, Compare):
                self._limits.setdefault(part.fact, set()).add(part.limit)

    def become(self, fact: str) -> tuple[Truth, ...]:
        """TRUE, FALSE, both or neither."""
        could = set()
        if fact in self._statements:
            for truth in (Truth.TRUE, Truth.FALSE):
                could.add(self._direct.run(self._statements | {fact: truth}, self._ranges)[self._name])
        else:
            for value in self._telling_values(fact):
                could.add(self._direct.run(self._statements, self._ranges | {fact: (value, value)})[self._name])
        return tuple(truth for truth in (Truth.TRUE, Truth.FALSE) if truth in could)

    def _telling_values(self, fact: str) -> list[float]:
        """Values of the fact, inside what is known of it: on, between and beyond the limits it is compared with."""
        low, high = self._ranges.get(fact, (-inf, inf))
        limits = self._limits.get(fact, set())
        turns = sorted(
            {end for end in (low, high) if isfinite(end)} | {limit for limit in limits if low <= limit <= high}
        )
        if not turns:
            return []
        between = [(left + right) / 2 for left, right in pairwise(turns)]
        return [value for value in (turns[0] - 1, *turns, *between, turns[-1] + 1) if low <= value <= high]


def _reach(name: str, heads: Mapping[str, CompiledConclusion]) -> list[str]:
    seen: dict[str, None] = {}
    to_do = [name]
    while to_do:
        head = to_do.pop()
        if head not in seen:
            seen[head] = None
            to_do.extend(heads[head].reads & heads.keys())
    return list(seen)
