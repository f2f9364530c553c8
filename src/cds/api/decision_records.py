"""A request and its answer → what the journal keeps of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cds.api.overrides import OverrideLookup
from cds.cards.card import Card
from cds.journal.decision_records import CardRecord, HookCall
from cds.read_request import HookRequest
from cds.record.bundle import FetchedValue
from cds.rulebook.compiled_ruleset import Service

# No prefetch key of ours has a dot.
ORDERS, SELECTIONS = "context.draftOrders", "context.selections"
OVERRIDES, REVIEWS, FETCHED = "journal.overrides", "journal.reviews", "server.fetched"


def call_of(
    tenant: str, service: Service, asked: HookRequest, fetched: Mapping[str, FetchedValue], earlier: OverrideLookup
) -> HookCall:
    """
    Who asked, and the data that were decided from.

    These are what was sent, what was fetched in its place and how that went, the orders, and answers to earlier cards
    and reviews kept here (null where these could not be looked up).
    """
    data: dict[str, bytes | msgspec.Raw] = dict(asked.prefetch)
    if fetched:
        data[FETCHED] = msgspec.json.encode(dict(sorted(fetched.items())))
    if asked.orders is not None and asked.orders.sent:
        data[ORDERS] = asked.orders.sent
        data[SELECTIONS] = msgspec.json.encode(asked.orders.selections)
    if earlier.overrides is not None or earlier.failed:
        data[OVERRIDES] = msgspec.json.encode(earlier.overrides)
    if earlier.reviews or earlier.reviews_failed:
        listed = None if earlier.reviews is None else [msgspec.Raw(body) for body in earlier.reviews]
        data[REVIEWS] = msgspec.json.encode(listed)
    return HookCall(tenant, service.id, service.hook, asked.hook_instance, asked.patient_id, data, asked.user)


def card_records_of(cards: tuple[Card, ...], response: Mapping[str, Any]) -> list[CardRecord]:
    """The cards with the uuids that the response gives them."""
    return [
        CardRecord(
            answered["uuid"],
            tuple(suggestion["uuid"] for suggestion in answered.get("suggestions", ())),
            card.name,
            card.indicator,
            card.rule,
        )
        for card, answered in zip(cards, response["cards"], strict=True)
    ]
