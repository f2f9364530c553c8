"""Checks of definitions: the choice is complete, and each changes something that is read."""

from __future__ import annotations

from collections.abc import Iterator

from cds.rulebook.lint.view import RulebookView, marked_with
from cds.rulebook.references import PARAMETER, below, read_by
from cds.yaml_source.correction import did_you_mean
from cds.yaml_source.fields import WordOf
from cds.yaml_source.problem import Problem


def definition_choice(view: RulebookView) -> Iterator[Problem]:
    """The parameter that chooses can choose each definition, and nothing else."""
    for rule in view.rules:
        spec = rule.model.definitions
        chooser = view.one(spec.chosen_by) if spec else None
        if spec is None or chooser is None or chooser.role != PARAMETER or not isinstance(chooser.spec.value, str):
            continue
        words = chooser.spec.one_of or []
        if sorted(words) != sorted(spec.are):
            yield chooser.rule.problem(
                (*chooser.path, "one_of"), "definition-choice",
                f"`{spec.chosen_by}` offers {', '.join(words)}; the definitions are {', '.join(spec.are)}.",
                "List exactly the definitions under `one_of`.",
                "A site could choose what does not exist, or never see what does.",
            )  # fmt: skip


def definition_value(view: RulebookView) -> Iterator[Problem]:
    """A definition gives a parameter a value it could have, and another than the rule file does."""
    set_by_site = {override.path[1] for override in view.book.overrides if override.path[:1] == ("set",)}
    for rule in view.rules:
        for name, definition in (rule.model.definitions.are if rule.model.definitions else {}).items():
            for parameter, value in definition.with_.items():
                found = view.one(parameter)
                if found is None or found.role != PARAMETER:
                    continue  # told as unknown-name or wrong-kind
                path = ("definitions", "are", name, "with", parameter)
                words = found.spec.one_of or []
                if isinstance(found.spec.value, str) and value not in words:
                    fix = did_you_mean(str(value), words, f"Write one of {', '.join(words)}.")
                    yield rule.problem(path, "definition-value", f"`{parameter}` cannot be {value}.", fix)
                elif not isinstance(found.spec.value, str) and isinstance(value, str):
                    yield rule.problem(
                        path, "definition-value", f"`{parameter}` is a number in {found.spec.unit}, not a word.",
                        f"Write a number in {found.spec.unit}.",
                    )  # fmt: skip
                elif value == found.spec.value and parameter not in set_by_site:
                    yield rule.problem(
                        path, "definition-value", f"`{parameter}` is {value} anyway.",
                        "Remove it here: a definition lists only what differs.", warning=True,
                    )  # fmt: skip


def definition_without_effect(view: RulebookView) -> Iterator[Problem]:
    """What a definition sets is read by the conclusion it defines."""
    reads = read_by(view.readings)
    for rule in view.rules:
        spec = rule.model.definitions
        if spec is None or view.one(spec.of) is None:
            continue
        reached = below(spec.of, reads)
        for name, definition in spec.are.items():
            for parameter in definition.with_:
                if parameter not in reached and view.one(parameter) and not view.may_be_read(parameter):
                    yield rule.problem(
                        ("definitions", "are", name, "with", parameter), "definition-without-effect",
                        f"`{spec.of}` does not rest on `{parameter}`.",
                        "Remove it, or let a fact or condition read it.",
                        "The definition would claim a difference that changes nothing.",
                        warning=True,
                    )  # fmt: skip


def setting_value(view: RulebookView) -> Iterator[Problem]:
    """A setting asks for words its parameter can be."""
    for rule in view.rules:
        for one, of in marked_with(rule, WordOf):
            parameter = getattr(one.within, of.parameter)
            found = view.one(parameter)
            if found is None or found.role != PARAMETER:
                continue  # told as unknown-name or wrong-kind
            words = found.spec.one_of or []
            if one.value not in words and isinstance(found.spec.value, str):
                fix = did_you_mean(one.value, words, f"Write one of {', '.join(words)}.")
                yield rule.problem(one.path, "setting-value", f"`{parameter}` can never be {one.value}.", fix)


CHECKS = (definition_choice, definition_value, definition_without_effect, setting_value)
