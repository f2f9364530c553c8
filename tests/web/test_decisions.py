"""The page behind a card: who may open it, for how long, and that it says what was decided."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cds.auth.client_jwt import is_open
from cds.engine.evaluator import EvaluatorMode
from tests.server import serving
from tests.shipped import shipped_rules
from tests.web.serving_pages import SERVICE, example, keeping, page_of

TWO_TRIALS = "01-two-failed-trials"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with keeping(tmp_path_factory.mktemp("journal")) as running:
        yield running


@pytest.fixture(scope="module")
def address(client: httpx.Client) -> str:
    return page_of(client, example(TWO_TRIALS))


def test_every_card_links_the_page_that_explains_it(client: httpx.Client) -> None:
    cards = client.post(SERVICE, json=example(TWO_TRIALS)).json()["cards"]

    for card in cards:
        link = card["links"][-1]
        assert link["type"] == "absolute"
        assert link["url"].startswith(f"{client.base_url}/decisions/")


@pytest.mark.seconds
def test_without_kept_data_no_card_links_a_page() -> None:
    with serving() as client:
        (card,) = client.post(SERVICE, json=example(TWO_TRIALS)).json()["cards"]

    assert not any("/decisions/" in link["url"] for link in card["links"])


def test_the_page_says_what_the_card_said(client: httpx.Client, address: str) -> None:
    page = client.get(address)

    assert page.status_code == 200
    assert "Chart meets TRD criteria" in page.text


@pytest.mark.parametrize("end", ["", "x", "?key=", "?key=x.y", "?key=%00"])
def test_nothing_opens_without_its_own_key(end: str, client: httpx.Client, address: str) -> None:
    bare = address.partition("?")[0]

    answer = client.get(f"{bare}{end}")

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "Chart meets" not in answer.text


@pytest.mark.seconds
def test_the_key_of_one_decision_opens_no_other(client: httpx.Client, address: str) -> None:
    other = page_of(client, example(TWO_TRIALS))
    mixed = f"{other.partition('?')[0]}?{address.partition('?')[2]}"

    assert client.get(mixed).status_code == 404
    assert client.get(other).status_code == 200


def test_a_key_whose_time_was_changed_opens_nothing(client: httpx.Client, address: str) -> None:
    bare, _, key = address.partition("?key=")
    made, _, signature = key.partition(".")

    assert client.get(f"{bare}?key={made[:-1]}{'A' if made[-1] != 'A' else 'B'}.{signature}").status_code == 404


@pytest.mark.seconds
def test_a_link_opens_its_page_for_so_long_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with keeping(tmp_path, link_hours=1.0) as client:
        address = page_of(client, example(TWO_TRIALS))
        assert client.get(address).status_code == 200
        now = time.time()
        monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 3602)
        late = client.get(address)

    assert late.status_code == 404
    assert "expired" in late.text


def test_a_decision_nobody_kept_has_no_page(client: httpx.Client) -> None:
    assert client.get(f"/decisions/{uuid.uuid4()}?key=a.b").status_code == 404


def test_pages_load_nothing_from_elsewhere_and_stay_in_no_cache(client: httpx.Client, address: str) -> None:
    headers = client.get(address).headers

    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.seconds
def test_who_may_frame_a_page_is_a_setting(tmp_path: Path) -> None:
    with keeping(tmp_path, frame_ancestors=("https://ehr.example",)) as client:
        policy = client.get("/decisions/x?key=y").headers["content-security-policy"]

    assert "frame-ancestors https://ehr.example" in policy


@pytest.mark.seconds
def test_the_page_of_an_order_is_decided_from_the_orders_again(client: httpx.Client) -> None:
    request = example("33-ketamine-ordered-allergies-not-sent")
    service = f"{SERVICE}-{request['hook']}"
    (shown, *_) = client.post(service, json=request).json()["cards"]

    assert shown["summary"] in client.get(page_of(client, request, service)).text


def test_files_of_pages_are_found_by_their_digest_only(client: httpx.Client, address: str) -> None:
    style = client.get(address).text.partition('rel="stylesheet" href="')[2].partition('"')[0]

    found = client.get(style)
    assert found.status_code == 200
    assert "immutable" in found.headers["cache-control"]
    assert client.get("/static/0000000000000000/thirdline.css").status_code == 404
    assert client.get("/static/x/../page.py").status_code == 404


def test_only_pages_are_open_to_people_without_a_token() -> None:
    assert all(is_open(path) for path in ("/decisions/x", "/static/a/b", "/console", "/launch"))
    assert not any(is_open(path) for path in ("/", "/evaluate", "/cds-services", "/launchx", "/consoles"))


def test_a_link_that_was_changed_is_told_from_one_that_has_expired(client: httpx.Client, address: str) -> None:
    forged = client.get(f"{address[:-1]}{'a' if address[-1] != 'a' else 'b'}")

    assert forged.status_code == 404
    assert "was not made by this service" in forged.text
    assert "expired" not in forged.text


def test_the_page_says_who_it_is_about_and_whether_the_rule_was_reviewed(client: httpx.Client, address: str) -> None:
    page = client.get(address).text

    assert "46 years, female, Patient/example" in page
    assert "Clinical review pending" in page


def test_what_is_unknown_is_a_question_and_no_alarm(client: httpx.Client, address: str) -> None:
    page = client.get(address).text

    questions = page[page.index('id="open"') : page.index('id="timeline"')]
    assert questions.count("PHQ-9 item 9") == 1
    assert "Ask." in questions
    assert not [word for word in ("acute", "Crisis", "<strong", "<b>") if word in questions]
    assert "Crisis line" not in page


@pytest.mark.seconds
def test_definitions_of_others_are_on_the_page_of_a_site_that_shows_them_and_on_no_other(
    client: httpx.Client, address: str, tmp_path: Path
) -> None:
    shown = ("two-biobank-1", "payer-cigna")
    with keeping(tmp_path, rules=shipped_rules(EvaluatorMode.DIRECT, shown)) as showing:
        page = showing.get(page_of(showing, example(TWO_TRIALS))).text

    assert "Two biobanks, one switch" in page
    assert "2025-05-10" in page.split('<th scope="row">Two biobanks, one switch</th>')[1].split("</tr>")[0]
    policy = page.split('<th scope="row">Cigna and eviCore</th>')[1].split("</tr>")[0]
    assert "A psychiatrist prescribes: no record tells." in policy
    assert "confirm before use" in policy
    assert "Definitions of others" not in client.get(address).text
