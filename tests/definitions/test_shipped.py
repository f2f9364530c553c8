"""Every published definition: true, false and unknown by a case, with its source, and on a page that is current."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import date

import pytest

from cds.rulebook.compiled_ruleset import Published
from scripts.definitions import BESIDE, HELD, NAMES, PAGE, PEOPLE, TAIL, compared_definitions, digest
from tests.definitions.comparison import answers, rules
from tests.shipped import shipped_book, shipped_cases

PUBLISHED = rules().program.published
TRUTHS = {"true", "false", "unknown"}
NEVER_FALSE = {"payer_psychotherapy", "payer_augmented_or_psychotherapy"}  # psychotherapy nobody recorded is unknown


@pytest.fixture(scope="module")
def claimed() -> dict[str, set[str]]:
    """Conclusion → the answers some case claims."""
    found: dict[str, set[str]] = defaultdict(set)
    for case in shipped_cases().cases:
        for name, expected in case.then.answers.items():
            found[name].add(str(expected).lower())
    return found


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda one: one.id)
def test_each_is_claimed_true_false_and_unknown_by_a_case(published: Published, claimed: dict[str, set[str]]) -> None:
    for name in (published.head, *published.criteria):
        assert claimed[name] >= (TRUTHS - {"false"} if name in NEVER_FALSE else TRUTHS), name


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda one: one.id)
def test_each_has_its_source_its_terms_and_the_days_it_was_read_and_is_to_be_looked_at_again(
    published: Published,
) -> None:
    (rule,) = [rule for rule in shipped_book().rules.values() if published.id in rule.model.published]
    about = rule.model.about

    assert published.evidence
    assert all(one.cite for one in published.evidence)
    assert published.license
    assert date(2026, 1, 1) <= published.read <= about.reviewed.next
    assert about.reviewed.date < about.reviewed.next
    if published.id.startswith("payer-"):
        assert published.criteria
        assert published.not_in_chart
        assert published.confirm == f"Read {published.read.isoformat()}; confirm before use."


def test_the_page_is_what_the_script_writes_from_the_rules() -> None:
    text = PAGE.read_text(encoding="utf-8")
    compared = compared_definitions()
    others = [one.id for one in PUBLISHED if one.id not in compared]
    ratio = re.search(r"is (\d\.\d) times as common", text)

    assert f"over {PEOPLE:,} made-up people" in text
    assert f"ships {len(PUBLISHED)} of them" in text
    for one in PUBLISHED:
        if one.id in compared:
            row = (
                re.escape(f"| `{one.id}` | {one.says} | ") + r"\d+\.\d %" + re.escape(f" | {one.found or 'not read'} |")
            )
            assert re.search(f"^{row}$", text, re.MULTILINE), one.id
    assert text.count("\n| `") == len(compared) + len(compared) * (len(compared) - 1) // 2
    assert ratio is not None
    assert 2.5 <= float(ratio[1]) <= 5
    assert BESIDE.format(ratio=float(ratio[1]), names=", ".join(f"`{name}`" for name in others)) in text
    assert re.findall(r"^\*\*(\w+)\*\* meets", text, re.MULTILINE) == list(NAMES)
    assert TAIL in text


@pytest.mark.slow
def test_the_page_is_of_the_answers_that_the_rules_give_now() -> None:
    """A change of an answer wants `python scripts/definitions.py`, which takes about ten minutes."""
    assert f"<!-- answers of the first {HELD} people: {digest(answers(HELD))} -->" in PAGE.read_text(encoding="utf-8")
