"""What changed and for whom → Markdown, for a pull request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby

from cds.authoring.impact.compare import AffectedPatient, Impact, OutcomeDifference
from cds.rulebook.diff import RuleChange


def report(
    old: str,
    new: str,
    today: date,
    changes: Sequence[RuleChange],
    impact: Impact,
    most: int,
    replayed: str = "",
) -> str:
    """The page; at most so many patients are shown in full. `replayed` says who they are."""
    return "\n".join(_lines(old, new, today, changes, impact, most, replayed)) + "\n"


def counts_by_card(affected: Sequence[AffectedPatient]) -> list[str]:
    """A table: for how many patients each card is shown now, is not shown any more, or has another indicator."""
    counted: dict[str, Counter[str]] = {}
    for one in affected:
        for turn in one.turns:
            if turn.what == "card":
                kinds = {("not shown", "shown"): "new", ("shown", "not shown"): "gone"}
                how = kinds.get((turn.before, turn.after), "other")
                counted.setdefault(turn.name, Counter())[how] += 1
    if not counted:
        return []
    lines = ["| card | now shown to | no longer shown to | other indicator for |", "|---|---:|---:|---:|"]
    most_first = sorted(counted.items(), key=lambda item: (-item[1].total(), item[0]))
    return lines + [f"| `{card}` | {of['new']} | {of['gone']} | {of['other']} |" for card, of in most_first]


def counts_by_cause(affected: Sequence[AffectedPatient]) -> list[str]:
    """A table: how many patients each change concerns alone, and how many only together with others."""
    alone: Counter[str] = Counter()
    together: Counter[str] = Counter()
    for one in affected:
        (together if one.together else alone).update({change.says for change in one.because})
    if not alone and not together:
        return []
    lines = ["| change | alone, of | only with others, of |", "|---|---:|---:|"]
    most_first = sorted({*alone, *together}, key=lambda says: (-alone[says], -together[says], says))
    return lines + [f"| {cell(says)} | {alone[says]} | {together[says]} |" for says in most_first]


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
    impact: Impact,
    most: int,
    replayed: str,
) -> Iterator[str]:
    affected = impact.affected
    yield from lines_of_changes(old, new, changes)
    other = [one for one in affected if one.turns]
    reworded = [one for one in affected if one.reworded]
    yield "## For whom"
    yield ""
    yield (
        f"Decided as of {today}: {_counted(impact.decided)} replayed{replayed and f' ({replayed})'};"
        f" {len(other)} with another card or conclusion."
    )
    for table in (counts_by_card(other), counts_by_cause(other), _of_new_conclusions(impact)):
        if table:
            yield ""
            yield from table
    for one in other[:most]:
        yield ""
        yield f"### {one.patient}"
        yield ""
        yield "| what | before | after |"
        yield "|---|---|---|"
        yield from (_row(turn) for turn in one.turns)
        if one.because:
            yield ""
            yield "Because of, together:" if one.together else "Because of:"
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


def _of_new_conclusions(impact: Impact) -> list[str]:
    """What new conclusions come to; no patient had them before, so none of it is a difference."""
    names = sorted({name for name, _ in impact.concluded})
    return [
        f"- New conclusion `{name}`: "
        + ", ".join(f"{truth} for {impact.concluded[name, truth]}" for truth in ("true", "unknown", "false"))
        for name in names
    ]


def _row(turn: OutcomeDifference) -> str:
    label = "" if turn.label in {turn.name, ""} else f" ({cell(turn.label)})"
    return f"| {turn.what} `{turn.name}`{label} | {cell(turn.before)} | {cell(turn.after)} |"


def cell(text: str) -> str:
    """A text as a cell of a table."""
    return " ".join(text.replace("|", "\\|").split())


def _counted(patients: int) -> str:
    return f"{patients} patient{'' if patients == 1 else 's'}"
