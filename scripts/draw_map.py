"""Draws docs/developers/map.svg and the table of docs/developers/map.md from the imports of src/cds: `make map`."""

from __future__ import annotations

import ast
import html
from collections import defaultdict
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "cds"
PAGE, DRAWING = ROOT / "docs" / "developers" / "map.md", ROOT / "docs" / "developers" / "map.svg"
BEGIN, END = "<!-- made by scripts/draw_map.py -->", "<!-- end of what the script made -->"
WIDE, HIGH, GAP_X, GAP_Y, MARGIN = 132, 40, 22, 46, 20


@dataclass
class Room:
    """A folder or single module below src/cds: how long it is, what it says of itself, and what it imports."""

    lines: int = 0
    modules: int = 0
    says: str = ""
    imports: set[str] = field(default_factory=set)


def rooms_in(source: Path) -> dict[str, Room]:
    """Every room by name, with the rooms it imports."""
    rooms: dict[str, Room] = defaultdict(Room)
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source).parts
        name = parts[0].removesuffix(".py")
        if name == "__init__":
            continue
        tree, room = ast.parse(path.read_text()), rooms[name]
        if path.name == "__init__.py":
            if len(parts) == 2:
                room.says = (ast.get_docstring(tree) or "").split("\n")[0]
            continue
        room.lines += len(path.read_text().splitlines())
        room.modules += 1
        if len(parts) == 1:
            room.says = (ast.get_docstring(tree) or "").strip().split("\n")[0]
        for node in ast.walk(tree):
            named = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            named += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            room.imports |= {module.split(".")[1] for module in named if module.startswith("cds.")} - {name}
    for room in rooms.values():
        room.imports &= rooms.keys()
    return dict(rooms)


def ranks_of(rooms: dict[str, Room]) -> dict[str, int]:
    """How high each room lies: one above the highest room that it imports."""
    ranks: dict[str, int] = {}
    for name in TopologicalSorter({name: room.imports for name, room in rooms.items()}).static_order():
        ranks[name] = max((ranks[other] + 1 for other in rooms[name].imports), default=0)
    return ranks


def closest(rooms: dict[str, Room]) -> dict[str, set[str]]:
    """The imports of each room that no other import of it leads to: what must be drawn to see the rest."""

    def below(name: str) -> set[str]:
        return rooms[name].imports | {far for near in rooms[name].imports for far in below(near)}

    return {
        name: {near for near in room.imports if not any(near in below(other) for other in room.imports - {near})}
        for name, room in rooms.items()
    }


def drawing_of(rooms: dict[str, Room]) -> str:
    """The map as SVG: a row a rank, ground floor below, lines from each room to those it rests on."""
    ranks, top = ranks_of(rooms), max(ranks_of(rooms).values())
    rows: dict[int, list[str]] = defaultdict(list)
    for name, rank in sorted(ranks.items()):
        rows[rank].append(name)
    width = 2 * MARGIN + max(len(row) for row in rows.values()) * (WIDE + GAP_X) - GAP_X
    at = {}
    for rank, row in rows.items():
        left = (width - len(row) * (WIDE + GAP_X) + GAP_X) / 2
        for number, name in enumerate(row):
            at[name] = (left + number * (WIDE + GAP_X), MARGIN + (top - rank) * (HIGH + GAP_Y))
    height = 2 * MARGIN + (top + 1) * (HIGH + GAP_Y) - GAP_Y
    shapes = [
        f'<line x1="{at[name][0] + WIDE / 2:.0f}" y1="{at[name][1] + HIGH:.0f}" '
        f'x2="{at[near][0] + WIDE / 2:.0f}" y2="{at[near][1]:.0f}"/>'
        for name, nears in closest(rooms).items()
        for near in sorted(nears)
    ]
    for name, (x, y) in at.items():
        shapes.append(f'<rect x="{x:.0f}" y="{y:.0f}" width="{WIDE}" height="{HIGH}" rx="6"/>')
        shapes.append(f'<text x="{x + WIDE / 2:.0f}" y="{y + 17:.0f}" class="room">{html.escape(name)}</text>')
        shapes.append(f'<text x="{x + WIDE / 2:.0f}" y="{y + 32:.0f}">{rooms[name].lines:,} lines</text>')
    style = (
        "line{stroke:#8a94a6;stroke-width:1.2}rect{fill:#eef3fb;stroke:#33507a;stroke-width:1.2}"
        "text{font:11px sans-serif;text-anchor:middle;fill:#1d2733}.room{font-weight:bold;font-size:13px}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img">'
        f"<title>The rooms of src/cds: each rests on those below it</title><style>{style}</style>"
        f'<rect width="{width:.0f}" height="{height:.0f}" style="fill:#fff;stroke:none"/>{"".join(shapes)}</svg>\n'
    )


def table_of(rooms: dict[str, Room]) -> str:
    """The rooms from the top down, with what they hold and what they import."""
    ranks, total = ranks_of(rooms), sum(room.lines for room in rooms.values())
    lines = ["| room | holds | lines | imports |", "| --- | --- | ---: | --- |"]
    for name in sorted(rooms, key=lambda name: (-ranks[name], name)):
        room = rooms[name]
        share = f"{room.lines:,} ({100 * room.lines / total:.0f} %)"
        lines.append(f"| `{name}` | {room.says} | {share} | {', '.join(sorted(room.imports))} |")
    return "\n".join(lines)


def page_of(rooms: dict[str, Room], page: str) -> str:
    """The page with its table made again; the words around it stay."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{table_of(rooms)}\n\n{END}{after}"


def main() -> None:
    """Write both files."""
    rooms = rooms_in(SOURCE)
    PAGE.write_text(page_of(rooms, PAGE.read_text()))
    DRAWING.write_text(drawing_of(rooms))


if __name__ == "__main__":
    main()
