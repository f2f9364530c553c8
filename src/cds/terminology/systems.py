"""Code systems: their canonical URIs, the other spellings senders use, and how each writes a code."""

from __future__ import annotations

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
ATC = "http://www.whocc.no/atc"

ICD_CATEGORY = 3  # characters before the dot

SPELLINGS = {
    # Other identifiers and names of the code systems we know (THO "naming systems"; seen in public test data). Compared
    # as `_folded` leaves them: lower case, http, no version, no "urn:oid:", no slash at the end.
    ICD10CM: ("2.16.840.1.113883.6.90", "icd-10-cm", "icd10cm", "icd10-cm", "icd 10 cm"),
    LOINC: ("2.16.840.1.113883.6.1", "http://www.loinc.org", "loinc.org", "loinc"),
    RXNORM: ("2.16.840.1.113883.6.88", "rxnorm"),
    SNOMED: (
        "2.16.840.1.113883.6.96",
        "http://www.snomed.info/sct",
        "snomed",
        "snomed ct",
        "snomed-ct",
        "snomedct",
        "sct",
    ),
    ATC: (
        "2.16.840.1.113883.6.73",
        "http://fhir.de/codesystem/bfarm/atc",
        "http://fhir.de/codesystem/dimdi/atc",
        "atc",
    ),
}
NEARLY = {
    # WHO's ICD-10 and its German edition share the categories that value sets of ICD-10-CM codes are made of. Where a
    # subcategory differs, taking it for ours is the safer error: a diagnosis is looked at rather than missed.
    ICD10CM: (
        "http://hl7.org/fhir/sid/icd-10",
        "http://fhir.de/codesystem/bfarm/icd-10-gm",
        "http://fhir.de/codesystem/dimdi/icd-10-gm",
        "2.16.840.1.113883.6.3",
        "icd-10",
        "icd10",
        "icd-10-gm",
    ),
}


def _folded(system: str) -> str:
    plain = system.strip().lower().split("|")[0].rstrip("/").removeprefix("urn:oid:")
    return f"http://{plain.removeprefix('https://')}" if plain.startswith("https://") else plain


SAME_SYSTEM = {uri: uri for uri in SPELLINGS} | {
    _folded(spelling): uri
    for spellings in (SPELLINGS, NEARLY)
    for uri, listed in spellings.items()
    for spelling in listed
}


def canonical_system(system: str) -> str:
    """The canonical URI of a code system, whatever spelling, edition, version or trailing slash it came with."""
    folded = _folded(system)
    if folded.startswith(f"{SNOMED}/"):  # an edition: http://snomed.info/sct/731000124108
        return SNOMED
    return SAME_SYSTEM.get(folded) or system.strip().split("|")[0].rstrip("/")


def canonical_code(system: str, code: str) -> str:
    """A code as its system writes it: ICD-10 codes come without their dot, or in lower case, from some senders."""
    code = code.strip()
    if system != ICD10CM:
        return code
    code = code.upper().rstrip("*+!\u2020")  # marks of the dagger and asterisk system (ICD-10 volume 2, 3.1.3)
    return code if "." in code or len(code) <= ICD_CATEGORY else f"{code[:ICD_CATEGORY]}.{code[ICD_CATEGORY:]}"
