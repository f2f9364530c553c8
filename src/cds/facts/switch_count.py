"""A drug history → how often one drug was followed by another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import inf
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cds.facts.data import DataQuery
from cds.facts.fact import Fact, WhyUnknown
from cds.facts.history.eras import DrugIssue
from cds.facts.history.switches import CHANGED_BY_ONE_ISSUE, BriefRule, Switch, SwitchRule, switches
from cds.facts.kind import HISTORY, NUMBER, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.locale.sentence import counted, join_texts, say
from cds.yaml_source.fields import Duration, InUnit, NumberOrName, Refers, Snake, Text

Issues = Annotated[NumberOrName, InUnit("issues")]


class SwitchesFact(FactBase):
    """
    How often one drug was followed by another, as a range.

    The days of issue of each drug are joined to episodes; a switch is the last issue of an episode that lasted long
    enough, followed within some days by an issue of another drug.
    """

    role: ClassVar[str] = NUMBER
    no_window: ClassVar[str] = "A switch has no window but `within`: remove it."
    find: Literal["switches"]
    history: Annotated[Snake, Refers(HISTORY)]
    new_episode_after: Annotated[Duration, Field(description="A longer pause of one drug begins another episode.")]
    lasting_at_least: Duration
    within: Duration
    from_classes: Annotated[list[Text] | None, Field(min_length=1)] = None
    to_another_class: bool = False
    count: Annotated[
        Literal["switches", "drugs_left"], Field(description="Every switch, or every drug that was left once.")
    ] = "switches"
    unit: Literal["switches"]

    def compile(self, name: str, numbers: Numbers) -> CompiledSwitches:
        """The fact with every number in place."""
        return CompiledSwitches(
            **self.common(name, numbers),
            history=self.history,
            rule=SwitchRule(
                numbers.days(self.new_episode_after),
                numbers.days(self.lasting_at_least),
                numbers.days(self.within),
                frozenset(self.from_classes or ()),
                self.to_another_class,
            ),
            drugs_left=self.count == "drugs_left",
        )


class BriefSwitchesFact(FactBase):
    """How many drugs were tried only briefly and left for another, as a range; each number is the most that may be."""

    role: ClassVar[str] = NUMBER
    no_window: ClassVar[str] = "A switch has no window but `earliest` and `latest`: remove it."
    find: Literal["brief_switches"]
    history: Annotated[Snake, Refers(HISTORY)]
    earliest: Annotated[Duration, Field(description="From the first issue of a drug to that of the next one.")]
    latest: Duration
    issues_before: Issues
    issues_after: Issues
    issues_in_all: Issues
    from_classes: Annotated[list[Text] | None, Field(min_length=1)] = None
    unit: Literal["switches"]

    def compile(self, name: str, numbers: Numbers) -> CompiledSwitches:
        """The fact with every number in place."""
        return CompiledSwitches(
            **self.common(name, numbers),
            history=self.history,
            rule=BriefRule(
                numbers.days(self.earliest),
                numbers.days(self.latest),
                int(numbers.number(self.issues_before)),
                int(numbers.number(self.issues_after)),
                int(numbers.number(self.issues_in_all)),
                frozenset(self.from_classes or ()),
            ),
            drugs_left=False,
        )


@dataclass(frozen=True, slots=True)
class CompiledSwitches(CompiledFact):
    """
    How often one drug was followed by another.

    Attributes:
        history: The drug_history fact.
        rule: What is a switch.
        drugs_left: Each drug that was left counts once.
    """

    history: str
    rule: SwitchRule | BriefRule
    drugs_left: bool

    def needs(self) -> tuple[str, ...]:
        """Names of the facts it is computed from."""
        return (self.history,)

    def data(self) -> tuple[DataQuery, ...]:
        """Nothing besides what it needs."""
        return ()

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `count_switches`."""
        return count_switches(self, context.facts[self.history])


def count_switches(wanted: CompiledSwitches, history: Fact) -> Fact:
    """
    How many switches the history shows.

    A range where issues are not sure to the day: each of them can make or undo a few. Any number where medications did
    not come whole, since what is missing may lie between two issues.
    """
    found = _each_drug_once(switches(history.issues, wanted.rule), wanted)
    doubtful = _doubtful(history.issues)
    whole = history.high != inf
    slack = CHANGED_BY_ONE_ISSUE * len(doubtful)
    low = max(0, len(found) - slack) if whole else 0
    sure = whole and not doubtful
    return Fact(
        name=wanted.name,
        label=wanted.label,
        low=float(low),
        high=float(len(found) + slack) if whole else inf,
        unit="switches",
        text=str(len(found)) if sure else say("at least {low}", low=low),
        because=_because(found, doubtful, history, whole=whole),
        why_unknown=None if sure else history.why_unknown or WhyUnknown.IMPRECISE,
        missing=() if sure else (wanted.label,),
        found=history.found,
        reached=tuple(date.fromordinal(switch.day) for switch in found) if sure else (),
    )


def _each_drug_once(found: list[Switch], wanted: CompiledSwitches) -> list[Switch]:
    if wanted.drugs_left:
        return list({switch.left: switch for switch in reversed(found)}.values())[::-1]
    return found


def _doubtful(issues: tuple[DrugIssue, ...]) -> list[DrugIssue]:
    """
    What may be an issue on some day.

    A statement or administration of a drug that is ordered or dispensed is about those issues, and none of its own. The
    refills of an order are issues on days it does not tell, unless the fills themselves came.
    """
    issued = {issue.drug for issue in issues if issue.exact and issue.issued}
    filled = {issue.drug for issue in issues if issue.exact and issue.issued and not issue.order}
    return [
        issue
        for issue in issues
        if (not issue.exact if issue.issued else issue.drug not in issued)
        or (issue.refills and issue.drug not in filled)
    ]


def _because(found: list[Switch], doubtful: list[DrugIssue], history: Fact, *, whole: bool) -> str:
    if not whole:
        return history.because
    told = join_texts(
        "; ",
        (
            say(
                "{left} to {taken_up} on {day}",
                left=s.left,
                taken_up=s.taken_up,
                day=date.fromordinal(s.day).isoformat(),
            )
            for s in found
        ),
    )
    doubts = (
        counted(
            "; {number} medication without a certain day of issue",
            "; {number} medications without a certain day of issue",
            len(doubtful),
        )
        if doubtful
        else ""
    )
    return (told or say("no switch")) + doubts
