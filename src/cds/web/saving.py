"""A review that was filled in on a page → saved in the EHR, else in the journal, else nowhere; and what was done."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import httpx
import msgspec
from anyio import to_thread
from fastapi import Request

from cds.api.deployment import Deployment
from cds.errors import NotAllowedError
from cds.fhir_client.create import CreateError, create_once
from cds.fhir_client.fetch import FhirAccess
from cds.journal.audit import AuditAction, AuditEntry, record_audit
from cds.journal.decision_records import patient_digest
from cds.journal.inputs import StoredDecision
from cds.journal.journal import Journal
from cds.journal.playground import is_playground
from cds.journal.reviews import keep_review
from cds.journal.store import StoreDownError
from cds.locale.sentence import join_texts, say
from cds.web.own_pages import origin_of, sent_by_our_page
from cds.web.write_grants import WriteGrant, WriteGrants, grant_cookie

log = logging.getLogger(__name__)
Responses = Sequence[Mapping[str, Any]]
COPY = say("Copy the text below into the note")


class SavePlace(Enum):
    """Where a review can be saved."""

    EHR = "ehr"
    JOURNAL = "journal"
    NOWHERE = ""


@dataclass(frozen=True, slots=True)
class SaveResult:
    """
    What became of a review.

    Attributes:
        place: Where it is now; NOWHERE: it was not saved, or nobody knows.
        what: What happened, in a sentence without its full stop.
        fix: What to do now; "" for nothing.
    """

    place: SavePlace
    what: str
    fix: str = ""


class ReviewSaver:
    """Saves reviews where the settings allow it; one for the life of the application."""

    def __init__(
        self,
        deployment: Deployment,
        journal: Journal,
        grants: WriteGrants,
        clients: Mapping[str, httpx.AsyncClient],
    ) -> None:
        self._settings = deployment.settings
        self._deployment = deployment
        self._journal = journal
        self._grants = grants
        self._clients = clients

    def place(self, request: Request, found: StoredDecision) -> SavePlace:
        """
        Where a review of this decision would be saved now; NOWHERE for one of the playground, which is of nobody.

        Raises:
            StoreDownError: Nobody can tell.
        """
        if is_playground(found.tenant):
            return SavePlace.NOWHERE
        if self._grant(request, found) is not None:
            return SavePlace.EHR
        return SavePlace.JOURNAL if "journal" in self._settings.save_reviews else SavePlace.NOWHERE

    def now(self) -> datetime:
        """When a review is written: the day that is decided for, and the time of this machine."""
        return datetime.combine(self._deployment.today(), datetime.now().astimezone().timetz())

    async def save(self, request: Request, found: StoredDecision, resources: Responses) -> SaveResult:
        """
        Save QuestionnaireResponses in the first place that takes them, and write down that this was done.

        Where the EHR surely saved nothing, the journal is next; where that is not known, saving again is safe.

        Raises:
            NotAllowedError: No page of ours sent it.
        """
        if not sent_by_our_page(request, origin_of(self._settings.public_url)):
            raise NotAllowedError(say("This was sent by a page of somebody else"), fix=say("Open the chart again"))
        result = await self._saved(request, found, resources)
        action = {
            SavePlace.EHR: AuditAction.SAVED_IN_EHR,
            SavePlace.JOURNAL: AuditAction.SAVED_HERE,
            SavePlace.NOWHERE: AuditAction.NOT_SAVED,
        }[result.place]
        origin = request.client.host if request.client is not None else ""
        way = "launch" if result.place is SavePlace.EHR else "link"
        entry = AuditEntry(
            datetime.now(UTC), action, way, "", found.tenant, request.url.path, found.id, found.patient, origin
        )
        try:
            await to_thread.run_sync(record_audit, self._journal.store, entry)
        except StoreDownError:  # it is done, and saying that it is not would have it done again
            log.error("saving a review could not be written down: %s", action.value)
        return result

    async def _saved(self, request: Request, found: StoredDecision, resources: Responses) -> SaveResult:
        place = await to_thread.run_sync(self.place, request, found)
        if place is SavePlace.NOWHERE:
            why = say("This page may not save: it was not opened from the chart, or that is too long ago")
            if "ehr" not in self._settings.save_reviews:
                why = say("This service is not set up to save")
            return SaveResult(place, say("{why}. Nothing was saved", why=why), COPY)
        if place is SavePlace.JOURNAL:
            return await self._in_journal(found, resources, "")
        grant = await to_thread.run_sync(self._grant, request, found)
        if grant is None:  # its time was over since `place`
            return SaveResult(SavePlace.NOWHERE, say("The sign-in at the EHR is over, and nothing was saved"), COPY)
        try:
            access = FhirAccess(grant.server, grant.token)
            client, seconds = self._clients[grant.tenant], self._settings.fetch_seconds
            made = [await create_once(client, access, resource, seconds) for resource in resources]
        except CreateError as failed:
            if failed.certain and "journal" in self._settings.save_reviews:
                return await self._in_journal(found, resources, join_texts("", [failed.what, ". "]))
            return SaveResult(SavePlace.NOWHERE, failed.what, failed.fix)
        references = join_texts(say(" and "), (one.reference for one in made if one.reference))
        named = say(" as {references}", references=references) if references else ""
        if all(one.existed for one in made):
            return SaveResult(
                SavePlace.EHR, say("It is in the chart already{named}; no second one was made", named=named)
            )
        return SaveResult(
            SavePlace.EHR,
            say("Saved in the chart{named}. The next card reads it; to correct it, amend it there", named=named),
        )

    async def _in_journal(self, found: StoredDecision, resources: Responses, before: str) -> SaveResult:
        now = datetime.now(UTC)

        def keep() -> bool:
            body = msgspec.json.encode(resources)
            number = " ".join(resource["identifier"]["value"] for resource in resources)
            return keep_review(self._journal.store, found.tenant, found.patient, found.id, number, body, now)

        try:
            new = await to_thread.run_sync(keep)
        except StoreDownError:
            return SaveResult(
                SavePlace.NOWHERE,
                say("{before}This service could not save it either", before=before)
                if before
                else say("This service could not save it"),
                say("Press Save again in a moment, or: copy the text below into the note"),
            )
        until = (now + timedelta(days=self._settings.keep_reviews_days)).date()
        done = (
            say("Kept by this service until {until}", until=until)
            if new
            else say("This service keeps it already; no second one was made")
        )
        return SaveResult(
            SavePlace.JOURNAL,
            say(
                "{before}{done}. The next card reads it, and it is not in the chart; to correct it, save again here",
                before=before,
                done=done,
            ),
            COPY,
        )

    def _grant(self, request: Request, found: StoredDecision) -> WriteGrant | None:
        """The grant of this browser for this decision's patient; None for none."""
        if "ehr" not in self._settings.save_reviews:
            return None
        names = (grant_cookie(found.id, secure=secure) for secure in (True, False))
        secret = next((request.cookies[name] for name in names if name in request.cookies), "")
        grant = self._grants.of(secret) if secret else None
        if grant is None or grant.tenant != found.tenant:
            return None
        mine = patient_digest(self._journal.store, found.tenant, grant.patient) == found.patient
        return grant if mine else None
