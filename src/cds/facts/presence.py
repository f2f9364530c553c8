"""Diagnoses, medications, procedures, allergies, referrals and coded answers → recorded, not recorded, or unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import TypeVar

import msgspec

from cds.facts.context import SortedRecord, ValueSetMatch, concepts_of, in_window
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.logic.truth import Truth
from cds.record.model import (
    NOT_UNDERSTOOD,
    Allergy,
    Delivery,
    DeliveryState,
    Diagnosis,
    Exposure,
    Intervention,
    Measurement,
    Referral,
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

ENDED = frozenset({"inactive", "remission", "resolved"})  # FHIR R4 condition-clinical: the codes under "inactive"
IN_WORDS = {Truth.TRUE: "recorded", Truth.FALSE: "not recorded", Truth.UNKNOWN: ""}
Kind = TypeVar("Kind", Diagnosis, Exposure, Intervention, Allergy)


class Match(msgspec.Struct, frozen=True):
    """
    One entry that speaks to a fact: surely (TRUE), possibly (UNKNOWN, and why), or against it (FALSE).

    An entry that says nothing (a nameless one, an answer that was not given) may be anything: it is possible, and yet
    no trace of this fact. One that was not read says something, and nobody here knows what: it is possible and a trace.
    """

    truth: Truth
    source: str
    words: str
    when: Span | None
    why: str = ""
    says_nothing: bool = False
    not_read: bool = False


def presence(wanted: WantedPresence, sorted_record: SortedRecord) -> Fact:
    """Say whether the thing is recorded; unknown when it may be, or when the data did not come."""
    matches: Iterable[Match]
    match wanted:
        case WantedDiagnosis():
            matches = _diagnoses(wanted, sorted_record) if _any(wanted, sorted_record, sorted_record.diagnoses) else ()
            sent = sorted_record.how_sent("Condition")
        case WantedMedication():
            matches = (
                _medications(wanted, sorted_record) if _any(wanted, sorted_record, sorted_record.exposures) else ()
            )
            sent = sorted_record.medications_sent
        case WantedProcedure():
            matches = _procedures(wanted, sorted_record)
            sent = sorted_record.how_sent("Procedure")
        case WantedAllergy():
            matches = _allergies(wanted, sorted_record)
            sent = sorted_record.how_sent("AllergyIntolerance")
        case WantedReferral():
            matches = _referrals(wanted, sorted_record)
            sent = sorted_record.how_sent("ServiceRequest")
        case WantedAnswer():
            matches = _answers(wanted, sorted_record)
            sent = sorted_record.how_sent("Observation", wanted.asks_for or wanted.coded)
        case _:
            raise TypeError(f"not a presence: {type(wanted).__name__}")
    return _settle(wanted, list(matches), sent)


def _any(wanted: WantedPresence, sorted_record: SortedRecord, by_set: Mapping[str, list[ValueSetMatch]]) -> bool:
    """Whether some entry may be what is wanted: of most things that rules ask for, a chart says nothing."""
    sets = by_set.keys()
    return bool(sorted_record.nameless or sorted_record.unread) or not (
        sets.isdisjoint(wanted.coded) and sets.isdisjoint(wanted.possibly_coded)
    )


def _settle(wanted: WantedPresence, matches: list[Match], sent: Delivery) -> Fact:
    if not matches and sent.state is DeliveryState.WHOLE:  # of all that rules ask for, most is so
        unknown = WhyUnknown.NOT_FOUND if wanted.if_none_found is Truth.UNKNOWN else None
        return _fact(wanted, wanted.if_none_found, f"none recorded. {wanted.because}", matches, unknown)
    sure = [match for match in matches if match.truth is Truth.TRUE]
    if sure:
        return _fact(wanted, Truth.TRUE, "recorded", sure)
    possible = [match for match in matches if match.truth is Truth.UNKNOWN]
    if possible:
        told = sorted({match.why for match in possible if not (match.says_nothing or match.not_read)})
        counts = Counter(match.why for match in possible if match.says_nothing or match.not_read)
        reasons = "; ".join([*told, *(f"{number} {why}" for why, number in sorted(counts.items()))])
        speaks = told or any(match.not_read for match in possible)
        why = WhyUnknown.POSSIBLE if speaks else WhyUnknown.UNREADABLE
        return _fact(wanted, Truth.UNKNOWN, reasons, possible, why)
    if sent.state is DeliveryState.WHOLE:
        return _fact(wanted, Truth.FALSE, matches[0].why, matches)
    state = WhyUnknown.NOT_SENT if sent.state is DeliveryState.NOT_SENT else WhyUnknown.UNREADABLE
    return _fact(wanted, Truth.UNKNOWN, sent.because, [], state)


def _fact(
    wanted: WantedPresence, truth: Truth, because: str, matches: list[Match], why: WhyUnknown | None = None
) -> Fact:
    newest = max(matches, key=lambda match: match.when.latest.toordinal() if match.when else 0) if matches else None
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=truth,
        text=IN_WORDS[truth],
        because=because,
        why_unknown=why,
        missing=(wanted.label,) if truth is Truth.UNKNOWN else (),
        day=newest.when if newest else None,
        found=tuple(FactSource(match.source, match.words, match.when.text if match.when else "") for match in matches),
        trace=why is WhyUnknown.POSSIBLE,
    )


def _hits(wanted: WantedPresence, by_set: dict[str, list[ValueSetMatch]]) -> Iterator[tuple[ValueSetMatch, bool]]:
    """Hits of the wanted sets, each entry once; with them, whether the set says "possibly" only."""
    if not by_set:
        return
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


def _open(
    wanted: WantedPresence, sorted_record: SortedRecord, kind: type[Kind], by_set: Mapping[str, Sequence[ValueSetMatch]]
) -> Iterator[tuple[Kind, str]]:
    """Entries that may be what is wanted, since nobody could tell what they are, with the words they have."""
    if sorted_record.nameless or sorted_record.unread:
        codes = sorted_record.codes
        # Rules without a vocabulary take any code of a system they have codes in for another thing.
        systems = codes.systems_of((*wanted.coded, *wanted.possibly_coded)) if codes.vocabulary is None else frozenset()
        hits = {id(hit.entry) for name in (*wanted.coded, *wanted.possibly_coded) for hit in by_set.get(name, ())}
        for entry in sorted_record.nameless:
            if isinstance(entry, kind) and id(entry) not in hits and not _is_coded_in(systems, entry):
                yield entry, ""
        for entry in sorted_record.unread:
            if isinstance(entry, kind) and id(entry) not in hits:
                yield entry, next(concept.words for concept in concepts_of(entry) if concept.words)


def _is_coded_in(systems: frozenset[str], entry: Diagnosis | Exposure | Intervention | Allergy) -> bool:
    return any(coding.system in systems and coding.code for concept in concepts_of(entry) for coding in concept.codings)


def _not_told(entry: Diagnosis | Exposure | Intervention | Allergy, words: str, when: Span | None, what: str) -> Match:
    """What is said of an entry that may be anything: nothing, or in words or codes nobody here knows."""
    if words:
        return Match(Truth.UNKNOWN, entry.source, words, when, f"{what} not read, may be it", not_read=True)
    return Match(Truth.UNKNOWN, entry.source, "", when, f"{what} could not be read", says_nothing=True)


def _diagnoses(wanted: WantedDiagnosis, sorted_record: SortedRecord) -> Iterator[Match]:
    for hit, possibly in _hits(wanted, sorted_record.diagnoses):
        entry = hit.entry
        assert isinstance(entry, Diagnosis)  # noqa: S101 (sorted by kind)
        doubts = _doubts_of_diagnosis(entry, wanted, sorted_record.today)
        if doubts is not None:
            when, reasons = doubts
            truth, why = _weigh((*_weak(hit, possibly=possibly), *reasons))
            yield Match(truth, entry.source, sorted_record.codes.words_for(entry.concept), when, why)
    for entry, words in _open(wanted, sorted_record, Diagnosis, sorted_record.diagnoses):
        doubts = _doubts_of_diagnosis(entry, wanted, sorted_record.today)
        if doubts is not None:
            yield _not_told(entry, words, doubts[0], "condition(s)")


def _weak(hit: ValueSetMatch, *, possibly: bool) -> tuple[str, str]:
    return "a code that says it may be so" if possibly else "", "named in words only" if hit.by_name else ""


def _doubts_of_diagnosis(
    entry: Diagnosis, wanted: WantedDiagnosis, today: date
) -> tuple[Span | None, tuple[str, ...]] | None:
    """The day a diagnosis counts by, and why it may not count; None when it does not count at all."""
    stands = _stands(entry, wanted, today)
    if entry.verification is Verification.WRONG or stands is Truth.FALSE:
        return None
    days = [day for day in (entry.onset, entry.recorded) if day is not None]
    if wanted.statuses is None:
        days = days[:1]  # of what may be over, the day it began tells how recent it is
    past = [day for day in days if day.earliest <= today]
    if days and not past:
        return None
    # Of what is there now, every day on which somebody said so counts.
    windows = [(in_window(day, today, wanted.look_back_days), day) for day in past]
    best = next((known for known in windows if known[0] is Truth.TRUE), None)
    best = best or next((known for known in windows if known[0] is Truth.UNKNOWN), None)
    if windows and best is None:
        return None
    window, when = best or (None, None)
    undated = window is None and wanted.look_back_days is not None and wanted.undated is Truth.UNKNOWN
    return when, (
        "not confirmed" if entry.verification is Verification.POSSIBLE else "",
        "it is not clear whether it is active" if stands is Truth.UNKNOWN else "",
        "its date is not precise enough" if window is Truth.UNKNOWN else "",
        "recorded without a date" if undated else "",
    )


def _stands(entry: Diagnosis, wanted: WantedDiagnosis, today: date) -> Truth:
    """
    Whether its clinical status is a wanted one; without any, it is active until it has ended.

    UNKNOWN for a status that is not understood, and for one that its end contradicts (FHIR R4 Condition, con-4).
    """
    if wanted.statuses is None:
        return Truth.TRUE
    if entry.status == NOT_UNDERSTOOD:
        return Truth.UNKNOWN
    if entry.status and entry.status not in wanted.statuses:
        return Truth.FALSE
    over = Truth.of(entry.over)
    if entry.abated is not None:
        over = Truth.TRUE if entry.abated.latest <= today else Truth.of(False)
        if entry.abated.earliest <= today < entry.abated.latest:
            over = Truth.UNKNOWN
    if entry.status in ENDED:
        return Truth.TRUE
    if entry.status:
        return Truth.TRUE if over is Truth.FALSE else Truth.UNKNOWN
    if over is Truth.TRUE:
        return Truth.of(not wanted.statuses.isdisjoint(ENDED))
    return Truth.UNKNOWN if over is Truth.UNKNOWN else Truth.of("active" in wanted.statuses)


def _medications(wanted: WantedMedication, sorted_record: SortedRecord) -> Iterator[Match]:
    for hit, possibly in _hits(wanted, sorted_record.exposures):
        entry = hit.entry
        assert isinstance(entry, Exposure)  # noqa: S101 (sorted by kind)
        taken = taken_in_window(entry, wanted, sorted_record)
        if taken is Truth.FALSE:
            continue
        truth, why = _weigh(
            (
                "a code that says it may be so" if possibly else "",
                "words that only suggest it" if hit.suggested else "",
                "it is not recorded whether it was taken then" if taken is Truth.UNKNOWN else "",
            )
        )
        yield Match(truth, entry.source, entry.drug.words, entry.start, why)
    for entry, words in _open(wanted, sorted_record, Exposure, sorted_record.exposures):
        if taken_in_window(entry, wanted, sorted_record) is not Truth.FALSE:
            yield _not_told(entry, words, entry.start, "medication(s)")


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
                "words that only suggest it" if hit.suggested else "",
                "its date is not precise enough" if window is Truth.UNKNOWN else "",
                "recorded without a date" if undated else "",
                "its status is not known" if entry.status not in {"completed", "in-progress"} else "",
            )
        )
        yield Match(truth, entry.source, sorted_record.codes.words_for(entry.concept), entry.when, why)
    for entry, words in _open(wanted, sorted_record, Intervention, sorted_record.interventions):
        if in_window(entry.when, sorted_record.today, wanted.look_back_days) is not Truth.FALSE:
            yield _not_told(entry, words, entry.when, "procedure(s)")


def _allergies(wanted: WantedAllergy, sorted_record: SortedRecord) -> Iterator[Match]:
    for hit, possibly in _hits(wanted, sorted_record.allergies):
        entry = hit.entry
        assert isinstance(entry, Allergy)  # noqa: S101 (sorted by kind)
        if entry.verification is Verification.WRONG:
            continue
        if _only_effects(entry, wanted.unless_only, sorted_record):
            continue
        if wanted.only and not _only_effects(entry, wanted.only, sorted_record):
            continue
        truth, why = _weigh(
            (
                "a code that says it may be so" if possibly else "",
                "words that only suggest it" if hit.suggested else "",
                "not confirmed" if entry.verification is Verification.POSSIBLE else "",
                "recorded as an intolerance, not an allergy" if entry.type == "intolerance" and not wanted.only else "",
                f"recorded as {entry.status}" if entry.status in {"inactive", "resolved"} else "",
                "its clinical status is not understood" if entry.status == NOT_UNDERSTOOD else "",
            )
        )
        words = next((concept.words for concept in entry.concepts if concept.words), "")
        yield Match(truth, entry.source, words, None, why)
    for entry, words in _open(wanted, sorted_record, Allergy, sorted_record.allergies) if not wanted.only else ():
        if entry.verification is not Verification.WRONG:
            yield _not_told(entry, words, None, "allergy entries")


def _only_effects(entry: Allergy, sets: tuple[str, ...], sorted_record: SortedRecord) -> bool:
    """Whether it is an intolerance whose effects are recorded, and are all of these value sets."""
    return (
        entry.type == "intolerance"
        and bool(entry.effects)
        and all(not sorted_record.codes.sets_of_words_or_codes(effect).isdisjoint(sets) for effect in entry.effects)
    )


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
                "words that only suggest it" if hit.suggested else "",
                "its date is not precise enough" if window is Truth.UNKNOWN else "",
                "recorded without a date" if undated else "",
            )
        )
        yield Match(truth, entry.source, sorted_record.codes.words_for(entry.concept), entry.when, why)


def _answers(wanted: WantedAnswer, sorted_record: SortedRecord) -> Iterator[Match]:
    for hit, _ in _hits(wanted, sorted_record.measurements):
        entry = hit.entry
        assert isinstance(entry, Measurement)  # noqa: S101 (sorted by kind)
        window = in_window(entry.when, sorted_record.today, wanted.look_back_days)
        if window is Truth.FALSE:
            continue
        said = _said(entry, wanted, sorted_record)
        if said is Truth.FALSE:
            if entry.final and window is Truth.TRUE:
                yield Match(Truth.FALSE, entry.source, _words(entry, sorted_record), entry.when, "answered otherwise")
        elif said is None:
            yield Match(Truth.UNKNOWN, entry.source, "", entry.when, "time(s) asked, not answered", says_nothing=True)
        else:
            undated = window is None and wanted.look_back_days is not None
            truth, why = _weigh(
                (
                    "the answer is not one this rule knows" if said is Truth.UNKNOWN else "",
                    "" if entry.final else "not final",
                    "its date is not precise enough" if window is Truth.UNKNOWN else "",
                    "recorded without a date" if undated else "",
                )
            )
            yield Match(truth, entry.source, _words(entry, sorted_record), entry.when, why)


def _said(entry: Measurement, wanted: WantedAnswer, sorted_record: SortedRecord) -> Truth | None:
    """Yes, no, or something this rule does not know; None when there is no answer."""
    if entry.said is not None:
        return Truth.of(entry.said)
    if entry.answer is not None:
        sets = sorted_record.codes.sets_of(entry.answer)
        if not sets.isdisjoint(wanted.answered):
            return Truth.TRUE
        return Truth.UNKNOWN if sets.isdisjoint(wanted.answered_no) else Truth.FALSE
    return Truth.UNKNOWN if entry.words or entry.value is not None else None


def _words(entry: Measurement, sorted_record: SortedRecord) -> str:
    if entry.said is not None:
        return "yes" if entry.said else "no"
    return sorted_record.codes.words_for(entry.answer) if entry.answer is not None else entry.words
