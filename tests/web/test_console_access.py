"""Who may see the console: this machine alone, or those a provider says are among the allowed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi.routing import APIRoute
from fhir.resources.R4B.auditevent import AuditEvent
from typer.testing import CliRunner

from cds.app import UnsafeSettingsError, create_app
from cds.cli.main import app
from cds.journal.audit import read_audit
from cds.journal.journal import Journal
from cds.journal.store import Store, StoreDownError
from cds.settings import Settings
from cds.web.console.access import COOKIE
from cds.web.console.door import ConsoleDoor
from cds.web.console.urls import CALLBACK, ENTER, HOME, LOGIN, LOGOUT
from cds.web.console.users import Role, allowed_by
from tests.api.callers import ec_key, key_set
from tests.rulebook.small_rules import GOOD, RULE, changed, write_rules
from tests.server import console_link, serving
from tests.web.oidc_server import CLIENT, SECRET
from tests.web.serving_pages import KEEP

OPEN = {LOGIN, CALLBACK, LOGOUT, ENTER}
SIGN_IN: dict[str, Any] = {
    "oidc_issuer": "https://id.example",
    "oidc_client_id": CLIENT,
    "oidc_client_secret": SECRET,
    "oidc_allowed": ("admin=sub:ann",),
    "public_url": "https://cds.example",
}


# ---------------------------------------------------------------- starting


def refusal(**settings: Any) -> str:
    with pytest.raises(UnsafeSettingsError) as refused:
        create_app(Settings(console=True, **settings))
    return str(refused.value)


@pytest.mark.seconds
def test_there_is_no_console_unless_it_was_asked_for() -> None:
    with serving() as client:
        assert client.get(HOME).status_code == 404


def test_a_console_others_could_reach_does_not_start_without_sign_in(tmp_path: Path) -> None:
    for reached in (
        {"host": "0.0.0.0", "unauthenticated": True},  # noqa: S104
        {"public_url": "https://cds.example"},
        {"tenants": tmp_path / "tenants.yaml", "public_url": "http://127.0.0.1:8000"},
    ):
        assert "CDS_OIDC_ISSUER" in refusal(**reached)


@pytest.mark.parametrize("name", ["oidc_issuer", "oidc_client_id", "oidc_client_secret", "oidc_allowed"])
def test_half_a_sign_in_does_not_start(name: str) -> None:
    rest = {key: value for key, value in SIGN_IN.items() if key != name}

    assert f"CDS_{name.upper()}" in refusal(**rest)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"oidc_allowed": ("ann@clinic.example",)}, "CDS_OIDC_ALLOWED"),
        ({"oidc_allowed": ("email:",)}, "CDS_OIDC_ALLOWED"),
        ({"oidc_issuer": "http://id.example"}, "CDS_OIDC_ISSUER"),
        ({"public_url": "http://cds.example"}, "CDS_PUBLIC_URL"),
        ({"public_url": "", "port": 0}, "CDS_PUBLIC_URL"),
    ],
)
def test_a_sign_in_that_is_not_safe_does_not_start(change: dict[str, Any], says: str) -> None:
    assert says in refusal(**(SIGN_IN | change))


def test_the_secret_is_not_shown_with_the_settings() -> None:
    assert SECRET not in repr(Settings(console=True, **SIGN_IN))


# ---------------------------------------------------------------- this machine alone


@pytest.fixture(scope="module")
def here() -> Iterator[httpx.Client]:
    with serving(console=True) as client:
        yield client


@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "[::1]:8000"])
def test_this_machine_sees_the_console(name: str, here: httpx.Client) -> None:
    assert here.get(HOME, headers={"Host": name}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost@evil.example"},
        {"Host": "2130706434.example"},
        {"X-Forwarded-For": "192.0.2.1"},
        {"X-Forwarded-Host": "cds.example"},
        {"Forwarded": "for=192.0.2.1"},
        {"Via": "1.1 proxy"},
    ],
    ids=str,
)
def test_other_names_and_other_machines_are_refused(headers: dict[str, str], here: httpx.Client) -> None:
    answer = here.get(HOME, headers=headers)

    assert answer.status_code == 403
    assert "this machine only" in answer.text


def paths_of(routes: Iterable[Any]) -> Iterator[str]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route.path
        elif inner := getattr(route, "original_router", None):
            yield from paths_of(inner.routes)


@pytest.mark.seconds
def test_every_address_of_the_console_is_guarded() -> None:
    paths = {path for path in paths_of(create_app(Settings(console=True)).routes) if path.startswith(HOME)}
    with serving(console=True) as client:
        for path in paths - OPEN:
            address = path.replace("{", "").replace("}", "")
            for method in ("GET", "POST"):
                assert client.request(method, address, headers={"Host": "evil.example"}).status_code in (403, 405)

    assert HOME in paths


@pytest.mark.seconds
def test_pages_of_the_console_are_never_framed() -> None:
    with serving(console=True, frame_ancestors=("https://ehr.example",)) as client:
        policy = client.get(HOME).headers["content-security-policy"]

    assert "frame-ancestors 'none'" in policy


def test_without_sign_in_nobody_signs_in(here: httpx.Client) -> None:
    assert here.get(LOGIN).status_code == 404


# ---------------------------------------------------------------- a provider


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    command = [sys.executable, str(Path(__file__).parent / "oidc_server.py"), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()


@pytest.fixture(scope="module")
def console(issuer: str) -> Iterator[httpx.Client]:
    allowed = ("group:informatics", "analyst=email:ann@clinic.example")
    with serving(console=True, **(SIGN_IN | {"oidc_issuer": issuer, "public_url": "", "oidc_allowed": allowed})) as c:
        yield c


@pytest.fixture
def visitor(console: httpx.Client) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=console.base_url) as fresh:
        yield fresh


def begin(visitor: httpx.Client, following: str = HOME) -> str:
    """The provider's address that somebody who opens the console is sent to."""
    first = visitor.get(following)
    assert first.status_code == 303
    return str(visitor.get(first.headers["location"]).headers["location"])


def sign_in(visitor: httpx.Client, login: str) -> httpx.Response:
    """Sign in, as far as the console's answer to what the provider sent back."""
    back = httpx.get(f"{begin(visitor)}&login={login}").headers["location"]
    return visitor.get(back)


@pytest.mark.seconds
def test_somebody_who_is_allowed_signs_in_and_comes_back_where_they_were(visitor: httpx.Client) -> None:
    back = httpx.get(f"{begin(visitor, f'{HOME}?tenant=')}&login=ann").headers["location"]

    answer = visitor.get(back)

    assert answer.headers["location"] == f"{HOME}?tenant="
    assert "Ann Example" in visitor.get(HOME).text


def test_the_cookie_is_for_the_console_and_no_script(visitor: httpx.Client) -> None:
    cookies = sign_in(visitor, "ann").headers.get_list("set-cookie")
    (cookie,) = (one.lower() for one in cookies if one.startswith("thirdline_console="))

    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/console" in cookie
    assert "max-age=36" in cookie or "max-age=35" in cookie


@pytest.mark.seconds
def test_behind_https_the_cookie_goes_over_https_only(issuer: str) -> None:
    with serving(console=True, **(SIGN_IN | {"oidc_issuer": issuer})) as client:
        cookie = client.get(LOGIN).headers["set-cookie"].lower()

    assert "secure" in cookie


@pytest.mark.seconds
@pytest.mark.parametrize(
    "wrong",
    [
        "nonce", "no-nonce", "issuer", "no-iss", "audience", "no-aud", "party", "expired", "no-exp", "future", "no-sub",
        "none", "hmac", "key", "no-token",
    ],
)  # fmt: skip
def test_a_token_that_is_not_right_signs_nobody_in(wrong: str, visitor: httpx.Client) -> None:
    answer = sign_in(visitor, f"ann--{wrong}")

    assert answer.status_code == 403
    assert visitor.get(HOME).status_code == 303


@pytest.mark.parametrize("login", ["bob", "eve"])
def test_others_of_the_provider_are_not_let_in(login: str, visitor: httpx.Client) -> None:
    answer = sign_in(visitor, login)

    assert answer.status_code == 403
    assert "may not see" in answer.text
    assert visitor.get(HOME).status_code == 303


def test_a_sign_in_that_somebody_else_began_is_refused(visitor: httpx.Client, console: httpx.Client) -> None:
    with httpx.Client(base_url=console.base_url) as other:
        back = httpx.get(f"{begin(other)}&login=ann").headers["location"]
        begin(visitor)
        answer = visitor.get(back)

    assert answer.status_code == 403
    assert visitor.get(HOME).status_code == 303


def test_a_changed_state_or_no_state_is_refused(visitor: httpx.Client) -> None:
    back = httpx.get(f"{begin(visitor)}&login=ann").headers["location"]

    assert visitor.get(back.replace("state=", "state=x")).status_code == 403
    assert visitor.get(CALLBACK).status_code == 403
    assert visitor.get(f"{CALLBACK}?error=access_denied").status_code == 403


def test_a_code_signs_in_once(visitor: httpx.Client, console: httpx.Client) -> None:
    back = httpx.get(f"{begin(visitor)}&login=ann").headers["location"]
    with httpx.Client(base_url=console.base_url, cookies=dict(visitor.cookies)) as copied:
        assert visitor.get(back).status_code == 303
        assert copied.get(back).status_code == 403


def test_a_changed_cookie_signs_nobody_in(visitor: httpx.Client) -> None:
    sign_in(visitor, "ann")
    (value,) = (value for name, value in visitor.cookies.items() if name == COOKIE)
    name = COOKIE
    changed = ("A" if value[5] != "A" else "B").join((value[:5], value[6:]))

    assert httpx.get(f"{visitor.base_url}{HOME}", cookies={name: changed}).status_code == 303


def test_after_an_hour_the_provider_is_asked_again(visitor: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(visitor, "ann")
    assert visitor.get(HOME).status_code == 200
    later = datetime.now(UTC) + timedelta(seconds=3601)
    monkeypatch.setattr("cds.web.console.sessions.now", lambda: later)

    assert visitor.get(HOME).status_code == 303


def test_who_signs_out_is_out_and_so_is_every_copy_of_the_cookie(visitor: httpx.Client, issuer: str) -> None:
    sign_in(visitor, "ann")
    copied = dict(visitor.cookies)
    assert httpx.get(f"{visitor.base_url}{HOME}", cookies=copied).status_code == 200

    answer = visitor.post(LOGOUT, headers={"Sec-Fetch-Site": "same-origin"})

    assert f'href="{issuer}/end"' in answer.text
    assert visitor.get(HOME).status_code == 303
    assert httpx.get(f"{visitor.base_url}{HOME}", cookies=copied).status_code == 303


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}], ids=str
)
def test_a_page_of_somebody_else_signs_nobody_out(headers: dict[str, str], visitor: httpx.Client) -> None:
    sign_in(visitor, "ann")

    assert visitor.post(LOGOUT, headers=headers).status_code == 403
    assert visitor.get(HOME).status_code == 200


@pytest.mark.parametrize(
    "following", ["https://evil.example/console", "//evil.example/console", "/\\evil.example", "/evaluate", "/consoles"]
)
def test_nobody_is_led_away_after_signing_in(following: str, visitor: httpx.Client) -> None:
    there = visitor.get(LOGIN, params={"next": following}).headers["location"]

    answer = visitor.get(httpx.get(f"{there}&login=ann").headers["location"])

    assert answer.headers["location"] == HOME


@pytest.mark.seconds
def test_a_provider_that_is_away_is_said_and_nobody_gets_in() -> None:
    away = SIGN_IN | {"oidc_issuer": "http://127.0.0.1:9", "public_url": ""}
    with serving(console=True, **away) as client:
        answer = client.get(LOGIN)

        assert answer.status_code == 503
        assert "Sign-in does not work now" in answer.text
        assert client.get(HOME).status_code == 303


@pytest.mark.seconds
def test_a_provider_that_says_it_is_another_is_not_believed(issuer: str) -> None:
    other = SIGN_IN | {"oidc_issuer": issuer.replace("127.0.0.1", "localhost"), "public_url": ""}
    with serving(console=True, **other) as client:
        assert client.get(LOGIN).status_code == 503


@pytest.mark.processes
def test_each_tenant_shows_its_own_rules_and_stays_chosen_from_page_to_page(
    issuer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = []
    for name in ("north", "south"):
        write_rules(tmp_path / name, {**GOOD, RULE: changed(GOOD[RULE], "Depression, small", f"Rules of the {name}")})
        keys = json.dumps(key_set(ec_key(name)))
        entries.append(f"  - {{name: {name}, issuers: ['https://{name}'], rules: {name}, keys: {{set: {keys}}}}}\n")
    (tmp_path / "tenants.yaml").write_text("tenants:\n" + "".join(entries))
    monkeypatch.setenv("CDS_TENANTS", str(tmp_path / "tenants.yaml"))
    # A name of this machine, so that the cookie needs no https; nobody listens there.
    sign_in_here = SIGN_IN | {"oidc_issuer": issuer, "public_url": "http://127.0.0.1:1"}
    with serving(console=True, today=date(2025, 6, 1), **sign_in_here) as client:
        back = urlsplit(httpx.get(f"{begin(client)}&login=ann").headers["location"])
        client.get(f"{back.path}?{back.query}")

        first, south = client.get(HOME).text, client.get(f"{HOME}?tenant=south").text
        file = client.get(f"{HOME}/rules/depression?tenant=south").text

        assert "Rules of the north" in first
        assert "Rules of the south" in south
        assert 'href="/console/rules?tenant=south"' in south
        assert "<option selected>south</option>" in south
        assert "Rules of the south" in file
        assert client.get(f"{HOME}?tenant=west").status_code == 404


# ---------------------------------------------------------------- what each may see


def entering(client: httpx.Client, login: str) -> None:
    back = urlsplit(httpx.get(f"{begin(client)}&login={login}").headers["location"])
    assert client.get(f"{back.path}?{back.query}").status_code == 303


@pytest.mark.processes  # what the cases show is measured in a process of its own
@pytest.mark.parametrize(
    ("role", "open_", "closed"),
    [
        ("viewer", ("", "/rules"), ("/decisions", "/feedback", "/feedback-export.csv", "/playground", "/audit")),
        ("analyst", ("", "/decisions", "/feedback-export.csv", "/data"), ("/playground", "/audit", "/audit.ndjson")),
        ("steward", ("/feedback", "/playground"), ("/audit",)),
        ("admin", ("/playground", "/audit", "/audit.ndjson"), ()),
    ],
)
def test_each_role_sees_what_it_is_for(
    role: str, open_: tuple[str, ...], closed: tuple[str, ...], issuer: str, tmp_path: Path
) -> None:
    settings = SIGN_IN | {
        "oidc_issuer": issuer,
        "public_url": "",
        "oidc_allowed": (f"{role}=email:ann@clinic.example",),
    }
    journal = Journal(Store(str(tmp_path / "journal.sqlite3")), KEEP)
    with serving(console=True, journal=journal, **settings) as client:
        entering(client, "ann")

        for path in open_:
            assert client.get(HOME + path).status_code == 200, path
            assert path in ("/feedback-export.csv", "/audit.ndjson") or f'href="{HOME}{path}"' in client.get(HOME).text
        for path in closed:
            assert client.get(HOME + path).status_code == 403, path
            assert f'href="{HOME}{path}"' not in client.get(HOME).text
        refused = client.post(f"{HOME}/rules/x/coverage", headers={"Sec-Fetch-Site": "same-origin"})
        assert (refused.status_code == 403) == (role in ("viewer", "analyst"))
        acknowledged = client.post(f"{HOME}/disagreements?id=x", headers={"Sec-Fetch-Site": "same-origin"})
        assert acknowledged.status_code == (403 if role in ("viewer", "analyst") else 303)


def test_an_entry_without_a_role_is_a_viewer_and_roles_count_at_their_tenant() -> None:
    listed = allowed_by(("group:all", "analyst@north=group:all", "steward=sub:ann", "admin@south=email:a@b.example"))

    everybody, ann = listed.grant(("group:all",)), listed.grant(("sub:ann", "group:all"))

    assert everybody is not None
    assert ann is not None
    assert [everybody.role_for(name) for name in ("", "north", "south")] == [Role.VIEWER, Role.ANALYST, Role.VIEWER]
    assert [ann.role_for(name) for name in ("", "north", "south")] == [Role.STEWARD] * 3
    assert listed.grant(("sub:bob",)) is None
    only_south = listed.grant(("email:a@b.example",))
    assert only_south is not None
    assert only_south.role_for("north") is None
    assert listed.tenants == {"north", "south"}


@pytest.mark.seconds
def test_who_was_taken_off_the_list_is_out_at_once_and_so_is_everybody_after_a_new_secret(
    issuer: str, tmp_path: Path
) -> None:
    settings = SIGN_IN | {"oidc_issuer": issuer, "public_url": ""}

    def status(cookies: dict[str, str], **changes: Any) -> int:
        journal = Journal(Store(str(tmp_path / "journal.sqlite3")), KEEP)
        with serving(console=True, journal=journal, **(settings | changes)) as client:
            client.cookies.update(cookies)
            return client.get(HOME).status_code

    journal = Journal(Store(str(tmp_path / "journal.sqlite3")), KEEP)
    allowed = ("analyst=email:ann@clinic.example",)
    with serving(console=True, journal=journal, **(settings | {"oidc_allowed": allowed})) as client:
        entering(client, "ann")
        cookies = {name: value for name, value in client.cookies.items() if name == COOKIE}

    assert status(cookies, oidc_allowed=allowed) == 200  # a session outlives a restart
    assert status(cookies, oidc_allowed=("sub:somebody-else",)) == 303
    assert status(cookies, oidc_allowed=allowed, oidc_client_secret=f"{SECRET}, renewed") == 303
    with serving(
        console=True, sign_in=False, journal=Journal(Store(str(tmp_path / "journal.sqlite3")), KEEP)
    ) as client:
        client.cookies.update(cookies)
        assert client.get(HOME).status_code == 401  # a viewer is not this machine


@pytest.mark.seconds
def test_a_tenant_that_is_not_theirs_is_none(issuer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = []
    for name in ("north", "south"):
        write_rules(tmp_path / name, GOOD)
        keys = json.dumps(key_set(ec_key(name)))
        entries.append(f"  - {{name: {name}, issuers: ['https://{name}'], rules: {name}, keys: {{set: {keys}}}}}\n")
    (tmp_path / "tenants.yaml").write_text("tenants:\n" + "".join(entries))
    monkeypatch.setenv("CDS_TENANTS", str(tmp_path / "tenants.yaml"))
    settings = SIGN_IN | {"oidc_issuer": issuer, "public_url": "http://127.0.0.1:1"}
    settings |= {"oidc_allowed": ("analyst@south=email:ann@clinic.example",)}
    with serving(console=True, today=date(2025, 6, 1), **settings) as client:
        entering(client, "ann")

        assert "<option>north" not in client.get(HOME).text
        assert client.get(f"{HOME}?tenant=south").status_code == 200
        assert client.get(f"{HOME}?tenant=north").status_code == 404
    with pytest.raises(UnsafeSettingsError, match="west"):
        create_app(Settings(console=True, **(settings | {"oidc_allowed": ("viewer@west=sub:ann",)})))


# ---------------------------------------------------------------- the link of this machine


@pytest.mark.seconds
def test_behind_a_proxy_that_adds_no_header_nobody_gets_in() -> None:
    with serving(console=True, sign_in=False) as client:
        answer = client.get(HOME)

        assert answer.status_code == 401
        assert "cds console-link" in answer.text
        assert client.get(ENTER, params={"token": "x.y.z"}).status_code == 403
        assert client.get(ENTER).status_code == 403


@pytest.mark.seconds
def test_the_link_opens_once_and_for_no_other_machine() -> None:
    with serving(console=True, sign_in=False) as client:
        port = client.base_url.port
        assert port is not None
        link = console_link(port)

        assert client.get(link, headers={"Host": "evil.example"}).status_code == 403
        entered = client.get(link)
        assert entered.status_code == 303
        assert entered.headers["cache-control"] == "no-store"
        assert client.get(HOME).status_code == 200
        assert httpx.get(link).status_code == 403
        assert client.post(LOGOUT, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
        assert client.get(HOME).status_code == 401


def test_a_link_that_is_too_old_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    door = ConsoleDoor(None)
    token = door.link("").partition("token=")[2]
    later = int((datetime.now(UTC) + timedelta(hours=13)).timestamp())
    monkeypatch.setattr("itsdangerous.timed.TimestampSigner.get_timestamp", lambda _: later)

    assert not door.opens(token)


@pytest.mark.seconds
def test_the_command_prints_a_link_for_the_journal_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(tmp_path / "journal.sqlite3")
    monkeypatch.setenv("CDS_JOURNAL", place)
    with serving(console=True, sign_in=False, journal=Journal(Store(place), KEEP)) as client:
        printed = CliRunner().invoke(app, ["console-link"])
        assert printed.exit_code == 0, printed.output
        link = urlsplit(printed.output.strip())

        assert client.get(f"{link.path}?{link.query}").status_code == 303
        assert client.get(f"{link.path}?{link.query}").status_code == 403


def test_sessions_of_several_workers_need_the_journal() -> None:
    assert "CDS_JOURNAL" in refusal(workers=2, journal="none")


# ---------------------------------------------------------------- who looked


@pytest.mark.seconds
def test_every_look_at_what_clinicians_said_is_written_down_before_it_is_shown(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "journal.sqlite3"))
    with serving(console=True, journal=Journal(store, KEEP)) as client:
        client.get(f"{HOME}/feedback?days=7")
        client.get(f"{HOME}/feedback-export.csv")
        client.get(HOME)
        page = client.get(f"{HOME}/audit").text
        exported = [
            AuditEvent.model_validate_json(line) for line in client.get(f"{HOME}/audit.ndjson").text.splitlines()
        ]

    looks = [(look.action.value, look.address) for _, look in read_audit(store, datetime(2000, 1, 1, tzinfo=UTC))]
    assert looks == [
        ("signed-in", ENTER), ("read", f"{HOME}/feedback"), ("export", f"{HOME}/feedback-export.csv"),
        ("read", f"{HOME}/audit"), ("export", f"{HOME}/audit.ndjson"),
    ]  # fmt: skip
    assert "this machine" in page
    assert f"{HOME}/feedback-export.csv" in page
    assert [event.action for event in exported] == ["E", "R", "R", "R", "R"]
    assert "token" not in page


@pytest.mark.seconds
def test_where_a_look_cannot_be_written_down_nothing_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> None:
        raise StoreDownError("full")

    with serving(console=True, journal=Journal(Store(str(tmp_path / "journal.sqlite3")), KEEP)) as client:
        assert client.get(f"{HOME}/feedback").status_code == 200
        monkeypatch.setattr("cds.web.console.access.record_audit", down)

        assert client.get(f"{HOME}/feedback").status_code == 503
        assert client.get(HOME).status_code == 200
