"""Every answer bears an id that log lines share, and stays out of caches."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx
import pytest

from cds.api.response_headers import current_request_id
from cds.settings import Settings
from cds.telemetry.logs import log_by
from tests.server import ROOT, serving

SERVICE = "/cds-services/ketamine-evaluation"
EXAMPLE: dict[str, Any] = json.loads((ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_text())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", SERVICE, 200), ("POST", "/evaluate", 400), ("GET", "/nowhere", 404), ("GET", "/health", 200)],
)
def test_no_answer_is_kept_by_a_cache_or_browser(method: str, path: str, status: int, client: httpx.Client) -> None:
    answer = client.request(method, path, json=EXAMPLE)

    assert answer.status_code == status
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "geolocation=()" in answer.headers["permissions-policy"]
    assert "strict-transport-security" not in answer.headers


@pytest.mark.seconds
def test_a_service_reached_over_https_says_so_for_a_year() -> None:
    with serving(public_url="https://cds.example") as client:
        assert client.get("/health").headers["strict-transport-security"] == "max-age=31536000"


def test_each_answer_has_an_id_of_its_own_or_the_one_it_was_sent(client: httpx.Client) -> None:
    first, second = (client.get("/health").headers["x-request-id"] for _ in range(2))
    sent = client.get("/health", headers={"X-Request-Id": "trace-1.2_3"}).headers["x-request-id"]
    forged = client.get("/health", headers={"X-Request-Id": "a b\tc"}).headers["x-request-id"]

    assert first != second
    assert sent == "trace-1.2_3"
    assert forged not in {"a b\tc", ""}


def test_what_is_logged_for_a_request_knows_its_id(client: httpx.Client) -> None:
    seen: list[str] = []

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(current_request_id())

    logger, handler = logging.getLogger("cds.api.error_responses"), Notes()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        client.post(SERVICE, content=b"{", headers={"X-Request-Id": "the-one"})
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)

    assert seen == ["the-one"]
    assert current_request_id() == ""


def test_libraries_that_log_secrets_are_quiet_even_when_everything_else_is_not() -> None:
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    try:
        log_by(Settings(log_level="debug"))
        for name in ("authlib", "authlib.integrations.base_client.sync_app", "httpx", "httpcore.http11"):
            assert not logging.getLogger(name).isEnabledFor(logging.INFO), name
        root.setLevel(logging.DEBUG)
        assert not logging.getLogger("authlib").isEnabledFor(logging.DEBUG)
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]
