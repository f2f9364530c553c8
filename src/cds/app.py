"""Settings + rules → the web application; the one place where parts are wired together."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date

from anyio import to_thread
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from cds import __version__
from cds.decide import Rules
from cds.hooks import refusals
from cds.hooks.feedback import feedback_routes
from cds.hooks.fetch import Fetcher, Limits
from cds.hooks.openapi import ERRORS
from cds.hooks.routes import routes
from cds.journal.journal import Journal
from cds.load import load_rules, opinions_from
from cds.record import units
from cds.settings import Settings

log = logging.getLogger(__name__)
COLLECT_AFTER = 100_000  # allocations between two runs of the garbage collector; the default makes answers uneven


def create_app(
    settings: Settings,
    *,
    rules: Rules | None = None,
    clock: Callable[[], date] = date.today,
    journal: Journal | None = None,
) -> FastAPI:
    """
    The web application; `rules` given are the caller's to close, a `journal` is started and closed with it.

    The settings of the journal are not read here: without one given, nothing is kept and feedback is not taken.

    Raises:
        RulesAreWrong: Rule files hold mistakes; the service must not start.
    """
    made = load_rules(settings.rules, opinions_from(settings.engine), clock()) if rules is None else rules

    fetcher = fetcher_for(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        units.warm()
        if journal is not None:
            journal.start()
        before = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER)
        log.info("rules %s, opinions %s", made.program.version, made.reasoner.opinions.value)
        yield
        gc.set_threshold(*before)
        gc.unfreeze()
        if fetcher is not None:
            await fetcher.close()
        if journal is not None:
            await to_thread.run_sync(journal.close)
        if rules is None:
            made.reasoner.close()

    app = FastAPI(
        title="Thirdline",
        version=__version__,
        docs_url=None,  # it would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # behind a proxy the redirect would name the wrong address
        lifespan=lifespan,
        responses=ERRORS,
    )
    refusals.register(app)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    app.include_router(routes(made, settings, clock, fetcher, journal))
    app.include_router(feedback_routes(made, settings, journal))
    return app


def fetcher_for(settings: Settings) -> Fetcher | None:
    """The fetcher, when there are servers it may read from."""
    if not settings.fhir_servers:
        return None
    limits = Limits(
        settings.fetch_seconds, settings.fetch_pages, settings.most_bytes, settings.most_entries, settings.deepest
    )
    return Fetcher(settings.servers, limits)
