"""Every case of a rules folder, run: what `cds test` prints."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from cds.authoring.testing.cases import read_rule_tests
from cds.authoring.testing.coverage import Coverage, coverage_of, never_shown
from cds.authoring.testing.rulesets import RulesetCache
from cds.authoring.testing.run import CaseVerdict, run_case
from cds.authoring.testing.snapshot import Cards, CaseKey, SnapshotDifference, compared
from cds.parallel import collecting_seldom, in_shares, run_in_processes
from cds.record import units
from cds.yaml_source.problem import RulesError

AT_ONCE = 25  # cases given to a process at a time


@dataclass(frozen=True, slots=True)
class Report:
    """
    What came of the cases of a folder.

    Attributes:
        verdicts: One per case, in the order of files and lines.
        never_shown: Answers no case claims and cards no case shows; empty when only some cases were run.
        coverage: What the cases show; of clauses only when that was asked for.
        snapshot: What is not as cards.snapshot says; None where there is no such file.
        cards: Case → its cards now, for the snapshot: of cases that were not run, and are still there, as before.
    """

    verdicts: tuple[CaseVerdict, ...]
    never_shown: tuple[str, ...]
    coverage: Coverage
    snapshot: SnapshotDifference | None
    cards: Mapping[CaseKey, Cards]

    @property
    def passed(self) -> int:
        """How many cases passed."""
        return sum(verdict.passed for verdict in self.verdicts)

    @property
    def failed(self) -> tuple[CaseVerdict, ...]:
        """Verdicts of the cases that did not pass."""
        return tuple(verdict for verdict in self.verdicts if not verdict.passed)


@collecting_seldom()
def run_folder(
    root: Path,
    *,
    only: str = "",
    among: Collection[CaseKey] | None = None,
    clauses: bool = False,
    jobs: int | None = None,
) -> Report:
    """
    Run every case under `root`, or those whose sentence holds the words of `only` and that are in `among`.

    `clauses`: see every clause, too.

    In `jobs` processes: as many as processors without.

    Raises:
        RulesError: Rule files or test files hold mistakes; nothing was run.
    """
    shelf = RulesetCache(root)
    rule_tests = read_rule_tests(root, shelf.book)
    if rule_tests.problems:
        raise RulesError(tuple(rule_tests.problems))
    words = only.casefold().split()
    cases = [
        case
        for case in rule_tests.cases
        if all(word in case.name.casefold() for word in words) and (among is None or rule_tests.key(case) in among)
    ]
    coverage = coverage_of(shelf.book.own(), clauses=clauses)
    if cases:
        shelf.check(cases[0].today)

    # Cases with the same other values stand together, so that few processes make rules of them.
    order = sorted(range(len(cases)), key=lambda index: sorted(map(str, cases[index].with_.items())), reverse=True)
    if len(cases) > AT_ONCE:
        units.warm()  # once, for all processes

    def run(share: range) -> tuple[list[CaseVerdict], Coverage]:
        # The engine must not be made before the process is.
        seen = coverage.unseen()
        some = [cases[order[place]] for place in share]
        return [run_case(case, shelf.rules(case.with_, case.today), tell=seen.see) for case in some], seen.bare()

    verdicts: dict[int, CaseVerdict] = {}
    for share, (some, seen) in zip(
        shares := in_shares(len(cases), AT_ONCE), run_in_processes(run, shares, jobs), strict=True
    ):
        verdicts |= {order[place]: verdict for place, verdict in zip(share, some, strict=True)}
        coverage.take(seen)
    in_order = tuple(verdicts[index] for index in range(len(cases)))
    now = {rule_tests.key(verdict.case): verdict.cards for verdict in in_order if verdict.cards is not None}
    known, every = rule_tests.snapshot or {}, [rule_tests.key(case) for case in rule_tests.cases]
    ran = {rule_tests.key(case) for case in cases}
    return Report(
        verdicts=in_order,
        never_shown=() if len(cases) < len(rule_tests.cases) or not cases else tuple(never_shown(coverage)),
        coverage=coverage,
        snapshot=None if rule_tests.snapshot is None else compared(known, now, every),
        cards={key: shown for key in every if (shown := now.get(key) if key in ran else known.get(key)) is not None},
    )
