"""Resource templates + values → FHIR R4 resources. The rule check has tried each template with fhir.resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cds.cards.template import TemplateValues, named_text
from cds.facts.fact import Fact, FactSource
from cds.locale.catalog import Catalog
from cds.record.model import SecurityLabel
from cds.rulebook.placeholders import Placeholder, fill, placeholders_in


def build(template: Mapping[str, Any], values: TemplateValues, labels: Sequence[SecurityLabel] = ()) -> dict[str, Any]:
    """
    The resource a suggestion creates.

    A text with placeholders is filled; a value that is only `{{ references(fact) }}` becomes a list of References.
    Empty members are left out. The `labels` of the data it is made from become its own (meta.security).
    It is valid FHIR R4 (R4B model) whatever the chart holds, since the check of the rules has tried the template with
    nothing and with odd text in its placeholders (`resource-template-invalid`).
    """
    filled = _fill(template, values)
    if labels:
        filled["meta"] = filled.get("meta", {}) | {"security": [coding_of(label) for label in labels]}
    return dict(filled)


def coding_of(label: SecurityLabel) -> dict[str, str]:
    """A label as a FHIR Coding."""
    return {name: value for name, value in label._asdict().items() if value}


def _fill(value: Any, values: TemplateValues) -> Any:
    match value:
        case Mapping():
            members = {key: _fill(member, values) for key, member in value.items()}
            return {key: member for key, member in members.items() if member not in ("", None, [], {})}
        case list():
            return [filled for item in value if (filled := _fill(item, values)) not in ("", None, [], {})]
        case str():
            return _text(value, values)
    return value


def _text(text: str, values: TemplateValues) -> Any:
    named = placeholders_in(text)
    if named and named[0].word == "references":  # alone, as the check of the rules has seen
        return [{"reference": found.reference} for found in _distinct(values.facts[named[0].name].found)]

    def one(placeholder: Placeholder) -> str:
        if placeholder.word:
            raise KeyError(f"{placeholder.text} cannot stand in a resource")
        return named_text(placeholder, values, _recorded)

    return fill(text, one)


def _recorded(fact: Fact | None, words: Catalog) -> str:
    return words(fact.text) if fact is not None else ""


def _distinct(found: tuple[FactSource, ...]) -> list[FactSource]:
    return list({item.reference: item for item in found if "/" in item.reference}.values())
