"""The journal as the web application holds it: a store and the thread that writes to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from cds.journal import feedback, reviews
from cds.journal.decision_records import DecisionRecord
from cds.journal.disagreements import DisagreementWatch
from cds.journal.retention import RetentionPeriods
from cds.journal.store import Store, StoreDownError
from cds.journal.writer import JournalWriter
from cds.settings import Settings

NONE = "none"
MOST_ARCHIVES = 64  # rule sets whose files are held in memory, half a megabyte each; a service has one a tenant


class Journal:
    """
    Receipts of decisions, and what was said of their cards.

    Attributes:
        store: Where it is kept.
        keeps_inputs: Whether receipts take the data they were decided from with them.
        disagreements: Of the engines, here and elsewhere.
    """

    def __init__(self, store: Store, keep: RetentionPeriods) -> None:
        self.store = store
        self.keeps_inputs = keep.inputs > 0
        self._keep = keep
        self._writer = JournalWriter(store, keep)
        self.disagreements = DisagreementWatch(store)

    def start(self) -> None:
        """Open the store, if that is possible now, and begin to write."""
        with suppress(StoreDownError):  # said in the log, and tried again
            self.store.open()
            self.disagreements.look()  # a start does not hide what was there before
        self._writer.start()
        self.disagreements.start()

    def close(self) -> None:
        """Write what waits, and let go of the store."""
        self.disagreements.close()
        self._writer.close()
        self.store.close()

    def note(self, receipt: DecisionRecord) -> None:
        """Keep a receipt, behind the answer."""
        self._writer.offer(receipt)

    @property
    def holds_rules(self) -> Callable[[str, bytes], None] | None:
        """Takes a version and its packed files, to be kept with inputs it decides; None where no input is kept."""
        return self._hold_rules if self.keeps_inputs else None

    def _hold_rules(self, version: str, packed: bytes) -> None:
        held = self._writer.archives
        self._writer.archives = dict(list(held.items())[-MOST_ARCHIVES + 1 :]) | {version: packed}

    def hear(self, tenant: str, service: str, words: Sequence[feedback.CardFeedback]) -> None:
        """
        Keep what was said of cards; durable once this returns.

        Raises:
            StoreDownError: Nothing was kept.
        """
        feedback.keep(self.store, tenant, service, words, datetime.now(UTC))

    def recent_overrides(self, tenant: str, patient_id: str, since: datetime) -> list[feedback.CardOverride]:
        """
        Cards that were put aside for this patient, newest first.

        Raises:
            StoreDownError: Nobody can tell.
        """
        return feedback.recent_overrides(self.store, tenant, patient_id, since)

    def kept_reviews(self, tenant: str, patient_id: str, now: datetime) -> list[bytes]:
        """
        What clinicians stated of this patient and was saved here, as FHIR JSON, oldest first.

        What is older than it is to be kept counts no more, whether it was removed yet or not.

        Raises:
            StoreDownError: Nobody can tell.
        """
        return reviews.kept_reviews(self.store, tenant, patient_id, now - timedelta(days=self._keep.reviews))

    @property
    def newest(self) -> datetime | None:
        """When the newest decision was made that was there when last looked; None for none."""
        return self._writer.newest

    @property
    def works(self) -> bool:
        """Whether receipts and feedback are being kept."""
        return self._writer.works and not self.store.damaged

    def health(self) -> dict[str, Any]:
        """How it is, in words and counts."""
        status = "ok" if self.works else "degraded"
        found = {"status": status, "waiting": self._writer.waiting, "lost": self._writer.lost}
        if self.store.damaged:
            found["damaged"] = True
        if self._writer.prune_held:
            found["prune"] = "held: the clock is far ahead of the newest entries; cds journal prune confirms it"
        return found


def keep_from(settings: Settings) -> RetentionPeriods:
    """How long things are kept."""
    return RetentionPeriods(
        settings.keep_receipts_days,
        settings.keep_comments_days,
        settings.keep_inputs_days,
        settings.keep_audit_days,
        settings.keep_reviews_days,
    )


def store_from(settings: Settings) -> Store | None:
    """
    The store the settings name, not opened yet; None where no journal is wanted.

    Raises:
        ValueError: The setting names neither a path nor a PostgreSQL database.
    """
    if settings.journal.strip().lower() == NONE:
        return None
    key = settings.journal_key
    plain = settings.keep_users == "plain"
    return Store(settings.journal, key.get_secret_value().encode() if key is not None else None, plain_users=plain)


def journal_from(settings: Settings) -> Journal | None:
    """The journal the settings ask for, not started yet; raises as `store_from` does."""
    store = store_from(settings)
    return Journal(store, keep_from(settings)) if store is not None else None
