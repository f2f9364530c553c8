"""EHRs that sign their calls, as the public sandbox (ES384) and Epic (RS384) do; keys are made for the run."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from functools import cache
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import urlsafe_b64encode

BASE = "https://cds.example/trd"  # as clients know it; the test server itself is on a port of this machine
JSON = dict[str, Any]


@cache
def ec_key(kid: str, curve: str = "P-384") -> ECKey:
    return ECKey.generate_key(curve, {"kid": kid, "use": "sig"})


@cache
def rsa_key(kid: str, bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, {"kid": kid, "use": "sig"})


def key_set(*keys: ECKey | RSAKey) -> JSON:
    return {"keys": [dict(key.as_dict(private=False)) for key in keys]}


@dataclass(frozen=True)
class Ehr:
    """One that calls; `sign` gives what a test changes."""

    issuer: str
    key: ECKey | RSAKey
    algorithm: str
    jku: str | None = None

    def header(self, **changes: Any) -> JSON:
        said = {"alg": self.algorithm, "typ": "JWT", "kid": self.key.kid, "jku": self.jku}
        return {name: value for name, value in (said | changes).items() if value is not None}

    def claims(self, path: str, **changes: Any) -> JSON:
        now = int(time.time())
        said = {
            "iss": self.issuer,
            "aud": BASE + path,
            "iat": now,
            "exp": now + 300,
            "jti": str(uuid.uuid4()),
        }
        return {name: value for name, value in (said | changes).items() if value is not None}

    def sign(self, header: JSON, claims: JSON | bytes) -> str:
        payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        registry = jws.JWSRegistry(algorithms=[header["alg"]], strict_check_header=False)
        registry.max_header_length = registry.max_payload_length = 10_000_000
        return jws.serialize_compact(header, payload, self.key, registry=registry)

    def bearer(self, path: str, **changes: Any) -> dict[str, str]:
        """Headers of one call."""
        return {"Authorization": f"Bearer {self.sign(self.header(), self.claims(path, **changes))}"}


def raw(header: bytes | JSON, claims: bytes | JSON, signature: bytes = b"x" * 96) -> str:
    """A token as somebody without a key makes one."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    return b".".join(map(urlsafe_b64encode, (*parts, signature))).decode()


def sandbox(kid: str = "44823f3d", jku: str | None = "https://sandbox.example/.well-known/jwks.json") -> Ehr:
    """As the public CDS Hooks sandbox signs: ES384, kid, jku, aud = the address called."""
    return Ehr("https://sandbox.example", ec_key(kid), "ES384", jku)


def epic() -> Ehr:
    """As Epic signs: RS384, iss = the organisation's FHIR base."""
    return Ehr("https://fhir.north.example/api/FHIR/R4", rsa_key("epic-1"), "RS384")
