"""Data, and what is to be asked → a CDS Hooks request with all that its hook requires: the only writer of requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cds.read_request import REQUIRED_CONTEXT

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RequestContext:
    """
    What a request is asked in.

    Attributes:
        user: Practitioner/id of who asks.
        patient_id: Of the Patient whose chart is open.
        encounter_id: Of the Encounter, for hooks that require one.
        orders: The orders being written, all of them selected; for hooks that bring orders.
    """

    user: str
    patient_id: str
    encounter_id: str = ""
    orders: tuple[Json, ...] = ()

    def values(self, hook: str) -> Json:
        """The context as JSON, with what this hook requires and nothing else."""
        given: Json = {
            "userId": self.user,
            "encounterId": self.encounter_id,
            "draftOrders": bundle_of_type("collection", ({"resource": order} for order in self.orders)),
            "selections": [f"{order['resourceType']}/{order['id']}" for order in self.orders if order.get("id")],
        }
        required = REQUIRED_CONTEXT.get(hook, {"userId": ""})
        return {"patientId": self.patient_id} | {name: given[name] for name in required}


def write_request(hook: str, instance: str, context: RequestContext, prefetch: Mapping[str, Any]) -> Json:
    """
    A CDS Hooks 2.0.1 request as JSON.

    Args:
        hook: Which hook it is of; for one that no service of ours knows, the context is the patient and the user.
        instance: hookInstance, a UUID.
        context: What of it the hook requires is written.
        prefetch: Key → the answer to its template; a key that is left out was not sent.
    """
    return {
        "hook": hook,
        "hookInstance": instance,
        "context": context.values(hook),
        "prefetch": dict(prefetch),
    }


def bundle_of_type(kind: str, entries: Iterable[Json]) -> Json:
    """A Bundle with these entries."""
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
