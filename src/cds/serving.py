"""Environment → the web application as server programs load it: each of our workers, or granian."""

from __future__ import annotations

import logging

from fastapi import FastAPI

from cds.app import create_app
from cds.configuration import SettingsError, configure
from cds.journal.journal import journal_from
from cds.settings import Settings

# Below this level these write addresses (and with them patient ids), headers, PKCE verifiers, tokens or statements.
SECRETIVE = ("httpx", "httpx2", "httpcore", "httpcore2", "authlib", "sqlalchemy", "psycopg", "python_multipart")


def served() -> FastAPI:
    """
    The web application with its journal and log.

    Raises:
        SystemExit: Settings are wrong; its text is a line for each.
        ValueError: CDS_JOURNAL names neither a path nor a PostgreSQL database.
        RulesError, UnsafeSettingsError: As `create_app`.
    """
    try:
        settings = configure().settings
    except SettingsError as wrong:
        raise SystemExit(str(wrong)) from None
    log_by(settings)
    return create_app(settings, journal=journal_from(settings))


def log_by(settings: Settings) -> None:
    """Write the log to stderr, as much as the settings say; of libraries that log secrets, warnings only."""
    for name in SECRETIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
