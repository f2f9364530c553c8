"""GET / and GET /docs: where a newcomer goes from here, and every address with what it takes and gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from cds import __version__
from cds.locale.catalog import ENGLISH_CATALOG
from cds.locale.sentence import say
from cds.web.page import Pages
from cds.web.page_words import LOCALE

DISCOVERY = {
    "service": "Thirdline",
    "version": __version__,
    "discovery": "/cds-services",
    "attributes": "/source-attributes",
    "evaluate": "/evaluate",
    "health": "/health",
    "description": "/openapi.json",
    "docs": "/docs",
}
HTML = "text/html"


@dataclass(frozen=True, slots=True)
class Operation:
    """
    One address and method, as the page shows it.

    Attributes:
        method, path: What is asked for.
        summary: What it is for.
        parameters: Name and where it stands (path or query) of each.
        takes, gives: Members of the body and of the answer, with what each is.
    """

    method: str
    path: str
    summary: str
    parameters: tuple[tuple[str, str], ...]
    takes: tuple[tuple[str, str], ...]
    gives: tuple[tuple[str, str], ...]

    @property
    def anchor(self) -> str:
        """Its id on the page."""
        return f"{self.method}-{self.path.strip('/').replace('/', '-').replace('{', '').replace('}', '') or 'start'}"


def start_routes(pages: Pages, *, console: bool) -> APIRouter:
    """
    The first page, and the page of the API.

    Args:
        pages: What renders them.
        console: Whether there is a console to link.
    """
    router = APIRouter()

    @router.head("/", include_in_schema=False)
    @router.get("/")
    async def start(request: Request) -> Response:
        """Where to go from here: a page for a browser, else JSON."""
        if HTML not in request.headers.get("accept", ""):
            return JSONResponse(DISCOVERY, headers={"Vary": "Accept"})
        shown = pages.page("start.html", {"title": say("Start"), "console": console, "address": _address(request)})
        shown.headers["Vary"] = "Accept"
        return shown

    @router.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        """Every address of the API, from /openapi.json, without a script."""
        operations = list(operations_of(request.app.openapi()))
        about = {"title": "API", "operations": operations, "address": _address(request)}
        return pages.page("api.html", about | {LOCALE: ENGLISH_CATALOG})  # as its descriptions are

    return router


def operations_of(described: Mapping[str, Any]) -> Iterator[Operation]:
    """What an OpenAPI description holds, in its order."""
    for path, methods in described["paths"].items():
        for method, told in methods.items():
            body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            answer = told["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
            yield Operation(
                method.upper(),
                path,
                told.get("description", "").strip(),
                tuple((one["name"], one["in"]) for one in told.get("parameters", ())),
                tuple(_members(body, described)),
                tuple(_members(answer, described)),
            )


def _members(schema: Mapping[str, Any], described: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and meaning of each member of a body."""
    if "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    required = schema.get("required", ())
    if schema.get("description"):
        yield "", schema["description"]
    for name, member in schema.get("properties", {}).items():
        kind = member.get("type") or ("one of " + ", ".join(map(str, member["enum"])) if "enum" in member else "")
        shown = [kind if isinstance(kind, str) else " or ".join(kind)]
        shown += ["required"] if name in required else []
        shown += [member["description"]] if member.get("description") else []
        yield name, "; ".join(filter(None, shown))


def _address(request: Request) -> str:
    return str(request.base_url).rstrip("/")
