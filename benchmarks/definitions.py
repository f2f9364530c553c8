"""
What the published definitions cost when a site shows them all: facts, the decision and the whole, with and without.

    make bench-definitions      # about one minute; writes its rows into docs/developers/performance.md

Shipped rules, in process, in turns. The drugs of the workload are named like the first antidepressants of the shipped
table, so that there are trials, eras and switches to work out; each definition must have its answer before it is timed.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

from benchmarks.bench import SHIPPED_SERVICE, Ours, machine, settle
from benchmarks.measure import ROOT, cpu_ms
from benchmarks.page import table
from benchmarks.workload import DRUGS, TODAY, drug_name, request
from cds.decide import decide
from cds.facts.evaluate import evaluate_facts
from cds.rulebook.published import ALL

PAGE = ROOT / "docs" / "developers" / "performance.md"
BEGIN, END = "<!-- bench-definitions:begin -->", "<!-- bench-definitions:end -->"
SHAPES = {"50 resources": (50, 0), "500 resources": (500, 0), "500 resources and 40 more trials": (500, 40)}
INVENTED_CODE = re.compile(rb'"code":"9\d{6}",')
NONE_SHOWN, ALL_SHOWN = "none shown", "all shown"
PARTS = ("record", "facts", "whole")
MOST = 2.0
"""Facts with all definitions shown cost at most so many times what they cost with none, at 500 resources."""


def body_of(resources: int, more_trials: int, names: list[str]) -> bytes:
    """A request of the workload whose drugs have the names of real ones, and no codes."""
    body = INVENTED_CODE.sub(b"", request(resources, more_trials=more_trials))
    for number in range(DRUGS):
        body = body.replace(drug_name(number).encode(), names[number].encode())
    return body


def rooms_of(ours: Ours, body: bytes, named: str) -> dict[str, Callable[[], object]]:
    """What is timed of one set of rules."""
    program, record = ours.rules.program, ours.read(body)
    return {
        f"{named}: record": lambda: ours.read(body),
        f"{named}: facts": lambda: evaluate_facts(program.wanted, program.codes, record, TODAY),
        f"{named}: whole": lambda: ours.answer(body),
    }


def summaries(ours: Ours, body: bytes) -> tuple[str, ...]:
    """What its cards say first; each published definition has been decided then."""
    decision = decide(ours.rules, ours.read(body), TODAY, ours.service.id)
    assert all(one.head in decision.truths for one in ours.rules.program.published)
    return tuple(card.summary for card in decision.cards)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=1.0, help="of each round")
    arguments.add_argument("--page", action="store_true", help="write the rows into docs/developers/performance.md")
    chosen = arguments.parse_args()
    run = machine()
    sides = {
        NONE_SHOWN: Ours(ROOT / "rules", SHIPPED_SERVICE),
        ALL_SHOWN: Ours(ROOT / "rules", SHIPPED_SERVICE, definitions=(ALL,)),
    }
    shipped = sides[ALL_SHOWN].rules.program
    antidepressants = shipped.codes.drugs["antidepressants"].drugs.values()
    names = [drug.key for drug in antidepressants if drug.role == "antidepressant"][:DRUGS]
    settle()
    rows = []
    for shape, (resources, more_trials) in SHAPES.items():
        body = body_of(resources, more_trials, names)
        assert len({summaries(ours, body) for ours in sides.values()}) == 1, "cards must not depend on what is shown"
        work = {name: call for named, ours in sides.items() for name, call in rooms_of(ours, body, named).items()}
        took = {name: best for name, (best, _) in cpu_ms(work, chosen.seconds, 5).items()}
        for part in PARTS:
            none, everything = took[f"{NONE_SHOWN}: {part}"], took[f"{ALL_SHOWN}: {part}"]
            missed = " **missed**" if part == "facts" and everything / none > MOST else ""
            ratio = f"{everything / none:.2f}{missed}"
            rows.append([f"{part}, {shape}", f"{none:.2f}", f"{everything:.2f}", ratio])
        print(rows[-len(PARTS) :], flush=True)
    count = len(shipped.published)
    head = ["CPU ms", NONE_SHOWN, f"all {count} shown", "ratio"]
    text = f"Run: {run}.\n\n{table(head, rows)}"
    print(text)
    if chosen.page:
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
