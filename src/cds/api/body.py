"""Bodies of requests: read up to a limit, and decompressed up to the same limit."""

from __future__ import annotations

from io import BytesIO

from fastapi import Request

from cds.api.byte_budget import HELD, HeldBytes
from cds.compression import GZIP, decompress, too_large

USUAL_RATIO = 20  # of unpacked to packed bytes: for so much room a gzip body waits before it is read


async def read_body(request: Request, max_bytes: int) -> bytes:
    """
    The body, decompressed when it is sent with Content-Encoding: gzip, once the byte budget has room for it.

    Raises:
        BusyError: There was no room in time.
        TooLargeError: It is, or decompresses to, more than `max_bytes`; it is not read to its end.
        NotJsonError: It is not the gzip it says it is, or packed in another way.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise too_large(max_bytes)
    held: HeldBytes | None = getattr(request.state, HELD, None)
    if held is not None and declared.isdigit():
        packed = request.headers.get("content-encoding", "").strip().lower() in GZIP
        await held.expect(min(max_bytes, int(declared) * (USUAL_RATIO if packed else 1)))
    body = BytesIO()  # grows in place; a list of its parts would be there a second time once they are joined
    async for part in decompress(request.headers, request.stream(), max_bytes):
        if held is not None:
            held.grow(body.tell() + len(part))
        body.write(part)
    if held is not None:
        held.settle(body.tell())
    return body.getvalue()
