"""Checks of a file as a document: evidence, review, life."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from cds.rulebook.lint.view import RulebookView, marked_with
from cds.rulebook.loader import Rulebook
from cds.rulebook.references import Rule
from cds.yaml_source.correction import did_you_mean
from cds.yaml_source.document import Path
from cds.yaml_source.fields import Cites
from cds.yaml_source.loaded import LoadedFile
from cds.yaml_source.marks import marked
from cds.yaml_source.problem import Problem


def cited(rule: Rule) -> Iterator[tuple[str, Path]]:
    """Every entry of `evidence` a file cites, with its place."""
    for section in ("parameters", "conclusions", "cards"):
        for name, thing in getattr(rule.model, section).items():
            for index, entry in enumerate(thing.evidence):
                yield entry, (section, name, "evidence", index)
    yield from ((one.value, one.path) for one, _ in marked_with(rule, Cites))
    for name, leaflet in rule.model.leaflets.items():
        yield from ((one.value, one.path) for one in marked(leaflet, ("leaflets", name)) if one.mark(Cites))
    if rule.model.definitions:
        for name, definition in rule.model.definitions.are.items():
            for index, entry in enumerate(definition.evidence):
                yield entry, ("definitions", "are", name, "evidence", index)


def unknown_evidence(view: RulebookView) -> Iterator[Problem]:
    """What is cited stands under `evidence` of the same file."""
    for rule in view.rules:
        for entry, path in cited(rule):
            if entry not in rule.model.evidence:
                yield rule.problem(
                    path,
                    "unknown-evidence",
                    f"`{entry}` is not an entry of this file's `evidence`.",
                    did_you_mean(entry, rule.model.evidence, "Add it there, with what it says."),
                )


def unused_evidence(view: RulebookView) -> Iterator[Problem]:
    """Evidence is there because something rests on it."""
    for rule in view.rules:
        used = {entry for entry, _ in cited(rule)}
        for entry in rule.model.evidence:
            if entry not in used:
                yield rule.problem(
                    ("evidence", entry), "unused-evidence", f"Nothing in this file cites `{entry}`.",
                    "Cite it where it is used, or remove it.", warning=True,
                )  # fmt: skip


def without_evidence(view: RulebookView) -> Iterator[Problem]:
    """A conclusion says why one should believe it; so does a number, or it has a note."""
    for rule in view.rules:
        for name, conclusion in rule.model.conclusions.items():
            if not conclusion.evidence:
                yield rule.problem(
                    ("conclusions", name), "conclusion-without-evidence", f"`{name}` cites no evidence.",
                    "Add `evidence: […]`.", "A reviewer asks first where it comes from.", warning=True,
                )  # fmt: skip
        for name, parameter in rule.model.parameters.items():
            if not parameter.evidence and not parameter.note:
                yield rule.problem(
                    ("parameters", name), "parameter-without-evidence", f"`{name}` cites no evidence.",
                    "Add `evidence: […]`, or a `note:` that says who decided it.", warning=True,
                )  # fmt: skip


def critical_needs_evidence(view: RulebookView) -> Iterator[Problem]:
    """The strongest indicator needs a reason."""
    for rule in view.rules:
        for name, card in rule.model.cards.items():
            if card.indicator == "critical" and not card.evidence:
                yield rule.problem(
                    ("cards", name, "indicator"), "critical-needs-evidence", f"`{name}` is critical and cites nothing.",
                    "Add `evidence: […]` to the card, or make it `warning` or `info`.",
                    "Some EHRs stop the clinician at a critical card.",
                )  # fmt: skip


def review_overdue(view: RulebookView) -> Iterator[Problem]:
    """A rule in use is reviewed again when it said it would be; an overdue review is a warning and stops nothing."""
    for rule in view.rules:
        reviewed = rule.model.about.reviewed
        if reviewed.next <= reviewed.date:
            yield rule.problem(
                ("about", "reviewed", "next"), "review-overdue",
                f"The next review, {reviewed.next}, is not after the last, {reviewed.date}.", "Write a later date.",
            )  # fmt: skip
    yield from overdue_rule_reviews(view.rules, view.today)


def overdue_rule_reviews(rules: Iterable[Rule], today: date) -> Iterator[Problem]:
    """The rule files in use whose review was due before a day, each as a warning with its line."""
    for rule in rules:
        reviewed = rule.model.about.reviewed
        if reviewed.date < reviewed.next < today and rule.model.about.status != "retired":
            days: int = (today - reviewed.next).days
            yield rule.problem(
                ("about", "reviewed", "next"), "review-overdue",
                f"The review was due on {reviewed.next}, {days} day{'s' if days > 1 else ''} ago.",
                "Review the file and write the new dates; or retire it.",
                warning=True,
            )  # fmt: skip


def retired_without_reason(view: RulebookView) -> Iterator[Problem]:
    """A retired file says when and why, and only a retired one does."""
    for rule in view.rules:
        about = rule.model.about
        if about.status == "retired" and about.retired is None:
            yield rule.problem(
                ("about", "status"), "retired-without-reason", "This file is retired and does not say why.",
                "Add `retired: {date: …, because: …}` to `about`.",
            )  # fmt: skip
        elif about.status != "retired" and about.retired is not None:
            yield rule.problem(
                ("about", "retired"), "retired-without-reason",
                f"This file says why it is retired, but is {about.status}.",
                "Write `status: retired`, or remove `retired`.",
            )  # fmt: skip


def look_back_means_nothing(view: RulebookView) -> Iterator[Problem]:
    """A window stands where it has an effect."""
    for rule in view.rules:
        for name, fact in rule.model.facts.items():
            if fact.look_back and fact.no_window:
                yield rule.problem(
                    ("facts", name, "look_back"), "look-back-means-nothing", "A `look_back` here changes nothing.",
                    fact.no_window,
                )  # fmt: skip


def todo_left(view: RulebookView) -> Iterator[Problem]:
    """What a new file leaves to its author is written before anybody is shown what it says."""
    loaded: list[LoadedFile[Any]] = [*view.book.rules.values(), *view.book.sets]
    if view.book.site is not None:
        loaded.append(view.book.site)
    loaded += [one for one in (view.book.vocabulary, *view.book.wording) if one is not None]
    for one in loaded:
        status = one.located.value_at(("about", "status"))  # as written: trying a draft does not change what it lacks
        for path in one.located.lines:
            value = one.located.value_at(path)
            if isinstance(value, str) and "TODO" in value:
                yield one.problem(
                    path, "todo-left", f"`{'.'.join(map(str, path))}` is still to be written.",
                    f"Write it: {value.partition('TODO:')[2].strip() or 'what the TODO asks for'}.",
                    warning=status in {"draft", None},
                )  # fmt: skip


def site_review_overdue(view: RulebookView) -> Iterator[Problem]:
    """What a site decided differently is reviewed again when it said it would be; overdue is a warning."""
    yield from overdue_site_reviews(view.book, view.today)


def overdue_site_reviews(book: Rulebook, today: date) -> Iterator[Problem]:
    """The changes of a site whose review was due before a day, each as a warning with its line."""
    for override in book.overrides:
        file = override.file or book.site
        if file is not None and override.review is not None and override.review < today:
            yield file.problem(
                (*override.path, "review"), "site-review-overdue",
                f"{override.what} ({override.says}) was to be reviewed by {override.by} on {override.review}.",
                "Ask them, then write the new day; or remove the override.",
                warning=True,
            )  # fmt: skip


CHECKS = (
    todo_left,
    site_review_overdue,
    unknown_evidence,
    unused_evidence,
    without_evidence,
    critical_needs_evidence,
    review_overdue,
    retired_without_reason,
    look_back_means_nothing,
)
