"""One caller cannot take what others need: bytes in memory, turns at the threads, requests in a minute."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from functools import partial
from typing import Any

import anyio
import pytest
from pydantic import ValidationError

from cds import app as app_module
from cds.api import admission as admission_module
from cds.api import callers
from cds.api.admission import LARGE_BYTES, Admission
from cds.api.byte_budget import ByteBudget
from cds.api.callers import caller_of
from cds.api.fair_queue import FairQueue
from cds.auth.client_jwt import Caller
from cds.errors import BusyError
from cds.settings import Settings
from tests.api.wire import issue
from tests.server import ROOT, serving

SERVICE = "/cds-services/ketamine-evaluation"
EXAMPLE = (ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_bytes()


# ---------------------------------------------------------------- turns


def test_callers_take_turns_and_each_keeps_its_order() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(3):
        queue.push("eager", number)
    queue.push("other", 10)

    served = [queue.pop() for _ in range(5)]

    assert served == [("eager", 0), ("other", 10), ("eager", 1), ("eager", 2), None]


def test_what_may_not_be_served_is_passed_by_and_what_is_given_up_is_gone() -> None:
    queue: FairQueue[int] = FairQueue()
    queue.push("a", 1)
    queue.push("b", 2)
    queue.remove("b", 3)

    assert queue.pop(lambda caller, _: caller == "b") == ("b", 2)
    queue.remove("a", 1)
    assert queue.pop() is None
    assert not queue.holds("a")


async def ask_as(admission: Admission, caller: str, work: Any) -> Any:
    """What some work gives that is done for a caller."""
    token = callers._CALLER.set(caller)
    try:
        async with admission.slot():
            return await admission.run_in_worker(work)
    finally:
        callers._CALLER.reset(token)


@pytest.mark.seconds
def test_while_others_ask_nobody_has_more_than_half_of_the_threads() -> None:
    go_on, most = threading.Event(), 0
    under_way: list[str] = []
    lock = threading.Lock()
    admission = Admission(4, 100, 30)

    ask = partial(ask_as, admission)

    def heavy() -> None:
        nonlocal most
        with lock:
            under_way.append("heavy")
            most = max(most, len(under_way))
        go_on.wait(30)
        with lock:
            under_way.pop()

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            await ask("polite", lambda: None)
            for _ in range(20):
                tasks.start_soon(ask, "eager", heavy)
            while most < 2:
                await anyio.sleep(0.01)
            with anyio.fail_after(20):
                for _ in range(10):
                    await ask("polite", lambda: None)  # answered at once, though twenty wait
            go_on.set()

    anyio.run(run)
    admission.close()

    assert most == 2


@pytest.mark.seconds
def test_one_caller_alone_has_all_of_the_threads() -> None:
    together = threading.Barrier(4, timeout=30)
    admission = Admission(4, 10, 30)

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(admission.run_in_worker, together.wait)

    anyio.run(run)
    admission.close()


def test_a_small_request_never_waits_for_a_large_one_and_those_of_one_size_follow_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission_module, "PATIENCE_SECONDS", 60)
    go_on = threading.Event()
    admission = Admission(4, 100, 30)
    began: list[str] = []

    def large() -> None:
        began.append("large")
        go_on.wait(30)

    async def run() -> None:
        heavy = [asyncio.create_task(admission.run_in_worker(large, LARGE_BYTES)) for _ in range(3)]
        await asyncio.sleep(0.05)
        for _ in range(5):
            await admission.run_in_worker(lambda: began.append("small"), LARGE_BYTES - 1)
        assert began == ["large", *["small"] * 5]
        go_on.set()
        await asyncio.gather(*heavy)

    asyncio.run(run())
    admission.close()

    assert began == ["large", *["small"] * 5, "large", "large"]


@pytest.mark.seconds
def test_a_caller_whose_decisions_took_long_waits_with_the_large_ones_until_they_are_quick_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission_module, "PATIENCE_SECONDS", 60)
    monkeypatch.setattr(admission_module, "SLOW_SECONDS", 0.02)
    go_on = threading.Event()
    admission = Admission(4, 100, 30)

    ask = partial(ask_as, admission)

    def costly() -> None:
        end = time.thread_time() + 0.03
        while time.thread_time() < end:
            pass

    async def run() -> None:
        await ask("costly", costly)
        under_way = asyncio.create_task(ask("costly", lambda: go_on.wait(30)))
        await asyncio.sleep(0.05)
        with anyio.fail_after(20):
            for _ in range(3):
                await ask("other", lambda: None)  # a quick one does not wait for it
        go_on.set()
        await under_way

        for _ in range(3):  # what it took fades
            await ask("costly", lambda: None)
        go_on.clear()
        under_way = asyncio.create_task(ask("costly", lambda: go_on.wait(30)))
        await asyncio.sleep(0.05)
        with pytest.raises(TimeoutError), anyio.fail_after(0.2):
            await ask("other", lambda: None)
        go_on.set()
        await under_way

    anyio.run(run)
    admission.close()


def test_a_decision_that_takes_long_lets_the_next_of_its_size_begin() -> None:
    go_on = threading.Event()
    admission = Admission(2, 10, 30)

    async def run() -> None:
        slow = asyncio.create_task(admission.run_in_worker(lambda: go_on.wait(30)))
        await asyncio.sleep(0.05)
        with anyio.fail_after(20):
            assert await admission.run_in_worker(lambda: "answered")
            assert await admission.run_in_worker(lambda: "answered")
        assert not slow.done()
        go_on.set()
        await slow

    asyncio.run(run())
    admission.close()


def test_with_one_thread_large_requests_are_not_starved_by_small_ones() -> None:
    admission = Admission(1, 100, 30)
    ended: list[str] = []

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(admission.run_in_worker, lambda: ended.append("small"), 0)
            for _ in range(3):
                tasks.start_soon(admission.run_in_worker, lambda: ended.append("large"), LARGE_BYTES)

    asyncio.run(run())
    admission.close()

    assert len(ended) == 13
    assert ended.index("large") <= 2


def test_a_turn_that_is_given_up_is_free_for_others() -> None:
    go_on = threading.Event()
    admission = Admission(1, 10, 30)

    async def run() -> None:
        first = asyncio.create_task(admission.run_in_worker(lambda: go_on.wait(30)))
        await asyncio.sleep(0.05)
        waiting = [asyncio.create_task(admission.run_in_worker(lambda: True)) for _ in range(3)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        go_on.set()
        await first
        assert await waiting[1]
        assert await waiting[2]
        assert await admission.run_in_worker(lambda: True)

    asyncio.run(run())
    admission.close()


@pytest.mark.parametrize(
    ("host", "tenant", "caller"),
    [
        ("192.0.2.7", None, "address:192.0.2.7"),
        ("2001:db8:1:2:3::4", None, "address:2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", None, "address:2001:db8:1:2::"),
        ("192.0.2.7", "north", "tenant:north"),
        ("", None, "address:"),
    ],
)
def test_a_caller_is_an_organisation_or_an_address(host: str, tenant: str | None, caller: str) -> None:
    state = {"caller": Caller(tenant, "https://north.example")} if tenant else {}

    assert caller_of({"type": "http", "client": (host, 1), "state": state}) == caller


# ---------------------------------------------------------------- bytes


def test_bytes_are_bounded_over_all_requests_and_a_share_is_left_for_others() -> None:
    budget = ByteBudget(100, wait_seconds=0.05)

    async def run() -> None:
        with budget.holding("eager") as first, budget.holding("eager") as second, budget.holding("other") as third:
            await first.expect(50)
            with pytest.raises(BusyError):
                await second.expect(1)
            await third.expect(50)
            assert budget.held == 100
            with pytest.raises(BusyError):
                third.grow(51)
        assert budget.held == 0

    asyncio.run(run())


def test_who_waits_is_served_in_turn_as_bytes_are_given_back() -> None:
    budget = ByteBudget(100, wait_seconds=20)
    served: list[str] = []

    async def ask(caller: str, size: int) -> None:
        with budget.holding(caller) as held:
            await held.expect(size)
            served.append(caller)
            await asyncio.sleep(0.01)

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(ask, "eager", 50)
            await asyncio.sleep(0)
            tasks.start_soon(ask, "other", 50)
        assert budget.held == 0

    asyncio.run(run())

    assert served[:2] == ["eager", "other"]
    assert len(served) == 4


def test_what_was_expected_and_did_not_come_is_given_back() -> None:
    budget = ByteBudget(100)

    async def run() -> None:
        with budget.holding("a") as held:
            await held.expect(80)
            held.settle(10)
            assert budget.held == 10
        assert budget.held == 0

    asyncio.run(run())


def test_a_request_that_waited_in_vain_holds_nothing() -> None:
    budget = ByteBudget(100, wait_seconds=0.05)

    async def run() -> None:
        with budget.holding("a") as first:
            await first.expect(100)
            with budget.holding("b") as second, pytest.raises(BusyError):
                await second.expect(10)
        assert budget.held == 0
        with budget.holding("b") as again:
            await again.expect(100)

    asyncio.run(run())


@pytest.mark.seconds
def test_what_finds_no_room_is_refused_before_its_body_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "ByteBudget", partial(ByteBudget, wait_seconds=0.2))
    head = f"POST {SERVICE} HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\nConnection: close\r\n\r\n".encode()
    with serving(max_body_bytes=1_000_000, max_bytes_in_flight=1_000_000) as client:
        place = (client.base_url.host, client.base_url.port or 0)
        with socket.create_connection(place, 30) as first, socket.create_connection(place, 30) as second:
            first.sendall(head)  # takes its room, and sends nothing of its body
            give_up = time.monotonic() + 30
            while client.get("/health").json()["under_way"] < 1:
                assert time.monotonic() < give_up
            second.sendall(head)
            answer = second.makefile("rb").read().decode()
        after = client.post(SERVICE, content=EXAMPLE)

    assert answer.startswith("HTTP/1.1 503")
    assert "Too much is being sent at once" in answer
    assert after.status_code == 200


def test_the_budget_holds_the_largest_body() -> None:
    with pytest.raises(ValidationError, match="CDS_MAX_BYTES_IN_FLIGHT"):
        Settings(max_bytes_in_flight=10, max_body_bytes=11)


# ---------------------------------------------------------------- requests in a minute


@pytest.mark.seconds
def test_a_caller_that_asks_too_often_is_told_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers.CallerLimits, "_counts", staticmethod(lambda caller: True))
    with serving(max_requests_per_minute=3) as client:
        answers = [client.post(SERVICE, content=EXAMPLE) for _ in range(5)]
        health = [client.get("/health").status_code for _ in range(10)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    refused = answers[-1]
    assert int(refused.headers["retry-after"]) > 0
    assert issue(refused.json())["code"] == "throttled"
    assert health == [200] * 10


@pytest.mark.parametrize(
    ("caller", "counts"),
    [("tenant:north", True), ("address:192.0.2.7", True), ("address:127.0.0.1", False), ("address:::1", False)],
)
def test_this_machine_is_not_counted(caller: str, counts: bool) -> None:
    assert callers.CallerLimits._counts(caller) is counts
