"""Facts → conclusions, decided twice: if the two opinions differ, nobody gets an answer."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from enum import Enum

from cds.engine.durable import DurableEvaluator, available
from cds.engine.kleene import KleeneEvaluator
from cds.errors import CdsError
from cds.facts.fact import Facts
from cds.logic.conditions import Condition
from cds.logic.strata import Stratum
from cds.logic.truth import Truth


class EvaluatorMode(Enum):
    """Whose opinions are taken."""

    BOTH = "both"
    DIRECT = "direct"


class DisagreementError(CdsError):
    """The two opinions differ. `heads` names where; no chart text is in the message."""

    def __init__(self, heads: Mapping[str, tuple[Truth, Truth]]) -> None:
        self.heads = dict(heads)
        listed = ", ".join(f"{name}: engine {a.value}, direct {b.value}" for name, (a, b) in sorted(heads.items()))
        super().__init__(f"the two opinions differ on {listed}")


class Evaluator:
    """
    A program's conditions and clauses made ready to run; usable from several threads.

    `most_remembered` answers of durable-rules are given again for the same words; the direct opinion is made anew for
    each record, so that an answer that is wrong for one would show.
    """

    def __init__(
        self,
        heads: Mapping[str, Condition],
        strata: tuple[Stratum, ...],
        mode: EvaluatorMode = EvaluatorMode.BOTH,
        most_remembered: int = 0,
    ) -> None:
        if mode is EvaluatorMode.BOTH and not available():
            raise RuntimeError("durable-rules does not run on this Python; set the engine to `direct`")
        self.mode = mode
        unheard = heads.keys() - {name for stratum in strata for name in stratum.heads}
        if mode is EvaluatorMode.BOTH and unheard:
            raise ValueError(f"no clause concludes {', '.join(sorted(unheard))}: there would be only one opinion")
        self._direct = KleeneEvaluator(heads)
        self._engine = DurableEvaluator(strata, most_remembered) if mode is EvaluatorMode.BOTH else None

    def conclude(self, facts: Facts) -> dict[str, Truth]:
        """
        Every head → true, false or unknown.

        Raises:
            DisagreementError: The two opinions differ.
            EngineError: The engine has no opinion.
        """
        statements = {name: fact.truth for name, fact in facts.by_name.items() if fact.truth is not None}
        ranges = {
            name: (fact.low, fact.high)
            for name, fact in facts.by_name.items()
            if fact.low is not None and fact.high is not None
        }
        answer = self._direct.run(statements, ranges)
        if self._engine is not None:
            other = self._engine.run(statements, ranges)
            differ = {name: (other[name], truth) for name, truth in answer.items() if other[name] is not truth}
            if differ:
                raise DisagreementError(differ)
        return answer

    def close_when_unused(self) -> None:
        """Give the engine's memory back once nobody holds this reasoner any more: decisions under way may end."""
        if self._engine is not None:
            weakref.finalize(self, self._engine.close)

    def close(self) -> None:
        """Give the engine's memory back."""
        if self._engine is not None:
            self._engine.close()
