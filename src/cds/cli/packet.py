"""cds packet: the evidence packet of a patient in a file."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cds.cli.console import PROBLEMS, RulesFolder, Today, day_of
from cds.cli.files import bodies_of, decisions_of, rules_in
from cds.cli.printing import print_refusal
from cds.errors import NoPageError, RequestError


class PacketFormat(StrEnum):
    """How a packet is written."""

    HTML = "html"
    JSON = "json"
    FHIR = "fhir"


def packet_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Bundle or CDS Hooks request.")],
    payer: Annotated[
        str, typer.Option("--payer", help="Id of the payer's definition; none: a letter of medical necessity.")
    ] = "",
    written: Annotated[PacketFormat, typer.Option("--format", help="A page to print, JSON, or a FHIR document.")] = (
        PacketFormat.HTML
    ),
    today: Today = None,
    rules: RulesFolder = None,
) -> None:
    """
    Lay out what the record shows for a payer, or for a letter of medical necessity; each line with what shows it.

    [bold]Example:[/bold] cds packet fhir_examples/01-two-failed-trials/request.json --payer payer-cigna > packet.html
    [bold]Example:[/bold] cds packet fhir_examples/bundle.json --format fhir
    """
    from cds.explanation.packet import packet  # noqa: PLC0415 (not needed by the other commands)
    from cds.explanation.packet_document import packet_as_document  # noqa: PLC0415
    from cds.web.packet_pages import chosen_of, packet_page, packet_text  # noqa: PLC0415

    day = day_of(today)
    loaded = rules_in(rules, day, (payer,) if payer else ())
    try:
        form, chosen = chosen_of(loaded, payer)
    except NoPageError as wrong:
        raise typer.BadParameter(f"{wrong.what}. {wrong.fix}.", param_hint="--payer") from None
    ((name, body),) = bodies_of([file])
    ((_, result),) = decisions_of([file], loaded, day, None)
    if isinstance(result, RequestError):
        print_refusal(name, result)
        raise typer.Exit(PROBLEMS)
    made = packet(loaded, result, form, chosen)
    if written is PacketFormat.HTML:
        sys.stdout.write(packet_page(made, form, loaded.program.words))
    elif written is PacketFormat.JSON:
        sys.stdout.write(packet_text(made, loaded.program.words).decode())
    else:
        document = packet_as_document(made, form, loaded.program.words, body, datetime.now(UTC))
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")
