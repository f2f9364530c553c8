"""A model's values → each text or number that is marked in the field types: a name, a duration, a limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

from cds.yaml_source.document import Path

Mark = TypeVar("Mark")


@dataclass(frozen=True, slots=True)
class MarkedValue:
    """
    One text or number of a model.

    Attributes:
        value: As written.
        path: Where in the model, in the keys of the file.
        marks: What the field's type says of it.
        within: The model it is a field of.
    """

    value: Any
    path: Path
    marks: tuple[Any, ...]
    within: BaseModel

    def mark(self, kind: type[Mark]) -> Mark | None:
        """The mark of this kind; None without one."""
        return next((mark for mark in self.marks if isinstance(mark, kind)), None)


def marked(model: BaseModel, path: Path = ()) -> Iterator[MarkedValue]:
    """Every text and number inside a model, with the marks of its field's type, in the order of the fields."""
    for name, key, field in _fields(type(model)):
        yield from _inside(getattr(model, name), field, (*path, key), model)


class _MarkedField:
    """A field by its type: what is marked of it, and its items; worked out once, since a start looks at it often."""

    def __init__(self, type_: Any, outer: tuple[Any, ...]) -> None:
        self._type = type_
        self._outer = outer
        self.marks = (*outer, *_marks_of(type_))

    @cached_property
    def items(self) -> _MarkedField:
        """The items of a list."""
        item, more = _item_of(self._type)
        return _MarkedField(item, (*self._outer, *more))


@cache
def _fields(kind: type[BaseModel]) -> tuple[tuple[str, str, _MarkedField], ...]:
    return tuple(
        (name, info.alias or name, _MarkedField(info.annotation, tuple(info.metadata)))
        for name, info in kind.model_fields.items()
    )


def _inside(value: Any, field: _MarkedField, path: Path, within: BaseModel) -> Iterator[MarkedValue]:
    if isinstance(value, BaseModel):
        yield from marked(value, path)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _inside(one, field.items, (*path, index), within)
    elif value is not None:
        yield MarkedValue(value, path, field.marks, within)


def _item_of(type_: Any) -> tuple[Any, tuple[Any, ...]]:
    """The type of the items of a list, and what is marked of all of them."""
    if get_origin(type_) is Annotated:
        inner, *marks = get_args(type_)
        item, more = _item_of(inner)
        return item, (*marks, *more)
    if get_origin(type_) is list:
        return get_args(type_)[0], ()
    if get_origin(type_) in (Union, UnionType):
        found = [_item_of(arm) for arm in get_args(type_)]
        return next((one for one in found if one[0] is not Any), (Any, ()))
    return Any, ()


def _marks_of(type_: Any) -> tuple[Any, ...]:
    """What is marked of a text or number of this type."""
    if get_origin(type_) is Annotated:
        inner, *marks = get_args(type_)
        return (*marks, *_marks_of(inner))
    if get_origin(type_) in (Union, UnionType):
        return tuple(mark for arm in get_args(type_) for mark in _marks_of(arm))
    return ()


def words_of_field(type_: Any) -> tuple[str, ...]:
    """The words a field can be one of; () for a field of another type."""
    if get_origin(type_) is Annotated:
        return words_of_field(get_args(type_)[0])
    if get_origin(type_) is Literal:
        return tuple(word for word in get_args(type_) if isinstance(word, str))
    if get_origin(type_) in (Union, UnionType):
        arms = [arm for arm in get_args(type_) if arm is not type(None)]
        return words_of_field(arms[0]) if len(arms) == 1 else ()
    return ()
