"""Whose request it is: an organisation that signed it, or else the address it came from; and how often it may ask."""

from __future__ import annotations

from contextvars import ContextVar
from ipaddress import IPv6Address, ip_network

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from cds.api.byte_budget import HELD, ByteBudget
from cds.api.error_responses import outcome
from cds.fhir_client.allowlist import literal_address

UNCOUNTED = frozenset({"/health", "/livez", "/readyz"})  # what an orchestrator asks
IPV6_NETWORK = 64  # bits that one subscriber has to itself (RFC 6177)
_CALLER: ContextVar[str] = ContextVar("caller", default="")


def current_caller() -> str:
    """Whose request is being answered here: "tenant:name" or "address:…"; "" outside of one."""
    return _CALLER.get()


def caller_of(scope: Scope) -> str:
    """Whose request it is: of IPv6 addresses, those of one network of 64 bits are one caller."""
    known = scope.get("state", {}).get("caller")
    if known is not None:
        return f"tenant:{known.tenant}"
    host = scope["client"][0] if scope.get("client") else ""
    address = literal_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return f"address:{ip_network((address, IPV6_NETWORK), strict=False).network_address}"
    return f"address:{host}"


class CallerLimits:
    """
    Knows whose request it is, and refuses a caller that asks too often (429).

    Addresses of this machine are not counted: they are the proxy in front of it, or somebody at its keyboard.
    What a request holds of the byte budget is given back when it is answered.
    """

    def __init__(self, app: ASGIApp, *, per_minute: int, budget: ByteBudget | None = None) -> None:
        self.app = app
        self._budget = budget
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or scope["path"] in UNCOUNTED:
            await self.app(scope, receive, send)
            return
        caller = caller_of(scope)
        if self._item is not None and self._counts(caller) and not self._limiter.hit(self._item, caller):
            answer = outcome(429, "throttled", "Too many requests from this caller in a minute", "Send fewer, or later")
            answer.headers["Retry-After"] = "10"
            await answer(scope, receive, send)
            return
        token = _CALLER.set(caller)
        try:
            if self._budget is None:
                await self.app(scope, receive, send)
                return
            with self._budget.holding(caller) as held:
                scope.setdefault("state", {})[HELD] = held
                await self.app(scope, receive, send)
        finally:
            _CALLER.reset(token)

    @staticmethod
    def _counts(caller: str) -> bool:
        kind, _, address = caller.partition(":")
        literal = literal_address(address) if kind == "address" else None
        return kind == "tenant" or (literal is not None and not literal.is_loopback)
