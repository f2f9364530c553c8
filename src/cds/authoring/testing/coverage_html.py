"""Coverage → one HTML page: every rule file, line by line, with what the cases show. It loads nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader

from cds.authoring.testing.coverage import Coverage, counts
from cds.logic.truth import Truth

TITLES = ("answers claimed", "clauses", "sides of limits", "cards", "notes")
SIDES = {"below": "<", "at or above": "≥", "at or below": "≤", "above": ">"}
SIGNS = {Truth.TRUE: "t", Truth.FALSE: "f", Truth.UNKNOWN: "?"}


@dataclass(frozen=True, slots=True)
class Mark:
    """One sign in the margin: what it stands for, and whether a case shows it."""

    sign: str
    seen: bool
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a rule file and its margin; `gap` when something of it no case shows."""

    text: str
    marks: tuple[Mark, ...]

    @property
    def gap(self) -> bool:
        """Whether a mark stands for what no case shows."""
        return any(not mark.seen for mark in self.marks)


def coverage_page(coverage: Coverage, root: Path, passed: int, failed: int) -> str:
    """The page, as HTML text."""
    environment = Environment(loader=PackageLoader("cds.authoring.testing"), autoescape=True, trim_blocks=False)
    marks = marks_by_place(coverage)
    files = [
        {
            "name": file,
            "anchor": f"file-{number}",
            "counts": astuple(count),
            "lines": [
                Line(text, tuple(marks.get((file, line), ())))
                for line, text in enumerate(Path(file).read_text(encoding="utf-8").splitlines(), start=1)
            ],
        }
        for number, (file, count) in enumerate(counts(coverage).items(), start=1)
    ]
    template = environment.get_template("coverage.html")
    return template.render(root=str(root), files=files, titles=TITLES, passed=passed, failed=failed)


def marks_by_place(coverage: Coverage) -> Mapping[tuple[str, int], list[Mark]]:
    """(file, line) → what stands in the margin there."""
    marks: defaultdict[tuple[str, int], list[Mark]] = defaultdict(list)
    for place, mark in _all_marks(coverage):
        marks[place].append(mark)
    return marks


def _all_marks(coverage: Coverage) -> Iterator[tuple[tuple[str, int], Mark]]:
    for name, concluded in coverage.conclusions.items():
        for truth in Truth:
            if truth in concluded.possible:
                seen = truth in concluded.claimed
                title = f"{'a case says' if seen else 'no case says'} that {name} is {truth.value}"
                yield (concluded.file, concluded.line), Mark(SIGNS[truth], seen, title)
    for name, card in coverage.cards.items():
        for side, sign, word in ((True, "+", "shown"), (False, "-", "held back")):
            seen = side in card.seen
            yield (card.file, card.line), Mark(sign, seen, f"card {name} is {'' if seen else 'never '}{word}")
    for clause in coverage.clauses:
        place = (clause.file, clause.line)
        for truth in Truth:
            if truth in clause.possible:
                seen = truth in clause.seen
                yield place, Mark(SIGNS[truth], seen, f"{clause.words} is {'' if seen else 'never '}{truth.value}")
        for limit in clause.limits:
            for where, nearest in limit.sides:
                title = f"{limit.words}: no number {where} the limit"
                if nearest is not None:
                    title = f"{limit.words}: {nearest:g} is the nearest number {where} the limit"
                yield place, Mark(SIDES[where], nearest is not None, title)
