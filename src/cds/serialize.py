"""Decision → plain JSON values: the answer for those without CDS Hooks, and for `cds evaluate --json`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from cds.cards.card import Card
from cds.cards.suggestions import coding_of
from cds.decide import Decision, Ruleset, index_day, truth_of
from cds.engine.explain import Reasons, Why, missing
from cds.facts.fact import Fact, TreatmentCourse, Trial
from cds.locale.catalog import Catalog
from cds.logic.truth import Truth
from cds.record.model import Issue
from cds.rulebook.compiled_ruleset import CompiledDefinition, Published


def answer_of(rules: Ruleset, decision: Decision, with_reasons: bool = True) -> dict[str, Any]:
    """
    Everything about one answer; without the trees of reasons, which are most of its size and cost, where not wanted.

    Keys: today; rules (program version and each file's version); cards; conclusions (name → true, false, unknown);
    definitions (conclusion → what it is under each of its definitions, with reasons; id of a published definition that
    is shown → its truth, index day and criteria); facts;
    reasons (conclusion → tree down to FHIR references); missing (what would settle each unknown conclusion);
    data_quality (what was left out or doubted).
    """
    heads = rules.program.heads
    reasons = Reasons(heads, decision.facts, decision.truths)
    told = reasons if with_reasons else None
    copies, words = rules.program.copies, rules.program.words
    conclusions = {name: truth.value for name, truth in decision.truths.items() if heads[name].is_an_authors}
    return {
        "today": decision.today.isoformat(),
        "rules": {
            "version": rules.program.version,
            "files": {rule.id: rule.version for rule in rules.program.rules.values()},
        },
        "cards": [card_values(card) for card in decision.cards],
        "conclusions": conclusions,
        "definitions": {
            of: [definition_values(one, decision, told, words) for one in definitions]
            for of, definitions in rules.program.definitions.items()
        }
        | {one.id: published_values(one, decision, reasons, words, with_reasons) for one in rules.program.published},
        "facts": {
            name: fact_values(fact, words) for name, fact in decision.facts.by_name.items() if name not in copies
        },
        **({"reasons": {name: why_values(reasons.why(name), words) for name in conclusions}} if with_reasons else {}),
        "missing": [
            {
                "conclusion": name,
                "fact": item.fact,
                "what": words(item.what),
                "because": words(item.because),
                "would": words(item.could_become),
            }
            for name, truth in conclusions.items()
            if truth == Truth.UNKNOWN.value
            for item in missing(name, heads, decision.facts, decision.truths)
        ],
        "data_quality": [issue_values(issue, words) for issue in decision.record.issues],
    }


def definition_values(
    definition: CompiledDefinition, decision: Decision, reasons: Reasons | None, words: Catalog
) -> dict[str, Any]:
    """What a conclusion is under one definition, what the definition says and sets, and the reasons if given."""
    return dict(
        without_empty(
            {
                "definition": definition.id,
                "label": definition.label,
                "says": definition.says,
                "in_use": definition.in_use,
                "is": decision.truths[definition.head].value,
                "with": dict(definition.with_),
                "evidence": [
                    {"cite": cited.cite, "url": cited.url, "verified": cited.verified} for cited in definition.evidence
                ],
                "reasons": why_values(reasons.why(definition.head), words) if reasons else None,
            }
        )
    )


def published_values(
    published: Published, decision: Decision, reasons: Reasons, words: Catalog, with_reasons: bool = True
) -> dict[str, Any]:
    """
    A definition of others: whether it is met, and on which day first.

    `index_day` is there for every definition whose algorithm has one, null while it is not met or its day is not known.
    """
    values: dict[str, Any] = {
        "definition": published.id,
        "label": published.label,
        "says": published.says,
        "is": truth_of(published, decision).value,
    }
    if published.index_days:
        day = index_day(published, decision)
        values["index_day"] = day.isoformat() if day else None
    if published.criteria:
        values["criteria"] = {name: criterion_values(reasons.why(name), words) for name in published.criteria}
    values |= without_empty(
        {"not_in_chart": list(published.not_in_chart), "found": published.found, "confirm": published.confirm}
    )
    values["license"] = published.license
    values["read"] = published.read.isoformat()
    values["evidence"] = [{"cite": c.cite, "url": c.url, "verified": c.verified} for c in published.evidence]
    if with_reasons:
        values["reasons"] = why_values(reasons.why(published.head), words)
    return values


def criterion_values(why: Why, words: Catalog) -> dict[str, Any]:
    """One criterion: met, not met, or unknown with what is missing."""
    missing_words = dict.fromkeys(_unknown_leaves(why)) if why.truth is Truth.UNKNOWN else {}
    return dict(
        without_empty({"label": words(why.label), "is": why.truth.value, "missing": list(map(words, missing_words))})
    )


def _unknown_leaves(why: Why) -> Iterator[str]:
    if why.truth is Truth.UNKNOWN and not why.children:
        yield why.label or why.name
    for child in why.children:
        yield from _unknown_leaves(child)


def card_values(card: Card) -> dict[str, Any]:
    """A card under the names of CDS Hooks 2.0.1, without uuids and without empty members."""
    values: dict[str, Any] = {
        "summary": card.summary,
        "detail": card.detail,
        "indicator": card.indicator,
        "source": {
            "label": card.source_label,
            "url": card.source_url,
            "topic": _coding(card.topic) if card.topic else None,
        },
        "suggestions": [
            {
                "label": suggestion.label,
                "isRecommended": suggestion.recommended or None,
                "actions": [
                    {"type": "create", "description": action.description, "resource": dict(action.resource)}
                    for action in suggestion.actions
                ],
            }
            for suggestion in card.suggestions
        ],
        "selectionBehavior": card.selection_behavior,
        "overrideReasons": [_coding(reason) for reason in card.override_reasons],
        "links": [{"label": link.label, "url": link.url, "type": "absolute"} for link in card.links],
        "extension": {
            "org.thirdline.card": {
                "name": card.name,
                "rule": card.rule.id,
                "version": card.rule.version,
                "digest": card.rule.digest,
                "references": list(card.references),
                "labels": [coding_of(label) for label in card.labels],
            }
        },
    }
    return dict(without_empty(values))


def _coding(coding: tuple[str, str, str]) -> dict[str, str]:
    system, code, display = coding
    return {"system": system, "code": code, "display": display}


def without_empty(value: Any) -> Any:
    """The same value without null, "", [] and {} anywhere inside (CDS Hooks 2.0.1, "JSON")."""
    if isinstance(value, dict):
        cleaned = {key: without_empty(member) for key, member in value.items()}
        return {key: member for key, member in cleaned.items() if member not in (None, "", [], {})}
    if isinstance(value, list):
        return [cleaned for item in value if (cleaned := without_empty(item)) not in (None, "", [], {})]
    return value


def fact_values(fact: Fact, words: Catalog) -> dict[str, Any]:
    """A fact: its value (true, false, unknown, a number, or {from, to}), its reason and what it rests on."""
    values: dict[str, Any] = {"label": fact.label, "value": words(fact_value(fact))}
    if fact.unit:
        values["unit"] = fact.unit
    values["because"] = words(fact.because)
    if fact.why_unknown is not None:
        values["why_unknown"] = fact.why_unknown.value
    if fact.missing:
        values["missing"] = list(map(words, fact.missing))
    if fact.day is not None:
        values["date"] = words(fact.day.text)
    if fact.trials:
        values["trials"] = [trial_values(trial, words) for trial in fact.trials]
    if fact.course is not None:
        values["course"] = course_values(fact.course, words)
    if fact.found:
        values["found"] = [
            without_empty({"reference": found.reference, "words": words(found.words), "date": words(found.when)})
            for found in fact.found
        ]
    return values


def fact_value(fact: Fact) -> Any:
    """true, false or unknown; a number; {from, to} with what is known of a range; unknown otherwise."""
    if fact.truth is not None:
        return fact.truth.value
    low = None if fact.low is None or math.isinf(fact.low) else fact.low
    high = None if fact.high is None or math.isinf(fact.high) else fact.high
    if low is None and high is None:
        return fact.text or Truth.UNKNOWN.value
    if low == high:
        return _number(low)
    return {key: _number(end) for key, end in (("from", low), ("to", high)) if end is not None}


def _number(value: float | None) -> float | int | None:
    return int(value) if value is not None and value == int(value) else value


def course_values(course: TreatmentCourse, words: Catalog) -> dict[str, Any]:
    """The latest course: its days, sessions (`to` is missing where nothing tells how many), phase and response."""
    least, most = course.sessions
    return {
        "first": words(course.first.text) if course.first else None,
        "last": words(course.last.text) if course.last else None,
        "sessions": {"from": _number(least)} | ({} if math.isinf(most) else {"to": _number(most)}),
        "phase": course.phase.value if course.phase else Truth.UNKNOWN.value,
        "induction_until": words(course.induction_until.text) if course.induction_until else None,
        "response": course.response.value,
        "outcome": words(course.outcome),
        "given": [
            {"date": words(one.day.text) if one.day else None, "sure": one.sure, "session": one.session}
            | {"reference": one.reference}
            for one in course.given
        ],
    }


def trial_values(trial: Trial, words: Catalog) -> dict[str, Any]:
    """A trial, with its answers and their evidence."""
    return {
        "ingredient": trial.ingredient,
        "class": trial.drug_class,
        "start": words(trial.start.text) if trial.start else None,
        "end": words(trial.end.text) if trial.end else None,
        "ongoing": trial.ongoing,
        "days": list(trial.days),
        "days_at_dose": list(trial.days_at_dose),
        "highest_mg_a_day": list(trial.highest_mg_a_day),
        "minimum_mg_a_day": trial.minimum_mg_a_day,
        "dose_adequate": trial.dose_adequate.value,
        "long_enough": trial.long_enough.value,
        "adequate": trial.adequate.value,
        "no_response": trial.no_response.value,
        "evidence": words(trial.evidence.value),
        "outcome": words(trial.outcome),
        "intolerance": trial.intolerance,
        "by_name_only": trial.by_name_only,
        "notes": list(map(words, trial.notes)),
        "missing": list(map(words, trial.missing)),
        "sources": list(trial.sources),
    }


def why_values(why: Why, words: Catalog) -> dict[str, Any]:
    """A tree of reasons."""
    values: dict[str, Any] = {
        "name": why.name,
        "label": words(why.label),
        "is": why.truth.value,
        "words": words(why.words),
    }
    values["because"] = words(why.because)
    values["sources"] = list(why.sources)
    values["evidence"] = [{"cite": cited.cite, "url": cited.url, "verified": cited.verified} for cited in why.citations]
    values["reasons"] = [why_values(child, words) for child in why.children]
    return dict(without_empty(values))


def issue_values(issue: Issue, words: Catalog) -> dict[str, str]:
    """One remark about the data."""
    values = {
        "kind": str(issue.kind.value),
        "type": issue.resource_type,
        "where": issue.where,
        "what": words(issue.what),
        "reference": issue.reference,
    }
    return {key: value for key, value in values.items() if value}
