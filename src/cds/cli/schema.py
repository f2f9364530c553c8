"""cds schema: the JSON Schemas of the file formats."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cds.authoring.testing import cases
from cds.rulebook.format import packet as packet_format
from cds.rulebook.format import reading as reading_format
from cds.rulebook.format import review as review_format
from cds.rulebook.format import rule_file as rule_format
from cds.rulebook.format import site as site_format
from cds.rulebook.format import vocabulary as vocabulary_format
from cds.rulebook.format import wording as wording_format
from cds.rulebook.json_schema import schema_text

SCHEMAS = (
    rule_format.SCHEMAS
    | reading_format.SCHEMAS
    | review_format.SCHEMAS
    | packet_format.SCHEMAS
    | site_format.SCHEMAS
    | vocabulary_format.SCHEMAS
    | wording_format.SCHEMAS
    | cases.SCHEMAS
)


def schema(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(SCHEMAS)}.")] = "rules.schema.json",
) -> None:
    """
    Print the JSON Schema of the rule-file format, for editors.

    [bold]Example:[/bold] cds schema rules.schema.json
    """
    if name not in SCHEMAS:
        raise typer.BadParameter(f"there is {', '.join(SCHEMAS)}.", param_hint="NAME")
    sys.stdout.write(schema_text(name, SCHEMAS[name]))
