"""Conclusions + texts → Cards, most important first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from cds.cards.card import Action, Card, Suggestion
from cds.cards.suggestions import build
from cds.cards.template import TemplateValues, escape, fill, plain
from cds.engine.explain import Missing, Reasons, Why, missing
from cds.facts.fact import Facts
from cds.locale.catalog import Catalog
from cds.logic.truth import Truth
from cds.record.model import Issue, IssueKind, PatientRecord, SecurityLabel
from cds.rulebook.compiled_ruleset import CardText, CompiledDefinition, CompiledRuleset, NoteText

MOST_ISSUES = 6


@dataclass(frozen=True, slots=True)
class DueCard:
    """
    A card that is to be shown, before its texts are written.

    Attributes:
        text: Its texts, as the rule file has them.
        service: The service it is shown for.
        notes: Those of its notes that hold, in the order of their weight.
    """

    text: CardText
    service: str
    notes: tuple[NoteText, ...]

    @property
    def strongest(self) -> NoteText | None:
        """The note whose summary takes the place of the card's own, None for none."""
        return None if self.text.keep_summary else next((note for note in self.notes if note.summary), None)

    @property
    def indicator(self) -> str:
        """info, warning or critical."""
        return (self.strongest.indicator if self.strongest else "") or self.text.indicator


def due_cards(
    program: CompiledRuleset, truths: Mapping[str, Truth], service: str | None
) -> tuple[DueCard, ...]:  # fmt: skip
    """
    The cards to show for a service, or for every service: most important first, at most so many as it allows.

    A card that several services send is shown once, for the first of them. A card is shown when its head is TRUE;
    unknown and false are not. Raises KeyError for an unknown service.
    """
    shown: dict[str, DueCard] = {}
    names = [service] if service is not None else sorted(program.services)
    for name in names:
        own = program.services[name]
        due = [program.cards[card] for card in own.cards if truths[program.cards[card].head] is Truth.TRUE]
        for text in due[: own.most_cards]:
            if text.name not in shown:
                holding = tuple(note for note in text.notes if truths[note.head] is Truth.TRUE)
                shown[text.name] = DueCard(text, name, holding)
    return tuple(sorted(shown.values(), key=lambda due: (due.text.rank, due.text.name)))


def write_cards(
    program: CompiledRuleset, record: PatientRecord, facts: Facts, truths: Mapping[str, Truth], service: str | None
) -> tuple[Card, ...]:
    """The cards of `due_cards`, written. Raises KeyError for an unknown service."""
    return tuple(_write(due, program, record, facts, truths) for due in due_cards(program, truths, service))


def _write(
    due: DueCard, program: CompiledRuleset, record: PatientRecord, facts: Facts, truths: Mapping[str, Truth]
) -> Card:
    text, why = due.text, Reasons(program.heads, facts, truths).why

    def lacking(name: str) -> tuple[Missing, ...]:
        return missing(name, program.heads, facts, truths)

    def definitions(name: str) -> tuple[tuple[CompiledDefinition, Why], ...]:
        return tuple((definition, why(definition.head)) for definition in program.definitions[name])

    patient = record.patient.reference
    without_notes = TemplateValues(facts, program.parameters, why, lacking, definitions, (), (), patient, program.words)
    said = [(note.brief, fill(note.say, without_notes)) for note in due.notes]
    notes = tuple(words for brief, words in said if not brief)
    briefs = tuple((brief, words) for brief, words in said if brief)
    values = replace(without_notes, notes=notes, briefs=briefs)
    detail = "\n\n".join((fill(text.detail, values), footer(text, record, facts, program.words)))
    rests_on = tuple(sorted({*references(text.head, program, facts), *_forms_of_panels(program, record)}))
    labels = _labels({*rests_on, *(one for note in due.notes for one in references(note.head, program, facts))}, record)
    suggestions = tuple(
        Suggestion(
            suggestion.label,
            suggestion.recommended,
            tuple(Action(words, build(resource, values, labels)) for words, resource in suggestion.actions),
        )
        for suggestion in text.suggestions
        if not suggestion.head or truths[suggestion.head] is Truth.TRUE
    )
    return Card(
        name=text.name,
        service=due.service,
        summary=fill(due.strongest.summary if due.strongest else text.summary, values),
        detail=detail,
        indicator=due.indicator,
        source_label=text.source_label,
        source_url=text.source_url,
        topic=text.topic,
        suggestions=suggestions,
        selection_behavior=text.selection_behavior if suggestions else "",
        links=text.links,
        override_reasons=tuple(
            (system, code, program.words(display)) for system, code, display in text.override_reasons
        ),
        rule=text.rule,
        references=rests_on,
        labels=labels,
    )


def _forms_of_panels(program: CompiledRuleset, record: PatientRecord) -> Iterator[str]:
    """
    Forms that a review asks for, as they were filled in: their answers decide whether a card of safety is shown.

    So every other card rests on them, too, whatever its own head reads.
    """
    review = program.codes.review
    urls = {panel.url for panel in review.panels} if review is not None else set()
    return (form.source for form in record.forms if form.questionnaire in urls)


def _labels(sources: Collection[str], record: PatientRecord) -> tuple[SecurityLabel, ...]:
    """The security labels of what a card rests on, each once."""
    if not record.labels:
        return ()
    return tuple(sorted({label for source in sources for label in record.labels.get(source, ())}))


def footer(text: CardText, record: PatientRecord, facts: Facts, words: Catalog) -> str:
    """Rule and version, its review, the age of the data, what clinicians stated, and what was left out."""
    rule, today = text.rule, facts.today
    review = words.say("reviewed {day}", day=rule.reviewed) if rule.reviewed else words.say("clinical review pending")
    if rule.review_due is not None and rule.review_due < today:
        review += words.say(", **review overdue since {day}**", day=rule.review_due)
    newest = (
        words.say("most recent data {day}", day=record.newest) if record.newest else words.say("no entry has a date")
    )
    said = words.counted(
        "Rule {rule} ({review}). Evaluated {today}; {number} resource; {newest}.",
        "Rule {rule} ({review}). Evaluated {today}; {number} resources; {newest}.",
        record.resources,
        rule=f"{rule.id} {rule.version}",
        review=review,
        today=today,
        newest=newest,
    )
    lines = [f"*{said}*"]
    if stated := [fact for fact in facts.by_name.values() if fact.stated_by]:
        facts_stated = "; ".join(f"{plain(f.label, words)}: {escape(words(f.stated_by))}" for f in stated)
        lines.append("*" + words.say("Stated by a clinician: {facts}.", facts=facts_stated) + "*")
    issues = [
        issue
        for issue in record.issues
        if issue.kind in {IssueKind.UNREADABLE, IssueKind.IMPLAUSIBLE, IssueKind.IGNORED}
    ]
    if issues:
        lines.append("*" + words.say("Left out of this answer: {items}.", items=_counted(issues, words)) + "*")
    return "\n".join(lines)


def _counted(issues: list[Issue], words: Catalog) -> str:
    counts: dict[tuple[str, str], int] = {}
    for issue in issues:
        key = (issue.resource_type or words.say("resource"), words(issue.kind.value))
        counts[key] = counts.get(key, 0) + 1
    listed = [f"{count} {type_} {kind}" for (type_, kind), count in sorted(counts.items())]
    more = len(listed) - MOST_ISSUES
    return ", ".join(listed[:MOST_ISSUES]) + (words.say(" and {more} more kinds", more=more) if more > 0 else "")


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
