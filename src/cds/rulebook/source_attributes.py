"""
Rulebook → source attributes: what the law wants a user to be able to see of decision support that rests on evidence.

45 CFR 170.315(b)(11)(iv)(A), added by HTI-1 (89 FR 1192). Docs: docs/integrators/source-attributes.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from cds.rulebook.format.about import About, Uses
from cds.rulebook.format.wording import WordingFile
from cds.rulebook.lint.view import coded, tables_read
from cds.rulebook.loader import Rulebook
from cds.rulebook.references import NameReference, Rule, below, read_by, readings
from cds.rulebook.tables import site_entries

REGULATION = "45 CFR 170.315(b)(11)(iv)(A)"
PARAGRAPHS: Mapping[str, tuple[int, str]] = {
    # Key of ours → paragraph under REGULATION, and its name there.
    "citations": (1, "Bibliographic citation of the intervention (clinical research or guideline)"),
    "developer": (2, "Developer of the intervention (translation from clinical research or guideline)"),
    "funding": (3, "Funding source of the technical implementation for the intervention(s) development"),
    "released": (4, "Release and, if applicable, revision dates of the intervention or reference source"),
    "race": (5, "Use of race"),
    "ethnicity": (6, "Use of ethnicity"),
    "language": (7, "Use of language"),
    "sexual_orientation": (8, "Use of sexual orientation"),
    "gender_identity": (9, "Use of gender identity"),
    "sex": (10, "Use of sex"),
    "date_of_birth": (11, "Use of date of birth"),
    "social_determinants": (12, "Use of social determinants of health data"),
    "health_status_assessments": (13, "Use of health status assessments data"),
}
USES = tuple(Uses.model_fields)


@dataclass(frozen=True, slots=True)
class Citation:
    """One entry of `evidence`, in the order of the file; `doi` and `url` are "" where none is given."""

    id: str
    cite: str
    says: str
    verified: bool
    doi: str
    url: str


@dataclass(frozen=True, slots=True)
class AttributeReader:
    """
    One fact through which a rule file reads data of the person.

    Attributes:
        fact: Its name.
        label: What a clinician reads.
        rule: The rule file that defines it, which may be another one.
        of: What it looks at: a FHIR element, or value sets.
    """

    fact: str
    label: str
    rule: str
    of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AttributeUse:
    """
    Whether data of one kind are used.

    Attributes:
        attribute: A key of PARAGRAPHS, from race on.
        paragraph: Its number under REGULATION.
        name: Its name there.
        used: None: the author has not said, which `cds check` refuses.
        why: What for, in the author's words; "" when not used.
        read_by: The facts that read it.
    """

    attribute: str
    paragraph: int
    name: str
    used: bool | None
    why: str
    read_by: tuple[AttributeReader, ...]


@dataclass(frozen=True, slots=True)
class SiteChange:
    """What a site does differently, of what this rule file says; "" and None where it need give no reason."""

    what: str
    says: str
    because: str
    by: str
    review: date | None


@dataclass(frozen=True, slots=True)
class SourceAttributes:
    """
    The source attributes of one rule file, which is one intervention.

    Attributes:
        rule, version, title, status, purpose, limits, owners: Which intervention it is.
        citations: (1); with `verified`, whether somebody of the project has read the source.
        developer, funding: (2) and (3); "" when the author has not said.
        released, revised: (4); None when not said, or, for `revised`, when it is the first version.
        uses: (5) to (13), in that order, all nine.
        site_changes: What differs at the site whose rules these are.
    """

    rule: str
    version: str
    title: str
    status: str
    purpose: str
    limits: str
    owners: tuple[str, ...]
    citations: tuple[Citation, ...]
    developer: str
    funding: str
    released: date | None
    revised: date | None
    uses: tuple[AttributeUse, ...]
    site_changes: tuple[SiteChange, ...]


def source_attributes(book: Rulebook) -> dict[str, SourceAttributes]:
    """Rule file → its source attributes, for each that concludes or says something, by id; others are part of these."""
    read = reads(book)
    return {name: _of(rule, read[name], book) for name, rule in sorted(book.rules.items()) if is_intervention(rule)}


def is_intervention(rule: Rule) -> bool:
    """Whether a rule file concludes or says something; facts alone support no decision."""
    return bool(rule.model.conclusions or rule.model.cards)


def reads(book: Rulebook) -> dict[str, dict[str, tuple[AttributeReader, ...]]]:
    """
    Rule file → attribute → the facts that read it, by name.

    These are the facts of the file itself, and all that its conclusions and cards rest on, wherever they stand.
    """
    rests_on: dict[str, set[str]] = defaultdict(set)
    by_fact: dict[str, list[tuple[str, AttributeReader]]] = {}
    tagged = _tagged(book)
    for name, rule in book.rules.items():
        found = [reading for reading in readings(rule) if isinstance(reading, NameReference)]
        for reader, names in read_by(found).items():
            rests_on[reader] |= names
        if rule.model.definitions:
            for definition in rule.model.definitions.are:
                rests_on[definition].add(rule.model.definitions.of)
        rests_on[_whole(name)] |= {reading.name for reading in found} | rule.model.facts.keys()
        by_fact |= _of_facts(rule, tagged)
    made: dict[str, dict[str, tuple[AttributeReader, ...]]] = {}
    for name in book.rules:
        read: dict[str, list[AttributeReader]] = defaultdict(list)
        for fact in sorted(below(_whole(name), rests_on) & by_fact.keys()):
            for attribute, one in by_fact[fact]:
                read[attribute].append(one)
        made[name] = {attribute: tuple(facts) for attribute, facts in read.items()}
    return made


def _whole(name: str) -> str:
    """What stands for a whole rule file where names are followed; no name holds a colon."""
    return f"file:{name}"


def _tagged(book: Rulebook) -> dict[str, set[str]]:
    """Value set → the attributes its files say they are of."""
    found: dict[str, set[str]] = defaultdict(set)
    for loaded in book.sets:
        header = loaded.model.valueset
        if header.source_attribute is not None:
            found[header.id or header.adds_to or ""].add(header.source_attribute)
    return found


def _of_facts(rule: Rule, tagged: Mapping[str, set[str]]) -> dict[str, list[tuple[str, AttributeReader]]]:
    sets: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, path in coded(rule):
        for attribute in tagged.get(name, ()):
            sets[str(path[1])][attribute].append(name)
    made: dict[str, list[tuple[str, AttributeReader]]] = {}
    for name, fact in rule.model.facts.items():
        of = {attribute: tuple(sorted(set(names))) for attribute, names in sets[name].items()}
        if fact.uses:
            of[fact.uses] = (fact.element,)
        made[name] = [
            (attribute, AttributeReader(name, fact.label or name, rule.model.about.id, looked_at))
            for attribute, looked_at in of.items()
        ]
    return made


def _of(rule: Rule, read: Mapping[str, tuple[AttributeReader, ...]], book: Rulebook) -> SourceAttributes:
    about = rule.model.about
    return SourceAttributes(
        rule=about.id,
        version=about.version,
        title=about.title,
        status=about.status,
        purpose=about.purpose,
        limits=about.limits,
        owners=tuple(about.owners),
        citations=tuple(
            Citation(name, entry.cite, entry.says, entry.verified, entry.doi or "", entry.url or "")
            for name, entry in rule.model.evidence.items()
        ),
        developer=about.developer or "",
        funding=about.funding or "",
        released=about.released,
        revised=about.revised,
        uses=tuple(_use(attribute, about, read.get(attribute, ())) for attribute in USES),
        site_changes=tuple(_site_changes(rule, book)),
    )


def _use(attribute: str, about: About, read: tuple[AttributeReader, ...]) -> AttributeUse:
    why = getattr(about.uses, attribute)
    used = True if why else False if attribute in about.does_not_use else None
    return AttributeUse(attribute, *PARAGRAPHS[attribute], used, why or "", read)


def _site_changes(rule: Rule, book: Rulebook) -> Iterator[SiteChange]:
    touched = {
        "set": {*rule.model.parameters},
        "cards": {*rule.model.cards},
        "valuesets": {name for name, _ in coded(rule)},
        "tables": {table for fact in rule.model.facts.values() for table in tables_read(fact)},
        "wording": {rule.model.about.id},
    }
    mapped = {name for entry in site_entries(book) for name in entry.sets}
    for one in book.overrides:
        section, *named = map(str, one.path)
        if one.file is not None and isinstance(one.file.model, WordingFile):
            named = [one.file.model.wording.of]
        names = named[:1] or mapped  # a vocabulary is one override, of many value sets
        if not touched["valuesets" if section == "vocabulary" else section].isdisjoint(names):
            yield SiteChange(one.what, one.says, one.because, one.by, one.review)
