"""Bodies of requests, and of answers to our own: read up to a limit, and unpacked up to the same limit."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from io import BytesIO

from fastapi import Request
from isal import isal_zlib

from cds.refusal import NotJson, TooLarge

GZIP = ("gzip", "x-gzip")
AS_IT_IS = ("", "identity")


async def read_body(request: Request, most_bytes: int) -> bytes:
    """
    The body, unpacked when it is sent with Content-Encoding: gzip.

    Raises:
        TooLarge: It is, or unpacks to, more than `most_bytes`; it is not read to its end.
        NotJson: It is not the gzip it says it is, or packed in another way.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most_bytes:
        raise _too_large(most_bytes)
    body = BytesIO()  # grows in place; a list of its parts would be there a second time once they are joined
    async for part in unpacked(request.headers, request.stream(), most_bytes):
        body.write(part)
    return body.getvalue()


async def unpacked(
    headers: Mapping[str, str], chunks: AsyncIterable[bytes], most_bytes: int
) -> AsyncGenerator[bytes, None]:
    """
    A body part by part, unpacked when its headers say Content-Encoding: gzip.

    Raises:
        TooLarge, NotJson: As `read_body`.
    """
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in GZIP + AS_IT_IS:
        raise NotJson(
            "The body has a Content-Encoding that is not unpacked here", fix="Send gzip, or the JSON as it is"
        )
    unpacker = isal_zlib.decompressobj(wbits=isal_zlib.MAX_WBITS | 16) if encoding in GZIP else None
    size = received = 0
    async for chunk in chunks:
        # Bounded as it arrives, too: bytes behind the gzip, or blocks that unpack to nothing, never reach `size`.
        received += len(chunk)
        if received > most_bytes:
            raise _too_large(most_bytes)
        try:
            # The bound is never 0, which would be taken for "no bound".
            part = unpacker.decompress(chunk, most_bytes - size + 1) if unpacker else chunk
        except isal_zlib.error:  # type: ignore[misc]  # the stub says it is an instance
            raise NotJson("The body is not gzip", fix="Send gzip, or leave Content-Encoding out") from None
        size += len(part)
        if size > most_bytes:
            raise _too_large(most_bytes)
        yield part
        if unpacker is not None and unpacker.unused_data:
            raise NotJson("Something follows the gzip body", fix="Send one gzip member")
    if unpacker is not None and not unpacker.eof:
        raise NotJson("The gzip body ends too early", fix="Send the whole of it")


def _too_large(most_bytes: int) -> TooLarge:
    return TooLarge(
        f"The body is larger than {most_bytes} bytes", fix="Send less, or raise CDS_MOST_BYTES on the server"
    )
