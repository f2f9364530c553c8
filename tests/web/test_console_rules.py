"""The pages of rule files: what they say, for which tenant, and that measuring goes on beside the answers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import httpx
import pytest

from cds.rulebook.compile import compile_ruleset
from cds.rulebook.loader import read_rulebook
from cds.rulebook.reviews import OverdueReviews, overdue_reviews
from tests.authoring.reference.test_sheet import CASES, TEST
from tests.rulebook.small_rules import GOOD, RULE, changed, write_rules
from tests.rulebook.test_overlay import WHY, site
from tests.server import serving

RULES = "/console/rules"
FILE = f"{RULES}/depression"
OURS = {"Sec-Fetch-Site": "same-origin"}
FILES = {**GOOD, TEST: CASES}


@contextmanager
def console(folder: Path, today: date = date(2025, 6, 1)) -> Iterator[httpx.Client]:
    """The service with its console, of the rules of a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDS_RULES", str(folder))
        with serving(console=True, today=today) as client:
            yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rules(tmp_path_factory.mktemp("rules"), FILES)


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    with console(folder, date(2026, 1, 20)) as running:
        yield running


@pytest.mark.seconds
def test_every_file_is_listed_with_what_it_stands_on(client: httpx.Client) -> None:
    page = client.get(RULES).text

    assert 'href="/console/rules/depression"' in page
    assert "overdue since 2026-01-01" in page
    assert "no lock" in page
    assert "2 test cases" in page


def test_a_file_is_readable_in_words_and_as_it_is_written(client: httpx.Client) -> None:
    page = client.get(FILE).text

    for said in (
        "Depression, small", "Invented.", "failed_trials: at least 2 trials", "At least {{ trials_required }} trials",
        "1 to 4", "An invented book", "not verified", "She has &lt;no&gt; score", "Their definition",
        "adequate_duration</code></a> 8", '<span id="L1">about:', "The same as a list",
    ):  # fmt: skip
        assert said in page, said


def test_a_file_that_is_not_there_is_said(client: httpx.Client) -> None:
    assert client.get(f"{RULES}/nothing").status_code == 404


@pytest.mark.seconds
def test_coverage_is_measured_when_somebody_asks_and_shown_once_it_is_there(client: httpx.Client) -> None:
    assert "Not measured yet" in client.get(FILE).text

    answer = client.post(f"{FILE}/coverage", headers=OURS)

    assert answer.status_code == 303
    assert answer.headers["location"] == f"{FILE}#coverage"
    give_up = time.monotonic() + 60
    while "Being measured" in (page := client.get(FILE).text) and time.monotonic() < give_up:
        time.sleep(0.1)
    assert "2 cases of the folder pass" in page
    answers = re.search(r"answers claimed</dt><dd>.*?</meter> (\d+) of (\d+)", page)
    assert answers is not None
    assert int(answers[1]) == 1
    assert "no case says that resistant is true" in page
    assert 'class="seen"' in page


def test_a_page_of_somebody_else_starts_no_measurement(client: httpx.Client) -> None:
    assert client.post(f"{FILE}/coverage", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


@pytest.mark.seconds
def test_a_folder_without_tests_says_so(tmp_path: Path) -> None:
    with console(write_rules(tmp_path, GOOD)) as client:
        assert "no test files" in client.get(RULES).text
        page = client.get(FILE).text

    assert "This folder holds no test files" in page
    assert "Measure now" not in page


@pytest.mark.seconds
def test_files_that_have_changed_since_they_were_loaded_are_not_taken_for_what_answers(tmp_path: Path) -> None:
    rules = write_rules(tmp_path, FILES)
    with console(rules) as client:
        (rules / RULE).write_text(changed(GOOD[RULE], "high_score: {value: 10", "high_score: {value: 11"))
        page = client.get(FILE).text

    assert "The files are not what answers" in page
    assert "at least 11" in page


@pytest.mark.seconds
def test_what_is_different_at_a_site_is_said_with_its_review(tmp_path: Path) -> None:
    rules = site(tmp_path, f"set:\n  trials_required: {{to: 3, {WHY}}}\n")
    with console(rules, date(2026, 1, 20)) as client:
        live, file = client.get("/console").text, client.get(FILE).text

    assert "3 instead of 2" in live
    assert "We decided so" in live
    assert "1 overlay to review" in live
    assert "1 review overdue" in live
    assert "goes on with overdue reviews" in live
    assert "failed_trials: at least 3 trials" in file


def test_a_review_is_overdue_the_day_after_it_was_due(tmp_path: Path) -> None:
    program = compile_ruleset(read_rulebook(site(tmp_path, f"set:\n  trials_required: {{to: 3, {WHY}}}\n")))

    due = date(2026, 1, 1)
    assert overdue_reviews(program, due) == OverdueReviews((), ())
    late = date(2026, 1, 2)
    assert [rule.id for rule in overdue_reviews(program, late).rules] == ["depression"]
    assert [one.what for one in overdue_reviews(program, late).overrides] == ["trials_required"]


def test_the_first_page_begins_with_what_is_looked_at_first(client: httpx.Client) -> None:
    for address in ("/healthz", "/console"):
        client.get(address)
    page = client.get("/console").text
    row = page[page.index('<dl class="first-row">') : page.index("</dl>")]

    assert page.index('<dl class="first-row">') < page.index('<div class="answer')
    assert [one.split("</dt>")[0] for one in row.split("<dt>")[1:]] == [
        "Requests a minute", "Errors", "Average answer", "Under way", "Engines", "Reviews overdue",
    ]  # fmt: skip
