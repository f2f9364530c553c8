"""Disagreements of the two engines, here, in other workers and on other machines: told until acknowledged."""

from __future__ import annotations

from fastapi import Request

from cds.api.admission import Admission
from cds.api.request_log import endpoint_of
from cds.api.workers import WorkerStates
from cds.engine.evaluator import DisagreementError
from cds.journal.disagreements import DisagreementWatch, EngineDisagreement
from cds.journal.journal import Journal
from cds.telemetry import metrics


class KnownDisagreements:
    """
    What this worker met, what the others of this machine tell, and what the journal holds.

    Without a journal nobody can acknowledge any: they are told until the service is started again.
    """

    def __init__(self, states: WorkerStates, journal: Journal | None, admission: Admission) -> None:
        self._states = states
        self._watch = journal.disagreements if journal is not None else DisagreementWatch(None)
        self._admission = admission

    def met(self, request: Request, disagreement: DisagreementError) -> None:
        """Tell all others of one, and have it written down; never waits."""
        metrics.disagreements.inc()
        caller = getattr(request.state, "caller", None)
        truths = {name: f"{engine.value} and {direct.value}" for name, (engine, direct) in disagreement.heads.items()}
        tenant = caller.tenant if caller is not None else ""
        self._watch.note(EngineDisagreement(tenant, endpoint_of(request.url.path), truths))
        self.beat()

    def beat(self) -> None:
        """Tell the others of this machine how this worker is."""
        if self._watch.keeps:
            for _ in range(self._states.take_over()):
                self._watch.note(EngineDisagreement("", "of a worker that ended", {}))
        self._states.beat(self._admission.inside, self._admission.overdue, self._watch.own)

    @property
    def open(self) -> int:
        """How many there are, at least, that nobody acknowledged."""
        return max(self._states.health.disagreements, self._watch.there)
