"""
Write the cards each example brings today beside its request, so that a change of wording is one command and one diff.

Read that diff as a clinician would: a card that appears, goes or changes is a change for patients.
"""

from __future__ import annotations

import asyncio
import json
from datetime import date
from pathlib import Path
from typing import Any

import httpx

from cds.app import create_app
from cds.settings import Settings

EXAMPLES = Path(__file__).parents[1] / "fhir_examples"


def without_uuids(value: Any) -> Any:
    """The same answer without what differs each time."""
    if isinstance(value, dict):
        return {key: without_uuids(member) for key, member in value.items() if key != "uuid"}
    return [without_uuids(item) for item in value] if isinstance(value, list) else value


async def main() -> None:
    """Ask the service for every example, on the day the examples are decided for."""
    today = date.fromisoformat((EXAMPLES / "today.txt").read_text(encoding="utf-8").strip())
    app = create_app(Settings(), clock=lambda: today)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://examples") as client:
        services = (await client.get("/cds-services")).json()["services"]
        of_hook = {service["hook"]: service["id"] for service in reversed(services)}
        for request in sorted(EXAMPLES.glob("*/request.json")):
            body = request.read_bytes()
            answer = await client.post(f"/cds-services/{of_hook[json.loads(body)['hook']]}", content=body)
            cards = json.dumps(without_uuids(answer.raise_for_status().json()), indent=2, ensure_ascii=False)
            (request.parent / "cards.json").write_text(cards + "\n", encoding="utf-8")


asyncio.run(main())
