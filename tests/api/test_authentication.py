"""Who may call: signed tokens over real HTTP, and every way in which one can be wrong."""

from __future__ import annotations

import hmac
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jws
from joserfc.util import urlsafe_b64encode

from cds.decide import Ruleset
from tests.api.callers import BASE, JSON, Ehr, ec_key, epic, key_set, raw, rsa_key, sandbox
from tests.api.key_server import KeyServer, key_server
from tests.api.wire import flaws_in_discovery, flaws_in_response, issue
from tests.fhir_server import Answer
from tests.server import ROOT, serving
from tests.shipped import shipped_rules

SERVICE = "/cds-services/ketamine-evaluation"
EXAMPLE: JSON = json.loads((ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json").read_text())
BUNDLE: JSON = json.loads((ROOT / "fhir_examples" / "bundle.json").read_text())
SANDBOX, EPIC = sandbox(), epic()
ORIGIN = "https://ehr.example"


def tenants_file(folder: Path, *tenants: JSON) -> Path:
    """YAML is a superset of JSON."""
    path = folder / "tenants.yaml"
    path.write_text(json.dumps({"tenants": list(tenants)}))
    return path


def tenant(ehr: Ehr, name: str = "north", **changes: Any) -> JSON:
    return {"name": name, "issuers": [ehr.issuer], "keys": {"set": key_set(ehr.key)}} | changes


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return shipped_rules()


@pytest.fixture(scope="module")
def client(rules: Ruleset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("tenants")
    (folder / "epic.jwks.json").write_text(json.dumps(key_set(rsa_key("retired"), EPIC.key)))
    path = tenants_file(folder, tenant(SANDBOX, "sandbox"), tenant(EPIC, keys={"file": "epic.jwks.json"}))
    with serving(rules, tenants=path, public_url=BASE, cors_origins=(ORIGIN,)) as running:
        yield running


@pytest.fixture
def published() -> Iterator[KeyServer]:
    with key_server(key_set(SANDBOX.key)) as running:
        yield running


def refused(answer: httpx.Response) -> bool:
    """Whether it is the one answer that strangers get, whatever is wrong."""
    if answer.status_code != 401:
        return False
    assert answer.headers["www-authenticate"] == "Bearer"
    said = issue(answer.json())
    assert said["code"] == "login"
    assert said["details"]["text"] == "This call is not authenticated"
    return True


@pytest.mark.seconds
def test_a_signed_call_is_answered_on_every_address_of_the_protocol(client: httpx.Client) -> None:
    for ehr in (SANDBOX, EPIC):
        discovery = client.get("/cds-services", headers=ehr.bearer("/cds-services"))
        cards = client.post(SERVICE, json=EXAMPLE, headers=ehr.bearer(SERVICE))
        evaluated = client.post("/evaluate", json=BUNDLE, headers=ehr.bearer("/evaluate"))

        assert flaws_in_discovery(discovery.json()) == []
        assert flaws_in_response(cards.json()) == []
        assert cards.json()["cards"]
        assert evaluated.json()["conclusions"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/cds-services"),
        ("HEAD", "/cds-services"),
        ("GET", "/source-attributes"),
        ("GET", "/source-attributes/evaluation"),
        ("POST", SERVICE),
        ("POST", f"{SERVICE}/feedback"),
        ("POST", "/evaluate"),
        ("GET", "/"),
        ("GET", "/openapi.json"),
        ("GET", "/nowhere"),
        ("OPTIONS", SERVICE),
        ("GET", "/health/"),
    ],
)
def test_without_a_token_nothing_is_answered(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_health_is_open_and_says_no_more_than_whether_it_works(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    "audience",
    [
        BASE + SERVICE,
        BASE,
        BASE + "/",
        [BASE + SERVICE],
        ["https://other.example", BASE + SERVICE],
    ],
)
def test_the_audience_is_the_address_called_or_the_base_alone_or_in_a_list(client: httpx.Client, audience: Any) -> None:
    headers = SANDBOX.bearer(SERVICE, aud=audience)

    assert client.post(SERVICE, json=EXAMPLE, headers=headers).status_code == 200


def test_the_query_is_no_part_of_the_audience(client: httpx.Client) -> None:
    headers = SANDBOX.bearer("/evaluate")

    assert client.post("/evaluate", params={"today": "2026-06-01"}, json=BUNDLE, headers=headers).status_code == 200


def soon(seconds: float) -> float:
    return time.time() + seconds


GOOD_CLAIMS: dict[str, Callable[[], JSON]] = {
    "a clock a little ahead": lambda: {"iat": soon(30), "nbf": soon(30)},
    "expired within the skew": lambda: {"iat": soon(-300), "exp": soon(-30)},
    "nbf before iat, as Epic sends": lambda: {"nbf": soon(-300), "sub": "client-1"},
    "times with fractions": lambda: {"iat": soon(0.5), "exp": soon(300.5)},
    "claims of its own": lambda: {"tenant": "ward 7", "unknown": [1]},
    "a long jti": lambda: {"jti": f"{time.time_ns()}".rjust(255, "x")},
}


@pytest.mark.parametrize("name", GOOD_CLAIMS)
def test_what_real_clients_claim_is_taken(client: httpx.Client, name: str) -> None:
    headers = SANDBOX.bearer("/cds-services", **GOOD_CLAIMS[name]())

    assert client.get("/cds-services", headers=headers).status_code == 200


BAD_CLAIMS: dict[str, Callable[[], JSON]] = {
    "unknown iss": lambda: {"iss": "https://stranger.example"},
    "iss with a slash at its end": lambda: {"iss": SANDBOX.issuer + "/"},
    "iss as a list": lambda: {"iss": [SANDBOX.issuer]},
    "no iss": lambda: {"iss": None},
    "the other tenant's iss": lambda: {"iss": EPIC.issuer},
    "aud of another host": lambda: {"aud": "https://other.example/cds-services"},
    "aud of another endpoint": lambda: {"aud": BASE + SERVICE},
    "aud as this machine sees it": lambda: {"aud": "http://127.0.0.1/cds-services"},
    "aud that only begins so": lambda: {"aud": BASE + "/cds-services.evil.example"},
    "aud in other letters": lambda: {"aud": (BASE + "/cds-services").upper()},
    "no aud": lambda: {"aud": None},
    "empty aud list": lambda: {"aud": []},
    "aud list of others": lambda: {"aud": ["https://a.example", "https://b.example"]},
    "aud list with a number": lambda: {"aud": [7, BASE]},
    "aud as an object": lambda: {"aud": {BASE: 1}},
    "expired": lambda: {"iat": soon(-400), "exp": soon(-61)},
    "no exp": lambda: {"exp": None},
    "exp as text": lambda: {"exp": str(int(soon(300)))},
    "exp true": lambda: {"exp": True},
    "lives a day": lambda: {"exp": soon(86_400)},
    "lives for ever": lambda: {"exp": 10**400},
    "iat in the future": lambda: {"iat": soon(120), "exp": soon(300)},
    "no iat": lambda: {"iat": None},
    "nbf in the future": lambda: {"nbf": soon(120)},
    "nbf as text": lambda: {"nbf": "now"},
    "no jti": lambda: {"jti": None},
    "empty jti": lambda: {"jti": ""},
    "jti as a number": lambda: {"jti": 7},
    "endless jti": lambda: {"jti": "x" * 256},
}


@pytest.mark.parametrize("name", BAD_CLAIMS)
def test_a_signed_token_with_wrong_claims_is_refused(client: httpx.Client, name: str) -> None:
    headers = SANDBOX.bearer("/cds-services", **BAD_CLAIMS[name]())

    assert refused(client.get("/cds-services", headers=headers))


def hmac_with_the_public_key() -> str:
    """The confusion of RFC 8725 §2.1: what everybody has, taken for a secret."""
    unsigned = raw(SANDBOX.header(alg="HS384"), good()).rpartition(".")[0]
    code = hmac.digest(SANDBOX.key.as_pem(private=False), unsigned.encode(), "sha384")
    return f"{unsigned}.{urlsafe_b64encode(code).decode()}"


def good() -> JSON:
    return SANDBOX.claims("/cds-services")


def signed(**header: Any) -> str:
    return SANDBOX.sign(SANDBOX.header(**header), good())


def by(key: Any, algorithm: str, **header: Any) -> str:
    return Ehr(SANDBOX.issuer, key, algorithm).sign(SANDBOX.header(alg=algorithm, **header), good())


def changed_payload() -> str:
    header, _, signature = signed().split(".")
    return ".".join((header, raw({}, good()).split(".")[1], signature))


def signed_as_it_is(header: bytes) -> str:
    unsigned = raw(header, good()).rpartition(".")[0]
    signature = jws.JWSRegistry.algorithms["ES384"].sign(unsigned.encode(), SANDBOX.key)
    return f"{unsigned}.{urlsafe_b64encode(signature).decode()}"


def with_twice(member: bytes, value: bytes) -> bytes:
    return json.dumps(good()).encode()[:-1] + b', "' + member + b'": ' + value + b"}"


TOKENS: dict[str, Callable[[], str]] = {
    "alg none": lambda: raw(SANDBOX.header(alg="none"), good(), b""),
    "alg none with a signature": lambda: raw(SANDBOX.header(alg="none"), good()),
    "alg None in other letters": lambda: raw(SANDBOX.header(alg="nOnE"), good()),
    "no alg": lambda: raw({"kid": SANDBOX.key.kid, "typ": "JWT"}, good()),
    "alg as a list": lambda: raw(SANDBOX.header(alg=["ES384"]), good()),
    "HMAC with the public key": hmac_with_the_public_key,
    "an algorithm that is not allowed": lambda: by(ec_key("44823f3d", "P-256"), "ES256"),
    "another key under the same name": lambda: by(ec_key("mallory"), "ES384"),
    "a key of another kind under the same name": lambda: by(rsa_key("mallory"), "RS384"),
    "unknown kid": lambda: signed(kid="unknown"),
    "no kid": lambda: signed(kid=""),
    "kid that is a path": lambda: signed(kid="../../../../dev/null"),
    "kid that is a file of ours": lambda: signed(kid="epic.jwks.json"),
    "kid that is a query": lambda: signed(kid="x' UNION SELECT 'a"),
    "kid of the other tenant": lambda: by(EPIC.key, "RS384", kid=EPIC.key.kid),
    "changed payload": changed_payload,
    "cut signature": lambda: signed()[:-8],
    "no signature": lambda: signed().rpartition(".")[0] + ".",
    "zeros for a signature": lambda: raw(SANDBOX.header(), good(), b"\0" * 96),  # CVE-2022-21449
    "crit": lambda: raw(SANDBOX.header(crit=["exp"], exp=1), good()),
    "crit that is understood elsewhere": lambda: raw(SANDBOX.header(crit=["b64"], b64=False), good()),
    "crit with nothing": lambda: signed(crit=[]),
    "a key of its own in the header": lambda: by(
        ec_key("mallory"), "ES384", kid="mallory", jwk=dict(ec_key("mallory").as_dict(private=False))
    ),
    "another kind of token": lambda: signed(typ="at+jwt"),
    "a claim twice": lambda: SANDBOX.sign(SANDBOX.header(), with_twice(b"iss", json.dumps(SANDBOX.issuer).encode())),
    "NaN": lambda: SANDBOX.sign(SANDBOX.header(), with_twice(b"exp2", b"NaN")),
    "a header member twice": lambda: signed_as_it_is(b'{"alg": "none", "alg": "ES384", "kid": "44823f3d"}'),
    "claims that are a list": lambda: SANDBOX.sign(SANDBOX.header(), b"[]"),
    "claims that are not JSON": lambda: SANDBOX.sign(SANDBOX.header(), b"\xff"),
    "nested too deeply": lambda: SANDBOX.sign(SANDBOX.header(), b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "huge": lambda: SANDBOX.sign(SANDBOX.header(), good() | {"x": "y" * 15_000}),
    "huge header": lambda: signed(x="y" * 5000),
    "five parts": lambda: signed() + ".a.b",
    "two parts": lambda: signed().rpartition(".")[0],
    "base64 with fill": lambda: signed().replace(".", "=.", 1),
    "words": lambda: "let me in",
}


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_that_was_tampered_with_is_refused(client: httpx.Client, name: str) -> None:
    answer = client.get("/cds-services", headers={"Authorization": f"Bearer {TOKENS[name]()}"})

    assert refused(answer)


def test_the_same_token_untampered_is_taken(client: httpx.Client) -> None:
    """Else the test above would prove nothing."""
    as_it_is = signed_as_it_is(b'{"alg": "ES384", "kid": "44823f3d"}')
    for token in (as_it_is, signed(), signed(typ=None), signed(typ="jwt"), signed(unknown=1)):
        assert client.get("/cds-services", headers={"Authorization": f"bearer {token}"}).status_code == 200


@pytest.mark.parametrize("value", ["Basic dTpw", "Bearer", "Token {0}", "{0}", "Bearer {0} {0}", "Bearer {0},{0}"])
def test_another_kind_of_authorization_is_refused(client: httpx.Client, value: str) -> None:
    assert refused(client.get("/cds-services", headers={"Authorization": value.format(signed())}))


def test_two_authorization_headers_are_refused(client: httpx.Client) -> None:
    headers = [("Authorization", f"Bearer {signed()}"), ("Authorization", f"Bearer {signed()}")]

    assert refused(client.get("/cds-services", headers=headers))


def test_a_token_works_once(client: httpx.Client) -> None:
    headers = SANDBOX.bearer(SERVICE, aud=BASE)

    assert client.post(SERVICE, json=EXAMPLE, headers=headers).status_code == 200
    assert refused(client.post(SERVICE, json=EXAMPLE, headers=headers))
    assert refused(client.get("/cds-services", headers=headers))


def test_two_issuers_may_use_the_same_jti(client: httpx.Client) -> None:
    for ehr in (SANDBOX, EPIC):
        assert client.get("/cds-services", headers=ehr.bearer("/cds-services", jti="1")).status_code == 200


def test_a_token_that_was_refused_is_not_used_up(client: httpx.Client) -> None:
    claims = good()
    forged = raw(SANDBOX.header(), claims)
    right = SANDBOX.sign(SANDBOX.header(), claims)

    assert refused(client.get("/cds-services", headers={"Authorization": f"Bearer {forged}"}))
    assert client.get("/cds-services", headers={"Authorization": f"Bearer {right}"}).status_code == 200


def test_the_body_of_a_stranger_is_not_read(client: httpx.Client) -> None:
    """Neither 413 nor 400: it is refused before anybody looks at it."""
    assert refused(client.post(SERVICE, content=b"{" * 30_000_000))


def test_a_browser_may_read_the_refusal_and_may_ask_before(client: httpx.Client) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,content-encoding",
    }

    for path in ("/cds-services", SERVICE, f"{SERVICE}/feedback"):
        preflight = client.options(path, headers=asked)
        answer = client.get(path, headers={"Origin": ORIGIN})

        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == ORIGIN
        allowed = preflight.headers["access-control-allow-headers"].lower()
        assert all(header in allowed for header in ("authorization", "content-type", "content-encoding"))
        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_the_log_says_why_and_never_holds_the_token(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    claims = good() | {"exp": soon(-100), "iat": soon(-300), "jti": "j-1\nWARNING forged line", "sub": "Quackenbush"}
    token = SANDBOX.sign(SANDBOX.header(), claims)

    client.get("/cds-services", headers={"Authorization": f"Bearer {token}"})

    ours = [record.getMessage() for record in caplog.records if record.name.startswith("cds")]
    (line,) = [text for text in ours if "not trusted" in text]
    assert "it has expired" in line
    assert SANDBOX.issuer in line
    assert "tenant sandbox" in line
    assert "\n" not in line
    for secret in (token, *token.split("."), "Quackenbush"):
        assert secret not in caplog.text


# ---------------------------------------------------------------- tenants


@pytest.mark.seconds
def test_a_tenant_may_name_its_own_audience_and_algorithms(rules: Ruleset, tmp_path: Path) -> None:
    ehr = Ehr("https://es256.example", ec_key("es256", "P-256"), "ES256")
    path = tenants_file(tmp_path, tenant(ehr, audiences=["urn:thirdline"], algorithms=["ES256"]))

    with serving(rules, tenants=path, public_url=BASE) as client:
        named = client.get("/cds-services", headers=ehr.bearer("/cds-services", aud="urn:thirdline"))
        public = client.get("/cds-services", headers=ehr.bearer("/cds-services"))

    assert named.status_code == 200
    assert refused(public)


@pytest.mark.seconds
def test_each_tenant_is_answered_by_its_own_rules(tmp_path: Path) -> None:
    path = tenants_file(
        tmp_path, tenant(SANDBOX, "a"), tenant(EPIC, "b", rules=str(ROOT / "tests" / "generality" / "rules"))
    )

    with serving(tenants=path, public_url=BASE) as client:
        a, b = (client.get("/cds-services", headers=ehr.bearer("/cds-services")).json() for ehr in (SANDBOX, EPIC))
        elsewhere = client.post(SERVICE, json=EXAMPLE, headers=EPIC.bearer(SERVICE))

    ids = [[service["id"] for service in answer["services"]] for answer in (a, b)]
    assert ids[0] != ids[1]
    assert elsewhere.status_code == 404
    assert ids[1][0] in elsewhere.json()["issue"][0]["diagnostics"]


# ---------------------------------------------------------------- keys that are published


def published_by(rules: Ruleset, folder: Path, urls: list[str], **changes: Any) -> Any:
    path = tenants_file(folder, tenant(SANDBOX, keys={"urls": urls}, **changes))
    return serving(rules, tenants=path, public_url=BASE)


def call(client: httpx.Client, ehr: Ehr) -> httpx.Response:
    return client.get("/cds-services", headers=ehr.bearer("/cds-services"))


@pytest.mark.seconds
def test_published_keys_are_read_once_and_again_for_a_new_one(
    rules: Ruleset, published: KeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds.auth.jwks.PAUSE_SECONDS", 0.0)
    renewed = sandbox("second key", jku=None)
    with published_by(rules, tmp_path, [published.url]) as client:
        assert [call(client, sandbox(jku=None)).status_code for _ in range(3)] == [200, 200, 200]
        assert published.asked == 1
        published.answer = key_set(SANDBOX.key, renewed.key)
        assert call(client, renewed).status_code == 200
        assert published.asked == 2
        published.answer = key_set(renewed.key)


@pytest.mark.seconds
def test_unknown_keys_do_not_make_us_ask_again_and_again(rules: Ruleset, published: KeyServer, tmp_path: Path) -> None:
    with published_by(rules, tmp_path, [published.url]) as client:
        assert call(client, sandbox(jku=None)).status_code == 200
        assert all(refused(call(client, sandbox(f"unknown-{n}", jku=None))) for n in range(5))
        assert call(client, sandbox(jku=None)).status_code == 200

    assert published.asked == 1


@pytest.mark.seconds
def test_a_jku_is_followed_only_where_it_is_listed(rules: Ruleset, published: KeyServer, tmp_path: Path) -> None:
    mallory = ec_key("mallory")
    with key_server(key_set(mallory)) as foreign, published_by(rules, tmp_path, [published.url]) as client:
        listed = call(client, sandbox(jku=published.url))
        forged = [
            call(client, Ehr(SANDBOX.issuer, mallory, "ES384", jku))
            for jku in (
                foreign.url,
                f"{published.url}/../{foreign.url}",
                f"{published.url}?next={foreign.url}",
                f"{published.url}#",
                published.url.replace("well-known", "WELL-KNOWN"),
                published.url.replace("http://", f"http://{published.url.partition('//')[2]}@"),
            )
        ]
        rightly_signed = call(client, sandbox(jku=foreign.url))
        asked = foreign.asked, published.asked

    assert listed.status_code == 200
    assert all(refused(answer) for answer in (*forged, rightly_signed))
    assert asked == (0, 1)


@pytest.mark.seconds
def test_a_foreign_jku_is_not_followed_when_keys_are_pinned(client: httpx.Client) -> None:
    mallory = ec_key("mallory")
    with key_server(key_set(mallory)) as foreign:
        forged = call(client, Ehr(SANDBOX.issuer, mallory, "ES384", foreign.url))

    assert refused(forged)
    assert foreign.asked == 0


@pytest.mark.seconds
def test_a_redirect_of_the_keys_is_not_followed(rules: Ruleset, tmp_path: Path) -> None:
    mallory = ec_key("mallory")
    with key_server(key_set(mallory)) as foreign, key_server({}) as moved:
        moved.instead = Answer(302, headers=(("location", foreign.url),))
        with published_by(rules, tmp_path, [moved.url]) as client:
            assert refused(call(client, Ehr(SANDBOX.issuer, mallory, "ES384")))

    assert (moved.asked, foreign.asked) == (1, 0)


UNREADABLE_KEYS = {
    "an error": Answer(500),
    "no JSON": Answer(200, b"not JSON"),
    "no UTF-8": Answer(200, b"\xff"),
    "a list": Answer(200, b"[]"),
    "no list of keys": Answer(200, b'{"keys": 7}'),
    "no keys": Answer(200, b'{"keys": []}'),
    "deep": Answer(200, b"[" * 20_000),
    "a private key": Answer(200, json.dumps({"keys": [dict(SANDBOX.key.as_dict(private=True))]}).encode()),
    "a shared key": Answer(200, json.dumps({"keys": [{"kty": "oct", "k": "YQ", "kid": "a"}]}).encode()),
    "endless": Answer(200, b" " * 300_000),
}


@pytest.mark.seconds
@pytest.mark.parametrize("name", UNREADABLE_KEYS)
def test_keys_that_cannot_be_read_trust_nobody(rules: Ruleset, tmp_path: Path, name: str) -> None:
    with key_server({}) as broken:
        broken.instead = UNREADABLE_KEYS[name]
        with published_by(rules, tmp_path, [broken.url]) as client:
            assert refused(call(client, sandbox(jku=None)))
            assert client.get("/health").status_code == 200
            assert broken.asked == 1


@pytest.mark.seconds
def test_what_was_read_goes_on_while_the_address_fails(
    rules: Ruleset, published: KeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds.auth.jwks.PAUSE_SECONDS", 0.0)
    with published_by(rules, tmp_path, [published.url]) as client:
        assert call(client, sandbox(jku=None)).status_code == 200
        published.instead = Answer(503)
        assert refused(call(client, sandbox("unknown", jku=None)))
        assert call(client, sandbox(jku=None)).status_code == 200

    assert published.asked == 2


@pytest.mark.seconds
def test_an_address_of_keys_must_not_lead_into_the_network_unless_that_is_allowed(
    rules: Ruleset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside:
        inside.settimeout(0.5)
        url = f"https://localhost:{inside.getsockname()[1]}/jwks.json"
        with published_by(rules, tmp_path, [url]) as client:
            assert refused(call(client, sandbox(jku=None)))
        with pytest.raises(TimeoutError):
            inside.accept()

    assert "BlockedAddressError" in caplog.text


@pytest.mark.seconds
def test_a_key_that_is_named_for_encryption_or_too_short_checks_no_signature(rules: Ruleset, tmp_path: Path) -> None:
    kept = ec_key("kept")
    listed = key_set(kept)["keys"][0]
    others = [
        dict(SANDBOX.key.as_dict(private=False)) | {"use": "enc"},
        {"kty": "RSA", "kid": "short", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "P-384", "kid": "no point", "x": "AQAB", "y": "AQAB"},
        {"kty": "unheard of", "kid": "new"},
        {"kty": "EC"},
        7,
    ]
    path = tenants_file(tmp_path, tenant(SANDBOX, keys={"set": {"keys": [listed, *others]}}))
    with serving(rules, tenants=path, public_url=BASE) as client:
        assert call(client, Ehr(SANDBOX.issuer, kept, "ES384")).status_code == 200
        assert refused(call(client, sandbox(jku=None)))
