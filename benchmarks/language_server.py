"""
`cds lsp` on the shipped rules, as an editor meets it: how long until mistakes are told and a cursor is answered.

`python -m benchmarks.language_server [edits]`; wall time, and the load of the machine with it, since other work on it
counts.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from lsprotocol import types

from tests.language_server.editor import Editor, copy_of_shipped, editing

FILE = "ketamine/contraindications.yaml"


async def told(editor: Editor, file: str) -> float:
    """Seconds until mistakes of a file are told, be there any or none."""
    begun = time.perf_counter()
    editor.shown.pop(editor.folder / file, None)
    while editor.folder / file not in editor.shown:
        editor.news.clear()
        await editor.news.wait()
    return time.perf_counter() - begun


async def measured(folder: Path, edits: int) -> dict[str, float]:
    """What is measured → seconds."""
    found: dict[str, float] = {}
    begun = time.perf_counter()
    async with editing() as session:
        found["start of the process to `initialized`"] = time.perf_counter() - begun
        editor = session(folder)
        editor.open(FILE)
        found["open a file to its first diagnostics"] = await told(editor, FILE)
        begun = time.perf_counter()
        await editor.client.text_document_code_lens_async(
            types.CodeLensParams(types.TextDocumentIdentifier(editor.uri(FILE)))
        )
        found["first code lenses (all cases read and indexed)"] = time.perf_counter() - begun
        completions, hovers, mistakes, forms = [], [], [], []
        for _ in range(edits):
            cursor = editor.type(FILE, "any: [ketamine_allergy, ana", "any: [ketamine_alergy, ana")
            begun = time.perf_counter()
            await editor.completed(FILE, cursor)
            completions.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            await editor.hover(FILE, "  ketamine_contra|indicated:\n")
            hovers.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            await editor.told(FILE, "unknown-name")
            mistakes.append(time.perf_counter() - begun)
            editor.type(FILE, "any: [ketamine_alergy, ana", "any: [ketamine_allergy, ana")
            await editor.told(FILE, None)
            editor.type(FILE, "  title: Labeled", "  title: [Labeled")
            begun = time.perf_counter()
            await editor.told(FILE, "yaml-syntax")
            forms.append(time.perf_counter() - begun)
            editor.type(FILE, "  title: [Labeled", "  title: Labeled")
            await editor.told(FILE, None)
        found["completion, median, while the folder is being checked"] = statistics.median(completions)
        found["completion, slowest"] = max(completions)
        found["hover, median"] = statistics.median(hovers)
        found["a wrong name typed to its diagnostic, median"] = statistics.median(mistakes)
        found["what is no YAML typed to its diagnostic, median"] = statistics.median(forms)
    return found


def main() -> None:
    """Measure, and print."""
    edits = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    before = os.getloadavg()[0]
    with TemporaryDirectory() as scratch:
        found = asyncio.run(measured(copy_of_shipped(Path(scratch)), edits))
    for what, seconds in found.items():
        print(f"{what}: {seconds * 1000:,.0f} ms")
    print(f"load of the machine: {before:.1f} before, {os.getloadavg()[0]:.1f} after, on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
