"""Somebody's FHIR data against the R4B model of fhir.resources: stricter than what the service itself asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from cds.errors import NotJsonError


def strict_fhir(body: bytes) -> list[str]:
    """
    Everything the R4B model refuses in a resource, a Bundle or a CDS Hooks request: "where: what", one line each.

    Entries of Bundles are judged one by one, so that one mistake hides no other. The service reads most of what is
    refused here; this is for those who make the data.

    Raises:
        NotJsonError: The text is not JSON.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotJsonError(f"This is not JSON: {error}", fix="Send JSON in UTF-8") from None
    return list(_judge(value, ""))


def _judge(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, dict) and isinstance(value.get("prefetch"), dict):
        for key, resource in value["prefetch"].items():
            if resource is not None:
                yield from _judge(resource, f"prefetch.{key}")
        return
    kind = value.get("resourceType") if isinstance(value, dict) else None
    if not isinstance(kind, str):
        yield f"{where or 'the file'}: this is no FHIR resource (no resourceType)"
        return
    entries = value.get("entry") if kind == "Bundle" else None
    if isinstance(entries, list):
        value = {key: member for key, member in value.items() if key != "entry"}
        for index, entry in enumerate(entries):
            if isinstance(entry, dict) and entry.get("resource") is not None:
                yield from _judge(entry["resource"], f"{where or kind}.entry[{index}].resource")
    try:
        model = get_fhir_model_class(kind)
    except (KeyError, ValueError):
        yield f"{where or kind}: there is no resource {kind[:40]} in R4B"
        return
    try:
        model.model_validate(value)
    except ValidationError as error:
        for detail in error.errors():
            path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in detail["loc"])
            yield f"{where or kind}{path}: {detail['msg']}"
