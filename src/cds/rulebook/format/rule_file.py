"""The rule-file format: one pydantic model of it, from which the JSON Schemas come."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    Field,
    model_validator,
)

from cds.facts.episode import EndByPause, RemissionByScore
from cds.facts.kinds import BY_TAG, FactSpec
from cds.facts.rating_scale import Band, Category, EachItem, HighestItem, IfItem
from cds.facts.trials.definition import AdequateWhen, Adherence, NoResponseWhen, PartialResponse, ScoreOfTrial
from cds.rulebook.format.about import About, Evidence, Parameter, Retirement, Review, Uses
from cds.rulebook.format.cards import ActionSpec, CardSpec, LinkSpec, Note, ServiceSpec, Source, SuggestionSpec, Topic
from cds.rulebook.format.cohort import CohortSpec, LacksSpec
from cds.rulebook.format.conditions import AllOf, AnyOf, AtLeastOf, Limits, NotThis, Statement, UnderDefinition
from cds.rulebook.format.drug_table import ClassCode, DrugFile, DrugNames, DrugRow, MinimumDose, TableHeader
from cds.rulebook.format.leaflets import LeafletLanguage, LeafletNotices, LeafletPoint, LeafletSection, LeafletSpec
from cds.rulebook.format.published import PublishedSpec
from cds.rulebook.format.value_set import (
    AnswerGroup,
    AnswersInWords,
    CharacterRange,
    CodeGroup,
    FullNamesGroup,
    NamesGroup,
    ValueSetFile,
    ValueSetHeader,
)
from cds.yaml_source.fields import (
    Around,
    Duration,
    Slug,
    Snake,
    Strict,
    Text,
)


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
    patterns: Annotated[
        dict[Snake, dict[str, Any]], Field(description="Keys that several facts share; a fact names them with `like`.")
    ] = {}
    facts: dict[Snake, FactSpec] = {}
    conclusions: dict[Snake, Conclusion] = {}
    definitions: DefinitionsSpec | None = None
    published: Annotated[
        dict[Slug, PublishedSpec], Field(description="Definitions of others; the file is read only when asked for.")
    ] = {}
    cohorts: Annotated[
        dict[Slug, CohortSpec], Field(description="Questions to a population; the file is read for those alone.")
    ] = {}
    services: dict[Slug, ServiceSpec] = {}
    cards: dict[Snake, CardSpec] = {}
    leaflets: Annotated[
        dict[Slug, LeafletSpec],
        Field(description="General words on a treatment: behind a card, or to print."),
    ] = {}
    lists: ListsSpec | None = None


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
        "actions": ActionSpec, "remission_by_score": RemissionByScore,
        "end_by_pause": EndByPause, "measured_by": ScoreOfTrial,
        "baseline_within": Around, "last_score_within": Around, "switch_within": Around, "at_least": AtLeastOf,
        "valueset": ValueSetHeader, "codes": CodeGroup, "by_character": CharacterRange,
        "answers": AnswerGroup, "table": TableHeader,
        "classes": ClassCode, "drugs": DrugRow, "names": NamesGroup, "full_names": FullNamesGroup,
        "answers_in_words": AnswersInWords,
          "bands": Band, "each": EachItem, "if": IfItem,
        "highest_of": HighestItem, "categories": Category,
        "definitions": DefinitionsSpec, "are": DefinitionSpec, "definition": UnderDefinition,
        "published": PublishedSpec, "cohorts": CohortSpec, "lacks": LacksSpec,
        "leaflets": LeafletSpec, "sections": LeafletSection, "points": LeafletPoint, "notices": LeafletNotices,
        "languages": LeafletLanguage,
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
