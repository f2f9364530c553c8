"""The written evaluation cases stand among the rules' own, by number: none is dropped when a file is edited."""

from __future__ import annotations

import re

import pytest

from tests.shipped import shipped_cases

BESIDE_THE_RULE = {*range(2, 6), *range(7, 13), 14, 16, 18, 20, 21, 27, *range(29, 34)}
"""Cases that treatment-resistant-depression.test.yaml tells in sentences of its own, without a number."""


@pytest.mark.seconds
def test_no_evaluation_case_is_left_out() -> None:
    book = shipped_cases()

    numbered = {int(found[1]) for case in book.cases if (found := re.match(r"Case (\d+) ", case.name))}

    assert book.problems == []
    assert numbered == {*range(1, 36), *range(101, 136)} - BESIDE_THE_RULE


@pytest.mark.slow
def test_each_case_of_a_definition_says_what_it_is_under_every_written_profile() -> None:
    book = shipped_cases()
    profiles = {"default", "delphi-2022", "fda-trial", "lenient-4wk", "strict"}

    told = [set(case.then.definitions) for case in book.cases if re.match(r"Case 1[012]\d ", case.name)]

    assert sum(names == profiles for names in told) >= 24
