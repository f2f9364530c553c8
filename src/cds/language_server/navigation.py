"""A place in a file → where what it names is defined, and every place that names it; and what cases say of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lsprotocol import types
from pygls.workspace import PositionCodec

from cds.language_server.documents import EditorFiles, Place, range_of, uri_of
from cds.language_server.folder import FolderSnapshot
from cds.language_server.hover import cases_of
from cds.language_server.index import Namespace, Symbol, occurrence_at, scalars_of, spans, word_at

WITH_CASES = frozenset({Namespace.NAME, Namespace.CARD})
OPEN_CASE = "cds.openCase"


def symbol_at(
    place: Place, file: str, text: str, folder: FolderSnapshot, files: EditorFiles
) -> tuple[Symbol | None, tuple[Place, Place]]:
    """
    What a place of a file names, and from where to where.

    In a text that changed since the folder was read, the word at the place, as far as something is called so.
    """
    if found := occurrence_at(place, file, text, folder.index, files):
        return found[0].symbol, found[1]
    word, span = word_at(place, text)
    named = folder.index.named(word, file) if word else None
    loaded = folder.index.files.get(file)
    if named is None or (loaded is not None and loaded.text == text and not _is_name(named.symbol)):
        return None, span
    return named.symbol, span


def _is_name(symbol: Symbol) -> bool:
    """Whether a word can be taken for a name wherever it stands: names of a clinic with a sign that words lack."""
    return "_" in symbol.name or "-" in symbol.name


def locations(
    symbol: Symbol, folder: FolderSnapshot, files: EditorFiles, codec: PositionCodec, *, defining: bool
) -> list[types.Location]:
    """Where a name is defined, or every place that names it, definitions among them."""
    places = [one for one in folder.index.places(symbol) if one.defines or not defining]
    found = [
        types.Location(uri_of(place.file), range_of(*span, text, codec))
        for place in places
        for text in [folder.index.files[place.file].text]
        for span in spans(place, scalars_of(place.file, text, files), text)
    ]
    return list({(one.uri, one.range.start.line, one.range.start.character): one for one in found}.values())


def lenses(file: str, folder: FolderSnapshot, files: EditorFiles, codec: PositionCodec) -> Iterator[types.CodeLens]:
    """Above each fact, conclusion, parameter and card of a rule file: how many cases claim something of it."""
    loaded = folder.index.files.get(file)
    if loaded is None or file.endswith(".test.yaml"):
        return
    scalars = scalars_of(file, loaded.text, files)
    for occurrence in folder.index.occurrences.get(file, ()):
        if occurrence.defines and occurrence.symbol.namespace in WITH_CASES:
            cases = cases_of(occurrence.symbol, folder.index)
            for span in spans(occurrence, scalars, loaded.text):
                where = [{"uri": uri_of(Path(case.file)), "line": case.line} for case in cases]
                title = f"{len(cases)} case{'' if len(cases) == 1 else 's'}"
                command = types.Command(title, OPEN_CASE, arguments=where[:1])
                yield types.CodeLens(range_of(*span, loaded.text, codec), command)
