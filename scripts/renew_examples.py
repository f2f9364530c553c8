"""
Write the cards each example brings today beside its request, and the page that shows some of them to clinicians.

A change of wording is then one command and one diff. Read that diff as a clinician would: a card that appears, goes or
changes is a change for patients.
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
PAGE = EXAMPLES.parent / "docs" / "clinicians" / "cards.md"
SHOWN = (
    "01-two-failed-trials",
    "10-repaired-aneurysm",
    "11-high-blood-pressure",
    "12-allergies-not-sent",
    "13-thoughts-of-self-harm",
    "18-already-on-esketamine",
    "19-four-weeks-only",
    "25-opioid-and-benzodiazepine",
    "29-suicidal-plan-one-trial",
    "31-third-antidepressant-ordered",
)
BEFORE = """# Cards, as they read

Invented patients of [fhir_examples](../../fhir_examples/README.md) and the cards they bring, word for word.
`make examples` writes this page; a test holds it true.
"""


def without_uuids(value: Any) -> Any:
    """The same answer without what differs each time."""
    if isinstance(value, dict):
        return {key: without_uuids(member) for key, member in value.items() if key != "uuid"}
    return [without_uuids(item) for item in value] if isinstance(value, list) else value


def page() -> str:
    """The page: each patient in their own words, then what comes back."""
    return BEFORE + "".join(f"\n{_example(EXAMPLES / name)}\n" for name in SHOWN)


def _example(folder: Path) -> str:
    readme = (folder / "README.md").read_text(encoding="utf-8")
    title, _, rest = readme.partition("\n")
    who = rest.strip().split("\n\n")[1]
    cards = json.loads((folder / "cards.json").read_text(encoding="utf-8"))["cards"]
    shown = "".join(_card(card) for card in cards) or "\n\nNo card: there is nothing to say."
    return f"#{title}\n\n{who}{shown}"


def _card(card: Any) -> str:
    """Indicator, summary, detail and what can be accepted, set off as a quotation."""
    lines = [f"**{card['indicator'].upper()}: {card['summary']}**", "", *card["detail"].splitlines()]
    lines += [f"\n▸ {suggestion['label']}" for suggestion in card.get("suggestions", [])]
    text = "\n".join(lines).split("\n")
    return "\n\n" + "\n".join(f"> {line}".rstrip() for line in text)


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
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
