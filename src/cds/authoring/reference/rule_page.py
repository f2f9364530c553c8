"""Rulebook + cases → what a person reads of each rule file: what it is for, what it rests on, what proves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cds.authoring.reference.fact_wording import fact_in_words
from cds.authoring.reference.wording import ConditionWording, NameMeanings, amount, words_of
from cds.authoring.testing.cases import Case, RuleTests
from cds.locale.catalog import Catalog
from cds.rulebook.format.about import Parameter
from cds.rulebook.loader import Rulebook
from cds.rulebook.lock import lock_problems
from cds.rulebook.references import BareNumber, Rule, readings

FACT, CONCLUSION, CARD, FILE = "fact", "conclusion", "card", "file"


@dataclass(frozen=True, slots=True)
class ParameterSummary:
    """A number with its unit, or a word; `may` says what a site may make of it, "" for nothing."""

    name: str
    value: str
    may: str
    evidence: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class FactSummary:
    """A fact: its words, and how it is looked for, in words."""

    name: str
    label: str
    how: ConditionWording


@dataclass(frozen=True, slots=True)
class ConclusionSummary:
    """A conclusion, in words."""

    name: str
    label: str
    when: ConditionWording
    evidence: tuple[str, ...]
    locked: bool


@dataclass(frozen=True, slots=True)
class CardSummary:
    """A card: when it is shown, in words, and what it says."""

    name: str
    summary: str
    indicator: str
    when: ConditionWording
    detail: str
    notes: int
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DefinitionSummary:
    """One of several definitions of a conclusion, and the parameters that differ under it."""

    id: str
    label: str
    says: str
    differs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class EvidenceSummary:
    """One entry of `evidence`."""

    id: str
    cite: str
    url: str
    says: str
    verified: bool


@dataclass(frozen=True, slots=True)
class DiagramNode:
    """What the diagram of a file shows: a fact, a conclusion or a card of it, or another file; ids do not collide."""

    id: str
    kind: str
    label: str
    target: str


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """A case that claims something of a file: its sentence, and where it stands."""

    sentence: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class RulePage:
    """
    One rule file.

    Attributes:
        file: Its path below the folder of rules.
        owners: Who answers for it.
        reviewed: By whom; "" while a clinical review is pending.
        lock: How it differs from rules.lock; empty when it does not.
        locked: Whether there is a lock at all.
        nodes, links: What depends on what; a link leads from what is read to what reads it.
        proofs: Cases that claim something this file defines.
        text: The file as it is.
    """

    id: str
    file: str
    title: str
    purpose: str
    limits: str
    version: str
    status: str
    owners: tuple[str, ...]
    safety: bool
    reviewed: str
    reviewed_on: date
    review_due: date
    lock: tuple[str, ...]
    locked: bool
    parameters: tuple[ParameterSummary, ...]
    facts: tuple[FactSummary, ...]
    conclusions: tuple[ConclusionSummary, ...]
    definitions: tuple[DefinitionSummary, ...]
    cards: tuple[CardSummary, ...]
    sources: tuple[EvidenceSummary, ...]
    nodes: tuple[DiagramNode, ...]
    links: tuple[tuple[str, str], ...]
    proofs: tuple[CaseSummary, ...]
    text: str


def rule_pages(book: Rulebook, rule_tests: RuleTests) -> Iterator[RulePage]:
    """A sheet of every rule file, by their ids."""
    named = NameMeanings.of(book)
    homes = {name: rule for rule in book.rules.values() for name in (*rule.model.facts, *rule.model.conclusions)}
    readers = _readers(book)
    lock: dict[str, list[str]] = {}
    for problem in lock_problems(book):
        lock.setdefault(problem.file, []).append(f"{problem.what} {problem.fix}")
    for name in sorted(book.rules):
        rule = book.rules[name]
        nodes, links = _diagram(rule, homes, readers, named)
        about = rule.model.about
        yield RulePage(
            id=name,
            file=_below(rule.file, book),
            title=about.title,
            purpose=about.purpose,
            limits=about.limits,
            version=about.version,
            status=about.status,
            owners=tuple(about.owners),
            safety=about.safety,
            reviewed="" if about.reviewed.by == "pending" else about.reviewed.by,
            reviewed_on=about.reviewed.date,
            review_due=about.reviewed.next,
            lock=tuple(lock.get(rule.file, ())),
            locked=book.lock is not None,
            parameters=tuple(_parameter(key, spec, book.words) for key, spec in rule.model.parameters.items()),
            facts=tuple(
                FactSummary(key, spec.label or key, fact_in_words(spec, named))
                for key, spec in rule.model.facts.items()
            ),
            conclusions=tuple(
                ConclusionSummary(
                    key,
                    spec.label,
                    words_of(spec.condition(), named),
                    tuple(spec.evidence),
                    spec.locked,
                )
                for key, spec in rule.model.conclusions.items()
            ),
            definitions=tuple(_definitions(rule)),
            cards=tuple(
                CardSummary(
                    key,
                    spec.summary,
                    spec.indicator,
                    words_of(spec.show_when, named),
                    spec.detail,
                    len(spec.notes),
                    tuple(spec.evidence),
                )
                for key, spec in rule.model.cards.items()
            ),
            sources=tuple(
                EvidenceSummary(
                    key,
                    entry.cite,
                    f"https://doi.org/{entry.doi}" if entry.doi else str(entry.url or ""),
                    entry.says,
                    entry.verified,
                )
                for key, entry in rule.model.evidence.items()
            ),
            nodes=nodes,
            links=links,
            proofs=tuple(
                CaseSummary(case.name, _below(str(case.file), book), case.line)
                for case in rule_tests.cases
                if proves(case, rule)
            ),
            text=rule.text,
        )


def proves(case: Case, rule: Rule) -> bool:
    """Whether a case claims something that a file defines: a fact, conclusion, definition or card."""
    then, model = case.then, rule.model
    if any(name in model.facts or name in model.conclusions for name in then.answers):
        return True
    if model.definitions is not None and any(name in model.definitions.are for name in then.definitions):
        return True
    return any(name in model.cards for name in (*(then.cards or ()), then.first_card, *then.shows, *then.does_not_show))


def _below(file: str, book: Rulebook) -> str:
    """A path without the folder of rules, or of those a site's overlay is of."""
    for root in (book.root, book.base):
        if root is not None and Path(file).is_relative_to(root):
            return Path(file).relative_to(root).as_posix()
    return Path(file).name


def _parameter(name: str, spec: Parameter, words: Catalog) -> ParameterSummary:
    value = amount(spec.value, spec.unit, words)
    return ParameterSummary(name, value, _range(spec, words), tuple(spec.evidence), spec.note or "")


def _range(spec: Parameter, words: Catalog) -> str:
    if spec.site_may_set is True:
        return ", ".join(spec.one_of or [])
    if not isinstance(spec.site_may_set, list):
        return ""
    low, high = spec.site_may_set
    return words.say("{low} to {high}", low=low, high=high)


def _definitions(rule: Rule) -> Iterator[DefinitionSummary]:
    if rule.model.definitions is not None:
        for name, one in rule.model.definitions.are.items():
            yield DefinitionSummary(
                name, one.label, one.says, tuple((key, str(value)) for key, value in one.with_.items())
            )


# ---------------------------------------------------------------- what depends on what


def _own(rule: Rule) -> Iterator[tuple[str, str, frozenset[str]]]:
    """(section, name, names read) of every fact, conclusion and card of a file; placeholders decide nothing."""
    reads: dict[tuple[str, str], set[str]] = {}
    for reading in readings(rule):
        if isinstance(reading, BareNumber) or reading.placeholder:
            continue
        section = str(reading.path[0])
        if section in ("facts", "conclusions", "cards"):
            reads.setdefault((section, str(reading.path[1])), set()).add(reading.name)
    for section, names in (
        ("facts", rule.model.facts), ("conclusions", rule.model.conclusions), ("cards", rule.model.cards),
    ):  # fmt: skip
        for name in names:
            yield section, name, frozenset(reads.get((section, name), ()))


def _readers(book: Rulebook) -> Mapping[str, frozenset[str]]:
    """Name → the files that read it."""
    found: dict[str, set[str]] = {}
    for rule in book.rules.values():
        for _, _, names in _own(rule):
            for name in names:
                found.setdefault(name, set()).add(rule.model.about.id)
    return {name: frozenset(files) for name, files in found.items()}


def _diagram(
    rule: Rule, homes: Mapping[str, Rule], readers: Mapping[str, frozenset[str]], named: NameMeanings
) -> tuple[tuple[DiagramNode, ...], tuple[tuple[str, str], ...]]:
    """Facts, conclusions and cards of a file, the files it reads from, and those that read from it."""
    kinds = {"facts": FACT, "conclusions": CONCLUSION, "cards": CARD}
    nodes: dict[str, DiagramNode] = {}
    links: dict[tuple[str, str], None] = {}
    here = rule.model.about.id
    for section, name, names in _own(rule):
        own = f"{kinds[section]}:{name}"
        label = named.labels.get(name, name) if section != "cards" else rule.model.cards[name].summary
        nodes[own] = DiagramNode(own, kinds[section], label, f"{kinds[section]}-{name}")
        for read in sorted(names):
            home = homes.get(read)
            if home is None:
                continue  # a parameter
            if home is rule:
                links[f"{FACT if read in rule.model.facts else CONCLUSION}:{read}", own] = None
            else:
                nodes.setdefault(f"from:{home.model.about.id}", _file(home, "from"))
                links[f"from:{home.model.about.id}", own] = None
        for other in sorted(readers.get(name, frozenset()) - {here}) if section != "cards" else ():
            links[own, f"to:{other}"] = None
            nodes.setdefault(f"to:{other}", DiagramNode(f"to:{other}", FILE, other, other))
    return tuple(nodes.values()), tuple(links)


def _file(rule: Rule, way: str) -> DiagramNode:
    return DiagramNode(f"{way}:{rule.model.about.id}", FILE, rule.model.about.id, rule.model.about.id)
