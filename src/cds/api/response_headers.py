"""What every answer bears: an id that log lines share, and headers that keep it out of caches and on HTTPS."""

from __future__ import annotations

import re
import uuid
from contextvars import ContextVar
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = "X-Request-Id"
PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")
HSTS = "max-age=31536000"  # a year, in seconds (RFC 6797)
DEFAULTS = {
    # Set unless an answer says something else: cards and errors hold health information (RFC 9111 §5.2.2.5).
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_CURRENT: ContextVar[str] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """The id of the request that is being answered here; "" outside of one. Log lines of one request share it."""
    return _CURRENT.get()


class ResponseHeaders:
    """
    Gives every request an id, and every answer its headers.

    A client's or proxy's own X-Request-Id is taken over where it is plain; any other is replaced.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self.app = app
        self._headers = DEFAULTS | ({"Strict-Transport-Security": HSTS} if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        identity = _sent(scope) or uuid.uuid4().hex
        token = _CURRENT.set(identity)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers[REQUEST_ID] = identity
            await send(message)

        try:
            await self.app(scope, receive, with_headers)
        finally:
            _CURRENT.reset(token)


def _sent(scope: Scope) -> str:
    """The id the request came with; "" for none, several, or one that is not plain."""
    headers: list[Any] = scope["headers"]
    found = [value.decode("latin-1") for name, value in headers if name == b"x-request-id"]
    return found[0] if len(found) == 1 and PLAIN.fullmatch(found[0]) else ""
