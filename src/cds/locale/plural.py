"""The plural forms of a language (Unicode CLDR, by Babel): which of its forms a text takes with a number."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache

from babel.core import Locale, UnknownLocaleError

from cds.locale.catalog import ENGLISH

CATEGORIES = ("zero", "one", "two", "few", "many", "other")
OTHER = "other"
NUMBER_SIGN = "#"
"""Where a form shows its number."""
COUNTED_TO = 200  # a language shows each form that a count takes below it


def plural_forms(language: str) -> tuple[str, ...]:
    """
    The forms that counts take in a language, in the order of CLDR; `other` is always one, for what is no count.

    Args:
        language: BCP 47 tag. A language that CLDR does not hold has the forms of English.
    """
    numbers = _numbers_of(language)
    return tuple(name for name in CATEGORIES if name in numbers or name == OTHER)


def means_one_number(language: str, form: str) -> bool:
    """Whether a form of a language is that of a single number, so that its words can say which."""
    return form != OTHER and _numbers_of(language)[form] == 1


def choose_form(forms: Mapping[str, str], language: str, low: float | None, high: float | None, shown: str) -> str:
    """
    The form that a number takes, with the number in place of `#`.

    A text that lacks forms of the language is one that was not translated: it takes them as English does. A range takes
    the form of its upper end, where that form shows the number, and that of its lower end where it has no upper one.

    Args:
        forms: Form → text; `other` is one of them.
        language: BCP 47 tag of the reader.
        low, high: The number, as far as it is known; both None where it is not.
        shown: The number as the reader sees it: "2", "1 to 3", "not recorded".
    """
    language = language if forms.keys() >= set(plural_forms(language)) else ENGLISH
    number = high if high is not None and math.isfinite(high) else low
    text = forms[OTHER]
    if number is not None and math.isfinite(number):
        text = forms.get(_rule(language)(number), text)
    if low != high and NUMBER_SIGN not in text:
        text = forms[OTHER]
    return text.replace(NUMBER_SIGN, shown)


@cache
def _numbers_of(language: str) -> Counter[str]:
    """Form → how many counts take it."""
    return Counter(map(_rule(language), range(COUNTED_TO)))


@cache
def _rule(language: str) -> Callable[[float], str]:
    try:
        return Locale.parse(language, sep="-").plural_form
    except (UnknownLocaleError, ValueError):
        return Locale.parse(ENGLISH).plural_form
