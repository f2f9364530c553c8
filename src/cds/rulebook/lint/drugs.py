"""Checks of drug tables and their products."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isfinite

from cds.rulebook.drug_rows import DrugTableRow, national_drug_codes
from cds.rulebook.format.drug_table import DrugFile
from cds.rulebook.format.value_set import ValueSetFile
from cds.rulebook.lint.view import RulebookView, marked_with
from cds.terminology.phrases import words_of
from cds.terminology.systems import ATC, FORMS, NDC, RXNORM
from cds.yaml_source.correction import did_you_mean
from cds.yaml_source.document import Path
from cds.yaml_source.fields import DrugName, DrugTableName, listed
from cds.yaml_source.loaded import LoadedFile
from cds.yaml_source.problem import Problem

SUBSTANCE = 7  # characters of an ATC code of the fifth level
IN_NAME = re.compile(r"([0-9.]+) MG\b")  # of an RxNorm name, such as "sertraline 25 MG Oral Tablet [Zoloft]"
PACKAGED = re.compile(r"[0-9]{5}-[0-9]{4}")  # labeler and product of a National Drug Code
MOST_WORDS = 3  # cds.terminology.drugs compares drug names up to this length


def unknown_table(view: RulebookView) -> Iterator[Problem]:
    """A drug table that is read exists."""
    for rule in view.rules:
        for one, _ in marked_with(rule, DrugTableName):
            if one.value not in view.book.tables and not view.may_be_defined(one.value):
                yield rule.problem(
                    one.path, "unknown-table", f"There is no drug table `{one.value}`.",
                    did_you_mean(one.value, view.book.tables, "Write the id of a file under tables."),
                )  # fmt: skip


def unknown_drug(view: RulebookView) -> Iterator[Problem]:
    """A drug that is named is in one of the tables that are read."""
    for rule in view.rules:
        for one, of in marked_with(rule, DrugName):
            tables = [view.book.tables.get(table) for table in listed(getattr(one.within, of.tables))]
            known = {drug for table in tables if table for drug in table.model.drugs}
            if all(tables) and one.value not in known:
                yield rule.problem(
                    one.path, "unknown-drug", f"`{one.value}` is in none of these tables.",
                    did_you_mean(one.value, known, "Add it to a table, or name the table that holds it."),
                )  # fmt: skip


def table_without_minimum(view: RulebookView) -> Iterator[Problem]:
    """A drug that can count as a trial has a minimum dose; without one its dose is unknown, never adequate."""
    for table in view.book.tables.values():
        for name, drug in table.model.drugs.items():
            counts = drug.role == "antidepressant" and drug.counts_as_trial != "never"
            if counts and drug.minimum_mg_a_day is None:
                yield table.problem(
                    ("drugs", name), "table-without-minimum", f"`{name}` has no `minimum_mg_a_day`.",
                    "Add it with its basis, or write `counts_as_trial: never`.",
                    "Whether a trial of it was adequate stays unknown.", warning=True,
                )  # fmt: skip


def drug_without_row(view: RulebookView) -> Iterator[Problem]:
    """A drug of a value set that belongs to a class of a table has a row there, so that it is known as a trial."""
    known = {code for table in view.book.tables.values() for row in table.model.drugs.values() for code in row.atc}
    for table in view.book.tables.values():
        name, classes = table.model.table.id, table.model.table.classes
        for value_set in view.book.sets:
            for path, system, code, display in _held(value_set):
                ours = any(root.system == system and _below(code, root.code) for root in classes)
                if ours and code not in known:
                    yield value_set.problem(
                        path, "drug-without-row", f"{code} ({display}) is of a class of `{name}`, and has no row.",
                        "Add the drug to the table, with `counts_as_trial: never` if it is none.",
                        "A trial of it would stay unrecognised.", warning=True,
                    )  # fmt: skip


def _held(value_set: LoadedFile[ValueSetFile]) -> Iterator[tuple[Path, str, str, str]]:
    """Every code of a value set: its place, system, code and display."""
    for index, group in enumerate(value_set.model.codes):
        for held, codes in (("exact", group.exact), ("with_children", group.with_children)):
            for code, display in codes.items():
                yield ("codes", index, held, code), group.system, code, display


def _below(code: str, root: str) -> bool:
    """Whether an ATC code is a drug (seven characters) of a class."""
    return code.startswith(root) and len(code) == SUBSTANCE


def same_drug_twice(view: RulebookView) -> Iterator[Problem]:
    """A code or a name tells one drug."""
    for table in view.book.tables.values():
        seen: dict[tuple[str, ...], str] = {}
        for drug, path, key, shown in _marks(table):
            other = seen.setdefault(key, drug)
            if other != drug:
                yield table.problem(
                    path, "same-drug-twice", f"{shown} already stands for `{other}`.", "Keep it at one of the two."
                )


def _marks(table: LoadedFile[DrugFile]) -> Iterator[tuple[str, Path, tuple[str, ...], str]]:
    """Everything a drug is recognised by: drug, place, key, and how to say it."""
    for name, drug in table.model.drugs.items():
        path: Path = ("drugs", name)
        yield name, path, words_of(name), f"“{name}”"
        if drug.rxnorm:
            yield name, (*path, "rxnorm"), (RXNORM, drug.rxnorm), f"RxNorm {drug.rxnorm}"
        for index, code in enumerate(drug.atc):
            yield name, (*path, "atc", index), (ATC, code), f"ATC {code}"
        for kind in ("brands", "brands_unverified", "spellings"):
            for index, word in enumerate(getattr(drug.names, kind)):
                yield name, (*path, "names", kind, index), words_of(word), f"“{word}”"
        for language, spellings in drug.names.languages.items():
            for index, word in enumerate(spellings):
                yield name, (*path, "names", "languages", language, index), words_of(word), f"“{word}”"


def name_never_matches(view: RulebookView) -> Iterator[Problem]:
    """A drug's name can be found in text: it has letters, and not too many words."""
    for table in view.book.tables.values():
        for _, path, key, shown in _marks(table):
            if path[-1] != "rxnorm" and "atc" not in path and not 1 <= len(key) <= MOST_WORDS:
                yield table.problem(
                    path, "name-never-matches", f"{shown} can never be found.",
                    f"Write one to {MOST_WORDS} words; digits and punctuation are not compared.",
                )  # fmt: skip


def code_spelling(view: RulebookView) -> Iterator[Problem]:
    """Codes of drugs and products are written as their system writes them."""
    why = "As it stands, no record would match."
    for table in view.book.tables.values():
        for _, path, key, shown in _marks(table):
            if key[0] in FORMS and not re.fullmatch(FORMS[key[0]], key[1]):
                yield table.problem(path, "code-spelling", f"{shown} is not written as one.", "Look it up.", why)
    for rows in view.book.products.values():
        for row in rows:
            if not re.fullmatch(FORMS[RXNORM], row.values["rxcui"]):
                what = f"`{row.values['rxcui']}` is not written as an RxNorm code."
                yield _problem(row, "rxcui", "code-spelling", what, "Look it up.", why)
    for rows in view.book.ndcs.values():
        for row in rows:
            written = PACKAGED.fullmatch(row.values["ndc"]) and row.values["packages"].split()
            if not written or not all(re.fullmatch(FORMS[NDC], code) for code in national_drug_codes(row)):
                what = f"`{row.values['ndc']}` with packages `{row.values['packages']}` is not written as an NDC."
                fix = "Write labeler and product as 00049-4900, and packages as two digits each, spaces between them."
                yield _problem(row, "ndc", "code-spelling", what, fix, why)


def strict_below_minimum(view: RulebookView) -> Iterator[Problem]:
    """The strict minimum of a drug is not below its minimum."""
    for table in view.book.tables.values():
        for name, drug in table.model.drugs.items():
            strict, usual = drug.strict_minimum_mg_a_day, drug.minimum_mg_a_day
            if strict is not None and usual is not None and strict.value < usual.value:
                yield table.problem(
                    ("drugs", name, "strict_minimum_mg_a_day"), "strict-below-minimum",
                    f"The strict minimum of `{name}` is {strict.value:g} mg, its minimum {usual.value:g} mg.",
                    "Exchange them, or correct one.", "The strict definition would count more trials, not fewer.",
                )  # fmt: skip


def brand_not_in_products(view: RulebookView) -> Iterator[Problem]:
    """A brand that is not marked unverified was seen in the name of a product."""
    for name, table in view.book.tables.items():
        named = " ".join(row.values["name"] for row in view.book.products.get(name, ()))
        for drug, row in table.model.drugs.items() if named else ():
            for index, brand in enumerate(row.names.brands):
                if f"[{brand}" not in named:
                    yield table.problem(
                        ("drugs", drug, "names", "brands", index), "brand-not-in-products",
                        f"No product of this table is called [{brand}].",
                        "Move it to `brands_unverified`, or add its product.",
                        "A reviewer takes `brands` for checked.", warning=True,
                    )  # fmt: skip


def products(view: RulebookView) -> Iterator[Problem]:
    """A product names a drug of its table, a strength that is a number, and stands once."""
    for name, rows in view.book.products.items():
        if name not in view.book.tables:
            continue
        drugs = view.book.tables[name].model.drugs
        seen: dict[str, int] = {}
        for row in rows:
            values = row.values
            if values["ingredient"] not in drugs:
                yield _problem(
                    row, "ingredient", "product-without-drug", f"`{values['ingredient']}` is not a drug of this table.",
                    did_you_mean(values["ingredient"], drugs, f"Add it to {name}.yaml, or remove this line."),
                )  # fmt: skip
            if values["strength_mg"] and not _is_strength(values["strength_mg"]):
                yield _problem(
                    row, "strength_mg", "product-strength-not-a-number",
                    f"The strength of {values['rxcui']} is `{values['strength_mg']}`.",
                    "Write milligrams as a number above 0, or leave it empty for a pack of several strengths.",
                )  # fmt: skip
            if values["trial"] not in ("yes", "no"):
                yield _problem(
                    row, "trial", "product-trial-not-yes-or-no",
                    f"The trial column of {values['rxcui']} holds `{values['trial']}`.", "Write yes or no.",
                )  # fmt: skip
            if (values["trial"] == "no") is not bool(values["note"]):
                yield _problem(
                    row, "note", "product-note",
                    f"{values['rxcui']} is no trial and has no note, or the other way round.",
                    "Say in `note` why a product is no trial; leave it empty where it is one.",
                    "A reviewer cannot tell whether that was meant.", warning=True,
                )  # fmt: skip
            if (named := _strength_in_name(values)) and values["strength_mg"] and named != float(values["strength_mg"]):
                yield _problem(
                    row, "strength_mg", "product-strength-differs",
                    f"{values['rxcui']} has {values['strength_mg']} mg here, and {named:g} mg in its name.",
                    "Correct one of the two.", "Every dose of it would be wrong by that factor.", warning=True,
                )  # fmt: skip
            if values["rxcui"] in seen:
                yield _problem(
                    row, "rxcui", "duplicate-product",
                    f"{values['rxcui']} already stands in line {seen[values['rxcui']]}.", "Keep one of the two lines.",
                )  # fmt: skip
            seen.setdefault(values["rxcui"], row.line)


def national_codes(view: RulebookView) -> Iterator[Problem]:
    """A National Drug Code is of a product of its table, and of one only."""
    for name, rows in view.book.ndcs.items():
        known = {row.values["rxcui"] for row in view.book.products.get(name, ())}
        seen: dict[str, DrugTableRow] = {}
        for row in rows:
            rxcui = row.values["rxcui"]
            if rxcui not in known:
                yield _problem(
                    row, "rxcui", "ndc-without-product", f"{rxcui} is no product of `{name}`.",
                    "Add the product, or remove this line.", "As it stands, its NDCs would not be known.",
                )  # fmt: skip
            for code in national_drug_codes(row):
                other = seen.setdefault(code, row)
                if other is not row:
                    yield _problem(
                        row, "packages", "duplicate-product", f"NDC {code} already stands in line {other.line}.",
                        "Keep it in one of the two lines.",
                    )  # fmt: skip


def _is_strength(text: str) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return isfinite(number) and number > 0


def _strength_in_name(values: Mapping[str, str]) -> float | None:
    """Milligrams of the ingredient in the name of a product; None where it does not say, or says several."""
    ours = values["ingredient"].split("-")[-1]
    parts = [part for part in values["name"].split(" / ") if ours in part.lower()]
    found = IN_NAME.search(parts[0]) if len(parts) == 1 and _is_strength(values["strength_mg"]) else None
    return float(found[1]) if found else None


def _problem(
    row: DrugTableRow, column: str, check: str, what: str, fix: str, why: str = "", *, warning: bool = False
) -> Problem:
    return Problem(row.file, row.line, list(row.values).index(column) + 1, check, what, fix, why, warning)


CHECKS = (
    unknown_table,
    unknown_drug,
    table_without_minimum,
    drug_without_row,
    same_drug_twice,
    name_never_matches,
    code_spelling,
    strict_below_minimum,
    brand_not_in_products,
    products,
    national_codes,
)
