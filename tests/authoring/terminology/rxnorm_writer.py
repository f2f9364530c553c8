"""A small release of RxNorm, written in the true format: RXNCONSO, RXNREL, RXNSAT, RXNATOMARCHIVE and RXNCUI."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

FORMS = {
    ("tablet", "tablet"): "Oral Tablet",
    ("capsule", "capsule"): "Oral Capsule",
    ("mL", "liquid"): "Oral Solution",
    ("hour", "transdermal"): "Transdermal System",
}
DRUGS = (
    "sertraline",
    "citalopram",
    "escitalopram",
    "venlafaxine",
    "mirtazapine",
    "selegiline",
    "bupropion",
    "fluoxetine",
    "duloxetine",
)
"""Drugs whose products the tests of a release keep."""
PER = {"mL": "/ML", "hour": "/HR"}


@dataclass
class SmallRelease:
    """
    A release that grows by what a test puts into it.

    Each ingredient, strength, dose form and brand is made once, with relations in both directions, as RxNorm does.
    """

    concepts: list[list[str]] = field(default_factory=list)
    relations: list[list[str]] = field(default_factory=list)
    attributes: list[list[str]] = field(default_factory=list)
    archive: list[list[str]] = field(default_factory=list)
    retired: list[list[str]] = field(default_factory=list)
    _codes: dict[tuple[str, str], str] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(90_000_001))

    def concept(self, rxcui: str, kind: str, name: str, *, suppress: str = "N", source: str = "RXNORM") -> str:
        """A row of RXNCONSO."""
        code = rxcui if source == "RXNORM" else kind
        atom = str(next(self._numbers))
        kind = kind if source == "RXNORM" else "IN"
        self.concepts.append(
            [rxcui, "ENG", "", "", "", "", "", atom, "", rxcui, "", source, kind, code, name, "", suppress, "4096"]
        )
        return rxcui

    def made(self, kind: str, name: str) -> str:
        """A concept of this kind and name, made when first asked for."""
        key = (kind, name)
        if key not in self._codes:
            self._codes[key] = self.concept(str(next(self._numbers)), kind, name)
        return self._codes[key]

    def named(self, kind: str, name: str, rxcui: str) -> str:
        """A concept with a code of its own, made when first asked for."""
        if (kind, name) not in self._codes:
            self._codes[kind, name] = self.concept(rxcui, kind, name)
        return self._codes[kind, name]

    def relate(self, first: str, relation: str, second: str, inverse: str) -> None:
        """`first relation second`, and the inverse; RXNREL reads "RXCUI2 RELA RXCUI1"."""
        for one, other, name in ((second, first, relation), (first, second, inverse)):
            self.relations.append(
                [
                    one,
                    "",
                    "CUI",
                    "RO",
                    other,
                    "",
                    "CUI",
                    name,
                    str(next(self._numbers)),
                    "",
                    "RXNORM",
                    "",
                    "",
                    "",
                    "",
                    "",
                ]
            )

    def atc(self, rxcui: str, code: str, name: str) -> None:
        """An ATC code of a substance, as the full release has it."""
        self.concept(rxcui, code, name, source="ATC")

    def product(
        self, rxcui: str, name: str, parts: dict[str, tuple[str, str]], form: str, per: str = "", brand: str = ""
    ) -> str:
        """A clinical or, with `brand`, a branded drug: ingredient → (its RXCUI, milligrams as text)."""
        kind = "SBD" if brand else "SCD"
        self.concept(rxcui, kind, name)
        for ingredient, (code, strength) in parts.items():
            substance = self.named("IN", ingredient, code)
            component = self.made("SCDC", f"{ingredient} {strength} MG{PER.get(per, '')}")
            self.relate(component, "has_ingredient", substance, "ingredient_of")
            self.relate(rxcui, "consists_of", component, "constitutes")
        self.relate(rxcui, "has_dose_form", self.made("DF", form), "dose_form_of")
        if brand:
            self.relate(rxcui, "has_ingredient", self.made("BN", brand), "ingredient_of")
        return rxcui

    def pack(self, rxcui: str, name: str, holds: list[str], *, branded: bool = False) -> None:
        """A pack of products."""
        self.concept(rxcui, "BPCK" if branded else "GPCK", name)
        for product in holds:
            self.relate(rxcui, "contains", product, "contained_in")

    def ndc(self, rxcui: str, code: str) -> None:
        """A National Drug Code of a product."""
        atom = str(next(self._numbers))
        self.attributes.append([rxcui, "", "", atom, "AUI", rxcui, "", "", "NDC", "RXNORM", code, "N", "4096"])

    def suppressed(self, rxcui: str) -> None:
        """Mark a concept as obsolete."""
        for row in self.concepts:
            if row[0] == rxcui:
                row[16] = "O"

    def gone(self, rxcui: str, now: str = "", *, archived: bool = False) -> None:
        """Take a concept out; say what it was merged into in RXNCUI, or in RXNATOMARCHIVE."""
        kind = next((row[12] for row in self.concepts if row[0] == rxcui), "SCD")
        self.concepts = [row for row in self.concepts if row[0] != rxcui]
        self.relations = [row for row in self.relations if rxcui not in (row[0], row[4])]
        if now and archived:
            day = "2026-01-01"
            self.archive.append(
                ["1", "", "x", day, day, day, rxcui, "", "ENG", "", "", "x", rxcui, "RXNORM", kind, now]
            )
        elif now:
            self.retired.append([rxcui, "20AA_260105F", "20AA_260706F", "1", now])

    def files(self) -> dict[str, str]:
        """The RRF files, each line with its bar at the end."""
        tables = {
            "RXNCONSO": self.concepts, "RXNREL": self.relations, "RXNSAT": self.attributes,
            "RXNATOMARCHIVE": self.archive, "RXNCUI": self.retired,
        }  # fmt: skip
        return {f"{name}.RRF": "".join("|".join(row) + "|\n" for row in rows) for name, rows in tables.items()}

    def folder(self, place: Path) -> Path:
        """Write it as an unpacked release."""
        folder = place / "RxNorm_full_11022026"
        (folder / "rrf").mkdir(parents=True)
        for name, text in self.files().items():
            (folder / "rrf" / name).write_text(text, encoding="utf-8")
        return folder

    def zipped(self, place: Path) -> Path:
        """Write it as a zip; the prescribable content beside it is another, as in the full release."""
        path = place / "RxNorm_full_11022026.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("prescribe/rrf/RXNCONSO.RRF", "not this one")
            for name, text in self.files().items():
                archive.writestr(f"rrf/{name}", text)
        return path
