"""YAML text → from where to where each key and value is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from yaml.error import MarkedYAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from cds.yaml_source.document import Path, composed


@dataclass(frozen=True, slots=True, order=True)
class TextRange:
    """From a line and column to another, both from 1; the end is the first character that is not in it."""

    line: int
    column: int
    end_line: int
    end_column: int

    def overlaps(self, other: TextRange) -> bool:
        """Whether a character is in both; two insertions at one place overlap, because their order is open."""
        mine, theirs = (self.line, self.column), (other.line, other.column)
        return mine == theirs or (
            mine < (other.end_line, other.end_column) and theirs < (self.end_line, self.end_column)
        )


@dataclass(frozen=True, slots=True)
class Written:
    """
    One key or item of a YAML text.

    Attributes:
        path: Keys and indexes that lead to it.
        key: Where the key is; None for an item of a list and for the whole.
        value: Where the value is, with its quotes.
        text: The value of a scalar; None for a list and for keys with values.
        in_flow: Whether the keys around it are in braces.
    """

    path: Path
    key: TextRange | None
    value: TextRange
    text: str | None
    in_flow: bool

    @property
    def start(self) -> tuple[int, int]:
        """Line and column at which a problem names it."""
        first = self.key or self.value
        return first.line, first.column


def written_in(text: str) -> list[Written]:
    """Everything that is written in a YAML text, in order; nothing of what is not YAML."""
    try:
        node = composed(text)
    except (MarkedYAMLError, ReaderError, RecursionError):
        return []
    return list(_of(node, (), None, in_flow=False, seen=set())) if node is not None else []


def offset(text: str, line: int, column: int) -> int:
    """Index of a line and column (from 1) in a text; its end for a place behind it."""
    lines = text.split("\n")
    before = sum(len(one) + 1 for one in lines[: line - 1])
    return min(before + column - 1, len(text))


def place(text: str, index: int) -> tuple[int, int]:
    """Line and column (from 1) of an index."""
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


def range_of(text: str, start: int, end: int) -> TextRange:
    """The range between two indexes."""
    return TextRange(*place(text, start), *place(text, end))


def whole(text: str) -> TextRange:
    """The range of all of a text."""
    return TextRange(1, 1, *place(text, len(text)))


def _of(node: Node, path: Path, key: Node | None, *, in_flow: bool, seen: set[int]) -> Iterator[Written]:
    scalar = str(node.value) if isinstance(node, ScalarNode) else None
    yield Written(path, _range(key) if key is not None else None, _range(node), scalar, in_flow)
    if id(node) in seen:  # an alias: what it repeats is written elsewhere
        return
    seen.add(id(node))
    if isinstance(node, MappingNode):
        for name, value in node.value:
            step = str(name.value) if isinstance(name, ScalarNode) else str(name.start_mark)
            yield from _of(value, (*path, step), name, in_flow=bool(node.flow_style), seen=seen)
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            yield from _of(item, (*path, index), None, in_flow=bool(node.flow_style), seen=seen)


def _range(node: Node) -> TextRange:
    start, end = node.start_mark, node.end_mark
    return TextRange(start.line + 1, start.column + 1, end.line + 1, end.column + 1)
