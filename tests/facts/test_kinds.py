"""Every kind of fact is whole: what it leaves out is found here, and not by a patient."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from cds.decide import Ruleset
from cds.facts.context import sort_record
from cds.facts.data import CodedQuery
from cds.facts.fact import Fact
from cds.facts.kind import FACTS, NUMBER, TRIALS, CompiledFact, EvaluationContext, FactBase
from cds.facts.kinds import BY_TAG, KINDS, tags_of
from cds.facts.trials.definition import TrialDefinition
from cds.read_request import read_record
from cds.record.model import PatientRecord
from cds.rulebook.compile import compile_ruleset
from cds.settings import Settings
from tests.shipped import shipped_book

ROOT = Path(__file__).parents[2]
BOOK = shipped_book()
PROGRAM = compile_ruleset(BOOK)
EXAMPLES = sorted((ROOT / "fhir_examples").glob("*/request.json"))[::5]
TODAY = date.fromisoformat((ROOT / "fhir_examples" / "today.txt").read_text().strip())
WRITTEN = {name: fact for rule in BOOK.rules.values() for name, fact in rule.model.facts.items()}


def compiled_by(kind: type[FactBase]) -> type[CompiledFact]:
    made: type[CompiledFact] = get_type_hints(kind.compile)["return"]
    return made


def kinds_below(base: type[FactBase]) -> set[type[FactBase]]:
    found = set(base.__subclasses__())
    return found.union(*(kinds_below(kind) for kind in found))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_kind_tells_all_it_must(kind: type[FactBase]) -> None:
    made = compiled_by(kind)

    assert kind.role in FACTS
    assert all(tags_of(kind))
    assert not inspect.isabstract(kind)
    assert not inspect.isabstract(made), made.__abstractmethods__
    assert made is not CompiledFact
    assert (kind.role == NUMBER) == ("unit" in kind.model_fields or kind.answer_unit is not FactBase.answer_unit)
    assert kind.__doc__
    assert (kind.role == TRIALS) == issubclass(made, TrialDefinition)  # what draws trials asks for one


def test_each_kind_is_listed_and_told_from_the_others() -> None:
    base: Any = FactBase  # abstract
    assert {kind for kind in kinds_below(base) if not inspect.isabstract(kind)} == set(KINDS)
    assert set(BY_TAG.values()) == set(KINDS)


ISINSTANCE = {"isinstance", "issubclass"}
METHODS = ("needs", "data", "entry", "answer")


@pytest.mark.parametrize("method", METHODS)
def test_a_compiled_fact_without_a_method_cannot_be_made(method: str) -> None:
    others = {name: lambda self, *_: () for name in METHODS if name != method}
    half = type("Half", (CompiledFact,), others)

    with pytest.raises(TypeError, match=method):
        half("half", "Half", None)


class Watched:
    """A record that remembers which of its attributes were read."""

    def __init__(self, record: PatientRecord) -> None:
        self.record = record
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self.record, name)


@pytest.fixture(scope="module")
def told() -> Iterable[tuple[CompiledFact, Fact, bool, bool]]:
    """Each shipped fact on some examples: its answer, whether it kept more than that, whether it read overrides."""
    found = []
    no_reasoner: Any = None
    for path in EXAMPLES:
        record, _ = read_record(path.read_bytes(), Ruleset(PROGRAM, no_reasoner), Settings())
        watched: Any = Watched(record)
        seen = replace(sort_record(record, PROGRAM.codes, TODAY), record=watched)
        context = EvaluationContext(seen, TODAY, {fact.name: fact for fact in PROGRAM.wanted})
        for fact in PROGRAM.wanted:
            kept = len(context.scores) + len(context.unrecognised)
            watched.read.clear()
            answer = context.facts[fact.name] = fact.answer(context)
            more = len(context.scores) + len(context.unrecognised) > kept
            found.append((fact, answer, more, not watched.read.isdisjoint({"overrides", "overrides_sent"})))
    return found


Told = Iterable[tuple[CompiledFact, Fact, bool, bool]]


def test_a_fact_of_every_kind_is_shipped() -> None:
    assert {type(fact) for fact in WRITTEN.values()} == set(KINDS)


def test_a_fact_says_whether_it_keeps_more_than_its_answer(told: Told) -> None:
    assert {fact.name for fact, _, more, _ in told if more != fact.keeps_more} == set()
    assert any(more for _, _, more, _ in told)


def test_a_fact_says_whether_it_reads_answers_to_earlier_cards(told: Told) -> None:
    assert {fact.name for fact, _, _, read in told if read != fact.reads_overrides} == set()
    assert any(read for _, _, _, read in told)


def test_a_fact_is_only_what_it_says_it_can_be(told: Told) -> None:
    wrong = {
        (answer.name, answer.truth)
        for _, answer, _, _ in told
        if answer.truth is not None and answer.name in WRITTEN and answer.truth not in WRITTEN[answer.name].truths()
    }

    assert wrong == set()


def test_a_fact_that_asks_by_code_says_so_to_the_checks() -> None:
    asks = {fact.name for fact in PROGRAM.wanted if any(isinstance(query, CodedQuery) for query in fact.data())}

    assert {name for name, fact in WRITTEN.items() if fact.asked_by_code() is not None} == asks & WRITTEN.keys()
    assert asks


def test_a_name_stands_at_least_where_its_role_does() -> None:
    assert {name for name, fact in WRITTEN.items() if fact.role not in fact.stands_as()} == set()


@pytest.mark.seconds
def test_no_other_room_asks_which_kind_a_fact_is() -> None:
    """A switch over kinds elsewhere is an edit that whoever adds a kind forgets."""
    classes = {kind.__name__ for kind in KINDS} | {compiled_by(kind).__name__ for kind in KINDS}
    classes |= {"PresenceFact", "CompiledPresence", "TrialDefinition"}
    asked = []
    for path in (ROOT / "src" / "cds").rglob("*.py"):
        if path.is_relative_to(ROOT / "src" / "cds" / "facts"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            told = node.args[1:] if isinstance(node, ast.Call) and ast.unparse(node.func) in ISINSTANCE else []
            told += [node.cls] if isinstance(node, ast.MatchClass) else []
            names = {name.id for one in told for name in ast.walk(one) if isinstance(name, ast.Name)}
            asked += [f"{path.relative_to(ROOT)}: {name}" for name in names & classes]

    assert asked == []
