"""PatientRecord + what is wanted → Facts: each kind answers; what one needs stands before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from cds.facts.context import sort_record
from cds.facts.fact import Facts
from cds.facts.kind import CompiledFact, EvaluationContext
from cds.facts.reviews import Statements
from cds.record.model import PatientRecord
from cds.terminology.index import TerminologyIndex


def evaluate_facts(
    wanted: Sequence[CompiledFact], codes: TerminologyIndex, record: PatientRecord, today: date
) -> Facts:
    """Answer every wanted fact from the record, in the order given (what one needs stands before it)."""
    context = EvaluationContext(sort_record(record, codes, today), today, {fact.name: fact for fact in wanted})
    facts = context.facts
    stated = Statements(context.sorted_record)
    as_recorded = stated.change_nothing
    for fact in wanted:
        answer = fact.answer(context)
        facts[fact.name] = answer if as_recorded else stated.onto(answer, fact.look_back_days)
    found = context.sorted_record
    return Facts(facts, today, (*(entry for entry, _ in found.unread), *found.unread_measurements))
