from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cds.decide import conclude
from cds.read_request import read_record
from cds.ruleset import load_rules
from cds.settings import Settings
from cds.terminology import cohort_index
from cds.terminology.cohort_index import CohortTerminologyIndex
from cds.terminology.concepts import Coding, Concept
from cds.terminology.index import TerminologyIndex
from cds.terminology.phrases import PhraseIndex
from cds.terminology.value_sets import ValueSet

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 6, 1)


@pytest.fixture
def codes() -> TerminologyIndex:
    return TerminologyIndex({"pain": ValueSet("pain", "Pain", {("s", "1"): "Pain"}, {}, {}, [], {})}, {})


@pytest.mark.seconds
def test_charts_read_one_after_the_other_are_concluded_as_each_alone() -> None:
    bodies = [file.read_bytes() for file in sorted((ROOT / "fhir_examples").glob("*/request.json"))]
    apart, together = (load_rules(ROOT / "rules", None, TODAY, cohorts=cohorts) for cohorts in (False, True))
    assert isinstance(together.program.codes, CohortTerminologyIndex)
    alone = [conclude(apart, read_record(body, apart, Settings())[0], TODAY) for body in bodies]

    for order in (range(len(bodies)), reversed(range(len(bodies)))):
        for number in order:
            found = conclude(together, read_record(bodies[number], together, Settings())[0], TODAY)

            assert found.record == alone[number].record
            assert {name: found.facts[name] for name in alone[number].facts.by_name} == alone[number].facts.by_name
            assert found.truths.items() >= alone[number].truths.items()


def test_a_text_that_comes_again_is_searched_once(codes: TerminologyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []
    search = PhraseIndex.find_with_exceptions

    def noted(phrases: PhraseIndex, text: str) -> object:
        searched.append(text)
        return search(phrases, text)

    monkeypatch.setattr(PhraseIndex, "find_with_exceptions", noted)
    cohort = CohortTerminologyIndex(codes)

    for _ in range(3):
        cohort.for_one_record().sets_named(Concept(text="back pain"))

    assert searched == ["back pain"]


@pytest.mark.parametrize(("limit", "most"), [("MOST_REMEMBERED", 5), ("MOST_CHARACTERS", 30)])
def test_what_is_too_much_is_forgotten_with_the_next_record(
    codes: TerminologyIndex, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(cohort_index, limit, most)
    cohort = CohortTerminologyIndex(codes)
    kept = []
    for number in range(20):
        index = cohort.for_one_record()
        index.sets_named(Concept((Coding("s", "1"),), f"pain {number:04}"))
        kept.append(len(vars(index)["_found"]))

    assert max(kept) < 6
    assert kept.count(1) > 3
