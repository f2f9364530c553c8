"""What stands on every card beside its own links: the page that explains the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from cds.api.links import SignedLinks
from cds.fhir_client.allowlist import ServerAllowlist
from cds.fhir_client.fetch import FhirAccess
from cds.journal.store import StoreDownError
from cds.locale.catalog import Catalog
from cds.locale.sentence import say

LABEL = say("Why: criteria, medication timeline, what is missing")


class CardLinks:
    """
    Makes the links of a decision.

    Attributes:
        base: Address of this service as clients know it; "" for the one they called, on this machine alone.
        launched: Tenant → FHIR servers whose EHR launches this app.
    """

    def __init__(self, links: SignedLinks | None, base: str, launched: Mapping[str, ServerAllowlist]) -> None:
        self.base = base
        self.launched = launched
        self._links = links

    def of(
        self, decision: str, called: str, tenant: str, service: str, access: FhirAccess, words: Catalog
    ) -> Sequence[Mapping[str, str]]:
        """
        The link of a decision (CDS Hooks 2.0.1, "Link"): to a SMART launch where the EHR of the call is set up for it,
        else to the page itself; none where nothing is kept, or while the journal, which keeps it, is away.
        """
        base = (self.base or called).rstrip("/")
        if self._launches(tenant, access):
            context = msgspec.json.encode({"decision": decision, "service": service}).decode()
            return ({"label": words(LABEL), "url": f"{base}/launch", "type": "smart", "appContext": context},)
        if self._links is None:
            return ()
        try:
            key = self._links.key(decision)
        except StoreDownError:  # said in the log; a card without this link is better than none
            return ()
        return ({"label": words(LABEL), "url": f"{base}/decisions/{decision}?key={key}", "type": "absolute"},)

    def _launches(self, tenant: str, access: FhirAccess) -> bool:
        if tenant not in self.launched or access.server is None:
            return False
        try:
            self.launched[tenant].base_of(access.server)
        except ValueError:
            return False
        return True
