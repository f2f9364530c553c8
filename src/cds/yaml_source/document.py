"""YAML 1.2 text → plain values that remember where they stood."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from yaml._yaml import CParser
from yaml.composer import Composer
from yaml.error import MarkedYAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from cds.yaml_source.problem import Problem

Path = tuple[str | int, ...]

# YAML 1.2 core schema (section 10.3): only these are booleans and numbers; `yes`, `on` and `NO` are words.
BOOLEAN = {"true": True, "false": False}
INTEGER = re.compile(r"[-+]?[0-9]{1,40}\Z")  # a longer one is a mistake of writing, and stays text
MOST_VALUES = 100_000
NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]{1,40}(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


@dataclass
class YamlDocument:
    """
    A YAML document as plain values.

    Attributes:
        value: dict, list, str, int, float, bool, date or None.
        lines: Path of keys and indexes → (line, column) from 1, of the key where there is one.
        plain_keys: Paths whose key stands without quotes.
        repeats: Path of an alias → path of what it repeats.
        problems: Syntax errors and duplicate keys.
    """

    file: str
    value: Any = None
    lines: dict[Path, tuple[int, int]] = field(default_factory=dict)
    plain_keys: set[Path] = field(default_factory=set)
    repeats: dict[Path, Path] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def at(self, path: Path) -> tuple[int, int]:
        """Line and column of a path, or of the nearest thing above it that has one."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return (1, 1)

    def written(self, path: Path) -> Path:
        """Where what is read at a path is written: elsewhere, inside an alias."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.repeats:
                return self.written((*self.repeats[path[:end]], *path[end:]))
        return path

    def value_at(self, path: Path) -> Any:
        """The value at a path; None where there is none."""
        value = self.value
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value


class _Nodes(Composer, CParser):
    """
    libyaml's events put together as nodes, whose values we read ourselves.

    In Python, where nesting too deep is an error; libyaml's own composer would overflow its stack.
    """

    def __init__(self, text: str) -> None:
        CParser.__init__(self, text)
        Composer.__init__(self)

    def descend_resolver(self, current_node: Node | None, current_index: Node | int | None) -> None:
        """Nothing: tags that plain words would have in YAML 1.1 are not asked for."""

    def ascend_resolver(self) -> None:
        """Nothing, as above."""

    def resolve(self, kind: type[Node], value: str | None, implicit: tuple[bool, bool]) -> str:  # noqa: ARG002
        """No tag."""
        return ""


def composed(text: str) -> Node | None:
    """
    The nodes of a YAML text, each with its place; None for an empty one.

    Raises:
        MarkedYAMLError, ReaderError, RecursionError: The text is not YAML.
    """
    node: Node | None = _Nodes(text).get_single_node()
    return node


def read_yaml(text: str, file: str) -> YamlDocument:
    """Read one document; every duplicate key is a problem, and so is text that is not YAML."""
    located = YamlDocument(file)
    try:
        node = composed(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = " ".join(str(part) for part in (error.problem, error.context) if part)
        located.problems.append(
            Problem(
                file, line, column, "yaml-syntax", f"This is not YAML: {what}.", "Check indentation and quotes here."
            )
        )
        return located
    except ReaderError as error:  # a character YAML does not allow
        line = text.encode().count(b"\n", 0, error.position) + 1
        located.problems.append(
            Problem(file, line, 1, "yaml-syntax", "This is not YAML: a control character.", "Type the line again.")
        )
        return located
    except RecursionError:
        located.problems.append(
            Problem(file, 1, 1, "yaml-syntax", "This is nested too deeply.", "Write fewer brackets inside each other.")
        )
        return located
    if node is None:
        located.problems.append(
            Problem(file, 1, 1, "yaml-syntax", "The file is empty.", "Write an `about` section, or remove the file.")
        )
        return located
    located.value = _value(node, (), located, frozenset())
    located.repeats = _repeats(node, ())
    return located


def _value(node: Node, path: Path, located: YamlDocument, inside: frozenset[int]) -> Any:
    if len(located.lines) > MOST_VALUES:
        # Aliases of aliases grow without end ("billion laughs"); what is left is not read.
        what = f"Aliases make more than {MOST_VALUES:,} values of this file."
        told = Problem(located.file, 1, 1, "yaml-syntax", what, "Write the values out, or split the file.")
        if told not in located.problems:
            located.problems.append(told)
        return None
    located.lines.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
    if id(node) in inside:
        line, column = located.lines[path]
        located.problems.append(
            Problem(located.file, line, column, "yaml-syntax", "An alias contains itself.", "Write the value out.")
        )
        return None
    match node:
        case MappingNode():
            return _mapping(node, path, located, inside | {id(node)})
        case SequenceNode():
            return [_value(item, (*path, index), located, inside | {id(node)}) for index, item in enumerate(node.value)]
        case ScalarNode():
            return _scalar(node)
    return None


def _repeats(root: Node, path: Path) -> dict[Path, Path]:
    """Path of each alias → path of its anchor."""
    first: dict[int, Path] = {}
    repeats: dict[Path, Path] = {}

    def look(node: Node, path: Path) -> None:
        if not isinstance(node, MappingNode | SequenceNode):
            return
        if id(node) in first:
            repeats[path] = first[id(node)]
            return
        first[id(node)] = path
        if isinstance(node, MappingNode):
            for key, value in node.value:
                look(value, (*path, str(key.value) if isinstance(key, ScalarNode) else str(key.start_mark)))
        else:
            for index, item in enumerate(node.value):
                look(item, (*path, index))

    look(root, path)
    return repeats


def _mapping(node: MappingNode, path: Path, located: YamlDocument, inside: frozenset[int]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value) if isinstance(key_node, ScalarNode) else str(key_node.start_mark)
        line, column = key_node.start_mark.line + 1, key_node.start_mark.column + 1
        if key in mapping:
            first = located.lines[(*path, key)][0]
            located.problems.append(
                Problem(
                    located.file,
                    line,
                    column,
                    "duplicate-key",
                    f"`{key}` stands here a second time; the first is in line {first}.",
                    "Keep one of them.",
                )
            )
            continue
        located.lines[(*path, key)] = (line, column)
        if isinstance(key_node, ScalarNode) and not key_node.style:
            located.plain_keys.add((*path, key))
        mapping[key] = _value(value_node, (*path, key), located, inside)
    return mapping


def _scalar(node: ScalarNode) -> Any:
    text: str = node.value
    if node.style in {"'", '"', "|", ">"}:
        return text
    if text in {"", "null", "~"}:
        return None
    if text in BOOLEAN:
        return BOOLEAN[text]
    if INTEGER.match(text):
        return int(text)
    if NUMBER.match(text):
        return float(text)
    if DATE.match(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            return text
    return text
