from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from cds.authoring.testing.days import When, before, fhir_date, last_day

TODAY = date(2026, 6, 1)
DAY = TypeAdapter(When)


@pytest.mark.parametrize(
    "written, fhir",
    [
        (date(2025, 5, 1), "2025-05-01"),
        ("2025-05", "2025-05"),
        (2025, "2025"),
        ("today", "2026-06-01"),
        ("1 day ago", "2026-05-31"),
        ("10 days ago", "2026-05-22"),
        ("6 weeks ago", "2026-04-20"),
        ("3 months ago", "2026-03-01"),
        ("2 years ago", "2024-06-01"),
        ("not_recorded", None),
        ("2026-05-20T10:00:00+02:00", "2026-05-20T10:00:00+02:00"),
    ],
)
def test_a_day_is_written_as_precisely_as_it_was_given(written: Any, fhir: Any) -> None:
    assert fhir_date(DAY.validate_python(written), TODAY) == fhir


@pytest.mark.parametrize(
    "wrong", ["2025-02-30", "2025-13", "10 days", "yesterday", "2025-05-01T10:00:00", 17, True, 1.5]
)
def test_what_names_no_day_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        DAY.validate_python(wrong)


@pytest.mark.parametrize(
    "day, count, unit, earlier",
    [
        (date(2026, 5, 31), 3, "month", date(2026, 2, 28)),
        (date(2026, 1, 15), 1, "month", date(2025, 12, 15)),
        (date(2028, 2, 29), 1, "year", date(2027, 2, 28)),
    ],
)
def test_months_and_years_go_by_the_calendar(day: Any, count: Any, unit: Any, earlier: Any) -> None:
    assert before(day, count, unit) == earlier


@pytest.mark.parametrize(
    "length, last",
    [
        ("1 day", date(2025, 5, 10)),
        ("42 days", date(2025, 6, 20)),
        ("6 weeks", date(2025, 6, 20)),
        ("1 month", date(2025, 6, 9)),
        ("1 year", date(2026, 5, 9)),
    ],
)
def test_a_length_counts_both_end_days(length: str, last: Any) -> None:
    assert last_day(date(2025, 5, 10), length) == last


def test_what_is_no_length_is_refused() -> None:
    with pytest.raises(ValueError, match="not a length"):
        last_day(TODAY, "a while")
