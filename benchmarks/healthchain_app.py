"""HealthChain's CDS Hooks gateway with the same logic written by hand in its handler: its best case."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from healthchain.gateway import CDSHooksService, HealthChainAPI  # type: ignore[import-not-found]
from healthchain.models import CDSRequest, CDSResponse  # type: ignore[import-not-found]

from benchmarks.plain import Walk
from benchmarks.workload import SERVICE, card

walk = Walk.of()
app = HealthChainAPI(title="benchmark")
service = CDSHooksService()


@service.hook("patient-view", id=SERVICE)  # type: ignore[untyped-decorator]
def decide(request: CDSRequest) -> CDSResponse:
    return CDSResponse(**card(walk.outcome(request.prefetch)))


app.register_service(service, path="/cds")
