from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import pytest

from tests.server import serving

os.environ["CDS_JOURNAL"] = "none"  # for every `cds` a test starts; a journal is kept only where a test names one


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    with serving() as running:
        yield running
