"""The codes, drugs and doses we ship: each with its source, none we may not ship, and nothing unverified in silence."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cds.rulebook.lint.lint import check
from cds.rulebook.loader import read_rulebook
from cds.yaml_source.document import read_yaml
from tests.server import TODAY

ROOT = Path(__file__).parents[2]
VALUESETS = ROOT / "rules" / "valuesets"
TABLES = ROOT / "rules" / "tables"
CLINICIANS = ROOT / "docs" / "clinicians"
UNVERIFIED = CLINICIANS / "unverified.md"

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
ATC = "http://www.whocc.no/atc"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
HCPCS = "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"

ICD9CM = "http://hl7.org/fhir/sid/icd-9-cm"
ICD11 = "http://id.who.int/icd/release/11/mms"
ICPC2 = "http://hl7.org/fhir/sid/icpc-2"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
LOOKS_LIKE = {
    ICD10CM: r"[A-TV-Z][0-9][0-9A-Z](\.[0-9A-Z]{1,4})?",
    LOINC: r"(LA)?[0-9]{1,7}-[0-9]",
    RXNORM: r"[1-9][0-9]{0,7}",
    SNOMED: r"[1-9][0-9]{5,17}",
    ATC: r"[A-DGHJL-NPR-SV][0-9]{2}[A-Z]{2}[0-9]{2}",
    HCPCS: r"[A-V][0-9]{4}",
    ACT_CODE: r"[A-Z]{2,8}",
    ICD9CM: r"([0-9]{3}|V[0-9]{2})(\.[0-9]{1,2})?|E[0-9]{3}(\.[0-9])?",
    ICD11: r"[0-9A-HJ-NP-Z]{4}(\.[0-9A-Z]{1,3})?",
    ICPC2: r"[A-Z][0-9]{2}",
    "http://terminology.hl7.org/CodeSystem/data-absent-reason": r"[a-z-]+",
    "http://terminology.hl7.org/CodeSystem/v3-NullFlavor": r"[A-Z]{2,4}",
    "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips": r"no-[a-z-]+",
}
LOOKS_LIKE_CPT = re.compile(r"[0-9]{4}[0-9FTU]")
NOTICE_WORDS = {SNOMED: "licence", LOINC: "Regenstrief"}
COLUMNS = ["rxcui", "name", "ingredient", "strength_mg", "per", "form", "with", "trial", "note", "source"]
UNITS = {"tablet", "capsule", "mL", "hour", "pack"}
DOSE_TABLES = re.compile(r"uptodate|empendium|mcmaster|athf|atrq|\bddds?\b|defined daily dose", re.IGNORECASE)

Yaml = Mapping[str, Any]


def load(path: Path) -> Any:
    """A YAML file as it stands."""
    return read_yaml(path.read_text(encoding="utf-8"), str(path)).value


@dataclass(frozen=True)
class Group:
    """Codes of one system from one source, and the file they stand in."""

    file: Path
    system: str
    source: str
    verified: object
    codes: Mapping[object, object]

    def __str__(self) -> str:
        return f"{self.file.relative_to(VALUESETS)}: {self.source or self.system}"


def is_snomed_file(path: Path) -> bool:
    """Whether it stands in the folder that can be left out."""
    return path.parent == VALUESETS / "snomed"


SETS = {path: load(path) for path in sorted(VALUESETS.rglob("*.yaml"))}
GROUPS = [
    Group(
        path,
        group["system"],
        group.get("source", ""),
        group.get("verified"),
        {code: shown for key in ("exact", "with_children", "except") for code, shown in (group.get(key) or {}).items()},
    )
    for path, file in SETS.items()
    for group in file.get("codes", [])
]
ANSWERS = [
    Group(path, group["system"], group.get("source", ""), group.get("verified"), group["values"])
    for path, file in SETS.items()
    for group in file.get("answers", [])
]
TABLE: Yaml = load(TABLES / "antidepressants.yaml")
DRUGS: Mapping[str, Yaml] = TABLE["drugs"]
with (TABLES / TABLE["table"]["products"]).open(encoding="utf-8", newline="") as file_of_products:
    PRODUCT_LINES = list(csv.reader(file_of_products))
PRODUCTS = [dict(zip(COLUMNS, line, strict=False)) for line in PRODUCT_LINES[1:]]
UNVERIFIED_TEXT = UNVERIFIED.read_text(encoding="utf-8")

every_set = pytest.mark.parametrize("path", SETS, ids=lambda path: str(path.relative_to(VALUESETS)))
every_group = pytest.mark.parametrize("group", [*GROUPS, *ANSWERS], ids=str)
every_drug = pytest.mark.parametrize("name", DRUGS)


def names_of(path: Path) -> list[Yaml]:
    """Groups of words of a value set."""
    names = SETS[path].get("names") or []
    return names if isinstance(names, list) else [names]


# ---------------------------------------------------------------- value sets


def test_there_are_codes_to_look_at() -> None:
    assert len(GROUPS) > 50
    assert len(PRODUCTS) > 500


@pytest.mark.seconds
def test_the_checks_every_author_has_say_nothing_of_what_we_ship_but_what_is_known() -> None:
    told = {problem.check for problem in check(read_rulebook(ROOT / "rules"), today=TODAY)}

    assert told <= {"table-without-minimum", "list-age"}


@every_set
def test_a_value_set_is_named_like_its_file(path: Path) -> None:
    header = SETS[path]["valueset"]

    assert (header.get("id") or header["adds_to"]) == path.stem
    assert "id" in header or is_snomed_file(path)


@every_set
def test_a_value_set_has_something_to_find(path: Path) -> None:
    assert any(SETS[path].get(part) for part in ("codes", "names", "full_names", "answers", "answers_in_words"))


@every_group
def test_codes_say_where_they_come_from_and_whether_somebody_read_them_there(group: Group) -> None:
    assert group.source.strip()
    assert isinstance(group.verified, bool)


@every_group
def test_codes_are_text_and_have_words_or_numbers_beside_them(group: Group) -> None:
    assert group.codes
    for code, shown in group.codes.items():
        assert isinstance(code, str)
        assert shown is not None
        assert shown != ""


@every_group
def test_codes_look_like_codes_of_their_system(group: Group) -> None:
    form = LOOKS_LIKE[group.system]  # any other system, CPT for one, is not ours to ship

    assert [code for code in group.codes if not re.fullmatch(form, str(code))] == []


@every_group
def test_snomed_codes_stand_in_their_own_folder_and_nothing_else_does(group: Group) -> None:
    assert (group.system == SNOMED) is is_snomed_file(group.file)


@every_group
def test_licensed_codes_carry_their_notice(group: Group) -> None:
    assert NOTICE_WORDS.get(group.system, "") in SETS[group.file]["valueset"].get("notice", "")


@pytest.mark.parametrize("group", [group for group in GROUPS if group.system != SNOMED], ids=str)
def test_no_cpt_code_hides_under_another_system(group: Group) -> None:
    assert not any("cpt" in text.lower() for text in (group.system, group.source))
    if group.system != RXNORM:  # whose codes may well have five digits
        assert not any(LOOKS_LIKE_CPT.fullmatch(str(code)) for code in group.codes)


@every_set
def test_words_to_find_say_where_they_come_from(path: Path) -> None:
    for group in names_of(path):
        assert group["source"].strip()
        assert isinstance(group["verified"], bool)


def unverified_sets() -> Iterator[str]:
    """Value sets with anything unverified."""
    for group in (*GROUPS, *ANSWERS):
        if group.verified is False:
            yield group.file.stem
    for path in SETS:
        if any(group["verified"] is False for group in names_of(path)):
            yield path.stem


@pytest.mark.parametrize("name", sorted(set(unverified_sets())))
def test_an_unverified_value_set_is_on_the_reviewers_list(name: str) -> None:
    assert f"`{name}`" in UNVERIFIED_TEXT


@pytest.mark.parametrize("group", [group for group in GROUPS if group.verified is False], ids=str)
def test_an_unverified_code_is_on_the_reviewers_list(group: Group) -> None:
    assert [code for code in group.codes if str(code) not in UNVERIFIED_TEXT] == []


# ---------------------------------------------------------------- drugs


def test_the_table_is_named_like_its_file() -> None:
    assert TABLE["table"]["id"] == "antidepressants"
    assert "National Library of Medicine" in TABLE["table"]["notice"]


@every_drug
def test_a_drug_says_where_its_codes_come_from(name: str) -> None:
    drug = DRUGS[name]

    assert drug["source"].strip()
    if "rxnorm" in drug:
        assert re.fullmatch(LOOKS_LIKE[RXNORM], drug["rxnorm"])
    for code in drug.get("atc", []):
        assert re.fullmatch(r"[A-Z][0-9]{2}[A-Z]{2}[0-9]{2}", code)


@every_drug
def test_a_minimum_dose_says_what_it_rests_on(name: str) -> None:
    for column in ("minimum_mg_a_day", "strict_minimum_mg_a_day"):
        if dose := DRUGS[name].get(column):
            assert dose["value"] > 0
            assert dose["basis"].strip()
            assert isinstance(dose["verified"], bool)


def reviewers_line(name: str) -> str:
    """What the reviewers' list says of a drug; "" if nothing."""
    found = re.search(rf"^- \[.\] {re.escape(name)}: (.*)$", UNVERIFIED_TEXT, re.MULTILINE)
    return found[1] if found else ""


@every_drug
def test_a_drug_that_counts_has_a_minimum_or_the_reviewer_is_told(name: str) -> None:
    drug = DRUGS[name]
    counts = drug["role"] == "antidepressant" and drug["counts_as_trial"] != "never"

    assert not counts or "minimum_mg_a_day" in drug or "no minimum" in reviewers_line(name)


@every_drug
def test_what_is_unverified_of_a_drug_is_on_the_reviewers_list(name: str) -> None:
    drug, line = DRUGS[name], reviewers_line(name)
    dose, strict = drug.get("minimum_mg_a_day"), drug.get("strict_minimum_mg_a_day")
    names = drug.get("names", {})

    if dose and not dose["verified"]:
        assert line.startswith(f"minimum {dose['value']:g} mg a day ")
    if strict and not strict["verified"]:
        assert f"strict minimum {strict['value']:g} " in line
    for word in (*names.get("brands_unverified", []), *names.get("spellings", [])):
        assert re.search(rf"\b{re.escape(word)}\b", line)
    assert ("RxNorm code of the ingredient missing" in line) is ("rxnorm" not in drug)
    assert ("ATC code missing" in line) is ("atc" not in drug)


@every_drug
def test_names_by_language_say_which(name: str) -> None:
    languages = DRUGS[name].get("names", {}).get("languages", {})

    assert set(languages) <= {"de", "es", "fr", "nl", "sv"}
    assert all(languages.values())


def test_the_reviewers_list_names_no_drug_that_is_gone() -> None:
    told = re.findall(r"^- \[.\] ([a-z-]+): (?:\*\*no )?(?:minimum|names|RxNorm|ATC)", UNVERIFIED_TEXT, re.MULTILINE)

    assert set(told) <= {drug for path in sorted(TABLES.glob("*.yaml")) for drug in load(path)["drugs"]}


# ---------------------------------------------------------------- products


def test_every_line_of_the_products_has_all_columns() -> None:
    assert PRODUCT_LINES[0] == COLUMNS
    assert [line[0] for line in PRODUCT_LINES if len(line) != len(COLUMNS)] == []


def test_a_product_is_no_ingredient() -> None:
    assert {row["rxcui"] for row in PRODUCTS} & {drug.get("rxnorm") for drug in DRUGS.values()} == set()


@pytest.mark.parametrize("row", PRODUCTS, ids=lambda row: row["rxcui"])
def test_a_product_belongs_to_a_drug_and_says_its_strength(row: dict[str, str]) -> None:
    assert row["source"].strip()
    assert row["per"] in UNITS
    assert (row["strength_mg"] == "") is (row["per"] == "pack")


@pytest.mark.parametrize("row", [row for row in PRODUCTS if " / " in row["name"]], ids=lambda row: row["rxcui"])
def test_what_else_is_in_a_product_stands_beside_it(row: dict[str, str]) -> None:
    others = [part for part in row["name"].split(" / ") if row["ingredient"].split("-")[0] not in part.lower()]

    assert all(any(word in part.lower() for word in row["with"].split("|")) for part in others if row["with"])
    assert bool(row["with"]) or row["per"] == "pack" or "-" in row["ingredient"]


@pytest.mark.parametrize(
    "sign", ["Smoking Cessation", "naltrexone", r"doxepin [36] MG Oral Tablet"], ids=["smoking", "weight", "insomnia"]
)
def test_a_product_for_another_purpose_is_no_trial(sign: str) -> None:
    rows = [row for row in PRODUCTS if re.search(sign, row["name"])]

    assert rows
    assert {row["trial"] for row in rows} == {"no"}


# ---------------------------------------------------------------- what is written nowhere

SHIPPED = [
    *sorted(VALUESETS.rglob("*.*")),
    *sorted(TABLES.iterdir()),
    ROOT / "NOTICE",
    CLINICIANS / "codes.md",
    UNVERIFIED,
]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_commercial_dose_table_is_named(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert DOSE_TABLES.findall(text) == []


@pytest.mark.parametrize("name", ["LOINC", "RxNorm", "SNOMED CT", "ICD-10-CM", "ICD-9-CM", "ICD-11", "ICPC-2"])
def test_the_notice_names_every_code_system(name: str) -> None:
    assert name in (ROOT / "NOTICE").read_text(encoding="utf-8")
