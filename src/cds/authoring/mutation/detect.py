"""Cases watching changes: whether some case would fail if a rule said something else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import Any

from cds.authoring.mutation.mutant import Mutant, applied
from cds.authoring.testing.cases import Case, RuleTests
from cds.authoring.testing.rulesets import RulesetCache, with_parameters
from cds.authoring.testing.run import differences, record_of
from cds.cards.render import write_cards
from cds.decide import Decision, Ruleset
from cds.engine.evaluator import EvaluatorMode
from cds.engine.kleene import KleeneEvaluator
from cds.facts.evaluate import evaluate_facts
from cds.facts.fact import Fact, Facts
from cds.facts.kind import CompiledFact
from cds.logic import conditions as c
from cds.logic.truth import Truth
from cds.record.model import PatientRecord
from cds.rulebook.compile import compile_ruleset
from cds.rulebook.compiled_ruleset import CompiledRuleset, HeadKind
from cds.rulebook.loader import Rulebook
from cds.ruleset import rules_of

With = frozenset[tuple[str, float | str]]
MOST_LEAVES = 7  # 3 to the power of 7 assignments are tried


class DetectionOutcome(Enum):
    """What came of a change."""

    NOTICED = "noticed"
    SURVIVED = "survived"
    SAME = "means the same"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class CaseObservation:
    """
    A case that passes, and what was seen in it.

    Attributes:
        claims: Facts and conclusions it claims something of.
        noted: Cards it claims the notes of.
        cards: Whether it, or the snapshot, says which cards are shown.
        texts: Whether it claims what they say.
        missing: Whether it claims what is missing, or something of the data: that may rest on anything.
    """

    case: Case
    with_: With
    record: PatientRecord
    facts: Facts
    truths: Mapping[str, Truth]
    claims: frozenset[str]
    noted: frozenset[str]
    cards: bool
    texts: bool
    missing: bool

    @property
    def of_anything(self) -> bool:
        """Whether it claims something that may rest on any fact or conclusion."""
        return self.cards or self.texts or self.missing or bool(self.case.then.definitions)


@dataclass(frozen=True)
class RulesetDifference:
    """
    What a change makes of a program.

    Attributes:
        program: The program with the change.
        facts: Names of facts that are looked for in another way.
        below: Those, and what is computed from them.
        hidden: Whether something beside the fact itself may reach what is computed from it (readings of a score).
        heads: Heads whose condition differs.
        reaches: Every fact and head that can come out otherwise.
    """

    program: CompiledRuleset
    facts: frozenset[str]
    below: tuple[CompiledFact, ...]
    first: tuple[CompiledFact, ...]
    names_below: frozenset[str]
    hidden: bool
    heads: frozenset[str]
    reaches: frozenset[str]


class MutantDetector:
    """Every passing case of a folder, decided once, ready to see what a change would make of it."""

    def __init__(self, shelf: RulesetCache, rule_tests: RuleTests) -> None:
        self.book = shelf.book
        self._rules: dict[With, Ruleset] = {}
        self.seen: list[CaseObservation] = []
        self.failing: list[Case] = []
        for case in rule_tests.cases:
            if case.then.error:
                continue  # refused before any rule is asked
            self._see(case)

    def rules(self, with_: With) -> Ruleset:
        """The unchanged rules, decided by the direct evaluator alone."""
        if with_ not in self._rules:
            self._rules[with_] = rules_of(with_parameters(self.book, dict(with_)), EvaluatorMode.DIRECT)
        return self._rules[with_]

    def _see(self, case: Case) -> None:
        with_ = frozenset(case.with_.items())
        rules = self.rules(with_)
        record = record_of(case, rules)
        facts = evaluate_facts(rules.program.wanted, rules.program.codes, record, case.today)
        truths = rules.reasoner.conclude(facts)
        cards = write_cards(rules.program, record, facts, truths, case.service or None)
        shown = tuple(card.name for card in cards)
        if case.snapshot not in (None, shown) or any(
            differences(case, rules, Decision(case.today, record, facts, truths, cards))
        ):
            self.failing.append(case)
            return
        then = case.then
        defined = {
            one.head for many in rules.program.definitions.values() for one in many if one.id in then.definitions
        }
        self.seen.append(
            CaseObservation(
                case=case,
                with_=with_,
                record=record,
                facts=facts,
                truths=truths,
                claims=frozenset(then.answers) | defined,
                noted=frozenset(then.notes),
                cards=bool(
                    case.snapshot is not None
                    or then.cards is not None
                    or then.no_cards
                    or then.first_card
                    or then.shows
                    or then.does_not_show
                ),
                texts=bool(then.says or then.says_not),
                missing=bool(then.missing or then.data_quality),
            )
        )

    def fate(self, change: Mutant) -> tuple[DetectionOutcome, Case | None]:
        """What comes of a change, and the case that noticed it."""
        changed = applied(self.book, change)
        if changed is None:
            return DetectionOutcome.REFUSED, None
        found: dict[With, RulesetDifference | None] = {}
        plain: With = frozenset()
        any_difference = False
        for seen in sorted(self.seen, key=lambda one: (one.with_ != plain, not _near(one.case, change))):
            if seen.with_ not in found:
                try:
                    found[seen.with_] = self._difference(changed, seen.with_)
                except (ValueError, KeyError):
                    return DetectionOutcome.REFUSED, None
            difference = found[seen.with_]
            if difference is None:
                continue
            any_difference = True
            if _concerns(seen, difference) and _notices(seen, difference):
                return DetectionOutcome.NOTICED, seen.case
        if not any_difference or all(self._same(one) for one in found.values() if one is not None):
            return DetectionOutcome.SAME, None
        return DetectionOutcome.SURVIVED, None

    def _difference(self, changed: Rulebook, with_: With) -> RulesetDifference | None:
        old = self.rules(with_).program
        new = compile_ruleset(with_parameters(changed, dict(with_)))
        before = {fact.name: fact for fact in old.wanted}
        other_sets = {name for name, one in new.codes.sets.items() if one != old.codes.sets.get(name)}
        other_sets |= {name for name, one in new.codes.drugs.items() if one != old.codes.drugs.get(name)}
        facts = frozenset(
            fact.name
            for fact in new.wanted
            if fact != before.get(fact.name) or (other_sets and not other_sets.isdisjoint(_words_in(fact)))
        )
        heads = frozenset(
            name
            for name, head in new.heads.items()
            if name not in old.heads or old.heads[name].condition != head.condition
        )
        if not facts and not heads and new.definitions == old.definitions:
            return None
        names_below = _closed(facts, {fact.name: fact.needs() for fact in new.wanted})
        reads = {name: tuple(c.names_in(head.condition)) for name, head in new.heads.items()}
        return RulesetDifference(
            program=new,
            facts=facts,
            below=_with_needs(names_below, new.wanted),
            first=_with_needs(facts, new.wanted),
            names_below=names_below,
            hidden=any(fact.keeps_more for fact in new.wanted if fact.name in facts),
            heads=heads,
            reaches=_closed(names_below | heads, reads),
        )

    def _same(self, difference: RulesetDifference) -> bool:
        """Whether the changed conditions come out alike whatever the record holds; False when that is not known."""
        if difference.facts:
            return False
        old = self.rules(frozenset()).program.heads
        return all(
            name in old
            and means_the_same(
                old[name].condition,
                difference.program.heads[name].condition,
                shown=difference.program.heads[name].kind is not HeadKind.CONCLUSION,
            )
            for name in difference.heads
        )


def _near(case: Case, change: Mutant) -> bool:
    return case.file.name.removesuffix(".test.yaml") in change.file


def _concerns(seen: CaseObservation, difference: RulesetDifference) -> bool:
    """Whether the case claims anything that can come out otherwise."""
    if seen.of_anything or not seen.claims.isdisjoint(difference.reaches):
        return True
    return _claims_a_note(seen, difference.reaches, difference.program)


def _claims_a_note(seen: CaseObservation, names: Iterable[str], program: CompiledRuleset) -> bool:
    """Whether one of these is a note of a card whose notes the case names."""
    heads = [program.heads[name] for name in names if name in program.heads] if seen.noted else []
    return any(head.kind is HeadKind.NOTE and head.of in seen.noted for head in heads)


def _notices(seen: CaseObservation, difference: RulesetDifference) -> bool:
    """Whether the case fails with the changed program."""
    program = difference.program
    facts = _facts(seen, difference)
    if facts is None:
        facts, other_facts = seen.facts, frozenset[str]()
    else:
        other_facts = frozenset(name for name, fact in facts.by_name.items() if fact != seen.facts.by_name.get(name))
    truths = _truths(seen, difference, facts, other_facts)
    other = other_facts | {name for name, truth in truths.items() if truth is not seen.truths.get(name)}
    if not other and set(truths) == set(seen.truths):
        return False
    claimed = not seen.claims.isdisjoint(other) or _claims_a_note(seen, other, program)
    other_cards = seen.cards and any(
        program.heads[name].kind is HeadKind.CARD for name in other if name in program.heads
    )
    if not (claimed or other_cards or seen.texts or seen.missing or seen.case.then.definitions):
        return False
    rules = Ruleset(program, None)  # type: ignore[arg-type]  # differences() asks the program, never the reasoner
    cards = (
        write_cards(program, seen.record, facts, truths, seen.case.service or None) if seen.cards or seen.texts else ()
    )
    if seen.case.snapshot is not None and tuple(card.name for card in cards) != seen.case.snapshot:
        return True
    return any(differences(seen.case, rules, Decision(seen.case.today, seen.record, facts, truths, cards)))


def _facts(seen: CaseObservation, difference: RulesetDifference) -> Facts | None:
    """The facts found with the changed program; None when they are those found before."""
    if not difference.facts:
        return None
    program, today = difference.program, seen.case.today

    def look(wanted: tuple[CompiledFact, ...]) -> Mapping[str, Fact]:
        return evaluate_facts(wanted, program.codes, seen.record, today).by_name

    if not difference.hidden:
        first = look(difference.first)
        if all(first[name] == seen.facts.by_name.get(name) for name in difference.facts):
            return None
    found = look(difference.below)
    return Facts({**seen.facts.by_name, **{name: found[name] for name in difference.names_below}}, today)


def _truths(
    seen: CaseObservation, difference: RulesetDifference, facts: Facts, other_facts: frozenset[str]
) -> Mapping[str, Truth]:
    """Every head with the changed program; those found before when nothing below them differs."""
    statements = {name: fact.truth for name, fact in facts.by_name.items() if fact.truth is not None}
    ranges = {
        name: (fact.low, fact.high)
        for name, fact in facts.by_name.items()
        if fact.low is not None and fact.high is not None
    }
    if not other_facts:
        known = seen.truths

        def truth_of(name: str) -> Truth:
            return known[name] if name in known else statements.get(name, Truth.UNKNOWN)

        heads = difference.program.heads
        if heads.keys() == known.keys() and all(
            heads[name].condition.truth(truth_of, ranges) is known[name] for name in difference.heads
        ):
            return known
    conditions = {name: head.condition for name, head in difference.program.heads.items()}
    return KleeneEvaluator(conditions).run(statements, ranges)


# ---------------------------------------------------------------- what reaches what


def _closed(names: Iterable[str], reads: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """The names and everything that rests on them."""
    read_by: dict[str, list[str]] = {}
    for name, read in reads.items():
        for one in read:
            read_by.setdefault(one, []).append(name)
    seen: set[str] = set()
    to_do = list(names)
    while to_do:
        name = to_do.pop()
        if name not in seen:
            seen.add(name)
            to_do.extend(read_by.get(name, ()))
    return frozenset(seen)


def _with_needs(names: frozenset[str], wanted: tuple[CompiledFact, ...]) -> tuple[CompiledFact, ...]:
    """The facts of these names and all they are computed from, in the order of `wanted`."""
    by_name = {fact.name: fact for fact in wanted}
    seen: set[str] = set()
    to_do = list(names)
    while to_do:
        name = to_do.pop()
        if name in by_name and name not in seen:
            seen.add(name)
            to_do.extend(by_name[name].needs())
    return tuple(fact for fact in wanted if fact.name in seen)


def _words_in(value: Any) -> Iterator[str]:
    """Every word in a wanted fact: names of value sets and tables are among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | frozenset):
        for part in value:
            yield from _words_in(part)
    elif dataclasses.is_dataclass(value):
        for one in dataclasses.fields(value):
            yield from _words_in(getattr(value, one.name))


# ---------------------------------------------------------------- what means the same


def means_the_same(one: c.Condition, other: c.Condition, *, shown: bool = False) -> bool:
    """
    Whether two conditions have the same truth under every assignment to what they read.

    Those of a card or note (`shown`) mean the same when they are true together: false and unknown show nothing.

    False when they read more than MOST_LEAVES things. Two comparisons of one number are taken for independent, so
    some conditions that mean the same are not found; none that differ is.
    """
    if one == other:
        return True
    inside = _where_they_differ(one, other)
    if inside is not None and means_the_same(*inside):
        return True
    leaves = list(dict.fromkeys(part for root in (one, other) for part in c.walk(root) if not c.parts_of(part)))
    if len(leaves) > MOST_LEAVES:
        return False
    names = {leaf: c.Name(str(number)) for number, leaf in enumerate(leaves)}
    roots = [_renamed(root, names) for root in (one, other)]
    for truths in product(Truth, repeat=len(leaves)):
        settled = {str(number): truth for number, truth in enumerate(truths)}
        first, second = (root.truth(settled.__getitem__, {}) for root in roots)
        if first is not second and not (shown and Truth.TRUE not in (first, second)):
            return False
    return True


def _where_they_differ(one: c.Condition, other: c.Condition) -> tuple[c.Condition, c.Condition] | None:
    """The one part in which two conditions of the same form differ; None when they differ in form or in more."""
    mine, others = c.parts_of(one), c.parts_of(other)
    if type(one) is not type(other) or len(mine) != len(others):
        return None
    if isinstance(one, c.AtLeast) and isinstance(other, c.AtLeast) and one.count != other.count:
        return None
    differ = [pair for pair in zip(mine, others, strict=True) if pair[0] != pair[1]]
    return differ[0] if len(differ) == 1 else None


def _renamed(condition: c.Condition, names: Mapping[c.Condition, c.Name]) -> c.Condition:
    if condition in names:
        return names[condition]
    match condition:
        case c.All(parts):
            return c.All(tuple(_renamed(part, names) for part in parts))
        case c.Any(parts):
            return c.Any(tuple(_renamed(part, names) for part in parts))
        case c.AtLeast(count, parts):
            return c.AtLeast(count, tuple(_renamed(part, names) for part in parts))
        case c.Not(part):
            return c.Not(_renamed(part, names))
        case c.Unknown(part):
            return c.Unknown(_renamed(part, names))
        case c.Possibly(part):
            return c.Possibly(_renamed(part, names))
    return condition
