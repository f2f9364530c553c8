"""Conclusions + texts → Cards, most important first."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cds.cards.card import Action, Card, Suggestion
from cds.cards.suggestions import build
from cds.cards.template import TemplateValues, escape, fill, plain
from cds.engine.explain import Missing, Reasons, Why, missing
from cds.facts.fact import Facts
from cds.logic.truth import Truth
from cds.record.model import Issue, IssueKind, PatientRecord, SecurityLabel
from cds.rulebook.program import CardText, CompiledDefinition, CompiledRuleset

MOST_ISSUES = 6


def write_cards(
    program: CompiledRuleset, record: PatientRecord, facts: Facts, truths: Mapping[str, Truth], service: str | None
) -> tuple[Card, ...]:
    """
    The cards to show for a service, or for every service: most important first, at most so many as it allows.

    A card that several services send is shown once, for the first of them. A card is shown when its head is TRUE;
    unknown and false are not. Raises KeyError for an unknown service.
    """
    shown: dict[str, Card] = {}
    names = [service] if service is not None else sorted(program.services)
    for name in names:
        own = program.services[name]
        due = [program.cards[card] for card in own.cards if truths[program.cards[card].head] is Truth.TRUE]
        for text in due[: own.most_cards]:
            if text.name not in shown:
                shown[text.name] = _write(text, name, program, record, facts, truths)
    return tuple(sorted(shown.values(), key=lambda card: (program.cards[card.name].rank, card.name)))


def _write(
    text: CardText,
    service: str,
    program: CompiledRuleset,
    record: PatientRecord,
    facts: Facts,
    truths: Mapping[str, Truth],
) -> Card:
    why = Reasons(program.heads, facts, truths).why

    def lacking(name: str) -> tuple[Missing, ...]:
        return missing(name, program.heads, facts, truths)

    def definitions(name: str) -> tuple[tuple[CompiledDefinition, Why], ...]:
        return tuple((definition, why(definition.head)) for definition in program.definitions[name])

    patient = record.patient.reference
    without_notes = TemplateValues(facts, program.parameters, why, lacking, definitions, (), (), patient)
    holding = [note for note in text.notes if truths[note.head] is Truth.TRUE]
    said = [(note.brief, fill(note.say, without_notes)) for note in holding]
    notes = tuple(words for brief, words in said if not brief)
    briefs = tuple((brief, words) for brief, words in said if brief)
    values = TemplateValues(facts, program.parameters, why, lacking, definitions, notes, briefs, patient)
    detail = "\n\n".join((fill(text.detail, values), footer(text, record, facts)))
    rests_on = references(text.head, program, facts)
    labels = _labels({*rests_on, *(one for note in holding for one in references(note.head, program, facts))}, record)
    # Notes are in the order of their weight.
    strongest = None if text.keep_summary else next((note for note in holding if note.summary), None)
    return Card(
        name=text.name,
        service=service,
        summary=fill(strongest.summary if strongest else text.summary, values),
        detail=detail,
        indicator=(strongest.indicator if strongest else "") or text.indicator,
        source_label=text.source_label,
        source_url=text.source_url,
        topic=text.topic,
        suggestions=tuple(
            Suggestion(
                suggestion.label,
                suggestion.recommended,
                tuple(Action(words, build(resource, values, labels)) for words, resource in suggestion.actions),
            )
            for suggestion in text.suggestions
            if not suggestion.head or truths[suggestion.head] is Truth.TRUE
        ),
        selection_behavior=text.selection_behavior if text.suggestions else "",
        links=text.links,
        override_reasons=text.override_reasons,
        rule=text.rule,
        references=rests_on,
        labels=labels,
    )


def _labels(sources: Collection[str], record: PatientRecord) -> tuple[SecurityLabel, ...]:
    """The security labels of what a card rests on, each once."""
    if not record.labels:
        return ()
    return tuple(sorted({label for source in sources for label in record.labels.get(source, ())}))


def footer(text: CardText, record: PatientRecord, facts: Facts) -> str:
    """Rule and version, its review, the age of the data, what clinicians stated, and what was left out."""
    rule, today = text.rule, facts.today
    review = f"reviewed {rule.reviewed}" if rule.reviewed else "clinical review pending"
    if rule.review_due is not None and rule.review_due < today:
        review += f", **review overdue since {rule.review_due}**"
    newest = f"most recent data {record.newest}" if record.newest else "no entry has a date"
    lines = [f"*Rule {rule.id} {rule.version} ({review}). Evaluated {today}; {record.resources} resources; {newest}.*"]
    if stated := [fact for fact in facts.by_name.values() if fact.stated_by]:
        lines.append(
            f"*Stated by a clinician: {'; '.join(f'{plain(f.label)}: {escape(f.stated_by)}' for f in stated)}.*"
        )
    issues = [
        issue
        for issue in record.issues
        if issue.kind in {IssueKind.UNREADABLE, IssueKind.IMPLAUSIBLE, IssueKind.IGNORED}
    ]
    if issues:
        lines.append(f"*Left out of this answer: {_counted(issues)}.*")
    return "\n".join(lines)


def _counted(issues: list[Issue]) -> str:
    counts: dict[tuple[str, str], int] = {}
    for issue in issues:
        key = (issue.resource_type or "resource", issue.kind.value)
        counts[key] = counts.get(key, 0) + 1
    listed = [f"{count} {type_} {kind}" for (type_, kind), count in sorted(counts.items())]
    more = len(listed) - MOST_ISSUES
    return ", ".join(listed[:MOST_ISSUES]) + (f" and {more} more kinds" if more > 0 else "")


def references(head: str, program: CompiledRuleset, facts: Facts) -> tuple[str, ...]:
    """FHIR references of every fact the head reads, directly or through conclusions."""
    seen: set[str] = set()
    to_do = [head]
    found: set[str] = set()
    while to_do:
        name = to_do.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in program.heads:
            to_do.extend(program.heads[name].reads)
        elif name in facts.by_name:
            found.update(item.reference for item in facts[name].found)
    return tuple(sorted(found))
