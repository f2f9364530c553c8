"""What stayed unknown and was settled later: by what was missing, how long after, and what it became; counts only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

from sqlalchemy import select

from cds.journal.csv_text import csv_text
from cds.journal.period import JournalPeriod
from cds.journal.store import Store
from cds.journal.tables import audit_events, receipts
from cds.logic.truth import Truth

UNKNOWN = Truth.UNKNOWN.value
SAVES = ("saved-in-ehr", "saved-here")
ALL = ""
"""Stands for whatever was missing."""
HEADER = (
    "conclusion", "missing", "why", "unknown", "settled", "settled_share", "after_review", "median_days", "became_true",
    "became_false",
)  # fmt: skip


@dataclass(slots=True)
class SettledTally:
    """
    Patients of whom a conclusion was unknown in a period, and what became of that until its end.

    Attributes:
        conclusion: Its name.
        missing, why: A fact that was unknown when the conclusion was first unknown, and why; both "" for all.
        unknown: Patients with that conclusion unknown.
        days: Days until a later decision settled it, for each patient of whom one did.
        became: true or false → how many.
        after_review: Of those settled, how many after a clinician saved a review.
    """

    conclusion: str
    missing: str
    why: str
    unknown: int = 0
    days: list[float] = field(default_factory=list)
    became: Counter[str] = field(default_factory=Counter)
    after_review: int = 0

    @property
    def settled(self) -> int:
        """How many were settled."""
        return len(self.days)

    @property
    def share(self) -> float | None:
        """Which share was; None of none."""
        return self.settled / self.unknown if self.unknown else None

    @property
    def median_days(self) -> float | None:
        """After how many days half of them were; None of none."""
        return median(self.days) if self.days else None


@dataclass(frozen=True, slots=True)
class _Seen:
    at: datetime
    conclusions: dict[str, str]
    unknown: dict[str, str]


def settled(store: Store, period: JournalPeriod, names: Collection[str]) -> tuple[SettledTally, ...]:
    """
    What became of unknown conclusions, by what was missing; the most frequent first, all together before each.

    A patient counts once for a conclusion, from its first unknown decision in the period; what is missing is what that
    one lacked. What was settled after the end of the period is not seen.

    Args:
        names: The conclusions that are looked at.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    columns = (receipts.c.tenant, receipts.c.patient, receipts.c.decided_at, receipts.c.conclusions, receipts.c.unknown)
    query = (
        select(*columns).where(*period.within).order_by(receipts.c.tenant, receipts.c.patient, receipts.c.decided_at)
    )
    saved = select(audit_events.c.tenant, audit_events.c.patient, audit_events.c.at).where(
        audit_events.c.action.in_(SAVES)
    )
    by_patient: dict[tuple[str, str], list[_Seen]] = {}
    reviewed: dict[tuple[str, str], list[datetime]] = {}
    with store.reading() as connection:
        for tenant, patient, at, conclusions, unknown in connection.execute(query):
            by_patient.setdefault((tenant, patient), []).append(_Seen(at, conclusions, unknown))
        for tenant, patient, at in connection.execute(saved):
            reviewed.setdefault((tenant, patient), []).append(at)
    tallies: dict[tuple[str, str, str], SettledTally] = {}
    for patient, seen in by_patient.items():
        for name in names:
            for tally in _of_patient(name, seen, reviewed.get(patient, ()), tallies):
                tally.unknown += 1
    return tuple(
        sorted(
            tallies.values(),
            key=lambda one: (one.conclusion, one.missing != ALL, -one.unknown, one.missing, one.why),
        )
    )


def _of_patient(
    name: str, seen: Sequence[_Seen], reviewed: Sequence[datetime], tallies: dict[tuple[str, str, str], SettledTally]
) -> Iterator[SettledTally]:
    first = next((number for number, one in enumerate(seen) if one.conclusions.get(name) == UNKNOWN), None)
    if first is None:
        return
    was = seen[first]
    later = (one for one in seen[first + 1 :] if one.conclusions.get(name, UNKNOWN) != UNKNOWN)
    end = next(later, None)
    for missing, why in ((ALL, ""), *sorted(was.unknown.items())):
        tally = tallies.setdefault((name, missing, why), SettledTally(name, missing, why))
        if end is not None:
            tally.days.append((end.at - was.at).total_seconds() / 86_400)
            tally.became[end.conclusions[name]] += 1
            tally.after_review += any(was.at <= at <= end.at for at in reviewed)
        yield tally


def settled_as_csv(tallies: Sequence[SettledTally]) -> str:
    """The tallies as CSV: counts, nothing of a patient."""
    return csv_text(
        HEADER,
        (
            (
                one.conclusion, one.missing, one.why, one.unknown, one.settled,
                None if one.share is None else round(one.share, 3), one.after_review,
                None if one.median_days is None else round(one.median_days, 2),
                one.became[Truth.TRUE.value], one.became[Truth.FALSE.value],
            )
            for one in tallies
        ),
    )  # fmt: skip
