"""GET /Questionnaire/{id}: the review form of the rules, as FHIR, at the path of its canonical address."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request, Response

from cds.api.deployment import Deployment, tenant_rules_of
from cds.errors import UnknownServiceError
from cds.review.questionnaire import questionnaire_of

FHIR = "application/fhir+json"


def questionnaire_routes(deployment: Deployment) -> APIRouter:
    """The form, for whoever renders it; it is the same for every patient."""
    router = APIRouter()

    @router.get("/Questionnaire/{identity}")
    async def questionnaire(identity: str, request: Request) -> Response:
        """The Questionnaire that reviews answer (FHIR R4, SDC)."""
        made = questionnaire_of(tenant_rules_of(deployment.rules_by_tenant, request).rules.program)
        if made is None or made["id"] != identity:
            listed = f"There is {made['id']}" if made is not None else "These rules ask for no review"
            raise UnknownServiceError("There is no such Questionnaire", fix=listed)
        return Response(msgspec.json.encode(made), media_type=FHIR)

    return router
