"""Public FHIR data that nobody on this project wrote: read in place, skipped where it is not."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cds.errors import NoPatientError, NotJsonError, WrongPatientError
from cds.record.bundle import read_bundle

pytestmark = pytest.mark.slow

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
WHOLE_PATIENTS = ("synthea", "pysynthea", "mimic", "ecqm")
LIMITS: dict[str, Any] = {"most_entries": 50_000, "max_depth": 64}


def bundles() -> Iterator[Any]:
    for path in sorted(DATA.rglob("*.json*")):
        if path.name == "MANIFEST.json" or "cds-hooks" in path.parts:
            continue
        body = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if b'"Bundle"' in body[:2000]:
            yield pytest.param(path, id=str(path.relative_to(DATA)))


@pytest.mark.skipif(not DATA.is_dir(), reason="the public data are not beside this checkout")
@pytest.mark.parametrize("path", list(bundles()) if DATA.is_dir() else [])
def test_every_public_bundle_gives_a_record_or_a_refusal(path: Path) -> None:
    body = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    try:
        record = read_bundle(body, **LIMITS)
    except (WrongPatientError, NoPatientError):
        return
    except NotJsonError:
        assert path.parent.name == "not-json"
        return
    assert record.patient.reference.startswith("Patient/")
    if path.parts[len(DATA.parts)].startswith(WHOLE_PATIENTS):
        assert record.resources > 0
