"""Tokens of SMART launches that may write, in the memory of this process, for as long as they are good for."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from dataclasses import dataclass, field

from fastapi import Response

USUAL, LONGEST = 300.0, 3_600.0  # seconds: where the server does not say, and at the most
MOST = 5_000  # launches in memory; the oldest goes first


@dataclass(frozen=True, slots=True)
class WriteGrant:
    """
    Leave to save for one patient, as a launch brought it.

    Attributes:
        tenant, patient: Whose EHR, and whose chart: the patient's FHIR id.
        server: Base address of its FHIR server, from the allowlist.
        token: What it is saved with.
        until: By `time.monotonic`.
    """

    tenant: str
    patient: str = field(repr=False)
    server: str
    token: str = field(repr=False)
    until: float


class WriteGrants:
    """
    Keeps each grant under a secret of the browser that launched.

    Nothing of it is written anywhere; a restart ends them all.
    """

    def __init__(self) -> None:
        self._held: dict[str, WriteGrant] = {}
        self._lock = threading.Lock()

    def keep(self, tenant: str, patient: str, server: str, token: str, seconds: float) -> tuple[str, int]:
        """Keep a grant; gives the secret, and for how many seconds it is kept."""
        life = min(seconds or USUAL, LONGEST)
        now, secret = time.monotonic(), secrets.token_urlsafe(32)
        with self._lock:
            self._held = {key: one for key, one in self._held.items() if one.until > now}
            while len(self._held) >= MOST:
                del self._held[next(iter(self._held))]
            self._held[_key(secret)] = WriteGrant(tenant, patient, server, token, now + life)
        return secret, int(life)

    def of(self, secret: str) -> WriteGrant | None:
        """The grant of a secret; None for none, and for one whose time is over."""
        with self._lock:
            found = self._held.get(_key(secret))
        return found if found is not None and found.until > time.monotonic() else None


def _key(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def grant_cookie(decision: str, *, secure: bool) -> str:
    """The name of the cookie that holds the secret for the page of one decision."""
    return f"{'__Host-' if secure else ''}save-{hashlib.sha256(decision.encode()).hexdigest()[:16]}"


def set_grant_cookie(answer: Response, decision: str, secret: str, seconds: int, *, secure: bool, framed: bool) -> None:
    """Give the browser the secret: for the server alone, and, in a frame of the EHR, as a cookie of a third party."""
    answer.set_cookie(
        grant_cookie(decision, secure=secure),
        secret,
        max_age=seconds,
        path="/",  # as __Host- needs it (RFC 6265bis §4.1.3.2)
        secure=secure,
        httponly=True,
        samesite="none" if secure and framed else "lax",
    )
