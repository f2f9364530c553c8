"""CompiledRuleset: a rulebook made ready to run. Frozen values only; nothing here opens a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

from cds.facts.kind import CompiledFact, ParameterValue
from cds.locale.catalog import ENGLISH_CATALOG, Catalog
from cds.logic.conditions import Condition, names_in
from cds.logic.strata import Stratum
from cds.rulebook.list_ages import ListAges
from cds.rulebook.overlay import SiteOverride
from cds.rulebook.packet_form import PacketForm
from cds.rulebook.source_attributes import SourceAttributes
from cds.terminology.index import TerminologyIndex
from cds.terminology.value_sets import ObservationFilter, RelevanceCriteria


@dataclass(frozen=True, slots=True)
class RuleRef:
    """Which rule file a thing comes from: enough to check a card against the file."""

    id: str
    version: str
    title: str
    status: str
    owners: tuple[str, ...]
    reviewed: date | None
    review_due: date | None
    limits: str
    digest: str


@dataclass(frozen=True, slots=True)
class EvidenceItem:
    """One entry of `evidence`."""

    id: str
    cite: str
    url: str
    says: str
    verified: bool


@dataclass(frozen=True, slots=True)
class LeafletStatement:
    """One statement of a leaflet, and why to believe it."""

    says: str
    evidence: tuple[EvidenceItem, ...]


@dataclass(frozen=True, slots=True)
class LeafletPart:
    """A heading of a leaflet, and what stands below it."""

    title: str
    statements: tuple[LeafletStatement, ...]


@dataclass(frozen=True, slots=True)
class LeafletPage:
    """
    A leaflet in one language.

    Attributes:
        language: BCP-47.
        name: What the language calls itself.
        title: Of the leaflet.
        unreviewed: What is said until a clinician has reviewed the file.
        unverified: What is said where nobody who reads the language has checked it; "" where somebody has.
        general: What the leaflet is and is not.
        parts: In their order.
    """

    language: str
    name: str
    title: str
    unreviewed: str
    unverified: str
    general: str
    parts: tuple[LeafletPart, ...]


@dataclass(frozen=True, slots=True)
class Leaflet:
    """
    General words on a treatment, the same for every patient.

    Attributes:
        id: Its key in the file.
        reader: patient or clinician.
        cards: Cards whose page shows it.
        rule: The file it stands in.
        pages: Language → the leaflet in it; the first is the language it was written in.
    """

    id: str
    reader: str
    cards: tuple[str, ...]
    rule: RuleRef
    pages: Mapping[str, LeafletPage]


class HeadKind(Enum):
    """What is concluded."""

    CONCLUSION = "conclusion"
    CARD = "card"
    NOTE = "note"
    SUGGESTION = "suggestion"


@dataclass(frozen=True, slots=True)
class CopyOf:
    """Of what something is a copy: its name as the author wrote it, and the definition it is decided under."""

    name: str
    definition: str


@dataclass(frozen=True, slots=True)
class CompiledConclusion:
    """
    Something that is concluded: a conclusion, a card, a note or a suggestion.

    Attributes:
        name: "resistant", "card:suggest_evaluation", "note:suggest_evaluation:2"; nothing is read from its spelling.
        label: What a clinician reads.
        condition: When it holds.
        rule: Where it stands.
        evidence: What it rests on.
        locked: No site overlay may touch it.
        kind: A conclusion, a card, or a note or suggestion of a card.
        of: The conclusion or card as its author named it.
        definition: The definition it is a copy for, "" for what an author wrote.
        reads: Every fact and conclusion its condition reads.
        is_an_authors: Whether it is a conclusion an author wrote: no part of a card, no copy under a definition.
    """

    name: str
    label: str
    condition: Condition
    rule: RuleRef
    evidence: tuple[EvidenceItem, ...] = ()
    locked: bool = False
    kind: HeadKind = HeadKind.CONCLUSION
    of: str = ""
    definition: str = ""
    reads: frozenset[str] = field(init=False, repr=False, compare=False)
    is_an_authors: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find what each answer would ask again."""
        object.__setattr__(self, "reads", names_in(self.condition))
        object.__setattr__(self, "is_an_authors", self.kind is HeadKind.CONCLUSION and not self.definition)


def card_head_of(card: str) -> str:
    """Name of the head that says whether a card is shown; no author can write a colon in a name."""
    return f"card:{card}"


def note_head_of(card: str, number: int) -> str:
    """Name of the head that says whether a note of a card, counted from 1, is shown."""
    return f"note:{card}:{number}"


@dataclass(frozen=True, slots=True)
class CompiledDefinition:
    """
    One definition of a conclusion.

    Attributes:
        id: "delphi-2022".
        label, says: What a clinician reads.
        head: The conclusion that is decided under it; the plain one for the definition in use.
        in_use: Whether it drives the cards.
        evidence: What it rests on.
        with_: Parameter → value, where it differs from what is written under `parameters`.
    """

    id: str
    label: str
    says: str
    head: str
    in_use: bool
    evidence: tuple[EvidenceItem, ...]
    with_: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class IndexDay:
    """A fact that tells the day of a definition: its own day, or the day on which its count reached a number."""

    fact: str
    reaches: int | None


@dataclass(frozen=True, slots=True)
class Published:
    """
    A definition that others published, as it is shown.

    Attributes:
        id: "ohdsi-1009".
        label, says: What a clinician reads.
        head: The conclusion that decides it.
        criteria: Conclusions to be shown one by one.
        not_in_chart: Criteria that no record tells: unknown, whatever the record holds.
        index_days: Facts that tell its day; the earliest counts. Empty where the algorithm has none.
        evidence: What it was written from.
        found: The share of people its authors found; "" where none is known.
        license: Terms of the source, and what was taken from it.
        read: The day it was read.
        confirm: What to do before it is relied on; "" for nothing.
    """

    id: str
    label: str
    says: str
    head: str
    criteria: tuple[str, ...]
    not_in_chart: tuple[str, ...]
    index_days: tuple[IndexDay, ...]
    evidence: tuple[EvidenceItem, ...]
    found: str
    license: str
    read: date
    confirm: str


@dataclass(frozen=True, slots=True)
class CohortQuestion:
    """
    A question that is asked of every patient of an export.

    Attributes:
        id: "met-never-evaluated".
        question: As a committee asks it.
        head: The conclusion that answers it for one patient.
        lacks: A conclusion that must be unknown besides, "" for none.
        most_lacking: How many things at most would settle that one; 0 without one.
        needs: FHIR types without which nothing can be said.
    """

    id: str
    question: str
    head: str
    lacks: str
    most_lacking: int
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoteText:
    """
    One sentence of a card and the head that says when it is shown.

    Attributes:
        head: The conclusion that says when.
        say: The sentence, or with `brief` a few words of one.
        brief: "recorded" or "unknown": joined with the other notes of this kind; "" for a line of its own.
        summary: Takes the place of the card's; "" for none.
        indicator: The card's when this summary is used; "" for the card's own.
    """

    head: str
    say: str
    brief: str = ""
    summary: str = ""
    indicator: str = ""


@dataclass(frozen=True, slots=True)
class SuggestionText:
    """One suggestion: a label, whether it is recommended, the resource templates it creates; "" as `head`: always."""

    label: str
    recommended: bool
    actions: tuple[tuple[str, Mapping[str, object]], ...]
    head: str = ""


@dataclass(frozen=True, slots=True)
class LinkText:
    """One link of a card."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class CardText:
    """
    The texts of one card, as the rule file writes them, and the head that says when it is shown.

    `subject` is what it is about: a service shows one card of a subject. `formerly` are its earlier names, under which
    the journal may know it; with `keep_summary` no note's summary takes the place of its own.
    """

    name: str
    head: str
    services: tuple[str, ...]
    indicator: str
    summary: str
    detail: str
    source_label: str
    source_url: str
    topic: tuple[str, str, str] | None
    subject: str
    rank: int
    notes: tuple[NoteText, ...]
    suggestions: tuple[SuggestionText, ...]
    selection_behavior: str
    links: tuple[LinkText, ...]
    override_reasons: tuple[tuple[str, str, str], ...]
    rule: RuleRef
    formerly: tuple[str, ...] = ()
    keep_summary: bool = False


@dataclass(frozen=True, slots=True)
class Prefetch:
    """One prefetch key of a service: its query, and whether no answer is possible without it."""

    key: str
    query: str
    required: bool


@dataclass(frozen=True, slots=True)
class Service:
    """One CDS service: a hook and the cards it may show; `silent` are those that are only noted."""

    id: str
    hook: str
    title: str
    description: str
    prefetch: tuple[Prefetch, ...]
    cards: tuple[str, ...]
    most_cards: int
    rule: RuleRef
    silent: tuple[str, ...] = ()

    @property
    def templates(self) -> dict[str, str]:
        """Prefetch key → the query it asks."""
        return {prefetch.key: prefetch.query for prefetch in self.prefetch}


@dataclass(frozen=True, slots=True)
class CompiledRuleset:
    """
    A rulebook made ready to run.

    Attributes:
        version: Digest over every rule file that is part of it.
        wanted: What to look for in the record, in dependency order (what a count counts stands before the count).
        codes: Which codes and drug names matter, in one index.
        heads: Everything that is concluded, in dependency order inside its stratum.
        strata: Clauses by stratum; a later one reads what earlier ones settled.
        services, cards, parameters, rules: The rest, by name.
        observed: Codes and whole names of every observation some fact reads.
        mentioned: Value sets whose words some fact looks for in observations of any code.
        visited: Value sets of encounters whose days some fact asks for.
        definitions: Conclusion → the definitions it is decided under, in the order of the file.
        copies: Facts and conclusions that exist because a definition reads other values → what authors and
            clinicians know them by.
        published: Definitions of others that are shown.
        cohorts: Questions to a population; empty unless they were asked for.
        overrides: What is different at the site these rules are for.
        attributes: Rule file → its source attributes.
        packet: What an evidence packet lists; None for rules that bring no packet.yaml.
        lanes: Fact → the lane of the timeline in which what it finds is drawn.
        leaflets: For the pages behind cards, by file.
        list_ages: When each value set and drug table was last compared with a release.
        words: What the program itself writes, in the language of the site.
    """

    version: str
    wanted: tuple[CompiledFact, ...]
    codes: TerminologyIndex
    heads: Mapping[str, CompiledConclusion]
    strata: tuple[Stratum, ...]
    services: Mapping[str, Service]
    cards: Mapping[str, CardText]
    parameters: Mapping[str, ParameterValue]
    rules: Mapping[str, RuleRef]
    labels: Mapping[str, str] = field(default_factory=dict)
    observed: ObservationFilter = field(default_factory=lambda: ObservationFilter(frozenset()))
    mentioned: frozenset[str] = frozenset()
    visited: frozenset[str] = frozenset()
    definitions: Mapping[str, tuple[CompiledDefinition, ...]] = field(default_factory=dict)
    copies: Mapping[str, CopyOf] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    cohorts: tuple[CohortQuestion, ...] = ()
    overrides: tuple[SiteOverride, ...] = ()
    attributes: Mapping[str, SourceAttributes] = field(default_factory=dict)
    list_ages: ListAges = field(default_factory=ListAges)
    packet: PacketForm | None = None
    lanes: Mapping[str, str] = field(default_factory=dict)
    leaflets: tuple[Leaflet, ...] = ()
    words: Catalog = ENGLISH_CATALOG

    def card_called(self, name: str) -> CardText | None:
        """The card of this name, or the one that had it formerly; None for what is no card any more."""
        now = self.cards.get(name)
        return now or next((card for card in self.cards.values() if name in card.formerly), None)

    def known_as(self, name: str) -> str:
        """A fact, conclusion, card or note by the name its author gave it, or the card it stands in."""
        if name in self.copies:
            return self.copies[name].name
        return self.heads[name].of if name in self.heads else name

    @property
    def sought(self) -> RelevanceCriteria:
        """What of a record any rule wants."""
        return RelevanceCriteria(self.observed, self.codes, self.mentioned, self.visited)
