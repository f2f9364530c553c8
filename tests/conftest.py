from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import settings

from tests.server import serving

os.environ["CDS_JOURNAL"] = "none"  # for every `cds` a test starts; a journal is kept only where a test names one
settings.register_profile("unhurried", deadline=None)  # a busy machine is no fault of the code
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile("unhurried")


# 13,000 tests are a million objects that stay: the garbage collector goes through them rarely while they are collected,
# and not at all afterwards.
gc.set_threshold(50_000, 20, 100)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    with serving() as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a browser or a database by the fixtures it asks for; files mark `processes` and `slow`."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        kept_in = getattr(getattr(item, "callspec", None), "params", {}).values()
        if "browser" in fixtures:
            item.add_marker(pytest.mark.browser)
        if "postgres_server" in fixtures or "postgresql" in kept_in:
            item.add_marker(pytest.mark.database)
