"""The shipped rules as tests of a release need them."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from cds.rulebook.shipped import default_rules_folder
from tests.authoring.terminology.rxnorm_writer import DRUGS


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The shipped rules with the products of a few drugs only, so that a small release can hold them all."""
    folder = tmp_path / "rules"
    shutil.copytree(default_rules_folder(), folder)
    products = folder / "tables" / "antidepressant-products.csv"
    with products.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [row for row in rows if row["ingredient"] in (*DRUGS, "dextromethorphan-bupropion")]
    with products.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
    return folder
