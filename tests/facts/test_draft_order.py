"""Orders being written → facts: true, false, unknown; which drug of the episode one would be."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cds.facts.context import sort_record
from cds.facts.draft_order import CompiledDraftOrder, CompiledPlaceOfOrder, find_draft, place_of_order
from cds.facts.fact import Fact, Trial, WhyUnknown
from cds.logic.truth import Truth
from cds.record.model import Delivery, DeliveryState, Draft, Patient, PatientRecord
from cds.terminology.concepts import Coding, Concept
from cds.terminology.index import TerminologyIndex
from cds.terminology.phrases import WordGroup
from cds.terminology.systems import RXNORM
from cds.terminology.value_sets import ValueSet
from tests.facts.builders import TODAY, drug_table

SEDATIVES = ValueSet("sedatives", "Sedatives", {(RXNORM, "s-1"): "sedadrug"}, {}, {}, [WordGroup(("sedadrug",))], {})
ALFA_SET = ValueSet("alfas", "Alfas", {(RXNORM, "i-alfa"): "alfadep"}, {}, {}, [], {})
CODES = TerminologyIndex({"sedatives": SEDATIVES, "alfas": ALFA_SET}, {"drugs": drug_table()})
CODED = CompiledDraftOrder("x", "A sedative", None, ("sedatives",), "", "", Truth.FALSE, "Author's reason.")
NEW = CompiledDraftOrder("x", "New drug", None, (), "drugs", "trials", Truth.FALSE, "Author's reason.")


def draft(text: str = "", code: str = "", kind: str = "MedicationRequest", unreadable: str = "") -> Draft:
    codings = (Coding(RXNORM, code),) if code else ()
    return Draft(f"{kind}/d", kind, Concept(codings, text), unreadable)


def trials(*ingredients: str, why: WhyUnknown | None = None) -> Fact:
    empty: dict[str, Any] = dict.fromkeys(Trial.__struct_fields__)
    found = tuple(Trial(**(empty | {"ingredient": name})) for name in ingredients)
    return Fact("trials", "Trials", trials=found, why_unknown=why)


def find(wanted: CompiledDraftOrder, *drafts: Draft, tried: Fact | None = None, sent: Delivery | None = None) -> Fact:
    record = PatientRecord(Patient("Patient/p"), drafts=drafts, drafts_sent=sent or Delivery(DeliveryState.WHOLE))
    return find_draft(wanted, sort_record(record, CODES, TODAY), tried)


def test_no_order_is_false_with_the_reason_of_the_author() -> None:
    fact = find(CODED)

    assert fact.truth is Truth.FALSE
    assert fact.because == "no order is being written. Author's reason."


@pytest.mark.parametrize("order", [draft("Sedadrug 5 mg"), draft(code="s-1"), draft("Sedadrug", kind="ServiceRequest")])
def test_an_order_in_the_set_is_true_and_names_itself(order: Draft) -> None:
    fact = find(CODED, draft("Other drug"), order)

    assert fact.truth is Truth.TRUE
    assert [(found.reference, found.words) for found in fact.found] == [(order.source, order.concept.words)]


def test_orders_that_did_not_come_are_unknown() -> None:
    fact = find(CODED, sent=Delivery(DeliveryState.NOT_SENT, "the EHR did not send the orders"))

    assert (fact.truth, fact.why_unknown) == (Truth.UNKNOWN, WhyUnknown.NOT_SENT)
    assert fact.because == "the EHR did not send the orders"


def test_an_order_that_cannot_be_read_is_unknown_unless_another_is_surely_it() -> None:
    unreadable = draft(unreadable="no drug yet")

    assert find(CODED, unreadable).truth is Truth.UNKNOWN
    assert find(CODED, unreadable, draft("Other drug")).truth is Truth.UNKNOWN
    assert find(CODED, unreadable, draft("Sedadrug")).truth is Truth.TRUE


@pytest.mark.parametrize(
    ("order", "truth"),
    [
        (draft("Other drug"), Truth.FALSE),
        (draft(code="unheard-of"), Truth.UNKNOWN),
        (draft(code="p-alfa-25"), Truth.FALSE),
        (draft(code="unheard-of", kind="ServiceRequest"), Truth.UNKNOWN),
        (draft("Other service", kind="ServiceRequest"), Truth.FALSE),
    ],
)
def test_another_order_is_false_only_when_it_tells_which_drug_it_is(order: Draft, truth: Truth) -> None:
    assert find(CODED, order).truth is truth


@pytest.mark.parametrize(
    ("order", "truth"),
    [
        (draft("Alfadep 50 mg"), Truth.TRUE),
        (draft(code="p-alfa-25"), Truth.TRUE),
        (draft("Betadep"), Truth.FALSE),
        (draft("Boostin"), Truth.FALSE),
        (draft("Patchdep tablet"), Truth.FALSE),
        (draft("Patchdep patch"), Truth.TRUE),
        (draft("Something else"), Truth.FALSE),
        (draft(code="unheard-of"), Truth.UNKNOWN),
        (draft(unreadable="no drug yet"), Truth.UNKNOWN),
        (draft(unreadable="no service yet", kind="ServiceRequest"), Truth.FALSE),
    ],
)
def test_a_new_drug_is_one_of_the_table_that_was_not_tried(order: Draft, truth: Truth) -> None:
    assert find(NEW, order, tried=trials("betadep")).truth is truth


def place(order: Truth, tried: Fact) -> Fact:
    return place_of_order(
        CompiledPlaceOfOrder("place", "Place", None, "x", "trials"), Fact("x", "X", truth=order), tried
    )


def test_the_place_of_an_order_is_one_after_the_different_drugs_tried() -> None:
    fact = place(Truth.TRUE, trials("alfadep", "alfadep", "betadep"))

    assert (fact.low, fact.high, fact.text, fact.because) == (3, 3, "third", "after alfadep, betadep")


def test_the_place_is_open_above_when_trials_may_be_missing() -> None:
    fact = place(Truth.TRUE, trials("alfadep", why=WhyUnknown.NOT_SENT))

    assert (fact.low, fact.high, fact.text) == (2, math.inf, "second or later")


@pytest.mark.parametrize("truth", [Truth.FALSE, Truth.UNKNOWN])
def test_without_such_an_order_there_is_no_place(truth: Truth) -> None:
    fact = place(truth, trials("alfadep"))

    assert (fact.low, fact.high, fact.why_unknown) == (None, None, WhyUnknown.NOT_FOUND)
