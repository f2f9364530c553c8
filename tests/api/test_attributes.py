"""GET /source-attributes: of each rule file in force, what the law wants users to be able to see."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from cds.app import create_app
from cds.ruleset import load_rules
from cds.settings import Settings
from tests.rulebook.small_rules import GOOD, RULE, TODAY, changed, write_rules
from tests.server import serving


def resolved(client: httpx.Client, path: str) -> dict[str, Any]:
    described = client.get("/openapi.json").json()
    schema = described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    return {**schema, "components": described["components"]}


def test_every_rule_file_in_force_is_listed_with_all_that_the_law_names(client: httpx.Client) -> None:
    answer = client.get("/source-attributes").json()

    assert answer["regulation"] == "45 CFR 170.315(b)(11)(iv)(A)"
    assert {one["rule"] for one in answer["interventions"]} >= {"evaluation", "treatment-resistant-depression"}
    for one in answer["interventions"]:
        assert one["citations"]
        assert one["developer"]
        assert one["funding"]
        assert one["released"]
        assert [use["paragraph"] for use in one["uses"]] == list(range(5, 14))
        assert all(use["used"] is bool(use["read_by"]) for use in one["uses"])


def test_one_rule_file_is_found_by_its_id_and_is_as_in_the_list(client: httpx.Client) -> None:
    listed = {one["rule"]: one for one in client.get("/source-attributes").json()["interventions"]}

    assert client.get("/source-attributes/pregnancy").json() == listed["pregnancy"]
    assert client.head("/source-attributes/pregnancy").status_code == 200


def test_a_rule_file_that_is_none_is_refused_with_those_there_are(client: httpx.Client) -> None:
    answer = client.get("/source-attributes/nothing")

    assert answer.status_code == 404
    (issue,) = answer.json()["issue"]
    assert issue["details"]["text"] == "There is no such rule file in force"
    assert "evaluation" in issue["diagnostics"]


@pytest.mark.parametrize("rule", ["", "/evaluation"])
def test_the_answer_is_as_described(client: httpx.Client, rule: str) -> None:
    schema = resolved(client, "/source-attributes/{rule}" if rule else "/source-attributes")

    Draft202012Validator(schema).validate(client.get(f"/source-attributes{rule}").json())


@pytest.mark.seconds
def test_a_file_that_is_not_in_force_is_not_listed(tmp_path: Path) -> None:
    retired = "status: retired\n  retired: {date: 2025-05-01, because: Replaced.}"
    rules = load_rules(
        write_rules(tmp_path / "rules", {**GOOD, RULE: changed(GOOD[RULE], "status: active", retired)}), None, TODAY
    )
    with serving(rules) as small:
        assert small.get("/source-attributes").json()["interventions"] == []
        assert small.get("/source-attributes/depression").status_code == 404
    rules.reasoner.close()


@pytest.mark.seconds
def test_what_is_missing_keeps_no_server_from_starting_and_is_said_in_its_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lacking = changed(changed(GOOD[RULE], "  funding: None\n", ""), "next: 2026-01-01", "next: 2999-01-01")

    app = create_app(Settings(rules=write_rules(tmp_path, {**GOOD, RULE: lacking})), clock=lambda: TODAY)

    async def asked() -> list[dict[str, Any]]:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client,
        ):
            return list((await client.get("/source-attributes")).json()["interventions"])

    (one,) = asyncio.run(asked())

    assert one["funding"] == ""
    assert "`about` lacks `funding`" in caplog.text
