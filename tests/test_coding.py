"""Codes and code systems as senders write them."""

from __future__ import annotations

import pytest

from cds.terminology.concepts import Coding
from cds.terminology.systems import (
    ATC,
    ICD9CM,
    ICD10CM,
    ICD11,
    ICPC2,
    LOINC,
    RXNORM,
    SNOMED,
    canonical_code,
    canonical_system,
)
from cds.terminology.value_sets import CodeRange


@pytest.mark.parametrize("uri", [ICD10CM, LOINC, RXNORM, SNOMED, ATC, ICD9CM, ICD11, ICPC2])
def test_the_case_scheme_version_and_slash_of_a_known_system_do_not_matter(uri: str) -> None:
    for spelling in (uri, f" {uri} ", f"{uri}/", f"{uri}|2026", uri.upper(), uri.replace("http:", "https:")):
        assert canonical_system(spelling) == uri


@pytest.mark.parametrize(
    ("spelling", "uri"),
    [
        ("urn:oid:2.16.840.1.113883.6.90", ICD10CM),
        ("URN:OID:2.16.840.1.113883.6.90", ICD10CM),
        ("2.16.840.1.113883.6.90", ICD10CM),
        ("ICD-10-CM", ICD10CM),
        ("http://fhir.de/CodeSystem/bfarm/icd-10-gm", ICD10CM),
        ("http://hl7.org/fhir/sid/icd-10-nl", ICD10CM),
        ("http://hl7.org/fhir/sid/icd-10-am", ICD10CM),
        ("urn:oid:2.16.840.1.113883.6.103", ICD9CM),
        ("http://id.who.int/icd/release/11/2024-01/mms", ICD11),
        ("urn:oid:2.16.840.1.113883.6.139", ICPC2),
        ("2.16.840.1.113883.6.1", LOINC),
        ("https://www.loinc.org/", LOINC),
        ("RxNorm", RXNORM),
        ("SNOMED CT", SNOMED),
        ("http://snomed.info/sct/731000124108/version/20250901", SNOMED),
        ("http://fhir.de/CodeSystem/bfarm/atc", ATC),
    ],
)
def test_other_names_of_a_known_system_are_known(spelling: str, uri: str) -> None:
    assert canonical_system(spelling) == uri


@pytest.mark.parametrize(
    "other",
    ["", "http://hl7.org/fhir/sid/icd-10-pcs", "urn:local", "http://snomed.info/sctx", "https://Example.org/Codes"],
)
def test_another_system_keeps_its_own_name(other: str) -> None:
    assert canonical_system(other) == other


@pytest.mark.parametrize(("code", "canonical"), [("i714", "I71.4"), ("I79.0*", "I79.0"), ("A18.0\u2020", "A18.0")])
def test_an_icd_code_is_written_one_way(code: str, canonical: str) -> None:
    assert canonical_code(ICD10CM, code) == canonical


@pytest.mark.parametrize(
    ("code", "canonical"),
    [("29632", "296.32"), ("311", "311"), ("E9500", "E950.0"), ("E959", "E959"), ("v6284", "V62.84")],
)
def test_an_icd9_code_is_written_one_way(code: str, canonical: str) -> None:
    assert canonical_code(ICD9CM, code) == canonical


@pytest.mark.parametrize(
    ("code", "within"),
    [
        ("T36.0X2A", True),
        ("T40.412A", True),
        ("T58.02XA", True),
        ("T65.892", True),
        ("T36.0X1A", False),
        ("T40.42", False),
        ("T36.2", False),
        ("T35.0X2A", False),
        ("T66.XX2A", False),
    ],
)
def test_a_character_tells_which_codes_of_a_range_belong(code: str, within: bool) -> None:
    poisonings = CodeRange(ICD10CM, "T36", "T65", 6, "2")

    assert poisonings.holds(Coding(ICD10CM, code)) is within
    assert not poisonings.holds(Coding(SNOMED, code))
