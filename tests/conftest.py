from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import settings

from tests.server import serving

settings.register_profile("unhurried", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    with serving() as running:
        yield running
