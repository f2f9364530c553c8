"""One file, read: a model that remembers its file and lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from cds.yaml_source.document import Path as YamlPath
from cds.yaml_source.document import YamlDocument
from cds.yaml_source.problem import Problem

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class LoadedFile(Generic[Model]):
    """
    One file, read.

    Attributes:
        file: Path as the author knows it.
        located: Values and lines.
        model: The file as a model.
        digest: SHA-256 of its bytes.
        text: What stands in it.
        overlaid: Path → the file, and the place in it, that wrote what is read there instead.
    """

    file: str
    located: YamlDocument
    model: Model
    digest: str
    text: str = ""
    overlaid: Mapping[YamlPath, tuple[LoadedFile[Any], YamlPath]] = field(default_factory=dict)

    def problem(
        self, path: YamlPath, check: str, what: str, fix: str, why: str = "", *, warning: bool = False
    ) -> Problem:
        """A problem at a path of this file; of what an overlay wrote, at its place there."""
        for end in range(len(path), 0, -1) if self.overlaid else ():
            if path[:end] in self.overlaid:
                file, start = self.overlaid[path[:end]]
                return file.problem((*start, *path[end:]), check, what, fix, why, warning=warning)
        line, column = self.located.at(path)
        return Problem(self.file, line, column, check, what, fix, why, warning)
