"""National Drug Codes: what a release adds to the lines of a table, moves and takes out, and how lines are read."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds.authoring.terminology.national_codes import compare_codes
from cds.authoring.terminology.rxnorm_release import RxNormRelease
from cds.cli.main import app
from cds.rulebook.drug_rows import NDC_COLUMNS, DrugTableRow, national_drug_codes, read_rows
from cds.rulebook.fingerprint import digests
from cds.rulebook.lint.lint import check, has_errors
from cds.rulebook.loader import read_rulebook
from cds.rulebook.tables import drug_table
from cds.terminology.concepts import Coding, Concept
from cds.terminology.systems import NDC, canonical_code
from tests.authoring.terminology.test_rxnorm import TODAY, release_of, without_packs
from tests.rulebook.small_rules import GOOD, write_rules

TABLET = {"rxcui": "1", "name": "sertraline 50 MG Oral Tablet", "ingredient": "sertraline", "strength_mg": "50"}
BRAND = {**TABLET, "rxcui": "2", "name": "sertraline 50 MG Oral Tablet [Zoloft]"}
STRONGER = {**TABLET, "rxcui": "3", "name": "sertraline 100 MG Oral Tablet", "strength_mg": "100"}
PRODUCTS = [{**row, "per": "tablet", "form": "tablet", "with": "", "trial": "yes"} for row in (TABLET, BRAND, STRONGER)]


def release(**codes: tuple[str, ...]) -> RxNormRelease:
    """A release that gives these codes to `rx1`, `rx2`, …."""
    ndcs = {rxcui.removeprefix("rx"): given for rxcui, given in codes.items()}
    return RxNormRelease("RxNorm 2026-11-02", {}, {}, {}, None, ndcs)


def line(rxcui: str, ndc: str, packages: str, source: str = "RxNorm 2026-10-05") -> dict[str, str]:
    return {"rxcui": rxcui, "ndc": ndc, "packages": packages, "source": source}


def test_new_codes_are_a_line_for_each_product_of_a_labeler() -> None:
    made, findings = compare_codes(
        PRODUCTS, [], release(rx3=("00049491030",), rx1=("00049490066", "00049490030", "16714061201"))
    )

    new = "RxNorm 2026-11-02"
    assert made == [
        line("1", "00049-4900", "30 66", new), line("1", "16714-0612", "01", new), line("3", "00049-4910", "30", new),
    ]  # fmt: skip
    assert [(one.kind, one.place, one.code) for one in findings] == [
        ("new-ndc", "sertraline", "1"), ("new-ndc", "sertraline", "3"),
    ]  # fmt: skip
    assert "3 NDCs that the table does not have (00049490030, 00049490066, 16714061201)." in findings[0].says


def test_a_release_that_says_the_same_changes_no_line() -> None:
    listed = [line("1", "00049-4900", "30 66"), line("3", "00049-4910", "30")]

    assert compare_codes(PRODUCTS, listed, release(rx1=("00049490030", "00049490066"), rx3=("00049491030",))) == (
        listed, [],
    )  # fmt: skip


def test_a_code_that_is_gone_stays_for_old_charts() -> None:
    listed = [line("1", "00049-4900", "30 66")]

    made, (gone,) = compare_codes(PRODUCTS, listed, release(rx1=("00049490030",)))

    assert made == listed
    assert (gone.kind, gone.code) == ("retired-ndc", "1")
    assert "00049490066" in gone.says


def test_a_code_that_is_of_another_product_now_moves_there() -> None:
    made, (moved,) = compare_codes(PRODUCTS, [line("1", "00049-4900", "30")], release(rx3=("00049490030",)))

    assert [(row["rxcui"], row["source"]) for row in made] == [("3", "RxNorm 2026-11-02")]
    assert (moved.kind, moved.code) == ("moved-ndc", "00049490030")


def test_a_code_that_is_of_another_drug_now_is_taken_out() -> None:
    made, (moved,) = compare_codes(PRODUCTS, [line("1", "00049-4900", "30")], release(rx77=("00049490030",)))

    assert made == []
    assert (moved.kind, moved.code) == ("moved-ndc", "00049490030")
    assert "taken out" in moved.says


def test_a_code_of_a_brand_and_its_generic_product_is_one_of_two_that_are_not_alike_is_none() -> None:
    alike, of_alike = compare_codes(PRODUCTS, [], release(rx2=("00049490030",), rx1=("00049490030",)))
    unlike, of_unlike = compare_codes(PRODUCTS, [], release(rx1=("00049490030",), rx3=("00049490030",)))
    outside, _ = compare_codes(PRODUCTS, [], release(rx1=("00049490030",), rx77=("00049490030",)))

    assert ([row["rxcui"] for row in alike], [one.kind for one in of_alike]) == (["1"], ["new-ndc"])
    assert (unlike, [one.kind for one in of_unlike]) == ([], ["unclear-ndc"])
    assert outside == []


def test_what_is_not_eleven_digits_is_left_out_and_told() -> None:
    made, (told,) = compare_codes(PRODUCTS, [], release(rx1=("4949003",)))

    assert made == []
    assert (told.kind, told.code) == ("unclear-ndc", "4949003")


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("00777310502", "00777310502"),
        ("0777-3105-02", "00777310502"),  # the example of CARIN RTPBC
        ("00777-3105-02", "00777310502"),
        ("60793-710-05", "60793071005"),
        ("60793-0710-5", "60793071005"),
        ("000777-3105-02", "00777310502"),  # as pharmacies of the VA write it
        ("000777310502", "00777310502"),
        ("0777310502", "0777310502"),  # ten digits alone do not say which segment is short
        ("0777-3105", "0777-3105"),
        ("777-3105-2", "777-3105-2"),
        ("abc", "abc"),
        ("", ""),
    ],
)
def test_ten_and_eleven_digits_with_and_without_hyphens(sent: str, read: str) -> None:
    assert canonical_code(NDC, sent) == read


def with_codes(folder: Path, lines: str) -> Path:
    """Rules with a table of one product and these lines of NDCs."""
    table = """\
table: {id: drugs, title: Drugs, products: products.csv, ndcs: ndcs.csv}
drugs:
  sertraline:
    class: SSRI
    role: antidepressant
    counts_as_trial: any
    rxnorm: "36437"
    minimum_mg_a_day: {value: 50, basis: invented, verified: false}
    source: invented
"""
    root = write_rules(folder, {**GOOD, "tables/drugs.yaml": table})
    (root / "tables" / "products.csv").write_text(
        "rxcui,name,ingredient,strength_mg,per,form,with,trial,note,source\n"
        "312941,sertraline 50 MG Oral Tablet,sertraline,50,tablet,tablet,,yes,,invented\n"
    )
    (root / "tables" / "ndcs.csv").write_text(f"rxcui,ndc,packages,source\n{lines}")
    return root


@pytest.mark.parametrize("sent", ["00049490030", "0049-4900-30", "00049-4900-30", "00049490066"])
def test_a_medication_with_an_ndc_alone_is_the_product_it_is_of(tmp_path: Path, sent: str) -> None:
    table = drug_table("drugs", read_rulebook(with_codes(tmp_path, "312941,00049-4900,30 66,invented\n")))

    found = table.recognise(Concept((Coding(NDC, canonical_code(NDC, sent), ""),), ""))

    assert found is not None and found.product is not None
    assert (found.drug.key, found.product.strength_mg, found.by_name) == ("sertraline", 50, False)


def test_an_ndc_that_is_not_listed_is_not_told_to_be_another_drug(tmp_path: Path) -> None:
    table = drug_table("drugs", read_rulebook(with_codes(tmp_path, "312941,00049-4900,30 66,invented\n")))
    other = Concept((Coding(NDC, "00049490099", ""),), "")

    assert table.recognise(other) is None
    assert table.unrecognisable(other)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("312941,00049-4900,30 66,x\n", set()),
        ("312941,0049-4900,30,x\n", {"code-spelling"}),
        ("312941,00049-4900,,x\n", {"code-spelling"}),
        ("312941,00049-4900,3 066,x\n", {"code-spelling"}),
        ("999,00049-4900,30,x\n", {"ndc-without-product"}),
        ("312941,00049-4900,30,x\n312941,00049-4900,66 30,x\n", {"duplicate-product"}),
        ("312941,00049-4900\n", {"product-columns"}),
    ],
)
def test_lines_of_ndcs_are_checked(tmp_path: Path, lines: str, told: set[str]) -> None:
    book = read_rulebook(with_codes(tmp_path, lines))

    assert {one.check for one in check(book, today=TODAY) if one.file.endswith("ndcs.csv")} == told


def test_a_line_of_ndcs_is_each_of_its_packages_and_changes_the_digest_of_what_reads_the_table(tmp_path: Path) -> None:
    rows, problems = read_rows("ndcs.csv", "rxcui,ndc,packages,source\n1,00049-4900,30 66,x\n", NDC_COLUMNS)

    assert problems == []
    assert [national_drug_codes(row) for row in rows] == [["00049490030", "00049490066"]]
    assert isinstance(rows[0], DrugTableRow)


def test_a_site_brings_ndcs_of_its_own(tmp_path: Path) -> None:
    with_codes(tmp_path / "rules", "312941,00049-4900,30,invented\n")
    site = tmp_path / "site"
    site.mkdir()
    (site / "ours.csv").write_text("rxcui,ndc,packages,source\n312941,16714-0612,01,ours\n")
    (site / "site.yaml").write_text(
        "site: {id: ours, name: Ours, rules: ../rules, uses: depression >=1.0 <2.0}\n"
        "tables: {drugs: {ndcs: ours.csv, because: our pharmacy, by: A. Person, review: 2027-01-01}}\n"
    )
    book = read_rulebook(site)

    assert book.problems == []
    assert drug_table("drugs", book).ndcs == {"00049490030": "312941", "16714061201": "312941"}
    assert [override.says for override in book.overrides] == ["NDCs of ours.csv"]


# ---------------------------------------------------------------- the command, on the shipped rules


@pytest.mark.slow
def test_update_writes_the_codes_of_a_release_names_their_file_and_is_quiet_then(
    rules: Path,
    tmp_path: Path,
) -> None:
    without_packs(rules)
    made = release_of(rules)
    with (rules / "tables" / "antidepressant-products.csv").open(encoding="utf-8", newline="") as file:
        first, second, *_ = csv.DictReader(file)
    made.ndc(first["rxcui"], "00093719805")
    made.ndc(first["rxcui"], "00093719856")
    made.ndc(second["rxcui"], "00093720001")
    path = made.zipped(tmp_path)
    arguments = [str(path), "--rules", str(rules)]

    shown = CliRunner().invoke(app, ["terminology", "diff", "rxnorm", *arguments])
    done = CliRunner().invoke(app, ["terminology", "update", "rxnorm", *arguments])

    assert shown.exit_code == 1
    assert f"+{first['rxcui']},00093-7198,05 56,RxNorm 2026-11-02" in shown.output
    assert "+  ndcs: antidepressants-ndcs.csv" in shown.output
    assert "+++ b//" not in shown.output
    assert "-  checked" not in shown.output and "+  checked" not in shown.output
    assert done.exit_code == 0
    book = read_rulebook(rules)
    assert not has_errors(check(book, today=TODAY))
    assert book.tables["antidepressants"].model.table.ndcs == "antidepressants-ndcs.csv"
    read = drug_table("antidepressants", book).recognise(Concept((Coding(NDC, "00093719856", ""),), ""))
    assert read is not None and read.product is not None and read.drug.key == first["ingredient"]
    again = CliRunner().invoke(app, ["terminology", "diff", "rxnorm", *arguments])
    assert "ndc" not in again.output


@pytest.mark.slow
def test_lines_of_ndcs_ask_for_a_new_version_of_what_reads_the_table(rules: Path) -> None:
    before = digests(read_rulebook(rules))
    table = rules / "tables" / "antidepressants.yaml"
    products = "  products: antidepressant-products.csv\n"
    table.write_text(table.read_text().replace(products, f"{products}  ndcs: ndcs.csv\n"))
    (rules / "tables" / "ndcs.csv").write_text("rxcui,ndc,packages,source\n312941,00049-4900,30,invented\n")

    after = digests(read_rulebook(rules))

    changed = {name for name in before if before[name] != after[name]}
    assert "treatment-resistant-depression" in changed
    assert "suicidality" not in changed


@pytest.mark.slow
def test_update_writes_nothing_into_the_rules_an_overlay_is_of(rules: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    release_of(rules).zipped(tmp_path)
    (site / "site.yaml").write_text(f"site: {{id: ours, name: Ours, rules: {rules}, uses: []}}\n")
    before = {file: file.read_bytes() for file in rules.rglob("*") if file.is_file()}

    done = CliRunner().invoke(
        app, ["terminology", "update", "rxnorm", str(tmp_path / "RxNorm_full_11022026.zip"), "--rules", str(site)]
    )

    assert done.exit_code == 1
    assert "nothing was written" in done.output.replace("\n", " ")
    assert {file: file.read_bytes() for file in rules.rglob("*") if file.is_file()} == before
