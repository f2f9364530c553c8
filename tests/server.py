"""The real service on a free port, in a thread of its own, with its clock set."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from cds.api.http_protocol import BoundedProtocol
from cds.app import create_app
from cds.decide import Ruleset
from cds.journal.journal import Journal
from cds.settings import Settings

ROOT = Path(__file__).parents[1]
TODAY = date.fromisoformat((ROOT / "fhir_examples" / "today.txt").read_text().strip())


@contextmanager
def serving(
    rules: Ruleset | None = None, today: date = TODAY, journal: Journal | None = None, **settings: Any
) -> Iterator[httpx.Client]:
    # The port is kept from the start: while rules are loaded, somebody else could take a free one.
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    app = create_app(Settings(port=port, **settings), rules=rules, clock=lambda: today, journal=journal)
    server = uvicorn.Server(uvicorn.Config(app, http=BoundedProtocol, ws="none", log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, args=([taken],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        taken.close()
