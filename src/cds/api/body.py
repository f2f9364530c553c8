"""Bodies of requests: read up to a limit, and decompressed up to the same limit."""

from __future__ import annotations

from io import BytesIO

from fastapi import Request

from cds.compression import decompress, too_large


async def read_body(request: Request, most_bytes: int) -> bytes:
    """
    The body, decompressed when it is sent with Content-Encoding: gzip.

    Raises:
        TooLargeError: It is, or decompresses to, more than `most_bytes`; it is not read to its end.
        NotJsonError: It is not the gzip it says it is, or packed in another way.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most_bytes:
        raise too_large(most_bytes)
    body = BytesIO()  # grows in place; a list of its parts would be there a second time once they are joined
    async for part in decompress(request.headers, request.stream(), most_bytes):
        body.write(part)
    return body.getvalue()
