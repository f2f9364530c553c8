"""What the columns of rows hold: names and kinds, whatever the format they are written in."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class ColumnKind(Enum):
    """What a column holds."""

    TEXT = "text"
    TRUTH = "truth"  # true, false or unknown
    DAY = "day"  # YYYY-MM-DD
    NUMBER = "number"
    NAMES = "names"  # a list of texts
    RECORDS = "records"  # a list of lists with the same members
    COUNTS = "counts"  # name → number


class Column(NamedTuple):
    """
    A column of rows.

    Attributes:
        name: The member of a row.
        kind: What it holds.
        members: What the members of its records are.
    """

    name: str
    kind: ColumnKind
    members: tuple[str, ...] = ()
