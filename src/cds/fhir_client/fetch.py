"""Prefetch keys that are missing → FHIR reads with the request's own token; what failed stays "not sent"."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import anyio
import httpcore
import httpx
import msgspec
from anyio import to_thread
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from cds.compression import decompress
from cds.errors import CdsError, RequestError, TooLargeError
from cds.fhir_client.allowlist import ServerAllowlist, stands_below
from cds.fhir_client.medications import MedicationReferences
from cds.fhir_client.network import BlockedAddressError, client_for
from cds.locale.sentence import join_texts, say
from cds.record.bundle import FetchedValue
from cds.record.nesting import refuse_too_deep
from cds.rulebook.compiled_ruleset import Prefetch

log = logging.getLogger(__name__)

T = TypeVar("T")
Parameters = list[tuple[str, str]]
MEDICATION = "Medication"
"""What Medications are given under that somebody referred to and nobody sent; no template of ours has this key."""
MEDICATIONS_AT_ONCE = 8
MOST_ATTEMPTS = 3
BUSY = frozenset({429, 503})
BAD_SEARCH = frozenset({400, 422})
NO_SUCH_TYPE = frozenset({404, 405, 501})  # FHIR R4 §3.1.0.1: of a search, "resource type not supported"
REFER_TO_MEDICATIONS = frozenset(  # FHIR R4, "Search Parameters" of each: medication
    {"MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration"}
)
NO_ACCESS = frozenset({401, 403})
BACKOFF = wait_random_exponential(multiplier=0.1, max=1)
PATIENT = "{{context.patientId}}"
PLAIN_ID = re.compile(r"(?!\.+$)[A-Za-z0-9._-]{1,200}")  # FHIR R4 §2.24.0.1 id, and the longer ones that some EHRs make
SENDABLE = re.compile(r"[\x21-\x7e]+")  # RFC 6750 §2.1, and whatever else fits into a header
UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """
    How much is read for one request.

    Attributes:
        seconds: For everything together, retries included.
        pages: Of one search.
        max_bytes, most_entries, max_depth: As for the request itself; bytes and entries of all answers together.
    """

    seconds: float
    pages: int
    max_bytes: int
    most_entries: int
    max_depth: int


@dataclass(frozen=True, slots=True)
class FhirAccess:
    """
    Where a request says its data can be read, and with what.

    Attributes:
        server: fhirServer; None when it was not sent.
        token: fhirAuthorization.access_token; None for a server that asks for none. It lives as long as the request.
    """

    server: str | None = None
    token: str | None = field(default=None, repr=False)


class NoFhirServerError(CdsError):
    """No FHIR server can be read from for this request; the message says why."""


class FetchError(CdsError):
    """
    One read did not give what was asked for; the message says why, in words for the card.

    Attributes:
        status: HTTP status, 0 if none.
        unsupported: The server keeps no such data.
    """

    def __init__(self, why: str, status: int = 0, *, unsupported: bool = False) -> None:
        super().__init__(why)
        self.status = status
        self.unsupported = unsupported


class ServerBusyError(FetchError):
    """
    Worth another try.

    Attributes:
        seconds: When (Retry-After), None if the server did not say.
    """

    def __init__(self, why: str, status: int = 0, seconds: float | None = None) -> None:
        super().__init__(why, status)
        self.seconds = seconds


class Page(msgspec.Struct):
    """What of an answer is read here: enough to join the pages of a search."""

    resourceType: Any = None  # noqa: N815 (FHIR's name)
    type: Any = None
    total: Any = None
    link: Any = None
    entry: list[msgspec.Raw] | None = None
    raw: bytes = b""

    @property
    def next(self) -> str | None:
        """Where the next page is, None on the last one."""
        return next((link["url"] for link in self.links() if link.get("relation") == "next"), None)

    def links(self) -> list[dict[str, Any]]:
        """Links that can be read."""
        listed = self.link if isinstance(self.link, list) else []
        return [link for link in listed if isinstance(link, dict) and isinstance(link.get("url"), str)]


PAGE = msgspec.json.Decoder(Page)


@dataclass(slots=True)
class PrefetchRead:
    """
    One key being read.

    Attributes:
        key, query: As published.
        pages: Read so far.
        because: Why nothing more came; "" while it is under way and once it is whole.
        done: Nothing more will come.
        unsupported: The server keeps no such data.
    """

    key: str
    query: str
    pages: list[Page] = field(default_factory=list)
    because: str = ""
    done: bool = False
    unsupported: bool = False


@dataclass(slots=True)
class FetchSession:
    """
    What the reads of one request share.

    Attributes:
        base: The server; no other is connected to.
        until: When to give up, by the event loop's clock.
        bytes_left, entries_left: Of the limits.
        statuses: For the log.
    """

    base: httpx.URL
    token: str | None = field(repr=False)
    until: float
    bytes_left: int
    entries_left: int
    statuses: Counter[int] = field(default_factory=Counter)


class Fetcher:
    """Reads from FHIR servers on the allowlist; one for the life of the application."""

    def __init__(self, servers: ServerAllowlist, limits: FetchLimits) -> None:
        # httpx logs every URL, and with it patient ids; httpcore logs headers.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._servers = servers
        self._limits = limits
        self._client = client_for(servers, limits.seconds)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def fetch(
        self,
        wanted: Iterable[Prefetch],
        prefetch: Mapping[str, msgspec.Raw],
        patient_id: str,
        access: FhirAccess,
        orders: bytes = b"",
    ) -> dict[str, FetchedValue]:
        """
        Read what the prefetch lacks, all at once: keys that are absent or null, pages that follow the first, and
        Medications that it, the `orders` being written or what is fetched refer to (under MEDICATION).

        Null means "no data" (CDS Hooks 2.0.1), and some clients send it for what they could not do: so it is checked.
        An OperationOutcome is not tried again.

        Raises:
            NoFhirServerError: Something is missing, and no server can be read from.
        """
        medications = MedicationReferences((access.server or "").rstrip("/"))
        missing = await _run_in_worker(lambda: _missing(wanted, prefetch))
        can_read = access.server is not None
        referred = (
            await _run_in_worker(lambda: medications.lacking([*map(bytes, prefetch.values()), orders]))
            if can_read
            else []
        )
        if not missing and not referred:
            return {}
        began = anyio.current_time()
        call = self._call(patient_id, access, self._servers, began)
        at_once = anyio.CapacityLimiter(MEDICATIONS_AT_ONCE)

        async def read(reading: PrefetchRead) -> None:
            await self._read(reading, call, patient_id)
            if reading.query.partition("?")[0] in REFER_TO_MEDICATIONS:
                pages = [page.raw for page in reading.pages]
                for reference in await _run_in_worker(lambda: medications.lacking(pages)):
                    tasks.start_soon(read_medication, reference)

        async def read_medication(reference: str) -> None:
            async with at_once:
                await self._read_medication(reference, medications, call)

        with anyio.move_on_at(call.until):
            async with anyio.create_task_group() as tasks:
                for reading in missing:
                    tasks.start_soon(read, reading)
                for reference in referred:
                    tasks.start_soon(read_medication, reference)
        log.info(
            "fetched: %d keys, %d pages, %d keys not whole, %d of %d medications, statuses %s, %d ms",
            len(missing), sum(len(reading.pages) for reading in missing),
            sum(bool(reading.because) for reading in missing),
            len(medications.read), len(medications.asked),
            ", ".join(f"{status}: {count}" for status, count in sorted(call.statuses.items())) or "none",
            (anyio.current_time() - began) * 1000,
        )  # fmt: skip
        late = say("the FHIR server did not answer within {seconds} s", seconds=f"{self._limits.seconds:g}")
        for reading in missing:
            if not reading.done:
                reading.because = late
        return await _run_in_worker(
            lambda: {reading.key: _fetched(reading) for reading in missing} | _fetched_medications(medications, late)
        )

    def _call(self, patient_id: str, access: FhirAccess, servers: ServerAllowlist, now: float) -> FetchSession:
        if access.server is None:
            raise NoFhirServerError(say("the request names no fhirServer"))
        try:
            base = servers.base_of(access.server)
        except ValueError as why:
            raise NoFhirServerError(say("fhirServer is not read from: {why}", why=why)) from None
        if access.token is not None and not SENDABLE.fullmatch(access.token):
            raise NoFhirServerError(say("fhirAuthorization.access_token does not fit into a header"))
        if not PLAIN_ID.fullmatch(patient_id):
            raise NoFhirServerError(say("context.patientId is not an id that can stand in a URL"))
        limits = self._limits
        return FetchSession(base, access.token, now + limits.seconds, limits.max_bytes, limits.most_entries)

    async def _read(self, reading: PrefetchRead, call: FetchSession, patient_id: str) -> None:
        try:
            if reading.pages:
                after = reading.pages[0].next
            else:
                reading.pages.append(await self._first(reading, call, patient_id))
                after = reading.pages[0].next
            seen = set()
            while after is not None:
                if len(reading.pages) >= self._limits.pages:
                    raise FetchError(say("there are more than {pages} pages", pages=self._limits.pages))
                url = _next_url(after, call.base)
                if url in seen:
                    raise FetchError(say("its pages lead in a circle"))
                seen.add(url)
                page = await self._page(url, call)
                if page.resourceType != "Bundle":
                    raise FetchError(say("a page is not a Bundle"))
                reading.pages.append(page)
                after = page.next
        except FetchError as failed:
            reading.because = failed.args[0]
            reading.unsupported = failed.unsupported and not reading.pages
        reading.done = True

    async def _read_medication(self, reference: str, medications: MedicationReferences, call: FetchSession) -> None:
        """One Medication, as a server of US Core must give it: by its id."""
        try:
            page = await self._page(httpx.URL(f"{str(call.base).rstrip('/')}/{reference}"), call)
            if page.resourceType != "Medication":
                raise FetchError(say("the FHIR server sent something else"))
            medications.read[reference] = page.raw
        except FetchError as failed:
            medications.failed[reference] = str(failed)

    async def _first(self, reading: PrefetchRead, call: FetchSession, patient_id: str) -> Page:
        """The first page: of the first form of the query that the server takes."""
        path, _, search = reading.query.partition("?")
        parameters = [(name, value.replace(PATIENT, patient_id)) for name, value in parse_qsl(search)]
        base = str(call.base).rstrip("/")
        url = httpx.URL(f"{base}/{path.replace(PATIENT, patient_id)}")
        if not parameters:
            return await self._page(url, call)
        refused = FetchError(say("the FHIR server was not asked"))
        for form in forms(path, parameters):
            try:
                return await self._page(url.copy_with(params=form), call)
            except FetchError as failed:
                if failed.status in NO_SUCH_TYPE:
                    raise FetchError(
                        say("the FHIR server has no such resources"), failed.status, unsupported=True
                    ) from None
                if failed.status not in BAD_SEARCH:
                    raise
                refused = failed
        raise refused

    async def _page(self, url: httpx.URL, call: FetchSession) -> Page:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(ServerBusyError),
            wait=_pause,
            # The first of the two may come after the deadline: then it is not waited for.
            stop=lambda state: (
                stop_after_attempt(MOST_ATTEMPTS)(state) or anyio.current_time() + state.upcoming_sleep >= call.until
            ),
            sleep=anyio.sleep,
            reraise=True,
        )
        body: bytes = await retrying(self._body, url, call)
        page = await _run_in_worker(lambda: _page_of(body, self._limits.max_depth))
        entries = len(page.entry or ())
        if entries > call.entries_left:
            raise FetchError(
                say("the FHIR server sent more than {most_entries} entries", most_entries=self._limits.most_entries)
            )
        call.entries_left -= entries
        return page

    async def _body(self, url: httpx.URL, call: FetchSession) -> bytes:
        """One GET. The only place where the token is used, and only for the server it was given for."""
        if not stands_below(url, call.base):
            raise FetchError(say("the FHIR server points to another address"))
        login = {"Authorization": f"Bearer {call.token}"} if call.token is not None else {}
        try:
            answer = await self._client.send(self._client.build_request("GET", url, headers=login), stream=True)
        except BlockedAddressError:
            raise FetchError(say("the FHIR server is at an address this service may not connect to")) from None
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            raise FetchError(say("the FHIR server could not be reached")) from None
        except (httpcore.NetworkError, httpcore.RemoteProtocolError):
            raise ServerBusyError(say("the FHIR server hung up")) from None
        except (httpcore.TimeoutException, httpcore.ProtocolError, httpx.HTTPError):
            raise FetchError(say("the FHIR server could not be understood, or did not answer")) from None
        try:
            call.statuses[answer.status_code] += 1
            _refuse_status(answer)
            return await self._whole(answer, call)
        except TooLargeError:
            raise FetchError(
                say("the FHIR server sent more than {max_bytes} bytes", max_bytes=self._limits.max_bytes)
            ) from None
        except RequestError:
            raise FetchError(say("what the FHIR server sent cannot be unpacked")) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, httpx.HTTPError):
            raise FetchError(say("the FHIR server's answer was cut off")) from None
        finally:
            await answer.aclose()

    async def _whole(self, answer: httpx.Response, call: FetchSession) -> bytes:
        """The body; what is not kept of it leaves its room to the other reads."""
        parts: list[bytes] = []
        kept = False
        try:
            async for part in decompress(answer.headers, answer.aiter_raw(), self._limits.max_bytes):
                parts.append(part)
                call.bytes_left -= len(part)
                if call.bytes_left < 0:
                    raise FetchError(
                        say("the FHIR server sent more than {max_bytes} bytes", max_bytes=self._limits.max_bytes)
                    )
            kept = True
            return b"".join(parts)
        finally:
            call.bytes_left += 0 if kept else sum(map(len, parts))


def forms(resource_type: str, parameters: Parameters) -> list[Parameters]:
    """
    One search in the forms that servers take it in, to be tried in this order.

    As published, with the Medications that orders refer to; as US Core has servers take it, with an intent for
    MedicationRequest and never sorted (US Core 6.1, "US Core Server CapabilityStatement"); then without Medications.
    Orders are what we read, so the intent leaves nothing out.
    """
    included = [("_include", f"{resource_type}:medication")] if resource_type in REFER_TO_MEDICATIONS else []
    plainer = [(name, value) for name, value in parameters if name != "_sort"]
    if resource_type == "MedicationRequest":
        plainer.append(("intent", "order,plan"))
    listed: list[Parameters] = []
    for form in ([*parameters, *included], [*plainer, *included], plainer):
        if form not in listed:
            listed.append(form)
    return listed


def _missing(wanted: Iterable[Prefetch], prefetch: Mapping[str, msgspec.Raw]) -> list[PrefetchRead]:
    found = []
    for each in wanted:
        raw = bytes(prefetch.get(each.key, b"null"))
        if raw.strip() == b"null":
            found.append(PrefetchRead(each.key, each.query))
        elif b'"next"' in raw:
            try:
                page = _page_of(raw)
            except FetchError:
                continue  # record/ says what is wrong with it
            if page.resourceType == "Bundle" and page.next is not None:
                found.append(PrefetchRead(each.key, each.query, [page]))
    return found


def _page_of(body: bytes, max_depth: int | None = None) -> Page:
    try:
        if max_depth is not None:
            refuse_too_deep(body, max_depth)
            body.decode()
        page = PAGE.decode(body)
    except TooLargeError:
        raise FetchError(say("what the FHIR server sent nests too deeply")) from None
    except UNREADABLE:
        raise FetchError(say("what the FHIR server sent cannot be read")) from None
    page.raw = body
    return page


def _fetched(reading: PrefetchRead) -> FetchedValue:
    """The pages of one key as one prefetch value."""
    if not reading.pages:
        because = say("{key} could not be fetched: {because}", key=reading.key, because=reading.because)
        return FetchedValue(None, because, failed=not reading.unsupported)
    first, because = reading.pages[0], ""
    if reading.because:
        because = say("not all of {key} could be fetched: {because}", key=reading.key, because=reading.because)
    if len(reading.pages) == 1:
        return FetchedValue(msgspec.Raw(first.raw), because)
    joined = {
        "resourceType": "Bundle",
        "type": first.type,
        "total": first.total,
        "link": [link for link in first.links() if because or link.get("relation") != "next"],
        "entry": [entry for page in reading.pages for entry in page.entry or ()],
    }
    return FetchedValue(msgspec.Raw(msgspec.json.encode(joined)), because)


def _fetched_medications(medications: MedicationReferences, late: str) -> dict[str, FetchedValue]:
    """The Medications as one prefetch value; nothing if none was asked for."""
    if not medications.asked:
        return {}
    because = ""
    lacking = medications.asked - medications.read.keys()
    if lacking:
        reasons = sorted({medications.failed.get(reference, late) for reference in lacking})
        because = say(
            "{lacking} of {asked} Medications could not be fetched: {reasons}",
            lacking=len(lacking),
            asked=len(medications.asked),
            reasons=join_texts("; ", reasons),
        )
    entries = [
        {"resource": msgspec.Raw(body)}
        | ({"fullUrl": f"{medications.base}/{reference}"} if reference in medications.by_address else {})
        for reference, body in sorted(medications.read.items())
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return {MEDICATION: FetchedValue(msgspec.Raw(msgspec.json.encode(bundle)) if entries else None, because)}


def _next_url(text: str, base: httpx.URL) -> httpx.URL:
    try:
        return httpx.URL(f"{str(base).rstrip('/')}/").join(text)
    except (httpx.InvalidURL, ValueError):
        raise FetchError(say("the link to the next page cannot be read")) from None


def _refuse_status(answer: httpx.Response) -> None:
    status = answer.status_code
    if status == 200:
        return
    if status in BUSY:
        raise ServerBusyError(
            say("the FHIR server is busy ({status})", status=status),
            status,
            _retry_after(answer.headers.get("retry-after", "")),
        )
    if status in NO_ACCESS:
        raise FetchError(say("the FHIR server refused access ({status})", status=status), status)
    if answer.is_redirect or 300 <= status < 400:
        raise FetchError(say("the FHIR server points to another address ({status})", status=status), status)
    raise FetchError(say("the FHIR server answered {status}", status=status), status)


def _retry_after(text: str) -> float | None:
    """Seconds to wait (RFC 9110 §10.2.3), None when not said."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    said = error.seconds if isinstance(error, ServerBusyError) else None
    return said if said is not None else BACKOFF(state)


async def _run_in_worker(work: Callable[[], T]) -> T:
    return await to_thread.run_sync(work)
