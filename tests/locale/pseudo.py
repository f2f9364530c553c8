"""
A complete test translation: every letter of every sentence in another alphabet, in brackets, as a site's overlay.

What a page or card still says in ASCII letters was left behind, or comes from the chart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from cds.rulebook.locale_file import locale_path
from cds.rulebook.overlay_wording import packet_places, review_places, set_key, set_places, text_places
from scripts.renew_words import sentences
from tests.shipped import RULES, shipped_book

LANGUAGE = "qps"  # ISO 639-3 keeps qaa to qtz for private use
REVIEW = "2099-01-01"  # a date in YAML has no quotes
PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
OTHER = "ȧƀƈḓḗƒɠħīĵķŀḿƞǿƥɋřşŧŭṽẇẋẏẑȦƁƇḒḖƑƓĦĪĴĶĿḾȠǾƤɊŘŞŦŬṼẆẊẎẐ"
LETTERS = str.maketrans(PLAIN, OTHER)
# Placeholders, but for the words of plural forms; and an address, which is the same in every language.
KEPT = re.compile(r"(\{\{[^|{}]*(?:\}\})?|\|\s*\w+\s*:|\{\w+\}|%\(\w+\)s|%%|https?://\S+)")


def pseudo(text: str) -> str:
    """A text in the test language: as long, but for the brackets."""
    return "".join(part if index % 2 else part.translate(LETTERS) for index, part in enumerate(KEPT.split(text)))


def bracketed(text: str) -> str:
    """A sentence of the program in the test language."""
    return f"⟦{pseudo(text)}⟧"


def pseudo_site(folder: Path) -> Path:
    """A site's folder in which every sentence of the program and every text of a rule file is translated."""
    folder.mkdir()
    uses = ", ".join(f"{name} >=0.1" for name in shipped_book().rules)
    header = {"id": folder.name, "name": "Site", "rules": str(RULES), "language": LANGUAGE, "uses": uses.split(", ")}
    (folder / "site.yaml").write_text(json.dumps({"site": header}), encoding="utf-8")
    (folder / "wording").mkdir()
    book = shipped_book()
    assert book.review is not None and book.packet is not None
    sets = {set_key(one): one.located.value for one in book.sets}
    for name, rule in book.rules.items():
        _write_wording(folder, name, rule.model.about.version, text_places(rule.located.value))
    _write_wording(folder, "review", book.review.model.review.version, review_places(book.review.located.value))
    _write_wording(folder, "packet", book.packet.model.packet.version, packet_places(book.packet.located.value))
    displays = (((name, *path), text) for name, value in sets.items() for path, text in set_places(value))
    _write_wording(folder, "valuesets", None, displays)
    translated = Catalog(locale=None, charset="utf-8")
    for message in sentences():
        if isinstance(message.id, tuple):
            translated.add(message.id, tuple(map(bracketed, message.id)))
        elif message.id:
            translated.add(message.id, bracketed(str(message.id)))
    compiled = locale_path(folder, LANGUAGE)
    compiled.parent.mkdir(parents=True)
    with compiled.open("wb") as file:
        write_mo(file, translated)
    return folder


def _write_wording(folder: Path, of: str, version: str | None, places: Iterable[tuple[Any, str]]) -> None:
    texts: dict[str, Any] = {}
    for path, text in places:
        place = texts
        for step in path[:-1]:
            place = place.setdefault(_key(step), {})
        place[_key(path[-1])] = pseudo(text)
    about = {"of": of, "language": LANGUAGE, "because": pseudo("A test"), "by": pseudo("tests"), "review": REVIEW}
    if version is not None:
        about["version"] = version
    if texts:
        wording = json.dumps({"wording": about, "texts": texts}, ensure_ascii=False).replace(f'"{REVIEW}"', REVIEW)
        (folder / "wording" / f"{of}.yaml").write_text(wording, encoding="utf-8")


def _key(step: object) -> str:
    return str(step + 1) if isinstance(step, int) else str(step)
