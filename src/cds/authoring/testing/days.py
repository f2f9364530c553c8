"""Days as a case writes them ("2025-05", "10 days ago") → FHIR dates; lengths of time that count both end days."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, StringConstraints, WithJsonSchema

from cds.yaml_source.fields import DAYS_IN

NOT_RECORDED = "not_recorded"

_ISO = r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d))?)?)?"
_AGO = re.compile(r"([0-9]+) (day|week|month|year)s? ago")
_LENGTH = re.compile(r"([0-9]+) (day|week|month|year)s?")
_FULL = re.compile(r"\d{4}-\d\d-\d\d")


def _as_text(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool) and 1000 <= value <= 9999:
        return str(value)  # `onset: 2019` is a year
    return value


def _is_day(text: str) -> str:
    if not re.fullmatch(rf"{_ISO}|{_AGO.pattern}|today|{NOT_RECORDED}", text):
        raise ValueError(
            f"`{text}` is not a day: write 2025-05-01, 2025-05, 2025, today, `10 days ago` or {NOT_RECORDED}"
        )
    if day := re.match(r"(\d{4})-(\d\d)(?:-(\d\d))?", text):
        try:
            date(int(day[1]), int(day[2]), int(day[3] or 1))
        except ValueError:
            raise ValueError(f"there is no day {text}") from None
    return text


_DAY = rf"^({_ISO}|{_AGO.pattern}|today|{NOT_RECORDED})$"

When = Annotated[
    str,
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": _DAY}, {"type": "integer", "minimum": 1000}]}),
    BeforeValidator(lambda value: _is_day(value) if isinstance(value, str) else value),
    BeforeValidator(_as_text),
]
"""A day: 2025-05-01, 2025-05, 2025, today, `10 days ago`, not_recorded."""


def _is_length(text: Any) -> Any:
    if isinstance(text, str) and not _LENGTH.fullmatch(text):
        raise ValueError(f"`{text}` is not a length of time: write `42 days`, `6 weeks`, `3 months` or `1 year`")
    return text


Length = Annotated[str, StringConstraints(pattern=rf"^{_LENGTH.pattern}$"), BeforeValidator(_is_length)]
"""A length of time in words: 42 days, 12 weeks, 3 months."""


def fhir_date(text: str | None, today: date) -> str | None:
    """The FHIR date a case's day stands for, as precise as it was written; None for a day that is not recorded."""
    if text is None or text == NOT_RECORDED:
        return None
    if text == "today":
        return today.isoformat()
    if ago := _AGO.fullmatch(text):
        return before(today, int(ago[1]), ago[2]).isoformat()
    return text


def full_day(text: str | None) -> date | None:
    """The day of a FHIR date known to the day, None for one that is not."""
    return date.fromisoformat(text) if text and _FULL.fullmatch(text) else None


def known_to_the_day(text: str) -> bool:
    """Whether a case's day names one day."""
    return text != NOT_RECORDED and not re.fullmatch(r"\d{4}(-\d\d)?", text)


def before(day: date, count: int, unit: str) -> date:
    """The day so many days, weeks, months or years earlier; 31 May minus 3 months is 28 or 29 February."""
    if unit in {"day", "week"}:
        return day - timedelta(days=count * int(DAYS_IN[unit]))
    return _months_later(day, -count * (12 if unit == "year" else 1))


def last_day(first: date, length: str) -> date:
    """The last day of a stretch that starts on `first` and counts both ends: 42 days from 1 March end on 11 April."""
    match = _LENGTH.fullmatch(length)
    if not match:
        raise ValueError(f"`{length}` is not a length of time")
    count, unit = int(match[1]), match[2]
    if unit in {"day", "week"}:
        return first + timedelta(days=count * int(DAYS_IN[unit]) - 1)
    return _months_later(first, count * (12 if unit == "year" else 1)) - timedelta(days=1)


def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
