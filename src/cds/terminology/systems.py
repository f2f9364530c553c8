"""Code systems: their canonical URIs, the other spellings senders use, and how each writes a code."""

from __future__ import annotations

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
ATC = "http://www.whocc.no/atc"
NDC = "http://hl7.org/fhir/sid/ndc"
ICD9CM = "http://hl7.org/fhir/sid/icd-9-cm"
ICD11 = "http://id.who.int/icd/release/11/mms"
ICPC2 = "http://hl7.org/fhir/sid/icpc-2"

ICD_CATEGORY = 3  # characters before the dot

FORMS = {
    # How each system writes a code, a class or a category above it included; none is made otherwise.
    ICD10CM: r"[A-Z][0-9A-Z]{0,2}(\.[0-9A-Z]{1,4})?",
    LOINC: r"(L[AGLP])?[0-9]{1,7}-[0-9]",
    RXNORM: r"[1-9][0-9]{0,7}",
    SNOMED: r"[1-9][0-9]{5,17}",
    NDC: r"[0-9]{11}",
    ATC: r"[A-Z]([0-9]{2}([A-Z]([A-Z]([0-9]{2})?)?)?)?",
    ICD9CM: r"([0-9]{3}|V[0-9]{2})(\.[0-9]{1,2})?|E[0-9]{3}(\.[0-9])?",
    ICD11: r"[0-9A-HJ-NP-Z]{4}(\.[0-9A-Z]{1,3})?",
    ICPC2: r"[A-Z][0-9]{2}",
}

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
        "http://dmd.nhs.uk",  # identifiers of dm+d are those of the UK drug extension of SNOMED CT
        "dm+d",
    ),
    NDC: ("2.16.840.1.113883.6.69", "http://mimic.mit.edu/fhir/mimic/codesystem/mimic-medication-ndc", "ndc"),
    ICD9CM: (
        "2.16.840.1.113883.6.103",
        "2.16.840.1.113883.6.104",
        "2.16.840.1.113883.6.2",
        "http://hl7.org/fhir/sid/icd-9",
        "icd-9-cm",
        "icd9cm",
        "icd-9",
        "icd9",
    ),
    ICD11: ("http://hl7.org/fhir/sid/icd-11", "http://hl7.org/fhir/sid/icd-11-mms", "icd-11", "icd11"),
    ICPC2: (
        "2.16.840.1.113883.6.139",
        "http://hl7.org/fhir/sid/icpc-1",
        "http://hl7.org/fhir/sid/icpc-1-nl",
        "icpc-2",
        "icpc2",
        "icpc",
    ),
    ATC: (
        "2.16.840.1.113883.6.73",
        "http://fhir.de/codesystem/bfarm/atc",
        "http://fhir.de/codesystem/dimdi/atc",
        "atc",
    ),
}
NEARLY = {
    # WHO's ICD-10 and its national editions (GM, AM, CA, …) share the categories that value sets of ICD-10-CM codes are
    # made of. Where a subcategory differs, taking it for ours is the safer error: a diagnosis is looked at rather than
    # missed.
    ICD10CM: (
        "http://hl7.org/fhir/sid/icd-10",
        "http://fhir.de/codesystem/bfarm/icd-10-gm",
        "http://fhir.de/codesystem/dimdi/icd-10-gm",
        "2.16.840.1.113883.6.3",
        "1.2.276.0.76.5.311",
        "2.16.840.1.113883.6.135",
        "icd-10",
        "icd10",
        "icd-10-gm",
        "icd-10-am",
        "icd-10-ca",
    ),
}


NATIONAL_ICD10 = "http://hl7.org/fhir/sid/icd-10"  # -de, -nl, -am, -ca, -uk, …
NO_DIAGNOSES = frozenset({"http://hl7.org/fhir/sid/icd-10-pcs"})
RELEASES_OF_ICD11 = "http://id.who.int/icd/release/11"


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
    if folded.startswith(NATIONAL_ICD10) and folded not in NO_DIAGNOSES:
        return ICD10CM
    if folded.startswith(RELEASES_OF_ICD11):  # http://id.who.int/icd/release/11/2024-01/mms
        return ICD11
    return SAME_SYSTEM.get(folded) or system.strip().split("|")[0].rstrip("/")


VA_DIGITS, VA_LABELER = 12, 6  # digits of a National Drug Code, and of its labeler, as pharmacies of the VA write it
NDC_SEGMENTS = ((4, 4, 2), (5, 3, 2), (5, 4, 1), (5, 4, 2))  # labeler, product, package: ten digits, and eleven


def _eleven_digits(code: str) -> str:
    """
    A National Drug Code without hyphens, each segment filled up to five, four and two digits; any other text as it is.

    Ten digits without hyphens do not say which segment is the short one, and stay as they are. Pharmacies of the VA
    write a zero more before it. (CARIN RTPBC 1.0.0, RtpbcPrescribableProductCodeValueSet, "NDC11"; OHDSI "Converting
    NDC"; VistApedia "NDC Rules".)
    """
    digits = code.replace("-", "")
    if not (digits.isascii() and digits.isdecimal()):
        return code
    if "-" not in code:
        return code[1:] if len(code) == VA_DIGITS and code.startswith("0") else code
    labeler, *rest = code.split("-")
    parts = (labeler[1:] if len(labeler) == VA_LABELER and labeler.startswith("0") else labeler, *rest)
    if tuple(map(len, parts)) not in NDC_SEGMENTS:
        return code
    return "".join(part.zfill(width) for part, width in zip(parts, NDC_SEGMENTS[-1], strict=True))


WRITTEN_IN_WAYS = frozenset({ICD9CM, ICD11, ICPC2, NDC, ICD10CM})
"""Code systems whose codes come written in more ways than one."""


def canonical_code(system: str, code: str) -> str:
    """A code as its system writes it: ICD-10 codes come without their dot, or in lower case, from some senders."""
    code = code.strip()
    if system == ICD9CM:
        code = code.upper()
        whole = ICD_CATEGORY + code.startswith("E")
        return code if "." in code or len(code) <= whole else f"{code[:whole]}.{code[whole:]}"
    if system in {ICD11, ICPC2}:
        return code.upper()
    if system == NDC:
        return _eleven_digits(code)
    if system != ICD10CM:
        return code
    code = code.upper().rstrip("*+!\u2020")  # marks of the dagger and asterisk system (ICD-10 volume 2, 3.1.3)
    return code if "." in code or len(code) <= ICD_CATEGORY else f"{code[:ICD_CATEGORY]}.{code[ICD_CATEGORY:]}"
