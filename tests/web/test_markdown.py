from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds.cards.template import escape
from cds.web.markdown import markdown_page


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**yes**", "<p><strong>yes</strong></p>\n"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a <img src=x onerror=alert(1)>", "<p>a &lt;img src=x onerror=alert(1)&gt;</p>\n"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>\n"),
        ("![x](https://elsewhere.example/pixel.png)", '<p>!<a href="https://elsewhere.example/pixel.png">x</a></p>\n'),
        ("https://elsewhere.example", "<p>https://elsewhere.example</p>\n"),
    ],
)
def test_markdown_becomes_html_that_runs_and_loads_nothing(text: str, html: str) -> None:
    assert html in markdown_page(text)


def test_a_table_is_a_table() -> None:
    assert "<table>" in markdown_page("| Drug | From |\n| --- | --- |\n| a | b |")


@given(st.text(max_size=60))
def test_chart_text_that_a_card_has_escaped_makes_no_markup(text: str) -> None:
    html = markdown_page(f"It says {escape(text)} there")

    assert html.removeprefix("<p>").removesuffix("</p>\n").count("<") == 0
