"""A CSV of patients and days → the days to decide for, each with its line."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import msgspec

from cds.population.export import ExportError

COLUMNS = ("patient", "day")


class DecisionDay(msgspec.Struct, frozen=True):
    """
    A day to decide for.

    Attributes:
        day: The day.
        line: Its line in the file of index days.
    """

    day: date
    line: int

    @classmethod
    def read(cls, text: str, line: int) -> DecisionDay:
        """
        A day as YYYY-MM-DD.

        Raises:
            ValueError: It is none.
        """
        return cls(date.fromisoformat(text), line)


def read_index_days(file: Path) -> dict[str, list[DecisionDay]]:
    """
    Patient as rows name them → days to decide for, in order, each once.

    Raises:
        ExportError: A column is missing, or a line holds no patient or no day; with the line and what to write.
    """
    found: dict[str, dict[date, DecisionDay]] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as reading:
            lines = csv.DictReader(reading)
            if not set(COLUMNS) <= set(lines.fieldnames or ()):
                raise ExportError(
                    f"{file.name}:1: its first line must name the columns patient and day; write `patient,day` there"
                )
            for line in lines:
                where = f"{file.name}:{lines.line_num}"
                patient, text = ((line[column] or "").strip() for column in COLUMNS)
                if not patient:
                    raise ExportError(f"{where}: no patient; write the id that the export gives, or remove the line")
                try:
                    one = DecisionDay.read(text, lines.line_num)
                except ValueError:
                    raise ExportError(f"{where}: `day` is no day; write it as 2026-06-01") from None
                found.setdefault(patient, {}).setdefault(one.day, one)
    except (UnicodeDecodeError, csv.Error):
        raise ExportError(f"{file.name}: this is no CSV in UTF-8; write lines of `patient,day`") from None
    if not found:
        raise ExportError(f"{file.name}: it names no patient; write a line for each patient and day")
    return {patient: [days[day] for day in sorted(days)] for patient, days in found.items()}
