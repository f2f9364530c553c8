"""Rule files + a site's wording → the same rules in other words or another language; only texts can differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from cds.rulebook.format.rule_file import RuleFile
from cds.rulebook.format.wording import ENGLISH, WordingFile
from cds.rulebook.overlay import SiteOverride
from cds.rulebook.placeholders import placeholders_in
from cds.rulebook.references import Rule
from cds.yaml_source.correction import did_you_mean
from cds.yaml_source.document import Path
from cds.yaml_source.loaded import LoadedFile
from cds.yaml_source.problem import Problem

CHECK, BEHIND = "site-wording", "wording-behind"
# Keys of a rule file whose values are texts for readers; no condition, code or number is among them.
TEXT_KEYS = frozenset(
    {"label", "because", "says", "say", "summary", "detail", "title", "description", "create", "text"}
)
SECTIONS = ("facts", "conclusions", "definitions", "services", "cards")
MOST_NAMED = 5

Wording = LoadedFile[WordingFile]


def text_places(values: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text of a rule file that a clinician may read, with its path, in order."""
    if isinstance(values, dict):
        for key, value in values.items():
            if (path or key in SECTIONS) and isinstance(value, str) and key in TEXT_KEYS:
                yield (*path, key), value
            elif path or key in SECTIONS:
                yield from text_places(value, (*path, key))
    elif isinstance(values, list):
        for index, value in enumerate(values):
            yield from text_places(value, (*path, index))


def worded(rules: Mapping[str, Rule], wording: Wording) -> tuple[dict[str, Rule], list[SiteOverride], list[Problem]]:
    """
    The rule files with a wording in place, what it changes, and what is wrong with it.

    A text keeps its holes, each as often as before: what a card says of the patient cannot be left out. What a wording
    in another language does not translate, or was written from an earlier version, is a warning; the text stays as it
    was.
    """
    header = wording.model.wording
    rule = rules.get(header.of)
    if rule is None:
        fix = did_you_mean(header.of, rules, "Name a rule file.")
        what = f"There is no rule file `{header.of}`."
        return dict(rules), [], [wording.problem(("wording", "of"), CHECK, what, fix)]
    there = dict(text_places(rule.located.value))
    problems: list[Problem] = []
    written: dict[Path, tuple[Path, str]] = {}
    for mine, text in _leaves(wording.model.texts, ("texts",)):
        path = tuple(int(step) - 1 if str(step).isdigit() else step for step in mine[1:])
        wrong = _wrong(path, text, there)
        if wrong:
            problems.append(wording.problem(mine, CHECK, *wrong))
        else:
            written[path] = (mine, str(text))
    if problems:
        return dict(rules), [], problems
    values = deepcopy(rule.located.value)
    for path, (_, text) in written.items():
        _put(values, path, text)
    model = RuleFile.model_validate(values)
    overlaid = {**rule.overlaid, **{path: (wording, mine) for path, (mine, _) in written.items()}}
    changed = replace(rule, model=model, overlaid=overlaid)
    others = sum(there[path] != text for path, (_, text) in written.items())
    says = f"{others} of {len(there)} texts in {header.language}"
    override = SiteOverride(
        f"wording of {header.of}", says, header.because, header.by, header.review, ("wording",), wording
    )
    return {**rules, header.of: changed}, [override], list(_behind(wording, rule, there, written))


def _wrong(path: Path, text: object, there: Mapping[Path, str]) -> tuple[str, str] | None:
    """Why a text cannot take the place of another, and what to write; None when it can."""
    shown = shown_path(path)
    if path not in there:
        fix = did_you_mean(shown, map(shown_path, there), "Write the keys as they are in the rule file.")
        return f"The rule file has no text at `{shown}`.", fix
    if not isinstance(text, str) or not text.strip():
        return f"`{shown}` is no text.", "Write one, or remove the key."
    before, after = (Counter(hole.text for hole in placeholders_in(one)) for one in (there[path], text))
    lost = [f"{{{{ {name} }}}}" for name in before - after]
    new = [f"{{{{ {name} }}}}" for name in after - before]
    if lost or new:
        what = " and ".join([*(f"lacks {one}" for one in lost), *(f"has {one} more" for one in new)])
        return f"`{shown}` {what}.", "Keep each hole of the text as often as it is there."
    return None


def _behind(wording: Wording, rule: Rule, there: Mapping[Path, str], written: Mapping[Path, Any]) -> Iterator[Problem]:
    header = wording.model.wording
    version = rule.model.about.version
    if header.version != version:
        what = f"It was written from version {header.version}; `{header.of}` is {version}."
        yield wording.problem(
            ("wording", "version"), BEHIND, what,
            "Compare the texts (`cds diff`), then write the version they fit.",
            "A text that has changed may say something else now.", warning=True,
        )  # fmt: skip
    left = [shown_path(path) for path, text in there.items() if path not in written or written[path][1] == text]
    if left and header.language.split("-")[0] != ENGLISH:
        named = ", ".join(left[:MOST_NAMED]) + (" …" if len(left) > MOST_NAMED else "")
        yield wording.problem(
            ("texts",), BEHIND, f"{len(left)} of {len(there)} texts are not translated: {named}.",
            "Translate them; until then they are shown as they are in the rule file.", warning=True,
        )  # fmt: skip


def shown_path(path: Path) -> str:
    """A path as an author writes it: parts of a list by number, from 1."""
    return ".".join(str(step + 1) if isinstance(step, int) else step for step in path)


def _leaves(values: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(values, dict):
        for key, value in values.items():
            yield from _leaves(value, (*path, key))
    else:
        yield path, values


def _put(values: Any, path: Path, text: str) -> None:
    for step in path[:-1]:
        values = values[step]
    values[path[-1]] = text
