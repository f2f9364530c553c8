"""What runs: the rules of each tenant, settings, clock, admission, journal and links; made once at start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import Request

from cds.api.admission import Admission
from cds.api.card_links import CardLinks
from cds.api.links import SignedLinks
from cds.api.overrides import Overrides
from cds.decide import Ruleset
from cds.errors import WrongClockError
from cds.fhir_client.fetch import Fetcher
from cds.journal.journal import Journal
from cds.locale.catalog import ENGLISH_CATALOG, Catalog
from cds.settings import Settings

ANYBODY = ""


@dataclass(frozen=True, slots=True)
class TenantRules:
    """
    What a caller is answered with.

    Attributes:
        rules: Its rules.
        fetcher: Reads what a prefetch lacks; None: nothing but what was sent is read.
        tenant: Its name, "" where nobody is asked who they are.
    """

    rules: Ruleset
    fetcher: Fetcher | None = None
    tenant: str = ANYBODY


RulesByTenant = Mapping[str, TenantRules]  # by tenant, or one for `ANYBODY` where nobody is asked who they are


def tenant_rules_of(rules_by_tenant: RulesByTenant, request: Request) -> TenantRules:
    """What the caller of this request is answered with."""
    return rules_by_tenant[request.state.caller.tenant if ANYBODY not in rules_by_tenant else ANYBODY]


@dataclass(frozen=True, slots=True)
class Deployment:
    """
    What every address and page is made of.

    Attributes:
        rules_by_tenant: Tenant → what it is answered with; one for "" where anybody may call. Reloading changes its
            values.
        folders: Tenant → the folder its rules were read from.
        settings: How the service runs.
        clock: The day it is.
        admission: Who may decide, read and wait.
        overrides: Earlier answers to cards.
        journal: Where decisions are kept; None where none are.
        links: Of decisions; None where their data are not kept.
        card_links: What every card links; None where nothing is kept and no EHR launches.
        reload_state: How taking changed rules goes; None where rules are not watched.
    """

    rules_by_tenant: RulesByTenant
    folders: Mapping[str, Path]
    settings: Settings
    clock: Callable[[], date]
    admission: Admission
    overrides: Overrides
    journal: Journal | None
    links: SignedLinks | None
    card_links: CardLinks | None
    reload_state: Callable[[], dict[str, Any]] | None

    @property
    def words(self) -> Catalog:
        """What the program writes where no rules are in hand: in the language of all tenants, else in English."""
        catalogs = [tenant_rules.rules.program.words for tenant_rules in self.rules_by_tenant.values()]
        languages = {catalog.language for catalog in catalogs}
        return catalogs[0] if len(languages) == 1 else ENGLISH_CATALOG

    def why_clock_is_wrong(self) -> str:
        """
        Why the clock of this machine cannot be right; "" if nothing speaks against it.

        It may be a day before the release of the rules or the newest entry of the journal, for time zones.
        """
        newest = self.journal.newest if self.journal is not None else None
        if newest is not None and system_time() < newest - timedelta(days=1):
            return self._before_release() or "it is before the newest entry of the journal"
        return self._before_release()

    def _before_release(self) -> str:
        released = [
            attributes.released
            for tenant_rules in self.rules_by_tenant.values()
            for attributes in tenant_rules.rules.program.attributes.values()
            if attributes.released is not None
        ]
        before = released and system_time().date() < max(released) - timedelta(days=1)
        return "it is before the release of the rules" if before else ""

    def today(self) -> date:
        """
        The day to decide for.

        Raises:
            WrongClockError: It is before the release of the rules: every span of time would be wrong, and nothing would
                be said. An entry of the journal that is ahead may have been written by a clock that was wrong itself.
        """
        if why := self._before_release():
            raise WrongClockError(
                f"The clock of this server is wrong: {why}", fix="Set the clock of the server; nothing was evaluated"
            )
        return self.clock()


def system_time() -> datetime:
    """The time of this machine, whatever day is decided for."""
    return datetime.now(UTC)
