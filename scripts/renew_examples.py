"""
Write the cards each example brings today beside its request, and the page that shows some of them to clinicians.

A change of wording is then one command and one diff. Read that diff as a clinician would: a card that appears, goes or
changes is a change for patients.
"""

from __future__ import annotations

import asyncio
import json
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from cds.app import create_app
from cds.authoring.testing.budget import MOST_WORDS, WORD
from cds.decide import decide
from cds.engine.evaluator import EvaluatorMode
from cds.read_request import read_record
from cds.ruleset import load_rules
from cds.settings import Settings
from cds.web.explained import explained_values
from cds.web.page import environment

EXAMPLES = Path(__file__).parents[1] / "fhir_examples"
PAGE = EXAMPLES.parent / "docs" / "clinicians" / "cards.md"
READ_ALOUD = PAGE.with_name("cards-read-aloud.md")
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
    return BEFORE + "".join(f"\n{_example(EXAMPLES / name)}\n" for name in SHOWN) + word_counts() + READ


READ = f"""
[What was changed when they were read aloud]({READ_ALOUD.name}).
"""


def word_counts() -> str:
    """How long the cards of all examples are, and the page behind the first of them, beside what they were."""
    counted = [
        (path.parent.name, card["indicator"], len(WORD.findall(card["detail"])), len(WORD.findall(card["summary"])))
        for path in sorted(EXAMPLES.glob("*/cards.json"))
        for card in json.loads(path.read_text(encoding="utf-8"))["cards"]
    ]
    words = [detail for _, _, detail, _ in counted]
    at_once, unfolded = page_words(SHOWN[0])
    rows = "".join(
        f"| {name} | {indicator} | {summary} | {detail} | {MOST_WORDS[indicator]} |\n"
        for name, indicator, detail, summary in counted
    )
    return f"""
## How many words

Words of `detail`, as `cds check` counts them; the budget is its limit. Before they had one, in November 2026, cards of
35 examples had a median of 397 words and at most 607, and the page behind a card had 12,094.

| | before | now |
|---|---|---|
| median of a card | 397 | {median(words):g} |
| longest card | 607 | {max(words)} |
| page behind “{SHOWN[0]}”, all of it unfolded | 12,094 | {unfolded:,} |
| the same page as it opens | 12,094 | {at_once:,} |

| example | indicator | summary | detail | budget |
|---|---|---|---|---|
{rows}"""


class PageText(HTMLParser):
    """The text of a page: all of it, and what is there before anything is unfolded."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[str] = []
        self.at_once: list[str] = []
        self._folded: list[bool] = []
        self._summary = 0
        self._drawing = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enter a part that may be folded, the line that unfolds it, or a drawing, whose words the table repeats."""
        if tag == "details":
            self._folded.append("open" not in dict(attrs))
        self._summary += tag == "summary"
        self._drawing += tag == "svg"

    def handle_endtag(self, tag: str) -> None:
        """Leave it."""
        if tag == "details":
            self._folded.pop()
        self._summary -= tag == "summary"
        self._drawing -= tag == "svg"

    def handle_data(self, data: str) -> None:
        """Keep a text where it is read."""
        if self._drawing:
            return
        self.all.append(data)
        around = self._folded[:-1] if self._summary else self._folded
        if not any(around):
            self.at_once.append(data)


def page_words(name: str) -> tuple[int, int]:
    """Words of the explanation of an example: as the page opens, and with everything unfolded."""
    rules = load_rules(EXAMPLES.parent / "rules", EvaluatorMode.DIRECT, examples_day())
    record, service = read_record((EXAMPLES / name / "request.json").read_bytes(), rules, Settings())
    values = explained_values(rules, decide(rules, record, examples_day(), service), service)
    text = PageText()
    text.feed(environment().get_template("explanation.html").render(values))
    return len(WORD.findall(" ".join(text.at_once))), len(WORD.findall(" ".join(text.all)))


def examples_day() -> date:
    """The day the examples are decided for."""
    return date.fromisoformat((EXAMPLES / "today.txt").read_text(encoding="utf-8").strip())


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
    today = examples_day()
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
