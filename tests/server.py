"""The real service on a free port, in a thread of its own, with its clock set."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from unittest.mock import Mock, patch
from urllib.parse import urlsplit

import httpx
import uvicorn
from fastapi import FastAPI

from cds.api.http_protocol import BoundedProtocol
from cds.app import create_app
from cds.decide import Ruleset
from cds.journal.journal import Journal
from cds.settings import Settings
from tests import shipped

ROOT = shipped.ROOT
TODAY = shipped.TODAY
READS_RULES = {"tenants", "rules", "engine", "show_definitions", "review_grace_days"}
"""Settings, given or in the environment, with which a service reads its own rules; else it gets the shared ones."""
NO_COLLECTOR = Mock(get_threshold=tuple)
"""In place of the garbage collector at start and end of a server: it would go through all tests, a second each time."""

_APPS: dict[int, FastAPI] = {}


@contextmanager
def serving(
    rules: Ruleset | None = None,
    today: date = TODAY,
    journal: Journal | None = None,
    *,
    sign_in: bool = True,
    **settings: Any,
) -> Iterator[httpx.Client]:
    # The port is kept from the start: while rules are loaded, somebody else could take a free one.
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    given = Settings(port=port, **settings)
    if rules is None and not READS_RULES & given.model_fields_set:
        rules = shipped.shipped_rules()
    app = create_app(given, rules=rules, clock=lambda: today, journal=journal)
    _APPS[port] = app
    server = uvicorn.Server(uvicorn.Config(app, http=BoundedProtocol, ws="none", log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, args=([taken],), daemon=True)
    with patch("cds.app.gc", NO_COLLECTOR):
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            if settings.get("console") and not settings.get("oidc_issuer") and sign_in:
                assert client.get(console_link(port)).status_code == 303
            yield client
    finally:
        server.should_exit = True
        with patch("cds.app.gc", NO_COLLECTOR):
            thread.join()
        taken.close()
        del _APPS[port]


def console_link(port: int) -> str:
    """What lets a browser into the console of the server at this port, once."""
    link = urlsplit(_APPS[port].state.console_link())
    return f"http://127.0.0.1:{port}{link.path}?{link.query}"
