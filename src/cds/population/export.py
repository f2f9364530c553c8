"""A folder of exported FHIR data → its files, the types that were exported, and what narrowed them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from isal import igzip

from cds.errors import CdsError
from cds.record.fhir import READ_TYPES

LINES, WHOLE = (".ndjson", ".ndjson.gz"), (".json", ".json.gz")
TYPE_IN_NAME = re.compile(r"^(?:\d+[._-])?([A-Z][A-Za-z]+)(?=[._-])")
OURS = {"cards.json"}  # answers of examples
LOGS = {"log.ndjson"}  # what smart-fetch and bulk-data-client did, a line an event
READ_AT_ONCE = 262_144  # bytes of a gzip file, whose own way to the next line is slow
MOST_MANIFEST = 50_000_000  # bytes


class ExportError(CdsError):
    """An export that cannot be used as it is: what is wrong, where, and how to mend it."""


@dataclass(frozen=True, slots=True)
class ExportFile:
    """
    A file of an export.

    Attributes:
        path: Where it is.
        name: Its path below the export's folder: what messages name.
        lines: Whether it holds a resource, Bundle or request a line; else it is one Bundle or request.
        type: The FHIR type its name says, "" where it says none.
    """

    path: Path
    name: str
    lines: bool
    type: str

    def place_of(self, number: int) -> str:
        """What a Bundle or request in it is called: file and line; of line 0 the file, or the folder of an example."""
        folder, _, last = self.name.rpartition("/")
        if not number and last == "request.json" and folder:
            return folder
        return f"{self.name}:{number}" if number else self.name


@dataclass(frozen=True, slots=True)
class Export:
    """
    What a folder, or a file, holds.

    Attributes:
        files: The files to read, by name; those of types that no rule reads are left out.
        types: FHIR types that were exported, by a file, a manifest, or the caller's word.
        narrowed: Type → the search that narrowed it (`_typeFilter`), as a query string.
        base: Address of the FHIR server, "" where nothing says it.
        deleted, errors: Files of what was deleted since, and of what could not be exported.
        passed_over: Files and types that were left unread, and why.
    """

    files: tuple[ExportFile, ...]
    types: frozenset[str]
    narrowed: Mapping[str, str] = field(default_factory=dict)
    base: str = ""
    deleted: tuple[ExportFile, ...] = ()
    errors: tuple[ExportFile, ...] = ()
    passed_over: tuple[str, ...] = ()


class ManifestItem(msgspec.Struct):
    """A file that a manifest of the Bulk Data Access IG lists."""

    type: str = ""
    url: str = ""


class ExportManifest(msgspec.Struct):
    """The manifest of a bulk export, as far as it is read."""

    transactionTime: str = ""  # noqa: N815 (the specification's name)
    request: str = ""
    output: list[ManifestItem] | None = None


class FileHead(msgspec.Struct):
    """What tells a Bundle or a hook request from other JSON."""

    resourceType: str = ""  # noqa: N815
    hook: str = ""


def find_export(place: Path, exported: Iterable[str] = ()) -> Export:
    """
    The files of a folder of exported data, or one file, and what it says of itself.

    `exported` names types that were exported besides: their files may be missing because nobody has any.

    Raises:
        ExportError: It holds changes since a day only (`_since`), a manifest that cannot be read, or nothing.
    """
    whole = place.is_dir()
    found = sorted(path for path in place.rglob("*") if path.is_file()) if whole else [place]
    files: list[ExportFile] = []
    deleted: list[ExportFile] = []
    errors: list[ExportFile] = []
    passed_over: list[str] = []
    types = set(exported)
    narrowed: dict[str, str] = {}
    base, others = "", 0
    for path in found:
        relative = path.relative_to(place) if whole else Path(path.name)
        name = relative.as_posix()
        lines, one = path.name.endswith(LINES), path.name.endswith(WHOLE)
        if not lines and not one:
            others += whole and not path.name.startswith(".")
            continue
        if path.name in OURS or path.name in LOGS:
            continue
        named = TYPE_IN_NAME.match(path.name)
        file = ExportFile(path, name, lines, named[1] if named and lines else "")
        if "deleted" in relative.parts[:-1]:
            deleted.append(file)
        elif {"error", "errors"} & set(relative.parts[:-1]):
            errors.append(file)
        elif one and (manifest := _manifest(path, name)) is not None:
            types |= {item.type for item in manifest.output or () if item.type}
            base, narrowed = _asked(manifest.request, name, base, narrowed)
        elif one and not _is_patient(path, name):
            passed_over.append(f"{name}: neither a Bundle nor a CDS Hooks request")
        elif file.type and file.type not in READ_TYPES:
            passed_over.append(f"{name}: no rule reads {file.type}")
        else:
            files.append(file)
            types |= {file.type} if file.type else set()
    if others:
        passed_over.append(f"{others} file(s): neither JSON nor NDJSON")
    if not files:
        raise ExportError(f"{place.name}: no .json, .ndjson or .ndjson.gz with FHIR data is in it")
    return Export(
        tuple(files), frozenset(types), narrowed, base, tuple(deleted), tuple(errors), tuple(passed_over)
    )  # fmt: skip


def opened(file: ExportFile) -> BinaryIO:
    """A file ready to be read as bytes, decompressed when its name says so."""
    return open_gzip(file.path, "rb") if file.path.name.endswith(".gz") else file.path.open("rb")


def open_gzip(path: Path, mode: str) -> BinaryIO:
    """A gzip file, read ("rb"), or written ("wb") at the level that costs least."""
    options = {"compresslevel": 1} if mode == "wb" else {}
    file = igzip.open(path, mode, **options)  # type: ignore[no-untyped-call]  # the stub names no types
    return cast(BinaryIO, BufferedReader(file, READ_AT_ONCE) if mode == "rb" else file)


def unpacked(name: str, content: bytes) -> bytes:
    """
    The content of a file with this name, decompressed when it says so.

    Raises:
        ExportError: It cannot be decompressed.
    """
    if not name.endswith(".gz"):
        return content
    try:
        return bytes(igzip.decompress(content))  # type: ignore[no-untyped-call]
    except (OSError, EOFError, zlib.error, igzip.BadGzipFile):
        raise ExportError(f"{name}: it cannot be decompressed to its end; fetch it again") from None


def body_in(name: str, content: bytes) -> bytes | None:
    """In place of a Bundle or request, what says that the file is one, without its patient; None for other content."""
    if not name.endswith(WHOLE):
        return None
    head = _decoded(unpacked(name, content), FileHead)
    if not isinstance(head, FileHead) or not _is_body(head):
        return None
    told = msgspec.json.encode(FileHead("Bundle"))
    return bytes(igzip.compress(told)) if name.endswith(".gz") else told


def _is_body(head: FileHead) -> bool:
    return head.resourceType == "Bundle" or bool(head.hook)


def _decoded(content: bytes, of: type[msgspec.Struct]) -> msgspec.Struct | None:
    """JSON as far as `of` asks for it; None where it is no JSON object."""
    try:
        return msgspec.json.decode(content, type=of)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _head(path: Path, name: str, of: type[msgspec.Struct]) -> msgspec.Struct | None:
    """The JSON of a file as far as `of` asks for it; None where it is no JSON object."""
    return _decoded(unpacked(name, path.read_bytes()), of)


def _manifest(path: Path, name: str) -> ExportManifest | None:
    """The manifest a file holds; None where it holds something else."""
    if path.stat().st_size > MOST_MANIFEST:
        return None
    read = _head(path, name, ExportManifest)
    if isinstance(read, ExportManifest) and read.transactionTime and read.output is not None:
        return read
    if path.name == "manifest.json":
        raise ExportError(f"{name}: this is no manifest of a bulk export; mend it, or take it out of the folder")
    return None


def _is_patient(path: Path, name: str) -> bool:
    read = _head(path, name, FileHead)
    return isinstance(read, FileHead) and _is_body(read)


def _asked(request: str, name: str, base: str, narrowed: dict[str, str]) -> tuple[str, dict[str, str]]:
    """The server and the filters of the request that a manifest answers."""
    if not request:
        return base, narrowed
    parts = urlsplit(request)
    root = re.split(r"/(?:Group|Patient)(?:/|$)|/\$", parts.path)[0]
    base = f"{parts.scheme}://{parts.netloc}{root}".rstrip("/") if parts.netloc else base
    for key, value in parse_qsl(parts.query):
        if key == "_since":
            raise ExportError(
                f"{name}: this export holds only what changed since {value}; "
                "whoever has no change in it would look like a patient without data. Export without _since"
            )
        if key == "_typeFilter":
            for one in value.split(","):
                kind, _, query = unquote(one).partition("?")
                narrowed = narrowed | {kind: "&".join(part for part in (narrowed.get(kind), query) if part)}
    return base, narrowed
