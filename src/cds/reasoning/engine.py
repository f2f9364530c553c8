"""
Clauses → truths by durable-rules: the only module that imports it, and every trap of it is handled here.

durable-rules 2.0.28 is right, flat in memory and fast enough inside one narrow pattern, and crashes, hangs or forgets
without an error outside it. The fence, each line pinned by a test in tests/reasoning/test_engine_traps.py:

- The C module is called, not `durable.lang`: the Host runs actions in timer threads of its own.
- `"dist": 0` in every rule: otherwise one fact cannot satisfy two conditions of a rule.
- Only equality on our own words, and one number compared with a constant: the rest (none, or, nex, arrays, arithmetic,
  a comparison with an earlier fact) is ignored, refused at random, or crashes. So no negation ever gets here.
- Numbers are integers: `5e-05` does not parse, and a batch then drops all that follows and reports success.
- Every fact has its own `id`, since identity is a 32-bit hash of it; ids that share a hash are refused at load.
- A finding is a property of its own ("p17"): reading a fact then takes a third of what `finding` and `is` side by side
  took. Properties are told apart by a 32-bit hash, too; the names are ours and checked at load like ids.
- One `sid`, ours: patients are told apart by time (a lock, and the state deleted between them), never by a hash.
- One batch per ruleset, never empty; it holds only facts that some clause reads.
- The last fact of the batch is a sentinel whose rule always fires: if it did not, something was dropped. A state in
  which nothing fired cannot be deleted (it frees an uninitialised pointer), a state not deleted costs 1.8 MB.
- Limits below those at which it hangs, crashes or forgets are checked at load; large layers become several rulesets.
- Words are short and plain ASCII.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from itertools import count

from cds.rulebook.clauses import BodyPart, Clause, Literal, Test, Undecided
from cds.rulebook.strata import Layer
from cds.truth import Truth

try:
    import durable_rules_engine as durable
except ImportError:  # Python 3.13 and later: undefined symbol PyEval_CallObject; fixed upstream, never released
    durable = None

# The library's own limits are 512, 64, 256 and 16; at them it hangs, forgets the fact, or crashes.
MOST_TESTS_IN_ALL = 400
MOST_TESTS = 60
MOST_RULES_WITH_ONE_CONDITION = 250
MOST_CONDITIONS = 15

STEPS = 2_000_000  # to the unit: even steps are millionths, the odd ones stand for everything between two of them
LARGEST_LIMIT = 1e9
LARGEST_NUMBER = 1e12  # a larger one is sent as this: it is beyond every limit all the same, and fits a C integer

MOST_STUCK_STATES = 20  # the 1,025th kills the process
PLAIN_NAME = re.compile(r"[A-Za-z0-9_.:~-]{1,200}")
SENTINEL = "sentinel fires"  # no name has a blank in it
SENTINEL_PROPERTY = "sentinel"
SENTINEL_FACT = f'"id":"{SENTINEL}","{SENTINEL_PROPERTY}":"true"}}'
RESERVED = ("id", "sid")  # properties every fact has
OPERATORS = {">=": "$gte", ">": "$gt", "<=": "$lte", "<": "$lt"}
WORDS = {Truth.TRUE: "true", Truth.FALSE: "false", Truth.UNKNOWN: "unknown"}

_serial = count(1)


class EngineLimits(ValueError):  # noqa: N818 (the name says what happened)
    """These rules cannot be given to durable-rules safely. Raised at load."""


class EngineFailed(RuntimeError):  # noqa: N818 (as above)
    """durable-rules gave no answer that can be used. No chart text is in the message."""


def available() -> bool:
    """Whether durable-rules runs on this Python."""
    return durable is not None


class Engine:
    """
    The clauses of all layers made ready to run; usable from several threads, which take turns.

    Make it after the fork, one per worker process; `close()` gives its memory back.

    Raises:
        EngineLimits: The rules are outside the fence.
    """

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        if durable is None:
            raise EngineFailed("durable-rules does not run on this Python")
        # It never lets go of the GIL, so taking turns costs nothing, and no two patients are ever in it together.
        self._turn = threading.Lock()
        self._heads = tuple(sorted({name for layer in layers for name in layer.heads}))
        self._sid = 1
        self._closed = False
        _check_order(layers)
        plans = [[_plan(clauses) for clauses in _split(layer)] for layer in layers]
        self._layers: list[list[_Ruleset]] = []
        try:
            for plan in plans:
                created: list[_Ruleset] = []
                self._layers.append(created)
                for ruleset in plan:
                    handle = durable.create_ruleset(f"cds-{next(_serial)}", ruleset.definition)
                    created.append(replace(ruleset, handle=handle))
        except durable.error as error:
            self.close()
            raise EngineFailed(f"durable-rules refused the rules: {error}") from error

    def run(self, statements: Mapping[str, Truth], ranges: Mapping[str, tuple[float, float]]) -> dict[str, Truth]:
        """
        Every head, hidden ones included → its truth.

        Ranges are closed, their ends may be infinite; a number that is unknown is absent.

        Raises:
            EngineFailed: No answer; never a part of one.
        """
        heads = dict.fromkeys(self._heads, Truth.UNKNOWN)
        known: dict[str, Truth] = {}
        known |= {name: truth for name, truth in statements.items() if truth is not Truth.UNKNOWN and name not in heads}
        with self._turn:
            if self._closed:
                raise EngineFailed("the engine is closed")
            for layer in self._layers:
                # Rulesets of one layer share no heads, so each sees only what lower layers settled.
                found = [self._run(ruleset, known, ranges) for ruleset in layer]
                for settled in found:
                    known.update(settled)
        return {name: known.get(name, Truth.UNKNOWN) for name in heads}

    def close(self) -> None:
        """Give the memory back, after the run under way; a second call does nothing."""
        with self._turn:
            if not self._closed:
                self._closed = True
                for ruleset in (ruleset for layer in self._layers for ruleset in layer):
                    durable.delete_ruleset(ruleset.handle)

    def _run(
        self, ruleset: _Ruleset, known: Mapping[str, Truth], ranges: Mapping[str, tuple[float, float]]
    ) -> dict[str, Truth]:
        if self._sid > MOST_STUCK_STATES:
            raise EngineFailed("durable-rules failed too often; start the process anew")
        before = f'{{"sid":"{self._sid}",'
        numbers = list(_number_facts(ruleset, ranges))
        texts = [before + text for text in (*numbers, *_word_facts(ruleset, known), SENTINEL_FACT)]
        started = False
        try:
            try:
                code, state = durable.assert_facts(ruleset.handle, f"[{','.join(texts)}]")
                # 1: some fact passed no test, which only a number may.
                if code not in ((0, 1) if numbers else (0,)):
                    raise EngineFailed(f"durable-rules answered {code} to the facts")
                first = durable.start_action_for_state(ruleset.handle, state)
                started = first is not None
                return _forward(ruleset, before, state, first[1] if started else None)
            finally:
                if started:
                    durable.delete_state(ruleset.handle, str(self._sid))
                else:
                    self._sid += 1  # deleting a state in which nothing fired would crash: leave it, never meet it again
        except durable.error as error:
            raise EngineFailed(f"durable-rules failed: {error}") from error


@dataclass(frozen=True, slots=True)
class _Ruleset:
    """
    Some clauses in the library's words, and, once `handle` is set, in its hands.

    Attributes:
        definition: As `create_ruleset` takes it.
        heads: Rule name → what it settles.
        facts: A name and its truth → the fact that says so, for those that some clause reads.
        names: The names in `facts`.
        ends: The numbers that some clause reads, and which end of their range → the beginning of the fact that says so.
    """

    definition: str
    heads: Mapping[str, Literal]
    facts: Mapping[tuple[str, Truth], str]
    names: tuple[str, ...]
    ends: Mapping[tuple[str, str], str]
    handle: int = 0


def _word_facts(ruleset: _Ruleset, known: Mapping[str, Truth]) -> Iterator[str]:
    for name in ruleset.names:
        text = ruleset.facts.get((name, known.get(name, Truth.UNKNOWN)))
        if text is not None:
            yield text


def _number_facts(ruleset: _Ruleset, ranges: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    for (name, end), begins in ruleset.ends.items():
        if name in ranges:
            low, high = ranges[name]
            # An open end says nothing; nor does what is not a number.
            value, open_end = (low, -math.inf) if end == "low" else (high, math.inf)
            if value != open_end and not math.isnan(value):
                yield f"{begins}{steps(value)}}}"


def _forward(ruleset: _Ruleset, before: str, state: int, firing: str | None) -> dict[str, Truth]:
    """Let the rules fire, telling each new conclusion to those that read it, until none is left."""
    settled: dict[str, Truth] = {}
    fired: set[str] = set()
    while firing is not None:
        rule = firing.split('"', 2)[1]  # {"r17":{"m0":{...
        if rule in fired:
            raise EngineFailed("a rule fired twice")
        fired.add(rule)
        if rule != SENTINEL:
            _record(ruleset, before, ruleset.heads[rule], settled)
        firing = durable.complete_and_start_action(ruleset.handle, state)
    if SENTINEL not in fired:
        raise EngineFailed("durable-rules dropped a fact")
    return settled


def _record(ruleset: _Ruleset, before: str, head: Literal, settled: dict[str, Truth]) -> None:
    truth = Truth.of(head.holds)
    if head.name not in settled:
        settled[head.name] = truth
        text = ruleset.facts.get((head.name, truth))
        if text is not None:
            code, _ = durable.assert_facts(ruleset.handle, f"[{before}{text}]")
            # 2 (already known) would be taken amiss too: every fact is told once, so it would mean mistaken identity.
            if code != 0:
                raise EngineFailed(f"durable-rules answered {code} to a conclusion")
    elif settled[head.name] is not truth:
        raise EngineFailed(f"{head.name} came out both true and false")


def steps(value: float) -> int:
    """
    A number as durable-rules gets it: an integer that compares with every limit as the number itself does.

    Limits fall on even steps, whole millionths. A number between two millionths falls on the odd step between them,
    so that 4.9999999 stays below 5 and 5.0000001 above it.
    """
    # By its shortest decimal, as people wrote it: 0.1 is a tenth here, and the order of floats stays what it was.
    millionths = Decimal(repr(max(-LARGEST_NUMBER, min(float(value), LARGEST_NUMBER)))) * (STEPS // 2)
    whole = int(millionths.to_integral_value(ROUND_FLOOR))
    return 2 * whole + (millionths != whole)


def _limit(test: Test) -> int:
    step = steps(test.limit)
    # Written so that NaN is refused too.
    if step % 2 or not abs(test.limit) <= LARGEST_LIMIT:
        raise EngineLimits(
            f"{test.fact}: the limit {test.limit!r} has more than six digits after the point, or is above a billion"
        )
    return step


def _condition(part: BodyPart) -> tuple[str, str, str | int]:
    """The finding it reads, how it compares, and with what."""
    match part:
        case Literal(name, holds):
            return name, "is", WORDS[Truth.of(holds)]
        case Undecided(name):
            return name, "is", WORDS[Truth.UNKNOWN]
        case Test(fact, end, op):
            return f"{fact} {end}", op, _limit(part)


def _plan(clauses: Iterable[Clause]) -> _Ruleset:
    """Put clauses into the library's words, or say why they are outside the fence."""
    listed = list(clauses)
    excess = _excess(listed)
    if excess:
        raise EngineLimits(excess)
    definition: dict[str, object] = {SENTINEL: {"all": [{"m0": {SENTINEL_PROPERTY: "true"}}], "dist": 0}}
    heads: dict[str, Literal] = {}
    facts: dict[tuple[str, Truth], str] = {}
    ends: dict[tuple[str, str], str] = {}
    findings = dict.fromkeys(_condition(part)[0] for clause in listed for part in clause.body)
    properties = {finding: f"p{number}" for number, finding in enumerate(findings)}
    for index, clause in enumerate(listed):
        conditions = [_pattern(_condition(part), properties) for part in dict.fromkeys(clause.body)]
        definition[f"r{index}"] = {"all": [{f"m{at}": it} for at, it in enumerate(conditions)], "dist": 0}
        heads[f"r{index}"] = clause.head
        for part in clause.body:
            if isinstance(part, Test):
                finding = f"{part.fact} {part.end}"
                ends[part.fact, part.end] = f'"id":"{finding}","{properties[finding]}":'
            else:
                truth = Truth.of(part.holds) if isinstance(part, Literal) else Truth.UNKNOWN
                word = WORDS[truth]
                facts[part.name, truth] = f'"id":"{part.name}|{word}","{properties[part.name]}":"{word}"}}'
    _no_mistaken_identity(
        [SENTINEL]
        + [f"{name}|{WORDS[truth]}" for name, truth in facts]
        + [f"{name} {end}" for name, end in ends]
        + [f"sid-{number}" for number in range(1, MOST_STUCK_STATES + 1)]  # it asserts one such fact itself
    )
    _no_mistaken_identity([*RESERVED, SENTINEL_PROPERTY, *properties.values()])
    names = tuple(dict.fromkeys(name for name, _ in facts))
    return _Ruleset(json.dumps(definition), heads, facts, names, ends)


def _pattern(condition: tuple[str, str, str | int], properties: Mapping[str, str]) -> dict[str, object]:
    finding, how, what = condition
    return {properties[finding]: what} if how == "is" else {OPERATORS[how]: {properties[finding]: what}}


def _excess(clauses: list[Clause]) -> str:
    """The first limit these clauses exceed in one ruleset, "" if they fit."""
    rules_with: Counter[tuple[str, str, str | int]] = Counter()
    for clause in clauses:
        body = {_condition(part) for part in clause.body}
        if not body:
            return f"{clause.head.name}: a rule without conditions"
        if len(body) > MOST_CONDITIONS:
            return f"{clause.head.name}: {len(body)} conditions at once; {MOST_CONDITIONS} are possible, so nest groups"
        for name in (clause.head.name, *(part.fact if isinstance(part, Test) else part.name for part in clause.body)):
            if not PLAIN_NAME.fullmatch(name):
                return f"{name[:50]!r} is not a plain, short name"
        rules_with.update(body)
    tests_on = Counter(finding for finding, _, _ in rules_with)
    if len(rules_with) > MOST_TESTS_IN_ALL:
        return f"{clauses[0].head.name} and what it shares: {len(rules_with)} tests; {MOST_TESTS_IN_ALL} are possible"
    for finding, number in tests_on.items():
        if number > MOST_TESTS:
            return f"{finding}: {number} different tests of it; {MOST_TESTS} are possible"
    for (finding, _, _), number in rules_with.items():
        if number > MOST_RULES_WITH_ONE_CONDITION:
            return f"{finding}: {number} rules read it alike; {MOST_RULES_WITH_ONE_CONDITION} are possible"
    return ""


def _split(layer: Layer) -> list[list[Clause]]:
    """A layer's clauses, in as few groups as the limits ask for; heads that need each other stay together."""
    whole = list(layer.clauses)
    if not _excess(whole):
        return [whole] if whole else []
    groups: list[list[Clause]] = [[]]
    for together in _components(layer):
        if groups[-1] and _excess(groups[-1] + together):
            groups.append([])
        groups[-1] += together
    return groups


def _components(layer: Layer) -> list[list[Clause]]:
    """Clauses by what their heads share: no two groups read each other's heads."""
    leader = {name: name for name in layer.heads}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = name = leader[leader[name]]
        return name

    for clause in layer.clauses:
        for part in clause.body:
            if isinstance(part, Literal) and part.name in leader:
                leader[find(part.name)] = find(clause.head.name)
    groups: dict[str, list[Clause]] = {}
    for clause in layer.clauses:
        groups.setdefault(find(clause.head.name), []).append(clause)
    return list(groups.values())


def _check_order(layers: tuple[Layer, ...]) -> None:
    """What is left unknown may be read only once all that could settle it has run."""
    settled_below: set[str] = set()
    heads = {name for layer in layers for name in layer.heads}
    for layer in layers:
        too_early = (layer.undecided & heads) - settled_below
        if too_early:
            raise EngineLimits(f"{min(too_early)}: its being unknown is read before it is decided")
        settled_below |= layer.heads


def _no_mistaken_identity(ids: list[str]) -> None:
    by_hash: dict[int, str] = {}
    for text in ids:
        other = by_hash.setdefault(fnv_1a(text), text)
        if other != text:
            raise EngineLimits(f"durable-rules cannot tell {other!r} from {text!r}; rename one of them")


def fnv_1a(text: str) -> int:
    """The 32-bit hash that is a fact's identity to durable-rules."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value
