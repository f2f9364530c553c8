"""The rule-file format: one pydantic model of it, from which the JSON Schemas come."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    StringConstraints,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from cds.facts.episode import RemissionByScore
from cds.facts.kinds import BY_TAG, FactSpec
from cds.facts.rating_scale import Band, Category, EachItem, HighestItem, IfItem
from cds.facts.trials.definition import AdequateWhen, Adherence, NoResponseWhen, PartialResponse, ScoreOfTrial
from cds.yaml_source.fields import (
    NUMBER_AND_UNIT,
    Around,
    Day,
    Duration,
    NumberOrName,
    Slug,
    Snake,
    Strict,
    Text,
    Url,
)

HOLE = re.compile(r"\{\{([^{}]*)\}\}")
HOLE_NAME = re.compile(r"[a-z][a-z0-9_]*")
# ---------------------------------------------------------------- about, evidence, parameters


class Review(Strict, title="Reviewed"):
    """Who looked at the file last, and when it must be looked at again."""

    date: Day
    by: Text
    next: Day


class Retirement(Strict, title="Retired"):
    """Why a rule is no longer used."""

    date: Day
    because: Text
    replaced_by: Slug | None = None


class Uses(Strict):
    """
    What data about the person a file uses, and what for: 45 CFR 170.315(b)(11)(iv)(A)(5) to (13), in its order.

    Each names data as USCDI does. `sex` is what FHIR's Patient.gender says.
    """

    race: Text | None = None
    ethnicity: Text | None = None
    language: Text | None = None
    sexual_orientation: Text | None = None
    gender_identity: Text | None = None
    sex: Text | None = None
    date_of_birth: Text | None = None
    social_determinants: Text | None = None
    health_status_assessments: Text | None = None


Attribute = Literal[
    "race", "ethnicity", "language", "sexual_orientation", "gender_identity", "sex", "date_of_birth",
    "social_determinants", "health_status_assessments",
]  # fmt: skip


class About(Strict):
    """What a file is, who answers for it, and what it does not cover."""

    id: Slug
    title: Text
    version: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$")]
    status: Literal["draft", "silent", "active", "retired"]
    purpose: Text
    limits: Text
    owners: Annotated[list[Text], Field(min_length=1)]
    safety: Annotated[
        bool, Field(description="Patients may come to harm when it is wrong: no change of it may pass its tests.")
    ] = False
    reviewed: Review
    developer: Annotated[Text | None, Field(description="Who made a rule of the research or guideline.")] = None
    funding: Annotated[Text | None, Field(description="Who paid for writing it down and for its program.")] = None
    released: Annotated[Day | None, Field(description="The first day a server could have used it.")] = None
    revised: Annotated[Day | None, Field(description="The day of this version, if it is not the first.")] = None
    uses: Annotated[Uses, Field(description="What it uses of the person, and what for.")] = Uses()
    does_not_use: Annotated[list[Attribute], Field(description="What it does not use.")] = []
    retired: Retirement | None = None


class Evidence(Strict):
    """Why one should believe it."""

    cite: Text
    doi: str | None = None
    url: Url | None = None
    says: Text
    verified: Annotated[
        bool, Field(description="Whether someone of this project read the source; false is listed for a reviewer.")
    ]


class Parameter(Strict):
    """A number or word that could be argued about."""

    value: int | float | str
    unit: str | None = None
    one_of: list[str] | None = None
    site_may_set: list[int | float] | Literal[True] | None = None
    evidence: list[Slug] = []
    note: str | None = None
    formerly: list[Snake] = []

    @model_validator(mode="after")
    def _number_needs_unit(self) -> Parameter:
        if isinstance(self.value, str):
            if not self.one_of or self.value not in self.one_of:
                if found := NUMBER_AND_UNIT.fullmatch(self.value):
                    number, unit = found.groups()
                    raise ValueError(
                        f"`{self.value}` is a number and its unit in one: write `value: {number}, unit: {unit}`"
                    )
                raise ValueError("a word needs `one_of`, and must stand in it")
        elif not self.unit:
            raise ValueError("a number needs a `unit`")
        if isinstance(self.site_may_set, list) and len(self.site_may_set) != 2:
            raise ValueError("`site_may_set` is [lowest, highest], or true for a word with `one_of`")
        return self


# ---------------------------------------------------------------- conditions


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


# ---------------------------------------------------------------- definitions


class DefinitionSpec(Strict):
    """One definition: what differs from the values written under `parameters`."""

    label: Text
    says: Text
    evidence: Annotated[list[Slug], Field(min_length=1)]
    with_: dict[Snake, int | float | str] = Field(
        default={}, alias="with", description="Parameter → its value under this definition."
    )
    formerly: list[Slug] = []


class DefinitionsSpec(Strict):
    """One conclusion under several definitions, side by side; a parameter chooses the one that drives the cards."""

    of: Snake
    chosen_by: Snake
    are: Annotated[dict[Slug, DefinitionSpec], Field(min_length=2)]


# ---------------------------------------------------------------- conclusions, services, cards


class Conclusion(Strict):
    """What follows."""

    label: Text
    evidence: list[Slug] = []
    locked: bool = False
    formerly: list[Snake] = []
    when: Statement | None = None
    all: Annotated[list[Statement], Field(min_length=1)] | None = None
    any: Annotated[list[Statement], Field(min_length=1)] | None = None
    not_: Annotated[Statement | None, Field(alias="not")] = None
    at_least: int | None = None
    of: Annotated[list[Statement], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_condition(self) -> Conclusion:
        forms = [form for form in ("when", "all", "any", "not_", "at_least") if form in self.model_fields_set]
        if len(forms) != 1:
            raise ValueError("write exactly one of `all`, `any`, `not`, `at_least` with `of`, or `when`")
        if ("of" in self.model_fields_set) != (forms == ["at_least"]):
            raise ValueError("`at_least` and `of` go together")
        return self

    def condition(self) -> Any:
        """The condition, as a Statement."""
        if self.when is not None:
            return self.when
        if self.all is not None:
            return AllOf(all=self.all)
        if self.any is not None:
            return AnyOf(any=self.any)
        if self.not_ is not None:
            return NotThis.model_validate({"not": self.not_})
        return AtLeastOf(at_least=self.at_least or 0, of=self.of or [])


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
    say: Text
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
    summary: Text
    detail: Text
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


class ListsSpec(Strict):
    """How long ago value sets and drug tables may have been compared with a release of their code systems."""

    checked_within: Annotated[
        Duration, Field(description="After that `cds check` warns: 12 months, or the name of a parameter.")
    ]


class RuleFile(Strict):
    """One rule file: one clinical question."""

    about: About
    evidence: dict[Slug, Evidence] = {}
    parameters: dict[Snake, Parameter] = {}
    facts: dict[Snake, FactSpec] = {}
    conclusions: dict[Snake, Conclusion] = {}
    definitions: DefinitionsSpec | None = None
    services: dict[Slug, ServiceSpec] = {}
    cards: dict[Snake, CardSpec] = {}
    lists: ListsSpec | None = None


# ---------------------------------------------------------------- value sets and tables


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


class Checked(Strict):
    """When a list of codes was last compared with a release, and with which."""

    date: Day
    release: Annotated[Text, Field(description="ICD-10-CM 2026, RxNorm 2026-11-02, …")]


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
    products: str
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


SCHEMAS: dict[str, type[BaseModel]] = {
    "rules.schema.json": RuleFile,
    "valueset.schema.json": ValueSetFile,
    "drugs.schema.json": DrugFile,
}


def known_keys(loc: tuple[int | str, ...], root: type[BaseModel] = Strict) -> list[str]:
    """Keys that can stand at a place pydantic names, for did-you-mean; all keys of the format if it is not clear."""
    names = {type_.__name__: type_ for type_ in _all_models(Strict)}
    by_tag: dict[str, type[BaseModel]] = {
        **BY_TAG,
                        "about": About, "uses": Uses, "evidence": Evidence, "parameters": Parameter, "compare": Limits,
        "conclusions": Conclusion, "services": ServiceSpec, "cards": CardSpec, "notes": Note,
        "no_response_when": NoResponseWhen, "partial_response": PartialResponse, "adherence": Adherence,
        "adequate_when": AdequateWhen, "suggestions": SuggestionSpec,
        "reviewed": Review, "retired": Retirement, "source": Source, "topic": Topic, "links": LinkSpec,
        "actions": ActionSpec, "remission_by_score": RemissionByScore, "measured_by": ScoreOfTrial,
        "baseline_within": Around, "last_score_within": Around, "switch_within": Around, "at_least": AtLeastOf,
        "valueset": ValueSetHeader, "codes": CodeGroup, "by_character": CharacterRange,
        "answers": AnswerGroup, "table": TableHeader,
        "classes": ClassCode, "drugs": DrugRow, "names": NamesGroup, "full_names": FullNamesGroup,
        "answers_in_words": AnswersInWords,
          "bands": Band, "each": EachItem, "if": IfItem,
        "highest_of": HighestItem, "categories": Category,
        "definitions": DefinitionsSpec, "are": DefinitionSpec, "definition": UnderDefinition,
        "minimum_mg_a_day": MinimumDose, "strict_minimum_mg_a_day": MinimumDose,
    }  # fmt: skip
    if "drugs" in loc:
        by_tag["names"] = DrugNames
    if not loc and root is not Strict:
        return _keys(root)
    for step in reversed(loc):
        if isinstance(step, str) and step in by_tag:
            return _keys(by_tag[step])
    return sorted({key for model in names.values() for key in _keys(model)})


def _keys(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _all_models(base: type[BaseModel]) -> set[type[BaseModel]]:
    found = set(base.__subclasses__())
    return found.union(*(_all_models(model) for model in found)) if found else found
