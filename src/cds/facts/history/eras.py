"""Issues of drugs → eras: days on one drug, small gaps joined. Days are ordinals, both ends included."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import msgspec


class DrugIssue(msgspec.Struct, frozen=True):
    """
    One order, fill, statement or administration of one drug.

    Attributes:
        drug: Key of the drug table; "" where nobody could tell which drug it is.
        drug_class: Its class in the table; "" if none.
        first: Earliest and latest day on which it can have begun.
        last: The last day that is sure, and the last that is possible; only its first day is sure where no end and no
            supply is recorded.
        mg_a_day: Milligrams a day; None where no dose is recorded.
        sure: It was surely given: this drug, no doubtful status.
        issued: It is an order or a fill, so that its first day is a day of issue.
        order: It is an order, not a fill.
        refills: It is an order that may be filled more than once: other days of issue are not seen in it.
        procedure: It is a treatment that is no drug; it counts whatever its length.
        source: FHIR reference.
    """

    drug: str
    drug_class: str
    first: tuple[int, int]
    last: tuple[int, int]
    mg_a_day: float | None
    sure: bool
    issued: bool
    source: str
    order: bool = False
    refills: bool = False
    procedure: bool = False

    @property
    def exact(self) -> bool:
        """Whether it surely began on one known day."""
        return self.sure and self.first[0] == self.first[1]


class Era(msgspec.Struct, frozen=True, order=True):
    """One drug (or one drug at one dose) from a first to a last day."""

    first: int
    last: int
    drug: str
    drug_class: str = ""
    procedure: bool = False

    @property
    def days(self) -> int:
        """How many days, gaps included."""
        return self.last - self.first + 1


class Eras(msgspec.Struct, frozen=True):
    """
    The eras of a history, as far as they are sure and as far as they are possible.

    One more exposure joins or lengthens eras and never ends one. So each possible era holds every sure era of its drug
    that lies in it, and what an era must reach at least (to have begun by a day, to end no earlier than one) is true of
    the possible one where it is true of the sure one.
    """

    sure: tuple[Era, ...]
    possible: tuple[Era, ...]


def eras(issues: Iterable[DrugIssue], gap: int, *, by_dose: bool = False) -> Eras:
    """
    Join what is at most `gap` days apart: the first day of the next less the last day of the one before it.

    OMOP CDM 5.4, DRUG_ERA. With `by_dose`, another dose is another era, and an issue without a dose is possible only
    (DOSE_ERA).
    """
    found = list(issues)
    sure = [(i, i.first[1], i.last[0]) for i in found if i.sure and not (by_dose and i.mg_a_day is None)]
    possible = [(i, i.first[0], max(i.last[1], i.first[1])) for i in found]
    return Eras(_joined(sure, gap, by_dose=by_dose), _joined(possible, gap, by_dose=by_dose))


def _joined(spans: Iterable[tuple[DrugIssue, int, int]], gap: int, *, by_dose: bool) -> tuple[Era, ...]:
    def key(span: tuple[DrugIssue, int, int]) -> tuple[str, float]:
        issue = span[0]
        return issue.drug, (issue.mg_a_day or 0.0) if by_dose else 0.0

    joined: list[Era] = []
    for (drug, _), group in groupby(sorted(spans, key=lambda span: (*key(span), span[1], span[2])), key):
        open_era: Era | None = None
        for issue, begins, ends in group:
            if open_era is not None and begins - open_era.last <= gap:
                open_era = msgspec.structs.replace(open_era, last=max(open_era.last, ends))
                continue
            if open_era is not None:
                joined.append(open_era)
            open_era = Era(begins, ends, drug, issue.drug_class, issue.procedure)
        if open_era is not None:
            joined.append(open_era)
    return tuple(sorted(joined))
