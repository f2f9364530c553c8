"""Whether a page of ours sent a request, and not one of somebody else (RFC 6454; Fetch Metadata)."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request


def sent_by_our_page(request: Request, origin: str) -> bool:
    """
    Whether a page of this service sent it; False where there is no telling.

    Args:
        request: What came.
        origin: Of this service as browsers know it; "" for the host they asked.
    """
    site = request.headers.get("sec-fetch-site")
    own = origin or f"{request.url.scheme}://{request.headers.get('host', '')}"
    return site == "same-origin" if site is not None else request.headers.get("origin") == own


def origin_of(address: str) -> str:
    """The origin of an address, scheme included (RFC 6454); "" for none."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if address else ""
