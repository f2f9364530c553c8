"""What the journal says, on pages of the console and as CSV."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from cds.web.bars import bars
from tests.review.test_read_back import VENLAFAXINE, review
from tests.server import serving
from tests.web.conftest import DESK, PHONE, overflows
from tests.web.serving_pages import SERVICE, example, keeping

SHOWN, NOTHING_SENT = "01-two-failed-trials", "12-allergies-not-sent"
PAGES = ("/console/decisions", "/console/feedback", "/console/data")
TRICK = "<script>window.tricked = 1</script> **bold**"


def say(client: httpx.Client, card: dict[str, Any], **words: Any) -> None:
    said = {"card": card["uuid"], "outcomeTimestamp": datetime.now(UTC).isoformat()} | words
    assert client.post(f"{SERVICE}/feedback", json={"feedback": [said]}).status_code == 200


def why(code: str, comment: str = "") -> dict[str, Any]:
    return {"reason": {"code": code, "system": "urn:reasons"}} | ({"userComment": comment} if comment else {})


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with keeping(tmp_path_factory.mktemp("journal"), console=True) as running:
        cards = [running.post(SERVICE, json=example(SHOWN)).json()["cards"][0] for _ in range(12)]
        for _ in range(3):
            assert running.post(SERVICE, json=example(NOTHING_SENT)).status_code == 200
        for card in cards[:9]:
            say(running, card, outcome="overridden", overrideReason=why("patient-refuses"))
        say(running, cards[9], outcome="overridden", overrideReason=why("other", TRICK))
        say(running, cards[10], outcome="accepted", acceptedSuggestions=[{"id": cards[10]["suggestions"][0]["uuid"]}])
        give_up = time.monotonic() + 30
        while "15 decisions" not in running.get(PAGES[0]).text and time.monotonic() < give_up:
            time.sleep(0.05)
        yield running


def rows(client: httpx.Client, address: str) -> list[dict[str, str]]:
    answer = client.get(address)
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_decisions_are_drawn_and_listed(client: httpx.Client) -> None:
    page = client.get("/console/decisions").text

    assert "15 decisions, 15 with a card" in page
    (row,) = rows(client, "/console/decisions.csv")
    assert (row["service"], row["decisions"], row["with_cards"]) == ("ketamine-evaluation", "15", "15")


def test_feedback_says_what_became_of_each_card_with_an_interval(client: httpx.Client) -> None:
    (row,) = (row for row in rows(client, "/console/feedback.csv") if row["accepted"] == "1")

    assert (row["shown"], row["overridden"], row["no_word"]) == ("12", "10", "1")
    assert float(row["low_95"]) < 10 / 11 < float(row["high_95"])
    page = client.get("/console/feedback").text
    assert "91 %" in page
    assert "patient-refuses" in page


def test_feedback_is_exported_in_the_terms_of_the_regulation(client: httpx.Client) -> None:
    listed = rows(client, "/console/feedback-export.csv")

    assert len(listed) == 11
    assert {row["action taken"] for row in listed} == {"overridden", "accepted, with a suggestion"}
    assert all(row["user"] and "Practitioner" not in row["user"] for row in listed)
    assert "feedback-export.csv" in client.get("/console/feedback").text


def test_a_share_of_few_is_not_told(client: httpx.Client) -> None:
    assert "too few to tell" in client.get("/console/feedback").text  # of cards nobody said anything of


def test_a_comment_is_shown_as_text(client: httpx.Client) -> None:
    page = client.get("/console/feedback").text

    assert "&lt;script&gt;window.tricked" in page
    assert "<script>window" not in page


def test_what_ehrs_did_not_send_is_counted(client: httpx.Client) -> None:
    page = client.get("/console/data").text

    assert "did not come, so it counts as unknown" in page
    listed = {(row["kind"], row["resource_type"]): row["decisions"] for row in rows(client, "/console/data.csv")}
    assert listed["not sent", "AllergyIntolerance"] == "3"


def test_what_stayed_unknown_is_counted_by_what_was_missing(client: httpx.Client) -> None:
    client.post(SERVICE, json=example("05-dose-not-recorded"))
    give_up = time.monotonic() + 30
    listed: list[dict[str, str]] = []
    while not listed and time.monotonic() < give_up:
        listed = rows(client, "/console/data-settled.csv")

    assert {"missing": "", "unknown": "1"}.items() <= listed[0].items()
    assert any(row["missing"] == "failed_trials" for row in listed)
    assert "Unknown, and settled later" in client.get("/console/data").text

    request = example("05-dose-not-recorded")
    stated = review(VENLAFAXINE) | {"id": "review-1"}
    request["prefetch"]["questionnaireResponses"] |= {"entry": [{"resource": stated}], "total": 1}
    assert "Dr. Doe" in client.post(SERVICE, json=request).text
    while listed[0]["settled"] == "0" and time.monotonic() < give_up + 30:
        listed = rows(client, "/console/data-settled.csv")
    assert {"unknown": "1", "settled": "1", "became_true": "1", "median_days": "0.0"}.items() <= listed[0].items()
    text = client.get("/console/data-settled.csv").text
    assert not any(said in text for said in ("example", "Dr. Doe", "venlafaxine", "1980"))


@pytest.mark.parametrize(
    ("query", "decisions"),
    [
        ("days=7", True),
        ("days=8", True),  # none of the choices: the usual one
        ("from=2020-01-01&to=2020-02-01", False),
        ("from=2020-01-01", True),
        (f"to={date(2020, 1, 1)}", False),
        ("service=ketamine-evaluation", True),
        ("service=other", False),
        ("rules=none", False),
    ],
)
def test_a_page_counts_the_period_it_is_asked_for(query: str, decisions: bool, client: httpx.Client) -> None:
    page = client.get(f"/console/decisions?{query}")

    assert page.status_code == 200
    assert ("No decision was made" not in page.text) is decisions


@pytest.mark.parametrize(
    "query", ["from=x", "from=2026-02-30", "from=2026-02-01&to=2026-01-01", "from=1900-01-01", "to=9999-12-31"]
)
def test_a_period_that_is_none_is_said(query: str, client: httpx.Client) -> None:
    for path in PAGES:
        answer = client.get(f"{path}?{query}")
        assert (answer.status_code, "<html" in answer.text) == (400, True)


@pytest.mark.seconds
def test_without_a_journal_the_pages_say_so() -> None:
    with serving(console=True) as client:
        for path in PAGES:
            answer = client.get(path)
            assert (answer.status_code, "no journal" in answer.text) == (501, True)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_flaw_and_fits_a_phone_and_a_desk(
    path: str, client: httpx.Client, visit: Callable[[str], Page], violations: Callable[[Page], list[str]]
) -> None:
    page = visit(f"{client.base_url}{path}")

    for size in (DESK, PHONE):
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        assert not overflows(page)
        assert violations(page) == []
    assert page.evaluate("window.tricked") is None


def test_the_period_is_chosen_on_the_page(client: httpx.Client, visit: Callable[[str], Page]) -> None:
    page = visit(f"{client.base_url}/console/decisions")

    page.get_by_label("From").fill("2020-01-01")
    page.get_by_label("to", exact=True).fill("2020-02-01")
    page.get_by_role("button", name="Show").click()

    page.get_by_text("No decision was made in this time").wait_for()
    page.get_by_role("link", name="the last 7 days").click()
    page.get_by_role("heading", name="What was concluded").wait_for()


# ---------------------------------------------------------------- bars

FIRST = date(2026, 1, 1)


@pytest.mark.parametrize(("days", "steps"), [(1, 1), (120, 120), (121, 61), (730, 105)])
def test_a_long_time_is_drawn_in_steps(days: int, steps: int) -> None:
    last = FIRST + timedelta(days=days - 1)
    counts = {FIRST + timedelta(days=day): (2, 1) for day in range(days)}

    found = bars(counts, FIRST, last, 1080)

    assert len(found.bars) == steps
    assert f"{2 * days} decisions, {days} with a card" in found.says
    assert all(0 <= bar.x <= bar.x + bar.width <= 1080 for bar in found.bars)
    assert max(bar.whole for bar in found.bars) == pytest.approx(140)
    assert all(bar.part == pytest.approx(bar.whole / 2, abs=0.1) for bar in found.bars)


def test_of_nothing_nothing_is_drawn() -> None:
    assert bars({}, FIRST, FIRST, 336).bars == ()
