"""Files that people write, read with care: what they are and how large comes before what stands in them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from cds.errors import CdsError

Made = TypeVar("Made")

MAX_SOURCE_BYTES = 2_000_000  # the largest file of the shipped rules has 80 kB


class UnreadableSourceError(CdsError):
    """
    A file that is not read.

    Attributes:
        what, fix: One sentence each, without anything that stands in the file.
    """

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


def source_bytes(path: Path, folders: Iterable[Path] = (), max_bytes: int = MAX_SOURCE_BYTES) -> bytes:
    """
    What stands in a file.

    Args:
        folders: A link may lead to a file inside of these only; none given: to any.
        max_bytes: A larger file is not read.

    Raises:
        UnreadableSourceError: It is no plain file, too large, leads elsewhere, or may not be opened.
    """
    try:
        real, allowed = path.resolve(), [folder.resolve() for folder in folders]
        if allowed and not any(real.is_relative_to(folder) for folder in allowed):
            raise UnreadableSourceError(
                "This is a link to a file outside of the folder.", "Put a copy of the file here instead."
            )
        # Without O_NONBLOCK a named pipe would be waited for until somebody writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise UnreadableSourceError(
                    "This is not a plain file (a pipe, a device or a folder).", "Put a text file here, or rename it."
                )
            if about.st_size > max_bytes:
                raise _too_large(max_bytes)
            text = file.read(max_bytes + 1)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
        why = getattr(error, "strerror", None) or "its links lead in a circle"
        raise UnreadableSourceError(f"Cannot open this file: {why}.", "Check its name and who may read it.") from None
    if len(text) > max_bytes:
        raise _too_large(max_bytes)  # it grew while it was read
    return text


class SourceFiles:
    """
    Where files come from: what is on disk, with other texts in place of some.

    Attributes:
        unsaved: Path → text that takes the place of what is in the file: an editor's, or one to be tried.
    """

    def __init__(self, unsaved: Mapping[Path, str] | None = None) -> None:
        self.unsaved: Mapping[Path, str] = dict(unsaved or {})

    def read(self, path: Path, folders: Iterable[Path] = ()) -> bytes:
        """The text in its place, or what stands in a file, as `source_bytes`."""
        text = self.unsaved.get(path)
        return text.encode() if text is not None else source_bytes(path, folders)

    def made(self, key: Hashable, make: Callable[[], Made]) -> Made:  # noqa: ARG002 (for those that keep it)
        """What is made of a text; `key` names the text and what is made of it."""
        return make()


class RecordedFiles(SourceFiles):
    """
    Files on disk, with the bytes of each that was read.

    Attributes:
        found: Path → what stood in the file when it was read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[Path, bytes] = {}

    def read(self, path: Path, folders: Iterable[Path] = ()) -> bytes:
        """What stands in a file, as `source_bytes`; it is kept."""
        self.found[path] = raw = super().read(path, folders)
        return raw


DISK = SourceFiles()


def _too_large(max_bytes: int) -> UnreadableSourceError:
    return UnreadableSourceError(
        f"This file is larger than {max_bytes / 1e6:g} MB.", "Split it, or take out what is not a rule."
    )
