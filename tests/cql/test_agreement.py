"""An engine nobody of us wrote (CQL's reference translator, cql-execution) comes to the same answers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cds.engine.durable import available
from cds.engine.evaluator import Evaluator, EvaluatorMode
from cds.facts.fact import Fact, Facts
from cds.logic.conditions import Compare, Condition, Name, walk
from cds.logic.strata import strata_of
from cds.logic.truth import Truth
from cds.ruleset import load_rules
from tests.cql.written import HERE, library, run
from tests.engine.test_kleene import random_condition
from tests.facts.builders import taken, trials, wanted
from tests.server import ROOT, TODAY

pytestmark = [pytest.mark.processes, pytest.mark.slow]

FACT_SETS = int(os.environ.get("CQL_FACT_SETS", "100"))  # .ci/run asks for a thousand
HISTORIES = 300
TRUTHS = {True: Truth.TRUE, False: Truth.FALSE, None: Truth.UNKNOWN}
OPINIONS = EvaluatorMode.BOTH if available() else EvaluatorMode.DIRECT


def random_facts(random: Random, heads: Mapping[str, Condition]) -> Facts:
    """Each statement true, false or unknown; each number unknown, exact or a range, often on a limit or beside it."""
    limits: dict[str, set[float]] = {}
    facts: dict[str, Fact] = {}
    for part in [part for condition in heads.values() for part in walk(condition)]:
        if isinstance(part, Compare):
            limits.setdefault(part.fact, set()).update((part.limit - 1, part.limit - 0.5, part.limit, part.limit + 1))
        elif isinstance(part, Name) and part.name not in heads:
            facts[part.name] = Fact(part.name, part.name, truth=random.choice(tuple(Truth)))
    for name, values in sorted(limits.items()):
        ends = sorted(random.choices(sorted(values), k=2))
        low, high = random.choice(((None, None), (ends[0], ends[0]), (ends[0], ends[1])))
        facts[name] = Fact(name, name, low=low, high=high)
    return Facts(facts, TODAY)


def parameters(facts: Facts) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, fact in facts.by_name.items():
        if fact.truth is None:
            given |= {f"{name} low": fact.low, f"{name} high": fact.high}
        else:
            given[name] = {Truth.TRUE: True, Truth.FALSE: False, Truth.UNKNOWN: None}[fact.truth]
    return given


def disagreements(
    heads: Mapping[str, Condition], reasoner: Evaluator, sets: Iterable[Facts], modules: Path
) -> tuple[list[str], set[Truth]]:
    """What differs, and which truths were seen."""
    asked = list(sets)
    answers = run(library(heads), [parameters(facts) for facts in asked], modules)
    differ, seen = [], set()
    for facts, answer in zip(asked, answers, strict=True):
        for name, truth in reasoner.conclude(facts).items():
            seen.add(truth)
            if TRUTHS[answer[name]] is not truth:
                differ.append(f"{name}: {truth.value} here, {answer[name]} there")
    return differ, seen


def test_the_conditions_of_the_shipped_rules_come_out_the_same(modules: Path) -> None:
    rules = load_rules(ROOT / "rules", OPINIONS, TODAY)
    heads = {name: head.condition for name, head in rules.program.heads.items()}
    random = Random(1)  # noqa: S311 (no secret)
    sets = [random_facts(random, heads) for _ in range(FACT_SETS)]

    differ, seen = disagreements(heads, rules.reasoner, sets, modules)
    rules.reasoner.close()

    assert differ == []
    assert seen == set(Truth)


def test_random_conditions_of_every_form_come_out_the_same(modules: Path) -> None:
    random = Random(2)  # noqa: S311 (no secret)
    heads: dict[str, Condition] = {}
    for number in range(60):
        heads[f"h{number}"] = random_condition(random, ("s1", "s2", "s3", "s4", *heads), 3)
    reasoner = Evaluator(heads, strata_of(heads), EvaluatorMode.DIRECT)

    differ, seen = disagreements(heads, reasoner, [random_facts(random, heads) for _ in range(200)], modules)

    assert differ == []
    assert seen == set(Truth)


HISTORY = """\
library Histories version '1'
parameter "taken" List<Interval<Date>>
context Unfiltered
define "stretches": collapse "taken" per {days} days
define "days taken": collapse "taken" per 1 day
define "lengths": "stretches" S
    return all Sum(("days taken" T where T included in S return all (duration in days of T) + 1))
define "long enough": "lengths" L return all L >= {enough}
"""


def test_medication_histories_are_joined_and_measured_as_collapse_and_duration_do(modules: Path) -> None:
    random = Random(3)  # noqa: S311 (no secret)
    spec = wanted()
    histories = [random_history(random) for _ in range(HISTORIES)]
    text = HISTORY.format(days=spec.joins_gaps_days + 1, enough=spec.adequate_days)
    answers = run(text, [{"taken": history} for history in histories], modules)
    several = 0

    for history, answer in zip(histories, answers, strict=True):
        orders = [
            taken("alfadep", first, last, 50, source=f"MedicationRequest/{number}")
            for number, (first, last) in enumerate(history)
        ]
        found = trials(*orders, want=spec)
        several += len(found) > 1
        spans = [[span and span.text for span in (trial.start, trial.end)] for trial in found]
        assert spans == answer["stretches"]
        assert [trial.days_at_dose for trial in found] == [(days, days) for days in answer["lengths"]]
        assert [trial.adequate for trial in found] == [TRUTHS[enough] for enough in answer["long enough"]]

    assert several > HISTORIES / 4


def random_history(random: Random) -> list[tuple[str, str]]:
    """Orders of one drug, one after the other with gaps around the one that joins, some of them overlapping."""
    start, found = date(2024, 1, 1), []
    for _ in range(random.randint(1, 6)):
        last = start + timedelta(days=random.randint(0, 60))
        found.append((start.isoformat(), last.isoformat()))
        start = last + timedelta(days=random.choice((-10, 0, 1, 13, 14, 15, 16, 30)))
    random.shuffle(found)
    return found


def test_the_lock_file_names_no_registry() -> None:
    locked = json.loads((HERE / "package-lock.json").read_text())

    assert [name for name, package in locked["packages"].items() if "resolved" in package] == []
    assert all(package.get("integrity") for name, package in locked["packages"].items() if name)


@pytest.mark.parametrize("word", ["and", "or"])
def test_the_other_engine_knows_three_truths(modules: Path, word: str) -> None:
    text = f'parameter "a" Boolean\ncontext Unfiltered\ndefine "x": "a" {word} ("a" is null)'

    answers = run(text, [{"a": None}], modules)

    assert answers == [{"x": None if word == "and" else True}]
