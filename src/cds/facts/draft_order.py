"""Orders being written right now → is one of them the wanted one, and which drug of the episode would it be?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from cds.facts.context import SortedRecord
from cds.facts.data import DataQuery
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.kind import DRAFT, NUMBER, STATEMENT, TRIALS, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.trials.trials import PATCH_WORDS
from cds.locale.sentence import join_texts, say
from cds.logic.truth import Truth
from cds.record.model import DeliveryState, Draft
from cds.terminology.concepts import Coding
from cds.terminology.drugs import DrugTable, Recognised
from cds.terminology.index import TerminologyIndex
from cds.terminology.phrases import words_of
from cds.terminology.vocabulary import EntryKind, Reading
from cds.yaml_source.fields import DrugTableName, Names, NoMutant, Refers, Slug, Snake, Text, listed


class DraftOrderFact(FactBase):
    """An order being written right now (order-select, order-sign, or a draft in a Bundle)."""

    role: ClassVar[str] = STATEMENT
    find: Literal["draft_order"]
    coded: Names | None = None
    drugs: Annotated[Slug | None, DrugTableName(), Field(description="A drug table: its antidepressants.")] = None
    different_from: Annotated[
        Snake | None,
        Refers(TRIALS),
        Field(description="With `drugs`: a trials fact; a drug that is among them is no new one."),
    ] = None
    if_none_found: Literal[False, "unknown"]
    because: Annotated[Text, NoMutant()]

    @model_validator(mode="after")
    def _one_kind_of_drug(self) -> DraftOrderFact:
        if (self.coded is None) == (self.drugs is None):
            raise ValueError("write `coded` (value sets) or `drugs` (a drug table)")
        if self.different_from and not self.drugs:
            raise ValueError("`different_from` goes with `drugs`")
        return self

    def stands_as(self) -> frozenset[str]:
        """A statement; with `drugs`, also an order of one of the drugs that trials are of."""
        return frozenset({self.role, DRAFT} if self.drugs is not None else {self.role})

    def compile(self, name: str, numbers: Numbers) -> CompiledDraftOrder:
        """The fact with every number in place."""
        return CompiledDraftOrder(
            **self.common(name, numbers),
            coded=listed(self.coded),
            drugs=self.drugs or "",
            different_from=self.different_from or "",
            if_none_found=Truth.FALSE if self.if_none_found is False else Truth.UNKNOWN,
            because=self.because,
        )


@dataclass(frozen=True, slots=True)
class CompiledDraftOrder(CompiledFact):
    """
    An order being written right now.

    Attributes:
        coded: Value sets that make it the wanted one.
        drugs: Drug table of whose antidepressants it is one, "" for none.
        different_from: Name of a trials fact: a drug that is among them is not new; "" for none.
        if_none_found: FALSE or UNKNOWN when the orders were sent and none is the wanted one.
        because: The author's reason for that.
    """

    coded: tuple[str, ...]
    drugs: str
    different_from: str
    if_none_found: Truth
    because: str

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return tuple(filter(None, (self.different_from,)))

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return ()

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `find_draft`."""
        return find_draft(self, context.sorted_record, context.facts.get(self.different_from))


class PlaceOfOrderFact(FactBase):
    """Which drug of the episode an order would be: the different drugs tried, and one."""

    role: ClassVar[str] = NUMBER
    find: Literal["place_of_order"]
    order: Annotated[Snake, Refers(DRAFT), Field(description="A draft_order fact with `different_from`.")]
    after: Annotated[Snake, Refers(TRIALS), Field(description="A medication_trials fact.")]

    def compile(self, name: str, numbers: Numbers) -> CompiledPlaceOfOrder:
        """The fact with every number in place."""
        return CompiledPlaceOfOrder(**self.common(name, numbers), order=self.order, after=self.after)

    def answer_unit(self) -> str:
        """Trials."""
        return "trials"


@dataclass(frozen=True, slots=True)
class CompiledPlaceOfOrder(CompiledFact):
    """
    Which drug of the episode an order would be.

    Attributes:
        order: Name of the draft order fact.
        after: Name of the trials fact.
    """

    order: str
    after: str

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return (self.order, self.after)

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return ()

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `place_of_order`."""
        return place_of_order(self, context.facts[self.order], context.facts[self.after])


ORDINALS = (
    say("first"), say("second"), say("third"), say("fourth"), say("fifth"), say("sixth"), say("seventh"), say("eighth"),
    say("ninth"), say("tenth"),
)  # fmt: skip
NOT_TOLD = say("it does not tell which drug it is")


def find_draft(wanted: CompiledDraftOrder, sorted_record: SortedRecord, trials: Fact | None) -> Fact:
    """
    Say whether such an order is being written.

    Unknown when the orders did not come, and when one of them could not be read and none is surely such an order.
    """
    record = sorted_record.record
    sent = record.drafts_sent
    if sent.state is DeliveryState.NOT_SENT:
        return _fact(wanted, Truth.UNKNOWN, sent.because, (), WhyUnknown.NOT_SENT)
    judged = [(draft, *_is_wanted(draft, wanted, sorted_record.codes, trials)) for draft in record.drafts]
    sure = tuple(draft for draft, truth, _ in judged if truth is Truth.TRUE)
    if sure:
        return _fact(wanted, Truth.TRUE, say("being ordered"), sure)
    possible = tuple(draft for draft, truth, _ in judged if truth is Truth.UNKNOWN)
    if possible:
        reasons = join_texts("; ", sorted({why for _, truth, why in judged if truth is Truth.UNKNOWN}))
        return _fact(wanted, Truth.UNKNOWN, reasons, possible, WhyUnknown.UNREADABLE)
    unknown = WhyUnknown.NOT_FOUND if wanted.if_none_found is Truth.UNKNOWN else None
    said = say("none is being ordered") if record.drafts else say("no order is being written")
    return _fact(wanted, wanted.if_none_found, join_texts(". ", [said, wanted.because]), (), unknown)


def _fact(
    wanted: CompiledDraftOrder, truth: Truth, because: str, drafts: tuple[Draft, ...], why: WhyUnknown | None = None
) -> Fact:
    return Fact(
        name=wanted.name,
        label=wanted.label,
        truth=truth,
        text={Truth.TRUE: say("being ordered"), Truth.FALSE: say("not ordered"), Truth.UNKNOWN: ""}[truth],
        because=because,
        why_unknown=why,
        missing=(wanted.label,) if truth is Truth.UNKNOWN else (),
        found=tuple(FactSource(draft.source, draft.concept.words) for draft in drafts),
    )


def _is_wanted(
    draft: Draft, wanted: CompiledDraftOrder, codes: TerminologyIndex, trials: Fact | None
) -> tuple[Truth, str]:
    if wanted.drugs:
        if draft.kind == "ServiceRequest":
            return Truth.FALSE, ""
        if draft.unreadable:
            return Truth.UNKNOWN, draft.unreadable
        return _is_new_drug(draft, codes.drugs[wanted.drugs], codes, trials)
    if draft.unreadable:
        return Truth.UNKNOWN, draft.unreadable
    return _is_coded(draft, wanted, codes)


def _is_coded(draft: Draft, wanted: CompiledDraftOrder, codes: TerminologyIndex) -> tuple[Truth, str]:
    """In the value sets by its code, by its name, or by the ingredient of a product some table knows."""
    sets = codes.sets_of(draft.concept) | codes.sets_named(draft.concept)
    known = False
    for table in codes.drugs.values():
        found = table.recognise(draft.concept)
        if found is not None:
            known = True
            for (system, code), key in table.ingredient_codes.items():
                if key == found.drug.key:
                    sets |= frozenset(codes.sets_with(Coding(system, code)))
    if sets & set(wanted.coded):
        return Truth.TRUE, ""
    if known or sets or _is_legible(draft, codes):
        return Truth.FALSE, ""
    return Truth.UNKNOWN, NOT_TOLD


def _is_legible(draft: Draft, codes: TerminologyIndex) -> bool:
    if codes.vocabulary is not None:
        kind = EntryKind.PROCEDURE if draft.kind == "ServiceRequest" else EntryKind.MEDICATION
        return codes.read(draft.concept, kind) is Reading.READ
    texts = (draft.concept.text, *(coding.display for coding in draft.concept.codings))
    return any(len(word) > 3 for text in texts for word in words_of(text))  # shorter ones are units


def _is_new_drug(draft: Draft, table: DrugTable, codes: TerminologyIndex, trials: Fact | None) -> tuple[Truth, str]:
    """An antidepressant of the table that is not among the trials of the episode, taken or ended."""
    found = table.recognise(draft.concept)
    if found is None:
        unknown = codes.unrecognisable(table, draft.concept)
        return (Truth.UNKNOWN, NOT_TOLD) if unknown else (Truth.FALSE, "")
    if found.drug.role != "antidepressant" or found.drug.counts_as_trial == "never":
        return Truth.FALSE, ""
    if found.product is not None and not found.product.trial:
        return Truth.FALSE, ""
    if trials is not None and found.drug.key in {trial.ingredient for trial in trials.trials}:
        return Truth.FALSE, ""
    if found.drug.counts_as_trial == "transdermal" and not _is_patch(draft, found):
        return Truth.FALSE, ""
    return Truth.TRUE, ""


def _is_patch(draft: Draft, found: Recognised) -> bool:
    if found.product is not None:
        return found.product.per == "hour"
    texts = (draft.concept.text, *(coding.display for coding in draft.concept.codings))
    return any(word in PATCH_WORDS for text in texts for word in words_of(text))


def place_of_order(wanted: CompiledPlaceOfOrder, order: Fact, trials: Fact) -> Fact:
    """
    Which different drug of the episode the order would be: the third after two, in words.

    A range when trials may be missing; unknown when no such order is being written.
    """
    if order.truth is not Truth.TRUE:
        return Fact(
            wanted.name, wanted.label, unit="trials", because=say("no such order is being written"),
            why_unknown=WhyUnknown.NOT_FOUND,
        )  # fmt: skip
    before = {trial.ingredient for trial in trials.trials}
    low = float(len(before) + 1)
    high = math.inf if trials.why_unknown is not None else low
    return Fact(
        name=wanted.name,
        label=wanted.label,
        low=low,
        high=high,
        unit="trials",
        text=_ordinal(int(low)) + ("" if high == low else say(" or later")),
        because=say("after {drugs}", drugs=", ".join(sorted(before)) or say("none")),
        why_unknown=None if high == low else trials.why_unknown,
        found=order.found,
    )


def _ordinal(number: int) -> str:
    return ORDINALS[number - 1] if number <= len(ORDINALS) else say("{number}th", number=number)
