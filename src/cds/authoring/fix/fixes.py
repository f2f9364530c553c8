"""
Rulebook and its problems → what a program can correct in them.

`fixes_of` is pure: rules, problems and texts in, edits out. Nothing is read or written, so that an editor can ask it of
texts that are not saved; `cds fix` (rounds.py) applies the edits until none is left.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from enum import Enum
from pathlib import Path

from cds.authoring.fix.fix import Edit, Fix
from cds.authoring.formatter import formatted
from cds.rulebook.loader import LOCK, READING, REVIEW, SITE, VOCABULARY, WORDING, Rulebook
from cds.rulebook.lock import lock_text, raised, same_version_twice, written_anew
from cds.yaml_source.correction import Correction
from cds.yaml_source.problem import Problem
from cds.yaml_source.ranges import TextRange, Written, offset, range_of, whole, written_in

SCHEMA_LINE = re.compile(r"#\s*yaml-language-server:\s*\$schema=(\S*)[^\n]*")
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 ._-]*")


class VersionStep(Enum):
    """What a change of a rule file means for patients, which is the part of its version that goes up."""

    PATCH = "patch"  # wording
    MINOR = "minor"  # more patients may see a card, or new facts are read
    MAJOR = "major"  # fewer may, or a threshold moved


MEANS = {
    VersionStep.PATCH: "only wording changed",
    VersionStep.MINOR: "more patients may see a card, or new facts are read",
    VersionStep.MAJOR: "fewer patients may see a card, or a threshold moved",
}


def fixes_of(
    book: Rulebook,
    problems: Iterable[Problem],
    texts: Mapping[str, str],
    today: date,
    step: VersionStep = VersionStep.MINOR,
    compared_with: str = "",
) -> list[Fix]:
    """
    What a program can correct, by file and line; of a site, only in its own files.

    Args:
        book: The rules, read from these texts.
        problems: What `cds check` says of them and of their test files.
        texts: Path as problems name it → text of the files that may be changed.
        today: The day that a new version, or a comparison with a release, is of.
        step: How versions go up; which of the three is right is the author's to say.
        compared_with: The release that lists without `checked` were compared with today; "" leaves them as they are,
            because only who compared them knows.

    Returns:
        Fixes whose edits may meet those of another: one whole file in its layout, and a word of it. Those of names and
        spellings come first, then `checked` and `$schema`, then versions and the lock, then layout.
    """
    found = [fix for problem in sorted(set(problems)) for fix in _correction(problem, texts)]
    found += _checked(book, texts, today, compared_with) if compared_with else []
    found += [fix for file, text in texts.items() for fix in _schema_line(Path(file), text, book)]
    found += [fix for rule_fix in _versions(book, texts, today, step) for fix in rule_fix]
    found += list(_lock(book))
    return found + [fix for file, text in texts.items() for fix in _layout(file, text)]


def schema_from(path: Path, book: Rulebook, name: str) -> str:
    """Where a schema is, seen from a file: in the folder itself, or in the one that a site is an overlay of."""
    folder = book.base if book.base is not None and not (book.root / name).is_file() else book.root
    return Path(os.path.relpath(folder / name, path.parent)).as_posix()


# ---------------------------------------------------------------- words


def _correction(problem: Problem, texts: Mapping[str, str]) -> Iterator[Fix]:
    """What a check would write instead, at the one place where the word is written."""
    fix, text = problem.fix, texts.get(problem.file)
    if not isinstance(fix, Correction) or text is None:
        return
    where = place_of(fix.written, text, problem.line, problem.column)
    if where is not None:
        edit = Edit(problem.file, where, fix.instead)
        yield Fix(problem.check, f"Write {fix.instead} for {fix.written}.", problem.what, (edit,), problem)


def place_of(word: str, text: str, line: int, column: int) -> TextRange | None:
    """Where a word is written in what a place of a YAML text names; None where it is not, or more than once."""
    nodes = written_in(text)
    here = next((node for node in nodes if node.start == (line, column)), None)
    if here is None:
        return None
    if here.key is not None and here.path[-1] == word:
        return here.key
    inside = [node for node in nodes if node.path[: len(here.path)] == here.path]
    whole_values = [node.value for node in inside if node.text == word]
    whole_values += [node.key for node in inside[1:] if node.key is not None and node.path[-1] == word]
    if whole_values:
        return whole_values[0] if len(whole_values) == 1 else None
    start = offset(text, line, column)
    end = offset(text, here.value.end_line, here.value.end_column)
    found = list(re.finditer(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text[start:end]))
    if len(found) != 1:
        return None
    return range_of(text, start + found[0].start(), start + found[0].end())


# ---------------------------------------------------------------- lines that files begin with


def _schema_line(path: Path, text: str, book: Rulebook) -> Iterator[Fix]:
    name = _schema_of(path, book.root)
    schema = schema_from(path, book, name)
    if not (path.parent / schema).is_file():
        return
    wanted = f"# yaml-language-server: $schema={schema}"
    written = SCHEMA_LINE.search(text.split("\n\n", maxsplit=1)[0])
    if written is None:
        edit = Edit(str(path), TextRange(1, 1, 1, 1), f"{wanted}\n")
        yield Fix("schema-line", f"Name the schema: {schema}.", "Editors complete and check keys by it.", (edit,))
    elif not (path.parent / written[1]).is_file() or Path(written[1]).name != name:
        edit = Edit(str(path), range_of(text, written.start(), written.end()), wanted)
        yield Fix("schema-line", f"Name the schema: {schema}.", f"`{written[1]}` is not the schema of it.", (edit,))


def _schema_of(path: Path, root: Path) -> str:
    place = path.relative_to(root).parts
    if path.name.endswith(".test.yaml"):
        return "casetest.schema.json"
    if place == (REVIEW, "packet.yaml"):
        return "packet.schema.json"
    folders = {
        "patients": "patients", "valuesets": "valueset", "tables": "drugs", READING: READING, REVIEW: REVIEW,
        SITE: "site", VOCABULARY: "vocabulary", WORDING: "wording",
    }  # fmt: skip
    return f"{folders.get(place[0], 'rules')}.schema.json"


def _checked(book: Rulebook, texts: Mapping[str, str], today: date, release: str) -> Iterator[Fix]:
    """`checked` for lists that say nothing of when they were compared with a release."""
    headers = [(one.file, "valueset", one.model.valueset.checked) for one in book.sets]
    headers += [(one.file, "table", one.model.table.checked) for one in book.tables.values()]
    for file, header, checked in headers:
        said = release if PLAIN.fullmatch(release) else f'"{release}"'
        edit = _line_after(file, texts.get(file), (header,), "title", f"checked: {{date: {today}, release: {said}}}")
        if checked is None and edit is not None:
            what = f"Say that it was compared with {release} on {today}."
            yield Fix("list-age", what, "A list that does not say so may be behind, and nothing shows it.", (edit,))


def _line_after(
    file: str, text: str | None, section: tuple[str, ...], key: str, line: str, nodes: list[Written] | None = None
) -> Edit | None:
    """An edit that adds a line behind a key of a section whose keys have lines of their own."""
    if text is None:
        return None
    node = next((one for one in nodes or written_in(text) if one.path == (*section, key)), None)
    if node is None or node.key is None or node.in_flow or node.text is None:
        return None
    lines = text.split("\n")
    last = max(node.value.line, node.value.end_line - (node.value.end_column == 1))
    if node.value.end_column == 1 and not lines[last - 1].strip():
        return None  # a block of text with blank lines behind it: the author knows best where it ends
    at = TextRange(last, len(lines[last - 1]) + 1, last, len(lines[last - 1]) + 1)
    return Edit(file, at, f"\n{' ' * (node.key.column - 1)}{line}")


# ---------------------------------------------------------------- versions and the lock


def _versions(book: Rulebook, texts: Mapping[str, str], today: date, step: VersionStep) -> Iterator[list[Fix]]:
    """A new version, and its day, for each rule file that means something else than the lock says."""
    for rule, problem in same_version_twice(book):
        text = texts.get(rule.file)
        if text is None:
            continue
        nodes = {node.path: node for node in written_in(text)}
        version = raised(rule.model.about.version)[list(VersionStep).index(step)]
        edits = [Edit(rule.file, nodes["about", "version"].value, version)]
        revised = nodes.get(("about", "revised"))
        if revised is not None:
            edits.append(Edit(rule.file, revised.value, str(today)))
        else:
            after = "released" if ("about", "released") in nodes else "version"
            line = _line_after(rule.file, text, ("about",), after, f"revised: {today}")
            edits += [line] if line is not None else []
        what = f"Version {version}, of {today}: {MEANS[step]}."
        yield [Fix("version", what, problem.what, tuple(edits), problem)]


def _lock(book: Rulebook) -> Iterator[Fix]:
    """The lock as `cds lock` would write it, once that hides no change."""
    problems = written_anew(book)
    if problems and book.lock is not None:
        file = str(book.root / LOCK)
        edit = Edit(file, whole(book.lock), lock_text(book))
        yield Fix(problems[0].check, "Renew the lock.", problems[0].what, (edit,), problems[0])


# ---------------------------------------------------------------- layout


def _layout(file: str, text: str) -> Iterator[Fix]:
    """What `cds fmt` does."""
    made = formatted(text)
    if made != text:
        edit = Edit(file, whole(text), made)
        yield Fix(
            "layout", "Lay the file out as `cds fmt` does.", "Files that look alike are compared by eye.", (edit,)
        )
