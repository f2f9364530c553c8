"""
A release of RxNorm as the National Library of Medicine publishes it (RRF files in a folder or a zip) → its concepts.

Files and columns: RxNorm Technical Documentation, "RRF files" (RXNCONSO, RXNREL, RXNSAT; in the full release also
RXNATOMARCHIVE and RXNCUI, which say what became of a code). The Current Prescribable Content holds the first three.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO

from cds.authoring.terminology.source import TerminologySourceError

CONCEPTS, RELATIONS, ATTRIBUTES = "RXNCONSO.RRF", "RXNREL.RRF", "RXNSAT.RRF"
ARCHIVE, RETIRED = "RXNATOMARCHIVE.RRF", "RXNCUI.RRF"
COLUMNS = {CONCEPTS: 18, RELATIONS: 16, ATTRIBUTES: 13, ARCHIVE: 16, RETIRED: 5}
OWN, CLASSES = "RXNORM", "ATC"  # SAB, the source of a row
IN, PIN, MIN, BN, DF = "IN", "PIN", "MIN", "BN", "DF"
SCDC, SCD, SBD, GPCK, BPCK, SBDC = "SCDC", "SCD", "SBD", "GPCK", "BPCK", "SBDC"
KINDS = frozenset({IN, PIN, MIN, BN, DF, SCDC, SCD, SBD, GPCK, BPCK, SBDC})
PRODUCTS = frozenset({SCD, SBD, GPCK, BPCK})
CURRENT = "N"  # SUPPRESS of what is neither obsolete nor suppressed
WANTED_RELATIONS = frozenset(
    {
        "has_ingredient", "ingredient_of", "has_precise_ingredient", "precise_ingredient_of", "has_form", "form_of",
        "consists_of", "constitutes", "has_tradename", "tradename_of", "contains", "contained_in", "has_dose_form",
        "dose_form_of", "has_part", "part_of",
    }
)  # fmt: skip
NDC = "NDC"
DAY_IN_NAME = re.compile(r"(?<![0-9])([01][0-9])([0-3][0-9])(20[0-9]{2})(?![0-9])")  # RxNorm_full_prescribe_11022026


@dataclass(frozen=True, slots=True)
class RxNormConcept:
    """One concept: its code, term type (SCD, IN, …), name, and whether the release still has it in use."""

    rxcui: str
    kind: str
    name: str
    current: bool


@dataclass(frozen=True, slots=True)
class RxNormRelease:
    """
    One release.

    Attributes:
        name: "RxNorm 2026-11-02".
        concepts: RXCUI → concept.
        related: RXCUI → the RXCUIs it is related to, in either direction; the kinds say how.
        became: Retired RXCUI → the one it was merged into.
        classes: ATC code → RXCUIs of that substance; None where the release holds no ATC.
        ndcs: RXCUI of a product → its National Drug Codes, eleven digits.
    """

    name: str
    concepts: Mapping[str, RxNormConcept]
    related: Mapping[str, frozenset[str]]
    became: Mapping[str, str]
    classes: Mapping[str, frozenset[str]] | None
    ndcs: Mapping[str, tuple[str, ...]]

    def near(self, rxcui: str, *kinds: str) -> list[RxNormConcept]:
        """The concepts in use of these kinds that one is related to, by code."""
        found = (self.concepts[other] for other in self.related.get(rxcui, ()))
        return sorted((one for one in found if one.kind in kinds and one.current), key=lambda one: int(one.rxcui))

    def current(self, rxcui: str) -> RxNormConcept | None:
        """A concept the release has in use; None for one that is retired, suppressed or unknown."""
        found = self.concepts.get(rxcui)
        return found if found is not None and found.current else None

    def now(self, rxcui: str) -> str | None:
        """What a retired code was merged into, followed to a concept in use; None where nothing says so."""
        seen = {rxcui}
        while (rxcui := self.became.get(rxcui, "")) and rxcui not in seen:
            if self.current(rxcui) is not None:
                return rxcui
            seen.add(rxcui)
        return None


def read_release(path: Path, name: str | None = None) -> RxNormRelease:
    """
    Read a release from its zip or unpacked folder.

    Args:
        path: The zip, or a folder that holds the RRF files at any depth.
        name: What to call the release; by default the day in the name of the file or folder.

    Raises:
        TerminologySourceError: There is no such file, it is no zip, a file is missing, or a row has other columns.
    """
    with ExitStack() as stack:
        files = _files(path, stack)
        for needed in (CONCEPTS, RELATIONS, ATTRIBUTES):
            if needed not in files:
                raise TerminologySourceError(
                    f"{path} holds no {needed}.", "Name the zip or folder of a release of RxNorm, with its rrf folder."
                )
        concepts, by_class = _concepts(path, files)
        return RxNormRelease(
            name or _name(path),
            concepts,
            _related(path, files, concepts),
            _became(path, files),
            by_class or None,
            _ndcs(path, files, concepts),
        )


def _files(path: Path, stack: ExitStack) -> dict[str, IO[bytes]]:
    """Name of each RRF file → the one nearest to the root: a full release holds the prescribable content, too."""
    if path.is_dir():
        found = sorted(path.rglob("*.RRF"), key=lambda one: (len(one.parts), one.as_posix()))
        return {one.name: stack.enter_context(one.open("rb")) for one in reversed(found)}
    if not path.is_file():
        raise TerminologySourceError(f"{path} does not exist.", "Name the zip or folder of a release of RxNorm.")
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
        names = sorted(
            (name for name in archive.namelist() if name.endswith(".RRF")), key=lambda name: (name.count("/"), name)
        )
        return {name.rpartition("/")[2]: stack.enter_context(archive.open(name)) for name in reversed(names)}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as wrong:
        raise TerminologySourceError(f"{path} is no zip that can be read: {wrong}.", "Download it again.") from None


def _rows(path: Path, files: Mapping[str, IO[bytes]], name: str) -> Iterator[list[str]]:
    """Each row of a file as text; the bar at the end of a line is dropped."""
    if name not in files:
        return
    columns = COLUMNS[name]
    try:
        for number, line in enumerate(files[name], start=1):
            row = line.decode("utf-8").rstrip("\r\n").split("|")
            if len(row) != columns + 1:
                raise TerminologySourceError(
                    f"{path}: line {number} of {name} has {len(row) - 1} columns instead of {columns}.",
                    "The release is damaged or of another format: download it again.",
                )
            yield row
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, UnicodeDecodeError) as wrong:
        raise TerminologySourceError(f"{path}: {name} cannot be read: {wrong}.", "Download it again.") from None


def _concepts(path: Path, files: Mapping[str, IO[bytes]]) -> tuple[dict[str, RxNormConcept], dict[str, frozenset[str]]]:
    concepts: dict[str, RxNormConcept] = {}
    classes: dict[str, set[str]] = {}
    for row in _rows(path, files, CONCEPTS):
        rxcui, source, kind, code, name, suppress = row[0], row[11], row[12], row[13], row[14], row[16]
        if source == CLASSES and suppress == CURRENT:
            classes.setdefault(code, set()).add(rxcui)
        if source != OWN or kind not in KINDS:
            continue
        one = RxNormConcept(rxcui, kind, name, suppress == CURRENT)
        before = concepts.get(rxcui)
        if before is None or (one.current and not before.current):
            concepts[rxcui] = one
    if not concepts:
        raise TerminologySourceError(f"{path}: {CONCEPTS} holds no concept of RxNorm.", "Download it again.")
    return concepts, {code: frozenset(found) for code, found in classes.items()}


def _related(
    path: Path, files: Mapping[str, IO[bytes]], concepts: Mapping[str, RxNormConcept]
) -> dict[str, frozenset[str]]:
    """Relations in both directions: a release names most of them twice, and the kinds tell which end is which."""
    related: dict[str, set[str]] = {}
    for row in _rows(path, files, RELATIONS):
        first, second, relation, source, suppress = row[0], row[4], row[7], row[10], row[14]
        if source != OWN or relation not in WANTED_RELATIONS or suppress not in {"", CURRENT}:
            continue
        if first in concepts and second in concepts:
            related.setdefault(first, set()).add(second)
            related.setdefault(second, set()).add(first)
    return {rxcui: frozenset(found) for rxcui, found in related.items()}


def _became(path: Path, files: Mapping[str, IO[bytes]]) -> dict[str, str]:
    became = {row[12]: row[15] for row in _rows(path, files, ARCHIVE) if row[15] and row[15] != row[12]}
    return became | {row[0]: row[4] for row in _rows(path, files, RETIRED) if row[4] and row[4] != row[0]}


def _ndcs(
    path: Path, files: Mapping[str, IO[bytes]], concepts: Mapping[str, RxNormConcept]
) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for row in _rows(path, files, ATTRIBUTES):
        rxcui, attribute, source, value, suppress = row[0], row[8], row[9], row[10], row[11]
        if attribute != NDC or source != OWN or suppress not in {"", CURRENT}:
            continue
        if rxcui in concepts and concepts[rxcui].kind in PRODUCTS:
            found.setdefault(rxcui, set()).add(value)
    return {rxcui: tuple(sorted(codes)) for rxcui, codes in found.items()}


def _name(path: Path) -> str:
    for part in reversed(path.absolute().parts):
        if day := DAY_IN_NAME.search(part):
            month, day_of_month, year = (int(number) for number in day.groups())
            try:
                return f"RxNorm {date(year, month, day_of_month)}"
            except ValueError:
                continue
    raise TerminologySourceError(
        f"The name of {path} does not say which release it is.", "Say it: --release 'RxNorm 2026-11-02'."
    )
