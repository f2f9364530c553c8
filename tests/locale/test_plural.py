"""A number takes the form of the reader's language; a text that was not translated takes it as English does."""

from __future__ import annotations

import pytest

from cds.locale.plural import choose_form, means_one_number, plural_forms

EN = {"one": "# trial", "other": "# trials"}
PL = {"one": "# próba", "few": "# próby", "many": "# prób", "other": "# próby"}
AR = {
    "zero": "لا محاولات", "one": "محاولة واحدة", "two": "محاولتان", "few": "# محاولات", "many": "# محاولة",
    "other": "# محاولة",
}  # fmt: skip


@pytest.mark.parametrize(
    ("language", "forms"),
    [
        ("en", ("one", "other")),
        ("de-AT", ("one", "other")),
        ("es", ("one", "other")),  # `many` is for millions, which no text counts to
        ("pl", ("one", "few", "many", "other")),
        ("ar", ("zero", "one", "two", "few", "many", "other")),
        ("ja", ("other",)),
        ("qps", ("one", "other")),  # no language of CLDR: as English
    ],
)
def test_a_language_has_the_forms_that_counts_take(language: str, forms: tuple[str, ...]) -> None:
    assert plural_forms(language) == forms


@pytest.mark.parametrize(
    ("language", "form", "one"),
    [("en", "one", True), ("ar", "two", True), ("ru", "one", False), ("fr", "one", False), ("en", "other", False)],
)
def test_only_a_form_of_one_number_may_leave_it_out(language: str, form: str, one: bool) -> None:
    assert means_one_number(language, form) is one


@pytest.mark.parametrize(
    ("forms", "language", "number", "said"),
    [
        (EN, "en", 1, "1 trial"),
        (EN, "en", 0, "0 trials"),
        (EN, "en", 1.5, "1.5 trials"),
        (PL, "pl", 1, "1 próba"),
        (PL, "pl", 3, "3 próby"),
        (PL, "pl", 12, "12 prób"),
        (AR, "ar", 2, "محاولتان"),
        (AR, "ar", 7, "7 محاولات"),
        (EN, "ru", 21, "21 trials"),  # not translated: no `few`, no `many`
        (EN, "pl", 1, "1 trial"),
    ],
)
def test_a_number_takes_its_form(forms: dict[str, str], language: str, number: float, said: str) -> None:
    assert choose_form(forms, language, number, number, f"{number:g}") == said


@pytest.mark.parametrize(
    ("low", "high", "shown", "said"),
    [
        (1, 3, "1 to 3", "1 to 3 trials"),
        (1, None, "at least 1", "at least 1 trial"),
        (2, float("inf"), "at least 2", "at least 2 trials"),
        (None, None, "not recorded", "not recorded trials"),
    ],
)
def test_what_is_not_known_for_certain_still_reads_as_language(
    low: float | None, high: float | None, shown: str, said: str
) -> None:
    assert choose_form(EN, "en", low, high, shown) == said


def test_a_range_is_never_said_as_one_number() -> None:
    forms = {"one": "one trial", "other": "# trials"}
    assert choose_form(forms, "en", 1, 1, "1") == "one trial"
    assert choose_form(forms, "en", 0, 1, "0 to 1") == "0 to 1 trials"
    assert choose_form(forms, "en", 1, None, "at least 1") == "at least 1 trials"
