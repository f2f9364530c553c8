"""Where the rules are that came with the package, and which folder of rules an author works in."""

from __future__ import annotations

from pathlib import Path

PACKAGED = Path(__file__).parents[1] / "_rules"
IN_REPOSITORY = Path(__file__).parents[3] / "rules"
CHECK_PAGES = (Path(__file__).parents[1] / "_checks", Path(__file__).parents[3] / "docs" / "rule-authors" / "checks")
SHIPPED = "package"
"""What a site's `rules:` says for the rules that came with the package."""
MARKS = ("site.yaml", "rules.lock", "valuesets")


def default_rules_folder() -> Path:
    """The rules that came with the package; in a checkout, the folder beside src/."""
    return PACKAGED if PACKAGED.is_dir() else IN_REPOSITORY


def check_pages() -> dict[str, Path]:
    """Name of each check → its page: those that came with the package, or those of the checkout."""
    folder = next((folder for folder in CHECK_PAGES if folder.is_dir()), CHECK_PAGES[0])
    return {page.stem: page for page in sorted(folder.glob("*.md"))}


def is_installed(folder: Path) -> bool:
    """Whether a folder is inside the installed package, where nothing of an author may be written."""
    return folder.resolve().is_relative_to(PACKAGED.resolve())


def is_rules_folder(folder: Path) -> bool:
    """Whether a folder looks like one of rules: of a whole rule set, or of a site's."""
    return any((folder / mark).exists() for mark in MARKS)


def nearest_rules_folder(start: Path) -> Path | None:
    """
    The nearest folder of rules, of a site's or of a whole rule set: `start`, a folder above it, or `rules` in one.

    None where there is none.
    """
    for folder in (start, *start.parents):
        for place in (folder, folder / "rules"):
            if is_rules_folder(place):
                return place
    return None
