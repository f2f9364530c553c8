"""The file of a drug table."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from cds.rulebook.format.about import Checked
from cds.rulebook.format.value_set import Language
from cds.yaml_source.fields import Slug, Strict, Text


def _code_is_text(value: object) -> object:
    if isinstance(value, int | float):
        raise PydanticCustomError("codes_not_text", "a code is text: put it in quotes")
    return value


CodeText = Annotated[str, StringConstraints(min_length=1), BeforeValidator(_code_is_text)]


class ClassCode(Strict):
    """A class of drugs in a hierarchical code system (ATC)."""

    system: Text
    code: CodeText


class TableHeader(Strict):
    """What a drug table is."""

    id: Slug
    title: Text
    products: Annotated[
        str | None,
        Field(description="The CSV file of its products; without it drugs are known by code and name alone."),
    ] = None
    ndcs: Annotated[
        str | None,
        Field(description="The CSV file of the National Drug Codes of its products; without it none is known."),
    ] = None
    says_nothing: Annotated[
        list[Text], Field(description="Words of a medication's name that do not tell which drug it is.")
    ] = []
    classes: Annotated[
        list[ClassCode], Field(description="Classes whose members belong here although no row knows them.")
    ] = []
    notice: Text | None = None
    limits: Text | None = None
    checked: Checked | None = None


class MinimumDose(Strict):
    """A minimum adequate dose."""

    value: Annotated[int | float, Field(gt=0)]
    basis: Text
    verified: bool


class DrugNames(Strict):
    """Brand names and other spellings."""

    brands: list[Text] = []
    brands_unverified: list[Text] = []
    spellings: list[Text] = []
    verified: bool = False
    languages: Annotated[
        dict[Language, list[Text]], Field(description="Names and brands by language; unverified, unless it says so.")
    ] = {}


class DrugRow(Strict):
    """One drug."""

    class_: Annotated[str, Field(alias="class")] = ""
    molecule: Annotated[
        Slug | None, Field(description="What drugs of one molecule share: an enantiomer, a metabolite.")
    ] = None
    role: Literal["antidepressant", "augmentation", "target", "none"]
    counts_as_trial: Literal["any", "transdermal", "never"]
    rxnorm: CodeText | None = None
    atc: list[CodeText] = []
    minimum_mg_a_day: MinimumDose | None = None
    strict_minimum_mg_a_day: MinimumDose | None = None
    names: DrugNames = DrugNames()
    source: Text
    notes: str | None = None


class DrugFile(Strict):
    """One drug table."""

    table: TableHeader
    drugs: dict[Slug, DrugRow]
