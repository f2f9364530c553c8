"""Problem: one mistake in a rule file, said so that its author can mend it."""

from __future__ import annotations

from dataclasses import dataclass

from cds.errors import CdsError


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """
    One mistake in a file that somebody wrote: where, what, how to correct it, why it matters.

    Attributes:
        file: Path as the author knows it.
        line, column: Where, from 1; 0 for the whole file.
        check: Name of the check, also of its docs page (docs/rule-authors/checks/check.md).
        what: What is wrong, one sentence.
        fix: What to write instead; a Correction where a program can write it.
        why: Why it matters; "" when `what` says it.
        warning: True for what does not keep the rules from running.
    """

    file: str
    line: int
    column: int
    check: str
    what: str
    fix: str
    why: str = ""
    warning: bool = False

    @property
    def place(self) -> str:
        """file:line:column, as editors understand it; the file alone for the whole of it."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def page(self) -> str:
        """Where the docs say what to avoid, what to write instead, and why."""
        return f"docs/rule-authors/checks/{self.check}.md"

    def __str__(self) -> str:
        text = f"{self.place}  {self.check}{' (warning)' if self.warning else ''}\n  {self.what}"
        if self.why:
            text += f"\n  {self.why}"
        return f"{text}\n  {self.fix}"


class RulesError(CdsError):
    """Rule files hold mistakes; nothing was started. `problems` has all of them."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(f"{len(problems)} problem(s) in rule files")
        self.problems = problems

    def __reduce__(self) -> tuple[type[RulesError], tuple[tuple[Problem, ...]]]:
        return RulesError, (self.problems,)  # it may have to travel between processes
