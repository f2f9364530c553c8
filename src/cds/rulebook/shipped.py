"""Where the rules are that came with the package."""

from __future__ import annotations

from pathlib import Path

PACKAGED = Path(__file__).parents[1] / "_rules"
IN_REPOSITORY = Path(__file__).parents[3] / "rules"


def default_rules_folder() -> Path:
    """The rules that came with the package; in a checkout, the folder beside src/."""
    return PACKAGED if PACKAGED.is_dir() else IN_REPOSITORY
