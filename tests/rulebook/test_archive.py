"""Rules that were packed are read back as they were, wherever they are unpacked, and nothing leaves the folder."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec
import pytest

from cds.rulebook.archive import BrokenArchiveError, packed_rules, unpacked_rules
from cds.rulebook.loader import read_rulebook
from cds.yaml_source.source_file import RecordedFiles
from tests.rulebook.small_rules import GOOD


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in GOOD.items():
        path = tmp_path / "rules" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "rules"


def test_what_was_packed_is_read_back_and_is_the_same_each_time(folder: Path, tmp_path: Path) -> None:
    (folder / "depression" / "depression.test.yaml").write_text("tests: []\n")
    files = RecordedFiles()
    book = read_rulebook(folder, files)
    packed = packed_rules(book, files)
    again = unpacked_rules(packed, tmp_path / "elsewhere")

    assert packed == packed_rules(book, files)
    assert (again.digest, set(again.rules), again.problems) == (book.digest, set(book.rules), [])
    assert not list((tmp_path / "elsewhere").rglob("*.test.yaml"))


def test_a_site_is_packed_with_the_rules_it_is_an_overlay_of(folder: Path, tmp_path: Path) -> None:
    site = tmp_path / "sites" / "north"
    site.mkdir(parents=True)
    (site / "site.yaml").write_text(
        "site: {id: north, name: North, rules: ../../rules, uses: [depression >=1.0 <99.0]}\n"
    )
    files = RecordedFiles()
    book = read_rulebook(site, files)

    again = unpacked_rules(packed_rules(book, files), tmp_path / "elsewhere")

    assert again.base == tmp_path / "elsewhere" / "base"
    assert (again.digest, set(again.rules)) == (book.digest, set(book.rules))


@pytest.mark.parametrize("name", ["../outside.yaml", "/outside.yaml", "a/../../outside.yaml"])
def test_no_file_is_written_outside_of_the_folder(name: str, tmp_path: Path) -> None:
    packed = gzip.compress(msgspec.msgpack.encode({"own": {name: b"a: 1"}}))

    with pytest.raises(BrokenArchiveError):
        unpacked_rules(packed, tmp_path / "inside")
    assert not list(tmp_path.rglob("outside.yaml"))


@pytest.mark.parametrize(
    "packed",
    [b"", b"x", gzip.compress(b"x"), gzip.compress(msgspec.msgpack.encode({"own": 1}))],
    ids=["nothing", "no gzip", "no msgpack", "no files"],  # gzip holds the time: ids of bytes would differ by process
)
def test_what_is_no_archive_is_said_to_be_none(packed: bytes, tmp_path: Path) -> None:
    with pytest.raises(BrokenArchiveError):
        unpacked_rules(packed, tmp_path)
