"""`but`: one value of a described patient changed, by its path."""

from __future__ import annotations

from typing import Any

from cds.authoring.testing.patient_format import ExamplePatient
from cds.yaml_source.correction import did_you_mean
from cds.yaml_source.document import Path as YamlPath

ENDS = frozenset({"to", "for", "ongoing", "on"})
INSTEAD_OF = (
    ENDS,
    {"mg_a_day", "dose", "steps"},
    {"drug", "product", "coded", "code"},
    {"age", "birth_date"},
    {"times_a_day", "every"},
)
"""Keys of which a patient has one: a `but` that sets one takes the others away."""


def patch(raw: dict[str, Any], dotted: str, value: Any, kept: frozenset[str] = frozenset()) -> YamlPath:
    """
    Set one value of a patient by its path; null takes it away. Gives the path in the patient it set.

    Steps are keys, or places in a list from 0; `+` as the last step appends. Everything on the way must be there, so
    that a slip of the pen is found; the last key may be new. A key that stands instead of others takes those away
    (`for` replaces `to`, and so do `steps` that say how long), except those this case also sets (`kept`).

    Raises:
        LookupError: The path goes nowhere; args are what is wrong and what to do.
    """
    *way, last = dotted.split(".")
    holder: Any = raw
    path: list[str | int] = []
    for step in way:
        if not path and step not in holder and step in _sections(dict) | _sections(list):
            holder[step] = {} if step in _sections(dict) else []
        key = _step(holder, step, path)
        holder = holder[key]
        path.append(key)
    if isinstance(holder, list):
        if last == "+":
            holder.append(value)
            return (*path, len(holder) - 1)
        key = _step(holder, last, path)
        if value is None:
            del holder[int(key)]
        else:
            holder[int(key)] = value
        return (*path, key)
    if not isinstance(holder, dict):
        raise LookupError(f"`{'.'.join(map(str, path))}` is a single value.", "Shorten the path.")
    if value is None and not _may_be_null(last, path):
        if last not in holder:
            raise LookupError(
                f"there is no `{last}` to take away.", did_you_mean(last, frozenset(holder), "Leave this line out.")
            )
        del holder[last]
        return (*path, last)
    for group in INSTEAD_OF:
        if last in group:
            for other in group - {last}:
                if ".".join(map(str, (*path, other))) not in kept:
                    holder.pop(other, None)
    if last == "steps" and isinstance(value, list) and value and isinstance(value[-1], dict) and "for" in value[-1]:
        for other in ENDS:
            holder.pop(other, None)
    holder[last] = value
    return (*path, last)


def _step(holder: Any, step: str, path: list[str | int]) -> str | int:
    where = ".".join(map(str, path)) or "the patient"
    if isinstance(holder, list):
        if not step.isdigit():
            raise LookupError(
                f"`{where}` is a list.", f"Write a place in it, from 0: `{where}.0`, or `{where}.+` to add."
            )
        if int(step) >= len(holder):
            raise LookupError(
                f"`{where}` has only {len(holder)} item(s).", f"Count from 0, or write `{where}.+` to add."
            )
        return int(step)
    if not isinstance(holder, dict):
        raise LookupError(f"`{where}` is a single value.", "Shorten the path.")
    if step not in holder:
        names = frozenset(holder) if path else frozenset(ExamplePatient.model_fields)
        fix = did_you_mean(step, names, f"There are {', '.join(sorted(names)) or 'none'}.")
        raise LookupError(f"there is no `{step}` in {f'`{where}`' if path else where}.", fix)
    return step


def _sections(kind: type) -> set[str]:
    return {name for name, info in ExamplePatient.model_fields.items() if info.default_factory is kind}


def _may_be_null(last: str, path: list[str | int]) -> bool:
    """Whether null is a value here: the number of a score or answer that has none."""
    return len(path) == 2 and path[0] in {"scores", "answers"} and last not in {"at", "unit", "status", "as", "of"}
