"""What changed and for whom → Markdown, for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby

from cds.authoring.impact.compare import AffectedPatient, OutcomeDifference
from cds.rulebook.diff import RuleChange


def report(
    old: str,
    new: str,
    today: date,
    changes: Sequence[RuleChange],
    affected: Sequence[AffectedPatient],
    patients: int,
    most: int,
) -> str:
    """The page; at most so many patients are shown in full."""
    return "\n".join(_lines(old, new, today, changes, affected, patients, most)) + "\n"


def lines_of_changes(old: str, new: str, changes: Sequence[RuleChange]) -> Iterator[str]:
    """The head of a page, and what changed in the rules."""
    yield f"# Rules: {old} → {new}"
    yield ""
    yield "## What changed"
    yield ""
    if not changes:
        yield "Nothing changed in meaning."
        yield ""
    for kind, group in groupby(changes, key=lambda change: change.kind):
        yield f"**{kind.value}**"
        yield ""
        yield from (f"- {change.says} ({change.place})" for change in group)
        yield ""


def _lines(
    old: str,
    new: str,
    today: date,
    changes: Sequence[RuleChange],
    affected: Sequence[AffectedPatient],
    patients: int,
    most: int,
) -> Iterator[str]:
    yield from lines_of_changes(old, new, changes)
    other = [one for one in affected if one.turns]
    reworded = [one for one in affected if one.reworded]
    yield "## For whom"
    yield ""
    yield f"Decided as of {today}: {_counted(patients)} replayed; {len(other)} with another card or conclusion."
    for one in other[:most]:
        yield ""
        yield f"### {one.patient}"
        yield ""
        yield "| what | before | after |"
        yield "|---|---|---|"
        yield from (_row(turn) for turn in one.turns)
        if one.because:
            yield ""
            yield "Because of:"
            yield ""
            yield from (f"- {change.says}" for change in one.because)
    if len(other) > most:
        yield ""
        yield f"And {len(other) - most} more: {', '.join(one.patient for one in other[most:])}."
    if reworded:
        yield ""
        yield "**Same card, other words:**"
        yield ""
        cards = sorted({card for one in reworded for card in one.reworded})
        for card in cards:
            whose = [one.patient for one in reworded if card in one.reworded]
            more = f" and {len(whose) - most} more" if len(whose) > most else ""
            yield f"- `{card}`: {', '.join(whose[:most])}{more}"


def _row(turn: OutcomeDifference) -> str:
    label = "" if turn.label in {turn.name, ""} else f" ({cell(turn.label)})"
    return f"| {turn.what} `{turn.name}`{label} | {cell(turn.before)} | {cell(turn.after)} |"


def cell(text: str) -> str:
    """A text as a cell of a table."""
    return " ".join(text.replace("|", "\\|").split())


def _counted(patients: int) -> str:
    return f"{patients} patient{'' if patients == 1 else 's'}"
