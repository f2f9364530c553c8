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


@pytest.mark.seconds
def test_the_page_asks_what_is_unknown_and_nothing_else(client: httpx.Client) -> None:
    asked = re.compile(r'name="((?:trial|statement|elsewhere)\.[^"]+)"')
    fields = set(asked.findall(client.get(address(client, NO_DOSE)).text))

    assert {name for name in fields if not name.startswith("elsewhere")} == {
        f"trial.1.{role}" for role in ("dose", "duration", "taken", "prescribed")
    }
    assert asked.findall(client.get(address(client, TWO_TRIALS)).text) == []


@pytest.mark.seconds
def test_answers_show_what_they_change_and_the_next_call_with_them_says_the_same(client: httpx.Client) -> None:
    page = client.post(address(client, NO_DOSE), data=ANSWERS).text

    shown = re.findall(r'<span class="(?:flip|dim)">(?:shown now|still shown)</span> (.*?)</p>', page)
    response = json.loads(kept(page)) | {"id": "saved"}
    assert strict_fhir(json.dumps(response).encode()) == []

    request = example(NO_DOSE)
    request["prefetch"]["questionnaireResponses"]["entry"] = [{"resource": response}]
    cards = client.post(SERVICE, json=request).json()["cards"]
    assert sorted(map(unescape, shown)) == sorted(card["summary"] for card in cards)


@pytest.mark.seconds
def test_the_text_for_the_note_says_who_answered_what_and_is_no_markup(client: httpx.Client) -> None:
    page = client.post(address(client, NO_DOSE), data=ANSWERS).text

    assert "Dr. &lt;Doe&gt;" in page
    assert "<Doe>" not in page
    assert "150 mg/d" in page


@pytest.mark.seconds
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


# ---------------------------------------------------------------- pre-filled, elsewhere, and whether there were others


def without_end() -> dict[str, object]:
    """The dose is recorded, and nobody knows until when it was taken."""
    request = example(NO_DOSE)
    sertraline, venlafaxine = (one["resource"] for one in request["prefetch"]["medicationRequests"]["entry"])
    venlafaxine["dosageInstruction"] = json.loads(json.dumps(sertraline["dosageInstruction"]))
    venlafaxine["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] = {"start": "2025-05-10"}
    venlafaxine["status"] = "stopped"
    return request


@pytest.mark.seconds
def test_a_field_holds_what_the_chart_says_and_counts_once_another_is_answered(client: httpx.Client) -> None:
    page = page_of(client, without_end()).replace("?key", "/what-if?key")
    (dose,) = re.findall(r'name="trial.1.dose" value="([^"]*)"', client.get(page).text)
    held = {"trial.1.dose": dose, "author": "Dr. Doe"}

    assert float(dose) == 150
    assert "<pre>" not in client.post(page, data=held).text  # nothing was answered
    response = json.loads(kept(client.post(page, data=held | {"trial.1.duration": "12"}).text))
    said = {item["linkId"]: item["answer"][0] for item in response["item"][0]["item"]}
    assert (said["trial.dose"], said["trial.duration"]) == ({"valueDecimal": 150}, {"valueDecimal": 12})


ELSEWHERE = {
    "elsewhere.0.drug": "mirtazapine", "elsewhere.0.start": "2025-06-01", "elsewhere.0.dose": "30",
    "elsewhere.0.duration": "10", "elsewhere.0.outcome": "no-benefit", "author": "Dr. Doe",
}  # fmt: skip


@pytest.mark.seconds
def test_a_trial_elsewhere_is_added_and_settles_what_was_open(client: httpx.Client) -> None:
    page = client.post(address(client, NO_DOSE), data=ELSEWHERE).text
    (group,) = json.loads(kept(page))["item"]

    assert "shown now" in page
    assert [item["linkId"] for item in group["item"]] == [
        f"trial.{role}" for role in ("drug", "start", "dose", "duration", "outcome")
    ]
    assert group["item"][0]["answer"][0]["valueCoding"]["code"] == "mirtazapine"


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"elsewhere.0.drug": ""}, "which antidepressant the trial elsewhere was of"),
        ({"elsewhere.0.drug": "aspirin"}, "load the page again"),
        ({"elsewhere.0.start": "in June"}, "is no day"),
        ({"elsewhere.0.dose": "-30"}, "not above zero"),
    ],
)
def test_a_trial_elsewhere_that_cannot_be_used_is_said(
    client: httpx.Client, changes: dict[str, str], says: str
) -> None:
    answer = client.post(address(client, NO_DOSE), data=ELSEWHERE | changes)

    assert (answer.status_code, says in unescape(answer.text)) == (400, True)


@pytest.mark.seconds
def test_one_answer_closes_a_list_that_did_not_come(client: httpx.Client) -> None:
    page = address(client, "08-medications-not-readable")
    answer = client.post(page, data={"others": "no", "author": "Dr. Doe"}).text

    assert 'name="others"' in client.get(page).text
    (item,) = json.loads(kept(answer))["item"]
    assert (item["linkId"], item["answer"]) == ("others", [{"valueBoolean": False}])
    assert "No longer shown" in answer or "shown now" in answer or "no longer" in answer.lower()
