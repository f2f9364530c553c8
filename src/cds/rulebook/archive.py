"""The files of a rulebook in one piece, so that a decision can be made again by the rules it was made by."""

from __future__ import annotations

import gzip
import zlib
from os.path import normpath
from pathlib import Path, PurePosixPath

import msgspec

from cds.errors import CdsError
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.yaml_source.source_file import RecordedFiles

OWN, BASE = "own", "base"  # the folder itself, and the one a site's overlay is of


class BrokenArchiveError(CdsError):
    """What was kept of a rulebook cannot be read, or is not what was packed."""


def packed_rules(book: Rulebook, files: RecordedFiles) -> bytes:
    """
    Every file that `book` was read from, packed with gzip, as it was when it was read; tests are left out.

    Args:
        book: The rulebook.
        files: Where it was read from.
    """
    packed: dict[str, dict[str, bytes]] = {}
    for name, folder in ((OWN, book.root), (BASE, book.base)):
        if folder is None:
            continue
        inside = packed.setdefault(name, {})
        for path, raw in files.found.items():
            place = Path(normpath(path))
            if place.is_relative_to(folder) and not _is_of_tests(place.relative_to(folder)):
                inside[place.relative_to(folder).as_posix()] = raw
    return gzip.compress(msgspec.msgpack.encode(packed), compresslevel=6, mtime=0)


def unpacked_rules(packed: bytes, folder: Path) -> Rulebook:
    """
    The rulebook that was packed, read from files that are written into an empty folder.

    Raises:
        BrokenArchiveError: It is not what `packed_rules` made.
    """
    try:
        found = msgspec.msgpack.decode(gzip.decompress(packed), type=dict[str, dict[str, bytes]])
        for name, inside in found.items():
            for place, raw in inside.items():
                _write(folder, PurePosixPath(name) / place, raw)
    except (OSError, EOFError, ValueError, zlib.error, msgspec.MsgspecError) as wrong:
        raise BrokenArchiveError(f"the kept files of these rules cannot be read: {type(wrong).__name__}") from None
    return read_rulebook(folder / OWN, base=folder / BASE if BASE in found else None)


def _write(folder: Path, place: PurePosixPath, raw: bytes) -> None:
    if place.is_absolute() or ".." in place.parts:
        raise ValueError("a file outside of the folder")
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_bytes(raw)


def _is_of_tests(place: Path) -> bool:
    return place.name.endswith(".test.yaml") or place.parts[0] == "patients"
