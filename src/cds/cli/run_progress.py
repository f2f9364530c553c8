"""How a run over a population shows how far it is: a bar on a terminal, else a line a minute."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cds.cli.console import err
from cds.population.run import RunProgress

EVERY = 60.0  # seconds between lines where nobody watches a bar


@contextmanager
def shown_progress() -> Iterator[RunProgress]:
    """What a run is told to say; patients a second and lines not read, never an id."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal) as bar:
        task = bar.add_task("reading", total=None)
        began = last = time.monotonic()

        def say(stage: str, done: int, of: int, patients: int, not_read: int) -> None:
            nonlocal last
            now = time.monotonic()
            rate = f", {patients / (now - began):,.0f}/s" if patients and now > began else ""
            told = stage if stage == "sorting" else f"{stage}: {patients:,} patients{rate}, {not_read} lines not read"
            bar.update(task, description=told, completed=done, total=of or None)
            if not err.is_terminal and now - last >= EVERY:
                last = now
                err.print(f"{told}; {100 * done // (of or 1)} %")

        yield RunProgress(say)
