"""Leaflets of rule files → their texts in each language, with the parameters in force in place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from cds.facts.kind import Numbers
from cds.rulebook.compiled_ruleset import EvidenceItem, Leaflet, LeafletPage, LeafletPart, LeafletStatement, RuleRef
from cds.rulebook.format.leaflets import LeafletSpec, LeafletText
from cds.rulebook.format.rule_file import RuleFile
from cds.rulebook.placeholders import fill, parameter_text

Cite = Callable[[Iterable[str]], tuple[EvidenceItem, ...]]


@dataclass(frozen=True, slots=True)
class LeafletWords:
    """The texts of a leaflet in one language, filled: `language` is "" for its `first` one."""

    language: str
    first: str
    numbers: Numbers

    def of(self, text: LeafletText) -> str:
        """One text."""
        said = text.in_[self.language] if self.language else text.say
        language = self.language or self.first
        return fill(said, lambda one: parameter_text(one, self.numbers.values[one.name], language))


def leaflets_of(model: RuleFile, ref: RuleRef, cite: Cite, numbers: Numbers) -> Iterator[Leaflet]:
    """Every leaflet of a file; `cite` gives the evidence of some names."""
    for name, spec in model.leaflets.items():
        pages = [_page(spec, "", numbers, cite)]
        pages += [_page(spec, language, numbers, cite) for language in spec.languages]
        yield Leaflet(name, spec.reader, tuple(spec.cards), ref, {page.language: page for page in pages})


def _page(spec: LeafletSpec, language: str, numbers: Numbers, cite: Cite) -> LeafletPage:
    words = LeafletWords(language, spec.language, numbers)
    other = spec.languages.get(language)
    return LeafletPage(
        language=language or spec.language,
        name=other.name if other else spec.name,
        title=words.of(spec.title),
        unreviewed=words.of(spec.notices.unreviewed),
        unverified=words.of(spec.notices.unverified) if other and not other.verified else "",
        general=words.of(spec.notices.general),
        parts=tuple(
            LeafletPart(
                words.of(section.title),
                tuple(LeafletStatement(words.of(point), cite(point.evidence)) for point in section.points),
            )
            for section in spec.sections
        ),
    )
