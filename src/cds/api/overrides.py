"""What clinicians answered to earlier cards, or stated in reviews kept here → the record; looked up in the journal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from cds.journal import feedback
from cds.journal.journal import Journal
from cds.journal.store import StoreDownError
from cds.record.forms import with_responses
from cds.record.model import NOT_LOOKED_UP, Override, PatientRecord, without_overrides, without_reviews
from cds.rulebook.compiled_ruleset import CompiledRuleset

log = logging.getLogger(__name__)
SECONDS = 1.0  # for one look-up, which takes some milliseconds; a store that hangs must not cost the clinician the card
HANGS_SECONDS = 5.0  # after that: until a look-up that goes on says that the store does not work at all
FIRST = datetime(1900, 1, 1, tzinfo=UTC)  # feedback of earlier years is refused


@dataclass(frozen=True, slots=True)
class OverrideLookup:
    """
    What was found for one request.

    Attributes:
        overrides: None where none are kept, where no rule reads them, and where they could not be looked up.
        failed: They are kept, and could not be looked up.
        reviews: What clinicians stated and this service keeps, each as FHIR JSON, oldest first; None where none are
            kept here, and where they could not be looked up.
        reviews_failed: They are kept, and could not be looked up.
    """

    overrides: tuple[Override, ...] | None = None
    failed: bool = False
    reviews: tuple[bytes, ...] | None = None
    reviews_failed: bool = False

    def onto(self, record: PatientRecord) -> PatientRecord:
        """The record with these answers."""
        if self.reviews_failed:
            record = without_reviews(record)
        elif self.reviews:
            record = with_responses(record, [(_identity(body), body) for body in self.reviews])
        if self.failed:
            return without_overrides(record)
        return record if self.overrides is None else replace(record, overrides=self.overrides)


NOT_ASKED = OverrideLookup()


class _Identified(msgspec.Struct):
    identifier: dict[str, str]


def _identity(body: bytes) -> str:
    """What a kept review is called: it has no id of a server, and its own number instead."""
    return msgspec.json.decode(body, type=_Identified).identifier["value"]


class Overrides:
    """
    Looks up what was answered to a patient's earlier cards, for as far back as some rule of the program reads, and
    reviews, where this service keeps them.

    Asked before the decision, in a thread of its own: a store that hangs holds up no thread that decides. A look-up
    cannot be stopped: while one that was given up goes on, nothing else is looked up.
    """

    def __init__(self, journal: Journal | None, seconds: float = SECONDS, *, keeps_reviews: bool = False) -> None:
        self._journal = journal
        self._keeps_reviews = keeps_reviews
        self._seconds = seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="overrides")
        self._given_up: set[Future[OverrideLookup]] = set()

    def close(self) -> None:
        """Take no more work; what is under way ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def of(self, program: CompiledRuleset, tenant: str, patient_id: str, today: date) -> OverrideLookup:
        """The patient's answers; raises nothing of the store, and takes no longer than it may."""
        journal = self._journal
        windows = [wanted.look_back_days for wanted in program.wanted if wanted.reads_overrides]
        reads = self._keeps_reviews and program.codes.review is not None
        if journal is None or not (windows or reads):
            return NOT_ASKED
        failed = OverrideLookup(failed=bool(windows), reviews_failed=reads)
        if not journal.store.works or self._given_up:  # the writer tries the store again, behind the answers
            return failed

        def look() -> OverrideLookup:
            found = journal.recent_overrides(tenant, patient_id, _since(windows, today)) if windows else None
            return OverrideLookup(
                overrides=_by_topic(found, program) if found is not None else None,
                reviews=tuple(journal.kept_reviews(tenant, patient_id, datetime.now(UTC))) if reads else None,
            )

        looking = self._thread.submit(look)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(looking)
        except StoreDownError:  # the store has said so in the log
            return failed
        except TimeoutError:
            log.warning("%s within %g s", NOT_LOOKED_UP, self._seconds)
            asyncio.get_running_loop().call_later(HANGS_SECONDS, _look_again, looking, journal)
            return failed
        finally:
            if not looking.cancel() and not looking.done():
                self._given_up.add(looking)
                looking.add_done_callback(self._given_up.discard)


def _look_again(looking: Future[OverrideLookup], journal: Journal) -> None:
    """A store that does not answer raises nothing either, so that nothing else would say so to `/health`."""
    if not looking.done():
        journal.store.does_not_come_back()


def _since(windows: Sequence[int | None], today: date) -> datetime:
    """The first moment the longest of these windows can reach to, in any time zone."""
    days = [days for days in windows if days is not None]
    if len(days) < len(windows) or max(days) >= (today - FIRST.date()).days:
        return FIRST
    return datetime.combine(today - timedelta(days=max(days) + 1), time.min, UTC)


def _by_topic(found: list[feedback.CardOverride], program: CompiledRuleset) -> tuple[Override, ...]:
    """Of cards the program still has: nobody can say what another one was about."""
    return tuple(
        Override(card.topic[1], one.reason, one.when.astimezone().date())
        for one in found
        if (card := program.card_called(one.card)) is not None and card.topic is not None
    )
