"""The same data, changed: what flips, and that it is what the service says of data changed so."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import pytest

from tests.web.serving_pages import SERVICE, example, keeping, page_of

NO_DOSE, TWO_TRIALS = "05-dose-not-recorded", "01-two-failed-trials"
ALLERGIES = "12-allergies-not-sent"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with keeping(tmp_path_factory.mktemp("journal")) as running:
        yield running


@pytest.fixture(scope="module")
def addresses(client: httpx.Client) -> dict[str, str]:
    names = (NO_DOSE, TWO_TRIALS, ALLERGIES)
    return {name: page_of(client, example(name)).replace("?key", "/what-if?key") for name in names}


def fields(page: str) -> dict[str, str]:
    return {
        unescape(name): unescape(value)
        for name, value in re.findall(r'<input [^>]*name="([^"]+)" value="([^"]*)"', page)
    }


def ask(client: httpx.Client, address: str, **changes: str) -> httpx.Response:
    """Post the form as a browser would: every field, some of them changed."""
    typed = fields(client.get(address).text)
    unknown = changes.keys() - typed.keys()
    assert not {name for name in unknown if not name.startswith(("none:", "present:"))}, unknown
    return client.post(address, data=typed | changes)


def resources(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for value in request["prefetch"].values():
        yield from (
            (entry["resource"] for entry in value.get("entry", ())) if value["resourceType"] == "Bundle" else [value]
        )


def summaries(client: httpx.Client, request: dict[str, Any]) -> list[str]:
    return [card["summary"] for card in client.post(SERVICE, json=request).json()["cards"]]


def shown(page: str) -> list[str]:
    found = re.findall(r'<p><span class="(?:flip|dim)">(shown now|still shown)</span> (.*?)</p>', page)
    return sorted(unescape(summary) for _, summary in found)


def field_ending(client: httpx.Client, address: str, *parts: str) -> str:
    (found,) = (name for name in fields(client.get(address).text) if all(part in name for part in parts))
    return found


def test_a_changed_dose_gives_the_cards_of_the_changed_bundle(client: httpx.Client, addresses: dict[str, str]) -> None:
    name = field_ending(client, addresses[TWO_TRIALS], "sertraline", "doseQuantity")
    request = copy.deepcopy(example(TWO_TRIALS))
    for resource in resources(request):
        if resource.get("id", "").startswith("sertraline"):
            resource["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"] = 1

    page = ask(client, addresses[TWO_TRIALS], **{name: "1"}).text

    assert shown(page) == sorted(summaries(client, request))
    assert shown(page) != sorted(summaries(client, example(TWO_TRIALS)))
    assert "no longer shown" in page


def test_a_changed_day_gives_the_cards_of_the_changed_bundle(client: httpx.Client, addresses: dict[str, str]) -> None:
    name = field_ending(client, addresses[TWO_TRIALS], "sertraline", "boundsPeriod.end")
    request = copy.deepcopy(example(TWO_TRIALS))
    for resource in resources(request):
        if resource.get("id", "").startswith("sertraline"):
            resource["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"]["end"] = "2025-02-03"

    page = ask(client, addresses[TWO_TRIALS], **{name: "2025-02-03"}).text

    assert shown(page) == sorted(summaries(client, request))


@pytest.mark.seconds
def test_a_dose_nobody_recorded_can_be_added_and_settles_what_was_open(
    client: httpx.Client, addresses: dict[str, str]
) -> None:
    name = field_ending(client, addresses[NO_DOSE], "dose:", "venlafaxine")

    page = ask(client, addresses[NO_DOSE], **{name: "225"}).text

    assert "shown now" in page
    assert sorted(summaries(client, example(TWO_TRIALS))) == shown(page)  # which is the same patient with the dose


def test_a_list_that_was_not_sent_can_be_said_to_be_empty(client: httpx.Client, addresses: dict[str, str]) -> None:
    request = copy.deepcopy(example(ALLERGIES))
    request["prefetch"]["allergies"] = {"resourceType": "Bundle", "type": "searchset", "total": 0}

    page = ask(client, addresses[ALLERGIES], **{"none:AllergyIntolerance": "none"}).text

    assert shown(page) == sorted(summaries(client, request))
    assert "Conclusions that flip" in page


def test_an_allergy_can_be_said_to_be_recorded(client: httpx.Client, addresses: dict[str, str]) -> None:
    name = next(
        found
        for found in re.findall(r'<select id="[^"]*" name="(present:[^"]+)"', client.get(addresses[ALLERGIES]).text)
    )

    page = ask(client, addresses[ALLERGIES], **{name: "yes"}).text

    assert "Conclusions that flip" in page


def test_a_score_of_today_is_read_like_any_other(client: httpx.Client, addresses: dict[str, str]) -> None:
    name = field_ending(client, addresses[TWO_TRIALS], "number:bdi2")
    request = copy.deepcopy(example(TWO_TRIALS))

    page = ask(client, addresses[TWO_TRIALS], **{name: "5"}).text

    assert "would read differently" in page
    assert shown(page) == sorted(summaries(client, request))  # PHQ-9 says the same as before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "Nothing was changed"),
        ({"edit:Patient/example:birthDate": "1980-13-01"}, "is no day"),
        ({"edit:Patient/example:birthDate": "<script>alert(1)</script>"}, "is no day"),
        ({"number:bdi2": "nan"}, "is no number"),
        ({"number:bdi2": "1e400"}, "is no number"),
    ],
)
def test_what_cannot_be_used_is_said_and_kept_in_the_form(
    changes: dict[str, str], says: str, client: httpx.Client, addresses: dict[str, str]
) -> None:
    answer = ask(client, addresses[TWO_TRIALS], **changes)

    assert answer.status_code == 400
    assert says in answer.text
    assert "<script>alert" not in answer.text
    assert changes.items() <= fields(answer.text).items()


@pytest.mark.parametrize(
    "name",
    [
        "edit:Patient/example:id",
        "edit:Patient/other:birthDate",
        "edit:Patient/example:name.0.family",
        "present:resistant",
        "x",
    ],
)
def test_only_what_the_form_offers_can_be_changed(name: str, client: httpx.Client, addresses: dict[str, str]) -> None:
    answer = client.post(addresses[TWO_TRIALS], data={name: "2000-01-01"})

    assert answer.status_code == 400
    assert "does not fit" in answer.text


def test_the_form_needs_the_key_as_the_page_does(client: httpx.Client, addresses: dict[str, str]) -> None:
    bare = addresses[TWO_TRIALS].partition("?")[0]

    assert client.get(bare).status_code == 404
    assert client.post(bare, data={"number:bdi2": "5"}).status_code == 404


def test_htmx_gets_a_piece_and_a_browser_without_scripts_a_page(
    client: httpx.Client, addresses: dict[str, str]
) -> None:
    address = addresses[TWO_TRIALS]
    piece = client.post(address, data={"number:bdi2": "5"}, headers={"HX-Request": "true"}).text
    page = client.post(address, data={"number:bdi2": "5"}).text

    assert "<html" not in piece
    assert "<html" in page
    assert "If it were so" in piece
    assert "If it were so" in page


def test_a_form_too_large_or_in_no_text_is_refused_politely(client: httpx.Client, addresses: dict[str, str]) -> None:
    address = addresses[TWO_TRIALS]

    assert client.post(address, content=b"a=1&" * 3000).status_code == 413
    assert client.post(address, content=b"a=" + b"1" * 300_000).status_code == 413
    assert client.post(address, content=b"\xff\xfe").status_code == 400


def test_asking_changes_nothing(client: httpx.Client, addresses: dict[str, str]) -> None:
    def page() -> str:
        """Without the number that keeps one click from saving twice, which is of each page its own."""
        text, replaced = re.subn(r'name="number" value="[^"]+"', "", client.get(addresses[TWO_TRIALS]).text)
        assert replaced == 1
        return text

    before = page()
    ask(client, addresses[TWO_TRIALS], **{"number:bdi2": "5"})

    assert page() == before
