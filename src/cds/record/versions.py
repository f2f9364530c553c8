"""Copies of one resource → the newest of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from cds.record import fhir
from cds.record.bundle_parts import UNREADABLE
from cds.record.dates import LONGEST

VERSION = msgspec.json.Decoder(fhir.Version)
LONG_AGO = datetime.min.replace(tzinfo=UTC)


class ResourceCopy(Protocol):
    """A resource as it was met."""

    @property
    def raw(self) -> msgspec.Raw:
        """Its bytes."""

    @property
    def where(self) -> str:
        """Path in the request."""


Copy = TypeVar("Copy", bound=ResourceCopy)


class _Version(NamedTuple):
    """What a copy says of how new it is; None where it does not, or not to the second with a time zone."""

    updated: datetime | None
    number: int | None


def newest_copy(copies: Sequence[Copy]) -> tuple[Copy, bool]:
    """The newest of several copies, and whether they say so: by lastUpdated, else versionId, else by content."""
    same: dict[bytes, Copy] = {}
    for copy in copies:
        first = same.setdefault(bytes(copy.raw), copy)
        if copy.where < first.where:
            same[bytes(copy.raw)] = copy
    listed = sorted(((_version(copy), raw, copy) for raw, copy in same.items()), key=lambda said: said[1])
    if len(listed) == 1:
        return listed[0][2], True
    dated = all(version.updated is not None for version, _, _ in listed)
    numbered = all(version.number is not None for version, _, _ in listed)

    def age(version: _Version) -> tuple[datetime, int]:
        return (
            version.updated if version.updated and dated else LONG_AGO,
            version.number or 0 if dated or numbered else 0,
        )

    listed.sort(key=lambda said: age(said[0]))
    return listed[-1][2], age(listed[-1][0]) != age(listed[-2][0])


def _version(kept: ResourceCopy) -> _Version:
    try:
        meta = VERSION.decode(kept.raw).meta or fhir.Meta()
    except UNREADABLE:
        meta = fhir.Meta()
    number = meta.versionId or ""
    return _Version(
        _instant(meta.lastUpdated or ""),
        int(number) if number.isascii() and number.isdigit() and len(number) < 19 else None,
    )


def _instant(text: str) -> datetime | None:
    """A FHIR instant (R4 §2.24.0.1), with its time zone; None for anything less."""
    try:
        read = datetime.fromisoformat(text) if len(text) <= LONGEST else None
    except ValueError:
        return None
    return read if read is not None and read.tzinfo is not None else None
