from __future__ import annotations

import pytest

from cds.facts.history.eras import DrugIssue, Era, eras


def fill(first: int, days: int, drug: str = "sertraline", *, mg: float | None = 50, sure: bool = True) -> DrugIssue:
    last = first + days - 1
    return DrugIssue(drug, "SSRI", (first, first), (last, last), mg, sure, True, "MedicationDispense/1")


@pytest.mark.parametrize(("gap", "count"), [(29, 1), (30, 1), (31, 2)])
def test_a_gap_is_counted_from_the_last_day_to_the_next_first_day(gap: int, count: int) -> None:
    first = fill(100, 10)

    found = eras([first, fill(109 + gap, 10)], 30)

    assert len(found.sure) == count == len(found.possible)


def test_an_era_reaches_to_the_last_day_of_whatever_overlaps_it() -> None:
    found = eras([fill(100, 90), fill(110, 5)], 30)

    assert found.sure == (Era(100, 189, "sertraline", "SSRI"),)


def test_another_drug_is_another_era() -> None:
    found = eras([fill(100, 10), fill(100, 10, "venlafaxine")], 30)

    assert [era.drug for era in found.sure] == ["sertraline", "venlafaxine"]


def test_another_dose_is_another_dose_era_and_no_dose_is_possible_only() -> None:
    issues = [fill(100, 10, mg=50), fill(110, 10, mg=100), fill(120, 10, mg=None)]

    assert len(eras(issues, 30, by_dose=True).sure) == 2
    assert len(eras(issues, 30, by_dose=True).possible) == 3
    assert len(eras(issues, 30).sure) == 1


def test_what_is_doubtful_makes_possible_eras_only() -> None:
    found = eras([fill(100, 10, sure=False)], 30)

    assert found.sure == ()
    assert len(found.possible) == 1


def test_an_end_that_is_not_known_makes_the_possible_era_longer() -> None:
    issue = DrugIssue("sertraline", "SSRI", (100, 100), (100, 300), None, True, True, "MedicationRequest/1")

    found = eras([issue, fill(320, 10)], 30)

    assert [(era.first, era.last) for era in found.sure] == [(100, 100), (320, 329)]
    assert [(era.first, era.last) for era in found.possible] == [(100, 329)]
