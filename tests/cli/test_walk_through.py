"""The walk-through for rule authors, run word for word on the shipped rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.walk_through import CONSOLE, PAGE, RECIPES, clean_copy, renewed, steps

pytestmark = pytest.mark.slow


def test_every_command_prints_what_the_page_says(tmp_path: Path) -> None:
    """When this fails because a rule of the page has changed: `python scripts/walk_through.py`, and read it again."""
    page = PAGE.read_text(encoding="utf-8")

    assert sum(len(steps(block[2])) for block in CONSOLE.finditer(page)) >= 10
    assert renewed(page, clean_copy(tmp_path)) == page


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_command_of_a_recipe_prints_what_its_page_says(recipe: Path, tmp_path: Path) -> None:
    page = recipe.read_text(encoding="utf-8")

    assert renewed(page, clean_copy(tmp_path)) == page
