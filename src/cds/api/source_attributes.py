"""GET /source-attributes → what may be known of each rule file in force, by 45 CFR 170.315(b)(11)(iv)(A)."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request

from cds.api.deployment import Deployment, tenant_rules_of
from cds.errors import UnknownRuleError
from cds.rulebook.source_attributes import REGULATION, SourceAttributes


@dataclass(frozen=True, slots=True)
class SourceAttributesList:
    """The answer to GET /source-attributes: every rule file in force, by id."""

    regulation: str
    interventions: tuple[SourceAttributes, ...]


def attribute_routes(deployment: Deployment) -> APIRouter:
    """Source attributes of the caller's rules; as open as discovery, for they hold nothing of patients."""
    router = APIRouter()

    @router.head("/source-attributes", include_in_schema=False)
    @router.get("/source-attributes")
    async def every(request: Request) -> SourceAttributesList:
        """The source attributes of every rule file in force that concludes or says something."""
        return SourceAttributesList(
            REGULATION, tuple(tenant_rules_of(deployment.rules_by_tenant, request).rules.program.attributes.values())
        )

    @router.head("/source-attributes/{rule}", include_in_schema=False)
    @router.get("/source-attributes/{rule}")
    async def one(rule: str, request: Request) -> SourceAttributes:
        """The source attributes of one rule file, by its id."""
        attributes = tenant_rules_of(deployment.rules_by_tenant, request).rules.program.attributes
        if rule not in attributes:
            raise UnknownRuleError(
                "There is no such rule file in force", fix=f"GET /source-attributes lists them: {', '.join(attributes)}"
            )
        return attributes[rule]

    return router
