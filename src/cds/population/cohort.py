"""A folder of patients → each as one body to decide from: examples, Bundles, requests, and bulk exports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from cds.population.export import Export, ExportFile, find_export, opened
from cds.population.lines import BOM
from cds.population.patient import CohortPatient, ExportedTypes, PatientLines, body_known_on, bundle_of
from cds.population.shuffle import ReadLimits, Shuffled, bucket_number, exported_types, patients_of, shuffle


@dataclass(frozen=True)
class Cohort:
    """
    Patients to decide for, one in memory at a time.

    Attributes:
        export: The files.
        found: What the pass over their lines found, with what could not be read.
        limits: How much is held in memory.
    """

    export: Export
    found: Shuffled
    limits: ReadLimits = field(default_factory=ReadLimits)

    def patients(self) -> Iterator[CohortPatient]:
        """Bundles and requests first, in the order of their files; then the patients of exported resources."""
        yield from self.whole_bodies()
        for bucket in self.found.buckets():
            for lines in patients_of(self.found, bucket, self.limits):
                yield self.patient(lines)

    def patient(self, lines: PatientLines) -> CohortPatient:
        """The patient of these lines."""
        return CohortPatient(lines.name, lines.id, partial(bundle_of, lines, self._types))

    @cached_property
    def _types(self) -> ExportedTypes:
        return exported_types(self.export, self.found)

    def called(self, patient: str) -> CohortPatient | None:
        """The one patient that a row names so: by id, or by file and line; None where there is none."""
        for lines in patients_of(self.found, bucket_number(patient), self.limits):
            if lines.id == patient:
                return self.patient(lines)
        return next((one for one in self.whole_bodies() if one.id == patient), None)

    def whole_bodies(self, share: int = 0, of: int = 1) -> Iterator[CohortPatient]:
        """Patients that come as a Bundle or request each; those of each `of`-th file, from the `share`-th on."""
        for file_number in sorted(self.found.requests)[share::of]:
            file = self.export.files[file_number]
            for number, body in _lines(file, self.found.requests[file_number]):
                name = file.place_of(number)
                yield CohortPatient(name, name, partial(body_known_on, body))


@contextmanager
def cohort_in(place: Path, exported: Iterable[str] = (), limits: ReadLimits | None = None) -> Iterator[Cohort]:
    """
    The patients of a folder or file; what does not fit in memory is sorted in a temporary folder.

    Raises:
        ExportError: It cannot be used as it is.
    """
    export = find_export(place, exported)
    with TemporaryDirectory(prefix="cds-cohort-") as folder:
        yield Cohort(export, shuffle(export, Path(folder)), limits or ReadLimits())


def _lines(file: ExportFile, numbers: list[int]) -> Iterator[tuple[int, bytes]]:
    """A whole file (number 0), or the lines of it with these numbers."""
    with opened(file) as reading:
        if numbers == [0]:
            yield 0, reading.read()
            return
        wanted = set(numbers)
        for number, line in enumerate(reading, start=1):
            if number in wanted:
                yield number, line.strip().removeprefix(BOM)
