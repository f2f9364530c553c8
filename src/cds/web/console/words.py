"""What the console says of words that are kept or written as they are: outcomes, statuses, reasons, roles, stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds.journal.audit import AuditAction
from cds.journal.feedback import CardOutcome
from cds.locale.sentence import say
from cds.web.console.users import Role

STATUSES: Mapping[str, str] = {
    "draft": say("draft"), "silent": say("silent"), "active": say("active"), "retired": say("retired"),
    "ok": say("works"), "degraded": say("degraded"),
}  # fmt: skip
"""Of a rule file, and of the journal."""
REASONS: Mapping[str, str] = {
    "not sent": say("not sent"), "not recorded": say("not recorded"), "too old": say("too old"),
    "unreadable": say("unreadable"), "undated": say("undated"), "not precise enough": say("not precise enough"),
    "contradictory": say("contradictory"), "possible, not confirmed": say("possible, not confirmed"),
}  # fmt: skip
"""Why a fact was unknown (`WhyUnknown`), as receipts keep it."""
OUTCOMES: Mapping[str, str] = {
    CardOutcome.ACCEPTED.value: say("accepted"), CardOutcome.OVERRIDDEN.value: say("overridden"),
}  # fmt: skip
ACTIONS: Mapping[str, str] = {
    AuditAction.READ.value: say("looked"), AuditAction.EXPORT.value: say("exported"),
    AuditAction.SIGNED_IN.value: say("signed in"), AuditAction.SIGNED_OUT.value: say("signed out"),
    AuditAction.REFUSED.value: say("was refused"), AuditAction.SAVED_IN_EHR.value: say("saved in the EHR"),
    AuditAction.SAVED_HERE.value: say("saved here"), AuditAction.NOT_SAVED.value: say("could not save"),
    AuditAction.ACKNOWLEDGED.value: say("acknowledged"),
}  # fmt: skip
ROLES: Mapping[str, str] = {
    Role.VIEWER.label: say("viewer"), Role.ANALYST.label: say("analyst"), Role.STEWARD.label: say("steward"),
    Role.ADMIN.label: say("admin"),
}  # fmt: skip
STAGES: Mapping[str, str] = {
    "read": say("reading the request"), "decide": say("deciding"), "answer": say("writing the answer"),
}  # fmt: skip
"""Of a request, as receipts keep them."""
KINDS: Mapping[str, str] = {
    "fact": say("fact"), "conclusion": say("conclusion"), "card": say("card"), "file": say("another file"),
}  # fmt: skip
"""Of what a drawing of a rule file shows."""
ENTRIES: Mapping[str, str] = {
    "condition": say("diagnosis"), "medication": say("medication"), "procedure": say("procedure"),
    "allergy": say("allergy"), "referral": say("request"), "observation": say("observation"),
}  # fmt: skip
"""Of entries that were not read."""
WORDS: dict[str, Any] = {
    "status_words": STATUSES, "reason_words": REASONS, "outcome_words": OUTCOMES, "action_words": ACTIONS,
    "role_words": ROLES, "stage_words": STAGES, "kind_words": KINDS,
    "entry_words": ENTRIES,
}  # fmt: skip
"""As every template of the console finds them."""
