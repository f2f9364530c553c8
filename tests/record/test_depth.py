from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds.errors import TooLargeError
from cds.record.nesting import refuse_too_deep

SHAPES: dict[str, Callable[[object], object]] = {
    "a chain": lambda inner: {"a": inner},
    "a list": lambda inner: [inner],
    "a chain with brothers": lambda inner: {"a": {}, "b": inner, "c": [[], {}]},
    "brackets in strings": lambda inner: {'[{"\\': ["}]}", inner, '\\"{']},
}


def depth(value: object) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(depth, inside), default=0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("levels", [1, 5, 40])
def test_nesting_is_refused_from_one_level_beyond_the_limit(shape: str, levels: int) -> None:
    nested: object = []
    for _ in range(levels):
        nested = SHAPES[shape](nested)
    text = json.dumps(nested).encode()
    deep = depth(nested)

    refuse_too_deep(text, deep)
    with pytest.raises(TooLargeError):
        refuse_too_deep(text, deep - 1)


@pytest.mark.seconds
@given(
    st.recursive(
        st.none() | st.integers() | st.text('[]{}"\\a'),
        lambda inner: st.lists(inner) | st.dictionaries(st.text('[]{}"\\'), inner),
    )
)
def test_the_depth_found_without_parsing_is_the_depth_parsed(value: object) -> None:
    text = json.dumps(value).encode()

    refuse_too_deep(text, depth(value))
    if depth(value) > 1:
        with pytest.raises(TooLargeError):
            refuse_too_deep(text, depth(value) - 1)
