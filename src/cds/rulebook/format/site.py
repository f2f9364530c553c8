"""The format of a site's overlay: what differs from the shipped rules, why, who decided it, and until when."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from cds.rulebook.format.cards import LinkSpec, Source
from cds.rulebook.format.drug_table import DrugRow, MinimumDose
from cds.rulebook.format.value_set import Language
from cds.yaml_source.fields import Slug, Snake, Strict, Text


class SiteHeader(Strict):
    """Whose overlay it is, and of which rules."""

    id: Slug
    name: Text
    rules: Annotated[
        Text | None, Field(description="Folder of the rules, seen from here; `package` for those of the package.")
    ] = None
    language: Annotated[
        Language | None,
        Field(description="Of the pages and of what the program writes; none: that of the wording, else en."),
    ] = None
    uses: Annotated[
        list[Text] | Text,
        Field(description="Rule files and the versions this was tested with: `evaluation >=1.0,<2.0`."),
    ]


class Justification(Strict):
    """Who decided an override, why, and when it must be looked at again."""

    because: Text
    by: Text
    review: date


class SetTo(Justification):
    """Another value of a parameter."""

    to: int | float | str


class CodesChange(Strict):
    """Codes added to a value set, or taken from it: `system|code` → display."""

    add: dict[Annotated[str, StringConstraints(pattern=r"^\S+\|\S+$")], Text] = Field(default_factory=dict)
    remove: list[Annotated[str, StringConstraints(pattern=r"^\S+\|\S+$")]] = Field(default_factory=list)
    because: Text | None = None
    by: Text | None = None
    review: date | None = None

    @model_validator(mode="after")
    def _removing_needs_a_reason(self) -> CodesChange:
        if self.remove and not (self.because and self.by and self.review):
            raise ValueError("`remove` needs `because`, `by` and `review`")
        return self


class DrugChange(Strict):
    """Other columns of a drug that the table has; what it is recognized by can only grow."""

    minimum_mg_a_day: MinimumDose | None = None
    strict_minimum_mg_a_day: MinimumDose | None = None
    counts_as_trial: Literal["any", "transdermal", "never"] | None = None
    names: Annotated[list[Text], Field(description="More names and brands of it.")] = []

    @model_validator(mode="after")
    def _changes_something(self) -> DrugChange:
        if not self.model_fields_set:
            raise ValueError("write what differs: `minimum_mg_a_day`, `names`, …")
        return self


class TableChange(Justification):
    """Drugs added to a table, other columns of those it has, more products, and more National Drug Codes."""

    add: Annotated[dict[Slug, DrugRow], Field(description="Drugs that the table does not have.")] = {}
    set: Annotated[dict[Slug, DrugChange], Field(description="Drugs that it has: what differs.")] = {}
    products: Annotated[Text | None, Field(description="A CSV file in the site's folder, laid out as theirs.")] = None
    ndcs: Annotated[Text | None, Field(description="The same for National Drug Codes.")] = None

    @model_validator(mode="after")
    def _changes_something(self) -> TableChange:
        if not self.add and not self.set and self.products is None and self.ndcs is None:
            raise ValueError("write `add`, `set`, `products` or `ndcs`")
        return self


class LinksChange(Strict):
    """Links added to a card."""

    add: Annotated[list[LinkSpec], Field(min_length=1)]


class ReasonsChange(Strict):
    """Override reasons added to a card."""

    add: Annotated[list[Slug], Field(min_length=1)]


class NoteChange(Strict):
    """Another wording of a note; `number` counts from 1."""

    number: Annotated[int, Field(ge=1)]
    say: Text


class CardChange(Strict):
    """What differs on a card."""

    hide: bool = False
    links: LinksChange | None = None
    source: Source | None = None
    notes: list[NoteChange] = Field(default_factory=list)
    override_reasons: ReasonsChange | None = None
    because: Text | None = None
    by: Text | None = None
    review: date | None = None

    @model_validator(mode="after")
    def _hiding_needs_a_reason(self) -> CardChange:
        if (self.hide or self.notes) and not (self.because and self.by and self.review):
            raise ValueError("`hide` and `notes` need `because`, `by` and `review`")
        return self


class SiteFile(Strict):
    """site.yaml: one site's overlay."""

    site: SiteHeader
    set: dict[Snake, SetTo] = Field(default_factory=dict)
    valuesets: dict[Slug, CodesChange] = Field(default_factory=dict)
    tables: dict[Slug, TableChange] = Field(default_factory=dict)
    cards: dict[Snake, CardChange] = Field(default_factory=dict)


SCHEMAS = {"site.schema.json": SiteFile}
