"""Every kind of fact is whole: what it leaves out is found here, and not by a patient."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

import pytest

from cds.facts.kind import FACTS, NUMBER, CompiledFact, FactBase
from cds.facts.kinds import BY_TAG, KINDS


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
    assert not inspect.isabstract(kind)
    assert not inspect.isabstract(made), made.__abstractmethods__
    assert made is not CompiledFact
    assert (kind.role == NUMBER) == ("unit" in kind.model_fields or kind.answer_unit is not FactBase.answer_unit)
    assert kind.__doc__


def test_each_kind_is_listed_and_told_from_the_others() -> None:
    base: Any = FactBase  # abstract
    assert {kind for kind in kinds_below(base) if not inspect.isabstract(kind)} == set(KINDS)
    assert set(BY_TAG.values()) == set(KINDS)


METHODS = ("needs", "data", "entry", "answer")


@pytest.mark.parametrize("method", METHODS)
def test_a_compiled_fact_without_a_method_cannot_be_made(method: str) -> None:
    others = {name: lambda self, *_: () for name in METHODS if name != method}
    half = type("Half", (CompiledFact,), others)

    with pytest.raises(TypeError, match=method):
        half("half", "Half", None)
