"""Card: what is said, in our words; the wire's names are given to it in hooks/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cds.record.model import SecurityLabel
from cds.rulebook.compiled_ruleset import LinkText, RuleRef


@dataclass(frozen=True, slots=True)
class Action:
    """One resource a clinician may create: its description and the FHIR R4 resource, checked."""

    description: str
    resource: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something to accept with one click; all its actions together."""

    label: str
    recommended: bool
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """
    One card as CDS Hooks sends it, before it is JSON.

    Attributes:
        name: As in the rule file.
        service: The service it belongs to.
        summary: One sentence, under 140 characters.
        detail: GitHub Flavored Markdown; all chart text escaped.
        indicator: info, warning or critical.
        source_label, source_url: Whom it comes from; "" for no address.
        topic: (system, code, display).
        suggestions, selection_behavior, links: As CDS Hooks 2.0.1 has them.
        override_reasons: (system, code, display).
        rule: Which rule file and version said it.
        references: FHIR references the card rests on, sorted.
        labels: Security labels of these, and of what its notes say; its drafts have them, too.
    """

    name: str
    service: str
    summary: str
    detail: str
    indicator: str
    source_label: str
    source_url: str
    topic: tuple[str, str, str] | None
    suggestions: tuple[Suggestion, ...]
    selection_behavior: str
    links: tuple[LinkText, ...]
    override_reasons: tuple[tuple[str, str, str], ...]
    rule: RuleRef
    references: tuple[str, ...]
    labels: tuple[SecurityLabel, ...] = ()
