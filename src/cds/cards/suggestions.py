"""Resource templates + values → FHIR R4 resources, checked with fhir.resources before they leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

from cds.cards.template import HOLE, TemplateValues
from cds.facts.fact import FactSource
from cds.record.model import SecurityLabel


def build(template: Mapping[str, Any], values: TemplateValues, labels: Sequence[SecurityLabel] = ()) -> dict[str, Any]:
    """
    The resource a suggestion creates.

    A text with holes is filled; a value that is only `{{ references(fact) }}` becomes a list of References. Empty
    members are left out. The `labels` of the data it is made from become its own (meta.security).

    Raises:
        ValidationError: The result is not valid FHIR R4 (R4B model). That is our mistake, since `cds check` has tried
            the template.
    """
    filled = _fill(template, values)
    if labels:
        filled["meta"] = filled.get("meta", {}) | {"security": [coding_of(label) for label in labels]}
    get_fhir_model_class(filled["resourceType"]).model_validate(filled)
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
    whole = HOLE.fullmatch(text.strip())
    if whole and whole[1] == "references":
        return [{"reference": found.reference} for found in _distinct(values.facts[whole[2]].found)]

    def one(match: Any) -> str:
        function, argument, name = match.groups()
        if name == "patient.reference":
            return values.patient_reference
        if name in values.parameters:
            return values.parameters[name].text
        if function:
            raise KeyError(f"{function}({argument}) cannot stand in a resource")
        return values.facts[name].text

    return HOLE.sub(one, text)


def _distinct(found: tuple[FactSource, ...]) -> list[FactSource]:
    return list({item.reference: item for item in found if "/" in item.reference}.values())
