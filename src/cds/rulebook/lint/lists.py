"""Checks of when value sets and drug tables were last compared with a release of their code systems."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path as FilePath
from typing import Any

from cds.rulebook.format.about import Checked
from cds.rulebook.lint.view import RulebookView
from cds.rulebook.list_ages import TABLE_HEADER, value_set_files, within_days
from cds.yaml_source.document import Path
from cds.yaml_source.loaded import LoadedFile
from cds.yaml_source.problem import Problem

BEHIND = "Codes are added and withdrawn each year; a list that is behind misses patients, and nothing shows it."
MOST_NAMED = 5


def list_age(view: RulebookView) -> Iterator[Problem]:
    """Where a rule file asks for it, each list was compared with a release, and not too long ago."""
    days = within_days(view.book)
    if days is None:
        return
    first = view.today - timedelta(days=days)
    lists: list[tuple[LoadedFile[Any], Path, Checked | None]] = [
        (loaded, path, loaded.model.valueset.checked) for loaded, path in value_set_files(view.book)
    ]
    lists += [(table, (TABLE_HEADER,), table.model.table.checked) for table in view.book.tables.values()]
    silent = [loaded for loaded, _, checked in lists if checked is None]
    if silent:
        names = sorted({FilePath(loaded.file).stem for loaded in silent})
        for rule in view.rules:
            if rule.model.lists is not None:
                yield rule.problem(
                    ("lists", "checked_within"), "list-age",
                    f"{len(silent)} of {len(lists)} lists do not say when they were last compared with a release:"
                    f" {', '.join(names[:MOST_NAMED])}{' …' if len(names) > MOST_NAMED else ''}.",
                    "Compare them (`cds terminology diff`), then write `checked: {date: …, release: …}` into each.",
                    BEHIND, warning=True,
                )  # fmt: skip
    for loaded, path, checked in lists:
        if checked is not None and checked.date < first:
            yield loaded.problem(
                (*path, "checked", "date"), "list-age",
                f"This list was last compared with a release ({checked.release}) on {checked.date},"
                f" more than {days} days ago.",
                "Compare it (`cds terminology diff`), then write the new day and release.", BEHIND, warning=True,
            )  # fmt: skip


CHECKS = (list_age,)
