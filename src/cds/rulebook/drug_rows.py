"""The CSV files of a drug table: its products, and the National Drug Codes of these."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from cds.yaml_source.problem import Problem

PRODUCT_COLUMNS = ("rxcui", "name", "ingredient", "strength_mg", "per", "form", "with", "trial", "note", "source")
NDC_COLUMNS = ("rxcui", "ndc", "packages", "source")


@dataclass(frozen=True, slots=True)
class DrugTableRow:
    """One line of a file of a drug table, as text."""

    file: str
    line: int
    values: dict[str, str]


def read_rows(file: str, text: str, columns: tuple[str, ...]) -> tuple[list[DrugTableRow], list[Problem]]:
    """The lines of a file that has these columns, and the lines that have others."""
    reader = csv.reader(io.StringIO(text))
    header = next(reader, [])
    if tuple(header) != columns:
        what = f"The first line is {','.join(header)}."
        return [], [Problem(file, 1, 1, "product-columns", what, f"Write {','.join(columns)}.")]
    rows: list[DrugTableRow] = []
    problems: list[Problem] = []
    for values in reader:
        if len(values) == len(columns):
            rows.append(DrugTableRow(file, reader.line_num, dict(zip(columns, values, strict=True))))
            continue
        problems.append(
            Problem(
                file, reader.line_num, 1, "product-columns",
                f"This line has {len(values)} values, the first line names {len(columns)}.",
                "Put values that hold a comma in double quotes.",
            )
        )  # fmt: skip
    return rows, problems


def national_drug_codes(row: DrugTableRow) -> list[str]:
    """The codes a line of NDCs stands for, eleven digits each: one for each package of a labeler's product."""
    product = row.values["ndc"].replace("-", "")
    return [product + package for package in row.values["packages"].split()]
