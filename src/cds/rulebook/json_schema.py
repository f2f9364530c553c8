"""JSON Schemas of the rule-file formats, for editors. Made from the models, so that the two cannot differ."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

DRAFT = "https://json-schema.org/draft/2020-12/schema"
LIKE_A_PATTERN = {
    "type": "object",
    "description": "A fact with `like` may leave out what its pattern says; `cds check` looks at the whole.",
    "required": ["like"],
    "properties": {"like": {"type": "string"}},
}
TITLES = {
    "rules.schema.json": "Rule file",
    "valueset.schema.json": "Value set",
    "drugs.schema.json": "Drug table",
    "reading.schema.json": "Reading of what no value set names",
    "review.schema.json": "Review by a clinician",
    "packet.schema.json": "Evidence packet",
    "site.schema.json": "Site overlay",
    "wording.schema.json": "Wording of a site",
    "casetest.schema.json": "Test file",
    "patients.schema.json": "Shared example patients",
}


def schema_text(name: str, model: type[BaseModel]) -> str:
    """The JSON Schema of one format, as the file of that name holds it."""
    body = _plain(_titled(model.model_json_schema(by_alias=True)))
    statement = _statement(body)
    if statement is not None:
        body = _refer(body, statement)
        body["$defs"]["Statement"] = {"description": "A condition.", **statement}
    if "patterns" in body["properties"]:
        for facts in body["properties"]["facts"]["patternProperties"].values():
            facts["anyOf"].append(LIKE_A_PATTERN)
    head = {"$schema": DRAFT, "$id": name, "title": TITLES.get(name, name.removesuffix(".schema.json"))}
    return json.dumps(head | body, indent=2, ensure_ascii=False) + "\n"


def _titled(body: dict[str, Any]) -> dict[str, Any]:
    """
    With each definition under its model's title.

    The title is the name of the class unless the class says another: a class can be renamed and its name in the
    schema stay.
    """
    names = {f"#/$defs/{name}": _title(part, name) for name, part in body.get("$defs", {}).items()}

    def referred(value: Any) -> Any:
        if isinstance(value, list):
            return [referred(part) for part in value]
        if not isinstance(value, dict):
            return value
        reference = value.get("$ref")
        moved = {"$ref": f"#/$defs/{names[reference]}"} if isinstance(reference, str) else {}
        return {key: referred(part) for key, part in value.items()} | moved

    titled: dict[str, Any] = referred(body)
    if "$defs" in titled:
        titled["$defs"] = dict(sorted((names[f"#/$defs/{name}"], part) for name, part in titled["$defs"].items()))
    return titled


def _title(part: dict[str, Any], name: str) -> str:
    """The title of a definition; of one that can be written in two ways, that of the way which has one."""
    titles = (form["title"] for form in (part, *part.get("anyOf", ())) if "title" in form)
    return str(next(titles, name))


def _plain(value: Any) -> Any:
    """
    Without what pydantic adds for itself.

    Titles made of key names say nothing, and no key of ours may be empty, so `null` goes too. `oneOf` would refuse what
    two members allow, and `observation` and `score` are the same member: `anyOf`, each once.
    """
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if not isinstance(value, dict):
        return value
    plain: dict[str, Any] = {}
    for key, part in value.items():
        if (key == "title" and isinstance(part, str)) or (key == "default" and part is None):
            continue
        if key in ("oneOf", "anyOf"):
            forms = [form for form in _plain(part) if form != {"type": "null"}]
            once = [form for index, form in enumerate(forms) if form not in forms[:index]]
            plain |= once[0] if len(once) == 1 else {"anyOf": once}
        else:
            plain[key] = _plain(part)
    return plain


def _statement(value: Any) -> dict[str, Any] | None:
    """The schema of a condition, which stands wherever there is one."""
    if isinstance(value, dict):
        if {"$ref": "#/$defs/AllOf"} in value.get("anyOf", ()):
            return {"anyOf": value["anyOf"]}
        value = list(value.values())
    if isinstance(value, list):
        return next((found for part in value if (found := _statement(part))), None)
    return None


def _refer(value: Any, statement: dict[str, Any]) -> Any:
    """With a reference wherever a condition stood."""
    if isinstance(value, list):
        return [_refer(part, statement) for part in value]
    if not isinstance(value, dict):
        return value
    if value.get("anyOf") == statement["anyOf"]:
        return {"$ref": "#/$defs/Statement"}
    return {key: _refer(part, statement) for key, part in value.items()}
