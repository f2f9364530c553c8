"""A place in a file → what its format lets stand there: the types, marks and descriptions of the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, RootModel

from cds.authoring.testing.cases import PatientsFile, TestFile
from cds.rulebook.format.drug_table import DrugFile
from cds.rulebook.format.reading import ReadingFile
from cds.rulebook.format.review import ReviewFile
from cds.rulebook.format.rule_file import RuleFile
from cds.rulebook.format.site import SiteFile
from cds.rulebook.format.value_set import ValueSetFile
from cds.rulebook.format.vocabulary import SiteVocabularyFile
from cds.rulebook.format.wording import WordingFile
from cds.rulebook.loader import READING, REVIEW, SITE, VOCABULARY, WORDING, is_rule_file
from cds.yaml_source.document import Path as YamlPath

BY_FOLDER: Mapping[str, type[BaseModel]] = {
    "valuesets": ValueSetFile, "tables": DrugFile, "patients": PatientsFile, READING: ReadingFile, REVIEW: ReviewFile,
    WORDING: WordingFile,
}  # fmt: skip


def format_of(path: Path, root: Path) -> type[BaseModel]:
    """The format of a file, by its place in the folder."""
    if path.name.endswith(".test.yaml"):
        return TestFile
    place = path.relative_to(root).parts
    if place == (SITE,):
        return SiteFile
    if place == (VOCABULARY,):
        return SiteVocabularyFile
    return RuleFile if is_rule_file(path, root) else BY_FOLDER.get(place[0], RuleFile)


@dataclass(frozen=True, slots=True)
class Expected:
    """
    One kind of key or value that may be written at a place.

    Attributes:
        type: A model, a dictionary, a list, or a type of single values.
        marks: What the field's type says of it.
        owner: The model whose field it is, and the field; an inner place has that of the nearest one.
        description: What the format says of the field; "" for nothing.
    """

    type: Any
    marks: tuple[Any, ...]
    owner: tuple[type[BaseModel], str]
    description: str = ""

    @property
    def model(self) -> type[BaseModel] | None:
        """The model; None for another type."""
        return self.type if isinstance(self.type, type) and issubclass(self.type, BaseModel) else None


def expected_at(root: type[BaseModel], path: YamlPath, value: Any) -> list[Expected]:
    """What may stand at a path of a file that now holds `value`; empty where the format knows no such place."""
    here = [(Expected(root, (), (root, "")), value)]
    for step in path:
        here = [
            (arm, _below(inside, step))
            for one, inside in here
            for inner in _inner(one, step, inside)
            for arm in _arms(inner, _below(inside, step))
        ]
    return [one for one, _ in here]


def _below(value: Any, step: str | int) -> Any:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        return None


def _inner(one: Expected, step: str | int, value: Any) -> Iterator[Expected]:
    """What may stand one step further inside."""
    model = one.model
    if model is not None and issubclass(model, RootModel):
        root = model.model_fields["root"]
        yield from _inner(Expected(root.annotation, (), one.owner), step, value)
    elif model is not None:
        for name, field in model.model_fields.items():
            if step in (field.alias or name, name):
                yield Expected(field.annotation, tuple(field.metadata), (model, name), field.description or "")
    elif get_origin(one.type) is dict:
        yield Expected(get_args(one.type)[1], one.marks, one.owner, one.description)
    elif get_origin(one.type) is list and isinstance(step, int):
        yield Expected(get_args(one.type)[0], one.marks, one.owner, one.description)


def _arms(one: Expected, value: Any) -> Iterator[Expected]:
    """The types of a union, each with its marks; of kinds of facts, the one that the file says."""
    if get_origin(one.type) is Annotated:
        inner, *marks = get_args(one.type)
        yield from _arms(Expected(inner, (*one.marks, *marks), one.owner, one.description), value)
    elif get_origin(one.type) in (Union, UnionType):
        arms = [arm for part in get_args(one.type) for arm in _arms(_with(one, part), value)]
        arms = [arm for arm in arms if arm.type is not type(None)]
        said = [arm for arm in arms if arm.model is not None and _is_said(arm.model, value)]
        yield from said or arms
    else:
        yield one


def _with(one: Expected, type_: Any) -> Expected:
    return Expected(type_, one.marks, one.owner, one.description)


def _is_said(model: type[BaseModel], value: Any) -> bool:
    """Whether a key of the file says that it is this form of several."""
    if not isinstance(value, dict):
        return False
    find = model.model_fields.get("find")
    if find is not None and "find" in value:
        return value["find"] in get_args(find.annotation)
    told_by = getattr(model, "told_by", "")
    if told_by:
        return told_by in value
    required = [field.alias or name for name, field in model.model_fields.items() if field.is_required()]
    return find is None and bool(required) and all(key in value for key in required) and "find" not in value
