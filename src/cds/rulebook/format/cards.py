"""Services and their cards."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from cds.rulebook.format.conditions import Statement
from cds.yaml_source.fields import Slug, Snake, Strict, Text, Url

PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
FilledText = Annotated[
    Text,
    Field(
        description="May hold placeholders: `{{ name }}`, and with the plural forms of a number"
        " `{{ name | one: # trial | other: # trials }}`."
    ),
]


class ServiceSpec(Strict):
    """One CDS service."""

    hook: Literal["patient-view", "order-select", "order-sign", "encounter-start"]
    title: Text
    description: Text
    requires: Annotated[list[str], Field(description="Prefetch keys without which no answer is possible.")] = []
    most_cards: Annotated[int, Field(ge=1)]


class Note(Strict):
    """One sentence of a card that depends on something."""

    when: Statement
    say: FilledText
    brief: Annotated[
        Literal["recorded", "unknown"] | None,
        Field(description="Joined with the other notes of this kind in one line, where `{{ brief_notes }}` stands."),
    ] = None
    summary: Annotated[
        Text | None,
        Field(description="Takes the place of the card's summary; of several notes that hold, the first decides."),
    ] = None
    indicator: Annotated[
        Literal["warning", "critical"] | None, Field(description="The card's indicator when this summary is used.")
    ] = None

    @model_validator(mode="after")
    def _indicator_of_a_summary(self) -> Note:
        if self.indicator and not self.summary:
            raise ValueError("`indicator` needs `summary`: an alarm says at once what it is about")
        return self


class Source(Strict):
    """Whom the card comes from."""

    label: Text
    url: Url | None = None


class Topic(Strict):
    """What the card is about, so that a client can remember an override. Epic: alphanumeric, at most 100 characters."""

    system: Url
    code: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,100}$")]
    display: Text
    subject: Annotated[
        Slug | None,
        Field(
            description="A service never shows two cards of one subject; left out: the topic is a subject of its own."
        ),
    ] = None


class ActionSpec(Strict):
    """One resource to create."""

    create: Text
    resource: dict[str, Any]


class SuggestionSpec(Strict):
    """Something the clinician can accept with one click."""

    label: Text
    when: Annotated[Statement | None, Field(description="Offered only where this holds; left out: always.")] = None
    recommended: bool = False
    actions: Annotated[list[ActionSpec], Field(min_length=1)]


class LinkSpec(Strict):
    """Somewhere to read more."""

    label: Text
    url: Url


class CardSpec(Strict):
    """When and what we say."""

    service: Annotated[list[Slug] | Slug, Field(description="The service, or services, that send it.")]
    show_when: Statement
    rank: Annotated[int, Field(description="Smaller stands first; only the service's most_cards are shown.")] = 50
    indicator: Literal["info", "warning", "critical"]
    summary: FilledText
    detail: FilledText
    notes: list[Note] = []
    keep_summary: Annotated[
        bool, Field(description="Its own summary says the strongest: no `summary` of a note takes its place.")
    ] = False
    source: Source
    topic: Topic
    suggestions: list[SuggestionSpec] = []
    selection_behavior: Literal["at-most-one", "any"] = "at-most-one"
    links: list[LinkSpec] = []
    override_reasons: list[Slug] = []
    evidence: list[Slug] = []
    formerly: Annotated[
        list[Snake], Field(description="Earlier names: what was answered to the card under them still counts.")
    ] = []
