"""Diagnoses, medications, procedures, allergies, referrals and coded answers → recorded, not recorded, or unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cds.facts.fact import Fact, Found, WhyUnknown
from cds.facts.sorted_record import Hit, SortedRecord, in_window, medications_sent
from cds.record.record import (
    Allergy,
    Diagnosis,
    Exposure,
    Intervention,
    Measurement,
    Referral,
    Sent,
    SentState,
    Span,
    Verification,
)
from cds.rulebook.wanted import (
    WantedAllergy,
    WantedAnswer,
    WantedDiagnosis,
    WantedMedication,
    WantedPresence,
    WantedProcedure,
    WantedReferral,
)
from cds.truth import Truth


@dataclass(frozen=True, slots=True)
class Match:
    """One entry that speaks to a fact: surely (TRUE), possibly (UNKNOWN, and why), or against it (FALSE)."""

    truth: Truth
    source: str
    words: str
    when: Span | None
    why: str = ""


def presence(wanted: WantedPresence, sorted_record: SortedRecord) -> Fact:
    """Say whether the thing is recorded; unknown when it may be, or when the data did not come."""
    match wanted:
        case WantedDiagnosis():
            matches = list(_diagnoses(wanted, sorted_record))
            sent = sorted_record.record.how_sent("Condition")
        case WantedMedication():
            matches = list(_medications(wanted, sorted_record))
            sent = medications_sent(sorted_record.record)
        case WantedProcedure():
            matches = list(_procedures(wanted, sorted_record))
            sent = sorted_record.record.how_sent("Procedure")
        case WantedAllergy():
            matches = list(_allergies(wanted, sorted_record))
            sent = sorted_record.record.how_sent("AllergyIntolerance")
        case WantedReferral():
            matches = list(_referrals(wanted, sorted_record))
            sent = sorted_record.record.how_sent("ServiceRequest")
        case WantedAnswer():
            matches = list(_answers(wanted, sorted_record))
            codes = frozenset(
                code for name in wanted.asks_for or wanted.coded for _, code in sorted_record.codes.sets[name].codes
            )
            sent = sorted_record.record.how_sent("Observation", codes)
        case _:
            raise TypeError(f"not a presence: {type(wanted).__name__}")
    return _settle(wanted, matches, sent)


def _settle(wanted: WantedPresence, matches: list[Match], sent: Sent) -> Fact:
    sure = [match for match in matches if match.truth is Truth.TRUE]
    if sure:
        return _fact(wanted, Truth.TRUE, "recorded", sure)
    possible = [match for match in matches if match.truth is Truth.UNKNOWN]
    if possible:
        reasons = "; ".join(sorted({match.why for match in possible}))
        return _fact(wanted, Truth.UNKNOWN, reasons, possible, WhyUnknown.POSSIBLE)
    if sent.state is SentState.WHOLE:
        against = [match for match in matches if match.truth is Truth.FALSE]
        because = against[0].why if against else f"none recorded. {wanted.because}"
        unknown = WhyUnknown.NOT_FOUND if wanted.if_none_found is Truth.UNKNOWN and not against else None
        truth = Truth.FALSE if against else wanted.if_none_found
        return _fact(wanted, truth, because, against, unknown)
    why = WhyUnknown.NOT_SENT if sent.state is SentState.NOT_SENT else WhyUnknown.UNREADABLE
    return _fact(wanted, Truth.UNKNOWN, sent.because, [], why)


def _fact(
    wanted: WantedPresence, truth: Truth, because: str, matches: list[Match], why: WhyUnknown | None = None
) -> Fact:
    newest = max(matches, key=lambda match: match.when.latest.toordinal() if match.when else 0, default=None)
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=truth,
        text={Truth.TRUE: "recorded", Truth.FALSE: "not recorded", Truth.UNKNOWN: ""}[truth],
        because=because,
        why_unknown=why,
        missing=(wanted.label,) if truth is Truth.UNKNOWN else (),
        day=newest.when if newest else None,
        found=tuple(Found(match.source, match.words, match.when.text if match.when else "") for match in matches),
    )


def _hits(wanted: WantedPresence, by_set: dict[str, list[Hit]]) -> Iterator[tuple[Hit, bool]]:
    """Hits of the wanted sets, each entry once; with them, whether the set says "possibly" only."""
    seen: set[int] = set()
    for sets, possibly in ((wanted.coded, False), (wanted.possibly_coded, True)):
        for by_name in (False, True):
            for name in sets:
                for hit in by_set.get(name, ()):
                    if hit.by_name is by_name and id(hit.entry) not in seen:
                        seen.add(id(hit.entry))
                        yield hit, possibly


def _weigh(reasons: Iterable[str]) -> tuple[Truth, str]:
    said = [reason for reason in reasons if reason]
    return (Truth.UNKNOWN, ", ".join(said)) if said else (Truth.TRUE, "")


def _diagnoses(wanted: WantedDiagnosis, sorted_record: SortedRecord) -> Iterator[Match]:
    for hit, possibly in _hits(wanted, sorted_record.diagnoses):
        entry = hit.entry
        assert isinstance(entry, Diagnosis)  # noqa: S101 (sorted by kind)
        if entry.verification is Verification.WRONG:
            continue
        if wanted.statuses is not None and (entry.status or "active") not in wanted.statuses:
            continue
        when = entry.onset or entry.recorded
        if when is not None and when.earliest > sorted_record.today:
            continue
        window = in_window(when, sorted_record.today, wanted.look_back_days)
        if window is Truth.FALSE:
            continue
        undated = window is None and wanted.look_back_days is not None and wanted.undated is Truth.UNKNOWN
        truth, why = _weigh(
            (
                "a code that says it may be so" if possibly else "",
                "named in words only" if hit.by_name else "",
                "not confirmed" if entry.verification is Verification.POSSIBLE else "",
                "its date is not precise enough" if window is Truth.UNKNOWN else "",
                "recorded without a date" if undated else "",
            )
        )
        yield Match(truth, entry.source, entry.concept.words, when, why)


def _medications(wanted: WantedMedication, sorted_record: SortedRecord) -> Iterator[Match]:
    matched: set[int] = set()
    for hit, possibly in _hits(wanted, sorted_record.exposures):
        entry = hit.entry
        assert isinstance(entry, Exposure)  # noqa: S101 (sorted by kind)
        matched.add(id(entry))
        taken = taken_in_window(entry, wanted, sorted_record)
        if taken is Truth.FALSE:
            continue
        truth, why = _weigh(
            (
                "a code that says it may be so" if possibly else "",
                "it is not recorded whether it was taken then" if taken is Truth.UNKNOWN else "",
            )
        )
        yield Match(truth, entry.source, entry.drug.words, entry.start, why)
    for entry in sorted_record.record.exposures:
        nameless = id(entry) not in matched and not entry.drug.words
        if nameless and taken_in_window(entry, wanted, sorted_record) is not Truth.FALSE:
            yield Match(Truth.UNKNOWN, entry.source, "", entry.start, "a medication without a name may be one")


def taken_in_window(entry: Exposure, wanted: WantedMedication, sorted_record: SortedRecord) -> Truth:
    """Say whether a drug is taken today (`current`) or was taken at some time in the window."""
    today = sorted_record.today
    if entry.start is not None and entry.start.earliest > today:
        return Truth.FALSE
    if wanted.current:
        if entry.open_ended:
            return Truth.UNKNOWN if entry.doubtful else Truth.TRUE
        if entry.end is None:
            return Truth.UNKNOWN if entry.doubtful else Truth.of(False)
        if entry.end.latest < today:
            return Truth.FALSE
        return Truth.TRUE if entry.end.earliest >= today and not entry.doubtful else Truth.UNKNOWN
    last = Span(today, today) if entry.open_ended else (entry.end or entry.start)
    window = in_window(last, today, wanted.look_back_days)
    if window is Truth.FALSE and last is not None and last.latest > today:
        window = Truth.TRUE
    if window is None:
        return Truth.UNKNOWN if wanted.look_back_days is not None or entry.doubtful else Truth.TRUE
    return Truth.UNKNOWN if entry.doubtful and window is Truth.TRUE else window


def _procedures(wanted: WantedProcedure, sorted_record: SortedRecord) -> Iterator[Match]:
    for hit, possibly in _hits(wanted, sorted_record.interventions):
        entry = hit.entry
        assert isinstance(entry, Intervention)  # noqa: S101 (sorted by kind)
        window = in_window(entry.when, sorted_record.today, wanted.look_back_days)
        if window is Truth.FALSE:
            continue
        undated = window is None and wanted.look_back_days is not None
        truth, why = _weigh(
            (
                "a code that says it may be so" if possibly else "",
                "its date is not precise enough" if window is Truth.UNKNOWN else "",
                "recorded without a date" if undated else "",
                "its status is not known" if entry.status not in {"completed", "in-progress"} else "",
            )
        )
        yield Match(truth, entry.source, entry.concept.words, entry.when, why)


def _allergies(wanted: WantedAllergy, sorted_record: SortedRecord) -> Iterator[Match]:
    for hit, possibly in _hits(wanted, sorted_record.allergies):
        entry = hit.entry
        assert isinstance(entry, Allergy)  # noqa: S101 (sorted by kind)
        if entry.verification is Verification.WRONG:
            continue
        truth, why = _weigh(
            (
                "a code that says it may be so" if possibly else "",
                "not confirmed" if entry.verification is Verification.POSSIBLE else "",
                "recorded as an intolerance, not an allergy" if entry.type == "intolerance" else "",
                f"recorded as {entry.status}" if entry.status in {"inactive", "resolved"} else "",
            )
        )
        words = next((concept.words for concept in entry.concepts if concept.words), "")
        yield Match(truth, entry.source, words, None, why)


def _referrals(wanted: WantedReferral, sorted_record: SortedRecord) -> Iterator[Match]:
    for hit, possibly in _hits(wanted, sorted_record.referrals):
        entry = hit.entry
        assert isinstance(entry, Referral)  # noqa: S101 (sorted by kind)
        if wanted.statuses is not None and entry.status not in wanted.statuses:
            continue
        window = in_window(entry.when, sorted_record.today, wanted.look_back_days)
        if window is Truth.FALSE:
            continue
        undated = window is None and wanted.look_back_days is not None
        truth, why = _weigh(
            (
                "a code that says it may be so" if possibly else "",
                "its date is not precise enough" if window is Truth.UNKNOWN else "",
                "recorded without a date" if undated else "",
            )
        )
        yield Match(truth, entry.source, entry.concept.words, entry.when, why)


def _answers(wanted: WantedAnswer, sorted_record: SortedRecord) -> Iterator[Match]:
    for hit, _ in _hits(wanted, sorted_record.measurements):
        entry = hit.entry
        assert isinstance(entry, Measurement)  # noqa: S101 (sorted by kind)
        if not entry.final or entry.answer is None:
            continue
        window = in_window(entry.when, sorted_record.today, wanted.look_back_days)
        if window is Truth.FALSE:
            continue
        said_yes = bool(sorted_record.codes.sets_of(entry.answer) & set(wanted.answered))
        if not said_yes and window is Truth.TRUE:
            yield Match(Truth.FALSE, entry.source, entry.answer.words, entry.when, "answered otherwise")
        elif said_yes:
            undated = window is None and wanted.look_back_days is not None
            truth, why = _weigh(
                (
                    "its date is not precise enough" if window is Truth.UNKNOWN else "",
                    "recorded without a date" if undated else "",
                )
            )
            yield Match(truth, entry.source, entry.answer.words, entry.when, why)
