"""What a comparison with a release found, and the edits it proposes, read as a diff before they are written."""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cds.authoring.terminology.source import TerminologySourceError

if TYPE_CHECKING:
    from ruamel.yaml.comments import CommentedMap

EXTRA = "terminology"
WIDEST = 1_000_000  # characters of a line, so that no line is wrapped


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing in which a list and a release differ.

    Attributes:
        kind: What sort of difference, such as new-product or retired.
        place: The list, or the drug of a table.
        code: The code it is about; "" where it is about none.
        says: What differs, and what becomes of it.
    """

    kind: str
    place: str
    code: str
    says: str


@dataclass(frozen=True, slots=True)
class FileEdit:
    """One file as it is, and as it is proposed to be."""

    path: Path
    before: str
    after: str

    @property
    def diff(self) -> str:
        """The edit as a unified diff that `patch -p1` takes; "" where nothing changes."""
        name = self.path.as_posix().lstrip("/")
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True), self.after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
        )
        return "".join(lines)


@dataclass(frozen=True, slots=True)
class Proposal:
    """
    What a comparison found.

    Attributes:
        release: What the lists were compared with, in words.
        compared: How many lists or codes were compared, in words.
        findings: Every difference, whether a file is edited for it or not.
        edits: The files that would change.
    """

    release: str
    compared: str
    findings: tuple[Finding, ...]
    edits: tuple[FileEdit, ...]

    @property
    def diff(self) -> str:
        """All edits as one unified diff."""
        return "".join(edit.diff for edit in self.edits)

    def write(self) -> tuple[Path, ...]:
        """Write the files that change, and give their paths."""
        changed = [edit for edit in self.edits if edit.before != edit.after]
        for edit in changed:
            edit.path.write_text(edit.after, encoding="utf-8", newline="")
        return tuple(edit.path for edit in changed)


def edited_yaml(path: Path, text: str, change: Callable[[CommentedMap], None]) -> FileEdit:
    """
    A YAML file with a change, its comments and layout kept.

    Raises:
        TerminologySourceError: The extra is not installed, or the layout of the file could not be kept.
    """
    try:
        from ruamel.yaml import YAML  # noqa: PLC0415 (an extra; only needed to write)
    except ImportError:
        raise TerminologySourceError(
            "ruamel.yaml is not installed.", f"Install the extra: pip install 'thirdline[{EXTRA}]'."
        ) from None
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDEST
    yaml.indent(mapping=2, sequence=4, offset=2)

    def written(values: Any) -> list[str]:
        stream = io.StringIO()
        yaml.dump(values, stream)
        return stream.getvalue().splitlines(keepends=True)

    values = yaml.load(text)
    plain = written(values)
    change(values)
    changed = written(values)
    after = _carried_over(text.splitlines(keepends=True), plain, changed)
    if after is None or yaml.load(after) != values:
        raise TerminologySourceError(
            f"{path} is laid out in a way that would not be kept.", "Write the lines near the change as `cds fmt` does."
        )
    return FileEdit(path, text, after)


def _carried_over(text: list[str], plain: list[str], changed: list[str]) -> str | None:
    """
    A text with the edits that lead from `plain` to `changed`, where `plain` is that text in another layout.

    So that only lines that mean something else are touched: the writer of YAML joins lists that people broke into
    lines. None where an edit falls on lines whose layout differs.
    """
    place = {
        block.b + offset: block.a + offset
        for block in difflib.SequenceMatcher(None, text, plain, autojunk=False).get_matching_blocks()
        for offset in range(block.size)
    }
    place[len(plain)] = len(text)
    made: list[str] = []
    done = 0
    for kind, start, end, first, last in difflib.SequenceMatcher(None, plain, changed, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        if any(at not in place for at in range(start, end)):
            return None
        if start in place:
            here = place[start]
        elif start - 1 in place:
            here = place[start - 1] + 1
        else:
            return None
        made += [*text[done:here], *changed[first:last]]
        done = here + end - start
    return "".join([*made, *text[done:]])


def set_checked(header: CommentedMap, today: date, release: str) -> None:
    """Write when a list was compared, and with what, below its title."""
    from ruamel.yaml.comments import CommentedMap as Values  # noqa: PLC0415 (an extra)
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString as Quoted  # noqa: PLC0415

    checked = Values({"date": today, "release": Quoted(release)})
    checked.fa.set_flow_style()
    if "checked" in header:
        header["checked"] = checked
    else:
        header.insert(list(header).index("title") + 1, "checked", checked)


def add_codes(values: CommentedMap, system: str, source: str, codes: Mapping[str, str]) -> None:
    """Add codes to a value set in a group of their own source; a group of that system and source is added to."""
    from ruamel.yaml.comments import CommentedMap as Values  # noqa: PLC0415 (an extra)
    from ruamel.yaml.comments import CommentedSeq  # noqa: PLC0415
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString as Quoted  # noqa: PLC0415

    groups = values.get("codes")
    if groups is None:
        groups = CommentedSeq()
        values.insert(list(values).index("valueset") + 1, "codes", groups)
    group = next((one for one in groups if one["system"] == system and one["source"] == source), None)
    if group is None:
        group = Values({"system": system, "source": Quoted(source), "verified": True, "exact": Values()})
        groups.append(group)
    exact = group.setdefault("exact", Values())
    for code, display in codes.items():
        exact[Quoted(code) if code.isdigit() else code] = Quoted(display)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings by kind, place and code."""
    return tuple(sorted(findings, key=lambda one: (one.kind, one.place, one.code, one.says)))
