"""A resource → created on a FHIR server with a token that allows it, once however often it is sent; or why not."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import anyio
import httpcore
import httpx
import msgspec

from cds.errors import CdsError
from cds.fhir_client.fetch import SENDABLE, FhirAccess
from cds.locale.sentence import say

log = logging.getLogger(__name__)
FHIR_JSON = "application/fhir+json"
MOST_BYTES = 100_000  # of what a server says of a resource it does not take
MOST_WORDS = 200  # characters of it that are shown
CREATED, EXISTS = 201, 200  # FHIR R4 §3.1.0.8.1, "Conditional create"
OVER, REFUSED, SEVERAL = 401, 403, 412
NOT_KEPT = frozenset({404, 405, 501})
NOT_TAKEN = frozenset({400, 409, 413, 422})
NO_ANSWER = (
    TimeoutError,
    OSError,
    httpx.HTTPError,
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
)
LOCATED = re.compile(r"([A-Za-z]+/[A-Za-z0-9.\-]{1,64})(?:/_history/[A-Za-z0-9.\-]{1,64})?$")


@dataclass(frozen=True, slots=True)
class CreatedResource:
    """A resource that is on the server: its reference ("" if the server does not say), and whether it was before."""

    reference: str
    existed: bool


class CreateError(CdsError):
    """
    A resource was not created, or nobody knows; `what` says what happened, for the person who saves.

    Attributes:
        what, fix: What happened, and what to do.
        certain: Surely nothing was saved.
    """

    def __init__(self, what: str, fix: str, *, certain: bool) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.certain = certain


class _Outcome(msgspec.Struct):
    """What of an OperationOutcome is shown."""

    issue: list[dict[str, Any]] | None = None


async def create_once(
    client: httpx.AsyncClient, access: FhirAccess, resource: Mapping[str, Any], seconds: float
) -> CreatedResource:
    """
    Create a resource that has an identifier, unless the server has one with it (If-None-Exist).

    Args:
        client: Of `cds.fhir_client.network`, for this server.
        access: The base address, from the allowlist, and the token.
        resource: With one `identifier`.
        seconds: To wait for the answer.

    Raises:
        CreateError: It was not created, or nobody knows.
    """
    kind, identifier = str(resource["resourceType"]), resource["identifier"]
    again = say("Press Save again: if it was saved, no second one is made")
    if access.server is None or access.token is None or not SENDABLE.fullmatch(access.token):
        raise CreateError(
            say("The EHR gave nothing to save with"), say("Copy the text below into the note"), certain=True
        )
    token = quote(f"{identifier['system']}|{identifier['value']}", safe="")
    request = client.build_request(
        "POST",
        f"{access.server.rstrip('/')}/{kind}",
        content=msgspec.json.encode(resource),
        headers={
            "Authorization": f"Bearer {access.token}",
            "Content-Type": FHIR_JSON,
            "If-None-Exist": f"identifier={token}",
            "Prefer": "return=minimal",
        },
    )
    try:
        with anyio.fail_after(seconds):
            answer = await client.send(request, stream=True)
            try:
                said = await _start_of(answer)
            finally:
                await answer.aclose()
    except (httpcore.ConnectError, httpcore.ConnectTimeout):
        raise CreateError(say("The EHR could not be reached, and nothing was saved"), again, certain=True) from None
    except NO_ANSWER:
        log.warning("saving %s: no answer", kind)
        raise CreateError(
            say("The EHR did not answer in time, and whether it saved this is not known"), again, certain=False
        ) from None
    log.info("saving %s: %d", kind, answer.status_code)
    if answer.status_code in (CREATED, EXISTS):
        located = LOCATED.search(answer.headers.get("location", ""))
        return CreatedResource(located[1] if located else "", answer.status_code == EXISTS)
    raise _refusal(answer.status_code, said, again)


async def _start_of(answer: httpx.Response) -> bytes:
    body = b""
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > MOST_BYTES:
            break
    return body


def _refusal(status: int, said: bytes, again: str) -> CreateError:
    tell = say("Copy the text below into the note, and tell those who run this service")
    if status == OVER:
        fix = say("Open the chart in another window, follow the link of its card there, then press Save here again")
        return CreateError(
            say("The sign-in at the EHR is over ({status}), and nothing was saved", status=status), fix, certain=True
        )
    if status == REFUSED:
        return CreateError(
            say("The EHR does not let this app save here ({status}), and nothing was saved", status=status),
            tell,
            certain=True,
        )
    if status == SEVERAL:
        return CreateError(
            say("The EHR holds this more than once already ({status})", status=status), tell, certain=True
        )
    if status in NOT_KEPT:
        return CreateError(
            say("The EHR keeps no such forms ({status}), and nothing was saved", status=status), tell, certain=True
        )
    if status in NOT_TAKEN:
        words = _words(said)
        return CreateError(
            say(
                "The EHR did not accept this ({status}), and nothing was saved. It says: {words}",
                status=status,
                words=words,
            )
            if words
            else say("The EHR did not accept this ({status}), and nothing was saved", status=status),
            tell,
            certain=True,
        )
    return CreateError(
        say("The EHR answered {status}, and whether it saved this is not known", status=status), again, certain=False
    )


def _words(said: bytes) -> str:
    """What an OperationOutcome says first, shortened; "" for anything else."""
    try:
        issues = msgspec.json.decode(said, type=_Outcome).issue or []
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    for issue in issues:
        details = issue.get("details")
        for text in (issue.get("diagnostics"), details.get("text") if isinstance(details, dict) else None):
            if isinstance(text, str) and text.strip():
                return " ".join(text.split())[:MOST_WORDS]
    return ""
