"""Every sentence the program writes for a reader → src/cds/locale/cds.pot, which translators begin with."""

from __future__ import annotations

import io
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import write_po

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "src" / "cds" / "locale" / "cds.pot"
KEYWORDS = {"say": None, "counted": (1, 2), "_": None, "gettext": None, "ngettext": (1, 2)}


def sentences() -> Catalog:
    """Every message of the program, without the places it is said at, in the order of its text."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    found = Catalog(project="thirdline", charset="utf-8")
    for _, _, message, _, _ in extract_from_dir(ROOT / "src" / "cds", methods, options, KEYWORDS):
        found.add(message)
    return found


def template_text(found: Catalog) -> str:
    """The messages as a file that translators begin with; the same for the same messages."""
    written = io.BytesIO()
    write_po(written, found, no_location=True, omit_header=True, sort_output=True, width=100)
    return written.getvalue().decode()


if __name__ == "__main__":
    messages = sentences()
    TEMPLATE.write_text(template_text(messages), encoding="utf-8")
    print(f"{len(messages)} sentences in {TEMPLATE.relative_to(ROOT)}")
