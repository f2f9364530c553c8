"""
Clauses → truths by durable-rules: the only module that imports it, and every trap of it is handled here.

Each clause is a rule. What its body reads is told in two facts: all that holds for sure, and all that is open. A rule
that fires on the sure fact alone makes its head true, one that fires on the open fact leaves it unknown, and a head for
which no rule fires is false. Most of what a chart is asked is false, so little is told and little fires.

durable-rules 2.0.28 is right, flat in memory and fast enough inside one narrow pattern, and crashes, hangs or forgets
without an error outside it. The fence, each line pinned by a test in tests/engine/test_engine_traps.py:

- The C module is called, not `durable.lang`: the Host runs actions in timer threads of its own.
- `"dist": 0` in every rule: otherwise one fact cannot satisfy two conditions of a rule.
- Only equality with one word, and one number compared with a constant: the rest (none, or, nex, arrays, arithmetic,
  a comparison with an earlier fact) is ignored, refused at random, or crashes. So no negation ever gets here.
- Numbers are integers: `5e-05` does not parse, and a batch then drops all that follows and reports success.
- Each fact has an `id`, since identity is a 32-bit hash of it. What it says are properties ("p17"), told apart by a
  32-bit hash, too. No name of a rule file gets there; ours are few, and known to differ.
- One `sid`, ours: patients are told apart by time (a lock, and the state deleted between them), never by a hash.
- One batch per ruleset, never empty; it begins with a fact that says nothing and cannot go wrong, since without one the
  library answers with a random state. A ruleset that is told nothing is not asked: none of its rules could fire. None
  reads what it concludes, so nothing is told while rules fire.
- Of numbers that no limit tells apart, the same is told: what is told of a patient repeats itself with the next.
- The last thing in the batch is a sentinel whose rule always fires: if it did not, something was dropped. A state in
  which nothing fired cannot be deleted (it frees an uninitialised pointer), a state not deleted costs 1.8 MB.
- At 513 tests in a ruleset, 65 that one fact passes, 256 rules with one condition or 16 conditions in a rule it hangs,
  forgets the fact or crashes: a stratum becomes several rulesets, and a rule that is too long is refused at load.
"""

from __future__ import annotations

import json
import math
import threading
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_FLOOR, Decimal
from itertools import count

from cds.errors import CdsError
from cds.logic.clauses import Body, BodyPart, ComparisonLiteral
from cds.logic.conditions import Comparison, Ranges
from cds.logic.strata import Stratum
from cds.logic.truth import Truth

try:
    import durable_rules_engine as durable
except ImportError:  # Python 3.13 and later: undefined symbol PyEval_CallObject; fixed upstream, never released
    durable = None

# A run costs 8 kB for each condition of a ruleset, and nothing where nothing is told: many small ones are faster. All
# conditions of one may be tests that one fact passes, so there must be fewer than 64.
MOST_CONDITIONS_IN_ALL = 50
MOST_CONDITIONS = 15  # in one rule; the library's own limit is 16, at which it forgets

STEPS = 2_000_000  # to the unit: even steps are millionths, the odd ones stand for everything between two of them
LARGEST_LIMIT = 1e9
LARGEST_NUMBER = 1e12  # a larger one is sent as this: it is beyond every limit all the same, and fits a C integer
NOT_KNOWN = (-math.inf, math.inf)

MOST_STUCK_STATES = 20  # the 1,025th kills the process
FIRST, SURE, OPEN = '"id":"first"', '"id":"sure"', '"id":"open"'
FIRST_PASSED_NO_TEST = 1
SENTINEL = "sentinel"
OPERATORS = {
    Comparison.AT_LEAST: "$gte",
    Comparison.ABOVE: "$gt",
    Comparison.AT_MOST: "$lte",
    Comparison.BELOW: "$lt",
}
UPWARDS = frozenset({Comparison.AT_LEAST, Comparison.ABOVE})  # a number reaches these limits from below

_serial = count(1)


class EngineLimitError(CdsError, ValueError):
    """Rules cannot be given to durable-rules safely. Raised at load."""


class EngineError(CdsError, RuntimeError):
    """durable-rules gave no answer that can be used. No chart text is in the message."""


def available() -> bool:
    """Whether durable-rules runs on this Python."""
    return durable is not None


class DurableEvaluator:
    """
    The clauses of all strata made ready to run; usable from several threads, which take turns.

    A copied process has its own, which goes on from there; `close()` gives its memory back.

    Args:
        strata: The clauses.
        most_remembered: How many answers of the library are kept, to be given again where a ruleset is told the same:
            of the patients of a population most are told alike.

    Raises:
        EngineLimitError: The rules are outside the fence.
    """

    def __init__(self, strata: tuple[Stratum, ...], most_remembered: int = 0) -> None:
        if durable is None:
            raise EngineError("durable-rules does not run on this Python")
        # It never lets go of the GIL, so taking turns costs nothing, and no two patients are ever in it together.
        self._turn = threading.Lock()
        self._sid = 1
        self._closed = False
        self._most_remembered = most_remembered
        self._remembered: dict[tuple[int, str, str], Mapping[str, Truth]] = {}
        _check_order(strata)
        self._heads = {name: Truth.FALSE for stratum in strata for name in stratum.heads}
        self._reading = _RulesetInputs()
        self._strata: list[_EngineStratum] = []
        planned = [[_plan(rules, self._reading) for rules in _split(stratum)] for stratum in strata]
        self._reading.unknown = {name: self._reading.range_told(name, *NOT_KNOWN) for name in self._reading.numbers}
        self._facts = [name for name in self._reading.words if name not in self._heads]
        try:
            for stratum, rulesets in zip(strata, planned, strict=True):
                made = _EngineStratum([name for name in self._reading.words if name in stratum.heads])
                self._strata.append(made)
                for ruleset in rulesets:
                    handle = durable.create_ruleset(f"cds-{next(_serial)}", ruleset.definition)
                    made.rulesets.append(replace(ruleset, handle=handle))
        except durable.error as error:
            self.close()
            raise EngineError(f"durable-rules refused the rules: {error}") from error

    def run(self, statements: Mapping[str, Truth], ranges: Ranges) -> dict[str, Truth]:
        """
        Every head, hidden ones included → its truth.

        Ranges are closed, their ends may be infinite; a number that is unknown is absent.

        Raises:
            EngineError: No answer; never a part of one.
        """
        settled = self._heads.copy()
        told = _RulesetMessages(self._reading)
        told.words(self._facts, statements)
        for name in self._reading.numbers:
            told.number(name, *ranges.get(name, NOT_KNOWN))
        with self._turn:
            if self._closed:
                raise EngineError("the engine is closed")
            for stratum in self._strata:
                for ruleset in stratum.rulesets:
                    for head, truth in self._answer(ruleset, told).items():
                        if settled[head] is not Truth.TRUE:
                            settled[head] = truth
                told.words(stratum.read, settled)
        return settled

    def close(self) -> None:
        """Give the memory back, after the run under way; a second call does nothing."""
        with self._turn:
            if not self._closed:
                self._closed = True
                for ruleset in (ruleset for stratum in self._strata for ruleset in stratum.rulesets):
                    durable.delete_ruleset(ruleset.handle)

    def _answer(self, ruleset: _Ruleset, told: _RulesetMessages) -> Mapping[str, Truth]:
        """What the library makes of what a ruleset is told; nothing where it is told nothing."""
        sure, open_ = told.words_for(ruleset.place)
        if not (sure or open_):
            return {}
        known = self._remembered.get((ruleset.place, sure, open_))
        if known is None:
            known = self._run(ruleset, _batch(sure, open_, self._sid))
            if len(self._remembered) < self._most_remembered:
                self._remembered[ruleset.place, sure, open_] = known
        return known

    def _run(self, ruleset: _Ruleset, batch: str) -> Mapping[str, Truth]:
        """Let the rules of a ruleset fire on a batch; what its heads become."""
        if self._sid > MOST_STUCK_STATES:
            raise EngineError("durable-rules failed too often; start the process anew")
        started = False
        try:
            try:
                code, state = durable.assert_facts(ruleset.handle, batch)
                if code != FIRST_PASSED_NO_TEST:
                    raise EngineError(f"durable-rules answered {code} to the facts")
                first = durable.start_action_for_state(ruleset.handle, state)
                started = first is not None
                return _fire(ruleset, state, first[1] if started else None)
            finally:
                if started:
                    durable.delete_state(ruleset.handle, str(self._sid))
                else:
                    self._sid += 1  # deleting a state in which nothing fired would crash: leave it, never meet it again
        except durable.error as error:
            raise EngineError(f"durable-rules failed: {error}") from error


@dataclass(frozen=True, slots=True)
class _Ruleset:
    """
    Some rules of a stratum in the library's words, and, once `handle` is set, in its hands.

    Attributes:
        place: Its number among all rulesets.
        definition: As `create_ruleset` takes it.
        heads: Rule name → the heads that have its body in a clause.
        most_firings: A rule fires more than once only if the numbers it reads are told twice, as sure and as open.
    """

    place: int
    definition: str
    heads: Mapping[str, tuple[str, ...]]
    most_firings: int
    handle: int = 0


@dataclass(frozen=True, slots=True)
class _EngineStratum:
    """Rulesets none of which reads what another concludes; `read` are their heads that higher strata read."""

    read: list[str]
    rulesets: list[_Ruleset] = field(default_factory=list)


@dataclass(slots=True)
class _RulesetInputs:
    """
    Which ruleset reads what, and how it is told.

    Attributes:
        words: Name → truth → rulesets, and what is sure and what is open for each of them then.
        numbers: Name → rulesets, and for each the properties that are compared from below and from above, "" for none.
        limits: Ruleset and name → the limits the number is compared with there, in steps, sorted.
        rulesets: How many there are.
        unknown: Name → what is told of the number where nothing is known of it: of most, of most patients.
    """

    words: dict[str, dict[Truth, list[tuple[int, str, str]]]] = field(default_factory=dict)
    numbers: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)
    limits: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    rulesets: int = 0
    unknown: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)

    def number_told(self, name: str, low: float, high: float) -> list[tuple[int, str, str]]:
        """What is told of a range: to which ruleset, and what of it is sure, and what is open."""
        return self.unknown[name] if (low, high) == NOT_KNOWN else self.range_told(name, low, high)

    def range_told(self, name: str, low: float, high: float) -> list[tuple[int, str, str]]:
        """The same, worked out."""
        # What is not a number says nothing.
        low, high = -math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high
        least = steps(low)
        most = least if high == low else steps(high)
        told = []
        for place, upwards, downwards in self.numbers[name]:
            limits = self.limits[place, name]
            lower = _nearest(least, limits)
            upper = lower if least == most else _nearest(most, limits)
            sure = _ends(upwards, lower, downwards, upper) if (low, high) != NOT_KNOWN else ""
            told.append((place, sure, _ends(upwards, upper, downwards, lower) if lower != upper else ""))
        return told


class _RulesetMessages:
    """What is told to each ruleset about one patient."""

    def __init__(self, reading: _RulesetInputs) -> None:
        self._reading = reading
        self._sure = [""] * reading.rulesets
        self._open = [""] * reading.rulesets

    def words(self, names: Iterable[str], truths: Mapping[str, Truth]) -> None:
        """Tell the truth of names to those that read them so; one that is not there is unknown."""
        readers, unknown, nobody = self._reading.words, Truth.UNKNOWN, ()
        for name in names:
            for place, sure, open_ in readers[name].get(truths.get(name, unknown), nobody):
                self._sure[place] += sure
                self._open[place] += open_

    def number(self, name: str, low: float, high: float) -> None:
        """Tell a range: its lower end says what it is above for sure, its upper end what it may be above."""
        for place, sure, open_ in self._reading.number_told(name, low, high):
            self._sure[place] += sure
            self._open[place] += open_

    def words_for(self, place: int) -> tuple[str, str]:
        """What is sure and what is open, as a ruleset is told it; "" for nothing."""
        return self._sure[place], self._open[place]


def _batch(sure: str, open_: str, sid: int) -> str:
    """The facts for a ruleset, the sentinel last."""
    facts = [f',{{{id_},"sid":"{sid}"{said}' for id_, said in ((SURE, sure), (OPEN, open_)) if said]
    return f'[{{{FIRST},"sid":"{sid}"}}{"}".join(facts)},"{SENTINEL}":"true"}}]'


def _nearest(step: int, limits: list[int]) -> int:
    """
    A step that compares with every limit as this one does: itself, or the one next to a limit.

    Of numbers that no limit tells apart the same is told, so that what is told repeats itself from patient to patient.
    """
    at = bisect_left(limits, step)
    if at < len(limits) and limits[at] == step:
        return step
    return limits[at - 1] + 1 if at else limits[0] - 1


def _ends(upwards: str, one: int, downwards: str, other: int) -> str:
    said = f',"{upwards}":{one}' if upwards else ""
    return f'{said},"{downwards}":{other}' if downwards else said


def _fire(ruleset: _Ruleset, state: int, firing: str | None) -> dict[str, Truth]:
    """What all firings say of the heads of its rule, until no rule fires any more."""
    whole = False
    said: dict[str, Truth] = {}
    for _ in range(ruleset.most_firings):
        if firing is None:
            break
        rule = firing.split('"', 2)[1]  # {"r17":{"m0":{"id":...
        whole = whole or rule == SENTINEL
        truth = Truth.UNKNOWN if OPEN in firing else Truth.TRUE
        for head in ruleset.heads[rule]:
            if said.get(head) is not Truth.TRUE:
                said[head] = truth
        firing = durable.complete_and_start_action(ruleset.handle, state)
    if firing is not None:
        raise EngineError("a rule fired again and again")
    if not whole:
        raise EngineError("durable-rules dropped a fact")
    return said


def steps(value: float) -> int:
    """
    A number as durable-rules gets it: an integer that compares with every limit as the number itself does.

    Limits fall on even steps, whole millionths. A number between two millionths falls on the odd step between them,
    so that 4.9999999 stays below 5 and 5.0000001 above it.
    """
    value = max(-LARGEST_NUMBER, min(float(value), LARGEST_NUMBER))
    if value.is_integer():
        return int(value) * STEPS
    # By its shortest decimal, as people wrote it: 0.1 is a tenth here, and the order of floats stays what it was.
    millionths = Decimal(repr(value)) * (STEPS // 2)
    whole = int(millionths.to_integral_value(ROUND_FLOOR))
    return 2 * whole + (millionths != whole)


def _limit(test: ComparisonLiteral) -> int:
    step = steps(test.limit)
    # Written so that NaN is refused too.
    if step % 2 or not abs(test.limit) <= LARGEST_LIMIT:
        raise EngineLimitError(
            f"{test.fact}: the limit {test.limit!r} has more than six digits after the point, or is above a billion"
        )
    return step


def _split(stratum: Stratum) -> Iterator[dict[Body, list[str]]]:
    """The bodies of a stratum, each with all heads that have it in a clause, as rulesets that are quickly run."""
    heads: dict[Body, list[str]] = {}
    for clause in stratum.clauses:
        heads.setdefault(clause.body, []).append(clause.head)
    some: dict[Body, list[str]] = {}
    for body, of in heads.items():
        if some and sum(map(len, some)) + len(body) > MOST_CONDITIONS_IN_ALL:
            yield some
            some = {}
        some[body] = of
    if some:
        yield some


def _plan(bodies: Mapping[Body, list[str]], reading: _RulesetInputs) -> _Ruleset:
    """Put rules into the library's words, and note what they read; or say why they are outside the fence."""
    place, reading.rulesets = reading.rulesets, reading.rulesets + 1
    parts = dict.fromkeys(part for body in bodies for part in body)
    properties = {read: f"p{number}" for number, read in enumerate(dict.fromkeys(map(_read, parts)))}
    rules: dict[str, object] = {SENTINEL: {"all": [{"m0": {SENTINEL: "true"}}], "dist": 0}}
    heads: dict[str, tuple[str, ...]] = {SENTINEL: ()}
    for index, (body, of) in enumerate(bodies.items()):
        if not 0 < len(body) <= MOST_CONDITIONS:
            raise EngineLimitError(
                f"{of[0]}: {len(body)} conditions at once; {MOST_CONDITIONS} are possible, so nest groups"
            )
        conditions = [{f"m{at}": _condition(part, properties[_read(part)])} for at, part in enumerate(body)]
        rules[f"r{index}"] = {"all": conditions, "dist": 0}
        heads[f"r{index}"] = tuple(of)
    for part in parts:
        _note(part, place, properties, reading)
    most_firings = sum(2 ** sum(isinstance(part, ComparisonLiteral) for part in body) for body in bodies) + 1
    return _Ruleset(place, json.dumps(rules), heads, most_firings)


def _read(part: BodyPart) -> object:
    """What of a name is a property: that it is read so; of a number, that it is compared from below or from above."""
    return (part.fact, part.how in UPWARDS) if isinstance(part, ComparisonLiteral) else part


def _condition(part: BodyPart, property_: str) -> dict[str, object]:
    if isinstance(part, ComparisonLiteral):
        return {OPERATORS[part.how]: {property_: _limit(part)}}
    return {property_: "true"}


def _note(part: BodyPart, place: int, properties: Mapping[object, str], reading: _RulesetInputs) -> None:
    """Note what is to be told to a ruleset for a part of a body in it."""
    if isinstance(part, ComparisonLiteral):
        upwards, downwards = properties.get((part.fact, True), ""), properties.get((part.fact, False), "")
        told = reading.numbers.setdefault(part.fact, [])
        if (place, upwards, downwards) not in told:
            told.append((place, upwards, downwards))
        limits = reading.limits.setdefault((place, part.fact), [])
        if (limit := _limit(part)) not in limits:
            insort(limits, limit)
        return
    said = f',"{properties[part]}":"true"'
    by_truth = reading.words.setdefault(part.name, {})
    for truth in part.sure:
        by_truth.setdefault(truth, []).append((place, said, ""))
    for truth in part.open:
        by_truth.setdefault(truth, []).append((place, "", said))


def _check_order(strata: tuple[Stratum, ...]) -> None:
    """A head may be read only once it is decided: until then it would count as false."""
    heads = {name for stratum in strata for name in stratum.heads}
    decided: set[str] = set()
    for stratum in strata:
        read = {
            part.name for clause in stratum.clauses for part in clause.body if not isinstance(part, ComparisonLiteral)
        }
        too_early = (read & heads) - decided
        if too_early:
            raise EngineLimitError(f"{min(too_early)} is read before it is decided")
        decided |= stratum.heads
