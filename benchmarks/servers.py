"""Applications that the benchmark serves: the floors, and ours with its clock set. Settings come by environment."""

from __future__ import annotations

import gc
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response

from benchmarks.workload import TODAY, card

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
RULES = "CDS_RULES"


def settle() -> None:
    """As our own service does at its start, so that the floors are not measured with the default collector."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


def transport() -> Any:
    """The body is read and a constant card is answered: what a server and the wire cost."""
    answer = orjson.dumps(card("trd"))
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    settle()

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        more = True
        while more:
            more = (await receive()).get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": answer})

    return app


def constant() -> Any:
    """The same with FastAPI and `orjson.loads` of the body: what any such service pays before it decides."""
    app = FastAPI(openapi_url=None)

    async def answer(request: Request) -> Response:
        orjson.loads(await request.body())
        return Response(orjson.dumps(card("trd")), media_type="application/json")

    app.add_api_route("/cds-services/{identity}", answer, methods=["POST"])
    settle()
    return app


def ours() -> Any:
    """The whole service, journal and both opinions, on the day of the workload."""
    import cds.app  # noqa: PLC0415
    from cds.journal.journal import journal_from  # noqa: PLC0415
    from cds.settings import Settings  # noqa: PLC0415

    if design := os.environ.get("BENCH_DESIGN"):
        from benchmarks.designs import DESIGNS  # noqa: PLC0415

        cds.app.Admission = DESIGNS[design]  # type: ignore[attr-defined]
    settings = Settings()
    assert settings.rules == Path(os.environ[RULES])
    return cds.app.create_app(settings, clock=lambda: TODAY, journal=journal_from(settings))
