"""Decision → receipt: enough to say later what was decided and by which rules, without the data it was decided from."""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Table

from cds import __version__
from cds.cards.card import Card
from cds.decide import Decision, Ruleset
from cds.facts.unread import most_unread
from cds.facts.unread import unread_codes as codes_not_read
from cds.journal.answered import note_patients, note_patients_again
from cds.journal.record_chain import linked
from cds.journal.rule_archives import Archives, keep_archives
from cds.journal.store import Store
from cds.journal.tables import cards, inputs, receipts, remarks, rule_sets, silent_cards, suggestions, unread_codes
from cds.logic.truth import Truth
from cds.record.model import DeliveryState, IssueKind, PatientRecord
from cds.rulebook.compiled_ruleset import RuleRef

MOST_REMARKS = 50  # kept of one decision
MOST_UNREAD = 50  # likewise
LONGEST = 200  # characters kept of an id a client chose
NO_ARCHIVES: Archives = {}
IN_ORDER = (
    rule_sets,
    receipts,
    remarks,
    unread_codes,
    cards,
    suggestions,
    silent_cards,
    inputs,
)  # what another refers to, first


@dataclass(frozen=True, slots=True)
class CardRecord:
    """One card as it was answered: its uuid, those of its suggestions, and the rule that said it."""

    uuid: str
    suggestions: tuple[str, ...]
    name: str
    indicator: str
    rule: RuleRef


@dataclass(frozen=True, slots=True)
class HookCall:
    """
    Who asked, and with what.

    Attributes:
        tenant: "" where there are none.
        service, hook, hook_instance: As in the request.
        patient_id: context.patientId; kept as a keyed digest.
        data: Prefetch key → JSON, sent or fetched; kept as a keyed digest.
        user: context.userId, "" where none was sent; kept as a setting says.
    """

    tenant: str
    service: str
    hook: str
    hook_instance: str
    patient_id: str = field(repr=False)
    data: Mapping[str, bytes | msgspec.Raw] = field(repr=False)
    user: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """
    One decision, ready to be written down.

    Attributes:
        patient_id: Becomes a keyed digest when it is written.
        digest: Of the input, not keyed yet.
        answer: Digest of the cards, without their uuids; not keyed yet.
        body: The input itself, packed, when it is to be kept; None otherwise.
        conclusions: Name → true, false or unknown.
        issues: Kind of remark about the data → how many.
        unknown: Fact → how it comes to be unknown (WhyUnknown).
        user: Becomes a keyed digest when it is written, unless users are kept as they are.
        remarks: (kind, FHIR type, our words for it) → how often; the most frequent ones.
        unread: (kind, system, code) of what was not read → how often; the most frequent ones.
        milliseconds: Stage → how long it took.
        silent: Cards of silent rule files that would have been shown, each with its rule.
    """

    id: str
    tenant: str
    service: str
    hook: str
    hook_instance: str
    patient_id: str = field(repr=False)
    digest: bytes
    body: bytes | None = field(repr=False)
    decided_at: datetime
    day: date
    rules: str
    files: Mapping[str, RuleRef]
    opinions: str
    conclusions: Mapping[str, str]
    issues: Mapping[str, int]
    milliseconds: Mapping[str, float]
    shown: tuple[CardRecord, ...]
    silent: Mapping[str, RuleRef] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    remarks: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    unread: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    user: str = field(default="", repr=False)
    answer: bytes = b""


def decision_record_of(
    rules: Ruleset,
    decision: Decision,
    call: HookCall,
    shown: Sequence[CardRecord],
    milliseconds: Mapping[str, float],
    *,
    id: str,  # noqa: A002 (its name in the journal)
    decided_at: datetime,
    keep_input: bool,
) -> DecisionRecord:
    """What there is to keep of one decision, under an id of its own."""
    program = rules.program
    return DecisionRecord(
        id=id,
        tenant=call.tenant,
        service=call.service,
        hook=call.hook,
        hook_instance=call.hook_instance.replace("\0", "")[:LONGEST],
        patient_id=call.patient_id,
        digest=_digest(call),
        body=packed(call) if keep_input else None,
        decided_at=decided_at,
        day=decision.today,
        rules=program.version,
        files=program.rules,
        opinions=rules.reasoner.mode.value,
        conclusions={name: truth.value for name, truth in decision.truths.items() if program.heads[name].is_an_authors},
        issues=Counter(str(issue.kind.value) for issue in decision.record.issues),
        unknown={
            name: fact.why_unknown.value
            for name, fact in decision.facts.by_name.items()
            if fact.why_unknown is not None and name not in program.copies
        },
        remarks=remarks_in(decision.record),
        unread=most_unread(codes_not_read(decision.facts.unread), MOST_UNREAD),
        user=call.user.replace("\0", "")[:LONGEST],
        milliseconds=milliseconds,
        answer=answer_digest(decision.cards),
        shown=tuple(shown),
        silent={
            name: program.cards[name].rule
            for name in program.services[call.service].silent
            if decision.truths[program.cards[name].head] is Truth.TRUE
        },
    )


def answer_digest(shown: Sequence[Card]) -> bytes:
    """The same for the same cards, word for word; uuids and links of one answer are not among them."""
    return hashlib.sha256(msgspec.json.encode(shown, enc_hook=dict)).digest()


def remarks_in(record: PatientRecord) -> dict[tuple[str, str, str], int]:
    """What of the data was left out or doubted, and which queries were not answered, or not whole."""
    counted: Counter[tuple[str, str, str]] = Counter()
    for issue in record.issues:
        counted[str(issue.kind.value), issue.resource_type, (issue.alike or issue.what)[:LONGEST]] += issue.times
    lacking: Counter[tuple[str, str, str]] = Counter()
    for kind, queries in record.sent.items():
        for sent in queries:
            if sent.state is not DeliveryState.WHOLE:
                missing = IssueKind.NOT_SENT if sent.state is DeliveryState.NOT_SENT else IssueKind.IMPRECISE
                what = f"{sent.because[:1].upper()}{sent.because[1:]}."
                lacking[str(missing.value), kind, what[:LONGEST]] += 1
    counted |= lacking  # of some an issue was noted already
    return dict(counted.most_common(MOST_REMARKS))


def write(store: Store, written: Sequence[DecisionRecord], archives: Archives = NO_ARCHIVES) -> None:
    """
    Write receipts down, all or none; one that is there already is left as it is.

    `archives` are files of rule sets, kept with the inputs that were decided by them.

    Raises:
        StoreDownError: None was written.
    """
    rows = rows_of(store, written)
    shown = [row["uuid"] for row in rows[cards]]
    with store.writing() as connection:
        keep_archives(connection, store, (one.rules for one in written if one.body is not None), archives)
        for table, listed in rows.items():
            new = linked(connection, store, rows) if table is receipts else listed
            if new:
                connection.execute(store.insert_new(table), new)
        note_patients(connection, shown)
    note_patients_again(store, shown)


def rows_of(store: Store, written: Sequence[DecisionRecord]) -> dict[Table, list[dict[str, Any]]]:
    """
    What is written of decisions, by table.

    Raises:
        StoreDownError: The key of their digests is in the store, and that cannot be opened.
    """
    rows: dict[Table, list[dict[str, Any]]] = {table: [] for table in IN_ORDER}
    rows[rule_sets] = [
        {"version": version, "files": files_of(one)} for version, one in {one.rules: one for one in written}.items()
    ]
    for receipt in written:
        _add(rows, store, receipt)
    return rows


def files_of(receipt: DecisionRecord) -> dict[str, dict[str, str]]:
    """The rule files it was decided by: id → version and digest."""
    return {rule.id: {"version": rule.version, "digest": rule.digest} for rule in receipt.files.values()}


def _add(rows: Mapping[Table, list[dict[str, Any]]], store: Store, receipt: DecisionRecord) -> None:
    rows[receipts].append(
        {
            "id": receipt.id,
            "tenant": receipt.tenant,
            "service": receipt.service,
            "hook": receipt.hook,
            "hook_instance": receipt.hook_instance,
            "decided_at": receipt.decided_at,
            "day": receipt.day,
            "rules": receipt.rules,
            "engine": __version__,
            "opinions": receipt.opinions,
            "patient": patient_digest(store, receipt.tenant, receipt.patient_id),
            "input": store.digest("input", receipt.digest),
            "user": user_kept(store, receipt.tenant, receipt.user),
            "conclusions": dict(receipt.conclusions),
            "issues": dict(receipt.issues),
            "unknown": dict(receipt.unknown),
            "milliseconds": dict(receipt.milliseconds),
            "answer": store.digest("answer", receipt.answer),
        }
    )
    rows[remarks].extend(
        {"receipt": receipt.id, "position": place, "kind": kind, "resource_type": type_, "what": what, "times": times}
        for place, ((kind, type_, what), times) in enumerate(receipt.remarks.items())
    )
    rows[unread_codes].extend(
        {"receipt": receipt.id, "position": place, "kind": kind, "system": system, "code": code, "times": times}
        for place, ((kind, system, code), times) in enumerate(receipt.unread.items())
    )
    for position, card in enumerate(receipt.shown):
        rows[cards].append(
            {
                "uuid": card.uuid,
                "receipt": receipt.id,
                "position": position,
                "name": card.name,
                "rule": card.rule.id,
                "version": card.rule.version,
                "indicator": card.indicator,
            }
        )
        rows[suggestions].extend(
            {"uuid": suggestion, "card": card.uuid, "position": place}
            for place, suggestion in enumerate(card.suggestions)
        )
    rows[silent_cards].extend(
        {"receipt": receipt.id, "name": name, "rule": rule.id, "version": rule.version}
        for name, rule in receipt.silent.items()
    )
    if receipt.body is not None:
        rows[inputs].append({"receipt": receipt.id, "kept_at": receipt.decided_at, "body": receipt.body})


def patient_digest(store: Store, tenant: str, patient_id: str) -> str:
    """What stands for a patient of a tenant in the journal: the same each time, and of no use without the key."""
    return store.digest("patient", tenant, patient_id)


def user_kept(store: Store, tenant: str, user: str) -> str:
    """What stands for a user of a tenant in the journal: a keyed digest, or the reference itself where that is kept."""
    return user if store.plain_users or not user else store.digest("user", tenant, user)


def _digest(call: HookCall) -> bytes:
    """Of the patient and each piece of data, in the order of their keys, so that equal data are known as equal."""
    code = hashlib.sha256()
    for part in (
        call.patient_id.encode(),
        *(part for key in sorted(call.data) for part in (key.encode(), call.data[key])),
    ):
        code.update(len(part).to_bytes(8, "big"))
        code.update(part)
    return code.digest()


def packed(call: HookCall) -> bytes:
    """A prefetch as it could be sent again; never the access token."""
    data = {key: msgspec.Raw(value) for key, value in call.data.items()}
    return gzip.compress(msgspec.json.encode({"patientId": call.patient_id, "prefetch": data}), compresslevel=1)
