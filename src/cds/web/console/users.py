"""Which users of a provider may see the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cds.errors import CdsError

ANYBODY = "anybody"
KINDS = ("sub", "email", "group")


class NotSignedInError(CdsError):
    """Nobody is signed in, or no longer."""


@dataclass(frozen=True, slots=True)
class AccessList:
    """Users of the provider who may see the console."""

    anybody: bool
    entries: frozenset[tuple[str, str]]

    def holds(self, claims: Mapping[str, Any]) -> bool:
        """Whether the user these claims are of is among them; an address counts once the provider verified it."""
        said = {("sub", claims.get("sub"))}
        if claims.get("email_verified") is True:
            said.add(("email", claims.get("email")))
        groups = claims.get("groups")
        said.update(
            ("group", group) for group in (groups if isinstance(groups, list) else ()) if isinstance(group, str)
        )
        return self.anybody or not self.entries.isdisjoint(said)


def allowed_by(entries: Sequence[str]) -> AccessList:
    """
    The users that CDS_OIDC_ALLOWED names.

    Raises:
        ValueError: An entry is no user.
    """
    named = set()
    for entry in entries:
        kind, _, value = entry.partition(":")
        if entry != ANYBODY and (kind not in KINDS or not value):
            raise ValueError("an entry is no user")
        named.add((kind, value))
    return AccessList(ANYBODY in entries, frozenset(named))
