"""rules/review/packet.yaml: what an evidence packet lists, and its words."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from cds.yaml_source.fields import Slug, Snake, Strict, Text


class PacketHeader(Strict):
    """What the packet is called, and for whose criteria it can be laid out."""

    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    title: Text
    letter: Annotated[Text, Field(description="What it is called when it is for no payer.")]
    payers: Annotated[list[Slug], Field(description="Published definitions that are criteria of a payer.")]
    says: Annotated[Text, Field(description="What the packet is, and is not; printed at its foot.")]
    source: Text
    verified: bool


class PacketColumns(Strict):
    """Heads of the columns."""

    what: Text
    record: Text
    status: Text
    shown_by: Text
    drug: Text
    drug_class: Text
    dose: Text
    dates: Text
    days_at_dose: Text
    response: Text
    known_by: Text


class PacketWords(Strict):
    """Words for how a line is known."""

    met: Text
    not_met: Text
    unknown: Text
    recorded: Text
    recorded_absent: Text
    not_found: Text
    none_among: Text
    stated: Text
    no_entry: Text
    not_recorded: Text
    goes_on: Text


class PacketTitle(Strict):
    """A section that is made of trials or criteria."""

    title: Text


class PacketFacts(PacketTitle):
    """A section that lists facts."""

    facts: Annotated[list[Snake], Field(min_length=1)]


class PacketSections(Strict):
    """The sections, in their order."""

    diagnosis: PacketFacts
    trials: PacketTitle
    scores: PacketFacts
    contraindications: PacketFacts
    criteria: PacketTitle


class PacketFile(Strict):
    """What an evidence packet lists, and its words."""

    packet: PacketHeader
    columns: PacketColumns
    words: PacketWords
    sections: PacketSections


SCHEMAS: dict[str, type[BaseModel]] = {"packet.schema.json": PacketFile}
