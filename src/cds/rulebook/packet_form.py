"""packet.yaml → what an evidence packet lists, and its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cds.rulebook.format.packet import PacketFile


@dataclass(frozen=True, slots=True)
class PacketForm:
    """
    What an evidence packet lists, and its words.

    Attributes:
        title: What every packet is.
        letter: What one for no payer is called.
        payers: Ids of the published definitions it can be laid out for.
        says: What it is and is not, for its foot.
        words: Word of the format → as the rules write it.
        claim_columns, trial_columns: Column → its head.
        titles: Section → its title, in their order.
        facts: Section → the facts it lists.
    """

    title: str
    letter: str
    payers: tuple[str, ...]
    says: str
    words: Mapping[str, str]
    claim_columns: Mapping[str, str]
    trial_columns: Mapping[str, str]
    titles: Mapping[str, str]
    facts: Mapping[str, tuple[str, ...]]


def packet_form(model: PacketFile) -> PacketForm:
    """A packet.yaml, ready to be read."""
    columns, header = model.columns.model_dump(), model.packet
    sections = {name: getattr(model.sections, name) for name in type(model.sections).model_fields}
    claim = ("what", "record", "status", "shown_by")
    return PacketForm(
        title=header.title,
        letter=header.letter,
        payers=tuple(header.payers),
        says=header.says,
        words=model.words.model_dump(),
        claim_columns={name: columns[name] for name in claim},
        trial_columns={name: columns[name] for name in (*(n for n in columns if n not in claim), "shown_by")},
        titles={name: section.title for name, section in sections.items()},
        facts={name: tuple(section.facts) for name, section in sections.items() if hasattr(section, "facts")},
    )
