"""No body brings the service down or makes it hang; benchmarks/hostile.py tries many more of them."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from tests.api.hostile import bodies, flaw_of, send


@pytest.mark.seconds
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(case=bodies())
def test_no_body_brings_the_service_down(client: httpx.Client, case: tuple[str, bytes]) -> None:
    assert flaw_of(send(client, *case)) == ""
