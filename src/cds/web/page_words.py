"""What templates say in the language of a page: gettext for their own words, sentences of the program translated."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from cds.cards.template import on_one_line
from cds.locale.catalog import Catalog, whole_number
from cds.locale.sentence import Sentence
from cds.web.markdown import markdown_page, markdown_sentence

LOCALE = "locale"
"""The name under which a template finds the catalog of its page."""


def install(environment: Environment) -> None:
    """Let templates translate: `_`, `gettext`, `ngettext` and `{% trans %}`; and every sentence that they show."""
    environment.add_extension("jinja2.ext.i18n")
    environment.newstyle_gettext = True  # type: ignore[attr-defined]  # an attribute of the extension
    environment.globals.update(_=gettext, gettext=gettext, ngettext=ngettext)
    environment.filters.update(chart=chart, code=code, markdown=markdown, sentence=sentence, said=said)
    environment.finalize = said


@pass_context
def said(context: Context, value: Any) -> Any:
    """A value for the reader of the page: a sentence of the program translated, all else as it is."""
    return _catalog(context)(value) if isinstance(value, Sentence) else value


def code(text: str) -> Markup:
    """What is typed as it is, as part of a message: a command, a setting, the name of a file."""
    return Markup("<code>{}</code>").format(text)


@pass_context
def gettext(context: Context, message: str, **values: Any) -> Markup:
    """A message of a template translated, and its `%(name)s` filled, escaped."""
    catalog = _catalog(context)
    return Markup(catalog.translations.gettext(message)) % _filled(catalog, values)  # noqa: S704 (messages are ours)


@pass_context
def ngettext(context: Context, one: str, other: str, num: float, **values: Any) -> Markup:
    """As `gettext`, in the form that the number takes; `%(num)s` is the number."""
    catalog = _catalog(context)
    message = catalog.translations.ngettext(one, other, whole_number(num))
    return Markup(message) % _filled(catalog, {"num": num} | values)  # noqa: S704 (messages are ours)


@pass_context
def chart(context: Context, text: str) -> str:
    """Text of the chart on one line."""
    return on_one_line(said(context, text))


@pass_context
def markdown(context: Context, text: str) -> Markup:
    """HTML of Markdown."""
    return markdown_page(said(context, text))


@pass_context
def sentence(context: Context, text: str) -> Markup:
    """HTML of Markdown of one line."""
    return markdown_sentence(said(context, text))


def _catalog(context: Context) -> Catalog:
    catalog: Catalog = context[LOCALE]
    return catalog


def _filled(catalog: Catalog, values: dict[str, Any]) -> dict[str, Any]:
    return {name: catalog(value) if isinstance(value, Sentence) else value for name, value in values.items()}
