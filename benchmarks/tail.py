"""
How even the answers are: rules of the workload and shipped ones over HTTP, many at once, small and large together.

    make bench-tail     # the service, and other ways to admit decisions, in turns; about five minutes
    make bench-tail ARGUMENTS="--against a904168 --only 50/8/1"     # and another revision, some of the cells
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from benchmarks.as_rules import write_rules
from benchmarks.measure import ROOT, Load, Server, Took, serving
from benchmarks.page import table
from benchmarks.workload import OUTCOMES, SERVICE, request

SHIPPED = "ketamine-evaluation"
MIXED = 400  # requests in one turn of a mixed load
EVERY = 20  # one of so many has 5,000 resources
SMALL, LARGE = "small of mixed", "large of mixed"


@dataclass(frozen=True)
class Variant:
    """What is measured: a name, where its code is, and settings."""

    name: str
    source: Path = ROOT / "src"
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """A row of the table: rules, what is sent, over how many connections, to how many workers."""

    shipped: bool
    sent: str
    connections: int
    workers: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        rules = "shipped" if self.shipped else "workload"
        sent = (SMALL, LARGE) if self.sent == "mixed" else (self.sent,)
        return tuple(f"{rules}, {one}/{self.connections}/{self.workers}" for one in sent)


CELLS = (
    *(Cell(False, sent, connections) for sent in ("50", "500") for connections in (1, 8, 64)),
    *(Cell(False, "mixed", connections) for connections in (8, 64)),
    *(Cell(True, "50", connections) for connections in (1, 8)),
    *(Cell(False, sent, 8, 2) for sent in ("50", "500", "mixed")),
)


def bodies_of(sent: str) -> tuple[list[bytes], set[int]]:
    """What is sent in turn, and which of it is large."""
    if sent != "mixed":
        return [request(int(sent), outcome) for outcome in OUTCOMES], set()
    chance = random.Random(22)  # noqa: S311
    large = {start + chance.randrange(EVERY) for start in range(0, MIXED, EVERY)}
    small, heavy = request(50), request(5000)
    return [heavy if number in large else small for number in range(MIXED)], large


def loads_of(cell: Cell, rounds: Sequence[Took]) -> dict[str, Load]:
    """The rounds of one cell together; of a mixed load the small and the large ones apart."""
    large = bodies_of(cell.sent)[1]
    took = Took(
        [answer for one in rounds for answer in one.answers],
        sum(one.cpu for one in rounds),
        sum(one.passed for one in rounds),
        max(one.mb for one in rounds),
    )
    if not large:
        return {cell.names[0]: took.load()}
    sent = {cell.names[0]: set(range(MIXED)) - large, cell.names[1]: large}
    answered = {number for number, _ in took.answers}
    return {name: took.load(bodies) for name, bodies in sent.items() if bodies & answered}


def measure(
    variants: Sequence[Variant], folder: Path, seconds: float, rounds: int, cells: Sequence[Cell] = CELLS
) -> dict[str, dict[str, Load]]:
    """Cell → variant → what was measured. All servers run at once, idle but the one whose turn it is."""
    write_rules(folder / "rules")
    found: dict[str, dict[str, Load]] = {}
    for shipped, workers in dict.fromkeys((cell.shipped, cell.workers) for cell in cells):
        with ExitStack() as servers:
            running = {
                variant.name: servers.enter_context(_server(variant, folder, shipped, workers)) for variant in variants
            }
            for cell in [cell for cell in cells if (cell.shipped, cell.workers) == (shipped, workers)]:
                bodies = bodies_of(cell.sent)[0]
                took: dict[str, list[Took]] = {name: [] for name in running}
                for _ in range(rounds):
                    for name, server in running.items():
                        took[name].append(server.took(bodies, cell.connections, seconds))
                for name, of_one in took.items():
                    for row, load in loads_of(cell, of_one).items():
                        found.setdefault(row, {})[name] = load
                        print(row, name, {key: round(value, 2) for key, value in asdict(load).items()}, flush=True)
    return found


@contextmanager
def _server(variant: Variant, folder: Path, shipped: bool, workers: int) -> Iterator[Server]:
    state = folder / f"{variant.name}-{shipped}-{workers}".replace(" ", "-")
    environment = {
        "CDS_RULES": str(variant.source.parent / "rules" if shipped else folder / "rules"),
        "CDS_JOURNAL": str(state),
        "CDS_ENGINE": "both",
        "CDS_QUEUE_SIZE": "128",
    } | dict(variant.settings)
    path = f"/cds-services/{SHIPPED if shipped else SERVICE}"
    with serving(
        "benchmarks.servers:ours", path, request(50), workers=workers, env=environment, source=variant.source
    ) as server:
        yield server


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """The code of another revision."""
    with tempfile.TemporaryDirectory() as there:
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", "--quiet", there, revision], check=True)  # noqa: S603
        try:
            yield Path(there) / "src"
        finally:
            subprocess.run([*git, "remove", "--force", there], check=True)  # noqa: S603


def page(found: Mapping[str, Mapping[str, Load]]) -> str:
    """The table of all that was measured."""
    rows = [
        [row, name, f"{load.rps:.0f}", f"{load.cpu:.2f}", f"{load.p50:.1f}", f"{load.p99:.1f}", f"{load.worst:.1f}",
         f"{load.p99 / load.p50:.1f}", f"{load.worst / load.p50:.1f}", f"{load.mb:.0f}"]
        for row, by_variant in found.items()
        for name, load in by_variant.items()
    ]  # fmt: skip
    head = ["rules, resources/connections/workers", "code", "requests/s", "CPU", "p50", "p99", "worst", "p99/p50",
            "worst/p50", "MB"]  # fmt: skip
    return table(head, rows)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--against", action="append", default=[], metavar="REVISION")
    arguments.add_argument("--designs", action="store_true", help="and other ways to admit decisions")
    arguments.add_argument("--seconds", type=float, default=1.0, help="of one round of one cell")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--only", default="", help="cells whose name has this in it")
    chosen = arguments.parse_args()
    variants = [Variant("this")]
    if chosen.designs:
        from benchmarks.designs import DESIGNS  # noqa: PLC0415 (of the code here; another revision has others)

        variants += [Variant(name, settings={"BENCH_DESIGN": name}) for name in DESIGNS]
    cells = [cell for cell in CELLS if any(chosen.only in name for name in cell.names)]
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as trees:
        variants += [Variant(revision, trees.enter_context(checked_out(revision))) for revision in chosen.against]
        found = measure(variants, Path(temporary), chosen.seconds, chosen.rounds, cells)
    (ROOT / ".bench").mkdir(exist_ok=True)
    kept = {row: {name: asdict(load) for name, load in by.items()} for row, by in found.items()}
    (ROOT / ".bench" / "tail.json").write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2))
    print(page(found))


if __name__ == "__main__":
    main()
