"""What stands on every card beside its own links: the page that explains the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cds.journal.store import StoreDown
from cds.links import Links

LABEL = "Why: criteria, medication timeline, what is missing"


class CardLinks:
    """
    Makes the links of a decision.

    Attributes:
        base: Address of this service as clients know it; "" for the one they called, on this machine alone.
    """

    def __init__(self, links: Links, base: str) -> None:
        self.base = base
        self._links = links

    def of(self, decision: str, called: str) -> Sequence[Mapping[str, str]]:
        """The links of a decision (CDS Hooks 2.0.1, "Link"); none while the journal, which keeps it, is away."""
        try:
            key = self._links.key(decision)
        except StoreDown:  # said in the log; a card without this link is better than none
            return ()
        base = (self.base or called).rstrip("/")
        return ({"label": LABEL, "url": f"{base}/decisions/{decision}?key={key}", "type": "absolute"},)
