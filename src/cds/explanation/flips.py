"""Two decisions → what differs between them: cards, conclusions, facts."""

from __future__ import annotations

from dataclasses import dataclass

from cds.decide import Decision, Ruleset
from cds.engine.explain import IN_WORDS
from cds.explanation.explanation import plain_conclusions
from cds.facts.fact import Fact
from cds.locale.sentence import join_texts, say
from cds.logic.truth import Truth


@dataclass(frozen=True, slots=True)
class ConclusionChange:
    """A conclusion that is answered differently; `definition` when it is so under that definition only."""

    label: str
    was: Truth
    now: Truth
    definition: str = ""


@dataclass(frozen=True, slots=True)
class FactChange:
    """A fact that reads differently, in words."""

    label: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class DecisionChanges:
    """
    What differs.

    Attributes:
        gone, come: Summaries of cards that are no longer shown, and of those that are shown now.
        stay: Summaries of cards that are shown in both.
        conclusions: What is answered differently.
        facts: What reads differently.
    """

    gone: tuple[str, ...]
    come: tuple[str, ...]
    stay: tuple[str, ...]
    conclusions: tuple[ConclusionChange, ...]
    facts: tuple[FactChange, ...]


NO_CHANGES = DecisionChanges((), (), (), (), ())
"""What an answer changes that nothing reads."""


def flips(rules: Ruleset, was: Decision, now: Decision) -> DecisionChanges:
    """What is different now; both decisions are by these rules, for one day."""
    program = rules.program
    before = {card.name: card.summary for card in was.cards}
    after = {card.name: card.summary for card in now.cards}
    conclusions = [
        ConclusionChange(program.heads[name].label, was.truths[name], now.truths[name])
        for name in plain_conclusions(program)
        if was.truths[name] is not now.truths[name]
    ]
    conclusions += [
        ConclusionChange(program.heads[name].label, was.truths[one.head], now.truths[one.head], one.label)
        for name, definitions in program.definitions.items()
        for one in definitions
        if not one.in_use and was.truths[one.head] is not now.truths[one.head]
    ]
    return DecisionChanges(
        gone=tuple(summary for name, summary in before.items() if name not in after),
        come=tuple(summary for name, summary in after.items() if name not in before),
        stay=tuple(summary for name, summary in after.items() if name in before),
        conclusions=tuple(conclusions),
        facts=tuple(
            FactChange(fact.label, in_words(was.facts[name]), in_words(fact))
            for name, fact in now.facts.by_name.items()
            if name not in program.copies and in_words(fact) != in_words(was.facts[name])
        ),
    )


def in_words(fact: Fact) -> str:
    """What a fact says: its text, else its truth, and the reason of what is not known."""
    if fact.trials:
        return join_texts(
            "; ",
            (
                say(
                    "{trial} {start} to {end}, adequate: {adequate}, no response: {no_response}",
                    trial=trial.name,
                    start=trial.start.text if trial.start else say("since an unknown day"),
                    end=trial.end.text if trial.end else say("now"),
                    adequate=IN_WORDS[trial.adequate],
                    no_response=IN_WORDS[trial.no_response],
                )
                for trial in fact.trials
            ),
        )
    if fact.text:
        return fact.text
    return say("unknown ({because})", because=fact.because) if fact.because else say("unknown")
