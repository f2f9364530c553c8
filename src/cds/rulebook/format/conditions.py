"""Conditions, as rule files write them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, RootModel, Tag, model_validator

from cds.yaml_source.fields import NumberOrName, Slug, Snake, Strict


class Limits(Strict):
    """One comparison of a number with its limit."""

    at_least: NumberOrName | None = None
    above: NumberOrName | None = None
    at_most: NumberOrName | None = None
    below: NumberOrName | None = None
    between: Annotated[list[NumberOrName], Field(min_length=2, max_length=2)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Limits:
        if len(self.model_fields_set) != 1:
            raise ValueError("write exactly one of at_least, above, at_most, below, between")
        return self


class AllOf(Strict):
    """Every part is true."""

    all: Annotated[list[Statement], Field(min_length=1)]


class AnyOf(Strict):
    """Some part is true."""

    any: Annotated[list[Statement], Field(min_length=1)]


class NotThis(Strict):
    """The part is false."""

    not_: Annotated[Statement, Field(alias="not")]


class AtLeastOf(Strict):
    """So many of the parts are true."""

    at_least: int
    of: Annotated[list[Statement], Field(min_length=1)]


class UnknownThis(Strict):
    """True when it could not be decided."""

    unknown: Statement


class PossiblyThis(Strict):
    """True or unknown: it cannot be ruled out."""

    possibly: Statement


class UnderDefinition(Strict):
    """What the conclusion of a set of definitions is under one of them."""

    definition: Slug


class Comparing(RootModel[dict[Snake, Limits]]):
    """A fact compared with a limit: `phq9: {at_least: 10}`."""

    model_config = ConfigDict(frozen=True, strict=True)

    @model_validator(mode="after")
    def _one_fact(self) -> Comparing:
        if len(self.root) != 1:
            raise ValueError("compare one fact at a time; write `all:` with several comparisons")
        return self


def _kind_of_condition(value: Any) -> str:
    if isinstance(value, str):
        return "name"
    keys = set(value) if isinstance(value, dict) else set()
    if isinstance(value, BaseModel):
        return {
            "AllOf": "all", "AnyOf": "any", "NotThis": "not", "AtLeastOf": "at_least",
            "UnknownThis": "unknown", "PossiblyThis": "possibly", "UnderDefinition": "definition",
            "Comparing": "compare",
        }[type(value).__name__]  # fmt: skip
    for key in ("all", "any", "not", "unknown", "possibly", "definition"):
        if key in keys:
            return key
    if "of" in keys or "at_least" in keys:
        return "at_least"
    return "compare"


Statement = Annotated[
    Annotated[Snake, Tag("name")]
    | Annotated[AllOf, Tag("all")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[NotThis, Tag("not")]
    | Annotated[AtLeastOf, Tag("at_least")]
    | Annotated[UnknownThis, Tag("unknown")]
    | Annotated[PossiblyThis, Tag("possibly")]
    | Annotated[UnderDefinition, Tag("definition")]
    | Annotated[Comparing, Tag("compare")],
    Discriminator(_kind_of_condition),
]


for _form in (AllOf, AnyOf, NotThis, AtLeastOf, UnknownThis, PossiblyThis):
    _form.model_rebuild()
