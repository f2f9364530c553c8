"""FHIR dates, known to the day, month or year, as spans of days."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

from cds.locale.sentence import say
from cds.record.fhir import Period
from cds.record.issues import Origin
from cds.record.model import IssueKind, Span

FIRST_YEAR, LAST_YEAR = 1850, 2300
"""Years outside are typing or system errors, not dates in a patient's record (project decision)."""

_AS_SPECIFIED = re.compile(
    # FHIR R4 §2.24.0.1 dateTime and instant, with a full date
    r"\d{4}-\d\d-\d\d(?:T(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d))?",
    re.ASCII,
)
_AS_FOUND = re.compile(
    r"\s*(?P<year>\d{4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2})"
    r"(?P<time>[Tt ]\s*(?:(?:[01]?\d|2[0-3]):[0-5]\d(?::(?:[0-5]\d|60)(?:[.,]\d+)?)?|24:00(?::00(?:[.,]0+)?)?)"
    r"\s*(?P<zone>[Zz]|[+-]\d\d:?(?:[0-5]\d)?)?)?)?)?\s*",
    re.ASCII,
)
LONGEST = 64
"""Characters of the longest text that is read as a date: more than twice what the longest date needs."""
LENGTH_OF_DAY, LENGTH_OF_HOUR = 10, 13  # of "2025-05-03" and "2025-05-03T23"
WESTERNMOST_HOURS = 12  # behind UTC
_PARTIAL = re.compile(r"\d{4}(?:-\d\d)?", re.ASCII)


SUMMER_TIME = timedelta(hours=1)  # two offsets so far apart are one place in winter and in summer
_WESTERNMOST = timezone(timedelta(hours=-WESTERNMOST_HOURS))


class ParsedDate(NamedTuple):
    """
    What a date text says.

    Attributes:
        span: The day, month or year; None if the text is no date.
        flaw: What is not as FHIR wants it, as a clause after "the date"; "" if nothing.
    """

    span: Span | None
    flaw: str


def read_date(text: str) -> ParsedDate:
    """
    Read a FHIR date, dateTime or instant (R4 §2.24.0.1).

    The day is the sender's own local day: 2025-05-03T23:30:00-05:00 is 3 May. Forms seen in real feeds are taken and
    their flaw named: no seconds, a blank for the T, no time zone, +0000, 24:00, 1980-5-1.
    """
    if len(text) > LONGEST:
        return ParsedDate(None, say("is not a FHIR date"))
    if _AS_SPECIFIED.fullmatch(text):
        if text.endswith("Z"):
            return _utc_hour(text[:LENGTH_OF_HOUR])
        read = _whole_day(text[:LENGTH_OF_DAY])
        west = _westernmost(text) if len(text) > LENGTH_OF_DAY else None
        if read.span is None or west in {None, read.span.earliest}:
            return read
        return ParsedDate(Span(read.span.earliest, read.span.latest, west), read.flaw)
    found = _AS_FOUND.fullmatch(text)
    if found is None:
        return ParsedDate(None, say("is not a FHIR date"))
    year, month, day = found["year"], found["month"], found["day"]
    if not FIRST_YEAR <= int(year) <= LAST_YEAR:
        return ParsedDate(None, say("is outside {first} to {last}", first=FIRST_YEAR, last=LAST_YEAR))
    try:
        first = date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return ParsedDate(None, say("names a day that does not exist"))
    if day:
        last = first
    elif month:
        last = first.replace(day=monthrange(first.year, first.month)[1])
    else:
        last = first.replace(month=12, day=31)
    flaw = "" if _PARTIAL.fullmatch(text) else say("is not written as FHIR asks")
    if found["time"] and not found["zone"]:
        flaw = say("has no time zone")
    return ParsedDate(Span(first, last, _westernmost(text.strip()) if found["zone"] else None), flaw)


def is_plain_day(text: str) -> bool:
    """Whether a text is a FHIR date, dateTime or instant of one day, with nothing to remark about it."""
    return (
        len(text) <= LONGEST
        and _AS_SPECIFIED.fullmatch(text) is not None
        and _whole_day(text[:LENGTH_OF_DAY]).span is not None
    )


def _westernmost(text: str) -> date | None:
    """The day of an instant in the westernmost time zone; None without a time zone."""
    try:
        moment = datetime.fromisoformat(text.replace(":60", ":59"))  # a leap second
        return moment.astimezone(_WESTERNMOST).date() if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=8192)
def _whole_day(text: str) -> ParsedDate:
    """Read yyyy-mm-dd; cached because one record names the same days over and over."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return ParsedDate(None, say("names a day that does not exist"))
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        return ParsedDate(None, say("is outside {first} to {last}", first=FIRST_YEAR, last=LAST_YEAR))
    return ParsedDate(Span(day, day), "")


@lru_cache(maxsize=8192)
def _utc_hour(text: str) -> ParsedDate:
    """Read yyyy-mm-ddThh of an instant in UTC."""
    read = _whole_day(text[:LENGTH_OF_DAY])
    if read.span is None or int(text[-2:]) >= WESTERNMOST_HOURS:
        return read if read.span is None else ParsedDate(replace(read.span, westernmost=read.span.earliest), "")
    return ParsedDate(replace(read.span, westernmost=read.span.earliest - timedelta(days=1)), "")


def span_of(text: str | None, origin: Origin, path: str) -> Span | None:
    """Give the span a date text stands for, None if absent or unreadable; flaws are noted as issues."""
    if text is None:
        return None
    span, flaw = read_date(text)
    if flaw:
        origin.note(IssueKind.IMPRECISE if span else IssueKind.IMPLAUSIBLE, path, say("The date {flaw}.", flaw=flaw))
    return span


def period_of(period: Period | None, origin: Origin, path: str) -> tuple[Span | None, Span | None]:
    """
    Give the first and last day of a FHIR Period, both included (R4 §2.24.0.4); None where it is open.

    Days are counted in one zone: where start and end are instants of different zones, the last day is as many days on
    as the two zones make it, a span where they differ.
    """
    if period is None:
        return None, None
    start = span_of(period.start, origin, f"{path}.start")
    end = span_of(period.end, origin, f"{path}.end")
    if start and end and end.latest < start.earliest:
        origin.note(IssueKind.IMPLAUSIBLE, path, say("The period ends before it starts; its end is not used."))
        return start, None
    if start and end and start.exact and end.exact:
        end = _in_one_zone(period.start or "", period.end or "", start, end)
    return start, end


def _in_one_zone(start_text: str, end_text: str, start: Span, end: Span) -> Span:
    """The last day, counted from the first in the zone of either; as it is where the zones are one."""
    first, last = _moment(start_text), _moment(end_text)
    if first is None or last is None:
        return end
    zones = first.utcoffset(), last.utcoffset()
    if zones[0] is None or zones[1] is None or abs(zones[0] - zones[1]) <= SUMMER_TIME:
        return end
    try:
        lengths = [
            (last.astimezone(zone).date() - first.astimezone(zone).date()).days for zone in (first.tzinfo, last.tzinfo)
        ]
        counted = [start.earliest + timedelta(days=length) for length in lengths]
    except OverflowError:
        return end
    return replace(end, earliest=max(min(counted), start.earliest), latest=max(*counted, start.earliest))


def _moment(text: str) -> datetime | None:
    """An instant with its time zone; None for a text that has none."""
    try:
        moment = datetime.fromisoformat(text.strip().replace(":60", ":59"))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def across(start: Span | None, end: Span | None) -> Span | None:
    """Give the span from the first to the last day; of one end alone when the other is not recorded."""
    if start and end:
        return Span(start.earliest, max(end.latest, start.latest))
    return start or end


def shifted(span: Span, least_days: int, most_days: int | None = None) -> Span | None:
    """Give the span that many days later; None if that leaves the calendar."""
    try:
        return Span(
            span.earliest + timedelta(days=least_days),
            span.latest + timedelta(days=least_days if most_days is None else most_days),
        )
    except OverflowError:
        return None
