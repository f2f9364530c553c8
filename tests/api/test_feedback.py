"""POST /cds-services/{id}/feedback and the receipts of calls, through HTTP and a real store."""

from __future__ import annotations

import gzip
import json
import logging
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from cds.journal import tables
from cds.journal.journal import Journal
from cds.journal.retention import RetentionPeriods
from cds.journal.store import Store
from tests.api.callers import BASE, Ehr, ec_key, key_set
from tests.server import ROOT, serving

SERVICE = "/cds-services/ketamine-evaluation"
FEEDBACK = f"{SERVICE}/feedback"
REQUEST = json.loads((ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_text())
KEEP = RetentionPeriods(receipts=100, comments=10, inputs=0)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    return Journal(Store(str(tmp_path_factory.mktemp("journal") / "journal.sqlite3")), KEEP)


@pytest.fixture(scope="module")
def client(journal: Journal) -> Iterator[httpx.Client]:
    with serving(journal=journal) as running:
        yield running


def word(card: str | None = "", **changes: Any) -> dict[str, Any]:
    said = {
        "card": str(uuid.uuid4()) if card == "" else card,
        "outcome": "overridden",
        "outcomeTimestamp": "2026-06-01T12:30:00.000Z",
    }
    return {name: value for name, value in (said | changes).items() if value is not None}


def say(client: httpx.Client, *words: Any) -> httpx.Response:
    return client.post(FEEDBACK, json={"feedback": list(words)})


def kept(journal: Journal, card: str) -> list[dict[str, Any]]:
    table = tables.feedback
    query = select(table, tables.comments).outerjoin(tables.comments).where(table.c.card == card).order_by(table.c.id)
    with journal.store.reading() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def ask(client: httpx.Client, **changes: Any) -> list[dict[str, Any]]:
    answer = client.post(SERVICE, json=REQUEST | changes)
    assert answer.status_code == 200
    cards: list[dict[str, Any]] = answer.json()["cards"]
    return cards


def receipt_of(journal: Journal, card: str) -> dict[str, Any]:
    query = select(tables.receipts).join(tables.cards).where(tables.cards.c.uuid == card)
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        with journal.store.reading() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is not None:
            return dict(row)
        time.sleep(0.02)
    raise AssertionError("no receipt was written")


def test_an_accepted_suggestion_is_kept_and_answered_with_an_empty_object(
    client: httpx.Client, journal: Journal
) -> None:
    (card, *_) = [card for card in ask(client) if card.get("suggestions")]
    taken = [{"id": card["suggestions"][0]["uuid"]}]

    answer = say(client, word(card["uuid"], outcome="accepted", acceptedSuggestions=taken))

    assert (answer.status_code, answer.json()) == (200, {})
    assert [row["outcome"] for row in kept(journal, card["uuid"])] == ["accepted"]


def test_an_override_is_kept_with_reason_comment_and_time(client: httpx.Client, journal: Journal) -> None:
    reason = {"code": "patient-refuses", "system": "urn:reasons", "display": "Patient refuses"}
    said = word(
        "card-1",
        overrideReason={"reason": reason, "userComment": "afraid of needles"},
        outcomeTimestamp="2026-06-01T14:30:00.5+02:00",
    )

    assert say(client, said).status_code == 200

    (row,) = kept(journal, "card-1")
    assert (row["reason_system"], row["reason_code"]) == ("urn:reasons", "patient-refuses")
    assert (row["display"], row["comment"]) == ("Patient refuses", "afraid of needles")
    assert row["outcome_at"] == datetime(2026, 6, 1, 12, 30, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"overrideReason": {}},
        {"overrideReason": {"reason": {"code": "a"}}},
        {"overrideReason": {"reason": {"code": "a", "system": None, "display": None}, "userComment": None}},
        {"overrideReason": {"reason": {"display": "in words only"}}},
        {"overrideReason": {"userComment": "only a comment, with \0 in it"}},
        {"acceptedSuggestions": []},
        {"outcome": "accepted", "acceptedSuggestions": [{"id": "s"}]},
        {"outcomeTimestamp": "2026-06-01T12:30:00"},
        {"outcomeTimestamp": "2026-06-01T12:30:00.1234567-05:00"},
        {"extension": {"com.example": [None]}, "unknown": 1},
    ],
    ids=str,
)
def test_what_clients_leave_out_or_add_is_taken(
    client: httpx.Client, journal: Journal, changes: dict[str, Any]
) -> None:
    said = word(**changes)

    assert say(client, said).status_code == 200
    assert len(kept(journal, said["card"])) == 1


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"card": None}, "feedback[1]"),
        ({"card": 7}, "feedback[1].card"),
        ({"card": "a\0b"}, "feedback[1].card"),
        ({"card": "a" * 201}, "feedback[1].card"),
        ({"outcome": "ignored"}, "feedback[1].outcome"),
        ({"outcomeTimestamp": None}, "feedback[1]"),
        ({"outcomeTimestamp": "yesterday"}, "feedback[1].outcomeTimestamp"),
        ({"outcomeTimestamp": "0001-01-01T00:00:00+14:00"}, "feedback[1].outcomeTimestamp"),
        ({"outcome": "accepted"}, "feedback[1].acceptedSuggestions"),
        ({"outcome": "accepted", "acceptedSuggestions": []}, "feedback[1].acceptedSuggestions"),
        ({"acceptedSuggestions": [{"id": ""}]}, "feedback[1].acceptedSuggestions[0].id"),
        ({"acceptedSuggestions": "all"}, "feedback[1].acceptedSuggestions"),
        ({"overrideReason": {"reason": {"code": "a\nb"}}}, "feedback[1].overrideReason.reason.code"),
        ({"overrideReason": "no"}, "feedback[1].overrideReason"),
    ],
    ids=str,
)
def test_what_is_impossible_is_refused_with_its_place_and_nothing_of_the_call_is_kept(
    client: httpx.Client, journal: Journal, changes: dict[str, Any], where: str
) -> None:
    good = word()

    answer = say(client, good, word(**changes))

    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert answer.json()["issue"][0]["expression"] == [where]
    assert kept(journal, good["card"]) == []


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"overrideReason": {"userComment": "x" * 4_001}}, "feedback[0].overrideReason.userComment"),
        ({"overrideReason": {"reason": {"display": "x" * 4_001}}}, "feedback[0].overrideReason.reason.display"),
        ({"outcome": "accepted", "acceptedSuggestions": [{"id": "s"}] * 101}, "feedback[0].acceptedSuggestions"),
    ],
)
def test_what_is_longer_than_is_kept_is_refused(
    client: httpx.Client, journal: Journal, changes: dict[str, Any], where: str
) -> None:
    said = word(**changes)

    answer = say(client, said)

    assert answer.status_code == 413
    assert answer.json()["issue"][0]["expression"] == [where]
    assert kept(journal, said["card"]) == []


def test_a_call_of_more_than_a_million_bytes_is_refused(client: httpx.Client) -> None:
    assert client.post(FEEDBACK, content=b" " * 1_000_001).status_code == 413
    assert client.post(FEEDBACK, content=b" " * 1_000_000).status_code == 400


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"feedback": []}', b'{"feedback": {}}', b"\xff", b'{"feedback'])
def test_a_body_that_says_nothing_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post(FEEDBACK, content=body)

    assert answer.status_code == 400
    assert answer.json()["issue"][0]["severity"] == "error"


def test_a_repeated_call_changes_nothing(client: httpx.Client, journal: Journal) -> None:
    said = word()

    assert [say(client, said).status_code for _ in range(3)] == [200, 200, 200]
    assert len(kept(journal, said["card"])) == 1


def test_only_an_unknown_service_is_not_found(client: httpx.Client) -> None:
    assert client.post("/cds-services/nobody/feedback", json={"feedback": [word()]}).status_code == 404


@pytest.mark.seconds
def test_a_browser_may_send_feedback() -> None:
    with serving(cors_origins="https://ehr.example") as client:
        asked = {
            "Origin": "https://ehr.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        answer = client.options(FEEDBACK, headers=asked)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://ehr.example"


@pytest.mark.seconds
def test_without_a_journal_feedback_is_not_taken_and_health_says_so() -> None:
    with serving() as client:
        assert say(client, word()).status_code == 501
        assert client.get("/health").json()["journal"] == {"status": "off"}
        assert client.get("/health").json()["status"] == "ok"


def test_a_call_leaves_a_receipt_that_names_rules_and_conclusions_but_no_patient(
    client: httpx.Client, journal: Journal
) -> None:
    card = ask(client)[0]

    row = receipt_of(journal, card["uuid"])

    assert (row["service"], row["hook"]) == ("ketamine-evaluation", "patient-view")
    assert row["hook_instance"] == REQUEST["hookInstance"]
    assert row["rules"] == client.get("/health").json()["rules"]
    assert set(row["conclusions"].values()) <= {"true", "false", "unknown"}
    assert {"read", "decide", "answer"} == set(row["milliseconds"])
    assert REQUEST["context"]["patientId"] not in (row["patient"], row["input"])


def test_equal_data_have_equal_digests_whatever_instance_asks(client: httpx.Client, journal: Journal) -> None:
    other = REQUEST["prefetch"] | {"allergies": None}
    asked = [
        ask(client)[0],
        ask(client, hookInstance=str(uuid.uuid4()), fhirAuthorization={"access_token": "other"})[0],
        ask(client, prefetch=other)[0],
    ]

    rows = [receipt_of(journal, card["uuid"]) for card in asked]

    assert rows[0]["input"] == rows[1]["input"] != rows[2]["input"]
    assert len({row["patient"] for row in rows}) == 1


@pytest.mark.seconds
def test_receipts_and_feedback_bear_the_name_of_the_tenant_that_signed(tmp_path: Path) -> None:
    ehrs = {name: Ehr(f"https://{name}.example", ec_key(name), "ES384") for name in ("north", "south")}
    listed = [{"name": name, "issuers": [ehr.issuer], "keys": {"set": key_set(ehr.key)}} for name, ehr in ehrs.items()]
    (tmp_path / "tenants.yaml").write_text(json.dumps({"tenants": listed}))
    journal = Journal(Store(str(tmp_path / "journal.sqlite3")), KEEP)

    with serving(journal=journal, tenants=tmp_path / "tenants.yaml", public_url=BASE) as client:
        asked = client.post(SERVICE, json=REQUEST, headers=ehrs["north"].bearer(SERVICE))
        card = asked.json()["cards"][0]["uuid"]
        said = {"feedback": [word(card)]}
        assert client.post(FEEDBACK, json=said, headers=ehrs["south"].bearer(FEEDBACK)).status_code == 200
        assert client.post(FEEDBACK, json=said).status_code == 401

        assert receipt_of(journal, card)["tenant"] == "north"
        assert [row["tenant"] for row in kept(journal, card)] == ["south"]


@pytest.mark.seconds
def test_an_input_is_kept_only_when_a_setting_says_so_and_never_with_the_token(tmp_path: Path) -> None:
    journal = Journal(Store(str(tmp_path / "journal.sqlite3")), RetentionPeriods(receipts=100, comments=10, inputs=5))
    with serving(journal=journal) as client:
        card = ask(client, fhirAuthorization={"access_token": "secret-token"})[0]
        row = receipt_of(journal, card["uuid"])
        with journal.store.reading() as connection:
            body = connection.execute(select(tables.inputs.c.body).where(tables.inputs.c.receipt == row["id"])).scalar()
    plain = gzip.decompress(body or b"")

    assert msgspec.json.decode(plain) == {
        "patientId": "example",
        "prefetch": REQUEST["prefetch"] | {"journal.overrides": []},
    }
    assert b"secret-token" not in plain


@pytest.mark.seconds
def test_a_store_that_is_away_costs_no_card_but_no_feedback_is_acknowledged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    journal = Journal(Store(str(tmp_path / "taken" / "journal.sqlite3")), KEEP)
    said = word(overrideReason={"userComment": "Quackenbush"})

    with caplog.at_level(logging.DEBUG), serving(journal=journal) as client:
        assert ask(client)
        refused = say(client, said)
        health = client.get("/health")

        (tmp_path / "taken").unlink()
        assert say(client, said).status_code == 200
        assert len(kept(journal, said["card"])) == 1

    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    assert refused.json()["issue"][0]["code"] == "transient"
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert health.json()["journal"]["status"] == "degraded"
    assert "Quackenbush" not in caplog.text


def test_no_comment_is_logged(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        say(client, word(overrideReason={"userComment": "Quackenbush"}))
        say(client, word(overrideReason={"userComment": "Quackenbush"}, outcome="Quackenbush"))

    assert "Quackenbush" not in caplog.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
    max_leaves=8,
)
TEXT = st.text(max_size=40)
CODING = st.fixed_dictionaries({}, optional={"code": TEXT | JSON, "system": TEXT, "display": TEXT | JSON})
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "card": st.uuids().map(str) | TEXT | JSON,
        "outcome": st.sampled_from(["accepted", "overridden", "", "Accepted"]) | JSON,
        "acceptedSuggestions": st.lists(st.fixed_dictionaries({"id": TEXT}), max_size=3) | JSON,
        "overrideReason": st.fixed_dictionaries({}, optional={"reason": CODING, "userComment": TEXT}) | JSON,
        "outcomeTimestamp": st.datetimes(timezones=st.timezones()).map(datetime.isoformat) | TEXT | JSON,
    },
)
GOOD_ENTRY = st.fixed_dictionaries(
    {
        "card": st.uuids().map(str),
        "outcome": st.sampled_from(["accepted", "overridden"]),
        "outcomeTimestamp": st.datetimes().filter(lambda at: 1900 < at.year < 2199).map(datetime.isoformat),
    },
    optional={"overrideReason": st.fixed_dictionaries({}, optional={"userComment": st.text()})},
).map(lambda entry: entry | ({"acceptedSuggestions": [{"id": "s"}]} if entry["outcome"] == "accepted" else {}))
OFTEN = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.seconds
@OFTEN
@given(body=st.fixed_dictionaries({"feedback": st.lists(ENTRY, max_size=3)}) | JSON)
def test_no_body_brings_the_service_down(client: httpx.Client, body: Any) -> None:
    answer = client.post(FEEDBACK, content=json.dumps(body))

    assert answer.status_code in {200, 400}


@pytest.mark.seconds
@OFTEN
@given(entries=st.lists(GOOD_ENTRY, min_size=1, max_size=3))
def test_every_sound_word_is_kept_whatever_was_typed(
    client: httpx.Client, journal: Journal, entries: list[dict[str, Any]]
) -> None:
    assert say(client, *entries).status_code == 200
    assert all(kept(journal, entry["card"]) for entry in entries)
