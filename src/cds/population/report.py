"""Rows of a run → what may be told of them: counts, never ids, with bounds and reasons for what is unknown."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cds.logic.truth import Truth
from cds.population.cells import CellSuppression
from cds.population.row import cohort_column
from cds.population.run import RunSummary
from cds.rulebook.compiled_ruleset import CompiledRuleset

NO_DECISION = "no decision could be made"
MOST_REASONS = 10


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """
    How many patients lack a fact.

    Attributes:
        label: The fact as a clinician reads it.
        why: How it comes to be unknown.
        patients: How many; small counts are left out.
    """

    label: str
    why: str
    patients: int


@dataclass(frozen=True, slots=True)
class BoundedCount:
    """
    For how many patients something holds; a count is None where it is suppressed.

    Attributes:
        id, label: What is counted.
        yes, no, unknown: Patients; who has no decision is unknown.
        at_most: Who is not known to be "no", None where that count is suppressed.
        reasons: Why it is unknown, most frequent first; a patient can have several.
        not_exported: Types without which nothing can be said. Not empty: it cannot be answered. Always empty for
            Bundles and requests: what one of them lacks is unknown in its own row.
    """

    id: str
    label: str
    yes: int | None
    no: int | None
    unknown: int | None
    at_most: int | None
    reasons: tuple[ReasonCount, ...] = ()
    not_exported: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PopulationReport:
    """
    What a report says of a run.

    Attributes:
        as_of, rules, program: The day decided for; versions.
        smallest: The smallest count of patients that is shown.
        patients: How many there are, None where that is suppressed.
        outcomes: decided, refused, failed → patients.
        bad_lines, in_part, passed_over: What of the export was not read.
        questions: The questions of the rules.
        definitions: Each conclusion that has several definitions, under each of them.
        lacking: Facts that leave some conclusion unknown, in how many patients.
        kinds: How facts come to be unknown, in how many patients.
        first_day: With index days the first of them, `as_of` the last; else "".
        has_too_large: Whether somebody has more resources than are read, and so no decision.
    """

    as_of: str
    rules: str
    program: str
    smallest: int
    patients: int | None
    outcomes: Mapping[str, int | None]
    bad_lines: int
    in_part: tuple[str, ...]
    passed_over: tuple[str, ...]
    questions: tuple[BoundedCount, ...]
    definitions: tuple[BoundedCount, ...]
    lacking: tuple[ReasonCount, ...]
    kinds: tuple[ReasonCount, ...]
    first_day: str = ""
    has_too_large: bool = False

    @property
    def when(self) -> str:
        """The day or days decided for, as read."""
        return f"index days from {self.first_day} to {self.as_of}" if self.first_day else self.as_of

    @property
    def left_out(self) -> str:
        """Whom nothing is told of since they are too large, as a sentence; "" where that is nobody."""
        if not self.has_too_large:
            return ""
        return "Some patients have too many resources (CDS_MOST_ENTRIES): they were refused, and are unknown below."

    @property
    def answers_everything(self) -> bool:
        """Whether every question can be answered, within bounds."""
        return not any(question.not_exported for question in self.questions)

    @property
    def suppression(self) -> str:
        """Which counts are left out, as a sentence."""
        if self.smallest <= 1:
            return "No count is suppressed."
        return f"Counts of 1 to {self.smallest - 1} are suppressed, and counts they could be derived from."


def report_of(
    program: CompiledRuleset, summary: RunSummary, rows: Iterable[dict[str, Any]], smallest: int
) -> PopulationReport:
    """
    Count the rows of a run that was made with these rules.

    Counts of 1 to `smallest` - 1 are suppressed, and whatever they could be derived from.
    """
    columns = {cohort_column(one.id): one.head for one in program.cohorts}
    columns |= {f"is_{of}__{one.id}": "" for of, many in program.definitions.items() for one in many}
    truths = {column: Counter[str]() for column in columns}
    members = {column: Counter[str]() for column in columns}
    reasons = {column: _ReasonGroups() for column in columns}
    lacking, kinds = _ReasonGroups(), _ReasonGroups()
    for row in rows:
        person = _person_digest(row["patient"])
        decided = row["outcome"] == "decided"
        missing = row.get("missing", ())
        lacking.add({(fact, why) for _, fact, _, why in missing}, person)
        kinds.add({("", why) for *_, why in missing if why}, person)
        for column, head in columns.items():
            answer = row.get(column, Truth.UNKNOWN.value)
            truths[column][answer] += 1
            members[column][answer] += person
            if answer == Truth.UNKNOWN.value:
                found = {(fact, why) for name, fact, _, why in missing if name == head}
                reasons[column].add(found if decided else {(NO_DECISION, row["outcome"])}, person)
    cells = CellSuppression(summary.patients, smallest)
    outcomes = cells.table(summary.outcomes)
    labels = program.labels

    def counted(column: str, identity: str, label: str, needs: Sequence[str] = ()) -> BoundedCount:
        people = members[column]
        shown = cells.table({truth.value: truths[column][truth.value] for truth in Truth}, people)
        unknown, no = shown[Truth.UNKNOWN.value], shown[Truth.FALSE.value]
        answered = [people[truth.value] for truth in (Truth.TRUE, Truth.FALSE) if people[truth.value]]
        return BoundedCount(
            identity,
            label,
            shown[Truth.TRUE.value],
            no,
            unknown,
            None if no is None else summary.patients - no,
            () if unknown is None else _reasons(reasons[column], labels, cells, answered)[:MOST_REASONS],
            tuple(kind for kind in needs if summary.exported and kind not in summary.exported),
        )

    return PopulationReport(
        summary.as_of,
        summary.rules,
        summary.program,
        smallest,
        cells.total,
        outcomes,
        summary.bad_lines,
        tuple(summary.in_part),
        tuple(summary.passed_over),
        tuple(counted(cohort_column(one.id), one.id, one.question, one.needs) for one in program.cohorts),
        tuple(
            counted(f"is_{of}__{one.id}", one.id, f"{labels[of]}: {one.label}")
            for of, many in program.definitions.items()
            for one in many
        ),
        _reasons(lacking, labels, cells),
        _reasons(kinds, labels, cells),
        summary.first_day,
        summary.too_large > 0,
    )


@dataclass
class _ReasonGroups:
    """Reasons, and the people each concerns: how many, and a digest of who."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    members: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, reasons: Iterable[tuple[str, str]], person: int) -> None:
        for reason in reasons:
            self.counts[reason] += 1
            self.members[reason] += person


def _person_digest(patient: str) -> int:
    """A number such that sums over different groups of people differ."""
    return int.from_bytes(hashlib.blake2b(patient.encode(), digest_size=16).digest(), "big")


def _reasons(
    groups: _ReasonGroups, labels: Mapping[str, str], cells: CellSuppression, apart_from: Collection[int] = ()
) -> tuple[ReasonCount, ...]:
    ordered = sorted(groups.counts.items(), key=lambda one: (-one[1], one[0]))
    shown = ((*reason, cells.alone(count, groups.members[reason], apart_from)) for reason, count in ordered)
    return tuple(ReasonCount(labels.get(fact, fact), why, count) for fact, why, count in shown if count is not None)
