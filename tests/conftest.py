from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.server import serving


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    with serving() as running:
        yield running
