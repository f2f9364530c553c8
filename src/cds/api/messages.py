"""CDS Hooks 2.0.1 messages that the service sends: discovery and response. `cds.read_request` reads requests."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from cds.cards.card import Card
from cds.rulebook.compiled_ruleset import Service
from cds.serialize import card_values, without_empty

VERSION = "2.0.1"  # of CDS Hooks
# Of each hook, as the pages of the CDS Hooks library 1.0.1 give it (metadata, hookVersion).
HOOK_VERSIONS = {"patient-view": "1.0", "encounter-start": "1.0", "order-select": "1.0", "order-sign": "1.0"}


class ServiceEntry(BaseModel):
    """
    One entry of the discovery answer (CDS Hooks 2.0.1, "Discovery").

    `version` is the specification's, `hookVersion` the hook's, as the 3.0 ballot has them; clients of 2.0.1 meet them
    as members they need not know.
    """

    model_config = ConfigDict(frozen=True)

    hook: str
    id: str
    title: str
    description: str
    version: str
    hookVersion: str  # noqa: N815 (the ballot's name)
    prefetch: dict[str, str]


class Discovery(BaseModel):
    """The answer to GET /cds-services."""

    model_config = ConfigDict(frozen=True)

    services: list[ServiceEntry]


def discovery_of(services: list[Service]) -> dict[str, Any]:
    """What we offer, with prefetch templates made from what the rules read; nothing empty but the list itself."""
    offered = Discovery(
        services=[
            ServiceEntry(
                hook=service.hook,
                id=service.id,
                title=service.title,
                description=service.description,
                version=VERSION,
                hookVersion=HOOK_VERSIONS[service.hook],
                prefetch={prefetch.key: prefetch.query for prefetch in service.prefetch},
            )
            for service in services
        ]
    )
    return {"services": [without_empty(service.model_dump()) for service in offered.services]}


def response_of(cards: tuple[Card, ...], links: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
    """
    The answer to a request: cards with the uuids that feedback needs (CDS Hooks 2.0.1, "Card Attributes").

    `links` stand on every card, after its own.
    """
    answered = []
    for card in cards:
        values = card_values(card)
        for suggestion in values.get("suggestions", []):
            suggestion["uuid"] = str(uuid.uuid4())
        if links:
            values["links"] = [*values.get("links", ()), *links]
        answered.append({"uuid": str(uuid.uuid4()), **values})
    return {"cards": answered}
