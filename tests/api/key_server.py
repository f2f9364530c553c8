"""A JWK set over HTTP, in a thread of its own."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from tests.fhir_server import Answer

JSON = dict[str, Any]


@dataclass
class KeyServer:
    """What it answers, and how often it was asked; `instead` is an answer in place of the keys."""

    url: str
    answer: JSON
    instead: Answer | None = None
    asked: int = field(default=0)

    async def __call__(
        self, scope: JSON, receive: Callable[[], Awaitable[JSON]], send: Callable[[JSON], Awaitable[None]]
    ) -> None:
        self.asked += 1
        answer = self.instead or Answer(200, json.dumps(self.answer).encode())
        headers = [(name.encode(), value.encode()) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


@contextmanager
def key_server(answer: JSON) -> Iterator[KeyServer]:
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    held = KeyServer(f"http://127.0.0.1:{port}/.well-known/jwks.json", answer)
    server = uvicorn.Server(uvicorn.Config(held, log_config=None, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([taken],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.005)
    try:
        yield held
    finally:
        server.should_exit = server.force_exit = True
        thread.join()
        taken.close()
