"""Whatever a rule, value-set, table or test file holds: its author gets messages, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds.authoring.testing.check import check_folder
from cds.yaml_source.document import read_yaml

TODAY = date(2026, 6, 1)
TESTS = """
today: 2026-06-01
patients:
  anna: {age: 46, conditions: [major-depressive-disorder], scores: [{phq-9-total: 17, at: 10 days ago}]}
tests:
  - {name: Anna counts, given: anna, but: {age: 47}, then: {depressed_adult: true, shows: [say_so]}}
unnoticeable:
  - {change: "*", because: An example.}
"""
FILES = (
    "depression/depression.yaml", "depression/depression.test.yaml", "valuesets/phq-9-item-9.yaml",
    "tables/antidepressants.yaml",
)  # fmt: skip
HOSTILE = st.sampled_from(
    ["{", "}", "[", "]", ":", ": ", "- ", "&a ", "*a", "!!python/object:os.system ", "!x ", "|\n", ">\n", "\t", "\x00",
     "\ufeff", "\u2028", "%YAML 1.1\n", "---\n", "...\n", "? ", "<<: ", "'", '"', "#", "~", "null", "yes", "1e999",
     ".inf", "0x10", "2026-13-45", "{{ ", " }}", "{% ", "\ud7ff", "𝒳", "-1", "1_000", "=", "@", "`", "9" * 400]
)  # fmt: skip
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
    | st.sampled_from(["depressed_adult", "age", "phq-9-total", "any", "not", "{{ age }}", "10 days", "2026-02-30"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["all", "any", "not", "of", "at_least", "unknown", "find", "coded", "value", "when", "x"]),
        inner,
        max_size=3,
    ),
    max_leaves=6,
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, write_rules_to: Callable[[Path], Path]) -> Path:
    root = write_rules_to(tmp_path / "rules")
    (root / "depression" / "depression.test.yaml").write_text(TESTS)
    return root


def messages(folder: Path, file: str, text: str) -> list[str]:
    """What the author is told with this text in a file, which is put right again."""
    path = folder / file
    before = path.read_bytes()
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        return [str(problem) for problem in check_folder(folder, TODAY)]
    finally:
        path.write_bytes(before)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in items:
        yield from places(part, (*path, step))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    if isinstance(value, dict):
        return {key: replaced(part, path[1:], new) if key == path[0] else part for key, part in value.items()}
    return [replaced(part, path[1:], new) if index == path[0] else part for index, part in enumerate(value)]


SLOW = settings(
    max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.seconds
@SLOW
@given(data=st.data(), file=st.sampled_from(FILES))
def test_no_text_ends_in_a_traceback(folder: Path, data: st.DataObject, file: str) -> None:
    text = (folder / file).read_text()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 20))
        text = text[:start] + data.draw(HOSTILE | st.text(max_size=8)) + text[end:]

    assert all(isinstance(message, str) for message in messages(folder, file, text))


@pytest.mark.seconds
@SLOW
@given(data=st.data(), file=st.sampled_from(FILES))
def test_no_structure_ends_in_a_traceback(folder: Path, data: st.DataObject, file: str) -> None:
    value = read_yaml((folder / file).read_text(), file).value
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(value))))
        value = replaced(value, path, data.draw(JUNK))

    # JSON is YAML; a text that is not a dict is read, too.
    assert all(isinstance(message, str) for message in messages(folder, file, json.dumps(value, default=str)))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 3000,
        "{a: " * 3000,
        "a: &a [*a]",
        "a: &a\n  b: *a",
        "\ud800",
        "a: " + "9" * 5000,
        "- " * 4000,
        "? ? ?",
        "\x00",
    ],
)
@pytest.mark.parametrize("file", FILES)
def test_no_monster_ends_in_a_traceback(folder: Path, file: str, text: str) -> None:
    assert messages(folder, file, text)


@pytest.mark.seconds
def test_an_alias_bomb_does_not_explode(folder: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]\n" for n in range(1, 12))
    assert any("Aliases make more than" in message for message in messages(folder, FILES[0], bomb))
