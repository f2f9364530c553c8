"""A folder of patients → each as one body to decide from: examples, Bundles, requests, and bulk exports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from cds.population.export import Export, ExportFile, find_export, opened
from cds.population.patient import bundle_of
from cds.population.shuffle import Shuffled, exported_types, patients_of, shuffle


@dataclass(frozen=True, slots=True)
class CohortPatient:
    """
    One patient of a folder of examples, or of an export.

    Attributes:
        name: Where the data are: a folder, a file, or file and line. Never a name or number of the patient.
        body: A FHIR Bundle or a CDS Hooks request.
    """

    name: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cohort:
    """
    Patients to decide for, one in memory at a time.

    Attributes:
        export: The files.
        found: What the pass over their lines found, with what could not be read.
    """

    place: Path
    export: Export
    found: Shuffled

    def patients(self, known_on: str = "") -> Iterator[CohortPatient]:
        """Bundles and requests first, in the order of their files; then the patients of exported resources."""
        yield from self.whole_bodies()
        types = exported_types(self.export, self.found)
        for bucket in self.found.buckets():
            for patient in patients_of(bucket, self.found.files, self.found.not_read):
                yield CohortPatient(patient.name, bundle_of(patient, types, known_on))

    def body_of(self, patient: str, known_on: str = "") -> bytes | None:
        """The body of the one patient that a row names so: by id, or by file and line; None where there is none."""
        if (bucket := self.found.bucket_of(patient)) is not None:
            for lines in patients_of(bucket, self.found.files, self.found.not_read):
                if lines.id == patient:
                    return bundle_of(lines, exported_types(self.export, self.found), known_on)
        return next((one.body for one in self.whole_bodies() if one.name == patient), None)

    def whole_bodies(self, share: int = 0, of: int = 1) -> Iterator[CohortPatient]:
        """Patients that come as a Bundle or request each; those of each `of`-th file, from the `share`-th on."""
        for file, numbers in list(self.found.requests.items())[share::of]:
            for number, body in _lines(file, numbers):
                yield CohortPatient(self._named(file, number), body)

    def _named(self, file: ExportFile, number: int) -> str:
        folder, _, last = file.name.rpartition("/")
        if not number and last == "request.json" and folder:
            return folder
        return f"{file.name}:{number}" if number else file.name


@contextmanager
def cohort_in(place: Path, exported: Iterable[str] = ()) -> Iterator[Cohort]:
    """
    The patients of a folder or file; what does not fit in memory is sorted in a temporary folder.

    Raises:
        ExportError: It cannot be used as it is.
    """
    export = find_export(place, exported)
    with TemporaryDirectory(prefix="cds-cohort-") as folder:
        yield Cohort(place, export, shuffle(export, Path(folder)))


def _lines(file: ExportFile, numbers: list[int]) -> Iterator[tuple[int, bytes]]:
    """A whole file (number 0), or the lines of it with these numbers."""
    with opened(file) as reading:
        if numbers == [0]:
            yield 0, reading.read()
            return
        wanted = set(numbers)
        for number, line in enumerate(reading, start=1):
            if number in wanted:
                yield number, line.strip()
