"""What a rule file says of a definition that others published."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cds.yaml_source.fields import Day, NumberOrName, Slug, Snake, Strict, Text


class IndexDaySpec(Strict):
    """A fact that tells the day of a definition: its own, or the one on which its count reached a number."""

    fact: Snake
    reaches: NumberOrName | None = None


class PublishedSpec(Strict):
    """
    A definition that others published, with a structure of its own.

    Off unless a site or a caller asks for it: the file is then left out, and nothing of it is looked for.
    """

    label: Text
    says: Text
    is_: Annotated[Snake, Field(alias="is", description="The conclusion that decides it.")]
    criteria: Annotated[list[Snake], Field(description="Conclusions that are shown one by one.")] = []
    not_in_chart: Annotated[
        list[Text], Field(description="Criteria that no record tells: always unknown, so it is never met for certain.")
    ] = []
    index_day: Annotated[
        list[IndexDaySpec], Field(description="What tells its day; the earliest counts. None if it has no day.")
    ] = []
    found: Annotated[Text | None, Field(description="What its authors found.")] = None
    license: Annotated[Text, Field(description="Terms of the source, and what was taken from it.")]
    read: Annotated[Day, Field(description="The day the source was read.")]
    confirm: Annotated[Text | None, Field(description="What to do before it is relied on.")] = None
    evidence: Annotated[list[Slug], Field(min_length=1)]
