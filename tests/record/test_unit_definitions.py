"""The units we define are those of pint's own definitions, which take much longer to read."""

from __future__ import annotations

import pint
import pytest

from cds.record import units


@pytest.fixture(scope="module")
def whole() -> pint.UnitRegistry[float]:
    return pint.UnitRegistry()


@pytest.mark.parametrize("unit_from", sorted(units._PINT))
def test_a_factor_is_the_one_of_all_of_pints_definitions(unit_from: str, whole: pint.UnitRegistry[float]) -> None:
    here = whole.parse_expression(f"({units._PINT[unit_from]})")
    for unit_to, expression in units._PINT.items():
        there = whole.parse_expression(f"({expression})")
        found = units.factor(unit_from, unit_to)

        if here.check(there.dimensionality):
            assert found == pytest.approx(float((here / there).to("").m), rel=1e-15), unit_to
        else:
            assert found is None, unit_to
