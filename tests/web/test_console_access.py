"""Who may see the console: this machine alone, or those a provider says are among the allowed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi.routing import APIRoute

from cds.app import UnsafeSettingsError, create_app
from cds.settings import Settings
from cds.web.console.urls import CALLBACK, HOME, LOGIN, LOGOUT
from tests.api.callers import ec_key, key_set
from tests.rulebook.small_rules import GOOD, RULE, changed, write_rules
from tests.server import serving
from tests.web.oidc_server import CLIENT, SECRET

OPEN = {LOGIN, CALLBACK, LOGOUT}
SIGN_IN: dict[str, Any] = {
    "oidc_issuer": "https://id.example",
    "oidc_client_id": CLIENT,
    "oidc_client_secret": SECRET,
    "oidc_allowed": ("sub:ann",),
    "public_url": "https://cds.example",
}


# ---------------------------------------------------------------- starting


def refusal(**settings: Any) -> str:
    with pytest.raises(UnsafeSettingsError) as refused:
        create_app(Settings(console=True, **settings))
    return str(refused.value)


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


def test_every_address_of_the_console_is_guarded() -> None:
    paths = {path for path in paths_of(create_app(Settings(console=True)).routes) if path.startswith(HOME)}
    with serving(console=True) as client:
        for path in paths - OPEN:
            address = path.replace("{", "").replace("}", "")
            for method in ("GET", "POST"):
                assert client.request(method, address, headers={"Host": "evil.example"}).status_code in (403, 405)

    assert HOME in paths


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
    allowed = ("group:informatics", "email:ann@clinic.example")
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


def test_somebody_who_is_allowed_signs_in_and_comes_back_where_they_were(visitor: httpx.Client) -> None:
    back = httpx.get(f"{begin(visitor, f'{HOME}?tenant=')}&login=ann").headers["location"]

    answer = visitor.get(back)

    assert answer.headers["location"] == f"{HOME}?tenant="
    assert "Ann Example" in visitor.get(HOME).text


def test_the_cookie_is_for_the_console_and_no_script(visitor: httpx.Client) -> None:
    cookie = sign_in(visitor, "ann").headers["set-cookie"].lower()

    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/console" in cookie
    assert "max-age=3600" in cookie


def test_behind_https_the_cookie_goes_over_https_only(issuer: str) -> None:
    with serving(console=True, **(SIGN_IN | {"oidc_issuer": issuer})) as client:
        cookie = client.get(LOGIN).headers["set-cookie"].lower()

    assert "secure" in cookie


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
    ((name, value),) = visitor.cookies.items()
    changed = ("A" if value[5] != "A" else "B").join((value[:5], value[6:]))

    assert httpx.get(f"{visitor.base_url}{HOME}", cookies={name: changed}).status_code == 303


def test_after_an_hour_the_provider_is_asked_again(visitor: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(visitor, "ann")
    assert visitor.get(HOME).status_code == 200
    import time

    now = time.time()
    monkeypatch.setattr("cds.web.console.sign_in.time.time", lambda: now + 3601)

    assert visitor.get(HOME).status_code == 303


def test_who_signs_out_is_out(visitor: httpx.Client, issuer: str) -> None:
    sign_in(visitor, "ann")

    answer = visitor.post(LOGOUT, headers={"Sec-Fetch-Site": "same-origin"})

    assert f'href="{issuer}/end"' in answer.text
    assert visitor.get(HOME).status_code == 303


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


def test_a_provider_that_is_away_is_said_and_nobody_gets_in() -> None:
    away = SIGN_IN | {"oidc_issuer": "http://127.0.0.1:9", "public_url": ""}
    with serving(console=True, **away) as client:
        answer = client.get(LOGIN)

        assert answer.status_code == 503
        assert "Nobody can sign in now" in answer.text
        assert client.get(HOME).status_code == 303


def test_a_provider_that_says_it_is_another_is_not_believed(issuer: str) -> None:
    other = SIGN_IN | {"oidc_issuer": issuer.replace("127.0.0.1", "localhost"), "public_url": ""}
    with serving(console=True, **other) as client:
        assert client.get(LOGIN).status_code == 503


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
