"""Files as an editor has them: unsaved text before what is on disk, what was made of each kept, and its positions."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TypeVar, cast

from lsprotocol import types
from pygls.uris import from_fs_path, to_fs_path
from pygls.workspace import PositionCodec

from cds.yaml_source.document import Path as YamlPath
from cds.yaml_source.ranges import written_in
from cds.yaml_source.source_file import SourceFiles

Made = TypeVar("Made")
Place = tuple[int, int]
"""Line and column from 0, in characters."""


@dataclass(frozen=True, slots=True)
class WrittenScalar:
    """
    One key or one single value of a text, and where it stands.

    Attributes:
        path: Path of keys and indexes; of a key, the path of what it leads to.
        is_key: Whether it is a key.
        value: As read, without quotes.
        end: Behind the last character.
    """

    path: YamlPath
    is_key: bool
    value: str
    start: Place
    end: Place


def written_scalars(text: str) -> tuple[WrittenScalar, ...]:
    """Every key and single value, in the order of the text; nothing of a text that is not YAML."""
    return tuple(_scalars(text))


def _scalars(text: str) -> Iterator[WrittenScalar]:
    for one in written_in(text):
        for place, is_key in ((one.key, True), (one.value if one.text is not None else None, False)):
            if place is not None:
                start, end = (place.line - 1, place.column - 1), (place.end_line - 1, place.end_column - 1)
                yield WrittenScalar(one.path, is_key, str(one.path[-1]) if is_key else str(one.text), start, end)


class EditorFiles(SourceFiles):
    """
    Files of a folder as an editor has them.

    `version` rises with every edit.
    What was made of a text is kept as long as a pass over the folder asks for it: see `forget_unused`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[Hashable, object] = {}
        self._used: set[Hashable] = set()
        self._lock = Lock()
        self.version = 0

    def edit(self, path: Path, text: str | None) -> None:
        """Take the unsaved text of a file; None: what is on disk counts again."""
        others = {other: there for other, there in self.unsaved.items() if other != path}
        self.unsaved = others if text is None else {**others, path: text}
        self.version += 1

    def changed(self) -> None:
        """Files on disk are others now."""
        self.version += 1

    def text(self, path: Path) -> str:
        """The same as text; "" for a file that cannot be read."""
        try:
            return self.read(path).decode("utf-8", errors="replace")
        except Exception:  # noqa: BLE001 (a file that is gone has no positions)
            return ""

    def made(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What is made of a text, once as long as the text is the same."""
        with self._lock:
            self._used.add(key)
            if key in self._kept:
                return cast("Made", self._kept[key])
        made = make()
        with self._lock:
            self._kept[key] = made
        return made

    def forget_unused(self) -> None:
        """Drop what no one asked for since the last call: texts that have changed since."""
        with self._lock:
            self._kept = {key: value for key, value in self._kept.items() if key in self._used}
            self._used = set()


def path_of(uri: str) -> Path | None:
    """The file of an address; None for what is no file."""
    name = to_fs_path(uri)
    return Path(name) if name else None


def uri_of(path: Path | str) -> str:
    """The address of a file."""
    return from_fs_path(str(path)) or ""


def place_of(position: types.Position, text: str, codec: PositionCodec) -> Place:
    """A position of the editor as line and column in characters."""
    lines = text.split("\n")
    if position.line >= len(lines):
        return len(lines) - 1, len(lines[-1])
    found = codec.position_from_client_units(lines, position)
    return found.line, found.character


def range_of(start: Place, end: Place, text: str, codec: PositionCodec) -> types.Range:
    """Two places as a range of the editor."""
    lines = text.split("\n")
    return types.Range(_position(start, lines, codec), _position(end, lines, codec))


def _position(place: Place, lines: list[str], codec: PositionCodec) -> types.Position:
    line, column = place
    before = lines[line][:column] if line < len(lines) else ""
    return types.Position(line, codec.client_num_units(before))
