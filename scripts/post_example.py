"""Post a CDS Hooks request to a running service and print the cards as a clinician would read them."""

from __future__ import annotations

import json
import re
import sys
import time
import urllib.error
import urllib.request
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.panel import Panel

COLOURS = {"info": "blue", "warning": "yellow", "critical": "red"}
PATIENCE_SECONDS = 60
DAY = re.compile(r"\b20\d\d-\d\d-\d\d\b")


def moved(example: Path) -> dict[str, Any]:
    """A request of an example, moved in time so that the day it is meant for is today: its scores stay fresh."""
    meant_for = date.fromisoformat((example.parents[1] / "today.txt").read_text(encoding="utf-8").strip())
    past = date.today() - meant_for  # noqa: DTZ011 (the server's)
    text = example.read_text(encoding="utf-8")
    request: dict[str, Any] = json.loads(DAY.sub(lambda day: (date.fromisoformat(day[0]) + past).isoformat(), text))
    return request


def wait_for(url: str) -> None:
    """Return as soon as the service answers; exit with a message when it does not within a minute."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    sys.exit(f"The service at {url} did not answer within {PATIENCE_SECONDS} seconds; see its messages above.")


def main(url: str, example: Path) -> None:
    """Post the example to the service its hook belongs to, and print what comes back."""
    wait_for(url)
    asked = moved(example)
    body = json.dumps(asked).encode()
    hook = asked["hook"]
    with urllib.request.urlopen(f"{url}/cds-services", timeout=10) as answer:
        services = json.load(answer)["services"]
    service = next(service["id"] for service in services if service["hook"] == hook)
    request = urllib.request.Request(
        f"{url}/cds-services/{service}", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        cards = json.load(answer)["cards"]
    console = Console()
    console.print(f"\n[bold]POST /cds-services/{service}[/bold] with {example}, moved to today: {len(cards)} card(s)\n")
    for card in cards:
        colour = COLOURS[card["indicator"]]
        console.print(
            Panel(
                Markdown(card.get("detail", "")),
                title=f"[bold {colour}]{card['indicator'].upper()}[/] {card['summary']}",
                subtitle=card["source"]["label"],
                border_style=colour,
            )
        )
        for suggestion in card.get("suggestions", []):
            console.print(f"  [ {suggestion['label']} ]", markup=False)
        for link in card.get("links", []):
            console.print(f"  {link['label']}: {link['url']}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
