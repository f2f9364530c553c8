"""Drug tables at a site: drugs and names more, other minimum doses, more products; nothing that hides a drug."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds.rulebook.lint.lint import check
from cds.rulebook.loader import read_rulebook
from cds.rulebook.tables import drug_table
from cds.terminology.systems import RXNORM
from tests.rulebook.small_rules import GOOD, PRODUCTS, TODAY, write_rules

HEAD = "site: {id: here, name: Here, rules: ../rules, uses: depression >=1.0 <2.0}\n"
WHY = "because: Formulary, by: pharmacy, review: 2026-01-01"


def dose(milligrams: int) -> str:
    return f"{{value: {milligrams}, basis: Formulary, verified: false}}"


ROW = "{role: antidepressant, counts_as_trial: any, rxnorm: '999', source: Formulary}"
NEW = ROW.replace("source", f"minimum_mg_a_day: {dose(25)}, source")


def site(folder: Path, tables: str, more: dict[str, str] | None = None) -> Path:
    write_rules(folder / "rules", GOOD)
    return write_rules(folder / "site", {"site.yaml": HEAD + f"tables: {tables}\n", **(more or {})})


def told(folder: Path) -> list[tuple[str, str, int]]:
    problems = check(read_rulebook(folder), today=TODAY)
    return [(one.check, Path(one.file).name, one.line) for one in problems if "site" in Path(one.file).parts]


def test_a_drug_is_added_with_its_code_and_minimum_dose(tmp_path: Path) -> None:
    book = read_rulebook(site(tmp_path, f"{{drugs: {{add: {{newpramine: {NEW}}}, {WHY}}}}}"))
    assert book.problems == []
    table = drug_table("drugs", book)
    assert table.drugs["newpramine"].minimum_mg_a_day["minimum"] == 25
    assert table.ingredient_codes[RXNORM, "999"] == "newpramine"
    (override,) = book.overrides
    assert (override.what, override.says, override.by) == ("drug table drugs", "newpramine added", "pharmacy")
    assert "newpramine" not in drug_table("drugs", read_rulebook(tmp_path / "rules")).drugs


def test_a_minimum_dose_and_names_are_set_and_the_rest_of_the_row_stays(tmp_path: Path) -> None:
    drug = next(iter(read_rulebook(write_rules(tmp_path / "rules", GOOD)).tables["drugs"].model.drugs))
    change = f"{{minimum_mg_a_day: {dose(75)}, names: [Otherbrand]}}"
    book = read_rulebook(site(tmp_path, f"{{drugs: {{set: {{{drug}: {change}}}, {WHY}}}}}"))
    assert book.problems == []
    before, after = (drug_table("drugs", one) for one in (read_rulebook(tmp_path / "rules"), book))
    assert after.drugs[drug].minimum_mg_a_day["minimum"] == 75
    assert before.drugs[drug].minimum_mg_a_day["minimum"] != 75
    assert after.names["otherbrand",] == drug
    assert before.ingredient_codes.items() <= after.ingredient_codes.items()
    assert before.names.items() <= after.names.items()


def test_products_of_the_site_are_read_next_to_those_of_the_table(tmp_path: Path) -> None:
    header = GOOD[PRODUCTS].splitlines()[0]
    line = "777,newpramine 25 MG,newpramine,25,tablet,tablet,,yes,,Formulary"
    assert len(header.split(",")) == len(line.split(","))
    tables = f"{{drugs: {{add: {{newpramine: {NEW}}}, products: ours.csv, {WHY}}}}}"
    folder = site(tmp_path, tables, {"ours.csv": f"{header}\n{line}\n"})
    book = read_rulebook(folder)
    assert drug_table("drugs", book).products["777"].ingredient == "newpramine"
    before = book.digest
    (folder / "ours.csv").write_text(f"{header}\n{line.replace(',25,', ',50,')}\n")
    assert read_rulebook(folder).digest != before  # receipts tell the two apart


@pytest.mark.parametrize(
    ("tables", "check_name"),
    [
        (f"{{drug: {{add: {{newpramine: {NEW}}}, {WHY}}}}}", "unknown-override"),
        (f"{{drugs: {{set: {{nothingine: {{names: [X y]}}}}, {WHY}}}}}", "unknown-override"),
        (f"{{drugs: {{add: {{newpramine: {{role: antidepressant}}}}, {WHY}}}}}", "missing-key"),
        (f"{{drugs: {{add: {{newpramine: {NEW}}}}}}}", "missing-key"),  # who decided it, and why
        (f"{{drugs: {{set: {{newpramine: {{role: none}}}}, {WHY}}}}}", "unknown-key"),
        (f"{{drugs: {{{WHY}}}}}", "wrong-form"),
    ],
)
def test_what_cannot_be_so_is_told_where_the_site_wrote_it(tmp_path: Path, tables: str, check_name: str) -> None:
    assert (check_name, "site.yaml", 2) in told(site(tmp_path, tables))


def test_a_whole_row_is_not_replaced(tmp_path: Path) -> None:
    drug = next(iter(read_rulebook(write_rules(tmp_path / "rules", GOOD)).tables["drugs"].model.drugs))
    assert told(site(tmp_path, f"{{drugs: {{add: {{{drug}: {NEW}}}, {WHY}}}}}")) == [("site-may-not", "site.yaml", 2)]


def test_what_is_wrong_with_a_row_of_the_site_is_told_in_its_file(tmp_path: Path) -> None:
    drug = next(iter(read_rulebook(write_rules(tmp_path / "rules", GOOD)).tables["drugs"].model.drugs))
    row = NEW.replace("source:", f"names: {{spellings: [{drug}]}}, source:")
    folder = site(tmp_path, f"{{drugs: {{add: {{newpramine: {row}}}, {WHY}}}}}")
    assert ("same-drug-twice", "site.yaml", 2) in told(folder)
    without = site(tmp_path / "b", f"{{drugs: {{add: {{newpramine: {ROW}}}, {WHY}}}}}")
    assert ("table-without-minimum", "site.yaml", 2) in told(without)
