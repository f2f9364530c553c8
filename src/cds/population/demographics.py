"""Who a patient is, as far as subgroups of a report need it: age, sex, and race and ethnicity where a site asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec

from cds.decide import Conclusions

# The ends of the addresses of US Core's extensions on Patient.
RACE, ETHNICITY = "us-core-race", "us-core-ethnicity"
OMB_CATEGORY = "ombCategory"
SEVERAL = "more than one"


class _DemographicResource(msgspec.Struct):
    resourceType: str = ""  # noqa: N815 (FHIR's name)
    extension: list[dict[str, Any]] = []


class _PatientEntry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw(b"{}")


class _PatientBody(msgspec.Struct):
    """A Bundle, or a CDS Hooks request."""

    entry: list[_PatientEntry] = []
    prefetch: dict[str, msgspec.Raw] = {}


def demographics_of(decision: Conclusions, body: bytes, with_race: bool) -> dict[str, Any]:
    """
    Members of a row: `age_at_least`, `age_at_most`, `sex`; with `with_race` also `race` and `ethnicity`.

    None is not recorded. Race and ethnicity are read from the body here and nowhere else, since no rule may see them:
    the OMB category of US Core as the chart displays it, "more than one" where it has several.
    """
    patient = decision.record.patient
    birth = patient.birth
    found: dict[str, Any] = {
        "age_at_least": _years(birth.latest, decision.today) if birth else None,
        "age_at_most": _years(birth.earliest, decision.today) if birth else None,
        "sex": patient.sex,
    }
    if with_race:
        extensions = list(_patient_extensions(body))
        found |= {"race": _category(extensions, RACE), "ethnicity": _category(extensions, ETHNICITY)}
    return found


def _years(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _patient_extensions(body: bytes) -> Iterator[dict[str, Any]]:
    try:
        said = msgspec.json.decode(body, type=_PatientBody)
    except msgspec.MsgspecError:
        return
    for raw in (*(entry.resource for entry in said.entry), *said.prefetch.values()):
        try:
            resource = msgspec.json.decode(raw, type=_DemographicResource)
        except msgspec.MsgspecError:
            continue
        if resource.resourceType == "Patient":
            yield from resource.extension
            return


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _category(extensions: list[dict[str, Any]], name: str) -> str | None:
    """What the chart says under one extension; None where it says nothing that can be read."""
    categories = {
        str(coding.get("display") or coding.get("code"))
        for extension in extensions
        if str(extension.get("url")).rstrip("/").endswith(f"/{name}")
        for inner in _listed(extension.get("extension"))
        if isinstance(inner, dict) and inner.get("url") == OMB_CATEGORY
        if isinstance(coding := inner.get("valueCoding"), dict) and (coding.get("display") or coding.get("code"))
    }
    return SEVERAL if len(categories) > 1 else next(iter(categories), None)
