"""Steps of a dosing instruction, days of the week, and statuses that leave doubt."""

from __future__ import annotations

import pytest

from cds.record.model import Exposure
from tests.record.fhir import JSON, about, order, read


def one(*resources: JSON) -> Exposure:
    (exposure,) = read(*resources).exposures
    return exposure


def step(sequence: int | None, milligrams: float, **repeat: object) -> JSON:
    given: JSON = {"doseAndRate": [{"doseQuantity": {"value": milligrams, "code": "mg"}}], "timing": {"repeat": repeat}}
    return given if sequence is None else given | {"sequence": sequence}


def days(number: float, code: str = "d") -> JSON:
    return {"value": number, "code": code}


def spans(exposure: Exposure) -> list[tuple[str | None, str | None]]:
    return [(s.start.text if s.start else None, s.end.text if s.end else None) for s in exposure.sigs]


def test_steps_in_sequence_follow_each_other() -> None:
    exposure = one(
        order(dosageInstruction=[step(2, 50, boundsDuration=days(28)), step(1, 25, boundsDuration=days(14))])
    )

    assert spans(exposure) == [("2025-02-15", "2025-03-14"), ("2025-02-01", "2025-02-14")]
    assert (exposure.start, exposure.end) == (exposure.sigs[1].start, exposure.sigs[0].end)
    assert not exposure.open_ended


@pytest.mark.parametrize(
    "first", [{"boundsDuration": days(2, "wk")}, {"boundsPeriod": {"start": "2025-02-01", "end": "2025-02-14"}}]
)
def test_a_last_step_without_bounds_goes_on(first: JSON) -> None:
    exposure = one(order(dosageInstruction=[step(1, 25, **first), step(2, 50)]))

    assert spans(exposure) == [("2025-02-01", "2025-02-14"), ("2025-02-15", None)]
    assert exposure.end is None
    assert exposure.open_ended


@pytest.mark.parametrize("number", [None, 1])
def test_instructions_side_by_side_end_only_when_all_of_them_do(number: int | None) -> None:
    bounded = step(number, 20, boundsDuration=days(14))

    assert one(order(dosageInstruction=[bounded, step(number, 10)])).end is None
    both = one(order(dosageInstruction=[bounded, step(number, 10, boundsDuration=days(28))]))
    assert both.end is not None
    assert both.end.text == "2025-02-28"


def test_less_than_a_day_is_that_day() -> None:
    exposure = one(order(dosageInstruction=[step(None, 20, boundsDuration=days(12, "h"))]))

    assert exposure.end == exposure.start


def test_words_alone_do_not_leave_the_end_open() -> None:
    bounded = step(None, 20, boundsPeriod={"start": "2025-02-01", "end": "2025-02-14"})

    end = one(order(dosageInstruction=[bounded, {"text": "with food"}])).end

    assert end is not None
    assert end.text == "2025-02-14"


@pytest.mark.parametrize(
    ("repeat", "times"),
    [
        ({"frequency": 1, "period": 1, "periodUnit": "d", "dayOfWeek": ["mon", "wed", "fri"]}, (3 / 7, 3 / 7)),
        ({"frequency": 2, "period": 1, "periodUnit": "wk", "dayOfWeek": ["mon", "thu"]}, (2 / 7, 2 / 7)),
        ({"frequency": 1, "period": 1, "periodUnit": "wk", "dayOfWeek": ["mon", "thu"]}, (1 / 7, 2 / 7)),
        ({"dayOfWeek": ["mon"]}, (1 / 7, 1 / 7)),
        ({"dayOfWeek": ["mon"], "timeOfDay": ["08:00:00", "20:00:00"]}, (2 / 7, 2 / 7)),
    ],
)
def test_days_of_the_week_are_counted(repeat: JSON, times: tuple[float, float]) -> None:
    (sig,) = one(order(dosageInstruction=[step(None, 20, **repeat)])).sigs

    assert (sig.times_a_day_low, sig.times_a_day_high) == pytest.approx(times)


def test_a_range_in_two_units_is_not_read_as_if_it_were_in_one() -> None:
    dose = {"low": {"value": 500, "code": "mg"}, "high": {"value": 1, "code": "g"}}

    (sig,) = one(order(dosageInstruction=[{"doseAndRate": [{"doseRange": dose}]}])).sigs

    assert (sig.low, sig.high) == (None, None)


def test_the_dose_ordered_comes_before_the_dose_calculated() -> None:
    doses = [
        {"type": {"coding": [{"code": kind}]}, "doseQuantity": {"value": value, "code": "mg"}}
        for kind, value in (("calculated", 18.7), ("ordered", 20))
    ]

    assert one(order(dosageInstruction=[{"doseAndRate": doses}])).sigs[0].low == 20


@pytest.mark.parametrize(
    ("resource", "doubtful"),
    [
        (order(status="completed"), False),
        (order(status="done"), True),
        (about("MedicationDispense", "d", status="completed", whenPrepared="2025-01-01"), False),
        (about("MedicationDispense", "d", status="in-progress", whenPrepared="2025-01-01"), True),
        (about("MedicationDispense", "d", status="stopped", whenHandedOver="2025-01-01"), False),
        (about("MedicationStatement", "s", status="recorded"), True),
    ],
)
def test_what_may_not_have_been_taken_is_doubtful(resource: JSON, doubtful: bool) -> None:
    assert one(resource).doubtful is doubtful


@pytest.mark.parametrize(
    ("adherence", "status"), [("taking-as-directed", "active"), ("stopped", "stopped"), ("on-hold", "on-hold")]
)
def test_in_r5_adherence_says_whether_it_is_taken(adherence: str, status: str) -> None:
    said = about("MedicationStatement", "s", status="recorded", adherence={"code": {"coding": [{"code": adherence}]}})

    assert (one(said).status, one(said).doubtful) == (status, False)


def test_a_medication_entered_in_error_names_no_drug() -> None:
    wrong = {"resourceType": "Medication", "id": "d", "status": "entered-in-error", "code": {"text": "Drug"}}

    exposure = one(wrong, order(medicationCodeableConcept=None, medicationReference={"reference": "Medication/d"}))

    assert exposure.drug.words == ""


@pytest.mark.parametrize(
    "repeat",
    [
        {"boundsDuration": days(1e308, "wk")},
        {"boundsDuration": days(1e9, "a")},
        {"frequency": 1, "period": 5e-324, "periodUnit": "s"},
        {"frequency": 1, "period": 1e-300, "periodMax": 5e-324, "periodUnit": "s"},
        {"frequency": 1e308, "period": 1e-300, "periodUnit": "d"},
    ],
)
def test_numbers_beyond_all_measure_are_not_computed_with(repeat: JSON) -> None:
    exposure = one(order(dosageInstruction=[step(None, 20, **repeat)]))

    assert exposure.end is None
    assert exposure.sigs[0].times_a_day_high is None
