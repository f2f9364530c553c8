"""Decisions, cards and reasons as they are printed in a terminal."""

from __future__ import annotations

from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from cds.cards.card import Card
from cds.cli.console import err, out
from cds.decide import Decision, Ruleset
from cds.engine.explain import Why, deciding, explain, missing
from cds.errors import RequestError
from cds.facts.fact import Trial
from cds.logic.truth import Truth
from cds.rulebook.compiled_ruleset import CompiledDefinition

SIGNS = {
    Truth.TRUE: "[green]yes[/green]",
    Truth.FALSE: "[red]no[/red]",
    Truth.UNKNOWN: "[yellow]cannot tell[/yellow]",
}
MOST_MISSING = 12  # of what would settle something, on one screen
INDICATORS = {"info": "blue", "warning": "yellow", "critical": "red"}


def print_refusal(name: str, refusal: RequestError) -> None:
    """Print what is wrong with a file, where, and how to fix it, to stderr."""
    where = f" at {refusal.where}" if refusal.where else ""
    err.print(escape(f"{name}: {refusal.what}{where}.\n  {refusal.fix}."))


def print_decision(name: str, rules: Ruleset, decision: Decision) -> None:
    """Print the cards of a decision, every conclusion with its truth, and remarks on the data."""
    out.rule(escape(f"{name}, as of {decision.today}"))
    for card in decision.cards:
        print_card(card)
    if not decision.cards:
        out.print("No card: these rules have nothing to say.")
    out.print()
    table = Table(box=None, show_header=False, pad_edge=False)
    for head in rules.program.heads.values():
        if head.is_an_authors:
            table.add_row(SIGNS[decision.truths[head.name]], escape(head.label), f"[dim]{head.name}[/dim]")
    out.print(table)
    print_data_quality(decision)


def print_card(card: Card) -> None:
    """Print one card: indicator, summary, detail, suggestions."""
    colour = INDICATORS[card.indicator]
    out.print(f"[bold {colour}]{card.indicator.upper()}[/bold {colour}] [bold]{escape(card.summary)}[/bold]")
    out.print(Markdown(card.detail))
    for suggestion in card.suggestions:
        out.print(f"[dim]▸ {escape(suggestion.label)}[/dim]")
    out.print()


def print_overrides(rules: Ruleset) -> None:
    """Print what a site changed in the rules, with its reason."""
    if rules.program.overrides:
        out.print("\n[bold]Different at this site[/bold]")
    for one in rules.program.overrides:
        who = f", because {one.because} ({one.by}, review {one.review})" if one.because else ""
        out.print(escape(f"  {one.what}: {one.says}{who}"))


def print_data_quality(decision: Decision) -> None:
    """Print the remarks on the data, if there are any."""
    if decision.record.issues:
        out.print("\n[bold]Data[/bold]")
        for issue in decision.record.issues:
            out.print(escape(f"  {issue.kind.value}: {issue.what} ({issue.where})"))


def print_summary(rules: Ruleset, decision: Decision, conclusions: list[str]) -> None:
    """Print what fits on a screen: cards, conclusions that hold or are unknown, and what would settle the unknown."""
    for card in decision.cards:
        colour = INDICATORS[card.indicator]
        out.print(f"[bold {colour}]{card.indicator.upper()}[/bold {colour}] {escape(card.summary)}")
    if not decision.cards:
        out.print("No card: these rules have nothing to say.")
    plain = [name for name in conclusions if ":" not in name]  # a part of a card is told with its card
    by_truth = {truth: [name for name in plain if decision.truths[name] is truth] for truth in Truth}
    table = Table(box=None, show_header=False, pad_edge=False)
    for name in by_truth[Truth.TRUE]:
        table.add_row(SIGNS[Truth.TRUE], escape(rules.program.labels[name]), f"[dim]{name}[/dim]")
    out.print(table)
    settle: dict[str, str] = {}
    for name in by_truth[Truth.UNKNOWN]:
        for item in missing(name, rules.program.heads, decision.facts, decision.truths):
            settle.setdefault(item.what, item.because)
    if by_truth[Truth.UNKNOWN]:
        out.print(f"\n{SIGNS[Truth.UNKNOWN]} {len(by_truth[Truth.UNKNOWN])}: {', '.join(by_truth[Truth.UNKNOWN])}")
        for what, because in list(settle.items())[:MOST_MISSING]:
            out.print(escape(f"  would settle it: {what} ({because})"))
        if len(settle) > MOST_MISSING:
            out.print(f"  and {len(settle) - MOST_MISSING} more: --tree")
    out.print(
        f"\n{SIGNS[Truth.FALSE]} {len(by_truth[Truth.FALSE])} others. Why, or why not: --conclusion NAME, or --tree."
    )
    print_overrides(rules)


def print_why(head: str, rules: Ruleset, decision: Decision) -> None:
    """Print why a conclusion is true, false or unknown, as a tree down to FHIR references, and what would settle it."""
    why = explain(head, rules.program.heads, decision.facts, decision.truths)
    tree = Tree(why_line(why))
    _grow(tree, why)
    out.print(tree)
    if decision.truths[head] is Truth.UNKNOWN:
        for item in missing(head, rules.program.heads, decision.facts, decision.truths):
            out.print(escape(f"  would settle it: {item.what} ({item.could_become})"))


def print_definitions(of: str, definitions: tuple[CompiledDefinition, ...], rules: Ruleset, decision: Decision) -> None:
    """Print a conclusion under each of its definitions, as a table."""
    out.print(f"\n[bold]{escape(rules.program.labels[of])}[/bold], by definition")
    table = Table("definition", "met", "what decides", "where it differs")
    for definition in definitions:
        why = explain(definition.head, rules.program.heads, decision.facts, decision.truths)
        against = deciding(why) if why.truth is not Truth.TRUE else ()
        table.add_row(
            escape(f"{definition.id}{' (in use)' if definition.in_use else ''}"),
            SIGNS[why.truth],
            escape("; ".join(against)),
            escape(", ".join(f"{name} {value}" for name, value in definition.with_.items())),
        )
    out.print(table)


def _grow(tree: Tree, why: Why) -> None:
    for child in why.children:
        _grow(tree.add(why_line(child)), child)


def why_line(why: Why) -> str:
    """One reason as a line: its truth, its words, and what it rests on."""
    because = f" [dim]({escape(why.because)})[/dim]" if why.because else ""
    sources = f" [dim]{escape(', '.join(why.sources))}[/dim]" if why.sources else ""
    return f"{SIGNS[why.truth]} {escape(why.words or why.label)}{because}{sources}"


def trials_table(trials: tuple[Trial, ...]) -> Table:
    """The medication trials of a fact as a table; days at dose are a range where they are not sure."""
    table = Table("drug", "from", "to", "days at dose", "adequate", "no response", "why", "sources")
    for trial in trials:
        sure, possible = trial.days_at_dose
        table.add_row(
            escape(trial.name),
            trial.start.text if trial.start else "",
            "ongoing" if trial.ongoing else trial.end.text if trial.end else "",
            str(sure) if sure == possible else f"{sure} to {possible}",
            SIGNS[trial.adequate],
            SIGNS[trial.no_response],
            escape("; ".join((trial.outcome, *trial.notes))),
            escape(", ".join(trial.sources)),
        )
    return table
