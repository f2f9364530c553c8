"""One file, read: a model that remembers its file and lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

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
    """

    file: str
    located: YamlDocument
    model: Model
    digest: str
    text: str = ""

    def problem(
        self, path: YamlPath, check: str, what: str, fix: str, why: str = "", *, warning: bool = False
    ) -> Problem:
        """A problem at a path of this file."""
        line, column = self.located.at(path)
        return Problem(self.file, line, column, check, what, fix, why, warning)
