"""Every case of a rules folder, run: what `cds test` prints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cds.casebook.cases import read_casebook
from cds.casebook.coverage import never_shown, shown
from cds.casebook.run import Verdict, run_case
from cds.casebook.variants import Shelf
from cds.rulebook.problem import RulesAreWrong


@dataclass(frozen=True, slots=True)
class Report:
    """
    What came of the cases of a folder.

    Attributes:
        verdicts: One per case, in the order of files and lines.
        never_shown: Answers and cards no case shows; empty when only some cases were run.
    """

    verdicts: tuple[Verdict, ...]
    never_shown: tuple[str, ...]

    @property
    def passed(self) -> int:
        """How many cases passed."""
        return sum(verdict.passed for verdict in self.verdicts)

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """Those that did not."""
        return tuple(verdict for verdict in self.verdicts if not verdict.passed)


def run_folder(root: Path, *, only: str = "", shelf: Shelf | None = None) -> Report:
    """
    Run every case under `root`, or those whose sentence holds the words of `only`.

    Raises:
        RulesAreWrong: Rule files or test files hold mistakes; nothing was run.
    """
    shelf = shelf or Shelf(root)
    casebook = read_casebook(root, shelf.book)
    if casebook.problems:
        raise RulesAreWrong(tuple(casebook.problems))
    words = only.casefold().split()
    cases = [case for case in casebook.cases if all(word in case.name.casefold() for word in words)]
    verdicts = tuple(run_case(case, shelf.rules(case.with_, case.today)) for case in cases)
    if only or not cases:
        return Report(verdicts, ())
    return Report(verdicts, never_shown(shown(shelf.rules({}, cases[0].today).program, verdicts)))
