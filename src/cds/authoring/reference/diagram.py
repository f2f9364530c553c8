"""Nodes and links of a rule file → boxes and lines, in columns from what is looked for to what is shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean

from cds.authoring.reference.rule_page import CARD, FILE, DiagramNode

WIDTH, HEIGHT = 216, 26  # of a box, in pixels
ACROSS, DOWN, SIDE = 64, 8, 8  # between boxes, and around all
MOST_SIGNS = 30  # of a label in a box


@dataclass(frozen=True, slots=True)
class DiagramBox:
    """One node in its place: left and upper end, its kind, and its words, cut and whole."""

    x: int
    y: int
    kind: str
    words: str
    says: str


@dataclass(frozen=True, slots=True)
class Diagram:
    """A drawing: its size in pixels, boxes, and a path for each link."""

    width: int
    height: int
    boxes: tuple[DiagramBox, ...]
    lines: tuple[str, ...]


def drawn(nodes: Sequence[DiagramNode], links: Sequence[tuple[str, str]]) -> Diagram:
    """Every node right of what it reads; within a column, near to it."""
    reads: defaultdict[str, list[str]] = defaultdict(list)
    for read, reader in links:
        reads[reader].append(read)
    columns = _columns(nodes, reads)
    places: dict[str, tuple[int, int]] = {}
    for column in sorted(set(columns.values())):
        inside = [node for node in nodes if columns[node.id] == column]
        inside.sort(key=lambda node: _height(node.id, reads, places))  # stable: what reads nothing keeps its order
        for row, node in enumerate(inside):
            places[node.id] = (SIDE + column * (WIDTH + ACROSS), SIDE + row * (HEIGHT + DOWN))
    boxes = tuple(DiagramBox(*places[node.id], node.kind, _cut(node.label), node.label) for node in nodes)
    return Diagram(
        width=max((box.x for box in boxes), default=0) + WIDTH + SIDE,
        height=max((box.y for box in boxes), default=0) + HEIGHT + SIDE,
        boxes=boxes,
        lines=tuple(_line(places[read], places[reader]) for read, reader in links),
    )


def _height(name: str, reads: Mapping[str, Sequence[str]], places: Mapping[str, tuple[int, int]]) -> float:
    """Where what a node reads stands, on the average."""
    return fmean([places[read][1] for read in reads[name] if read in places] or [0.0])


def _columns(nodes: Sequence[DiagramNode], reads: Mapping[str, Sequence[str]]) -> dict[str, int]:
    known = {node.id: node for node in nodes}

    @cache
    def depth(name: str) -> int:
        return 1 + max((depth(read) for read in reads.get(name, ())), default=-1)

    last = {name for name, node in known.items() if node.kind == CARD or (node.kind == FILE and reads.get(name))}
    made = {name: depth(name) for name in known if name not in last}
    end = max(made.values(), default=-1) + 1
    return made | dict.fromkeys(last, end)


def _cut(label: str) -> str:
    return label if len(label) <= MOST_SIGNS else f"{label[: MOST_SIGNS - 1]}…"


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    x, y = start[0] + WIDTH, start[1] + HEIGHT // 2
    to_x, to_y = end[0], end[1] + HEIGHT // 2
    half = (x + to_x) // 2
    return f"M{x} {y}C{half} {y} {half} {to_y} {to_x} {to_y}"
