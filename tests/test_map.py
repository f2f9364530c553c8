"""The map for developers: rooms and imports as the code has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.draw_map import DRAWING, PAGE, SOURCE, drawing_of, page_of, rooms_in
from tests.neighbors import NEIGHBORS

TESTS = Path(__file__).parent
SHORT = 60  # lines; a shorter module is tested where it is used
LARGEST_SHARE = 17  # percent of all lines of src/cds that one room may hold


def without_sizes(text: str) -> str:
    """The sizes of rooms change with every commit; they are as of the last `make map`."""
    return re.sub(r"[\d,]+ lines|[\d,]+ \(\d+ %\)", "", text)


@pytest.mark.seconds
def test_the_map_shows_the_rooms_and_imports_there_are() -> None:
    rooms = rooms_in(SOURCE)

    assert without_sizes(PAGE.read_text()) == without_sizes(page_of(rooms, PAGE.read_text())), "run `make map`"
    assert without_sizes(DRAWING.read_text()) == without_sizes(drawing_of(rooms)), "run `make map`"


@pytest.mark.seconds
def test_every_room_says_what_it_holds() -> None:
    assert [name for name, room in rooms_in(SOURCE).items() if not room.says] == []


@pytest.mark.seconds
def test_no_room_holds_too_much_of_the_house() -> None:
    rooms = rooms_in(SOURCE)
    lines = sum(room.lines for room in rooms.values())

    assert {name: room.lines for name, room in rooms.items() if room.lines * 100 > LARGEST_SHARE * lines} == {}


def test_each_module_has_a_test_file_of_its_name_or_a_stated_neighbor() -> None:
    without = set()
    for path in SOURCE.rglob("*.py"):
        module = path.relative_to(SOURCE).with_suffix("")
        if path.name == "__init__.py" or len(path.read_text().splitlines()) <= SHORT:
            continue
        name = f"test_{path.stem}.py"
        if not (TESTS / name).exists() and not any((TESTS / module.parts[0]).rglob(name)):
            without.add(".".join(module.parts))

    assert without - NEIGHBORS.keys() == set(), "name the test file after the module, or say in tests/neighbors.py"
    assert NEIGHBORS.keys() - without == set()
    assert [file for file in NEIGHBORS.values() if not (TESTS / file).exists()] == []
