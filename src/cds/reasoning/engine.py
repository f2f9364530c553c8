"""Clauses → truths by durable-rules: the only module that imports it, and every trap of it is handled here."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from typing import Any

from cds.rulebook.clauses import Clause, Literal, Test, Undecided
from cds.rulebook.strata import Layer
from cds.truth import Truth

try:
    import durable_rules_engine as durable
except ImportError:  # Python 3.13 and later: undefined symbol PyEval_CallObject; fixed upstream, never released
    durable = None

SCALE = 1_000_000


def available() -> bool:
    """Whether durable-rules runs on this Python."""
    return durable is not None


class Engine:
    def __init__(self, layers: tuple[Layer, ...]) -> None:
        raise RuntimeError("engine pending")

    def run(self, statements: Mapping[str, Truth], ranges: Mapping[str, tuple[float, float]]) -> dict[str, Truth]:
        raise RuntimeError

    def close(self) -> None: ...
