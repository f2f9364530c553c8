"""
Writes docs/clinicians/definitions.md: what published definitions find among made-up people, and where they differ.

    python scripts/definitions.py [PEOPLE]

The people are those of tests/definitions; 10,000 take about ten minutes.
"""

# ruff: noqa: E501 (prose, one sentence a line)
from __future__ import annotations

import hashlib
import sys
from itertools import combinations
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from cds.decide import truth_of  # noqa: E402
from cds.engine.explain import Why, explain  # noqa: E402
from cds.logic.truth import Truth  # noqa: E402
from tests.definitions.comparison import Answers, answers, database, decided, people, rules  # noqa: E402
from tests.definitions.fhir import requests_of  # noqa: E402
from tests.definitions.histories import History  # noqa: E402

PAGE = ROOT / "docs" / "clinicians" / "definitions.md"
PEOPLE = 10_000
HELD = 400
"""So many people, the first of them, hold the page to the rules: a test decides them again."""
NAMES = ("Ada", "Ben", "Cora", "Dan", "Eve", "Finn", "Gus", "Hana", "Ivo", "June")
PAIRS = (
    ("ohdsi-1009", "fabbri-2021"), ("fabbri-2021", "ohdsi-1009"), ("two-biobank-2", "fabbri-2021"),
    ("ohdsi-1009", "karolinska"), ("karolinska", "ohdsi-1009"), ("li-2019", "karolinska"),
    ("bmc-2026-2-augmentation", "bmc-2026-2-switch"), ("bmc-2026-3-between-class", "bmc-2026-3-augmentation"),
    ("lo-2025", "two-biobank-1"), ("two-biobank-1", "two-biobank-2"),
)  # fmt: skip
HEAD = """# Definitions of treatment-resistant depression, side by side

"Treatment-resistant" in a paper, a register or a policy is an algorithm, and the algorithms differ in structure: switches, eras, windows, classes, further routes.
Thirdline ships {count} of them. They are off until asked for: `cds evaluate FILE --definitions all --json`, or `CDS_SHOW_DEFINITIONS`.
None shows or hides a card.

This page is written by `python scripts/definitions.py` over {people:,} made-up people (tests/definitions/histories.py).
Their marginals come from published figures (a first switch within 90 days in 13.2 %, 59.6 % to 66 % of eras at the minimum dose), never the share of people who are resistant.
Every third person carries a trap on purpose (overlaps, gaps of exactly 14 and 26 weeks, two drugs on one day), so that programs which differ at an edge are found out; shares are those of the people without a trap.

The programs of two definitions were run over the same people: the published JSON of OHDSI 1009 by `ohdsi-circepy` 0.3.0, and Fabbri 2021 as SQL written from its description.
Of 10,000 people no person and no index day differs, in either; `tests/definitions/test_agreement.py` fails when one does (`CDS_SLOW=1` for all of them).
1009 asks for descendants of its concepts; the made-up people carry the concepts of its own sets, each its own descendant.

## How many meet each

"Published" is what the authors found among their people, who are not these.

| definition | what it asks | here | published |
|---|---|--:|---|
"""
BESIDE = """
At least one switch of the two biobanks is {ratio:.1f} times as common as at least two; published is 9.5 % to 2.5 %, which is 3.8 times.
Of the nine of BMC Psychiatry 2026, more switches are never met by more people, and more routes never by fewer.
A dose is asked for by trials alone, and with it no person has more of them (`tests/definitions/test_agreement.py` for all three).

The made-up people have no scores, no outcomes and no diagnosis more precise than depression.
So what asks for a failed treatment or for F32 and F33 is not counted here: {names}.
"""
TAIL = """
## OMOP

`cds evaluate` reads FHIR. A site with OMOP tables converts them first, with one of the existing converters; tests/definitions/fhir.py does so for the made-up people. A cohort comes out as the OMOP table `cohort` from a run over a population ([population.md](../analysts/population.md)).

## What an episode of OM1 would change

OM1 lets an episode end after at least 180 days without an antidepressant and without a code of major depression.
It is a value of the rules, off by default: a site sets `pause_ends_episode` to "yes" (and `episode_pause`, if not 180 days) in its `site.yaml`, and each definition that asks for the current episode, ours and those of others, then asks for that one ([how-it-decides.md](how-it-decides.md)).
`rules/depression/episode.test.yaml` shows both sides of the 180 days, and what is unknown.
"""


def main() -> None:
    """Write the page."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else PEOPLE
    found = answers(count)
    everybody = {person.person: person for person in people(count)}
    untrapped = {number for number, person in everybody.items() if not person.trap}
    published = {one.id: one for one in rules().program.published}
    compared = compared_definitions()
    lines = [HEAD.format(count=len(published), people=count).rstrip("\n")]
    for name in compared:
        definition = published[name]
        share = len(found.met(name) & untrapped) / len(untrapped)
        lines.append(f"| `{name}` | {definition.says} | {100 * share:.1f} % | {definition.found or 'not read'} |")
    switched, twice = (len(found.met(f"two-biobank-{number}") & untrapped) for number in (1, 2))
    others = ", ".join(f"`{name}`" for name in published if name not in compared)
    lines += [
        *BESIDE.format(ratio=switched / twice, names=others).rstrip("\n").split("\n"),
        "",
        "## How far each pair agrees",
        "",
        "Both, only the first, only the second, neither; and Cohen's kappa.",
        "",
    ]
    lines += ["| first | second | both | first | second | neither | kappa |", "|---|---|--:|--:|--:|--:|--:|"]
    for first, second in combinations(compared, 2):
        lines.append(
            _agreement(first, second, found.met(first) & untrapped, found.met(second) & untrapped, len(untrapped))
        )
    lines += ["", "## Ten people on whom two differ", ""]
    bodies = dict(requests_of(database(count)))
    for name, (met, not_met) in zip(NAMES, PAIRS, strict=True):
        differ = sorted(found.met(met) - found.met(not_met))
        person = min(differ, key=lambda number: (bool(everybody[number].trap), len(everybody[number].issues), number))
        lines += _example(name, everybody[person], bodies[person], met, not_met)
    text = "\n".join(lines) + TAIL + f"\n<!-- answers of the first {HELD} people: {digest(answers(HELD))} -->\n"
    PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(compared)} definitions, {count} people")


def compared_definitions() -> list[str]:
    """Ids of the definitions that ask for nothing the made-up people lack."""
    ids = [one.id for one in rules().program.published]
    return [name for name in ids if any(name in pair for pair in PAIRS) or name.startswith("bmc-2026")]


def digest(found: Answers) -> str:
    """A digest of who meets which definition, to tell whether the page is still that of the rules."""
    said = "\n".join(f"{name}: {sorted(found.met(name))}" for name in sorted(found.by_definition))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _agreement(one: str, other: str, first: set[int], second: set[int], people_counted: int) -> str:
    both, only, only_other = len(first & second), len(first - second), len(second - first)
    neither = people_counted - both - only - only_other
    agree = (both + neither) / people_counted
    chance = (
        len(first) * len(second) + (people_counted - len(first)) * (people_counted - len(second))
    ) / people_counted**2
    kappa = (agree - chance) / (1 - chance) if chance < 1 else 1.0
    return f"| `{one}` | `{other}` | {both} | {only} | {only_other} | {neither} | {kappa:.2f} |"


def _example(name: str, person: History, body: bytes, met: str, not_met: str) -> list[str]:
    """A made-up person whom one definition lets in and another leaves out, with what decides."""
    decision, program = decided(body), rules().program
    by_id = {one.id: one for one in program.published}
    assert truth_of(by_id[met], decision) is Truth.TRUE  # noqa: S101
    days: dict[str, list[str]] = {}
    for issue in person.issues:
        days.setdefault(issue.drug, []).append(f"{issue.day.isoformat()} ({issue.supply} days)")
    taken = "; ".join(f"{drug}: {', '.join(some[:4])}{' …' if len(some) > 4 else ''}" for drug, some in days.items())
    why = explain(by_id[met].head, program.heads, decision.facts, decision.truths)
    why_not = explain(by_id[not_met].head, program.heads, decision.facts, decision.truths)
    return [
        f"**{name}** meets `{met}` and not `{not_met}`.",
        f"Issues: {taken}.",
        f"Why it is met: {'; '.join(dict.fromkeys(_reasons(why)))}.",
        f"Why it is not: {'; '.join(dict.fromkeys(_reasons(why_not)))}.",
        "",
    ]


def _reasons(why: Why) -> list[str]:
    """What decides, down to the facts of the record."""
    of_it = [child for child in why.children if child.truth is why.truth]
    if not of_it:
        return [f"{why.words or why.label} ({why.because})" if why.because else why.words or why.label]
    return [reason for child in of_it for reason in _reasons(child)]


if __name__ == "__main__":
    main()
