"""An answer leaves nothing of ours for the garbage collector: what a chart says is gone once it is answered."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType

import httpx
import pytest

from cds.api import admission
from cds.journal.journal import Journal
from cds.journal.retention import RetentionPeriods
from cds.journal.store import Store
from tests.server import ROOT, serving

SERVICE = "/cds-services/ketamine-evaluation"
REQUEST = (ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_bytes()
BUNDLE = (ROOT / "fhir_examples" / "bundle.json").read_bytes()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    store = Store(str(tmp_path_factory.mktemp("journal") / "journal.sqlite3"))
    with serving(journal=Journal(store, RetentionPeriods(10, 10, 10)), keep_inputs_days=10, console=True) as running:
        yield running


def ours(thing: object) -> str:
    """Its name, if it is an object or function of ours; "" for any other."""
    named = thing if isinstance(thing, FunctionType | MethodType) else type(thing)
    module = getattr(named, "__module__", "") or ""
    return f"{module}.{getattr(named, '__qualname__', '')}" if module.startswith("cds.") else ""


def left_by(work: Callable[[], object]) -> Counter[str]:
    work()  # what is made once, and kept
    time.sleep(0.3)  # the receipt is written behind the answer
    gc.collect()
    gc.disable()
    try:
        work()
        time.sleep(0.3)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = Counter(filter(None, map(ours, gc.garbage)))
        left.pop("cds.web.page.PageContext", None)  # Jinja's macros hold the contexts they stood in, which are empty
        return left
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def page_of(client: httpx.Client) -> str:
    cards = client.post(SERVICE, content=REQUEST).json()["cards"]
    (link, *_) = [link["url"] for card in cards for link in card.get("links", ()) if "/decisions/" in link["url"]]
    give_up = time.monotonic() + 30
    while client.get(link).status_code != 200:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    return str(link)


@pytest.mark.seconds
def test_a_hook_leaves_nothing(kept: httpx.Client) -> None:
    def ask() -> None:
        assert kept.post(SERVICE, content=REQUEST).json()["cards"]

    assert left_by(ask) == {}


@pytest.mark.seconds
def test_a_decision_that_takes_long_leaves_nothing(kept: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "PATIENCE_SECONDS", 0)

    def ask() -> None:
        assert kept.post(SERVICE, content=REQUEST).json()["cards"]

    assert left_by(ask) == {}


@pytest.mark.seconds
def test_a_bundle_leaves_nothing(client: httpx.Client) -> None:
    def ask() -> None:
        assert client.post("/evaluate", content=BUNDLE).json()["cards"]

    assert left_by(ask) == {}


@pytest.mark.seconds
def test_an_explanation_leaves_nothing(kept: httpx.Client) -> None:
    link = page_of(kept)

    def look() -> None:
        assert kept.get(link).status_code == 200

    assert left_by(look) == {}


@pytest.mark.seconds
def test_a_what_if_leaves_nothing(kept: httpx.Client) -> None:
    link = page_of(kept)
    address = link.replace("?", "/what-if?")

    def look() -> None:
        assert kept.get(address).status_code == 200

    assert left_by(look) == {}


@pytest.mark.seconds
def test_what_is_left_would_be_seen() -> None:
    def leave() -> None:
        store = Store.__new__(Store)
        store.itself = store  # type: ignore[attr-defined]

    assert left_by(leave) == {"cds.journal.store.Store": 1}
