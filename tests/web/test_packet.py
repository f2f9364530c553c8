"""The evidence packet: every line is walked to the entry that shows it, and nothing is claimed that none shows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import pytest
from playwright.sync_api import Browser

from cds.authoring.strict_fhir import strict_fhir
from cds.decide import Decision, decide
from cds.explanation.packet import Claim, EvidencePacket, packet, packet_as_json, payers_of
from cds.explanation.packet_document import packet_as_document
from cds.logic.truth import Truth
from cds.read_request import read_record
from cds.review.response import ReviewAnswers, TrialAnswers, questionnaire_response
from cds.rulebook.packet_form import PacketForm
from cds.ruleset import load_rules
from cds.settings import Settings
from cds.terminology.review_form import ReviewForm
from tests.server import ROOT, TODAY
from tests.web.serving_pages import keeping, page_of

JSON = dict[str, Any]
PAYERS = ("payer-cigna", "payer-medical-mutual")
EXAMPLES = ("01-two-failed-trials", "10-repaired-aneurysm")
RULES = load_rules(ROOT / "rules", None, TODAY, PAYERS)
FORM = cast("PacketForm", RULES.program.packet)
WORDS = FORM.words
RESTS_ON_ENTRIES = (WORDS["recorded"], WORDS["recorded_absent"])


def request_of(name: str) -> JSON:
    read: JSON = json.loads((ROOT / "fhir_examples" / name / "request.json").read_text())
    return read


def decided(request: JSON) -> Decision:
    record, service = read_record(json.dumps(request).encode(), RULES, Settings())
    return decide(RULES, record, TODAY, service)


def made_for(request: JSON, payer: str = "") -> EvidencePacket:
    chosen = {one.id: one for one in payers_of(RULES)}
    return packet(RULES, decided(request), FORM, chosen[payer] if payer else None)


def resources(request: JSON) -> dict[str, JSON]:
    found = {}
    for value in request["prefetch"].values():
        for one in [entry["resource"] for entry in value.get("entry", [])] if "entry" in value else [value]:
            found[f"{one['resourceType']}/{one.get('id', '')}"] = one
    return found


def section(made: EvidencePacket, name: str) -> tuple[Claim, ...]:
    return next(one.claims for one in made.sections if one.name == name)


CASES = [(example, payer) for example in EXAMPLES for payer in (*PAYERS, "")]


@pytest.mark.parametrize(("example", "payer"), CASES)
def test_every_claim_is_walked_to_its_entry(example: str, payer: str) -> None:
    request = request_of(example)
    held, made = resources(request), made_for(request, payer)
    facts = decided(request).facts.by_name

    for one in made.sections:
        for claim in one.claims:
            assert set(claim.references) <= held.keys(), claim
            if claim.status in RESTS_ON_ENTRIES or one.name in ("trials", "scores"):
                assert claim.references, claim
            if claim.status == WORDS["met"]:
                assert claim.references or WORDS["not_found"] in claim.says, claim
            if claim.status == WORDS["not_found"]:
                assert not claim.references
                fact = next(one for one in facts.values() if one.label == claim.about)
                assert (fact.truth, fact.found) == (Truth.FALSE, ())
    for claim, trial in zip(section(made, "trials"), facts["antidepressant_trials"].trials, strict=True):
        orders = [held[reference] for reference in claim.references]
        text = json.dumps(orders).lower()
        assert claim.cells["drug"] in text
        assert claim.cells["dates"].split(" ")[0] in text
        if trial.highest_mg_a_day[0] is not None and len(orders) == 1:
            doses = [d["doseAndRate"][0]["doseQuantity"]["value"] for d in orders[0]["dosageInstruction"]]
            assert claim.cells["dose"] == f"{max(doses):g} mg"
        if claim.cells["known_by"] == "coded stop reason":
            assert any("statusReason" in order for order in orders)
    for claim in section(made, "scores"):
        values = [held[reference].get("valueQuantity", {}).get("value") for reference in claim.references]
        values += [held[reference].get("valueInteger") for reference in claim.references]
        assert claim.says.split(",")[0] in {f"{value:g}" for value in values if value is not None}


def test_for_a_payer_its_criteria_are_listed_and_what_no_record_tells_is_not_known() -> None:
    made = made_for(request_of(EXAMPLES[0]), "payer-cigna")
    criteria = {claim.about: claim for claim in section(made, "criteria")}
    payer = {one.id: one for one in payers_of(RULES)}["payer-cigna"]

    assert [claim.about for claim in criteria.values()] == [
        *(RULES.program.heads[name].label for name in payer.criteria), *payer.not_in_chart,
    ]  # fmt: skip
    for words in payer.not_in_chart:
        assert (criteria[words].status, criteria[words].says) == (WORDS["unknown"], WORDS["no_entry"])
    assert payer.confirm in made.notes


@pytest.mark.parametrize("example", ["05-dose-not-recorded", "12-allergies-not-sent"])
def test_what_is_not_known_is_said_to_be_and_why(example: str) -> None:
    made = made_for(request_of(example), "payer-medical-mutual")
    open_lines = [claim for one in made.sections for claim in one.claims if claim.status == WORDS["unknown"]]

    assert open_lines
    assert all(claim.says for claim in open_lines)
    assert WORDS["met"] not in {claim.status for claim in open_lines}


def test_what_a_clinician_stated_is_said_to_be_stated() -> None:
    request = request_of("05-dose-not-recorded")
    form = cast("ReviewForm", RULES.program.codes.review)
    trial = TrialAnswers("venlafaxine", {"start": "2025-05-10", "dose": 150.0, "duration": 12.0})
    when = datetime(TODAY.year, TODAY.month, TODAY.day, 9, tzinfo=UTC)
    said = ReviewAnswers("Patient/example", "Dr. <Doe>", "", when, [trial], {"aneurysm": False})
    reviews = {"resourceType": "Bundle", "entry": [{"resource": questionnaire_response(form, said) | {"id": "r"}}]}
    request["prefetch"]["questionnaireResponses"] = reviews

    made = made_for(request, "payer-cigna")

    stated = [claim for one in made.sections for claim in one.claims if "QuestionnaireResponse/r" in claim.references]
    assert {"venlafaxine", "Aneurysmal vascular disease, ever"} <= {claim.about for claim in stated}
    assert all(claim.stated for claim in stated)
    (aneurysm,) = [claim for claim in stated if claim.about.startswith("Aneurysmal")]
    assert (aneurysm.status, "Dr. <Doe>" in aneurysm.stated) == (WORDS["stated"], True)
    document = packet_as_document(made, FORM, json.dumps(request).encode(), when)
    assert strict_fhir(json.dumps(document).encode()) == []
    assert "Dr. &lt;Doe&gt;" in json.dumps(document)
    assert any(entry["resource"]["resourceType"] == "QuestionnaireResponse" for entry in document["entry"])


@pytest.mark.parametrize(("example", "payer"), CASES)
def test_the_document_is_valid_fhir_and_holds_what_it_names(example: str, payer: str) -> None:
    request = request_of(example)
    made = made_for(request, payer)
    document = packet_as_document(made, FORM, json.dumps(request).encode(), datetime(2026, 6, 1, 9, tzinfo=UTC))

    assert strict_fhir(json.dumps(document).encode()) == []
    assert document["entry"][0]["resource"]["resourceType"] == "Composition"
    urls = [entry["fullUrl"] for entry in document["entry"]]
    assert len(urls) == len(set(urls))
    composition = document["entry"][0]["resource"]
    named = {one["reference"] for part in composition["section"] for one in part.get("entry", ())}
    assert named | {composition["subject"]["reference"]} == set(urls[1:])


def test_words_are_those_of_the_rules() -> None:
    for one in made_for(request_of(EXAMPLES[0]), "payer-cigna").sections:
        assert {claim.status for claim in one.claims} <= {"", *WORDS.values()}
        assert one.title in FORM.titles.values()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    file = str(ROOT / "fhir_examples" / EXAMPLES[0] / "request.json")
    command = ["packet", file, "--today", str(TODAY), *arguments]
    script = [sys.executable, "-c", "from cds.cli.main import main; main()", *command]
    return subprocess.run(script, capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_command_writes_each_format_and_says_which_payers_there_are() -> None:
    made = made_for(request_of(EXAMPLES[0]), "payer-cigna")
    as_json = json.loads(run("--payer", "payer-cigna", "--format", "json").stdout)
    assert as_json["sections"] == packet_as_json(made)["sections"]
    assert strict_fhir(run("--format", "fhir").stdout.encode()) == []
    page = run().stdout
    assert "<style>" in page
    assert FORM.letter in page
    wrong = run("--payer", "payer-nobody")
    assert wrong.returncode != 0
    assert "payer-nobody" in wrong.stderr + wrong.stdout


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with keeping(tmp_path_factory.mktemp("journal"), show_definitions=PAYERS) as running:
        yield running


def test_behind_a_card_it_is_a_page_json_or_a_document_for_who_has_the_link(client: httpx.Client) -> None:
    address = page_of(client, request_of(EXAMPLES[0])).replace("?key", "/packet?key")

    page = client.get(address)
    assert FORM.letter in page.text
    assert "payer=payer-cigna" in page.text
    assert "no-store" in page.headers["cache-control"]
    assert "/packet?key" in client.get(address.replace("/packet", "")).text
    assert client.get(f"{address}&payer=payer-cigna&format=json").json()["payer"] == "payer-cigna"
    assert strict_fhir(client.get(f"{address}&format=fhir").content) == []
    assert client.get(f"{address}&payer=payer-nobody").status_code == 404
    assert client.get(f"{address}&format=pdf").status_code == 404
    assert client.get(address[:-3] + "abc").status_code == 404


@pytest.mark.parametrize("payer", ["", *PAYERS])
def test_it_prints_on_two_pages(payer: str, client: httpx.Client, browser: Browser) -> None:
    address = page_of(client, request_of(EXAMPLES[0])).replace("?key", "/packet?key")
    page = browser.new_page()
    page.goto(f"{address}&payer={payer}")
    printed = page.pdf(format="Letter")
    page.close()

    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 2
