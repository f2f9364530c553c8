"""Receipts and words for the journal's tests."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from typing import Any

from cds.journal.decision_records import CardRecord, DecisionRecord
from cds.journal.feedback import CardFeedback, CardOutcome
from cds.rulebook.compiled_ruleset import RuleRef

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
RULE = RuleRef("evaluation", "1.2.0", "Evaluation", "draft", (), None, None, "", "abc")


def shown(name: str = "suggest", rule: RuleRef = RULE) -> CardRecord:
    return CardRecord(str(uuid.uuid4()), (str(uuid.uuid4()),), name, "info", rule)


def receipt(*cards: CardRecord, **changes: Any) -> DecisionRecord:
    values: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "tenant": "",
        "service": "evaluation",
        "hook": "patient-view",
        "hook_instance": str(uuid.uuid4()),
        "patient_id": "patient-1",
        "digest": b"input",
        "body": None,
        "decided_at": NOON,
        "day": date(2026, 6, 1),
        "rules": "rules-1",
        "files": {RULE.id: RULE},
        "opinions": "both",
        "conclusions": {"resistant": "true", "excluded": "unknown"},
        "issues": {"ignored": 2},
        "milliseconds": {"decide": 1.5},
        "shown": cards,
    }
    return DecisionRecord(**(values | changes))


def accepted(card: CardRecord, at: datetime = NOON) -> CardFeedback:
    return CardFeedback(card.uuid, CardOutcome.ACCEPTED, card.suggestions, "", "", "", "", at)


def overridden(card: CardRecord, at: datetime = NOON, code: str = "patient-refuses", comment: str = "") -> CardFeedback:
    return CardFeedback(card.uuid, CardOutcome.OVERRIDDEN, (), "urn:reasons", code, "", comment, at)
