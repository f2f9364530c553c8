"""What runs: the rules of each tenant, settings, clock, admission, journal and links; made once at start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from fastapi import Request

from cds.api.admission import Admission
from cds.api.card_links import CardLinks
from cds.api.links import SignedLinks
from cds.api.overrides import Overrides
from cds.decide import Ruleset
from cds.fhir_client.fetch import Fetcher
from cds.journal.journal import Journal
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


Offers = Mapping[str, TenantRules]  # by tenant, or one for `ANYBODY` where nobody is asked who they are


def tenant_rules_of(offers: Offers, request: Request) -> TenantRules:
    """What the caller of this request is answered with."""
    return offers[request.state.caller.tenant if ANYBODY not in offers else ANYBODY]


@dataclass(frozen=True, slots=True)
class Deployment:
    """
    What every address and page is made of.

    Attributes:
        offers: Tenant → what it is answered with; one for "" where anybody may call. Reloading changes its values.
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

    offers: Offers
    folders: Mapping[str, Path]
    settings: Settings
    clock: Callable[[], date]
    admission: Admission
    overrides: Overrides
    journal: Journal | None
    links: SignedLinks | None
    card_links: CardLinks | None
    reload_state: Callable[[], dict[str, Any]] | None
