"""A site's translation of what the program itself writes (gettext): read, and its placeholders compared."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from gettext import GNUTranslations
from pathlib import Path

from cds.rulebook.format.site import SiteFile
from cds.yaml_source.document import Path as YamlPath
from cds.yaml_source.loaded import LoadedFile
from cds.yaml_source.problem import Problem
from cds.yaml_source.source_file import UnreadableSourceError

CHECK, BEHIND = "site-wording", "wording-behind"
PLACEHOLDER = re.compile(r"\{\w+\}|%\(\w+\)s")


def locale_path(root: Path, language: str) -> Path:
    """Where a site's folder holds the translation into a language, as gettext lays such files out."""
    return root / "locale" / language / "LC_MESSAGES" / "cds.mo"


def read_translations(raw: bytes) -> GNUTranslations:
    """
    The translations in the bytes of a compiled catalog (.mo).

    Raises:
        UnreadableSourceError: They are none.
    """
    try:
        return GNUTranslations(io.BytesIO(raw))
    except (OSError, ValueError, UnicodeError, IndexError, KeyError):
        raise UnreadableSourceError(
            "This is not a compiled catalog of gettext.", "Compile the .po file: pybabel compile -d locale -D cds"
        ) from None


def wrong_placeholders(translations: GNUTranslations, file: str) -> Iterator[Problem]:
    """Each translation that lacks a placeholder of its message or has another one: a card would lose what it says."""
    known: dict[str | tuple[str, int], str] = translations._catalog  # type: ignore[attr-defined]
    for key, text in known.items():
        message = key[0] if isinstance(key, tuple) else key
        before, after = _placeholders(message), _placeholders(text)
        # The form for one may leave the number out: "one trial".
        lost = [one for one in before if one not in after and not (isinstance(key, tuple) and "number" in one)]
        new = [one for one in after if one not in before]
        if message and (lost or new):
            what = " and ".join(
                [*(f"lacks {one}" for one in lost), *(f"has {one}, which is none of its own" for one in new)]
            )
            fix = "Keep the placeholders of the sentence in the .po file, and compile it again."
            yield Problem(file, 0, 0, CHECK, f"The translation of `{message}` {what}.", fix)


def no_translation(site: LoadedFile[SiteFile], place: YamlPath, language: str) -> Problem:
    """A warning: what the program itself writes stays English at a site of another language."""
    what = f"What the program itself writes is not translated into {language}: it stays English."
    fix = f"Translate it into locale/{language}/LC_MESSAGES/cds.po, and compile that (docs/rule-authors/translate.md)."
    return site.problem(place, BEHIND, what, fix, warning=True)


def _placeholders(text: str) -> Counter[str]:
    return Counter(PLACEHOLDER.findall(text))
