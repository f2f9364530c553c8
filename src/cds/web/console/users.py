"""Which users of a provider may see the console, and how much of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from cds.errors import CdsError

ANYBODY = "anybody"
KINDS = ("sub", "email", "group")
EVERY_TENANT = ""
LONGEST, MOST_GROUPS = 300, 500


class Role(IntEnum):
    """What somebody may do in the console; each may what the ones before it may."""

    VIEWER = 1  # which rules are live, and how the service is
    ANALYST = 2  # what was decided, and what clinicians said, which is health information
    STEWARD = 3  # try requests, measure tests, and acknowledge disagreements of the engines
    ADMIN = 4  # who looked at what

    @property
    def label(self) -> str:
        """Its name in settings and on pages."""
        return self.name.lower()


ENTRY = re.compile(rf"(?:({'|'.join(role.label for role in Role)})(?:@([^=]+))?=)?(.+)")


class NotSignedInError(CdsError):
    """
    Nobody is signed in, or no longer.

    Attributes:
        login: Where they can; "" where a link of the server lets them in.
    """

    def __init__(self, login: str = "") -> None:
        super().__init__("nobody is signed in")
        self.login = login


@dataclass(frozen=True, slots=True)
class ConsoleGrant:
    """
    What somebody may do.

    Attributes:
        roles: Tenant → role; `EVERY_TENANT` for those not named.
    """

    roles: Mapping[str, Role]

    def role_for(self, tenant: str) -> Role | None:
        """The role at a tenant; None where they may see nothing of it."""
        found = [role for name in (EVERY_TENANT, tenant) if (role := self.roles.get(name)) is not None]
        return max(found, default=None)


@dataclass(frozen=True, slots=True)
class AccessList:
    """Users of the provider who may see the console: (who, tenant) → role."""

    entries: Mapping[tuple[str, str], Role]

    @property
    def tenants(self) -> frozenset[str]:
        """The tenants that are named."""
        return frozenset(tenant for _, tenant in self.entries) - {EVERY_TENANT}

    def grant(self, said: Sequence[str]) -> ConsoleGrant | None:
        """What somebody of whom the provider said this may do; None for nothing."""
        known = {*said, ANYBODY}
        roles: dict[str, Role] = {}
        for (who, tenant), role in self.entries.items():
            if who in known:
                roles[tenant] = max(role, roles.get(tenant, role))
        return ConsoleGrant(roles) if roles else None


def said_of(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """What a provider says of a user, as entries of the list; an address counts once the provider verified it."""
    said = [f"sub:{claims.get('sub')}"]
    if claims.get("email_verified") is True:
        said.append(f"email:{claims.get('email')}")
    groups = claims.get("groups")
    listed = groups if isinstance(groups, list) else []
    said.extend(f"group:{group}" for group in listed[:MOST_GROUPS] if isinstance(group, str))
    return tuple(one for one in said if len(one) <= LONGEST)


def allowed_by(entries: Sequence[str]) -> AccessList:
    """
    The users that CDS_OIDC_ALLOWED names, as `role=sub:…`, `role@tenant=group:…` or without a role, as viewers.

    Raises:
        ValueError: An entry is no user.
    """
    named: dict[tuple[str, str], Role] = {}
    for entry in entries:
        found = ENTRY.fullmatch(entry)
        role, tenant, who = found.groups() if found is not None else (None, None, entry)
        kind, _, value = who.partition(":")
        if who != ANYBODY and (kind not in KINDS or not value):
            raise ValueError("an entry is no user")
        key = who, tenant or EVERY_TENANT
        meant = Role[role.upper()] if role else Role.VIEWER
        named[key] = max(meant, named.get(key, meant))
    return AccessList(named)
