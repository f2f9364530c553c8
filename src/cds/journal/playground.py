"""Which receipts and feedback are of the console's playground, and not of clinicians."""

from __future__ import annotations

MARK = "@playground"  # no name of a tenant holds an @


def playground_of(tenant: str) -> str:
    """The tenant under which the playground of a tenant's rules is kept."""
    return tenant + MARK


def tenant_of(kept: str) -> str:
    """The tenant whose rules decided: of a receipt's tenant, playground or not."""
    return kept.removesuffix(MARK)


def is_playground(kept: str) -> bool:
    """Whether a receipt's tenant is a playground."""
    return kept.endswith(MARK)
