"""What CDS Hooks 2.0.1 and its clients ask of an answer, as a list of what is wrong with one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.servicerequest import ServiceRequest

CARD = {
    "uuid", "summary", "detail", "indicator", "source", "suggestions",
    "selectionBehavior", "overrideReasons", "links", "extension",
}  # fmt: skip
MAY_BE_EMPTY = {"cards", "services"}


def empties(value: Any, path: str = "") -> Iterator[str]:
    """Paths of null, "", [] and {} (2.0.1: not allowed unless stated)."""
    if value in (None, "", [], {}) and path.rpartition(".")[2] not in MAY_BE_EMPTY:
        yield f"{path} is empty"
    if isinstance(value, dict):
        for key, member in value.items():
            yield from empties(member, f"{path}.{key}")
    if isinstance(value, list):
        for index, member in enumerate(value):
            yield from empties(member, f"{path}[{index}]")


def is_address(text: object) -> bool:
    """Whether it is an absolute http(s) URL."""
    return isinstance(text, str) and urlsplit(text).scheme in {"http", "https"} and bool(urlsplit(text).netloc)


def is_uuid(text: object) -> bool:
    """Whether it is a UUID as text."""
    try:
        return str(uuid.UUID(str(text))) == text
    except ValueError:
        return False


def flaws_in_response(answer: dict[str, Any]) -> list[str]:
    """Everything wrong with the answer of a service."""
    found = list(empties(answer))
    if answer.keys() != {"cards"}:
        found.append(f"members {sorted(answer)}; only cards, never systemActions")
    for card in answer["cards"]:
        found += flaws_in_card(card)
        if not is_uuid(card.get("uuid")):
            found.append("a card without uuid gets no feedback and no dismiss button")
        found += [
            "a suggestion without uuid gets no feedback"
            for s in card.get("suggestions", [])
            if not is_uuid(s.get("uuid"))
        ]
    return found


def flaws_in_card(card: dict[str, Any]) -> Iterator[str]:
    """Everything wrong with one card, uuids aside."""
    if card.keys() - CARD:
        yield f"unknown members {sorted(card.keys() - CARD)}"
    if not 0 < len(card["summary"]) < 140 or "\n" in card["summary"]:
        yield "summary is not one line under 140 characters"
    if card["indicator"] not in {"info", "warning", "critical"}:
        yield f"indicator {card['indicator']}"
    source = card["source"]
    if "label" not in source or source.keys() - {"label", "url", "icon", "topic"}:
        yield f"source has {sorted(source)}"
    if "url" in source and not is_address(source["url"]):
        yield "source.url is not absolute"
    topic = source.get("topic", {})
    if not ({"code", "system"} <= topic.keys() and topic["code"].isalnum() and len(topic["code"]) <= 100):
        yield "source.topic has no alphanumeric code of at most 100 characters (Epic), or no system (CRD)"
    for reason in card.get("overrideReasons", []):
        if reason.keys() != {"code", "system", "display"}:
            yield f"override reason has {sorted(reason)}"
    for link in card.get("links", []):
        if link.keys() != {"label", "url", "type"} or link["type"] != "absolute" or not is_address(link["url"]):
            yield f"link {link}"
    yield from _flaws_in_suggestions(card)


def _flaws_in_suggestions(card: dict[str, Any]) -> Iterator[str]:
    if "suggestions" in card and card.get("selectionBehavior") != "any":
        yield "suggestions without selectionBehavior any (the only one every client knows)"
    for suggestion in card.get("suggestions", []):
        if suggestion.keys() - {"label", "uuid", "isRecommended", "actions"} or "label" not in suggestion:
            yield f"suggestion has {sorted(suggestion)}"
        if len(suggestion["actions"]) != 1:
            yield "not one action per suggestion (Epic)"
        for action in suggestion["actions"]:
            if action.keys() != {"type", "description", "resource"} or action["type"] != "create":
                yield f"action has {sorted(action)}"
            ServiceRequest.model_validate(action["resource"])


def flaws_in_discovery(answer: dict[str, Any]) -> list[str]:
    """Everything wrong with the discovery answer."""
    found = list(empties(answer))
    if answer.keys() != {"services"}:
        found.append(f"members {sorted(answer)}")
    ids = [service["id"] for service in answer["services"]]
    if len(ids) != len(set(ids)):
        found.append("two services with one id overwrite each other in the sandbox")
    for service in answer["services"]:
        if not {"hook", "id", "description", "title"} <= service.keys():
            found.append(f"service has {sorted(service)}")
        for key, template in service.get("prefetch", {}).items():
            token_free = template.replace("{{context.patientId}}", "")
            if "{{" in token_free or "today(" in template:
                found.append(f"{key} has a token that some clients cannot fill")
            parameters = [part.partition("=")[0] for part in template.partition("?")[2].split("&")]
            if len(parameters) != len(set(parameters)):
                found.append(f"{key} repeats a parameter, which the sandbox mangles")
            if any(":" in name or "." in name or name in {"_include", "_has"} for name in parameters):
                found.append(f"{key} is outside the recommended query subset")
    return found


def issue(answer: dict[str, Any]) -> dict[str, Any]:
    """The one issue of an OperationOutcome, which must be one that says what and how to mend it."""
    OperationOutcome.model_validate(answer)
    assert answer["resourceType"] == "OperationOutcome"
    assert list(empties(answer)) == []
    (only,) = answer["issue"]
    assert only["severity"] == "error"
    assert only["details"]["text"]
    assert only["diagnostics"]
    found: dict[str, Any] = only
    return found
