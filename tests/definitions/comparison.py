"""Made-up people decided by our definitions, and by the programs of their authors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import duckdb

from cds.decide import Decision, Ruleset, decide, index_day, truth_of
from cds.engine.evaluator import EvaluatorMode
from cds.logic.truth import Truth
from cds.read_request import read_record
from cds.settings import Settings
from tests.definitions.fhir import requests_of
from tests.definitions.histories import TODAY, History, histories
from tests.definitions.omop import load
from tests.shipped import shipped_rules

RULES = Path(__file__).parents[2] / "rules"


@dataclass(frozen=True)
class Answer:
    """Whether a definition is met, and its day."""

    truth: Truth
    day: date | None


@dataclass(frozen=True)
class Answers:
    """
    What our definitions say of each person.

    `gates` are the trials of each person that reach the minimum dose for four weeks, and those that last four weeks.
    """

    by_definition: Mapping[str, Mapping[int, Answer]]
    gates: Mapping[int, tuple[int, int]]

    def met(self, name: str) -> set[int]:
        """Persons who meet a definition for certain."""
        return {person for person, answer in self.by_definition[name].items() if answer.truth is Truth.TRUE}


@cache
def people(count: int) -> list[History]:
    """So many made-up people."""
    return histories(count)


@cache
def database(count: int) -> duckdb.DuckDBPyConnection:
    """The same people as OMOP tables."""
    return load(people(count))


@cache
def rules() -> Ruleset:
    """The shipped rules, with every published definition."""
    return shipped_rules(EvaluatorMode.DIRECT, ("all",))


@cache
def answers(count: int) -> Answers:
    """Each of these people, sent as FHIR, under every published definition."""
    published = rules().program.published
    found: dict[str, dict[int, Answer]] = {one.id: {} for one in published}
    gates: dict[int, tuple[int, int]] = {}
    for person, body in requests_of(database(count)):
        decision = decided(body)
        for one in published:
            found[one.id][person] = Answer(truth_of(one, decision), index_day(one, decision))
        trials = decision.facts["zhong_trials"].trials
        at_dose = sum(trial.held is Truth.TRUE for trial in trials)
        gates[person] = at_dose, sum(trial.long_enough is Truth.TRUE for trial in trials)
    return Answers(found, gates)


def decided(body: bytes) -> Decision:
    """A request, read and decided on."""
    record, _ = read_record(body, rules(), Settings())
    return decide(rules(), record, TODAY)
