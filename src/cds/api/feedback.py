"""POST /cds-services/{id}/feedback → the journal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import anyio
import msgspec
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from cds.api.body import read_body
from cds.api.deployment import Deployment, tenant_rules_of
from cds.api.openapi import FEEDBACK as FEEDBACK_BODY
from cds.api.openapi import NOTHING, gives, takes
from cds.api.routes import FIRST_YEAR, LAST_YEAR, service_of
from cds.errors import NoJournalError, NotFhirError, TooLargeError
from cds.journal.feedback import CardFeedback, CardOutcome
from cds.journal.store import StoreDownError
from cds.read_request import decode

WRITE_SECONDS = 8.0  # for one call; a database that hangs must not keep its caller
AT_ONCE = 4  # writes under way in one process; the rest wait their turn
MOST_WORDS = 10_000  # in one call
MAX_BYTES = 1_000_000  # of one call
MAX_COMMENT = 4_000  # characters a clinician typed
MAX_SUGGESTIONS = 100  # accepted of one card
LONGEST_ID = 200  # characters of a uuid or a code; a real one has 36
FIX = "Send card, outcome, outcomeTimestamp and the rest as CDS Hooks 2.0.1 describes it under Feedback"


class ReasonCoding(msgspec.Struct):
    """A reason; clients leave out display, and sometimes system."""

    code: str | None = None
    system: str | None = None
    display: str | None = None


class OverrideReason(msgspec.Struct):
    """Why a card was overridden."""

    reason: ReasonCoding | None = None
    userComment: str | None = None  # noqa: N815 (the specification's name)


class AcceptedSuggestion(msgspec.Struct):
    """A suggestion that was taken up."""

    id: str


class FeedbackEntry(msgspec.Struct):
    """One thing said of one card."""

    card: str
    outcome: CardOutcome
    outcomeTimestamp: str  # noqa: N815
    acceptedSuggestions: list[AcceptedSuggestion] | None = None  # noqa: N815
    overrideReason: OverrideReason | None = None  # noqa: N815


class Feedback(msgspec.Struct):
    """What of a call we read (CDS Hooks 2.0.1, "Feedback"); a client may send more."""

    feedback: list[FeedbackEntry]


FEEDBACK = msgspec.json.Decoder(Feedback)


class _Write:
    """One write, which may end after it was given up."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.ending = threading.Lock()
        self.begun = self.ended = False
        self.when_ended: Callable[[_Write], None] = lambda _: None
        self._work = work

    def run(self) -> None:
        """Do it, in a thread."""
        self.begun = True
        try:
            self._work()
        finally:
            with self.ending:
                self.ended = True
                self.when_ended(self)


class TimedWrites:
    """
    Writes to the journal that are waited for so long and no longer.

    A write cannot be stopped: one that was given up may still succeed, which a caller that sends it again is not harmed
    by. While as many hang as may be under way, nothing else is begun.
    """

    def __init__(self, seconds: float = WRITE_SECONDS) -> None:
        self._seconds = seconds
        self._limiter = CapacityLimiter(AT_ONCE)
        self._hanging: set[_Write] = set()

    async def __call__(self, work: Callable[[], None]) -> None:
        """
        Do it.

        Raises:
            StoreDownError: It was not done in time, or others hang.
        """
        if len(self._hanging) >= AT_ONCE:
            raise StoreDownError("earlier writes hang")
        write = _Write(work)
        with anyio.move_on_after(self._seconds):
            async with self._limiter:
                await to_thread.run_sync(write.run, abandon_on_cancel=True)
                return
        with write.ending:
            if write.begun and not write.ended:
                self._hanging.add(write)
                write.when_ended = self._hanging.discard
        raise StoreDownError("it did not answer in time")


def feedback_routes(deployment: Deployment) -> APIRouter:
    """Where clients say what became of cards; without a journal nothing is taken."""
    rules_by_tenant, settings, journal = deployment.rules_by_tenant, deployment.settings, deployment.journal
    router = APIRouter()
    in_time = TimedWrites()

    @router.post("/cds-services/{identity}/feedback", openapi_extra=takes(FEEDBACK_BODY), responses=gives(NOTHING))
    async def feedback(identity: str, request: Request) -> JSONResponse:
        """Keep what became of cards; 200 once it is on disk."""
        tenant_rules = tenant_rules_of(rules_by_tenant, request)
        service = service_of(tenant_rules.rules, identity)
        if journal is None:
            raise NoJournalError(
                "This service keeps no journal, so that feedback would be lost",
                fix="Set CDS_JOURNAL on the server, or send no feedback",
            )
        hear = journal.hear
        words = read_feedback(await read_body(request, min(MAX_BYTES, settings.max_body_bytes)))
        await in_time(lambda: hear(tenant_rules.tenant, service.id, words))
        return JSONResponse({})

    return router


def read_feedback(body: bytes) -> Sequence[CardFeedback]:
    """
    What a call says of cards.

    Raises:
        NotJsonError, NotFhirError, TooLargeError: With the member that is wrong; then nothing of the call is kept.
    """
    entries = decode(FEEDBACK, body, "CDS Hooks feedback", fix=FIX).feedback
    if not entries:
        raise NotFhirError("feedback is empty", fix=FIX, where="feedback")
    if len(entries) > MOST_WORDS:
        raise TooLargeError(f"feedback holds more than {MOST_WORDS} entries", fix="Send it in several calls")
    return [_word(entry, f"feedback[{index}]") for index, entry in enumerate(entries)]


def _word(entry: FeedbackEntry, where: str) -> CardFeedback:
    why = entry.overrideReason or OverrideReason()
    reason = why.reason or ReasonCoding()
    taken = entry.acceptedSuggestions or []
    if entry.outcome is CardOutcome.ACCEPTED and not taken:
        raise NotFhirError(
            "acceptedSuggestions is missing: the outcome accepted requires it",
            fix='Send the uuid of each suggestion that was taken up, as [{"id": uuid}]',
            where=f"{where}.acceptedSuggestions",
        )
    if len(taken) > MAX_SUGGESTIONS:
        raise TooLargeError(
            f"There are more than {MAX_SUGGESTIONS} accepted suggestions",
            fix="Send those of this card",
            where=f"{where}.acceptedSuggestions",
        )
    return CardFeedback(
        card=_id(entry.card, f"{where}.card"),
        outcome=entry.outcome,
        suggestions=tuple(
            _id(suggestion.id, f"{where}.acceptedSuggestions[{index}].id") for index, suggestion in enumerate(taken)
        ),
        reason_system=_id(reason.system, f"{where}.overrideReason.reason.system") if reason.system else "",
        reason_code=_id(reason.code, f"{where}.overrideReason.reason.code") if reason.code else "",
        display=_text(reason.display, f"{where}.overrideReason.reason.display"),
        comment=_text(why.userComment, f"{where}.overrideReason.userComment"),
        at=_moment(entry.outcomeTimestamp, f"{where}.outcomeTimestamp"),
    )


def _id(text: str, where: str) -> str:
    if not text or len(text) > LONGEST_ID or not text.isprintable():
        raise NotFhirError(
            f"This is not an id or a code: it has {len(text)} characters, or some that cannot be printed",
            fix=f"Send what the card had, of 1 to {LONGEST_ID} characters",
            where=where,
        )
    return text


def _text(text: str | None, where: str) -> str:
    """Free text; a NUL, which PostgreSQL takes in no text, as the sign for a character that cannot be shown."""
    if text and len(text) > MAX_COMMENT:
        raise TooLargeError(
            f"This text is longer than {MAX_COMMENT} characters", fix="Shorten it, or send it without", where=where
        )
    return (text or "").strip().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _moment(text: str, where: str) -> datetime:
    """A timestamp in UTC; one without an offset is in UTC already, as the specification asks."""
    try:
        moment = datetime.fromisoformat(text)
        if FIRST_YEAR <= moment.year <= LAST_YEAR:
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except ValueError:
        pass
    raise NotFhirError("This is not a moment", fix="Write it as 2026-06-01T12:30:00Z", where=where)
