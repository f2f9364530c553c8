"""`cds lsp`: the language server of rule files, on pygls."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer

from cds import __version__
from cds.authoring.fix.fix import Edit, Fix
from cds.language_server.completion import Choice, choices
from cds.language_server.cursor import cursors_at
from cds.language_server.documents import Place, path_of, place_of, range_of, uri_of
from cds.language_server.expected import expected_at, format_of
from cds.language_server.folder import CheckStage, FolderSnapshot, RulesFolder
from cds.language_server.hover import about, about_code
from cds.language_server.index import Namespace, Symbol, scalars_of, word_at
from cds.language_server.navigation import OPEN_CASE, lenses, locations, symbol_at
from cds.language_server.quick_fixes import offered
from cds.language_server.rename import NAMES, FolderChange, RenameError, renamed
from cds.rulebook.shipped import check_pages, nearest_rules_folder
from cds.yaml_source.problem import Problem

WAIT_SECONDS = 0.15
"""How long a text must rest before it is checked."""


@dataclass
class WatchedFolder:
    """
    A folder of rules with an open file.

    Attributes:
        written: File → what its text alone tells of it.
        decided: What was found by deciding every case.
        shown: Files of which the editor shows mistakes.
    """

    folder: RulesFolder
    written: dict[str, list[Problem]] = field(default_factory=dict)
    decided: list[Problem] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)
    checking: asyncio.Task[None] | None = None
    deciding: asyncio.Task[None] | None = None
    process: asyncio.subprocess.Process | None = None

    def problems_of(self, file: str) -> list[Problem]:
        """Every mistake known of a file."""
        return sorted({*self.written.get(file, ()), *(one for one in self.decided if one.file == file)})


class RulesServer(LanguageServer):
    """The server: which folders are watched, and what an editor is told of them."""

    def __init__(self, today: Callable[[], date]) -> None:
        super().__init__("thirdline", __version__)
        self.today = today
        self.decides_cases = True
        self.folders: dict[Path, WatchedFolder] = {}

    # ------------------------------------------------------------ files

    def watched(self, uri: str) -> tuple[WatchedFolder, Path] | None:
        """The folder of a file and its path; None for a file that is in no folder of rules."""
        path = path_of(uri)
        root = nearest_rules_folder(path.parent) if path is not None else None
        if path is None or root is None or not path.is_relative_to(root):
            return None
        return self.folders.setdefault(root, WatchedFolder(RulesFolder(root))), path

    def text(self, uri: str) -> str:
        """The text of a file as the editor has it."""
        found = self.watched(uri)
        return found[0].folder.files.text(found[1]) if found else ""

    def edited(self, uri: str, *, closed: bool = False) -> None:
        """Take the text of a file, and check its folder once it rests."""
        if found := self.watched(uri):
            watched, path = found
            watched.folder.files.edit(path, None if closed else self.workspace.get_text_document(uri).source)
            self.check_soon(watched)

    # ------------------------------------------------------------ mistakes

    def check_soon(self, watched: WatchedFolder) -> None:
        """Check a folder when its texts have rested; a check under way is dropped at its next stage."""
        if watched.checking is not None:
            watched.checking.cancel()
        watched.checking = asyncio.ensure_future(self._check(watched))

    async def _check(self, watched: WatchedFolder) -> None:
        await asyncio.sleep(WAIT_SECONDS if watched.written else 0)
        loop = asyncio.get_running_loop()
        stages = watched.folder.check(self.today())
        while (stage := await loop.run_in_executor(None, next, stages, None)) is not None:
            self._take(watched, stage)

    def _take(self, watched: WatchedFolder, stage: CheckStage) -> None:
        by_file: dict[str, list[Problem]] = {}
        for problem in stage.problems:
            by_file.setdefault(problem.file, []).append(problem)
        if stage.files is None:
            watched.written = by_file
        else:
            watched.written |= {file: by_file.get(file, []) for file in stage.files}
        opened = {str(path) for path in watched.folder.files.unsaved}
        now = {file for file in watched.written if watched.written[file]} | {one.file for one in watched.decided}
        for file in sorted(opened | now | watched.shown):
            self._publish(watched, file)
        watched.shown = now

    def _publish(self, watched: WatchedFolder, file: str) -> None:
        text = watched.folder.files.text(Path(file))
        found = [self.diagnostic(problem, text) for problem in watched.problems_of(file)]
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri_of(file), found))

    def diagnostic(self, problem: Problem, text: str) -> types.Diagnostic:
        """A mistake as an editor shows it, from its place to the end of the word there."""
        place = (max(problem.line - 1, 0), max(problem.column - 1, 0))
        page = check_pages().get(problem.check)
        _, (start, end) = word_at(place, text)
        if problem.line and start == end:
            row = text.split("\n")[place[0]] if place[0] < text.count("\n") + 1 else ""
            end = (place[0], max(len(row), place[1]))
        return types.Diagnostic(
            range=range_of(start if start >= place else place, end, text, self.workspace.position_codec),
            message="\n".join(part for part in (problem.what, problem.why, problem.fix) if part),
            severity=types.DiagnosticSeverity.Warning if problem.warning else types.DiagnosticSeverity.Error,
            code=problem.check,
            code_description=types.CodeDescription(page.resolve().as_uri()) if page is not None else None,
            source="cds",
        )

    def decide_soon(self, watched: WatchedFolder) -> None:
        """Decide every case of a folder in a process of its own; one under way is stopped."""
        if not self.decides_cases:
            return
        if watched.deciding is not None:
            watched.deciding.cancel()
        watched.deciding = asyncio.ensure_future(self._decide(watched))

    async def _decide(self, watched: WatchedFolder) -> None:
        texts = {str(path): text for path, text in watched.folder.files.unsaved.items()}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cds.language_server.decided", str(watched.folder.root),
            self.today().isoformat(),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            out, _ = await process.communicate(json.dumps(texts).encode())
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode == 0:
            files = {one.file for one in watched.decided}
            watched.decided = [Problem(**one) for one in json.loads(out)]
            for file in sorted(files | {one.file for one in watched.decided}):
                self._publish(watched, file)

    def stop(self) -> None:
        """Stop what runs in the background."""
        for watched in self.folders.values():
            for task in (watched.checking, watched.deciding):
                if task is not None:
                    task.cancel()

    # ------------------------------------------------------------ questions about a place

    def place(self, uri: str, position: types.Position) -> tuple[WatchedFolder, Path, str, Place] | None:
        """The folder, file, text and place of a position; None for a file that is in no folder of rules."""
        found = self.watched(uri)
        if found is None:
            return None
        watched, path = found
        text = watched.folder.files.text(path)
        return watched, path, text, place_of(position, text, self.workspace.position_codec)

    async def now(self, watched: WatchedFolder) -> FolderSnapshot:
        """The folder with every edit so far, read beside what else is answered."""
        return await asyncio.get_running_loop().run_in_executor(None, watched.folder.now)

    def edits(self, watched: WatchedFolder, edits: Iterable[Edit]) -> dict[str, list[types.TextEdit]]:
        """File → its changes, as an editor takes them."""
        found: dict[str, list[types.TextEdit]] = {}
        for edit in edits:
            text = watched.folder.files.text(Path(edit.file))
            start, end = (
                (edit.range.line - 1, edit.range.column - 1),
                (edit.range.end_line - 1, edit.range.end_column - 1),
            )
            where = range_of(start, end, text, self.workspace.position_codec)
            found.setdefault(edit.file, []).append(types.TextEdit(where, edit.text))
        return found

    def workspace_edit(self, watched: WatchedFolder, change: FolderChange) -> types.WorkspaceEdit:
        """
        Changes of a folder as an editor takes them.

        Raises:
            JsonRpcInvalidParams: Files would move, and the editor cannot do that.
        """
        edits = self.edits(watched, change.edits)
        able = self.client_capabilities.workspace and self.client_capabilities.workspace.workspace_edit
        if not (able and able.document_changes):
            if change.moved:
                raise JsonRpcInvalidParams("This editor cannot rename files; rename a value set with one that can.")
            return types.WorkspaceEdit({uri_of(file): one for file, one in edits.items()})
        steps: list[Any] = [
            types.TextDocumentEdit(types.OptionalVersionedTextDocumentIdentifier(uri_of(file)), list(one))
            for file, one in edits.items()
        ]
        steps += [types.RenameFile(uri_of(old), uri_of(new)) for old, new in change.moved.items()]
        return types.WorkspaceEdit(document_changes=steps)


def make_server(today: Callable[[], date] = date.today) -> RulesServer:
    """The server, with everything it answers."""
    server = RulesServer(today)

    @server.feature(types.INITIALIZE)
    def _begin(params: types.InitializeParams) -> None:
        options = params.initialization_options
        server.decides_cases = not isinstance(options, dict) or options.get("decideCases", True) is not False

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def _open(params: types.DidOpenTextDocumentParams) -> None:
        server.edited(params.text_document.uri)
        if (found := server.watched(params.text_document.uri)) and found[0].deciding is None:
            server.decide_soon(found[0])

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def _change(params: types.DidChangeTextDocumentParams) -> None:
        server.edited(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def _close(params: types.DidCloseTextDocumentParams) -> None:
        server.edited(params.text_document.uri, closed=True)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def _save(params: types.DidSaveTextDocumentParams) -> None:
        server.edited(params.text_document.uri)
        if found := server.watched(params.text_document.uri):
            server.decide_soon(found[0])

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def _changed_on_disk(params: types.DidChangeWatchedFilesParams) -> None:
        folders = {found[0].folder.root: found[0] for one in params.changes if (found := server.watched(one.uri))}
        for watched in folders.values():
            watched.folder.files.changed()
            server.check_soon(watched)

    _answer_completion(server)
    _answer_hover(server)
    _answer_navigation(server)
    _answer_changes(server)
    return server


def _answer_completion(server: RulesServer) -> None:
    """What may follow at a cursor."""

    @server.feature(
        types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=[" ", ":", "{", "[", ","])
    )
    def _complete(params: types.CompletionParams) -> types.CompletionList | None:
        found = server.place(params.text_document.uri, params.position)
        if found is None:
            return None
        watched, path, text, place = found
        last = watched.folder.last()
        codec = server.workspace.position_codec
        items: list[types.CompletionItem] = []
        cut = False
        for cursor in cursors_at(place, text):
            typed = text.split("\n")[place[0]][cursor.start[1] : place[1]] if text else ""
            offered = choices(cursor, format_of(path, watched.folder.root), str(path), typed, last.book, last.index)
            cut = cut or offered.cut
            where = range_of(cursor.start, cursor.end, text, codec)
            items += [
                types.CompletionItem(
                    label=one.label, kind=one.kind, detail=one.detail or None, sort_text=f"{len(items) + at:05}",
                    filter_text=one.searched or one.label, text_edit=types.TextEdit(where, one.text),
                    data=_data(params.text_document.uri, one),
                )
                for at, one in enumerate(offered.choices)
            ]  # fmt: skip
        return types.CompletionList(is_incomplete=cut, items=items)

    @server.feature(types.COMPLETION_ITEM_RESOLVE)
    def _resolve(item: types.CompletionItem) -> types.CompletionItem:
        data = item.data if isinstance(item.data, dict) else {}
        found = server.watched(data["uri"]) if data else None
        if found is not None:
            last = found[0].folder.last()
            definition = last.index.one(_unpacked(data["symbol"]))
            if definition is not None:
                words = about(definition, last.book, last.index)
                item.documentation = types.MarkupContent(types.MarkupKind.Markdown, words)
        return item


def _answer_hover(server: RulesServer) -> None:
    """What a word stands for."""

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def _hover(params: types.HoverParams) -> types.Hover | None:
        found = server.place(params.text_document.uri, params.position)
        if found is None:
            return None
        watched, path, text, place = found
        last = watched.folder.last()
        symbol, span = symbol_at(place, str(path), text, last, watched.folder.files)
        definition = last.index.one(symbol) if symbol is not None else None
        if definition is not None:
            words = about(definition, last.book, last.index)
        else:
            word, span = word_at(place, text)
            words = about_code(word, last.book) or _about_key(watched, path, text, place)
        if not words:
            return None
        where = range_of(*span, text, server.workspace.position_codec)
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, words), where)


def _answer_navigation(server: RulesServer) -> None:
    """Where a name is defined and used, and what cases say of it."""

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def _define(params: types.DefinitionParams) -> list[types.Location]:
        found = server.place(params.text_document.uri, params.position)
        if found is None:
            return []
        watched, path, text, place = found
        last, files = watched.folder.last(), watched.folder.files
        symbol, _ = symbol_at(place, str(path), text, last, files)
        if symbol is None:
            return []
        return locations(symbol, last, files, server.workspace.position_codec, defining=True)

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    async def _refer(params: types.ReferenceParams) -> list[types.Location]:
        found = server.place(params.text_document.uri, params.position)
        if found is None:
            return []
        watched, path, text, place = found
        now, files, codec = await server.now(watched), watched.folder.files, server.workspace.position_codec
        symbol, _ = symbol_at(place, str(path), text, now, files)
        if symbol is None:
            return []
        every = locations(symbol, now, files, codec, defining=False)
        left_out = [] if params.context.include_declaration else locations(symbol, now, files, codec, defining=True)
        return [one for one in every if one not in left_out]

    @server.feature(types.TEXT_DOCUMENT_CODE_LENS)
    async def _lens(params: types.CodeLensParams) -> list[types.CodeLens]:
        found = server.watched(params.text_document.uri)
        if found is None:
            return []
        now = await server.now(found[0])
        return list(lenses(str(found[1]), now, found[0].folder.files, server.workspace.position_codec))

    @server.command(OPEN_CASE)
    def _open_case(*where: Any) -> None:
        if where:
            line = int(where[0]["line"]) - 1
            there = types.Range(types.Position(line, 0), types.Position(line, 0))
            server.window_show_document(
                types.ShowDocumentParams(where[0]["uri"], take_focus=True, selection=there), lambda _: None
            )


def _answer_changes(server: RulesServer) -> None:
    """What an editor asks for to change texts."""

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    async def _prepare(params: types.PrepareRenameParams) -> types.PrepareRenamePlaceholder | None:
        found = server.place(params.text_document.uri, params.position)
        if found is None:
            return None
        watched, path, text, place = found
        symbol, span = symbol_at(place, str(path), text, await server.now(watched), watched.folder.files)
        if symbol is None or symbol.namespace not in NAMES:
            return None
        return types.PrepareRenamePlaceholder(
            range=range_of(*span, text, server.workspace.position_codec), placeholder=symbol.name
        )

    @server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    async def _rename(params: types.RenameParams) -> types.WorkspaceEdit | None:
        found = server.place(params.text_document.uri, params.position)
        if found is None:
            return None
        watched, path, text, place = found
        now = await server.now(watched)
        symbol, _ = symbol_at(place, str(path), text, now, watched.folder.files)
        if symbol is None:
            return None
        try:
            change = renamed(symbol, params.new_name, now, watched.folder.files, server.today())
        except RenameError as refused:
            raise JsonRpcInvalidParams(str(refused)) from None
        return server.workspace_edit(watched, change)

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix, types.CodeActionKind.Source]),
    )
    async def _fix(params: types.CodeActionParams) -> list[types.CodeAction]:
        found = server.watched(params.text_document.uri)
        if found is None:
            return []
        watched, path = found
        now, text = await server.now(watched), watched.folder.files.text(path)
        fixes = offered(now.book, watched.problems_of(str(path)), str(path), text, server.today())
        return [_action(server, watched, fix, text) for fix in fixes if _is_at(fix, params.range)]


def _is_at(fix: Fix, where: types.Range) -> bool:
    """Whether a fix is of a line that is asked about; what no mistake says is offered everywhere in the file."""
    if fix.problem is None:
        return True
    return where.start.line <= max(fix.problem.line - 1, 0) <= where.end.line


def _action(server: RulesServer, watched: WatchedFolder, fix: Fix, text: str) -> types.CodeAction:
    edits = server.edits(watched, fix.edits)
    return types.CodeAction(
        title=f"{fix.what} {fix.why}" if fix.problem is None else fix.what,
        kind=types.CodeActionKind.Source if fix.problem is None else types.CodeActionKind.QuickFix,
        diagnostics=[server.diagnostic(fix.problem, text)] if fix.problem is not None else None,
        edit=types.WorkspaceEdit({uri_of(file): one for file, one in edits.items()}),
    )


def _about_key(watched: WatchedFolder, path: Path, text: str, place: Place) -> str:
    """What the format says of a key; "" where it says nothing."""
    for scalar in scalars_of(str(path), text, watched.folder.files):
        if scalar.is_key and scalar.start <= place <= scalar.end:
            for one in expected_at(format_of(path, watched.folder.root), scalar.path, None):
                if one.description:
                    return f"**{scalar.value}**: {one.description}"
                if one.model is not None and one.model.__doc__:
                    return f"**{scalar.value}**: {' '.join(one.model.__doc__.split())}"
    return ""


def _data(uri: str, choice: Choice) -> dict[str, Any] | None:
    """What `resolve` needs to say what a name stands for."""
    if choice.symbol is None:
        return None
    symbol = choice.symbol.symbol
    return {"uri": uri, "symbol": [symbol.namespace.name, symbol.name, symbol.scope]}


def _unpacked(packed: list[str]) -> Symbol:
    return Symbol(Namespace[packed[0]], packed[1], packed[2])
