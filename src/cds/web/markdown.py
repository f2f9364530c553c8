"""The Markdown of a card → HTML, as a careful client shows it: no HTML of the text's own, no images, safe links."""

from __future__ import annotations

from functools import cache

from markdown_it import MarkdownIt
from markupsafe import Markup


@cache
def _reader() -> MarkdownIt:
    """Markdown as far as cards use it, with tables; HTML is shown as text, and images are not loaded."""
    return MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable("image")


def markdown_sentence(text: str) -> Markup:
    """HTML of a Markdown text of one line, without a paragraph around it; escaped as in `markdown_page`."""
    return Markup(_reader().renderInline(text))  # noqa: S704 (escaped by markdown-it, its html option being off)


def markdown_page(text: str) -> Markup:
    """HTML of a Markdown text: all text escaped, and no link that runs anything (markdown-it refuses javascript:)."""
    return Markup(_reader().render(text))  # noqa: S704 (escaped by markdown-it, its html option being off)
