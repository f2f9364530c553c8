"""Writes the table of docs/clinicians/reading.md: what becomes of the phrases and codes of tests/reading_exam.yaml."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.reading_exam import table  # noqa: E402 (the repository is no package)

PAGE = ROOT / "docs" / "clinicians" / "reading.md"
BEGIN, END = "<!-- reading:begin -->\n", "<!-- reading:end -->"


def written(page: str) -> str:
    """The page with the table in its place."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
