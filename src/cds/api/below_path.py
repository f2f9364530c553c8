"""A service below a path of another site: https://hospital.example/cds."""

from __future__ import annotations

import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE_PATH = re.compile(r"(; *path=)(/[^;]+)", re.IGNORECASE)  # "/" alone stays: `__Host-` cookies must have it


class BelowPath:
    """
    Takes the path off what comes in, whether the proxy left it on or not, and puts it onto redirects and cookies.

    What is inside sees the addresses it would see without it; `request.base_url` has the path.
    """

    def __init__(self, app: ASGIApp, *, path: str) -> None:
        self.app = app
        self.path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        asked: str = scope["path"]
        if asked == self.path or asked.startswith(f"{self.path}/"):
            scope = {**scope, "path": asked[len(self.path) :] or "/"}
        scope = {**scope, "root_path": self.path}

        async def with_path(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                location = headers.get("location", "")
                if location.startswith("/") and not location.startswith("//"):
                    headers["location"] = self.path + location
                cookies = headers.getlist("set-cookie")
                if cookies:
                    del headers["set-cookie"]
                for cookie in cookies:
                    headers.append("set-cookie", COOKIE_PATH.sub(rf"\g<1>{self.path}\g<2>", cookie))
            await send(message)

        await self.app(scope, receive, with_path)
