"""Checks of the source attributes: every one is said, and what is said of the person's data is what is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cds.rulebook import source_attributes as a
from cds.rulebook.lint.view import RulebookView
from cds.rulebook.lock import number
from cds.rulebook.references import Rule
from cds.yaml_source.problem import Problem

MISSING, DIFFERS = "source-attribute-missing", "source-attribute-differs"
SOURCES = {
    "developer": "`developer: who made a rule of the research or guideline`",
    "funding": "`funding: who paid for it, or that nobody did`",
    "released": "`released: 2026-06-01` (the first day a server could have used it)",
}
FIRST = (1, 0, 0)
AttributeReaders = Mapping[str, Mapping[str, tuple[a.AttributeReader, ...]]]
"""As `cds.rulebook.source_attributes.reads` gives them."""
MOST_SHOWN = 3
WHY = f"{a.REGULATION} wants users to see it before they rely on a rule."


def says_what_it_uses(view: RulebookView) -> Iterator[Problem]:
    """What a file says that it uses of the person is all there, and what it reads."""
    read = a.reads(view.book)
    yield from _missing(view, read)
    yield from _differs(view, read)


def _missing(view: RulebookView, read: AttributeReaders) -> Iterator[Problem]:
    """A file that concludes or says something says all that the law wants to be known of it; a draft is only told."""
    for rule in _judged(view):
        about = rule.model.about
        draft = rule.located.value_at(("about", "status")) == "draft"  # as written, though it may be tried as silent
        if not rule.model.evidence:
            yield rule.problem(
                ("about",), MISSING, f"This file has no `evidence`: {_named('citations')} is missing.",
                "Add `evidence` with what it rests on, or with who decided it.", WHY, warning=draft,
            )  # fmt: skip
        if lacking := [key for key in SOURCES if getattr(about, key) is None]:
            yield rule.problem(
                ("about",), MISSING, f"`about` lacks {'; '.join(f'`{key}`: {_named(key)}' for key in lacking)}.",
                f"Add {', '.join(SOURCES[key] for key in lacking)}.", WHY, warning=draft,
            )  # fmt: skip
        if about.revised is None and number(about.version) > FIRST:
            yield rule.problem(
                ("about", "version"), MISSING,
                f"Version {about.version} is not a first one, and `about.revised` does not say of which day it is.",
                "Write the day: `revised: 2026-06-01`.", WHY, warning=draft,
            )  # fmt: skip
        unsaid = [key for key in a.USES if getattr(about.uses, key) is None and key not in about.does_not_use]
        if unsaid:
            yield rule.problem(
                ("about",), MISSING, f"`about` does not say whether it uses {', '.join(unsaid)}.",
                _fix_of(unsaid, read[about.id], rule).strip(), WHY, warning=draft,
            )  # fmt: skip


def _differs(view: RulebookView, read: AttributeReaders) -> Iterator[Problem]:
    """What a file says it uses of the person is what it reads, and what it says it does not use is not read."""
    whole = not view.book.broken
    for rule in _judged(view):
        about = rule.model.about
        found = read[about.id]
        for key in a.USES:
            said = getattr(about.uses, key) is not None
            if said and key in about.does_not_use:
                yield rule.problem(
                    ("about", "uses", key), DIFFERS, f"`uses` and `does_not_use` both name {key}.",
                    "Keep the one that is true.",
                )  # fmt: skip
            elif said and key not in found and whole:
                yield rule.problem(
                    ("about", "uses", key), DIFFERS, f"`uses` names {key}, and nothing this file rests on reads it.",
                    f"Move {key} to `does_not_use`; or, if a value set holds it, write `source_attribute: {key}` in"
                    " its header.",
                )  # fmt: skip
            elif key in about.does_not_use and key in found:
                yield rule.problem(
                    ("about", "does_not_use", about.does_not_use.index(key)), DIFFERS,
                    f"`does_not_use` names {key}, and it is read: {_shown(found[key], rule)}.",
                    f"Write what for under `uses`: `{key}: …`.",
                    "Who relies on a rule must be able to see whom it treats differently.",
                )  # fmt: skip


def dates(view: RulebookView) -> Iterator[Problem]:
    """A revision comes after the release."""
    for rule in view.rules:
        about = rule.model.about
        if about.released is not None and about.revised is not None and about.revised < about.released:
            yield rule.problem(
                ("about", "revised"), DIFFERS,
                f"It was revised on {about.revised}, before it was released on {about.released}.",
                "Correct one of the two days.",
            )  # fmt: skip


def _judged(view: RulebookView) -> list[Rule]:
    return [rule for rule in view.rules if a.is_intervention(rule) and rule.model.about.status != "retired"]


def _named(key: str) -> str:
    paragraph, name = a.PARAGRAPHS[key]
    return f"“{name}” ({paragraph})"


def _fix_of(unsaid: list[str], read: Mapping[str, tuple[a.AttributeReader, ...]], rule: Rule) -> str:
    """What to write, as far as it can be told from what is read."""
    parts = [f"`{key}: what for`, which {_shown(read[key], rule)} reads" for key in unsaid if key in read]
    fix = f"Under `uses`, add {'; '.join(parts)}. " if parts else ""
    unread = [key for key in unsaid if key not in read]
    return fix + (f"Nothing is seen to read these: `does_not_use: [{', '.join(unread)}]`." if unread else "")


def _shown(read: tuple[a.AttributeReader, ...], rule: Rule) -> str:
    """The first facts, each with its file where that is another."""
    names = [f"`{one.fact}`" + ("" if one.rule == rule.model.about.id else f" of {one.rule}") for one in read]
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(names[:MOST_SHOWN]) + more


NAMES = frozenset({MISSING, DIFFERS})
CHECKS = (says_what_it_uses, dates)
