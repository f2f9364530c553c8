"""“Settle it”: open questions on the page, what an answer changes at once, and what is given to keep."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from cds.authoring.strict_fhir import strict_fhir
from tests.web.serving_pages import SERVICE, example, keeping, page_of

NO_DOSE, TWO_TRIALS = "05-dose-not-recorded", "01-two-failed-trials"
ANSWERS = {"trial.1.dose": "150", "trial.1.duration": "12", "author": "Dr. <Doe>"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with keeping(tmp_path_factory.mktemp("journal")) as running:
        yield running


def address(client: httpx.Client, name: str) -> str:
    return page_of(client, example(name)).replace("?key", "/what-if?key")


def kept(page: str) -> str:
    found = re.search(r"<pre>(.*?)</pre>", page, re.DOTALL)
    assert found
    return unescape(found[1])


def test_the_page_asks_what_is_unknown_and_nothing_else(client: httpx.Client) -> None:
    asked = re.compile(r'name="((?:trial|statement|elsewhere)\.[^"]+)"')
    fields = set(asked.findall(client.get(address(client, NO_DOSE)).text))

    assert {name for name in fields if not name.startswith("elsewhere")} == {
        f"trial.1.{role}" for role in ("dose", "duration", "taken", "prescribed")
    }
    assert asked.findall(client.get(address(client, TWO_TRIALS)).text) == []


def test_answers_show_what_they_change_and_the_next_call_with_them_says_the_same(client: httpx.Client) -> None:
    page = client.post(address(client, NO_DOSE), data=ANSWERS).text

    shown = re.findall(r'<span class="(?:flip|dim)">(?:shown now|still shown)</span> (.*?)</p>', page)
    response = json.loads(kept(page)) | {"id": "saved"}
    assert strict_fhir(json.dumps(response).encode()) == []

    request = example(NO_DOSE)
    request["prefetch"]["questionnaireResponses"]["entry"] = [{"resource": response}]
    cards = client.post(SERVICE, json=request).json()["cards"]
    assert sorted(map(unescape, shown)) == sorted(card["summary"] for card in cards)


def test_the_text_for_the_note_says_who_answered_what_and_is_no_markup(client: httpx.Client) -> None:
    page = client.post(address(client, NO_DOSE), data=ANSWERS).text

    assert "Dr. &lt;Doe&gt;" in page
    assert "<Doe>" not in page
    assert "150 mg/d" in page


@pytest.mark.parametrize(
    "typed",
    [
        {"trial.1.dose": "-3"},
        {"trial.1.dose": "much"},
        {"trial.0.outcome": "no-benefit"},
        {"statement.aneurysm": "no"},
        {"author": "Dr. Doe", "trial.9.dose": "1"},
    ],
)
def test_an_answer_that_was_not_asked_for_or_is_no_number_is_refused(
    client: httpx.Client, typed: dict[str, str]
) -> None:
    answer = client.post(address(client, NO_DOSE), data=typed)

    assert answer.status_code == 400
    assert "QuestionnaireResponse" not in answer.text


def test_another_key_opens_nothing(client: httpx.Client) -> None:
    assert client.post(address(client, NO_DOSE)[:-3] + "abc", data=ANSWERS).status_code == 404
