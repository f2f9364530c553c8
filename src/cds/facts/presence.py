"""Diagnoses, medications, procedures, allergies, referrals and coded answers → recorded, not recorded, or unknown."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import msgspec
from pydantic import model_validator

from cds.facts.context import Kind, SortedRecord, ValueSetMatch, concepts_of
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.kind import STATEMENT, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.locale.sentence import counted_again, join_texts, say
from cds.logic.truth import Truth
from cds.record.model import CodedEntry, Delivery, DeliveryState, Span, Visit
from cds.yaml_source.fields import Names, NoMutant, Text, listed


class PresenceFact(FactBase):
    """What facts share that say whether something is recorded."""

    role: ClassVar[str] = STATEMENT
    coded: Names = []
    possibly_coded: Names | None = None
    if_none_found: Literal[False, "unknown"]
    because: Annotated[Text, NoMutant()]

    @model_validator(mode="after")
    def _looks_for_something(self) -> PresenceFact:
        if not listed(self.coded) and not listed(self.possibly_coded):
            raise ValueError("write `coded`, `possibly_coded` or both")
        return self

    def truths(self) -> frozenset[Truth]:
        """True only where `coded` lists something, false only where `if_none_found` is."""
        found = {Truth.TRUE} if listed(self.coded) else set()
        missing = {Truth.FALSE} if self.if_none_found is False else set()
        return frozenset({Truth.UNKNOWN} | found | missing)

    def common(self, name: str, numbers: Numbers) -> dict[str, Any]:
        """What every compiled presence has."""
        return super().common(name, numbers) | {
            "coded": listed(self.coded),
            "possibly_coded": listed(self.possibly_coded),
            "if_none_found": Truth.FALSE if self.if_none_found is False else Truth.UNKNOWN,
            "because": self.because,
        }


@dataclass(frozen=True, slots=True)
class CompiledPresence(CompiledFact):
    """
    Whether something is recorded.

    Attributes:
        coded: Value sets that make it present.
        possibly_coded: Value sets that make it "possible, not confirmed".
        if_none_found: FALSE or UNKNOWN when the data were sent whole and hold no match.
        because: The author's reason for that.
        absent: The answer where nothing is recorded: of all that rules ask for, most is so.
    """

    coded: tuple[str, ...]
    possibly_coded: tuple[str, ...]
    if_none_found: Truth
    because: str
    absent: Fact = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        unknown = WhyUnknown.NOT_FOUND if self.if_none_found is Truth.UNKNOWN else None
        absent = _fact(self, self.if_none_found, say("none recorded. {because}", because=self.because), [], unknown)
        object.__setattr__(self, "absent", absent)

    @property
    def looked_for(self) -> tuple[str, ...]:
        """Every value set it looks for."""
        return (*self.coded, *self.possibly_coded)

    def answer(self, context: EvaluationContext) -> Fact:
        """As `presence`."""
        return presence(self, context.sorted_record)

    def needs(self) -> tuple[str, ...]:
        """None."""
        return ()

    @abstractmethod
    def matches(self, record: SortedRecord) -> Iterable[Match]:
        """Entries that speak to it."""

    @abstractmethod
    def how_sent(self, record: SortedRecord) -> Delivery:
        """How much of the data it is looked for in arrived."""

    def alike(self, record: SortedRecord) -> Hashable:  # noqa: ARG002 (for those that override it)
        """What all facts have in common that are answered alike but for their names; None where that is not known."""
        return None


RECORDED = say("recorded")
IN_WORDS = {Truth.TRUE: RECORDED, Truth.FALSE: say("not recorded"), Truth.UNKNOWN: ""}


class Match(msgspec.Struct, frozen=True):
    """
    One entry that speaks to a fact: surely (TRUE), possibly (UNKNOWN, and why), or against it (FALSE).

    Of one that says nothing or was not read, `why` counts it: a sentence of `counted` with the number 1.
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
    recorder: str = ""


def presence(wanted: CompiledPresence, sorted_record: SortedRecord) -> Fact:
    """Say whether the thing is recorded; unknown when it may be, or when the data did not come."""
    alike = wanted.alike(sorted_record)
    if alike is None:
        return _settle(wanted, list(wanted.matches(sorted_record)), wanted.how_sent(sorted_record))
    answered = sorted_record.answered_alike
    if alike not in answered:
        matches = list(wanted.matches(sorted_record))
        answered[alike] = _settle(wanted, matches, wanted.how_sent(sorted_record)) if matches else None
    fact: Fact | None = answered[alike]
    if fact is None:
        return _settle(wanted, [], wanted.how_sent(sorted_record))
    return msgspec.structs.replace(fact, name=wanted.name, label=wanted.label, missing=(wanted.label,))


def answered_by_the_unplaced(
    wanted: CompiledPresence, sorted_record: SortedRecord, kind: type[Kind], by_set: Mapping[str, list[ValueSetMatch]]
) -> bool:
    """Whether no entry is known to be what is wanted, and those that nobody could place may be anything."""
    unplaced = sorted_record.unplaced(kind)
    if not unplaced.of_anything or (unplaced.nameless and sorted_record.codes.vocabulary is None):
        return False
    sets = by_set.keys()
    return sets.isdisjoint(wanted.coded) and sets.isdisjoint(wanted.possibly_coded)


def may_be_there(
    wanted: CompiledPresence,
    sorted_record: SortedRecord,
    kind: type[Kind],
    by_set: Mapping[str, list[ValueSetMatch]],
) -> bool:
    """Whether some entry may be what is wanted: of most things that rules ask for, a chart says nothing."""
    sets = by_set.keys()
    return not (sets.isdisjoint(wanted.coded) and sets.isdisjoint(wanted.possibly_coded)) or sorted_record.unplaced(
        kind
    ).may_be_of(wanted.coded, wanted.possibly_coded)


def _settle(wanted: CompiledPresence, matches: list[Match], sent: Delivery) -> Fact:
    if not matches and sent.state is DeliveryState.WHOLE:
        return wanted.absent
    sure = [match for match in matches if match.truth is Truth.TRUE]
    if sure:
        return _fact(wanted, Truth.TRUE, RECORDED, sure)
    possible = [match for match in matches if match.truth is Truth.UNKNOWN]
    if possible:
        told = sorted({match.why for match in possible if not (match.says_nothing or match.not_read)})
        counts = Counter(match.why for match in possible if match.says_nothing or match.not_read)
        reasons = join_texts("; ", [*told, *(counted_again(why, number) for why, number in sorted(counts.items()))])
        speaks = told or any(match.not_read for match in possible)
        why = WhyUnknown.POSSIBLE if speaks else WhyUnknown.UNREADABLE
        return _fact(wanted, Truth.UNKNOWN, reasons, possible, why)
    if sent.state is DeliveryState.WHOLE:
        return _fact(wanted, Truth.FALSE, matches[0].why, matches)
    state = WhyUnknown.NOT_SENT if sent.state is DeliveryState.NOT_SENT else WhyUnknown.UNREADABLE
    return _fact(wanted, Truth.UNKNOWN, sent.because, [], state)


def _fact(
    wanted: CompiledPresence, truth: Truth, because: str, matches: list[Match], why: WhyUnknown | None = None
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
        found=tuple(
            FactSource(match.source, match.words, match.when.text if match.when else "", match.recorder)
            for match in matches
        ),
        trace=why is WhyUnknown.POSSIBLE,
    )


def hits(wanted: CompiledPresence, by_set: dict[str, list[ValueSetMatch]]) -> Iterator[tuple[ValueSetMatch, bool]]:
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


def weigh(reasons: Iterable[str]) -> tuple[Truth, str]:
    """TRUE without any reason for doubt; UNKNOWN, and the reasons, with one."""
    said = [reason for reason in reasons if reason]
    return (Truth.UNKNOWN, join_texts(", ", said)) if said else (Truth.TRUE, "")


def could_be_anything(
    looked_for: tuple[str, ...],
    sorted_record: SortedRecord,
    kind: type[Kind],
    by_set: Mapping[str, Sequence[ValueSetMatch]],
) -> Iterator[tuple[Kind, str]]:
    """Entries that may be of some value sets, since nobody could tell what they are, with the words they have."""
    unplaced = sorted_record.unplaced(kind)
    if not unplaced.may_be_of(looked_for, ()):
        return
    codes = sorted_record.codes
    hits = {id(hit.entry) for name in looked_for if name in by_set for hit in by_set[name]}
    if unplaced.nameless:
        # Rules without a vocabulary take any code of a system they have codes in for another thing.
        systems = codes.systems_of(frozenset(looked_for)) if codes.vocabulary is None else frozenset()
        for entry in unplaced.nameless:
            if id(entry) not in hits and not _is_coded_in(systems, entry):
                yield entry, ""
    for entry, may_be, words in unplaced.unread:
        if id(entry) not in hits and not (may_be is not None and may_be.isdisjoint(looked_for)):
            yield entry, words


def _is_coded_in(systems: frozenset[str], entry: CodedEntry) -> bool:
    return any(coding.system in systems and coding.code for concept in concepts_of(entry) for coding in concept.codings)


class NotTold(NamedTuple):
    """What is said of entries of a kind whose words were not read, and of those without words: of `counted`, each."""

    not_read: str
    unreadable: str


def not_told(entry: CodedEntry | Visit, words: str, when: Span | None, says: NotTold) -> Match:
    """What is said of an entry that may be anything: nothing, or in words or codes nobody here knows."""
    if words:
        return Match(Truth.UNKNOWN, entry.source, words, when, says.not_read, not_read=True)
    return Match(Truth.UNKNOWN, entry.source, "", when, says.unreadable, says_nothing=True)


def weak(hit: ValueSetMatch, *, possibly: bool) -> tuple[str, str]:
    """Reasons for doubt: a set that says it may be so, and words instead of a code."""
    return say("a code that says it may be so") if possibly else "", say("named in words only") if hit.by_name else ""
