"""What a connection may cost before anything of ours is asked: bytes of a head, seconds of head and body, how many."""

from __future__ import annotations

import asyncio
import logging
import resource
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

log = logging.getLogger(__name__)
STATE = "connection_limits"  # the name under which the application's lifespan gives them to the server
STALL_SECONDS = 5.0  # without a byte of a body that was begun
MAX_PIPELINED = 16  # requests sent ahead of their answers on one connection
SPARE_FILES = 128  # open files that are left to the journal, FHIR servers and rules
FIXES = {
    400: "Send HTTP/1.1; TLS needs a proxy in front, or CDS_TLS_CERTIFICATE",
    408: "Send the request again, faster",
    431: "Send fewer and shorter headers, and one request after the other",
    503: "Send the request again a little later",
}
LOG_EVERY = 100  # connections cut, of one kind


@dataclass(slots=True)
class ConnectionLimits:
    """
    Limits of all connections of one process, and the connections that have not sent a whole head yet.

    Attributes:
        max_head_bytes: Of a request line with its headers.
        head_timeout: Seconds from the first byte (or the connection) to the end of the head.
        body_timeout: Seconds from there to the end of the body, and for a caller to take an answer.
        max_connections: Open at once.
        headless: Connections without a whole head, the oldest first; the first makes way for a new connection.
        open: How many there are.
        cut: Kind → connections that were cut for it.
    """

    max_head_bytes: int = 32_768
    head_timeout: float = 10.0
    body_timeout: float = 20.0
    max_connections: int = 512
    headless: OrderedDict[BoundedProtocol, None] = field(default_factory=OrderedDict)
    open: int = 0
    cut: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files != resource.RLIM_INFINITY:
            self.max_connections = max(1, min(self.max_connections, files - SPARE_FILES))

    def count(self, kind: str) -> None:
        """Count a connection that was cut, and say so in the log now and then."""
        number = self.cut[kind] = self.cut.get(kind, 0) + 1
        if number % LOG_EVERY == 1:
            log.warning("cut %d connection(s): %s", number, kind)


NONE = ConnectionLimits()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits; what is cut is answered with an OperationOutcome where HTTP allows an answer."""

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits: ConnectionLimits = app_state.get(STATE, NONE)
        self._in_head = True
        self._head_bytes = 0  # of the lines that are whole
        self._received = 0  # since the last request was whole, so that a line without end counts as well
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------ the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; where there are too many, the oldest that has said nothing whole makes way."""
        super().connection_made(transport)
        limits = self._limits
        limits.open += 1
        limits.headless[self] = None
        if limits.open > limits.max_connections:
            limits.count("too many connections")
            next((one for one in limits.headless if not one.busy), self).make_way()
        if not self.transport.is_closing():
            self._wait_for_head()

    @property
    def _asked(self) -> bool:
        """Whether a whole head has come."""
        cycle: object = self.cycle  # None until then, whatever uvicorn's annotation says
        return cycle is not None

    @property
    def busy(self) -> bool:
        """Whether an answer is under way."""
        return self._asked and not self.cycle.response_complete

    def make_way(self) -> None:
        """Close this connection for a new one: without a word where nothing was asked since the last answer."""
        if self._asked and not self._received:
            self._limits.headless.pop(self, None)
            self.transport.close()
        else:
            self.refuse(503, "throttled", "Too many connections are open")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._limits.open -= 1
        self._limits.headless.pop(self, None)
        self._cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as far as the limits allow."""
        if self.transport.is_closing() or self.parser is None:
            return
        if self._in_head and self._deadline is None:
            self._wait_for_head()  # the next request of a connection that was kept
        self._received += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head:
            if self._received > self._limits.max_head_bytes:
                self._refuse_head()
        elif self._stall is not None:
            self._stall.cancel()
            self._stall = self.loop.call_later(STALL_SECONDS, self._stalled)

    # ------------------------------------------------------------ the head

    def on_url(self, url: bytes) -> None:
        """Count the address as part of the head."""
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header; what is beyond the limit is not kept."""
        self._head_bytes += len(name) + len(value) + 4  # a colon, a blank and the end of the line
        if self._head_bytes <= self._limits.max_head_bytes:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: its body gets its time."""
        too_large = self._head_bytes > self._limits.max_head_bytes
        self._in_head = False
        self._head_bytes = 0
        self._limits.headless.pop(self, None)
        self._cancel()
        if too_large or len(self.pipeline) >= MAX_PIPELINED:
            self._refuse_head()
            return
        super().on_headers_complete()
        self._deadline = self.loop.call_later(self._limits.body_timeout, self._body_late)
        self._stall = self.loop.call_later(STALL_SECONDS, self._stalled)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._cancel()
        self._in_head = True
        self._received = 0
        if not self.transport.is_closing() and self._asked:
            super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if not self.transport.is_closing() and self._asked:
            super().on_body(body)

    def on_response_complete(self) -> None:
        """The answer is given; a connection that waits for its next request makes way for new ones."""
        super().on_response_complete()
        if not self.transport.is_closing() and not self.busy:
            self._limits.headless[self] = None

    def _wait_for_head(self) -> None:
        self._limits.headless[self] = None
        self._deadline = self.loop.call_later(self._limits.head_timeout, self._head_late)

    def _head_late(self) -> None:
        self._deadline = None
        if self.busy:
            return  # with the answer to the request before
        self._limits.count("no whole head in time")
        self.refuse(408, "timeout", f"The head of the request took longer than {self._limits.head_timeout:g} seconds")

    def _refuse_head(self) -> None:
        self._limits.count("a head too large, or too many requests ahead of their answers")
        self.refuse(431, "too-long", f"The head of the request is larger than {self._limits.max_head_bytes} bytes")

    # ------------------------------------------------------------ the body, and the answer

    def _body_late(self) -> None:
        self._limits.count("no whole body in time")
        self.refuse(408, "timeout", f"The body of the request took longer than {self._limits.body_timeout:g} seconds")

    def _stalled(self) -> None:
        if self.flow.read_paused:  # it is we who do not read
            self._stall = self.loop.call_later(STALL_SECONDS, self._stalled)
            return
        self._limits.count("a body that stalled")
        self.refuse(408, "timeout", f"No part of the body came for {STALL_SECONDS:g} seconds")

    def pause_writing(self) -> None:
        """The caller does not take the answer as fast as it is made."""
        super().pause_writing()
        self._unread = self.loop.call_later(self._limits.body_timeout, self._abort)

    def resume_writing(self) -> None:
        """The caller takes it again."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that was kept and not used; what was not taken by then never is."""
        if self.transport.get_write_buffer_size():
            self._abort()
        else:
            super().timeout_keep_alive_handler()

    def _abort(self) -> None:
        self._limits.count("an answer that was not taken")
        self.transport.abort()

    # ------------------------------------------------------------ refusals

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP."""
        self._limits.count("no HTTP")
        self.refuse(400, "structure", msg)

    def refuse(self, status: int, code: str, what: str) -> None:
        """Answer with an OperationOutcome, unless an answer was begun, and close the connection."""
        self._cancel()
        self._limits.headless.pop(self, None)
        if self.transport.is_closing():
            return
        begun = self.busy and self.cycle.response_started
        if not begun:
            issue = {"severity": "error", "code": code, "details": {"text": what}, "diagnostics": FIXES[status]}
            body = msgspec.json.encode({"resourceType": "OperationOutcome", "issue": [issue]})
            retry = b"retry-after: 5\r\n" if status in {408, 503} else b""
            self.transport.write(
                STATUS_LINE[status] + b"content-type: application/fhir+json\r\ncache-control: no-store\r\n" + retry
                + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body
            )  # fmt: skip
        if self.busy:
            self.cycle.disconnected = True  # whoever waits for the rest of the body waits no longer
            self.cycle.message_event.set()
        self.transport.close()

    def _cancel(self) -> None:
        for timer in (self._deadline, self._stall, self._unread):
            if timer is not None:
                timer.cancel()
        self._deadline = self._stall = self._unread = None
