"""A site's translation of what the program writes: read with the rules, and told when placeholders are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog as Messages
from babel.messages.mofile import write_mo

from cds.locale.sentence import say
from cds.rulebook.lint.lint import check
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.rulebook.locale_file import locale_path
from tests.rulebook.small_rules import GOOD, TODAY, write_rules

SITE = "site: {id: here, name: Here, rules: ../rules, uses: depression >=1.0 <2.0%s}\n"


def site(folder: Path, language: str = "", texts: dict[str, str] | None = None, raw: bytes = b"") -> Rulebook:
    write_rules(folder / "rules", GOOD)
    here = write_rules(folder / "site", {"site.yaml": SITE % (f", language: {language}" if language else "")})
    if texts is not None or raw:
        messages = Messages(locale=language)
        for message, text in (texts or {}).items():
            messages.add(message, text)
        compiled = locale_path(here, language)
        compiled.parent.mkdir(parents=True)
        with compiled.open("wb") as file:
            write_mo(file, messages)
        if raw:
            compiled.write_bytes(raw)
    return read_rulebook(here)


def test_a_site_without_a_language_is_english(tmp_path: Path) -> None:
    book = site(tmp_path)
    assert book.words.language == "en"
    assert book.words(say("not sent")) == "not sent"
    assert [one for one in check(book, today=TODAY) if not one.warning] == []


def test_a_site_says_it_in_its_language(tmp_path: Path) -> None:
    book = site(tmp_path, "de", {"not sent": "nicht gesendet"})
    assert (book.words.language, book.words(say("not sent"))) == ("de", "nicht gesendet")
    assert book.problems == []


def test_another_translation_is_another_rule_set(tmp_path: Path) -> None:
    one = site(tmp_path / "a", "de", {"not sent": "nicht gesendet"})
    other = site(tmp_path / "b", "de", {"not sent": "nicht geschickt"})
    assert one.digest != other.digest
    assert one.locale != other.locale


def test_a_language_without_a_catalog_is_told_and_stays_english(tmp_path: Path) -> None:
    book = site(tmp_path, "de")
    (told,) = book.problems
    assert (told.check, told.warning, Path(told.file).name, told.line) == ("wording-behind", True, "site.yaml", 1)
    assert book.words(say("not sent")) == "not sent"


@pytest.mark.parametrize(
    ("message", "text", "what"),
    [
        ("{drug} dose", "Dosis", "lacks {drug}"),
        ("{drug} dose", "Dosis von {drug} um {day}", "has {day}"),
        ("and %(number)s more", "und mehr", "lacks %(number)s"),
    ],
)
def test_a_lost_or_new_placeholder_is_an_error(tmp_path: Path, message: str, text: str, what: str) -> None:
    (told,) = site(tmp_path, "de", {message: text}).problems
    assert (told.check, told.warning) == ("site-wording", False)
    assert message in told.what
    assert what in told.what


def test_what_is_no_catalog_is_an_error(tmp_path: Path) -> None:
    (told,) = site(tmp_path, "de", raw=b"no catalog").problems
    assert (told.check, told.warning) == ("unreadable", False)
    assert "pybabel compile" in told.fix
