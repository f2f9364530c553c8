"""Template + values → an HTML page under a strict Content-Security-Policy; and the files pages load."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.runtime import Context

from cds import __version__
from cds.api.error_responses import status_of
from cds.decide import Decision, Ruleset
from cds.engine.explain import UNITS
from cds.errors import NoPageError, RequestError
from cds.explanation.explanation import plain_conclusions
from cds.locale.catalog import ENGLISH_CATALOG, Catalog
from cds.locale.sentence import say
from cds.logic.truth import Truth
from cds.web import page_words

STATIC = Path(__file__).parent / "static"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
SIGNS = {Truth.TRUE.value: say("yes"), Truth.FALSE.value: say("no"), Truth.UNKNOWN.value: say("unknown")}
MOST_ENTRIES = 6  # of what a criterion rests on; the timeline and the chart hold them all
MOST_ISSUES = 50  # remarks about the data
OF_A_PAGE = "of_a_page"
HTMX = "hx-request"  # the header by which htmx asks for a piece of a page
_MADE: ContextVar[list[PageContext] | None] = ContextVar("contexts", default=None)
FOREVER = "public, max-age=31536000, immutable"  # the address of a file holds its digest


def headers(frame_ancestors: tuple[str, ...] = (), referrer: str = "no-referrer") -> dict[str, str]:
    """
    Headers of every page: nothing from elsewhere, no inline script or style, no trace in caches and referrers.

    Args:
        frame_ancestors: Origins that may show a page in a frame; none: no frame at all.
        referrer: Who may learn the address of a page. With no-referrer a browser does not say either which page a
            form was sent by.
    """
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": " ".join(frame_ancestors) or "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cache-Control": "no-store",
        "Referrer-Policy": referrer,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


OWN_ADDRESS = re.compile(r'((?<=\s)(?:href|src|action|hx-get|hx-post)=")/(?!/)')


class PageContext(Context):
    """The names of a template while it is filled, known to `_contexts_cleared`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        made = _MADE.get()
        if made is not None and OF_A_PAGE in self.parent:  # not one that Jinja keeps for all pages
            made.append(self)


@contextmanager
def _contexts_cleared() -> Iterator[None]:
    """Empty what templates were filled from: a macro and its context hold each other until the garbage is collected."""
    made: list[PageContext] = []
    token = _MADE.set(made)
    try:
        yield
    finally:
        _MADE.reset(token)
        for context in made:
            context.parent.clear()
            context.vars.clear()


@cache
def environment() -> Environment:
    """The templates, with everything escaped; a name nobody gave is an error."""
    made = Environment(
        loader=PackageLoader("cds.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.context_class = PageContext
    page_words.install(made)
    made.filters.update(span=span, unit=unit)
    made.globals.update(
        asset=asset, version=__version__, signs=SIGNS, most_entries=MOST_ENTRIES, most_issues=MOST_ISSUES
    )
    return made


class Pages:
    """
    Renders pages.

    Attributes:
        frame_ancestors: Origins that may show them in a frame.
        referrer: Who may learn their addresses.
        words: The language of pages that no rules make: the first page, and those that say why there is none.
        below: The path of another site that this service is below, "" for none; links of pages begin with it.
    """

    def __init__(
        self,
        frame_ancestors: tuple[str, ...] = (),
        referrer: str = "no-referrer",
        *,
        below: str = "",
        words: Callable[[], Catalog] = lambda: ENGLISH_CATALOG,
    ) -> None:
        self._headers = headers(frame_ancestors, referrer)
        self._below = below
        self._words = words

    def page(self, template: str, values: Mapping[str, Any], status: int = 200) -> HTMLResponse:
        """A template filled, in the language of `locale` where that is a value, else of the service; all is escaped."""
        with _contexts_cleared():
            named = {page_words.LOCALE: self._words(), OF_A_PAGE: True}
            text = environment().get_template(template).render(named | dict(values))
        if self._below:  # text of a chart has no quotes left by now, so that only our own links are found
            text = OWN_ADDRESS.sub(rf"\g<1>{self._below}/", text)
        return HTMLResponse(text, status_code=status, headers=self._headers)

    def nothing(self, status: int, what: str, fix: str) -> HTMLResponse:
        """A page that says why there is none, and what to do, in the language of the service."""
        return self.page("nothing.html", {"title": what, "fix": fix}, status)


def page_route(pages: Pages) -> type[APIRoute]:
    """Routes whose refusals are pages, too: a person reads them."""

    class PageRoute(APIRoute):
        """A route that answers people."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            """The handler, with its refusals as pages."""
            handler = super().get_route_handler()

            async def answered(request: Request) -> Response:
                try:
                    return await handler(request)
                except RequestError as refusal:
                    return pages.nothing(status_of(refusal), refusal.what, refusal.fix)

            return answered

    return PageRoute


def span(ends: tuple[float | None, float | None], unit: str) -> str:
    """A number known as a range, in words: "150 mg/day", "100 to 150 mg/day", "at least 100 mg/day"."""
    low, high = ends
    if low is None and high is None:
        return say("not recorded")
    if high is None:
        return say("at least {amount}", amount=f"{low:g} {unit}".rstrip()) if low else say("not recorded")
    if low is None:
        return say("up to {amount}", amount=f"{high:g} {unit}".rstrip())
    if low == high:
        return f"{low:g} {unit}".rstrip()
    return say("{low} to {high}", low=f"{low:g}", high=f"{high:g} {unit}".rstrip())


def unit(code: str) -> str:
    """A UCUM unit as people write it; nothing for an annotation such as {score}."""
    return "" if code.startswith("{") else UNITS.get(code, code)


def differences(was: Mapping[str, str], made: Decision, rules: Ruleset) -> list[str]:
    """Conclusions that these rules answer differently than a receipt says, each with both answers."""
    heads = rules.program.heads
    return [
        say(
            "{label} (was {before}, is {now})",
            label=heads[name].label,
            before=SIGNS.get(before, say("not asked")),
            now=SIGNS[made.truths[name].value],
        )
        for name in plain_conclusions(rules.program)
        if (before := was.get(name, "")) != made.truths[name].value
    ]


@cache
def _files() -> dict[str, tuple[bytes, str, str]]:
    """Name → content, media type and digest."""
    found = {}
    for path in sorted(STATIC.iterdir()):
        if path.suffix in KINDS:
            content = path.read_bytes()
            found[path.name] = content, KINDS[path.suffix], hashlib.sha256(content).hexdigest()[:16]
    return found


def asset(name: str) -> str:
    """The address of a file that pages load; it changes with the file."""
    return f"/static/{_files()[name][2]}/{name}"


def static_routes() -> APIRouter:
    """GET /static/{digest}/{name}."""
    router = APIRouter(include_in_schema=False)

    @router.get("/static/{digest}/{name}")
    async def file(digest: str, name: str) -> Response:
        content, kind, right = _files().get(name, (b"", "", ""))
        if not right or digest != right:
            raise NoPageError("There is no such file", fix="Load the page again")
        return Response(
            content, media_type=kind, headers={"Cache-Control": FOREVER, "X-Content-Type-Options": "nosniff"}
        )

    return router
