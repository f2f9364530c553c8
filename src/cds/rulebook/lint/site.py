"""Checks of a site's own value sets: what it adds to a shipped one hides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath

from cds.rulebook.lint.view import RulebookView
from cds.rulebook.overlay import guarded_names, guarded_readers, hides
from cds.rulebook.tables import names_groups
from cds.yaml_source.document import Path
from cds.yaml_source.problem import Problem

CHECK, WHY = "site-may-not", "A contraindication could vanish."


def site_value_sets(view: RulebookView) -> Iterator[Problem]:
    """A file of a site that adds to a shipped value set takes nothing from what an exclusion looks for."""
    book = view.book
    if book.base is None:
        return
    guarded = guarded_names(book.rules.values())
    for loaded in book.sets:
        name = loaded.model.valueset.adds_to
        if name is None or loaded.file == (book.site.file if book.site else "") or not _is_own(loaded.file, book.root):
            continue
        if (hidden := hides(name, book.rules, guarded)) is not None:
            yield loaded.problem(
                ("valueset", "adds_to"), CHECK, f"Nothing can be added to `{name}`: it would hide `{hidden}`.",
                "Remove the file; tell the owners of the value set what is missing.", WHY,
            )  # fmt: skip
        found = guarded_readers(name, book.rules.values(), guarded)
        taking: list[Path] = [("codes", i, "except") for i, group in enumerate(loaded.model.codes) if group.except_]
        taking += [("names",) for group in names_groups(loaded.model) if group.unless]
        for path in taking if found else ():
            yield loaded.problem(
                path, CHECK, f"Nothing can be taken from `{name}`: `{found[0]}` is an exclusion.",
                "Remove this; tell the owners of the value set what is wrong.", WHY,
            )  # fmt: skip


def _is_own(file: str, root: FilePath) -> bool:
    return FilePath(file).is_relative_to(root)


CHECKS = (site_value_sets,)
