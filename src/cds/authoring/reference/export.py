"""A folder of rules → its sheets, read in a process of its own: it takes seconds, and answers must not wait for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from cds.authoring.reference.rule_page import RulePage, rule_pages
from cds.authoring.testing.cases import read_rule_tests
from cds.rulebook.loader import read_rulebook

MOST_SAID = 20  # mistakes


class RuleReference(msgspec.Struct, frozen=True):
    """
    What there is to read in a folder.

    Attributes:
        version: Of the rule set, as a program made of it has it.
        files: A sheet of each rule file that can be read.
        cases: How many test cases there are.
        problems: Mistakes of form; the files that hold them are not among the others.
    """

    version: str
    files: tuple[RulePage, ...]
    cases: int
    problems: tuple[str, ...] = ()


def read_rule_reference(folder: Path) -> RuleReference:
    """The sheets of a folder."""
    book = read_rulebook(folder)
    rule_tests = read_rule_tests(folder, book)
    wrong = [f"{p.file}:{p.line} {p.what}" for p in (*book.problems, *rule_tests.problems) if not p.warning]
    return RuleReference(
        book.digest[:12], tuple(rule_pages(book, rule_tests)), len(rule_tests.cases), tuple(wrong[:MOST_SAID])
    )


if __name__ == "__main__":
    os.nice(10)  # who decides goes first
    sys.stdout.buffer.write(msgspec.json.encode(read_rule_reference(Path(sys.argv[1])), enc_hook=str))
