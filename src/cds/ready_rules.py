"""Folders of rules → rule sets ready to decide; a worker takes those that its master has made ready."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cds.decide import Ruleset
from cds.journal.journal import Journal
from cds.journal.rule_archives import read_to_hold
from cds.parallel import collecting_seldom
from cds.rulebook.lock import lock_problems
from cds.rulebook.published import with_definitions
from cds.ruleset import evaluator_mode_from, refuse_errors, rules_of
from cds.settings import Settings
from cds.yaml_source.problem import Problem, RulesError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReadyRules:
    """
    A rule set, and what it was made of.

    Attributes:
        asked: Of the settings: the engine, the definitions shown, the grace of a review, whether files are held.
        rules: The rule set.
        told: Mistakes with which it runs all the same.
        archive: Its version → its packed files; empty where the journal keeps no inputs.
    """

    asked: tuple[str, Collection[str], int | None, bool]
    rules: Ruleset
    told: tuple[Problem, ...]
    archive: dict[str, bytes]


class MadeBefore:
    """
    What the master of several workers made, found by them in their copy of it.

    Attributes:
        by_folder: Folder → its rules; None in a process that will have no copies, which keeps nothing.
    """

    by_folder: dict[Path, ReadyRules] | None = None


@collecting_seldom()
def rules_by_folder(
    folders: Iterable[Path], settings: Settings, today: date, journal: Journal | None
) -> dict[Path, Ruleset]:
    """
    The rule set of each folder; the journal holds their files where it keeps inputs.

    A worker decides by what its master read, so that all workers decide alike, even when files were changed since;
    where they are watched, it looks at what was changed once it has started (`cds.reload`).

    Raises:
        RulesError: With the mistakes of all folders.
    """
    made: dict[Path, Ruleset] = {}
    problems: list[Problem] = []
    hold = journal.holds_rules if journal is not None else None
    for folder in sorted(folders):
        try:
            ready = _ready(folder, settings, today, holds=hold is not None)
        except RulesError as wrong:
            problems += wrong.problems
            continue
        made[folder] = ready.rules
        if hold is not None:
            for version, packed in ready.archive.items():
                hold(version, packed)
        for problem in ready.told:
            log.warning("%s:%s %s", problem.file, problem.line, problem.what)
    if problems:
        for rules in made.values():
            rules.reasoner.close()
        raise RulesError(tuple(problems))
    return made


def _ready(folder: Path, settings: Settings, today: date, *, holds: bool) -> ReadyRules:
    kept = MadeBefore.by_folder
    asked = settings.engine, settings.show_definitions, settings.review_grace_days, holds
    if kept is not None and folder in kept and kept[folder].asked == asked:
        return kept[folder]
    archive: dict[str, bytes] = {}
    book, hold = read_to_hold(folder, archive.__setitem__ if holds else None)
    told = (*refuse_errors(book, today, settings.review_grace_days), *lock_problems(book))
    rules = rules_of(with_definitions(book, settings.show_definitions), evaluator_mode_from(settings.engine))
    hold()
    ready = ReadyRules(asked, rules, told, archive)
    if kept is not None:
        kept[folder] = ready
    return ready
