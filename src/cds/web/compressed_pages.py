"""Pages and their files go out compressed to who takes that; answers for programs do not."""

from __future__ import annotations

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

AT_LEAST = 1_000  # bytes; less gains nothing
# Not the console: its pages hold secrets of a session next to what a user typed, which compression would let a
# stranger on the network guess at (BREACH).
PATHS = ("/decisions/", "/static/", "/docs")


class CompressedPages:
    """Compresses what stands under `PATHS`."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressed = GZipMiddleware(app, minimum_size=AT_LEAST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        page = scope["type"] == "http" and scope["path"].startswith(PATHS)
        await (self._compressed if page else self._plain)(scope, receive, send)
