from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cds.authoring.reference.diagram import HEIGHT, WIDTH, drawn
from cds.authoring.reference.rule_page import CARD, CONCLUSION, FACT, FILE, DiagramNode


def node(name: str, kind: str = CONCLUSION) -> DiagramNode:
    return DiagramNode(name, kind, name, name)


def test_what_reads_stands_right_of_what_it_reads_and_cards_stand_last() -> None:
    nodes = [node("shown", CARD), node("b"), node("a"), node("seen", FACT), node("to:x", FILE), node("from:y", FILE)]
    links = [("seen", "a"), ("a", "b"), ("from:y", "shown"), ("a", "to:x")]

    x = {box.says: box.x for box in drawn(nodes, links).boxes}

    assert x["seen"] == x["from:y"] < x["a"] < x["b"] < x["shown"] == x["to:x"]


def test_a_long_label_is_cut_and_said_whole() -> None:
    (box,) = drawn([node("x" * 60)], []).boxes

    assert len(box.words) == 30
    assert box.says == "x" * 60


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=60))
def test_no_box_lies_on_another_or_outside_of_the_drawing(pairs: list[tuple[int, int]]) -> None:
    nodes = [node(str(number), CARD if number > 16 else CONCLUSION) for number in range(20)]
    made = drawn(nodes, [(str(a), str(b)) for a, b in pairs if a < b and a <= 16])

    places = [(box.x, box.y) for box in made.boxes]
    assert len(set(places)) == 20
    for one in places:
        assert 0 <= one[0] <= made.width - WIDTH
        assert 0 <= one[1] <= made.height - HEIGHT
        assert not any(one != b and abs(one[0] - b[0]) < WIDTH and abs(one[1] - b[1]) < HEIGHT for b in places)
