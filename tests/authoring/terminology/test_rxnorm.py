"""A release of RxNorm against the shipped drug table: fifty planted changes, each reported, and nothing else."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds.authoring.terminology.products import compare_table
from cds.authoring.terminology.proposal import Finding, Proposal
from cds.authoring.terminology.rxnorm_release import read_release
from cds.cli.main import app
from cds.rulebook.lint.lint import check, has_errors
from cds.rulebook.loader import read_rulebook
from tests.authoring.terminology.rxnorm_writer import DRUGS, FORMS, SmallRelease

pytestmark = pytest.mark.slow

TODAY = date(2026, 11, 29)
OTHERS = {"olanzapine": "61381", "dextromethorphan": "3289", "naltrexone": "7243", "invented": "999001"}


def rows_of(rules: Path) -> list[dict[str, str]]:
    with (rules / "tables" / "antidepressant-products.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def release_of(rules: Path) -> SmallRelease:
    """A release that says what the table says: every drug with a code, every product."""
    made = SmallRelease()
    table = read_rulebook(rules).tables["antidepressants"].model
    for name, known in table.drugs.items():
        if known.rxnorm:
            made.named("IN", name, known.rxnorm)
    for row in rows_of(rules):
        if row["form"] == "pack":
            continue
        drug = "bupropion" if row["ingredient"] == "dextromethorphan-bupropion" else row["ingredient"]
        code = table.drugs[drug].rxnorm or ""
        parts = {drug: (code, row["strength_mg"])}
        if drug != row["ingredient"]:
            parts["dextromethorphan"] = (OTHERS["dextromethorphan"], "45")
        for other in filter(None, row["with"].split("|")):
            parts[other] = (OTHERS[other], "8")
        made.product(row["rxcui"], row["name"], parts, FORMS[row["per"], row["form"]], row["per"])
    return made


def compared(rules: Path, release: Path, name: str | None = None) -> Proposal:
    table = read_rulebook(rules).tables["antidepressants"]
    return compare_table(table, rules / "tables", read_release(release, name), TODAY)


def found(proposal: Proposal, kind: str) -> dict[str, Finding]:
    return {one.code: one for one in proposal.findings if one.kind == kind}


def without_packs(rules: Path) -> None:
    path = rules / "tables" / "antidepressant-products.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if ",pack,pack," not in line), encoding="utf-8")


def test_a_release_that_says_the_same_differs_in_nothing(rules: Path, tmp_path: Path) -> None:
    without_packs(rules)

    proposal = compared(rules, release_of(rules).folder(tmp_path))

    assert {one.kind for one in proposal.findings} == {"no-classes"}
    assert proposal.release == "RxNorm 2026-11-02"
    assert proposal.edits[1].diff == ""
    assert 'checked: {date: 2026-11-29, release: "RxNorm 2026-11-02"}' in proposal.edits[0].diff


class Planted:
    """A release with changes, and which codes each kind of finding must name."""

    def __init__(self, rules: Path) -> None:
        self.release = release_of(rules)
        drugs = read_rulebook(rules).tables["antidepressants"].model.drugs
        self.codes = {name: drug.rxnorm or "" for name, drug in drugs.items()}
        rows = [row for row in rows_of(rules) if row["form"] != "pack" and row["trial"] == "yes"]
        self.plain = [row for row in rows if row["ingredient"] in DRUGS and not row["with"]]
        self.expected: dict[str, list[str]] = {"new-product": []}
        self.change_rows()
        self.add_products()
        self.change_ingredients()

    def product(
        self, row: dict[str, str], rxcui: str, name: str, strength: str = "", form: str = "", brand: str = ""
    ) -> None:
        """A product like that of a row."""
        self.release.product(
            rxcui, name, {row["ingredient"]: (self.codes[row["ingredient"]], strength or row["strength_mg"])},
            form or FORMS[row["per"], row["form"]], row["per"], brand,
        )  # fmt: skip

    def change_rows(self) -> None:
        """Products that are retired, suppressed, merged, stronger, renamed, of another form or combined."""
        counts = (5, 5, 5, 3, 5, 5, 3, 2)
        retired, suppressed, merged, archived, stronger, renamed, moved, joined = (
            self.plain[start::8][:count] for start, count in enumerate(counts)
        )
        for row in retired:
            self.release.gone(row["rxcui"])
        for row in suppressed:
            self.release.suppressed(row["rxcui"])
        for number, row in enumerate((*merged, *archived)):
            now = str(8_000_000 + number)
            self.release.gone(row["rxcui"], now, archived=row in archived)
            self.product(row, now, f"{row['name']} as it is now")
            self.expected["new-product"].append(now)
        for row in (*stronger, *renamed, *moved, *joined):
            self.release.gone(row["rxcui"])
        for row in stronger:
            self.product(row, row["rxcui"], row["name"], strength=f"{float(row['strength_mg']) * 3:g}")
        for row in renamed:
            self.product(row, row["rxcui"], f"{row['name']}, newly named")
        for row in moved:
            other = FORMS["capsule", "capsule"] if row["form"] == "tablet" else FORMS["tablet", "tablet"]
            self.product(row, row["rxcui"], row["name"], form=other)
        for row in joined:
            own = {row["ingredient"]: (self.codes[row["ingredient"]], row["strength_mg"])}
            parts = own | {"naltrexone": (OTHERS["naltrexone"], "8")}
            self.release.product(row["rxcui"], row["name"], parts, FORMS[row["per"], row["form"]], row["per"])
        self.expected |= {
            "retired": [row["rxcui"] for row in (*retired, *suppressed)],
            "remapped": [row["rxcui"] for row in (*merged, *archived)],
            "changed-strength": [row["rxcui"] for row in stronger],
            "renamed": [row["rxcui"] for row in renamed],
            "changed-form": [row["rxcui"] for row in moved],
            "changed-ingredients": [row["rxcui"] for row in joined],
        }

    def add_products(self) -> None:
        """New strengths, brands, a pack, a combination, and a dose form the table does not know."""
        row = next(one for one in self.plain if one["ingredient"] == "sertraline" and one["form"] == "tablet")
        sertraline = self.codes["sertraline"]
        new = (("150", ""), ("200", ""), ("25", "Inventol"), ("50", "Fictivan"))
        for number, (strength, brand) in enumerate(new):
            name = f"sertraline {strength} MG Oral Tablet{f' [{brand}]' if brand else ''}"
            self.product(row, str(8_100_000 + number), name, strength, "", brand)
        pack = "{7 (sertraline 150 MG Oral Tablet) / 7 (sertraline 200 MG Oral Tablet) } Pack"
        self.release.pack("8100010", pack, ["8100000", "8100001"])
        parts = {"sertraline": (sertraline, "50"), "invented": (OTHERS["invented"], "5")}
        self.release.product("8100011", "invented 5 MG / sertraline 50 MG Oral Tablet", parts, "Oral Tablet", "tablet")
        spray = {"sertraline": (sertraline, "0.1")}
        self.release.product("8100012", "sertraline 0.1 MG Nasal Spray", spray, "Nasal Spray")
        self.expected["new-product"] += ["8100000", "8100001", "8100002", "8100003", "8100010", "8100011"]
        self.expected["new-form"] = ["8100012"]
        self.expected["new-brand"] = [self.release.made("BN", "Inventol"), self.release.made("BN", "Fictivan")]

    def change_ingredients(self) -> None:
        """New substances of the class, and codes of substances that are retired or merged."""
        self.release.atc(self.codes["sertraline"], "N06AB06", "sertraline")
        for number in range(2):
            rxcui = str(8_200_000 + number)
            self.release.concept(rxcui, "IN", f"novelamine {number}")
            self.release.atc(rxcui, f"N06AX9{number}", f"novelamine {number}")
        self.release.gone(self.codes["phenelzine"])
        self.release.gone(self.codes["nefazodone"], "8300000")
        self.release.concept("8300000", "IN", "nefazodone, merged")
        self.expected |= {
            "new-ingredient": ["8200000", "8200001"],
            "ingredient-retired": [self.codes["phenelzine"]],
            "ingredient-remapped": [self.codes["nefazodone"]],
        }


def test_fifty_planted_changes_are_each_reported_and_nothing_else(rules: Path, tmp_path: Path) -> None:
    without_packs(rules)
    made = Planted(rules)
    release, expected = made.release, made.expected

    proposal = compared(rules, release.zipped(tmp_path))

    assert sum(map(len, expected.values())) >= 50
    by_kind: dict[str, list[str]] = {}
    for one in proposal.findings:
        by_kind.setdefault(one.kind, []).append(one.code)
    assert {kind: sorted(codes) for kind, codes in by_kind.items()} == {
        kind: sorted(codes) for kind, codes in expected.items()
    }


def test_what_is_written_is_what_was_shown_and_passes_the_checks(rules: Path, tmp_path: Path) -> None:
    without_packs(rules)
    made = Planted(rules)
    release, expected = made.release, made.expected
    before = {row["rxcui"]: row for row in rows_of(rules)}
    comments = (rules / "tables" / "antidepressants.yaml").read_text(encoding="utf-8").count("#")

    proposal = compared(rules, release.folder(tmp_path))
    written = proposal.write()

    after = {row["rxcui"]: row for row in rows_of(rules)}
    assert len(written) == 2
    assert before.keys() <= after.keys()
    assert set(expected["new-product"]) == after.keys() - before.keys()
    combined = after["8100011"]
    assert (combined["trial"], combined["with"], combined["note"]) == ("no", "invented", "decide whether it is a trial")
    assert (after["8100002"]["trial"], after["8100002"]["strength_mg"]) == ("yes", "25")
    assert after["8100010"]["form"] == "pack"
    for rxcui in expected["changed-strength"]:
        assert float(after[rxcui]["strength_mg"]) == 3 * float(before[rxcui]["strength_mg"])
    for rxcui in expected["changed-ingredients"]:
        assert after[rxcui]["with"] == "naltrexone"
    for rxcui in expected["retired"]:
        assert after[rxcui] == before[rxcui]
    book = read_rulebook(rules)
    assert not has_errors(check(book, today=TODAY))
    table = book.tables["antidepressants"]
    assert {"Inventol", "Fictivan"} <= set(table.model.drugs["sertraline"].names.brands)
    assert table.model.table.checked is not None and table.model.table.checked.release == "RxNorm 2026-11-02"
    assert table.text.count("#") == comments
    again = Counter(one.kind for one in compared(rules, tmp_path / "RxNorm_full_11022026").findings)
    assert set(again) == {
        "retired", "remapped", "new-form", "new-ingredient", "ingredient-retired", "ingredient-remapped",
    }  # fmt: skip


def test_the_command_prints_a_diff_and_writes_nothing_until_update(rules: Path, tmp_path: Path) -> None:
    without_packs(rules)
    path = Planted(rules).release.zipped(tmp_path)
    products = rules / "tables" / "antidepressant-products.csv"
    before = products.read_bytes()

    shown = CliRunner().invoke(app, ["terminology", "diff", "rxnorm", str(path), "--rules", str(rules)])

    assert shown.exit_code == 1
    assert "+8100000,sertraline 150 MG Oral Tablet,sertraline,150,tablet,tablet,,yes,,RxNorm 2026-11-02" in shown.output
    assert products.read_bytes() == before
    done = CliRunner().invoke(app, ["terminology", "update", "rxnorm", str(path), "--rules", str(rules)])
    assert done.exit_code == 0
    assert f"wrote {products}" in done.output.replace("\n", "")
    assert b"sertraline 150 MG Oral Tablet" in products.read_bytes()


def test_a_command_with_a_wrong_source_exits_with_one_line(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["terminology", "diff", "rxnorm", str(tmp_path / "nothing.zip")])

    assert shown.exit_code == 1
    assert "does not exist" in shown.output.replace("\n", " ")
    assert CliRunner().invoke(app, ["terminology", "diff", "rxnorm"]).exit_code == 2
    assert CliRunner().invoke(app, ["terminology", "diff", "icd-11"]).exit_code == 2
