"""Rules + decision → what a reader needs to check the answer: what holds, why, what is missing, by which rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from cds.cards.card import Card
from cds.decide import Decision, Ruleset, index_day, truth_of
from cds.engine.explain import Missing, Reasons, Why, missing
from cds.facts.fact import Fact, FactSource
from cds.logic.truth import Truth
from cds.record.model import Issue
from cds.rulebook.compiled_ruleset import CompiledDefinition, CompiledRuleset, EvidenceItem, Published, RuleRef, Service
from cds.rulebook.reviews import OverdueReviews, overdue_reviews


@dataclass(frozen=True, slots=True)
class Criterion:
    """
    One node of the tree a reader opens: a criterion, or a group of them.

    Attributes:
        name: Of the conclusion or fact; "" for a group.
        words: How it reads: "PHQ-9 total score: 17 (requires ≥ 10)".
        truth: Its answer.
        answer: What is the case with what the words name; another truth where that must not be, or must be unknown.
        because: Why, in one sentence; "" for none.
        day: When it was observed or began; "" if that is not known.
        found: The entries of the record it rests on.
        citations: Its evidence.
        rule: The rule file it stands in; None for a fact or a group.
        parts: What it rests on.
    """

    name: str
    words: str
    truth: Truth
    answer: Truth
    because: str = ""
    day: str = ""
    found: tuple[FactSource, ...] = ()
    citations: tuple[EvidenceItem, ...] = ()
    rule: RuleRef | None = None
    parts: tuple[Criterion, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownCard:
    """A card that is shown, and what made it so."""

    card: Card
    criterion: Criterion


@dataclass(frozen=True, slots=True)
class OpenCard:
    """A card that could be shown if what is missing were known: its subject, and what is missing; never its alarm."""

    name: str
    subject: str
    missing: tuple[Missing, ...]


@dataclass(frozen=True, slots=True)
class MissingData:
    """One thing that is missing: what, why, and which conclusions it leaves open and what it could do to each."""

    what: str
    because: str
    opens: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """The conclusions of one rule file: those that hold, those nobody can tell, and those that do not hold."""

    rule: RuleRef
    holds: tuple[Criterion, ...]
    open: tuple[Criterion, ...]
    does_not_hold: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Definitions:
    """A conclusion under each of its definitions, with the reasons."""

    label: str
    each: tuple[tuple[CompiledDefinition, Criterion], ...]


@dataclass(frozen=True, slots=True)
class PublishedAnswer:
    """A definition of others: what it says, whether it is met, its day where it has one, and the reasons."""

    definition: Published
    truth: Truth
    day: date | None
    reasons: Criterion
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    The answer to one request, for a reader.

    Attributes:
        decision: The answer itself.
        service: Whose cards these are; None for those of all services.
        version: Of the rule set.
        shown: Cards, most important first.
        open: Cards that are not shown because something is missing.
        lacking: What is missing, first what could change most.
        files: Conclusions by rule file.
        definitions: Conclusions that are decided under several definitions.
        published: Definitions of others that are shown.
        facts: What was found in the record, by the label a clinician reads.
        issues: What of the data was left out or doubted.
        rules: The rule files that had a part in it.
        overdue: Reviews that were due before the day of the decision.
    """

    decision: Decision
    service: Service | None
    version: str
    shown: tuple[ShownCard, ...]
    open: tuple[OpenCard, ...]
    lacking: tuple[MissingData, ...]
    files: tuple[RuleExplanation, ...]
    definitions: tuple[Definitions, ...]
    published: tuple[PublishedAnswer, ...]
    facts: tuple[Fact, ...]
    issues: tuple[Issue, ...]
    rules: tuple[RuleRef, ...]
    overdue: OverdueReviews

    @property
    def questions(self) -> dict[str, dict[str, str]]:
        """Subject of the cards that are open → what is missing for them, each once, with its reason."""
        asked: dict[str, dict[str, str]] = {}
        for card in self.open:
            for item in card.missing:
                asked.setdefault(card.subject, {}).setdefault(item.what, item.because)
        return asked


def explanation_of(rules: Ruleset, decision: Decision, service: str | None) -> Explanation:
    """Explain a decision that was made for a service, or for all together."""
    program = rules.program
    plain = plain_conclusions(program)
    lacking = {
        name: missing(name, program.heads, decision.facts, decision.truths)
        for name in plain
        if decision.truths[name] is Truth.UNKNOWN
    }
    trees = _Trees(program, decision)
    conclusions = {name: trees.of(name) for name in plain}
    return Explanation(
        decision=decision,
        service=program.services[service] if service is not None else None,
        version=program.version,
        shown=tuple(ShownCard(card, trees.of(program.cards[card.name].head)) for card in decision.cards),
        open=_open_cards(program, decision, service),
        lacking=_by_thing(lacking, program),
        files=_files(program, decision, conclusions),
        definitions=tuple(
            Definitions(program.heads[name].label, tuple((one, trees.of(one.head)) for one in definitions))
            for name, definitions in program.definitions.items()
        ),
        published=tuple(
            PublishedAnswer(
                one,
                truth_of(one, decision),
                index_day(one, decision),
                trees.of(one.head),
                tuple(trees.of(name) for name in one.criteria),
            )
            for one in program.published
        ),
        facts=tuple(fact for name, fact in decision.facts.by_name.items() if name not in program.copies),
        issues=decision.record.issues,
        rules=tuple(sorted(program.rules.values(), key=lambda rule: rule.id)),
        overdue=overdue_reviews(program, decision.today),
    )


def plain_conclusions(program: CompiledRuleset) -> tuple[str, ...]:
    """Names of conclusions as their authors know them: no cards, no notes, no copies made for a definition."""
    return tuple(name for name, head in program.heads.items() if head.is_an_authors)


def criterion_of(program: CompiledRuleset, decision: Decision, name: str) -> Criterion:
    """The tree of one conclusion or card."""
    return _Trees(program, decision).of(name)


class _Trees:
    """The trees of criteria of one decision; what several conclusions rest on is made once."""

    def __init__(self, program: CompiledRuleset, decision: Decision) -> None:
        self._program = program
        self._facts = decision.facts
        self._reasons = Reasons(program.heads, decision.facts, decision.truths)
        self._known: dict[int, tuple[Why, Criterion]] = {}  # by the identity of the Why, which is held for that

    def of(self, name: str) -> Criterion:
        """The tree of a conclusion or card."""
        return self._criterion(self._reasons.why(name))

    def _criterion(self, why: Why) -> Criterion:
        if id(why) not in self._known:
            self._known[id(why)] = why, self._made(why)
        return self._known[id(why)][1]

    def _made(self, why: Why) -> Criterion:
        if why.kind.about_knowing:  # how well something is known: the thing itself says more
            thing = self._criterion(why.children[0])
            return replace(thing, truth=why.truth)
        parts = tuple(self._criterion(child) for child in why.children)
        if not why.name and len({(part.name, part.words) for part in parts}) == 1 and parts[0].name:
            # "It is not so, or cannot be told": all parts are about one thing, whose answer says as much.
            return replace(parts[0], truth=why.truth)
        fact = self._facts.by_name.get(why.name)
        head = self._program.heads.get(why.name)
        return Criterion(
            name=why.name,
            words=why.thing or why.label,
            truth=why.truth,
            answer=why.answer,
            because=why.because,
            day=fact.day.text if fact is not None and fact.day is not None else "",
            found=fact.found if fact is not None else (),
            citations=why.citations,
            rule=head.rule if head is not None else None,
            parts=parts,
        )


def _open_cards(program: CompiledRuleset, decision: Decision, service: str | None) -> tuple[OpenCard, ...]:
    names = program.services[service].cards if service is not None else program.cards
    texts = [program.cards[name] for name in names if decision.truths[program.cards[name].head] is Truth.UNKNOWN]
    return tuple(
        OpenCard(
            text.name,
            text.topic[2] if text.topic is not None else text.name.replace("_", " "),
            missing(text.head, program.heads, decision.facts, decision.truths),
        )
        for text in sorted(texts, key=lambda text: text.rank)
    )


def _by_thing(lacking: Mapping[str, Iterable[Missing]], program: CompiledRuleset) -> tuple[MissingData, ...]:
    because: dict[str, str] = {}
    opens: dict[str, dict[str, Missing]] = {}
    for name, items in lacking.items():
        for item in items:
            because.setdefault(item.what, item.because)
            opens.setdefault(item.what, {}).setdefault(program.heads[name].label, item)
    most_settled = sorted(opens, key=lambda what: -sum(bool(item.could) for item in opens[what].values()))
    return tuple(
        MissingData(what, because[what], tuple((label, item.could_become) for label, item in opens[what].items()))
        for what in most_settled
    )


def _files(program: CompiledRuleset, decision: Decision, trees: Mapping[str, Criterion]) -> tuple[RuleExplanation, ...]:
    by_file: dict[str, list[str]] = {}
    for name in trees:
        by_file.setdefault(program.heads[name].rule.id, []).append(name)

    def those(names: list[str], truth: Truth) -> tuple[Criterion, ...]:
        return tuple(trees[name] for name in names if decision.truths[name] is truth)

    return tuple(
        RuleExplanation(
            program.rules[rule],
            those(names, Truth.TRUE),
            those(names, Truth.UNKNOWN),
            those(names, Truth.FALSE),
        )
        for rule, names in sorted(by_file.items())
    )


def read_by(head: str, program: CompiledRuleset) -> frozenset[str]:
    """Names of the rule files a conclusion or card rests on, its own among them."""
    seen: set[str] = set()
    to_do = [head]
    while to_do:
        name = to_do.pop()
        if name in seen or name not in program.heads:
            continue
        seen.add(name)
        to_do.extend(program.heads[name].reads)
    return frozenset(program.heads[name].rule.id for name in seen)
