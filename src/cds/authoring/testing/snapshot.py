"""cards.snapshot: the exact cards of every case, in one file that `cds test --update` renews and a reviewer reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SNAPSHOT = "cards.snapshot"
HEAD = "# The cards of every case, in the order they are shown. `cds test --update` renews this; read it as a diff.\n"
ARROW = " → "
NOTHING = "nothing"

CaseKey = tuple[str, str]
"""Test file, seen from the folder of rules, and the name of the case."""
Cards = tuple[str, ...]


def read_snapshot(root: Path) -> dict[CaseKey, Cards] | None:
    """
    Case → its cards, as written down; None where a folder has no such file.

    A line that is no case (one a merge left behind) is passed over: what it said is then missing, which is told.
    """
    path = root / SNAPSHOT
    if not path.is_file():
        return None
    known: dict[CaseKey, Cards] = {}
    file = ""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("  ") and ARROW in line:
            name, _, cards = line.strip().rpartition(ARROW)
            known[file, name] = () if cards == NOTHING else tuple(cards.split(", "))
        elif line.endswith(":"):
            file = line[:-1]
    return known


def snapshot_text(cards: Mapping[CaseKey, Cards]) -> str:
    """The file: a line for each case, by test file and in the order of its cases."""
    lines: list[str] = []
    last = ""
    for (file, name), shown in cards.items():
        if file != last:
            lines.append(f"{file}:")
            last = file
        lines.append(f"  {name}{ARROW}{', '.join(shown) or NOTHING}")
    return HEAD + "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class SnapshotDifference:
    """
    What is not as the snapshot says.

    Attributes:
        changed: Case → its cards there, and now.
        new: Cases it does not hold: their own claims hold them until it is renewed.
        gone: Cases it holds that are no more.
    """

    changed: Mapping[CaseKey, tuple[Cards, Cards]]
    new: tuple[CaseKey, ...]
    gone: tuple[CaseKey, ...]

    def __bool__(self) -> bool:
        return bool(self.changed or self.new or self.gone)

    @property
    def lines(self) -> Iterator[str]:
        """Counts by card first: in how many cases each is shown now and was not, no longer is, or stands elsewhere."""
        more, fewer, moved = Counter[str](), Counter[str](), 0
        for before, now in self.changed.values():
            more.update(set(now) - set(before))
            fewer.update(set(before) - set(now))
            moved += set(before) == set(now)
        for card in sorted({*more, *fewer}, key=lambda one: (-more[one] - fewer[one], one)):
            counts = [f"{sign}{count[card]}" for sign, count in (("+", more), ("-", fewer)) if count[card]]
            yield f"{card}: {' '.join(counts)} case(s)"
        if moved:
            yield f"in another order: {moved} case(s)"
        if self.new:
            yield f"not in the snapshot yet: {len(self.new)} case(s)"
        if self.gone:
            yield f"in the snapshot, but no longer there: {len(self.gone)} case(s)"


def compared(
    known: Mapping[CaseKey, Cards], now: Mapping[CaseKey, Cards], every: Iterable[CaseKey]
) -> SnapshotDifference:
    """What differs between the snapshot and the cards of the cases that ran; `every` has those that did not, too."""
    changed = {key: (known[key], shown) for key, shown in now.items() if key in known and known[key] != shown}
    there = set(every)
    return SnapshotDifference(
        changed=changed,
        new=tuple(key for key in now if key not in known),
        gone=tuple(key for key in known if key not in there),
    )
