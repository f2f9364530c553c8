"""What /openapi.json says of bodies that are not read by pydantic: requests, answers, errors."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
OUTCOME: Schema = {
    "type": "object",
    "description": "FHIR R4 OperationOutcome: details.text says what is wrong, diagnostics how to fix it.",
    "required": ["resourceType", "issue"],
    "properties": {
        "resourceType": {"const": "OperationOutcome"},
        "issue": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["severity", "code"]}},
    },
}
REQUEST: Schema = {
    "type": "object",
    "description": "A CDS Hooks 2.0.1 request; members that are not listed are accepted.",
    "required": ["hook", "hookInstance", "context"],
    "properties": {
        "hook": TEXT,
        "hookInstance": {"type": "string", "format": "uuid"},
        "context": {
            "type": "object",
            "description": "What CDS Hooks requires of the hook; docs/integrators/hooks.md lists it.",
            "required": ["patientId", "userId"],
            "properties": {
                "patientId": TEXT | {"description": "An id, without Patient/."},
                "userId": TEXT | {"description": "Practitioner/id or PractitionerRole/id."},
            },
        },
        "prefetch": {
            "type": "object",
            "description": "Key of discovery → FHIR resource or searchset Bundle, null, or OperationOutcome.",
            "additionalProperties": {"type": ["object", "null"]},
        },
        "fhirServer": {"type": "string", "format": "uri"},
        "fhirAuthorization": {
            "type": "object",
            "required": ["access_token"],
            "properties": {"access_token": TEXT, "patient": TEXT},
        },
    },
}
CARD: Schema = {
    "type": "object",
    "required": ["uuid", "summary", "indicator", "source"],
    "properties": {
        "uuid": {"type": "string", "format": "uuid"},
        "summary": {"type": "string", "maxLength": 139},
        "detail": TEXT | {"description": "GitHub Flavored Markdown, without HTML."},
        "indicator": {"enum": ["info", "warning", "critical"]},
        "source": {"type": "object", "required": ["label"], "properties": {"label": TEXT}},
        "suggestions": {"type": "array", "minItems": 1},
        "selectionBehavior": TEXT,
        "overrideReasons": {"type": "array", "minItems": 1},
        "links": {"type": "array", "minItems": 1},
        "extension": {"type": "object"},
    },
}
CARDS: Schema = {"type": "object", "required": ["cards"], "properties": {"cards": {"type": "array", "items": CARD}}}
FEEDBACK: Schema = {
    "type": "object",
    "description": "What became of cards (CDS Hooks 2.0.1, Feedback); members that are not listed are accepted.",
    "required": ["feedback"],
    "properties": {
        "feedback": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["card", "outcome", "outcomeTimestamp"],
                "properties": {
                    "card": TEXT,
                    "outcome": {"enum": ["accepted", "overridden"]},
                    "outcomeTimestamp": {"type": "string", "format": "date-time"},
                },
            },
        }
    },
}
NOTHING: Schema = {"type": "object", "description": "An empty object.", "maxProperties": 0}
BUNDLE: Schema = {
    "type": "object",
    "description": "A FHIR R4 Bundle of one patient.",
    "required": ["resourceType"],
    "properties": {"resourceType": {"const": "Bundle"}, "entry": {"type": "array"}},
}
ANSWER: Schema = {"type": "object", "description": "Cards, conclusions, facts, reasons, missing, data quality."}


def takes(schema: Schema) -> Schema:
    """The body of an operation, as FastAPI's `openapi_extra`."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def gives(schema: Schema) -> dict[int | str, Schema]:
    """The answer of an operation, as FastAPI's `responses`."""
    return {200: {"description": "The answer.", "content": {"application/json": {"schema": schema}}}}


ERRORS: dict[int | str, Schema] = {
    # Of every operation, as FastAPI's `responses`: each answer but 200. Without it FastAPI would promise a 422.
    "default": {
        "description": "There is no answer; docs/integrators/errors.md lists the statuses.",
        "content": {"application/fhir+json": {"schema": OUTCOME}},
    }
}
