"""Bodies that arrive from elsewhere, of requests and of answers to our own: decompressed up to a limit of bytes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Mapping

from isal import isal_zlib

from cds.errors import NotJsonError, TooLargeError

GZIP = ("gzip", "x-gzip")
AS_IT_IS = ("", "identity")
MAX_RATIO = 100  # of unpacked to packed bytes; FHIR JSON reaches 10 to 40
RATIO_FROM = 4_000_000  # unpacked bytes from which the ratio counts


async def decompress(
    headers: Mapping[str, str], chunks: AsyncIterable[bytes], max_bytes: int
) -> AsyncGenerator[bytes, None]:
    """
    A body part by part, decompressed when its headers say Content-Encoding: gzip.

    Raises:
        TooLargeError: The body is, or decompresses to, more than `max_bytes`, or more than MAX_RATIO times its own
            size; it is not read to its end.
        NotJsonError: It is not the gzip it says it is, or compressed in another way.
    """
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in GZIP + AS_IT_IS:
        raise NotJsonError(
            "The body has a Content-Encoding that is not unpacked here", fix="Send gzip, or the JSON as it is"
        )
    unpacker = isal_zlib.decompressobj(wbits=isal_zlib.MAX_WBITS | 16) if encoding in GZIP else None
    size = received = 0
    async for chunk in chunks:
        # Bounded as it arrives, too: bytes behind the gzip, or blocks that unpack to nothing, never reach `size`.
        received += len(chunk)
        if received > max_bytes:
            raise too_large(max_bytes)
        try:
            # The bound is never 0, which would be taken for "no bound".
            part = unpacker.decompress(chunk, max_bytes - size + 1) if unpacker else chunk
        except isal_zlib.error:  # type: ignore[misc]  # the stub says it is an instance
            raise NotJsonError("The body is not gzip", fix="Send gzip, or leave Content-Encoding out") from None
        size += len(part)
        if size > max_bytes:
            raise too_large(max_bytes)
        if unpacker is not None and size > RATIO_FROM and size > received * MAX_RATIO:
            raise TooLargeError(
                f"The gzip body unpacks to more than {MAX_RATIO} times its size",
                fix="Send FHIR data, or send it unpacked",
            )
        yield part
        if unpacker is not None and unpacker.unused_data:
            raise NotJsonError("Something follows the gzip body", fix="Send one gzip member")
    if unpacker is not None and not unpacker.eof:
        raise NotJsonError("The gzip body ends too early", fix="Send the whole of it")


def too_large(max_bytes: int) -> TooLargeError:
    """The error for a body of more than `max_bytes` bytes."""
    return TooLargeError(
        f"The body is larger than {max_bytes} bytes", fix="Send less, or raise CDS_MAX_BODY_BYTES on the server"
    )
