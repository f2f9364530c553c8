"""Cases and their decisions → what they show of every conclusion, clause, threshold, card and note."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cds.authoring.mutation.conditions import written
from cds.authoring.testing.cases import Case
from cds.authoring.testing.possible_truths import Possible
from cds.decide import Decision, Ruleset
from cds.facts.kind import Numbers
from cds.logic import conditions as c
from cds.logic.truth import Truth
from cds.rulebook.compile import IN_USE, compile_condition, parameter_values
from cds.rulebook.compiled_ruleset import CompiledRuleset
from cds.rulebook.definitions import rewritten
from cds.rulebook.format.conditions import Comparing, UnderDefinition
from cds.rulebook.loader import Rulebook
from cds.rulebook.references import conditions, walk

ABOVE_ITSELF = (c.Comparison.AT_LEAST, c.Comparison.BELOW)  # a number that is the limit goes with those above it


@dataclass
class LimitCoverage:
    """
    One limit that a number is compared with, and the numbers nearest to it that some case compared with it.

    A range that lies whole on one side counts by its end that is nearer. A case whose `with` moves the limit says
    nothing about it.

    Attributes:
        words: The comparison, for `between` one of the two it stands for.
        number: The limit.
        below, above: The nearest numbers on either side; None where no case has one.
        low, high: What the sides are called: the limit itself is on the side where the comparison puts it.
    """

    words: str
    number: float
    low: str
    high: str
    below: float | None = None
    above: float | None = None

    def unseen(self) -> LimitCoverage:
        """The same, which no number has been compared with yet."""
        return replace(self, below=None, above=None)

    @property
    def sides(self) -> tuple[tuple[str, float | None], ...]:
        """What each side is called, and the nearest number on it."""
        return ((self.low, self.below), (self.high, self.above))

    def see(self, condition: c.Compare, ranges: Mapping[str, tuple[float, float]]) -> None:
        """Take down on which side of it a number, or a whole range, lies."""
        truth = condition.against(ranges)
        if truth is Truth.UNKNOWN or condition.limit != self.number:
            return
        upwards = condition.how in {c.Comparison.AT_LEAST, c.Comparison.ABOVE}
        low, high = ranges[condition.fact]
        if (truth is Truth.TRUE) is upwards:
            self.take(None, low)
        else:
            self.take(high, None)

    def take(self, below: float | None, above: float | None) -> None:
        """Take in numbers of other cases, on either side."""
        self.below = max((n for n in (self.below, below) if n is not None), default=None)
        self.above = min((n for n in (self.above, above) if n is not None), default=None)


@dataclass
class ConditionCoverage:
    """
    One part of a condition, and what cases showed of it.

    Attributes:
        file, line: Where it stands.
        of: The conclusion, "card x" or "note 1 of card x" it belongs to; its head in `head`.
        words: As its author wrote it.
        possible: The truths it can have.
        seen: Those some case showed.
        limits: What it compares a number with: two limits for `between`, none for what is no comparison.
    """

    file: str
    line: int
    of: str
    head: str
    words: str
    statement: Any
    limits: tuple[LimitCoverage, ...]
    possible: frozenset[Truth]
    seen: set[Truth] = field(default_factory=set)

    @property
    def missing(self) -> tuple[Truth, ...]:
        """Truths no case showed."""
        return tuple(truth for truth in Truth if truth in self.possible - self.seen)


@dataclass
class ConclusionCoverage:
    """A conclusion: the truths it can have, those a case showed, and those a case claims."""

    file: str
    line: int
    possible: frozenset[Truth]
    seen: set[Truth] = field(default_factory=set)
    claimed: set[Truth] = field(default_factory=set)


@dataclass
class DisplayCoverage:
    """A card or note: whether a case showed it, and whether one did not."""

    file: str
    line: int
    seen: set[bool] = field(default_factory=set)


@dataclass
class Coverage:
    """
    What the cases of a folder show.

    Attributes:
        conclusions, cards: By name.
        notes: (card, number) → whether it was told, and whether it was not.
        clauses: Every part of every condition, in the order of files and lines.
    """

    conclusions: dict[str, ConclusionCoverage]
    cards: dict[str, DisplayCoverage]
    notes: dict[tuple[str, int], DisplayCoverage]
    clauses: list[ConditionCoverage]
    _compiled: dict[int, list[c.Condition]] = field(default_factory=dict)

    def see(self, case: Case, rules: Ruleset, decision: Decision) -> None:
        """Take down what one case shows, and what it claims."""
        truths = decision.truths
        for name, concluded in self.conclusions.items():
            if name in truths:
                concluded.seen.add(truths[name])
                expected = case.then.answers.get(name)
                if expected in (True, False, "unknown") or isinstance(expected, dict):
                    concluded.claimed.add(truths[name])
        for many in rules.program.definitions.values():
            for one in many:
                if one.in_use and one.id in case.then.definitions and one.head in self.conclusions:
                    self.conclusions[one.head].claimed.add(truths[one.head])
        shown = {card.name for card in decision.cards}
        for name, sides in self.cards.items():
            sides.seen.add(name in shown)
        for (card, number), sides in self.notes.items():
            head = f"note:{card}:{number}"
            if head in truths:
                sides.seen.add(truths[head] is Truth.TRUE)
        self._see_clauses(rules.program, decision)

    def unseen(self) -> Coverage:
        """The same, of which no case has been seen yet."""
        return Coverage(
            {name: replace(one, seen=set(), claimed=set()) for name, one in self.conclusions.items()},
            {name: replace(one, seen=set()) for name, one in self.cards.items()},
            {name: replace(one, seen=set()) for name, one in self.notes.items()},
            [replace(one, seen=set(), limits=tuple(limit.unseen() for limit in one.limits)) for one in self.clauses],
        )

    def bare(self) -> Coverage:
        """The same, light enough to travel between processes; it can be taken in, and see no more."""
        return replace(self, clauses=[replace(clause, statement=None) for clause in self.clauses], _compiled={})

    def take(self, other: Coverage) -> None:
        """Take in what other cases of the same rules showed."""
        for name, concluded in other.conclusions.items():
            self.conclusions[name].seen |= concluded.seen
            self.conclusions[name].claimed |= concluded.claimed
        for name, sides in other.cards.items():
            self.cards[name].seen |= sides.seen
        for note, sides in other.notes.items():
            self.notes[note].seen |= sides.seen
        for mine, clause in zip(self.clauses, other.clauses, strict=True):
            mine.seen |= clause.seen
            for limit, other_limit in zip(mine.limits, clause.limits, strict=True):
                limit.take(other_limit.below, other_limit.above)

    def _see_clauses(self, program: CompiledRuleset, decision: Decision) -> None:
        compiled = self._compiled.get(id(program))
        if compiled is None:
            compiled = self._compiled[id(program)] = [_compile(clause.statement, program) for clause in self.clauses]
        facts, truths = decision.facts.by_name, decision.truths
        ranges = {
            name: (fact.low, fact.high)
            for name, fact in facts.items()
            if fact.low is not None and fact.high is not None
        }

        def truth_of(name: str) -> Truth:
            if name in truths:
                return truths[name]
            fact = facts.get(name)
            return fact.truth if fact is not None and fact.truth is not None else Truth.UNKNOWN

        for clause, condition in zip(self.clauses, compiled, strict=True):
            clause.seen.add(condition.truth(truth_of, ranges))
            if clause.limits:
                for limit, compared in zip(clause.limits, _compared(condition), strict=True):
                    limit.see(compared, ranges)


def coverage_of(book: Rulebook, *, clauses: bool = True) -> Coverage:
    """
    What there is to show in a rulebook; no case has been seen yet.

    Draft and retired files are left out; so is, without `clauses`, what is inside conditions.
    """
    possible, numbers = Possible(book), Numbers(parameter_values(book.rules.values()))
    coverage = Coverage({}, {}, {}, [])
    for rule in book.rules.values():
        if rule.model.about.status not in IN_USE:
            continue
        at = rule.located.at
        for name in rule.model.conclusions:
            coverage.conclusions[name] = ConclusionCoverage(
                rule.file, at(("conclusions", name))[0], possible.name(name)
            )
        for name, card in rule.model.cards.items():
            coverage.cards[name] = DisplayCoverage(rule.file, at(("cards", name))[0])
            for index in range(len(card.notes)):
                line = at(("cards", name, "notes", index))[0]
                coverage.notes[name, index + 1] = DisplayCoverage(rule.file, line)
        for whole in conditions(rule) if clauses else ():
            if whole.card == "suggestion":
                continue  # an offer beside a card decides nothing
            of, head = whole.of, whole.of
            if whole.card == "show_when":
                of, head = f"card {whole.of}", f"card:{whole.of}"
            elif whole.card == "note":
                number = int(whole.path[3]) + 1
                of, head = f"note {number} of card {whole.of}", f"note:{whole.of}:{number}"
            for statement, path in walk(whole.statement, whole.path):
                raw = rule.located.value_at(path)
                coverage.clauses.append(
                    ConditionCoverage(
                        file=rule.file,
                        line=at(path)[0],
                        of=of,
                        head=head,
                        words=written(raw),
                        statement=statement,
                        limits=tuple(_limits(statement, numbers)),
                        possible=possible.of(statement),
                    )
                )
    return coverage


def _limits(statement: Any, numbers: Numbers) -> Iterator[LimitCoverage]:
    if isinstance(statement, Comparing):
        for one in _compared(compile_condition(statement, numbers, {})):
            words = f"`{one.fact}` {one.how.value.replace('_', ' ')} {one.parameter or f'{one.limit:g}'}"
            low, high = ("below", "at or above") if one.how in ABOVE_ITSELF else ("at or below", "above")
            yield LimitCoverage(words, one.limit, low, high)


def _compared(condition: c.Condition) -> Iterator[c.Compare]:
    return (part for part in c.walk(condition) if isinstance(part, c.Compare))


def _compile(statement: Any, program: CompiledRuleset) -> c.Condition:
    heads = {one.id: one.head for many in program.definitions.values() for one in many}

    def named(part: Any) -> Any:
        return heads[part.definition] if isinstance(part, UnderDefinition) else None

    numbers = Numbers({})
    numbers.values = dict(program.parameters)
    return compile_condition(rewritten(statement, named), numbers, {})


def never_shown(coverage: Coverage) -> Iterator[str]:
    """One sentence for each answer of a conclusion no case claims, and each side of a card no case shows."""
    for name, concluded in coverage.conclusions.items():
        for truth in Truth:
            if truth in concluded.possible - concluded.claimed:
                yield f"{concluded.file}:{concluded.line}  no case says that {name} is {truth.value}."
    for name, sides in coverage.cards.items():
        for side, word in ((True, "shown"), (False, "held back")):
            if side not in sides.seen:
                yield f"{sides.file}:{sides.line}  card {name} is never {word}."


# ---------------------------------------------------------------- counts


@dataclass(frozen=True, slots=True)
class CoverageCounts:
    """
    How much of one file is shown: (shown, of how many) for each.

    Attributes:
        answers: Truths of conclusions that a case claims.
        clauses: Truths of parts of conditions.
        sides: Sides of thresholds.
        cards, notes: Shown and not shown.
    """

    answers: tuple[int, int]
    clauses: tuple[int, int]
    sides: tuple[int, int]
    cards: tuple[int, int]
    notes: tuple[int, int]


def counts(coverage: Coverage) -> Mapping[str, CoverageCounts]:
    """File → how much of it is shown."""
    files = dict.fromkeys(
        [one.file for one in coverage.conclusions.values()]
        + [one.file for one in coverage.clauses]
        + [one.file for one in coverage.cards.values()]
    )
    return {file: _counts(coverage, file) for file in files}


def _counts(coverage: Coverage, file: str) -> CoverageCounts:
    conclusions = [one for one in coverage.conclusions.values() if one.file == file]
    clauses = [one for one in coverage.clauses if one.file == file]
    sides = [nearest for one in clauses for limit in one.limits for _, nearest in limit.sides]
    cards = [one for one in coverage.cards.values() if one.file == file]
    notes = [one for one in coverage.notes.values() if one.file == file]
    return CoverageCounts(
        answers=(
            sum(len(one.claimed & one.possible) for one in conclusions),
            sum(len(one.possible) for one in conclusions),
        ),
        clauses=(sum(len(one.seen & one.possible) for one in clauses), sum(len(one.possible) for one in clauses)),
        sides=(sum(nearest is not None for nearest in sides), len(sides)),
        cards=(sum(len(one.seen) for one in cards), 2 * len(cards)),
        notes=(sum(len(one.seen) for one in notes), 2 * len(notes)),
    )
