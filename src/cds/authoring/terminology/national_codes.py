"""
National Drug Codes of a table's products + a release of RxNorm → which are new, moved or gone, and the lines to write.

A code that the release gives to two products that are not alike is left out, and told. Codes that are not in the
release stay: charts of earlier years hold them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cds.authoring.terminology.proposal import Finding
from cds.authoring.terminology.rxnorm_release import RxNormRelease
from cds.terminology.systems import FORMS, NDC, canonical_code

Row = Mapping[str, str]
SHOWN = 3  # codes that a finding names
LABELER, PRODUCT = 5, 9  # digits up to the end of labeler and product
ALIKE = ("ingredient", "strength_mg", "per", "form", "with", "trial")  # columns in which two products are one to us


def compare_codes(
    products: Sequence[Row], listed: Iterable[Row], release: RxNormRelease
) -> tuple[list[dict[str, str]], list[Finding]]:
    """
    The lines of National Drug Codes as they are proposed, and every difference.

    Args:
        products: The products as they are proposed.
        listed: The lines as they are.
        release: The release.
    """
    known = {row["rxcui"]: row for row in products}
    before: dict[str, tuple[str, str]] = {}  # code → RXCUI, source
    for row in listed:
        for package in row["packages"].split():
            before[row["ndc"].replace("-", "") + package] = (row["rxcui"], row["source"])
    of_release, findings = _given(known, release)
    after = {code: now for code, now in before.items() if code not in of_release}
    for code, (rxcui, source) in before.items():
        now = of_release.get(code, rxcui)
        if now == rxcui:
            after[code] = (rxcui, source)
        elif now is None:
            says = f"{code} is no product of this table any more: it is taken out."
            findings.append(Finding("moved-ndc", _drug(known, rxcui), code, says))
        else:
            after[code] = (now, release.name)
            says = f"{code} is {known[now]['name']} now ({now}), not {rxcui}."
            findings.append(Finding("moved-ndc", _drug(known, rxcui), code, says))
    new = {code: rxcui for code, rxcui in of_release.items() if rxcui is not None and code not in before}
    after |= {code: (rxcui, release.name) for code, rxcui in new.items()}
    gone = {code: rxcui for code, (rxcui, _) in before.items() if code not in of_release}
    findings += _counted("new-ndc", new, known, "NDCs that the table does not have")
    findings += _counted("retired-ndc", gone, known, "NDCs that this release does not have; they stay")
    return list(_lines(after, list(known))), findings


def _given(known: Mapping[str, Row], release: RxNormRelease) -> tuple[dict[str, str | None], list[Finding]]:
    """
    Code → the product of the table the release gives it to; None for another product.

    Codes that products of the table share with unlike ones are given to none.
    """
    owners: dict[str, list[str]] = {}
    for rxcui, codes in release.ndcs.items():
        for code in codes:
            owners.setdefault(canonical_code(NDC, code), []).append(rxcui)
    given: dict[str, str | None] = {}
    findings = []
    for code, rxcuis in owners.items():
        ours = [rxcui for rxcui in rxcuis if rxcui in known]
        if not ours:
            given[code] = None
        elif not re.fullmatch(FORMS[NDC], code):
            says = f"The release writes {code}, which is not eleven digits: it is left out."
            findings.append(Finding("unclear-ndc", _drug(known, ours[0]), code, says))
        elif len(ours) < len(rxcuis) or len({tuple(known[one][column] for column in ALIKE) for one in ours}) > 1:
            given[code] = None
            says = f"The release gives {code} to {', '.join(sorted(rxcuis))}, which are not alike: it is left out."
            findings.append(Finding("unclear-ndc", _drug(known, ours[0]), code, says))
        else:
            given[code] = min(ours, key=int)
    return given, findings


def _counted(kind: str, codes: Mapping[str, str], known: Mapping[str, Row], what: str) -> Iterator[Finding]:
    """A finding for each product, with the first of its codes."""
    of_product: dict[str, list[str]] = {}
    for code, rxcui in sorted(codes.items()):
        of_product.setdefault(rxcui, []).append(code)
    for rxcui, found in of_product.items():
        more = ", …" if len(found) > SHOWN else ""
        name = known[rxcui]["name"] if rxcui in known else rxcui
        says = f"{name}: {len(found)} {what} ({', '.join(found[:SHOWN])}{more})."
        yield Finding(kind, _drug(known, rxcui), rxcui, says)


def _drug(known: Mapping[str, Row], rxcui: str) -> str:
    return known[rxcui]["ingredient"] if rxcui in known else ""


def _lines(codes: Mapping[str, tuple[str, str]], order: Sequence[str]) -> Iterator[dict[str, str]]:
    """A line for each product of a labeler, in the order of the products; its source is that of its newest package."""
    packages: dict[tuple[str, str], list[str]] = {}
    sources: dict[tuple[str, str], str] = {}
    for code, (rxcui, source) in sorted(codes.items()):
        key = (rxcui, f"{code[:LABELER]}-{code[LABELER:PRODUCT]}")
        packages.setdefault(key, []).append(code[PRODUCT:])
        sources[key] = max(sources.get(key, ""), source)
    place = {rxcui: at for at, rxcui in enumerate(order)}
    for key in sorted(packages, key=lambda key: (place.get(key[0], len(place)), key)):
        rxcui, ndc = key
        yield {"rxcui": rxcui, "ndc": ndc, "packages": " ".join(packages[key]), "source": sources[key]}
