"""Environment → the web application as server programs load it: each of our workers, or granian."""

from __future__ import annotations

import os

from fastapi import FastAPI

from cds.api.workers import MASTER, end_with
from cds.app import create_app
from cds.configuration import SettingsError, configure
from cds.journal.journal import journal_from
from cds.telemetry.logs import log_by
from cds.telemetry.traces import trace_by


def served() -> FastAPI:
    """
    The web application with its journal and log.

    Raises:
        SystemExit: Settings are wrong; its text is a line for each.
        ValueError: CDS_JOURNAL names neither a path nor a PostgreSQL database.
        RulesError, UnsafeSettingsError: As `create_app`.
    """
    if master := os.environ.get(MASTER):
        end_with(int(master))
    try:
        settings = configure().settings
    except SettingsError as wrong:
        raise SystemExit(str(wrong)) from None
    log_by(settings)
    try:
        trace_by(settings)
    except ValueError as wrong:
        raise SystemExit(str(wrong)) from None
    return create_app(settings, journal=journal_from(settings))
