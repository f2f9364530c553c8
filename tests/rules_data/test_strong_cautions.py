"""Two patients who differ in one strong caution get different summaries and indicators."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from cds.authoring.testing.cases import read_rule_tests
from cds.authoring.testing.run import record_of
from cds.decide import decide
from cds.engine.evaluator import EvaluatorMode
from cds.rulebook.loader import read_rulebook
from cds.ruleset import rules_of

RULES = Path(__file__).parents[2] / "rules"
ONE_EACH = {
    "Without a strong caution the card is for information",
    "A blood pressure in the urgent range is treated first",
    "Pregnancy",
    "Breastfeeding",
    "An infarction within six weeks",
    "Severe liver disease",
    "Alcohol dependence",
    "Depression with psychotic features is referred urgently",
    "A hallucinogen use disorder",
}


def test_each_strong_caution_has_a_summary_of_its_own() -> None:
    book = read_rulebook(RULES)
    rules = rules_of(book, EvaluatorMode.DIRECT)
    cases = [case for case in read_rule_tests(RULES, book).cases if case.name in ONE_EACH]

    cards = [decide(rules, record_of(case, rules), case.today, "ketamine-evaluation").cards[0] for case in cases]
    rules.reasoner.close()

    assert len(cards) == len(ONE_EACH)
    assert [card.indicator for card in cards] == ["info", *["warning"] * (len(cards) - 1)]
    assert all(one != other for one, other in pairwise(sorted(card.summary for card in cards)))
