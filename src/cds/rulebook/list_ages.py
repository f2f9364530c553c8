"""Rulebook → when each value set and drug table was last compared with a release of its code systems."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from cds.rulebook.format.drug_table import TableHeader
from cds.rulebook.format.value_set import ValueSetFile, ValueSetHeader
from cds.rulebook.loader import Rulebook
from cds.yaml_source.document import Path
from cds.yaml_source.fields import duration_days
from cds.yaml_source.loaded import LoadedFile

VALUE_SET_HEADER = "valueset"
TABLE_HEADER = "table"


@dataclass(frozen=True, slots=True)
class ListAge:
    """
    When one file of codes was last compared with a release.

    Attributes:
        name: Id of the value set or drug table; of a file that adds to another's set, that set and what it holds.
        title: What a clinician calls it.
        checked: The day; None where the file does not say.
        release: What it was compared with, in words; "" where the file does not say.
    """

    name: str
    title: str
    checked: date | None
    release: str


@dataclass(frozen=True, slots=True)
class ListAges:
    """
    The ages of all lists, and how old one may be.

    Attributes:
        lists: Longest ago first; those that never say so stand before all others.
        within_days: Days after which a list is to be compared again; None where no rule file says so.
    """

    lists: tuple[ListAge, ...] = ()
    within_days: int | None = None

    @property
    def oldest(self) -> ListAge | None:
        """The list that was compared longest ago; one that never was, if there is such a list; None without lists."""
        return self.lists[0] if self.lists else None

    @property
    def never_checked(self) -> tuple[ListAge, ...]:
        """The lists that do not say when they were compared."""
        return tuple(one for one in self.lists if one.checked is None)

    def overdue(self, today: date) -> tuple[ListAge, ...]:
        """The lists that were compared too long before a day; none where no rule file says how long that is."""
        if self.within_days is None:
            return ()
        first = today - timedelta(days=self.within_days)
        return tuple(one for one in self.lists if one.checked is not None and one.checked < first)


def list_ages(book: Rulebook) -> ListAges:
    """The ages of all value sets and drug tables of a rulebook."""
    found = [_age(_called(loaded.model.valueset), loaded.model.valueset) for loaded, _ in value_set_files(book)]
    found += [_age(table.model.table.id, table.model.table) for table in book.tables.values()]
    return ListAges(tuple(sorted(found, key=lambda one: (one.checked or date.min, one.name))), within_days(book))


def value_set_files(book: Rulebook) -> Iterable[tuple[LoadedFile[ValueSetFile], Path]]:
    """The value sets that are files of their own, with the place of their header; codes of an overlay are none."""
    return [
        (loaded, (VALUE_SET_HEADER,))
        for loaded in book.sets
        if loaded.located.value_at((VALUE_SET_HEADER,)) is not None
    ]


def within_days(book: Rulebook) -> int | None:
    """Days after which a list is to be compared again: the shortest that a rule file asks for; None where none does."""
    asked = [_days(rule.model.lists.checked_within, book) for rule in book.rules.values() if rule.model.lists]
    return min((days for days in asked if days is not None), default=None)


def _days(duration: str, book: Rulebook) -> int | None:
    """Days of a duration or of the parameter it names; None for what is neither, which other checks tell."""
    parameters = {name: one for rule in book.rules.values() for name, one in rule.model.parameters.items()}
    parameter = parameters.get(duration)
    if parameter is None:
        return duration_days(duration)
    return None if isinstance(parameter.value, str) else duration_days(f"{parameter.value:g} {parameter.unit}")


def _called(header: ValueSetHeader) -> str:
    return header.id or f"{header.adds_to} ({header.title})"


def _age(name: str, header: ValueSetHeader | TableHeader) -> ListAge:
    checked = header.checked
    return ListAge(name, header.title, checked.date if checked else None, checked.release if checked else "")


def lists_in_words(ages: ListAges, today: date) -> dict[str, object]:
    """The oldest list with its day, and how many are overdue or never said when; for a health check."""
    oldest = ages.oldest
    return {
        "oldest": oldest.name if oldest else None,
        "checked": str(oldest.checked) if oldest and oldest.checked else None,
        "release": oldest.release if oldest and oldest.checked else None,
        "overdue": len(ages.overdue(today)),
        "never_checked": len(ages.never_checked),
    }
