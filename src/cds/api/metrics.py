"""GET /metrics → what was counted, for Prometheus; and the numbers that are looked at rather than counted."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from cds import __version__
from cds.api.admission import Admission
from cds.api.deployment import RulesByTenant
from cds.api.disagreements import KnownDisagreements
from cds.journal.journal import Journal
from cds.settings import Settings
from cds.telemetry import metrics

SECONDS = 5.0  # between two looks; a worker that is not asked itself shows numbers this old


class Gauges:
    """Looks at the queue, the journal and the rules of this worker, and sets what Prometheus is told."""

    def __init__(
        self,
        admission: Admission,
        journal: Journal | None,
        rules_by_tenant: RulesByTenant,
        max_concurrency: int,
        disagreements: KnownDisagreements,
    ) -> None:
        self._admission = admission
        self._journal = journal
        self._rules_by_tenant = rules_by_tenant
        self._max_concurrency = max_concurrency
        self._disagreements = disagreements
        self._lost = 0
        self._digests: dict[str, str] = {}
        metrics.build_info.labels(__version__).set(1)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(SECONDS)

    def look(self) -> None:
        """Set every number as it is now."""
        inside = self._admission.inside
        metrics.in_progress.set(inside)
        metrics.queue_waiting.set(max(0, inside - self._max_concurrency))
        metrics.overdue.set(self._admission.overdue)
        metrics.open_disagreements.set(self._disagreements.open)
        if self._journal is not None:
            state = self._journal.health()
            metrics.journal_waiting.set(state["waiting"])
            metrics.journal_lost.inc(state["lost"] - self._lost)
            self._lost = state["lost"]
            metrics.journal_up.set(self._journal.works)
        self._rules({name: tenant_rules.rules.program.version for name, tenant_rules in self._rules_by_tenant.items()})

    def _rules(self, digests: Mapping[str, str]) -> None:
        """The digest of each tenant's rule set; one that was replaced is told no longer."""
        for tenant, digest in digests.items():
            before = self._digests.get(tenant)
            if before != digest:
                if before is not None:
                    metrics.rules_info.labels(tenant, before).set(0)
                metrics.rules_info.labels(tenant, digest).set(1)
                metrics.rules_loaded.labels(tenant).set(time.time())
                self._digests[tenant] = digest


def metrics_routes(settings: Settings, gauges: Gauges) -> APIRouter:
    """The address that Prometheus reads; with a token set, only for who sends it."""
    router = APIRouter()
    token = settings.metrics_token

    @router.get("/metrics", include_in_schema=False)
    def scrape(request: Request) -> Response:
        """Counts of all workers."""
        if token is not None:
            sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(sent.encode(), token.get_secret_value().encode()):
                return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
        gauges.look()
        return Response(metrics.scraped(), media_type=metrics.CONTENT_TYPE)

    return router
