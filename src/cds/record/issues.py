"""Issues: what a reader of the answer must know about the data, gathered while it is read."""

from __future__ import annotations

from dataclasses import dataclass, field

from cds.locale.sentence import say
from cds.record.model import Issue, IssueKind

MOST_ALIKE = 20
"""Issues of one kind, type and sentence that are kept one by one; the rest are counted in one more issue."""


@dataclass(slots=True)
class Issues:
    """
    A growing list of issues, in the order they are met.

    Attributes:
        kept: The issues so far.
        alike: (kind, type, sentence) → how many were met.
    """

    kept: list[Issue] = field(default_factory=list)
    alike: dict[tuple[IssueKind, str, str], int] = field(default_factory=dict)

    def note(self, kind: IssueKind, resource_type: str, where: str, what: str, reference: str = "") -> None:
        """Keep one issue, unless MOST_ALIKE of its like are kept already."""
        key = (kind, resource_type, what)
        count = self.alike.get(key, 0) + 1
        self.alike[key] = count
        if count <= MOST_ALIKE:
            self.kept.append(Issue(kind, resource_type, where, what, reference))

    def listed(self) -> tuple[Issue, ...]:
        """All issues kept, and for each sentence met too often one that says how many more there were."""
        more = (
            Issue(kind, type_, "", say("{what} ({left} more like this.)", what=what, left=left), times=left, alike=what)
            for (kind, type_, what), count in self.alike.items()
            if (left := count - MOST_ALIKE) > 0
        )
        return (*self.kept, *more)


@dataclass(slots=True)
class Origin:
    """
    Where one resource came from, for the values and issues made of it.

    Attributes:
        kind: FHIR type.
        source: "Type/id"; "Type#digest" for a resource without an id.
        where: Path in the request.
        issues: Where to note what is wrong with it.
        server: The server its fullUrl names, "" if none.
    """

    kind: str
    source: str
    where: str
    issues: Issues
    server: str = ""

    def note(self, kind: IssueKind, path: str, what: str) -> None:
        """Note an issue with one element of this resource; `path` begins below the resource."""
        where = f"{self.where}.{path}" if path else self.where
        self.issues.note(kind, self.kind, where, what, self.source)
