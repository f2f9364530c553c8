"""Which receipts are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement

from cds.journal.playground import MARK
from cds.journal.tables import receipts

FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class JournalPeriod:
    """
    What was decided from `since` until before `until`.

    Attributes:
        tenant, service, rules: Only of this tenant, service or version of the rule set; None for all, but for what was
            tried in the console's playground.
    """

    since: datetime
    until: datetime = FOR_EVER
    tenant: str | None = None
    service: str | None = None
    rules: str | None = None

    @property
    def within(self) -> tuple[ColumnElement[bool], ...]:
        """Conditions on receipts."""
        named = ((receipts.c.tenant, self.tenant), (receipts.c.service, self.service), (receipts.c.rules, self.rules))
        clinicians = () if self.tenant is not None else (~receipts.c.tenant.endswith(MARK, autoescape=True),)
        return (
            *clinicians,
            receipts.c.decided_at >= self.since,
            receipts.c.decided_at < self.until,
            *(column == value for column, value in named if value is not None),
        )
