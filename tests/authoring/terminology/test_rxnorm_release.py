"""Reading a release of RxNorm: concepts, relations, retired codes and NDCs; what is told of one that is broken."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from cds.authoring.terminology.rxnorm_release import IN, SCD, SCDC, read_release
from cds.authoring.terminology.source import TerminologySourceError
from tests.authoring.terminology.rxnorm_writer import SmallRelease

SERTRALINE, TABLET, BRANDED = "36437", "312941", "208161"


def small() -> SmallRelease:
    """A drug with a generic and a branded product."""
    made = SmallRelease()
    parts = {"sertraline": (SERTRALINE, "50")}
    made.product(TABLET, "sertraline 50 MG Oral Tablet", parts, "Oral Tablet")
    made.product(BRANDED, "sertraline 50 MG Oral Tablet [Zoloft]", parts, "Oral Tablet", brand="Zoloft")
    return made


@pytest.mark.parametrize("zipped", [True, False])
def test_concepts_are_read_with_what_they_are_related_to(tmp_path: Path, *, zipped: bool) -> None:
    made = small()

    read = read_release(made.zipped(tmp_path) if zipped else made.folder(tmp_path))

    assert read.name == "RxNorm 2026-11-02"
    (component,) = read.near(SERTRALINE, SCDC)
    assert component.name == "sertraline 50 MG"
    assert [one.rxcui for one in read.near(component.rxcui, SCD)] == [TABLET]
    assert [one.name for one in read.near(component.rxcui, IN)] == ["sertraline"]
    assert read.current(TABLET) is not None
    assert read.current("1") is None
    assert read.classes is None


def test_what_is_suppressed_is_not_in_use_and_near_nothing(tmp_path: Path) -> None:
    made = small()
    made.suppressed(TABLET)

    read = read_release(made.folder(tmp_path))

    (component,) = read.near(SERTRALINE, SCDC)
    assert read.current(TABLET) is None
    assert read.near(component.rxcui, SCD) == []


def test_a_code_that_was_merged_is_followed_to_one_in_use_and_a_circle_to_none(tmp_path: Path) -> None:
    made = small()
    made.gone("1", "2")
    made.gone("2", TABLET, archived=True)
    made.gone("3", "4")
    made.gone("4", "3")
    made.gone("5")

    read = read_release(made.zipped(tmp_path))

    assert [read.now(rxcui) for rxcui in ("1", "2", "3", "5")] == [TABLET, TABLET, None, None]


def test_atc_codes_of_the_full_release_are_classes_of_substances(tmp_path: Path) -> None:
    made = small()
    made.atc(SERTRALINE, "N06AB06", "sertraline")

    assert read_release(made.folder(tmp_path)).classes == {"N06AB06": frozenset({SERTRALINE})}


def test_products_keep_their_national_drug_codes_and_substances_have_none(tmp_path: Path) -> None:
    made = small()
    made.ndc(TABLET, "00093719856")
    made.ndc(TABLET, "00093719805")
    made.ndc(SERTRALINE, "00093000000")
    made.ndc("77", "00093000001")
    made.attributes.append([*made.attributes[0][:8], "OTHER", *made.attributes[0][9:]])
    made.attributes.append([*made.attributes[0][:9], "MTHSPL", "0093-7198-05", "N", "4096"])
    made.attributes.append([*made.attributes[0][:10], "00093719899", "O", "4096"])

    assert read_release(made.zipped(tmp_path)).ndcs == {TABLET: ("00093719805", "00093719856")}


def test_relations_of_other_sources_kinds_and_suppressed_ones_are_none(tmp_path: Path) -> None:
    made = small()
    made.concept("50", "IN", "another")
    for relation, source, suppress in (("isa", "RXNORM", ""), ("has_form", "MTHSPL", ""), ("has_form", "RXNORM", "O")):
        row = ["50", "", "CUI", "RO", SERTRALINE, "", "CUI", relation, "1", "", source, "", "", "", suppress, ""]
        made.relations.append(row)

    assert read_release(made.folder(tmp_path)).near("50", IN) == []


def test_a_release_without_a_concept_of_rxnorm_is_none(tmp_path: Path) -> None:
    made = SmallRelease()
    made.atc(SERTRALINE, "N06AB06", "sertraline")

    assert "holds no concept of RxNorm" in refused(made.folder(tmp_path))


# ---------------------------------------------------------------- what cannot be read


def refused(path: Path, name: str | None = None) -> str:
    with pytest.raises(TerminologySourceError) as wrong:
        read_release(path, name)
    assert "\n" not in str(wrong.value)
    return str(wrong.value)


def test_what_is_no_release_is_one_line(tmp_path: Path) -> None:
    release = small()
    assert "does not exist" in refused(tmp_path / "RxNorm_full_11022026.zip")
    torn = tmp_path / "torn_11022026.zip"
    whole = release.zipped(tmp_path).read_bytes()
    torn.write_bytes(whole[: len(whole) // 2])
    assert "is no zip that can be read" in refused(torn)
    empty = tmp_path / "empty_11022026"
    empty.mkdir()
    assert "holds no RXNCONSO.RRF" in refused(empty)
    partial = tmp_path / "partial_11022026.zip"
    with zipfile.ZipFile(partial, "w") as archive:
        for name, text in release.files().items():
            if name != "RXNREL.RRF":
                archive.writestr(name, text)
    assert "holds no RXNREL.RRF" in refused(partial)
    folder = release.folder(tmp_path)
    rows = (folder / "rrf" / "RXNREL.RRF").read_text(encoding="utf-8")
    (folder / "rrf" / "RXNREL.RRF").write_text(rows + "1|2|3|\n", encoding="utf-8")
    assert "RXNREL.RRF has 3 columns instead of 16" in refused(folder)
    (folder / "rrf" / "RXNREL.RRF").write_bytes(b"\xff\xfe")
    assert "RXNREL.RRF cannot be read" in refused(folder)


def test_a_damaged_member_of_a_zip_is_told(tmp_path: Path) -> None:
    path = small().zipped(tmp_path)
    body = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("rrf/RXNREL.RRF").header_offset + 60
    body[start : start + 40] = b"0" * 40
    path.write_bytes(bytes(body))

    assert "RXNREL.RRF cannot be read" in refused(path)


def test_a_release_without_a_day_in_its_name_is_named_by_who_compares(tmp_path: Path) -> None:
    folder = small().folder(tmp_path).rename(tmp_path / "latest")

    assert "--release" in refused(folder)
    assert read_release(folder, "RxNorm November").name == "RxNorm November"
