"""
Drug table + release of RxNorm → what differs, and the edits of table and products it proposes.

Nothing clinical is decided here: which dose forms a table holds, what they are counted in, and whether a kind of
product is a trial are learned from the rows it has. A new combination is proposed as no trial, a new dose form is only
reported.
Rows are never removed: charts of earlier years hold retired codes.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cds.authoring.terminology.national_codes import compare_codes
from cds.authoring.terminology.proposal import FileEdit, Finding, Proposal, edited_yaml, in_order, set_checked
from cds.authoring.terminology.rxnorm_release import (
    BN,
    BPCK,
    DF,
    GPCK,
    IN,
    PIN,
    PRODUCTS,
    SBD,
    SCD,
    SCDC,
    RxNormConcept,
    RxNormRelease,
)
from cds.rulebook.drug_rows import NDC_COLUMNS, PRODUCT_COLUMNS
from cds.rulebook.format.drug_table import DrugFile
from cds.terminology.phrases import words_of
from cds.terminology.systems import ATC
from cds.yaml_source.loaded import LoadedFile

if TYPE_CHECKING:
    from ruamel.yaml.comments import CommentedMap

STRENGTH = re.compile(r" (?P<number>[0-9]+(?:\.[0-9]+)?) MG(?:/(?P<per>[A-Z]+))?\Z")
PER_IN_RXNORM = {"mL": "ML", "hour": "HR"}  # what a strength is counted in → how RxNorm writes it
PACK = "pack"
SUBSTANCE = 7  # characters of an ATC code of the fifth level
MOST_WORDS = 3  # of a name that a drug table can find
TO_DECIDE = "decide whether it is a trial"


@dataclass(frozen=True, slots=True)
class ReleasedProduct:
    """
    A product as the release says it is.

    Attributes:
        concept: The product.
        ingredients: RXCUIs of its ingredients.
        strengths: RXCUI of an ingredient → (milligrams, what they are counted in or ""); packs have none.
        form: Its dose form; "" for a pack.
    """

    concept: RxNormConcept
    ingredients: frozenset[str]
    strengths: Mapping[str, tuple[str, str]]
    form: str


@dataclass
class TableComparison:
    """
    One drug table compared with one release.

    Attributes:
        table: The table.
        rows: Its products, by RXCUI, in the order of the file.
        release: The release.
        findings: What was found so far.
    """

    table: LoadedFile[DrugFile]
    rows: Mapping[str, dict[str, str]]
    release: RxNormRelease
    findings: list[Finding] = field(default_factory=list)

    def found(self, kind: str, place: str, code: str, says: str) -> None:
        """Note a difference."""
        self.findings.append(Finding(kind, place, code, says))

    # ------------------------------------------------------------ what the release says of products

    @cached_property
    def drugs(self) -> dict[str, str]:
        """RXCUI of an ingredient in use → drug of the table."""
        return {
            row.rxnorm: name
            for name, row in self.table.model.drugs.items()
            if row.rxnorm and self.release.current(row.rxnorm) is not None
        }

    @cached_property
    def products(self) -> dict[str, ReleasedProduct]:
        """Every product in use that holds an ingredient of the table, by RXCUI."""
        found: dict[str, ReleasedProduct] = {}
        for ingredient in self.drugs:
            for component in self.release.near(ingredient, SCDC):
                for product in self.release.near(component.rxcui, SCD, SBD):
                    for whole in (product, *self._around(product)):
                        if whole.rxcui not in found:
                            found[whole.rxcui] = self._released(whole)
        return found

    def _around(self, product: RxNormConcept) -> Iterator[RxNormConcept]:
        """Brands of a product, and the packs that hold it or its brands."""
        for near in self.release.near(product.rxcui, SBD, GPCK, BPCK):
            yield near
            yield from self.release.near(near.rxcui, BPCK)

    def _released(self, product: RxNormConcept) -> ReleasedProduct:
        parts = [product]
        if product.kind in {GPCK, BPCK}:
            parts = self.release.near(product.rxcui, SCD, SBD, GPCK)
            parts += [one for pack in parts if pack.kind == GPCK for one in self.release.near(pack.rxcui, SCD)]
        components = {one.rxcui: one for part in parts for one in self._components(part)}
        strengths: dict[str, tuple[str, str]] = {}
        ingredients: set[str] = set()
        for component in components.values():
            for ingredient in self._ingredients(component):
                ingredients.add(ingredient.rxcui)
                if (read := STRENGTH.search(component.name)) is not None:
                    strengths[ingredient.rxcui] = (_plain(read["number"]), read["per"] or "")
        if product.kind in {GPCK, BPCK}:
            return ReleasedProduct(product, frozenset(ingredients), {}, "")
        forms = self.release.near(product.rxcui, DF)
        return ReleasedProduct(product, frozenset(ingredients), strengths, forms[0].name if forms else "")

    def _components(self, product: RxNormConcept) -> list[RxNormConcept]:
        """What a product consists of; of a brand that does not say so, what its generic product consists of."""
        if found := self.release.near(product.rxcui, SCDC):
            return found
        return [one for plain in self.release.near(product.rxcui, SCD) for one in self.release.near(plain.rxcui, SCDC)]

    def _ingredients(self, component: RxNormConcept) -> list[RxNormConcept]:
        """The substance a component is a strength of; of one that names a salt only, the substance of the salt."""
        if found := self.release.near(component.rxcui, IN):
            return found
        return [one for salt in self.release.near(component.rxcui, PIN) for one in self.release.near(salt.rxcui, IN)]

    # ------------------------------------------------------------ what the table's own rows teach

    @cached_property
    def taught_forms(self) -> dict[str, tuple[str, str]]:
        """Dose form → (per, form), as most rows of it have them."""
        seen: dict[str, Counter[tuple[str, str]]] = {}
        for rxcui, row in self.rows.items():
            if (product := self.products.get(rxcui)) is not None and product.form:
                seen.setdefault(product.form, Counter())[row["per"], row["form"]] += 1
        return {form: counted.most_common(1)[0][0] for form, counted in seen.items()}

    @cached_property
    def taught_kinds(self) -> dict[tuple[frozenset[str], str], dict[str, str]]:
        """Ingredients and dose form → a row of that kind, so that its drug, trial and note are known."""
        taught: dict[tuple[frozenset[str], str], dict[str, str]] = {}
        for rxcui, row in self.rows.items():
            if (product := self.products.get(rxcui)) is not None:
                kind = (product.ingredients, product.form)
                if kind not in taught or row["trial"] == "yes":
                    taught[kind] = row
        return taught

    def _row(self, product: ReleasedProduct) -> dict[str, str] | None:
        """The row of a new product; None where the table has no row of its dose form, which is told."""
        concept = product.concept
        per, form = self.taught_forms.get(product.form, ("", "")) if product.form else (PACK, PACK)
        ours = sorted(self.drugs[one] for one in product.ingredients if one in self.drugs)
        if not form:
            self.found(
                "new-form", ours[0], concept.rxcui,
                f"{concept.name}: no row of this table has the dose form {product.form or 'of this product'};"
                " add a row by hand if it belongs here.",
            )  # fmt: skip
            return None
        same = self.taught_kinds.get((product.ingredients, product.form))
        generic = next((self.rows[one.rxcui] for one in self._generics(concept) if one.rxcui in self.rows), None)
        like = generic or same
        drug = like["ingredient"] if like else ours[0]
        values = dict.fromkeys(PRODUCT_COLUMNS, "")
        values |= {
            "rxcui": concept.rxcui, "name": concept.name, "ingredient": drug, "per": per, "form": form,
            "strength_mg": self._strength(product, drug, per),
            "with": like["with"] if like else self._others(product, drug),
            "trial": like["trial"] if like else "yes" if len(product.ingredients) == 1 else "no",
            "note": like["note"] if like else "" if len(product.ingredients) == 1 else TO_DECIDE,
            "source": self.release.name,
        }  # fmt: skip
        trial = "a trial" if values["trial"] == "yes" else f"no trial ({values['note']})"
        strength = f"{values['strength_mg']} mg per {per}" if values["strength_mg"] else f"no strength, per {per}"
        self.found("new-product", drug, concept.rxcui, f"{concept.name}: {strength}, {trial}.")
        return values

    def _generics(self, product: RxNormConcept) -> list[RxNormConcept]:
        return self.release.near(product.rxcui, SCD, GPCK) if product.kind in {SBD, BPCK} else []

    def _strength(self, product: ReleasedProduct, drug: str, per: str) -> str:
        """Milligrams of a drug in a product; "" for a pack, and where the release counts in another unit."""
        own = self.table.model.drugs[drug].rxnorm
        ours = (
            [own]
            if own is not None and own in product.strengths
            else [one for one in product.strengths if one in self.drugs]
        )
        for ingredient in ours:
            number, counted_in = product.strengths[ingredient]
            if PER_IN_RXNORM.get(per, "") == counted_in:
                return number
        return ""

    def _others(self, product: ReleasedProduct, drug: str) -> str:
        own = self.table.model.drugs[drug].rxnorm
        names = [self.release.concepts[one].name.lower() for one in product.ingredients if one != own]
        return "|".join(sorted(names))

    # ------------------------------------------------------------ comparing

    def compare(self) -> list[dict[str, str]]:
        """The rows as they are proposed, with every difference noted."""
        rows = [self._compared(dict(row)) for row in self.rows.values()]
        known = {row["rxcui"] for row in rows}
        new = [product for rxcui, product in self.products.items() if rxcui not in known]
        for product in sorted(new, key=lambda one: (one.concept.name.lower(), int(one.concept.rxcui))):
            if (made := self._row(product)) is not None:
                rows.insert(_place(rows, made), made)
        return rows

    def _compared(self, row: dict[str, str]) -> dict[str, str]:
        rxcui, drug = row["rxcui"], row["ingredient"]
        concept = self.release.current(rxcui)
        if concept is None or concept.kind not in PRODUCTS:
            now = self.release.now(rxcui)
            if now is not None:
                name = self.release.concepts[now].name
                self.found("remapped", drug, rxcui, f"{row['name']} is {now} now ({name}). The old code stays.")
            else:
                self.found(
                    "retired",
                    drug,
                    rxcui,
                    f"{row['name']} is not in use in this release. The row stays for old charts.",
                )
            return row
        if _same_words(concept.name) != _same_words(row["name"]):
            self.found("renamed", drug, rxcui, f"{row['name']} is called {concept.name} now.")
            row["name"] = concept.name
        product = self.products.get(rxcui)
        if product is None:
            self.found(
                "other-ingredient",
                drug,
                rxcui,
                f"{row['name']} holds no ingredient of this table any more: look at it.",
            )
            return row
        return self._with_values(row, product)

    def _with_values(self, row: dict[str, str], product: ReleasedProduct) -> dict[str, str]:
        rxcui, drug = row["rxcui"], row["ingredient"]
        if drug not in self.table.model.drugs:
            return row  # cds check says so
        own = self.table.model.drugs[drug].rxnorm
        if own and own in self.drugs and own not in product.ingredients:
            names = ", ".join(sorted(self.release.concepts[one].name for one in product.ingredients))
            self.found("other-ingredient", drug, rxcui, f"{row['name']} holds {names}, and not {drug}: look at it.")
            return row
        form = self.taught_forms.get(product.form)
        if form is not None and form != (row["per"], row["form"]):
            self.found("changed-form", drug, rxcui, f"{row['name']}: {product.form} is counted per {form[0]}.")
            row["per"], row["form"] = form
        strength = self._strength(product, drug, row["per"])
        if strength != row["strength_mg"] and (strength or product.strengths):
            says = f"{row['name']}: {strength or 'no strength in mg'} instead of {row['strength_mg'] or 'none'}."
            self.found("changed-strength", drug, rxcui, says)
            row["strength_mg"] = strength
        if own and (others := self._others(product, drug)) != "|".join(sorted(filter(None, row["with"].split("|")))):
            says = f"{row['name']}: with {others or 'nothing else'} instead of {row['with'] or 'nothing else'}."
            self.found("changed-ingredients", drug, rxcui, says)
            row["with"] = others
        return row

    def compare_ingredients(self) -> None:
        """Note the drugs whose own code is retired or remapped."""
        for name, row in self.table.model.drugs.items():
            if not row.rxnorm or self.release.current(row.rxnorm) is not None:
                continue
            now = self.release.now(row.rxnorm)
            what = f"is {now} now ({self.release.concepts[now].name})" if now else "is not in use in this release"
            kind = "ingredient-remapped" if now else "ingredient-retired"
            self.found(kind, name, row.rxnorm, f"The code of {name} {what}: look at its row.")

    def new_brands(self) -> dict[str, list[str]]:
        """Drug → brand names of its products that the table does not have."""
        known = {
            words_of(text): name
            for name, row in self.table.model.drugs.items()
            for text in (
                name, *row.names.brands, *row.names.brands_unverified, *row.names.spellings,
                *(word for words in row.names.languages.values() for word in words),
            )
        }  # fmt: skip
        found: dict[str, list[str]] = {}
        for product in sorted(self.products.values(), key=lambda one: int(one.concept.rxcui)):
            if product.concept.kind != SBD or not product.form:
                continue
            ours = [self.drugs[one] for one in product.ingredients if one in self.drugs]
            for brand in self.release.near(product.concept.rxcui, BN):
                words = words_of(brand.name)
                if words in known or len(product.ingredients) > 1 or not 1 <= len(words) <= MOST_WORDS:
                    continue
                known[words] = ours[0]
                found.setdefault(ours[0], []).append(brand.name)
                self.found("new-brand", ours[0], brand.rxcui, f"{brand.name} is a brand of {ours[0]}.")
        return found

    def new_drugs(self) -> dict[str, tuple[str, list[str]]]:
        """Substances of the table's classes it does not have: name → (RXCUI, ATC codes)."""
        roots = [root.code for root in self.table.model.table.classes if root.system == ATC]
        if not roots:
            return {}
        if self.release.classes is None:
            self.found(
                "no-classes", self.table.model.table.id, "",
                f"This release holds no ATC codes (the full release does): new drugs of {', '.join(roots)} were not"
                " looked for.",
            )  # fmt: skip
            return {}
        known_codes = {code for row in self.table.model.drugs.values() for code in row.atc}
        codes: dict[str, list[str]] = {}
        for code, substances in sorted(self.release.classes.items()):
            if len(code) != SUBSTANCE or not code.startswith(tuple(roots)) or code in known_codes:
                continue
            for rxcui in substances:
                concept = self.release.current(rxcui)
                if concept is not None and concept.kind == IN and rxcui not in self.drugs:
                    codes.setdefault(rxcui, []).append(code)
        found = {}
        for rxcui, listed in codes.items():
            name = self.release.concepts[rxcui].name
            found[name] = (rxcui, listed)
            self.found(
                "new-ingredient", self.table.model.table.id, rxcui,
                f"{name} ({', '.join(listed)}) is of a class of this table and has no row: add one, with its minimum"
                " dose and role; its products are then proposed.",
            )  # fmt: skip
        return found


def compare_table(table: LoadedFile[DrugFile], folder: Path, release: RxNormRelease, today: date | None) -> Proposal:
    """
    Compare one drug table, its products and their National Drug Codes with a release.

    `folder` is where its CSV files are; `today` marks the table as compared, None leaves that as it is.

    Raises:
        TerminologySourceError: The table cannot be edited with its layout kept, or the extra is not installed.
    """
    header = table.model.table
    products, codes = folder / (header.products or ""), folder / (header.ndcs or f"{header.id}-ndcs.csv")
    text, listed = _text(products), _text(codes) if header.ndcs is not None else ""
    rows = {row["rxcui"]: row for row in csv.DictReader(io.StringIO(text))}
    comparison = TableComparison(table, rows, release)
    comparison.compare_ingredients()
    comparison.new_drugs()
    made = comparison.compare()
    brands = comparison.new_brands()
    codes_made, of_codes = compare_codes(made, list(csv.DictReader(io.StringIO(listed))), release)

    def change(values: CommentedMap) -> None:
        if today is not None:
            set_checked(values["table"], today, release.name)
        if codes_made and header.ndcs is None:
            values["table"].insert(list(values["table"]).index("products") + 1, "ndcs", codes.name)
        for drug, names in brands.items():
            row = values["drugs"][drug]
            row.setdefault("names", {})
            row["names"].setdefault("brands", []).extend(names)

    edits = [
        edited_yaml(Path(table.file), table.text, change),
        FileEdit(products, text, _as_csv(PRODUCT_COLUMNS, made, text)),
    ]
    if codes_made:
        edits.append(FileEdit(codes, listed, _as_csv(NDC_COLUMNS, codes_made, listed)))
    compared = f"{len(rows)} products of {len(table.model.drugs)} drugs"
    return Proposal(release.name, compared, in_order([*comparison.findings, *of_codes]), tuple(edits))


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def _as_csv(columns: tuple[str, ...], rows: Iterable[Mapping[str, str]], before: str) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\r\n" if "\r\n" in before else "\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _place(rows: list[dict[str, str]], made: Mapping[str, str]) -> int:
    """Where a new row goes: after the last one of its drug."""
    return next(
        (at + 1 for at in range(len(rows) - 1, -1, -1) if rows[at]["ingredient"] == made["ingredient"]), len(rows)
    )


def _same_words(text: str) -> str:
    return " ".join(text.casefold().split())


def _plain(number: str) -> str:
    """A number as the table writes it: 25, not 25.0."""
    return f"{float(number):g}"
