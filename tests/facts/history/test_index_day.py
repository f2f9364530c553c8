from __future__ import annotations

import pytest

from cds.facts.history.eras import Era, Eras
from cds.facts.history.index_day import DatedEntries, EarlierDrugs, Entry, FirstDay, Route, first_day
from cds.logic.truth import Truth

TODAY = 2000
NO_ERAS = Eras((), ())


def sure(*eras: Era) -> Eras:
    return Eras(eras, eras)


def three(eras: Eras, **changed: object) -> Entry:
    by_then, before = EarlierDrugs(eras, 3, True, 365, None), EarlierDrugs(eras, 2, False, 365, None)
    values: dict[str, object] = {
        "routes": (Route(eras, (by_then, before)),), "diagnosis": DatedEntries((1000,)), "within": 365, "unless": (),
    }  # fmt: skip
    return Entry(**{**values, **changed})  # type: ignore[arg-type]


THREE = sure(Era(1000, 1010, "a"), Era(1100, 1110, "b"), Era(1200, 1210, "c"))


def test_the_day_is_the_first_one_on_which_everything_holds() -> None:
    assert first_day(three(THREE), TODAY) == FirstDay(Truth.TRUE, 1200)


@pytest.mark.parametrize(("last", "met"), [(834, False), (835, True)])
def test_a_drug_that_ended_more_than_365_days_before_does_not_count(last: int, met: bool) -> None:
    eras = sure(Era(800, last, "a"), Era(1100, 1110, "b"), Era(1200, 1210, "c"))

    assert first_day(three(eras), TODAY).truth is Truth.of(met)


@pytest.mark.parametrize(("day", "met"), [(834, False), (835, True), (1200, True), (1201, False)])
def test_the_diagnosis_lies_in_the_365_days_before_or_on_the_day(day: int, met: bool) -> None:
    entry = three(THREE, diagnosis=DatedEntries((day,)))

    assert first_day(entry, TODAY).truth is Truth.of(met)


@pytest.mark.parametrize(("day", "met"), [(1199, False), (1200, False), (1201, True)])
def test_what_rules_it_out_does_so_up_to_and_on_the_day(day: int, met: bool) -> None:
    entry = three(THREE, unless=(DatedEntries((day,)),))

    assert first_day(entry, TODAY).truth is Truth.of(met)


def test_two_drugs_of_one_day_are_two_by_that_day_and_none_before_it() -> None:
    eras = sure(Era(1200, 1210, "a"), Era(1200, 1210, "b"), Era(1200, 1210, "c"))

    assert first_day(three(eras), TODAY).truth is Truth.FALSE


@pytest.mark.parametrize(
    "changed",
    [
        {"diagnosis": DatedEntries((), ((1100, 1300),))},
        {"diagnosis": DatedEntries(anywhere=True)},
        {"unless": (DatedEntries(anywhere=True),)},
        {"unless": (DatedEntries((), ((1, 1200),)),)},
    ],
)
def test_what_may_be_or_may_rule_out_leaves_it_open(changed: dict[str, object]) -> None:
    assert first_day(three(THREE, **changed), TODAY) == FirstDay(Truth.UNKNOWN, None)


def test_an_era_that_is_possible_only_leaves_it_open() -> None:
    *two, third = THREE.sure

    assert first_day(three(Eras(tuple(two), (*two, third))), TODAY) == FirstDay(Truth.UNKNOWN, None)


def test_an_era_that_may_have_begun_earlier_leaves_the_day_open() -> None:
    fourth = Era(1300, 1310, "d")
    *two, third = THREE.sure
    eras = Eras((*two, third, fourth), (*two, Era(1150, 1210, "c"), fourth))

    # By the fourth drug it is met for certain; whether it was met before is not known.
    assert first_day(three(eras), TODAY) == FirstDay(Truth.TRUE, None)


def test_an_earlier_drug_can_be_asked_to_have_been_taken_for_longer() -> None:
    def after(days: int) -> Entry:
        return Entry((Route(THREE, (EarlierDrugs(THREE, 2, False, None, days),)),), None, 0, ())

    assert first_day(after(10), TODAY) == FirstDay(Truth.TRUE, 1200)
    assert first_day(after(11), TODAY) == FirstDay(Truth.FALSE, None)


def test_without_any_era_it_is_not_met() -> None:
    assert first_day(three(NO_ERAS), TODAY) == FirstDay(Truth.FALSE, None)
