"""
An OpenID provider in a process of its own: discovery, keys, authorization with PKCE, tokens.

`python oidc_server.py PORT`. Everybody signs in at once, as the `login` that is added to the authorization address
says: `ann` (verified address, group informatics), `bob` (address not verified), `--` and what is wrong with the token.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

CLIENT, SECRET = "thirdline-test", "a secret of sixteen or more"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
STRANGER = RSAKey.generate_key(2048, {"kid": "one"})
CODES: dict[str, dict[str, str]] = {}
USERS: dict[str, dict[str, Any]] = {
    "ann": {"name": "Ann Example", "email": "ann@clinic.example", "email_verified": True, "groups": ["informatics"]},
    "bob": {"email": "ann@clinic.example", "email_verified": False, "groups": "informatics"},
}


def claims(issuer: str, asked: dict[str, str]) -> dict[str, Any]:
    login, _, wrong = asked["login"].partition("--")
    now = int(time.time())
    made = {"iss": issuer, "sub": login, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
    changes: dict[str, dict[str, Any]] = {
        "issuer": {"iss": "https://other.example"},
        "audience": {"aud": "somebody-else"},
        "party": {"aud": [CLIENT, "somebody-else"], "azp": "somebody-else"},
        "expired": {"iat": now - 900, "exp": now - 600},
        "future": {"iat": now + 900, "exp": now + 1800},
        "nonce": {"nonce": "of another sign-in"},
    }
    made |= USERS.get(login, {}) | changes.get(wrong, {})
    for name in ("nonce", "exp", "aud", "sub", "iss"):
        if wrong == f"no-{name}":
            del made[name]
    return made


def signed(issuer: str, asked: dict[str, str]) -> str:
    wrong = asked["login"].partition("--")[2]
    said = claims(issuer, asked)
    if wrong == "none":
        parts = [{"alg": "none", "typ": "JWT"}, said]
        return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."
    if wrong == "hmac":  # signed with what everybody knows: the public key, or the client's secret
        key = OctKey.import_key(SECRET)
        return jwt.encode({"alg": "HS256", "kid": "one"}, said, key, algorithms=["HS256"])
    key_used = STRANGER if wrong == "key" else KEY
    return jwt.encode({"alg": "RS256", "kid": "one"}, said, key_used, algorithms=["RS256"])


class Provider(BaseHTTPRequestHandler):
    server: ThreadingHTTPServer

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path == "/.well-known/openid-configuration":
            self.give(
                200,
                {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{self.issuer}/authorize",
                    "token_endpoint": f"{self.issuer}/token",
                    "jwks_uri": f"{self.issuer}/keys",
                    "end_session_endpoint": f"{self.issuer}/end",
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                },
            )
        elif path == "/keys":
            self.give(200, dict(KeySet([KEY]).as_dict(private=False)))
        elif path == "/authorize":
            asked = {name: values[0] for name, values in query.items()}
            fits = (
                asked.get("client_id") == CLIENT
                and asked.get("response_type") == "code"
                and "openid" in asked.get("scope", "").split()
                and asked.get("code_challenge_method") == "S256"
                and all(asked.get(name) for name in ("state", "nonce", "code_challenge", "redirect_uri"))
            )
            if not fits:
                self.give(400, {"error": "invalid_request"})
                return
            code = secrets.token_urlsafe(16)
            CODES[code] = {"login": "ann"} | asked
            self.send_response(302)
            self.send_header(
                "Location", f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
            )
            self.end_headers()
        else:
            self.give(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        sent = {name: values[0] for name, values in parse_qs(body).items()}
        asked = CODES.pop(sent.get("code", ""), None)
        login = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        proof = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(proof).decode().rstrip("=")
        if (
            asked is None
            or self.headers.get("Authorization") != f"Basic {login}"
            or challenge != asked["code_challenge"]
            or sent.get("redirect_uri") != asked["redirect_uri"]
        ):
            self.give(400, {"error": "invalid_grant"})
            return
        token = {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 300}
        if not asked["login"].endswith("--no-token"):
            token["id_token"] = signed(self.issuer, asked)
        self.give(200, token)

    def give(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Provider) as server:
        print(server.server_port, flush=True)  # noqa: T201 (whoever started it reads where it listens)
        server.serve_forever()
