"""A checked Rulebook → CompiledRuleset: parameters put in place, value sets joined, conditions compiled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any as AnyValue

from cds.logic import conditions as c
from cds.logic.strata import strata_of
from cds.logic.truth import Truth
from cds.rulebook import wanted as w
from cds.rulebook.definitions import DefinedConclusion, side_by_side
from cds.rulebook.format import rule_file as f
from cds.rulebook.list_ages import list_ages
from cds.rulebook.loader import Rulebook
from cds.rulebook.placeholders import placeholders_in
from cds.rulebook.program import (
    CardText,
    CompiledConclusion,
    CompiledDefinition,
    CompiledRuleset,
    CopyOf,
    EvidenceItem,
    HeadKind,
    LinkText,
    NoteText,
    ParameterValue,
    Prefetch,
    RuleRef,
    Service,
    SuggestionText,
    card_head_of,
    note_head_of,
)
from cds.rulebook.source_attributes import source_attributes
from cds.rulebook.tables import code_sets, drug_table, vocabulary
from cds.terminology.index import Codes
from cds.terminology.value_sets import ObservationFilter
from cds.yaml_source.fields import duration_days, listed, strings_in
from cds.yaml_source.loaded import LoadedFile

NON_ADHERENCE = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
OVERRIDE_REASONS = {
    # HL7 non-adherence-reason-codes (CDS Hooks 3.0 ballot, "override reasons"); the display is what a clinician picks.
    "patient-contraindication": "Contraindicated for this patient",
    "patient-refuses": "Patient declines",
    "action-completed": "Already done or referred",
    "service-not-available": "Service not available",
    "too-costly-uncovered": "Too costly or not covered",
}
IN_USE = frozenset({"silent", "active"})


def compile_ruleset(book: Rulebook) -> CompiledRuleset:
    """
    Make a rulebook ready to run.

    Files that are `draft` or `retired` are left out; cards of `silent` files are concluded and never shown.
    Expects a rulebook without problems; KeyError otherwise.
    """
    rules, decided, copies = side_by_side([r for r in book.rules.values() if r.model.about.status in IN_USE])
    numbers = Numbers(rules)
    codes = Codes(code_sets(book), {name: drug_table(name, book) for name in book.tables}, vocabulary(book))
    wanted = in_order([compile_fact(name, spec, numbers) for rule in rules for name, spec in rule.model.facts.items()])
    units = {fact.name: unit_of(fact) for fact in wanted}
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
        layers=strata_of({name: head.condition for name, head in heads.items()}),
        services=services,
        cards=cards,
        parameters=numbers.values,
        rules={rule.model.about.id: rule_ref(rule) for rule in rules} | site_ref(book),
        labels=labels,
        definitions={one.of: under(one, numbers) for one in decided},
        copies=copies,
        overrides=book.overrides,
        list_ages=list_ages(book),
        attributes={
            name: attributes for name, attributes in source_attributes(book).items() if attributes.status in IN_USE
        },
        observed=ObservationFilter.of(
            codes.sets[name]
            for fact in wanted
            if isinstance(fact, w.WantedNumber | w.WantedAnswer)
            for name in fact.coded
        ),
    )


def site_ref(book: Rulebook) -> dict[str, RuleRef]:
    """A site's overlay, as one more file the answers rest on."""
    if book.site is None:
        return {}
    header = book.site.model.site
    name = f"site:{header.id}"
    digest = book.site.digest
    return {name: RuleRef(name, digest[:12], header.name, "active", (header.name,), None, None, "", digest)}


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


@dataclass
class Numbers:
    """Parameters by name, and numbers and durations read through them."""

    values: dict[str, ParameterValue]

    def __init__(self, rules: Iterable[LoadedFile[f.RuleFile]]) -> None:
        self.values = {}
        for rule in rules:
            for name, parameter in rule.model.parameters.items():
                value = parameter.value if isinstance(parameter.value, str) else float(parameter.value)
                text = parameter.value if isinstance(value, str) else f"{value:g}"
                self.values[name] = ParameterValue(name, value, parameter.unit or "", str(text))

    def number(self, number_or_name: float | str) -> float:
        """The number itself, or a parameter's."""
        value = self.values[number_or_name].value if isinstance(number_or_name, str) else number_or_name
        return float(value)

    def days(self, duration: str) -> int:
        """Days of a duration, or of a parameter with a unit of time."""
        written = duration_days(duration)
        if written is not None:
            return written
        parameter = self.values[duration]
        days = duration_days(f"{float(parameter.value):g} {parameter.unit}")
        if days is None:
            raise KeyError(f"{duration} is {parameter.text} {parameter.unit}, not a duration")
        return days

    def word(self, word_or_name: str) -> str:
        """The word itself, or a parameter's."""
        parameter = self.values.get(word_or_name)
        return str(parameter.value) if parameter else word_or_name


# ---------------------------------------------------------------- facts


def compile_fact(name: str, spec: AnyValue, numbers: Numbers) -> w.Wanted:
    """One fact with everything in place."""
    common: dict[str, AnyValue] = {
        "name": name,
        "label": spec.label or name.replace("_", " "),
        "look_back_days": numbers.days(spec.look_back) if spec.look_back else None,
    }
    if isinstance(spec, f.PresenceFact):
        common |= {
            "coded": listed(spec.coded),
            "possibly_coded": listed(spec.possibly_coded),
            "if_none_found": Truth.FALSE if spec.if_none_found is False else Truth.UNKNOWN,
            "because": spec.because,
        }
    match spec:
        case f.SettingFact():
            value = numbers.word(spec.parameter)
            return w.WantedSetting(
                **common, parameter=spec.parameter, value=value, truth=Truth.of(value in spec.is_one_of)
            )
        case f.DeceasedFact():
            return w.WantedDeceased(**common)
        case f.AgeFact():
            return w.WantedAge(**common)
        case f.SexFact():
            return w.WantedSex(**common, is_one_of=frozenset(spec.is_one_of))
        case f.ConditionFact():
            undated = Truth.TRUE if spec.undated == "counts" else Truth.UNKNOWN
            return w.WantedDiagnosis(**common, statuses=statuses(spec.status), undated=undated)
        case f.MedicationFact():
            return w.WantedMedication(**common, current=spec.current)
        case f.ProcedureFact():
            return w.WantedProcedure(**common)
        case f.AllergyFact():
            return w.WantedAllergy(**common, unless_only=listed(spec.unless_only), only=listed(spec.only))
        case f.ReferralFact():
            return w.WantedReferral(**common, statuses=None if spec.status == "any" else frozenset(spec.status))
        case f.DraftOrderFact():
            return w.WantedDraftOrder(
                **common,
                coded=listed(spec.coded),
                drugs=spec.drugs or "",
                different_from=spec.different_from or "",
                if_none_found=Truth.FALSE if spec.if_none_found is False else Truth.UNKNOWN,
                because=spec.because,
            )
        case f.PlaceOfOrderFact():
            return w.WantedPlaceOfOrder(**common, order=spec.order, after=spec.after)
        case f.TreatmentFact():
            return w.WantedTreatment(
                **common,
                coded=listed(spec.coded),
                always=listed(spec.always),
                given_for=listed(spec.given_for),
                own_places=listed(spec.own_places),
                other_places=listed(spec.other_places),
                repeated=None if spec.repeated is None else int(numbers.number(spec.repeated)),
                because=spec.because,
            )
        case f.CourseFact():
            return w.WantedCourse(
                **common,
                treatment=spec.treatment,
                ended_before_days=numbers.days(spec.ended_before),
                sessions=int(numbers.number(spec.sessions_at_least)),
                lasts_days=numbers.days(spec.or_lasts_at_least),
                stopped_for=listed(spec.stopped_for),
                score=spec.score,
                falls_less_than=numbers.number(spec.falls_less_than),
                baseline_before_days=numbers.days(spec.baseline_within),
                end_before_days=numbers.days(spec.last_score_within.before),
                end_after_days=numbers.days(spec.last_score_within.after),
            )
        case f.RiseFact():
            return w.WantedRise(**common, score=spec.score, since=tuple(spec.since), unit=spec.unit)
        case f.SymptomsFact():
            by_score = tuple((by.score, numbers.number(by.at_least)) for by in spec.measured_by)
            return w.WantedSymptoms(**common, measured_by=by_score)
        case f.OverrideFact():
            return w.WantedOverride(**common, topic=spec.topic, reasons=frozenset(spec.reasons))
        case f.AnswerFact():
            return w.WantedAnswer(
                **common,
                answered=listed(spec.answered),
                answered_no=listed(spec.answered_no),
                asks_for=listed(spec.asks_for),
                key=spec.prefetch or "",
            )
        case f.NumberFact():
            low_high = [numbers.number(end) for end in spec.plausible] if spec.plausible else None
            return w.WantedNumber(
                **common,
                coded=listed(spec.coded),
                asks_for=listed(spec.asks_for),
                unit=spec.unit,
                take=spec.take,
                plausible=(low_high[0], low_high[1]) if low_high else None,
                whole=spec.whole,
                unit_may_be_missing=spec.find == "score",
                same_day=spec.same_day,
                relative_to=spec.relative_to or "",
                items=(
                    w.SummedItems(listed(spec.items.coded), numbers.number(spec.items.fewest)) if spec.items else None
                ),
                key=spec.prefetch or "",
            )
        case f.EpisodeFact():
            score = spec.remission_by_score
            return w.WantedEpisode(
                **common,
                of=listed(spec.of),
                statuses=statuses(spec.status) or frozenset(),
                remission_coded=listed(spec.remission_coded),
                remission_score=score.score if score else "",
                remission_below=numbers.number(score.below) if score else 0.0,
                remission_apart_days=numbers.days(score.apart) if score else 0,
                otherwise_days=numbers.days(spec.otherwise),
            )
        case f.EpisodeLengthFact():
            return w.WantedEpisodeLength(**common, episode=spec.episode)
        case f.SessionsFact():
            return w.WantedSessions(
                **common,
                coded=listed(spec.coded),
                procedures="procedure" in spec.recorded_as,
                administrations="administration" in spec.recorded_as,
            )
        case f.AugmentationFact():
            return w.WantedAugmentation(
                **common, drugs=spec.drugs, trials=spec.beside, days=numbers.days(spec.lasts_at_least)
            )
        case f.PointsFact():
            return w.WantedPoints(
                **common,
                items=tuple(points_item(item) for item in spec.adds),
                categories=tuple((float(category.from_), category.name) for category in spec.categories),
            )
        case f.TrialsFact():
            return w.WantedTrials(
                **common,
                drugs=spec.drugs,
                episode=spec.in_episode or "",
                joins_gaps_days=numbers.days(spec.joins_gaps_up_to),
                dose_column=numbers.word(spec.adequate_when.dose_reaches),
                adequate_days=numbers.days(spec.adequate_when.lasts_at_least),
                implausible_times=(
                    None
                    if spec.adequate_when.implausible_above is None
                    else numbers.number(spec.adequate_when.implausible_above)
                ),
                no_response=no_response(spec.no_response_when, numbers),
                undated_end_days=numbers.days(spec.ended_by_successor_within) if spec.ended_by_successor_within else 0,
                not_for=listed(spec.not_for),
                unless_for=listed(spec.unless_for),
                adherence=(
                    None
                    if spec.adherence is None
                    else w.Adherence(numbers.number(spec.adherence.at_least), numbers.word(spec.adherence.when_poor))
                ),
            )
        case f.CountFact():
            return w.WantedCount(
                **common,
                trials=spec.count,
                that_are=tuple(spec.that_are),
                different=numbers.word(spec.different) if spec.different else "",
                classes=frozenset(spec.drug_class) if spec.drug_class else None,
                merge_same_molecule=numbers.word(spec.merge_same_molecule or "no") == "yes",
            )
        case f.TraceFact():
            return w.WantedTrace(**common, of=listed(spec.trace_of))
    raise TypeError(f"no such fact: {type(spec).__name__}")


ACTIVE = frozenset({"active", "recurrence", "relapse"})  # FHIR R4 condition-clinical: the codes under "active"


def points_item(item: AnyValue) -> w.Item:
    """One item of an instrument."""
    match item:
        case f.BandsItem():
            return w.ByBand(item.from_, tuple((float(band.from_), float(band.points)) for band in item.bands))
        case f.EachItem():
            return w.ForEach(item.each, float(item.points), item.perhaps)
        case f.IfItem():
            return w.Whether(item.if_, float(item.points))
        case f.HighestItem():
            return w.Highest(tuple(points_item(part) for part in item.highest_of))
    raise TypeError(f"no such item: {type(item).__name__}")


def facts_of(item: w.Item) -> tuple[str, ...]:
    """Names of the facts an item reads."""
    if isinstance(item, w.Highest):
        return tuple(name for part in item.of for name in facts_of(part))
    return (item.fact,)


def statuses(status: list[str] | str) -> frozenset[str] | None:
    """Status codes that count; None for any."""
    if status == "any":
        return None
    return ACTIVE if status == "active" else frozenset(status)


def no_response(spec: f.NoResponseWhen, numbers: Numbers) -> w.NoResponse:
    """What counts as evidence of no response, with every number in place."""
    return w.NoResponse(
        stopped_for=listed(spec.stopped_for),
        not_tolerated=listed(spec.unless_stopped_for),
        measured_by=tuple(
            w.MeasuredBy(
                by.score, by.label, numbers.number(by.still_symptomatic_at), numbers.number(by.remission_below)
            )
            for by in spec.measured_by
        ),
        falls_less_than=numbers.number(spec.falls_less_than),
        partial=(
            (numbers.number(spec.partial_response.from_), numbers.number(spec.partial_response.below))
            if spec.partial_response
            else None
        ),
        baseline_before_days=numbers.days(spec.baseline_within.before),
        baseline_after_days=numbers.days(spec.baseline_within.after),
        end_before_days=numbers.days(spec.last_score_within.before),
        end_after_days=numbers.days(spec.last_score_within.after),
        switch_before_days=numbers.days(spec.switch_within.before),
        switch_after_days=numbers.days(spec.switch_within.after),
        augmentation_days=numbers.days(spec.augmentation_lasts_at_least),
        accepts_inferred=numbers.word(spec.accepts) == "also_inferred",
    )


def needs(fact: w.Wanted) -> tuple[str, ...]:
    """Names of the facts a fact is computed from."""
    match fact:
        case w.WantedCount() | w.WantedAugmentation():
            return (fact.trials,)
        case w.WantedTrace():
            return fact.of
        case w.WantedTrials():
            return (*filter(None, (fact.episode,)), *(by.score for by in fact.no_response.measured_by))
        case w.WantedEpisode():
            return tuple(filter(None, (fact.remission_score,)))
        case w.WantedEpisodeLength():
            return (fact.episode,)
        case w.WantedPoints():
            return tuple(name for item in fact.items for name in facts_of(item))
        case w.WantedDraftOrder():
            return tuple(filter(None, (fact.different_from,)))
        case w.WantedPlaceOfOrder():
            return (fact.order, fact.after)
        case w.WantedCourse():
            return (fact.treatment, fact.score)
        case w.WantedSymptoms():
            return tuple(score for score, _ in fact.measured_by)
        case w.WantedRise():
            return (fact.score, *fact.since)
    return ()


def in_order(facts: Iterable[w.Wanted]) -> tuple[w.Wanted, ...]:
    """Facts so that what one is computed from stands before it; otherwise by name."""
    left = {fact.name: fact for fact in sorted(facts, key=lambda fact: fact.name)}
    ordered: list[w.Wanted] = []

    def place(fact: w.Wanted) -> None:
        for name in needs(fact):
            if name in left:
                place(left.pop(name))
        ordered.append(fact)

    while left:
        place(left.pop(next(iter(left))))
    return tuple(ordered)


def unit_of(fact: w.Wanted) -> str:
    """The unit a comparison with this fact is in, for reading aloud."""
    match fact:
        case w.WantedNumber():
            return fact.unit
        case w.WantedAge():
            return "years"
        case w.WantedCount():
            return "trials"
        case w.WantedEpisodeLength():
            return "days"
        case w.WantedPoints():
            return "points"
        case w.WantedSessions():
            return "sessions"
        case w.WantedRise():
            return fact.unit
        case w.WantedPlaceOfOrder():
            return "trials"
    return ""


# ---------------------------------------------------------------- conclusions and cards


def compile_condition(statement: AnyValue, numbers: Numbers, units: Mapping[str, str]) -> c.Condition:
    """A condition with every number in place."""

    def inside(parts: Iterable[AnyValue]) -> tuple[c.Condition, ...]:
        return tuple(compile_condition(part, numbers, units) for part in parts)

    match statement:
        case str():
            return c.Name(statement)
        case f.AllOf():
            return c.All(inside(statement.all))
        case f.AnyOf():
            return c.Any(inside(statement.any))
        case f.NotThis():
            return c.Not(compile_condition(statement.not_, numbers, units))
        case f.AtLeastOf():
            return c.AtLeast(statement.at_least, inside(statement.of))
        case f.UnknownThis():
            return c.Unknown(compile_condition(statement.unknown, numbers, units))
        case f.PossiblyThis():
            return c.Possibly(compile_condition(statement.possibly, numbers, units))
        case f.Comparing():
            ((fact, limits),) = statement.root.items()
            return compare(fact, limits, numbers, units)
    raise TypeError(f"no such condition: {type(statement).__name__}")


def compare(fact: str, limits: f.Limits, numbers: Numbers, units: Mapping[str, str]) -> c.Condition:
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
    card: f.CardSpec,
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
            heads[head] = CompiledConclusion(head, f"suggestion {index} of {name}", when, ref)
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
    spec: f.ServiceSpec,
    rule: LoadedFile[f.RuleFile],
    *,
    heads: Mapping[str, CompiledConclusion],
    cards: Mapping[str, CardText],
    wanted: tuple[w.Wanted, ...],
    codes: Codes,
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
        prefetch=prefetch([fact for fact in wanted if fact.name in reached], codes, frozenset(spec.requires)),
        cards=tuple(card.name for card in own if card.rule.status == "active"),
        most_cards=spec.most_cards,
        rule=rule_ref(rule),
        silent=tuple(card.name for card in own if card.rule.status == "silent"),
    )


def reach(
    cards: Iterable[CardText],
    heads: Mapping[str, CompiledConclusion],
    wanted: tuple[w.Wanted, ...],
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
            to_do.extend(needs(facts[name]))
    return frozenset(seen)


def placeholders_of(card: CardText) -> frozenset[str]:
    """Names the texts and resource templates of a card mention in holes."""
    templates = (resource for suggestion in card.suggestions for _, resource in suggestion.actions)
    return frozenset(
        hole.name
        for text in (
            card.summary,
            card.detail,
            *(text for note in card.notes for text in (note.say, note.summary)),
            *strings_in(list(templates)),
        )
        for hole in placeholders_in(text)
        if hole.name
    )


def prefetch(facts: Iterable[w.Wanted], codes: Codes, required: frozenset[str]) -> tuple[Prefetch, ...]:
    """
    Queries for the facts, one per FHIR type and one per group of observations.

    Within the subset of CDS Hooks 2.0.1 ("Prefetch query restrictions"): no date tokens, no repeated parameters, all
    statuses; windows are applied to what comes back.
    """
    queries = {"patient": "Patient/{{context.patientId}}"}
    observed: dict[str, set[str]] = {}
    for fact in facts:
        for key, resource_type in whole(fact):
            queries[key] = resource_type + "?patient={{context.patientId}}"
        if isinstance(fact, w.WantedNumber | w.WantedAnswer):
            observed.setdefault(prefetch_key(fact), set()).update(asked_codes(fact, codes))
            if isinstance(fact, w.WantedAnswer) or fact.unit_may_be_missing:
                key, resource_type = FORMS
                queries[key] = resource_type + "?patient={{context.patientId}}"
    for key, tokens in observed.items():
        if tokens:
            queries[key] = f"Observation?patient={{{{context.patientId}}}}&code={','.join(sorted(tokens))}&_sort=-date"
    if not all(observed.values()):  # known by their name alone, which no server can be relied on to search
        surveys, category = SURVEYS
        queries[surveys] = f"Observation?patient={{{{context.patientId}}}}&category={category}&_sort=-date"
    return tuple(Prefetch(key, query, key in required) for key, query in sorted(queries.items()))


FORMS = ("questionnaireResponses", "QuestionnaireResponse")  # scores and answers also come as filled-in forms
SURVEYS = ("surveys", "survey")  # the category US Core gives to scores of questionnaires
ADMINISTRATIONS = ("medicationAdministrations", "MedicationAdministration")
MEDICATION_QUERIES = [
    ("medicationRequests", "MedicationRequest"),
    ("medicationStatements", "MedicationStatement"),
    ("medicationDispenses", "MedicationDispense"),
    ADMINISTRATIONS,
]
WHOLE: Mapping[type[w.Wanted], list[tuple[str, str]]] = {
    # Resource types that are asked for whole; codes and windows are applied to what comes back.
    w.WantedDiagnosis: [("conditions", "Condition")],
    w.WantedEpisode: [("conditions", "Condition")],
    w.WantedMedication: MEDICATION_QUERIES,
    w.WantedAugmentation: MEDICATION_QUERIES,
    w.WantedTrials: MEDICATION_QUERIES,
    w.WantedProcedure: [("procedures", "Procedure")],
    w.WantedAllergy: [("allergies", "AllergyIntolerance")],
    w.WantedReferral: [("serviceRequests", "ServiceRequest")],
    w.WantedTreatment: [*MEDICATION_QUERIES, ("procedures", "Procedure"), ("encounters", "Encounter")],
}


def whole(fact: w.Wanted) -> list[tuple[str, str]]:
    """Prefetch key and resource type of everything a fact wants whole."""
    if isinstance(fact, w.WantedSessions):
        return [("procedures", "Procedure")] * fact.procedures + [ADMINISTRATIONS] * fact.administrations
    return WHOLE.get(type(fact), [])


RESERVED_KEYS = frozenset({"patient", FORMS[0], SURVEYS[0]} | {key for queries in WHOLE.values() for key, _ in queries})


def prefetch_key(fact: w.WantedNumber | w.WantedAnswer) -> str:
    """The key an observation fact is sent under: its own word, or its name in camelCase."""
    return fact.key or camel_case(fact.name)


def camel_case(name: str) -> str:
    """liver_enzymes → liverEnzymes."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def asked_codes(fact: w.WantedNumber | w.WantedAnswer, codes: Codes) -> frozenset[str]:
    """system|code tokens to ask for."""
    sets = fact.asks_for or fact.coded
    return frozenset(f"{system}|{code}" for name in sets for system, code in codes.sets[name].codes)
