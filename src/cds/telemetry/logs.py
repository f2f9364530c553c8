"""Log lines as text or JSON on stderr, each with the request it belongs to."""

from __future__ import annotations

import logging
import sys

import structlog

from cds.settings import Settings

NOISY = {"alembic.runtime.plugins": logging.WARNING}


# Below this level these write addresses (and with them patient ids), headers, PKCE verifiers, tokens or statements.
SECRETIVE = ("httpx", "httpx2", "httpcore", "httpcore2", "authlib", "sqlalchemy", "psycopg", "python_multipart")


def log_by(settings: Settings) -> None:
    """Write the log to stderr, in the form and as much as the settings say; of libraries that log secrets, warnings."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=("endpoint", "status", "ms")),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,  # plain: nothing prints the values of variables
    ]
    rendering: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), pad_event_to=0, timestamp_key="time",
            exception_formatter=structlog.dev.plain_traceback,
        )
    )  # fmt: skip
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, rendering],
        )
    )
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    for name, level in (NOISY | dict.fromkeys(SECRETIVE, logging.WARNING)).items():
        logging.getLogger(name).setLevel(level)
