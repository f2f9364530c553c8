"""The file of a value set."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from cds.rulebook.format.about import Attribute, Checked
from cds.yaml_source.fields import Slug, Strict, Text, Url


class CharacterRange(Strict):
    """
    Codes of a range of categories (first three characters) in which one character says something.

    The intent of a poisoning is the sixth character of T36 to T65 in ICD-10-CM. Characters are counted without the dot;
    where that one is a filler (X), the one before it is read.
    """

    from_: Annotated[str, Field(alias="from", pattern=r"^[A-Z][0-9A-Z]{2}$")]
    to: Annotated[str, Field(pattern=r"^[A-Z][0-9A-Z]{2}$")]
    character: Annotated[int, Field(ge=4, le=7)]
    is_: Annotated[str, Field(alias="is", pattern=r"^[0-9A-Z]$")]
    display: Text

    @model_validator(mode="after")
    def _in_order(self) -> CharacterRange:
        if self.from_ > self.to:
            raise ValueError("`from` stands after `to`: no code lies between them")
        return self


class CodeGroup(Strict):
    """Codes of one system from one source."""

    system: Text
    source: Text
    verified: bool
    exact: dict[str, str] = {}
    with_children: dict[str, str] = {}
    except_: Annotated[dict[str, str], Field(alias="except")] = {}
    by_character: list[CharacterRange] = []


Language = Annotated[
    str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$"), Field(description="BCP-47, such as de.")
]


class NamesGroup(Strict):
    """Words of one language matched in text and displays: weaker evidence than a code."""

    language: Language = "en"
    source: Text
    verified: bool
    certain: Annotated[
        bool, Field(description="false: they only suggest it, and a match is never more than possible.")
    ] = True
    words: Annotated[
        list[Text],
        Field(description="Phrases; a single word may begin or end with a star, for part of a longer word."),
    ] = []
    abbreviations: Annotated[
        list[Text], Field(description="Whole words that are found only as they are written, in capitals.")
    ] = []
    unless: Annotated[
        list[Text], Field(description="Phrases that take the words back, where they are no part of them.")
    ] = []

    @model_validator(mode="after")
    def _says_something(self) -> NamesGroup:
        if not self.words and not self.abbreviations:
            raise ValueError("write `words`, `abbreviations` or both")
        return self


class FullNamesGroup(Strict):
    """Whole names of an Observation, or of an answer, that nobody gave a common code: as good as a code."""

    language: Language = "en"
    source: Text
    verified: bool
    called: Annotated[
        list[Text],
        Field(min_length=1, description="The whole text or display; case, spaces and punctuation are not compared."),
    ]


class AnswerGroup(Strict):
    """Coded answers that stand for a number."""

    system: Text
    source: Text
    verified: bool
    values: dict[str, int | float]


class AnswersInWords(Strict):
    """Answers in words that stand for a number."""

    language: Language = "en"
    source: Text
    verified: bool
    values: Annotated[dict[str, int | float], Field(description="The whole answer, as `full_names` are compared.")]


class ValueSetHeader(Strict):
    """What a value set is."""

    id: Slug | None = None
    adds_to: Slug | None = None
    title: Text
    notice: Text | None = None
    limits: Text | None = None
    checked: Checked | None = None
    canonical: Annotated[
        Url | None, Field(description="The published ValueSet it follows; `cds terminology` compares the two.")
    ] = None
    version: Annotated[Text | None, Field(description="Which version of `canonical`.")] = None
    source_attribute: Annotated[
        Attribute | None, Field(description="What reading these codes uses of the person, as in `about.uses`.")
    ] = None

    @model_validator(mode="after")
    def _one_name(self) -> ValueSetHeader:
        if (self.id is None) == (self.adds_to is None):
            raise ValueError("write `id`, or `adds_to` for codes that go into another file's set")
        if (self.canonical is None) != (self.version is None):
            raise ValueError("write `canonical` and `version` together, or neither")
        return self


class ValueSetFile(Strict):
    """One value set: codes with their source."""

    valueset: ValueSetHeader
    codes: list[CodeGroup] = []
    names: NamesGroup | list[NamesGroup] | None = None
    full_names: list[FullNamesGroup] = []
    answers: list[AnswerGroup] = []
    answers_in_words: list[AnswersInWords] = []
