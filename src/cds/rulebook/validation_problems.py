"""What pydantic finds wrong with a file → problems in words, each at its line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cds.rulebook.format.rule_file import known_keys
from cds.yaml_source.correction import Correction, did_you_mean, nearest
from cds.yaml_source.document import Path as YamlPath
from cds.yaml_source.document import YamlDocument
from cds.yaml_source.problem import Problem

FEW_KEYS = 8  # that a message can list
KEY = "[key]"  # pydantic's last step for a key that is not as it should be
OF_A_UNION = frozenset(
    {
        "string_type", "int_type", "float_type", "bool_type", "list_type", "dict_type", "model_type", "literal_error",
        "string_pattern_mismatch", "model_attributes_type",
    }
)  # fmt: skip
EXPECTED = {
    "string_type": "a word",
    "int_type": "a number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "`true` or `false`",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
    "date_type": "a date like 2025-03-10, without quotes",
    "is_instance_of": "another form",
    "string_too_short": "some text",
}
PATTERNS = {
    # Said for the patterns of cds.rulebook.format.rule_file.
    r"^[a-z][a-z0-9_]*$": "a name: lower-case letters, digits and `_`, a letter first",
    r"^[a-z][a-z0-9-]*$": "a name: lower-case letters, digits and `-`, a letter first",
    r"^\d+\.\d+\.\d+$": "a version like 1.0.0",
    r"^https?://\S+$": "an address that begins with https://",
    r"^[A-Za-z0-9]{1,100}$": "up to 100 letters and digits, nothing else",
}
DURATION = "a duration like 14 days, 6 weeks or 5 years, or a parameter that is one"
DURATION_KEYS = frozenset(
    {
        "look_back", "lasts_at_least", "joins_gaps_up_to", "otherwise", "apart", "before", "after",
        "augmentation_lasts_at_least",
    }
)  # fmt: skip
CONDITION_WORDS = ("all", "any", "not", "at_least", "unknown", "possibly")


def problems_of(error: ValidationError, located: YamlDocument, model: type[BaseModel]) -> list[Problem]:
    """What pydantic found, in our words, each at its line; one mistake is one problem."""
    by_path: dict[YamlPath, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        path = located.written(_yaml_path(detail, located))
        if detail["type"] == "missing":
            path = (*path, detail["loc"][-1])
        if detail["type"] == "union_tag_invalid" and located.value_at((*path, "find")) is not None:
            path = (*path, "find")
        by_path.setdefault(path, []).append(detail)
    misspelt = {
        (*path[:-1], nearest(path[-1], known_keys(details[0]["loc"][:-1], model), by_letter=True))
        for path, details in by_path.items()
        if details[0]["type"] == "extra_forbidden"
    }
    problems = []
    for path, details in by_path.items():
        if details[0]["type"] == "missing" and path in misspelt:
            continue
        # A union says for each of its forms why it does not fit; what was found further inside is the mistake.
        deeper = any(len(other) > len(path) and other[: len(path)] == path for other in by_path)
        if deeper and all(detail["type"] in OF_A_UNION and detail["loc"][-1:] != (KEY,) for detail in details):
            continue
        line, column = located.at(path)
        what, fix = _in_words(details, path, located, model)
        problems.append(Problem(located.file, line, column, _check_name(details[0]["type"]), what, fix))
    return sorted(set(problems))


def _yaml_path(detail: ErrorDetails, located: YamlDocument) -> YamlPath:
    """
    Where in the file a mistake is.

    pydantic names union members on the way (`count`, `at_least`), and a key of the file may be called the same;
    of all ways to read its path, the one that explains most of it is right.
    """
    steps = detail["loc"]
    missing = detail["type"] == "missing"

    def ways(value: Any, at: int, path: YamlPath) -> Iterator[tuple[bool, int, YamlPath]]:
        if at == len(steps) - missing:
            fits = isinstance(value, dict) and steps[-1] not in value if missing else True
            yield fits, len(path), path
            return
        step: Any = steps[at]
        if (isinstance(value, dict) and step in value) or (
            isinstance(value, list) and isinstance(step, int) and step < len(value)
        ):
            last = missing or at == len(steps) - 1
            for fits, length, whole in ways(value[step], at + 1, (*path, step)):
                yield fits, length + last, whole
        yield from ways(value, at + 1, path)

    return max(ways(located.value, 0, ()))[2]


def _check_name(kind: str) -> str:
    return {
        "missing": "missing-key",
        "extra_forbidden": "unknown-key",
        "union_tag_invalid": "unknown-kind",
        "union_tag_not_found": "unknown-kind",
        "value_error": "wrong-form",
        "codes_not_text": "codes-not-text",
    }.get(kind, "wrong-value")


def _in_words(
    details: list[ErrorDetails], path: YamlPath, located: YamlDocument, model: type[BaseModel]
) -> tuple[str, str]:
    detail = details[0]
    kind = detail["type"]
    here = ".".join(str(step) for step in path) or "the file"
    above = ".".join(str(step) for step in path[:-1])
    place = f"`{above}`" if above else "the file"
    if kind == "missing":
        return f"`{path[-1]}` is missing in {place}.", f"Add `{path[-1]}:`."
    if kind == "extra_forbidden":
        keys = known_keys(detail["loc"][:-1], model)
        listed = f"Write one of {', '.join(keys)}, or remove it."
        if len(keys) > FEW_KEYS:
            listed = "Remove it, or see docs/rule-authors/format.md for the keys."
        hint = did_you_mean(path[-1], keys, listed, by_letter=True)
        if path[-1] in CONDITION_WORDS and any(key in CONDITION_WORDS for key in keys):
            return f"`{path[-1]}` stands beside another condition in {place}.", "Put both into the list of one `all:`."
        return f"`{path[-1]}` is not a key that can stand in {place}.", hint
    if kind == "union_tag_invalid":
        tag = detail["ctx"]["tag"]
        expected = detail["ctx"]["expected_tags"].replace("'", "").split(", ")
        if not tag:
            return f"`{here}` does not say what to look for.", f"Add `find:` with one of {', '.join(expected)}."
        hint = did_you_mean(tag, expected, f"Write one of {', '.join(expected)}.", by_letter=True)
        return f"`{tag}` is not a kind of fact this format knows.", hint
    if kind == "codes_not_text":
        return f"`{here}` is a number; {detail['msg']}.", _in_quotes(located.value_at(path))
    if kind == "value_error":
        message = detail["msg"].removeprefix("Value error, ")
        return f"`{here}`: {message}.", "See docs/rule-authors/format.md."
    if any(detail.get("ctx", {}).get("class_name") == "Limits" for detail in details):
        otherwise = f"Write `{path[-1]}: {{at_least: …}}`, or a name alone."
        hint = did_you_mean(path[-1], CONDITION_WORDS, otherwise, by_letter=True)
        return f"`{path[-1]}` is no word of a condition, and as a comparison it has no limit.", hint
    if detail["loc"][-1:] == (KEY,):
        return f"`{path[-1]}` cannot be a name in {place}.", f"Write {_wanted([detail])}."
    if detail["loc"][-1:] == ("compare",):
        return f"`{here}` is not a condition.", f"Write a name, a comparison, or {', '.join(CONDITION_WORDS)}."
    wanted = DURATION if path[-1:] and path[-1] in DURATION_KEYS else _wanted(details)
    if path[-1:] == ("version",):
        wanted = PATTERNS[r"^\d+\.\d+\.\d+$"]
    return f"`{here}` cannot be {_shown(located.value_at(path))}.", f"Write {wanted}."


def _in_quotes(value: object) -> Correction:
    return Correction(f'Write "{value}".', str(value), f'"{value}"')


def _wanted(details: list[ErrorDetails]) -> str:
    forms: list[str] = []
    for detail in details:
        context = detail.get("ctx", {})
        match detail["type"]:
            case "literal_error":
                forms.append(str(context["expected"]).replace("'", "`").replace("False", "`false`"))
            case "string_pattern_mismatch":
                forms.append(PATTERNS.get(context["pattern"], DURATION))
            case "too_short":
                forms.append(f"a list of {context['min_length']} or more")
            case "too_long":
                forms.append(f"a list of {context['max_length']} at most")
            case kind:
                forms.append(EXPECTED.get(kind, f"what this asks for: {detail['msg'].lower()}"))
    return ", or ".join(dict.fromkeys(forms))


def _shown(value: object) -> str:
    match value:
        case dict():
            return "keys with values"
        case list():
            return "a list" if value else "an empty list"
        case bool():
            return f"`{str(value).lower()}`"
    return f"`{value}`"
