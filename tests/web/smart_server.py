"""An EHR's authorization server beside its FHIR server (SMART App Launch 2.2), and whatever can go wrong with it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode

import uvicorn

JSON = dict[str, Any]
Receive = Callable[[], Awaitable[JSON]]
Send = Callable[[JSON], Awaitable[None]]


@dataclass
class SmartServer:
    """
    What it knows and what it was asked.

    Attributes:
        base: Its own address.
        fhir: Address of the FHIR server whose tokens it gives.
        client_id, secret: The registered app; secret None for a public one.
        patient: Whose chart is open.
        app_context: What the card's link said.
        token: What it gives.
        deny: It refuses with this error.
        response: Members of the token response that are not as they should be; None leaves one out.
        discovery: The same of the discovery document.
        broken: Path → status that is answered instead.
    """

    base: str
    fhir: str
    client_id: str = "thirdline"
    secret: str | None = None
    patient: str = "example"
    app_context: str | None = None
    token: str = "secret-token"  # noqa: S105 (of a test)
    deny: str = ""
    response: JSON = field(default_factory=dict)
    discovery: JSON = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    asked: list[JSON] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    codes: dict[str, JSON] = field(default_factory=dict)

    def configuration(self) -> JSON:
        """What the FHIR server publishes of it."""
        said: JSON = {
            "authorization_endpoint": f"{self.base}/authorize",
            "token_endpoint": f"{self.base}/token",
            "capabilities": ["launch-ehr", "client-public", "context-ehr-patient", "permission-v2"],
            "code_challenge_methods_supported": ["S256"],
            "grant_types_supported": ["authorization_code"],
        } | self.discovery
        return {name: value for name, value in said.items() if value is not None}

    async def __call__(self, scope: JSON, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        body = (await receive()).get("body", b"") if scope["method"] == "POST" else b""
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        given: list[tuple[str, str]] = []
        if path in self.broken:
            status, said = self.broken[path], b"broken"
        elif path == "/authorize":
            status, given, said = self.authorize({k: v[0] for k, v in parse_qs(scope["query_string"].decode()).items()})
        elif path == "/token":
            status, given, said = self.give({k: v[0] for k, v in parse_qs(body.decode()).items()}, headers)
        else:
            status, said = 404, b""
        listed = [(name.encode(), value.encode()) for name, value in given]
        await send({"type": "http.response.start", "status": status, "headers": listed})
        await send({"type": "http.response.body", "body": said})

    def authorize(self, query: JSON) -> tuple[int, list[tuple[str, str]], bytes]:
        """Leave at once: whoever launched is signed in."""
        self.asked.append(query)
        right = {
            "response_type": "code",
            "client_id": self.client_id,
            "aud": self.fhir,
            "code_challenge_method": "S256",
        }
        wrong = [name for name, value in right.items() if query.get(name) != value]
        wrong += [name for name in ("launch", "state", "redirect_uri", "code_challenge") if not query.get(name)]
        if wrong or "launch" not in query.get("scope", "").split():
            self.refused.append(f"authorize: {wrong}")
            return 400, [], json.dumps(wrong).encode()
        if self.deny:
            back = {"error": self.deny, "state": query["state"]}
        else:
            code = secrets.token_urlsafe(8)
            self.codes[code] = query
            back = {"code": code, "state": query["state"]}
        return 302, [("location", f"{query['redirect_uri']}?{urlencode(back)}")], b""

    def give(self, form: JSON, headers: dict[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
        """A token for a code, once, to the app that asked, with the verifier of its challenge."""
        query = self.codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        basic = base64.b64decode(headers.get("authorization", "").removeprefix("Basic ")).decode()
        name, _, secret = basic.partition(":")
        known = form.get("client_id") == self.client_id
        if self.secret is not None:  # RFC 6749 §2.3.1: both are form-encoded
            known = (unquote_plus(name), unquote_plus(secret)) == (self.client_id, self.secret)
        if (
            query is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != query["redirect_uri"]
            or challenge != query["code_challenge"]
            or not known
        ):
            self.refused.append("token")
            return 400, [], b'{"error": "invalid_grant"}'
        said = {
            "access_token": self.token,
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": query["scope"],
            "patient": self.patient,
            "appContext": self.app_context,
        } | self.response
        given = {name: value for name, value in said.items() if value is not None}
        return 200, [("content-type", "application/json")], json.dumps(given).encode()


@contextmanager
def smart_server(fhir: str, **settings: Any) -> Iterator[SmartServer]:
    """A running server on a port of its own."""
    taken = socket.create_server(("127.0.0.1", 0))
    held = SmartServer(base=f"http://127.0.0.1:{taken.getsockname()[1]}", fhir=fhir, **settings)
    server = uvicorn.Server(uvicorn.Config(held, log_config=None, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([taken],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.005)
    try:
        yield held
    finally:
        server.should_exit = True
        thread.join()
        taken.close()
