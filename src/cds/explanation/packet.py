"""A decision → the evidence packet: what the record shows for a payer or a letter, each line with what shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from cds.decide import Decision, Ruleset
from cds.engine.explain import missing
from cds.explanation.explanation import Criterion, criterion_of
from cds.facts.fact import Fact, Trial
from cds.locale.catalog import Catalog
from cds.locale.sentence import join_texts, say
from cds.logic.truth import Truth
from cds.rulebook.compiled_ruleset import Published
from cds.rulebook.packet_form import PacketForm

REVIEW = "QuestionnaireResponse/"
MOST_LEAVES = 4  # reasons of one criterion that are told; the references are all there


@dataclass(frozen=True, slots=True)
class Claim:
    """
    One line of a packet.

    Attributes:
        about: What it is about.
        says: What the record shows, in words.
        status: In the words of the rules: met, not met, not known, recorded, looked for and not found; "" for a trial.
        references: FHIR references of the entries it rests on; none for what was not found, and for what is not known.
        stated: What a clinician stated of it, who and when; "" where nobody did.
        cells: Of a trial: column → what it says.
    """

    about: str
    says: str
    status: str
    references: tuple[str, ...]
    stated: str = ""
    cells: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PacketSection:
    """Lines under one heading; `trials` has a table of its own."""

    name: str
    title: str
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class EvidencePacket:
    """
    What goes along with a request for authorization; this service sends it to nobody.

    Attributes:
        patient: "Patient/id".
        day: The day of the decision.
        payer: Id of the definition it speaks to; "" for a letter.
        title: Whose criteria it speaks to.
        notes: Where these come from, and what to confirm before use.
        rules: Version of the rule set.
        sections: The lines, by heading.
    """

    patient: str
    day: date
    payer: str
    title: str
    notes: tuple[str, ...]
    rules: str
    sections: tuple[PacketSection, ...]


def payers_of(rules: Ruleset) -> tuple[Published, ...]:
    """The payers whose criteria a packet can be laid out for: those of the packet that are shown with these rules."""
    form = rules.program.packet
    return () if form is None else tuple(one for one in rules.program.published if one.id in form.payers)


def packet(rules: Ruleset, decision: Decision, form: PacketForm, payer: Published | None = None) -> EvidencePacket:
    """
    The packet of a decision, for a payer's criteria or, without one, for a letter of medical necessity.

    What no entry shows is not claimed: it is said to be not known, or looked for and not found.
    """
    program, facts = rules.program, decision.facts
    asked = program.codes.review
    trials = facts[asked.trials].trials if asked is not None and asked.trials in facts.by_name else ()
    listed: dict[str, list[Claim]] = {
        name: [one for fact in names if fact in facts.by_name for one in _fact(facts[fact], form)]
        for name, names in form.facts.items()
    }
    listed["trials"] = [_trial(trial, form) for trial in trials]
    if payer is None:
        heads = [
            (one.head, f"{program.heads[name].label} ({one.label})")
            for name, definitions in program.definitions.items()
            for one in definitions
            if one.in_use
        ]
        notes: tuple[str, ...] = ()
    else:
        heads = [(name, program.heads[name].label) for name in payer.criteria]
        notes = tuple(filter(None, (payer.says, f"{payer.license}.", payer.confirm)))
    listed["criteria"] = [_criterion(rules, decision, head, about, form) for head, about in heads]
    if payer is not None:
        no_entry, unknown = form.words["no_entry"], form.words["unknown"]
        listed["criteria"] += [Claim(words, no_entry, unknown, ()) for words in payer.not_in_chart]
    return EvidencePacket(
        patient=decision.record.patient.reference,
        day=decision.today,
        payer=payer.id if payer is not None else "",
        title=payer.label if payer is not None else form.letter,
        notes=notes,
        rules=program.version,
        sections=tuple(PacketSection(name, title, tuple(listed[name])) for name, title in form.titles.items()),
    )


def _trial(trial: Trial, form: PacketForm) -> Claim:
    words = form.words
    start = trial.start.text if trial.start is not None else words["not_recorded"]
    end = trial.end.text if trial.end is not None else words["goes_on"]
    cells = {
        "drug": trial.name,
        "drug_class": trial.drug_class,
        "dates": say("{start} to {end}", start=start, end=end)
        if trial.end is not None
        else join_texts(", ", [start, end]),
        "dose": _amount(trial.highest_mg_a_day, "mg", words["not_recorded"]),
        "days_at_dose": _amount(trial.days_at_dose, "", words["unknown"]),
        "response": trial.outcome,
        "known_by": trial.evidence.value,
    }
    stated = words["stated"] if any(source.startswith(REVIEW) for source in trial.sources) else ""
    return Claim(trial.name, join_texts("; ", trial.notes), "", trial.sources, stated, cells)


def _amount(ends: tuple[float | None, float | None], unit: str, otherwise: str) -> str:
    low, high = ends
    if low is None and high is None:
        return otherwise
    if low is None or high is None:
        text = say("up to {high}", high=f"{high:g}") if high is not None else say("{low} or more", low=f"{low:g}")
    else:
        text = f"{low:g}" if low == high else say("{low} to {high}", low=f"{low:g}", high=f"{high:g}")
    return join_texts(" ", [text, unit]) if unit else text


def _fact(fact: Fact, form: PacketForm) -> Iterator[Claim]:
    """The line of a fact; none for a number or day that nothing in the record tells, which is no finding."""
    words = form.words
    references = tuple(dict.fromkeys(found.reference for found in fact.found))
    when = join_texts("", [", ", fact.day.text]) if fact.day is not None and fact.day.text not in fact.text else ""
    if fact.truth is None:
        if fact.text and references:
            yield Claim(fact.label, fact.text + when, words["recorded"], references, fact.stated_by)
        return
    if fact.truth is Truth.UNKNOWN:
        yield Claim(fact.label, fact.because, words["unknown"], references, fact.stated_by)
    elif fact.stated_by and all(one.startswith(REVIEW) for one in references):
        yield Claim(fact.label, fact.text, words["stated"], references, fact.stated_by)
    elif fact.truth is Truth.TRUE:
        says = join_texts("; ", dict.fromkeys(found.words for found in fact.found if found.words)) or fact.text
        yield Claim(fact.label, says + when, words["recorded"], references, fact.stated_by)
    else:
        status, says = ("recorded_absent", fact.because) if references else ("not_found", words["none_among"])
        yield Claim(fact.label, says, words[status], references, fact.stated_by)


def _criterion(rules: Ruleset, decision: Decision, head: str, about: str, form: PacketForm) -> Claim:
    words, truth = form.words, decision.truths[head]
    leaves = list(_leaves(criterion_of(rules.program, decision, head)))
    references = tuple(dict.fromkeys(found.reference for leaf in leaves for found in leaf.found))
    facts = decision.facts.by_name
    told_by = dict.fromkeys(facts[leaf.name].stated_by for leaf in leaves if leaf.name in facts)
    stated = join_texts("; ", filter(None, told_by))
    if not stated and any(one.startswith(REVIEW) for one in references):
        stated = words["stated"]
    if truth is Truth.UNKNOWN:
        lacking = missing(head, rules.program.heads, decision.facts, decision.truths)
        says = join_texts(
            "; ",
            dict.fromkeys(join_texts(": ", [one.what, one.because]) if one.because else one.what for one in lacking),
        )
        return Claim(about, says, words["unknown"], references, stated)
    told = list(
        dict.fromkeys(
            leaf.words
            if leaf.found or leaf.answer is not Truth.FALSE
            else join_texts(": ", [leaf.words, words["not_found"]])
            for leaf in leaves
        )
    )
    more = say("; and {number} more", number=len(told) - MOST_LEAVES) if len(told) > MOST_LEAVES else ""
    status = words["met" if truth is Truth.TRUE else "not_met"]
    return Claim(about, join_texts("; ", told[:MOST_LEAVES]) + more, status, references, stated)


def _leaves(criterion: Criterion) -> Iterator[Criterion]:
    """What a criterion rests on: the facts that make it what it is."""
    if not criterion.parts:
        yield criterion
        return
    decisive = [part for part in criterion.parts if part.truth is criterion.truth] or criterion.parts
    for part in decisive:
        yield from _leaves(part)


def packet_as_json(made: EvidencePacket, words: Catalog) -> dict[str, Any]:
    """The packet as plain values, in the language of the rules."""
    return {
        "patient": made.patient,
        "day": made.day.isoformat(),
        "payer": made.payer or None,
        "title": made.title,
        "rules": made.rules,
        "notes": list(made.notes),
        "sections": [
            {
                "name": section.name,
                "title": section.title,
                "claims": [
                    {
                        "about": words(claim.about),
                        "says": words(claim.says),
                        "status": claim.status or None,
                        "references": list(claim.references),
                        "stated": words(claim.stated) or None,
                    }
                    | ({"cells": {name: words(cell) for name, cell in claim.cells.items()}} if claim.cells else {})
                    for claim in section.claims
                ],
            }
            for section in made.sections
        ],
    }
