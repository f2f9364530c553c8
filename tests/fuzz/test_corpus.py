"""What a fuzzer has found to reach something of its own goes through without a fault; the corpus stays small."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.run import CORPUS, MOST_BYTES, MOST_FILES
from tests.fuzz.targets import TARGETS

INPUTS = sorted(path for path in CORPUS.rglob("*") if path.is_file())


@pytest.mark.seconds
@pytest.mark.parametrize("name", TARGETS)
def test_every_input_that_was_kept_goes_through(name: str) -> None:
    for path in sorted((CORPUS / name).iterdir()):
        TARGETS[name](path.read_bytes())


def test_the_corpus_is_small_and_each_target_has_one() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert all(len(list((CORPUS / name).iterdir())) <= MOST_FILES for name in TARGETS)
    assert max(path.stat().st_size for path in INPUTS) <= MOST_BYTES


@pytest.mark.parametrize("name", TARGETS)
def test_a_fault_would_be_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("a fault")

    for broken in ("read_request", "read_bundle", "read_date", "read_yaml"):
        monkeypatch.setattr(f"tests.fuzz.targets.{broken}", fails)

    with pytest.raises(RuntimeError):
        TARGETS[name](Path(INPUTS[0]).read_bytes())
