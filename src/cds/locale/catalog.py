"""The catalog of one language (gettext): sentence → the same in that language."""

from __future__ import annotations

from gettext import NullTranslations

from cds.locale.sentence import Sentence, SentenceRow, capitalized, counted, say

ENGLISH = "en"  # the language the program and the shipped rules are written in


class Catalog:
    """
    What the program writes, in one language; a sentence that is not translated is English.

    Attributes:
        language: BCP 47 tag, as `lang` of a page.
        translations: Of gettext: message → translation.
    """

    def __init__(self, language: str = ENGLISH, translations: NullTranslations | None = None) -> None:
        self.language = language
        self.translations = translations or NullTranslations()
        self._english = translations is None

    def __call__(self, text: str) -> str:
        """The text for a reader: a sentence translated, any other text as it is."""
        if not isinstance(text, Sentence):
            return text
        if self._english:
            return str(text)
        if isinstance(text, SentenceRow):
            row = "".join(map(self, text.texts))
            return capitalized(row) if text.capital else row
        if text.other:
            chosen = self.translations.ngettext(text.message, text.other, whole_number(text.number))
        else:
            chosen = self.translations.gettext(text.message)
        if not text.parts:
            return chosen
        parts = {name: self(part) if isinstance(part, str) else part for name, part in text.parts.items()}
        return chosen.format(**parts)

    def say(self, message: str, /, **parts: object) -> str:
        """A sentence for a reader; `{names}` of the message are filled by the parts."""
        return self(say(message, **parts))

    def counted(self, one: str, other: str, number: float, /, **parts: object) -> str:
        """A sentence with a number for a reader; `{number}` is the number."""
        return self(counted(one, other, number, **parts))


def whole_number(number: float) -> int:
    """A number as gettext takes it: 1.5 is not one."""
    return int(number) if number == int(number) else 2


ENGLISH_CATALOG = Catalog()
