"""A FHIR R4 server over HTTP, in a thread of its own: searches, pages, and whatever can go wrong with either."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import uvicorn

JSON = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """One answer in place of the right one; `says` is a Content-Length that is not the body's."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    says: int | None = None
    after: float = 0.0


@dataclass(frozen=True)
class Seen:
    """One request that came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes = b""

    @property
    def kind(self) -> str:
        return self.query["_getpages"][0] if "_getpages" in self.query else self.path.split("/")[2]


@dataclass
class FhirServer:
    """
    What it holds and what it was asked.

    Attributes:
        resources: Of any patients.
        instead: FHIR type → answers given in place of the right one, one after another, the last for good; None is
            the right one.
        page_size: Entries of one page.
        together: Nobody is answered before this many requests have come.
        no_include: It refuses `_include`.
        late: Seconds that it waits after it created something, before it says so.
        needs_intent: MedicationRequest is searched with an intent only, and nothing is sorted (US Core).
    """

    base: str = ""
    resources: list[JSON] = field(default_factory=list)
    instead: dict[str, list[Answer | None]] = field(default_factory=dict)
    page_size: int = 1000
    together: int = 1
    needs_intent: bool = False
    no_include: bool = False
    late: float = 0.0
    next_base: str = ""
    seen: list[Seen] = field(default_factory=list)

    def asked(self, kind: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.kind == kind]

    def right_patient(self, identity: str) -> JSON:
        (found,) = (r for r in self.resources if (r["resourceType"], r["id"]) == ("Patient", identity))
        return found

    async def __call__(
        self, scope: JSON, receive: Callable[[], Awaitable[JSON]], send: Callable[[JSON], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            return
        query = parse_qs(scope["query_string"].decode(), keep_blank_values=True)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = (await receive()).get("body", b"") if scope["method"] == "POST" else b""
        seen = Seen(scope["method"], scope["path"], query, headers, body)
        self.seen.append(seen)
        while len(self.seen) < self.together:
            await asyncio.sleep(0.005)
        listed = self.instead.get(seen.kind, [])
        answer = (listed.pop(0) if len(listed) > 1 else listed[0]) if listed else None
        if answer is None and seen.method == "POST":
            answer = self.create(seen)
        if answer is None:
            status, resource = self.right(seen)
            answer = Answer(status, json.dumps(resource).encode())
        await asyncio.sleep(answer.after)
        length = len(answer.body) if answer.says is None else answer.says
        given = [("content-type", "application/fhir+json"), ("content-length", str(length)), *answer.headers]
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(name.encode(), value.encode()) for name, value in given],
            }
        )
        await send({"type": "http.response.body", "body": answer.body})

    def create(self, seen: Seen) -> Answer:
        """A conditional create (FHIR R4 §3.1.0.8.1): by the identifier of If-None-Exist."""
        made: JSON = json.loads(seen.body)
        system, _, value = parse_qs(seen.headers["if-none-exist"])["identifier"][0].partition("|")
        listed = [r for r in self.resources if r["resourceType"] == seen.kind]
        found = [r for r in listed if r.get("identifier") == {"system": system, "value": value}]
        one = found[0] if found else made | {"id": f"saved-{len(listed) + 1}"}
        if not found:
            self.resources.append(one)
        where = f"{self.base}/{seen.kind}/{one['id']}/_history/1"
        return Answer(200 if found else 201, headers=(("location", where),), after=self.late)

    def right(self, seen: Seen) -> tuple[int, JSON]:
        kind, parts = seen.kind, seen.path.split("/")
        of_kind = [resource for resource in self.resources if resource["resourceType"] == kind]
        if "_getpages" not in seen.query and len(parts) > 3:
            found = [resource for resource in of_kind if resource["id"] == parts[3]]
            return (200, found[0]) if found else (404, {"resourceType": "OperationOutcome", "issue": []})
        if self.no_include and "_include" in seen.query:
            return 400, {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid"}]}
        if self.needs_intent and "_getpages" not in seen.query:
            without = kind == "MedicationRequest" and "intent" not in seen.query
            if without or "_sort" in seen.query:
                return 400, {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "required"}]}
        matches = [resource for resource in of_kind if matching(resource, seen.query)]
        offset = int(seen.query.get("_offset", ["0"])[0])
        bundle: JSON = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(matches),
            "link": [],
            "entry": [{"resource": resource} for resource in matches[offset : offset + self.page_size]],
        }
        if "_include" in seen.query:
            bundle["entry"] += [
                {"resource": resource, "search": {"mode": "include"}}
                for resource in self.resources
                if resource["resourceType"] == "Medication"
            ]
        if offset + self.page_size < len(matches):
            carried = "&".join(f"{name}={value[0]}" for name, value in seen.query.items() if name in {"patient"})
            after = f"_getpages={kind}&_offset={offset + self.page_size}&{carried}"
            bundle["link"].append({"relation": "next", "url": f"{self.next_base or self.base}?{after}"})
        return 200, bundle


def matching(resource: JSON, query: dict[str, list[str]]) -> bool:
    subject = resource.get("subject") or resource.get("patient") or {}
    codes = {coding["code"] for coding in resource.get("code", {}).get("coding", [])}
    asked = {token.split("|")[-1] for token in query["code"][0].split(",")} if "code" in query else None
    categories = {coding["code"] for concept in resource.get("category", []) for coding in concept.get("coding", [])}
    of_category = "category" not in query or query["category"][0] in categories
    of_code = asked is None or bool(asked & codes)
    return subject.get("reference") == f"Patient/{query['patient'][0]}" and of_code and of_category


def resources_in(prefetch: JSON) -> list[JSON]:
    """Every resource of a prefetch."""
    found: list[JSON] = []
    for value in prefetch.values():
        inside: Iterable[JSON] = (entry["resource"] for entry in value.get("entry", []))
        found.extend(inside if value["resourceType"] == "Bundle" else [value])
    return found


@contextmanager
def fhir_server(certificate: Path | None = None, **settings: Any) -> Iterator[FhirServer]:
    """A running server; over TLS with a certificate, whose file also holds its key."""
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    held = FhirServer(base=f"http{'s' if certificate else ''}://127.0.0.1:{port}/fhir", **settings)
    server = uvicorn.Server(
        uvicorn.Config(held, log_config=None, log_level="critical", lifespan="off", ssl_certfile=certificate)
    )
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
