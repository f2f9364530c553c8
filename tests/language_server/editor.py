"""An editor, as far as a language server sees one: pygls' own client, speaking to `cds lsp` as a process."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient
from pygls.uris import from_fs_path, to_fs_path

SHIPPED = Path(__file__).parents[2] / "rules"
TODAY = date(2026, 11, 29)
PATIENCE = 90.0
"""Seconds until an answer that never comes fails the test."""


class Editor:
    """One editor session in one folder of rules."""

    def __init__(self, client: LanguageClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.shown: dict[Path, list[types.Diagnostic]] = {}
        self.news = asyncio.Event()
        self.versions: dict[Path, int] = {}
        self.texts: dict[Path, str] = {}

    def uri(self, file: str) -> str:
        return from_fs_path(str(self.folder / file)) or ""

    def open(self, file: str) -> str:
        path = self.folder / file
        self.texts[path] = path.read_text("utf-8")
        self.versions[path] = 1
        item = types.TextDocumentItem(self.uri(file), "yaml", 1, self.texts[path])
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return self.texts[path]

    def type(self, file: str, old: str, new: str) -> types.Position:
        """Replace one text by another, as one edit; the cursor is then behind it."""
        path = self.folder / file
        text = self.texts[path]
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        start = text.index(old)
        change = types.TextDocumentContentChangePartial(
            types.Range(position(text, start), position(text, start + len(old))), new
        )
        self.texts[path] = text.replace(old, new)
        self.versions[path] += 1
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(self.versions[path], self.uri(file)), [change]
            )
        )
        return position(self.texts[path], start + len(new))

    def at(self, file: str, around: str) -> dict[str, Any]:
        """The place of `|` in a text of the file: the parameters of a question about it."""
        before, _, after = around.partition("|")
        path = self.folder / file
        text = self.texts.get(path) or path.read_text("utf-8")
        assert text.count(before + after) == 1, (
            f"{before + after!r} stands {text.count(before + after)} times in {file}"
        )
        where = position(text, text.index(before + after) + len(before))
        return {"text_document": types.TextDocumentIdentifier(self.uri(file)), "position": where}

    async def told(self, file: str, check: str | None) -> list[types.Diagnostic]:
        """The mistakes of a file, once there is one of this check; with None, once there is none at all."""

        def fits() -> bool:
            found = self.shown.get(self.folder / file)
            return found is not None and (not found if check is None else any(one.code == check for one in found))

        async with asyncio.timeout(PATIENCE):
            while not fits():
                self.news.clear()
                await self.news.wait()
        return self.shown[self.folder / file]

    async def completed(self, file: str, cursor: types.Position) -> list[types.CompletionItem]:
        found = await self.client.text_document_completion_async(
            types.CompletionParams(types.TextDocumentIdentifier(self.uri(file)), cursor)
        )
        return list(found.items if isinstance(found, types.CompletionList) else found or [])

    async def hover(self, file: str, around: str) -> str:
        found = await self.client.text_document_hover_async(types.HoverParams(**self.at(file, around)))
        return found.contents.value if found and isinstance(found.contents, types.MarkupContent) else ""

    def apply(self, edit: types.WorkspaceEdit) -> None:
        """Write a change of the server into the folder, as an editor would."""
        changes: dict[str, Sequence[Any]] = dict(edit.changes or {})
        moves = []
        for step in edit.document_changes or []:
            if isinstance(step, types.RenameFile):
                moves.append((step.old_uri, step.new_uri))
            elif isinstance(step, types.TextDocumentEdit):
                changes[step.text_document.uri] = step.edits
        for uri, edits in changes.items():
            path = Path(to_fs_path(uri) or "")
            text = path.read_text("utf-8")
            for one in sorted(edits, key=lambda one: (one.range.start.line, one.range.start.character), reverse=True):
                text = text[: offset(text, one.range.start)] + one.new_text + text[offset(text, one.range.end) :]
            path.write_text(text, "utf-8")
        for old, new in moves:
            Path(to_fs_path(old) or "").rename(to_fs_path(new) or "")


def position(text: str, offset_: int) -> types.Position:
    """A place of a text in the editor's units (UTF-16)."""
    before = text[:offset_]
    row = before.rpartition("\n")[2]
    return types.Position(before.count("\n"), len(row.encode("utf-16-le")) // 2)


def offset(text: str, where: types.Position) -> int:
    lines = text.split("\n")
    if where.line >= len(lines):
        return len(text)
    units, column = 0, 0
    while units < where.character:
        units += len(lines[where.line][column].encode("utf-16-le")) // 2
        column += 1
    return sum(len(line) + 1 for line in lines[: where.line]) + column


@asynccontextmanager
async def editing(*, decide_cases: bool = False) -> AsyncIterator[Callable[[Path], Editor]]:
    """`cds lsp` as an editor starts it, and stopped as an editor stops it; gives a session in any folder."""
    client = LanguageClient("editor", "1")
    editors: list[Editor] = []

    @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)  # type: ignore[untyped-decorator]
    def _shown(params: types.PublishDiagnosticsParams) -> None:
        path = Path(to_fs_path(params.uri) or "")
        for editor in editors:
            if path.is_relative_to(editor.folder):
                editor.shown[path] = list(params.diagnostics)
                editor.news.set()

    def session(folder: Path) -> Editor:
        editors.append(Editor(client, folder))
        return editors[-1]

    await client.start_io(str(Path(sys.executable).parent / "cds"), "lsp", "--today", TODAY.isoformat())
    able = types.ClientCapabilities(
        workspace=types.WorkspaceClientCapabilities(
            workspace_edit=types.WorkspaceEditClientCapabilities(document_changes=True)
        )
    )
    async with asyncio.timeout(PATIENCE):
        await client.initialize_async(
            types.InitializeParams(able, initialization_options={"decideCases": decide_cases})
        )
    client.initialized(types.InitializedParams())
    try:
        yield session
    finally:
        await client.shutdown_async(None)
        client.exit(None)
        await client.stop()  # type: ignore[no-untyped-call]


def copy_of_shipped(folder: Path) -> Path:
    """The shipped rules, where a test may write; with the examples that cases name."""
    copy = folder / "rules"
    shutil.copytree(SHIPPED, copy)
    (folder / "fhir_examples").symlink_to(SHIPPED.parent / "fhir_examples")
    return copy


def labels(items: list[types.CompletionItem]) -> list[str]:
    return [item.label for item in items]


def plain(words: str) -> str:
    """Markdown in one line, without addresses."""
    return re.sub(r"\s+", " ", re.sub(r"\]\([^)]*\)", "]", words))
