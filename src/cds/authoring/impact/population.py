"""Both rule sets over a population → a row for each patient, and counts of what comes out differently, without ids."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from itertools import product
from typing import Any

from cds.authoring.impact.compare import RulesetVersion, cards_by_name, conclusions_of, difference
from cds.authoring.impact.markdown import cell, lines_of_changes
from cds.decide import Decision
from cds.engine.evaluator import DisagreementError
from cds.errors import RequestError, TooLargeError
from cds.logic.truth import Truth
from cds.population.cells import CellSuppression
from cds.population.columns import Column, ColumnKind
from cds.population.patient import CohortPatient
from cds.population.row import TOO_LARGE, answers_to_questions
from cds.population.run import RunSummary
from cds.rulebook.diff import RuleChange
from cds.settings import Settings

NO_DECISION = "no decision"
ABSENT = "not there"  # a conclusion that one of the rule sets does not have
TRUTHS = tuple(truth.value for truth in Truth)
GAINED, LOST, KEPT, NEVER = "gained", "lost", "kept", "never"


@dataclass(frozen=True)
class ComparisonRows:
    """
    What two rule sets say of one patient, in one row.

    `old_is_NAME` and `new_is_NAME` are the truths of a conclusion, under the name it has in the new rules;
    `old_cohort_ID` and `new_cohort_ID` the answers to a question. `cards_gained`, `cards_lost` and `cards_kept` are
    cards; `reworded` those of the last that say it in other words. `turns` is all that differs, with the facts that led
    there, and `because` what changes of the rules are behind it.

    Attributes:
        old, new: The rule sets.
        changes: What changed between them.
        settings: What limits reading.
    """

    old: RulesetVersion
    new: RulesetVersion
    changes: tuple[RuleChange, ...]
    settings: Settings

    @property
    def version(self) -> str:
        """The versions of both."""
        return f"{self.old.rules.program.version} → {self.new.rules.program.version}"

    @cached_property
    def conclusions(self) -> tuple[str, ...]:
        """Conclusions of both, by their new names."""
        formerly = self.new.formerly
        return tuple(dict.fromkeys(formerly.get(name, name) for name in conclusions_of(self.old, self.new)))

    @cached_property
    def questions(self) -> tuple[str, ...]:
        """Questions of both."""
        sides = (self.new, self.old)
        return tuple(dict.fromkeys(one.id for side in sides for one in side.rules.program.cohorts))

    @property
    def columns(self) -> tuple[Column, ...]:
        """What a row may hold, in its order."""
        names = [*(f"is_{name}" for name in self.conclusions), *(f"cohort_{name}" for name in self.questions)]
        return (
            Column("patient", ColumnKind.TEXT),
            Column("as_of", ColumnKind.DAY),
            *(Column(name, ColumnKind.TEXT) for name in ("rules", "input", "outcome", "why")),
            *(Column(f"{side}_{name}", ColumnKind.TRUTH) for name in names for side in ("old", "new")),
            *(Column(name, ColumnKind.NAMES) for name in ("cards_gained", "cards_lost", "cards_kept", "reworded")),
            Column("turns", ColumnKind.RECORDS, ("what", "name", "before", "after")),
            Column("because", ColumnKind.NAMES),
        )

    def rows_of(self, patient: CohortPatient, days: Iterable[date], today: date) -> Iterator[dict[str, Any]]:
        """A row for each day; what was charted later is not seen."""
        for day in days:
            row: dict[str, Any] = {"patient": patient.id, "as_of": day.isoformat(), "rules": self.version, "input": ""}
            try:
                body = patient.body_as_of(day, today)
                row["input"] = hashlib.sha256(body).hexdigest()[:16]
                sides = [side.decide(body, day, self.settings) for side in (self.old, self.new)]
                yield row | self._compared(patient, *sides)
            except TooLargeError as refused:
                yield row | {"outcome": "refused", "why": f"{TOO_LARGE}: {refused.what}"}
            except DisagreementError:
                yield row | {"outcome": "failed", "why": "the two evaluators disagree"}
            except Exception as fault:  # noqa: BLE001 (one patient's fault is a row of the run, never a missing one)
                yield row | {"outcome": "failed", "why": type(fault).__name__}

    def _compared(
        self, patient: CohortPatient, before: Decision | RequestError, after: Decision | RequestError
    ) -> dict[str, Any]:
        if isinstance(before, RequestError) or isinstance(after, RequestError):
            told = [one.what if isinstance(one, RequestError) else "answered" for one in (before, after)]
            return {"outcome": "refused", "why": told[0] if told[0] == told[1] else f"{told[0]} → {told[1]}"}
        truths = zip(self._answers(self.old, before).items(), self._answers(self.new, after).values(), strict=True)
        was, now = cards_by_name(before, self.new), cards_by_name(after, self.new)
        found = difference(patient.id, self.old, self.new, self.changes, before, after)
        return {
            "outcome": "decided",
            **{f"{side}_{name}": truth for (name, a), b in truths for side, truth in (("old", a), ("new", b))},
            "cards_gained": [name for name in now if name not in was],
            "cards_lost": [name for name in was if name not in now],
            "cards_kept": [name for name in now if name in was],
            "reworded": list(found.reworded) if found else [],
            "turns": [[one.what, one.name, one.before, one.after] for one in found.turns] if found else [],
            "because": [change.says for change in found.because] if found else [],
        }

    def _answers(self, side: RulesetVersion, decision: Decision) -> dict[str, str]:
        """Truths of conclusions and questions, by the names of the columns."""
        named = {self.new.formerly.get(name, name): truth.value for name, truth in decision.truths.items()}
        if side is self.new:
            named |= {name: truth.value for name, truth in decision.truths.items()}
        asked = {name: truth.value for name, truth in answers_to_questions(side.rules, decision).items()}
        return {f"is_{name}": named.get(name, ABSENT) for name in self.conclusions} | {
            f"cohort_{name}": asked.get(name, ABSENT) for name in self.questions
        }


@dataclass
class _People:
    """Name → how many people, and a digest of who they are."""

    counts: Counter[str] = field(default_factory=Counter)
    members: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, patient: str) -> None:
        self.counts[name] += 1
        self.members[name] += int.from_bytes(hashlib.blake2b(patient.encode(), digest_size=16).digest(), "big")


def impact_report(
    made: ComparisonRows, sides: tuple[str, str], summary: RunSummary, rows: Iterable[Mapping[str, Any]], smallest: int
) -> str:
    """
    Whom a change of the rules touches, as Markdown: counts without ids.

    Counts of 1 to `smallest` - 1 are suppressed, and whatever they could be derived from. `sides` are what the rule
    sets are called.
    """
    names = [*(f"is_{name}" for name in made.conclusions), *(f"cohort_{name}" for name in made.questions)]
    tables = {name: _People() for name in names}
    cards: dict[str, _People] = {}
    because, affected, outcomes = _People(), _People(), _People()
    known_cards = _cards_of(made)
    for row in rows:
        who = row["patient"]
        outcomes.add(row["outcome"], who)
        decided = row["outcome"] == "decided"
        for name, people in tables.items():
            people.add(f"{row[f'old_{name}']} → {row[f'new_{name}']}" if decided else NO_DECISION, who)
        found = {card: kind for kind in (GAINED, LOST, KEPT) for card in row.get(f"cards_{kind}", ())}
        for card in known_cards:
            cards.setdefault(card, _People()).add(found.get(card, NEVER) if decided else NO_DECISION, who)
        for change in row.get("because", ()):
            because.add(change, who)
        differs = any(one[0] != "fact" for one in row.get("turns", ()))
        affected.add("differs" if differs else "same" if decided else NO_DECISION, who)
    cells = CellSuppression(summary.patients, smallest)
    return "\n".join(_page(made, sides, summary, cells, outcomes, affected, tables, cards, because, smallest)) + "\n"


def _cards_of(made: ComparisonRows) -> list[str]:
    named: dict[str, None] = {}
    for side in (made.new, made.old):
        for card in side.rules.program.cards:
            called = made.new.rules.program.card_called(card)
            named[called.name if called else card] = None
    return list(named)


def _page(
    made: ComparisonRows,
    sides: tuple[str, str],
    summary: RunSummary,
    cells: CellSuppression,
    outcomes: _People,
    affected: _People,
    tables: Mapping[str, _People],
    cards: Mapping[str, _People],
    because: _People,
    smallest: int,
) -> Iterator[str]:
    yield from lines_of_changes(*sides, made.changes)
    yield "## For how many"
    yield ""
    yield f"{_told(cells.total)} patients, as of {summary.as_of}, Thirdline {summary.program}."
    if smallest > 1:
        yield f"Counts of 1 to {smallest - 1} are suppressed, and counts they could be derived from."
    yield f"Lines not read: {summary.bad_lines}. Not known whole: {', '.join(summary.in_part) or 'none'}."
    yield ""
    yield from _table("outcome", _shown(cells, outcomes))
    yield ""
    shown = _shown(cells, affected, ("differs", "same"))
    yield f"Another card or conclusion: {_told(shown['differs'])}; the same: {_told(shown['same'])}."
    if because.counts:
        yield ""
        yield "## Because of"
        yield ""
        told = {change: cells.alone(count, because.members[change]) for change, count in because.counts.most_common()}
        yield from _table("change", told)
    moved = {name: people for name, people in cards.items() if people.counts[GAINED] or people.counts[LOST]}
    if moved:
        yield ""
        yield "## Cards"
        yield ""
        yield "| card | gained | lost | shown before and after |"
        yield "| --- | ---: | ---: | ---: |"
        for name, people in sorted(moved.items()):
            counts = _shown(cells, people, (GAINED, LOST, KEPT, NEVER))
            yield f"| `{name}` | {' | '.join(_told(counts[kind]) for kind in (GAINED, LOST, KEPT))} |"
    labels = {**made.old.rules.program.labels, **made.new.rules.program.labels}
    questions = {one.id: one.question for side in (made.old, made.new) for one in side.rules.program.cohorts}
    changed = {name: people for name, people in tables.items() if _differs(people)}
    if changed:
        yield ""
        yield "## Conclusions and questions"
    for name, people in changed.items():
        own = name.partition("_")[2]
        yield ""
        yield f"**{cell(questions[own] if name.startswith('cohort_') else labels.get(own, own))}**"
        yield ""
        yield from _nine(cells, people)
    same = len(tables) - len(changed)
    yield ""
    yield f"The same for everybody: {same} conclusion(s) and question(s)."


def _differs(people: _People) -> bool:
    return any(a != b for name in people.counts if name != NO_DECISION for a, _, b in [name.partition(" → ")])


def _nine(cells: CellSuppression, people: _People) -> Iterator[str]:
    """Before in the rows, after in the columns; with a row or column of its own where a side does not have it."""
    rows = [one for one in (*TRUTHS, ABSENT) if one in TRUTHS or any(name.startswith(one) for name in people.counts)]
    columns = [one for one in (*TRUTHS, ABSENT) if one in TRUTHS or any(name.endswith(one) for name in people.counts)]
    counts = _shown(cells, people, [f"{a} → {b}" for a, b in product(rows, columns)])
    yield f"| before ↓ after → | {' | '.join(columns)} |"
    yield f"| --- |{' ---: |' * len(columns)}"
    for before in rows:
        yield f"| {before} | {' | '.join(_told(counts[f'{before} → {after}']) for after in columns)} |"


def _shown(cells: CellSuppression, people: _People, names: Sequence[str] = ()) -> Mapping[str, int | None]:
    counts = {name: people.counts[name] for name in dict.fromkeys((*names, *people.counts))}
    return cells.table(counts, people.members)


def _table(head: str, counts: Mapping[str, int | None]) -> Iterator[str]:
    yield f"| {head} | patients |"
    yield "| --- | ---: |"
    yield from (f"| {cell(name)} | {_told(count)} |" for name, count in counts.items())


def _told(count: int | None) -> str:
    return "suppressed" if count is None else f"{count:,}"
