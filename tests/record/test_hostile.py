"""Sizes at which anything but one pass over the data would take minutes."""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterator

import pytest

from cds.record.dates import read_date
from cds.terminology.concepts import Coding, Concept
from cds.terminology.index import TerminologyIndex
from cds.terminology.systems import ICD10CM
from cds.terminology.value_sets import ValueSet
from tests.facts.builders import codes, drug_table, sort
from tests.record.fhir import about, observation, order, read


@pytest.mark.parametrize("text", ["2025-01-01T10:00" + " " * 500_000 + "x", " " * 500_000 + "x", "2" * 500_000])
def test_a_text_of_any_length_in_place_of_a_date_is_no_date(text: str) -> None:
    assert read_date(text).span is None


def test_the_longest_date_with_blanks_around_is_a_date() -> None:
    assert read_date("  2025-01-01T10:00:00.123456789+01:00  ").span is not None


@pytest.mark.seconds
def test_as_many_steps_as_there_are_instructions_are_each_read() -> None:
    steps = [
        {"sequence": number, "timing": {"repeat": {"boundsDuration": {"value": 1, "code": "d"}}}}
        for number in range(20_000)
    ]

    (exposure,) = read(order(dosageInstruction=steps)).exposures

    assert len(exposure.sigs) == 20_000
    assert exposure.sigs[-1].start is not None
    assert exposure.sigs[-1].start.text == "2079-11-04"


def value_set(roots: dict[tuple[str, str], str]) -> ValueSet:
    return ValueSet("illness", "illness", {}, roots, {}, [], {})


def test_a_code_of_any_length_is_looked_up_by_no_more_than_the_longest_root() -> None:
    codes = TerminologyIndex({"illness": value_set({(ICD10CM, "X9"): "", (ICD10CM, "Y12.3"): ""})}, {})

    assert codes.sets_with(Coding(ICD10CM, "F" * 2_000_000)) == ()
    assert codes.sets_with(Coding(ICD10CM, "Y12.3" + "4" * 2_000_000)) == ("illness",)
    assert codes.sets_with(Coding(ICD10CM, "Y12.3")) == ("illness",)
    assert codes.sets_with(Coding(ICD10CM, "Y12")) == ()


@pytest.mark.seconds
def test_a_concept_of_any_number_of_codings_is_looked_up_in_one_pass() -> None:
    codes = TerminologyIndex({"illness": value_set({(ICD10CM, "X9"): ""})}, {})

    assert codes.sets_of(Concept((Coding(ICD10CM, "X9"),) * 400_000)) == {"illness"}


def held_by_caches(text: str) -> Iterator[str]:
    """What the caches of this process hold that has the text in it."""
    caches = [thing for thing in gc.get_objects() if isinstance(thing, functools._lru_cache_wrapper)]
    for cache in caches:
        waiting = [(held, 0) for held in gc.get_referents(cache)]
        while waiting:
            held, depth = waiting.pop()
            if isinstance(held, str) and text in held:
                yield f"{cache.__module__}.{cache.__name__}"
            elif isinstance(held, dict | tuple | list) and depth < 4:
                waiting.extend((inside, depth + 1) for inside in gc.get_referents(held))


@pytest.mark.seconds
def test_nothing_a_chart_says_in_words_outlives_its_request() -> None:
    words = "Xyzzyplugh said so"
    record = read(
        about(
            "Condition", "c", code={"coding": [{"system": "http://x", "code": "1", "display": words}], "text": words}
        ),
        order("Xyzzyplugh", medicationCodeableConcept={"text": words}, dosageInstruction=[{"text": words}]),
        observation("Xyzzyplugh", code={"text": words}),
    )
    sort(record)
    codes().sets_named(Concept((), words))
    drug_table().recognise(Concept((), words))

    assert list(held_by_caches("Xyzzyplugh")) == []
