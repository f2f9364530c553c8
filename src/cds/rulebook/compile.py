"""A checked Rulebook → CompiledRuleset: parameters put in place, value sets joined, conditions compiled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any as AnyValue

from cds.facts.data import MEDICATIONS, CodedQuery, TypeQuery
from cds.facts.kind import CompiledFact, Numbers, ParameterValue
from cds.facts.kinds import in_order
from cds.locale.sentence import say
from cds.logic import conditions as c
from cds.logic.strata import strata_of
from cds.rulebook.compiled_ruleset import (
    CardText,
    CohortQuestion,
    CompiledConclusion,
    CompiledDefinition,
    CompiledRuleset,
    CopyOf,
    EvidenceItem,
    HeadKind,
    IndexDay,
    LinkText,
    NoteText,
    Published,
    RuleRef,
    Service,
    SuggestionText,
    card_head_of,
    note_head_of,
)
from cds.rulebook.definitions import DefinedConclusion, side_by_side
from cds.rulebook.format import rule_file as f
from cds.rulebook.format.cards import CardSpec, ServiceSpec
from cds.rulebook.format.cohort import CohortSpec
from cds.rulebook.format.conditions import (
    AllOf,
    AnyOf,
    AtLeastOf,
    Comparing,
    Limits,
    NotThis,
    PossiblyThis,
    UnknownThis,
)
from cds.rulebook.format.published import PublishedSpec
from cds.rulebook.leaflets import leaflets_of
from cds.rulebook.list_ages import list_ages
from cds.rulebook.loader import Rulebook
from cds.rulebook.packet_form import packet_form
from cds.rulebook.placeholders import placeholders_in
from cds.rulebook.prefetch import prefetch
from cds.rulebook.source_attributes import source_attributes
from cds.rulebook.tables import code_index
from cds.terminology.index import TerminologyIndex
from cds.terminology.value_sets import ObservationFilter
from cds.terminology.vocabulary import EntryKind
from cds.yaml_source.fields import listed, strings_in
from cds.yaml_source.loaded import LoadedFile

NON_ADHERENCE = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
OVERRIDE_REASONS = {
    # HL7 non-adherence-reason-codes (CDS Hooks 3.0 ballot, "override reasons"); the display is what a clinician picks.
    "patient-contraindication": say("Contraindicated for this patient"),
    "patient-refuses": say("Patient declines"),
    "action-completed": say("Already done or referred"),
    "service-not-available": say("Service not available"),
    "too-costly-uncovered": say("Too costly or not covered"),
}
IN_USE = frozenset({"silent", "active"})
NAMED_IN = {
    # FHIR type that is asked for → the entries whose words may name what is looked for
    "Condition": EntryKind.CONDITION,
    "AllergyIntolerance": EntryKind.ALLERGY,
    **{query.resource_type: EntryKind.ALLERGY for query in MEDICATIONS},
    "ServiceRequest": EntryKind.REFERRAL,
}


def compile_ruleset(book: Rulebook) -> CompiledRuleset:
    """
    Make a rulebook ready to run.

    Files that are `draft` or `retired` are left out; cards of `silent` files are concluded and never shown.
    Expects a rulebook without problems; KeyError otherwise.
    """
    rules, decided, copies = side_by_side([r for r in book.rules.values() if r.model.about.status in IN_USE])
    numbers = Numbers(parameter_values(rules))
    wanted = in_order([spec.compile(name, numbers) for rule in rules for name, spec in rule.model.facts.items()])
    codes = code_index(book, _looked_for(wanted))
    units = {name: spec.answer_unit() for rule in rules for name, spec in rule.model.facts.items()}
    heads: dict[str, CompiledConclusion] = {}
    cards: dict[str, CardText] = {}
    for rule in rules:
        ref = rule_ref(rule)
        heads.update(conclusions(rule, ref, numbers, units, copies))
        for name, card in rule.model.cards.items():
            text, card_heads = card_text(name, card, rule, ref, numbers=numbers, units=units)
            heads.update(card_heads)
            cards[name] = text
    labels = {fact.name: fact.label for fact in wanted} | {head.name: head.label for head in heads.values()}
    services = {
        name: service(
            name,
            spec,
            rule,
            heads=heads,
            cards=cards,
            wanted=wanted,
            codes=codes,
            beside={one.of: tuple(one.heads.values()) for one in decided},
        )
        for rule in rules
        for name, spec in rule.model.services.items()
    }
    return CompiledRuleset(
        version=book.digest[:12],
        wanted=wanted,
        codes=codes,
        heads=heads,
        strata=strata_of({name: head.condition for name, head in heads.items()}),
        services=services,
        cards=cards,
        parameters=numbers.values,
        rules={rule.model.about.id: rule_ref(rule) for rule in rules} | site_ref(book),
        labels=labels,
        definitions={one.of: under(one, numbers) for one in decided},
        copies=copies,
        published=tuple(
            published(name, spec, rule, numbers) for rule in rules for name, spec in rule.model.published.items()
        ),
        cohorts=tuple(cohort(name, spec, numbers) for rule in rules for name, spec in rule.model.cohorts.items()),
        overrides=book.overrides,
        words=book.words,
        list_ages=list_ages(book),
        lanes={
            name: spec.timeline
            for rule in rules
            for name, spec in rule.model.facts.items()
            if spec.timeline is not None
        },
        leaflets=tuple(
            leaflet
            for rule in rules
            for leaflet in leaflets_of(rule.model, rule_ref(rule), partial(cited, rule), numbers)
        ),
        packet=packet_form(book.packet.model) if book.packet is not None else None,
        attributes={
            name: attributes for name, attributes in source_attributes(book).items() if attributes.status in IN_USE
        },
        observed=ObservationFilter.of(
            codes.sets[name]
            for fact in wanted
            for query in fact.data()
            if isinstance(query, CodedQuery)
            for name in query.coded
        ),
        mentioned=frozenset(name for fact in wanted for name in fact.mentioned()),
        visited=frozenset(name for fact in wanted for name in fact.visited()),
    )


def site_ref(book: Rulebook) -> dict[str, RuleRef]:
    """A site's overlay, vocabulary and wording, as more files the answers rest on."""
    if book.site is None:
        return {}
    header = book.site.model.site
    files = {f"site:{header.id}": book.site.digest}
    if book.vocabulary is not None:
        files[f"vocabulary:{header.id}"] = book.vocabulary.digest
    files |= {f"wording:{header.id}:{one.model.wording.of}": one.digest for one in book.wording}
    if book.locale:
        files[f"locale:{header.id}"] = book.locale
    return {
        name: RuleRef(name, digest[:12], header.name, "active", (header.name,), None, None, "", digest)
        for name, digest in files.items()
    }


def parameter_values(rules: Iterable[LoadedFile[f.RuleFile]]) -> dict[str, ParameterValue]:
    """Every parameter of some files, with the value in force."""
    values: dict[str, ParameterValue] = {}
    for rule in rules:
        for name, parameter in rule.model.parameters.items():
            value = parameter.value if isinstance(parameter.value, str) else float(parameter.value)
            text = parameter.value if isinstance(value, str) else f"{value:g}"
            values[name] = ParameterValue(name, value, parameter.unit or "", str(text))
    return values


def rule_ref(rule: LoadedFile[f.RuleFile]) -> RuleRef:
    """Where a thing stands, for the card."""
    about = rule.model.about
    return RuleRef(
        id=about.id,
        version=about.version,
        title=about.title,
        status=about.status,
        owners=tuple(about.owners),
        reviewed=about.reviewed.date if about.reviewed.by != "pending" else None,
        review_due=about.reviewed.next,
        limits=about.limits,
        digest=rule.digest,
    )


# ---------------------------------------------------------------- facts


def _looked_for(wanted: Iterable[CompiledFact]) -> dict[EntryKind, frozenset[str]]:
    """The value sets some fact looks for among diagnoses, requests, and allergies (drugs are allergens)."""
    found: dict[EntryKind, set[str]] = {kind: set() for kind in NAMED_IN.values()}
    for query in (query for fact in wanted for query in fact.data()):
        if isinstance(query, TypeQuery) and query.resource_type in NAMED_IN:
            found[NAMED_IN[query.resource_type]].update(query.looked_for)
    return {kind: frozenset(sets) for kind, sets in found.items()}


# ---------------------------------------------------------------- conclusions and cards


def compile_condition(statement: AnyValue, numbers: Numbers, units: Mapping[str, str]) -> c.Condition:
    """A condition with every number in place."""

    def inside(parts: Iterable[AnyValue]) -> tuple[c.Condition, ...]:
        return tuple(compile_condition(part, numbers, units) for part in parts)

    match statement:
        case str():
            return c.Name(statement)
        case AllOf():
            return c.All(inside(statement.all))
        case AnyOf():
            return c.Any(inside(statement.any))
        case NotThis():
            return c.Not(compile_condition(statement.not_, numbers, units))
        case AtLeastOf():
            return c.AtLeast(statement.at_least, inside(statement.of))
        case UnknownThis():
            return c.Unknown(compile_condition(statement.unknown, numbers, units))
        case PossiblyThis():
            return c.Possibly(compile_condition(statement.possibly, numbers, units))
        case Comparing():
            ((fact, limits),) = statement.root.items()
            return compare(fact, limits, numbers, units)
    raise TypeError(f"no such condition: {type(statement).__name__}")


def compare(fact: str, limits: Limits, numbers: Numbers, units: Mapping[str, str]) -> c.Condition:
    """One comparison, or two for `between`."""

    def one(how: c.Comparison, limit: float | str) -> c.Compare:
        parameter = limit if isinstance(limit, str) else ""
        return c.Compare(fact, how, numbers.number(limit), parameter, units.get(fact, ""))

    if limits.between is not None:
        low, high = limits.between
        return c.All((one(c.Comparison.AT_LEAST, low), one(c.Comparison.AT_MOST, high)))
    for how in c.Comparison:
        limit = getattr(limits, how.value)
        if limit is not None:
            return one(how, limit)
    raise TypeError("a comparison without a limit")


def cited(rule: LoadedFile[f.RuleFile], names: Iterable[str]) -> tuple[EvidenceItem, ...]:
    """Evidence entries by name."""
    entries = rule.model.evidence
    return tuple(
        EvidenceItem(
            id=name,
            cite=entries[name].cite,
            url=f"https://doi.org/{entries[name].doi}" if entries[name].doi else str(entries[name].url or ""),
            says=entries[name].says,
            verified=entries[name].verified,
        )
        for name in names
    )


def conclusions(
    rule: LoadedFile[f.RuleFile],
    ref: RuleRef,
    numbers: Numbers,
    units: Mapping[str, str],
    copies: Mapping[str, CopyOf],
) -> dict[str, CompiledConclusion]:
    """Conclusions of one file."""
    return {
        name: CompiledConclusion(
            name=name,
            label=spec.label,
            condition=compile_condition(spec.condition(), numbers, units),
            rule=ref,
            evidence=cited(rule, spec.evidence),
            locked=spec.locked,
            of=copies[name].name if name in copies else name,
            definition=copies[name].definition if name in copies else "",
        )
        for name, spec in rule.model.conclusions.items()
    }


def published(name: str, spec: PublishedSpec, rule: LoadedFile[f.RuleFile], numbers: Numbers) -> Published:
    """A definition of others, as it is shown."""
    return Published(
        id=name,
        label=spec.label,
        says=spec.says,
        head=spec.is_,
        criteria=tuple(spec.criteria),
        not_in_chart=tuple(spec.not_in_chart),
        index_days=tuple(
            IndexDay(day.fact, None if day.reaches is None else int(numbers.number(day.reaches)))
            for day in spec.index_day
        ),
        evidence=cited(rule, spec.evidence),
        found=spec.found or "",
        license=spec.license,
        read=spec.read,
        confirm=spec.confirm or "",
    )


def cohort(name: str, spec: CohortSpec, numbers: Numbers) -> CohortQuestion:
    """A question to a population, as it is asked."""
    return CohortQuestion(
        id=name,
        question=spec.question,
        head=spec.is_,
        lacks=spec.lacks.of if spec.lacks else "",
        most_lacking=int(numbers.number(spec.lacks.at_most)) if spec.lacks else 0,
        needs=tuple(spec.needs),
    )


def under(decided: DefinedConclusion, numbers: Numbers) -> tuple[CompiledDefinition, ...]:
    """The definitions of a conclusion, for the explanation."""
    spec = decided.spec
    chosen = numbers.word(spec.chosen_by)
    return tuple(
        CompiledDefinition(
            id=name,
            label=definition.label,
            says=definition.says,
            head=decided.heads[name],
            in_use=name == chosen,
            evidence=cited(decided.rule, definition.evidence),
            with_={key: value if isinstance(value, str) else f"{value:g}" for key, value in definition.with_.items()},
        )
        for name, definition in spec.are.items()
    )


def card_text(
    name: str,
    card: CardSpec,
    rule: LoadedFile[f.RuleFile],
    ref: RuleRef,
    *,
    numbers: Numbers,
    units: Mapping[str, str],
) -> tuple[CardText, dict[str, CompiledConclusion]]:
    """The texts of a card, and the heads that say when it and its notes are shown."""
    card_head = card_head_of(name)
    shown = compile_condition(card.show_when, numbers, units)
    heads = {
        card_head: CompiledConclusion(
            card_head, f"card {name}", shown, ref, cited(rule, card.evidence), kind=HeadKind.CARD, of=name
        )
    }
    notes = []
    for index, note in enumerate(card.notes, start=1):
        head = note_head_of(name, index)
        heads[head] = CompiledConclusion(
            head,
            f"note {index} of {name}",
            compile_condition(note.when, numbers, units),
            ref,
            kind=HeadKind.NOTE,
            of=name,
        )
        notes.append(NoteText(head, note.say, note.brief or "", note.summary or "", note.indicator or ""))
    offered = {}
    for index, suggestion in enumerate(card.suggestions, start=1):
        if suggestion.when is not None:
            head = offered[index] = f"suggestion:{name}:{index}"
            when = compile_condition(suggestion.when, numbers, units)
            label = f"suggestion {index} of {name}"
            heads[head] = CompiledConclusion(head, label, when, ref, kind=HeadKind.SUGGESTION, of=name)
    return (
        CardText(
            name=name,
            head=card_head,
            services=listed(card.service),
            indicator=card.indicator,
            summary=card.summary,
            detail=card.detail,
            source_label=card.source.label,
            source_url=card.source.url or "",
            topic=(card.topic.system, card.topic.code, card.topic.display),
            subject=card.topic.subject or f"{card.topic.system}|{card.topic.code}",
            rank=card.rank,
            notes=tuple(notes),
            suggestions=tuple(
                SuggestionText(
                    suggestion.label,
                    suggestion.recommended,
                    tuple((action.create, action.resource) for action in suggestion.actions),
                    offered.get(index, ""),
                )
                for index, suggestion in enumerate(card.suggestions, start=1)
            ),
            selection_behavior=card.selection_behavior,
            links=tuple(LinkText(link.label, link.url) for link in card.links),
            override_reasons=tuple(
                (NON_ADHERENCE, reason, OVERRIDE_REASONS[reason]) for reason in card.override_reasons
            ),
            rule=ref,
            formerly=tuple(card.formerly),
            keep_summary=card.keep_summary,
        ),
        heads,
    )


# ---------------------------------------------------------------- services and prefetch


def service(
    name: str,
    spec: ServiceSpec,
    rule: LoadedFile[f.RuleFile],
    *,
    heads: Mapping[str, CompiledConclusion],
    cards: Mapping[str, CardText],
    wanted: tuple[CompiledFact, ...],
    codes: TerminologyIndex,
    beside: Mapping[str, tuple[str, ...]],
) -> Service:
    """
    One service, with prefetch for what its cards reach and nothing else.

    A silent card is not among its cards, but what it reads is asked for: it is concluded and logged.
    """
    own = [card for card in sorted(cards.values(), key=lambda card: (card.rank, card.name)) if name in card.services]
    reached = reach(own, heads, wanted, beside)
    return Service(
        id=name,
        hook=spec.hook,
        title=spec.title,
        description=spec.description,
        prefetch=prefetch([fact for fact in wanted if fact.name in reached], codes.sets, frozenset(spec.requires)),
        cards=tuple(card.name for card in own if card.rule.status == "active"),
        most_cards=spec.most_cards,
        rule=rule_ref(rule),
        silent=tuple(card.name for card in own if card.rule.status == "silent"),
    )


def reach(
    cards: Iterable[CardText],
    heads: Mapping[str, CompiledConclusion],
    wanted: tuple[CompiledFact, ...],
    beside: Mapping[str, tuple[str, ...]],
) -> frozenset[str]:
    """Every fact and head the cards read, through whatever stands between; `beside`: the same, by other definitions."""
    facts = {fact.name: fact for fact in wanted}
    to_do = [card.head for card in cards]
    to_do += [note.head for card in cards for note in card.notes]
    to_do += [suggestion.head for card in cards for suggestion in card.suggestions if suggestion.head]
    to_do += [name for card in cards for name in placeholders_of(card) if name in facts or name in heads]
    seen: set[str] = set()
    while to_do:
        name = to_do.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in heads:
            to_do.extend(c.names_in(heads[name].condition))
            to_do.extend(beside.get(name, ()))
        elif name in facts:
            to_do.extend(facts[name].needs())
    return frozenset(seen)


def placeholders_of(card: CardText) -> frozenset[str]:
    """Names the texts and resource templates of a card mention in placeholders."""
    templates = (resource for suggestion in card.suggestions for _, resource in suggestion.actions)
    return frozenset(
        placeholder.name
        for text in (
            card.summary,
            card.detail,
            *(text for note in card.notes for text in (note.say, note.summary)),
            *strings_in(list(templates)),
        )
        for placeholder in placeholders_in(text)
        if placeholder.name
    )
