"""The map for developers: rooms and imports as the code has them."""

from __future__ import annotations

import re

from scripts.draw_map import DRAWING, PAGE, SOURCE, drawing_of, page_of, rooms_in


def without_sizes(text: str) -> str:
    """The sizes of rooms change with every commit; they are as of the last `make map`."""
    return re.sub(r"[\d,]+ lines|[\d,]+ \(\d+ %\)", "", text)


def test_the_map_shows_the_rooms_and_imports_there_are() -> None:
    rooms = rooms_in(SOURCE)

    assert without_sizes(PAGE.read_text()) == without_sizes(page_of(rooms, PAGE.read_text())), "run `make map`"
    assert without_sizes(DRAWING.read_text()) == without_sizes(drawing_of(rooms)), "run `make map`"


def test_every_room_says_what_it_holds() -> None:
    assert [name for name, room in rooms_in(SOURCE).items() if not room.says] == []
