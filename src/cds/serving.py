"""Environment → the web application as server programs load it: each of our workers, or granian."""

from __future__ import annotations

import logging

from fastapi import FastAPI

from cds.app import create_app
from cds.journal.journal import journal_from
from cds.settings import Settings


def served() -> FastAPI:
    """
    The web application with its journal and log.

    Raises:
        ValueError: CDS_JOURNAL names neither a path nor a PostgreSQL database.
        RulesAreWrong, NotSafe: As `create_app`.
    """
    settings = Settings()
    log_by(settings)
    return create_app(settings, journal=journal_from(settings))


def log_by(settings: Settings) -> None:
    """Write the log to stderr, as much as the settings say."""
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
