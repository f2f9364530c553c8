"""A new name for a fact, conclusion, parameter or value set: every text that has to change for the folder to check."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from cds.authoring.fix.fix import Edit, applied
from cds.authoring.fix.fixes import VersionStep, fixes_of
from cds.errors import CdsError
from cds.language_server.documents import EditorFiles, Place, written_scalars
from cds.language_server.folder import FolderSnapshot
from cds.language_server.index import Loaded, Namespace, Symbol, scalars_of, spans
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.rulebook.lock import CHECK as LOCK_CHECK
from cds.yaml_source.document import Path as YamlPath
from cds.yaml_source.ranges import TextRange
from cds.yaml_source.source_file import SourceFiles

NAMES = {Namespace.NAME: re.compile(r"[a-z][a-z0-9_]*"), Namespace.VALUE_SET: re.compile(r"[a-z][a-z0-9-]*")}


class RenameError(CdsError):
    """A name that cannot be given; the message says why, and what to do."""


@dataclass
class FolderChange:
    """
    What changes in a folder.

    Attributes:
        edits: Every change of a text; none overlaps another.
        moved: File → its new path.
    """

    edits: list[Edit] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)

    def add(self, file: str, start: Place, end: Place, text: str) -> None:
        """Add a change that is not there yet."""
        edit = Edit(file, TextRange(start[0] + 1, start[1] + 1, end[0] + 1, end[1] + 1), text)
        if edit not in self.edits:
            self.edits.append(edit)

    def files(self, files: SourceFiles) -> SourceFiles:
        """Files as they would be."""
        named = {edit.file for edit in self.edits}
        texts = {Path(file): files.read(Path(file)).decode() for file in named}
        after = {
            path: applied(text, [edit for edit in self.edits if edit.file == str(path)]) for path, text in texts.items()
        }
        return SourceFiles({**files.unsaved, **after})


def renamed(symbol: Symbol, to: str, folder: FolderSnapshot, files: EditorFiles, today: date) -> FolderChange:
    """
    Every change that gives something a new name.

    The old name is kept as `formerly`, so that overlays of sites go on; the versions of rule files that mean something
    else by it rise, and the lock follows.

    Raises:
        RenameError: The name has the wrong form or is taken, or files hold mistakes that hide places that name it.
    """
    _refuse(symbol, to, folder)
    change = FolderChange()
    for place in folder.index.places(symbol):
        text = folder.index.files[place.file].text
        for start, end in spans(place, scalars_of(place.file, text, files), text):
            change.add(place.file, start, end, to)
    definition = folder.index.one(symbol)
    if definition is None:
        raise RenameError(f"Nothing in this folder defines `{symbol.name}`.")
    if symbol.namespace is Namespace.NAME:
        _keep_former(symbol, to, definition.loaded, definition.path, change)
    else:
        for one in folder.book.sets:
            if symbol.name in (one.model.valueset.id, one.model.valueset.adds_to):
                path = Path(one.file)
                if path.stem == symbol.name:
                    change.moved[one.file] = str(path.with_name(f"{to}.yaml"))
    _raise_versions(change, folder.book, files, today)
    return change


def _refuse(symbol: Symbol, to: str, folder: FolderSnapshot) -> None:
    form = NAMES.get(symbol.namespace)
    if form is None:
        raise RenameError(f"A {symbol.namespace.value} is not renamed here; facts, parameters and value sets are.")
    if not form.fullmatch(to):
        sign = "`_`" if symbol.namespace is Namespace.NAME else "`-`"
        raise RenameError(f"`{to}` is no name here: write lower-case letters, digits and {sign}, a letter first.")
    if folder.index.one(Symbol(symbol.namespace, to)) is not None:
        raise RenameError(f"`{to}` is taken; give another name.")
    wrong = [problem for problem in (*folder.book.problems, *folder.rule_tests.problems) if not problem.warning]
    if wrong:
        raise RenameError(f"First correct {wrong[0].place}: what such a file names cannot be told.")
    definition = folder.index.one(symbol)
    if (
        definition is not None
        and folder.book.base is not None
        and Path(definition.loaded.file).is_relative_to(folder.book.base)
    ):
        raise RenameError(f"`{symbol.name}` belongs to the rules this site stands on; rename it there.")


def _keep_former(symbol: Symbol, to: str, loaded: Loaded, path: YamlPath, change: FolderChange) -> None:
    """The old name among `formerly` of what it named."""
    scalars = written_scalars(loaded.text)
    former = [str(name) for name in loaded.located.value_at((*path, "formerly")) or [] if name != to]
    names = f"[{', '.join([symbol.name, *former])}]"
    items = [one for one in scalars if one.path[:-1] == (*path, "formerly") and not one.is_key]
    lines = loaded.text.split("\n")
    if items:
        start, end = items[0].start, items[-1].end
        first, last = lines[start[0]].rfind("[", 0, start[1]), lines[end[0]].find("]", end[1])
        if first < 0 or last < 0:
            raise RenameError(f"Write `formerly` of `{symbol.name}` as a list in brackets first.")
        change.add(loaded.file, (start[0], first), (end[0], last + 1), names)
        return
    key = next(one for one in scalars if one.path == path and one.is_key)
    after = lines[key.end[0]][key.end[1] :]
    if brace := re.match(r":\s*\{", after):
        at = (key.end[0], key.end[1] + brace.end())
        change.add(loaded.file, at, at, f"formerly: {names}, ")
    else:
        inside = next(one for one in scalars if one.path[:-1] == path and one.is_key)
        at = (inside.start[0], 0)
        change.add(loaded.file, at, at, f"{' ' * inside.start[1]}formerly: {names}\n")


def _raise_versions(change: FolderChange, book: Rulebook, files: EditorFiles, today: date) -> None:
    """The version of every file that means something else now, and the lock, as `cds fix` has them."""
    for name in ("version", LOCK_CHECK):
        after = change.files(files)
        read = read_rulebook(book.root, after)
        texts = {rule.file: rule.text for rule in read.rules.values()}
        for fix in fixes_of(read, (), texts, today, VersionStep.PATCH):
            if fix.name == name:
                change.edits += fix.edits
