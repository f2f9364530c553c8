"""
Does the engine keep memory? Resident memory before and after many evaluations of the shipped rules.

    python benchmarks/engine_memory.py [evaluations]
"""

from __future__ import annotations

import gc
import sys
import time
from contextlib import closing
from pathlib import Path
from random import Random

from cds.engine.durable import DurableEvaluator
from cds.engine.kleene import KleeneEvaluator
from cds.logic.clauses import ComparisonLiteral
from cds.logic.truth import Truth
from cds.rulebook.compile import compile_ruleset
from cds.rulebook.loader import read_rulebook

EVALUATIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
CASES = 500


def resident_mb() -> float:
    """Linux only."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def median(times: list[float]) -> float:
    return sorted(times)[len(times) // 2] * 1e3


program = compile_ruleset(read_rulebook(Path(__file__).parents[1] / "rules"))
bodies = [part for stratum in program.strata for clause in stratum.clauses for part in clause.body]
names = sorted({part.name for part in bodies if not isinstance(part, ComparisonLiteral)})
limits = sorted({(part.fact, part.limit) for part in bodies if isinstance(part, ComparisonLiteral)})
random = Random(1)  # noqa: S311 (no secret)
cases = []
for _ in range(CASES):
    statements = {name: random.choice(list(Truth)) for name in names}
    ends = {fact: limit + random.choice((-1, 0, 1)) for fact, limit in limits if random.random() < 0.8}
    cases.append((statements, {fact: (end, end + random.choice((0, 2))) for fact, end in ends.items()}))

direct = KleeneEvaluator({name: head.condition for name, head in program.heads.items()})
times: dict[str, list[float]] = {"engine": [], "direct": []}
with closing(DurableEvaluator(program.strata)) as engine:
    for known in cases:
        for name, run in (("engine", engine.run), ("direct", direct.run)):
            start = time.process_time()
            run(*known)
            times[name].append(time.process_time() - start)
    before = resident_mb()
    for index in range(EVALUATIONS):
        engine.run(*cases[index % CASES])
    after = resident_mb()

for name, measured in times.items():
    print(f"{name}: {median(measured):.3f} ms CPU (p50 of {CASES})")
print(f"resident: {before:.1f} MB before, {after:.1f} MB after {EVALUATIONS:,} evaluations")

before = resident_mb()
for _ in range(500):
    DurableEvaluator(program.strata).close()
print(f"resident: {before:.1f} MB before, {resident_mb():.1f} MB after loading and closing 500 engines")
