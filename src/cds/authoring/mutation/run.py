"""Every change of a folder's rules, tried on its cases: which ones no case notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from cds.authoring.mutation.detect import DetectionOutcome, MutantDetector
from cds.authoring.mutation.generate import dropped_of, mutants_of
from cds.authoring.mutation.mutant import Mutant
from cds.authoring.testing.cases import Case, EquivalentMutant, read_rule_tests
from cds.authoring.testing.rulesets import RulesetCache
from cds.parallel import collecting_seldom, in_shares, run_in_processes
from cds.yaml_source.problem import RulesError

AT_ONCE = 8  # changes given to a process at a time


@dataclass(frozen=True, slots=True)
class MutantResult:
    """
    What came of one change.

    Attributes:
        change: Which.
        fate: What came of it.
        noticed_by: The sentence of the case that noticed it, "" for none.
        because: Why no case can notice it, as a test file explains; "" where none does.
    """

    change: Mutant
    fate: DetectionOutcome
    noticed_by: str = ""
    because: str = ""

    @property
    def survived(self) -> bool:
        """Whether no case noticed it, and nobody explains why."""
        return self.fate is DetectionOutcome.SURVIVED and not self.because


@dataclass(frozen=True)
class MutationReport:
    """
    What came of all changes.

    Attributes:
        outcomes: In the order of files and lines.
        idle: Explanations of changes that are not there, or that a case does notice.
        failing: Cases that fail without any change: they notice nothing.
    """

    outcomes: tuple[MutantResult, ...]
    idle: tuple[EquivalentMutant, ...] = ()
    failing: tuple[Case, ...] = ()

    @property
    def counted(self) -> tuple[MutantResult, ...]:
        """Changes that make a difference: neither refused nor the same in other words, nor explained."""
        return tuple(one for one in self.outcomes if one.fate is DetectionOutcome.NOTICED or one.survived)

    @property
    def survivors(self) -> tuple[MutantResult, ...]:
        """Changes no case notices."""
        return tuple(one for one in self.outcomes if one.survived)

    @property
    def percent(self) -> float:
        """Survivors in a hundred changes that make a difference."""
        return 100 * len(self.survivors) / len(self.counted) if self.counted else 0.0


@dataclass(frozen=True, slots=True)
class MutantSelection:
    """
    Which changes to try.

    Attributes:
        of: Names of files (stems), facts, conclusions, cards, parameters, value sets or drugs; all without any.
        sample: About so many, spread evenly; all without.
        every_code: Any code of a value set, not one of each list.
        changed: Names of what changed since a revision, of any kind: those alone, each clause of them also dropped
            altogether; None for all.
    """

    of: tuple[str, ...] = ()
    sample: int | None = None
    every_code: bool = False
    changed: frozenset[str] | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.of and self.sample is None and self.changed is None


@collecting_seldom()
def run_mutants(
    root: Path, wanted: MutantSelection, jobs: int | None = None, tell: Callable[[int, int], object] = lambda *_: None
) -> MutationReport:
    """
    Try the changes of a folder in `jobs` processes (as many as processors without); `tell` hears how many are done.

    Raises:
        RulesError: Rule files or test files hold mistakes.
        LookupError: Nothing has one of the wanted names.
    """
    shelf = RulesetCache(root)
    rule_tests = read_rule_tests(root, shelf.book)
    if rule_tests.problems:
        raise RulesError(tuple(rule_tests.problems))
    if rule_tests.cases:
        shelf.check(rule_tests.cases[0].today)
    found = mutants_of(shelf.book, every_code=wanted.every_code)
    changes = _chosen(found if wanted.changed is None else (*found, *dropped_of(shelf.book)), wanted)
    detector = MutantDetector(shelf, rule_tests)
    if detector.failing:
        return MutationReport((), failing=tuple(detector.failing))
    explained = rule_tests.explained

    def tried(share: range) -> list[tuple[DetectionOutcome, str]]:
        fates = [detector.fate(changes[index]) for index in share]
        return [(fate, case.name if case else "") for fate, case in fates]

    outcomes: list[MutantResult] = []
    tell(0, len(changes))
    for results in run_in_processes(tried, in_shares(len(changes), AT_ONCE), jobs):
        for fate, noticed_by in results:
            change = changes[len(outcomes)]
            because = next((one.because for one in explained if fnmatchcase(change.name, one.pattern)), "")
            outcomes.append(
                MutantResult(change, fate, noticed_by, because if fate is DetectionOutcome.SURVIVED else "")
            )
        tell(len(outcomes), len(changes))
    idle = [
        one
        for one in explained
        if wanted.everything
        and not any(
            out.fate is DetectionOutcome.SURVIVED and fnmatchcase(out.change.name, one.pattern) for out in outcomes
        )
    ]
    return MutationReport(tuple(outcomes), tuple(idle))


def _chosen(changes: tuple[Mutant, ...], wanted: MutantSelection) -> tuple[Mutant, ...]:
    if wanted.of:
        for name in wanted.of:
            if not any(_is_of(change, name) for change in changes):
                raise LookupError(name)
        changes = tuple(change for change in changes if any(_is_of(change, name) for name in wanted.of))
    if wanted.changed is not None:
        changes = tuple(change for change in changes if any(_is_of(change, name) for name in wanted.changed))
    if wanted.sample is not None and wanted.sample < len(changes):
        step = len(changes) / wanted.sample
        changes = tuple(changes[int(index * step)] for index in range(wanted.sample))
    return changes


def _is_of(change: Mutant, name: str) -> bool:
    return name in (change.target, Path(change.file).stem) or change.target.endswith(f"card {name}")
