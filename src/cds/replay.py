"""Kept decisions, made again by the rules that made them, and compared with their receipts."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from cds.api.decision_input import call_from_input, record_from_input
from cds.decide import Ruleset, decide
from cds.engine.durable import available
from cds.engine.evaluator import EvaluatorMode
from cds.errors import CdsError
from cds.journal import chain
from cds.journal.decision_records import CardRecord, decision_record_of, rows_of
from cds.journal.inputs import KeptDecision, kept_decisions
from cds.journal.period import JournalPeriod
from cds.journal.rule_archives import kept_archive
from cds.journal.store import Store, StoreDownError
from cds.journal.tables import cards, receipts, remarks, silent_cards, suggestions, unread_codes
from cds.read_request import limits
from cds.rulebook.archive import BrokenArchiveError, unpacked_rules
from cds.rulebook.loader import Rulebook
from cds.rulebook.published import with_definitions
from cds.ruleset import rules_of
from cds.settings import Settings

MOST_RULES = 8  # rule sets in memory
# Column of a receipt → what it is for who reads that it differs. What is not here cannot be decided again: ids, times,
# the user; the chain of receipts tells whether these were changed.
COMPARED = {
    "patient": "whose data they are",
    "hook": "its hook",
    "issues": "remarks about the data",
    "unknown": "facts that stayed unknown",
    "answer": "the words of its cards",
}
CHILDREN = {
    cards: "its cards",
    suggestions: "the suggestions of its cards",
    silent_cards: "its silent cards",
    remarks: "remarks about the data, in words",
    unread_codes: "codes that were not read",
}
OWN_KEYS = frozenset({"uuid", "receipt", "card", "position"})


@dataclass(frozen=True, slots=True)
class ReplayedDecision:
    """
    One decision, made again.

    Attributes:
        id, tenant, rules: Of its receipt.
        engine: The version of this software that made it.
        decided_at: When it was made.
        differs: What is not as its receipt says, in words; nothing of the patient.
        failed: Why it could not be made again; "" where it was.
    """

    id: str
    tenant: str
    rules: str
    engine: str
    decided_at: datetime
    differs: tuple[str, ...] = ()
    failed: str = ""

    @property
    def identical(self) -> bool:
        """Whether it was made again and came to the same, to the byte."""
        return not self.differs and not self.failed


def replayed(store: Store, settings: Settings, period: JournalPeriod) -> Iterator[ReplayedDecision]:
    """
    Each decision of a period whose data are kept, oldest first, as it comes out now.

    Args:
        store: The journal.
        settings: How much is read of a request; they should be those it was decided with.
        period: Which decisions.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    past = _PastRules(store)
    try:
        for kept in kept_decisions(store, period):
            row = kept.receipt
            about = row["id"], row["tenant"], row["rules"], row["engine"], row["decided_at"]
            try:
                rules = past.rules_of(row)
                yield ReplayedDecision(*about, differs=_differences(store, settings, rules, kept))
            except StoreDownError:
                raise
            except _NoRulesError as lacking:
                yield ReplayedDecision(*about, failed=str(lacking))
            except (OSError, EOFError, zlib.error, msgspec.MsgspecError, UnicodeDecodeError):
                yield ReplayedDecision(*about, failed="the data it was decided from cannot be read: they were changed")
            except (CdsError, ValueError) as wrong:
                yield ReplayedDecision(*about, failed=f"deciding fails: {type(wrong).__name__}")
    finally:
        past.close()


class _NoRulesError(CdsError):
    """The rules of then cannot be had; the message says why."""


class _PastRules:
    """Rule sets from the journal, made ready; the last few are kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._books: dict[str, Rulebook] = {}
        self._ready: dict[tuple[str, frozenset[str], EvaluatorMode], Ruleset] = {}

    def rules_of(self, receipt: Mapping[str, Any]) -> Ruleset:
        """
        The rules that a receipt names, with the definitions it was decided under.

        Raises:
            _NoRulesError: Their files are not kept, or are others.
        """
        book = self._book(receipt["rules"])
        concluded = receipt["conclusions"].keys()
        shown = frozenset(
            name
            for rule in book.rules.values()
            if not concluded.isdisjoint(rule.model.conclusions)
            for name in rule.model.published
        )
        both = receipt["opinions"] == EvaluatorMode.BOTH.value and available()
        key = receipt["rules"], shown, EvaluatorMode.BOTH if both else EvaluatorMode.DIRECT
        if key not in self._ready:
            if len(self._ready) == MOST_RULES:
                self._ready.pop(next(iter(self._ready))).reasoner.close()
            self._ready[key] = rules_of(with_definitions(book, shown), key[2])
        return self._ready[key]

    def _book(self, version: str) -> Rulebook:
        if version not in self._books:
            packed = kept_archive(self._store, version)
            if packed is None:
                raise _NoRulesError("the files of its rules are not kept")
            with TemporaryDirectory(prefix="thirdline-rules-") as folder:
                try:
                    book = unpacked_rules(packed, Path(folder))
                except BrokenArchiveError as broken:
                    raise _NoRulesError(str(broken)) from None
            if not book.digest.startswith(version):
                raise _NoRulesError("the kept files of its rules are others than those it was decided by")
            if len(self._books) == MOST_RULES:
                self._books.pop(next(iter(self._books)))
            self._books[version] = book
        return self._books[version]

    def close(self) -> None:
        """Give the memory of the engines back."""
        for rules in self._ready.values():
            rules.reasoner.close()


def _differences(store: Store, settings: Settings, rules: Ruleset, kept: KeptDecision) -> tuple[str, ...]:
    row = kept.receipt
    service = rules.program.services.get(row["service"])
    if service is None:
        return ("its service, which its rules do not have",)
    body = gzip.decompress(kept.packed)
    call = call_from_input(body, row["tenant"], service, row["hook_instance"])
    record = record_from_input(body, service, limits(settings, rules))
    decision = decide(rules, record, row["day"], service.id)
    shown = [
        CardRecord(
            str(place),
            tuple(f"{place} {number}" for number in range(len(card.suggestions))),
            card.name,
            card.indicator,
            card.rule,
        )
        for place, card in enumerate(decision.cards)
    ]
    made = decision_record_of(
        rules, decision, call, shown, {}, id=row["id"], decided_at=row["decided_at"], keep_input=False
    )
    again = rows_of(store, [made])
    now = again[receipts][0]
    if now["input"] != row["input"]:
        return ("the data it was decided from",)
    names = row["conclusions"].keys() | now["conclusions"].keys()
    concluded = sorted(name for name in names if row["conclusions"].get(name) != now["conclusions"].get(name))
    # Receipts of early versions do not have the digest of their answer.
    columns = [words for column, words in COMPARED.items() if now[column] != row[column] and row[column] != ""]
    return (
        *((f"conclusions {', '.join(concluded)}",) if concluded else ()),
        *columns,
        *(words for table, words in CHILDREN.items() if _said(kept.rows[table]) != _said(again[table])),
    )


def _said(rows: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """What rows say, without ids of their own, in an order of their own."""
    return sorted(chain.canonical({name: row[name] for name in row if name not in OWN_KEYS}) for row in rows)
